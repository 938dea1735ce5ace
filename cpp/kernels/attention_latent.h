// Scores and sums over pages in which keys and values are one row. A piece of some channels is widened to
// float32 in L1 and meets all queries there. For the scores, 16 queries stand side by side in the lanes,
// because in such attention all heads share the row, and a row's channels come one after the other. A score
// is the same chain of fmas over the channels as everywhere, and so is a sum over the positions.
#pragma once

#include "kernels/attention_float.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr int kSide = 16;  // queries side by side
static_assert(kMaxQueries % kSide == 0);
static_assert(kLatentPiece % 32 == 0 && kPageTokens % kSide == 0);

// 16 channels of a row from `d` on, zeros behind its end.
PESTLE_INLINE Vec16 channels_of(const float* row, int d, int head_dim) {
  if (head_dim - d >= 16) return load16(row + d);
  float rest[16] = {};
  std::memcpy(rest, row + d, sizeof(float) * (head_dim - d));
  return load16(rest);
}

// [queries / 16][channels, stride of them][16 queries], scaled; lanes without a query are zero.
inline void side_by_side(const AttendArgs& a, float scale, int stride, float* q) {
  const Vec16 factor = splat16(scale);
  for (int first = 0; first < a.n_queries; first += kSide, q += kSide * stride) {
    const int n = a.n_queries - first < kSide ? a.n_queries - first : kSide;
    for (int d = 0; d < a.head_dim; d += 16) {
      Vec16 x[kSide];
      for (int i = 0; i < kSide; i++)
        x[i] = i < n ? channels_of(a.q[first + i], d, a.head_dim) * factor : splat16(0.0f);
      transpose(x);
      for (int i = 0; i < 16; i++) store16(q + kSide * (d + i), x[i]);
    }
  }
}

// Channels of a page's rows, as they lie or widened, which loses nothing.
struct LatentRows {
  const float* data;
  int stride;
};
// Those of `channels`, which begin at a multiple of kLatentPiece; of other positions than `seen`, anything.
inline LatentRows latent_rows(const Tile& t, const void* page, KvType type, Range channels, Range seen) {
  const int stride = latent_stride(type, t.a.head_dim), first = channels.begin;
  if (type == KvType::f32) return {static_cast<const float*>(page) + first, stride};
  float* copy = t.s.page;
  const auto* half = static_cast<const uint16_t*>(page) + first;
  for (int p = seen.begin; p < seen.end; p++)
    for (int c = 0; c < channels.size(); c += L)
      simd::store(copy + p * kLatentPiece + c, simd::load_f16(half + size_t(p) * stride + c));
  return {copy, kLatentPiece};
}

// sums[P][16] += some channels of 16 queries with P positions.
template <int P>
PESTLE_NOINLINE void score_side(const float* q, int channels, const float* rows, int stride, float* sums) {
  Vec16 sum[P];
  PESTLE_UNROLL for (int p = 0; p < P; p++) sum[p] = load16(sums + kSide * p);
  for (int d = 0; d < channels; d++) {
    const Vec16 x = load16(q + kSide * d);
    PESTLE_UNROLL for (int p = 0; p < P; p++) sum[p] = fma(splat16(rows[p * stride + d]), x, sum[p]);
  }
  PESTLE_UNROLL for (int p = 0; p < P; p++) store16(sums + kSide * p, sum[p]);
}

inline void score_latent(const Tile& t, const void* page, Ahead ahead, Range queries, int start) {
  // As many positions as hide the latency of an fma; the pointers to sixteen rows would not stay in
  // registers.
  constexpr int P = L == 16 ? 8 : 4;
  const Range seen = t.seen(queries, start);
  const Range whole{seen.begin / kSide * kSide, round_up(seen.end, kSide)};
  const int begin = queries.begin / kSide, end = (queries.end + kSide - 1) / kSide, dim = t.a.head_dim;
  float* sums = t.s.page + kPageTokens * kLatentPiece;  // [queries / 16][position][16 queries]
  const auto sums_of = [&](int side, int p) { return sums + (side * kPageTokens + p) * kSide; };
  std::memset(sums_of(begin, 0), 0, sizeof(float) * kSide * kPageTokens * (end - begin));
  const int pieces = (dim + kLatentPiece - 1) / kLatentPiece;
  const size_t share = latent_page_bytes(t.a.types.keys, dim) / size_t(pieces);
  for (int i = 0; i < pieces; i++) {
    const Range channels{i * kLatentPiece, i + 1 < pieces ? (i + 1) * kLatentPiece : dim};
    ahead.fetch(share);
    const LatentRows rows = latent_rows(t, page, t.a.types.keys, channels, whole);
    for (int side = begin; side < end; side++)
      for (int p = whole.begin; p < whole.end; p += P)
        score_side<P>(t.q + kSide * (side * t.s.key_stride + channels.begin), channels.size(),
                      rows.data + size_t(p) * rows.stride, rows.stride, sums_of(side, p));
  }
  for (int side = begin; side < end; side++)
    for (int p = whole.begin; p < whole.end; p += kSide) {
      Vec16 x[16];
      for (int j = 0; j < 16; j++) x[j] = load16(sums_of(side, p + j));
      transpose(x);
      for (int j = 0; j < kSide; j++) {
        const int n = side * kSide + j;
        if (n >= queries.begin && n < queries.end) store16(t.scores(n) + start % kSpanTokens + p, x[j]);
      }
    }
}

inline void gather_latent(const Tile& t, const void* page, Range queries, int start) {
  const Groups groups(queries, queries.size() <= kGroup ? kGroup : kManyGroup);
  const int width = value_stride(t.a.value_dim);
  for (int c = 0; c < width; c += kLatentPiece) {
    const Range channels{c, c + kLatentPiece < width ? c + kLatentPiece : width};
    const LatentRows rows = latent_rows(t, page, t.a.types.values, channels, t.seen(queries, start));
    for (int g = 0; g < groups.count; g++)
      gather_channels_of<F32Page>(t, rows.data, rows.stride, channels, groups[g], start);
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
