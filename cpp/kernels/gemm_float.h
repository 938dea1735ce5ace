// The matrix product of float weights with float activations: y[m][n] = bias[n] + one fma chain in column
// order.
#pragma once

#include "kernels/gemm.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr int kStripRegisters = kStripRows / simd::kLanes;

// All 32 rows of a strip at once: two or more independent chains hide the latency of the fma.
template <class F, int M>
PESTLE_NOINLINE void direct_float(const MatmulArgs& a, int strip_begin, int strip_end) {
  const float* x = reinterpret_cast<const float*>(a.panels);
  for (int strip = strip_begin; strip < strip_end; strip++) {
    const auto* t = reinterpret_cast<const typename F::Tile*>(a.tiles) + size_t(strip) * 2 * a.columns;
    for (int r = 0; r < kStripRegisters; r += simd::kStripVectors) {
      constexpr int V = simd::kStripVectors;
      F32 acc[M][V];
      PESTLE_UNROLL for (int v = 0; v < V; v++) PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][v] =
          first_sum<false>(a, 32 * strip + (r + v) * simd::kLanes);
      for (int k = 0; k < a.columns; k++) {
        PESTLE_UNROLL for (int v = 0; v < V; v++) {
          const F32 w = F::value(t[size_t((r + v) / kVectors) * a.columns + k], (r + v) % kVectors);
          PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][v] =
              simd::fma(w, simd::splat(x[k * M + m]), acc[m][v]);
        }
      }
      PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++) last_sum<false>(
          a, a.panels, m, 0, a.y + m * a.ldy + 32 * strip + (r + v) * simd::kLanes, acc[m][v]);
    }
  }
}

using FloatScratch = float[simd::kStripVectors][simd::kLanes];

template <class F>
PESTLE_NOINLINE void decode_float_strip(const char* tiles, int columns, int first, FloatScratch* scratch) {
  for (int v = 0; v < simd::kStripVectors; v++) {
    const auto* t =
        reinterpret_cast<const typename F::Tile*>(tiles) + size_t((first + v) / kVectors) * columns;
    for (int k = 0; k < columns; k++) simd::store(scratch[k][v], F::value(t[k], (first + v) % kVectors));
  }
}

template <int M>
PESTLE_NOINLINE void multiply_float(const MatmulArgs& a, const FloatScratch* w, const char* panel, int n0,
                                    float* y) {
  constexpr int V = simd::kStripVectors, L = simd::kLanes;
  const float* x = reinterpret_cast<const float*>(panel);
  F32 acc[M][V];
  PESTLE_UNROLL for (int v = 0; v < V; v++) PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][v] =
      first_sum<false>(a, n0 + v * L);
  for (int k = 0; k < a.columns; k++) {
    PESTLE_UNROLL for (int v = 0; v < V; v++) {
      const F32 q = simd::load(w[k][v]);
      PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][v] =
          simd::fma(q, simd::splat(x[k * M + m]), acc[m][v]);
    }
  }
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++)
      last_sum<false>(a, panel, m, 0, y + m * a.ldy + v * L, acc[m][v]);
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
