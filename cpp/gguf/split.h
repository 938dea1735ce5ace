// Models in several files: <prefix>-00001-of-00003.gguf and so on. Each shard is a whole GGUF file whose
// `split.no` (from 0) and `split.count` say which it is; the first also has all other metadata and, in
// `split.tensors.count`, the number of tensors of all shards.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "gguf/metadata.h"

namespace pestle::gguf {

// Paths of the shards after the first, beside it; none for a whole model. FormatError when `path` is not the
// first shard (it says which file is) or is not named like one.
std::vector<std::string> further_shards(const std::string& path, const Metadata& first);

// FormatError unless this is shard `number` (from 0) of `count`.
void check_shard(const Metadata& shard, size_t number, size_t count);

// FormatError unless all shards together hold as many tensors as the first says.
void check_tensor_total(const Metadata& first, size_t tensors);

}  // namespace pestle::gguf
