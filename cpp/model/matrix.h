// A weight matrix as it lies packed in memory.
#pragma once

#include <string>

#include "kernels/format.h"

namespace pestle {

// Small models multiply 15-bit activations: 8 bits cost SmolLM2-135M 0.0034 nats of divergence and 6 % of the
// best tokens, 15 bits 0.000005, and its prefill is fast anyway. All others multiply 8 bits, but the head 15,
// for which a prompt has one row: that is a fifth to a third of what 8 bits lose (docs/numerics.md).
constexpr int kWideDim = 1024, kWideColumns = 2048;
constexpr bool is_wide(int dim, int columns, bool head) {
  return head || (dim < kWideDim && columns < kWideColumns);
}

// Or `count` matrices of one shape, one after the other: the experts of a layer, the heads of a latent.
struct Matrix {
  std::string name;  // of the GGUF tensor
  Format format;
  int rows, columns;  // out, in, of one
  bool wide;          // multiplies 15-bit activations
  int count = 1;
  bool partial =
      false;  // some of the tensor's rows, or its transpose: not what the tensor is multiplied with
  const char* tiles =
      nullptr;  // null: streamed; [count][strips * 2][columns / tile columns] tiles, rows beyond `rows` zero
  int strips() const { return (rows + kStripRows - 1) / kStripRows; }  // of one
  size_t tile_row_bytes() const { return size_t(columns / info(format).columns) * info(format).tile_bytes; }
  size_t strip_bytes() const { return 2 * tile_row_bytes(); }
  size_t bytes_of_one() const { return size_t(strips()) * strip_bytes(); }
  size_t bytes() const { return size_t(count) * bytes_of_one(); }
};

}  // namespace pestle
