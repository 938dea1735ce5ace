// The modules that papers name. Each is data that is callable on activations; none knows an architecture's
// name.
#pragma once

#include <memory>

#include "model/linear.h"
#include "model/step.h"

namespace pestle {

struct RmsNorm {                  // Zhang & Sennrich 2019
  const float* weight = nullptr;  // [padded(width)]
  int width = 0;
  float eps = 0;
  void operator()(const KernelTable& k, const float* x, float* y) const {
    k.rms_norm(x, weight, y, width, eps);
  }
};

struct Embedding {
  const Matrix* table = nullptr;  // [n_vocab, dim]
  Rows operator()(Step& step) const;
};

// Grouped-query attention (Ainslie et al. 2023) with rotary positions; query head h reads KV head h /
// (n_heads / n_kv_heads).
struct GroupedQueryAttention {
  Linear q, k, v, o;
  std::shared_ptr<const Rope> rope;
  int n_heads, n_kv_heads, head_dim;
  float scale;  // of q . k
  KvShape kv_shape() const { return {n_kv_heads, head_dim, head_dim}; }
  // x += o(attention(q(norm(x)), k(norm(x)), v(norm(x))))
  void operator()(Step& step, Rows x, const RmsNorm& norm, int layer) const;

 private:
  void rotate_and_store(Step& step, Rows q, Rows k, Rows v, int layer) const;
  Rows attend(Step& step, Rows q, int layer) const;
};

// down(silu(gate(x)) * up(x)) (Shazeer 2020)
struct GatedMlp {
  Linear gate, up, down;
  // x += mlp(norm(x))
  void operator()(Step& step, Rows x, const RmsNorm& norm) const;
};

}  // namespace pestle
