#include "gguf/metadata_parser.h"

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "gguf/format.h"

namespace pestle::gguf {
namespace {

// A key of one byte, its type, a value of one byte.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 1;

ValueType parse_type(Cursor& cursor, std::string_view what) {
  const auto id = cursor.read<uint32_t>(what);
  const auto type = static_cast<ValueType>(id);
  if (value_name(type).empty())
    cursor.fail("has the " + std::string(what) + " " + std::to_string(id) + ", expected 0 to 12");
  return type;
}

void parse_array(Cursor& cursor, Value& value) {
  value.element = parse_type(cursor, "element type");
  value.count = cursor.read<uint64_t>("array length");
  if (value.element == ValueType::kArray) cursor.refuse("is an array of arrays, which Pestle does not read");
  const bool strings = value.element == ValueType::kString;
  const uint64_t bytes = strings ? sizeof(uint64_t) : value_bytes(value.element);
  cursor.check_count(value.count, bytes, kMaxArray, "array elements");
  value.bytes = strings ? cursor.strings(value.count, "string") : cursor.take(value.count * bytes, "array");
}

void check_bools(const Cursor& cursor, std::span<const std::byte> bytes) {
  for (const std::byte byte : bytes)
    if (byte > std::byte{1})
      cursor.fail("holds a bool of " + std::to_string(std::to_integer<int>(byte)) + ", expected 0 or 1");
}

Value parse_entry(Cursor& cursor, uint64_t index, uint64_t count) {
  cursor.set_place({"metadata entry", index, count, {}});
  Value value{};
  value.key = cursor.name(kMaxKey, "key");
  cursor.set_place({"key", index, count, value.key});
  value.type = value.element = parse_type(cursor, "value type");
  value.count = 1;
  if (value.type == ValueType::kArray) {
    parse_array(cursor, value);
  } else if (value.type == ValueType::kString) {
    value.bytes = std::as_bytes(std::span(cursor.string("string")));
  } else {
    value.bytes = cursor.take(value_bytes(value.type), "value");
  }
  if (value.element == ValueType::kBool) check_bools(cursor, value.bytes);
  return value;
}

}  // namespace

std::vector<Value> parse_metadata(Cursor& cursor, uint64_t count) {
  cursor.check_count(count, kMinEntryBytes, kMaxMetadata, "metadata entries");
  std::vector<Value> values;
  values.reserve(count);
  for (uint64_t i = 0; i < count; ++i) values.push_back(parse_entry(cursor, i, count));
  return values;
}

}  // namespace pestle::gguf
