// The 16-bit and 8-bit floats of checkpoints as floats, exactly; fp8 times the scale of its block, rounded
// once.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"

namespace pestle::quantize {

void widen_f16(const uint16_t* source, int64_t n, float* out, ThreadPool& pool);
void widen_bf16(const uint16_t* source, int64_t n, float* out, ThreadPool& pool);

// One scale for each square of 128 x 128 numbers, the last ones cut off by the matrix's edges: [rows / 128,
// columns / 128], rounded up.
inline constexpr int64_t kFp8Block = 128;
struct Fp8 {
  const uint8_t* codes;  // E4M3 (OCP 8-bit floating point 1.0): no infinities, 0x7f and 0xff are NaN
  const float* scales;
  int64_t rows, columns;
};
void widen_fp8(const Fp8& matrix, float* out, ThreadPool& pool);

}  // namespace pestle::quantize
