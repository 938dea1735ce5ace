// Sixteen virtual lanes over however many registers an ISA needs: reductions and element-wise kernels are
// written on them, so that their order of operations is the same everywhere.
#pragma once

#include "simd.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

struct Vec16 {
  static constexpr int kRegisters = 16 / simd::kLanes;
  simd::F32 r[kRegisters];
};

#define PESTLE_EACH for (int i = 0; i < Vec16::kRegisters; i++)

PESTLE_INLINE Vec16 splat16(float x) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::splat(x);
  return v;
}
PESTLE_INLINE Vec16 load16(const float* p) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::load(p + i * simd::kLanes);
  return v;
}
PESTLE_INLINE void store16(float* p, const Vec16& v) {
  PESTLE_UNROLL PESTLE_EACH simd::store(p + i * simd::kLanes, v.r[i]);
}
PESTLE_INLINE Vec16 fma(const Vec16& a, const Vec16& b, const Vec16& c) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::fma(a.r[i], b.r[i], c.r[i]);
  return v;
}
PESTLE_INLINE Vec16 fnma(const Vec16& a, const Vec16& b, const Vec16& c) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::fnma(a.r[i], b.r[i], c.r[i]);
  return v;
}
PESTLE_INLINE Vec16 operator*(const Vec16& a, const Vec16& b) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::mul(a.r[i], b.r[i]);
  return v;
}
PESTLE_INLINE Vec16 operator+(const Vec16& a, const Vec16& b) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::add(a.r[i], b.r[i]);
  return v;
}
PESTLE_INLINE Vec16 operator-(const Vec16& a, const Vec16& b) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::sub(a.r[i], b.r[i]);
  return v;
}
PESTLE_INLINE Vec16 operator/(const Vec16& a, const Vec16& b) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::div(a.r[i], b.r[i]);
  return v;
}
PESTLE_INLINE Vec16 max(const Vec16& a, const Vec16& b) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::max(a.r[i], b.r[i]);
  return v;
}
PESTLE_INLINE Vec16 min(const Vec16& a, const Vec16& b) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::min(a.r[i], b.r[i]);
  return v;
}

// The lanes of a and b in turn: those of the lower halves in `low`, those of the upper ones in `high`.
PESTLE_INLINE void zip(const Vec16& a, const Vec16& b, Vec16& low, Vec16& high) {
  if constexpr (Vec16::kRegisters == 1) {
    low.r[0] = simd::zip_low(a.r[0], b.r[0]);
    high.r[0] = simd::zip_high(a.r[0], b.r[0]);
  } else {
    constexpr int kHalf = Vec16::kRegisters / 2;
    PESTLE_UNROLL for (int i = 0; i < kHalf; i++) {
      low.r[2 * i] = simd::zip_low(a.r[i], b.r[i]);
      low.r[2 * i + 1] = simd::zip_high(a.r[i], b.r[i]);
      high.r[2 * i] = simd::zip_low(a.r[kHalf + i], b.r[kHalf + i]);
      high.r[2 * i + 1] = simd::zip_high(a.r[kHalf + i], b.r[kHalf + i]);
    }
  }
}
// Rows become columns: to zip each row with the one eight further on turns the index of every value (row,
// then column) left by one of its eight bits, and four such turns exchange its halves.
PESTLE_INLINE void transpose(Vec16 (&x)[16]) {
  PESTLE_UNROLL for (int turn = 0; turn < 4; turn++) {
    Vec16 y[16];
    PESTLE_UNROLL for (int i = 0; i < 8; i++) zip(x[i], x[i + 8], y[2 * i], y[2 * i + 1]);
    PESTLE_UNROLL for (int i = 0; i < 16; i++) x[i] = y[i];
  }
}

// |x| as the bits of a float, which order as integers: infinities and NaNs stand above every finite value, on
// every ISA alike, where a maximum of floats may lose a NaN.
PESTLE_INLINE simd::I32 magnitude(simd::F32 x) { return simd::as_i32(simd::abs(x)); }
PESTLE_INLINE int32_t largest_magnitude(const Vec16& a, const Vec16& b) {
  simd::I32 top = simd::max(magnitude(a.r[0]), magnitude(b.r[0]));
  PESTLE_UNROLL for (int i = 1; i < Vec16::kRegisters; i++) top =
      simd::max(top, simd::max(magnitude(a.r[i]), magnitude(b.r[i])));
  return simd::reduce_max(top);
}

// By halves: 8 + 8, 4 + 4, 2 + 2, 1 + 1.
PESTLE_INLINE float reduce_add(Vec16 v) {
  PESTLE_UNROLL for (int n = Vec16::kRegisters / 2; n > 0; n /= 2) PESTLE_UNROLL for (int i = 0; i < n; i++)
      v.r[i] = simd::add(v.r[i], v.r[i + n]);
  return simd::reduce_add(v.r[0]);
}
PESTLE_INLINE float reduce_max(Vec16 v) {
  PESTLE_UNROLL for (int i = 1; i < Vec16::kRegisters; i++) v.r[0] = simd::max(v.r[0], v.r[i]);
  return simd::reduce_max(v.r[0]);
}
PESTLE_INLINE float reduce_min(Vec16 v) {
  PESTLE_UNROLL PESTLE_EACH v.r[i] = simd::sub(simd::splat(0.0f), v.r[i]);
  return -reduce_max(v);
}

// exp(x), relative error below 2e-7; +0 below -87, exp(88) above 88, NaN for NaN. Cody-Waite reduction and a
// Taylor polynomial on
// [-ln2/2, ln2/2]: the same operations on every ISA, which no libm promises.
PESTLE_INLINE simd::F32 exp(simd::F32 x) {
  using namespace simd;
  const F32 clamped = min(splat(88.0f), max(splat(-88.0f), x));
  const I32 n = to_i32(mul(clamped, splat(1.44269504f)));
  const F32 nf = to_f32(n);
  const F32 r = fma(nf, splat(-1.42860677e-6f), fma(nf, splat(-0.693145752f), clamped));
  F32 p = splat(1.0f / 5040);
  p = fma(p, r, splat(1.0f / 720));
  p = fma(p, r, splat(1.0f / 120));
  p = fma(p, r, splat(1.0f / 24));
  p = fma(p, r, splat(1.0f / 6));
  p = fma(p, r, splat(0.5f));
  p = fma(p, r, splat(1.0f));
  p = fma(p, r, splat(1.0f));
  return zero_below(x, -87.0f, mul(p, as_f32(shl<23>(add(n, splat(int32_t(127)))))));
}
PESTLE_INLINE Vec16 exp(const Vec16& x) {
  Vec16 v;
  PESTLE_UNROLL PESTLE_EACH v.r[i] = exp(x.r[i]);
  return v;
}

#undef PESTLE_EACH

}  // namespace pestle::PESTLE_ISA_NAMESPACE
