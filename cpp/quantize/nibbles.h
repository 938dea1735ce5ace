// Codes of blocks of 32 columns in their bytes: low nibbles hold the first half of a block, fifth bits stand
// apart.
#pragma once

#include "quantize/group.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

inline constexpr int kN = 32;

template <int kBlock>
PESTLE_INLINE void put_nibbles(const Group<kN>& g, int offset, const I (&code)[kN]) {
  put_bytes<kBlock, 16>(g, offset, [&](int i) { return (code[i] & 15) | (code[i + 16] & 15) << 4; });
}
template <int kBlock>
PESTLE_INLINE void put_fifth_bits(const Group<kN>& g, int offset, const I (&code)[kN]) {
  I bits = {};
  for (int i = 0; i < kN; i++) bits |= (code[i] >> 4 & 1) << i;
  put<kBlock, 4>(g, offset, bits);
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
