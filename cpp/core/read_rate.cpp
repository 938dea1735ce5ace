#include "core/read_rate.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <optional>
#include <random>
#include <vector>

#include "core/thread_pool.h"

namespace pestle {

double measure_reads(std::span<const FileSpan> spans, const ReadBuffers& buffers,
                     std::chrono::milliseconds longest) {
  using Clock = std::chrono::steady_clock;
  std::atomic<size_t> done{0};
  std::exception_ptr failure;
  std::mutex failing;
  ThreadPool pool(buffers.readers());
  const Clock::time_point begin = Clock::now();
  pool.run(static_cast<int>(spans.size()), 1, [&](int first, int end, int thread) {
    for (int i = first; i < end && Clock::now() - begin < longest; i++) try {
        const FileSpan& s = spans[size_t(i)];
        s.file->read_pages(s.offset, s.bytes, buffers.of(thread));
        done.fetch_add(s.bytes, std::memory_order_relaxed);
      } catch (...) {
        const std::lock_guard lock(failing);
        failure = std::current_exception();
      }
  });
  if (failure) std::rethrow_exception(failure);
  return double(done) / std::chrono::duration<double>(Clock::now() - begin).count();
}

double measure_random_reads(const std::string& path, size_t bytes, int readers,
                            std::chrono::milliseconds longest) {
  constexpr size_t kMost = 1 << 14;  // more than any disk reads in that time
  const InputFile cached(path);
  const std::optional<InputFile> file = cached.past_cache();
  const uint64_t places = cached.size() / bytes;
  if (!file || places < 2 * uint64_t(readers)) return 0;
  // Never the same ones: a machine around this one may keep what was read before.
  std::mt19937_64 chance(std::random_device{}());
  std::vector<FileSpan> spans;
  for (size_t i = 0; i < kMost; i++) spans.push_back({&*file, chance() % places * bytes, bytes});
  return measure_reads(spans, ReadBuffers(readers, bytes + 2 * kReadAlignment), longest);
}

}  // namespace pestle
