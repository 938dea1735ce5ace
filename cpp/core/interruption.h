// How work that takes long is given up before its end.
#pragma once

#include <atomic>
#include <chrono>
#include <functional>
#include <utility>

#include "core/error.h"

namespace pestle {

class Interruption {
 public:
  // How often `poll` is called at most, and who waits looks whether to go on.
  static constexpr std::chrono::milliseconds kPatience{50};

  // From any thread: what is going on, or else what begins next, is given up.
  void request() { requested_ = true; }

  // Held by the thread that works: `poll` is called now and then by `check`, and may throw; null: there is
  // none. What was requested too late for this work counts for no other.
  class Polling {
   public:
    Polling(Interruption& of, std::function<void()> poll) : of_(of) {
      of_.poll_ = std::move(poll);
      of_.polled_ = Clock::now();
    }
    ~Polling() {
      of_.poll_ = nullptr;
      of_.requested_ = false;
    }
    Polling(const Polling&) = delete;

   private:
    Interruption& of_;
  };

  // Throws InterruptionError once for each request, or what `poll` throws. Hold no lock that others need.
  void check() {
    if (requested_.exchange(false)) throw InterruptionError("the pass was given up, as was asked for");
    if (!poll_) return;
    const Clock::time_point now = Clock::now();
    if (now - polled_ < kPatience) return;
    poll_();
    polled_ = Clock::now();
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::atomic<bool> requested_ = false;
  std::function<void()> poll_;
  Clock::time_point polled_;
};

}  // namespace pestle
