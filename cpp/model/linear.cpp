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
      if (prepare_)
        for (int r = group_begin(x_.n_rows, groups, g); r < group_begin(x_.n_rows, groups, g + 1); r++)
          prepare_(context_, r);
      k.make_panels(args, g, g + 1);
    }
  });
  prepare_ = nullptr;
  if (n_made_ < kMaxKinds) made_[n_made_++] = {kind, out};
  return out;
}

void multiply(Workspace& ws, Activations& x, std::initializer_list<Product> products) {
  const int rows = x.rows().n_rows;
  struct Job {
    MatmulArgs args;
    Matmul kernel;
    int begin, end;  // in strips, over all products
  };
  Job jobs[4];
  int n_jobs = 0, strips = 0;
  size_t bytes = 0;
  for (const Product& p : products) {
    const Matrix& w = *p.linear.w;
    const PanelKind kind = panel_of(ws.kernels, w.format, w.wide, rows);
    jobs[n_jobs++] = {
        {w.tiles, x.panels(kind), p.linear.bias, p.y.data, p.y.stride, w.columns, rows, p.epilogue},
        matmul_of(ws.kernels, w.format, w.wide, rows),
        strips,
        strips + w.strips()};
    strips += w.strips();
    bytes += w.bytes();
  }
  // A piece is worth a trip to the shared counter: some 32 KiB of weights for one row, less for several.
  const size_t strip_work = bytes / strips * rows;
  const int grain =
      static_cast<int>(std::max<size_t>(1, (size_t(32) << 10) / std::max<size_t>(1, strip_work)));
  ws.pool.run_guided(strips, grain, [&](int begin, int end, int thread) {
    for (int j = 0; j < n_jobs; j++) {
      const Job& job = jobs[j];
      const int b = std::max(begin, job.begin), e = std::min(end, job.end);
      if (b < e) job.kernel(job.args, b - job.begin, e - job.begin, ws.scratch(thread));
    }
  });
}

}  // namespace pestle
