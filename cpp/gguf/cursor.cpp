#include "gguf/cursor.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "gguf/format.h"

namespace pestle::gguf {

Cursor::Cursor(Beginning file, std::string file_name)
    : bytes_(file.bytes),
      read_on_(std::move(file.read_on)),
      file_name_(std::move(file_name)),
      end_(std::min(file.file_size, kMaxHeader)),
      capped_(file.file_size > kMaxHeader) {}

std::span<const std::byte> Cursor::take(uint64_t bytes, std::string_view what) {
  if (bytes > left()) past_end(bytes, what);
  if (bytes > bytes_.size() - position_) bytes_ = read_on_(position_ + bytes);
  const auto taken = bytes_.subspan(position_, bytes);
  position_ += bytes;
  return taken;
}

std::string_view Cursor::string(std::string_view what) {
  const auto length = read<uint64_t>(what);
  const auto bytes = take(length, what);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

std::string_view Cursor::name(uint64_t longest, std::string_view what) {
  const auto text = string(what);
  const std::string has = "has a " + std::string(what);
  if (text.empty()) fail(has + " without a character");
  if (text.size() > longest)
    fail(has + " of " + std::to_string(text.size()) + " bytes, expected at most " + std::to_string(longest));
  if (!is_printable_ascii(text)) fail(has + " that is not printable ASCII: " + quoted(text));
  return text;
}

std::span<const std::byte> Cursor::strings(uint64_t count, std::string_view what) {
  const uint64_t begin = position_;
  StringWalk walk(bytes_.subspan(begin));
  for (uint64_t i = 0; i < count; ++i) {
    if (walk.next()) continue;
    position_ = bytes_.size() - walk.rest().size();
    string(std::string(what) + " " + std::to_string(i));  // reads on, or fails there
    walk = StringWalk(bytes_.subspan(position_));
  }
  position_ = bytes_.size() - walk.rest().size();
  return bytes_.subspan(begin, position_ - begin);
}

void Cursor::check_count(uint64_t count, uint64_t min_bytes, uint64_t limit, std::string_view what) const {
  if (count > left() / min_bytes)
    fail("declares " + std::to_string(count) + " " + std::string(what) + ", but only " +
         std::to_string(left()) + " bytes of the " + (capped_ ? "longest accepted header" : "file") +
         " are left at byte " + std::to_string(position_));
  if (count > limit)
    fail("declares " + std::to_string(count) + " " + std::string(what) + ", more than the " +
         std::to_string(limit) + " that are accepted");
}

void Cursor::fail(const std::string& message) const { throw FormatError(where() + message); }
void Cursor::refuse(const std::string& message) const { throw UnsupportedError(where() + message); }

std::string Cursor::where() const {
  std::string text = file_name_ + ": ";
  if (place_.what.empty()) return text + "the file ";
  if (!place_.name.empty()) return text + std::string(place_.what) + " " + quoted(place_.name) + " ";
  return text + std::string(place_.what) + " " + std::to_string(place_.index + 1) + " of " +
         std::to_string(place_.count) + " ";
}

void Cursor::past_end(uint64_t bytes, std::string_view what) const {
  const std::string needs = std::string(what) + " needs " + std::to_string(bytes) + " bytes at byte " +
                            std::to_string(position_) + ", ";
  if (capped_)
    fail("is cut off: " + needs + "a header must end within " + std::to_string(kMaxHeader) + " bytes");
  fail("is cut off: " + needs + "the file ends after " + std::to_string(left()));
}

}  // namespace pestle::gguf
