#include "kernels/baseline/format_of.h"

namespace pestle {

std::optional<Format> format_of(std::string_view type) {
  for (int f = 0; f < kFormats; f++)
    if (type == kFormatInfo[f].name) return static_cast<Format>(f);
  return std::nullopt;
}

}  // namespace pestle
