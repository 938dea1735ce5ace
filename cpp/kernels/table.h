// The kernels of one instruction set, as the layers above see them. Every function is pure: it reads its
// arguments, writes its outputs and knows nothing of models or threads. Rows of activations are float, with
// room for a multiple of 32 elements.
//
// Numerics: an output element is one fixed sequence of operations, whatever the ISA, M, or the range of
// strips asked for (docs/numerics.md).
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/assume.h"
#include "kernels/attention.h"
#include "kernels/format.h"

namespace pestle {

// How activations are laid out for a format. They stand in groups of `max_rows` rows; the last one holds what
// is left. A narrow group of m rows holds, for each block of 32 columns,
//   float d[m]; int32 aux[scales][m]; int8 q[m][32]                     x = d * q, |q| <= 127
// and a wide one, behind float d[m] for whole rows,
//   int32 aux[scales][m]; int8 high[m][32]; int8 low[m][32]             x = d * (128 * high + low), |q| <=
//   16319
// Some sets multiply int16 faster than two planes: with `words` a group holds int16 q[m][32] instead.
// aux is -offset * sum(q) (where the integer dot product starts), or, with `mins`, the float that a format's
// minimum is multiplied with: d * sum(q), wide sum(q). Sums go over the block, or over each half of it where
// scales = 2. With `pairs` aux is two int16, modulo 2^16, the first of the columns that are 0 or 1 modulo 4,
// the second of the others: AVX2 adds up products in such pairs. scales = 0: plain floats, x[m][32] for each
// block of columns, a last one that is not whole too.
struct PanelKind {
  uint8_t scales;
  bool mins, wide, words, pairs;
  int16_t offset;
  int max_rows;
  bool operator==(const PanelKind&) const = default;
};

// Of one row of one block.
constexpr size_t panel_block_bytes(PanelKind kind) {
  if (kind.scales == 0) return kBlockColumns * sizeof(float);
  return (kind.wide ? 0 : 4) + 4 * kind.scales + (kind.wide || kind.words ? 64 : 32);
}
constexpr size_t panel_row_bytes(PanelKind kind, int columns) {
  const size_t blocks = (columns + kBlockColumns - 1) / kBlockColumns;
  return (kind.wide ? 4 : 0) + blocks * panel_block_bytes(kind);
}

// Behind the last group lies room that kernels may read (and not use): sixteen rows of a block, of which it
// may hold fewer.
constexpr size_t kPanelSlack = 512;

// Activation rows that meet a decoded piece of weights together: their sums wait for the next piece.
constexpr int kBlockRows = 192;

struct PanelArgs {
  const float* x;  // [.., columns], row stride ldx
  size_t ldx;
  int n_rows, columns;
  PanelKind kind;
  char* out;                    // n_rows * panel_row_bytes, and kPanelSlack
  const int* source = nullptr;  // row i of the panels is x's row source[i]; null: row i
  // Only some blocks of 32 columns, and x holds only these; not for wide panels, whose scale is a whole row's
  int first_block = 0, end_block = -1;  // -1: all
};

// What multiplies `up` (Shazeer 2020): silu(gate), gelu(gate) in the tanh form, or gpt-oss's clamped form.
enum class Activation : uint8_t { silu, gelu_tanh, swiglu_oai };

enum class Epilogue : uint8_t { store, add };  // y = product, or y += product

struct MatmulArgs {
  const char* tiles;   // [strips * 2][columns / tile columns] tiles
  const char* panels;  // of `rows` activation rows, in this format's PanelKind
  const float* bias;   // [strips * 32] or null
  float* y;            // [rows, strips * 32], row stride ldy
  size_t ldy;
  int columns, rows;
  Epilogue epilogue;
};

using Matmul = void (*)(const MatmulArgs&, int strip_begin, int strip_end, void* scratch);

struct KernelTable {
  const char* isa;
  PanelKind panel[2][kFormats];     // [wide]
  size_t (*scratch_bytes)(Format);  // per thread, for matmul
  int direct_rows[2][kFormats];     // [wide], up to how many activation rows `direct` serves
  int most_direct_rows;             // ... and could serve
  Matmul direct[2][kFormats], multiply[2][kFormats];  // [wide]
  void (*make_panels)(const PanelArgs&, int group_begin, int group_end);
  // y = x / sqrt(mean(x^2) + eps) * w over n elements (Zhang & Sennrich 2019)
  void (*rms_norm)(const float* x, const float* w, float* y, int n, float eps);
  // gate = activation(gate) * up
  void (*gate_mul)(Activation, float* gate, const float* up, int n);
  // x = exp(x) / sum(exp(x)), and 1 / (1 + exp(-x)): of a router's n logits
  void (*softmax)(float* x, int n);
  void (*sigmoid)(float* x, int n);
  // y = fma(x, scale, y)
  void (*add_scaled)(float* y, const float* x, float scale, int n);
  // (x[i], x[i + half]) rotated by angle i (Su et al. 2021, half-split form)
  void (*rope)(float* x, const float* cos, const float* sin, int half);
  // One position of a page, numbered from the page's first
  void (*store_key)(const float* k, int head_dim, void* page, int position, KvType);
  void (*store_value)(const float* v, int value_dim, void* page, int position, KvType);
  void (*store_latent)(const float* row, int head_dim, int value_dim, void* page, int position, KvType);
  // softmax(scale q k^T) v
  void (*attend)(const AttendArgs&);
  // The same in two steps. Of some heads that see the same spans, span by span, the parts [begin, end) of
  // n_heads * spans; they share the first one's scratch
  void (*attend_spans)(const AttendArgs* heads, int n_heads, int begin, int end);
  void (*merge_spans)(const AttendArgs&);
  // Run the dot products in registers; return the operations done
  double (*int8_operations)(int iterations);
  double (*int16_operations)(int iterations);
};

inline bool is_direct(const KernelTable& k, Format f, bool wide, int rows) {
  PESTLE_ASSUME(rows >= 1);
  return rows <= k.direct_rows[wide][static_cast<int>(f)];
}
inline PanelKind panel_of(const KernelTable& k, Format f, bool wide, int rows) {
  PanelKind kind = k.panel[wide][static_cast<int>(f)];
  if (is_direct(k, f, wide, rows)) {
    kind.words = false;                  // weights are multiplied as they are decoded: bytes
    kind.max_rows = k.most_direct_rows;  // all rows are one group
  }
  return kind;
}
inline Matmul matmul_of(const KernelTable& k, Format f, bool wide, int rows) {
  return (is_direct(k, f, wide, rows) ? k.direct : k.multiply)[wide][static_cast<int>(f)];
}

constexpr int panel_groups(int rows, int max_rows) { return (rows + max_rows - 1) / max_rows; }
struct Group { int first, rows; };
constexpr Group group_of(int rows, int max_rows, int g) {
  const int first = g * max_rows;
  PESTLE_ASSUME(g >= 0 && first < rows);
  return {first, rows - first < max_rows ? rows - first : max_rows};
}

// The best set that this machine runs, or the one that PESTLE_ISA names (UnsupportedError when it cannot run
// here).
const KernelTable& kernels();

}  // namespace pestle
