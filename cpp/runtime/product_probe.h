// How long this machine's products take: what a plan's speeds are computed from.
#pragma once

#include <cstddef>

#include "kernels/format.h"

namespace pestle {

struct ProductShape {
  Format format;
  bool wide;          // activations of 15 bits
  int rows, columns;  // of the weight
};

// Seconds that a product of `batch` rows of activations with one weight takes, the activations' quantization
// included, on `threads` (0: as decoding). The weights are `bytes` of such matrices one after the other, at
// least one: more than the caches hold are read from DRAM. The best of some rounds.
double measure_product(const ProductShape& shape, int batch, int threads, size_t bytes);

}  // namespace pestle
