// Memory for one step of the forward pass: taken piece by piece, given back all at once.
#pragma once

#include <cstddef>
#include <vector>

#include "core/buffer.h"

namespace pestle {

// Pieces are 64-byte aligned and hold whatever an earlier step left there.
class Arena {
 public:
  template <class T>
  T* take(size_t n) {
    return reinterpret_cast<T*>(bytes(n * sizeof(T)));
  }
  // Where the arena stands; give it back to reuse everything taken since.
  struct Mark { size_t chunk, used; };
  Mark mark() const { return {chunk_, used_}; }
  void rewind(Mark m) {
    chunk_ = m.chunk;
    used_ = m.used;
  }
  size_t reserved() const {
    size_t sum = 0;
    for (const Buffer& b : chunks_) sum += b.size();
    return sum;
  }

 private:
  char* bytes(size_t n) {
    n = (n + 63) / 64 * 64;
    while (chunk_ < chunks_.size() && used_ + n > chunks_[chunk_].size()) {
      chunk_++;
      used_ = 0;
    }
    if (chunk_ == chunks_.size()) {
      constexpr size_t kChunk = size_t(1) << 20;
      chunks_.emplace_back(n > kChunk ? n : kChunk);
      used_ = 0;
    }
    char* p = chunks_[chunk_].data() + used_;
    used_ += n;
    return p;
  }

  std::vector<Buffer> chunks_;
  size_t chunk_ = 0, used_ = 0;
};

}  // namespace pestle
