// Between the matrix products, number by number: norms, rotary positions, activation functions, the router's
// softmax.
#include "kernels/isa.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

using simd::F32;

void rms_norm(const float* x, const float* w, float* y, int n, float eps) {
  Vec16 sum = splat16(0);
  int i = 0;
  for (; i + 16 <= n; i += 16) {
    const Vec16 v = load16(x + i);
    sum = fma(v, v, sum);
  }
  if (i < n) {
    alignas(64) float tail[16] = {};
    for (int j = i; j < n; j++) tail[j - i] = x[j];
    const Vec16 v = load16(tail);
    sum = fma(v, v, sum);
  }
  const float squares = reduce_add(sum);
  // Squares that overflow would make zeros of the whole row.
  const float inverse =
      __builtin_isfinite(squares) ? 1.0f / __builtin_sqrtf(squares / (float)n + eps) : __builtin_nanf("");
  const F32 factor = simd::splat(inverse);
  int j = 0;
  for (; j + simd::kLanes <= n; j += simd::kLanes)
    simd::store(y + j, simd::mul(simd::mul(simd::load(x + j), factor), simd::load(w + j)));
  for (; j < n; j++) y[j] = x[j] * inverse * w[j];
}

namespace {

PESTLE_INLINE F32 sigmoid(F32 x) {
  const F32 e = exp(simd::sub(simd::splat(0.0f), x));
  return simd::div(simd::splat(1.0f), simd::add(simd::splat(1.0f), e));
}

// x / (1 + exp(-x)) (Hendrycks & Gimpel 2016)
struct Silu {
  PESTLE_INLINE static F32 gate(F32 x) {
    const F32 e = exp(simd::sub(simd::splat(0.0f), x));
    return simd::div(x, simd::add(simd::splat(1.0f), e));
  }
  PESTLE_INLINE static F32 value(F32 x) { return x; }
};
// x / 2 (1 + tanh(u)) = x / (1 + exp(-2 u)), u = sqrt(2 / pi) (x + 0.044715 x^3)
struct GeluTanh {
  PESTLE_INLINE static F32 gate(F32 x) {
    const F32 cubic = simd::mul(simd::mul(x, x), simd::mul(x, simd::splat(0.044715f)));
    const F32 e = exp(simd::mul(simd::add(x, cubic), simd::splat(-1.5957691216f)));
    return simd::div(x, simd::add(simd::splat(1.0f), e));
  }
  PESTLE_INLINE static F32 value(F32 x) { return x; }
};
// gpt-oss: x = min(gate, 7), x / (1 + exp(-1.702 x)), times (clamp(up, -7, 7) + 1). An infinity must not
// become a 7: 0 x is added, which is NaN then, and changes no bit of any other number.
struct SwigluOai {
  PESTLE_INLINE static F32 gate(F32 x) {
    x = simd::fma(x, simd::splat(0.0f), simd::min(simd::splat(7.0f), x));
    const F32 e = exp(simd::mul(x, simd::splat(-1.702f)));
    return simd::div(x, simd::add(simd::splat(1.0f), e));
  }
  PESTLE_INLINE static F32 value(F32 x) {
    x = simd::fma(x, simd::splat(0.0f), simd::min(simd::splat(7.0f), simd::max(simd::splat(-7.0f), x)));
    return simd::add(x, simd::splat(1.0f));
  }
};

// Rows are padded to 32 elements: whole registers to the end.
template <class A>
void multiply_gate(float* gate, const float* up, int n) {
  for (int i = 0; i < n; i += simd::kLanes)
    simd::store(gate + i, simd::mul(A::gate(simd::load(gate + i)), A::value(simd::load(up + i))));
}

// The last 16 or fewer of n numbers, and what stands in for those behind them.
PESTLE_INLINE Vec16 load_part(const float* x, int n, float rest) {
  if (n >= 16) return load16(x);
  alignas(64) float part[16];
  for (int i = 0; i < 16; i++) part[i] = i < n ? x[i] : rest;
  return load16(part);
}
PESTLE_INLINE void store_part(float* x, int n, const Vec16& v) {
  if (n >= 16) return store16(x, v);
  alignas(64) float part[16];
  store16(part, v);
  for (int i = 0; i < n; i++) x[i] = part[i];
}

}  // namespace

void gate_mul(Activation activation, float* gate, const float* up, int n) {
  switch (activation) {
    case Activation::silu:
      return multiply_gate<Silu>(gate, up, n);
    case Activation::gelu_tanh:
      return multiply_gate<GeluTanh>(gate, up, n);
    case Activation::swiglu_oai:
      return multiply_gate<SwigluOai>(gate, up, n);
  }
}

void softmax(float* x, int n) {
  Vec16 top = splat16(-__builtin_inff()), sum = splat16(0.0f);
  for (int i = 0; i < n; i += 16) top = max(top, load_part(x + i, n - i, -__builtin_inff()));
  const Vec16 largest = splat16(reduce_max(top));
  for (int i = 0; i < n; i += 16) {
    const Vec16 e = exp(load_part(x + i, n - i, -__builtin_inff()) - largest);
    sum = sum + e;
    store_part(x + i, n - i, e);
  }
  const Vec16 total = splat16(reduce_add(sum));
  for (int i = 0; i < n; i += 16) store_part(x + i, n - i, load_part(x + i, n - i, 0.0f) / total);
}

void sigmoid(float* x, int n) {
  for (int i = 0; i < n; i += 16) {
    Vec16 v = load_part(x + i, n - i, 0.0f);
    PESTLE_UNROLL for (int r = 0; r < Vec16::kRegisters; r++) v.r[r] = sigmoid(v.r[r]);
    store_part(x + i, n - i, v);
  }
}

// Whole registers, as all rows.
void add_scaled(float* y, const float* x, float scale, int n) {
  const F32 s = simd::splat(scale);
  for (int i = 0; i < n; i += simd::kLanes)
    simd::store(y + i, simd::fma(simd::load(x + i), s, simd::load(y + i)));
}

void rope(float* x, const float* cos, const float* sin, int half) {
  int i = 0;
  for (; i + simd::kLanes <= half; i += simd::kLanes) {
    const F32 a = simd::load(x + i), b = simd::load(x + half + i), c = simd::load(cos + i),
              s = simd::load(sin + i);
    simd::store(x + i, simd::fnma(b, s, simd::mul(a, c)));
    simd::store(x + half + i, simd::fma(a, s, simd::mul(b, c)));
  }
  for (; i < half; i++) {
    const float a = x[i], b = x[half + i];
    x[i] = __builtin_fmaf(-b, sin[i], a * cos[i]);
    x[half + i] = __builtin_fmaf(a, sin[i], b * cos[i]);
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
