// Integers whose keys and values are one row. A score is a sum over the channels, which lie side by side:
// pairs of one position meet 16 queries in the lanes. A sum over the positions wants pairs of these side by
// side: some channels of a span at a time are put so, in L1.
#pragma once

#include "kernels/attention_int.h"
#include "kernels/attention_latent.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

constexpr int kScorePiece = 128;  // channels that meet all queries of a page while they are in L1
static_assert(kPageTokens * kScorePiece * sizeof(int16_t) <= kPageTokens * kLatentPiece * sizeof(float));

// A page's rows: [position][stride].
template <class T>
struct IntegerRows {
  const uint16_t *scales, *rest_scales;  // of the channels that are values, and of the rest
  const T* data;
  explicit IntegerRows(const void* page)
      : scales(static_cast<const uint16_t*>(page)),
        rest_scales(scales + kPageTokens),
        data(reinterpret_cast<const T*>(scales + 2 * kPageTokens)) {}
};

// The queries become integers, as keys do: [queries / 16][pair of channels][16 queries][2].
inline void integers_side_by_side(const Tile& t, float factor, bool rotated, float* steps,
                                  float* rest_steps) {
  const AttendArgs& a = t.a;
  const int stride = t.s.key_stride, values = a.value_dim, rest = a.head_dim - values;
  int16_t* rows = reinterpret_cast<int16_t*>(t.s.page);
  for (int first = 0; first < a.n_queries; first += kSide) {
    for (int i = 0; i < kSide; i++) {
      int16_t* row = rows + i * stride;
      if (first + i >= a.n_queries) {
        std::memset(row, 0, sizeof(int16_t) * size_t(stride));
        continue;
      }
      const float* q = a.q[first + i];
      steps[first + i] = integer_query(q, values, values, factor, rotated, row);
      rest_steps[first + i] =
          rest == 0 ? 0.0f : integer_query(q + values, rest, stride - values, factor, rotated, row + values);
    }
    float* out = t.q + first * stride / 2;
    for (int d = 0; d < stride; d += 2 * kSide) {
      Vec16 x[kSide];  // pairs of integers as they are: nothing computes with them
      for (int i = 0; i < kSide; i++) x[i] = load16(reinterpret_cast<const float*>(rows + i * stride + d));
      transpose(x);
      for (int i = 0; i < kSide; i++) store16(out + kSide * (d / 2 + i), x[i]);
    }
  }
}

// Some channels of `Sides` times 16 queries with P positions: sums[side][position][16] of 64 positions.
template <int P, int Sides>
PESTLE_NOINLINE void score_pairs(const int16_t* q, int side_stride, int pairs, const int16_t* rows,
                                 int stride, bool first, int32_t* sums) {
  constexpr int kOf = kSide / L, R = Sides * kOf;
  PairSum dot[P][R];
  start(dot);
  for (int i = 0; i < pairs; i++, q += 2 * kSide, rows += 2) {
    I32 x[R];
    PESTLE_UNROLL for (int r = 0; r < R; r++) x[r] =
        simd::load_pairs(q + (r / kOf) * side_stride + 2 * L * (r % kOf));
    PESTLE_UNROLL for (int p = 0; p < P; p++) {
      const I32 pair = simd::splat4(rows + p * stride);
      PESTLE_UNROLL for (int r = 0; r < R; r++) dot[p][r] = simd::add_pairs(dot[p][r], x[r], pair);
    }
  }
  PESTLE_UNROLL for (int p = 0; p < P; p++) PESTLE_UNROLL for (int r = 0; r < R; r++) {
    int32_t* s = sums + (r / kOf * kPageTokens + p) * kSide + r % kOf * L;
    const I32 total = simd::total(dot[p][r]);
    simd::store(s, first ? total : simd::add(simd::load(s), total));
  }
}

// Rows of some channels of a page as int16.
struct PairRows {
  const int16_t* data;
  int stride;
};
PESTLE_INLINE PairRows pair_rows(const Tile&, const int16_t* data, int stride, Range channels, Range) {
  return {data + channels.begin, stride};
}
PESTLE_INLINE PairRows pair_rows(const Tile& t, const int8_t* data, int stride, Range channels, Range seen) {
  int16_t* copy = reinterpret_cast<int16_t*>(t.s.page);
  for (int p = seen.begin; p < seen.end; p++)
    for (int c = 0; c < channels.size(); c += 2 * L)
      simd::store(reinterpret_cast<int32_t*>(copy + p * kScorePiece + c),
                  simd::load_pairs(data + size_t(p) * size_t(stride) + channels.begin + c));
  return {copy, kScorePiece};
}

// The dot products over the channels [part) of the queries of `sides` with the positions [whole) of a page.
template <class T>
void dot_products(const Tile& t, const T* data, Range part, Range sides, Range whole, Ahead& ahead,
                  int32_t* sums) {
  constexpr int P = L == 16 ? 8 : L == 8 ? 4 : 2, kMostSides = L == 16 ? 3 : 1;
  const int stride = latent_stride(t.a.types.keys, t.a.head_dim);
  for (int c = part.begin; c < part.end; c += kScorePiece) {
    const Range channels{c, c + kScorePiece < part.end ? c + kScorePiece : part.end};
    const PairRows rows = pair_rows(t, data, stride, channels, whole);
    for (int side = sides.begin; side < sides.end; side += kMostSides) {
      const int16_t* q = t.integer_q(side * kSide) + kSide * c;
      const int left = sides.end - side;
      for (int p = whole.begin; p < whole.end; p += P) {
        const int16_t* row = rows.data + p * rows.stride;
        int32_t* s = sums + (side * kPageTokens + p) * kSide;
        if (side == sides.begin) ahead.fetch(P * sizeof(T) * size_t(channels.size()));
        const auto score = [&]<int Sides>() {
          score_pairs<P, Sides>(q, kSide * t.s.key_stride, channels.size() / 2, row, rows.stride,
                                c == part.begin, s);
        };
        if constexpr (kMostSides > 2)
          if (left >= 3) {
            score.template operator()<3>();
            continue;
          }
        if constexpr (kMostSides > 1)
          if (left == 2) {
            score.template operator()<2>();
            continue;
          }
        score.template operator()<1>();
      }
    }
  }
}

template <class T>
void score_latent_integers(const Tile& t, const void* page, Ahead ahead, Range queries, int start) {
  const IntegerRows<T> rows(page);
  const Range seen = t.seen(queries, start);
  const Range whole{seen.begin / kSide * kSide, round_up(seen.end, kSide)};
  const Range sides{queries.begin / kSide, (queries.end + kSide - 1) / kSide};
  // [queries / 16][position][16 queries]
  int32_t* sums = reinterpret_cast<int32_t*>(t.s.page + kPageTokens * kLatentPiece);
  int32_t* rest_sums = sums + kPageTokens * kMaxQueries;
  const bool rest = t.s.key_stride > t.a.value_dim;
  dot_products(t, rows.data, {0, t.a.value_dim}, sides, whole, ahead, sums);
  if (rest) dot_products(t, rows.data, {t.a.value_dim, t.s.key_stride}, sides, whole, ahead, rest_sums);
  const auto floats = [](const int32_t* s) PESTLE_INLINE_LAMBDA {
    Vec16 x;
    PESTLE_UNROLL for (int i = 0; i < Vec16::kRegisters; i++) x.r[i] = simd::to_f32(simd::load(s + i * L));
    return x;
  };
  const auto scale = [](const uint16_t* s, int p)
                         PESTLE_INLINE_LAMBDA { return splat16(float_of(int32_t(uint32_t(s[p]) << 16))); };
  for (int side = sides.begin; side < sides.end; side++) {
    const Vec16 step = load16(t.q_step + side * kSide), rest_step = load16(t.q_rest + side * kSide);
    for (int p = whole.begin; p < whole.end; p += kSide) {
      Vec16 x[kSide];
      for (int j = 0; j < kSide; j++) {
        const int at = (side * kPageTokens + p + j) * kSide;
        x[j] = floats(sums + at) * scale(rows.scales, p + j) * step;
        if (rest) x[j] = fma(floats(rest_sums + at) * scale(rows.rest_scales, p + j), rest_step, x[j]);
      }
      transpose(x);
      for (int j = 0; j < kSide; j++) {
        const int n = side * kSide + j;
        if (n >= queries.begin && n < queries.end) store16(t.scores(n) + start % kSpanTokens + p, x[j]);
      }
    }
  }
}

// [pair of positions][kLatentPiece][2] of some channels of a page: of each 2 L of them first the even ones,
// then the odd ones.
template <class T>
void pair_positions(const T* data, int stride, int channels, int16_t* out) {
  for (int p = 0; p < kPageTokens; p += 2, out += 2 * kLatentPiece)
    for (int c = 0; c < channels; c += 2 * L) {
      const I32 a = simd::load_pairs(data + size_t(p) * size_t(stride) + c),
                b = simd::load_pairs(data + size_t(p + 1) * size_t(stride) + c);
      int32_t* pairs = reinterpret_cast<int32_t*>(out) + c;
      simd::store(pairs, simd::add(simd::bit_and(a, 0xffff), simd::shl<16>(b)));
      simd::store(pairs + L, simd::add(simd::shr<16>(a), simd::bit_and(b, -65536)));
    }
}

template <class T>
void gather_latent_integers(const Tile& t, const void* const* pages, Ahead ahead, Range queries, int start,
                            const float* step) {
  const int width = t.a.value_dim, stride = latent_stride(t.a.types.keys, t.a.head_dim);
  int16_t* copies = reinterpret_cast<int16_t*>(t.s.page);
  for (int c = 0; c < width; c += kLatentPiece) {
    const int channels = width - c < kLatentPiece ? width - c : kLatentPiece;
    ValuePages values{{}, kLatentPiece};
    for (int i = 0; i < kSpanPages; i++) {
      if (!pages[i]) continue;
      int16_t* copy = copies + i * kPageTokens * kLatentPiece;
      pair_positions(IntegerRows<T>(pages[i]).data + c, stride, channels, copy);
      values.data[i] = copy;
    }
    gather_integers<false, int16_t>(t, values, {0, channels}, queries, start, step, ahead, c);
  }
}
// Back into their order.
inline void order_channels(float* x, int n) {
  for (int c = 0; c < n; c += 2 * L) {
    const F32 even = simd::load(x + c), odd = simd::load(x + c + L);
    simd::store(x + c, simd::zip_low(even, odd));
    simd::store(x + c + L, simd::zip_high(even, odd));
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
