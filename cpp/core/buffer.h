// Zeroed memory straight from the operating system, for weights, KV pages and scratch.
#pragma once

#include <cstddef>
#include <utility>

namespace pestle {

// Page aligned; blocks of 2 MiB and more are aligned to it and advised for huge pages as far as these are
// whole: DRAM reads of packed weights gain 10 to 25 % from them. MemoryLimitError when the system has no
// more.
class Buffer {
 public:
  static constexpr size_t kHugePage = size_t(2) << 20;
  Buffer() = default;
  explicit Buffer(size_t bytes);
  ~Buffer();
  Buffer(Buffer&& other) noexcept { swap(other); }
  Buffer& operator=(Buffer&& other) noexcept {
    swap(other);
    return *this;
  }
  char* data() const { return data_; }
  size_t size() const { return size_; }
  // Has the system find the memory of [at, at + bytes) now, where it can be asked to, instead of when each
  // page is first written, which then waits for it.
  void commit(size_t at, size_t bytes) const;
  // What a block of so many bytes may come to hold of the machine's memory: whole small pages.
  static size_t committed(size_t bytes);

 private:
  void swap(Buffer& other) {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    std::swap(base_, other.base_);
    std::swap(mapped_, other.mapped_);
  }
  char* data_ = nullptr;
  size_t size_ = 0;
  void* base_ = nullptr;  // what the system gave: data_ stands at an aligned place within
  size_t mapped_ = 0;
};

}  // namespace pestle
