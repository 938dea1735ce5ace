// Scores over pages in which keys and values are one row: 16 queries stand side by side in the lanes, because
// in such attention all heads share the row, and a row's channels come one after the other. A score is the
// same chain of fmas over the channels as everywhere.
#pragma once

#include "kernels/attention_int8.h"
#include "kernels/attention_tile.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr int kSide = 16;  // queries side by side
static_assert(kMaxQueries % kSide == 0);

// [queries / 16][channels, stride of them][16 queries], scaled; lanes without a query are zero.
inline void side_by_side(const AttendArgs& a, float scale, int stride, float* q) {
  for (int first = 0; first < a.n_queries; first += kSide, q += kSide * stride) {
    const int n = a.n_queries - first < kSide ? a.n_queries - first : kSide;
    if (n < kSide) std::memset(q, 0, sizeof(float) * kSide * stride);
    for (int i = 0; i < n; i++)
      for (int d = 0; d < a.head_dim; d++) q[kSide * d + i] = a.q[first + i][d] * scale;
  }
}

// Of a position of a block, times 2^-16.
PESTLE_INLINE F32 scale_of(const ValueBlock* block, int position) {
  const uint32_t bits = uint32_t(block->scale[position]) << 16;
  float scale;
  std::memcpy(&scale, &bits, 4);
  return simd::splat(scale * 0x1p-16f);
}

// Rows of floats, as they lie or widened into `copy`, which loses nothing.
struct LatentRows {
  const float* data;
  int stride;
};
inline LatentRows latent_rows(const void* page, KvType type, int head_dim, Range seen, float* copy) {
  const int stride = round_up(head_dim, type == KvType::q8_0 ? 32 : 16);
  if (type == KvType::f32) return {static_cast<const float*>(page), stride};
  if (type == KvType::f16) {
    const auto* half = static_cast<const uint16_t*>(page);
    for (int i = seen.begin * stride; i < seen.end * stride; i += L) {
      fetch_ahead(half + i, L * sizeof(*half));
      simd::store(copy + i, simd::load_f16(half + i));
    }
    return {copy, stride};
  }
  const auto* block = static_cast<const ValueBlock*>(page);
  for (int b = 0; b < stride / 32; b++, block += kSpanPages)
    for (int p = seen.begin / 2 * 2; p < seen.end; p += 2) {
      float* row = copy + p * stride + 32 * b;
      const F32 even = scale_of(block, p), odd = scale_of(block, p + 1);
      for (int c = 0; c < 32; c += L) {  // both integers of a pair, times 2^16
        const I32 pair = simd::load_pairs(block->v[p / 2][c]);
        simd::store(row + c, simd::mul(simd::to_f32(simd::shl<16>(pair)), even));
        simd::store(row + stride + c, simd::mul(simd::to_f32(simd::bit_and(pair, -65536)), odd));
      }
    }
  return {copy, stride};
}

// The scores of 16 queries with P positions: [P][16].
template <int P>
PESTLE_NOINLINE void score_side(const float* q, int head_dim, const float* rows, int stride, float* out) {
  Vec16 sum[P];
  PESTLE_UNROLL for (int p = 0; p < P; p++) sum[p] = splat16(0.0f);
  for (int d = 0; d < head_dim; d++) {
    const Vec16 x = load16(q + kSide * d);
    PESTLE_UNROLL for (int p = 0; p < P; p++) sum[p] = fma(splat16(rows[p * stride + d]), x, sum[p]);
  }
  PESTLE_UNROLL for (int p = 0; p < P; p++) store16(out + kSide * p, sum[p]);
}

inline void score_latent(const Tile& t, const void* page, Range queries, int start) {
  // As many positions as leave the sums in registers; they divide a page.
  constexpr int P = kRegisters == 32 && L == 16 ? 16 : 4;
  const Range seen = t.seen(queries, start);
  const Range whole{seen.begin / P * P, round_up(seen.end, P)};
  const LatentRows rows = latent_rows(page, t.a.types.keys, t.a.head_dim, whole, t.s.page);
  for (int side = queries.begin / kSide; side * kSide < queries.end; side++) {
    const float* q = t.q + side * kSide * t.s.key_stride;
    const int begin = side * kSide > queries.begin ? side * kSide : queries.begin;
    const int end = (side + 1) * kSide < queries.end ? (side + 1) * kSide : queries.end;
    for (int p = whole.begin; p < whole.end; p += P) {
      float out[P * kSide];
      score_side<P>(q, t.a.head_dim, rows.data + size_t(p) * rows.stride, rows.stride, out);
      for (int n = begin; n < end; n++)
        for (int i = 0; i < P; i++) t.scores(n)[start % kSpanTokens + p + i] = out[i * kSide + n % kSide];
    }
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
