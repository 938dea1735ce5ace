// The product for many activation rows on AMD's cores with AVX-512, in place of avx512vnni's: everything else
// of the set is avx512vnni's own. Weights are decoded in registers, for every group of up to eight activation
// rows again, and never stored. The same integers and the same floating-point operations in the same order,
// so the same bits.
//
// Two of the four vector ports multiply, and they bound the product: 6 x 32 outputs over 32 columns of a
// format with minima are 96 dot products and 36 multiplications by scales, 132 cycles. What decodes weights
// finds room on the other two (measured on a Zen 4: the same 132 cycles with 24 masks and 16 shifts beside
// them), while a store of 64 bytes takes two cycles: decoding the block to a scratch takes 46, which six rows
// alone pay with a quarter of their time, and 32 rows with 6 %. On Intel's cores masks and shifts wait for
// the ports that multiply.
#include <immintrin.h>

#include "kernels/direct_rows.h"
#include "kernels/gemm_strips.h"
#include "kernels/rows.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

constexpr int V = simd::kStripVectors, L = simd::kLanes;
static_assert(L == 16 && V == kPassTileRows);

// A piece of a strip: its tiles, and the scales of its blocks.
template <class F>
struct Decoded {
  struct Block {
    float scale[F::kScales][V][L];
    float minimum[F::kMin ? F::kScales : 1][V][L];
  };
  const typename F::Tile* rows[V];
  Block blocks[kPieceBlocks];
};

// What is read through the pointer is read again, and not kept in registers that the sums need.
template <class T>
PESTLE_INLINE const T* afresh(const T* p) {
  asm volatile("" : "+r"(p));
  return p;
}

// d += the dots of Count quads of 16 weight rows with M activation rows, whose bytes are broadcast as they
// are read.
template <int Begin, int Count, int M>
PESTLE_INLINE void add_dots(const U8 (&w)[8], const int8_t (&q)[M][32], I32 (&d)[M]) {
  PESTLE_UNROLL for (int k = Begin; k < Begin + Count; k++) PESTLE_UNROLL for (int m = 0; m < M; m++) asm(
      "vpdpbusd %2%{1to16%}, %1, %0" : "+v"(d[m]) : "v"(w[k]), "m"(*(const int32_t (*)[1])(q[m] + 4 * k)));
}

// The products of one block with 16 weight rows, in the order of gemm.h.
template <class F, bool kWide, int Begin, int M, int N>
PESTLE_INLINE void add_scale(const U8 (&w)[8], const Panel<kWide, false, F::kScales, M>& x, int s,
                             const typename Decoded<F>::Block& block, int v, F32 (&acc)[M][N], int i) {
  constexpr int kQuads = 8 / F::kScales;
  constexpr bool kOffset = F::kOffset != 0;
  I32 d[M];
  PESTLE_UNROLL for (int m = 0; m < M; m++) d[m] =
      kWide ? simd::splat(int32_t(0)) : first_dot<kOffset>(&x.aux[s][m]);
  add_dots<Begin, kQuads, M>(w, x.q, d);
  if constexpr (kWide) {
    PESTLE_UNROLL for (int m = 0; m < M; m++) d[m] = second_dot<kOffset>(d[m], &x.aux[s][m]);
    add_dots<Begin, kQuads, M>(w, x.low, d);
  }
  const F32 scale = simd::load(block.scale[s][v]);
  PESTLE_UNROLL for (int m = 0; m < M; m++) {
    if constexpr (kWide)
      acc[m][i] = simd::fma(simd::to_f32(d[m]), scale, acc[m][i]);
    else
      acc[m][i] = simd::fma(simd::to_f32(d[m]), simd::mul(scale, simd::splat(x.d[m])), acc[m][i]);
  }
}

// Some blocks of the registers [First, First + N) of weight rows with one group of M activation rows:
// sums[M][V][L] += products.
template <class F, bool kWide, int M, int First, int N>
PESTLE_NOINLINE void multiply_tiles(const Decoded<F>& w, int n_blocks, const char* panel, float* sums,
                                    const Ahead& ahead) {
  constexpr int S = F::kScales, kBlocks = kColumns<F> / kBlockColumns;
  const auto* panels = reinterpret_cast<const Panel<kWide, false, S, M>*>(panel);
  F32 acc[M][N];
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int i = 0; i < N; i++) acc[m][i] =
      simd::load(sums + (m * V + First + i) * L);
  for (int b = 0; b < n_blocks; b++) {
    const typename Decoded<F>::Block& block = w.blocks[b];
    PESTLE_UNROLL for (int i = 0; i < N; i++) {
      const int v = First + i;
      ahead.fetch(v, b);
      const auto& x = *afresh(panels + b);
      U8 codes[8];
      F::decode(w.rows[v][b / kBlocks], b % kBlocks, 0, codes);
      add_scale<F, kWide, 0, M>(codes, x, 0, block, v, acc, i);
      if constexpr (S == 2) add_scale<F, kWide, 4, M>(codes, x, 1, block, v, acc, i);
      if constexpr (F::kMin) {
        PESTLE_UNROLL for (int s = 0; s < S; s++) {
          const F32 minimum = simd::load(block.minimum[s][v]);
          PESTLE_UNROLL for (int m = 0; m < M; m++) acc[m][i] =
              simd::fma(minimum, splat_float(&x.aux[s][m]), acc[m][i]);
        }
      }
    }
  }
  PESTLE_UNROLL for (int m = 0; m < M; m++) PESTLE_UNROLL for (int i = 0; i < N; i++)
      simd::store(sums + (m * V + First + i) * L, acc[m][i]);
}

// Up to six rows fill the registers with both weight rows' sums; seven and eight take one after the other,
// which costs nothing more: the activations lie in L1.
constexpr int kGroupRows = 8, kBothRows = 6;
template <class F, bool kWide, int M>
PESTLE_INLINE void multiply_group(const Decoded<F>& w, int n_blocks, const char* panel, float* sums,
                                  const Ahead& ahead) {
  if constexpr (M <= kBothRows) {
    multiply_tiles<F, kWide, M, 0, V>(w, n_blocks, panel, sums, ahead);
  } else {
    multiply_tiles<F, kWide, M, 0, 1>(w, n_blocks, panel, sums, ahead);
    multiply_tiles<F, kWide, M, 1, 1>(w, n_blocks, panel, sums, ahead);
  }
}

template <class F, bool kWide>
struct TileProduct {
  using Tile = typename F::Tile;
  using Scratch = Decoded<F>;
  static constexpr PanelKind kKind = kPanelOf<F, kWide>;
  static constexpr int kTileColumns = kColumns<F>, kUnit = kColumns<F>, kPieceColumns = kPieceBlocks * 32,
                       kRows = kGroupRows;
  static_assert(sizeof(Scratch) <= kPieceBlocks * sizeof(ScratchOf<F, false>));  // what scratch_bytes gives
  PESTLE_NOINLINE static void decode(const StripPiece& p, Scratch* w) {
    for (int i = 0; i < V; i++) w->rows[i] = reinterpret_cast<const Tile*>(p.tiles + i * p.row_bytes);
    each_block<F>(w->rows[0], p.row_bytes / sizeof(Tile), p.columns / kColumns<F>,
                  [&]<int P>(const Tile&, const typename F::Scales& scales, int sub, int h, int b, int v)
                      PESTLE_INLINE_LAMBDA { store_scales<F, P>(scales, sub, h, w->blocks[b], v); });
  }
  static void multiply(const Scratch* w, int columns, const char* panel, int rows, float* sums,
                       const Ahead& ahead) {
    PESTLE_FOR_ROWS(rows, kRows,
                    (multiply_group<F, kWide, M>(*w, columns / kBlockColumns, panel, sums, ahead)))
  }
};

template <class F, bool kWide>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  multiply_strips(a, strip_begin, strip_end, scratch, TileProduct<F, kWide>());
}

}  // namespace

void decode_in_registers(KernelTable& t) {
  t.isa = "avx512zen";
  const auto use = [&t]<class F>(F, Format f) {
    t.multiply[0][static_cast<int>(f)] = multiply_rows_of<F, false>;
    t.multiply[1][static_cast<int>(f)] = multiply_rows_of<F, true>;
    for (PanelKind* kinds : t.panel) kinds[static_cast<int>(f)].max_rows = kGroupRows;
  };
#define PESTLE_USE(F) use(F{}, Format::F);
  PESTLE_INTEGER_FORMATS(PESTLE_USE)
#undef PESTLE_USE
  for (int wide = 0; wide < 2; wide++)
    for (int f = 0; f < kFormats; f++) t.direct_rows[wide][f] = direct_rows::avx512zen[wide][f];
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
