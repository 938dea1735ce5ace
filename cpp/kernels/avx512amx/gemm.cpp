// The product for many activation rows on AMX tiles, in place of avx512vnni's: everything else of the set is
// avx512vnni's own. The same integers and the same floating-point operations in the same order, so the same
// bits.
//
// One tile instruction multiplies 16 activation rows with 16 weight rows over 32 columns: 8,192 multiply-adds
// in 16 cycles, where VNNI needs 64. What is left to do is what block scales ask for: to take 16 registers of
// integers out of the tile, convert them, and add them to the sums. A decoded strip holds signed bytes, so no
// offset is to be taken off.
#include <immintrin.h>

#include "kernels/gemm_strips.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

constexpr int kRows = 16;  // activation rows of a tile
constexpr int V = simd::kStripVectors, L = simd::kLanes;
static_assert(L == 16 && V == 2);

// Palette 1: rows and bytes of each of eight tiles. 0 .. 3: sums [rows][16]; 4, 5: activations
// [rows][columns]; 6, 7: weights [columns / 4][16 x 4].
struct alignas(64) TileConfig {
  uint8_t palette = 1, start_row = 0, reserved[14] = {};
  uint16_t bytes[16] = {};
  uint8_t rows[16] = {};
  TileConfig(int n_rows, int columns) {
    for (int i = 0; i < 4; i++) rows[i] = static_cast<uint8_t>(n_rows), bytes[i] = 64;
    for (int i = 4; i < 6; i++)
      rows[i] = static_cast<uint8_t>(n_rows), bytes[i] = static_cast<uint16_t>(columns);
    for (int i = 6; i < 8; i++) rows[i] = static_cast<uint8_t>(columns / 4), bytes[i] = 64;
  }
};

// A row of tiles' bytes become signed.
template <int S, bool kMin>
PESTLE_NOINLINE void take_offset(Scratch<S, kMin, false>* w, int blocks, int offset) {
  const __m512i minus = _mm512_set1_epi8(static_cast<char>(offset));
  for (int b = 0; b < blocks; b++)
    PESTLE_UNROLL for (int k = 0; k < 8; k++) PESTLE_UNROLL for (int v = 0; v < V; v++)
        simd::store(w[b].q[k][v], _mm512_sub_epi8(simd::load(w[b].q[k][v]), minus));
}

using Sums = int32_t[kRows][L];

// What the panel of a group of `m` rows holds of one block.
template <bool kWide, int S>
struct Block {
  const char* p;
  int m;
  PESTLE_INLINE const float* d() const { return reinterpret_cast<const float*>(p); }
  PESTLE_INLINE const float* aux(int s) const {
    return reinterpret_cast<const float*>(p) + (kWide ? s : s + 1) * m;
  }
  PESTLE_INLINE const char* q() const { return p + 4 * m * (kWide ? S : S + 1); }
  PESTLE_INLINE const char* low() const { return q() + 32 * m; }
  static constexpr size_t bytes(int m) { return size_t(m) * (4 * (kWide ? S : S + 1) + (kWide ? 64 : 32)); }
};

// One tile of integers: 16 weight rows with a group of activation rows over one scale's columns. Tiles are
// numbers in the text of an instruction; each sum has its own, activations and weights alternate between two.
#define PESTLE_TILE(sums, activations, weights, x, w, out) \
  _tile_zero(sums);                                        \
  _tile_loadd(activations, x, 32);                         \
  _tile_loadd(weights, w, V* kBytes);                      \
  _tile_dpbssd(sums, activations, weights);                \
  _tile_stored(sums, out, 64);

// The tiles of one block: scale by scale, and of wide activations the high plane before the low.
template <bool kWide, int S, bool kMin>
PESTLE_INLINE void tile_products(const Block<kWide, S>& x, const Scratch<S, kMin, false>& w, int v,
                                 Sums* out) {
  PESTLE_TILE(0, 4, 6, x.q(), w.q[0][v], out[0])
  if constexpr (kWide) { PESTLE_TILE(1, 5, 7, x.low(), w.q[0][v], out[1]) }
  if constexpr (S == 2) {
    PESTLE_TILE(2, 4, 6, x.q() + 16, w.q[4][v], out[kWide ? 2 : 1])
    if constexpr (kWide) { PESTLE_TILE(3, 5, 7, x.low() + 16, w.q[4][v], out[3]) }
  }
}
#undef PESTLE_TILE

// Adds one block to the sums, in the order of gemm.h.
template <bool kWide, int S, bool kMin, int R>
PESTLE_INLINE void add_block(const Block<kWide, S>& x, const Scratch<S, kMin, false>& w, int v,
                             const Sums* sums, F32 (&acc)[R]) {
  PESTLE_UNROLL for (int s = 0; s < S; s++) {
    const F32 scale = simd::load(w.scale[s][v]);
    PESTLE_UNROLL for (int m = 0; m < R; m++) {
      if constexpr (kWide) {
        const I32 i = simd::add(simd::shl<7>(simd::load(sums[2 * s][m])), simd::load(sums[2 * s + 1][m]));
        acc[m] = simd::fma(simd::to_f32(i), scale, acc[m]);
      } else {
        const I32 i = simd::load(sums[s][m]);
        acc[m] = simd::fma(simd::to_f32(i), simd::mul(scale, simd::splat(x.d()[m])), acc[m]);
      }
    }
  }
  if constexpr (kMin) {
    PESTLE_UNROLL for (int s = 0; s < S; s++) {
      const F32 minimum = simd::load(w.minimum[s][v]);
      PESTLE_UNROLL for (int m = 0; m < R; m++) acc[m] = simd::fma(minimum, simd::splat(x.aux(s)[m]), acc[m]);
    }
  }
}

// Some blocks of 16 weight rows with a group of activation rows: sums += products. A tile takes some 100
// cycles from its first load to its stored sums, so the next block is asked for before this one is added.
template <bool kWide, int S, bool kMin, int R>
PESTLE_NOINLINE void multiply_piece(const Scratch<S, kMin, false>* w, int blocks, int v, const char* panel,
                                    int m, float* sums) {
  alignas(64) Sums products[2][S * (kWide ? 2 : 1)];
  const size_t step = Block<kWide, S>::bytes(m);
  F32 acc[R];
  PESTLE_UNROLL for (int i = 0; i < R; i++) acc[i] = simd::load(sums + i * V * L);
  Block<kWide, S> x{panel, m};
  tile_products(x, w[0], v, products[0]);
  for (int b = 0; b < blocks; b++) {
    const Block<kWide, S> next{x.p + step, m};
    if (b + 1 < blocks) tile_products(next, w[b + 1], v, products[(b + 1) % 2]);
    add_block<kWide, S, kMin, R>(x, w[b], v, products[b % 2], acc);
    x = next;
  }
  PESTLE_UNROLL for (int i = 0; i < R; i++) simd::store(sums + i * V * L, acc[i]);
}

template <class F, bool kWide, int R>
struct TileProduct {
  static constexpr bool kWords = false;
  static constexpr int kRows = pestle::PESTLE_ISA_NAMESPACE::kRows;
  static void prepare(ScratchOf<F, false>* w, int blocks) {
    if constexpr (F::kOffset != 0) take_offset(w, blocks, F::kOffset);
  }
  static void multiply(const ScratchOf<F, false>* w, int blocks, const char* panel, int rows, float* sums) {
    for (int v = 0; v < V; v++)
      multiply_piece<kWide, F::kScales, F::kMin, R>(w, blocks, v, panel, rows, sums + v * L);
  }
};

template <class F, bool kWide>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  const int groups = panel_groups(a.rows, kRows);
  // All groups use the tiles of the largest: sizes differ by one, and a row too many is not read back.
  const TileConfig config((a.rows + groups - 1) / groups, kBlockColumns / F::kScales);
  _tile_loadconfig(&config);
  if (a.rows <= 8)
    multiply_strips<F, kWide, TileProduct<F, kWide, 8>>(a, strip_begin, strip_end, scratch);
  else
    multiply_strips<F, kWide, TileProduct<F, kWide, 16>>(a, strip_begin, strip_end, scratch);
  _tile_release();
}

// Tile instructions alone, at the full 64 columns.
double int8_operations(int iterations) {
  const TileConfig config(kRows, 64);
  _tile_loadconfig(&config);
  alignas(64) const int8_t ones[kRows][64] = {};
  _tile_loadd(4, ones, 64);
  _tile_loadd(6, ones, 64);
  for (int i = 0; i < iterations; i++) {
    _tile_dpbssd(0, 4, 6);
    _tile_dpbssd(1, 4, 6);
    _tile_dpbssd(2, 4, 6);
    _tile_dpbssd(3, 4, 6);
  }
  _tile_release();
  return 2.0 * iterations * 4 * kRows * L * 64;
}

}  // namespace

void use_tiles(KernelTable& t) {
  t.isa = "avx512amx";
  t.int8_operations = int8_operations;
  const auto use = [&t]<class F>(F, Format f) {
    t.multiply[0][static_cast<int>(f)] = multiply_rows_of<F, false>;
    t.multiply[1][static_cast<int>(f)] = multiply_rows_of<F, true>;
    for (PanelKind* kinds : t.panel) kinds[static_cast<int>(f)].max_rows = kRows;
  };
#define PESTLE_USE(F) use(F{}, Format::F);
  PESTLE_INTEGER_FORMATS(PESTLE_USE)
#undef PESTLE_USE
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
