// A GGUF file, all shards of it, read through memory maps. format.h states the rules that open() enforces.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapped_file.h"
#include "gguf/metadata.h"
#include "gguf/name_index.h"
#include "gguf/tensor.h"

namespace pestle::gguf {

// Its metadata is the first shard's: the others carry only split.* keys. Movable; every view handed out
// (strings, tensor data) lives as long as the File.
class File : public Metadata {
 public:
  // Opens every shard and checks everything. FormatError: the content is wrong. UnsupportedError: a version,
  // byte order or type that is not read. Error: the operating system refuses (missing, unreadable).
  static File open(const std::string& path);

  const std::string& path() const { return paths_.front(); }
  std::span<const std::string> paths() const { return paths_; }
  uint32_t version() const { return version_; }
  uint64_t size() const;  // bytes, all shards

  // In file order, shard after shard.
  std::span<const Tensor> tensors() const { return tensors_; }
  const Tensor* find(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;  // FormatError "model.gguf: tensor `x` is missing"

  // Copies bytes of a tensor from `offset` on. Error when its file has shrunk meanwhile.
  void read(const Tensor& tensor, size_t offset, std::span<std::byte> out) const;
  // Asks the system to read a part of tensor.data ahead.
  void will_need(const Tensor& tensor, std::span<const std::byte> part) const;
  // Error when the tensor's file has shrunk since it was opened: reading `data` would end the process.
  void check_length(const Tensor& tensor) const;

 private:
  Metadata add_shard(const std::string& path);  // maps and parses it; keeps its tensors, returns its metadata

  std::vector<std::string> paths_;
  std::vector<MappedFile> maps_;
  uint32_t version_ = 0;
  std::vector<Tensor> tensors_;
  NameIndex names_;
};

}  // namespace pestle::gguf
