// Which kernel serves which format and how many activation rows.
#include "kernels/gemm.h"

#include "kernels/gemm_float.h"
#include "kernels/isa.h"
#include "kernels/rows.h"

namespace pestle::PESTLE_ISA_NAMESPACE {
namespace {

template <class F>
using ScratchOf = Scratch<F::kScales, F::kMin>;

template <class F, int M>
void multiply_group(const MatmulArgs& a, const ScratchOf<F>* w, const char* panel, int n0, float* y) {
  multiply<simd::DotKind<F::kMax, F::kSigned>, F::kOffset != 0, F::kScales, F::kMin, M>(a, w, panel, n0, y);
}

template <class F>
void matmul(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  if (a.rows <= kDirectRows) {
    PESTLE_FOR_ROWS(a.rows, kDirectRows, (direct<F, M>(a, strip_begin, strip_end)))
    return;
  }
  auto* w = static_cast<ScratchOf<F>*>(scratch);
  const int tiles = a.columns / kColumns<F>, groups = panel_groups(a.rows, simd::kMaxRows);
  const size_t row_bytes = panel_row_bytes(kPanelOf<F>, a.columns);
  for (int strip = strip_begin; strip < strip_end; strip++) {
    for (int r = 0; r < kStripRows / simd::kLanes; r += simd::kStripVectors) {
      decode_strip<F>(a.tiles + size_t(strip) * 2 * tiles * sizeof(typename F::Tile), tiles, r, w);
      const int n0 = kStripRows * strip + r * simd::kLanes;
      for (int g = 0; g < groups; g++) {
        const int first = group_begin(a.rows, groups, g), rows = group_begin(a.rows, groups, g + 1) - first;
        const char* panel = a.panels + first * row_bytes;
        float* y = a.y + first * a.ldy + n0;
        PESTLE_FOR_ROWS(rows, simd::kMaxRows, (multiply_group<F, M>(a, w, panel, n0, y)))
      }
    }
  }
}

template <class F>
void matmul_float(const MatmulArgs& a, int strip_begin, int strip_end, void* scratch) {
  if (a.rows <= kDirectRows) {
    PESTLE_FOR_ROWS(a.rows, kDirectRows, (direct_float<F, M>(a, strip_begin, strip_end)))
    return;
  }
  auto* w = static_cast<FloatScratch*>(scratch);
  const int groups = panel_groups(a.rows, simd::kMaxRows);
  for (int strip = strip_begin; strip < strip_end; strip++) {
    for (int r = 0; r < kStripRegisters; r += simd::kStripVectors) {
      decode_float_strip<F>(a.tiles + size_t(strip) * 2 * a.columns * sizeof(typename F::Tile), a.columns, r, w);
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

Matmul matmul_of(Format format) {
  switch (format) {
    case Format::F32: return matmul_float<FloatF32>;
    case Format::F16: return matmul_float<FloatF16>;
    case Format::BF16: return matmul_float<FloatBF16>;
    case Format::Q8_0: return matmul<Q8_0>;
    case Format::Q4_0: return matmul<Q4_0>;
    case Format::Q4_1: return matmul<Q4_1>;
    case Format::Q5_0: return matmul<Q5_0>;
    case Format::Q5_1: return matmul<Q5_1>;
    case Format::IQ4_NL: return matmul<IQ4_NL>;
    case Format::MXFP4: return matmul<MXFP4>;
    case Format::Q2_K: return matmul<Q2_K>;
    case Format::Q3_K: return matmul<Q3_K>;
    case Format::Q4_K: return matmul<Q4_K>;
    case Format::Q5_K: return matmul<Q5_K>;
    case Format::Q6_K: return matmul<Q6_K>;
    case Format::IQ4_XS: return matmul<IQ4_XS>;
  }
  return nullptr;
}

PanelKind panel_of(Format format) {
  switch (format) {
    case Format::F32: case Format::F16: case Format::BF16: return {0, false, 0};
    case Format::Q8_0: return kPanelOf<Q8_0>;
    case Format::Q4_0: return kPanelOf<Q4_0>;
    case Format::Q4_1: return kPanelOf<Q4_1>;
    case Format::Q5_0: return kPanelOf<Q5_0>;
    case Format::Q5_1: return kPanelOf<Q5_1>;
    case Format::IQ4_NL: return kPanelOf<IQ4_NL>;
    case Format::MXFP4: return kPanelOf<MXFP4>;
    case Format::Q2_K: return kPanelOf<Q2_K>;
    case Format::Q3_K: return kPanelOf<Q3_K>;
    case Format::Q4_K: return kPanelOf<Q4_K>;
    case Format::Q5_K: return kPanelOf<Q5_K>;
    case Format::Q6_K: return kPanelOf<Q6_K>;
    case Format::IQ4_XS: return kPanelOf<IQ4_XS>;
  }
  return {};
}

size_t scratch_bytes(Format format, int columns) {
  const PanelKind kind = panel_of(format);
  const size_t blocks = columns / kBlockColumns;
  if (kind.scales == 0) return size_t(columns) * sizeof(FloatScratch);
  if (kind.scales == 1) return blocks * (kind.mins ? sizeof(Scratch<1, true>) : sizeof(Scratch<1, false>));
  return blocks * (kind.mins ? sizeof(Scratch<2, true>) : sizeof(Scratch<2, false>));
}

int max_rows() { return simd::kMaxRows; }

double int8_operations(int iterations) {
  using D = simd::DotKind<15, false>;
  const uint8_t ones[64] = {1, 1, 1};
  U8 w = simd::load(ones);
  I32 x = simd::splat(int32_t(0x01010101));
  D d[8];  // unrolled, so these are registers
  PESTLE_UNROLL for (int i = 0; i < 8; i++) d[i].start(x);
  for (int i = 0; i < iterations; i++) {
    simd::opaque(w);  // or the products of AVX2 would leave the loop
    PESTLE_UNROLL for (int k = 0; k < 8; k++) {
      PESTLE_UNROLL for (int j = 0; j < 8; j++) d[j].step(w, x, k);
    }
  }
  int32_t sum = 0;
  PESTLE_UNROLL for (int i = 0; i < 8; i++) sum ^= simd::reduce_add(d[i].value());
  asm volatile("" ::"r"(sum));
  return 2.0 * iterations * 64 * kBytes;
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
