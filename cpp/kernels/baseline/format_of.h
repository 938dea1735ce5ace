// The format that holds the numbers of a GGUF type.
#pragma once

#include <optional>
#include <string_view>

#include "kernels/format.h"

namespace pestle {

// type: as GGUF names it. Nothing for a type that Pestle does not run.
std::optional<Format> format_of(std::string_view type);

}  // namespace pestle
