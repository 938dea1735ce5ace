// Scores and sums over pages of floats. A score is one chain of fmas over the channels, what a span gives to
// a channel is one chain of fmas over its positions.
#pragma once

#include "kernels/attention_tile.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

struct F16Page {
  using Type = uint16_t;
  static constexpr bool kAhead = true;
  PESTLE_INLINE static F32 load(const Type* p) { return simd::load_f16(p); }
};
struct F32Page {  // also what f16 pages are copied to, in cache
  using Type = float;
  static constexpr bool kAhead = false;
  PESTLE_INLINE static F32 load(const Type* p) { return simd::load(p); }
};

// The scores of N queries with a page of keys, from the registers that hold the positions seen.
template <class Page, int N>
PESTLE_NOINLINE void score_page(const float* q, int q_stride, int head_dim, const typename Page::Type* page,
                                float* scores, Range seen) {
  constexpr int R = group_registers<F32>(N, kPageTokens / L);
  for (int p = seen.begin / (R * L) * (R * L); p < seen.end; p += R * L) {
    F32 acc[N][R];
    PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++) acc[n][r] =
        simd::splat(0.0f);
    const auto* row = page + p;
    for (int d = 0; d < head_dim; d++, row += kPageTokens) {
      if constexpr (Page::kAhead) fetch_ahead(row, R * L * sizeof(*row));
      F32 k[R];
      PESTLE_UNROLL for (int r = 0; r < R; r++) k[r] = Page::load(row + r * L);
      PESTLE_UNROLL for (int n = 0; n < N; n++) {
        const F32 x = simd::splat(q[n * q_stride + d]);
        PESTLE_UNROLL for (int r = 0; r < R; r++) acc[n][r] = simd::fma(x, k[r], acc[n][r]);
      }
    }
    PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++)
        simd::store(scores + n * kSpanTokens + p + r * L, acc[n][r]);
  }
}

// out += weights . values over the positions seen of a page: R registers of channels of N queries.
template <class Page, int N, int R>
PESTLE_INLINE void gather_channels(const float* weights, const typename Page::Type* page, int stride,
                                   float* out, int out_stride, Range seen) {
  F32 acc[N][R];
  PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++) acc[n][r] =
      simd::load(out + n * out_stride + r * L);
  const auto* row = page + seen.begin * stride;
  for (int p = seen.begin; p < seen.end; p++, row += stride) {
    if constexpr (Page::kAhead) fetch_ahead(row, R * L * sizeof(*row));
    F32 v[R];
    PESTLE_UNROLL for (int r = 0; r < R; r++) v[r] = Page::load(row + r * L);
    PESTLE_UNROLL for (int n = 0; n < N; n++) {
      const F32 x = simd::splat(weights[n * kSpanTokens + p]);
      PESTLE_UNROLL for (int r = 0; r < R; r++) acc[n][r] = simd::fma(x, v[r], acc[n][r]);
    }
  }
  PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++)
      simd::store(out + n * out_stride + r * L, acc[n][r]);
}

// The channels [c, end): as many registers at a time as there are left to fill.
template <class Page, int N, int R = group_registers<F32>(N, 8)>
PESTLE_INLINE void gather_from(int c, int end, const float* weights, const typename Page::Type* page,
                               int stride, float* out, int out_stride, Range seen) {
  for (; c + R * L <= end; c += R * L)
    gather_channels<Page, N, R>(weights, page + c, stride, out + c, out_stride, seen);
  if constexpr (R > 1)
    if (c < end) gather_from<Page, N, R / 2>(c, end, weights, page, stride, out, out_stride, seen);
}

template <class Page, int N>
PESTLE_NOINLINE void gather_page(const float* weights, const typename Page::Type* page, int width, int stride,
                                 float* out, int out_stride, Range seen) {
  gather_from<Page, N>(0, width, weights, page, stride, out, out_stride, seen);
}

template <class Page>
void score_group(const Tile& t, const void* page, Range group, int start) {
  with_count(group.size(), [&]<int N>() {
    score_page<Page, N>(t.q + group.begin * t.s.key_stride, t.s.key_stride, t.a.head_dim,
                        static_cast<const typename Page::Type*>(page),
                        t.scores(group.begin) + start % kSpanTokens, t.seen(group, start));
  });
}

// The `channels` of some queries, whose rows of values begin at `values`, `stride` apart. What all queries of
// the group see of the page is read once. Positions that a query does not see are not touched for it: they
// may hold NaNs.
template <class Page>
void gather_channels_of(const Tile& t, const typename Page::Type* values, int stride, Range channels,
                        Range group, int start) {
  const auto some = [&](int n, int number, Range seen) {
    if (seen.empty()) return;
    with_count(number, [&]<int N>() {
      gather_page<Page, N>(t.scores(n) + start % kSpanTokens, values, channels.size(), stride,
                           t.part(n) + channels.begin, t.s.value_stride, seen);
    });
  };
  Range all{t.seen(group.end - 1, start, kPageTokens).begin, t.seen(group.begin, start, kPageTokens).end};
  if (all.empty()) all = {kPageTokens, kPageTokens};
  for (int n = group.begin; n < group.end; n++) {
    const Range own = t.seen(n, start, kPageTokens);
    some(n, 1, {own.begin, all.begin < own.end ? all.begin : own.end});
  }
  some(group.begin, group.size(), all);
  for (int n = group.begin; n < group.end; n++) some(n, 1, {all.end, t.seen(n, start, kPageTokens).end});
}

template <class Page>
void gather_group(const Tile& t, const void* page, Range group, int start) {
  const int width = value_stride(t.a.value_dim);
  gather_channels_of<Page>(t, static_cast<const typename Page::Type*>(page), width, {0, width}, group, start);
}

// Many queries read a copy of an f16 page as float32, which is cheaper than converting it for each group. The
// page behind it is fetched meanwhile.
template <void (*work16)(const Tile&, const void*, Range, int),
          void (*work32)(const Tile&, const void*, Range, int)>
void each_group(const Tile& t, const void* page, KvType type, size_t rows, Range queries, int start) {
  if (queries.size() <= kGroup) {
    (type == KvType::f16 ? work16 : work32)(t, page, queries, start);
    return;
  }
  const size_t n = rows * kPageTokens, bytes = n * (type == KvType::f16 ? 2 : 4);
  const char* next = static_cast<const char*>(page) + bytes;
  if (type == KvType::f16) {
    for (size_t i = 0; i < n; i += L)
      simd::store(t.s.page + i, simd::load_f16(static_cast<const uint16_t*>(page) + i));
    page = t.s.page;
  }
  const Groups groups(queries, kManyGroup);
  const size_t share = round_up(int(bytes) / groups.count, 64);
  for (int g = 0; g < groups.count; g++, next += share) {
    for (size_t i = 0; i < share; i += 64) simd::prefetch(next + i);
    work32(t, page, groups[g], start);
  }
}

inline void score_floats(const Tile& t, const void* page, Ahead, Range queries, int start) {
  each_group<score_group<F16Page>, score_group<F32Page>>(t, page, t.a.types.keys, size_t(t.a.head_dim),
                                                         queries, start);
}
inline void gather_floats(const Tile& t, const void* page, Range queries, int start) {
  each_group<gather_group<F16Page>, gather_group<F32Page>>(
      t, page, t.a.types.values, size_t(value_stride(t.a.value_dim)), queries, start);
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
