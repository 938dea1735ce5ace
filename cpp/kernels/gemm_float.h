// The matrix product of float weights with float activations: y[m][n] = bias[n] + one fma chain in column
// order. Panels hold blocks of 32 columns, [block][m][32]: rows are copied as they are, and a kernel finds
// the columns of all rows of a group at fixed distances.
#pragma once

#include "kernels/gemm_strips.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr PanelKind kFloatPanel = {0, false, false, false, false, 0, simd::kFloatRows};

// Adds the products of some columns to M x V registers of sums. weights(k, v): column k of register v.
template <int M, class Weights>
PESTLE_INLINE void add_columns(const Weights& weights, int columns, const float* x,
                               F32 (&acc)[M][simd::kStripVectors], const Ahead& ahead) {
  constexpr int V = simd::kStripVectors;
  for (int begin = 0; begin < columns; begin += kBlockColumns, x += M * kBlockColumns) {
    const int n = columns - begin < kBlockColumns ? columns - begin : kBlockColumns;
    ahead.fetch(begin / kBlockColumns);
    for (int k = 0; k < n; k++) {
      F32 w[V];
      PESTLE_UNROLL for (int v = 0; v < V; v++) w[v] = weights(begin + k, v);
      PESTLE_UNROLL for (int m = 0; m < M; m++) {
        const F32 value = simd::splat(x[m * kBlockColumns + k]);
        PESTLE_UNROLL for (int v = 0; v < V; v++) acc[m][v] = simd::fma(w[v], value, acc[m][v]);
      }
    }
  }
}

// The registers of a pass, as they lie in tiles.
template <class F>
struct TileColumns {
  const typename F::Tile* rows[kPassTileRows];
  PESTLE_INLINE TileColumns(const char* tiles, size_t row_bytes) {
    for (int i = 0; i < kPassTileRows; i++)
      rows[i] = reinterpret_cast<const typename F::Tile*>(tiles + i * row_bytes);
  }
  PESTLE_INLINE F32 operator()(int k, int v) const { return F::value(rows[v / kVectors][k], v % kVectors); }
};

// Few activation rows: weights are used as they are read.
template <class F, int M>
PESTLE_NOINLINE void direct_float(const MatmulArgs& a, int strip_begin, int strip_end) {
  constexpr int V = simd::kStripVectors, L = simd::kLanes;
  PESTLE_ASSUME(0 <= strip_begin && strip_begin <= strip_end && a.rows == M);
  PESTLE_ASSUME(a.columns >= 1 && a.ldy >= size_t(strip_end) * kStripRows);
  const size_t row_bytes = a.columns * sizeof(typename F::Tile);
  for (int pass = strip_begin * kPasses; pass < strip_end * kPasses; pass++) {
    const TileColumns<F> weights(a.tiles + pass * kPassTileRows * row_bytes, row_bytes);
    F32 acc[M][V];
    PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++) acc[m][v] =
        first_sum<false>(a, (pass * V + v) * L);
    add_columns<M>(weights, a.columns, reinterpret_cast<const float*>(a.panels), acc, {});
    PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++)
        last_sum<false>(a, a.panels, m, 0, a.y + m * a.ldy + (pass * V + v) * L, acc[m][v]);
  }
}

// Many: a piece of a strip is laid out as registers read it, for all groups of activation rows.
using FloatColumn = float[simd::kStripVectors][simd::kLanes];
struct DecodedColumns {
  const FloatColumn* w;
  PESTLE_INLINE F32 operator()(int k, int v) const { return simd::load(w[k][v]); }
};

template <int M>
PESTLE_NOINLINE void multiply_float(const FloatColumn* w, int columns, const char* panel, float* sums,
                                    const Ahead& ahead) {
  constexpr int V = simd::kStripVectors, L = simd::kLanes;
  F32 acc[M][V];
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++) acc[m][v] =
      simd::load(sums + (m * V + v) * L);
  add_columns<M>(DecodedColumns{w}, columns, reinterpret_cast<const float*>(panel), acc, ahead);
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++)
      simd::store(sums + (m * V + v) * L, acc[m][v]);
}

template <class F>
PESTLE_NOINLINE void decode_columns(const StripPiece& p, FloatColumn* w) {
  const TileColumns<F> weights(p.tiles, p.row_bytes);
  for (int k = 0; k < p.columns; k++)
    PESTLE_UNROLL for (int v = 0; v < simd::kStripVectors; v++) simd::store(w[k][v], weights(k, v));
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
