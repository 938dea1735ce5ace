#include "runtime/probe.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>

#include "core/buffer.h"
#include "core/cpu.h"
#include "core/thread_pool.h"
#include "kernels/table.h"

namespace pestle {
namespace {

using Clock = std::chrono::steady_clock;
double seconds_since(Clock::time_point t) { return std::chrono::duration<double>(Clock::now() - t).count(); }

// Of a loop in registers that returns the operations done.
double rate_of(double (*operate)(int), int threads) {
  ThreadPool pool(threads > 0 ? threads : default_threads());
  constexpr int kIterations = 200000;  // some 5 ms a round: a thread that wakes late still takes part
  double best = 0;
  for (int round = 0; round < 10; round++) {
    std::atomic<uint64_t> operations{0};
    const auto start = Clock::now();
    pool.run(8 * pool.threads(), 1, [&](int begin, int end, int) {
      for (int i = begin; i < end; i++)
        operations.fetch_add(static_cast<uint64_t>(operate(kIterations / 8)), std::memory_order_relaxed);
    });
    best = std::max(best, static_cast<double>(operations.load()) / seconds_since(start));
  }
  return best;
}

}  // namespace

double measure_bandwidth(int threads) {
  ThreadPool pool(threads > 0 ? threads : default_threads());
  // Larger than any cache that decoding could profit from, small enough to fill in a moment.
  const size_t last_level = static_cast<size_t>(std::max<int64_t>(cpu_topology().l3, 0));
  const size_t bytes = std::clamp<size_t>(2 * last_level, size_t(256) << 20, size_t(1) << 30);
  constexpr size_t kPiece = size_t(256) << 10;
  Buffer memory(bytes);
  const int pieces = static_cast<int>(bytes / kPiece);
  pool.run(pieces, 16, [&](int begin, int end, int) {
    std::memset(memory.data() + begin * kPiece, 1, (end - begin) * kPiece);
  });
  std::atomic<uint64_t> sink{0};
  double best = 0;
  for (int round = 0; round < 5; round++) {
    const auto start = Clock::now();
    pool.run(pieces, 4, [&](int begin, int end, int) {
      const auto* p = reinterpret_cast<const uint64_t*>(memory.data() + begin * kPiece);
      uint64_t sum[8] = {};
      for (size_t i = 0; i < (end - begin) * kPiece / 8; i += 8)
        for (int j = 0; j < 8; j++) sum[j] += p[i + j];
      for (uint64_t s : sum) sink.fetch_add(s, std::memory_order_relaxed);
    });
    best = std::max(best, static_cast<double>(bytes) / seconds_since(start));
  }
  return best;
}

double measure_int8(int threads) { return rate_of(kernels().int8_operations, threads); }
double measure_int16(int threads) { return rate_of(kernels().int16_operations, threads); }

}  // namespace pestle
