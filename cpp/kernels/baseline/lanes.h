// Sixteen bytes at a time, for packing: the compilers' portable vectors, which become SSE2 or NEON.
#pragma once

#include <cstdint>
#include <cstring>

namespace pestle {

using Lanes = uint32_t __attribute__((vector_size(16)));
using Halves = uint16_t __attribute__((vector_size(16)));
using Bytes = uint8_t __attribute__((vector_size(16)));

inline Lanes load(const void* p) {
  Lanes v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
inline void store(void* p, Lanes v) { std::memcpy(p, &v, sizeof v); }

// Lane j of v[i] and lane i of v[j] change places.
inline void transpose(Lanes (&v)[4]) {
  const Lanes a = __builtin_shufflevector(v[0], v[1], 0, 4, 1, 5);
  const Lanes b = __builtin_shufflevector(v[2], v[3], 0, 4, 1, 5);
  const Lanes c = __builtin_shufflevector(v[0], v[1], 2, 6, 3, 7);
  const Lanes d = __builtin_shufflevector(v[2], v[3], 2, 6, 3, 7);
  v[0] = __builtin_shufflevector(a, b, 0, 1, 4, 5);
  v[1] = __builtin_shufflevector(a, b, 2, 3, 6, 7);
  v[2] = __builtin_shufflevector(c, d, 0, 1, 4, 5);
  v[3] = __builtin_shufflevector(c, d, 2, 3, 6, 7);
}

// One stage of a perfect shuffle: of n vectors, elements of i and i + n / 2 come to stand side by side. It
// turns the bits of an element's index (vector, then place) round by one, so that four stages transpose
// sixteen rows.
template <int N>
void interleave(Bytes (&v)[N]) {
  Bytes out[N];
  for (int i = 0; i < N / 2; i++) {
    const Bytes a = v[i], b = v[i + N / 2];
    out[2 * i] = __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    out[2 * i + 1] =
        __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  }
  std::memcpy(v, out, sizeof v);
}
template <int N>
void interleave(Halves (&v)[N]) {
  Halves out[N];
  for (int i = 0; i < N / 2; i++) {
    const Halves a = v[i], b = v[i + N / 2];
    out[2 * i] = __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
    out[2 * i + 1] = __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
  }
  std::memcpy(v, out, sizeof v);
}

// The bits of b under `mask` change places with those of a that stand `shift` higher.
inline void exchange(Lanes& a, Lanes& b, int shift, uint32_t mask) {
  const Lanes t = (a >> shift ^ b) & mask;
  b ^= t;
  a ^= t << shift;
}

// Two bits of the index of every bit in a word change places: bit i moves to where bits `High` and `Low` of
// i are swapped.
template <int High, int Low>
Lanes swap_index_bits(Lanes v) {
  constexpr uint32_t kMask = [] {
    uint32_t mask = 0;
    for (uint32_t i = 0; i < 32; i++)
      if (!(i >> High & 1) && (i >> Low & 1)) mask |= 1u << i;
    return mask;
  }();
  constexpr int kShift = (1 << High) - (1 << Low);
  const Lanes t = (v >> kShift ^ v) & kMask;
  return v ^ t ^ t << kShift;
}

}  // namespace pestle
