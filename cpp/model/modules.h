// The modules that papers name. Each is data that is callable on activations; none knows an architecture's
// name.
#pragma once

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

// down(silu(gate(x)) * up(x)) (Shazeer 2020)
struct GatedMlp {
  Linear gate, up, down;
  // x += mlp(norm(x))
  void operator()(Step& step, Rows x, const RmsNorm& norm) const;
};

}  // namespace pestle
