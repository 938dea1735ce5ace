// One position's key or value, into its page. The rounding is the same on every ISA, and what is not finite
// stays visible.
#include "core/assume.h"
#include "kernels/attention.h"
#include "kernels/isa.h"
#include "kernels/rotation.h"
#include "kernels/rounding.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

using simd::F32;
using simd::I32;
constexpr int L = simd::kLanes;

// Channels [from, from + N), zero beyond n.
template <int N>
struct Channels {
  float x[N] = {};
  Channels(const float* row, int from, int n) {
    std::memcpy(x, row + from, sizeof(float) * (n - from < N ? n - from : N));
  }
};

// A row as integers of T, with zeros up to a multiple of 32.
template <class T>
struct IntegerRow {
  T q[kMaxRow];
  uint16_t scale;
};
// Keys keep their norm within bounds, values their largest channel; rows that are both, both.
struct Bounds {
  bool norm;
  float most;
};
template <class T>
constexpr Bounds kKeyBounds{true, sizeof(T) == 1 ? kMost8 : kMost16};
template <class T>
constexpr Bounds kValueBounds{false, sizeof(T) == 1 ? kMost8 : kMostValue};
template <class T>
constexpr Bounds kLatentBounds{true, kValueBounds<T>.most};

template <class T>
void round_row(const float* x, int n, Bounds bounds, IntegerRow<T>& out) {
  PESTLE_ASSUME(n <= kMaxRow);
  float row[kMaxRow];
  const int padded = round_up(n, 32);
  std::memcpy(row, x, sizeof(float) * size_t(n));
  std::memset(row + n, 0, sizeof(float) * size_t(padded - n));
  if (sizeof(T) == 1) rotate(row, n);
  Steps steps = bounds.norm ? norm_steps(row, padded, bounds.most) : range_steps(row, padded, bounds.most);
  out.scale = round_up_step(steps);
  to_steps(row, padded, steps, out.q);
}

template <class T>
void key_integers(const float* k, int head_dim, void* page, int position) {
  IntegerRow<T> row;
  round_row(k, head_dim, kKeyBounds<T>, row);
  static_cast<uint16_t*>(page)[position] = row.scale;
  T* out = reinterpret_cast<T*>(static_cast<char*>(page) + kScaleBytes) + 2 * position;
  for (int d = 0; d < head_dim; d += 2, out += 2 * kPageTokens) std::memcpy(out, row.q + d, 2 * sizeof(T));
}

template <class T>
void value_integers(const float* v, int value_dim, void* page, int position) {
  IntegerRow<T> row;
  round_row(v, value_dim, kValueBounds<T>, row);
  static_cast<uint16_t*>(page)[position] = row.scale;
  const int width = value_stride(value_dim);
  T* out =
      reinterpret_cast<T*>(static_cast<char*>(page) + kScaleBytes) + position / 2 * 2 * width + position % 2;
  for (int c = 0; c < width; c++) out[2 * c] = row.q[c];
}

template <class T>
void latent_integers(const float* x, int head_dim, int value_dim, void* page, int position) {
  uint16_t* scales = static_cast<uint16_t*>(page);
  const int stride = latent_stride(KvType::i16, head_dim);
  T* out = reinterpret_cast<T*>(scales + 2 * kPageTokens) + size_t(position) * size_t(stride);
  IntegerRow<T> row;
  round_row(x, value_dim, kLatentBounds<T>, row);
  scales[position] = row.scale;
  std::memcpy(out, row.q, sizeof(T) * size_t(value_dim));
  if (head_dim == value_dim) return;
  round_row(x + value_dim, head_dim - value_dim, kKeyBounds<T>, row);
  scales[kPageTokens + position] = row.scale;
  std::memcpy(out + value_dim, row.q, sizeof(T) * size_t(stride - value_dim));
}

// An infinite channel of a key becomes NaN: a score of minus infinity would quietly drop the position.
void key_f32(const float* k, int head_dim, float* page, int position) {
  for (int d = 0; d < head_dim; d++)
    page[d * kPageTokens + position] = __builtin_isfinite(k[d]) ? k[d] : __builtin_nanf("");
}
void key_f16(const float* k, int head_dim, uint16_t* page, int position) {
  for (int d = 0; d < head_dim; d += L) {
    uint16_t half[L];
    simd::store_f16(half, simd::load(Channels<L>(k, d, head_dim).x));
    for (int i = 0; i < L && d + i < head_dim; i++)
      page[(d + i) * kPageTokens + position] = (half[i] & 0x7c00) == 0x7c00 ? 0x7e00 : half[i];
  }
}

}  // namespace

void store_key(const float* k, int head_dim, void* page, int position, KvType type) {
  PESTLE_ASSUME(0 <= position && position < kPageTokens && head_dim >= 1 && page != nullptr);
  switch (type) {
    case KvType::f32:
      return key_f32(k, head_dim, static_cast<float*>(page), position);
    case KvType::f16:
      return key_f16(k, head_dim, static_cast<uint16_t*>(page), position);
    case KvType::q8_0:
      return key_integers<int8_t>(k, head_dim, page, position);
    case KvType::i16:
      return key_integers<int16_t>(k, head_dim, page, position);
  }
}

void store_value(const float* v, int value_dim, void* page, int position, KvType type) {
  PESTLE_ASSUME(0 <= position && position < kPageTokens && value_dim >= 1 && page != nullptr);
  if (type == KvType::q8_0) return value_integers<int8_t>(v, value_dim, page, position);
  if (type == KvType::i16) return value_integers<int16_t>(v, value_dim, page, position);
  const size_t row = size_t(position) * value_stride(value_dim);
  for (int d = 0; d < value_dim; d += 16) {
    const Channels<16> in(v, d, value_dim);
    for (int i = 0; i < 16; i += L) {
      if (type == KvType::f32)
        simd::store(static_cast<float*>(page) + row + d + i, simd::load(in.x + i));
      else
        simd::store_f16(static_cast<uint16_t*>(page) + row + d + i, simd::load(in.x + i));
    }
  }
}

void store_latent(const float* x, int head_dim, int value_dim, void* page, int position, KvType type) {
  PESTLE_ASSUME(value_dim <= head_dim && value_dim % 32 == 0);
  if (type == KvType::q8_0) return latent_integers<int8_t>(x, head_dim, value_dim, page, position);
  if (type == KvType::i16) return latent_integers<int16_t>(x, head_dim, value_dim, page, position);
  store_value(x, head_dim, page, position, type);
  // As in keys, infinities become NaN.
  const size_t row = size_t(position) * value_stride(head_dim);
  for (int d = 0; d < head_dim; d++) {
    if (type == KvType::f32) {
      float& v = static_cast<float*>(page)[row + d];
      v = __builtin_isfinite(v) ? v : __builtin_nanf("");
    } else if (type == KvType::f16) {
      uint16_t& v = static_cast<uint16_t*>(page)[row + d];
      v = (v & 0x7c00) == 0x7c00 ? 0x7e00 : v;
    }
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
