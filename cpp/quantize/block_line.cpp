// Blocks of 32 columns with a scale and a minimum: Q4_1, Q5_1.
#include "quantize/guesses.h"
#include "quantize/isa.h"
#include "quantize/nibbles.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {
namespace {

// The best scale for a minimum that has been rounded.
template <int kMax, bool kWeighted>
PESTLE_INLINE Line with_min(const Group<kN>& g, F scale, F min) {
  F y[kN];
  for (int i = 0; i < kN; i++) y[i] = g.x[i] + min;
  const LineSums s = code_sums<kMax, kN, kWeighted>(LineSums(), y, g.w, inverse(scale), F{});
  return {round_scale(ratio(s.xc, s.cc)), min};
}

// Improves a line whose parts are stored as halves: codes, line and codes again, while it helps. y: the block
// without `center`, beside which squares of small differences would be lost.
template <int kMax>
PESTLE_INLINE Line settle_line(const Group<kN>& g, const F* y, F center, F low, Line line) {
  const LineSums plain = plain_sums<kN, true>(y, g.w);
  F error = line_error<kMax, kN, true>(g.x, g.w, line);
  const auto try_line = [&](Line other) {
    const F e = line_error<kMax, kN, true>(g.x, g.w, other);
    const I better = e < error;
    line = {select(better, other.scale, line.scale), select(better, other.min, line.min)};
    error = min(e, error);
  };
  // The smallest number often is a half: that of a block which was quantized before always is.
  try_line(with_min<kMax, true>(g, line.scale, round_to_half(-low)));
  for (int turn = 0; turn < 3; turn++) {
    const F inv = inverse(line.scale);
    const Line best =
        best_line<false>(code_sums<kMax, kN, true>(plain, y, g.w, inv, (line.min + center) * inv));
    try_line({round_scale(best.scale), round_to_half(best.min - center)});
  }
  return line;
}

// kRefit: whether the scale follows the rounding of the minimum.
template <int kMax, bool kWeighted, bool kRefit, const auto& kGuesses>
uint32_t quantize(const Range& range) {
  constexpr bool kFive = kMax == 31;
  constexpr int kBlock = kFive ? 24 : 20;
  return for_groups<kN, kBlock>(range, [](const Group<kN>& g) {
    F low = g.x[0], high = g.x[0];
    for (int i = 1; i < kN; i++) {
      low = min(low, g.x[i]);
      high = max(high, g.x[i]);
    }
    F center = low, y[kN];
    if constexpr (kWeighted) {
      const LineSums s = plain_sums<kN, true>(g.x, g.w);
      center = ratio(s.x, s.w);
    }
    for (int i = 0; i < kN; i++) y[i] = g.x[i] - center;
    Line line = fit_line<kMax, kN, kWeighted, false, kGuesses>(y, g.w, low - center, high - center);
    line = {round_scale(line.scale), round_to_half(line.min - center)};
    if constexpr (kRefit) line = with_min<kMax, kWeighted>(g, line.scale, line.min);
    if constexpr (kWeighted) line = settle_line<kMax>(g, y, center, low, line);

    const F inv = inverse(line.scale);
    I code[kN];
    for (int i = 0; i < kN; i++) code[i] = line_code<kMax>(g.x[i], inv, line.min);
    put<kBlock, 2>(g, 0, half_bits(line.scale));
    put<kBlock, 2>(g, 2, half_bits(-line.min));
    if constexpr (kFive) put_fifth_bits<kBlock>(g, 4, code);
    put_nibbles<kBlock>(g, kFive ? 8 : 4, code);
  });
}

}  // namespace

Quantizers q4_1() { return {quantize<15, false, false, kQ4_1>, quantize<15, true, true, kFourBits>}; }
Quantizers q5_1() { return {quantize<31, false, true, kQ5_1>, quantize<31, true, true, kFiveBits>}; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
