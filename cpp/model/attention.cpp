#include "model/attention.h"

namespace pestle {
void GroupedQueryAttention::operator()(Step& step, Rows x, const Residual& residual, int layer) const {
  Workspace& ws = step.ws;
  residual(ws, x, [&](Activations& in, Rows y) {
    Rows query = ws.rows(x.n_rows, q.rows()), key = ws.rows(x.n_rows, k.rows()),
         value = ws.rows(x.n_rows, v.rows());
    multiply(ws, in, {{q, query}, {k, key}, {v, value}});
    rotate_and_store(step, query, key, value, layer);
    Activations attended(ws, attend(ws, step.batch, cached(), layer, query));
    multiply(ws, attended, {{o, y, Epilogue::add}});
  });
}

void GroupedQueryAttention::rotate_and_store(Step& step, Rows q, Rows k, Rows v, int layer) const {
  const KernelTable& kernels = step.ws.kernels;
  const KvLayout& kv = *step.batch.kv;
  const Angles& angles = step.angles(*rope);
  const auto token = [&](const Slice& s, int row) {
    const float* cos = angles.cos + size_t(row) * angles.half;
    const float* sin = angles.sin + size_t(row) * angles.half;
    const auto turn = [&](float* heads, int n, const std::optional<RmsNorm>& norm) {
      for (float* h = heads; h < heads + n * head_dim; h += head_dim) {
        if (norm) (*norm)(kernels, h, h);
        kernels.rope(h, cos, sin, angles.half);
      }
    };
    turn(q.row(row), n_heads, q_norm);
    turn(k.row(row), n_kv_heads, k_norm);
    const int position = step.positions[row];
    const KvPage& page = step.batch.pages(s, layer)[position / kPageTokens];
    for (int h = 0; h < n_kv_heads; h++) {
      const KvHead head = kv.head(layer, h);
      kernels.store_key(k.row(row) + h * head_dim, head_dim, key_page(head, page), position % kPageTokens,
                        kv.types().keys);
      kernels.store_value(v.row(row) + h * head_dim, head_dim, value_page(head, page), position % kPageTokens,
                          kv.types().values);
    }
  };
  step.for_tokens(token);
}

}  // namespace pestle
