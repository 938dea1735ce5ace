// Where the 32 codes of a row's block lie within a tile, code by code: what unpacking reads.
#pragma once

#include <cstdint>

namespace pestle {

using Codes = uint8_t[32];  // one row, one block of 32 columns

// 4 bits a column: column i < 16 in the low half, i + 16 in the high half of byte 4 * row + i % 4 of quad i
// / 4.
inline void get_nibbles(const uint8_t (&q)[4][64], int row, Codes& v) {
  for (int i = 0; i < 16; i++) {
    const uint8_t b = q[i / 4][4 * row + i % 4];
    v[i] = b & 15;
    v[16 + i] = b >> 4;
  }
}
// 1 bit a column: bit i / 4 of byte 4 * row + i % 4. `Bit` is the bit of the code.
template <int Bit>
void get_bits(const uint8_t (&bits)[64], int row, Codes& v) {
  for (int i = 0; i < 32; i++) v[i] |= static_cast<uint8_t>((bits[4 * row + i % 4] >> (i / 4) & 1) << Bit);
}
// 2 bits a column: bits 2 * (i / 4 % 4) of byte 4 * row + i % 4 of group i / 16.
template <int Bit>
void get_pairs(const uint8_t (&q)[2][64], int row, Codes& v) {
  for (int i = 0; i < 32; i++)
    v[i] |= static_cast<uint8_t>((q[i / 16][4 * row + i % 4] >> 2 * (i / 4 % 4) & 3) << Bit);
}

}  // namespace pestle
