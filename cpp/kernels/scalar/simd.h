// Plain C++, 4 lanes: the fallback of every machine, and the contract of the operations. An ISA's simd.h has
// the same names with the same results to the last bit; a lane is one output row, position or channel, never
// a part of a sum.
#pragma once

#include <cstdint>
#include <cstring>

#include "kernels/compiler.h"

namespace pestle::PESTLE_ISA_NAMESPACE::simd {

inline constexpr int kLanes = 4;
inline constexpr int kSignedOffset = 0;  // what an ISA adds to signed weights before its dot product
inline constexpr int kStripVectors = 4;  // vectors of output rows that share an activation load in prefill
inline constexpr int kMaxRows = 1;       // activation rows that share a weight load
inline constexpr int kFloatRows = 1;     // the same for float weights
inline constexpr bool kWords =
    false;  // whether an ISA multiplies int16 faster than signed bytes, with a WordDot
inline constexpr bool kPairs = false;  // whether it takes offsets off in int16, with an OffsetDot
struct I32 { int32_t v[4]; };
struct F32 { float v[4]; };
struct U8 { uint8_t v[16]; };  // four bytes a lane

#define PESTLE_LANES(expr)                   \
  for (int i = 0; i < 4; i++) r.v[i] = expr; \
  return r
#define PESTLE_BYTES(expr)                    \
  for (int i = 0; i < 16; i++) r.v[i] = expr; \
  return r

PESTLE_INLINE F32 splat(float x) {
  F32 r;
  PESTLE_LANES(x);
}
PESTLE_INLINE I32 splat(int32_t x) {
  I32 r;
  PESTLE_LANES(x);
}
// The same four bytes in every lane.
PESTLE_INLINE I32 splat4(const void* p) {
  int32_t x;
  std::memcpy(&x, p, 4);
  return splat(x);
}
PESTLE_INLINE U8 load(const void* p) {
  U8 r;
  std::memcpy(&r, p, 16);
  return r;
}
PESTLE_INLINE void store(void* p, U8 x) { std::memcpy(p, &x, 16); }
PESTLE_INLINE F32 load(const float* p) {
  F32 r;
  std::memcpy(&r, p, 16);
  return r;
}
PESTLE_INLINE void store(float* p, F32 x) { std::memcpy(p, &x, 16); }
PESTLE_INLINE I32 load(const int32_t* p) {
  I32 r;
  std::memcpy(&r, p, 16);
  return r;
}
PESTLE_INLINE void store(int32_t* p, I32 x) { std::memcpy(p, &x, 16); }

// The lanes of a and b in turn: of their lower halves, and of their upper ones.
PESTLE_INLINE F32 zip_low(F32 a, F32 b) { return {{a.v[0], b.v[0], a.v[1], b.v[1]}}; }
PESTLE_INLINE F32 zip_high(F32 a, F32 b) { return {{a.v[2], b.v[2], a.v[3], b.v[3]}}; }

// IEEE half <-> single. To half: round to nearest even, overflow to infinity.
PESTLE_INLINE float from_f16(uint16_t h) {
  const uint32_t sign = uint32_t(h & 0x8000) << 16, exponent = h >> 10 & 31, mantissa = h & 1023;
  float magnitude;
  if (exponent == 0) {
    magnitude = (float)mantissa * 0x1p-24f;
  } else {
    const uint32_t bits =
        exponent == 31 ? 0x7f800000u | mantissa << 13 : (exponent + 112) << 23 | mantissa << 13;
    std::memcpy(&magnitude, &bits, 4);
  }
  uint32_t bits;
  std::memcpy(&bits, &magnitude, 4);
  bits |= sign;
  float r;
  std::memcpy(&r, &bits, 4);
  return r;
}
PESTLE_INLINE uint16_t to_f16(float x) {
  uint32_t bits;
  std::memcpy(&bits, &x, 4);
  const uint16_t sign = bits >> 16 & 0x8000;
  bits &= 0x7fffffff;
  if (bits > 0x7f800000) return sign | 0x7e00 | (bits >> 13 & 0x3ff);  // NaN: quiet, payload kept
  if (bits >= 0x477ff000) return sign | 0x7c00;                        // 65520 and above round to infinity
  if (bits < 0x38800000) {  // below 2^-14: subnormal, in units of 2^-24
    float magnitude;
    std::memcpy(&magnitude, &bits, 4);
    return sign | (uint16_t)__builtin_rintf(magnitude * 0x1p24f);
  }
  return sign | (uint16_t)((bits + 0xfff + (bits >> 13 & 1) - 0x38000000) >> 13);
}
PESTLE_INLINE F32 load_f16(const uint16_t* p) {
  F32 r;
  PESTLE_LANES(from_f16(p[i]));
}
PESTLE_INLINE void store_f16(uint16_t* p, F32 x) {
  for (int i = 0; i < 4; i++) p[i] = to_f16(x.v[i]);
}
PESTLE_INLINE I32 load_u8(const uint8_t* p) {
  I32 r;
  PESTLE_LANES(p[i]);
}
PESTLE_INLINE I32 load_s8(const int8_t* p) {
  I32 r;
  PESTLE_LANES(p[i]);
}
PESTLE_INLINE I32 load_u16(const uint16_t* p) {
  I32 r;
  PESTLE_LANES(p[i]);
}
// Lanes within the range of the type.
PESTLE_INLINE void store_s8(int8_t* p, I32 x) {
  for (int i = 0; i < 4; i++) p[i] = (int8_t)x.v[i];
}
PESTLE_INLINE void store_s16(int16_t* p, I32 x) {
  for (int i = 0; i < 4; i++) p[i] = (int16_t)x.v[i];
}
// Two int16 for each lane, as add_pairs takes them; or two int8, widened.
PESTLE_INLINE I32 load_pairs(const int16_t* p) {
  I32 r;
  std::memcpy(&r, p, 16);
  return r;
}
PESTLE_INLINE I32 load_pairs(const int8_t* p) {
  I32 r;
  int16_t wide[8];
  for (int i = 0; i < 8; i++) wide[i] = p[i];
  std::memcpy(&r, wide, 16);
  return r;
}
PESTLE_INLINE U8 low_nibble(U8 x) {
  U8 r;
  PESTLE_BYTES(x.v[i] & 15);
}
PESTLE_INLINE U8 high_nibble(U8 x) {
  U8 r;
  PESTLE_BYTES(x.v[i] >> 4);
}
// The bits `Mask << From` of every byte, moved to bit To; the rest zero.
template <int From, int To, int Mask>
PESTLE_INLINE U8 move_bits(U8 x) {
  U8 r;
  PESTLE_BYTES((uint8_t)((x.v[i] >> From & Mask) << To));
}
PESTLE_INLINE U8 bit_or(U8 a, U8 b) {
  U8 r;
  PESTLE_BYTES(a.v[i] | b.v[i]);
}
// int8 -> int8 + 128 as uint8.
PESTLE_INLINE U8 flip_sign(U8 x) {
  U8 r;
  PESTLE_BYTES(x.v[i] ^ 128);
}
PESTLE_INLINE U8 table16(const void* t) { return load(t); }
PESTLE_INLINE U8 lookup(U8 t, U8 x) {
  U8 r;
  PESTLE_BYTES(t.v[x.v[i]]);
}
PESTLE_INLINE F32 to_f32(I32 x) {
  F32 r;
  PESTLE_LANES((float)x.v[i]);
}
PESTLE_INLINE I32 to_i32(F32 x) {
  I32 r;
  PESTLE_LANES((int32_t)__builtin_lrintf(x.v[i]));
}  // ties to even; anything for a NaN
PESTLE_INLINE F32 fma(F32 a, F32 b, F32 c) {
  F32 r;
  PESTLE_LANES(__builtin_fmaf(a.v[i], b.v[i], c.v[i]));
}
PESTLE_INLINE F32 fnma(F32 a, F32 b, F32 c) {
  F32 r;
  PESTLE_LANES(__builtin_fmaf(-a.v[i], b.v[i], c.v[i]));
}  // c - a*b
PESTLE_INLINE F32 mul(F32 a, F32 b) {
  F32 r;
  PESTLE_LANES(a.v[i] * b.v[i]);
}
PESTLE_INLINE F32 add(F32 a, F32 b) {
  F32 r;
  PESTLE_LANES(a.v[i] + b.v[i]);
}
PESTLE_INLINE F32 sub(F32 a, F32 b) {
  F32 r;
  PESTLE_LANES(a.v[i] - b.v[i]);
}
PESTLE_INLINE F32 div(F32 a, F32 b) {
  F32 r;
  PESTLE_LANES(a.v[i] / b.v[i]);
}
// A NaN in b comes through; one in a need not.
PESTLE_INLINE F32 max(F32 a, F32 b) {
  F32 r;
  PESTLE_LANES(a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}
PESTLE_INLINE F32 min(F32 a, F32 b) {
  F32 r;
  PESTLE_LANES(a.v[i] < b.v[i] ? a.v[i] : b.v[i]);
}
PESTLE_INLINE F32 abs(F32 a) {
  F32 r;
  PESTLE_LANES(__builtin_fabsf(a.v[i]));
}
// +0 where a < bound, else x: a NaN lets x pass.
PESTLE_INLINE F32 zero_below(F32 a, float bound, F32 x) {
  F32 r;
  PESTLE_LANES(a.v[i] < bound ? 0.0f : x.v[i]);
}
PESTLE_INLINE F32 as_f32(I32 a) {
  F32 r;
  std::memcpy(&r, &a, 16);
  return r;
}
PESTLE_INLINE I32 as_i32(F32 a) {
  I32 r;
  std::memcpy(&r, &a, 16);
  return r;
}
PESTLE_INLINE I32 add(I32 a, I32 b) {
  I32 r;
  PESTLE_LANES((int32_t)((uint32_t)a.v[i] + (uint32_t)b.v[i]));
}
PESTLE_INLINE I32 max(I32 a, I32 b) {
  I32 r;
  PESTLE_LANES(a.v[i] > b.v[i] ? a.v[i] : b.v[i]);
}
PESTLE_INLINE I32 bit_and(I32 a, int32_t m) {
  I32 r;
  PESTLE_LANES(a.v[i] & m);
}
template <int N>
PESTLE_INLINE I32 shl(I32 a) {
  I32 r;
  PESTLE_LANES((int32_t)((uint32_t)a.v[i] << N));
}
template <int N>
PESTLE_INLINE I32 shr(I32 a) {
  I32 r;
  PESTLE_LANES((int32_t)((uint32_t)a.v[i] >> N));
}  // logical
// Hides from the compiler what x is.
template <class T>
PESTLE_INLINE void opaque(T& x) {
  asm volatile("" : "+m"(x));
}
PESTLE_INLINE void prefetch(const void*) {}
PESTLE_INLINE void prefetch_l2(const void*) {}

// Integer dot product over the quads k = 0, 1, ..: lane += sum of four byte products. Exact for activations
// within
// [-127, 127] and weights within [0, Max], or, kSigned, [-128, 127].
template <int Max, bool kSigned>
struct Dot {
  I32 v;
  PESTLE_INLINE void start(I32 init) { v = init; }
  PESTLE_INLINE void step(U8 w, I32 x, int) {
    int8_t a[4];
    std::memcpy(a, &x, 4);
    for (int i = 0; i < 4; i++)
      for (int j = 0; j < 4; j++) v.v[i] += (kSigned ? (int8_t)w.v[4 * i + j] : w.v[4 * i + j]) * a[j];
  }
  PESTLE_INLINE I32 value() const { return v; }
};
// The instantiation that serves such weights: kernels are compiled once per kind.
template <int Max, bool kSigned>
using DotKind = Dot<kSigned ? 127 : 255, kSigned>;

struct WordDot;
struct OffsetDot;

// Sums of products of int16, two to a lane: a.low * b.low + a.high * b.high. Exact while they fit into 32
// bits.
using PairSum = I32;
PESTLE_INLINE PairSum no_pairs() { return splat(int32_t(0)); }
PESTLE_INLINE PairSum add_pairs(PairSum s, I32 a, I32 b) {
  int16_t x[8], y[8];
  std::memcpy(x, &a, 16);
  std::memcpy(y, &b, 16);
  for (int i = 0; i < 4; i++) s.v[i] += x[2 * i] * y[2 * i] + x[2 * i + 1] * y[2 * i + 1];
  return s;
}
PESTLE_INLINE I32 total(PairSum s) { return s; }

// Sum of the lanes by halves: (0+2) + (1+3). With the registers of 16 virtual lanes added first by halves,
// the tree over 16 values is the same on every ISA.
PESTLE_INLINE float reduce_add(F32 x) { return (x.v[0] + x.v[2]) + (x.v[1] + x.v[3]); }
PESTLE_INLINE float reduce_max(F32 x) {
  float r = x.v[0];
  for (int i = 1; i < 4; i++) r = x.v[i] > r ? x.v[i] : r;
  return r;
}
PESTLE_INLINE int32_t reduce_max(I32 x) {
  int32_t r = x.v[0];
  for (int i = 1; i < 4; i++) r = x.v[i] > r ? x.v[i] : r;
  return r;
}
PESTLE_INLINE int32_t reduce_add(I32 x) { return x.v[0] + x.v[1] + x.v[2] + x.v[3]; }

#undef PESTLE_LANES
#undef PESTLE_BYTES

}  // namespace pestle::PESTLE_ISA_NAMESPACE::simd
