#include "core/mapped_file.h"

#include <utility>

#include "core/error.h"
#include "core/text.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <cstring>
#include <filesystem>
#include <system_error>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#endif

namespace pestle {

MappedFile::~MappedFile() { close(); }

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)),
      data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      file_(std::exchange(other.file_, -1)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    file_ = std::exchange(other.file_, -1);
  }
  return *this;
}

#ifdef _WIN32

namespace {

[[noreturn]] void fail(const std::string& path) {
  throw Error(printable(path) + ": " + std::system_category().message(static_cast<int>(GetLastError())));
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  const std::filesystem::path wide(std::u8string(path.begin(), path.end()));
  const DWORD sharing = FILE_SHARE_READ | FILE_SHARE_DELETE;
  const HANDLE file = CreateFileW(wide.c_str(), GENERIC_READ, sharing, nullptr, OPEN_EXISTING,
                                  FILE_ATTRIBUTE_NORMAL, nullptr);
  if (file == INVALID_HANDLE_VALUE) {
    const DWORD reason = GetLastError();
    const DWORD attributes = GetFileAttributesW(wide.c_str());
    // A folder is refused as "access denied", which would mislead.
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY))
      throw Error(printable(path) + ": Is a directory");
    SetLastError(reason);
    fail(path);
  }
  file_ = reinterpret_cast<intptr_t>(file);
  try {
    if (GetFileType(file) != FILE_TYPE_DISK) throw Error(printable(path) + ": not a regular file");
    LARGE_INTEGER length;
    if (!GetFileSizeEx(file, &length)) fail(path);
    if (length.QuadPart > 0) {
      const HANDLE section = CreateFileMappingW(file, nullptr, PAGE_READONLY, 0, 0, nullptr);
      if (section == nullptr) fail(path);
      void* view = MapViewOfFile(section, FILE_MAP_READ, 0, 0, 0);
      CloseHandle(section);  // the view keeps it
      if (view == nullptr) fail(path);
      data_ = static_cast<const std::byte*>(view);
      size_ = static_cast<size_t>(length.QuadPart);
    }
  } catch (...) {
    close();  // no destructor runs for a constructor that throws
    throw;
  }
}

void MappedFile::close() noexcept {
  if (data_ != nullptr) UnmapViewOfFile(data_);
  if (file_ != -1) CloseHandle(reinterpret_cast<HANDLE>(file_));
  data_ = nullptr;
  file_ = -1;
}

void MappedFile::check_length() const {}  // a mapped file cannot be cut here

void MappedFile::will_need(std::span<const std::byte> part) const {
  WIN32_MEMORY_RANGE_ENTRY range{const_cast<std::byte*>(part.data()), part.size()};
  if (!part.empty()) PrefetchVirtualMemory(GetCurrentProcess(), 1, &range, 0);
}

// A copy from the map runs in parallel, where reads of one handle queue. Its pages leave the working set
// again.
void MappedFile::read(size_t offset, std::span<std::byte> out) const {
  if (out.empty()) return;
  std::memcpy(out.data(), data_ + offset, out.size());
  SYSTEM_INFO system;
  GetSystemInfo(&system);
  const uintptr_t page = system.dwPageSize;
  const auto begin = reinterpret_cast<uintptr_t>(data_ + offset);
  const uintptr_t first = begin / page * page, last = (begin + out.size() + page - 1) / page * page;
  VirtualUnlock(reinterpret_cast<void*>(first), last - first);  // fails, as meant: the pages were not locked
}

#else

namespace {

[[noreturn]] void fail(const std::string& path) {
  throw Error(printable(path) + ": " + std::strerror(errno));
}

[[noreturn]] void fail_cut(const std::string& path) {
  throw Error(printable(path) + ": the file was cut while it was in use");
}

size_t regular_size(int file, const std::string& path) {
  struct stat status;
  if (fstat(file, &status) != 0) fail(path);
  if (S_ISDIR(status.st_mode)) {
    errno = EISDIR;
    fail(path);
  }
  if (!S_ISREG(status.st_mode)) throw Error(printable(path) + ": not a regular file");
  return static_cast<size_t>(status.st_size);
}

}  // namespace

MappedFile::MappedFile(const std::string& path) : path_(path) {
  // Without O_NONBLOCK, opening a named pipe waits for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail(path);
  file_ = file;
  try {
    const size_t size = regular_size(file, path);
    if (size > 0) {
      void* map = mmap(nullptr, size, PROT_READ, MAP_SHARED, file, 0);
      if (map == MAP_FAILED) fail(path);
      data_ = static_cast<const std::byte*>(map);
      size_ = size;
    }
    if (regular_size(file, path) != size) throw Error(printable(path) + ": the file is being written to");
  } catch (...) {
    close();  // no destructor runs for a constructor that throws
    throw;
  }
}

void MappedFile::close() noexcept {
  if (data_ != nullptr) munmap(const_cast<std::byte*>(data_), size_);
  if (file_ != -1) ::close(static_cast<int>(file_));
  data_ = nullptr;
  file_ = -1;
}

void MappedFile::check_length() const {
  if (regular_size(static_cast<int>(file_), path_) < size_) fail_cut(path_);
}

void MappedFile::read(size_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const ssize_t n = pread(static_cast<int>(file_), out.data(), out.size(), static_cast<off_t>(offset));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) fail(path_);
    if (n == 0) fail_cut(path_);
    offset += static_cast<size_t>(n);
    out = out.subspan(static_cast<size_t>(n));
  }
}

void MappedFile::will_need(std::span<const std::byte> part) const {
  // Linux takes from one call no more than one request of the device holds, often 128 KiB to 1 MiB.
  constexpr size_t kRequest = size_t(256) << 10;
  const auto page = static_cast<uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<uintptr_t>(part.data()), end = begin + part.size();
  for (uintptr_t at = begin / page * page; at < end; at += kRequest)
    madvise(reinterpret_cast<void*>(at), std::min(kRequest, end - at), MADV_WILLNEED);
}

#endif

}  // namespace pestle
