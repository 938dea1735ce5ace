// Llama 1 to 3.x, SmolLM2, Mistral and their like (Touvron et al. 2023): rotary GQA and SwiGLU, biases where
// the file has them, Llama 3's frequency factors in rope_freqs.
#include "model/arch/arch.h"

namespace pestle {

Decoder load_llama(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  h.refuse("expert_count", "a mixture of experts");
  h.refuse("attention.sliding_window", "a sliding window");
  const auto rope = shared_rope(h, w, d.n_rot);
  const RowOrder pairs{d.head_dim, d.n_rot};  // rows of q and k: adjacent channels turn together
  return decoder(h, w, d.n_layers, [&](int i) {
    return Layer{.attn_residual = residual(w, d, i, "attn_norm"),
                 .ffn_residual = residual(w, d, i, "ffn_norm"),
                 .attention = grouped_query_attention(h, w, i, rope, pairs),
                 .ffn = gated_mlp(w, i, d.dim, d.ffn_dim)};
  });
}

}  // namespace pestle
