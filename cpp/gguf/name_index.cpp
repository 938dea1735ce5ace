#include "gguf/name_index.h"

#include <algorithm>

namespace pestle::gguf {

NameIndex::NameIndex(std::span<const std::string_view> names) {
  entries_.reserve(names.size());
  for (size_t i = 0; i < names.size(); ++i) entries_.push_back({names[i], static_cast<uint32_t>(i)});
  std::sort(entries_.begin(), entries_.end(), [](const Entry& a, const Entry& b) { return a.name < b.name; });
}

std::optional<size_t> NameIndex::find(std::string_view name) const {
  const auto at = std::lower_bound(entries_.begin(), entries_.end(), name,
                                   [](const Entry& entry, std::string_view key) { return entry.name < key; });
  if (at == entries_.end() || at->name != name) return std::nullopt;
  return at->position;
}

std::optional<std::string_view> NameIndex::duplicate() const {
  const auto at = std::adjacent_find(entries_.begin(), entries_.end(),
                                     [](const Entry& a, const Entry& b) { return a.name == b.name; });
  if (at == entries_.end()) return std::nullopt;
  return at->name;
}

}  // namespace pestle::gguf
