// Attention over spans of 256 positions, each softened on its own and then merged in order (Dao et al. 2022;
// Milakov & Gimelshein 2018). Spans and pages are fixed by absolute position, and what a query does not see
// is not touched for it: neither the split of a prompt into steps, nor the threads, nor the other queries of
// a call can change the order of operations.
#include "kernels/attention.h"

#include "core/assume.h"
#include "kernels/attention_float.h"
#include "kernels/attention_int8.h"
#include "kernels/attention_latent.h"
#include "kernels/attention_softmax.h"
#include "kernels/isa.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

// Queries in units of ln 2, rows padded with zeros. Those of latent keys stand side by side.
void prepare(const AttendArgs& a, int stride, float* q, float* q_step) {
  if (a.latent) return side_by_side(a, a.scale * kLog2e, stride, q);
  const F32 factor = simd::splat(a.scale * kLog2e);
  for (int n = 0; n < a.n_queries; n++, q += stride) {
    std::memcpy(q, a.q[n], sizeof(float) * a.head_dim);
    std::memset(q + a.head_dim, 0, sizeof(float) * (stride - a.head_dim));
    for (int d = 0; d < stride; d += L) simd::store(q + d, simd::mul(simd::load(q + d), factor));
    if (a.types.keys == KvType::q8_0) q_step[n] = to_steps(q, stride);
  }
}

// What a span gives to each query that sees some of it, in Tile::part; returns these queries.
Range attend_span(const Tile& t, int span, Mass* masses) {
  const AttendArgs& a = t.a;
  const int start = span * kSpanTokens;
  const Range queries = t.seeing(start, kSpanTokens);
  ValuePages values = {};
  for (int i = 0; i < kSpanPages; i++) {
    const int page = span * kSpanPages + i;
    const Range some = t.seeing(page * kPageTokens, kPageTokens);
    if (some.empty()) continue;
    values.block[i] = reinterpret_cast<const ValueBlock*>(value_page(a.head, a.pages[page]));
    const void* keys = a.latent ? value_page(a.head, a.pages[page]) : key_page(a.head, a.pages[page]);
    const auto score = a.latent ? score_latent : a.types.keys == KvType::q8_0 ? score_int8 : score_floats;
    score(t, keys, some, page * kPageTokens);
  }
  for (int n = queries.begin; n < queries.end; n++)
    masses[n].max = largest_score(t.scores(n), t.seen(n, start, kSpanTokens));
  for (int n = queries.begin; n < queries.end; n++)
    masses[n].sum = exponentiate(t.scores(n), t.seen(n, start, kSpanTokens), masses[n].max);
  if (a.types.values == KvType::q8_0) {
    gather_int8(t, values, queries, start);
    return queries;
  }
  std::memset(t.part(queries.begin), 0, sizeof(float) * queries.size() * t.s.value_stride);
  const auto gather = a.latent ? gather_latent : gather_floats;
  for (int i = 0; i < kSpanPages; i++) {
    const int from = start + i * kPageTokens;
    if (values.block[i]) gather(t, values.block[i], t.seeing(from, kPageTokens), from);
  }
  return queries;
}

// What the spans gave to the queries so far.
class Merged {
 public:
  Merged(const AttendArgs& a, const Scratch& s) : a_(a), out_(s.out), width_(s.value_stride) {
    for (int n = 0; n < a.n_queries; n++) {
      begun_[n] = a.sinks != nullptr;
      if (!begun_[n]) continue;
      const float sink = a.sinks[n] * kLog2e;
      mass_[n] = {__builtin_isfinite(sink) ? sink : __builtin_nanf(""), 1.0f};
      std::memset(out_ + n * width_, 0, sizeof(float) * width_);
    }
  }
  void add(int n, const Mass& mass, const float* part) {
    float* out = out_ + n * width_;
    if (begun_[n]) return merge(mass_[n], out, mass, part, width_);
    begun_[n] = true;
    mass_[n] = mass;
    std::memcpy(out, part, sizeof(float) * width_);
  }
  void finish() const {
    for (int n = 0; n < a_.n_queries; n++) {
      float* out = out_ + n * width_;
      const F32 sum = simd::splat(mass_[n].sum);
      for (int c = 0; c < width_; c += L) simd::store(out + c, simd::div(simd::load(out + c), sum));
      std::memcpy(a_.out[n], out, sizeof(float) * a_.value_dim);
    }
  }

 private:
  const AttendArgs& a_;
  float* out_;
  int width_;
  Mass mass_[kMaxQueries];
  bool begun_[kMaxQueries];
};

float* span_of(const AttendArgs& a, int n, int span) {
  const size_t count = size_t(end_span(a) - first_span(a));
  return a.spans + (size_t(n) * count + size_t(span - first_span(a))) * size_t(span_floats(a.value_dim));
}

// What kernels/attention.h asks of callers.
void check(const AttendArgs& a) {
  PESTLE_ASSUME(1 <= a.n_queries && a.n_queries <= kMaxQueries && a.head_dim >= 1 && a.value_dim >= 1);
  PESTLE_ASSUME(!a.latent || (a.value_dim <= a.head_dim && a.types.keys == a.types.values));
  for (int n = 0; n < a.n_queries; n++) {
    PESTLE_ASSUME(0 <= a.first_key[n] && a.first_key[n] < a.n_keys[n]);
    PESTLE_ASSUME(n == 0 || (a.first_key[n - 1] <= a.first_key[n] && a.n_keys[n - 1] <= a.n_keys[n]));
  }
}

}  // namespace

void attend(const AttendArgs& a) {
  check(a);
  const Scratch s(a.scratch, a.head_dim, a.value_dim);
  float q_step[kMaxQueries];
  prepare(a, s.key_stride, s.q, q_step);
  const Tile t{a, s, s.q, q_step};
  Merged merged(a, s);
  Mass masses[kMaxQueries];
  for (int span = first_span(a); span < end_span(a); span++) {
    const Range queries = attend_span(t, span, masses);
    for (int n = queries.begin; n < queries.end; n++) merged.add(n, masses[n], t.part(n));
  }
  merged.finish();
}

void attend_spans(const AttendArgs* heads, int n_heads, int begin, int end) {
  const Scratch s(heads->scratch, heads->head_dim, heads->value_dim);
  float q_step[kMaxQueries];
  Mass masses[kMaxQueries];
  PESTLE_ASSUME(n_heads * heads->n_queries <= kMaxQueries);
  for (int h = 0; h < n_heads; h++) check(heads[h]);
  const int rows = heads->n_queries, used = end - begin < n_heads ? end - begin : n_heads;
  for (int i = 0; i < used; i++) {
    const int h = (begin + i) % n_heads;
    prepare(heads[h], s.key_stride, s.q + h * rows * s.key_stride, q_step + h * rows);
  }
  for (int i = begin; i < end; i++) {
    const int h = i % n_heads, span = first_span(heads[h]) + i / n_heads;
    const Tile t{heads[h], s, s.q + h * rows * s.key_stride, q_step + h * rows};
    const Range queries = attend_span(t, span, masses);
    for (int n = queries.begin; n < queries.end; n++) {
      float* out = span_of(heads[h], n, span);
      std::memcpy(out, &masses[n], sizeof(Mass));
      std::memcpy(out + 16, t.part(n), sizeof(float) * s.value_stride);
    }
  }
}

void merge_spans(const AttendArgs& a) {
  check(a);
  const Scratch s(a.scratch, a.head_dim, a.value_dim);
  Merged merged(a, s);
  for (int n = 0; n < a.n_queries; n++)
    for (int span = a.first_key[n] / kSpanTokens; span * kSpanTokens < a.n_keys[n]; span++) {
      const float* part = span_of(a, n, span);
      Mass mass;
      std::memcpy(&mass, part, sizeof(Mass));
      merged.add(n, mass, part + 16);
    }
  merged.finish();
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
