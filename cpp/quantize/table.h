// The quantizers of one instruction set, as the layers above see them: blocks of floats in, GGUF's blocks
// out.
#pragma once

#include <cstdint>

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

// Null for a type that nothing is quantized to. The type is an id of GGUF.
using Table = Quantizers (*)(uint32_t type);

}  // namespace pestle::quantize
