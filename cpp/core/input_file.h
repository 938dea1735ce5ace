// A file that is read, and never mapped: what another process does to it meanwhile can be an error, but
// cannot end the process, as looking into a map of a file that was cut would (SIGBUS), or one on a network
// that failed.
//
// The descriptor stays open, so that a file which is removed or replaced under its name goes on being read as
// it was. One that is cut or written to is told by its size and by the time of its last change, which hold as
// far as the file system keeps them: two writes within one tick of its clock (some milliseconds on Linux)
// look alike.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace pestle {

// Reads that pass the page cache begin and end at multiples of it, in the file and in memory.
constexpr size_t kReadAlignment = 4096;

class InputFile {
 public:
  // Error with the system's text when the file cannot be opened, or is a folder or a device. `path` is UTF-8
  // on Windows, bytes elsewhere.
  explicit InputFile(const std::string& path);
  ~InputFile();
  InputFile(InputFile&& other) noexcept;
  InputFile& operator=(InputFile&& other) noexcept;

  const std::string& path() const { return path_; }
  uint64_t size() const { return status_.size; }  // bytes, when it was opened

  // Fills `out` with what stands at `offset`. Error when the system refuses or the file ends before. Any
  // number of threads may read.
  void read(uint64_t offset, std::span<std::byte> out) const;
  // The same file once more; Error when the path leads to another one by now.
  InputFile again() const;
  // The same, for reads past the system's page cache; none where the file system knows no such.
  std::optional<InputFile> past_cache() const;
  // The bytes [offset, offset + n) and what shares their pages, into `buffer`, which is aligned and has room
  // for n and two pages more: where they stand in it. The only way to read a file that is past the cache.
  const std::byte* read_pages(uint64_t offset, size_t n, std::span<std::byte> buffer) const;
  // A hint: that part is not needed in the page cache any more.
  void wont_need(uint64_t offset, uint64_t bytes) const;
  // A hint: read that part ahead.
  void will_need(uint64_t offset, uint64_t bytes) const;
  // Error when the file was written to or cut since it was opened. What was read before this call is of the
  // file as it was then.
  void check_unchanged() const;

 private:
  struct Status {
    uint64_t size = 0;
    int64_t changed = 0;              // the time of its last change, in the system's units
    uint64_t device = 0, number = 0;  // which file it is
    bool operator==(const Status&) const = default;
  };
  InputFile() = default;
  Status status() const;
  void close() noexcept;
  // Bytes that one call of the system read at `offset`; 0 at the end.
  size_t read_once(uint64_t offset, std::span<std::byte> out) const;

  std::string path_;
  Status status_;
  intptr_t file_ = -1;  // descriptor, or Windows handle
};

}  // namespace pestle
