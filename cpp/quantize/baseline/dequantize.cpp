#include "quantize/baseline/dequantize.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/fp_environment.h"
#include "kernels/baseline/format_of.h"
#include "kernels/baseline/pack.h"
#include "quantize/baseline/widen.h"

namespace pestle::quantize {
namespace {

constexpr int kRun = 16;  // tiles that a thread takes at a time

constexpr size_t largest_tile() {
  int most = 0;
  for (const FormatInfo& f : kFormatInfo) most = std::max(most, f.quantized ? f.tile_bytes : 0);
  return static_cast<size_t>(most);
}

Format format_read(gguf::Type type) {
  const std::string_view name = gguf::type_info(type).name;
  if (const std::optional<Format> format = format_of(name)) return *format;
  throw UnsupportedError("Pestle does not read " + std::string(name));
}

}  // namespace

void dequantize_blocks(gguf::Type type, const uint8_t* blocks, int64_t count, float* out, ThreadPool& pool) {
  const Format format = format_read(type);
  if (format == Format::F32) {
    std::copy_n(blocks, count * int64_t{sizeof(float)}, reinterpret_cast<uint8_t*>(out));
    return;
  }
  if (format == Format::F16) return widen_f16(reinterpret_cast<const uint16_t*>(blocks), count, out, pool);
  if (format == Format::BF16) return widen_bf16(reinterpret_cast<const uint16_t*>(blocks), count, out, pool);
  const DefaultFpEnvironment environment;
  const int width = info(format).columns, bytes = info(format).tile_bytes / kTileRows;
  // Sixteen blocks make a tile of as many rows, one block wide: what the kernels read floats from.
  const auto tiles = static_cast<int>((count + kTileRows - 1) / kTileRows);
  pool.run(tiles, kRun, [&](int begin, int end, int) {
    alignas(64) char tile[largest_tile()];
    for (int t = begin; t < end; t++) {
      const int64_t first = int64_t{t} * kTileRows;
      const int used = static_cast<int>(std::min<int64_t>(kTileRows, count - first));
      const std::byte* rows[kTileRows] = {};
      for (int r = 0; r < used; r++)
        rows[r] = reinterpret_cast<const std::byte*>(blocks + (first + r) * bytes);
      pack_tiles(format, rows, width, tile);
      for (int r = 0; r < used; r++) unpack_row(format, tile, width, r, out + (first + r) * width);
    }
  });
}

}  // namespace pestle::quantize
