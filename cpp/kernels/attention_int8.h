// Scores and sums over pages of q8_0: exact integer dot products with queries and weights of 16 bits, so that
// what is lost is the rounding of the keys and values alone.
//
// A query becomes integers up to 32767 with one scale. A block of 32 channels gives an exact integer, and a
// score is the chain of fmas of these with the blocks' scales, in order, times the query's scale.
// The weights of a span are multiplied with the scales of its values, become integers up to 32767 with one
// scale for each 32 channels, and a span gives to a channel an exact integer times that scale.
#pragma once

#include "kernels/attention_tile.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr float kSteps = 32767.0f;  // 32767 * 127 * 256 positions < 2^31

PESTLE_INLINE F32 load_scales(const uint16_t* p) { return simd::as_f32(simd::shl<16>(simd::load_u16(p))); }

// Values up to a largest magnitude as integers up to kSteps. One that is not finite gives the step NaN, which
// reaches whatever reads it, and only zeros; values too small for a step count as zero.
struct Steps { float size, inverse; };
PESTLE_INLINE Steps steps_of(int32_t magnitude_bits) {
  float largest;
  std::memcpy(&largest, &magnitude_bits, 4);
  if (magnitude_bits >= 0x7f800000) return {__builtin_nanf(""), 0.0f};
  if (largest < 0x1p-100f) return {0.0f, 0.0f};
  return {largest / kSteps, kSteps / largest};
}
PESTLE_INLINE void to_steps(const float* x, int n, const Steps& steps, int16_t* out) {
  if (steps.inverse == 0.0f) {
    std::memset(out, 0, sizeof(int16_t) * n);
    return;
  }
  const F32 inverse = simd::splat(steps.inverse);
  for (int i = 0; i < n; i += L)
    simd::store_s16(out + i, simd::to_i32(simd::mul(simd::load(x + i), inverse)));
}
PESTLE_INLINE int32_t largest_of(const float* x, int n) {
  I32 top = simd::splat(int32_t(0));
  for (int i = 0; i < n; i += L) top = simd::max(top, magnitude(simd::load(x + i)));
  return simd::reduce_max(top);
}

// A row of queries becomes integers in its own place. Returns what a unit is worth.
PESTLE_INLINE float to_steps(float* row, int n) {
  const Steps steps = steps_of(largest_of(row, n));
  to_steps(row, n, steps, reinterpret_cast<int16_t*>(row));  // what is written was read before
  return steps.size;
}

template <int N>
PESTLE_NOINLINE void score_blocks(const int16_t* q, int q_stride, const float* q_step, int blocks,
                                  const KeyBlock* page, float* scores, Range seen) {
  constexpr int R = group_registers(N, kPageTokens / L);
  for (int p = seen.begin / (R * L) * (R * L); p < seen.end; p += R * L) {
    const int16_t* x = q;
    for (int b = 0; b < blocks; b++) {
      fetch_ahead(page[b].scale + p, R * L * sizeof(uint16_t));
      simd::PairSum dot[N][R];
      PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++) dot[n][r] =
          simd::no_pairs();
      const int8_t* row = page[b].k[0][p];
      for (int i = 0; i < 16; i++, row += sizeof(page[b].k[0]), x += 2) {
        fetch_ahead(row, 2 * R * L);
        I32 k[R];
        PESTLE_UNROLL for (int r = 0; r < R; r++) k[r] = simd::load_pairs(row + 2 * r * L);
        PESTLE_UNROLL for (int n = 0; n < N; n++) {
          const I32 pair = simd::splat4(x + n * q_stride);
          PESTLE_UNROLL for (int r = 0; r < R; r++) dot[n][r] = simd::add_pairs(dot[n][r], k[r], pair);
        }
      }
      PESTLE_UNROLL for (int r = 0; r < R; r++) {
        const F32 scale = load_scales(page[b].scale + p + r * L);
        PESTLE_UNROLL for (int n = 0; n < N; n++) {
          float* s = scores + n * kSpanTokens + p + r * L;
          const F32 before = b == 0 ? simd::splat(0.0f) : simd::load(s);
          const F32 sum = simd::fma(simd::to_f32(simd::total(dot[n][r])), scale, before);
          simd::store(s, b == blocks - 1 ? simd::mul(sum, simd::splat(q_step[n])) : sum);
        }
      }
    }
  }
}

inline void score_int8(const Tile& t, const void* page, Range queries, int start) {
  const Groups groups(queries, queries.size() <= kGroup ? kGroup : kManyGroup);
  for (int g = 0; g < groups.count; g++) {
    const Range group = groups[g];
    with_count(group.size(), [&]<int N>() {
      score_blocks<N>(reinterpret_cast<const int16_t*>(t.q + group.begin * t.s.key_stride),
                      2 * t.s.key_stride, t.q_step + group.begin, t.s.key_stride / 32,
                      static_cast<const KeyBlock*>(page), t.scores(group.begin) + start % kSpanTokens,
                      t.seen(group, start));
    });
  }
}

// The pages of a span, or one block of each; null where no query sees a position.
struct ValuePages { const ValueBlock* block[kSpanPages]; };

// The weights of the positions [seen) of a span times the scales of a block, as integers; zero in the rest of
// [all), whose ends are multiples of 16. Returns what a unit is worth.
PESTLE_INLINE float weigh(const float* weights, const ValuePages& pages, Range seen, Range all,
                          int16_t* out) {
  float product[kSpanTokens];
  const int begin = seen.begin / 16 * 16, end = round_up(seen.end, 16);
  for (int p = begin; p < end; p += L)
    simd::store(product + p, simd::mul(simd::load(weights + p),
                                       load_scales(pages.block[p / kPageTokens]->scale + p % kPageTokens)));
  for (int p = begin; p < seen.begin; p++) product[p] = 0;
  for (int p = seen.end; p < end; p++) product[p] = 0;
  const Steps steps = steps_of(largest_of(product + begin, end - begin));
  std::memset(out + all.begin, 0, sizeof(int16_t) * (begin - all.begin));
  to_steps(product + begin, end - begin, steps, out + begin);
  std::memset(out + end, 0, sizeof(int16_t) * (all.end - end));
  return steps.size;
}

// R registers of the channels of a block from `channel` on.
template <int N, int R>
PESTLE_INLINE void sum_block(const int16_t* weights, const ValuePages& pages, int channel, Range all,
                             const float* step, float* out, int out_stride) {
  simd::PairSum dot[N][R];
  PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++) dot[n][r] =
      simd::no_pairs();
  for (int page = all.begin / kPageTokens; page * kPageTokens < all.end; page++) {
    if (!pages.block[page]) continue;
    const int start = page * kPageTokens;
    const int begin = start > all.begin ? start : all.begin,
              end = start + kPageTokens < all.end ? start + kPageTokens : all.end;
    const int8_t* row = pages.block[page]->v[(begin - start) / 2][channel];
    const int16_t* w = weights + begin;
    for (int pairs = (end - begin) / 2; pairs > 0; pairs--, row += 64, w += 2) {
      fetch_ahead(row, 2 * R * L);
      I32 v[R];
      PESTLE_UNROLL for (int r = 0; r < R; r++) v[r] = simd::load_pairs(row + 2 * r * L);
      PESTLE_UNROLL for (int n = 0; n < N; n++) {
        const I32 pair = simd::splat4(w + n * kSpanTokens);
        PESTLE_UNROLL for (int r = 0; r < R; r++) dot[n][r] = simd::add_pairs(dot[n][r], v[r], pair);
      }
    }
  }
  PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < R; r++) simd::store(
      out + n * out_stride + r * L, simd::mul(simd::to_f32(simd::total(dot[n][r])), simd::splat(step[n])));
}

// A group of N queries with all values of a span.
template <int N>
PESTLE_NOINLINE void gather_blocks(const Tile& t, const ValuePages& pages, int first, int start) {
  constexpr int R = group_registers(N, 32 / L) < 4 ? group_registers(N, 32 / L) : 4;
  int16_t* weights = reinterpret_cast<int16_t*>(t.s.weights);
  Range seen[N], all{kSpanTokens, 0};
  for (int n = 0; n < N; n++) {
    seen[n] = t.seen(first + n, start, kSpanTokens);
    const int begin = seen[n].begin / 16 * 16, end = round_up(seen[n].end, 16);
    all = {begin < all.begin ? begin : all.begin, end > all.end ? end : all.end};
  }
  ValuePages blocks = pages;
  for (int b = 0; b < t.s.value_stride / 32; b++) {
    float step[N];
    for (int n = 0; n < N; n++)
      step[n] = weigh(t.scores(first + n), blocks, seen[n], all, weights + n * kSpanTokens);
    for (const ValueBlock*& next : blocks.block) {  // of the same page: its scales are read first
      if (!next) continue;
      simd::prefetch(next + kSpanPages);
      simd::prefetch(reinterpret_cast<const char*>(next + kSpanPages) + 64);
    }
    float* out = t.part(first) + 32 * b;
    for (int c = 0; c < 32; c += R * L)
      sum_block<N, R>(weights, blocks, c, all, step, out + c, t.s.value_stride);
    for (const ValueBlock*& block : blocks.block)
      if (block) block += kSpanPages;
  }
}

inline void gather_int8(const Tile& t, const ValuePages& pages, Range queries, int start) {
  const Groups groups(queries, queries.size() <= kGroup ? kGroup : kManyGroup);
  for (int g = 0; g < groups.count; g++)
    with_count(groups[g].size(), [&]<int N>() { gather_blocks<N>(t, pages, groups[g].begin, start); });
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
