#pragma once

#include <cstdint>
#include <vector>

#include "gguf/cursor.h"
#include "gguf/value.h"

namespace pestle::gguf {

// `count` metadata entries, checked and left where they are. Equal keys are the caller's to find.
std::vector<Value> parse_metadata(Cursor& cursor, uint64_t count);

}  // namespace pestle::gguf
