// From GGUF blocks to tiles, and a row of tiles back to floats. Plain code, the same on every ISA: it runs at
// load, and once per token for the embedding.
#pragma once

#include <cstddef>

#include "kernels/format.h"

namespace pestle {

// Packs 16 rows of `columns` elements. rows[r] is the first byte of row r in GGUF's layout, or null for a row
// of zeros. `out` receives columns / info(format).columns tiles.
void pack_tiles(Format format, const std::byte* const rows[kTileRows], int columns, char* out);

// Row `row` of a packed row of tiles as floats: equal to dequantizing the GGUF blocks (gguf.quants) to the
// last bit.
void unpack_row(Format format, const char* tiles, int columns, int row, float* out);

}  // namespace pestle
