// AVX2 + FMA + F16C + AVX-VNNI: laptops since Alder Lake and Zen 5.
#pragma once

#include "kernels/avx2/vectors.h"

namespace pestle::PESTLE_ISA_NAMESPACE::simd {

inline constexpr int kSignedOffset = 128;  // vpdpbusd takes unsigned weights: signed ones are stored + 128
inline constexpr int kStripVectors = 2;
inline constexpr int kMaxRows = 3;
inline constexpr int kFloatRows = 6;
inline constexpr bool kWords = false;
inline constexpr bool kPairs = false;
struct WordDot;
struct OffsetDot;

template <int Max, bool kSigned>
struct Dot {
  I32 v;
  PESTLE_INLINE void start(I32 init) { v = init; }
  PESTLE_INLINE void step(U8 w, I32 x, int) { v = _mm256_dpbusd_avx_epi32(v, w, x); }
  PESTLE_INLINE I32 value() const { return v; }
};
template <int Max, bool kSigned>
using DotKind = Dot<255, false>;

// The lanes' own type: through I32, GCC 12 copies each sum around each instruction of a loop.
using PairSum = __v8si;
PESTLE_INLINE PairSum no_pairs() { return (__v8si)splat(int32_t(0)); }
PESTLE_INLINE PairSum add_pairs(PairSum s, I32 a, I32 b) {
  return (__v8si)_mm256_dpwssd_avx_epi32((I32)s, a, b);
}
PESTLE_INLINE I32 total(PairSum s) { return (I32)s; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::simd
