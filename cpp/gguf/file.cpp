#include "gguf/file.h"

#include <iterator>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "gguf/format.h"
#include "gguf/shard.h"
#include "gguf/split.h"
#include "gguf/vocabulary.h"

namespace pestle::gguf {
namespace {

// Version 1 had other blocks under the same type ids.
void check_quantization_version(const Metadata& metadata, std::span<const Tensor> tensors) {
  constexpr std::string_view kKey = "general.quantization_version";
  const int64_t version = metadata.integer_or(kKey, kQuantizationVersion);
  if (version == kQuantizationVersion) return;
  for (const Tensor& tensor : tensors)
    if (type_info(tensor.type).block_elems > 1)
      throw UnsupportedError(metadata.name() + ": key " + quoted(kKey) + " is " + std::to_string(version) +
                             ", Pestle reads version " + std::to_string(kQuantizationVersion));
}

}  // namespace

Metadata File::add_shard(const std::string& path) {
  const MappedFile& map = maps_.emplace_back(path);
  Shard shard = parse_shard(map.bytes(), file_name(path), static_cast<int>(paths_.size()));
  paths_.push_back(path);
  if (paths_.size() == 1) version_ = shard.version;
  tensors_.insert(tensors_.end(), shard.tensors.begin(), shard.tensors.end());
  return std::move(shard.metadata);
}

File File::open(const std::string& path) {
  File file;
  static_cast<Metadata&>(file) = file.add_shard(path);
  const auto further = further_shards(path, file);
  for (size_t i = 0; i < further.size(); ++i)
    check_shard(file.add_shard(further[i]), i + 1, further.size() + 1);
  if (!further.empty()) check_tensor_total(file, file.tensors_.size());

  std::vector<std::string_view> names;
  names.reserve(file.tensors_.size());
  for (const Tensor& tensor : file.tensors_) names.push_back(tensor.name);
  file.names_ = NameIndex(names);
  if (const auto name = file.names_.duplicate())
    throw FormatError(file.name() + ": tensor " + quoted(*name) + " occurs twice");

  check_quantization_version(file, file.tensors_);
  check_vocabulary(file);
  return file;
}

uint64_t File::size() const {
  uint64_t bytes = 0;
  for (const MappedFile& map : maps_) bytes += map.bytes().size();
  return bytes;
}

const Tensor* File::find(std::string_view name) const {
  const auto position = names_.find(name);
  return position ? &tensors_[*position] : nullptr;
}

const Tensor& File::tensor(std::string_view name) const {
  if (const Tensor* found = find(name)) return *found;
  throw FormatError(this->name() + ": tensor " + quoted(name) + " is missing");
}

void File::read(const Tensor& tensor, size_t offset, std::span<std::byte> out) const {
  maps_[tensor.shard].read(tensor.offset + offset, out);
}

void File::will_need(const Tensor& tensor, std::span<const std::byte> part) const {
  maps_[tensor.shard].will_need(part);
}

void File::check_length(const Tensor& tensor) const { maps_[tensor.shard].check_length(); }

}  // namespace pestle::gguf
