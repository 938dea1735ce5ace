// One vector for a text, from the hidden states of its tokens: an embedding.
#pragma once

#include <vector>

#include "model/rows.h"

namespace pestle {

enum class Pooling { mean, last };

// Takes the hidden states of a text in the order of its tokens. The sums are in double and in that order, so
// the vector does not depend on the passes that the text was read in.
class Pooler {
 public:
  Pooler(Pooling pooling, int dim) : pooling_(pooling), sum_(static_cast<size_t>(dim)) {}
  // Of the next n tokens, those from this one on have to be known.
  int first_needed(int n) const { return pooling_ == Pooling::mean ? 0 : n - 1; }
  // The next n tokens; hidden: [n - first_needed(n), dim].
  void add(int n, Rows hidden);

  // The first `dimensions`, scaled to length 1 if `normalized`; a vector of zeros stays as it is. Error when
  // one is not finite, std::invalid_argument before the first token or for a wrong number of dimensions.
  std::vector<float> vector(int dimensions, bool normalized) const;

  Pooling pooling() const { return pooling_; }
  int dim() const { return static_cast<int>(sum_.size()); }
  int n_tokens() const { return n_tokens_; }

 private:
  Pooling pooling_;
  int n_tokens_ = 0;
  std::vector<double> sum_;  // of the last token alone, or of all
};

}  // namespace pestle
