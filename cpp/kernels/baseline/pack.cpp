#include "kernels/baseline/pack.h"

#include <cstring>

#include "kernels/baseline/blocks.h"
#include "kernels/baseline/lanes.h"

namespace pestle {
namespace {

// Packing is the same few moves for every format. Rows are taken four at a time, because a transposition of
// 4 x 4 lanes turns sixteen bytes of each into sixteen bytes of four groups; the fields within the bytes are
// put in order on the way, for all of them at once.

constexpr uint32_t kLowNibbles = 0x0f0f0f0f;

// The blocks of a tile: one of each row.
template <class Block>
struct Blocks {
  const std::byte* at[kTileRows];
  const Block& operator[](int r) const { return *reinterpret_cast<const Block*>(at[r]); }
};

// Sixteen bytes of each of the rows 4g .. 4g + 3, as quads: v[k] holds quad k of the four rows.
template <class Source>
void take(Lanes (&v)[4], int g, const Source& source) {
  for (int i = 0; i < 4; i++) v[i] = load(source(4 * g + i));
  transpose(v);
}
void put(const Lanes (&v)[4], int g, uint8_t (*groups)[64]) {
  for (int k = 0; k < 4; k++) store(groups[k] + 16 * g, v[k]);
}

// Sixteen bytes of a row to four groups, as they are: GGUF's pairing of nibbles is the tile's.
template <class Source>
void move(uint8_t (*groups)[64], const Source& source) {
  for (int g = 0; g < 4; g++) {
    Lanes v[4];
    take(v, g, source);
    put(v, g, groups);
  }
}

// Two blocks of nibbles, the first in the low and the second in the high halves of 32 bytes.
template <class Source>
void split_nibbles(uint8_t (&first)[4][64], uint8_t (&second)[4][64], const Source& source) {
  for (int g = 0; g < 4; g++) {
    Lanes a[4], b[4], low[4], high[4];
    take(a, g, source);
    take(b, g, [&](int r) { return source(r) + 16; });
    for (int k = 0; k < 4; k++) {
      low[k] = (a[k] & kLowNibbles) | (b[k] & kLowNibbles) << 4;
      high[k] = (a[k] >> 4 & kLowNibbles) | (b[k] & ~kLowNibbles);
    }
    put(low, g, first);
    put(high, g, second);
  }
}

// 32 bytes of four 2-bit fields, 128 columns: field s of quad k becomes field k % 4 of a byte of to(s)[k /
// 4].
template <class Source, class To>
void split_pairs(const Source& source, const To& to) {
  for (int g = 0; g < 4; g++)
    for (int half = 0; half < 2; half++) {
      Lanes v[4];
      take(v, g, [&](int r) { return source(r) + 16 * half; });
      for (int k = 0; k < 4; k += 2) exchange(v[k], v[k + 1], 2, 0x33333333);
      for (int k = 0; k < 2; k++) exchange(v[k], v[k + 2], 4, kLowNibbles);
      for (int s = 0; s < 4; s++) store(to(s)[half] + 16 * g, v[s]);
    }
}

// 32 bytes of eight bits: bit s of quad k becomes bit k of a byte of blocks[s].bit.
template <class Block, class Source>
void split_bits(Block (&blocks)[8], const Source& source) {
  for (int g = 0; g < 4; g++) {
    Lanes v[8], part[4];
    for (int half = 0; half < 2; half++) {
      take(part, g, [&](int r) { return source(r) + 16 * half; });
      for (int k = 0; k < 4; k++) v[4 * half + k] = part[k];
    }
    for (int k = 0; k < 8; k += 2) exchange(v[k], v[k + 1], 1, 0x55555555);
    for (int k = 0; k < 8; k++)
      if ((k & 2) == 0) exchange(v[k], v[k + 2], 2, 0x33333333);
    for (int k = 0; k < 4; k++) exchange(v[k], v[k + 4], 4, kLowNibbles);
    for (int s = 0; s < 8; s++) store(blocks[s].bit + 16 * g, v[s]);
  }
}

// Four bytes of each row, v[g] those of the rows from 4g on: byte j becomes byte r of to[j].
void put_bytes(const Lanes (&v)[4], uint8_t (*to)[16], int n = 4) {
  Bytes b[4];
  std::memcpy(b, v, sizeof b);
  for (int stage = 0; stage < 4; stage++) interleave(b);
  std::memcpy(to, b, sizeof b[0] * static_cast<size_t>(n));
}

// Words of four bytes of the block: words[i][g] holds word i of the rows from 4g on.
template <int N, class Source>
void take_words(Lanes (&words)[N][4], const Source& source) {
  for (int g = 0; g < 4; g++) {
    Lanes v[4] = {};
    for (int i = 0; i < 4; i++) std::memcpy(&v[i], source(4 * g + i), 4 * N);
    transpose(v);
    for (int i = 0; i < N; i++) words[i][g] = v[i];
  }
}

// Overloads for the fields that tiles share.
template <class Block, class Tile>
void put_scale(const Blocks<Block>& b, Tile& t) {
  for (int r = 0; r < kTileRows; r++) t.d[r] = b[r].d;
}
template <class Block, class Tile>
void put_scale_and_min(const Blocks<Block>& b, Tile& t) {
  put_scale(b, t);
  for (int r = 0; r < kTileRows; r++) {
    if constexpr (requires { t.m; })
      t.m[r] = b[r].m;
    else
      t.dmin[r] = b[r].dmin;
  }
}
template <class Block>
void put_sixteen_scales(const Blocks<Block>& b, uint8_t (*to)[16]) {
  Lanes words[4][4];
  take_words(words, [&](int r) { return b[r].scales; });
  for (int i = 0; i < 4; i++) put_bytes(words[i], to + 4 * i);
}
// Bit 4k + j of a word becomes bit k of byte j.
template <class Block, class Tile>
void put_fifth_bits(const Blocks<Block>& b, Tile& t) {
  Lanes word[1][4];
  take_words(word, [&](int r) { return b[r].high; });
  for (int g = 0; g < 4; g++) {
    Lanes v = swap_index_bits<4, 1>(word[0][g]);
    v = swap_index_bits<3, 0>(v);
    v = swap_index_bits<2, 1>(v);
    store(t.high + 16 * g, swap_index_bits<1, 0>(v));
  }
}
template <class Block, class Tile>
void put_nibbles(const Blocks<Block>& b, Tile& t) {
  move(t.q, [&](int r) { return b[r].q; });
}

// One overload per format.
void pack_tile(const Blocks<BlockQ8_0>& b, TileQ8_0& t) {
  put_scale(b, t);
  auto* groups = reinterpret_cast<uint8_t (*)[64]>(t.q);
  for (int half = 0; half < 2; half++) move(groups + 4 * half, [&](int r) { return b[r].q + 16 * half; });
}
void pack_tile(const Blocks<BlockQ4_0>& b, TileQ4_0& t) {
  put_scale(b, t);
  put_nibbles(b, t);
}
void pack_tile(const Blocks<BlockQ4_0>& b, TileIQ4_NL& t) {  // the same block with a code book
  put_scale(b, t);
  put_nibbles(b, t);
}
void pack_tile(const Blocks<BlockQ4_1>& b, TileQ4_1& t) {
  put_scale_and_min(b, t);
  put_nibbles(b, t);
}
void pack_tile(const Blocks<BlockMXFP4>& b, TileMXFP4& t) {
  for (int r = 0; r < kTileRows; r++) t.e[r] = b[r].e;
  put_nibbles(b, t);
}
void pack_tile(const Blocks<BlockQ5_0>& b, TileQ5_0& t) {
  put_scale(b, t);
  put_fifth_bits(b, t);
  put_nibbles(b, t);
}
void pack_tile(const Blocks<BlockQ5_1>& b, TileQ5_1& t) {
  put_scale_and_min(b, t);
  put_fifth_bits(b, t);
  put_nibbles(b, t);
}

void pack_tile(const Blocks<BlockQ2_K>& b, TileQ2_K& t) {
  put_scale_and_min(b, t);
  put_sixteen_scales(b, t.scale);
  for (int n = 0; n < 2; n++)
    split_pairs([&](int r) { return b[r].q + 32 * n; }, [&](int s) { return t.q[4 * n + s]; });
}

// Bytes 0 and 1, 2 and 3 of `a`, then those of `b`: their low nibbles side by side.
Lanes join_nibbles(Lanes a, Lanes b) {
  a = (a & 0x000f000f) | (a >> 4 & 0x00f000f0);
  b = (b & 0x000f000f) | (b >> 4 & 0x00f000f0);
  return ((a | a >> 8) & 0xffff) | (b | b >> 8) << 16;
}
void pack_tile(const Blocks<BlockQ3_K>& b, TileQ3_K& t) {
  put_scale(b, t);
  // GGUF: the low nibbles of scales i and i + 8 share byte i; the high bits of scales i, i + 4, i + 8, i + 12
  // byte 8 + i.
  Lanes words[3][4], first[4], second[4], high[4];
  take_words(words, [&](int r) { return b[r].scales; });
  for (int g = 0; g < 4; g++) {
    const Lanes x = words[0][g], y = words[1][g];
    first[g] = join_nibbles(x & kLowNibbles, y & kLowNibbles);
    second[g] = join_nibbles(x >> 4 & kLowNibbles, y >> 4 & kLowNibbles);
    // GGUF's byte b and field f are scale b + 4f; the tile's, bit by bit, scale f0 + 2b + 8 f1.
    high[g] = swap_index_bits<4, 3>(swap_index_bits<3, 1>(words[2][g]));
  }
  put_bytes(first, t.low);
  put_bytes(second, t.low + 4);
  put_bytes(high, t.high);
  for (int n = 0; n < 2; n++)
    split_pairs([&](int r) { return b[r].q + 32 * n; }, [&](int s) { return t.block[4 * n + s].q; });
  split_bits(t.block, [&](int r) { return b[r].mask; });
}

// GGUF: scales and minima 0 .. 3 are the low 6 bits of words 0 and 1; of 4 .. 7, word 2 holds the low
// nibbles, just as the tile does, and the top 2 bits of words 0 and 1 the rest.
template <class Block, class Tile>
void put_six_bits(const Blocks<Block>& b, Tile& t) {
  constexpr uint32_t kPairs = 0x03030303;
  Lanes words[3][4], first[4], high[4];
  take_words(words, [&](int r) { return b[r].scales; });
  for (int g = 0; g < 4; g++) {
    const Lanes x = words[0][g], y = words[1][g];
    first[g] = (x & kLowNibbles) | (y & kLowNibbles) << 4;
    high[g] = (x >> 4 & kPairs) | (y >> 4 & kPairs) << 2 | (x >> 6 & kPairs) << 4 | (y >> 6 & kPairs) << 6;
  }
  put_bytes(first, t.low);
  put_bytes(words[2], t.low + 4);
  put_bytes(high, t.high);
}
void pack_tile(const Blocks<BlockQ4_K>& b, TileQ4_K& t) {
  put_scale_and_min(b, t);
  put_six_bits(b, t);
  for (int p = 0; p < 4; p++)
    split_nibbles(t.q[2 * p], t.q[2 * p + 1], [&](int r) { return b[r].q + 32 * p; });
}
void pack_tile(const Blocks<BlockQ5_K>& b, TileQ5_K& t) {
  put_scale_and_min(b, t);
  put_six_bits(b, t);
  split_bits(t.block, [&](int r) { return b[r].high; });
  for (int p = 0; p < 4; p++)
    split_nibbles(t.block[2 * p].q, t.block[2 * p + 1].q, [&](int r) { return b[r].q + 32 * p; });
}
void pack_tile(const Blocks<BlockQ6_K>& b, TileQ6_K& t) {
  put_scale(b, t);
  put_sixteen_scales(b, reinterpret_cast<uint8_t (*)[16]>(t.scale));
  for (int n = 0; n < 2; n++) {
    for (int i = 4 * n; i < 4 * n + 2; i++)
      split_nibbles(t.block[i].q, t.block[i + 2].q, [&](int r) { return b[r].low + 64 * n + 32 * (i % 4); });
    split_pairs([&](int r) { return b[r].high + 32 * n; }, [&](int s) { return t.block[4 * n + s].high; });
  }
}
void pack_tile(const Blocks<BlockIQ4_XS>& b, TileIQ4_XS& t) {
  put_scale(b, t);
  Lanes words[2][4];  // d and the high bits of the scales; their low nibbles
  take_words(words, [&](int r) { return &b[r].d; });
  put_bytes(words[1], t.low);
  for (Lanes& v : words[0]) v >>= 16;
  put_bytes(words[0], t.high, 2);
  for (int s = 0; s < 8; s++) move(t.q[s], [&](int r) { return b[r].q + 16 * s; });
}

// Where rows begin, and how far they go on: a null row is one block of zeros, again and again.
struct Cursor {
  const std::byte* at[kTileRows];
  size_t step[kTileRows];
  Cursor(const std::byte* const rows[kTileRows], size_t width, const std::byte* zeros) {
    for (int r = 0; r < kTileRows; r++) {
      at[r] = rows[r] ? rows[r] : zeros;
      step[r] = rows[r] ? width : 0;
    }
  }
  void next() {
    for (int r = 0; r < kTileRows; r++) at[r] += step[r];
  }
};

template <class Block, class Tile>
void pack_as(const std::byte* const rows[kTileRows], int columns, Format format, char* out) {
  static constexpr Block kZeros = {};
  Cursor from(rows, sizeof(Block), reinterpret_cast<const std::byte*>(&kZeros));
  for (int i = 0; i < columns / info(format).columns; i++, from.next()) {
    Blocks<Block> blocks;
    std::memcpy(blocks.at, from.at, sizeof blocks.at);
    pack_tile(blocks, *reinterpret_cast<Tile*>(out + size_t(i) * sizeof(Tile)));
  }
}

// Columns of floats, as many at once as sixteen bytes hold.
void pack_columns(const Cursor& from, uint32_t* out) {
  for (int g = 0; g < 4; g++) {
    Lanes v[4];
    take(v, g, [&](int r) { return from.at[r]; });
    for (int k = 0; k < 4; k++) store(out + kTileRows * k + 4 * g, v[k]);
  }
}
void pack_columns(const Cursor& from, uint16_t* out) {
  Halves v[kTileRows];
  for (int r = 0; r < kTileRows; r++) std::memcpy(&v[r], from.at[r], sizeof v[r]);
  for (int stage = 0; stage < 4; stage++) interleave(v);
  std::memcpy(out, v, sizeof v);
}
template <class T>
void pack_floats(const std::byte* const rows[kTileRows], int columns, char* out) {
  static constexpr std::byte kZeros[16] = {};
  constexpr int kStep = 16 / sizeof(T);
  Cursor from(rows, 16, kZeros);
  int i = 0;
  for (; i + kStep <= columns; i += kStep, from.next())
    pack_columns(from, reinterpret_cast<T*>(out) + size_t(i) * kTileRows);
  for (int j = 0; i + j < columns; j++)
    for (int r = 0; r < kTileRows; r++)
      std::memcpy(out + (size_t(i + j) * kTileRows + r) * sizeof(T), from.at[r] + size_t(j) * sizeof(T),
                  sizeof(T));
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
