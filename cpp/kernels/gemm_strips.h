// How many activation rows meet a strip of 32 weight rows, whatever multiplies them. A piece of a strip is
// decoded to bytes in L1, multiplied with every group of a block of activation rows, and left for the next
// piece; the sums wait in memory in between, unchanged to the bit.
#pragma once

#include "kernels/gemm.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr int kPieceBlocks = 16;  // of 32 columns: some 18 KiB of decoded weights
constexpr int kBlockRows = 192;   // activation rows whose sums wait together

// Where the panels of a group of activation rows begin, and how many rows it has.
struct Group { int first, rows; };
PESTLE_INLINE Group group_of(int rows, int groups, int g) {
  const int first = group_begin(rows, groups, g);
  return {first, group_begin(rows, groups, g + 1) - first};
}

// Kernel: kWords, what weights are decoded to; kRows, the rows of a group at most; prepare(w, blocks), what
// is to be done to decoded weights; and multiply(w, blocks, panel, rows, sums), which adds the products of
// some blocks to sums[rows][kStripVectors][kLanes].
template <class F, bool kWide, class Kernel>
PESTLE_INLINE void multiply_strips(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  constexpr int V = simd::kStripVectors, L = simd::kLanes, kBlocks = kColumns<F> / kBlockColumns;
  constexpr int kGroups = kBlockRows / Kernel::kRows;
  constexpr PanelKind kKind = kPanelOf<F, kWide>;
  using Tile = typename F::Tile;
  auto* w = static_cast<ScratchOf<F, Kernel::kWords>*>(scratch);
  const int tiles = a.columns / kColumns<F>, groups = panel_groups(a.rows, Kernel::kRows);
  const int pieces = (tiles * kBlocks + kPieceBlocks - 1) / kPieceBlocks;
  const size_t row_bytes = panel_row_bytes(kKind, a.columns);
  alignas(64) float sums[kGroups * Kernel::kRows][V * L];
  for (int first_group = 0; first_group < groups; first_group += kGroups) {
    const int end_group = groups < first_group + kGroups ? groups : first_group + kGroups;
    for (int pass = strip_begin * kPasses; pass < strip_end * kPasses; pass++) {
      const int strip = pass / kPasses, r = pass % kPasses * V, n0 = kStripRows * strip + r * L;
      const Tile* tile = reinterpret_cast<const Tile*>(a.tiles) + size_t(strip) * 2 * tiles;
      for (int m = 0; m < (end_group - first_group) * Kernel::kRows; m++)
        PESTLE_UNROLL for (int v = 0; v < V; v++)
            simd::store(sums[m] + v * L, first_sum<kWide>(a, n0 + v * L));
      for (int p = 0; p < pieces; p++) {
        const int t = group_begin(tiles, pieces, p), n = group_begin(tiles, pieces, p + 1) - t;
        decode_tiles<F, Kernel::kWords>(tile + t, tiles, n, r, w);
        Kernel::prepare(w, n * kBlocks);
        for (int g = first_group; g < end_group; g++) {
          const Group group = group_of(a.rows, groups, g);
          const char* panel = a.panels + group.first * row_bytes + (kWide ? 4 * group.rows : 0) +
                              size_t(t) * kBlocks * group.rows * panel_block_bytes(kKind);
          Kernel::multiply(w, n * kBlocks, panel, group.rows, sums[(g - first_group) * Kernel::kRows]);
        }
      }
      for (int g = first_group; g < end_group; g++) {
        const Group group = group_of(a.rows, groups, g);
        for (int m = 0; m < group.rows; m++)
          PESTLE_UNROLL for (int v = 0; v < V; v++)
              last_sum<kWide>(a, a.panels + group.first * row_bytes, m, n0 + v * L,
                              a.y + (group.first + m) * a.ldy + n0 + v * L,
                              simd::load(sums[(g - first_group) * Kernel::kRows + m] + v * L));
      }
    }
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
