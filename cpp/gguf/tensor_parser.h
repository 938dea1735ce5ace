#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "gguf/cursor.h"
#include "gguf/tensor.h"

namespace pestle::gguf {

// `count` tensor descriptions, and their data's places in `file`, checked. The cursor ends where the header
// does. Equal names are the caller's to find.
std::vector<Tensor> parse_tensors(Cursor& cursor, uint64_t count, uint32_t alignment, int shard,
                                  std::span<const std::byte> file);

}  // namespace pestle::gguf
