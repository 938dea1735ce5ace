#include "core/read_buffers.h"

#include <cstring>

#include "core/assume.h"
#include "core/input_file.h"

namespace pestle {
namespace {
constexpr size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }
}  // namespace

ReadBuffers::ReadBuffers(int readers, size_t bytes_of_one)
    : readers_(readers),
      stride_(round_up(bytes_of_one, kReadAlignment)),
      memory_(bytes(readers, bytes_of_one)) {
  // The system finds the pages now, not under the first reads.
  std::memset(memory_.data(), 0, memory_.size());
}

std::span<std::byte> ReadBuffers::of(int reader) const {
  PESTLE_ASSUME(0 <= reader && reader < readers_);
  return {reinterpret_cast<std::byte*>(memory_.data() + stride_ * size_t(reader)), stride_};
}

size_t ReadBuffers::bytes(int readers, size_t bytes_of_one) {
  const size_t all = round_up(bytes_of_one, kReadAlignment) * size_t(readers);
  return all < Buffer::kHugePage ? all : round_up(all, Buffer::kHugePage);
}

}  // namespace pestle
