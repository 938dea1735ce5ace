// The Hadamard rotation of rows before they are rounded to few bits (QuaRot, Ashkboos et al. 2024): what a
// few channels hold is spread over all, and dot products stay what they are.
#pragma once

#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

// Channels that are rotated together: the largest power of two that divides n.
constexpr int rotated_together(int n) { return n & -n; }

// H x / sqrt(size) of each run of rotated_together(n) numbers; its own inverse. Every stage adds and
// subtracts the halves and writes the results in turn, so that all stages are alike; after log2 of them each
// number is back in its place.
PESTLE_INLINE void rotate(float* x, int n) {
  const int size = rotated_together(n), half = size / 2;
  if (half == 0) return;
  float buffer[kMaxRow];
  const float factor = 1 / __builtin_sqrtf(static_cast<float>(size));
  for (float* end = x + n; x < end; x += size) {
    float *from = x, *to = buffer;
    for (int stage = 1; stage < size; stage *= 2) {
      int i = 0;
      for (; i + simd::kLanes <= half; i += simd::kLanes) {
        const simd::F32 a = simd::load(from + i), b = simd::load(from + half + i);
        const simd::F32 sum = simd::add(a, b), difference = simd::sub(a, b);
        simd::store(to + 2 * i, simd::zip_low(sum, difference));
        simd::store(to + 2 * i + simd::kLanes, simd::zip_high(sum, difference));
      }
      for (; i < half; i++) {
        const float a = from[i], b = from[half + i];
        to[2 * i] = a + b;
        to[2 * i + 1] = a - b;
      }
      float* const swap = from;
      from = to;
      to = swap;
    }
    for (int i = 0; i < size; i++) x[i] = from[i] * factor;
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
