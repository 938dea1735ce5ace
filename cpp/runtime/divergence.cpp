#include "runtime/divergence.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <limits>
#include <string>

#include "core/error.h"
#include "core/fixed_math.h"
#include "core/fp_environment.h"

namespace pestle {
namespace {

constexpr int kLanes = 8;  // partial sums, added up in one order at the end

// exp(x) for x <= 0, relative error below 1e-15; never 0. core/fixed_math.h's divides and calls, this one
// does neither: compilers make vectors of it, and it is called for every token of the vocabulary at every
// position.
inline double exp_of(double x) {
  constexpr double kShift = 6755399441055744.0;  // 1.5 * 2^52: adding it rounds to an integer
  x = x < -700 ? -700 : x;
  const double shifted = x * 1.4426950408889634 + kShift;
  const double n = shifted - kShift;
  const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  double p = 1.0 / 6227020800;
  constexpr double kInverseFactorials[] = {
      1.0 / 479001600, 1.0 / 39916800, 1.0 / 3628800, 1.0 / 362880, 1.0 / 40320, 1.0 / 5040, 1.0 / 720,
      1.0 / 120,       1.0 / 24,       1.0 / 6,       1.0 / 2,      1,           1};
  for (double c : kInverseFactorials) p = p * r + c;
  const int64_t exponent = std::bit_cast<int64_t>(shifted) - std::bit_cast<int64_t>(kShift);
  return p * std::bit_cast<double>((exponent + 1023) << 52);
}

double sum_of(const double (&lanes)[kLanes]) {
  return ((lanes[0] + lanes[1]) + (lanes[2] + lanes[3])) + ((lanes[4] + lanes[5]) + (lanes[6] + lanes[7]));
}

struct Best {
  int64_t token;
  double logit;
};

Best best_of(const float* row, int64_t n) {
  int64_t best = 0;
  float sum = 0;
  for (int64_t i = 0; i < n; i++) {
    if (row[i] > row[best]) best = i;
    sum += row[i] * 0.0f;  // NaN where one is not finite
  }
  return {best, sum == 0 ? double(row[best]) : std::numeric_limits<double>::quiet_NaN()};
}

// ln of the sum of exp(logit).
double log_sum(const float* row, int64_t n, double largest) {
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; j++) lanes[j] += exp_of(double(row[i + j]) - largest);
  for (int j = 0; i + j < n; j++) lanes[j] += exp_of(double(row[i + j]) - largest);
  return largest + fixed_log(sum_of(lanes));
}

struct Sums {
  double log_sum, difference;  // of the reference; its mean of (its logit - the other's)
};

Sums sums_of(const float* reference, const float* row, int64_t n, double largest) {
  double lanes[kLanes] = {}, products[kLanes] = {};
  const auto add = [&](int64_t i, int j) {
    const double e = exp_of(double(reference[i]) - largest);
    lanes[j] += e;
    products[j] += e * (double(reference[i]) - double(row[i]));
  };
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes)
    for (int j = 0; j < kLanes; j++) add(i + j, j);
  for (int j = 0; i + j < n; j++) add(i + j, j);
  const double sum = sum_of(lanes);
  return {largest + fixed_log(sum), sum_of(products) / sum};
}

// body(row) is false where a logit of the row is not finite.
template <class Body>
void for_rows(int64_t n, ThreadPool& pool, const Body& body) {
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> bad{kNone};
  pool.run(int(n), 1, [&](int begin, int end, int) {
    const DefaultFpEnvironment environment;
    for (int i = begin; i < end; i++)
      if (!body(i)) {
        int64_t first = bad.load();
        while (i < first && !bad.compare_exchange_weak(first, i)) {}
      }
  });
  if (bad.load() != kNone)
    throw Error("row " + std::to_string(bad.load()) + " of the logits holds a value that is not finite");
}

}  // namespace

void score(const LogitRows& logits, std::span<const int32_t> following, std::span<double> loss,
           ThreadPool& pool) {
  for_rows(logits.n_rows, pool, [&](size_t i) {
    const float* row = logits.row(int64_t(i));
    loss[i] = log_sum(row, logits.n_vocab, best_of(row, logits.n_vocab).logit) - double(row[following[i]]);
    return std::isfinite(loss[i]);
  });
}

void compare(const LogitRows& reference, const LogitRows& logits, std::span<const int32_t> following,
             const Comparison& out, ThreadPool& pool) {
  for_rows(logits.n_rows, pool, [&](size_t i) {
    const float *p = reference.row(int64_t(i)), *q = logits.row(int64_t(i));
    const Best best_p = best_of(p, logits.n_vocab), best_q = best_of(q, logits.n_vocab);
    const Sums sums = sums_of(p, q, logits.n_vocab, best_p.logit);
    const double log_sum_q = log_sum(q, logits.n_vocab, best_q.logit);
    out.reference_loss[i] = sums.log_sum - double(p[following[i]]);
    out.loss[i] = log_sum_q - double(q[following[i]]);
    // sum of p ((logit_p - log_sum_p) - (logit_q - log_sum_q)); rounding may leave it a hair below zero.
    out.divergence[i] = std::max(0.0, sums.difference - (sums.log_sum - log_sum_q));
    out.same_best[i] = best_p.token == best_q.token;
    return std::isfinite(out.reference_loss[i]) && std::isfinite(out.loss[i]);
  });
}

}  // namespace pestle
