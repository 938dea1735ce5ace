// Qwen2 and Qwen2.5 (Yang et al. 2024): as Llama, with biases on q, k and v, and rotary halves in the file.
#include "model/arch/arch.h"

namespace pestle {

Decoder load_qwen2(Weights& w) {
  const Dimensions d = w.dimensions();
  w.refuse("expert_count", "a mixture of experts");
  w.refuse("attention.sliding_window", "a sliding window");
  const auto rope = shared_rope(w, d.n_rot);
  Decoder m{.embed = w.embedding(d),
            .layers = {},
            .norm = w.norm("output_norm", d.dim, d.eps),
            .lm_head = w.output(d)};
  for (int i = 0; i < d.n_layers; i++)
    m.layers.push_back({.attn_residual = {w.norm(w.layer(i, "attn_norm"), d.dim, d.eps)},
                        .ffn_residual = {w.norm(w.layer(i, "ffn_norm"), d.dim, d.eps)},
                        .attention = grouped_query_attention(w, d, i, rope),
                        .ffn = gated_mlp(w, i, d.dim, d.ffn_dim)});
  return m;
}

}  // namespace pestle
