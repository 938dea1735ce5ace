// What the parts of attention share: the queries in work, which positions they see, and their memory.
#pragma once

#include "kernels/attention.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

using simd::F32;
using simd::I32;
constexpr int L = simd::kLanes;
constexpr int kGroup = 8;      // queries that share a load, at most
constexpr int kManyGroup = 6;  // where there are many: more registers of keys for each
constexpr int kTogether = 64;  // channels of a span of values that stay in L1 while many queries pass
constexpr int kRegisters = L == 8 ? 16 : 32;

// Registers of positions or channels that a group of n queries works on at a time, of `all`: as many as leave
// the accumulators, of Sum each, in registers.
template <class Sum>
constexpr int group_registers(int n, int all) {
  constexpr int kOfSum = sizeof(Sum) / sizeof(F32);
  int r = all < 8 ? all : 8;
  while (r > 1 && n * r * kOfSum + r + 1 > kRegisters) r /= 2;
  return r;
}

// Calls body.operator()<N>() with N equal to n, for n in [1, kGroup].
template <int N = kGroup, class Body>
PESTLE_INLINE void with_count(int n, const Body& body) {
  if constexpr (N > 1)
    if (n < N) return with_count<N - 1>(n, body);
  body.template operator()<N>();
}

// Fetches what is read some steps later. Measured on one core of a Xeon with DDR5 over keys and values of
// 900 MB, as a share of what a plain reader gets: 0.56 without, 0.72 into L1 from 1 KB ahead, 0.79 so.
constexpr size_t kNear = 3072;
PESTLE_INLINE void fetch_ahead(const void* p, size_t bytes) {
  for (size_t i = 0; i < bytes; i += 64) simd::prefetch_l2(static_cast<const char*>(p) + kNear + i);
}

// What is read next, and asked for while the work goes on, as much at a time as is read meanwhile: so the
// memory is busy whatever order the work reads its own pages in. An address only: it may run past what there
// is.
class Ahead {
 public:
  explicit Ahead(const void* next, size_t distance = 0) : at_(reinterpret_cast<uintptr_t>(next) + distance) {}
  PESTLE_INLINE void fetch(size_t bytes) {
    for (size_t i = 0; i < bytes; i += 64) simd::prefetch(reinterpret_cast<const void*>(at_ + i));
    at_ += bytes;
  }

 private:
  uintptr_t at_;
};

struct Range {
  int begin, end;
  int size() const { return end - begin; }
  bool empty() const { return end <= begin; }
};

// The softmax of some scores without its division: 2^(score - max) summed, scores in units of ln 2.
struct Mass { float max, sum; };

// Rows of one call's scratch.
struct Scratch {
  int key_stride, value_stride;  // elements of a row
  float* q;                      // [queries][key_stride] floats or int16, for each head of the call
  float *scores, *part, *out;    // of each query: a span's scores; what a span gives; what all give
  float* page;
  float* value_scales;  // of a span of integer values
  int16_t* weights;     // [queries][positions of a span]
  Scratch(void* memory, int head_dim, int value_dim)
      : key_stride(round_up(head_dim, 32)), value_stride(round_up(value_dim, 32)) {
    q = static_cast<float*>(memory);
    scores = q + kMaxQueries * key_stride;
    part = scores + kMaxQueries * kSpanTokens;
    out = part + kMaxQueries * value_stride;
    value_scales = out + kMaxQueries * value_stride;
    weights = reinterpret_cast<int16_t*>(value_scales + kSpanTokens);
    page = value_scales + kSpanTokens * (1 + kMaxQueries / 2);
  }
};

// The queries of one head.
struct Tile {
  const AttendArgs& a;
  const Scratch& s;
  float* q;             // rows of queries, prepared
  const float* q_step;  // what a unit of each is worth, where they were made integers
  const float* q_rest;  // the same of the channels that are not values, where keys and values are one row

  // The positions of [start, start + count) that query n sees, counted from start.
  PESTLE_INLINE Range seen(int n, int start, int count) const {
    const int first = a.first_key[n] - start, end = a.n_keys[n] - start;
    return {first > 0 ? first : 0, end < count ? end : count};
  }
  // What the queries [r) see of a page, all together.
  PESTLE_INLINE Range seen(Range r, int start) const {
    return {seen(r.begin, start, kPageTokens).begin, seen(r.end - 1, start, kPageTokens).end};
  }
  // Those of the queries that see some of [start, start + count).
  Range seeing(int start, int count) const {
    Range r{0, a.n_queries};
    while (r.begin < r.end && a.n_keys[r.begin] <= start) r.begin++;
    while (r.begin < r.end && a.first_key[r.end - 1] >= start + count) r.end--;
    return r;
  }
  float* scores(int n) const { return s.scores + n * kSpanTokens; }
  float* part(int n) const { return s.part + n * s.value_stride; }
  int16_t* integer_q(int n) const { return reinterpret_cast<int16_t*>(q) + n * s.key_stride; }
  int16_t* weights(int n) const { return s.weights + n * kSpanTokens; }
};

// Queries in groups of at most `most`, whose sizes differ by at most one.
struct Groups {
  Range all;
  int count;
  Groups(Range queries, int most) : all(queries), count((queries.size() + most - 1) / most) {}
  Range operator[](int g) const {
    return {all.begin + all.size() * g / count, all.begin + all.size() * (g + 1) / count};
  }
};

}  // namespace pestle::PESTLE_ISA_NAMESPACE
