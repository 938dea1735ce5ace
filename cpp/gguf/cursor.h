// A bounds-checked walk through a file's header, as far as it was read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace pestle::gguf {

// Consecutive strings, each a u64 length and its bytes.
class StringWalk {
 public:
  explicit StringWalk(std::span<const std::byte> bytes) : bytes_(bytes) {}

  // Nothing when the next string does not lie wholly inside.
  std::optional<std::string_view> next() {
    uint64_t length;
    if (bytes_.size() < sizeof(length)) return std::nullopt;
    std::memcpy(&length, bytes_.data(), sizeof(length));
    if (length > bytes_.size() - sizeof(length)) return std::nullopt;
    const std::string_view text(reinterpret_cast<const char*>(bytes_.data()) + sizeof(length), length);
    bytes_ = bytes_.subspan(sizeof(length) + length);
    return text;
  }
  std::span<const std::byte> rest() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

// The beginning of a file, of which the header may take more.
struct Beginning {
  std::span<const std::byte> bytes;
  uint64_t file_size;
  // Reads on: returns the same bytes, at the same place, and what follows them, at least so many in all.
  // Asked for no more than the file has; not at all where `bytes` is the whole file.
  std::function<std::span<const std::byte>(uint64_t)> read_on = {};
};

class Cursor {
 public:
  // What is being read, for messages, which go on from it: "tensor `output.weight` "; before its name is
  // known, "tensor 3 of 20 "; with nothing set, "the file ".
  struct Place {
    std::string_view what;
    uint64_t index, count;
    std::string_view name;
  };

  Cursor(Beginning file, std::string file_name);

  uint64_t position() const { return position_; }
  uint64_t left() const { return end_ - position_; }  // in the file, not only here
  void set_place(const Place& place) { place_ = place; }

  template <typename T>
  T read(std::string_view what) {
    T value;
    std::memcpy(&value, take(sizeof(T), what).data(), sizeof(T));
    return value;
  }
  std::span<const std::byte> take(uint64_t bytes, std::string_view what);
  std::string_view string(std::string_view what);
  // A string that may stand in messages and Python names: printable ASCII, of 1 to `longest` bytes.
  std::string_view name(uint64_t longest, std::string_view what);
  // `count` consecutive strings, each checked, as they stand in the file.
  std::span<const std::byte> strings(uint64_t count, std::string_view what);
  // FormatError unless that many things of at least min_bytes each can follow, and `limit` allows it.
  void check_count(uint64_t count, uint64_t min_bytes, uint64_t limit, std::string_view what) const;

  // FormatError or UnsupportedError that begins with file and place.
  [[noreturn]] void fail(const std::string& message) const;
  [[noreturn]] void refuse(const std::string& message) const;

 private:
  std::string where() const;
  [[noreturn]] void past_end(uint64_t bytes, std::string_view what) const;

  std::span<const std::byte> bytes_;
  std::function<std::span<const std::byte>(uint64_t)> read_on_;
  std::string file_name_;
  uint64_t end_;  // of the file, or of the longest header
  bool capped_;   // the file is longer than a header may be
  uint64_t position_ = 0;
  Place place_{};
};

}  // namespace pestle::gguf
