#include "gguf/cursor.h"

#include <algorithm>
#include <utility>

#include "core/error.h"
#include "core/text.h"
#include "gguf/format.h"

namespace pestle::gguf {

Cursor::Cursor(std::span<const std::byte> file, std::string file_name)
    : bytes_(file.first(std::min<uint64_t>(file.size(), kMaxHeader))),
      file_name_(std::move(file_name)),
      capped_(file.size() > kMaxHeader) {}

std::span<const std::byte> Cursor::take(uint64_t bytes, std::string_view what) {
  if (bytes > left()) past_end(bytes, what);
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
  const auto all = bytes_.subspan(position_);
  StringWalk walk(all);
  for (uint64_t i = 0; i < count; ++i) {
    const auto before = walk.rest();
    if (walk.next()) continue;
    position_ += all.size() - before.size();
    string(std::string(what) + " " + std::to_string(i));  // fails there
  }
  return take(all.size() - walk.rest().size(), what);
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
