// Vectors whose lane is one block (or super-block) of a row: no sum ever crosses lanes, so that the bytes of
// a block do not depend on the width of the registers. GCC's and Clang's vector types; every operation here
// is exact or rounds once, as IEEE 754 says, and the build forbids contraction.
#pragma once

#if defined(__SSE2__)
#include <immintrin.h>
#endif

#include <cstdint>
#include <cstring>

#include "kernels/compiler.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

#if defined(__AVX512F__)
inline constexpr int kLanes = 16;
#elif defined(__AVX2__)
inline constexpr int kLanes = 8;
#else
inline constexpr int kLanes = 4;
#endif

typedef float F __attribute__((vector_size(4 * kLanes)));
typedef int32_t I __attribute__((vector_size(4 * kLanes)));

PESTLE_INLINE F splat(float x) { return F{} + x; }
PESTLE_INLINE I splat(int32_t x) { return I{} + x; }
// a < b ? a : b and a > b ? a : b; compilers do not always find the instruction that does it.
#if defined(__AVX512F__)
PESTLE_INLINE F min(F a, F b) { return (F)_mm512_min_ps((__m512)a, (__m512)b); }
PESTLE_INLINE F max(F a, F b) { return (F)_mm512_max_ps((__m512)a, (__m512)b); }
#elif defined(__AVX2__)
PESTLE_INLINE F min(F a, F b) { return (F)_mm256_min_ps((__m256)a, (__m256)b); }
PESTLE_INLINE F max(F a, F b) { return (F)_mm256_max_ps((__m256)a, (__m256)b); }
#elif defined(__SSE2__)
PESTLE_INLINE F min(F a, F b) { return (F)_mm_min_ps((__m128)a, (__m128)b); }
PESTLE_INLINE F max(F a, F b) { return (F)_mm_max_ps((__m128)a, (__m128)b); }
#else
PESTLE_INLINE F min(F a, F b) { return a < b ? a : b; }
PESTLE_INLINE F max(F a, F b) { return a > b ? a : b; }
#endif
PESTLE_INLINE F clamp(F x, float low, float high) { return min(max(x, splat(low)), splat(high)); }
PESTLE_INLINE F select(I mask, F a, F b) { return mask ? a : b; }
PESTLE_INLINE I select(I mask, I a, I b) { return mask ? a : b; }
PESTLE_INLINE F abs(F x) { return (F)((I)x & 0x7fffffff); }

// Above every sum of squared errors.
inline constexpr float kHuge = 0x1p126f;

// To the nearest integer, ties to even. Exact below 2^22 in magnitude; beyond, a number as large.
inline constexpr float kRound = 0x1.8p23f;
PESTLE_INLINE F round(F x) { return (x + kRound) - kRound; }
// The integer that a float of such a value is.
PESTLE_INLINE I to_int(F whole) { return (I)(whole + kRound) - 0x4b400000; }

// 1 / x, and 0 for 0.
PESTLE_INLINE F inverse(F x) { return select(x == 0.0f, F{}, 1.0f / select(x == 0.0f, splat(1.0f), x)); }
// a / b, and 0 where b is 0.
PESTLE_INLINE F ratio(F a, F b) { return select(b == 0.0f, F{}, a / select(b == 0.0f, splat(1.0f), b)); }

// The nearest number that a half can hold, ties to even; never an infinity.
PESTLE_INLINE F round_to_half(F x) {
  const I sign = (I)x & static_cast<int32_t>(0x80000000);
  const F magnitude = min(abs(x), splat(65504.0f));
  const I bits = (I)magnitude;
  const I normal = (bits + 0xfff + (bits >> 13 & 1)) & ~0x1fff;
  const F small = (magnitude + 0.5f) - 0.5f;  // subnormal halves are multiples of 2^-24
  return (F)(sign | select(magnitude < 0x1p-14f, (I)small, normal));
}
// The same for a scale: what is not zero does not become zero. Numbers whose scale is below a half's range
// come out nearer than as zeros.
PESTLE_INLINE F round_scale(F x) {
  const I sign = (I)x & static_cast<int32_t>(0x80000000);
  const F least = select(x == 0.0f, F{}, splat(0x1p-24f));
  return (F)(sign | (I)max(abs(round_to_half(x)), least));
}
// The bits of a number that a half holds.
PESTLE_INLINE I half_bits(F x) {
  const I bits = (I)x & 0x7fffffff;
  const I normal = (bits >> 13) - (112 << 10);
  const I small = (I)((F)bits + 0.5f) & 0x7ff;
  return ((I)x >> 16 & 0x8000) | select((F)bits < 0x1p-14f, small, normal);
}

PESTLE_INLINE F load(const float* p) {
  F x;
  std::memcpy(&x, p, sizeof x);
  return x;
}

namespace detail {
template <int... kIndex>
struct Indices {};
template <int kN, int... kIndex>
struct Count : Count<kN - 1, kN - 1, kIndex...> {};
template <int... kIndex>
struct Count<0, kIndex...> {
  using Type = Indices<kIndex...>;
};
// Exchanges the off-diagonal squares of size kStep of two rows.
template <int kStep, int... kIndex>
PESTLE_INLINE void exchange(F& a, F& b, Indices<kIndex...>) {
  const F low = __builtin_shufflevector(a, b, (kIndex & kStep ? kLanes + kIndex - kStep : kIndex)...);
  b = __builtin_shufflevector(a, b, (kIndex & kStep ? kLanes + kIndex : kIndex + kStep)...);
  a = low;
}
template <int kStep>
PESTLE_INLINE void exchange_all(F (&rows)[kLanes]) {
  if constexpr (kStep < kLanes) {
    PESTLE_UNROLL
    for (int i = 0; i < kLanes; i++)
      if ((i & kStep) == 0) exchange<kStep>(rows[i], rows[i + kStep], typename Count<kLanes>::Type());
    exchange_all<2 * kStep>(rows);
  }
}
}  // namespace detail

// x[i] of lane l = source[l][i], for i < n, a multiple of 16.
PESTLE_INLINE void transpose(const float* const (&source)[kLanes], int n, F* x) {
  for (int i = 0; i < n; i += kLanes) {
    F rows[kLanes];
    PESTLE_UNROLL
    for (int l = 0; l < kLanes; l++) rows[l] = load(source[l] + i);
    detail::exchange_all<1>(rows);
    PESTLE_UNROLL
    for (int l = 0; l < kLanes; l++) x[i + l] = rows[l];
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
