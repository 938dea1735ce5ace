// A GGUF file, all shards of it, read through memory maps. format.h states the rules that open() enforces.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/mapped_file.h"
#include "gguf/name_index.h"
#include "gguf/type.h"
#include "gguf/value.h"

namespace pestle::gguf {

struct Tensor {
  std::string_view name;
  Type type;
  std::array<uint64_t, 4> ne;  // ne[0] is contiguous; unused dimensions are 1, none is 0
  int n_dims;
  uint64_t nbytes;
  uint64_t offset;  // from the start of its shard's file
  int shard;
  std::span<const std::byte> data;  // nbytes, in the map
};

// Movable. Every view handed out (strings, tensor data) lives as long as the File.
class File {
 public:
  // Opens every shard and checks everything. FormatError: the content is wrong. UnsupportedError: a version,
  // byte order or type that is not read. Error: the operating system refuses (missing, unreadable).
  static File open(const std::string& path);

  const std::string& path() const { return paths_.front(); }
  const std::string& name() const { return name_; }  // the file's name without folders, for messages
  std::span<const std::string> paths() const { return paths_; }
  uint32_t version() const { return version_; }
  uint64_t size() const;  // bytes, all shards

  // Metadata, in file order (of the first shard: the others carry only split.* keys).
  std::span<const Value> metadata() const { return values_; }
  const Value* find_value(std::string_view key) const;
  bool has(std::string_view key) const { return find_value(key) != nullptr; }

  // FormatError naming file and key when the key is absent or of another kind. Any integer width will do.
  int64_t integer(std::string_view key) const;
  double number(std::string_view key) const;  // a float or an integer
  bool flag(std::string_view key) const;
  std::string_view string(std::string_view key) const;

  // The same, with a default for an absent key only.
  int64_t integer_or(std::string_view key, int64_t absent) const;
  double number_or(std::string_view key, double absent) const;
  bool flag_or(std::string_view key, bool absent) const;
  std::string_view string_or(std::string_view key, std::string_view absent) const;

  // A scalar gives one element, an array all of them.
  std::vector<int64_t> integers(std::string_view key) const;
  std::vector<double> numbers(std::string_view key) const;
  std::vector<bool> flags(std::string_view key) const;
  std::vector<std::string_view> strings(std::string_view key) const;
  uint64_t array_size(std::string_view key) const;  // FormatError when the key is no array

  // Tensors, in file order, shard after shard.
  std::span<const Tensor> tensors() const { return tensors_; }
  const Tensor* find(std::string_view name) const;
  const Tensor& tensor(std::string_view name) const;  // FormatError "model.gguf: tensor `x` is missing"

  // Asks the system to read a tensor ahead. Error when its file has shrunk since it was opened: reading the
  // map would end the process.
  void will_need(const Tensor& tensor) const;
  // Lets go of the pages that lie wholly inside a tensor; reading it again is still right, only slower.
  void drop_pages(const Tensor& tensor) const;

 private:
  File() = default;
  const Value& value(std::string_view key) const;
  [[noreturn]] void wrong_kind(const Value& value, std::string_view expected) const;

  std::string name_;
  std::vector<std::string> paths_;
  std::vector<MappedFile> maps_;
  uint32_t version_ = 0;
  std::vector<Value> values_;
  std::vector<Tensor> tensors_;
  NameIndex keys_, names_;
};

}  // namespace pestle::gguf
