#include "gguf/shard.h"

#include <algorithm>
#include <array>
#include <bit>
#include <span>
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
static_assert(sizeof(size_t) == 8, "offsets of large files are sizes in memory");

// How long a header is shows only while it is parsed. It is read in parts of this size into a buffer of one
// of these; where that is too small, parsing begins anew with the next. A vocabulary of 128,000 tokens takes
// 8 MiB.
constexpr uint64_t kPart = uint64_t(128) << 10;
constexpr std::array<uint64_t, 4> kBuffers = {kPart, uint64_t(16) << 20, uint64_t(128) << 20, kMaxHeader};

// A buffer does not hold the first `bytes` of a file.
struct TooSmall { uint64_t bytes; };

// The beginning of a file in a buffer whose memory is touched only as far as it is read.
class HeaderBuffer {
 public:
  HeaderBuffer(const InputFile& file, uint64_t bytes)
      : file_(file), bytes_(bytes), data_(std::make_unique_for_overwrite<std::byte[]>(bytes)) {}

  std::span<const std::byte> read_on(uint64_t bytes) {
    if (bytes > bytes_) throw TooSmall{bytes};
    const uint64_t end = std::min(bytes_, (bytes + kPart - 1) / kPart * kPart);
    file_.read(read_, {data_.get() + read_, end - read_});
    read_ = end;
    return {data_.get(), read_};
  }
  std::unique_ptr<std::byte[]> release() { return std::move(data_); }

 private:
  const InputFile& file_;
  uint64_t bytes_, read_ = 0;
  std::unique_ptr<std::byte[]> data_;
};

// What a file that is no GGUF probably is.
std::string likely_content(std::string_view start) {
  if (start.starts_with("version https://git-lfs")) return "it is a Git LFS pointer: fetch the file itself";
  if (start.starts_with("<!DOCTYPE") || start.starts_with("<html")) return "it is a web page";
  for (const std::string_view magic : {"lmgg", "fmgg", "tjgg"})
    if (start.starts_with(magic)) return "it has a format that GGUF replaced in 2023";
  return "it starts with " + quoted(start.substr(0, kMagic.size())) + ", expected " + quoted(kMagic);
}

uint32_t parse_version(Cursor& cursor, std::span<const std::byte> file) {
  if (cursor.left() == 0) cursor.fail("is empty");
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

Shard parse_shard(Beginning file, const std::string& file_name, int number, Damage damage) {
  Cursor cursor(file, file_name);
  Shard shard;
  shard.version = parse_version(cursor, file.bytes);
  const auto tensor_count = cursor.read<uint64_t>("the number of tensors");
  const auto metadata_count = cursor.read<uint64_t>("the number of metadata entries");
  shard.metadata = Metadata(file_name, parse_metadata(cursor, metadata_count));
  const uint32_t alignment = alignment_of(shard.metadata);
  try {
    shard.tensors = parse_tensors(cursor, tensor_count, number);
    shard.header_bytes = cursor.position();
    place_tensors(cursor, shard.tensors, alignment, file.file_size);
  } catch (const FormatError& error) {
    if (damage == Damage::refused) throw;
    shard.damage = error.what();
  }
  return shard;
}

Extent extent_of(std::span<const std::byte> beginning, uint64_t file_size, const std::string& file_name) {
  const auto read_on = [](uint64_t bytes) -> std::span<const std::byte> { throw TooSmall{bytes}; };
  try {
    const Shard shard = parse_shard({beginning, file_size, read_on}, file_name, 0);
    uint64_t end = shard.header_bytes;
    for (const Tensor& tensor : shard.tensors) end = std::max(end, tensor.offset + tensor.nbytes);
    return {shard.header_bytes, end};
  } catch (const TooSmall& wanted) { return {wanted.bytes, 0}; }
}

ReadShard read_shard(const InputFile& file, const std::string& file_name, int number, Damage damage) {
  const uint64_t most = std::min(file.size(), kMaxHeader);
  for (const uint64_t size : kBuffers) try {
      HeaderBuffer buffer(file, std::min(most, size));
      const auto read_on = [&buffer](uint64_t bytes) { return buffer.read_on(bytes); };
      const Beginning beginning{read_on(std::min(most, kPart)), file.size(), read_on};
      Shard shard = parse_shard(beginning, file_name, number, damage);
      return {buffer.release(), std::move(shard)};
    } catch (const TooSmall&) { continue; }
  throw FormatError(file_name + ": the header is too long");  // the cursor says so before
}

}  // namespace pestle::gguf
