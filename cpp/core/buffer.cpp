#include "core/buffer.h"

#include <cstdint>
#include <string>

#include "core/error.h"

#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#else
#include <sys/mman.h>
#endif

namespace pestle {
namespace {
constexpr size_t kHuge = Buffer::kHugePage;

[[noreturn]] void refuse(size_t bytes) {
  throw MemoryLimitError("the system has no " + std::to_string(bytes >> 20) + " MiB of memory left");
}
}  // namespace

size_t Buffer::committed(size_t bytes) {
  constexpr size_t kPage = 4096;
  return (bytes + kPage - 1) / kPage * kPage;
}

Buffer::Buffer(size_t bytes) {
  if (bytes == 0) return;
  if (bytes > SIZE_MAX - 2 * kHuge) refuse(bytes);
#if defined(_WIN32)
  mapped_ = bytes;
  base_ = VirtualAlloc(nullptr, mapped_, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
  if (!base_) refuse(bytes);
  data_ = static_cast<char*>(base_);
#else
  const bool huge = bytes >= kHuge;
  mapped_ = huge ? (bytes + 2 * kHuge - 1) / kHuge * kHuge : bytes;
  base_ = mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base_ == MAP_FAILED) {
    base_ = nullptr;
    refuse(bytes);
  }
  const auto at = reinterpret_cast<uintptr_t>(base_);
  data_ = reinterpret_cast<char*>(huge ? (at + kHuge - 1) / kHuge * kHuge : at);
#if defined(MADV_HUGEPAGE)
  if (huge) {  // advice: may be refused
    const size_t whole = bytes / kHuge * kHuge,
                 rest = mapped_ - size_t(data_ - static_cast<char*>(base_)) - whole;
    madvise(data_, whole, MADV_HUGEPAGE);
    if (rest > 0) madvise(data_ + whole, rest, MADV_NOHUGEPAGE);
  }
#endif
#endif
  size_ = bytes;
}

void Buffer::commit([[maybe_unused]] size_t at, [[maybe_unused]] size_t bytes) const {
#if defined(__linux__)
  constexpr int kPopulateWrite = 23;  // MADV_POPULATE_WRITE of Linux 5.14; older ones refuse it
  madvise(data_ + at, bytes, kPopulateWrite);
#endif
}

Buffer::~Buffer() {
  if (!base_) return;
#if defined(_WIN32)
  VirtualFree(base_, 0, MEM_RELEASE);
#else
  munmap(base_, mapped_);
#endif
}

}  // namespace pestle
