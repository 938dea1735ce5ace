// Qwen2 and Qwen2.5 (Yang et al. 2024): as Llama, with biases on q, k and v, and rotary halves in the file.
#include "model/arch/arch.h"

namespace pestle {

Decoder load_qwen2(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  h.refuse("expert_count", "a mixture of experts");
  h.refuse("attention.sliding_window", "a sliding window");
  const auto rope = shared_rope(h, w, d.n_rot);
  return decoder(h, w, d.n_layers, [&](int i) {
    return Layer{.attn_residual = residual(w, d, i, "attn_norm"),
                 .ffn_residual = residual(w, d, i, "ffn_norm"),
                 .attention = grouped_query_attention(h, w, i, rope),
                 .ffn = gated_mlp(w, i, d.dim, d.ffn_dim)};
  });
}

}  // namespace pestle
