// How many activation rows meet a strip of 32 weight rows, whatever multiplies them. A piece of a strip is
// decoded in L1, multiplied with every group of a block of activation rows, and left for the next piece; the
// sums wait in memory in between, unchanged to the bit.
#pragma once

#include "kernels/gemm.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr int kPieceBlocks = 16;         // of 32 columns: some 18 KiB of decoded weights
constexpr int kFloatPieceColumns = 128;  // 16 KiB

// What is decoded at once: some columns of the rows that a pass of registers holds.
struct StripPiece {
  const char* tiles;  // the first row's
  size_t row_bytes;   // of a row of tiles
  int columns;
};
template <class F, class Form>
PESTLE_INLINE void decode_piece(const StripPiece& p, ScratchOf<F, Form::kWords>* w) {
  using Tile = typename F::Tile;
  decode_tiles<F, Form>(reinterpret_cast<const Tile*>(p.tiles), p.row_bytes / sizeof(Tile),
                        p.columns / kColumns<F>, w);
}

// The pieces of a row: of at most `most` units of columns, and of nearly equal size.
struct StripPieces {
  int units, count;
  PESTLE_INLINE StripPieces(int n, int most) : units(n), count((n + most - 1) / most) {}
  PESTLE_INLINE int begin(int p) const { return static_cast<int>(int64_t(units) * p / count); }
};

// How `groups` kernels that go through `blocks` blocks share the lines of the next piece.
struct Shares {
  size_t of_row, of_group;
  int lines;
  PESTLE_INLINE Shares(size_t row_bytes, int groups, int blocks) : of_row(row_bytes) {
    const size_t steps = size_t(groups) * (blocks > 0 ? blocks : 1) * 64;
    lines = static_cast<int>((row_bytes + steps - 1) / steps);
    of_group = size_t(lines) * blocks * 64;
  }
  PESTLE_INLINE Ahead ahead(const char* next, size_t row_stride, int g) const {
    Ahead a;
    a.lines = g * of_group < of_row ? lines : 0;
    for (int i = 0; i < kPassTileRows; i++) a.rows[i] = next + i * row_stride + g * of_group;
    return a;
  }
};

// Kernel: Tile and kTileColumns, what the weights are; kKind, what the panels are; kUnit, of how many columns
// a piece is a multiple, and kPieceColumns, how many it has at most; kRows, the rows of a group;
// Scratch, decode(piece, scratch), what a piece becomes; and multiply(scratch, columns, panel, rows, sums,
// ahead), which adds its products to sums[rows][kStripVectors][kLanes]. It sees the last group first.
template <class Kernel>
PESTLE_INLINE void multiply_strips(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch,
                                   Kernel kernel) {
  constexpr int V = simd::kStripVectors, L = simd::kLanes, kGroups = kBlockRows / Kernel::kRows;
  static_assert(kBlockRows % Kernel::kRows == 0 && Kernel::kUnit % Kernel::kTileColumns == 0);
  static_assert(Kernel::kPieceColumns % Kernel::kUnit == 0 && Kernel::kUnit % kBlockColumns == 0);
  PESTLE_ASSUME(0 <= strip_begin && strip_begin <= strip_end);
  PESTLE_ASSUME(a.rows >= 1 && a.columns >= 1 && a.columns % Kernel::kTileColumns == 0);
  PESTLE_ASSUME(a.ldy >= size_t(strip_end) * kStripRows && scratch != nullptr);
  constexpr PanelKind kKind = Kernel::kKind;
  constexpr size_t kUnitBytes = Kernel::kUnit / Kernel::kTileColumns * sizeof(typename Kernel::Tile);
  constexpr size_t kPanelUnit = Kernel::kUnit / kBlockColumns * panel_block_bytes(kKind);
  auto* w = static_cast<typename Kernel::Scratch*>(scratch);
  const StripPieces pieces((a.columns + Kernel::kUnit - 1) / Kernel::kUnit,
                           Kernel::kPieceColumns / Kernel::kUnit);
  const int groups = panel_groups(a.rows, Kernel::kRows);
  const size_t tile_row = a.columns / Kernel::kTileColumns * sizeof(typename Kernel::Tile);
  const size_t row_bytes = panel_row_bytes(kKind, a.columns);
  alignas(64) float sums[kGroups * Kernel::kRows][V * L];
  for (int first_group = 0; first_group < groups; first_group += kGroups) {
    const int end_group = groups < first_group + kGroups ? groups : first_group + kGroups;
    const int first = first_group * Kernel::kRows;
    const int rows = (end_group * Kernel::kRows < a.rows ? end_group * Kernel::kRows : a.rows) - first;
    for (int pass = strip_begin * kPasses; pass < strip_end * kPasses; pass++) {
      const int n0 = pass * V * L;
      for (int m = 0; m < rows; m++)
        PESTLE_UNROLL for (int v = 0; v < V; v++)
            simd::store(sums[m] + v * L, first_sum<kKind.wide>(a, n0 + v * L));
      for (int p = 0; p < pieces.count; p++) {
        const int t = pieces.begin(p), end = pieces.begin(p + 1) * Kernel::kUnit;
        const int columns = (end < a.columns ? end : a.columns) - t * Kernel::kUnit;
        const char* tiles = a.tiles + pass * kPassTileRows * tile_row;
        kernel.decode({tiles + t * kUnitBytes, tile_row, columns}, w);
        // The next piece, or the next pass's first; as large as this one, or nearly.
        const char* next =
            tiles + (p + 1 < pieces.count ? pieces.begin(p + 1) * kUnitBytes : kPassTileRows * tile_row);
        const Shares shares((pieces.begin(p + 1) - t) * kUnitBytes, end_group - first_group,
                            columns / kBlockColumns);
        for (int g = end_group - 1; g >= first_group; g--) {
          const Group group = group_of(a.rows, Kernel::kRows, g);
          const char* panel =
              a.panels + group.first * row_bytes + group.rows * ((kKind.wide ? 4 : 0) + t * kPanelUnit);
          kernel.multiply(w, columns, panel, group.rows, sums[group.first - first],
                          shares.ahead(next, tile_row, end_group - 1 - g));
        }
      }
      for (int g = first_group; g < end_group; g++) {
        const Group group = group_of(a.rows, Kernel::kRows, g);
        for (int m = 0; m < group.rows; m++)
          PESTLE_UNROLL for (int v = 0; v < V; v++)
              last_sum<kKind.wide>(a, a.panels + group.first * row_bytes, m, n0 + v * L,
                                   a.y + (group.first + m) * a.ldy + n0 + v * L,
                                   simd::load(sums[group.first - first + m] + v * L));
      }
    }
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
