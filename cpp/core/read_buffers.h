// Memory that several threads read files into.
#pragma once

#include <cstddef>
#include <span>

#include "core/buffer.h"

namespace pestle {

// A buffer for each of some readers, all of them in whole huge pages where they are as large as one. A read
// past the page cache hands the device a list of pages, which only is so long: 1 MiB of small pages are two
// requests or more, and a virtual disk that reached 1.3 GB/s with them reaches 4.0 with huge ones.
class ReadBuffers {
 public:
  ReadBuffers(int readers, size_t bytes_of_one);
  int readers() const { return readers_; }
  // Aligned as reads past the page cache want it.
  std::span<std::byte> of(int reader) const;
  // Bytes that they take.
  static size_t bytes(int readers, size_t bytes_of_one);

 private:
  int readers_;
  size_t stride_;
  Buffer memory_;
};

}  // namespace pestle
