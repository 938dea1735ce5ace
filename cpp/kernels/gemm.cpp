// Which kernel serves which format and how many activation rows.
#include "kernels/gemm_float.h"
#include "kernels/gemm_strips.h"
#include "kernels/isa.h"
#include "kernels/rows.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

template <bool kWords, class Words, class Bytes>
struct Choice {
  using Type = Bytes;
};
template <class Words, class Bytes>
struct Choice<true, Words, Bytes> {
  using Type = Words;
};

template <class F, bool kWide>
struct Product {
  static constexpr bool kWords = kWordsOf<F, kWide>;
  static constexpr int kRows = simd::kMaxRows;
  using D = typename Choice<kWords, simd::WordDot, simd::DotKind<F::kMax, F::kSigned>>::Type;
  static void prepare(ScratchOf<F, kWords>*, int) {}
  static void multiply(const ScratchOf<F, kWords>* w, int blocks, const char* panel, int rows, float* sums) {
    PESTLE_FOR_ROWS(
        rows, kRows,
        (pestle::PESTLE_ISA_NAMESPACE::multiply<D, F::kOffset != 0, kWide, kWords, F::kScales, F::kMin, M>(
            w, blocks, panel, sums)))
  }
};

template <class F, bool kWide>
void direct_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void*) {
  PESTLE_FOR_ROWS(a.rows, kDirectRows, (direct<F, kWide, M>(a, strip_begin, strip_end)))
}

template <class F, bool kWide>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  multiply_strips<F, kWide, Product<F, kWide>>(a, strip_begin, strip_end, scratch);
}

template <class F>
void direct_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void*) {
  PESTLE_FOR_ROWS(a.rows, kDirectRows, (direct_float<F, M>(a, strip_begin, strip_end)))
}

template <class F>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  auto* w = static_cast<FloatScratch*>(scratch);
  const int groups = panel_groups(a.rows, simd::kMaxRows);
  for (int strip = strip_begin; strip < strip_end; strip++) {
    for (int r = 0; r < kStripRegisters; r += simd::kStripVectors) {
      decode_float_strip<F>(a.tiles + size_t(strip) * 2 * a.columns * sizeof(typename F::Tile), a.columns, r,
                            w);
      const int n0 = kStripRows * strip + r * simd::kLanes;
      for (int g = 0; g < groups; g++) {
        const int first = group_begin(a.rows, groups, g), rows = group_begin(a.rows, groups, g + 1) - first;
        const char* panel = a.panels + size_t(first) * a.columns * 4;
        float* y = a.y + first * a.ldy + n0;
        PESTLE_FOR_ROWS(rows, simd::kMaxRows, (multiply_float<M>(a, w, panel, n0, y)))
      }
    }
  }
}

}  // namespace

#define PESTLE_EVERY_FORMAT(kernel)       \
  switch (format) {                       \
    case Format::F32:                     \
      return kernel<FloatF32>;            \
    case Format::F16:                     \
      return kernel<FloatF16>;            \
    case Format::BF16:                    \
      return kernel<FloatBF16>;           \
      PESTLE_INTEGER_FORMATS(PESTLE_CASE) \
  }                                       \
  return nullptr;

Matmul direct_of(Format format, bool wide) {
#define PESTLE_CASE(F) \
  case Format::F:      \
    return wide ? direct_rows_of<F, true> : direct_rows_of<F, false>;
  PESTLE_EVERY_FORMAT(direct_rows_of)
#undef PESTLE_CASE
}

Matmul multiply_of(Format format, bool wide) {
#define PESTLE_CASE(F) \
  case Format::F:      \
    return wide ? multiply_rows_of<F, true> : multiply_rows_of<F, false>;
  PESTLE_EVERY_FORMAT(multiply_rows_of)
#undef PESTLE_CASE
}

PanelKind panel_of(Format format, bool wide) {
  switch (format) {
    case Format::F32:
    case Format::F16:
    case Format::BF16:
      return {0, false, false, false, 0, simd::kMaxRows};
#define PESTLE_CASE(F) \
  case Format::F:      \
    return wide ? kPanelOf<F, true> : kPanelOf<F, false>;
      PESTLE_INTEGER_FORMATS(PESTLE_CASE)
#undef PESTLE_CASE
  }
  return {};
}

size_t scratch_bytes(Format format, int columns) {
  const PanelKind kind = panel_of(format, false);
  return kind.scales == 0 ? size_t(columns) * sizeof(FloatScratch)
                          : kPieceBlocks * sizeof(Scratch<2, true, simd::kWords>);
}

int direct_rows() { return kDirectRows; }

double int8_operations(int iterations) {
  using D = simd::DotKind<15, false>;
  const uint8_t ones[64] = {1, 1, 1};
  U8 w = simd::load(ones);
  I32 x = simd::splat(int32_t(0x01010101));
  D d[8];  // unrolled, so these are registers
  PESTLE_UNROLL for (int i = 0; i < 8; i++) d[i].start(simd::splat(int32_t(i)));
  for (int i = 0; i < iterations; i++) {
    PESTLE_UNROLL for (int k = 0; k < 8; k++) {
      PESTLE_UNROLL for (int j = 0; j < 8; j++) {
        simd::opaque(w);  // or the compiler would see that the products repeat
        d[j].step(w, x, k);
      }
    }
  }
  int32_t sum = 0;
  PESTLE_UNROLL for (int i = 0; i < 8; i++) sum ^= simd::reduce_add(d[i].value());
  asm volatile("" ::"r"(sum));
  return 2.0 * iterations * 64 * kBytes;
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
