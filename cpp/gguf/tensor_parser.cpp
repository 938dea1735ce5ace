#include "gguf/tensor_parser.h"

#include <optional>
#include <string>

#include "gguf/format.h"

namespace pestle::gguf {
namespace {

// A name of one byte, one dimension.
constexpr uint64_t kMinEntryBytes = 8 + 1 + 4 + 8 + 4 + 8;

std::optional<uint64_t> product(uint64_t a, uint64_t b) {
  if (b != 0 && a > static_cast<uint64_t>(INT64_MAX) / b) return std::nullopt;
  return a * b;
}

std::string shape(const Tensor& tensor) {
  std::string text = std::to_string(tensor.ne[0]);
  for (int i = 1; i < tensor.n_dims; ++i) text += "x" + std::to_string(tensor.ne[i]);
  return text;
}

Type parse_type(Cursor& cursor) {
  const auto id = cursor.read<uint32_t>("type");
  if (const auto removed = removed_type(id); !removed.empty())
    cursor.refuse("has type " + std::string(removed) + ", which was removed from the format");
  if (find_type(id) == nullptr) cursor.refuse("has the unknown type " + std::to_string(id));
  return static_cast<Type>(id);
}

void parse_shape(Cursor& cursor, Tensor& tensor) {
  const auto n_dims = cursor.read<uint32_t>("number of dimensions");
  if (n_dims < 1 || n_dims > kMaxDims)
    cursor.fail("has " + std::to_string(n_dims) + " dimensions, expected 1 to " + std::to_string(kMaxDims));
  tensor.n_dims = static_cast<int>(n_dims);
  tensor.ne.fill(1);
  for (uint32_t i = 0; i < n_dims; ++i) tensor.ne[i] = cursor.read<uint64_t>("dimension");
}

uint64_t checked_bytes(const Cursor& cursor, const Tensor& tensor) {
  const TypeInfo& type = type_info(tensor.type);
  std::optional<uint64_t> elements = 1;
  for (const uint64_t dim : tensor.ne) {
    if (dim == 0) cursor.fail("has shape " + shape(tensor) + " with a dimension of zero");
    if (elements) elements = product(*elements, dim);
  }
  if (tensor.ne[0] % type.block_elems != 0)
    cursor.fail("has rows of " + std::to_string(tensor.ne[0]) + " elements, expected a multiple of " +
                std::to_string(type.block_elems) + " for type " + std::string(type.name));
  const auto bytes = elements ? product(*elements / type.block_elems, type.block_bytes) : std::nullopt;
  if (!bytes) cursor.fail("has shape " + shape(tensor) + ", whose size overflows");
  return *bytes;
}

Tensor parse_entry(Cursor& cursor, uint64_t index, uint64_t count) {
  cursor.set_place({"tensor", index, count, {}});
  Tensor tensor{};
  tensor.name = cursor.name(kMaxTensorName, "name");
  cursor.set_place({"tensor", index, count, tensor.name});
  parse_shape(cursor, tensor);
  tensor.type = parse_type(cursor);
  tensor.nbytes = checked_bytes(cursor, tensor);
  tensor.offset = cursor.read<uint64_t>("offset");
  return tensor;
}

}  // namespace

std::vector<Tensor> parse_tensors(Cursor& cursor, uint64_t count, int shard) {
  cursor.set_place({});
  cursor.check_count(count, kMinEntryBytes, kMaxTensors, "tensors");
  std::vector<Tensor> tensors;
  tensors.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    tensors.push_back(parse_entry(cursor, i, count));
    tensors.back().shard = shard;
  }
  return tensors;
}

void place_tensors(Cursor& cursor, std::vector<Tensor>& tensors, uint32_t alignment, uint64_t file_size) {
  const uint64_t start = (cursor.position() + alignment - 1) / alignment * alignment;
  const uint64_t room = file_size > start ? file_size - start : 0;
  for (Tensor& tensor : tensors) tensor.offset += start;  // may overflow, and is told of below
  uint64_t used = 0;  // bytes of the section up to the end of the tensor before
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i];
    cursor.set_place({"tensor", i, tensors.size(), tensor.name});
    const uint64_t offset = tensor.offset - start;
    if (offset % alignment != 0)
      cursor.fail("has data at offset " + std::to_string(offset) + ", expected a multiple of " +
                  std::to_string(alignment));
    if (offset < used)
      cursor.fail("has data at offset " + std::to_string(offset) +
                  ", inside or before that of the tensor listed before it, which ends at " +
                  std::to_string(used));
    if (offset > room || tensor.nbytes > room - offset)
      cursor.fail("needs " + std::to_string(tensor.nbytes) + " bytes at offset " + std::to_string(offset) +
                  " of the data section, which has " + std::to_string(room) + ": the file is incomplete");
    used = offset + tensor.nbytes;
  }
}

}  // namespace pestle::gguf
