// Attention over pages of keys and values, as the layers above see it.
//
// Positions are grouped twice, always from multiples of the group's size: 64 of them are a page, 256 are a
// span. The attention of a query over one span depends on nothing but that span; spans are then merged in
// their order. Threads may therefore share the spans of one head, and the keys that a query sees may come in
// any split of steps, without a change of any bit.
#pragma once

#include "kernels/kv_page.h"

namespace pestle {

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
  const size_t page = kPageTokens * (k > v ? k : v);                    // as float32
  const size_t piece = kPageTokens * (kLatentPiece + 2 * kMaxQueries);  // of latents, and all scores with it
  const size_t floats = kMaxQueries * (k + 2 * v + kSpanTokens)  // queries; sums of a span, of all; scores
                        + (page > piece ? page : piece) +
                        kSpanTokens * (1 + kMaxQueries / 2);  // scales of values; integer weights
  return floats * sizeof(float);
}

}  // namespace pestle
