// Scores and sums over pages of integers: exact dot products with queries and weights of 16 bits.
//
// A score is one integer, times the scale of the key, times that of the query. The weights of a span are
// multiplied with the scales of its values and become integers with one scale; what the span gives to a
// channel is one integer times that.
#pragma once

#include "kernels/attention_softmax.h"
#include "kernels/rotation.h"
#include "kernels/rounding.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

using simd::PairSum;

// [pair][lanes][2] of a page.
template <class T>
struct IntegerPage {
  const uint16_t* scales;  // of positions
  const T* data;
  explicit IntegerPage(const void* page)
      : scales(static_cast<const uint16_t*>(page)),
        data(reinterpret_cast<const T*>(static_cast<const char*>(page) + kScaleBytes)) {}
};

// A query becomes integers. Returns what a unit is worth.
inline float integer_query(const float* q, int head_dim, int stride, float factor, bool rotated,
                           int16_t* out) {
  float row[kMaxRow];
  std::memcpy(row, q, sizeof(float) * size_t(head_dim));
  std::memset(row + head_dim, 0, sizeof(float) * size_t(stride - head_dim));
  if (rotated) rotate(row, head_dim);
  for (int d = 0; d < stride; d += L)
    simd::store(row + d, simd::mul(simd::load(row + d), simd::splat(factor)));
  const Steps steps = norm_steps(row, stride, kMost16);
  to_steps(row, stride, steps, out);
  return steps.size;
}

// Sums of products of N rows of int16 with R registers of T, for `pairs` pairs of what the products run over.
// kAhead: what is read comes from DRAM, and as much of what comes next is asked for.
template <bool kAhead, int N, int R, class T>
PESTLE_INLINE void add_products(const int16_t* rows, int row_stride, const T* columns, int column_stride,
                                int pairs, Ahead& ahead, PairSum (&dot)[N][R]) {
  for (; pairs > 0; pairs--, columns += column_stride, rows += 2) {
    if constexpr (kAhead) ahead.fetch(2 * R * L * sizeof(T));
    I32 x[R];
    PESTLE_UNROLL for (int r = 0; r < R; r++) x[r] = simd::load_pairs(columns + 2 * r * L);
    PESTLE_UNROLL for (int n = 0; n < N; n++) {
      const I32 pair = simd::splat4(rows + n * row_stride);
      PESTLE_UNROLL for (int r = 0; r < R; r++) dot[n][r] = simd::add_pairs(dot[n][r], x[r], pair);
    }
  }
}
template <int N, int R>
PESTLE_INLINE void start(PairSum (&dot)[N][R]) {
  PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++) dot[n][r] =
      simd::no_pairs();
}

template <bool kAhead, class T, int N>
PESTLE_NOINLINE void score_integers(const int16_t* q, int q_stride, const float* q_step, int pairs,
                                    IntegerPage<T> page, Ahead ahead, float* scores, Range seen) {
  constexpr int R = group_registers<PairSum>(N, kPageTokens / L);
  for (int p = seen.begin / (R * L) * (R * L); p < seen.end; p += R * L) {
    PairSum dot[N][R];
    start(dot);
    add_products<kAhead>(q, q_stride, page.data + 2 * p, 2 * kPageTokens, pairs, ahead, dot);
    PESTLE_UNROLL for (int r = 0; r < R; r++) {
      const F32 scale = load_scales(page.scales + p + r * L);
      PESTLE_UNROLL for (int n = 0; n < N; n++) {
        const F32 sum = simd::mul(simd::to_f32(simd::total(dot[n][r])), scale);
        simd::store(scores + n * kSpanTokens + p + r * L, simd::mul(sum, simd::splat(q_step[n])));
      }
    }
  }
}

template <class T>
void score_page_of(const Tile& t, const void* page, Ahead ahead, Range queries, int start) {
  const bool few = queries.size() <= kGroup;
  const Groups groups(queries, few ? kGroup : kManyGroup);
  const size_t share = key_page_bytes(t.a.types.keys, t.a.head_dim) / size_t(groups.count);
  for (int g = 0; g < groups.count; g++) {
    const Range group = groups[g];
    if (!few) ahead.fetch(share);
    with_count(group.size(), [&]<int N>() {
      const auto score = few ? score_integers<true, T, N> : score_integers<false, T, N>;
      score(t.integer_q(group.begin), t.s.key_stride, t.q_step + group.begin, (t.a.head_dim + 1) / 2,
            IntegerPage<T>(page), ahead, t.scores(group.begin) + start % kSpanTokens, t.seen(group, start));
    });
  }
}

// Turns scores into weights relative to the largest, and these into their products with the scales of the
// values, which become integers next. `sum` is that of the weights; returns the step of the integers, which
// bounds them by 16 bits, and their sum by what keeps its product with any value within 32.
PESTLE_INLINE Steps weigh_values(float* s, Range seen, float largest, const float* scales, float most_value,
                                 float* sum) {
  const int begin = seen.begin / 32 * 32, end = round_up(seen.end, 32);
  const Vec16 m = splat16(largest);
  Vec16 a = splat16(0.0f), b = a, c = a, d = a;
  I32 top = simd::splat(int32_t(0));
  const auto weigh = [&](int p, const float* scale) PESTLE_INLINE_LAMBDA {
    const Vec16 x = exp2_negative(load16(s + p) - m), y = exp2_negative(load16(s + p + 16) - m);
    a = a + x;
    b = b + y;
    const Vec16 v = x * load16(scale), w = y * load16(scale + 16);
    c = c + v;
    d = d + w;
    PESTLE_UNROLL for (int i = 0; i < Vec16::kRegisters; i++) top =
        simd::max(top, simd::max(magnitude(v.r[i]), magnitude(w.r[i])));
    store16(s + p, v);
    store16(s + p + 16, w);
  };
  for (int p = begin; p < end; p += 32) {
    if (p >= seen.begin && p + 32 <= seen.end) {
      weigh(p, scales + p);
      continue;
    }
    float own[32] = {};  // the scale of a position that is not seen may be anything
    for (int i = p > seen.begin ? p : seen.begin; i < p + 32 && i < seen.end; i++) own[i - p] = scales[i];
    weigh(p, own);
  }
  const int32_t bits = simd::reduce_max(top);
  constexpr float kSum = 2.14e9f;  // and each of 256 roundings adds half a step: below 2^31
  const float size = float_of(bits) * (1 / kMost16), all = reduce_add(c + d) * (most_value / kSum);
  *sum = reduce_add(a + b);
  return steps_of(size > all ? size : all, bits);
}
// Zero where the query sees nothing.
PESTLE_INLINE void integer_weights(const float* s, Range seen, const Steps& steps, int16_t* out) {
  const int begin = seen.begin / 32 * 32, end = round_up(seen.end, 32);
  std::memset(out, 0, sizeof(int16_t) * size_t(begin));
  to_steps(s + begin, end - begin, steps, out + begin);
  std::memset(out + end, 0, sizeof(int16_t) * size_t(kSpanTokens - end));
}

// The values of a span, page by page: [pair of positions][width][2]. Null where no query sees a position.
struct ValuePages {
  const void* data[kSpanPages];
  int width;
};

// The channels from `channel` on of N queries, as many registers as R: what the positions [all) give.
template <bool kAhead, class T, int N, int R>
PESTLE_INLINE void sum_channels(const int16_t* weights, const ValuePages& pages, int channel, Range all,
                                const float* step, Ahead& ahead, float* out, int out_stride) {
  PairSum dot[N][R];
  start(dot);
  for (int page = all.begin / kPageTokens; page * kPageTokens < all.end; page++) {
    if (!pages.data[page]) continue;
    const int from = page * kPageTokens;
    const int begin = from > all.begin ? from : all.begin,
              end = from + kPageTokens < all.end ? from + kPageTokens : all.end;
    add_products<kAhead>(weights + begin, kSpanTokens,
                         static_cast<const T*>(pages.data[page]) + (begin - from) * pages.width + 2 * channel,
                         2 * pages.width, (end - begin) / 2, ahead, dot);
  }
  PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++)
      simd::store(out + n * out_stride + channel + r * L,
                  simd::mul(simd::to_f32(simd::total(dot[n][r])), simd::splat(step[n])));
}
template <bool kAhead, class T, int N, int R>
PESTLE_INLINE int sum_from(int channel, int end, const int16_t* weights, const ValuePages& pages, Range all,
                           const float* step, Ahead& ahead, float* out, int out_stride) {
  for (; channel + R * L <= end; channel += R * L)
    sum_channels<kAhead, T, N, R>(weights, pages, channel, all, step, ahead, out, out_stride);
  if constexpr (R > 1)
    if (channel < end)
      return sum_from<kAhead, T, N, R / 2>(channel, end, weights, pages, all, step, ahead, out, out_stride);
  return channel;
}
template <bool kAhead, class T, int N>
PESTLE_NOINLINE void sum_values(Range channels, const int16_t* weights, const ValuePages& pages, Range all,
                                const float* step, Ahead ahead, float* out, int out_stride) {
  sum_from<kAhead, T, N, group_registers<PairSum>(N, 8)>(channels.begin, channels.end, weights, pages, all,
                                                         step, ahead, out, out_stride);
}

// The channels of all queries that begin at `out` of their rows: what a span gives. kAhead: the pages
// are those of the cache, not copies.
template <bool kAhead, class T>
void gather_integers(const Tile& t, const ValuePages& pages, Range channels, Range queries, int start,
                     const float* step, Ahead& ahead, int out) {
  const bool few = queries.size() <= kGroup;
  const Groups groups(queries, few ? kGroup : kManyGroup);
  for (int g = 0; g < groups.count; g++) {
    const Range group = groups[g];
    const Range all{t.seen(group.begin, start, kSpanTokens).begin / 2 * 2,
                    round_up(t.seen(group.end - 1, start, kSpanTokens).end, 2)};
    if (kAhead && !few) ahead.fetch(kSpanTokens * size_t(channels.size()) * sizeof(T) / size_t(groups.count));
    with_count(group.size(), [&]<int N>() {
      const auto sum = kAhead && few ? sum_values<true, T, N> : sum_values<false, T, N>;
      sum(channels, t.weights(group.begin), pages, all, step + group.begin, ahead, t.part(group.begin) + out,
          t.s.value_stride);
    });
  }
}
// Of many queries some channels at a time: these stay in L1 while the groups pass.
template <class T>
void gather_span_of(const Tile& t, const void* const* pages, Ahead ahead, Range queries, int start,
                    const float* step) {
  const int width = value_stride(t.a.value_dim), together = queries.size() <= kGroup ? width : kTogether;
  ValuePages values{{}, width};
  for (int i = 0; i < kSpanPages; i++)
    if (pages[i]) values.data[i] = IntegerPage<T>(pages[i]).data;
  for (int c = 0; c < width; c += together)
    gather_integers<true, T>(t, values, {c, c + together < width ? c + together : width}, queries, start,
                             step, ahead, 0);
}
// The scales of a span's values as floats.
inline void span_scales(const void* const* pages, float* out) {
  for (int page = 0; page < kSpanPages; page++, out += kPageTokens)
    for (int p = 0; pages[page] && p < kPageTokens; p += L)
      simd::store(out + p, load_scales(static_cast<const uint16_t*>(pages[page]) + p));
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
