#include "runtime/input_sums.h"

#include <algorithm>

namespace pestle {
namespace {

constexpr int kColumns = 256;  // that a thread takes at once: 2 KiB of sums

void add_squares(const MatrixInput& in, int first, int end, double* sums) {
  for (int r = 0; r < in.n_rows; r++) {
    const float* row = in.data + in.stride * size_t(in.source ? in.source[r] : r);
    for (int c = first; c < end; c++) sums[c] += double(row[c]) * double(row[c]);
  }
}

}  // namespace

void InputSums::observe(const Matrix& w, std::span<const MatrixInput> inputs) {
  // A part of a tensor that lies flat in the file stands for the whole tensor, which is one matrix.
  const size_t matrices = w.partial ? 1 : size_t(w.count);
  Sums& s = sums_[w.name];
  s.columns = w.columns;
  s.squares.resize(matrices * size_t(w.columns));
  s.counts.resize(matrices);
  for (const MatrixInput& in : inputs) s.counts[size_t(in.matrix)] += uint64_t(in.n_rows);
  const int pieces = (w.columns + kColumns - 1) / kColumns;
  pool_.run(static_cast<int>(inputs.size()) * pieces, 1, [&](int begin, int end, int) {
    for (int i = begin; i < end; i++) {
      const MatrixInput& in = inputs[size_t(i / pieces)];
      const int first = i % pieces * kColumns;
      add_squares(in, first, std::min(first + kColumns, w.columns),
                  s.squares.data() + size_t(in.matrix) * size_t(w.columns));
    }
  });
}

}  // namespace pestle
