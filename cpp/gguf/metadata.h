// The keys and values of a file, in file order, and checked access to them by key.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gguf/name_index.h"
#include "gguf/value.h"

namespace pestle::gguf {

class Metadata {
 public:
  Metadata() = default;
  // FormatError when a key occurs twice. `file_name` is for messages.
  Metadata(std::string file_name, std::vector<Value> values);

  const std::string& name() const { return name_; }  // the file's, without folders, for messages
  std::span<const Value> values() const { return values_; }
  const Value* find_value(std::string_view key) const;
  bool has(std::string_view key) const { return find_value(key) != nullptr; }

  // FormatError naming file and key when the key is absent or of another kind. Any integer width will do.
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;  // a float or an integer
  bool flag(std::string_view key) const;
  std::string_view string(std::string_view key) const;

  // The same, with a default for an absent key only.
  int64_t integer_or(std::string_view key, int64_t absent) const;
  double number_or(std::string_view key, double absent) const;
  bool flag_or(std::string_view key, bool absent) const;
  std::string_view string_or(std::string_view key, std::string_view absent) const;

  // A scalar gives one element, an array all of them.
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<bool> flags(std::string_view key) const;
  std::vector<std::string_view> strings(std::string_view key) const;
  uint64_t array_size(std::string_view key) const;  // FormatError when the key is no array

 private:
  const Value& value(std::string_view key) const;
  const Value& scalar(std::string_view key, std::string_view expected) const;
  [[noreturn]] void wrong_kind(const Value& value, std::string_view expected) const;

  std::string name_;
  std::vector<Value> values_;
  NameIndex keys_;
};

}  // namespace pestle::gguf
