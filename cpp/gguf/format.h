// The GGUF container, and what this reader asks of it.
//
//   "GGUF"                                       4 bytes, whatever the byte order
//   version              u32                     2 or 3 (the same layout); 1 had 32-bit counts
//   tensor_count         u64
//   metadata_count       u64
//   metadata_count x     key: string, type: u32, value
//   tensor_count x       name: string, n_dims: u32, n_dims x u64 (ne0, the contiguous one, first),
//                        type: u32, offset: u64 (from the start of the data section)
//   zeros                up to a multiple of the alignment: here the data section starts
//   tensor data          each at a multiple of the alignment
//
//   string               length: u64, bytes (UTF-8, no terminator)
//   value                of type u8 i8 u16 i16 u32 i32 f32 bool string array u64 i64 f64 (ids 0 ... 12)
//   array                element type: u32, count: u64, the elements, one after the other
//
// All little-endian. There is no flag for big-endian files: their version reads with its low 16 bits zero.
// Nothing in the header is aligned. `general.alignment` (u32, a power of two, at least 8) defaults to 32.
//
// Nothing is allocated before the bytes that it stands for are known to be in the file:
// * the header fits kMaxHeader; every length and count fits what is left of it, and its own limit below;
// * keys are printable ASCII, not empty, not longer than kMaxKey, and unique; an array's elements are of a
// known
//   type and no arrays; a bool is 0 or 1;
// * a tensor's name is printable ASCII of 1 to kMaxTensorName bytes, unique over all shards; it has 1 to 4
//   dimensions, none zero, whose product and whose size in bytes do not overflow; ne0 is whole blocks;
// * tensor data is aligned, in the order of the tensor list, without overlap, and inside the file;
// * a quantized file's `general.quantization_version`, where stated, is 2;
// * the tokenizer's arrays have equal lengths and its special ids are tokens (vocabulary.h);
// * a split file is opened by its first shard, and all its shards are there and belong to it (split.h).
//
// Text values are not checked for UTF-8: tokens of real vocabularies are not always.
#pragma once

#include <cstdint>
#include <string_view>

namespace pestle::gguf {

constexpr std::string_view kMagic = "GGUF";
constexpr std::string_view kAlignmentKey = "general.alignment";
constexpr uint32_t kDefaultAlignment = 32;
constexpr uint32_t kMinAlignment = 8;
constexpr int64_t kQuantizationVersion = 2;
constexpr int kMaxDims = 4;

// Limits of this reader, far above any model's: a file within them costs little memory to index.
constexpr uint64_t kMaxHeader = uint64_t{512} << 20;  // bytes
constexpr uint64_t kMaxMetadata = 1 << 16;            // entries
constexpr uint64_t kMaxTensors = 1 << 17;  // of one shard; DeepSeek-V3 with unfused experts has 46,000
constexpr uint64_t kMaxArray = 1 << 24;    // elements
constexpr uint64_t kMaxTokens = 1 << 21;
constexpr uint64_t kMaxMerges = 1 << 22;
constexpr uint64_t kMaxKey = 65535;      // bytes
constexpr uint64_t kMaxTensorName = 63;  // bytes

}  // namespace pestle::gguf
