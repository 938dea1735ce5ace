// Attention over spans of 256 positions, each softened on its own and then merged in order (Dao et al. 2022;
// Milakov & Gimelshein 2018). Spans and pages are fixed by absolute position, and what a query does not see
// is not touched for it: neither the split of a prompt into steps, nor the threads, nor the other queries of
// a call can change the order of operations.
#include "kernels/attention.h"

#include "core/assume.h"
#include "kernels/attention_float.h"
#include "kernels/attention_int.h"
#include "kernels/attention_int_latent.h"
#include "kernels/attention_latent.h"
#include "kernels/attention_softmax.h"
#include "kernels/isa.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

// Whether rows of a type are rotated before they are rounded.
constexpr bool is_rotated(KvType t) { return t == KvType::q8_0; }

// Queries in units of ln 2, rows padded with zeros. Those of latent keys stand side by side.
void prepare(const Tile& t, float* q_step, float* q_rest) {
  const AttendArgs& a = t.a;
  const int stride = t.s.key_stride;
  const float factor = a.scale * kLog2e;
  const bool integers = is_integer(a.types.keys), rotated = is_rotated(a.types.keys);
  if (a.latent && integers) return integers_side_by_side(t, factor, rotated, q_step, q_rest);
  if (a.latent) return side_by_side(a, factor, stride, t.q);
  for (int n = 0; n < a.n_queries; n++) {
    if (integers) {
      q_step[n] = integer_query(a.q[n], a.head_dim, stride, factor, rotated, t.integer_q(n));
      continue;
    }
    float* q = t.q + n * stride;
    std::memcpy(q, a.q[n], sizeof(float) * a.head_dim);
    std::memset(q + a.head_dim, 0, sizeof(float) * (stride - a.head_dim));
    for (int d = 0; d < stride; d += L) simd::store(q + d, simd::mul(simd::load(q + d), simd::splat(factor)));
  }
}

using Score = void (*)(const Tile&, const void* page, Ahead, Range queries, int start);
Score score_of(const AttendArgs& a) {
  switch (a.types.keys) {
    case KvType::i16:
      return a.latent ? score_latent_integers<int16_t> : score_page_of<int16_t>;
    case KvType::q8_0:
      return a.latent ? score_latent_integers<int8_t> : score_page_of<int8_t>;
    default:
      return a.latent ? score_latent : score_floats;
  }
}

// Bytes that DRAM gives a core in the time that a query's softmax over a span takes.
constexpr size_t kWhileSoftened = 2048;

// Turns the scores of a span into weights; what integer weights are worth goes to `step`. Where queries are
// few, memory must not rest meanwhile.
void soften(const Tile& t, const void* const* pages, Ahead& ahead, Range queries, int start, Mass* masses,
            float* step) {
  const auto seen = [&](int n) { return t.seen(n, start, kSpanTokens); };
  for (int n = queries.begin; n < queries.end; n++) masses[n].max = largest_score(t.scores(n), seen(n));
  const bool integers = is_integer(t.a.types.values);
  const float most = t.a.types.values == KvType::q8_0 ? kMost8 : kMostValue;
  if (!integers) {
    for (int n = queries.begin; n < queries.end; n++)
      masses[n].sum = exponentiate(t.scores(n), seen(n), masses[n].max);
    return;
  }
  span_scales(pages, t.s.value_scales);
  // Steps come at the end of long chains: those of a group are made while its scores are in L1.
  const Groups groups(queries, kGroup);
  for (int g = 0; g < groups.count; g++) {
    Steps steps[kGroup];
    const Range group = groups[g];
    for (int n = group.begin; n < group.end; n++) {
      if (queries.size() <= kGroup) ahead.fetch(kWhileSoftened);
      steps[n - group.begin] =
          weigh_values(t.scores(n), seen(n), masses[n].max, t.s.value_scales, most, &masses[n].sum);
    }
    for (int n = group.begin; n < group.end; n++) {
      integer_weights(t.scores(n), seen(n), steps[n - group.begin], t.weights(n));
      step[n] = steps[n - group.begin].size;
    }
  }
}

// What a span gives to the queries that see some of it, in Tile::part.
void gather(const Tile& t, const void* const* pages, Ahead ahead, Range queries, int start,
            const float* step) {
  const AttendArgs& a = t.a;
  const bool bytes = a.types.values == KvType::q8_0;
  if (is_integer(a.types.values) && a.latent)
    return (bytes ? gather_latent_integers<int8_t> : gather_latent_integers<int16_t>)(t, pages, ahead,
                                                                                      queries, start, step);
  if (is_integer(a.types.values))
    return (bytes ? gather_span_of<int8_t> : gather_span_of<int16_t>)(t, pages, ahead, queries, start, step);
  std::memset(t.part(queries.begin), 0, sizeof(float) * queries.size() * t.s.value_stride);
  for (int i = 0; i < kSpanPages; i++) {
    const int from = start + i * kPageTokens;
    if (pages[i]) (a.latent ? gather_latent : gather_floats)(t, pages[i], t.seeing(from, kPageTokens), from);
  }
}

// The first page of a span that is read.
const void* first_page(const AttendArgs& a, int span) {
  const int start = span * kSpanTokens;
  const KvPage& page = a.pages[(a.first_key[0] > start ? a.first_key[0] : start) / kPageTokens];
  if (!page.slab) return nullptr;
  return a.latent ? value_page(a.head, page) : key_page(a.head, page);
}

// What a span gives to each query that sees some of it, in Tile::part; returns these queries. `next` is the
// first page of what is read after it, or null.
Range attend_span(const Tile& t, int span, const void* next, Mass* masses) {
  const AttendArgs& a = t.a;
  const int start = span * kSpanTokens;
  const Range queries = t.seeing(start, kSpanTokens);
  if (queries.empty()) return queries;  // between windows that are far apart
  const void *values[kSpanPages] = {}, *keys[kSpanPages] = {};
  for (int i = 0; i < kSpanPages; i++) {
    const int page = span * kSpanPages + i;
    if (t.seeing(page * kPageTokens, kPageTokens).empty()) continue;
    values[i] = value_page(a.head, a.pages[page]);
    keys[i] = a.latent ? values[i] : key_page(a.head, a.pages[page]);
  }
  // While keys are read, their values are asked for; then the keys that come next. Of rows that are both,
  // those of the page that comes next. Where nothing follows, most often a short text's only span, one or two
  // queries do better with what they read themselves, some lines on: nobody has asked for its keys.
  const bool near = !next && !a.latent && queries.size() <= 2;
  if (!next) next = first_page(a, span);
  const Score score = score_of(a);
  for (int i = 0; i < kSpanPages; i++) {
    if (!keys[i]) continue;
    const int from = start + i * kPageTokens;
    const void* ahead = !a.latent ? values[i] : i + 1 < kSpanPages && keys[i + 1] ? keys[i + 1] : next;
    score(t, keys[i], near ? Ahead(keys[i], kNear) : Ahead(ahead), t.seeing(from, kPageTokens), from);
  }
  float step[kMaxQueries];
  const int first = t.seen(queries.begin, start, kSpanTokens).begin / kPageTokens;
  Ahead following = near ? Ahead(values[first], kNear) : Ahead(next);
  soften(t, values, following, queries, start, masses, step);
  gather(t, values, following, queries, start, step);
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
      if (a_.latent && is_integer(a_.types.values)) order_channels(out, a_.value_dim);
      if (is_rotated(a_.types.values)) rotate(out, a_.value_dim);
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
  PESTLE_ASSUME(a.head_dim <= kMaxRow && a.value_dim <= kMaxRow);
  PESTLE_ASSUME(!a.latent ||
                (a.value_dim <= a.head_dim && a.value_dim % 32 == 0 && a.types.keys == a.types.values));
  for (int n = 0; n < a.n_queries; n++) {
    PESTLE_ASSUME(0 <= a.first_key[n] && a.first_key[n] < a.n_keys[n]);
    PESTLE_ASSUME(n == 0 || (a.first_key[n - 1] <= a.first_key[n] && a.n_keys[n - 1] <= a.n_keys[n]));
  }
}

}  // namespace

double int16_operations(int iterations) {
  constexpr int kSums = kRegisters / 2;  // more than hide the latency
  PairSum dot[kSums];
  PESTLE_UNROLL for (int i = 0; i < kSums; i++) dot[i] = simd::no_pairs();
  const int16_t ones[64] = {1, 1, 1};
  I32 x = simd::load_pairs(ones);
  for (int i = 0; i < iterations; i++) {
    PESTLE_UNROLL for (int j = 0; j < kSums; j++) {
      simd::opaque(x);  // or the compiler would see that the products repeat
      dot[j] = simd::add_pairs(dot[j], x, x);
    }
  }
  int32_t sum = 0;
  PESTLE_UNROLL for (int i = 0; i < kSums; i++) sum ^= simd::reduce_add(simd::total(dot[i]));
  asm volatile("" ::"r"(sum));
  return 4.0 * iterations * kSums * L;
}

void attend(const AttendArgs& a) {
  check(a);
  const Scratch s(a.scratch, a.head_dim, a.value_dim);
  float q_step[kMaxQueries], q_rest[kMaxQueries];
  const Tile t{a, s, s.q, q_step, q_rest};
  prepare(t, q_step, q_rest);
  Merged merged(a, s);
  Mass masses[kMaxQueries];
  for (int span = first_span(a); span < end_span(a); span++) {
    const void* next = span + 1 < end_span(a) ? first_page(a, span + 1) : nullptr;
    const Range queries = attend_span(t, span, next, masses);
    for (int n = queries.begin; n < queries.end; n++) merged.add(n, masses[n], t.part(n));
  }
  merged.finish();
}

void attend_spans(const AttendArgs* heads, int n_heads, int begin, int end) {
  const Scratch s(heads->scratch, heads->head_dim, heads->value_dim);
  float q_step[kMaxQueries], q_rest[kMaxQueries];
  Mass masses[kMaxQueries];
  PESTLE_ASSUME(n_heads * heads->n_queries <= kMaxQueries);
  for (int h = 0; h < n_heads; h++) check(heads[h]);
  const int rows = heads->n_queries, used = end - begin < n_heads ? end - begin : n_heads;
  const auto tile_of = [&](int h) {
    return Tile{heads[h], s, s.q + h * rows * s.key_stride, q_step + h * rows, q_rest + h * rows};
  };
  for (int i = 0; i < used; i++) {
    const int h = (begin + i) % n_heads;
    prepare(tile_of(h), q_step + h * rows, q_rest + h * rows);
  }
  for (int i = begin; i < end; i++) {
    const int h = i % n_heads, span = first_span(heads[h]) + i / n_heads;
    const Tile t = tile_of(h);
    const AttendArgs& after = heads[(i + 1) % n_heads];
    const void* next = i + 1 < end ? first_page(after, first_span(after) + (i + 1) / n_heads) : nullptr;
    const Range queries = attend_span(t, span, next, masses);
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
