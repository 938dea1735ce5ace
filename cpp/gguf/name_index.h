// Names to positions. A sorted list and not a hash table: a hostile file cannot make it slow, and equal names
// end up side by side.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace pestle::gguf {

class NameIndex {
 public:
  NameIndex() = default;
  // The views must outlive the index.
  explicit NameIndex(std::span<const std::string_view> names);

  std::optional<size_t> find(std::string_view name) const;
  // A name that occurs twice, if any does.
  std::optional<std::string_view> duplicate() const;

 private:
  struct Entry {
    std::string_view name;
    uint32_t position;
  };
  std::vector<Entry> entries_;
};

}  // namespace pestle::gguf
