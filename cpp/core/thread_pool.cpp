#include "core/thread_pool.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <system_error>

#include "core/error.h"
#include "core/fp_environment.h"

#if defined(__x86_64__) || defined(_M_X64)
#include <immintrin.h>
#endif

namespace pestle {
namespace {

void pause() {
#if defined(__x86_64__) || defined(_M_X64)
  _mm_pause();
#elif defined(__aarch64__) || defined(_M_ARM64)
  __asm__ volatile("yield");
#endif
}

using Clock = std::chrono::steady_clock;
constexpr auto kIdle = std::chrono::microseconds(200);  // longer than sampling and detokenizing a token takes
constexpr auto kLast = std::chrono::microseconds(50);   // longer than most pieces

// True until `limit` has passed; looks at the clock now and then.
class Spin {
 public:
  explicit Spin(Clock::duration limit) : limit_(limit) {}
  bool again() {
    pause();
    return ++turns_ % 64 != 0 || Clock::now() - began_ < limit_;
  }

 private:
  Clock::duration limit_;
  Clock::time_point began_ = Clock::now();
  uint32_t turns_ = 0;
};

}  // namespace

ThreadPool::ThreadPool(Unstarted pool)
    : threads_(std::max(1, pool.threads)), started_(false), active_(threads_) {}

ThreadPool::ThreadPool(int threads) : threads_(std::max(1, threads)), started_(true), active_(threads_) {
  if (threads > kMaxThreads)
    throw Error(std::to_string(threads) + " threads were asked for, at most " + std::to_string(kMaxThreads) +
                " are run");
  ranges_ = std::make_unique<Range[]>(static_cast<size_t>(std::max(1, threads)));
  workers_.reserve(static_cast<size_t>(std::max(0, threads - 1)));
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { worker(i); });
  } catch (const std::system_error&) {
    const size_t started = workers_.size() + 1;
    stop();
    throw Error(std::to_string(threads) + " threads were asked for, the system allows " +
                std::to_string(started));
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stopping_.store(true);
  state_.fetch_add(1u << kGeneration);
  for (std::atomic<uint32_t>* word : {&wake_, &roster_}) {
    word->fetch_add(1);
    word->notify_all();
  }
  for (std::thread& t : workers_) t.join();
}

void ThreadPool::set_active(int threads) {
  if (active_.exchange(threads) >= threads) return;
  roster_.fetch_add(1);
  roster_.notify_all();
}

ThreadPool::IndexRange ThreadPool::draw(int thread) {
  if (job_.ranges) {
    const IndexRange own = draw_from_range(thread);
    return own.begin < own.end ? own : steal(thread);
  }
  const int begin = next_.fetch_add(job_.grain, std::memory_order_relaxed);
  return {begin, std::max(begin, std::min(begin + job_.grain, job_.n))};
}

ThreadPool::IndexRange ThreadPool::draw_from_range(int thread) {
  std::atomic<uint64_t>& range = ranges_[thread].left;
  uint64_t left = range.load(std::memory_order_relaxed);
  for (;;) {
    const auto [begin, end] = to_range(left);
    if (begin >= end) return {};
    const int middle = std::min(end, begin + std::max(job_.grain, (end - begin) / 2));
    if (range.compare_exchange_weak(left, to_word(middle, end), std::memory_order_relaxed))
      return {begin, middle};
  }
}

// What is stolen and not worked on at once becomes the thief's range, which is empty: nobody else writes
// there. No range comes back to a word that it has left: less than all of it is taken, or it is worked on at
// once.
ThreadPool::IndexRange ThreadPool::steal(int thread) {
  for (int i = 1; i <= sharing_; i++) {
    std::atomic<uint64_t>& range = ranges_[(thread + i) % sharing_].left;
    uint64_t left = range.load(std::memory_order_relaxed);
    for (;;) {
      const auto [begin, end] = to_range(left);
      if (begin >= end) break;
      const int stolen = std::max(begin, end - std::max(job_.grain, (end - begin) / 2));
      if (!range.compare_exchange_weak(left, to_word(begin, stolen), std::memory_order_relaxed)) continue;
      const int middle = std::min(end, stolen + std::max(job_.grain, (end - stolen) / 2));
      if (middle < end) ranges_[thread].left.store(to_word(middle, end), std::memory_order_relaxed);
      return {stolen, middle};
    }
  }
  return {};
}

void ThreadPool::work(int thread) {
  for (;;) {
    const auto [begin, end] = draw(thread);
    if (begin >= end) return;
    job_.call(job_.body, begin, end, thread);
  }
}

void ThreadPool::deal(int n) {
  sharing_ = active();
  int begin = 0;
  for (int i = 0; i < sharing_; i++) {
    const int end = static_cast<int>(int64_t(n) * (i + 1) / sharing_);
    ranges_[i].left.store(to_word(begin, end), std::memory_order_relaxed);
    begin = end;
  }
}

void ThreadPool::run_job(const Job& job) {
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  if (job.ranges) deal(job.n);
  const uint32_t generation = (state_.load(std::memory_order_relaxed) >> kGeneration) + 1;
  state_.store(generation << kGeneration | kOpen);
  // Sequentially consistent, as in await(): either this sees the sleeper or the sleeper sees the job.
  if (sleepers_.load() > 0) {
    wake_.fetch_add(1);
    wake_.notify_all();
  }
  work(0);
  // Nobody may join any more; those who did are at their last piece.
  uint32_t state = state_.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (Spin spin(kLast); (state & kAtWork) != 0; state = state_.load(std::memory_order_acquire)) {
    if (spin.again()) continue;
    state = state_.fetch_or(kCallerAsleep, std::memory_order_acq_rel) | kCallerAsleep;
    if ((state & kAtWork) != 0) state_.wait(state, std::memory_order_acquire);
  }
}

// Returns the state of a generation that is not the one `seen`, for a thread that takes part.
uint32_t ThreadPool::await(int thread, uint32_t seen) {
  Spin spin(kIdle);
  for (;;) {
    const uint32_t state = state_.load(std::memory_order_acquire), roster = roster_.load();
    if (thread >= active() && !stopping_.load()) {
      roster_.wait(roster);  // returns at once if more threads take part since the look at `active`
      spin = Spin(kIdle);
    } else if (state >> kGeneration != seen) {
      return state;
    } else if (!spin.again()) {
      const uint32_t wake = wake_.load();
      sleepers_.fetch_add(1);
      if (state_.load() >> kGeneration == seen) wake_.wait(wake);
      sleepers_.fetch_sub(1);
      spin = Spin(kIdle);
    }
  }
}

// False when the job was over before this thread came.
bool ThreadPool::join(uint32_t state) {
  while ((state & kOpen) != 0)
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acq_rel)) return true;
  return false;
}

void ThreadPool::leave() {
  const uint32_t before = state_.fetch_sub(1, std::memory_order_acq_rel);
  if ((before & kCallerAsleep) != 0 && (before & kAtWork) == 1) state_.notify_one();
}

void ThreadPool::worker(int thread) {
  const DefaultFpEnvironment environment;
  uint32_t seen = 0;
  for (;;) {
    const uint32_t state = await(thread, seen);
    if (stopping_.load(std::memory_order_relaxed)) return;
    seen = state >> kGeneration;
    if (!join(state)) continue;
    work(thread);
    leave();
  }
}

}  // namespace pestle
