// Threads that share out the items of one loop at a time.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

namespace pestle {

// Items are drawn, not dealt: a thread that the system delays takes fewer of them, and one that has not even
// begun when the items run out is not waited for. Idle threads spin for a while (a decoded token is
// some hundred loops of microseconds) and then sleep; so does a caller whose last piece is with a thread that
// the system has put aside. Threads are not pinned: the system moves them away from what else runs. Bodies
// must not throw, and one thread at a time may call run().
class ThreadPool {
 public:
  static constexpr int kMaxThreads = 4096;
  // Error for more than kMaxThreads, or more than the system allows.
  explicit ThreadPool(int threads);
  // As many threads by name, and none in fact: loops do nothing. For walks through a pass that only ask what
  // it would take.
  struct Unstarted { int threads; };
  explicit ThreadPool(Unstarted pool);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int threads() const { return threads_; }
  bool started() const { return started_; }
  // How many threads, the caller's included, take part in the loops to come.
  void set_active(int threads);
  int active() const { return active_.load(std::memory_order_relaxed); }

  // Calls body(begin, end, thread) on pieces of [0, n) until all is done: of at most `grain` items where
  // threads share the loop, of all where they do not. thread < threads().
  template <class Body>
  void run(int n, int grain, const Body& body) {
    if (!started_) return;
    if (n <= grain || active() <= 1) {
      if (n > 0) body(0, n, 0);
      return;
    }
    run_job({n, grain, false, &body, call<Body>});
  }

  // The same for items that lie one behind the other in memory. Each thread begins with a range of its own
  // and goes through it from its front, in pieces that begin long and end short, never shorter than `grain`;
  // one that has finished takes half of what another has left, from its end (work stealing, Blumofe &
  // Leiserson 1999). So a thread reads long runs, which is what the CPU's prefetching needs, and all still
  // finish together.
  template <class Body>
  void run_ranges(int n, int grain, const Body& body) {
    if (!started_) return;
    if (n <= grain || active() <= 1) {
      if (n > 0) body(0, n, 0);
      return;
    }
    run_job({n, grain, true, &body, call<Body>});
  }

 private:
  template <class Body>
  static void call(const void* body, int begin, int end, int thread) {
    (*static_cast<const Body*>(body))(begin, end, thread);
  }
  struct Job {
    int n = 0, grain = 1;
    bool ranges = false;
    const void* body = nullptr;
    void (*call)(const void*, int, int, int) = nullptr;
  };
  void run_job(const Job& job);
  void stop();
  void worker(int thread);
  uint32_t await(int thread, uint32_t seen);
  bool join(uint32_t state);
  void leave();
  void work(int thread);
  void deal(int n);
  struct IndexRange {
    int begin = 0, end = 0;  // none where they are equal
  };
  IndexRange draw(int thread);
  IndexRange draw_from_range(int thread);
  IndexRange steal(int thread);

  // What is left of a thread's range: begin in the low half, end in the high one.
  struct alignas(64) Range { std::atomic<uint64_t> left{0}; };
  static uint64_t to_word(int begin, int end) { return uint64_t(uint32_t(end)) << 32 | uint32_t(begin); }
  static IndexRange to_range(uint64_t left) { return {int(uint32_t(left)), int(left >> 32)}; }

  // generation << 16 | open << 15 | caller asleep << 14 | threads at work on it. A worker spins on this line
  // alone; it holds the job too, which does not change while somebody is at work on it.
  static constexpr uint32_t kOpen = 1u << 15, kCallerAsleep = 1u << 14, kAtWork = kCallerAsleep - 1;
  static constexpr int kGeneration = 16;
  const int threads_;
  const bool started_;
  alignas(64) std::atomic<uint32_t> state_{0};
  Job job_;
  std::unique_ptr<Range[]> ranges_;  // of each thread
  int sharing_ = 1;                  // the threads that have one in this loop
  alignas(64) std::atomic<int> next_{0};
  alignas(64) std::atomic<uint32_t> wake_{0};  // changes when there is work: what idle threads sleep on
  std::atomic<uint32_t> roster_{0};  // changes when more threads take part: what the others sleep on
  std::atomic<int> sleepers_{0}, active_;
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace pestle
