#include <algorithm>
#include <array>

#include "model/attention.h"

namespace pestle {

LinearUses LatentAttention::linears() const {
  LinearUses uses = {{&q, 1}, {&kv_a, 1}, {&k_up, n_heads}, {&v_up, n_heads}, {&o, 1}};
  if (q_a) uses.push_back({&*q_a, 1});
  return uses;
}

void LatentAttention::operator()(Step& step, Rows x, const Residual& residual, int layer) const {
  Workspace& ws = step.ws;
  residual(ws, x, [&](Activations& in, Rows y) {
    const Rows latents = ws.rows(x.n_rows, kv_a.rows());
    const Rows query = queries(ws, in, latents);
    const Rows absorbed = ws.rows(x.n_rows, n_heads * k_dim());
    multiply_slices(ws, k_up, {query, qk_nope + rope->n_rot}, {absorbed, k_dim()});
    rotate_and_store(step, query, latents, absorbed, layer);
    const Rows context = attend(ws, step.batch, cached(), layer, absorbed);
    const Rows heads = ws.rows(x.n_rows, n_heads * padded(v_dim));
    multiply_slices(ws, v_up, {context, latent()}, {heads, padded(v_dim)});
    const Rows joined = v_dim == padded(v_dim) ? heads : ws.rows(x.n_rows, n_heads * v_dim);
    const auto join = [&](int row) {
      if (joined.data == heads.data) return;
      for (int h = 0; h < n_heads; h++)
        std::copy_n(heads.row(row) + h * padded(v_dim), v_dim, joined.row(row) + h * v_dim);
    };
    Activations attended(ws, joined, join);
    multiply(ws, attended, {{o, y, Epilogue::add}});
  });
}

// Queries, and what latents are made of, in one pass where both read the stream.
Rows LatentAttention::queries(Workspace& ws, Activations& in, Rows latents) const {
  const Rows query = ws.rows(latents.n_rows, q.rows());
  if (!q_a) {
    multiply(ws, in, {{q, query}, {kv_a, latents}});
    return query;
  }
  const Rows low = ws.rows(latents.n_rows, q_a->rows());
  multiply(ws, in, {{*q_a, low}, {kv_a, latents}});
  const auto normalize = [&](int row) { (*q_a_norm)(ws.kernels, low.row(row), low.row(row)); };
  Activations reduced(ws, low, normalize);
  multiply(ws, reduced, {{q, query}});
  return query;
}

void LatentAttention::rotate_and_store(Step& step, Rows q, Rows latents, Rows absorbed, int layer) const {
  const KernelTable& kernels = step.ws.kernels;
  const KvHead head = step.batch.kv->head(layer, 0);
  const KvType type = step.batch.kv->types().keys;
  const Angles& angles = step.angles(*rope);
  const int n_rot = rope->n_rot;
  Rows keys = step.ws.rows(latents.n_rows, k_dim());
  step.for_tokens([&](const Slice& s, int row) {
    const float* cos = angles.cos + size_t(row) * size_t(angles.half);
    const float* sin = angles.sin + size_t(row) * size_t(angles.half);
    for (int h = 0; h < n_heads; h++) {
      float* turned = absorbed.row(row) + h * k_dim() + latent();
      std::copy_n(q.row(row) + h * (qk_nope + n_rot) + qk_nope, n_rot, turned);
      kernels.rope(turned, cos, sin, angles.half);
    }
    float* key = keys.row(row);
    kv_a_norm(kernels, latents.row(row), key);
    std::fill(key + kv_rank, key + latent(), 0.0f);
    std::copy_n(latents.row(row) + kv_rank, n_rot, key + latent());
    kernels.rope(key + latent(), cos, sin, angles.half);
    const int position = step.positions[size_t(row)];
    const KvPage& page = step.batch.pages(s, layer)[position / kPageTokens];
    kernels.store_latent(key, k_dim(), latent(), value_page(head, page), position % kPageTokens, type);
  });
  // Where one tensor holds both projections from the latent, the latent is its input.
  const Matrix& fused = *v_up.w;
  if (step.ws.observer && fused.partial)
    step.ws.observer->observe(fused, std::array{MatrixInput{0, keys.data, keys.stride, keys.n_rows}});
}

}  // namespace pestle
