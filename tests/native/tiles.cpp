// The products of avx512amx, with emulated tiles (emulated_tiles.h), beside those of avx512vnni, for every
// format, 8 and 15 bits and numbers of rows that fill tiles or do not. Prints how many were compared; each
// difference is a line on stderr.
#include <cstdio>
#include <cstring>
#include <random>
#include <vector>

#include "core/buffer.h"
#include "kernels/table.h"

namespace pestle {
namespace avx512vnni {
void fill_table(KernelTable&);
}
namespace emulated {
void use_tiles(KernelTable&);
}
namespace {

constexpr int kColumns = 768, kStrips = 2;

std::vector<float> product(const KernelTable& k, Format format, bool wide, const std::vector<float>& x,
                           const char* tiles) {
  const int rows = int(x.size()) / kColumns, width = kStrips * kStripRows;
  const PanelKind kind = panel_of(k, format, wide, rows);
  const Buffer panels(panel_row_bytes(kind, kColumns) * size_t(rows) + kPanelSlack);
  k.make_panels({x.data(), size_t(kColumns), rows, kColumns, kind, panels.data()}, 0,
                panel_groups(rows, kind.max_rows));
  const Buffer scratch(k.scratch_bytes(format));
  std::vector<float> y(size_t(rows) * width);
  const MatmulArgs args{tiles,         panels.data(), nullptr, y.data(),
                        size_t(width), kColumns,      rows,    Epilogue::store};
  matmul_of(k, format, wide, rows)(args, 0, kStrips, scratch.data());
  return y;
}

}  // namespace
}  // namespace pestle

int main() {
  using namespace pestle;
  KernelTable vectors{}, tiles{};
  avx512vnni::fill_table(vectors);
  avx512vnni::fill_table(tiles);
  emulated::use_tiles(tiles);
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  int compared = 0;
  bool differs = false;
  for (int f = 0; f < kFormats; f++) {
    const Format format = static_cast<Format>(f);
    if (tiles.multiply[0][f] == vectors.multiply[0][f]) continue;  // of floats
    const size_t bytes = size_t(2 * kStrips) * (kColumns / info(format).columns) * info(format).tile_bytes;
    constexpr size_t kAskedAhead = 1 << 14;
    const Buffer weights(bytes + kAskedAhead);
    // Halves below 1 and bytes that every format takes: scales stay finite.
    for (size_t i = 0; i < bytes; i++) weights.data()[i] = static_cast<char>(random() % 0x3b);
    for (const bool wide : {false, true})
      for (const int rows : {1, 5, 6, 7, 15, 16, 17, 22, 33, 200}) {
        std::vector<float> x(size_t(rows) * kColumns);
        for (float& each : x) each = normal(random);
        for (size_t i = 3; i < x.size(); i += 37) x[i] *= 40;
        const std::vector<float> expected = product(vectors, format, wide, x, weights.data());
        const std::vector<float> found = product(tiles, format, wide, x, weights.data());
        compared++;
        if (std::memcmp(expected.data(), found.data(), sizeof(float) * expected.size()) == 0) continue;
        differs = true;
        std::fprintf(stderr, "%s, %d bits, %d rows\n", info(format).name, wide ? 15 : 8, rows);
      }
  }
  std::printf("%d\n", compared);
  return differs;
}
