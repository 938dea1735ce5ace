// The quantizers of one instruction set, as the layers above see them: blocks of floats in, GGUF's blocks
// out.
#pragma once

#include <cstdint>

#include "kernels/format.h"

namespace pestle::quantize {

// Blocks [begin, end) of a matrix, counted in file order; a row has `blocks` of them.
struct Range {
  const float* x;           // of the matrix
  const float* importance;  // of the columns, positive; or null: all alike
  int64_t begin, end, blocks;
  uint8_t* out;  // of the matrix
};

// Returns the bits of the largest magnitude met, numbers that are not finite included. Beyond what the type
// can hold, the blocks are of no use.
using Quantizer = uint32_t (*)(const Range&);

struct Quantizers { Quantizer plain, weighted; };

// Null for a format that nothing is quantized to.
using Table = Quantizers (*)(Format format);

}  // namespace pestle::quantize
