// Which experts a token goes to, and how much each counts.
#pragma once

#include <cstdint>

#include "model/linear.h"

namespace pestle {

constexpr int kMaxExperts = 1024;  // of a layer; no published model comes near

struct Routing {  // of some tokens
  int top_k;
  int* expert;    // [tokens][top_k], the best first
  float* weight;  // [tokens][top_k]
};

struct Router {
  // softmax: probabilities over all experts (Qwen3-MoE, DeepSeek-V2). softmax_of_chosen: over the chosen
  // logits (gpt-oss). sigmoid: each expert's own (DeepSeek-V3 section 2.1.2).
  enum class Rule : uint8_t { softmax, softmax_of_chosen, sigmoid };
  // What a group of experts is worth: its best one (DeepSeek-V2), or the sum of its two best (V3).
  enum class GroupScore : uint8_t { best, best_two };

  Linear gate;  // [n_experts, dim]
  int top_k = 1;
  Rule rule = Rule::softmax;
  const float* selection_bias = nullptr;  // [n_experts] added where experts are chosen, not where they count
  int n_groups = 1, top_groups = 1;       // experts are chosen from the best groups alone
  GroupScore group_score = GroupScore::best;
  bool renormalize = false;  // weights add up to 1
  float scale = 1;           // of the weights

  int n_experts() const { return gate.rows(); }
  // Ties go to the lower index. A token whose logits, or whose scores, are not all finite goes anywhere, with
  // weights of NaN.
  Routing operator()(Workspace& ws, Activations& x) const;

 private:
  void choose(const KernelTable& k, float* logits, float* scores, int* expert, float* weight) const;
  void weigh(const KernelTable& k, const float* logits, const int* expert, float* weight) const;
  void drop_groups(float* scores) const;
};

}  // namespace pestle
