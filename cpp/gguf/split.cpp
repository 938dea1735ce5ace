#include "gguf/split.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <string_view>

#include "core/error.h"
#include "core/text.h"

namespace pestle::gguf {
namespace {

constexpr std::string_view kNumber = "split.no", kCount = "split.count", kTensors = "split.tensors.count";
constexpr int64_t kMaxShards = 65535;  // the keys are u16

// "-00002-of-00003.gguf"; numbers from 1.
std::string suffix(size_t number, size_t count) {
  std::array<char, 64> text;
  std::snprintf(text.data(), text.size(), "-%05zu-of-%05zu.gguf", number, count);
  return text.data();
}

[[noreturn]] void fail(const Metadata& shard, const std::string& message) {
  throw FormatError(shard.name() + ": " + message);
}

}  // namespace

std::vector<std::string> further_shards(const std::string& path, const Metadata& first) {
  const int64_t count = first.integer_or(kCount, 1), number = first.integer_or(kNumber, 0);
  if (count < 0 || count > kMaxShards)
    fail(first,
         "key `split.count` is " + std::to_string(count) + ", expected 1 to " + std::to_string(kMaxShards));
  if (count <= 1 && number == 0) return {};
  if (number < 0 || number >= count)
    fail(first, "key `split.no` is " + std::to_string(number) + " of " + std::to_string(count) + " shards");
  const std::string own = suffix(number + 1, count);
  if (!path.ends_with(own))
    fail(first, "the file is shard " + std::to_string(number + 1) + " of " + std::to_string(count) +
                    ", its name must end in " + own);
  const std::string prefix = path.substr(0, path.size() - own.size());
  if (number != 0)
    fail(first, "the file is shard " + std::to_string(number + 1) + " of " + std::to_string(count) +
                    ": open " + file_name(prefix + suffix(1, count)));
  std::vector<std::string> paths;
  for (int64_t i = 2; i <= count; ++i) paths.push_back(prefix + suffix(i, count));
  return paths;
}

void check_shard(const Metadata& shard, size_t number, size_t count) {
  const int64_t own = shard.integer(kNumber), total = shard.integer(kCount);
  if (own != static_cast<int64_t>(number) || total != static_cast<int64_t>(count))
    fail(shard, "the file is shard " + std::to_string(own + 1) + " of " + std::to_string(total) +
                    ", expected " + std::to_string(number + 1) + " of " + std::to_string(count));
}

void check_tensor_total(const Metadata& first, size_t tensors) {
  const int64_t expected = first.integer(kTensors);
  if (expected != static_cast<int64_t>(tensors))
    fail(first, "key `split.tensors.count` is " + std::to_string(expected) + ", the shards hold " +
                    std::to_string(tensors) + " tensors");
}

}  // namespace pestle::gguf
