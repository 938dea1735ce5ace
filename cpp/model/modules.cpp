#include "model/modules.h"

#include <algorithm>

#include "kernels/shared/pack.h"

namespace pestle {

Rows Embedding::operator()(Step& step) const {
  Rows x = step.ws.rows(step.n_rows(), table->columns);
  step.ws.for_rows(x.n_rows, [&](int row, int) {
    const int token = step.batch.tokens[row];
    const char* tiles = table->tiles + size_t(token / kTileRows) * table->tile_row_bytes();
    unpack_row(table->format, tiles, table->columns, token % kTileRows, x.row(row));
    std::fill(x.row(row) + x.width, x.row(row) + x.stride, 0.0f);
  });
  return x;
}

void GatedMlp::operator()(Step& step, Rows x, const RmsNorm& norm) const {
  Workspace& ws = step.ws;
  const KernelTable& k = ws.kernels;
  Rows normed = ws.rows(x.n_rows, x.width), g = ws.rows(x.n_rows, gate.rows()),
       u = ws.rows(x.n_rows, up.rows());
  const auto normalize = [&](int row) { norm(k, x.row(row), normed.row(row)); };
  Activations in(ws, normed, normalize);
  multiply(ws, in, {{gate, g}, {up, u}});
  const auto activate = [&](int row) { k.silu_mul(g.row(row), u.row(row), static_cast<int>(g.stride)); };
  Activations hidden(ws, g, activate);
  multiply(ws, hidden, {{down, x, Epilogue::add}});
}

}  // namespace pestle
