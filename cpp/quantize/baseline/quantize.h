// Rows of floats to rows of a GGUF type, on all threads. The bytes depend on the numbers, the importance and
// the type alone: not on threads, instruction set, compiler or the rows beside them.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "gguf/type.h"

namespace pestle::quantize {

struct Matrix {
  const float* x;  // [rows, columns]
  int64_t rows, columns;
};

// UnsupportedError where rows of so many columns are not whole blocks, or nothing is quantized to the type.
int64_t row_bytes(gguf::Type type, int64_t columns);

// out: rows * row_bytes. importance: of each column, or null: what sum importance * (x - value)^2 is made
// small for. QuantizeError for a number or an importance that is not finite, a negative importance, and a
// number that the type cannot hold; `out` is undefined then.
void quantize_rows(gguf::Type type, const Matrix& matrix, const float* importance, uint8_t* out,
                   ThreadPool& pool);

}  // namespace pestle::quantize
