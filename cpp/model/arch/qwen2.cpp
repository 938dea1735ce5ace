// Qwen2 and Qwen2.5 (Yang et al. 2024): as Llama, with biases on q, k and v, and rotary halves in the file.
#include <cmath>

#include "model/arch/arch.h"

namespace pestle {

Decoder load_qwen2(Weights& w) {
  const Dimensions d = w.dimensions();
  w.refuse("expert_count", "a mixture of experts");
  w.refuse("attention.sliding_window", "a sliding window");
  const auto rope = std::make_shared<const Rope>(w.rope(d.n_rot));
  const int q = d.n_heads * d.head_dim, kv = d.n_kv_heads * d.head_dim;
  Decoder m{.embed = w.embedding(d),
            .layers = {},
            .norm = w.norm("output_norm", d.dim, d.eps),
            .lm_head = w.output(d)};
  for (int i = 0; i < d.n_layers; i++) {
    const auto name = [&](const char* part) { return w.layer(i, part); };
    m.layers.push_back({
        .attn_norm = w.norm(name("attn_norm"), d.dim, d.eps),
        .ffn_norm = w.norm(name("ffn_norm"), d.dim, d.eps),
        .attention = {.q = w.linear(name("attn_q"), d.dim, q, {{}, name("attn_qkv"), 0, q + 2 * kv}),
                      .k = w.linear(name("attn_k"), d.dim, kv, {{}, name("attn_qkv"), q, q + 2 * kv}),
                      .v = w.linear(name("attn_v"), d.dim, kv, {{}, name("attn_qkv"), q + kv, q + 2 * kv}),
                      .o = w.linear(name("attn_output"), q, d.dim),
                      .rope = rope,
                      .n_heads = d.n_heads,
                      .n_kv_heads = d.n_kv_heads,
                      .head_dim = d.head_dim,
                      .scale = 1 / std::sqrt(static_cast<float>(d.head_dim))},
        .ffn = {.gate = w.linear(name("ffn_gate"), d.dim, d.ffn_dim),
                .up = w.linear(name("ffn_up"), d.dim, d.ffn_dim),
                .down = w.linear(name("ffn_down"), d.ffn_dim, d.dim)},
    });
  }
  return m;
}

}  // namespace pestle
