// The product for many activation rows on AMX tiles, in place of avx512vnni's: everything else of the set is
// avx512vnni's own. The same integers and the same floating-point operations in the same order, so the same
// bits.
//
// One tile instruction multiplies 16 activation rows with 16 weight rows over 32 columns: 8,192 multiply-adds
// in 16 cycles, where VNNI needs 64. What is left to do is what block scales ask for: to take 16 registers of
// integers out of the tile, convert them, and add them to the sums. That is what bounds it: while tile
// instructions are in flight one of the two ports that multiply is closed to vectors (measured on a Xeon: 64
// vmulps take 62 cycles beside one tileloadd, 31 without), so 16 rows by 16 take 48 cycles a block, or 64
// with minima. A decoded strip holds signed bytes, so no offset is to be taken off.
#include <immintrin.h>

#include "kernels/direct_rows.h"
#include "kernels/gemm_strips.h"
#include "kernels/rows.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

constexpr int kRows = 16;  // activation rows of a tile
constexpr int V = simd::kStripVectors, L = simd::kLanes;
static_assert(L == 16 && V == 2);
static_assert(kRows * kBlockColumns <= int(kPanelSlack));  // a tile reads sixteen rows of fewer

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

// Bytes become signed as they are decoded, or later.
template <int kOffset>
struct AsSignedBytes {
  static constexpr bool kWords = false;
  PESTLE_INLINE static void store(uint8_t (*q)[V][kBytes], int k, int v, U8 w) {
    simd::store(q[k][v], _mm512_sub_epi8(w, _mm512_set1_epi8(static_cast<char>(kOffset))));
  }
};
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
                                    float* sums, const Ahead& ahead) {
  constexpr int m = R;
  alignas(64) Sums products[2][S * (kWide ? 2 : 1)];
  const size_t step = Block<kWide, S>::bytes(m);
  F32 acc[R];
  PESTLE_UNROLL for (int i = 0; i < R; i++) acc[i] = simd::load(sums + i * V * L);
  Block<kWide, S> x{panel, m};
  tile_products(x, w[0], v, products[0]);
  for (int b = 0; b < blocks; b++) {
    const Block<kWide, S> next{x.p + step, m};
    ahead.fetch(v, b);
    if (b + 1 < blocks) tile_products(next, w[b + 1], v, products[(b + 1) % 2]);
    add_block<kWide, S, kMin, R>(x, w[b], v, products[b % 2], acc);
    x = next;
  }
  PESTLE_UNROLL for (int i = 0; i < R; i++) simd::store(sums + i * V * L, acc[i]);
}

#define PESTLE_TILE_ROWS(call) \
  PESTLE_CASE(7, call)         \
  PESTLE_CASE(8, call)         \
  PESTLE_CASE(9, call)         \
  PESTLE_CASE(10, call)        \
  PESTLE_CASE(11, call)        \
  PESTLE_CASE(12, call)        \
  PESTLE_CASE(13, call)        \
  PESTLE_CASE(14, call)        \
  PESTLE_CASE(15, call)        \
  PESTLE_CASE(16, call)
#define PESTLE_CASE(r, call) \
  case r: {                  \
    constexpr int R = r;     \
    call;                    \
    break;                   \
  }

template <class F, bool kWide>
struct TileProduct {
  using Tile = typename F::Tile;
  using Scratch = ScratchOf<F, false>;
  static constexpr PanelKind kKind = kPanelOf<F, kWide>;
  static constexpr int kTileColumns = kColumns<F>, kUnit = kColumns<F>, kPieceColumns = kPieceBlocks * 32,
                       kRows = pestle::PESTLE_ISA_NAMESPACE::kRows;
  // Few rows fill no tile: vectors multiply them. They take unsigned bytes, tiles signed ones.
  static constexpr bool few(int rows) { return rows <= simd::kMaxRows; }
  bool decodes_signed, is_signed = false;
  explicit TileProduct(int rows) : decodes_signed(F::kOffset == 0 || !few((rows - 1) % kRows + 1)) {}

  void decode(const StripPiece& p, Scratch* w) {
    is_signed = decodes_signed;
    if (F::kOffset != 0 && decodes_signed)
      decode_piece<F, AsSignedBytes<F::kOffset>>(p, w);
    else
      decode_piece<F, AsBytes>(p, w);
  }
  void multiply(Scratch* w, int columns, const char* panel, int rows, float* sums, const Ahead& ahead) {
    const int blocks = columns / kBlockColumns;
    if (few(rows)) {
      using D = simd::DotKind<F::kMax, F::kSigned>;
      PESTLE_FOR_ROWS(
          rows, simd::kMaxRows,
          (pestle::PESTLE_ISA_NAMESPACE::multiply<D, F::kOffset != 0, kWide, false, F::kScales, F::kMin, M>(
              w, blocks, panel, sums, ahead)))
      return;
    }
    if (!is_signed) take_offset(w, blocks, F::kOffset);
    is_signed = true;
    for (int v = 0; v < V; v++) switch (rows) {
        PESTLE_TILE_ROWS(
            (multiply_piece<kWide, F::kScales, F::kMin, R>(w, blocks, v, panel, sums + v * L, ahead)))
      }
  }
};

template <class F, bool kWide>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  // A last group of fewer rows uses whole tiles too: what they have beyond it is not read back.
  const TileConfig config(a.rows < kRows ? a.rows : kRows, kBlockColumns / F::kScales);
  _tile_loadconfig(&config);
  multiply_strips(a, strip_begin, strip_end, scratch, TileProduct<F, kWide>(a.rows));
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
  for (int wide = 0; wide < 2; wide++)
    for (int f = 0; f < kFormats; f++) t.direct_rows[wide][f] = direct_rows::avx512amx[wide][f];
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
