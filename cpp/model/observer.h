// Who hears what the weights are multiplied with.
#pragma once

#include <span>

#include "model/matrix.h"

namespace pestle {

// Rows of floats that meet one of a weight's matrices, in the order of their tokens.
struct MatrixInput {
  int matrix;  // which of the weight's
  const float* data;
  size_t stride;
  int n_rows;
  const int* source = nullptr;  // the rows of `data`; null: the first n_rows
};

class Observer {
 public:
  virtual ~Observer() = default;
  // Before they are quantized, on the thread that runs the pass. Each matrix occurs once at most.
  virtual void observe(const Matrix& weight, std::span<const MatrixInput> inputs) = 0;
};

}  // namespace pestle
