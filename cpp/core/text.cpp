#include "core/text.h"

#include <algorithm>
#include <cstddef>

namespace pestle {
namespace {

constexpr size_t kLongestQuote = 80;

// Bytes of the printable UTF-8 character at the start of the text; 0 when there is none.
size_t character(std::string_view text) {
  const auto byte = [&](size_t i) { return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u; };
  const unsigned lead = byte(0);
  if (lead < 0x80) return lead >= 0x20 && lead != 0x7f ? 1 : 0;
  const size_t length = lead >= 0xc2 && lead < 0xe0   ? 2
                        : lead >= 0xe0 && lead < 0xf0 ? 3
                        : lead >= 0xf0 && lead < 0xf5 ? 4
                                                      : 0;
  for (size_t i = 1; i < length; ++i)
    if ((byte(i) & 0xc0) != 0x80) return 0;
  const bool control = lead == 0xc2 && byte(1) < 0xa0;  // C1 controls
  const bool overlong = (lead == 0xe0 && byte(1) < 0xa0) || (lead == 0xf0 && byte(1) < 0x90);
  const bool no_character = (lead == 0xed && byte(1) >= 0xa0) || (lead == 0xf4 && byte(1) >= 0x90);
  return control || overlong || no_character ? 0 : length;
}

size_t ascii_character(std::string_view text) { return is_printable_ascii(text.substr(0, 1)) ? 1 : 0; }

// `width`: bytes of the character at the start of a text that may stand as they are.
std::string escaped(std::string_view text, size_t longest, size_t (*width)(std::string_view)) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (i >= longest) return out + "...";
    if (const size_t length = width(text.substr(i))) {
      out += text.substr(i, length);
      i += length;
    } else {
      const auto byte = static_cast<unsigned char>(text[i++]);
      out += {'\\', 'x', kDigits[byte >> 4], kDigits[byte & 15]};
    }
  }
  return out;
}

}  // namespace

std::string printable(std::string_view text) { return escaped(text, std::string::npos, character); }

std::string quoted(std::string_view text) {
  return "`" + escaped(text, kLongestQuote, ascii_character) + "`";
}

bool is_printable_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

std::string file_name(const std::string& path) {
#ifdef _WIN32
  const size_t slash = path.find_last_of("/\\");
#else
  const size_t slash = path.rfind('/');
#endif
  return printable(slash == std::string::npos ? path : path.substr(slash + 1));
}

}  // namespace pestle
