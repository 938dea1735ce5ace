#include "kernels/shared/pack.h"

#include <cstring>

#include "kernels/shared/blocks.h"
#include "kernels/shared/tile_bits.h"

namespace pestle {
namespace {

// One overload per format: row r of a tile from its GGUF block.
void pack(const BlockQ8_0& b, int r, TileQ8_0& t) {
  t.d[r] = b.d;
  for (int k = 0; k < 8; k++) std::memcpy(t.q[k] + 4 * r, b.q + 4 * k, 4);
}

void low_codes(const uint8_t (&q)[16], Codes& v) {
  for (int i = 0; i < 16; i++) {
    v[i] = q[i] & 15;
    v[16 + i] = q[i] >> 4;
  }
}
// GGUF's pairing of nibbles is the tile's: quad by quad, bytes are only moved.
void move_nibbles(const uint8_t (&from)[16], int r, uint8_t (&q)[4][64]) {
  for (int k = 0; k < 4; k++) std::memcpy(q[k] + 4 * r, from + 4 * k, 4);
}
void pack(const BlockQ4_0& b, int r, TileQ4_0& t) {
  t.d[r] = b.d;
  move_nibbles(b.q, r, t.q);
}
void pack(const BlockQ4_0& b, int r, TileIQ4_NL& t) {  // the same block with a code book
  t.d[r] = b.d;
  move_nibbles(b.q, r, t.q);
}
void pack(const BlockQ4_1& b, int r, TileQ4_1& t) {
  t.d[r] = b.d;
  t.m[r] = b.m;
  move_nibbles(b.q, r, t.q);
}
void pack(const BlockMXFP4& b, int r, TileMXFP4& t) {
  t.e[r] = b.e;
  move_nibbles(b.q, r, t.q);
}
void high_bits(const uint8_t (&high)[4], Codes& v) {
  for (int i = 0; i < 32; i++) v[i] |= static_cast<uint8_t>((high[i / 8] >> (i % 8) & 1) << 4);
}
void pack(const BlockQ5_0& b, int r, TileQ5_0& t) {
  Codes v;
  low_codes(b.q, v);
  high_bits(b.high, v);
  t.d[r] = b.d;
  move_nibbles(b.q, r, t.q);
  put_bits<4>(v, r, t.high);
}
void pack(const BlockQ5_1& b, int r, TileQ5_1& t) {
  Codes v;
  low_codes(b.q, v);
  high_bits(b.high, v);
  t.d[r] = b.d;
  t.m[r] = b.m;
  move_nibbles(b.q, r, t.q);
  put_bits<4>(v, r, t.high);
}

void pack(const BlockQ2_K& b, int r, TileQ2_K& t) {
  t.d[r] = b.d;
  t.dmin[r] = b.dmin;
  for (int s = 0; s < 16; s++) t.scale[s][r] = b.scales[s];
  for (int s = 0; s < 8; s++) {
    Codes v;
    for (int i = 0; i < 32; i++) v[i] = b.q[32 * (s / 4) + i] >> 2 * (s % 4) & 3;
    put_pairs<0>(v, r, t.q[s]);
  }
}

int scale_q3(const uint8_t (&s)[12], int i) {  // 6 bits
  const int low = i < 8 ? s[i] & 15 : s[i - 8] >> 4;
  return low | (s[8 + i % 4] >> 2 * (i / 4) & 3) << 4;
}
void pack(const BlockQ3_K& b, int r, TileQ3_K& t) {
  t.d[r] = b.d;
  for (int j = 0; j < 8; j++)
    t.low[j][r] =
        static_cast<uint8_t>((scale_q3(b.scales, 2 * j) & 15) | (scale_q3(b.scales, 2 * j + 1) & 15) << 4);
  for (int p = 0; p < 4; p++) {
    int high = 0;
    for (int i = 0; i < 4; i++) high |= (scale_q3(b.scales, 4 * p + i) >> 4) << 2 * i;
    t.high[p][r] = static_cast<uint8_t>(high);
  }
  for (int s = 0; s < 8; s++) {
    Codes v;
    for (int i = 0; i < 32; i++)
      v[i] = static_cast<uint8_t>((b.q[32 * (s / 4) + i] >> 2 * (s % 4) & 3) | (b.mask[i] >> s & 1) << 2);
    put_pairs<0>(v, r, t.q[s]);
    put_bits<2>(v, r, t.bit[s]);
  }
}

struct ScaleMin { int scale, min; };
ScaleMin scale_q4(const uint8_t (&s)[12], int i) {  // 6 bits each
  if (i < 4) return {s[i] & 63, s[i + 4] & 63};
  return {(s[i + 4] & 15) | s[i - 4] >> 6 << 4, s[i + 4] >> 4 | s[i] >> 6 << 4};
}
template <class Tile>
void pack_scales(const uint8_t (&scales)[12], int r, Tile& t) {
  for (int p = 0; p < 4; p++) {
    const ScaleMin a = scale_q4(scales, 2 * p), b = scale_q4(scales, 2 * p + 1);
    t.low[2 * p][r] = static_cast<uint8_t>((a.scale & 15) | (a.min & 15) << 4);
    t.low[2 * p + 1][r] = static_cast<uint8_t>((b.scale & 15) | (b.min & 15) << 4);
    t.high[p][r] = static_cast<uint8_t>(a.scale >> 4 | a.min >> 4 << 2 | b.scale >> 4 << 4 | b.min >> 4 << 6);
  }
}
void pack(const BlockQ4_K& b, int r, TileQ4_K& t) {
  t.d[r] = b.d;
  t.dmin[r] = b.dmin;
  pack_scales(b.scales, r, t);
  for (int s = 0; s < 8; s++) {
    Codes v;
    for (int i = 0; i < 32; i++) v[i] = b.q[32 * (s / 2) + i] >> 4 * (s % 2) & 15;
    put_nibbles(v, r, t.q[s]);
  }
}
void pack(const BlockQ5_K& b, int r, TileQ5_K& t) {
  t.d[r] = b.d;
  t.dmin[r] = b.dmin;
  pack_scales(b.scales, r, t);
  for (int s = 0; s < 8; s++) {
    Codes v;
    for (int i = 0; i < 32; i++)
      v[i] = static_cast<uint8_t>((b.q[32 * (s / 2) + i] >> 4 * (s % 2) & 15) | (b.high[i] >> s & 1) << 4);
    put_nibbles(v, r, t.q[s]);
    put_bits<4>(v, r, t.bit[s]);
  }
}
void pack(const BlockQ6_K& b, int r, TileQ6_K& t) {
  t.d[r] = b.d;
  for (int s = 0; s < 16; s++) t.scale[s][r] = b.scales[s];
  for (int s = 0; s < 8; s++) {
    const int n = s / 4, g = s % 4;
    Codes v;
    for (int i = 0; i < 32; i++)
      v[i] = static_cast<uint8_t>((b.low[64 * n + 32 * (g % 2) + i] >> 4 * (g / 2) & 15) |
                                  (b.high[32 * n + i] >> 2 * g & 3) << 4);
    put_nibbles(v, r, t.q[s]);
    put_pairs<4>(v, r, t.high[s]);
  }
}
void pack(const BlockIQ4_XS& b, int r, TileIQ4_XS& t) {
  t.d[r] = b.d;
  for (int p = 0; p < 4; p++) t.low[p][r] = b.scales_low[p];
  t.high[0][r] = static_cast<uint8_t>(b.scales_high & 255);
  t.high[1][r] = static_cast<uint8_t>(b.scales_high >> 8);
  for (int s = 0; s < 8; s++)
    for (int k = 0; k < 4; k++) std::memcpy(t.q[s][k] + 4 * r, b.q + 16 * s + 4 * k, 4);
}

template <class Block, class Tile>
void pack_as(const std::byte* const rows[kTileRows], int columns, Format format, char* out) {
  const int tiles = columns / info(format).columns;
  for (int i = 0; i < tiles; i++) {
    Tile tile = {};
    for (int r = 0; r < kTileRows; r++) {
      if (!rows[r]) continue;
      Block block;
      std::memcpy(&block, rows[r] + size_t(i) * sizeof(Block), sizeof(Block));
      pack(block, r, tile);
    }
    std::memcpy(out + size_t(i) * sizeof(Tile), &tile, sizeof(Tile));
  }
}

template <class T>
void pack_floats(const std::byte* const rows[kTileRows], int columns, char* out) {
  for (int r = 0; r < kTileRows; r++)
    for (int i = 0; i < columns; i++) {
      T v = {};
      if (rows[r]) std::memcpy(&v, rows[r] + size_t(i) * sizeof(T), sizeof(T));
      std::memcpy(out + (size_t(i) * kTileRows + r) * sizeof(T), &v, sizeof(T));
    }
}

}  // namespace

void pack_tiles(Format f, const std::byte* const rows[kTileRows], int columns, char* out) {
  switch (f) {
    case Format::F32:
      return pack_floats<uint32_t>(rows, columns, out);
    case Format::F16:
    case Format::BF16:
      return pack_floats<uint16_t>(rows, columns, out);
    case Format::Q8_0:
      return pack_as<BlockQ8_0, TileQ8_0>(rows, columns, f, out);
    case Format::Q4_0:
      return pack_as<BlockQ4_0, TileQ4_0>(rows, columns, f, out);
    case Format::Q4_1:
      return pack_as<BlockQ4_1, TileQ4_1>(rows, columns, f, out);
    case Format::Q5_0:
      return pack_as<BlockQ5_0, TileQ5_0>(rows, columns, f, out);
    case Format::Q5_1:
      return pack_as<BlockQ5_1, TileQ5_1>(rows, columns, f, out);
    case Format::IQ4_NL:
      return pack_as<BlockQ4_0, TileIQ4_NL>(rows, columns, f, out);
    case Format::MXFP4:
      return pack_as<BlockMXFP4, TileMXFP4>(rows, columns, f, out);
    case Format::Q2_K:
      return pack_as<BlockQ2_K, TileQ2_K>(rows, columns, f, out);
    case Format::Q3_K:
      return pack_as<BlockQ3_K, TileQ3_K>(rows, columns, f, out);
    case Format::Q4_K:
      return pack_as<BlockQ4_K, TileQ4_K>(rows, columns, f, out);
    case Format::Q5_K:
      return pack_as<BlockQ5_K, TileQ5_K>(rows, columns, f, out);
    case Format::Q6_K:
      return pack_as<BlockQ6_K, TileQ6_K>(rows, columns, f, out);
    case Format::IQ4_XS:
      return pack_as<BlockIQ4_XS, TileIQ4_XS>(rows, columns, f, out);
  }
}

}  // namespace pestle
