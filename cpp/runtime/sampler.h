// From logits to a token.
#pragma once

#include <cstdint>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "runtime/adjusted_logits.h"

namespace pestle {

struct SamplerOptions {
  double temperature = 0.8;  // 0: the most likely token
  int top_k = 40;            // 0: all
  double top_p = 0.95, min_p = 0.05;
  double repeat_penalty =
      1;  // divides positive and multiplies negative logits of recent tokens (Keskar et al. 2019)
  int repeat_last_n = 64;                              // how many tokens count as recent; -1: all
  double frequency_penalty = 0, presence_penalty = 0;  // subtracted: per occurrence, and once
  uint64_t seed = 0;
  std::vector<std::pair<int32_t, float>> logit_bias;  // added; -inf bans a token
};

struct Sampled {
  int32_t token = 0;
  // Log probability of the token under the model's own distribution, before any option. NaN unless asked for.
  double logprob = 0;
  std::vector<std::pair<int32_t, double>> top;  // the most likely tokens under it, best first
};

// What the model itself thinks of a token that is given.
struct Scored {
  double logprob = 0;
  bool greedy = false;  // whether it is the most likely one; of equal ones the lowest id is
  std::vector<std::pair<int32_t, double>> top;
};

// Order: mask, bias, penalties, top-k, top-p, min-p, temperature, draw. Ties go to the lower id. The draw is
// a function of the seed and of how many tokens stand before it, so it does not depend on batches, threads or
// earlier calls; all arithmetic is ours (core/fixed_math.h), so it does not depend on the machine either.
class Sampler {
 public:
  explicit Sampler(SamplerOptions options);  // std::invalid_argument names an option out of range
  // Error when a logit is NaN or infinite, or every token is banned. n_logprobs: how many `top` entries; 0
  // leaves logprob NaN. mask: token t may be chosen if bit t % 32 of word t / 32 is set; empty: any may. Its
  // size in words must be that of the logits, else std::invalid_argument. Concurrent calls queue.
  Sampled sample(std::span<const float> logits, std::span<const int32_t> history, int n_logprobs,
                 std::span<const uint32_t> mask = {});
  // What `sample` says of a token that is not chosen but given. std::out_of_range for one that there is not.
  Sampled report(std::span<const float> logits, int32_t token, int n_logprobs);
  // Log probabilities as `sample` reports them. std::out_of_range for a token outside the vocabulary.
  Scored score(std::span<const float> logits, int32_t token, int n_top);

 private:
  struct Candidate {
    float logit;
    int32_t id;
  };
  static bool better(const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  }
  double log_sum_of_best(std::span<const float> logits, size_t n);
  void adjust(std::span<const int32_t> history);
  void keep_best(size_t n);
  void keep(const Candidate& candidate, size_t n);
  int32_t draw(double u);

  SamplerOptions options_;  // logit_bias without those that ban
  struct Banned {
    size_t block;     // of AdjustedLogits
    uint64_t tokens;  // bits
  };
  std::vector<Banned> banned_;
  int32_t last_biased_ = -1;  // the highest token that logit_bias names
  std::mutex sampling_;       // over the buffers below
  AdjustedLogits logits_;
  std::vector<Candidate> kept_;
  std::vector<double> weights_;
};

}  // namespace pestle
