// One GGUF file, parsed and checked on its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "gguf/metadata.h"
#include "gguf/tensor.h"

namespace pestle::gguf {

struct Shard {
  uint32_t version;
  Metadata metadata;
  std::vector<Tensor> tensors;
};

// Everything in it points into `file`. FormatError or UnsupportedError, as format.h says; `file_name` is for
// messages, `number` is what its tensors get as `shard`.
Shard parse_shard(std::span<const std::byte> file, const std::string& file_name, int number);

}  // namespace pestle::gguf
