// A GGUF file, all shards of it. format.h states the rules that open() enforces.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/input_file.h"
#include "gguf/metadata.h"
#include "gguf/name_index.h"
#include "gguf/shard.h"
#include "gguf/tensor.h"

namespace pestle::gguf {

// What is known of a file that is elsewhere: its beginning, which holds its header, and how long it is.
struct RemoteShard {
  std::string path;
  std::span<const std::byte> beginning;
  uint64_t file_size;
};

// Its metadata is the first shard's: the others carry only split.* keys. Movable; every view handed out
// (keys, strings, names) is of a copy that lives as long as the File, so nothing that happens to the files
// changes it.
class File : public Metadata {
 public:
  File(File&&) = default;
  File& operator=(File&&) = default;
  // Opens every shard and checks everything. FormatError: the content is wrong. UnsupportedError: a version,
  // byte order or type that is not read. Error: the operating system refuses (missing, unreadable), or a
  // shard is being written to. Damage::told: see damage().
  static File open(const std::string& path, Damage damage = Damage::refused);
  // All shards of a file of which only the headers are here, checked in the same way; they are copied.
  // Reading a tensor is an Error.
  static File of_headers(std::span<const RemoteShard> shards);

  const std::string& path() const { return paths_.front(); }
  std::span<const std::string> paths() const { return paths_; }
  uint32_t version() const { return version_; }
  uint64_t size() const { return size_; }  // bytes, all shards
  std::span<const InputFile> shards() const { return files_; }

  // In file order, shard after shard.
  std::span<const Tensor> tensors() const { return tensors_; }
  const Tensor* find(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;  // FormatError "model.gguf: tensor `x` is missing"

  // What is wrong with a file that was opened all the same: its list of tensors or their data is cut, or
  // shards are missing. Empty for every other file.
  const std::string& damage() const { return damage_; }
  // FormatError when the file is damaged.
  void require_whole() const;

  // Copies bytes of a tensor from `offset` on, which it has. Error when the system refuses, or its file was
  // cut.
  void read(const Tensor& tensor, uint64_t offset, std::span<std::byte> out) const;
  // From now on reads pass the system's page cache, or leave nothing there where the file system knows no
  // such: in a control group what is cached counts, and where that reaches its limit everything waits.
  void spare_cache();
  bool spares_cache() const { return spares_cache_; }
  // Asks the system to read a part of a tensor ahead.
  void will_need(const Tensor& tensor, uint64_t offset, uint64_t bytes) const;
  // Error when a shard was written to or cut since it was opened: what was read may be of two files.
  void check_unchanged() const;

 private:
  File() = default;
  // Keeps its tensors and returns its metadata. A further shard must be the next of `count`.
  Metadata add_shard(const std::string& path, size_t count, Damage damage);
  Metadata add(const std::string& path, ReadShard read, uint64_t bytes, size_t count);
  void add_further_shards(const std::vector<std::string>& paths, Damage damage);
  // What only all shards together show.
  void finish();

  std::vector<std::string> paths_;
  std::vector<InputFile> files_;  // none where only the headers are here
  bool spares_cache_ = false;
  std::vector<InputFile> past_cache_;  // the same files, or none
  uint64_t size_ = 0;
  std::vector<std::unique_ptr<std::byte[]>> headers_;
  std::string damage_;
  uint32_t version_ = 0;
  std::vector<Tensor> tensors_;
  NameIndex names_;
};

}  // namespace pestle::gguf
