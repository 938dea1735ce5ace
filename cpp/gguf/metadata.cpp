#include "gguf/metadata.h"

#include <utility>

#include "core/error.h"
#include "core/text.h"

namespace pestle::gguf {
namespace {

constexpr std::string_view kInteger = "an integer", kNumber = "a number", kFlag = "a bool",
                           kString = "a string";

}  // namespace

Metadata::Metadata(std::string file_name, std::vector<Value> values)
    : name_(std::move(file_name)), values_(std::move(values)) {
  std::vector<std::string_view> keys;
  keys.reserve(values_.size());
  for (const Value& value : values_) keys.push_back(value.key);
  keys_ = NameIndex(keys);
  if (const auto key = keys_.duplicate())
    throw FormatError(name_ + ": key " + quoted(*key) + " occurs twice");
}

const Value* Metadata::find_value(std::string_view key) const {
  const auto position = keys_.find(key);
  return position ? &values_[*position] : nullptr;
}

const Value& Metadata::value(std::string_view key) const {
  if (const Value* found = find_value(key)) return *found;
  throw FormatError(name_ + ": key " + quoted(key) + " is missing");
}

const Value& Metadata::scalar(std::string_view key, std::string_view expected) const {
  const Value& found = value(key);
  if (found.is_array()) wrong_kind(found, expected);
  return found;
}

void Metadata::wrong_kind(const Value& value, std::string_view expected) const {
  const bool too_large = value.element == ValueType::kU64 && expected == kInteger;
  throw FormatError(name_ + ": key " + quoted(value.key) + " is of type " + value.kind() +
                    (too_large ? " and too large" : "") + ", expected " + std::string(expected));
}

int64_t Metadata::integer(std::string_view key) const {
  const Value& found = scalar(key, kInteger);
  if (const auto value = found.integer()) return *value;
  wrong_kind(found, kInteger);
}

double Metadata::number(std::string_view key) const {
  const Value& found = scalar(key, kNumber);
  if (const auto value = found.number()) return *value;
  wrong_kind(found, kNumber);
}

bool Metadata::flag(std::string_view key) const {
  const Value& found = scalar(key, kFlag);
  if (const auto value = found.flag()) return *value;
  wrong_kind(found, kFlag);
}

std::string_view Metadata::string(std::string_view key) const {
  const Value& found = scalar(key, kString);
  if (found.type != ValueType::kString) wrong_kind(found, kString);
  return {reinterpret_cast<const char*>(found.bytes.data()), found.bytes.size()};
}

int64_t Metadata::integer_or(std::string_view key, int64_t absent) const {
  return has(key) ? integer(key) : absent;
}

double Metadata::number_or(std::string_view key, double absent) const {
  return has(key) ? number(key) : absent;
}

bool Metadata::flag_or(std::string_view key, bool absent) const { return has(key) ? flag(key) : absent; }

std::string_view Metadata::string_or(std::string_view key, std::string_view absent) const {
  return has(key) ? string(key) : absent;
}

std::vector<int64_t> Metadata::integers(std::string_view key) const {
  const Value& found = value(key);
  std::vector<int64_t> out;
  for (uint64_t i = 0; i < found.count; ++i) {
    const auto element = found.integer(i);
    if (!element) wrong_kind(found, kInteger);
    out.push_back(*element);
  }
  return out;
}

std::vector<double> Metadata::numbers(std::string_view key) const {
  const Value& found = value(key);
  std::vector<double> out;
  for (uint64_t i = 0; i < found.count; ++i) {
    const auto element = found.number(i);
    if (!element) wrong_kind(found, kNumber);
    out.push_back(*element);
  }
  return out;
}

std::vector<bool> Metadata::flags(std::string_view key) const {
  const Value& found = value(key);
  std::vector<bool> out;
  for (uint64_t i = 0; i < found.count; ++i) {
    const auto element = found.flag(i);
    if (!element) wrong_kind(found, kFlag);
    out.push_back(*element);
  }
  return out;
}

std::vector<std::string_view> Metadata::strings(std::string_view key) const {
  const Value& found = value(key);
  if (auto all = found.strings()) return std::move(*all);
  wrong_kind(found, kString);
}

uint64_t Metadata::array_size(std::string_view key) const {
  const Value& found = value(key);
  if (!found.is_array()) wrong_kind(found, "an array");
  return found.count;
}

}  // namespace pestle::gguf
