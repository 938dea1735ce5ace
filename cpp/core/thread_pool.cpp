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
constexpr auto kSpin = std::chrono::microseconds(200);  // longer than sampling and detokenizing a token takes

}  // namespace

ThreadPool::ThreadPool(int threads) : active_(std::max(1, threads)) {
  if (threads > kMaxThreads)
    throw Error(std::to_string(threads) + " threads are asked for, at most " + std::to_string(kMaxThreads) +
                " are run");
  workers_.reserve(static_cast<size_t>(std::max(0, threads - 1)));
  try {
    for (int i = 1; i < threads; i++) workers_.emplace_back([this, i] { worker(i); });
  } catch (const std::system_error&) {
    const size_t started = workers_.size() + 1;
    stop();
    throw Error(std::to_string(threads) + " threads are asked for, the system allows " +
                std::to_string(started));
  }
}

ThreadPool::~ThreadPool() { stop(); }

void ThreadPool::stop() {
  stopping_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (std::thread& t : workers_) t.join();
}

void ThreadPool::work(int thread) {
  for (;;) {
    const int begin = next_.fetch_add(job_.grain, std::memory_order_relaxed);
    if (begin >= job_.n) return;
    job_.call(job_.body, begin, std::min(begin + job_.grain, job_.n), thread);
  }
}

void ThreadPool::run_job(const Job& job) {
  job_ = job;
  next_.store(0, std::memory_order_relaxed);
  const uint64_t generation = (state_.load(std::memory_order_relaxed) >> 16) + 1;
  state_.store(generation << 16 | kOpen, std::memory_order_release);
  wake_.fetch_add(1);
  if (sleepers_.load() > 0) wake_.notify_all();
  work(0);
  // Nobody may join any more; those who did are at their last piece.
  state_.fetch_and(~kOpen, std::memory_order_acq_rel);
  for (int spins = 0; (state_.load(std::memory_order_acquire) & (kOpen - 1)) != 0; spins++) {
    if (spins < 4096)
      pause();
    else
      std::this_thread::yield();
  }
}

void ThreadPool::worker(int thread) {
  const DefaultFpEnvironment environment;
  uint64_t seen = 0;
  auto idle_since = Clock::now();
  for (int spins = 0;; spins++) {
    const uint32_t ticket = wake_.load();
    if (stopping_.load(std::memory_order_relaxed)) return;
    uint64_t s = state_.load(std::memory_order_acquire);
    if (s >> 16 != seen && thread < active()) {
      if ((s & kOpen) == 0) {
        seen = s >> 16;  // over before this thread came
      } else if (state_.compare_exchange_weak(s, s + 1, std::memory_order_acq_rel)) {
        seen = s >> 16;
        work(thread);
        state_.fetch_sub(1, std::memory_order_release);
        idle_since = Clock::now();
      }
      continue;
    }
    pause();
    if (spins % 64 != 0 || Clock::now() - idle_since < kSpin) continue;
    sleepers_.fetch_add(1);
    wake_.wait(ticket);  // returns at once if anything was published since the ticket was drawn
    sleepers_.fetch_sub(1);
    idle_since = Clock::now();
  }
}

}  // namespace pestle
