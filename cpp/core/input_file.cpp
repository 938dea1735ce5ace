#include "core/input_file.h"

#include <algorithm>
#include <utility>

#include "core/assume.h"
#include "core/error.h"
#include "core/text.h"

#ifdef _WIN32
#ifndef NOMINMAX
#define NOMINMAX
#endif
#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include <filesystem>
#else
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#endif

namespace pestle {
namespace {

// No system takes any number of bytes in one call.
constexpr size_t kLongestRead = size_t(1) << 30;

[[noreturn]] void fail_cut(const std::string& path) {
  throw Error(printable(path) + ": the file was cut while it was in use");
}

[[noreturn]] void fail_replaced(const std::string& path) {
  throw Error(printable(path) + ": another file has taken its place while it was in use");
}

}  // namespace

InputFile::~InputFile() { close(); }

InputFile::InputFile(InputFile&& other) noexcept
    : path_(std::move(other.path_)), status_(other.status_), file_(std::exchange(other.file_, -1)) {}

InputFile& InputFile::operator=(InputFile&& other) noexcept {
  if (this != &other) {
    close();
    path_ = std::move(other.path_);
    status_ = other.status_;
    file_ = std::exchange(other.file_, -1);
  }
  return *this;
}

void InputFile::read(uint64_t offset, std::span<std::byte> out) const {
  while (!out.empty()) {
    const size_t n = read_once(offset, out);
    if (n == 0) fail_cut(path_);
    offset += n;
    out = out.subspan(n);
  }
}

InputFile InputFile::again() const {
  InputFile file(path_);
  if (file.status_ != status_) fail_replaced(path_);
  return file;
}

const std::byte* InputFile::read_pages(uint64_t offset, size_t n, std::span<std::byte> buffer) const {
  const uint64_t first = offset / kReadAlignment * kReadAlignment;
  const size_t before = static_cast<size_t>(offset - first), needed = before + n;
  const size_t all = (needed + kReadAlignment - 1) / kReadAlignment * kReadAlignment;
  PESTLE_ASSUME(all <= buffer.size() && reinterpret_cast<uintptr_t>(buffer.data()) % kReadAlignment == 0);
  for (size_t done = 0; done < needed;) {
    // What a call leaves of a page is read again: only whole ones may be asked for.
    const size_t from = done / kReadAlignment * kReadAlignment;
    const size_t end = from + read_once(first + from, buffer.subspan(from, all - from));
    if (end <= done) fail_cut(path_);
    done = end;
  }
  return buffer.data() + before;
}

void InputFile::check_unchanged() const {
  const Status now = status();
  if (now.size < status_.size) fail_cut(path_);
  if (now != status_) throw Error(printable(path_) + ": the file was written to while it was in use");
}

#ifdef _WIN32

namespace {

std::filesystem::path wide(const std::string& path) { return std::u8string(path.begin(), path.end()); }

// In the user's language and on one line. std::system_category() would give it in the system's code page.
std::string text_of(DWORD reason) {
  wchar_t text[512];
  DWORD n = FormatMessageW(
      FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS | FORMAT_MESSAGE_MAX_WIDTH_MASK, nullptr,
      reason, 0, text, static_cast<DWORD>(std::size(text)), nullptr);
  while (n > 0 && (text[n - 1] == L' ' || text[n - 1] == L'.')) n--;
  if (n == 0) return "error " + std::to_string(reason);
  const std::u8string utf8 = std::filesystem::path(text, text + n).u8string();
  return printable({reinterpret_cast<const char*>(utf8.data()), utf8.size()});
}

[[noreturn]] void fail(const std::string& path, DWORD reason) {
  throw Error(printable(path) + ": " + text_of(reason));
}

HANDLE open_file(const std::string& path, DWORD flags) {
  const DWORD sharing = FILE_SHARE_READ | FILE_SHARE_DELETE;  // nobody writes to it meanwhile
  return CreateFileW(wide(path).c_str(), GENERIC_READ, sharing, nullptr, OPEN_EXISTING,
                     FILE_ATTRIBUTE_NORMAL | FILE_FLAG_OVERLAPPED | flags, nullptr);
}

// Reads of a handle that is not asynchronous would queue, so each thread waits for its own on an event.
class Event {
 public:
  Event() : handle_(CreateEventW(nullptr, TRUE, FALSE, nullptr)) {}
  ~Event() {
    if (handle_ != nullptr) CloseHandle(handle_);
  }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  HANDLE get() const { return handle_; }

 private:
  HANDLE handle_;
};

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path) {
  const HANDLE file = open_file(path, 0);
  if (file == INVALID_HANDLE_VALUE) {
    const DWORD reason = GetLastError();
    const DWORD attributes = GetFileAttributesW(wide(path).c_str());
    // A folder is refused as "access denied", which would mislead.
    if (attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY))
      throw Error(printable(path) + ": Is a directory");
    fail(path, reason);
  }
  file_ = reinterpret_cast<intptr_t>(file);
  try {
    if (GetFileType(file) != FILE_TYPE_DISK) throw Error(printable(path) + ": not a regular file");
    status_ = status();
  } catch (...) {
    close();  // no destructor runs for a constructor that throws
    throw;
  }
}

void InputFile::close() noexcept {
  if (file_ != -1) CloseHandle(reinterpret_cast<HANDLE>(file_));
  file_ = -1;
}

InputFile::Status InputFile::status() const {
  BY_HANDLE_FILE_INFORMATION found;
  if (!GetFileInformationByHandle(reinterpret_cast<HANDLE>(file_), &found)) fail(path_, GetLastError());
  const auto joined = [](DWORD high, DWORD low) { return uint64_t(high) << 32 | low; };
  return {joined(found.nFileSizeHigh, found.nFileSizeLow),
          int64_t(joined(found.ftLastWriteTime.dwHighDateTime, found.ftLastWriteTime.dwLowDateTime)),
          found.dwVolumeSerialNumber, joined(found.nFileIndexHigh, found.nFileIndexLow)};
}

size_t InputFile::read_once(uint64_t offset, std::span<std::byte> out) const {
  thread_local const Event done;
  if (done.get() == nullptr) fail(path_, ERROR_NOT_ENOUGH_MEMORY);
  const auto file = reinterpret_cast<HANDLE>(file_);
  OVERLAPPED place{};
  place.Offset = static_cast<DWORD>(offset);
  place.OffsetHigh = static_cast<DWORD>(offset >> 32);
  place.hEvent = done.get();
  DWORD n = 0;
  const auto wanted = static_cast<DWORD>(std::min(out.size(), kLongestRead));
  if (!ReadFile(file, out.data(), wanted, nullptr, &place)) {
    const DWORD reason = GetLastError();
    if (reason == ERROR_HANDLE_EOF) return 0;
    if (reason != ERROR_IO_PENDING) fail(path_, reason);
  }
  if (!GetOverlappedResult(file, &place, &n, TRUE)) {
    const DWORD reason = GetLastError();
    if (reason == ERROR_HANDLE_EOF) return 0;
    fail(path_, reason);
  }
  return n;
}

std::optional<InputFile> InputFile::past_cache() const {
  InputFile again;
  again.path_ = path_;
  const HANDLE file = open_file(path_, FILE_FLAG_NO_BUFFERING);
  if (file == INVALID_HANDLE_VALUE) return std::nullopt;
  again.file_ = reinterpret_cast<intptr_t>(file);
  again.status_ = again.status();
  if (again.status_ != status_) fail_replaced(path_);
  return again;
}

void InputFile::wont_need(uint64_t, uint64_t) const {}  // there are no such hints for what is not mapped
void InputFile::will_need(uint64_t, uint64_t) const {}

#else

namespace {

[[noreturn]] void fail(const std::string& path) {
  throw Error(printable(path) + ": " + std::strerror(errno));
}

}  // namespace

InputFile::InputFile(const std::string& path) : path_(path) {
  // Without O_NONBLOCK, opening a named pipe waits for a writer.
  const int file = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) fail(path);
  file_ = file;
  try {
    status_ = status();
  } catch (...) {
    close();  // no destructor runs for a constructor that throws
    throw;
  }
}

void InputFile::close() noexcept {
  if (file_ != -1) ::close(static_cast<int>(file_));
  file_ = -1;
}

InputFile::Status InputFile::status() const {
  struct stat found;
  if (fstat(static_cast<int>(file_), &found) != 0) fail(path_);
  if (S_ISDIR(found.st_mode)) {
    errno = EISDIR;
    fail(path_);
  }
  if (!S_ISREG(found.st_mode)) throw Error(printable(path_) + ": not a regular file");
#ifdef __APPLE__
  const timespec& changed = found.st_mtimespec;
#else
  const timespec& changed = found.st_mtim;
#endif
  return {static_cast<uint64_t>(found.st_size), int64_t(changed.tv_sec) * 1'000'000'000 + changed.tv_nsec,
          static_cast<uint64_t>(found.st_dev), static_cast<uint64_t>(found.st_ino)};
}

size_t InputFile::read_once(uint64_t offset, std::span<std::byte> out) const {
  for (;;) {
    const ssize_t n = pread(static_cast<int>(file_), out.data(), std::min(out.size(), kLongestRead),
                            static_cast<off_t>(offset));
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) fail(path_);
  }
}

std::optional<InputFile> InputFile::past_cache() const {
  InputFile again;
  again.path_ = path_;
#ifdef O_DIRECT
  const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_DIRECT);
#else
  const int file = open(path_.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
#endif
  if (file < 0 && errno == EINVAL) return std::nullopt;
  if (file < 0) fail(path_);
  again.file_ = file;
#ifdef F_NOCACHE
  if (fcntl(file, F_NOCACHE, 1) != 0) return std::nullopt;
#elif !defined(O_DIRECT)
  return std::nullopt;
#endif
  again.status_ = again.status();
  if (again.status_ != status_) fail_replaced(path_);
  return again;
}

void InputFile::wont_need(uint64_t offset, uint64_t bytes) const {
#ifdef POSIX_FADV_DONTNEED
  posix_fadvise(static_cast<int>(file_), static_cast<off_t>(offset), static_cast<off_t>(bytes),
                POSIX_FADV_DONTNEED);
#else
  (void)offset, (void)bytes;
#endif
}

void InputFile::will_need(uint64_t offset, uint64_t bytes) const {
  // Linux takes from one call no more than one request of the device holds, often 128 KiB to 1 MiB.
  constexpr uint64_t kRequest = uint64_t(256) << 10;
  for (const uint64_t end = offset + bytes; offset < end; offset += kRequest) {
    const uint64_t n = std::min(kRequest, end - offset);
#ifdef __APPLE__
    radvisory part{static_cast<off_t>(offset), static_cast<int>(n)};
    fcntl(static_cast<int>(file_), F_RDADVISE, &part);
#else
    posix_fadvise(static_cast<int>(file_), static_cast<off_t>(offset), static_cast<off_t>(n),
                  POSIX_FADV_WILLNEED);
#endif
  }
}

#endif

}  // namespace pestle
