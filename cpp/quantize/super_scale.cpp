// Super-blocks of 256 columns whose sub-blocks have signed scales of a few bits: Q3_K, Q6_K, IQ4_XS.
#include "quantize/guesses.h"
#include "quantize/isa.h"
#include "quantize/scale.h"
#include "quantize/super.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {
namespace {

// value = d * scale * code, scales from kLow to kHigh.
template <class Codes, int kSub, int kLow, int kHigh>
struct Scales {
  static constexpr int kSubs = 256 / kSub;
  F d, scale[kSubs], error;

  // Each sub-block takes the best of its scale and of the two beside it, by the error that is left.
  void choose(const Super& g) {
    error = F{};
    for (int s = 0; s < kSubs; s++) {
      const F *x = g.x + s * kSub, *w = g.w + s * kSub, middle = scale[s];
      F least = scale_error<Codes, kSub, true>(x, w, d * middle);
      for (float step = -1; step <= 1; step += 2) {
        const F other = clamp(middle + step, kLow, kHigh);
        const F e = scale_error<Codes, kSub, true>(x, w, d * other);
        scale[s] = select(e < least, other, scale[s]);
        least = min(e, least);
      }
      error += least;
    }
  }
  // The d of least error for the codes and scales as they are.
  void solve(const Super& g) {
    F xv = {}, vv = {};
    for (int s = 0; s < kSubs; s++) {
      const F inv = inverse(d * scale[s]);
      const ScaleSums t = scale_sums<Codes, kSub, true>(g.x + s * kSub, g.w + s * kSub, inv);
      xv += scale[s] * t.xv;
      vv += scale[s] * scale[s] * t.vv;
    }
    d = round_scale(ratio(xv, vv));
  }
  void take_better(const Scales& other) {
    const I better = other.error < error;
    d = select(better, other.d, d);
    for (int s = 0; s < kSubs; s++) scale[s] = select(better, other.scale[s], scale[s]);
    error = min(other.error, error);
  }
};

// `tops`: what the largest scale may become.
template <class Codes, int kSub, int kLow, int kHigh, const auto& kGuesses, int kTops>
PESTLE_INLINE Scales<Codes, kSub, kLow, kHigh> fit(const Super& g, const float (&tops)[kTops]) {
  constexpr int kSubs = 256 / kSub;
  F wanted[kSubs];
  for (int s = 0; s < kSubs; s++)
    wanted[s] = fit_scale<Codes, kSub, true, kGuesses>(g.x + s * kSub, g.w + s * kSub);
  const F largest = extreme<kSubs>(wanted);
  return search<Scales<Codes, kSub, kLow, kHigh>>(g, tops, [&](auto& trial, float top) {
    trial.d = round_scale(largest * (1.0f / top));
    const F inv = inverse(trial.d);
    for (int s = 0; s < kSubs; s++) trial.scale[s] = clamp(round(wanted[s] * inv), kLow, kHigh);
  });
}

template <class Codes, int kSub, int kLow, int kHigh>
PESTLE_INLINE void encode(const Super& g, const Scales<Codes, kSub, kLow, kHigh>& b, I (&code)[256]) {
  for (int s = 0; s < b.kSubs; s++) {
    const F inv = inverse(b.d * b.scale[s]);
    for (int i = s * kSub; i < (s + 1) * kSub; i++) code[i] = Codes::code(g.x[i] * inv);
  }
}

uint32_t quantize_q6_k(const Range& range) {
  return for_groups<256, 210>(range, [](const Super& g) {
    static constexpr float kTops[] = {-128, -120, 127, 120};
    const auto b = fit<Uniform<-32, 31>, 16, -128, 127, kQ6_K>(g, kTops);
    I code[256];
    encode(g, b, code);
    put_bytes<210, 128>(g, 0, [&](int i) {
      const int at = i / 64 * 128 + i % 64;
      return (code[at] & 15) | (code[at + 64] & 15) << 4;
    });
    put_bytes<210, 64>(g, 128, [&](int i) {
      const I* c = code + i / 32 * 128 + i % 32;
      return c[0] >> 4 | c[32] >> 4 << 2 | c[64] >> 4 << 4 | c[96] >> 4 << 6;
    });
    put_bytes<210, 16>(g, 192, [&](int s) { return to_int(b.scale[s]) & 255; });
    put<210, 2>(g, 208, half_bits(b.d));
  });
}

uint32_t quantize_q3_k(const Range& range) {
  return for_groups<256, 110>(range, [](const Super& g) {
    static constexpr float kTops[] = {-32, -30, -28, 31, 29};
    const auto b = fit<Uniform<-4, 3>, 16, -32, 31, kQ3_K>(g, kTops);
    I code[256], scale[16];
    encode(g, b, code);
    for (int s = 0; s < 16; s++) scale[s] = to_int(b.scale[s]) + 32;
    put_bytes<110, 32>(g, 0, [&](int i) {
      I bits = {};
      for (int s = 0; s < 8; s++) bits |= code[32 * s + i] >> 2 << s;
      return bits;
    });
    put_bytes<110, 64>(g, 32, [&](int i) {
      const I* c = code + i / 32 * 128 + i % 32;
      return (c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6;
    });
    put_bytes<110, 8>(g, 96, [&](int s) { return (scale[s] & 15) | (scale[s + 8] & 15) << 4; });
    put_bytes<110, 4>(g, 104, [&](int s) {
      return scale[s] >> 4 | scale[s + 4] >> 4 << 2 | scale[s + 8] >> 4 << 4 | scale[s + 12] >> 4 << 6;
    });
    put<110, 2>(g, 108, half_bits(b.d));
  });
}

template <const auto& kGuesses>
uint32_t quantize_iq4_xs(const Range& range) {
  return for_groups<256, 136>(range, [](const Super& g) {
    static constexpr float kTops[] = {-32, -30, -28, 31, 29};
    const auto b = fit<Iq4, 32, -32, 31, kGuesses>(g, kTops);
    I code[256], high = {}, low = {};
    encode(g, b, code);
    for (int s = 0; s < 8; s++) {
      const I scale = to_int(b.scale[s]) + 32;
      low |= (scale & 15) << 4 * s;
      high |= scale >> 4 << 2 * s;
    }
    put<136, 2>(g, 0, half_bits(b.d));
    put<136, 2>(g, 2, high);
    put<136, 4>(g, 4, low);
    put_bytes<136, 128>(g, 8, [&](int i) {
      const int at = i / 16 * 32 + i % 16;
      return code[at] | code[at + 16] << 4;
    });
  });
}

}  // namespace

Quantizers q3_k() { return {quantize_q3_k, quantize_q3_k}; }
Quantizers q6_k() { return {quantize_q6_k, quantize_q6_k}; }
Quantizers iq4_xs() { return {quantize_iq4_xs<kIq4>, quantize_iq4_xs<kIq4Weighted>}; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
