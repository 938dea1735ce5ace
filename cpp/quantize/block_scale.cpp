// Blocks of 32 columns with one scale: Q8_0, Q4_0, Q5_0, IQ4_NL.
#include "quantize/guesses.h"
#include "quantize/isa.h"
#include "quantize/nibbles.h"
#include "quantize/scale.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {
namespace {

// Codes of four bits, or of five.
template <class Codes, int kBits, bool kWeighted, bool kSettle, const auto& kGuesses>
uint32_t quantize(const Range& range) {
  constexpr int kBlock = kBits == 5 ? 22 : 18;
  return for_groups<kN, kBlock>(range, [](const Group<kN>& g) {
    F d = round_scale(fit_scale<Codes, kN, kWeighted, kGuesses>(g.x, g.w));
    if constexpr (kSettle) d = settle_scale<Codes, kN, kWeighted>(g.x, g.w, d);
    const F inv = inverse(d);
    I code[kN];
    for (int i = 0; i < kN; i++) code[i] = Codes::code(g.x[i] * inv);
    put<kBlock, 2>(g, 0, half_bits(d));
    if constexpr (kBits == 5) put_fifth_bits<kBlock>(g, 2, code);
    put_nibbles<kBlock>(g, kBits == 5 ? 6 : 2, code);
  });
}

// Rounding a scale to a half moves the largest of 127 codes by up to 0.03, so that scales are compared as
// they are stored.
template <bool kWeighted>
uint32_t quantize_q8_0(const Range& range) {
  using Codes = Whole<-127, 127>;
  return for_groups<kN, 34>(range, [](const Group<kN>& g) {
    const F largest = abs(extreme<kN>(g.x));
    F d = {}, least = splat(kHuge);
    for (float guess : kQ8_0) {
      const F scale = round_scale(largest * (1.0f / guess));
      const F error = scale_error<Codes, kN, kWeighted>(g.x, g.w, scale);
      d = select(error < least, scale, d);
      least = min(error, least);
    }
    const F inv = inverse(d);
    put<34, 2>(g, 0, half_bits(d));
    put_bytes<34, kN>(g, 2, [&](int i) { return to_int(Codes::value(g.x[i] * inv)) & 255; });
  });
}

}  // namespace

Quantizers q8_0() { return {quantize_q8_0<false>, quantize_q8_0<true>}; }
Quantizers q4_0() {
  using Codes = Uniform<-8, 7>;
  return {quantize<Codes, 4, false, false, kQ4_0>, quantize<Codes, 4, true, true, kQ4_0Weighted>};
}
Quantizers q5_0() {
  using Codes = Uniform<-16, 15>;
  return {quantize<Codes, 5, false, false, kQ5_0>, quantize<Codes, 5, true, true, kQ5_0Weighted>};
}
Quantizers iq4_nl() {
  return {quantize<Iq4, 4, false, true, kIq4>, quantize<Iq4, 4, true, true, kIq4Weighted>};
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
