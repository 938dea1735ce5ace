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

}  // namespace pestle
