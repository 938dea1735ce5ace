#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "gguf/type.h"

namespace pestle::gguf {

struct Tensor {
  std::string_view name;
  Type type;
  std::array<uint64_t, 4> ne;  // ne[0] is contiguous; unused dimensions are 1, none is 0
  int n_dims;
  uint64_t nbytes;
  uint64_t offset;  // from the start of its shard's file
  int shard;
};

}  // namespace pestle::gguf
