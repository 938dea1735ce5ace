#include "gguf/vocabulary.h"

#include <cstdint>
#include <string>
#include <string_view>

#include "core/error.h"
#include "core/text.h"
#include "gguf/format.h"

namespace pestle::gguf {
namespace {

constexpr std::string_view kPrefix = "tokenizer.ggml.";

[[noreturn]] void fail(const Metadata& metadata, std::string_view key, const std::string& message) {
  throw FormatError(metadata.name() + ": key " + quoted(key) + " " + message);
}

void check_strings(const Metadata& metadata, const Value& value, uint64_t limit) {
  if (!value.is_array() || value.element != ValueType::kString)
    fail(metadata, value.key, "is of type " + value.kind() + ", expected an array of strings");
  if (value.count > limit)
    fail(metadata, value.key,
         "has " + std::to_string(value.count) + " elements, more than the " + std::to_string(limit) +
             " that are accepted");
}

// One element a token, of floats or of integers.
void check_table(const Metadata& metadata, std::string_view key, bool floats, uint64_t n_tokens) {
  const Value* value = metadata.find_value(key);
  if (value == nullptr) return;
  const bool is_float = value->element == ValueType::kF32 || value->element == ValueType::kF64;
  const bool is_integer =
      !is_float && value->element != ValueType::kBool && value->element != ValueType::kString;
  if (!value->is_array() || !(floats ? is_float : is_integer))
    fail(metadata, key,
         "is of type " + value->kind() + ", expected an array of " + (floats ? "floats" : "integers"));
  if (value->count != n_tokens)
    fail(metadata, key,
         "has " + std::to_string(value->count) + " elements for " + std::to_string(n_tokens) + " tokens");
}

void check_id(const Metadata& metadata, std::string_view key, int64_t id, uint64_t n_tokens) {
  if (id < 0 || static_cast<uint64_t>(id) >= n_tokens)
    fail(metadata, key,
         "names token " + std::to_string(id) + ", the vocabulary has " + std::to_string(n_tokens));
}

}  // namespace

void check_vocabulary(const Metadata& metadata) {
  const Value* tokens = metadata.find_value("tokenizer.ggml.tokens");
  if (tokens == nullptr) return;
  check_strings(metadata, *tokens, kMaxTokens);
  check_table(metadata, "tokenizer.ggml.scores", true, tokens->count);
  check_table(metadata, "tokenizer.ggml.token_type", false, tokens->count);
  for (const Value& value : metadata.values()) {
    if (!value.key.starts_with(kPrefix)) continue;
    const auto name = value.key.substr(kPrefix.size());
    if (name == "merges") check_strings(metadata, value, kMaxMerges);
    if (name.ends_with("_token_id"))
      check_id(metadata, value.key, metadata.integer(value.key), tokens->count);
    if (name == "suppress_tokens")
      for (const int64_t id : metadata.integers(value.key)) check_id(metadata, value.key, id, tokens->count);
  }
}

}  // namespace pestle::gguf
