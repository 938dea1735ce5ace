// Weight formats as they lie in memory: packed tiles.
//
// A tile is 16 output rows of one weight matrix x 32 columns (256 for the K-quants and IQ4_XS, 1 for floats),
// a byte permutation of the 16 GGUF blocks that it came from and of the same size. Four adjacent columns of a
// row stand side by side ("16c4"): they fill one 32-bit lane, and lane r of a register belongs to row r. The
// layout is the same on every ISA. Within a 32-column block, "quad" k holds the columns 4k .. 4k+3, and byte
// 4*row + j of a 64-byte group belongs to column 4k + j. GGUF's pairing stays: a nibble byte of quad k < 4
// has column 4k + j in its low and column 16 + 4k + j in its high half. Sources of the formats: GGUF
// specification (ggml docs/gguf.md) and ggml's block definitions.
#pragma once

#include <cstdint>

namespace pestle {

enum class Format : uint8_t {
  F32,
  F16,
  BF16,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  IQ4_NL,
  MXFP4,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_XS
};
constexpr int kFormats = 16;
constexpr int kTileRows = 16;
constexpr int kStripRows = 32;     // matrices are padded with zero rows to whole strips
constexpr int kBlockColumns = 32;  // activations are quantized in blocks of 32 columns

struct TileF32 { float v[16]; };
struct TileF16 { uint16_t v[16]; };
struct TileBF16 { uint16_t v[16]; };
struct TileQ8_0 {
  uint16_t d[16];
  int8_t q[8][64];
};
struct TileQ4_0 {
  uint16_t d[16];
  uint8_t q[4][64];
};
struct TileQ4_1 {
  uint16_t d[16], m[16];
  uint8_t q[4][64];
};
struct TileQ5_0 {
  uint16_t d[16];
  uint8_t high[64];
  uint8_t q[4][64];
};  // bit k of a high byte: quad k
struct TileQ5_1 {
  uint16_t d[16], m[16];
  uint8_t high[64];
  uint8_t q[4][64];
};
struct TileIQ4_NL {
  uint16_t d[16];
  uint8_t q[4][64];
};
struct TileMXFP4 {
  uint8_t e[16];
  uint8_t q[4][64];
};
// Two-bit fields: q[k / 4], bits 2 * (k % 4), is quad k. All of a super-block's codes lie block by block, so
// that reading goes forward: the CPU's prefetching does not follow two places that alternate.
struct TileQ2_K {
  uint16_t d[16], dmin[16];
  uint8_t scale[16][16];
  uint8_t q[8][2][64];
};  // scale: sc | min << 4
struct TileQ3_K {
  uint16_t d[16];
  uint8_t low[8][16];   // low 4 bits of the scales of sub-blocks 2j | 2j+1 << 4
  uint8_t high[4][16];  // byte p: 2 high bits of the scales of sub-blocks 2p, 2p+1, 2p+8, 2p+9
  struct { uint8_t q[2][64], bit[64]; } block[8];
};
struct TileQ4_K {
  uint16_t d[16], dmin[16];
  uint8_t low[8][16];   // low 4 bits of scale | low 4 bits of min << 4
  uint8_t high[4][16];  // byte p: 2 high bits of scale p, min p, scale p+4, min p+4
  uint8_t q[8][4][64];
};
struct TileQ5_K {
  uint16_t d[16], dmin[16];
  uint8_t low[8][16], high[4][16];
  struct { uint8_t q[4][64], bit[64]; } block[8];
};
struct TileQ6_K {
  uint16_t d[16];
  int8_t scale[16][16];
  struct { uint8_t q[4][64], high[2][64]; } block[8];
};
struct TileIQ4_XS {
  uint16_t d[16];
  uint8_t low[4][16];   // low 4 bits of the scales of blocks 2p | 2p+1 << 4
  uint8_t high[2][16];  // high 2 bits of the scales of blocks 4p .. 4p+3
  uint8_t q[8][4][64];
};

// Code books, as integers. kMxfp4 is 2 x E2M1; its scale is halved (SPEC OCP MX 1.0, ggml MXFP4).
constexpr int8_t kIq4[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
constexpr int8_t kMxfp4[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

struct FormatInfo {
  const char* name;  // as GGUF names the type
  int columns;       // columns of a tile = elements of a GGUF block
  int tile_bytes;    // 16 x the GGUF block's bytes
  bool quantized;    // multiplied with int8 activations; floats are multiplied with f32 activations
};
constexpr FormatInfo kFormatInfo[kFormats] = {
    {"F32", 1, sizeof(TileF32), false},       {"F16", 1, sizeof(TileF16), false},
    {"BF16", 1, sizeof(TileBF16), false},     {"Q8_0", 32, sizeof(TileQ8_0), true},
    {"Q4_0", 32, sizeof(TileQ4_0), true},     {"Q4_1", 32, sizeof(TileQ4_1), true},
    {"Q5_0", 32, sizeof(TileQ5_0), true},     {"Q5_1", 32, sizeof(TileQ5_1), true},
    {"IQ4_NL", 32, sizeof(TileIQ4_NL), true}, {"MXFP4", 32, sizeof(TileMXFP4), true},
    {"Q2_K", 256, sizeof(TileQ2_K), true},    {"Q3_K", 256, sizeof(TileQ3_K), true},
    {"Q4_K", 256, sizeof(TileQ4_K), true},    {"Q5_K", 256, sizeof(TileQ5_K), true},
    {"Q6_K", 256, sizeof(TileQ6_K), true},    {"IQ4_XS", 256, sizeof(TileIQ4_XS), true},
};
constexpr const FormatInfo& info(Format f) { return kFormatInfo[static_cast<int>(f)]; }

static_assert(sizeof(TileQ8_0) == 16 * 34 && sizeof(TileQ4_0) == 16 * 18 && sizeof(TileQ4_1) == 16 * 20);
static_assert(sizeof(TileQ5_0) == 16 * 22 && sizeof(TileQ5_1) == 16 * 24 && sizeof(TileIQ4_NL) == 16 * 18);
static_assert(sizeof(TileMXFP4) == 16 * 17 && sizeof(TileQ2_K) == 16 * 84 && sizeof(TileQ3_K) == 16 * 110);
static_assert(sizeof(TileQ4_K) == 16 * 144 && sizeof(TileQ5_K) == 16 * 176 && sizeof(TileQ6_K) == 16 * 210);
static_assert(sizeof(TileIQ4_XS) == 16 * 136);

}  // namespace pestle
