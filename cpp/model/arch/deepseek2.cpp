// DeepSeek V2, V2-Lite, V3, V3.1 and R1 (DeepSeek-AI 2024): latent attention; the first layers dense, the
// others with routed experts, chosen from the best groups, and shared ones. YaRN scales the scores instead of
// the rotary channels. Layers that predict further tokens are skipped.
#include <cmath>

#include "model/arch/arch.h"
#include "model/arch/deepseek2_experts.h"

namespace pestle {
namespace {

// The norms of the latents; no key tells.
constexpr float kLatentEps = 1e-6f;

struct Shape {
  int rank, nope, rope, v_dim;  // of the latent; of each head
  int qk() const { return nope + rope; }
};

Shape shape_of(const Weights& w, const Dimensions& d) {
  // Files with the projections in one piece describe heads, others the latent and heads apart.
  constexpr int kMost = 8192;
  Shape s{w.n("attention.kv_lora_rank"), w.n_or("attention.key_length_mla", d.head_dim) - d.n_rot, d.n_rot,
          w.n_or("attention.value_length_mla", w.n_or("attention.value_length", d.head_dim))};
  w.expect(s.rank > 0 && s.nope > 0 && s.v_dim > 0 && s.rank <= kMost && s.nope <= kMost && s.v_dim <= kMost,
           "kv_lora_rank " + std::to_string(s.rank) + ", keys of " + std::to_string(s.qk()) +
               " channels, of which " + std::to_string(s.rope) + " turn, and values of " +
               std::to_string(s.v_dim) + " do not make latent attention");
  return s;
}

float score_scale(const Weights& w, const Shape& s) {
  const float all_dim = w.f_or("rope.scaling.yarn_log_multiplier", 0, 0, 100) * 10;
  const RopeScaling scaling = w.rope_scaling();
  const float m = scaling.kind == RopeScaling::Kind::yarn ? yarn_magnitude(scaling.factor, all_dim) : 1;
  return m * m / std::sqrt(static_cast<float>(s.qk()));
}

LatentAttention latent_attention(Weights& w, const Dimensions& d, const Shape& s, int layer,
                                 const std::shared_ptr<const Rope>& rope) {
  const auto name = [&](const char* part) { return w.layer(layer, part); };
  const int q_rank = w.n_or("attention.q_lora_rank", 0, 0, kMaxWidth);
  const RowOrder query{s.qk(), s.rope, s.nope}, latent{s.rank + s.rope, s.rope, s.rank};
  const RowSource k{{}, name("attn_kv_b"), 0, s.nope + s.v_dim, true, true};
  const RowSource v{{}, name("attn_kv_b"), s.nope, s.nope + s.v_dim, true};
  LatentAttention a{.q_a = {},
                    .q_a_norm = {},
                    .q = {},
                    .kv_a = w.linear(name("attn_kv_a_mqa"), d.dim, s.rank + s.rope, {latent}),
                    .kv_a_norm = w.norm(name("attn_kv_a_norm"), s.rank, kLatentEps),
                    .k_up = w.linears(name("attn_k_b"), s.nope, s.rank, d.n_heads, k),
                    .v_up = w.linears(name("attn_v_b"), s.rank, s.v_dim, d.n_heads, v),
                    .o = w.linear(name("attn_output"), d.n_heads * s.v_dim, d.dim),
                    .rope = rope,
                    .n_heads = d.n_heads,
                    .kv_rank = s.rank,
                    .qk_nope = s.nope,
                    .v_dim = s.v_dim,
                    .scale = score_scale(w, s)};
  if (q_rank > 0) {
    a.q_a = w.linear(name("attn_q_a"), d.dim, q_rank);
    a.q_a_norm = w.norm(name("attn_q_a_norm"), q_rank, kLatentEps);
  }
  a.q = q_rank > 0 ? w.linear(name("attn_q_b"), q_rank, d.n_heads * s.qk(), {query})
                   : w.linear(name("attn_q"), d.dim, d.n_heads * s.qk(), {query});
  return a;
}

SparseMoe sparse_moe(Weights& w, const Dimensions& d, const Mixture& m, const ExpertChoice& choice,
                     int layer) {
  const float scale = w.f_or("expert_weights_scale", 1, 0, 1e6f);
  const int shared = w.n_or("expert_shared_count", 0, 0, kMaxWidth / m.ffn_dim) * m.ffn_dim;
  const std::string bias = w.layer(layer, "exp_probs_b.bias");
  SparseMoe moe{
      .router = {.gate = w.linear(w.layer(layer, "ffn_gate_inp"), d.dim, m.n_experts),
                 .top_k = m.top_k,
                 .rule = choice.sigmoid ? Router::Rule::sigmoid : Router::Rule::softmax,
                 .selection_bias = w.holds(bias) ? w.vector(bias, m.n_experts) : nullptr,
                 .n_groups = choice.groups,
                 .top_groups = choice.kept_groups,
                 .group_score = choice.sigmoid ? Router::GroupScore::best_two : Router::GroupScore::best,
                 .renormalize = w.flag_or("expert_weights_norm", false),
                 .scale = scale == 0 ? 1 : scale},
      .experts = experts(w, layer, d.dim, m)};
  if (shared > 0) moe.shared = gated_mlp(w, layer, d.dim, shared, "_shexp");
  return moe;
}

}  // namespace

Decoder load_deepseek2(Weights& w) {
  const Dimensions d = w.dimensions();
  const Shape shape = shape_of(w, d);
  const Mixture mixture = w.mixture();
  const int n_layers = d.n_layers - w.n_or("nextn_predict_layers", 0);
  w.expect(n_layers > 0, "every layer predicts further tokens");
  w.skip_layers(n_layers);
  const int n_dense = w.n_or("leading_dense_block_count", 0);
  const ExpertChoice choice = expert_choice(w, mixture, n_layers, n_dense);
  // With yarn_log_multiplier the magnitude is in the scores' scale.
  const auto rope =
      shared_rope(w, d.n_rot, {.magnitude = w.has("rope.scaling.yarn_log_multiplier") ? 1.0f : 0.0f});
  Decoder m{.embed = w.embedding(d),
            .layers = {},
            .norm = w.norm("output_norm", d.dim, d.eps),
            .lm_head = w.output(d)};
  for (int i = 0; i < n_layers; i++) {
    Layer layer{.attn_residual = {w.norm(w.layer(i, "attn_norm"), d.dim, d.eps)},
                .ffn_residual = {w.norm(w.layer(i, "ffn_norm"), d.dim, d.eps)},
                .attention = latent_attention(w, d, shape, i, rope),
                .ffn = GatedMlp{}};
    if (i < n_dense)
      layer.ffn = gated_mlp(w, i, d.dim, d.ffn_dim);
    else
      layer.ffn = sparse_moe(w, d, mixture, choice, i);
    m.layers.push_back(std::move(layer));
  }
  return m;
}

}  // namespace pestle
