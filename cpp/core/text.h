// Foreign text (names in a file, paths) as it may stand in a message: it must not move a terminal's cursor,
// and a message must be UTF-8.
#pragma once

#include <string>
#include <string_view>

namespace pestle {

// A path of the user's own: control characters and bytes that are not UTF-8 become \xNN.
std::string printable(std::string_view text);
// A name out of a file, in backquotes: everything but printable ASCII becomes \xNN, for Unicode can turn the
// direction of a line, hide or imitate; beyond 80 bytes, "...".
std::string quoted(std::string_view text);
// Bytes 0x20 to 0x7e only.
bool is_printable_ascii(std::string_view text);
// The last part of a path, printable.
std::string file_name(const std::string& path);

}  // namespace pestle
