// How DeepSeek's experts are chosen: what a file says of it, and what it leaves open.
#pragma once

#include "model/weights.h"

namespace pestle {

struct ExpertChoice {
  bool sigmoid;             // experts score with a sigmoid (V3), not a softmax (V2)
  int groups, kept_groups;  // experts come from the best groups alone
};

// n_layers: without those that predict further tokens. What is decided here is noted.
ExpertChoice expert_choice(const Hyperparameters& h, Weights& w, const Mixture& mixture, int n_layers,
                           int first_sparse);

}  // namespace pestle
