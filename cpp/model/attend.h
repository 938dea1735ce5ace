// Queries against cached keys and values: how the work is shared among threads.
#pragma once

#include "model/step.h"

namespace pestle {

struct CachedAttention {
  int n_heads, n_kv_heads, k_dim, v_dim;  // query head h reads KV head h / (n_heads / n_kv_heads)
  float scale;                            // of q . k
  int window;                             // positions that a token sees, itself included; 0: all before it
  const float* sinks;                     // [n_heads] logits without a value, or null
  bool latent = false;  // one KV head, whose values are the first v_dim channels of its keys
};

// softmax(scale q k^T) v of every row of the batch: q [rows, n_heads * k_dim] -> [rows, n_heads * v_dim].
Rows attend(Workspace& ws, const Batch& batch, const CachedAttention& shape, int layer, Rows q);

// Scratch that a thread needs, in bytes.
inline size_t attend_scratch(const CachedAttention& shape) {
  return attend_scratch(shape.k_dim, shape.v_dim);
}

}  // namespace pestle
