// A whole file, mapped read-only.
//
// Another process that cuts the file while it is mapped makes reads past the new end fatal (SIGBUS on POSIX;
// Windows forbids the cut). The length is taken again after mapping and by check_length(), so that a file
// which is still being written is an error and no crash; a cut between that check and a look into the map
// cannot be caught. read() copies instead, and finds the end of a cut file where it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace pestle {

class MappedFile {
 public:
  // Error with the system's text when the file cannot be opened, is a folder or a device, or changes size
  // meanwhile. `path` is UTF-8 on Windows, bytes elsewhere. An empty file maps to an empty span.
  explicit MappedFile(const std::string& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::string& path() const { return path_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

  // Error when the file is shorter than its map.
  void check_length() const;
  // Copies what stands at `offset`, past the map: no page of it becomes resident. Error when the file ends
  // before. Any number of threads may read.
  void read(size_t offset, std::span<std::byte> out) const;
  // A hint for a part of bytes(): read it ahead.
  void will_need(std::span<const std::byte> part) const;

 private:
  void close() noexcept;

  std::string path_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  intptr_t file_ = -1;  // descriptor, or Windows handle
};

}  // namespace pestle
