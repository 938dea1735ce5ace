// Memory for one step of the forward pass: taken piece by piece, given back all at once.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <string>
#include <vector>

#include "core/assume.h"
#include "core/buffer.h"
#include "core/error.h"

namespace pestle {

// Pieces are 64-byte aligned and hold whatever an earlier step left there. A step that outgrows the memory
// takes more chunks; once it is over, they become one chunk of the size that it needed. With a limit there is
// one chunk of that size from the beginning, and what needs more is a MemoryLimitError.
class Arena {
 public:
  template <class T>
  T* take(size_t n) {
    PESTLE_ASSUME(n <= SIZE_MAX / sizeof(T) - 64);
    static_assert(alignof(T) <= 64);
    return reinterpret_cast<T*>(bytes(n * sizeof(T)));
  }

  size_t most() const { return most_; }  // bytes taken at once so far
  void limit(size_t bytes) { limit_ = bytes; }

  // Gives back everything taken during its life.
  class Scope {
   public:
    explicit Scope(Arena& arena)
        : arena_(arena), chunk_(arena.chunk_), used_(arena.used_), taken_(arena.taken_) {}
    ~Scope() { arena_.rewind(chunk_, used_, taken_); }
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Arena& arena_;
    size_t chunk_, used_, taken_;
  };

 private:
  char* bytes(size_t n) {
    n = (n + 63) / 64 * 64;
    while (chunk_ < chunks_.size() && used_ + n > chunks_[chunk_].size()) {
      chunk_++;
      used_ = 0;
    }
    if (chunk_ == chunks_.size()) {
      constexpr size_t kChunk = size_t(1) << 20;
      if (limit_ > 0 && (n > limit_ || !chunks_.empty())) refuse(n);
      chunks_.emplace_back(limit_ > 0 ? limit_ : std::max({n, kChunk, chunks_.empty() ? most_ : 0}));
      used_ = 0;
    }
    PESTLE_ASSUME(used_ + n <= chunks_[chunk_].size());
    char* p = chunks_[chunk_].data() + used_;
    used_ += n;
    taken_ += n;
    most_ = std::max(most_, taken_);
    return p;
  }

  [[noreturn]] void refuse(size_t n) {
    chunk_ = chunks_.empty() ? 0 : chunks_.size() - 1;
    used_ = chunks_.empty() ? 0 : chunks_[chunk_].size();
    throw MemoryLimitError("a forward pass holds " + std::to_string(taken_) + " bytes and needs " +
                           std::to_string(n) + " more, the limit is " + std::to_string(limit_));
  }

  void rewind(size_t chunk, size_t used, size_t taken) {
    PESTLE_ASSUME(taken <= taken_ && chunk <= chunk_);  // scopes end in the reverse of their order
    chunk_ = chunk;
    used_ = used;
    taken_ = taken;
    if (taken_ != 0 || chunks_.size() < 2) return;
    chunks_.clear();
    // A step that failed, perhaps for want of memory, does not tell what the next one needs.
    if (std::uncaught_exceptions() > 0) most_ = 0;
  }

  std::vector<Buffer> chunks_;
  size_t chunk_ = 0, used_ = 0;  // where the next piece comes from
  size_t taken_ = 0, most_ = 0;  // bytes, now and at most
  size_t limit_ = 0;             // 0: none
};

}  // namespace pestle
