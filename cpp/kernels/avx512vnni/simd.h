// AVX-512 (F, BW, VL, DQ, VNNI): 16 lanes. The contract of each operation stands in scalar/simd.h.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/compiler.h"

namespace pestle::PESTLE_ISA_NAMESPACE::simd {

inline constexpr int kLanes = 16;
inline constexpr int kSignedOffset = 128;  // vpdpbusd takes unsigned weights: signed ones are stored + 128
inline constexpr int kStripVectors = 2;    // vectors of output rows that share an activation load in prefill
inline constexpr int kMaxRows = 6;  // activation rows that share a weight load: 12 + 12 accumulators of 32
inline constexpr int kFloatRows = 6;
inline constexpr bool kWords = false;
inline constexpr bool kPairs = false;
struct WordDot;
struct OffsetDot;
using I32 = __m512i;
using F32 = __m512;
using U8 = __m512i;

PESTLE_INLINE F32 splat(float x) { return _mm512_set1_ps(x); }
PESTLE_INLINE I32 splat(int32_t x) { return _mm512_set1_epi32(x); }
PESTLE_INLINE I32 splat4(const void* p) {
  int32_t v;
  std::memcpy(&v, p, 4);
  return _mm512_set1_epi32(v);
}
PESTLE_INLINE U8 load(const void* p) { return _mm512_loadu_si512(p); }
PESTLE_INLINE void store(void* p, U8 x) { _mm512_storeu_si512(p, x); }
PESTLE_INLINE F32 load(const float* p) { return _mm512_loadu_ps(p); }
PESTLE_INLINE void store(float* p, F32 x) { _mm512_storeu_ps(p, x); }
PESTLE_INLINE I32 load(const int32_t* p) { return _mm512_loadu_si512(p); }
PESTLE_INLINE void store(int32_t* p, I32 x) { _mm512_storeu_si512(p, x); }
PESTLE_INLINE F32 zip_low(F32 a, F32 b) {
  const __m512i from = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
  return _mm512_permutex2var_ps(a, from, b);
}
PESTLE_INLINE F32 zip_high(F32 a, F32 b) {
  const __m512i from = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
  return _mm512_permutex2var_ps(a, from, b);
}
PESTLE_INLINE F32 load_f16(const uint16_t* p) {
  return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p));
}
PESTLE_INLINE void store_f16(uint16_t* p, F32 x) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
PESTLE_INLINE I32 load_u8(const uint8_t* p) {
  return _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
}
PESTLE_INLINE I32 load_s8(const int8_t* p) {
  return _mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p));
}
PESTLE_INLINE I32 load_u16(const uint16_t* p) {
  return _mm512_cvtepu16_epi32(_mm256_loadu_si256((const __m256i*)p));
}
PESTLE_INLINE void store_s8(int8_t* p, I32 x) { _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(x)); }
PESTLE_INLINE void store_s16(int16_t* p, I32 x) {
  _mm256_storeu_si256((__m256i*)p, _mm512_cvtepi32_epi16(x));
}
PESTLE_INLINE I32 load_pairs(const int16_t* p) { return _mm512_loadu_si512(p); }
PESTLE_INLINE I32 load_pairs(const int8_t* p) {
  return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p));
}
PESTLE_INLINE U8 low_nibble(U8 x) { return _mm512_and_si512(x, _mm512_set1_epi8(15)); }
PESTLE_INLINE U8 high_nibble(U8 x) { return _mm512_and_si512(_mm512_srli_epi16(x, 4), _mm512_set1_epi8(15)); }
template <int From, int To, int Mask>
PESTLE_INLINE U8 move_bits(U8 x) {
  if constexpr (From > To) x = _mm512_srli_epi16(x, From - To);
  if constexpr (From < To) x = _mm512_slli_epi16(x, To - From);
  return _mm512_and_si512(x, _mm512_set1_epi8((char)(Mask << To)));
}
PESTLE_INLINE U8 bit_or(U8 a, U8 b) { return _mm512_or_si512(a, b); }
PESTLE_INLINE U8 flip_sign(U8 x) { return _mm512_xor_si512(x, _mm512_set1_epi8(-128)); }
PESTLE_INLINE U8 table16(const void* t) { return _mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)t)); }
PESTLE_INLINE U8 lookup(U8 t, U8 i) { return _mm512_shuffle_epi8(t, i); }
PESTLE_INLINE F32 to_f32(I32 x) { return _mm512_cvtepi32_ps(x); }
PESTLE_INLINE I32 to_i32(F32 x) { return _mm512_cvtps_epi32(x); }
PESTLE_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm512_fmadd_ps(a, b, c); }
PESTLE_INLINE F32 fnma(F32 a, F32 b, F32 c) { return _mm512_fnmadd_ps(a, b, c); }
PESTLE_INLINE F32 mul(F32 a, F32 b) { return _mm512_mul_ps(a, b); }
PESTLE_INLINE F32 add(F32 a, F32 b) { return _mm512_add_ps(a, b); }
PESTLE_INLINE F32 sub(F32 a, F32 b) { return _mm512_sub_ps(a, b); }
PESTLE_INLINE F32 div(F32 a, F32 b) { return _mm512_div_ps(a, b); }
PESTLE_INLINE F32 max(F32 a, F32 b) { return _mm512_max_ps(a, b); }
PESTLE_INLINE F32 min(F32 a, F32 b) { return _mm512_min_ps(a, b); }
PESTLE_INLINE F32 abs(F32 a) { return _mm512_abs_ps(a); }
PESTLE_INLINE F32 zero_below(F32 a, float bound, F32 x) {
  return _mm512_maskz_mov_ps(_mm512_cmp_ps_mask(a, _mm512_set1_ps(bound), _CMP_NLT_UQ), x);
}
PESTLE_INLINE F32 as_f32(I32 a) { return _mm512_castsi512_ps(a); }
PESTLE_INLINE I32 as_i32(F32 a) { return _mm512_castps_si512(a); }
PESTLE_INLINE I32 add(I32 a, I32 b) { return _mm512_add_epi32(a, b); }
PESTLE_INLINE I32 max(I32 a, I32 b) { return _mm512_max_epi32(a, b); }
PESTLE_INLINE I32 bit_and(I32 a, int32_t m) { return _mm512_and_si512(a, _mm512_set1_epi32(m)); }
template <int N>
PESTLE_INLINE I32 shl(I32 a) {
  return _mm512_slli_epi32(a, N);
}
template <int N>
PESTLE_INLINE I32 shr(I32 a) {
  return _mm512_srli_epi32(a, N);
}
template <class T>
PESTLE_INLINE void opaque(T& x) {
  asm volatile("" : "+v"(x));
}
PESTLE_INLINE void prefetch(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T0); }
PESTLE_INLINE void prefetch_l2(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T1); }

template <int Max, bool kSigned>
struct Dot {
  I32 v;
  PESTLE_INLINE void start(I32 init) { v = init; }
  PESTLE_INLINE void step(U8 w, I32 x, int) { v = _mm512_dpbusd_epi32(v, w, x); }
  PESTLE_INLINE I32 value() const { return v; }
};
// All kinds of weights meet one instruction here: one instantiation serves them.
template <int Max, bool kSigned>
using DotKind = Dot<255, false>;

// The lanes' own type: through I32, GCC 12 copies each sum around each instruction of a loop.
using PairSum = __v16si;
PESTLE_INLINE PairSum no_pairs() { return (__v16si)splat(int32_t(0)); }
PESTLE_INLINE PairSum add_pairs(PairSum s, I32 a, I32 b) {
  return (__v16si)_mm512_dpwssd_epi32((I32)s, a, b);
}
PESTLE_INLINE I32 total(PairSum s) { return (I32)s; }

PESTLE_INLINE float reduce_add(F32 x) {
  const __m256 a = _mm256_add_ps(_mm512_castps512_ps256(x), _mm512_extractf32x8_ps(x, 1));
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
PESTLE_INLINE float reduce_max(F32 x) { return _mm512_reduce_max_ps(x); }
PESTLE_INLINE int32_t reduce_max(I32 x) { return _mm512_reduce_max_epi32(x); }
PESTLE_INLINE int32_t reduce_add(I32 x) { return _mm512_reduce_add_epi32(x); }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::simd
