// How long this machine's products take: what a plan's speeds are computed from.
#pragma once

#include <cstddef>

#include "core/buffer.h"
#include "core/thread_pool.h"
#include "kernels/format.h"

namespace pestle {

struct ProductShape {
  Format format;
  bool wide;          // activations of 15 bits
  int rows, columns;  // of the weight
};

// Memory full of weights, on which products are timed.
class ProductProbe {
 public:
  // As many bytes as a token of the model reads: its caches hold the same part of them. threads: 0 as
  // decoding.
  ProductProbe(size_t bytes, int threads);
  // Seconds of a product of `batch` rows of activations with one weight, the activations' quantization
  // included: the best of some rounds over all such weights that fit into the memory, at least one.
  double seconds(const ProductShape& shape, int batch);

 private:
  void fill();
  ThreadPool pool_;
  Buffer tiles_;
};

}  // namespace pestle
