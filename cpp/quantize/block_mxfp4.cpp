// MXFP4 (OCP Microscaling Formats 1.0): blocks of 32 E2M1 numbers with a power of two as their scale.
#include "quantize/isa.h"
#include "quantize/nibbles.h"
#include "quantize/scale.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {
namespace {

constexpr float kMagnitudes[] = {0, 0.5f, 1, 1.5f, 2, 3, 4, 6};

PESTLE_INLINE F nearest(F magnitude) {
  F v = {};
  PESTLE_UNROLL
  for (int i = 1; i < 8; i++)
    v += select(magnitude > 0.5f * (kMagnitudes[i - 1] + kMagnitudes[i]),
                splat(kMagnitudes[i] - kMagnitudes[i - 1]), F{});
  return v;
}
PESTLE_INLINE I code_of(F x) {
  I c = {};
  PESTLE_UNROLL
  for (int i = 1; i < 8; i++) c -= abs(x) > 0.5f * (kMagnitudes[i - 1] + kMagnitudes[i]);
  return c | ((x < 0.0f) & (c > 0) & 8);
}

template <bool kWeighted>
uint32_t quantize(const Range& range) {
  return for_groups<kN, 17>(range, [](const Group<kN>& g) {
    // Numbers are taken to the range of the codes first, exactly: there is no scale so small or large that
    // squares of errors would not be floats. The largest magnitude lies between 4 and 8 then.
    const I exponent = (I)abs(extreme<kN>(g.x)) >> 23;
    const I base = select(exponent > 2, exponent - 2, I{});
    const F unit = (F)((254 - base) << 23);
    struct Step {
      int exponent;
      float factor;
    };
    static constexpr Step kSteps[] = {{0, 1.0f}, {1, 0.5f}, {-1, 2.0f}};
    F best = splat(1.0f), least = splat(kHuge);
    I e = base;
    for (const Step& step : kSteps) {
      F error = {};
      for (int i = 0; i < kN; i++) {
        const F y = abs(g.x[i] * unit) * step.factor;
        const F d = y - nearest(y);
        error += kWeighted ? g.w[i] * d * d : d * d;
      }
      error *= 1.0f / (step.factor * step.factor);
      const I better = (error < least) & (base + step.exponent >= 0);
      e = select(better, base + step.exponent, e);
      best = select(better, splat(step.factor), best);
      least = select(better, error, least);
    }
    I code[kN];
    for (int i = 0; i < kN; i++) code[i] = code_of(g.x[i] * unit * best);
    put<17, 1>(g, 0, e);
    put_nibbles<17>(g, 1, code);
  });
}

}  // namespace

Quantizers mxfp4() { return {quantize<false>, quantize<true>}; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
