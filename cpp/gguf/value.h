// One metadata value: a checked view into the copy of the header. Nothing is converted until someone asks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace pestle::gguf {

enum class ValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};

struct Value {
  std::string_view key;
  ValueType type;     // kArray for an array
  ValueType element;  // of an array; equal to type otherwise
  uint64_t count;     // elements of an array; 1 otherwise
  std::span<const std::byte>
      bytes;  // as they stand in the file; of a lone string, its text without the length

  bool is_array() const { return type == ValueType::kArray; }
  // "u32", "string", "array of 12 strings": for messages.
  std::string kind() const;

  // Element i (0 for a scalar), or nothing when the element type is another one. An integer of any width is
  // an integer where it fits int64; a number may also be an integer.
  std::optional<int64_t> integer(uint64_t i = 0) const;
  std::optional<double> number(uint64_t i = 0) const;
  std::optional<bool> flag(uint64_t i = 0) const;
  // All strings, views into the header; nothing when the elements are not strings. One linear pass.
  std::optional<std::vector<std::string_view>> strings() const;
};

// Bytes of a fixed-size type; 0 for strings and arrays.
uint32_t value_bytes(ValueType type);
// "u8" ... "f64", "bool", "string", "array"; empty for an id that the format does not have.
std::string_view value_name(ValueType type);

}  // namespace pestle::gguf
