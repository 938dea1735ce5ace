// Gemma 3, text (Gemma Team 2025): norms before and behind each block, GeGLU, embeddings scaled by the root
// of their width; of six layers five see a window and turn by a base of their own, without scaling.
#include <cmath>

#include "model/arch/arch.h"

namespace pestle {

Decoder load_gemma3(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  h.refuse("expert_count", "a mixture of experts");
  h.refuse("final_logit_softcapping", "a cap on the logits");
  h.refuse("attn_logit_softcapping", "a cap on attention");
  const std::vector<int> windows = h.windows(d.n_layers, 6);
  const auto global = shared_rope(h, w, d.n_rot, {.absent_base = 1e6f});
  const auto local = shared_rope(h, w, d.n_rot, {.base = "rope.freq_base_swa", .scaled = false});
  // query_pre_attn_scalar, which GGUF does not hold: only the 27B model has one of its own.
  const int scalar = d.n_layers == kGemma3LayersOf27B ? d.dim / d.n_heads : d.head_dim;
  h.expect(scalar > 0, std::to_string(d.n_heads) + " heads share " + std::to_string(d.dim) + " channels");
  Decoder m = decoder(h, w, d.n_layers, [&](int i) {
    const int window = windows[static_cast<size_t>(i)];
    GroupedQueryAttention attention = grouped_query_attention(h, w, i, window > 0 ? local : global);
    attention.q_norm = w.norm(w.layer(i, "attn_q_norm"), d.head_dim, d.eps);
    attention.k_norm = w.norm(w.layer(i, "attn_k_norm"), d.head_dim, d.eps);
    attention.scale = 1 / std::sqrt(static_cast<float>(scalar));
    attention.window = window;
    GatedMlp mlp = gated_mlp(w, i, d.dim, d.ffn_dim);
    mlp.activation = Activation::gelu_tanh;
    return Layer{.attn_residual = residual(w, d, i, "attn_norm", "post_attention_norm"),
                 .ffn_residual = residual(w, d, i, "ffn_norm", "post_ffw_norm"),
                 .attention = attention,
                 .ffn = mlp};
  });
  m.embed.scale = std::sqrt(static_cast<float>(d.dim));
  return m;
}

}  // namespace pestle
