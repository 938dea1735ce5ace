// Which kernel serves which format and how many activation rows.
#include "kernels/gemm_float.h"
#include "kernels/gemm_strips.h"
#include "kernels/isa.h"
#include "kernels/rows.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

template <class F, bool kWide>
struct Product {
  static constexpr bool kWords = kWordsOf<F, kWide>;
  using Form = typename Choice<kWords, AsWords<simd::WordDot>, AsBytes>::Type;
  using D = typename Choice<kWords, simd::WordDot, typename ByteDot<F, kWide>::Type>::Type;
  using Tile = typename F::Tile;
  using Scratch = ScratchOf<F, kWords>;
  static constexpr PanelKind kKind = kPanelOf<F, kWide>;
  static constexpr int kTileColumns = kColumns<F>, kUnit = kColumns<F>, kPieceColumns = kPieceBlocks * 32,
                       kRows = simd::kMaxRows;
  static void decode(const StripPiece& p, Scratch* w) { decode_piece<F, Form>(p, w); }
  static void multiply(const Scratch* w, int columns, const char* panel, int rows, float* sums,
                       const Ahead& ahead) {
    PESTLE_FOR_ROWS(
        rows, kRows,
        (pestle::PESTLE_ISA_NAMESPACE::multiply<D, F::kOffset != 0, kWide, kWords, F::kScales, F::kMin, M>(
            w, columns / kBlockColumns, panel, sums, ahead)))
  }
};

template <class F>
struct FloatProduct {
  using Tile = typename F::Tile;
  using Scratch = FloatColumn;
  static constexpr PanelKind kKind = kFloatPanel;
  static constexpr int kTileColumns = 1, kUnit = kBlockColumns, kPieceColumns = kFloatPieceColumns,
                       kRows = simd::kFloatRows;
  static void decode(const StripPiece& p, Scratch* w) { decode_columns<F>(p, w); }
  static void multiply(const Scratch* w, int columns, const char* panel, int rows, float* sums,
                       const Ahead& ahead) {
    PESTLE_FOR_ROWS(rows, kRows, (multiply_float<M>(w, columns, panel, sums, ahead)))
  }
};

template <class F, bool kWide>
void direct_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void*) {
  PESTLE_FOR_ROWS(a.rows, kDirectRows, (direct<F, kWide, M>(a, strip_begin, strip_end)))
}

template <class F, bool kWide>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  multiply_strips(a, strip_begin, strip_end, scratch, Product<F, kWide>());
}

template <class F>
void direct_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void*) {
  PESTLE_FOR_ROWS(a.rows, kDirectFloatRows, (direct_float<F, M>(a, strip_begin, strip_end)))
}

template <class F>
void multiply_rows_of(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  multiply_strips(a, strip_begin, strip_end, scratch, FloatProduct<F>());
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
      return kFloatPanel;
#define PESTLE_CASE(F) \
  case Format::F:      \
    return wide ? kPanelOf<F, true> : kPanelOf<F, false>;
      PESTLE_INTEGER_FORMATS(PESTLE_CASE)
#undef PESTLE_CASE
  }
  return {};
}

size_t scratch_bytes(Format format) {
  return panel_of(format, false).scales == 0 ? kFloatPieceColumns * sizeof(FloatColumn)
                                             : kPieceBlocks * sizeof(Scratch<2, true, simd::kWords>);
}

int most_direct_rows() { return kDirectRows; }

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
