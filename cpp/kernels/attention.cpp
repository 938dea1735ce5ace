// Attention over pages of 64 positions with an online softmax (Milakov & Gimelshein 2018; Dao et al. 2022).
//
// Keys lie transposed, so a lane is a position and a score is one fma chain over the channels; values lie as
// they are, so a lane is a channel and an output is one fma chain over the positions of a page. Pages are
// fixed by absolute position, and a page that a query does not see is not touched for it: neither the split
// of a prompt into steps nor the other queries of a block can change the order of operations.
#include "kernels/isa.h"
#include "kernels/rows.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

using simd::F32;
constexpr int L = simd::kLanes;
constexpr int kGroup = simd::kMaxRows;  // queries that share a load
constexpr int kRegs = 4;                // registers of positions or channels at a time

struct F16Kv {
  using Type = uint16_t;
  PESTLE_INLINE static F32 load(const Type* p) { return simd::load_f16(p); }
};
struct F32Kv {
  using Type = float;
  PESTLE_INLINE static F32 load(const Type* p) { return simd::load(p); }
};

struct State {  // of one query while its pages pass
  float *scores, *sums, *out;
  float max;
};

// scores[64] of N queries with a page of keys
template <class Kv, int N>
PESTLE_NOINLINE void score(const float* const* q, int head_dim, const typename Kv::Type* page,
                           State* states) {
  for (int p = 0; p < kPageTokens; p += kRegs * L) {
    F32 acc[N][kRegs];
    PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < kRegs; r++) acc[n][r] =
        simd::splat(0.0f);
    for (int d = 0; d < head_dim; d++) {
      F32 k[kRegs];
      PESTLE_UNROLL for (int r = 0; r < kRegs; r++) k[r] = Kv::load(page + d * kPageTokens + p + r * L);
      PESTLE_UNROLL for (int n = 0; n < N; n++) {
        const F32 x = simd::splat(q[n][d]);
        PESTLE_UNROLL for (int r = 0; r < kRegs; r++) acc[n][r] = simd::fma(x, k[r], acc[n][r]);
      }
    }
    PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < kRegs; r++)
        simd::store(states[n].scores + p + r * L, acc[n][r]);
  }
}

// out += p . values over the first `count` positions, N queries
template <class Kv, int N>
PESTLE_NOINLINE void gather(const State* states, const typename Kv::Type* page, int stride, int count) {
  for (int c = 0; c < stride; c += kRegs * L) {
    const int regs = (stride - c) / L < kRegs ? (stride - c) / L : kRegs;
    F32 acc[N][kRegs];
    if (regs == kRegs) {
      PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < kRegs; r++) acc[n][r] =
          simd::load(states[n].out + c + r * L);
      for (int p = 0; p < count; p++) {
        F32 v[kRegs];
        PESTLE_UNROLL for (int r = 0; r < kRegs; r++) v[r] = Kv::load(page + p * stride + c + r * L);
        PESTLE_UNROLL for (int n = 0; n < N; n++) {
          const F32 x = simd::splat(states[n].scores[p]);
          PESTLE_UNROLL for (int r = 0; r < kRegs; r++) acc[n][r] = simd::fma(x, v[r], acc[n][r]);
        }
      }
      PESTLE_UNROLL for (int n = 0; n < N; n++) PESTLE_UNROLL for (int r = 0; r < kRegs; r++)
          simd::store(states[n].out + c + r * L, acc[n][r]);
    } else {
      for (int n = 0; n < N; n++)
        for (int r = 0; r < regs; r++) {
          F32 sum = simd::load(states[n].out + c + r * L);
          for (int p = 0; p < count; p++)
            sum = simd::fma(simd::splat(states[n].scores[p]), Kv::load(page + p * stride + c + r * L), sum);
          simd::store(states[n].out + c + r * L, sum);
        }
    }
  }
}

// Turns scores into probabilities relative to the running maximum; rescales what was summed before.
PESTLE_INLINE void soften(State& s, int count, int stride) {
  for (int p = count; p < kPageTokens; p++) s.scores[p] = -__builtin_inff();
  Vec16 top = load16(s.scores);
  for (int p = 16; p < kPageTokens; p += 16) top = max(top, load16(s.scores + p));
  const float page_max = reduce_max(top);
  const float new_max = page_max > s.max ? page_max : s.max;
  const F32 factor = exp(simd::splat(s.max - new_max));
  s.max = new_max;
  Vec16 sums = load16(s.sums);
  PESTLE_UNROLL for (int i = 0; i < Vec16::kRegisters; i++) sums.r[i] = simd::mul(sums.r[i], factor);
  const Vec16 m = splat16(new_max);
  for (int p = 0; p < kPageTokens; p += 16) {
    const Vec16 e = exp(load16(s.scores + p) - m);
    store16(s.scores + p, e);
    sums = sums + e;
  }
  store16(s.sums, sums);
  for (int c = 0; c < stride; c += L) simd::store(s.out + c, simd::mul(simd::load(s.out + c), factor));
}

template <class Kv, int N>
PESTLE_INLINE void page_step(const AttendArgs& a, int page, int first, State* states) {
  const auto* k = static_cast<const typename Kv::Type*>(a.k_pages[page]);
  const auto* v = static_cast<const typename Kv::Type*>(a.v_pages[page]);
  const int before = page * kPageTokens;
  score<Kv, N>(a.q + first, a.head_dim, k, states + first);
  for (int n = first; n < first + N; n++) {
    const int seen = a.n_keys[n] - before;
    soften(states[n], seen < kPageTokens ? seen : kPageTokens, a.value_stride);
  }
  if (a.n_keys[first] - before >= kPageTokens) {  // n_keys does not decrease: every query sees the whole page
    gather<Kv, N>(states + first, v, a.value_stride, kPageTokens);
  } else {
    for (int n = first; n < first + N; n++) {
      const int seen = a.n_keys[n] - before;
      gather<Kv, 1>(states + n, v, a.value_stride, seen < kPageTokens ? seen : kPageTokens);
    }
  }
}

template <class Kv>
void attend_as(const AttendArgs& a) {
  State states[kMaxQueries];
  float* s = a.scratch;
  for (int n = 0; n < a.n_queries; n++, s += kPageTokens + 16 + a.value_stride) {
    states[n] = {s, s + kPageTokens, s + kPageTokens + 16, -__builtin_inff()};
    for (int i = 0; i < 16 + a.value_stride; i++) states[n].sums[i] = 0;
  }
  const int pages = (a.n_keys[a.n_queries - 1] + kPageTokens - 1) / kPageTokens;
  int begin = 0;
  for (int page = 0; page < pages; page++) {
    while (a.n_keys[begin] <= page * kPageTokens) begin++;
    const int queries = a.n_queries - begin, groups = panel_groups(queries, kGroup);
    for (int g = 0; g < groups; g++) {
      const int first = group_begin(queries, groups, g), n = group_begin(queries, groups, g + 1) - first;
      PESTLE_FOR_ROWS(n, kGroup, (page_step<Kv, M>(a, page, begin + first, states)))
    }
  }
  for (int n = 0; n < a.n_queries; n++) {
    const F32 sum = simd::splat(reduce_add(load16(states[n].sums)));
    for (int c = 0; c < a.value_stride; c += L)
      simd::store(states[n].out + c, simd::div(simd::load(states[n].out + c), sum));
    std::memcpy(a.out[n], states[n].out, sizeof(float) * a.value_dim);
  }
}

}  // namespace

void attend(const AttendArgs& a) {
  if (a.type == KvType::f16)
    attend_as<F16Kv>(a);
  else
    attend_as<F32Kv>(a);
}

void store_key(const float* k, int head_dim, void* page, int position, KvType type) {
  if (type == KvType::f32) {
    float* p = static_cast<float*>(page) + position;
    for (int d = 0; d < head_dim; d++) p[d * kPageTokens] = k[d];
    return;
  }
  uint16_t* p = static_cast<uint16_t*>(page) + position;
  for (int d = 0; d < head_dim; d += L) {
    float in[L] = {};
    uint16_t half[L];
    const int n = head_dim - d < L ? head_dim - d : L;
    std::memcpy(in, k + d, sizeof(float) * n);
    simd::store_f16(half, simd::load(in));
    for (int i = 0; i < n; i++) p[(d + i) * kPageTokens] = half[i];
  }
}

void store_value(const float* v, int value_dim, int value_stride, void* page, int position, KvType type) {
  float in[L] = {};
  for (int d = 0; d < value_dim; d += L) {
    const int n = value_dim - d < L ? value_dim - d : L;
    if (n < L) std::memset(in, 0, sizeof(in));
    std::memcpy(in, v + d, sizeof(float) * n);
    const size_t at = size_t(position) * value_stride + d;
    if (type == KvType::f32)
      simd::store(static_cast<float*>(page) + at, simd::load(in));
    else
      simd::store_f16(static_cast<uint16_t*>(page) + at, simd::load(in));
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
