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

Metadata File::add_shard(const std::string& path, size_t count, Damage damage) {
  const InputFile& file = files_.emplace_back(path);
  ReadShard read = read_shard(file, file_name(path), static_cast<int>(paths_.size()), damage);
  if (!paths_.empty()) check_shard(read.shard.metadata, paths_.size(), count);
  paths_.push_back(path);
  headers_.push_back(std::move(read.header));
  if (paths_.size() == 1) version_ = read.shard.version;
  if (damage_.empty()) damage_ = read.shard.damage;
  tensors_.insert(tensors_.end(), read.shard.tensors.begin(), read.shard.tensors.end());
  return std::move(read.shard.metadata);
}

void File::add_further_shards(const std::vector<std::string>& paths, Damage damage) {
  try {
    for (const std::string& path : paths) add_shard(path, paths.size() + 1, damage);
    if (!paths.empty() && damage_.empty()) check_tensor_total(*this, tensors_.size());
  } catch (const Error& error) {
    if (damage == Damage::refused) throw;
    if (damage_.empty()) damage_ = error.what();
    files_.erase(files_.begin() + std::ptrdiff_t(paths_.size()),
                 files_.end());  // one that is not a shard of it
  }
}

File File::open(const std::string& path, Damage damage) {
  File file;
  static_cast<Metadata&>(file) = file.add_shard(path, 1, damage);
  file.add_further_shards(further_shards(path, file), damage);

  std::vector<std::string_view> names;
  names.reserve(file.tensors_.size());
  for (const Tensor& tensor : file.tensors_) names.push_back(tensor.name);
  file.names_ = NameIndex(names);
  if (const auto name = file.names_.duplicate())
    throw FormatError(file.name() + ": tensor " + quoted(*name) + " occurs twice");

  check_quantization_version(file, file.tensors_);
  check_vocabulary(file);
  file.check_unchanged();
  return file;
}

uint64_t File::size() const {
  uint64_t bytes = 0;
  for (const InputFile& file : files_) bytes += file.size();
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

void File::require_whole() const {
  if (!damage_.empty()) throw FormatError(damage_);
}

void File::read(const Tensor& tensor, uint64_t offset, std::span<std::byte> out) const {
  files_[static_cast<size_t>(tensor.shard)].read(tensor.offset + offset, out);
}

void File::will_need(const Tensor& tensor, uint64_t offset, uint64_t bytes) const {
  files_[static_cast<size_t>(tensor.shard)].will_need(tensor.offset + offset, bytes);
}

void File::check_unchanged() const {
  for (const InputFile& file : files_) file.check_unchanged();
}

}  // namespace pestle::gguf
