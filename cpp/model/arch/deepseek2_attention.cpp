#include "model/arch/deepseek2_attention.h"

#include <cmath>

namespace pestle {
namespace {

// The norms of the latents; no key tells.
constexpr float kLatentEps = 1e-6f;

float score_scale(const Hyperparameters& h, const LatentShape& s) {
  const float all_dim = h.f_or("rope.scaling.yarn_log_multiplier", 0, 0, 100) * 10;
  const RopeScaling scaling = h.rope_scaling();
  const float m = scaling.kind == RopeScaling::Kind::yarn ? yarn_magnitude(scaling.factor, all_dim) : 1;
  return m * m / std::sqrt(static_cast<float>(s.qk()));
}

}  // namespace

LatentShape latent_shape(const Hyperparameters& h) {
  const Dimensions& d = h.dimensions();
  // Files with the projections in one piece describe heads, others the latent and heads apart.
  constexpr int kMost = 8192;
  LatentShape s{h.n("attention.kv_lora_rank"), h.n_or("attention.key_length_mla", d.head_dim) - d.n_rot,
                d.n_rot, h.n_or("attention.value_length_mla", h.n_or("attention.value_length", d.head_dim))};
  h.expect(s.rank > 0 && s.nope > 0 && s.v_dim > 0 && s.rank <= kMost && s.nope <= kMost && s.v_dim <= kMost,
           "kv_lora_rank " + std::to_string(s.rank) + ", keys of " + std::to_string(s.qk()) +
               " channels, of which " + std::to_string(s.rope) + " turn, and values of " +
               std::to_string(s.v_dim) + " do not make latent attention");
  return s;
}

LatentAttention latent_attention(const Hyperparameters& h, Weights& w, const LatentShape& s, int layer,
                                 const std::shared_ptr<const Rope>& rope) {
  const Dimensions& d = h.dimensions();
  const auto name = [&](const char* part) { return w.layer(layer, part); };
  const int q_rank = h.n_or("attention.q_lora_rank", 0, 0, kMaxWidth);
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
                    .scale = score_scale(h, s)};
  if (q_rank > 0) {
    a.q_a = w.linear(name("attn_q_a"), d.dim, q_rank);
    a.q_a_norm = w.norm(name("attn_q_a_norm"), q_rank, kLatentEps);
  }
  a.q = q_rank > 0 ? w.linear(name("attn_q_b"), q_rank, d.n_heads * s.qk(), {query})
                   : w.linear(name("attn_q"), d.dim, d.n_heads * s.qk(), {query});
  return a;
}

}  // namespace pestle
