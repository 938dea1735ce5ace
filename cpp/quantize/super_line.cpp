// Super-blocks of 256 columns whose sub-blocks have scales and minimums of a few bits: Q2_K, Q4_K, Q5_K.
#include "quantize/guesses.h"
#include "quantize/isa.h"
#include "quantize/super.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {
namespace {

// value = d * scale * code - m * min, codes up to kMax, scales and minimums up to kTop.
template <int kMax, int kSub, int kTop>
struct Lines {
  static constexpr int kSubs = 256 / kSub;
  F d, m, scale[kSubs], min[kSubs], error;

  PESTLE_INLINE F sub_error(const Super& g, int s, F sc, F mn) const {
    return line_error<kMax, kSub, true>(g.x + s * kSub, g.w + s * kSub, {d * sc, m * mn});
  }
  // Each sub-block takes the best of its scale and minimum and of those beside them, by the error that is
  // left.
  void choose(const Super& g) {
    error = F{};
    for (int s = 0; s < kSubs; s++) {
      const F middle = scale[s], bottom = min[s];
      F least = sub_error(g, s, middle, bottom);
      for (int step = 0; step < 9; step++) {
        if (step == 4) continue;
        const F sc = clamp(middle + static_cast<float>(step / 3 - 1), 0, kTop);
        const F mn = clamp(bottom + static_cast<float>(step % 3 - 1), 0, kTop);
        const F e = sub_error(g, s, sc, mn);
        const I better = e < least;
        scale[s] = select(better, sc, scale[s]);
        min[s] = select(better, mn, min[s]);
        least = quantize::min(e, least);
      }
      error += least;
    }
  }
  // The d and m of least error for the codes, scales and minimums as they are.
  void solve(const Super& g) {
    F aa = {}, ab = {}, bb = {}, xa = {}, xb = {};
    for (int s = 0; s < kSubs; s++) {
      const F *x = g.x + s * kSub, *w = g.w + s * kSub, inv = inverse(d * scale[s]);
      const LineSums t =
          code_sums<kMax, kSub, true>(plain_sums<kSub, true>(x, w), x, w, inv, m * min[s] * inv);
      aa += scale[s] * scale[s] * t.cc;
      ab += scale[s] * min[s] * t.c;
      bb += min[s] * min[s] * t.w;
      xa += scale[s] * t.xc;
      xb += min[s] * t.x;
    }
    const F det = aa * bb - ab * ab;
    const I alone = det <= 0.0f;
    const F scale_of_all = select(alone, ratio(xa + m * ab, aa), ratio(xa * bb - xb * ab, det));
    m = round_scale(max(select(alone, m, ratio(xa * ab - xb * aa, det)), F{}));
    d = round_scale(max(scale_of_all, F{}));
  }
  void take_better(const Lines& other) {
    const I better = other.error < error;
    d = select(better, other.d, d);
    m = select(better, other.m, m);
    for (int s = 0; s < kSubs; s++) {
      scale[s] = select(better, other.scale[s], scale[s]);
      min[s] = select(better, other.min[s], min[s]);
    }
    error = quantize::min(other.error, error);
  }
};

// `tops`: what the largest scale and minimum may become.
template <int kMax, int kSub, int kTop, const auto& kGuesses, int kTops>
PESTLE_INLINE Lines<kMax, kSub, kTop> fit(const Super& g, const float (&tops)[kTops][2]) {
  constexpr int kSubs = 256 / kSub;
  Line wanted[kSubs];
  F most_scale = {}, most_min = {};
  for (int s = 0; s < kSubs; s++) {
    const F *x = g.x + s * kSub, *w = g.w + s * kSub;
    F low = {}, high = x[0];
    for (int i = 0; i < kSub; i++) {
      low = min(low, x[i]);
      high = max(high, x[i]);
    }
    wanted[s] = fit_line<kMax, kSub, true, true, kGuesses>(x, w, low, high);
    most_scale = max(wanted[s].scale, most_scale);
    most_min = max(wanted[s].min, most_min);
  }
  return search<Lines<kMax, kSub, kTop>>(g, tops, [&](auto& trial, const float (&top)[2]) {
    trial.d = round_scale(most_scale * (1.0f / top[0]));
    trial.m = round_scale(most_min * (1.0f / top[1]));
    const F id = inverse(trial.d), im = inverse(trial.m);
    for (int s = 0; s < kSubs; s++) {
      trial.scale[s] = clamp(round(wanted[s].scale * id), 0, kTop);
      trial.min[s] = clamp(round(wanted[s].min * im), 0, kTop);
    }
  });
}

template <int kMax, int kSub, int kTop>
PESTLE_INLINE void encode(const Super& g, const Lines<kMax, kSub, kTop>& b, I (&code)[256]) {
  for (int s = 0; s < b.kSubs; s++) {
    const F inv = inverse(b.d * b.scale[s]), min = b.m * b.min[s];
    for (int i = s * kSub; i < (s + 1) * kSub; i++) code[i] = line_code<kMax>(g.x[i], inv, min);
  }
}

// d, m and the six bits of eight scales and minimums: the head of Q4_K and Q5_K.
template <int kBlock, class Lines>
PESTLE_INLINE void put_head(const Super& g, const Lines& b) {
  I scale[8], min[8];
  for (int s = 0; s < 8; s++) {
    scale[s] = to_int(b.scale[s]);
    min[s] = to_int(b.min[s]);
  }
  put<kBlock, 2>(g, 0, half_bits(b.d));
  put<kBlock, 2>(g, 2, half_bits(b.m));
  put_bytes<kBlock, 4>(g, 4, [&](int s) { return scale[s] | scale[s + 4] >> 4 << 6; });
  put_bytes<kBlock, 4>(g, 8, [&](int s) { return min[s] | min[s + 4] >> 4 << 6; });
  put_bytes<kBlock, 4>(g, 12, [&](int s) { return (scale[s + 4] & 15) | (min[s + 4] & 15) << 4; });
}
// Nibbles: the low ones are those of 32 columns, the high ones of the next 32.
template <int kBlock>
PESTLE_INLINE void put_nibbles(const Super& g, int offset, const I (&code)[256]) {
  put_bytes<kBlock, 128>(g, offset, [&](int i) {
    const int at = i / 32 * 64 + i % 32;
    return (code[at] & 15) | (code[at + 32] & 15) << 4;
  });
}

constexpr float kSixBitTops[][2] = {{63, 63}, {60, 63}};
constexpr float kFourBitTops[][2] = {{15, 15}, {13, 15}, {15, 13}, {13, 13}};

uint32_t quantize_q4_k(const Range& range) {
  return for_groups<256, 144>(range, [](const Super& g) {
    const auto b = fit<15, 32, 63, kFourBits>(g, kSixBitTops);
    I code[256];
    encode(g, b, code);
    put_head<144>(g, b);
    put_nibbles<144>(g, 16, code);
  });
}

uint32_t quantize_q5_k(const Range& range) {
  return for_groups<256, 176>(range, [](const Super& g) {
    const auto b = fit<31, 32, 63, kFiveBits>(g, kSixBitTops);
    I code[256];
    encode(g, b, code);
    put_head<176>(g, b);
    put_bytes<176, 32>(g, 16, [&](int i) {
      I bits = {};
      for (int s = 0; s < 8; s++) bits |= code[32 * s + i] >> 4 << s;
      return bits;
    });
    put_nibbles<176>(g, 48, code);
  });
}

uint32_t quantize_q2_k(const Range& range) {
  return for_groups<256, 84>(range, [](const Super& g) {
    const auto b = fit<3, 16, 15, kTwoBits>(g, kFourBitTops);
    I code[256];
    encode(g, b, code);
    put_bytes<84, 16>(g, 0, [&](int s) { return to_int(b.scale[s]) | to_int(b.min[s]) << 4; });
    put_bytes<84, 64>(g, 16, [&](int i) {
      const I* c = code + i / 32 * 128 + i % 32;
      return c[0] | c[32] << 2 | c[64] << 4 | c[96] << 6;
    });
    put<84, 2>(g, 80, half_bits(b.d));
    put<84, 2>(g, 82, half_bits(b.m));
  });
}

}  // namespace

Quantizers q2_k() { return {quantize_q2_k, quantize_q2_k}; }
Quantizers q4_k() { return {quantize_q4_k, quantize_q4_k}; }
Quantizers q5_k() { return {quantize_q5_k, quantize_q5_k}; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
