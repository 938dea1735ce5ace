#include "model/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace pestle {
namespace {

constexpr float kDropped = -std::numeric_limits<float>::infinity();

// The indices of the k largest of n finite scores, or -infinity, the best first.
void take_best(const float* scores, int n, int k, int* out) {
  bool taken[kMaxExperts] = {};
  for (int j = 0; j < k; j++) {
    int best = -1;
    for (int i = 0; i < n; i++)
      if (!taken[i] && (best < 0 || scores[i] > scores[best])) best = i;
    taken[best] = true;
    out[j] = best;
  }
}

bool all_finite(const float* x, int n) {
  return std::all_of(x, x + n, [](float v) { return std::isfinite(v); });
}

}  // namespace

Routing Router::operator()(Workspace& ws, Activations& x) const {
  const int tokens = x.rows().n_rows, n = n_experts();
  const Routing r{top_k, ws.arena.take<int>(size_t(tokens) * size_t(top_k)),
                  ws.arena.take<float>(size_t(tokens) * size_t(top_k))};
  const Rows logits = ws.rows(tokens, n), scores = ws.rows(tokens, n);
  multiply(ws, x, {{gate, logits}});
  ws.for_rows(tokens, [&](int i, int) {
    choose(ws.kernels, logits.row(i), scores.row(i), r.expert + size_t(i) * size_t(top_k),
           r.weight + size_t(i) * size_t(top_k));
  });
  if (!ws.pool.started()) std::fill_n(r.expert, size_t(tokens) * size_t(top_k), 0);
  return r;
}

void Router::choose(const KernelTable& k, float* logits, float* scores, int* expert, float* weight) const {
  const int n = n_experts();
  // Asked before a sigmoid makes 0 or 1 of an infinity. No comparison below would see a NaN.
  bool finite = all_finite(logits, n);
  if (rule == Rule::softmax) k.softmax(logits, n);
  if (rule == Rule::sigmoid) k.sigmoid(logits, n);
  for (int i = 0; i < n; i++) scores[i] = logits[i] + (selection_bias ? selection_bias[i] : 0);
  finite = finite && all_finite(scores, n);
  if (!finite) {
    std::iota(expert, expert + top_k, 0);
    std::fill_n(weight, top_k, std::numeric_limits<float>::quiet_NaN());
    return;
  }
  if (top_groups < n_groups) drop_groups(scores);
  take_best(scores, n, top_k, expert);
  weigh(k, logits, expert, weight);
}

void Router::weigh(const KernelTable& k, const float* logits, const int* expert, float* weight) const {
  for (int j = 0; j < top_k; j++) weight[j] = logits[expert[j]];
  if (rule == Rule::softmax_of_chosen) k.softmax(weight, top_k);
  if (renormalize) {
    float sum = 0;
    for (int j = 0; j < top_k; j++) sum += weight[j];
    // Sigmoids may all be 0; DeepSeek-V3 adds 1e-20.
    for (int j = 0; j < top_k; j++) weight[j] /= sum + 1e-20f;
  }
  for (int j = 0; j < top_k; j++) weight[j] *= scale;
}

void Router::drop_groups(float* scores) const {
  const int size = n_experts() / n_groups;
  float value[kMaxExperts];
  for (int g = 0; g < n_groups; g++) {
    float best = kDropped, second = kDropped;
    for (int i = g * size; i < (g + 1) * size; i++) {
      second = std::max(second, std::min(best, scores[i]));
      best = std::max(best, scores[i]);
    }
    value[g] = group_score == GroupScore::best ? best : best + second;
  }
  int kept[kMaxExperts];
  take_best(value, n_groups, top_groups, kept);
  for (int g = 0; g < n_groups; g++)
    if (std::find(kept, kept + top_groups, g) == kept + top_groups)
      std::fill_n(scores + g * size, size, kDropped);
}

}  // namespace pestle
