// Tensor element types: ids as they stand in a file, and the size of one block of each.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace pestle::gguf {

// Ids 4, 5, 31-33 and 36-38 were removed from the format and are refused.
enum class Type : uint32_t {
  F32 = 0,
  F16 = 1,
  Q4_0 = 2,
  Q4_1 = 3,
  Q5_0 = 6,
  Q5_1 = 7,
  Q8_0 = 8,
  Q8_1 = 9,
  Q2_K = 10,
  Q3_K = 11,
  Q4_K = 12,
  Q5_K = 13,
  Q6_K = 14,
  Q8_K = 15,
  IQ2_XXS = 16,
  IQ2_XS = 17,
  IQ3_XXS = 18,
  IQ1_S = 19,
  IQ4_NL = 20,
  IQ3_S = 21,
  IQ2_S = 22,
  IQ4_XS = 23,
  I8 = 24,
  I16 = 25,
  I32 = 26,
  I64 = 27,
  F64 = 28,
  IQ1_M = 29,
  BF16 = 30,
  TQ1_0 = 34,
  TQ2_0 = 35,
  MXFP4 = 39,
  NVFP4 = 40,
  Q1_0 = 41,
  Q2_0 = 42,
};

// A row of ne0 elements is ne0 / block_elems blocks of block_bytes; blocks never cross rows.
struct TypeInfo {
  std::string_view name;
  uint32_t block_elems, block_bytes;
};

// All ids are below.
constexpr uint32_t kTypeIds = 43;

// Null for an id that the format never had, or that it gave up.
const TypeInfo* find_type(uint32_t id);
// The name under which a removed id was known; empty for any other id.
std::string_view removed_type(uint32_t id);
// For the types above, which are the only ones that a parsed file can hold.
const TypeInfo& type_info(Type type);
// Nothing for a name that no type has, or only a removed one.
std::optional<Type> type_named(std::string_view name);

}  // namespace pestle::gguf
