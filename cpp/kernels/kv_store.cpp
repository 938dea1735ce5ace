// One position's key or value, into its page. The rounding is the same on every ISA, and what is not finite
// stays visible.
#include "core/assume.h"
#include "kernels/attention.h"
#include "kernels/isa.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

using simd::F32;
using simd::I32;
constexpr int L = simd::kLanes;

// 32 channels as int8. The scale is rounded up to a bfloat16, which has the range of float, before it
// divides: its own rounding costs nothing, and no integer exceeds 127.
uint16_t quantize_block(const float* x, int8_t* q) {
  const int32_t bits = largest_magnitude(load16(x), load16(x + 16));
  std::memset(q, 0, 32);
  if (bits >= 0x7f800000) return 0x7fc0;  // NaN: it reaches whatever reads the block
  float largest;
  std::memcpy(&largest, &bits, 4);
  if (largest < 0x1p-100f) return 0;
  const float exact = largest / 127;
  uint32_t scale;
  std::memcpy(&scale, &exact, 4);
  scale = (scale + 0xffff) & 0xffff0000;
  float d;
  std::memcpy(&d, &scale, 4);
  const F32 inverse = simd::splat(1 / d);
  for (int i = 0; i < 32; i += L) simd::store_s8(q + i, simd::to_i32(simd::mul(simd::load(x + i), inverse)));
  return static_cast<uint16_t>(scale >> 16);
}

// Channels [from, from + N), zero beyond n.
template <int N>
struct Channels {
  float x[N] = {};
  Channels(const float* row, int from, int n) {
    std::memcpy(x, row + from, sizeof(float) * (n - from < N ? n - from : N));
  }
};

void key_q8_0(const float* k, int head_dim, KeyBlock* blocks, int position) {
  for (int d = 0; d < head_dim; d += 32, blocks++) {
    int8_t q[32];
    blocks->scale[position] = quantize_block(Channels<32>(k, d, head_dim).x, q);
    for (int i = 0; i < 16; i++) std::memcpy(blocks->k[i][position], q + 2 * i, 2);
  }
}

void value_q8_0(const float* v, int value_dim, ValueBlock* blocks, int position) {
  for (int d = 0; d < value_dim; d += 32, blocks += kSpanPages) {
    int8_t q[32];
    blocks->scale[position] = quantize_block(Channels<32>(v, d, value_dim).x, q);
    int8_t* out = &blocks->v[position / 2][0][position % 2];
    for (int c = 0; c < 32; c++) out[2 * c] = q[c];
  }
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
      return key_q8_0(k, head_dim, static_cast<KeyBlock*>(page), position);
  }
}

void store_value(const float* v, int value_dim, void* page, int position, KvType type) {
  PESTLE_ASSUME(0 <= position && position < kPageTokens && value_dim >= 1 && page != nullptr);
  if (type == KvType::q8_0) return value_q8_0(v, value_dim, static_cast<ValueBlock*>(page), position);
  const size_t row = size_t(position) * float_value_stride(value_dim);
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

void store_latent(const float* x, int head_dim, void* page, int position, KvType type) {
  store_value(x, head_dim, page, position, type);
  // As in keys, infinities become NaN. q8_0 has made them so.
  const size_t row = size_t(position) * float_value_stride(head_dim);
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
