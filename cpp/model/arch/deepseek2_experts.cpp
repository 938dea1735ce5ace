#include "model/arch/deepseek2_experts.h"

namespace pestle {
namespace {

// Whether experts score with a sigmoid (V3) or a softmax (V2). Files of checkpoints whose config does not say
// it lack the key; only V3 corrects which experts are chosen.
bool sigmoid_scores(const Hyperparameters& h, Weights& w, int first_sparse) {
  const bool corrected = w.holds(w.layer(first_sparse, "exp_probs_b.bias"));
  const int gating = h.n_or("expert_gating_func", corrected ? 2 : 1);
  h.expect(gating == 1 || gating == 2,
           "expert_gating_func is " + std::to_string(gating) + ", expected 1 (softmax) or 2 (sigmoid)");
  if (corrected && !h.has("expert_gating_func"))
    w.note(
        "the file does not say how experts score; they do with a sigmoid, as in V3, because it corrects "
        "which are chosen");
  return gating == 2;
}

// Older files do not say in how many groups the experts are, and the models they hold cannot do without.
struct Groups { int all, kept; };
Groups groups_of(const Hyperparameters& h, Weights& w, const Mixture& m, int n_layers, bool sigmoid) {
  Groups g{h.n_or("expert_group_count", 1), h.n_or("expert_group_used_count", 1)};
  if (!h.has("expert_group_count")) {
    if (sigmoid && m.n_experts == 256 && n_layers == 61) g = {8, 4};   // V3, R1
    if (!sigmoid && m.n_experts == 160 && n_layers == 60) g = {8, 3};  // V2
    if (g.all > 1)
      w.note("the file does not say how its " + std::to_string(m.n_experts) +
             " experts are grouped; experts come from the best " + std::to_string(g.kept) + " of " +
             std::to_string(g.all) + " groups, as in the published model");
  }
  h.expect(g.all > 0 && m.n_experts % g.all == 0 && g.kept > 0 && g.kept <= g.all &&
               g.kept * (m.n_experts / g.all) >= m.top_k,
           std::to_string(m.top_k) + " experts of " + std::to_string(m.n_experts) +
               " cannot be chosen from the best " + std::to_string(g.kept) + " of " + std::to_string(g.all) +
               " groups");
  // A group is worth the sum of its two best.
  h.expect(!sigmoid || g.kept == g.all || m.n_experts / g.all >= 2,
           std::to_string(g.all) + " groups of one expert each, of which the best " + std::to_string(g.kept) +
               " are to be kept, have no two best experts");
  return g;
}

}  // namespace

ExpertChoice expert_choice(const Hyperparameters& h, Weights& w, const Mixture& mixture, int n_layers,
                           int first_sparse) {
  const bool sigmoid = sigmoid_scores(h, w, first_sparse);
  const Groups groups = groups_of(h, w, mixture, n_layers, sigmoid);
  return {sigmoid, groups.all, groups.kept};
}

}  // namespace pestle
