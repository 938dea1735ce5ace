// Attention modules: from the residual stream to the residual stream.
#pragma once

#include <memory>

#include "model/attend.h"
#include "model/modules.h"

namespace pestle {

// Grouped-query attention (Ainslie et al. 2023) with rotary positions; query head h reads KV head h /
// (n_heads / n_kv_heads).
struct GroupedQueryAttention {
  Linear q, k, v, o;
  std::optional<RmsNorm> q_norm = {}, k_norm = {};  // of each head, before it turns (Qwen3, Gemma 3)
  std::shared_ptr<const Rope> rope;
  int n_heads, n_kv_heads, head_dim;
  float scale;                   // of q . k
  int window = 0;                // positions that a token sees, itself included (Beltagy et al. 2020); 0: all
  const float* sinks = nullptr;  // [n_heads] logits that take part in the softmax without a value, or null

  CachedAttention cached() const { return {n_heads, n_kv_heads, head_dim, head_dim, scale, window, sinks}; }
  KvShape kv_shape() const { return {n_kv_heads, head_dim, head_dim, window}; }
  LinearUses linears() const { return {{&q, 1}, {&k, 1}, {&v, 1}, {&o, 1}}; }
  // x += post(o(attention(q(norm(x)), k(norm(x)), v(norm(x)))))
  void operator()(Step& step, Rows x, const Residual& residual, int layer) const;

 private:
  void rotate_and_store(Step& step, Rows q, Rows k, Rows v, int layer) const;
};

// Multi-head latent attention (DeepSeek-AI 2024, section 2.1), with the projections from the latent absorbed
// into the queries and the output: all heads read the same row of kv_rank + n_rot channels, and that is all
// that is kept of a token.
struct LatentAttention {
  std::optional<Linear> q_a;        // to a latent of the queries; none: q reads the stream (V2-Lite)
  std::optional<RmsNorm> q_a_norm;  // there if q_a is
  Linear q;                         // n_heads x (qk_nope + n_rot)
  Linear kv_a;                      // kv_rank + n_rot
  RmsNorm kv_a_norm;                // of the first kv_rank
  Linear k_up, v_up;                // of each head: qk_nope to kv_rank, and kv_rank to v_dim
  Linear o;
  std::shared_ptr<const Rope> rope;
  int n_heads, kv_rank, qk_nope, v_dim;
  float scale;  // of q . k

  int latent() const { return padded(kv_rank); }  // zeros behind kv_rank
  int k_dim() const { return latent() + rope->n_rot; }
  CachedAttention cached() const { return {n_heads, 1, k_dim(), latent(), scale, 0, nullptr, true}; }
  KvShape kv_shape() const { return {1, k_dim(), latent(), 0, true}; }
  LinearUses linears() const;
  void operator()(Step& step, Rows x, const Residual& residual, int layer) const;

 private:
  Rows queries(Workspace& ws, Activations& in, Rows latents) const;
  void rotate_and_store(Step& step, Rows q, Rows latents, Rows absorbed, int layer) const;
};

}  // namespace pestle
