// 256-bit vectors, 8 lanes: everything of AVX2 and AVX-VNNI but the dot product. Contracts: scalar/simd.h.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "kernels/compiler.h"

namespace pestle::PESTLE_ISA_NAMESPACE::simd {

inline constexpr int kLanes = 8;
using I32 = __m256i;
using F32 = __m256;
using U8 = __m256i;

PESTLE_INLINE F32 splat(float x) { return _mm256_set1_ps(x); }
PESTLE_INLINE I32 splat(int32_t x) { return _mm256_set1_epi32(x); }
PESTLE_INLINE I32 splat4(const void* p) {
  int32_t v;
  std::memcpy(&v, p, 4);
  return _mm256_set1_epi32(v);
}
PESTLE_INLINE U8 load(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
PESTLE_INLINE void store(void* p, U8 x) { _mm256_storeu_si256((__m256i*)p, x); }
PESTLE_INLINE F32 load(const float* p) { return _mm256_loadu_ps(p); }
PESTLE_INLINE void store(float* p, F32 x) { _mm256_storeu_ps(p, x); }
PESTLE_INLINE I32 load(const int32_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
PESTLE_INLINE void store(int32_t* p, I32 x) { _mm256_storeu_si256((__m256i*)p, x); }
PESTLE_INLINE F32 zip_low(F32 a, F32 b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x20);
}
PESTLE_INLINE F32 zip_high(F32 a, F32 b) {
  return _mm256_permute2f128_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b), 0x31);
}
PESTLE_INLINE F32 load_f16(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
PESTLE_INLINE void store_f16(uint16_t* p, F32 x) {
  _mm_storeu_si128((__m128i*)p, _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
}
PESTLE_INLINE I32 load_u8(const uint8_t* p) {
  return _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
}
PESTLE_INLINE I32 load_s8(const int8_t* p) {
  return _mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p));
}
PESTLE_INLINE I32 load_u16(const uint16_t* p) {
  return _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i*)p));
}
PESTLE_INLINE void store_s8(int8_t* p, I32 x) {
  const __m128i w = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  _mm_storel_epi64((__m128i*)p, _mm_packs_epi16(w, w));
}
PESTLE_INLINE void store_s16(int16_t* p, I32 x) {
  _mm_storeu_si128((__m128i*)p, _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1)));
}
PESTLE_INLINE I32 load_pairs(const int16_t* p) { return _mm256_loadu_si256((const __m256i*)p); }
PESTLE_INLINE I32 load_pairs(const int8_t* p) {
  return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p));
}
PESTLE_INLINE U8 low_nibble(U8 x) { return _mm256_and_si256(x, _mm256_set1_epi8(15)); }
PESTLE_INLINE U8 high_nibble(U8 x) { return _mm256_and_si256(_mm256_srli_epi16(x, 4), _mm256_set1_epi8(15)); }
template <int From, int To, int Mask>
PESTLE_INLINE U8 move_bits(U8 x) {
  if constexpr (From > To) x = _mm256_srli_epi16(x, From - To);
  if constexpr (From < To) x = _mm256_slli_epi16(x, To - From);
  return _mm256_and_si256(x, _mm256_set1_epi8((char)(Mask << To)));
}
PESTLE_INLINE U8 bit_or(U8 a, U8 b) { return _mm256_or_si256(a, b); }
PESTLE_INLINE U8 flip_sign(U8 x) { return _mm256_xor_si256(x, _mm256_set1_epi8(-128)); }
PESTLE_INLINE U8 table16(const void* t) {
  return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)t));
}
PESTLE_INLINE U8 lookup(U8 t, U8 i) { return _mm256_shuffle_epi8(t, i); }
PESTLE_INLINE F32 to_f32(I32 x) { return _mm256_cvtepi32_ps(x); }
PESTLE_INLINE I32 to_i32(F32 x) { return _mm256_cvtps_epi32(x); }
PESTLE_INLINE F32 fma(F32 a, F32 b, F32 c) { return _mm256_fmadd_ps(a, b, c); }
PESTLE_INLINE F32 fnma(F32 a, F32 b, F32 c) { return _mm256_fnmadd_ps(a, b, c); }
PESTLE_INLINE F32 mul(F32 a, F32 b) { return _mm256_mul_ps(a, b); }
PESTLE_INLINE F32 add(F32 a, F32 b) { return _mm256_add_ps(a, b); }
PESTLE_INLINE F32 sub(F32 a, F32 b) { return _mm256_sub_ps(a, b); }
PESTLE_INLINE F32 div(F32 a, F32 b) { return _mm256_div_ps(a, b); }
PESTLE_INLINE F32 max(F32 a, F32 b) { return _mm256_max_ps(a, b); }
PESTLE_INLINE F32 min(F32 a, F32 b) { return _mm256_min_ps(a, b); }
PESTLE_INLINE F32 abs(F32 a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
PESTLE_INLINE F32 zero_below(F32 a, float bound, F32 x) {
  return _mm256_and_ps(_mm256_cmp_ps(a, _mm256_set1_ps(bound), _CMP_NLT_UQ), x);
}
PESTLE_INLINE F32 as_f32(I32 a) { return _mm256_castsi256_ps(a); }
PESTLE_INLINE I32 as_i32(F32 a) { return _mm256_castps_si256(a); }
PESTLE_INLINE I32 add(I32 a, I32 b) { return _mm256_add_epi32(a, b); }
PESTLE_INLINE I32 max(I32 a, I32 b) { return _mm256_max_epi32(a, b); }
PESTLE_INLINE I32 bit_and(I32 a, int32_t m) { return _mm256_and_si256(a, _mm256_set1_epi32(m)); }
template <int N>
PESTLE_INLINE I32 shl(I32 a) {
  return _mm256_slli_epi32(a, N);
}
template <int N>
PESTLE_INLINE I32 shr(I32 a) {
  return _mm256_srli_epi32(a, N);
}
template <class T>
PESTLE_INLINE void opaque(T& x) {
  asm volatile("" : "+x"(x));
}
PESTLE_INLINE void prefetch(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T0); }
PESTLE_INLINE void prefetch_l2(const void* p) { _mm_prefetch((const char*)p, _MM_HINT_T1); }

PESTLE_INLINE float reduce_add(F32 x) {
  const __m128 b = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_add_ss(c, _mm_shuffle_ps(c, c, 1)));
}
PESTLE_INLINE float reduce_max(F32 x) {
  const __m128 b = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
  const __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));
  return _mm_cvtss_f32(_mm_max_ss(c, _mm_shuffle_ps(c, c, 1)));
}
PESTLE_INLINE int32_t reduce_max(I32 x) {
  __m128i b = _mm_max_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  b = _mm_max_epi32(b, _mm_shuffle_epi32(b, 0x4e));
  return _mm_cvtsi128_si32(_mm_max_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}
PESTLE_INLINE int32_t reduce_add(I32 x) {
  __m128i b = _mm_add_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  b = _mm_add_epi32(b, _mm_shuffle_epi32(b, 0x4e));
  return _mm_cvtsi128_si32(_mm_add_epi32(b, _mm_shuffle_epi32(b, 0xb1)));
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::simd
