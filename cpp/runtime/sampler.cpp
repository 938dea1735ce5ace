#include "runtime/sampler.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <stdexcept>
#include <string>
#include <unordered_map>

#include "core/error.h"
#include "core/fixed_math.h"
#include "core/fp_environment.h"
#include "runtime/philox.h"

namespace pestle {
namespace {
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kBlock = AdjustedLogits::kBlock;
constexpr double kLargest = std::numeric_limits<float>::max();

void check(int32_t token, size_t n_vocab) {
  if (token < 0 || static_cast<size_t>(token) >= n_vocab)
    throw std::out_of_range("token " + std::to_string(token) + " is not in a vocabulary of " +
                            std::to_string(n_vocab));
}
}  // namespace

Sampler::Sampler(SamplerOptions options) : options_(std::move(options)) {
  const auto require = [](bool ok, const char* what) {
    if (!ok) throw std::invalid_argument(what);
  };
  const SamplerOptions& o = options_;
  require(o.temperature >= 0 && std::isfinite(o.temperature), "temperature must be at least 0");
  require(o.top_k >= 0, "top_k must be at least 0");
  require(o.top_p > 0 && o.top_p <= 1, "top_p must be in (0, 1]");
  require(o.min_p >= 0 && o.min_p <= 1, "min_p must be in [0, 1]");
  require(o.repeat_penalty > 0 && std::isfinite(o.repeat_penalty), "repeat_penalty must be positive");
  require(o.repeat_last_n >= -1, "repeat_last_n must be at least -1");
  require(std::isfinite(o.frequency_penalty), "frequency_penalty must be finite");
  require(std::isfinite(o.presence_penalty), "presence_penalty must be finite");
  for (const auto& [id, bias] : o.logit_bias) {
    require(id >= 0, "logit_bias names a negative token");
    require(!std::isnan(bias) && bias != kInfinity, "logit_bias must be finite or -inf");
    last_biased_ = std::max(last_biased_, id);
  }
  // A vocabulary may have many tokens that are never chosen: they are banned by the block.
  std::map<size_t, uint64_t> banned;
  std::erase_if(options_.logit_bias, [&](const auto& each) {
    const size_t id = static_cast<size_t>(each.first);
    if (each.second == -kInfinity) banned[id / kBlock] |= uint64_t(1) << id % kBlock;
    return each.second == -kInfinity;
  });
  for (const auto& [block, tokens] : banned) banned_.push_back({block, tokens});
}

// Keeps the n best; what is to be taken off a logit to make it a log probability.
double Sampler::log_sum_of_best(std::span<const float> logits, size_t n) {
  keep_best(n);
  const double top = kept_.front().logit;
  double sum = 0;
  for (float x : logits) sum += fixed_exp(x - top);
  return top + fixed_log(sum);
}

void Sampler::adjust(std::span<const int32_t> history) {
  const SamplerOptions& o = options_;
  if (last_biased_ >= static_cast<int64_t>(logits_.size()))
    throw std::invalid_argument("logit_bias names token " + std::to_string(last_biased_) +
                                " of a vocabulary of " + std::to_string(logits_.size()));
  for (const Banned& banned : banned_) logits_.restrict_to(~banned.tokens, banned.block);
  for (const auto& [id, bias] : o.logit_bias) logits_.set(size_t(id), logits_[size_t(id)] + bias);
  if (o.repeat_penalty == 1 && o.frequency_penalty == 0 && o.presence_penalty == 0) return;
  if (o.repeat_last_n >= 0 && history.size() > static_cast<size_t>(o.repeat_last_n))
    history = history.last(static_cast<size_t>(o.repeat_last_n));
  std::unordered_map<int32_t, int> counts;
  for (int32_t t : history) counts[t]++;
  for (const auto& [id, n] : counts) {
    if (id < 0 || static_cast<size_t>(id) >= logits_.size()) continue;
    double x = logits_[size_t(id)];
    if (x == -kInfinity) continue;
    x = x > 0 ? x / o.repeat_penalty : x * o.repeat_penalty;
    x = x - n * o.frequency_penalty - o.presence_penalty;
    if (!(std::abs(x) <= kLargest)) throw Error("a penalty made a logit infinite");
    logits_.set(size_t(id), static_cast<float>(x));
  }
}

// The n best of logits_, best first. Nearly all blocks hold none of them.
void Sampler::keep_best(size_t n) {
  kept_.clear();
  for (size_t b = 0; b < logits_.n_blocks(); b++) {
    // An equal logit behind is not better.
    if (kept_.size() == n && logits_.largest(b) <= kept_.front().logit) continue;
    int32_t id = static_cast<int32_t>(b * kBlock);
    for (float logit : logits_.block(b)) keep({logit, id++}, n);
  }
  std::sort_heap(kept_.begin(), kept_.end(), better);
}

void Sampler::keep(const Candidate& c, size_t n) {  // a heap whose root is the worst of those kept
  if (kept_.size() < n) {
    kept_.push_back(c);
    std::push_heap(kept_.begin(), kept_.end(), better);
  } else if (better(c, kept_.front())) {
    std::pop_heap(kept_.begin(), kept_.end(), better);
    kept_.back() = c;
    std::push_heap(kept_.begin(), kept_.end(), better);
  }
}

int32_t Sampler::draw(double u) {
  const SamplerOptions& o = options_;
  const double top = kept_.front().logit;
  // top-p and min-p look at the distribution before the temperature
  weights_.clear();
  double total = 0;
  for (const Candidate& c : kept_) total += weights_.emplace_back(fixed_exp(c.logit - top));
  size_t n = 0;
  for (double sum = 0; n < kept_.size(); n++) {
    // A weight of zero is a token that was banned: no rounding of the draw may reach it.
    if (n > 0 && (sum >= o.top_p * total || weights_[n] < o.min_p || weights_[n] == 0)) break;
    sum += weights_[n];
  }
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += weights_[i] = fixed_exp((kept_[i].logit - top) / o.temperature);
  double left = u * sum;
  for (size_t i = 0; i + 1 < n; i++) {
    if (left < weights_[i]) return kept_[i].id;
    left -= weights_[i];
  }
  return kept_[n - 1].id;
}

Sampled Sampler::sample(std::span<const float> logits, std::span<const int32_t> history, int n_logprobs,
                        std::span<const uint32_t> mask) {
  const std::lock_guard lock(sampling_);
  const DefaultFpEnvironment environment;
  const SamplerOptions& o = options_;
  Sampled out;
  out.logprob = std::numeric_limits<double>::quiet_NaN();
  logits_.take(logits);
  double log_sum = 0;
  if (n_logprobs > 0) {
    log_sum = log_sum_of_best(logits, static_cast<size_t>(n_logprobs));
    for (const Candidate& c : kept_) out.top.emplace_back(c.id, c.logit - log_sum);
  }
  if (!mask.empty()) logits_.apply(mask);
  adjust(history);
  keep_best(o.temperature == 0 ? 1 : o.top_k == 0 ? logits_.size() : static_cast<size_t>(o.top_k));
  if (kept_.empty() || kept_.front().logit == -kInfinity)
    throw Error("every token is banned: nothing is left to sample");
  if (kept_.front().logit == kInfinity) throw Error("a bias made a logit infinite");
  out.token = o.temperature == 0 ? kept_.front().id : draw(uniform(o.seed, history.size()));
  if (n_logprobs > 0) out.logprob = logits[out.token] - log_sum;
  return out;
}

Sampled Sampler::report(std::span<const float> logits, int32_t token, int n_logprobs) {
  Sampled out;
  out.token = token;
  if (n_logprobs > 0) {
    Scored scored = score(logits, token, n_logprobs);
    out.logprob = scored.logprob;
    out.top = std::move(scored.top);
    return out;
  }
  const std::lock_guard lock(sampling_);
  check(token, logits.size());
  logits_.take(logits);
  out.logprob = std::numeric_limits<double>::quiet_NaN();
  return out;
}

Scored Sampler::score(std::span<const float> logits, int32_t token, int n_top) {
  const std::lock_guard lock(sampling_);
  const DefaultFpEnvironment environment;
  check(token, logits.size());
  logits_.take(logits);
  const size_t n = static_cast<size_t>(std::max(n_top, 0));
  const double log_sum = log_sum_of_best(logits, std::max<size_t>(n, 1));
  Scored out{logits[token] - log_sum, kept_.front().id == token, {}};
  for (size_t i = 0; i < std::min(n, kept_.size()); i++)
    out.top.emplace_back(kept_[i].id, kept_[i].logit - log_sum);
  return out;
}

}  // namespace pestle
