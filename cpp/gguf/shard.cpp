#include "gguf/shard.h"

#include <algorithm>
#include <bit>
#include <string_view>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "gguf/cursor.h"
#include "gguf/format.h"
#include "gguf/metadata_parser.h"
#include "gguf/tensor_parser.h"

namespace pestle::gguf {
namespace {

static_assert(std::endian::native == std::endian::little, "GGUF values are read as they stand");
static_assert(sizeof(size_t) == 8, "files are mapped whole");

// What a file that is no GGUF probably is.
std::string likely_content(std::string_view start) {
  if (start.starts_with("version https://git-lfs")) return "it is a Git LFS pointer: fetch the file itself";
  if (start.starts_with("<!DOCTYPE") || start.starts_with("<html")) return "it is a web page";
  for (const std::string_view magic : {"lmgg", "fmgg", "tjgg"})
    if (start.starts_with(magic)) return "it has a format that GGUF replaced in 2023";
  return "it starts with " + quoted(start.substr(0, kMagic.size())) + ", expected " + quoted(kMagic);
}

uint32_t parse_version(Cursor& cursor, std::span<const std::byte> file) {
  if (file.empty()) cursor.fail("is empty");
  const std::string_view start(reinterpret_cast<const char*>(file.data()), std::min<size_t>(file.size(), 64));
  if (!start.starts_with(kMagic)) cursor.fail("is not GGUF: " + likely_content(start));
  cursor.take(kMagic.size(), "the magic");
  const auto version = cursor.read<uint32_t>("the version");
  if (version == 0) cursor.fail("has version 0, expected 2 or 3");
  if ((version & 0xffff) == 0) cursor.refuse("is big-endian, Pestle reads little-endian files only");
  if (version != 2 && version != 3)
    cursor.refuse("has version " + std::to_string(version) + ", Pestle reads versions 2 and 3");
  return version;
}

uint32_t alignment_of(const Metadata& metadata) {
  const Value* value = metadata.find_value(kAlignmentKey);
  if (value == nullptr) return kDefaultAlignment;
  const std::string key = metadata.name() + ": key " + quoted(kAlignmentKey) + " is ";
  if (value->type != ValueType::kU32) throw FormatError(key + "of type " + value->kind() + ", expected u32");
  const auto alignment = static_cast<uint32_t>(metadata.integer(kAlignmentKey));
  if (alignment < kMinAlignment || !std::has_single_bit(alignment))
    throw FormatError(key + std::to_string(alignment) + ", expected a power of two, at least " +
                      std::to_string(kMinAlignment));
  return alignment;
}

}  // namespace

Shard parse_shard(std::span<const std::byte> file, const std::string& file_name, int number) {
  Cursor cursor(file, file_name);
  Shard shard;
  shard.version = parse_version(cursor, file);
  const auto tensor_count = cursor.read<uint64_t>("the number of tensors");
  const auto metadata_count = cursor.read<uint64_t>("the number of metadata entries");
  shard.metadata = Metadata(file_name, parse_metadata(cursor, metadata_count));
  shard.tensors = parse_tensors(cursor, tensor_count, alignment_of(shard.metadata), number, file);
  return shard;
}

}  // namespace pestle::gguf
