// The matrix product of one tile format with integer activations. Over the blocks, in column order,
//   sum = fma(float(integer dot), weight scale * activation scale, sum)      for each scale of the block,
//   then sum = fma(minimum, activation scale * sum(q), sum)                       for each minimum;
// y = bias + sum: narrow sums start at the bias. Wide activations have one scale a row, which is left out
// above: y = fma(sum, activation scale, bias). Two ways to the same bits: `direct` decodes weights in
// registers, for a few activation rows; `multiply` reads a strip that was decoded to bytes once, in L1/L2,
// for every group of activation rows.
#pragma once

#include "kernels/compiler.h"
#include "kernels/decode.h"
#include "kernels/table.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

// At most; kernels/direct_rows.h says how many it is. Eight and their sums fit 32 registers.
constexpr int kDirectRows = simd::kMaxRows < 6 ? simd::kMaxRows : 8;
constexpr int kDirectFloatRows = kDirectRows < simd::kFloatRows ? kDirectRows : simd::kFloatRows;
constexpr int kPasses = kStripRows / (simd::kLanes * simd::kStripVectors);  // of a strip's registers
// How far ahead of the block in work. More rows spend more time on each byte, and what they do fills the
// window in which the core finds loads by itself: of Q4_K in DRAM four rows take 1.10 times the time of one
// with 8 KiB, and 1.45 times with 1 KiB (Zen 5). One row is served best by the CPU's own prefetching.
template <int M>
constexpr size_t kPrefetchBytes = M == 1   ? 1024
                                  : M == 2 ? 4096
                                           : 8192;

template <bool kWide, bool kWords, int S, int M>
struct Panel {  // PanelKind's layout
  float d[M];
  int32_t aux[S][M];
  int8_t q[M][kWords ? 64 : 32];
  static const Panel* blocks(const char* group) { return reinterpret_cast<const Panel*>(group); }
};
template <int S, int M>
struct Panel<true, false, S, M> {
  int32_t aux[S][M];
  int8_t q[M][32], low[M][32];
  static const Panel* blocks(const char* group) {
    return reinterpret_cast<const Panel*>(group + sizeof(float) * M);
  }
};
template <int S, int M>
struct Panel<true, true, S, M> {
  int32_t aux[S][M];
  int8_t q[M][64];
};

template <class F, bool kWide>
constexpr bool kWordsOf = simd::kWords && (kWide || F::kSigned);

template <class F, bool kWide>
constexpr bool kPairsOf = simd::kPairs && !kWide && F::kOffset != 0;

template <class F, bool kWide>
constexpr PanelKind kPanelOf = {F::kScales,         F::kMin,    kWide,         kWordsOf<F, kWide>,
                                kPairsOf<F, kWide>, F::kOffset, simd::kMaxRows};

template <bool kFirst, class First, class Second>
struct Choice {
  using Type = First;
};
template <class First, class Second>
struct Choice<false, First, Second> {
  using Type = Second;
};
// What multiplies the bytes of a format.
template <class F, bool kWide>
struct ByteDot {
  using Type = typename Choice<kPairsOf<F, kWide>, simd::OffsetDot, simd::DotKind<F::kMax, F::kSigned>>::Type;
  static constexpr bool fits() {
    if constexpr (kPairsOf<F, kWide>) return Type::fits(F::kMax, F::kOffset, kBlockColumns / F::kScales);
    return true;
  }
  static_assert(fits());
};

// Integer dots of the quads [Begin, Begin + Count) of a 32-column block with one activation row.
template <class D, int Begin, int Count>
PESTLE_INLINE I32 dot(const U8 (&w)[8], const int8_t (&q)[32], I32 start) {
  D d;
  d.start(start);
  PESTLE_UNROLL for (int k = Begin; k < Begin + Count; k++) d.step(w[k], simd::splat4(q + 4 * k), k - Begin);
  return d.value();
}

PESTLE_INLINE F32 splat_float(const void* p) { return simd::as_f32(simd::splat4(p)); }

template <bool kOffset>
PESTLE_INLINE I32 first_dot(const int32_t* aux) {
  return kOffset ? simd::splat4(aux) : simd::splat(int32_t(0));
}
// Between the planes of wide activations: what the high bytes gave counts 128 times.
template <bool kOffset>
PESTLE_INLINE I32 second_dot(I32 high, const int32_t* aux) {
  return kOffset ? simd::add(simd::shl<7>(high), simd::splat4(aux)) : simd::shl<7>(high);
}

template <class F, bool kWide, int Begin, int M>
PESTLE_INLINE I32 block_dot(const U8 (&w)[8], const Panel<kWide, false, F::kScales, M>& x, int s, int m) {
  using D = typename ByteDot<F, kWide>::Type;
  constexpr int kQuads = 8 / F::kScales;
  constexpr bool kOffset = F::kOffset != 0;
  if constexpr (kWide) {  // two chains: neither waits for the other
    const I32 high = dot<D, Begin, kQuads>(w, x.q[m], simd::splat(int32_t(0)));
    const I32 low = dot<D, Begin, kQuads>(w, x.low[m], first_dot<kOffset>(&x.aux[s][m]));
    return simd::add(simd::shl<7>(high), low);
  } else if constexpr (M == 1 && kQuads == 8 && !simd::kWords) {
    // A single row's chain of eight is longer than what the core sees ahead: MXFP4 takes 27 instead of 33
    // cycles a block on a Zen 4, Q4_K 19.5 instead of 20.5.
    const I32 first = dot<D, 0, 4>(w, x.q[m], first_dot<kOffset>(&x.aux[s][m]));
    return simd::add(first, dot<D, 4, 4>(w, x.q[m], simd::splat(int32_t(0))));
  } else {
    return dot<D, Begin, kQuads>(w, x.q[m], first_dot<kOffset>(&x.aux[s][m]));
  }
}

// Asks for block `sub`'s part of what comes kPrefetchBytes<M> later, into L2. The CPU's own prefetching does
// most for a single row, whom requests far ahead of it, or into L1, slow down; these carry it over the ends
// of pages and tiles.
template <class Tile, int kBlocks, int M>
PESTLE_INLINE void ask_ahead(const Tile* t, int sub) {
  constexpr size_t kPart = sizeof(Tile) / kBlocks;
  const char* ahead = reinterpret_cast<const char*>(t) + kPrefetchBytes<M> + kPart * size_t(sub);
  for (size_t i = 0; i < kPart; i += 64) simd::prefetch_l2(ahead + i);
}

template <class F, bool kWide, int P, int M>
PESTLE_INLINE void direct_block(const typename F::Tile& t, const typename F::Scales& scales, int sub,
                                const Panel<kWide, false, F::kScales, M>& x, F32 (&acc)[M][kVectors]) {
  ask_ahead<typename F::Tile, kColumns<F> / kBlockColumns, M>(&t, sub);
  PESTLE_UNROLL for (int h = 0; h < kVectors; h++) {
    U8 w[8];
    F::decode(t, sub, h, w);
    PESTLE_UNROLL for (int s = 0; s < F::kScales; s++) {
      const F32 scale = scales.template scale<P>(sub, s, h);
      PESTLE_UNROLL for (int m = 0; m < M; m++) {
        const I32 i = s == 0 ? block_dot<F, kWide, 0, M>(w, x, s, m)
                             : block_dot<F, kWide, 8 - 8 / F::kScales, M>(w, x, s, m);
        if constexpr (kWide)
          acc[m][h] = simd::fma(simd::to_f32(i), scale, acc[m][h]);
        else
          acc[m][h] = simd::fma(simd::to_f32(i), simd::mul(scale, simd::splat(x.d[m])), acc[m][h]);
      }
    }
    if constexpr (F::kMin) {
      PESTLE_UNROLL for (int s = 0; s < F::kScales; s++) {
        const F32 minimum = scales.template minimum<P>(sub, s, h);
        PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][h] =
            simd::fma(minimum, splat_float(&x.aux[s][m]), acc[m][h]);
      }
    }
  }
}

// Where the sums of a row of tiles begin and end.
PESTLE_INLINE F32 bias(const MatmulArgs& a, int column) {
  return a.bias ? simd::load(a.bias + column) : simd::splat(0.0f);
}
template <bool kWide>
PESTLE_INLINE F32 first_sum(const MatmulArgs& a, int column) {
  return kWide ? simd::splat(0.0f) : bias(a, column);
}
// `group`: the panel, which begins with the scales of wide rows.
template <bool kWide>
PESTLE_INLINE void last_sum(const MatmulArgs& a, const char* group, int m, int column, float* y, F32 sum) {
  if constexpr (kWide) sum = simd::fma(sum, splat_float(group + sizeof(float) * m), bias(a, column));
  simd::store(y, a.epilogue == Epilogue::add ? simd::add(simd::load(y), sum) : sum);
}

template <class F, bool kWide, int M>
PESTLE_NOINLINE void direct(const MatmulArgs& a, int strip_begin, int strip_end) {
  using Tile = typename F::Tile;
  constexpr int kBlocks = kColumns<F> / kBlockColumns;
  PESTLE_ASSUME(0 <= strip_begin && strip_begin <= strip_end && a.rows == M);
  PESTLE_ASSUME(a.columns % kColumns<F> == 0 && a.ldy >= size_t(strip_end) * kStripRows);
  const int tiles = a.columns / kColumns<F>;
  for (int row = 2 * strip_begin; row < 2 * strip_end; row++) {
    const Tile* t = reinterpret_cast<const Tile*>(a.tiles) + size_t(row) * tiles;
    const auto* x = Panel<kWide, false, F::kScales, M>::blocks(a.panels);
    F32 acc[M][kVectors];
    PESTLE_UNROLL for (int h = 0; h < kVectors; h++) PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][h] =
        first_sum<kWide>(a, 16 * row + h * simd::kLanes);
    for (int b = 0; b < tiles; b++) {
      const typename F::Scales scales(t[b]);
      if constexpr (kBlocks == 1) {
        direct_block<F, kWide, 0, M>(t[b], scales, 0, x[b], acc);
      } else {
        for (int sub = 0; sub < kBlocks; sub += 4) {
          direct_block<F, kWide, 0, M>(t[b], scales, sub, x[b * kBlocks + sub], acc);
          direct_block<F, kWide, 1, M>(t[b], scales, sub + 1, x[b * kBlocks + sub + 1], acc);
          direct_block<F, kWide, 2, M>(t[b], scales, sub + 2, x[b * kBlocks + sub + 2], acc);
          direct_block<F, kWide, 3, M>(t[b], scales, sub + 3, x[b * kBlocks + sub + 3], acc);
        }
      }
    }
    PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int h = 0; h < kVectors; h++)
        last_sum<kWide>(a, a.panels, m, 16 * row + h * simd::kLanes,
                        a.y + m * a.ldy + 16 * row + h * simd::kLanes, acc[m][h]);
  }
}

// What 32 columns of kStripVectors registers of rows decode to: bytes, four columns a lane, or int16, two a
// lane.
template <int S, bool kMin, bool kWords>
struct Scratch {
  static constexpr int V = simd::kStripVectors, L = simd::kLanes;
  uint8_t q[kWords ? 16 : 8][V][kBytes];
  float scale[S][V][L];
  float minimum[kMin ? S : 1][V][L];
};

template <class F, bool kWords>
using ScratchOf = Scratch<F::kScales, F::kMin, kWords>;

// What the bytes of quad k and register v are stored as.
struct AsBytes {
  static constexpr bool kWords = false;
  template <int V>
  PESTLE_INLINE static void store(uint8_t (*q)[V][kBytes], int k, int v, U8 w) {
    simd::store(q[k][v], w);
  }
};
template <class W>
struct AsWords {
  static constexpr bool kWords = true;
  template <int V>
  PESTLE_INLINE static void store(uint8_t (*q)[V][kBytes], int k, int v, U8 w) {
    simd::store(q[2 * k][v], W::template words<0>(w));
    simd::store(q[2 * k + 1][v], W::template words<1>(w));
  }
};

// The scales of a block's register v, in a struct with the arrays of Scratch.
template <class F, int P, class To>
PESTLE_INLINE void store_scales(const typename F::Scales& scales, int sub, int h, To& to, int v) {
  PESTLE_UNROLL for (int i = 0; i < F::kScales; i++) {
    simd::store(to.scale[i][v], scales.template scale<P>(sub, i, h));
    if constexpr (F::kMin) simd::store(to.minimum[i][v], scales.template minimum<P>(sub, i, h));
  }
}

// The rows of tiles that fill a pass's registers.
constexpr int kPassTileRows = simd::kStripVectors / kVectors;
static_assert(simd::kStripVectors % kVectors == 0);

// Calls body.operator()<P>(tile, scales, sub, h, block, v) for the blocks of tiles [0, count) of a pass and
// its registers; `row` tiles lie in a row.
template <class F, class Body>
PESTLE_INLINE void each_block(const typename F::Tile* tiles, size_t row, int count, const Body& body) {
  constexpr int kBlocks = kColumns<F> / kBlockColumns;
  for (int i = 0; i < kPassTileRows; i++) {
    const auto* t = tiles + i * row;
    for (int b = 0; b < count; b++) {
      const typename F::Scales scales(t[b]);
      PESTLE_UNROLL for (int h = 0; h < kVectors; h++) {
        const int v = i * kVectors + h;
        if constexpr (kBlocks == 1) {
          body.template operator()<0>(t[b], scales, 0, h, b, v);
        } else {
          for (int sub = 0; sub < kBlocks; sub += 4) {
            const int block = b * kBlocks + sub;
            body.template operator()<0>(t[b], scales, sub, h, block, v);
            body.template operator()<1>(t[b], scales, sub + 1, h, block + 1, v);
            body.template operator()<2>(t[b], scales, sub + 2, h, block + 2, v);
            body.template operator()<3>(t[b], scales, sub + 3, h, block + 3, v);
          }
        }
      }
    }
  }
}

template <class F, class Form>
PESTLE_NOINLINE void decode_tiles(const typename F::Tile* tiles, size_t row, int count,
                                  ScratchOf<F, Form::kWords>* scratch) {
  each_block<F>(tiles, row, count,
                [&]<int P>(const typename F::Tile& t, const typename F::Scales& scales, int sub, int h, int b,
                           int v) PESTLE_INLINE_LAMBDA {
                  auto& s = scratch[b];
                  U8 w[8];
                  F::decode(t, sub, h, w);
                  PESTLE_UNROLL for (int k = 0; k < 8; k++) Form::store(s.q, k, v, w[k]);
                  store_scales<F, P>(scales, sub, h, s, v);
                });
}

// What is to be decoded next, asked for while the decoded is multiplied: some lines of each row of tiles
// beside each block. All at once they would wait for each other, and what comes from memory for them.
struct Ahead {
  const char* rows[kPassTileRows];
  int lines;
  PESTLE_INLINE void fetch(int row, int block) const {
    const char* p = rows[row] + size_t(block) * lines * 64;
    for (int i = 0; i < lines; i++) simd::prefetch_l2(p + i * 64);
  }
  PESTLE_INLINE void fetch(int block) const {
    PESTLE_UNROLL for (int row = 0; row < kPassTileRows; row++) fetch(row, block);
  }
};

// The integer dots of the lanes' columns from `begin` on of M activation rows with V registers of weight
// rows. Plain loops: GCC 12 outlines lambdas here and spills.
template <class D, int kSteps, int M, int V, int N>
PESTLE_INLINE void dots(const uint8_t (*w)[V][kBytes], const int8_t (&q)[M][N], int begin, D (&d)[M][V]) {
  PESTLE_UNROLL for (int k = 0; k < kSteps; k++) {
    U8 weights[V];
    PESTLE_UNROLL for (int v = 0; v < V; v++) weights[v] = simd::load(w[k][v]);
    PESTLE_UNROLL for (int m = 0; m < M; m++) {
      const I32 x = simd::splat4(q[m] + 4 * (begin + k));
      PESTLE_UNROLL for (int v = 0; v < V; v++) d[m][v].step(weights[v], x, k);
    }
  }
}

// Some decoded blocks with one group of M activation rows: sums[M][V][L] += products.
template <class D, bool kOffset, bool kWide, bool kWords, int S, bool kMin, int M>
PESTLE_NOINLINE void multiply(const Scratch<S, kMin, kWords>* w, int blocks, const char* panel, float* sums,
                              const Ahead& ahead) {
  constexpr int V = simd::kStripVectors, L = simd::kLanes, kSteps = (kWords ? 16 : 8) / S;
  const auto* x = reinterpret_cast<const Panel<kWide, kWords, S, M>*>(panel);
  F32 acc[M][V];
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++) acc[m][v] =
      simd::load(sums + (m * V + v) * L);
  for (int b = 0; b < blocks; b++) {
    ahead.fetch(b);
    PESTLE_UNROLL for (int s = 0; s < S; s++) {
      constexpr bool kPlanes = kWide && !kWords;
      D d[M][V];
      PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++) d[m][v].start(
          kPlanes ? simd::splat(int32_t(0)) : first_dot<kOffset>(&x[b].aux[s][m]));
      dots<D, kSteps, M, V>(w[b].q + s * kSteps, x[b].q, s * kSteps, d);
      if constexpr (kPlanes) {
        PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++) d[m][v].start(
            second_dot<kOffset>(d[m][v].value(), &x[b].aux[s][m]));
        dots<D, kSteps, M, V>(w[b].q + s * kSteps, x[b].low, s * kSteps, d);
      }
      PESTLE_UNROLL for (int v = 0; v < V; v++) {
        const F32 scale = simd::load(w[b].scale[s][v]);
        PESTLE_UNROLL for (int m = 0; m < M; m++) {
          const F32 i = simd::to_f32(d[m][v].value());
          if constexpr (kWide)
            acc[m][v] = simd::fma(i, scale, acc[m][v]);
          else
            acc[m][v] = simd::fma(i, simd::mul(scale, simd::splat(x[b].d[m])), acc[m][v]);
        }
      }
    }
    if constexpr (kMin) {
      PESTLE_UNROLL for (int s = 0; s < S; s++) PESTLE_UNROLL for (int v = 0; v < V; v++) {
        const F32 minimum = simd::load(w[b].minimum[s][v]);
        PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][v] =
            simd::fma(minimum, splat_float(&x[b].aux[s][m]), acc[m][v]);
      }
    }
  }
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int v = 0; v < V; v++)
      simd::store(sums + (m * V + v) * L, acc[m][v]);
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
