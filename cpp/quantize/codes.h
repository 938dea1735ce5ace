// The values that a code can stand for, and the code nearest to a number.
#pragma once

#include "quantize/lanes.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

// The integers from kLow to kHigh.
template <int kLow, int kHigh>
struct Whole {
  PESTLE_INLINE static F value(F x) { return clamp(round(x), kLow, kHigh); }
};

// The same, kLow being even; a code is value - kLow.
template <int kLow, int kHigh>
struct Uniform : Whole<kLow, kHigh> {
  PESTLE_INLINE static I code(F x) { return (I)(clamp(x, kLow, kHigh) + (kRound - kLow)) & (kHigh - kLow); }
};

// The code book of IQ4_NL and IQ4_XS: denser around zero.
struct Iq4 {
  static constexpr float kValues[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                        1,    13,   25,  38,  53,  69,  89,  113};
  PESTLE_INLINE static F value(F x) {
    F v = splat(kValues[0]);
    PESTLE_UNROLL
    for (int i = 1; i < 16; i++)
      v += select(x >= 0.5f * (kValues[i - 1] + kValues[i]), splat(kValues[i] - kValues[i - 1]), F{});
    return v;
  }
  PESTLE_INLINE static I code(F x) {
    I c = {};
    PESTLE_UNROLL
    for (int i = 1; i < 16; i++) c -= x >= 0.5f * (kValues[i - 1] + kValues[i]);
    return c;
  }
};

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
