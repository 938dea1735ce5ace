#include "runtime/product_probe.h"

#include <algorithm>
#include <chrono>
#include <cstring>

#include "core/buffer.h"
#include "core/cpu.h"
#include "model/linear.h"

namespace pestle {
namespace {

using Clock = std::chrono::steady_clock;

// As a half or a float it is a small normal number, as codes some value: nothing runs slower or faster on it.
constexpr int kByte = 0x2b;
constexpr size_t kPiece = size_t(1) << 20;
constexpr int kRounds = 5;
constexpr double kLongEnough = 0.2;  // seconds, after which no further round begins

void fill(ThreadPool& pool, Buffer& memory) {
  const int pieces = static_cast<int>((memory.size() + kPiece - 1) / kPiece);
  pool.run(pieces, 1, [&](int begin, int end, int) {
    const size_t from = size_t(begin) * kPiece;
    std::memset(memory.data() + from, kByte, std::min(size_t(end) * kPiece, memory.size()) - from);
  });
}

}  // namespace

double measure_product(const ProductShape& shape, int batch, int threads, size_t bytes) {
  ThreadPool pool(threads > 0 ? threads : default_threads());
  Matrix matrix{"", shape.format, shape.rows, shape.columns, shape.wide};
  const size_t one = matrix.bytes_of_one();
  matrix.count = static_cast<int>(std::max<size_t>(1, bytes / one));
  Buffer tiles(matrix.bytes());
  fill(pool, tiles);
  matrix.tiles = tiles.data();
  Workspace ws(pool, kernels().scratch_bytes(shape.format));
  const Rows x = ws.rows(batch, shape.columns), y = ws.rows(batch, padded(shape.rows));
  for (int i = 0; i < batch; i++)
    for (int c = 0; c < shape.columns; c++) x.row(i)[c] = static_cast<float>((i + 7 * c) % 17 - 8);
  double best = 1e30, all = 0;
  for (int round = 0; round < kRounds && all < kLongEnough; round++) {
    const auto start = Clock::now();
    for (int i = 0; i < matrix.count; i++) {
      const Arena::Scope scope(ws.arena);
      Matrix single = matrix;
      single.count = 1;
      single.tiles = tiles.data() + one * size_t(i);
      const Linear linear{&single};
      Activations a(ws, x);
      multiply(ws, a, {{linear, y}});
    }
    const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
    best = std::min(best, seconds);
    all += seconds;
  }
  return best / matrix.count;
}

}  // namespace pestle
