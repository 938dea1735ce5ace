// Activations as the products read them: quantized, in the panels that table.h describes.
#include "core/assume.h"
#include "kernels/isa.h"
#include "kernels/vec16.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

using simd::F32;
using simd::I32;

// Below this the reciprocal could overflow; such values add nothing to any sum of normal size, as no weight
// is larger than 2^35 (model/packing.cpp, format.h).
constexpr float kTiny = 0x1p-100f;

// What 15 bits hold, as two signed bytes: 128 high + low.
constexpr int kWideSteps = 127 * 128 + 63;
// A dot product of gemm.h is one of 32 columns, of weights' bytes up to 255 where an offset makes them so,
// and what the offset takes off: it stays in 32 bits, whatever the format.
static_assert(int64_t(kBlockColumns) * kWideSteps * (255 + 128) < int64_t(1) << 31);

// How values up to a largest magnitude become integers up to `steps`. A magnitude that is not finite gives
// the scale NaN and only zeros: the NaN reaches every output that reads these values, and no conversion of it
// is asked for.
struct Scale { float d, inverse; };
PESTLE_INLINE Scale scale_of(int32_t magnitude_bits, float steps) {
  float largest;
  std::memcpy(&largest, &magnitude_bits, 4);
  if (magnitude_bits >= 0x7f800000) return {__builtin_nanf(""), 0.0f};
  if (largest < kTiny) return {0.0f, 0.0f};
  return {largest / steps, steps / largest};
}

// x * inverse, rounded to nearest even; zero where nothing is to be converted.
PESTLE_INLINE I32 quantize(F32 x, const Scale& scale) {
  return scale.inverse == 0.0f ? simd::splat(int32_t(0))
                               : simd::to_i32(simd::mul(x, simd::splat(scale.inverse)));
}

// What the integers of a block add up to, of each half where a format has two scales. A sum over lanes takes
// as long as quantizing the block, so it is taken once where once is enough.
template <int S>
PESTLE_INLINE void add_up(I32 first_half, I32 second_half, int32_t (&sum)[2]) {
  if constexpr (S == 2) {
    sum[0] = simd::reduce_add(first_half);
    sum[1] = simd::reduce_add(second_half);
  } else {
    sum[0] = simd::reduce_add(simd::add(first_half, second_half));
  }
}

// 32 floats -> int8 with one scale: d = max|x| / 127, q = x * (127 / max|x|). Returns d.
template <int S>
PESTLE_INLINE float quantize_block(const float* x, char* q, bool words, int32_t (&sum)[2]) {
  const Vec16 a = load16(x), b = load16(x + 16);
  const Scale scale = scale_of(largest_magnitude(a, b), 127.0f);
  I32 total[2] = {simd::splat(int32_t(0)), simd::splat(int32_t(0))};
  PESTLE_UNROLL for (int half = 0; half < 2; half++) {
    PESTLE_UNROLL for (int i = 0; i < Vec16::kRegisters; i++) {
      const I32 n = quantize((half == 0 ? a : b).r[i], scale);
      const int at = 16 * half + i * simd::kLanes;
      if (words)
        simd::store_s16(reinterpret_cast<int16_t*>(q) + at, n);
      else
        simd::store_s8(reinterpret_cast<int8_t*>(q) + at, n);
      total[half] = simd::add(total[half], n);
    }
  }
  add_up<S>(total[0], total[1], sum);
  return scale.d;
}

// Of n columns the sum of those that are 0 or 1 modulo 4, and the others' of the whole `sum`: each times
// -offset, modulo 2^16.
PESTLE_INLINE int32_t pair_of_sums(const int8_t* q, int n, int32_t sum, int offset) {
  int32_t first = 0;
  for (int i = 0; i < n; i += 4) first += q[i] + q[i + 1];
  const uint16_t pair[2] = {uint16_t(-offset * first), uint16_t(-offset * (sum - first))};
  int32_t r;
  std::memcpy(&r, pair, 4);
  return r;
}

PESTLE_INLINE void put(char* p, float v) { std::memcpy(p, &v, 4); }
PESTLE_INLINE void put(char* p, int32_t v) { std::memcpy(p, &v, 4); }

// Row `row` of a group of `rows`: aux of one block, as PanelKind says, whose integers are q where they are
// bytes.
template <int S>
PESTLE_INLINE void put_aux(char* aux, PanelKind kind, const int32_t (&sum)[2], float d, int row, int rows,
                           const char* q) {
  constexpr int kColumns = kBlockColumns / S;
  PESTLE_UNROLL for (int s = 0; s < S; s++) {
    char* p = aux + 4 * (s * rows + row);
    if (kind.mins)
      put(p, d * (float)sum[s]);
    else if (kind.pairs)
      put(p, pair_of_sums(reinterpret_cast<const int8_t*>(q) + s * kColumns, kColumns, sum[s], kind.offset));
    else
      put(p, -kind.offset * sum[s]);
  }
}

// The blocks [begin, end) of a row, whose floats begin at x.
template <int S>
void narrow_row(const float* x, int begin, int end, PanelKind kind, int row, int rows, char* group) {
  const size_t block_bytes = rows * panel_block_bytes(kind);
  group += begin * block_bytes;
  for (int b = begin; b < end; b++, x += kBlockColumns, group += block_bytes) {
    char* q = group + rows * (4 + 4 * S) + (kind.words ? 64 : 32) * row;
    int32_t sum[2];
    const float d = quantize_block<S>(x, q, kind.words, sum);
    put(group + 4 * row, d);
    put_aux<S>(group + 4 * rows, kind, sum, d, row, rows, q);
  }
}

// q = 128 high + low
PESTLE_INLINE void store_planes(I32 q, int8_t* high, int8_t* low) {
  const F32 part = simd::mul(simd::to_f32(q), simd::splat(1.0f / 128));
  const I32 minus_high = simd::to_i32(simd::sub(simd::splat(0.0f), part));
  simd::store_s8(high, simd::to_i32(part));
  simd::store_s8(low, simd::add(q, simd::shl<7>(minus_high)));
}

// A whole row with one scale: d = max|x| / 16319, q = x * (16319 / max|x|) rounded to nearest even.
template <int S>
void wide_row(const float* x, int columns, PanelKind kind, int row, int rows, char* group) {
  I32 top = simd::splat(int32_t(0));
  for (int i = 0; i < columns; i += simd::kLanes) top = simd::max(top, magnitude(simd::load(x + i)));
  const Scale scale = scale_of(simd::reduce_max(top), float(kWideSteps));
  put(group + 4 * row, scale.d);
  char* block = group + 4 * rows;
  for (int b = 0; b < columns / kBlockColumns; b++, block += rows * panel_block_bytes(kind)) {
    char* codes = block + 4 * S * rows + (kind.words ? 64 : 32) * row;
    I32 total[2] = {simd::splat(int32_t(0)), simd::splat(int32_t(0))};
    PESTLE_UNROLL for (int i = 0; i < kBlockColumns; i += simd::kLanes) {
      const I32 q = quantize(simd::load(x + b * kBlockColumns + i), scale);
      if (kind.words)
        simd::store_s16(reinterpret_cast<int16_t*>(codes) + i, q);
      else
        store_planes(q, reinterpret_cast<int8_t*>(codes) + i,
                     reinterpret_cast<int8_t*>(codes) + 32 * rows + i);
      total[i / 16] = simd::add(total[i / 16], q);
    }
    int32_t sum[2];
    add_up<S>(total[0], total[1], sum);
    put_aux<S>(block, kind, sum, 1.0f, row, rows, codes);
  }
}

void float_row(const float* x, const PanelArgs& a, int row, int rows, char* group) {
  constexpr size_t kBytes = kBlockColumns * sizeof(float);
  const int begin = a.first_block * kBlockColumns;
  const int end =
      a.end_block < 0 || a.end_block * kBlockColumns > a.columns ? a.columns : a.end_block * kBlockColumns;
  int k = begin;
  char* out = group + (size_t(a.first_block) * rows + row) * kBytes;
  for (; k + kBlockColumns <= end; k += kBlockColumns, out += rows * kBytes)
    std::memcpy(out, x + (k - begin), kBytes);
  if (k < end) std::memcpy(out, x + (k - begin), (end - k) * sizeof(float));
}

}  // namespace

void make_panels(const PanelArgs& a, int begin, int end) {
  PESTLE_ASSUME(a.n_rows >= 1 && 0 <= begin && begin <= end &&
                end <= panel_groups(a.n_rows, a.kind.max_rows));
  PESTLE_ASSUME(a.kind.scales == 0 || a.columns % kBlockColumns == 0);
  PESTLE_ASSUME(0 <= a.first_block && a.end_block <= (a.columns + kBlockColumns - 1) / kBlockColumns);
  PESTLE_ASSUME(!a.kind.wide || (a.first_block == 0 && a.end_block < 0));  // its scale is a whole row's
  const int last = a.end_block < 0 ? a.columns / kBlockColumns : a.end_block;
  for (int g = begin; g < end; g++) {
    const auto [first, rows] = group_of(a.n_rows, a.kind.max_rows, g);
    char* group = a.out + first * panel_row_bytes(a.kind, a.columns);
    for (int m = 0; m < rows; m++) {
      const float* x = a.x + (a.source ? a.source[first + m] : first + m) * a.ldx;
      if (a.kind.scales == 0)
        float_row(x, a, m, rows, group);
      else if (a.kind.wide)
        (a.kind.scales == 1 ? wide_row<1> : wide_row<2>)(x, a.columns, a.kind, m, rows, group);
      else
        (a.kind.scales == 1 ? narrow_row<1> : narrow_row<2>)(x, a.first_block, last, a.kind, m, rows, group);
    }
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
