#include "model/expert_policy.h"

#include <algorithm>
#include <cmath>

namespace pestle {
namespace {

// Tokens after which one counts for half.
constexpr float kHalfLife = 256;
// As many tokens as the assumption counts for that all experts are alike.
constexpr float kPrior = 4;
// No expert is given up for good.
constexpr float kLeastChance = 1e-4f;

}  // namespace

ExpertPolicy::ExpertPolicy(const ExpertLayout& layout) : turn_(layout.layers.size()) {
  int first = 0, turn = 0;
  for (size_t i = 0; i < layout.layers.size(); i++) {
    const ExpertLayout::Layer& l = layout.layers[i];
    layers_.push_back({first, l.n_experts, l.top_k, 0});
    turn_[i] = turn;
    turn += l.n_experts > 0;
    first += l.n_experts;
  }
  turns_ = std::max(1, turn);
  served_.resize(size_t(first));
  passes_.resize(size_t(first));
  for (size_t i = 0; i < layers_.size(); i++)
    if (layers_[i].n_experts > 0) expect(int(i), 1);
}

void ExpertPolicy::pass(int layer, std::span<const ExpertDemand> demands, int rows) {
  Layer& l = layers_[size_t(layer)];
  const float kept = std::exp2(-float(rows) / kHalfLife);
  const auto first = served_.begin() + l.first;
  std::for_each(first, first + l.n_experts, [&](float& x) { x *= kept; });
  for (const ExpertDemand& d : demands) first[d.expert] += float(d.tokens);
  l.seen = l.seen * kept + float(rows);
  current_ = layer;
  next_ = -1;
  for (size_t i = size_t(layer) + 1; i < layers_.size() && next_ < 0; i++)
    if (layers_[i].n_experts > 0) next_ = int(i);
  expect(layer, rows);
  if (next_ >= 0) expect(next_, rows);
}

void ExpertPolicy::expect(int layer, int rows) {
  const Layer& l = layers_[size_t(layer)];
  const float even = float(l.top_k) / float(l.n_experts);
  for (int e = l.first; e < l.first + l.n_experts; e++) {
    const float share = (served_[size_t(e)] + kPrior * even) / (l.seen + kPrior);
    const float q = std::clamp(share, kLeastChance, 0.999f);
    passes_[size_t(e)] = 1 / -std::expm1(float(rows) * std::log1p(-q)) - 1;
  }
}

}  // namespace pestle
