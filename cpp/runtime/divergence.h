// How well rows of logits foresee the tokens that follow, and how far they are from a reference's. All sums
// are of doubles and in a fixed order, so the figures are the same bits on any machine, with any number of
// threads.
#pragma once

#include <cstdint>
#include <span>

#include "core/thread_pool.h"

namespace pestle {

// One row of floats after the other, without gaps.
struct LogitRows {
  const float* data;
  int64_t n_rows, n_vocab;
  const float* row(int64_t i) const { return data + i * n_vocab; }
};

// One element for each row.
struct Comparison {
  std::span<double> reference_loss, loss;  // -ln of the probability of the token that follows
  std::span<double> divergence;  // Kullback-Leibler, sum of p ln(p / q), p being the reference's; nats
  std::span<uint8_t> same_best;  // whether both find the same token most likely; of equals the lower
};

// loss[i] = -ln of the probability that row i gives to following[i]. Error: a logit is not finite.
void score(const LogitRows& logits, std::span<const int32_t> following, std::span<double> loss,
           ThreadPool& pool);
// The same for two models, and what lies between them.
void compare(const LogitRows& reference, const LogitRows& logits, std::span<const int32_t> following,
             const Comparison& out, ThreadPool& pool);

}  // namespace pestle
