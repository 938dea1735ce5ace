// One GGUF file, parsed and checked on its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "core/input_file.h"
#include "gguf/cursor.h"
#include "gguf/metadata.h"
#include "gguf/tensor.h"

namespace pestle::gguf {

struct Shard {
  uint32_t version = 0;
  Metadata metadata;
  std::vector<Tensor> tensors;
  uint64_t header_bytes = 0;  // up to the end of the list of tensors
  std::string damage;         // what is wrong with a file whose metadata is whole; empty: nothing
};

// A shard and the copy of its header, into which it points.
struct ReadShard {
  std::unique_ptr<std::byte[]> header;
  Shard shard;
};

enum class Damage { refused, told };

// Everything in it points into `file`. FormatError or UnsupportedError, as format.h says. `file_name` is for
// messages, `number` is what its tensors get as `shard`. Damage::told: a list of tensors or data that is cut
// is not an error but told; a list that is cut is left out.
Shard parse_shard(Beginning file, const std::string& file_name, int number, Damage damage = Damage::refused);

// How far the header of a file goes, and its last tensor.
struct Extent { uint64_t header, data; };
// Told from a file's beginning. Where that is cut off within the header, `header` is more than it has, so
// many bytes, at least, tell more, and `data` is 0. Raises as parse_shard does for what shows so far.
Extent extent_of(std::span<const std::byte> beginning, uint64_t file_size, const std::string& file_name);

// The same as parse_shard of a file, of which not much more than its header is read. Error when the system
// refuses.
ReadShard read_shard(const InputFile& file, const std::string& file_name, int number, Damage damage);

}  // namespace pestle::gguf
