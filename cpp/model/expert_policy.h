// Which of the experts in memory makes room for another: the one that is expected to be asked for last
// (after Belady 1966, with an expectation in the place of the future). docs/streaming.md says how it was
// chosen.
#pragma once

#include <span>
#include <vector>

#include "model/expert_layout.h"

namespace pestle {

struct ExpertDemand { int expert, tokens; };  // of a layer: how many of a pass' tokens it serves

// Layers are passed in turns, for ever. An expert that serves a token with the chance q is asked for by a
// pass of n tokens with the chance p = 1 - (1 - q)^n, so after 1/p - 1 passes more than the next one. q is
// learned from the tokens that were, the last ones most. A pass of a long prompt asks for nearly all: the
// layer that was just passed gives way, which is best for a scan. Single tokens keep what is popular, also
// where less than what one token asks for fits.
class ExpertPolicy {
 public:
  explicit ExpertPolicy(const ExpertLayout& layout);

  // A pass of `rows` tokens has come to `layer`, which is in hand from now on.
  void pass(int layer, std::span<const ExpertDemand> demands, int rows);
  // Layers until an expert, numbered through all layers, is asked for again.
  float wait(int layer, int expert) const {
    const int away = (turn_[size_t(layer)] - turn_[size_t(current_)] + turns_ - 1) % turns_ + 1;
    return float(away) + passes_[size_t(expert)] * float(turns_);
  }
  // Whether a pass like the last one is as good as certain to ask for it.
  bool is_certain(int expert) const { return passes_[size_t(expert)] < kCertain; }
  // As `wait`, of the next token's first layer: what a guess may take the place of is asked for later.
  float wait_of_next_token() const { return float(turns_); }
  // The next layer that has experts in the same pass; -1: there is none.
  int next_layer() const { return next_; }

 private:
  static constexpr float kCertain = 0.1f;
  void expect(int layer, int rows);

  struct Layer {
    int first, n_experts, top_k;
    float seen;  // tokens, of which each counts for less with every one after it
  };
  std::vector<Layer> layers_;
  std::vector<int> turn_;      // of each layer among those that have experts
  std::vector<float> served_;  // of each expert: tokens, as `seen`
  std::vector<float> passes_;  // 1/p - 1
  int turns_ = 1, current_ = 0, next_ = -1;
};

}  // namespace pestle
