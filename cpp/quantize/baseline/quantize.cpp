#include "quantize/baseline/quantize.h"

#include <algorithm>
#include <atomic>
#include <bit>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "core/error.h"
#include "core/fp_environment.h"
#include "quantize/baseline/dispatch.h"

namespace pestle::quantize {
namespace {

constexpr int64_t kPiece = 1 << 15;  // numbers that a thread takes at a time

// The largest number that every block of a type can hold. Scales and minimums are halves, so a half is asked
// for: a scale that is an infinity would make a whole block of NaN.
float limit_of(gguf::Type type) {
  switch (type) {
    case gguf::Type::F32:
    case gguf::Type::MXFP4:
      return std::bit_cast<float>(0x7f7fffffu);
    case gguf::Type::BF16:
      return std::bit_cast<float>(0x7f7f7fffu);  // what lies above rounds to infinity
    default:
      return 65504;
  }
}

std::string shown(float x) {
  char text[32];
  std::snprintf(text, sizeof text, "%.6g", static_cast<double>(x));
  return text;
}

[[noreturn]] void refuse(gguf::Type type, const Matrix& m, float limit) {
  const float* bad =
      std::find_if(m.x, m.x + m.rows * m.columns, [&](float x) { return !(std::fabs(x) <= limit); });
  const int64_t row = (bad - m.x) / m.columns, column = (bad - m.x) % m.columns;
  const std::string where = "row " + std::to_string(row) + ", column " + std::to_string(column);
  if (!std::isfinite(*bad)) throw QuantizeError(where + " is not finite", row, column);
  throw QuantizeError(where + " is " + shown(*bad) + "; " + std::string(gguf::type_info(type).name) +
                          " holds up to " + shown(limit),
                      row, column);
}

// With a mean of one, so that no sum of squares leaves the range of floats; and nowhere zero, so that columns
// that do not matter still come out near what they were.
std::vector<float> balanced(const float* importance, int64_t columns) {
  double sum = 0;
  for (int64_t i = 0; i < columns; i++) {
    if (!(importance[i] >= 0) || std::isinf(importance[i]))
      throw QuantizeError("the importance of column " + std::to_string(i) + " is " + shown(importance[i]), -1,
                          i);
    sum += importance[i];
  }
  const double mean = sum / static_cast<double>(columns);
  std::vector<float> balanced(static_cast<size_t>(columns), 1.0f);
  if (mean > 0)
    for (int64_t i = 0; i < columns; i++)
      balanced[i] = std::max(static_cast<float>(importance[i] / mean), 1e-6f);
  return balanced;
}

}  // namespace

int64_t row_bytes(gguf::Type type, int64_t columns) {
  quantizers(type);
  const gguf::TypeInfo& info = gguf::type_info(type);
  if (columns % info.block_elems != 0)
    throw UnsupportedError(std::string(info.name) + " needs rows of a multiple of " +
                           std::to_string(info.block_elems) + " columns, these have " +
                           std::to_string(columns));
  return columns / info.block_elems * info.block_bytes;
}

void quantize_rows(gguf::Type type, const Matrix& matrix, const float* importance, uint8_t* out,
                   ThreadPool& pool) {
  row_bytes(type, matrix.columns);
  if (matrix.rows == 0 || matrix.columns == 0) return;
  const DefaultFpEnvironment environment;
  const Quantizers found = quantizers(type);
  std::vector<float> weights;
  if (importance) weights = balanced(importance, matrix.columns);
  const int64_t width = gguf::type_info(type).block_elems, blocks = matrix.columns / width;
  const int64_t all = matrix.rows * blocks, piece = kPiece / width;
  const Range whole = {matrix.x, importance ? weights.data() : nullptr, 0, all, blocks, out};
  const float limit = limit_of(type);
  std::atomic<bool> bad{false};
  pool.run(static_cast<int>((all + piece - 1) / piece), 1, [&](int begin, int end, int) {
    Range range = whole;
    range.begin = begin * piece;
    range.end = std::min(end * piece, all);
    if ((importance ? found.weighted : found.plain)(range) > std::bit_cast<uint32_t>(limit)) bad = true;
  });
  if (bad) refuse(type, matrix, limit);
}

}  // namespace pestle::quantize
