// DeepSeek V2, V2-Lite, V3, V3.1 and R1 (DeepSeek-AI 2024): latent attention; the first layers dense, the
// others with routed experts, chosen from the best groups, and shared ones. YaRN scales the scores instead of
// the rotary channels. Layers that predict further tokens are skipped.
#include "model/arch/arch.h"
#include "model/arch/deepseek2_attention.h"
#include "model/arch/deepseek2_experts.h"

namespace pestle {
namespace {

SparseMoe sparse_moe(const Hyperparameters& h, Weights& w, const Mixture& m, const ExpertChoice& choice,
                     int layer) {
  const Dimensions& d = h.dimensions();
  const float scale = h.f_or("expert_weights_scale", 1, 0, 1e6f);
  const int shared = h.n_or("expert_shared_count", 0, 0, kMaxWidth / m.ffn_dim) * m.ffn_dim;
  const std::string bias = w.layer(layer, "exp_probs_b.bias");
  SparseMoe moe{
      .router = {.gate = router_gate(w, d, layer, m),
                 .top_k = m.top_k,
                 .rule = choice.sigmoid ? Router::Rule::sigmoid : Router::Rule::softmax,
                 .selection_bias = w.holds(bias) ? w.vector(bias, m.n_experts) : nullptr,
                 .n_groups = choice.groups,
                 .top_groups = choice.kept_groups,
                 .group_score = choice.sigmoid ? Router::GroupScore::best_two : Router::GroupScore::best,
                 .renormalize = h.flag_or("expert_weights_norm", false),
                 .scale = scale == 0 ? 1 : scale},
      .experts = experts(w, layer, d.dim, m)};
  if (shared > 0) moe.shared = gated_mlp(w, layer, d.dim, shared, "_shexp");
  return moe;
}

}  // namespace

Decoder load_deepseek2(const Hyperparameters& h, Weights& w) {
  const Dimensions& d = h.dimensions();
  const LatentShape shape = latent_shape(h);
  const Mixture mixture = h.mixture();
  const int n_layers = d.n_layers - h.n_or("nextn_predict_layers", 0);
  h.expect(n_layers > 0, "every layer predicts further tokens");
  w.skip_layers(n_layers);
  const int n_dense = h.n_or("leading_dense_block_count", 0);
  const ExpertChoice choice = expert_choice(h, w, mixture, n_layers, n_dense);
  // With yarn_log_multiplier the magnitude is in the scores' scale.
  const auto rope =
      shared_rope(h, w, d.n_rot, {.magnitude = h.has("rope.scaling.yarn_log_multiplier") ? 1.0f : 0.0f});
  return decoder(h, w, n_layers, [&](int i) {
    Layer layer{.attn_residual = residual(w, d, i, "attn_norm"),
                .ffn_residual = residual(w, d, i, "ffn_norm"),
                .attention = latent_attention(h, w, shape, i, rope),
                .ffn = GatedMlp{}};
    if (i < n_dense)
      layer.ffn = gated_mlp(w, i, d.dim, d.ffn_dim);
    else
      layer.ffn = sparse_moe(h, w, mixture, choice, i);
    return layer;
  });
}

}  // namespace pestle
