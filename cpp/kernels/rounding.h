// Rows of floats as integers with one scale each, so that sums of products are exact in 32 bits.
//
// |q . k| <= ||q|| ||k|| (Cauchy and Schwarz), and so is what any of the channels give together. So a row
// gets the finest step with which its Euclidean norm stays below 2^15.5 steps, and its largest channel within
// 16 bits: no sum of a query and a key overflows, however many channels there are, and outliers cost little.
#pragma once

#include "kernels/kv_page.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

// Rounding adds at most sqrt(channels) / 2 to a norm, and (kNorm + 32)^2 < 2^31 up to 4,096 channels.
constexpr float kNorm = 46300.0f;
constexpr float kMost16 = 32767.0f, kMost8 = 127.0f;
// Of values, whose products with the weights of a span are bounded by the sum of these: measured, these lose
// least together with what is left to the weights (docs/numerics.md).
constexpr float kMostValue = 16383.0f;

struct Steps { float size, inverse; };

// One that is not finite gives the step NaN, which reaches whatever reads it, and only zeros; values too
// small for a step count as zero.
PESTLE_INLINE Steps steps_of(float size, int32_t magnitude_bits) {
  constexpr int32_t kInfinity = 0x7f800000, kTiny = 0x0d800000;  // 2^-100
  if (magnitude_bits >= kInfinity) return {__builtin_nanf(""), 0.0f};
  if (magnitude_bits < kTiny) return {0.0f, 0.0f};
  return {size, 1 / size};
}
PESTLE_INLINE float float_of(int32_t bits) {
  float x;
  std::memcpy(&x, &bits, 4);
  return x;
}
PESTLE_INLINE int32_t bits_of(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, 4);
  return bits;
}

// Of n numbers, a multiple of 16.
PESTLE_INLINE int32_t largest_of(const float* x, int n) {
  simd::I32 top = simd::splat(int32_t(0));
  for (int i = 0; i < n; i += simd::kLanes) top = simd::max(top, magnitude(simd::load(x + i)));
  return simd::reduce_max(top);
}
// Steps for a row of queries or keys: its norm below kNorm steps, its largest channel not above `most`.
PESTLE_INLINE Steps norm_steps(const float* x, int n, float most) {
  const int32_t bits = largest_of(x, n);
  const float largest = float_of(bits), unit = 1 / largest;  // squares of x / largest cannot overflow
  Vec16 squares = splat16(0.0f);
  for (int i = 0; i < n; i += 16) {
    const Vec16 y = load16(x + i) * splat16(unit);
    squares = fma(y, y, squares);
  }
  const float norm = largest * (__builtin_sqrtf(reduce_add(squares)) * (1 / kNorm)),
              top = largest * (1 / most);
  return steps_of(norm > top ? norm : top, bits);
}
PESTLE_INLINE Steps range_steps(const float* x, int n, float most) {
  const int32_t bits = largest_of(x, n);
  return steps_of(float_of(bits) * (1 / most), bits);
}
// The step rounded up to a bfloat16, which has the range of float: its own rounding costs nothing, because
// the integers are made with the step that is stored.
PESTLE_INLINE uint16_t round_up_step(Steps& s) {
  if (s.inverse == 0.0f) return s.size == 0.0f ? 0 : 0x7fc0;
  const uint32_t bits = (uint32_t(bits_of(s.size)) + 0xffff) & 0xffff0000;
  s.size = float_of(int32_t(bits));
  s.inverse = 1 / s.size;
  return static_cast<uint16_t>(bits >> 16);
}
PESTLE_INLINE simd::F32 load_scales(const uint16_t* p) {
  return simd::as_f32(simd::shl<16>(simd::load_u16(p)));
}

PESTLE_INLINE void store_steps(int16_t* p, simd::I32 x) { simd::store_s16(p, x); }
PESTLE_INLINE void store_steps(int8_t* p, simd::I32 x) { simd::store_s8(p, x); }
template <class T>
PESTLE_INLINE void to_steps(const float* x, int n, const Steps& steps, T* out) {
  if (steps.inverse == 0.0f) {
    std::memset(out, 0, sizeof(T) * size_t(n));
    return;
  }
  const simd::F32 inverse = simd::splat(steps.inverse);
  for (int i = 0; i < n; i += simd::kLanes)
    store_steps(out + i, simd::to_i32(simd::mul(simd::load(x + i), inverse)));
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
