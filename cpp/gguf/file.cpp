#include "gguf/file.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <optional>
#include <utility>

#include "core/assume.h"
#include "core/buffer.h"
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

void read_past_cache(const InputFile& file, uint64_t offset, std::span<std::byte> out) {
  constexpr size_t kPart = size_t(1) << 20;
  thread_local Buffer buffer;
  if (!buffer.data()) buffer = Buffer(kPart + 2 * kReadAlignment);
  const std::span pages(reinterpret_cast<std::byte*>(buffer.data()), buffer.size());
  while (!out.empty()) {
    const size_t n = std::min(kPart, out.size());
    std::copy_n(file.read_pages(offset, n, pages), n, out.data());
    offset += n;
    out = out.subspan(n);
  }
}

}  // namespace

Metadata File::add_shard(const std::string& path, size_t count, Damage damage) {
  const InputFile& file = files_.emplace_back(path);
  return add(path, read_shard(file, file_name(path), static_cast<int>(paths_.size()), damage), file.size(),
             count);
}

Metadata File::add(const std::string& path, ReadShard read, uint64_t bytes, size_t count) {
  if (!paths_.empty()) check_shard(read.shard.metadata, paths_.size(), count);
  paths_.push_back(path);
  headers_.push_back(std::move(read.header));
  size_ += bytes;
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
  file.finish();
  file.check_unchanged();
  return file;
}

File File::of_headers(std::span<const RemoteShard> shards) {
  PESTLE_ASSUME(!shards.empty());
  File file;
  for (const RemoteShard& remote : shards) {
    auto header = std::make_unique_for_overwrite<std::byte[]>(remote.beginning.size());
    std::ranges::copy(remote.beginning, header.get());
    const std::string name = file_name(remote.path);
    const auto read_on = [&](uint64_t bytes) -> std::span<const std::byte> {
      throw FormatError(name + ": the header goes on behind the " + std::to_string(remote.beginning.size()) +
                        " bytes that are here, up to byte " + std::to_string(bytes) + " at least");
    };
    const Beginning beginning{{header.get(), remote.beginning.size()}, remote.file_size, read_on};
    Shard shard = parse_shard(beginning, name, static_cast<int>(file.paths_.size()));
    Metadata metadata =
        file.add(remote.path, {std::move(header), std::move(shard)}, remote.file_size, shards.size());
    if (file.paths_.size() > 1) continue;
    static_cast<Metadata&>(file) = std::move(metadata);
    std::vector<std::string> paths = further_shards(remote.path, file);
    if (paths.size() + 1 != shards.size())
      throw FormatError(file.name() + ": the model has " + std::to_string(paths.size() + 1) +
                        " files, expected " + std::to_string(shards.size()));
  }
  if (shards.size() > 1) check_tensor_total(file, file.tensors_.size());
  file.finish();
  return file;
}

void File::finish() {
  std::vector<std::string_view> names;
  names.reserve(tensors_.size());
  for (const Tensor& tensor : tensors_) names.push_back(tensor.name);
  names_ = NameIndex(names);
  if (const auto name = names_.duplicate())
    throw FormatError(this->name() + ": tensor " + quoted(*name) + " occurs twice");

  check_quantization_version(*this, tensors_);
  check_vocabulary(*this);
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
  if (files_.empty())
    throw Error(name() + ": only the header is here, not the data of tensor " + quoted(tensor.name));
  const auto shard = static_cast<size_t>(tensor.shard);
  if (!past_cache_.empty()) return read_past_cache(past_cache_[shard], tensor.offset + offset, out);
  files_[shard].read(tensor.offset + offset, out);
  if (!spares_cache_) return;
  // Pages are cached in folios, which are dropped as a whole.
  constexpr uint64_t kFolio = uint64_t(2) << 20;
  const uint64_t first = (tensor.offset + offset) / kFolio * kFolio;
  files_[shard].wont_need(first, tensor.offset + offset + out.size() - first);
}

void File::spare_cache() {
  spares_cache_ = true;
  std::vector<InputFile> found;
  for (const InputFile& file : files_) {
    std::optional<InputFile> again = file.past_cache();
    if (!again) return;
    found.push_back(std::move(*again));
  }
  past_cache_ = std::move(found);
}

void File::will_need(const Tensor& tensor, uint64_t offset, uint64_t bytes) const {
  if (files_.empty() || spares_cache_) return;
  files_[static_cast<size_t>(tensor.shard)].will_need(tensor.offset + offset, bytes);
}

void File::check_unchanged() const {
  for (const InputFile& file : files_) file.check_unchanged();
}

}  // namespace pestle::gguf
