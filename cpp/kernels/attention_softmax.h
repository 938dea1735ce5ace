// The softmax over a span, and how spans are merged (Milakov & Gimelshein 2018). Scores come in units of
// ln 2, so that exp becomes 2^x, whose argument needs no reduction by rounded constants.
#pragma once

#include "kernels/attention_tile.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr float kLog2e = 1.44269504f;

// 2^x for x <= 0 with a relative error below 1.7e-7: exactly 1 at 0, +0 below -126.5, NaN for NaN. The
// polynomial is the best of degree 5 with p(0) = 1 on [-1/2, 1/2].
PESTLE_INLINE F32 exp2_negative(F32 x) {
  using namespace simd;
  // Adding 1.5 * 2^23 rounds to an integer n, the last bits are then 127 + n: the exponent of 2^n, and 0 for
  // n = -127.
  const F32 magic = splat(12582912.0f + 127);
  const F32 clamped = max(splat(-127.0f), x);
  const F32 shifted = add(clamped, magic);
  const F32 r = sub(clamped, sub(shifted, magic));
  F32 p = splat(0.00132647273f);
  p = fma(p, r, splat(0.00967151299f));
  p = fma(p, r, splat(0.0555073359f));
  p = fma(p, r, splat(0.240222424f));
  p = fma(p, r, splat(0.693147004f));
  p = fma(p, r, splat(1.0f));
  return mul(p, as_f32(shl<23>(as_i32(shifted))));
}
PESTLE_INLINE float exp2_negative(float x) {
  float lanes[L];
  simd::store(lanes, exp2_negative(simd::splat(x)));
  return lanes[0];
}
PESTLE_INLINE Vec16 exp2_negative(Vec16 x) {
  PESTLE_UNROLL for (int i = 0; i < Vec16::kRegisters; i++) x.r[i] = exp2_negative(x.r[i]);
  return x;
}

// The softmax of a query over a span takes two steps, so that those of many queries overlap. What lies beside
// the positions seen in the same 32 gets the score of no weight. A position whose score has overflowed to
// minus infinity would be dropped quietly: the largest score is NaN then, and so is every weight.
PESTLE_INLINE float largest_score(float* s, Range seen) {
  const int begin = seen.begin / 32 * 32, end = round_up(seen.end, 32);
  const auto fill = [&](float x) {
    for (int p = begin; p < seen.begin; p++) s[p] = x;
    for (int p = seen.end; p < end; p++) s[p] = x;
  };
  fill(s[seen.begin]);
  Vec16 a = load16(s + begin), b = load16(s + begin + 16), low = min(a, b);
  for (int p = begin + 32; p < end; p += 32) {
    const Vec16 x = load16(s + p), y = load16(s + p + 16);
    a = max(a, x);
    b = max(b, y);
    low = min(low, min(x, y));
  }
  fill(-__builtin_inff());
  return reduce_min(low) == -__builtin_inff() ? __builtin_nanf("") : reduce_max(max(a, b));
}
// Turns scores into weights relative to the largest; returns their sum: over 32 lanes, then by halves.
PESTLE_INLINE float exponentiate(float* s, Range seen, float largest) {
  const Vec16 m = splat16(largest);
  Vec16 a = splat16(0.0f), b = a;
  for (int p = seen.begin / 32 * 32; p < seen.end; p += 32) {
    const Vec16 x = exp2_negative(load16(s + p) - m), y = exp2_negative(load16(s + p + 16) - m);
    store16(s + p, x);
    store16(s + p + 16, y);
    a = a + x;
    b = b + y;
  }
  return reduce_add(a + b);
}

// Adds what another span gave. One of the two factors is 1: no rounding, and no loss where nothing changes.
PESTLE_INLINE void merge(Mass& mass, float* out, const Mass& other, const float* part, int width) {
  const float top = other.max > mass.max ? other.max : mass.max;
  const float ours = exp2_negative(mass.max - top), theirs = exp2_negative(other.max - top);
  mass = {top, __builtin_fmaf(other.sum, theirs, mass.sum * ours)};
  const F32 x = simd::splat(ours), y = simd::splat(theirs);
  for (int c = 0; c < width; c += L)
    simd::store(out + c, simd::fma(simd::load(part + c), y, simd::mul(simd::load(out + c), x)));
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
