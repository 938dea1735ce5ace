// Qwen3, dense and with experts (Yang et al. 2025): GQA whose queries and keys are normed head by head before
// they turn. Of the experts every layer has a mixture: softmax over all, the best k, renormalized.
#include "model/arch/arch.h"

namespace pestle {
namespace {

template <class FeedForward>
Decoder load(const Hyperparameters& h, Weights& w, const FeedForward& feed_forward) {
  const Dimensions& d = h.dimensions();
  h.refuse("attention.sliding_window", "a sliding window");
  const auto rope = shared_rope(h, w, d.n_rot);
  return decoder(h, w, d.n_layers, [&](int i) {
    GroupedQueryAttention attention = grouped_query_attention(h, w, i, rope);
    attention.q_norm = w.norm(w.layer(i, "attn_q_norm"), d.head_dim, d.eps);
    attention.k_norm = w.norm(w.layer(i, "attn_k_norm"), d.head_dim, d.eps);
    return Layer{.attn_residual = residual(w, d, i, "attn_norm"),
                 .ffn_residual = residual(w, d, i, "ffn_norm"),
                 .attention = attention,
                 .ffn = feed_forward(i)};
  });
}

}  // namespace

Decoder load_qwen3(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  h.refuse("expert_count", "a mixture of experts");
  return load(h, w, [&](int i) { return gated_mlp(w, i, d.dim, d.ffn_dim); });
}

Decoder load_qwen3moe(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  const Mixture mixture = h.mixture();
  return load(h, w, [&](int i) {
    return SparseMoe{.router = {.gate = router_gate(w, d, i, mixture),
                                .top_k = mixture.top_k,
                                .rule = Router::Rule::softmax,
                                .renormalize = true},
                     .experts = experts(w, i, d.dim, mixture)};
  });
}

}  // namespace pestle
