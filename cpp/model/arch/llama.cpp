// Llama 1 to 3.x, SmolLM2, Mistral and their like (Touvron et al. 2023): rotary GQA and SwiGLU, biases where
// the file has them, Llama 3's frequency factors in rope_freqs.
#include "model/arch/arch.h"

namespace pestle {

Decoder load_llama(Weights& w) {
  const Dimensions d = w.dimensions();
  w.refuse("expert_count", "a mixture of experts");
  w.refuse("attention.sliding_window", "a sliding window");
  const auto rope = shared_rope(w, d.n_rot);
  const RowOrder pairs{d.head_dim, d.n_rot};  // rows of q and k: adjacent channels turn together
  Decoder m{.embed = w.embedding(d),
            .layers = {},
            .norm = w.norm("output_norm", d.dim, d.eps),
            .lm_head = w.output(d)};
  for (int i = 0; i < d.n_layers; i++)
    m.layers.push_back({.attn_residual = {w.norm(w.layer(i, "attn_norm"), d.dim, d.eps)},
                        .ffn_residual = {w.norm(w.layer(i, "ffn_norm"), d.dim, d.eps)},
                        .attention = grouped_query_attention(w, d, i, rope, pairs),
                        .ffn = gated_mlp(w, i, d.dim, d.ffn_dim)});
  return m;
}

}  // namespace pestle
