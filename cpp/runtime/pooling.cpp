#include "runtime/pooling.h"

#include <cmath>
#include <stdexcept>
#include <string>

#include "core/assume.h"
#include "core/error.h"

namespace pestle {

void Pooler::add(int n, Rows hidden) {
  PESTLE_ASSUME(hidden.n_rows == n - first_needed(n) && hidden.width == dim());
  for (int i = 0; i < hidden.n_rows; i++) {
    const float* row = hidden.row(i);
    if (pooling_ == Pooling::last)
      sum_.assign(row, row + dim());
    else
      for (size_t d = 0; d < sum_.size(); d++) sum_[d] += double(row[d]);
  }
  n_tokens_ += n;
}

std::vector<float> Pooler::vector(int dimensions, bool normalized) const {
  if (n_tokens_ == 0) throw std::invalid_argument("no token was pooled");
  if (dimensions < 1 || dimensions > dim())
    throw std::invalid_argument("dimensions is " + std::to_string(dimensions) + ", expected 1 to " +
                                std::to_string(dim()));
  const double count = pooling_ == Pooling::mean ? n_tokens_ : 1;
  std::vector<float> out(static_cast<size_t>(dimensions));
  double square = 0;
  for (size_t d = 0; d < out.size(); d++) {
    out[d] = float(sum_[d] / count);
    if (!std::isfinite(out[d]))
      throw Error("the hidden states hold a value that is not finite, in column " + std::to_string(d));
    square += double(out[d]) * double(out[d]);  // exact, so the sum is the same with and without fma
  }
  if (normalized && square > 0) {
    const double length = std::sqrt(square);
    for (float& x : out) x = float(double(x) / length);
  }
  return out;
}

}  // namespace pestle
