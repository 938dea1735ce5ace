// Pages of keys and values: 64 positions of one head of a layer, in one of the types that a cache may have.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pestle {

// i16 and q8_0: integers of 16 and 8 bits, all channels of a head of a position with one scale. The rows of
// q8_0 are rotated (kernels/rotation.h).
enum class KvType : uint8_t { f16, f32, q8_0, i16 };
constexpr bool is_integer(KvType t) { return t == KvType::i16 || t == KvType::q8_0; }
constexpr size_t element_bytes(KvType t) { return t == KvType::f32 ? 4 : t == KvType::q8_0 ? 1 : 2; }

struct KvTypes { KvType keys = KvType::i16, values = KvType::i16; };

constexpr int kPageTokens = 64;
constexpr int kSpanPages = 4;
constexpr int kSpanTokens = kSpanPages * kPageTokens;
constexpr int kMaxRow = 8192;  // channels of a key, a value or a latent row

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// A page of floats is keys [head_dim][64 positions], so that a register holds one channel of many keys, and
// values [64 positions][value_dim, rounded up to 16].
//
// A page of integers begins with the scales of its positions, as bfloat16. Two neighbours of the dimension
// that a product runs over stand side by side: keys are [pair of channels][64 positions][2], values [pair of
// positions][value_dim, rounded up to 16][2].
//
// Where keys and values are one row (multi-head latent attention, DeepSeek-AI 2024: a value is its key's
// first channels), a page holds it once: floats in the layout of values, integers as [64 positions][k_dim,
// rounded up to 32], with one scale for the channels that are values and another for the rest.
constexpr size_t kScaleBytes = kPageTokens * sizeof(uint16_t);
constexpr int value_stride(int value_dim) { return round_up(value_dim, 16); }
constexpr int latent_stride(KvType t, int k_dim) { return round_up(k_dim, is_integer(t) ? 32 : 16); }

constexpr size_t key_page_bytes(KvType t, int head_dim) {
  const size_t channels = size_t(is_integer(t) ? round_up(head_dim, 2) : head_dim);
  return (is_integer(t) ? kScaleBytes : 0) + channels * kPageTokens * element_bytes(t);
}
constexpr size_t value_page_bytes(KvType t, int value_dim) {
  return (is_integer(t) ? kScaleBytes : 0) + size_t(value_stride(value_dim)) * kPageTokens * element_bytes(t);
}
constexpr size_t latent_page_bytes(KvType t, int k_dim) {
  return (is_integer(t) ? 2 * kScaleBytes : 0) +
         size_t(latent_stride(t, k_dim)) * kPageTokens * element_bytes(t);
}

// Where a page lies: memory comes in slabs of some spans, and a page is the slot-th of one of these.
struct KvPage {
  char* slab = nullptr;
  int span = 0, slot = 0;
};
// One head of a layer within a slab. The spans of a layer follow each other, in each the heads, in each the
// keys of four pages and then their values: decoding reads a layer's part of a slab from end to end, which
// DRAM and the CPU's prefetching like best.
struct KvHead {
  size_t keys, values, span;    // bytes: from the slab to the first span's keys and values; from span to span
  size_t key_page, value_page;  // of a page
};
constexpr char* key_page(const KvHead& h, const KvPage& p) {
  return p.slab + h.keys + h.span * size_t(p.span) + h.key_page * size_t(p.slot);
}
constexpr char* value_page(const KvHead& h, const KvPage& p) {
  return p.slab + h.values + h.span * size_t(p.span) + h.value_page * size_t(p.slot);
}

}  // namespace pestle
