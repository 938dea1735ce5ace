// A weight matrix as it lies packed in memory.
#pragma once

#include <string>

#include "kernels/format.h"

namespace pestle {

struct Matrix {
  std::string name;  // of the GGUF tensor
  Format format;
  int rows, columns;            // out, in
  const char* tiles = nullptr;  // [strips * 2][columns / tile columns] tiles, rows beyond `rows` zero
  int strips() const { return (rows + kStripRows - 1) / kStripRows; }
  size_t tile_row_bytes() const { return size_t(columns / info(format).columns) * info(format).tile_bytes; }
  size_t bytes() const { return size_t(strips()) * 2 * tile_row_bytes(); }
};

}  // namespace pestle
