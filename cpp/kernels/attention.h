// Attention over pages of keys and values, as the layers above see it.
//
// Positions are grouped twice, always from multiples of the group's size: 64 of them are a page, 256 are a
// span. The attention of a query over one span depends on nothing but that span; spans are then merged in
// their order. Threads may therefore share the spans of one head, and the keys that a query sees may come in
// any split of steps, without a change of any bit.
#pragma once

#include <cstddef>
#include <cstdint>

namespace pestle {

// q8_0: 32 channels of a position share a scale.
enum class KvType : uint8_t { f16, f32, q8_0 };

struct KvTypes { KvType keys = KvType::f16, values = KvType::f16; };

constexpr int kPageTokens = 64;
constexpr int kSpanPages = 4;
constexpr int kSpanTokens = kSpanPages * kPageTokens;

constexpr int round_up(int n, int unit) { return (n + unit - 1) / unit * unit; }

// A page of floats is keys [head_dim][64 positions], so that a register holds one channel of many keys, and
// values [64 positions][value_dim, rounded up to 16]. A page of q8_0 is blocks of 32 channels, rounded up;
// two neighbours of the dimension that a dot product runs over stand side by side. Scales are bfloat16.
struct KeyBlock {
  uint16_t scale[kPageTokens];
  int8_t k[16][kPageTokens][2];  // [pair of channels][position]
};
struct ValueBlock {
  uint16_t scale[kPageTokens];
  int8_t v[kPageTokens / 2][32][2];  // [pair of positions][channel]
};

constexpr int float_value_stride(int value_dim) { return round_up(value_dim, 16); }
constexpr size_t key_page_bytes(KvType t, int head_dim) {
  if (t == KvType::q8_0) return sizeof(KeyBlock) * size_t((head_dim + 31) / 32);
  return size_t(head_dim) * kPageTokens * (t == KvType::f16 ? 2 : 4);
}
constexpr size_t value_page_bytes(KvType t, int value_dim) {
  if (t == KvType::q8_0) return sizeof(ValueBlock) * size_t((value_dim + 31) / 32);
  return size_t(float_value_stride(value_dim)) * kPageTokens * (t == KvType::f16 ? 2 : 4);
}

// Where keys and values are one row (multi-head latent attention, DeepSeek-AI 2024: a value is its key's
// first channels), a page holds it once, in the layout of values.

// Where a page lies: memory comes in slabs of some spans, and a page is the slot-th of one of these.
struct KvPage {
  char* slab = nullptr;
  int span = 0, slot = 0;
};
// One head of a layer within a slab. The spans of a layer follow each other, in each the heads, in each the
// keys of four pages and then their values: decoding reads a layer's part of a slab from end to end, which
// DRAM and the CPU's prefetching like best. (The values' blocks of q8_0 lie block by block, then by page.)
struct KvHead {
  size_t keys, values, span;  // bytes: from the slab to the first span's keys and values; from span to span
  size_t key_page;
  size_t value_page;  // from page to page; of q8_0, from page to page of a block
};
constexpr char* key_page(const KvHead& h, const KvPage& p) {
  return p.slab + h.keys + h.span * size_t(p.span) + h.key_page * size_t(p.slot);
}
constexpr char* value_page(const KvHead& h, const KvPage& p) {
  return p.slab + h.values + h.span * size_t(p.span) + h.value_page * size_t(p.slot);
}

constexpr int kMaxQueries = 48;  // that one call takes, of all its heads together

// Some queries of one KV head, with the keys that each sees: positions [first_key, n_keys). Both ends do not
// decrease from query to query, and no range is empty. Pages of which no query sees a position are not read.
struct AttendArgs {
  const float* const* q;  // n_queries rows of head_dim
  float* const* out;      // n_queries rows of value_dim
  const int* first_key;
  const int* n_keys;
  // A logit of each query that takes part in the softmax without a value (gpt-oss); null: none
  const float* sinks;
  int n_queries, head_dim, value_dim;
  bool latent;          // values are the first channels of keys: one page, one type, one KV head
  float scale;          // of q . k
  const KvPage* pages;  // of position 0 on
  KvHead head;
  KvTypes types;
  float* spans;   // what attend_spans leaves for merge_spans: [queries][spans seen][span_floats]
  void* scratch;  // attend_scratch bytes
};
constexpr int first_span(const AttendArgs& a) { return a.first_key[0] / kSpanTokens; }
constexpr int end_span(const AttendArgs& a) {
  return (a.n_keys[a.n_queries - 1] + kSpanTokens - 1) / kSpanTokens;
}
constexpr int span_floats(int value_dim) { return 16 + round_up(value_dim, 32); }

constexpr int kLatentPiece = 64;  // channels of latents that are worked on at a time: 16 KB of a page

constexpr size_t attend_scratch(int head_dim, int value_dim) {
  const size_t k = size_t(round_up(head_dim, 32)), v = size_t(round_up(value_dim, 32));
  const size_t page = kPageTokens * (k > v ? k : v);                // as float32
  const size_t piece = kPageTokens * (kLatentPiece + kMaxQueries);  // of latents, and all scores with it
  const size_t floats = kMaxQueries * (k + 2 * v + kSpanTokens)     // queries; sums of a span, of all; scores
                        + (page > piece ? page : piece) +
                        5 * kSpanTokens;  // integer weights of a group of queries
  return floats * sizeof(float);
}

}  // namespace pestle
