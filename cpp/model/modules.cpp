#include "model/modules.h"

#include <algorithm>

#include "kernels/baseline/pack.h"

namespace pestle {

Rows Embedding::operator()(Step& step) const {
  Rows x = step.ws.rows(step.n_rows(), table->columns);
  step.ws.for_rows(x.n_rows, [&](int row, int) {
    const int token = step.batch.tokens[row];
    const char* tiles = table->tiles + size_t(token / kTileRows) * table->tile_row_bytes();
    unpack_row(table->format, tiles, table->columns, token % kTileRows, x.row(row));
    if (scale != 1)
      for (int i = 0; i < x.width; i++) x.row(row)[i] *= scale;
    std::fill(x.row(row) + x.width, x.row(row) + x.stride, 0.0f);
  });
  return x;
}

Rows Residual::begin(Workspace& ws, Rows x) const {
  if (!post) return x;
  Rows zeros = ws.rows(x.n_rows, x.width);
  std::fill_n(zeros.data, zeros.stride * size_t(zeros.n_rows), 0.0f);
  return zeros;
}

void Residual::end(Workspace& ws, Rows x, Rows output) const {
  if (!post) return;
  ws.for_rows(x.n_rows, [&](int row, int) {
    (*post)(ws.kernels, output.row(row), output.row(row));
    ws.kernels.add_scaled(x.row(row), output.row(row), 1, padded(x.width));
  });
}

void GatedMlp::operator()(Step& step, Rows x, const Residual& residual) const {
  residual(step.ws, x, [&](Activations& in, Rows y) { add(step.ws, hidden(step.ws, in), y); });
}

GatedMlp::Hidden GatedMlp::hidden(Workspace& ws, Activations& in) const {
  const int n = in.rows().n_rows;
  const Hidden h{ws.rows(n, gate.rows()), ws.rows(n, up.rows())};
  multiply(ws, in, {{gate, h.gate}, {up, h.up}});
  return h;
}

void GatedMlp::add(Workspace& ws, Hidden h, Rows y) const {
  const auto activate = [&](int row) {
    ws.kernels.gate_mul(activation, h.gate.row(row), h.up.row(row), static_cast<int>(h.gate.stride));
  };
  Activations in(ws, h.gate, activate);
  multiply(ws, in, {{down, y, Epilogue::add}});
}

}  // namespace pestle
