#pragma once

#include <cstdint>
#include <vector>

#include "gguf/cursor.h"
#include "gguf/tensor.h"

namespace pestle::gguf {

// `count` tensor descriptions, with offsets from the data section's start. The cursor ends where the header
// does. Equal names are the caller's to find.
std::vector<Tensor> parse_tensors(Cursor& cursor, uint64_t count, int shard);

// Makes these offsets the file's, and checks where the data lies. FormatError leaves them made.
void place_tensors(Cursor& cursor, std::vector<Tensor>& tensors, uint32_t alignment, uint64_t file_size);

}  // namespace pestle::gguf
