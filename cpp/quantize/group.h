// As many blocks as there are lanes, on their way from rows of floats to blocks of bytes.
#pragma once

#include "quantize/lanes.h"
#include "quantize/table.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

using pestle::quantize::Range;

// Blocks of kN columns, one to a lane: x[i] holds column i of each, w[i] its importance.
template <int kN>
struct Group {
  F x[kN], w[kN];
  int n;         // lanes in use
  uint8_t* out;  // the block of the first lane
};

// Of the bits of magnitudes.
PESTLE_INLINE uint32_t most_of(I largest) {
  int32_t lanes[kLanes], most = 0;
  std::memcpy(lanes, &largest, sizeof lanes);
  for (int32_t bits : lanes) most = bits > most ? bits : most;
  return static_cast<uint32_t>(most);
}

// Calls body(group) for all blocks of the range; unused lanes hold zeros. Returns what a Quantizer returns.
template <int kN, int kBytes, class Body>
PESTLE_INLINE uint32_t for_groups(const Range& r, const Body& body) {
  static constexpr float kZeros[kN] = {};
  Group<kN> group;
  for (F& w : group.w) w = splat(1.0f);
  I largest = {};
  for (int64_t b = r.begin; b < r.end; b += kLanes) {
    group.n = r.end - b < kLanes ? static_cast<int>(r.end - b) : kLanes;
    group.out = r.out + b * kBytes;
    const float *x[kLanes], *w[kLanes];
    for (int l = 0; l < kLanes; l++) {
      const bool used = l < group.n;
      x[l] = used ? r.x + (b + l) * kN : kZeros;
      w[l] = used && r.importance ? r.importance + (b + l) % r.blocks * kN : kZeros;
    }
    transpose(x, kN, group.x);
    if (r.importance) transpose(w, kN, group.w);
    for (const F& v : group.x) {
      const I bits = (I)abs(v);
      largest = bits > largest ? bits : largest;
    }
    body(group);
  }
  return most_of(largest);
}

// The low kSize bytes of each lane, at `offset` of its block of kBlock bytes.
template <int kBlock, int kSize, int kN>
PESTLE_INLINE void put(const Group<kN>& g, int offset, I bits) {
  int32_t lanes[kLanes];
  std::memcpy(lanes, &bits, sizeof lanes);
  for (int l = 0; l < g.n; l++) std::memcpy(g.out + l * kBlock + offset, &lanes[l], kSize);
}
// kCount bytes from `offset` on, each the low byte of byte(i).
template <int kBlock, int kCount, int kN, class Byte>
PESTLE_INLINE void put_bytes(const Group<kN>& g, int offset, const Byte& byte) {
  static_assert(kCount % 4 == 0);
  for (int i = 0; i < kCount; i += 4)
    put<kBlock, 4>(g, offset + i, byte(i) | byte(i + 1) << 8 | byte(i + 2) << 16 | byte(i + 3) << 24);
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
