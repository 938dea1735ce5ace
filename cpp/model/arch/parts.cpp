#include "model/arch/parts.h"

#include <cmath>

namespace pestle {

std::shared_ptr<const Rope> shared_rope(const Hyperparameters& h, Weights& w, int n_rot,
                                        const RopeKeys& keys) {
  const std::vector<float> factors = keys.scaled ? w.rope_factors(n_rot / 2) : std::vector<float>{};
  return std::make_shared<const Rope>(h.rope(n_rot, keys, factors));
}

Residual residual(Weights& w, const Dimensions& d, int layer, const char* norm, const char* post) {
  Residual r{w.norm(w.layer(layer, norm), d.dim, d.eps)};
  if (post) r.post = w.norm(w.layer(layer, post), d.dim, d.eps);
  return r;
}

Linear router_gate(Weights& w, const Dimensions& d, int layer, const Mixture& m) {
  return w.linear(w.layer(layer, "ffn_gate_inp"), d.dim, m.n_experts);
}

GroupedQueryAttention grouped_query_attention(const Hyperparameters& h, Weights& w, int layer,
                                              std::shared_ptr<const Rope> rope, const RowOrder& order) {
  const auto name = [&](const char* part) { return w.layer(layer, part); };
  const Dimensions& d = h.dimensions();
  const int v_dim = h.n_or("attention.value_length", d.head_dim);
  h.runs(v_dim == d.head_dim, "attention.value_length " + std::to_string(v_dim) +
                                  " differs from attention.key_length " + std::to_string(d.head_dim));
  const int q = d.n_heads * d.head_dim, kv = d.n_kv_heads * d.head_dim, all = q + 2 * kv;
  return {.q = w.linear(name("attn_q"), d.dim, q, {order, name("attn_qkv"), 0, all}),
          .k = w.linear(name("attn_k"), d.dim, kv, {order, name("attn_qkv"), q, all}),
          .v = w.linear(name("attn_v"), d.dim, kv, {{}, name("attn_qkv"), q + kv, all}),
          .o = w.linear(name("attn_output"), q, d.dim),
          .rope = std::move(rope),
          .n_heads = d.n_heads,
          .n_kv_heads = d.n_kv_heads,
          .head_dim = d.head_dim,
          .scale = 1 / std::sqrt(static_cast<float>(d.head_dim))};
}

GatedMlp gated_mlp(Weights& w, int layer, int dim, int ffn_dim, const std::string& suffix) {
  const auto name = [&](const char* part) { return w.layer(layer, part) + suffix; };
  return {.gate = w.linear(name("ffn_gate"), dim, ffn_dim),
          .up = w.linear(name("ffn_up"), dim, ffn_dim),
          .down = w.linear(name("ffn_down"), ffn_dim, dim)};
}

Experts experts(Weights& w, int layer, int dim, const Mixture& m) {
  const auto name = [&](const char* part) { return w.layer(layer, part); };
  const RowSource gate{{}, name("ffn_gate_up_exps"), 0, 2 * m.ffn_dim};
  const RowSource up{{}, name("ffn_gate_up_exps"), m.ffn_dim, 2 * m.ffn_dim};
  return {.gate = w.linears(name("ffn_gate_exps"), dim, m.ffn_dim, m.n_experts, gate),
          .up = w.linears(name("ffn_up_exps"), dim, m.ffn_dim, m.n_experts, up),
          .down = w.linears(name("ffn_down_exps"), m.ffn_dim, dim, m.n_experts)};
}

}  // namespace pestle
