// gpt-oss (OpenAI 2025): GQA with biases and attention sinks, a window on every second layer, YaRN whose ramp
// is not rounded; experts with biases and a clamped SwiGLU, the best k weighed by the softmax of their own
// logits.
#include "model/arch/arch.h"

namespace pestle {

Decoder load_gpt_oss(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  const Mixture mixture = h.mixture();
  const std::vector<int> windows = h.windows(d.n_layers, 2);
  const auto rope = shared_rope(h, w, d.n_rot, {.truncate = false});
  return decoder(h, w, d.n_layers, [&](int i) {
    GroupedQueryAttention attention = grouped_query_attention(h, w, i, rope);
    attention.window = windows[static_cast<size_t>(i)];
    attention.sinks = w.vector(w.layer(i, "attn_sinks.weight"), d.n_heads);
    SparseMoe moe{.router = {.gate = router_gate(w, d, i, mixture),
                             .top_k = mixture.top_k,
                             .rule = Router::Rule::softmax_of_chosen},
                  .experts = experts(w, i, d.dim, mixture)};
    moe.experts.activation = Activation::swiglu_oai;
    return Layer{.attn_residual = residual(w, d, i, "attn_norm"),
                 .ffn_residual = residual(w, d, i, "post_attention_norm"),
                 .attention = attention,
                 .ffn = moe};
  });
}

}  // namespace pestle
