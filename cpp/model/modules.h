// The modules that papers name. Each is data that is callable on activations; none knows an architecture's
// name.
#pragma once

#include <optional>

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
  float scale = 1;                // of the rows (Gemma)
  Rows operator()(Step& step) const;
};

// How a block reads the residual stream and adds to it: x += post(block(norm(x))).
struct Residual {
  RmsNorm norm;
  std::optional<RmsNorm> post = {};  // Gemma's norm behind a block
  // block(in, y) adds its output to y; in: of norm(x). Its first product makes in.rows(), and nothing may be
  // added before.
  template <class Block>
  void operator()(Workspace& ws, Rows x, const Block& block) const {
    const Rows normed = ws.rows(x.n_rows, x.width);
    const auto normalize = [&](int row) { norm(ws.kernels, x.row(row), normed.row(row)); };
    Activations in(ws, normed, normalize);
    const Rows y = begin(ws, x);
    block(in, y);
    end(ws, x, y);
  }

 private:
  // Where the block adds its output: x, or zeros for `post` to read.
  Rows begin(Workspace& ws, Rows x) const;
  void end(Workspace& ws, Rows x, Rows output) const;
};

// down(activation(gate(x)) * up(x)) (Shazeer 2020)
struct GatedMlp {
  Linear gate, up, down;
  Activation activation = Activation::silu;
  void operator()(Step& step, Rows x, const Residual& residual) const;
  // y += mlp(in), in two steps: what gate and up make of it, and the rest.
  struct Hidden { Rows gate, up; };
  Hidden hidden(Workspace& ws, Activations& in) const;
  void add(Workspace& ws, Hidden hidden, Rows y) const;
  LinearUses linears() const { return {{&gate, 1}, {&up, 1}, {&down, 1}}; }
};

}  // namespace pestle
