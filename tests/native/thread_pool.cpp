// Loops of random sizes on pools whose active threads change: every item is worked on once, by a thread of
// the pool. Prints how many loops there were.
#include "core/thread_pool.h"

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <vector>

namespace {

// Some items take longer, so that threads run out at different times and steal.
void work(int item) {
  [[maybe_unused]] static thread_local volatile unsigned sink;
  for (unsigned i = 0; i < unsigned(item % 17) * 20; i++) sink = i;
}

void expect(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

}  // namespace

int main() {
  std::mt19937 random(1);
  int loops = 0;
  for (const int threads : {2, 3, 8}) {
    pestle::ThreadPool pool(threads);
    for (int i = 0; i < 1000; i++, loops++) {
      pool.set_active(1 + int(random() % unsigned(threads)));
      const int n = int(random() % 300), grain = 1 + int(random() % 9);
      std::vector<std::atomic<int>> times(static_cast<size_t>(n));
      const auto body = [&](int begin, int end, int thread) {
        expect(thread >= 0 && thread < threads && begin < end, "a piece that is none");
        for (int item = begin; item < end; item++) {
          times[size_t(item)]++;
          work(item);
        }
      };
      if (i % 4 != 0)
        pool.run_ranges(n, grain, body);
      else
        pool.run(n, grain, body);
      for (const auto& t : times) expect(t == 1, "an item was not worked on once");
    }
  }
  std::printf("%d\n", loops);
}
