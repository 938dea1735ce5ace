// Armv8.2 NEON with the dot product instructions: 4 lanes. Contracts: scalar/simd.h.
#pragma once

#include <arm_neon.h>

#include <cstdint>
#include <cstring>

#include "kernels/compiler.h"

namespace pestle::PESTLE_ISA_NAMESPACE::simd {

inline constexpr int kLanes = 4;
inline constexpr int kSignedOffset = 0;  // sdot takes signed weights; unsigned ones stay below 128
inline constexpr int kStripVectors = 4;
inline constexpr int kMaxRows = 3;  // 12 integer and 12 float accumulators of 32 registers
inline constexpr int kFloatRows = 6;
inline constexpr bool kWords = false;
inline constexpr bool kPairs = false;
struct WordDot;
struct OffsetDot;
using I32 = int32x4_t;
using F32 = float32x4_t;
using U8 = uint8x16_t;

PESTLE_INLINE F32 splat(float x) { return vdupq_n_f32(x); }
PESTLE_INLINE I32 splat(int32_t x) { return vdupq_n_s32(x); }
PESTLE_INLINE I32 splat4(const void* p) {
  int32_t v;
  std::memcpy(&v, p, 4);
  return vdupq_n_s32(v);
}
PESTLE_INLINE U8 load(const void* p) { return vld1q_u8((const uint8_t*)p); }
PESTLE_INLINE void store(void* p, U8 x) { vst1q_u8((uint8_t*)p, x); }
PESTLE_INLINE F32 load(const float* p) { return vld1q_f32(p); }
PESTLE_INLINE void store(float* p, F32 x) { vst1q_f32(p, x); }
PESTLE_INLINE I32 load(const int32_t* p) { return vld1q_s32(p); }
PESTLE_INLINE void store(int32_t* p, I32 x) { vst1q_s32(p, x); }
PESTLE_INLINE F32 zip_low(F32 a, F32 b) { return vzip1q_f32(a, b); }
PESTLE_INLINE F32 zip_high(F32 a, F32 b) { return vzip2q_f32(a, b); }
PESTLE_INLINE F32 load_f16(const uint16_t* p) { return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(p))); }
PESTLE_INLINE void store_f16(uint16_t* p, F32 x) { vst1_u16(p, vreinterpret_u16_f16(vcvt_f16_f32(x))); }
PESTLE_INLINE uint8x8_t load_4(const void* p) {
  uint32_t v;
  std::memcpy(&v, p, 4);
  return vreinterpret_u8_u32(vdup_n_u32(v));
}
PESTLE_INLINE I32 load_u8(const uint8_t* p) {
  return vreinterpretq_s32_u32(vmovl_u16(vget_low_u16(vmovl_u8(load_4(p)))));
}
PESTLE_INLINE I32 load_s8(const int8_t* p) {
  return vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_u8(load_4(p)))));
}
PESTLE_INLINE I32 load_u16(const uint16_t* p) { return vreinterpretq_s32_u32(vmovl_u16(vld1_u16(p))); }
PESTLE_INLINE void store_s8(int8_t* p, I32 x) {
  const int16x4_t w = vqmovn_s32(x);
  const uint32_t v = vget_lane_u32(vreinterpret_u32_s8(vqmovn_s16(vcombine_s16(w, w))), 0);
  std::memcpy(p, &v, 4);
}
PESTLE_INLINE void store_s16(int16_t* p, I32 x) { vst1_s16(p, vqmovn_s32(x)); }
PESTLE_INLINE I32 load_pairs(const int16_t* p) { return vreinterpretq_s32_s16(vld1q_s16(p)); }
PESTLE_INLINE I32 load_pairs(const int8_t* p) { return vreinterpretq_s32_s16(vmovl_s8(vld1_s8(p))); }
PESTLE_INLINE U8 low_nibble(U8 x) { return vandq_u8(x, vdupq_n_u8(15)); }
PESTLE_INLINE U8 high_nibble(U8 x) { return vshrq_n_u8(x, 4); }
template <int From, int To, int Mask>
PESTLE_INLINE U8 move_bits(U8 x) {
  if constexpr (From > To) x = vshrq_n_u8(x, From - To);
  if constexpr (From < To) x = vshlq_n_u8(x, To - From);
  return vandq_u8(x, vdupq_n_u8((uint8_t)(Mask << To)));
}
PESTLE_INLINE U8 bit_or(U8 a, U8 b) { return vorrq_u8(a, b); }
PESTLE_INLINE U8 flip_sign(U8 x) { return veorq_u8(x, vdupq_n_u8(128)); }
PESTLE_INLINE U8 table16(const void* t) { return vld1q_u8((const uint8_t*)t); }
PESTLE_INLINE U8 lookup(U8 t, U8 i) { return vqtbl1q_u8(t, i); }
PESTLE_INLINE F32 to_f32(I32 x) { return vcvtq_f32_s32(x); }
PESTLE_INLINE I32 to_i32(F32 x) { return vcvtnq_s32_f32(x); }
PESTLE_INLINE F32 fma(F32 a, F32 b, F32 c) { return vfmaq_f32(c, a, b); }
PESTLE_INLINE F32 fnma(F32 a, F32 b, F32 c) { return vfmsq_f32(c, a, b); }
PESTLE_INLINE F32 mul(F32 a, F32 b) { return vmulq_f32(a, b); }
PESTLE_INLINE F32 add(F32 a, F32 b) { return vaddq_f32(a, b); }
PESTLE_INLINE F32 sub(F32 a, F32 b) { return vsubq_f32(a, b); }
PESTLE_INLINE F32 div(F32 a, F32 b) { return vdivq_f32(a, b); }
PESTLE_INLINE F32 max(F32 a, F32 b) { return vmaxq_f32(a, b); }
PESTLE_INLINE F32 min(F32 a, F32 b) { return vminq_f32(a, b); }
PESTLE_INLINE F32 abs(F32 a) { return vabsq_f32(a); }
PESTLE_INLINE F32 as_f32(I32 a) { return vreinterpretq_f32_s32(a); }
PESTLE_INLINE I32 as_i32(F32 a) { return vreinterpretq_s32_f32(a); }
PESTLE_INLINE F32 zero_below(F32 a, float bound, F32 x) {
  return vreinterpretq_f32_u32(vbicq_u32(vreinterpretq_u32_f32(x), vcltq_f32(a, vdupq_n_f32(bound))));
}
PESTLE_INLINE I32 add(I32 a, I32 b) { return vaddq_s32(a, b); }
PESTLE_INLINE I32 max(I32 a, I32 b) { return vmaxq_s32(a, b); }
PESTLE_INLINE I32 bit_and(I32 a, int32_t m) { return vandq_s32(a, vdupq_n_s32(m)); }
template <int N>
PESTLE_INLINE I32 shl(I32 a) {
  return vshlq_n_s32(a, N);
}
template <int N>
PESTLE_INLINE I32 shr(I32 a) {
  if constexpr (N == 0)
    return a;  // the instruction shifts by 1 to 32
  else
    return vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), N));
}
template <class T>
PESTLE_INLINE void opaque(T& x) {
  asm volatile("" : "+w"(x));
}
PESTLE_INLINE void prefetch(const void* p) { __builtin_prefetch(p); }
PESTLE_INLINE void prefetch_l2(const void* p) { __builtin_prefetch(p, 0, 2); }

template <int Max, bool kSigned>
struct Dot {
  I32 v;
  PESTLE_INLINE void start(I32 init) { v = init; }
  PESTLE_INLINE void step(U8 w, I32 x, int) {
    v = vdotq_s32(v, vreinterpretq_s8_u8(w), vreinterpretq_s8_s32(x));
  }
  PESTLE_INLINE I32 value() const { return v; }
};
template <int Max, bool kSigned>
using DotKind = Dot<127, true>;

struct PairSum { I32 low, high; };  // of the lower and of the upper lanes, two sums for each
PESTLE_INLINE PairSum no_pairs() { return {splat(int32_t(0)), splat(int32_t(0))}; }
PESTLE_INLINE PairSum add_pairs(PairSum s, I32 a, I32 b) {
  const int16x8_t x = vreinterpretq_s16_s32(a), y = vreinterpretq_s16_s32(b);
  return {vmlal_s16(s.low, vget_low_s16(x), vget_low_s16(y)), vmlal_high_s16(s.high, x, y)};
}
PESTLE_INLINE I32 total(PairSum s) { return vpaddq_s32(s.low, s.high); }

PESTLE_INLINE float reduce_add(F32 x) {
  const float32x2_t c = vadd_f32(vget_low_f32(x), vget_high_f32(x));
  return vget_lane_f32(c, 0) + vget_lane_f32(c, 1);
}
PESTLE_INLINE float reduce_max(F32 x) { return vmaxvq_f32(x); }
PESTLE_INLINE int32_t reduce_max(I32 x) { return vmaxvq_s32(x); }
PESTLE_INLINE int32_t reduce_add(I32 x) { return vaddvq_s32(x); }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::simd
