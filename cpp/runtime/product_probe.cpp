#include "runtime/product_probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>

#include "core/cpu.h"
#include "model/linear.h"

namespace pestle {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

// As a half or a float it is a small normal number, as codes some value: nothing runs slower or faster on it.
constexpr int kByte = 0x2b;
constexpr size_t kPiece = size_t(1) << 20;
constexpr int kRounds = 5, kLeastRounds = 2;
constexpr double kLongEnough = 0.06;  // seconds, after which no further round begins

constexpr int kMostMatrices = 1 << 20;

}  // namespace

ProductProbe::ProductProbe(size_t bytes, int threads)
    : pool_(threads > 0 ? threads : default_threads()), tiles_(bytes) {
  fill();
}

void ProductProbe::fill() {
  const int pieces = static_cast<int>((tiles_.size() + kPiece - 1) / kPiece);
  pool_.run(pieces, 1, [&](int begin, int end, int) {
    const size_t from = size_t(begin) * kPiece;
    std::memset(tiles_.data() + from, kByte, std::min(size_t(end) * kPiece, tiles_.size()) - from);
  });
}

double ProductProbe::seconds(const ProductShape& shape, int batch) {
  Matrix matrix{"", shape.format, shape.rows, shape.columns, shape.wide};
  const size_t one = matrix.bytes_of_one();
  if (one > tiles_.size()) {
    tiles_ = Buffer();  // what there was is given back before
    tiles_ = Buffer(one);
    fill();
  }
  const int count = static_cast<int>(std::min<size_t>(tiles_.size() / one, kMostMatrices));
  Workspace ws(pool_, kernels().scratch_bytes(shape.format));
  const Rows x = ws.rows(batch, shape.columns), y = ws.rows(batch, padded(shape.rows));
  for (int i = 0; i < batch; i++)
    for (int c = 0; c < shape.columns; c++) x.row(i)[c] = static_cast<float>((i + 7 * c) % 17 - 8);
  double best = std::numeric_limits<double>::infinity(), all = 0;
  for (int round = 0; round < kLeastRounds || (round < kRounds && all < kLongEnough); round++) {
    const auto start = Clock::now();
    int done = 0;
    while (done < count) {
      const Arena::Scope scope(ws.arena);
      matrix.tiles = tiles_.data() + one * size_t(done++);
      const Linear linear{&matrix};
      Activations a(ws, x);
      multiply(ws, a, {{linear, y}});
      if (batch > 1 && seconds_since(start) > kLongEnough / kRounds) break;
    }
    const double round_seconds = seconds_since(start);
    best = std::min(best, round_seconds / done);
    all += round_seconds;
  }
  return best;
}

}  // namespace pestle
