#include "gguf/value.h"

#include <array>
#include <cstring>

#include "gguf/cursor.h"

namespace pestle::gguf {
namespace {

struct TypeFacts {
  std::string_view name;
  uint32_t bytes;
};
constexpr std::array<TypeFacts, 13> kFacts = {{{"u8", 1},
                                               {"i8", 1},
                                               {"u16", 2},
                                               {"i16", 2},
                                               {"u32", 4},
                                               {"i32", 4},
                                               {"f32", 4},
                                               {"bool", 1},
                                               {"string", 0},
                                               {"array", 0},
                                               {"u64", 8},
                                               {"i64", 8},
                                               {"f64", 8}}};

template <typename T>
T load(std::span<const std::byte> bytes, uint64_t i) {
  T value;
  std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));
  return value;
}

}  // namespace

uint32_t value_bytes(ValueType type) { return kFacts.at(static_cast<uint32_t>(type)).bytes; }

std::string_view value_name(ValueType type) {
  const auto id = static_cast<uint32_t>(type);
  return id < kFacts.size() ? kFacts[id].name : std::string_view();
}

std::string Value::kind() const {
  const std::string name(value_name(element));
  return is_array() ? "array of " + std::to_string(count) + " " + name + (count == 1 ? "" : "s") : name;
}

std::optional<int64_t> Value::integer(uint64_t i) const {
  switch (element) {
    case ValueType::kU8:
      return load<uint8_t>(bytes, i);
    case ValueType::kI8:
      return load<int8_t>(bytes, i);
    case ValueType::kU16:
      return load<uint16_t>(bytes, i);
    case ValueType::kI16:
      return load<int16_t>(bytes, i);
    case ValueType::kU32:
      return load<uint32_t>(bytes, i);
    case ValueType::kI32:
      return load<int32_t>(bytes, i);
    case ValueType::kI64:
      return load<int64_t>(bytes, i);
    case ValueType::kU64: {
      const auto value = load<uint64_t>(bytes, i);
      return value <= INT64_MAX ? std::optional(static_cast<int64_t>(value)) : std::nullopt;
    }
    default:
      return std::nullopt;
  }
}

std::optional<double> Value::number(uint64_t i) const {
  switch (element) {
    case ValueType::kF32:
      return load<float>(bytes, i);
    case ValueType::kF64:
      return load<double>(bytes, i);
    case ValueType::kU64:
      return static_cast<double>(load<uint64_t>(bytes, i));
    default:
      break;
  }
  const auto value = integer(i);
  return value ? std::optional(static_cast<double>(*value)) : std::nullopt;
}

std::optional<bool> Value::flag(uint64_t i) const {
  return element == ValueType::kBool ? std::optional(load<uint8_t>(bytes, i) != 0) : std::nullopt;
}

std::optional<std::vector<std::string_view>> Value::strings() const {
  if (element != ValueType::kString) return std::nullopt;
  std::vector<std::string_view> out;
  if (!is_array()) {
    out.emplace_back(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    return out;
  }
  out.reserve(count);
  StringWalk walk(bytes);
  while (out.size() < count) {
    out.push_back(walk.next().value());  // checked when the file was opened
  }
  return out;
}

}  // namespace pestle::gguf
