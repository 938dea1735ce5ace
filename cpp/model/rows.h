// A matrix of activations: one row per token.
#pragma once

#include <cstddef>

#include "core/assume.h"

namespace pestle {

constexpr int padded(int width) { return (width + 31) / 32 * 32; }

// [n_rows, width] floats in an arena; rows lie `stride` apart. Products and the embedding write zeros into
// the padding behind `width`; nothing else relies on it.
struct Rows {
  float* data = nullptr;
  int n_rows = 0, width = 0;
  size_t stride = 0;
  float* row(int i) const {
    PESTLE_ASSUME(i >= 0 && i < n_rows);
    return data + size_t(i) * stride;
  }
  // Parts the first n from the rest.
  Rows take(int n) {
    PESTLE_ASSUME(n >= 0 && n <= n_rows);
    const Rows first{data, n, width, stride};
    data += size_t(n) * stride;
    n_rows -= n;
    return first;
  }
};

}  // namespace pestle
