// A scale and a minimum of a block: value = scale * code - min, codes 0 to kMax. As in scale.h, guesses give
// codes, and codes the line of least squared error.
#pragma once

#include "quantize/group.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

struct Line { F scale, min; };

// How far the codes of a block's smallest and largest number lie beyond 0 and kMax.
struct LineGuess { float low, high; };

template <int kMax>
PESTLE_INLINE I line_code(F x, F inverse_scale, F min) {
  return (I)(clamp((x + min) * inverse_scale, 0, kMax) + kRound) & kMax;
}

// sum w (x - value)^2
template <int kMax, int kN, bool kWeighted>
PESTLE_INLINE F line_error(const F* x, const F* w, Line line) {
  const F inv = inverse(line.scale);
  F error = {};
  for (int i = 0; i < kN; i++) {
    const F y = x[i] + line.min;
    const F e = y - line.scale * clamp(round(y * inv), 0, kMax);
    error += kWeighted ? w[i] * e * e : e * e;
  }
  return error;
}

struct LineSums {
  F w = {}, x = {}, c = {}, cc = {}, xc = {};
};  // weighted sums of 1, x, code, code^2, x * code

// The sums over x and the weights alone.
template <int kN, bool kWeighted>
PESTLE_INLINE LineSums plain_sums(const F* x, const F* w) {
  LineSums s;
  if constexpr (!kWeighted) s.w = splat(static_cast<float>(kN));
  for (int i = 0; i < kN; i++) {
    if constexpr (kWeighted) s.w += w[i];
    s.x += kWeighted ? w[i] * x[i] : x[i];
  }
  return s;
}
// Those that codes take part in; the codes are those of x * slope + offset, which need not be clamped where
// no number lies far outside.
template <int kMax, int kN, bool kWeighted, bool kClamped = true>
PESTLE_INLINE LineSums code_sums(LineSums s, const F* x, const F* w, F slope, F offset) {
  s.c = s.cc = s.xc = F{};
  for (int i = 0; i < kN; i++) {
    F c = round(x[i] * slope + offset);
    if constexpr (kClamped) c = clamp(c, 0, kMax);
    const F wc = kWeighted ? w[i] * c : c;
    s.c += wc;
    s.cc += wc * c;
    s.xc += wc * x[i];
  }
  return s;
}
// The line of least error for the codes. With kPositive, scale and minimum are not below zero: where they
// would be, a scale alone serves numbers that are positive on the whole, and a minimum alone others.
template <bool kPositive>
PESTLE_INLINE Line best_line(const LineSums& s) {
  const F det = s.w * s.cc - s.c * s.c;
  Line line = {ratio(s.w * s.xc - s.x * s.c, det), ratio(s.c * s.xc - s.cc * s.x, det)};
  if constexpr (kPositive) {
    const I alone = (line.min < 0.0f) | (line.scale < 0.0f) | (det <= 0.0f), above = s.x > 0.0f;
    const F scale = select(above, max(ratio(s.xc, s.cc), F{}), F{});
    const F min = select(above, F{}, -ratio(s.x, s.w));
    line = {select(alone, scale, line.scale), select(alone, min, line.min)};
  }
  return line;
}

// Whether a guess takes a number to a code that there is not.
template <int kGuesses>
constexpr bool leave_the_range(const LineGuess (&guesses)[kGuesses]) {
  for (const LineGuess& guess : guesses)
    if (guess.low > 0.45f || guess.high > 0.45f) return true;
  return false;
}

// The best of the lines that the guesses lead to, for numbers from `low` to `high`.
template <int kMax, int kN, bool kWeighted, bool kPositive, const auto& kGuesses>
PESTLE_INLINE Line fit_line(const F* x, const F* w, F low, F high) {
  const F inv = inverse(high - low);
  const LineSums plain = plain_sums<kN, kWeighted>(x, w);
  Line best = {F{}, -low};
  F most = splat(-1.0f);
  for (const LineGuess& guess : kGuesses) {
    const F slope = inv * (kMax + guess.low + guess.high);
    const LineSums s = code_sums<kMax, kN, kWeighted, leave_the_range(kGuesses)>(plain, x, w, slope,
                                                                                 -low * slope - guess.low);
    const Line line = best_line<kPositive>(s);
    const F gain = line.scale * s.xc - line.min * s.x;  // what it takes off sum w x^2
    const I better = gain > most;
    best = {select(better, line.scale, best.scale), select(better, line.min, best.min)};
    most = max(gain, most);
  }
  return best;
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
