// The scale of a block: a few guesses give codes, codes give the scale of least squared error, and the guess
// that leaves the least error wins.
#pragma once

#include "quantize/codes.h"
#include "quantize/group.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

// The number of largest magnitude, with its sign.
template <int kN>
PESTLE_INLINE F extreme(const F* x) {
  F low = x[0], high = x[0];
  for (int i = 1; i < kN; i++) {
    low = min(low, x[i]);
    high = max(high, x[i]);
  }
  return select(high > -low, high, low);
}

// sum w (x - scale * value)^2
template <class Codes, int kN, bool kWeighted>
PESTLE_INLINE F scale_error(const F* x, const F* w, F scale) {
  const F inv = inverse(scale);
  F error = {};
  for (int i = 0; i < kN; i++) {
    const F e = x[i] - scale * Codes::value(x[i] * inv);
    error += kWeighted ? w[i] * e * e : e * e;
  }
  return error;
}

// Over the codes that a scale leads to: its best replacement is xv / vv, which takes xv^2 / vv off sum w x^2.
struct ScaleSums { F xv = {}, vv = {}; };

template <class Codes, int kN, bool kWeighted>
PESTLE_INLINE ScaleSums scale_sums(const F* x, const F* w, F inverse_scale) {
  ScaleSums s;
  for (int i = 0; i < kN; i++) {
    const F v = Codes::value(x[i] * inverse_scale);
    const F wv = kWeighted ? w[i] * v : v;
    s.xv += wv * x[i];
    s.vv += wv * v;
  }
  return s;
}

// The best of the scales that the guesses lead to. A guess is the value that the extreme is taken to.
template <class Codes, int kN, bool kWeighted, const auto& kGuesses>
PESTLE_INLINE F fit_scale(const F* x, const F* w) {
  const F inv = inverse(extreme<kN>(x));
  F best = {}, most = {};
  for (float guess : kGuesses) {
    const ScaleSums s = scale_sums<Codes, kN, kWeighted>(x, w, inv * guess);
    const F scale = ratio(s.xv, s.vv), gain = scale * s.xv;
    best = select(gain > most, scale, best);
    most = max(gain, most);
  }
  return best;
}

// Improves a scale that is stored as a half: codes, scale and codes again, while it helps.
template <class Codes, int kN, bool kWeighted>
PESTLE_INLINE F settle_scale(const F* x, const F* w, F scale) {
  F error = scale_error<Codes, kN, kWeighted>(x, w, scale);
  for (int turn = 0; turn < 2; turn++) {
    const ScaleSums s = scale_sums<Codes, kN, kWeighted>(x, w, inverse(scale));
    const F other = round_scale(ratio(s.xv, s.vv));
    const F e = scale_error<Codes, kN, kWeighted>(x, w, other);
    scale = select(e < error, other, scale);
    error = min(e, error);
  }
  return scale;
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
