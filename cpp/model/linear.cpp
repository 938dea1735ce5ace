#include "model/linear.h"

#include <algorithm>

namespace pestle {

const char* Activations::panels(PanelKind kind) {
  for (int i = 0; i < n_made_; i++)
    if (made_[i].kind == kind) return made_[i].data;
  const KernelTable& k = ws_.kernels;
  char* out = ws_.arena.take<char>(panel_row_bytes(kind, x_.width) * x_.n_rows + kPanelSlack);
  const PanelArgs args{x_.data, x_.stride, x_.n_rows, x_.width, kind, out};
  const int groups = panel_groups(x_.n_rows, kind.max_rows);
  ws_.pool.run(groups, 1, [&](int begin, int end, int) {
    for (int g = begin; g < end; g++) {
      const auto [first, rows] = group_of(x_.n_rows, kind.max_rows, g);
      if (prepare_)
        for (int r = first; r < first + rows; r++) prepare_(context_, r);
      k.make_panels(args, g, g + 1);
    }
  });
  prepare_ = nullptr;
  if (n_made_ < kMaxKinds) made_[n_made_++] = {kind, out};
  return out;
}

void observe(Workspace& ws, const Matrix& w, const RowSlices& x) {
  if (!ws.observer || w.partial) return;
  std::vector<MatrixInput> inputs;
  for (int i = 0; i < w.count; i++)
    inputs.push_back({i, x.rows.data + size_t(x.step) * size_t(i), x.rows.stride, x.rows.n_rows});
  ws.observer->observe(w, inputs);
}

PlannedProduct plan(const KernelTable& k, const Linear& linear, int i, int rows) {
  const Matrix& w = *linear.w;
  PESTLE_ASSUME(0 <= i && i < w.count && rows >= 1);
  PlannedProduct p{{}, matmul_of(k, w.format, w.wide, rows), w.strips()};
  if (w.tiles) p.args.tiles = w.tiles + w.bytes_of_one() * size_t(i);
  p.args.bias = linear.bias ? linear.bias + size_t(padded(w.rows)) * size_t(i) : nullptr;
  p.args.columns = w.columns;
  p.args.rows = rows;
  p.args.epilogue = Epilogue::store;
  return p;
}

void run(Workspace& ws, std::span<const PlannedProduct> products, size_t weight_bytes) {
  int strips = 0;
  for (const PlannedProduct& p : products) strips += p.strips;
  if (strips == 0) return;
  // A piece is worth a trip to the shared counter: some 32 KiB of weights for one row, less for several.
  const size_t strip_work = weight_bytes / size_t(strips) * size_t(products[0].args.rows);
  const int grain =
      static_cast<int>(std::max<size_t>(1, (size_t(32) << 10) / std::max<size_t>(1, strip_work)));
  ws.pool.run_ranges(strips, grain, [&](int begin, int end, int thread) {
    int first = 0;  // strip of the product in hand
    for (const PlannedProduct& p : products) {
      const int b = std::max(begin - first, 0), e = std::min(end - first, p.strips);
      if (b < e) p.kernel(p.args, b, e, ws.scratch(thread));
      first += p.strips;
    }
  });
}

void multiply_slices(Workspace& ws, const Linear& weight, const RowSlices& x, const RowSlices& y) {
  const Matrix& w = *weight.w;
  const int rows = x.rows.n_rows;
  const PanelKind kind = panel_of(ws.kernels, w.format, w.wide, rows);
  constexpr size_t kLine = 64;
  const size_t bytes = (panel_row_bytes(kind, w.columns) * size_t(rows) + kLine - 1) / kLine * kLine;
  char* panels = ws.arena.take<char>(bytes * size_t(w.count) + kPanelSlack);
  ws.for_rows(w.count, [&](int i, int) {
    const PanelArgs args{x.rows.data + size_t(x.step) * size_t(i),
                         x.rows.stride,
                         rows,
                         w.columns,
                         kind,
                         panels + bytes * size_t(i)};
    ws.kernels.make_panels(args, 0, panel_groups(rows, kind.max_rows));
  });
  PlannedProduct* planned = ws.arena.take<PlannedProduct>(size_t(w.count));
  for (int i = 0; i < w.count; i++) {
    planned[i] = plan(ws.kernels, weight, i, rows);
    planned[i].args.panels = panels + bytes * size_t(i);
    planned[i].args.y = y.rows.data + size_t(y.step) * size_t(i);
    planned[i].args.ldy = y.rows.stride;
  }
  observe(ws, w, x);
  run(ws, {planned, size_t(w.count)}, w.bytes());
}

void multiply(Workspace& ws, Activations& x, std::span<const Product> products) {
  PESTLE_ASSUME(products.size() <= kMostProducts);
  PlannedProduct planned[kMostProducts];
  size_t n = 0, bytes = 0;
  for (const Product& p : products) {
    const Matrix& w = *p.linear.w;
    PESTLE_ASSUME(w.columns == x.rows().width && p.y.n_rows == x.rows().n_rows);
    PESTLE_ASSUME(p.y.stride >= size_t(w.strips()) * kStripRows);
    PlannedProduct& q = planned[n++] = plan(ws.kernels, p.linear, 0, x.rows().n_rows);
    q.args.panels = x.panels(panel_of(ws.kernels, w.format, w.wide, x.rows().n_rows));
    q.args.y = p.y.data;
    q.args.ldy = p.y.stride;
    q.args.epilogue = p.epilogue;
    bytes += w.bytes();
  }
  for (const Product& p : products) observe(ws, *p.linear.w, {x.rows(), 0});
  run(ws, {planned, n}, bytes);
}

}  // namespace pestle
