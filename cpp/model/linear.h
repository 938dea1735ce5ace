// y = W x + b on packed weights, and the activations that it reads.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "kernels/table.h"
#include "model/matrix.h"
#include "model/workspace.h"

namespace pestle {

struct Linear {
  const Matrix* w = nullptr;
  const float* bias = nullptr;  // [w->count][padded(rows)] or null
  int rows() const { return w->rows; }
};

// What a module has: `per_token` of the weight's matrices are multiplied with one token.
struct LinearUse {
  const Linear* linear;
  int per_token;
};
using LinearUses = std::vector<LinearUse>;

// The input of one or several products: quantized once per layout that their formats ask for.
class Activations {
 public:
  Activations(Workspace& ws, Rows x) : ws_(ws), x_(x) {}
  // `prepare(row)` makes row `row` of x; it runs once per row, together with the first quantization.
  // It must outlive the products.
  template <class Prepare>
  Activations(Workspace& ws, Rows x, const Prepare& prepare)
      : ws_(ws),
        x_(x),
        context_(&prepare),
        prepare_([](const void* p, int row) { (*static_cast<const Prepare*>(p))(row); }) {}

  const char* panels(PanelKind kind);
  const Rows& rows() const { return x_; }

 private:
  static constexpr int kMaxKinds = 4;
  Workspace& ws_;
  Rows x_;
  const void* context_ = nullptr;
  void (*prepare_)(const void*, int) = nullptr;
  struct Made {
    PanelKind kind;
    char* data;
  } made_[kMaxKinds] = {};
  int n_made_ = 0;
};

struct Product {
  const Linear& linear;
  Rows y;
  Epilogue epilogue = Epilogue::store;
};

// All products of one input in one parallel loop.
constexpr size_t kMostProducts = 4;
void multiply(Workspace& ws, Activations& x, std::span<const Product> products);
template <size_t N>
void multiply(Workspace& ws, Activations& x, const Product (&products)[N]) {
  static_assert(N <= kMostProducts);
  multiply(ws, x, std::span<const Product>(products));
}

// Rows in slices that begin `step` floats apart: the inputs or the outputs of a weight's matrices.
struct RowSlices {
  Rows rows;
  int step;
};
// The i-th of a weight's matrices with the i-th slice of every row of x, into that of y, which takes
// padded(weight.rows()) floats.
void multiply_slices(Workspace& ws, const Linear& weight, const RowSlices& x, const RowSlices& y);

// Tells the observer, where there is one, that the i-th of a weight's matrices meets the i-th slices of x.
void observe(Workspace& ws, const Matrix& weight, const RowSlices& x);

// One matrix with some panels.
struct PlannedProduct {
  MatmulArgs args;
  Matmul kernel;
  int strips;
};
// The `i`-th matrix of a weight; panels and y are the caller's to set, and the tiles of streamed experts.
PlannedProduct plan(const KernelTable& kernels, const Linear& linear, int i, int rows);
// Products of their own inputs and outputs in one parallel loop; `weight_bytes` of all together.
void run(Workspace& ws, std::span<const PlannedProduct> products, size_t weight_bytes);

}  // namespace pestle
