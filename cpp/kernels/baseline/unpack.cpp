#include <bit>
#include <cstring>

#include "core/half.h"
#include "kernels/baseline/pack.h"
#include "kernels/baseline/tile_bits.h"

namespace pestle {
namespace {

// One overload per format: the 32-column block `sub` of row r, in the order of operations of gguf's
// dequantizers.
void unpack(const TileQ8_0& t, int, int r, float* y) {
  const float d = f16_to_f32(t.d[r]);
  for (int i = 0; i < 32; i++) y[i] = d * t.q[i / 4][4 * r + i % 4];
}
template <class Tile, class Value>
void unpack_nibbles(const Tile& t, int r, float d, float* y, Value value) {
  Codes v;
  get_nibbles(t.q, r, v);
  for (int i = 0; i < 32; i++) y[i] = d * static_cast<float>(value(v[i]));
}
void unpack(const TileQ4_0& t, int, int r, float* y) {
  unpack_nibbles(t, r, f16_to_f32(t.d[r]), y, [](int q) { return q - 8; });
}
void unpack(const TileIQ4_NL& t, int, int r, float* y) {
  unpack_nibbles(t, r, f16_to_f32(t.d[r]), y, [](int q) { return kIq4[q]; });
}
void unpack(const TileMXFP4& t, int, int r, float* y) {
  const uint32_t e = t.e[r];
  const float d = std::bit_cast<float>(e < 2 ? 0x00200000u << e : (e - 1) << 23);  // 2^(e - 128)
  unpack_nibbles(t, r, d, y, [](int q) { return kMxfp4[q]; });
}
void unpack(const TileQ4_1& t, int, int r, float* y) {
  const float m = f16_to_f32(t.m[r]);
  unpack_nibbles(t, r, f16_to_f32(t.d[r]), y, [](int q) { return q; });
  for (int i = 0; i < 32; i++) y[i] += m;
}
void unpack(const TileQ5_0& t, int, int r, float* y) {
  const float d = f16_to_f32(t.d[r]);
  Codes v;
  get_nibbles(t.q, r, v);
  get_bits<4>(t.high, r, v);
  for (int i = 0; i < 32; i++) y[i] = d * static_cast<float>(v[i] - 16);
}
void unpack(const TileQ5_1& t, int, int r, float* y) {
  const float d = f16_to_f32(t.d[r]), m = f16_to_f32(t.m[r]);
  Codes v;
  get_nibbles(t.q, r, v);
  get_bits<4>(t.high, r, v);
  for (int i = 0; i < 32; i++) y[i] = d * static_cast<float>(v[i]) + m;
}
void unpack(const TileQ2_K& t, int sub, int r, float* y) {
  const float d = f16_to_f32(t.d[r]), dmin = f16_to_f32(t.dmin[r]);
  Codes v = {};
  get_pairs<0>(t.q[sub], r, v);
  for (int i = 0; i < 32; i++) {
    const int s = t.scale[2 * sub + i / 16][r];
    y[i] = d * static_cast<float>(s & 15) * static_cast<float>(v[i]) - dmin * static_cast<float>(s >> 4);
  }
}
void unpack(const TileQ3_K& t, int sub, int r, float* y) {
  const float d = f16_to_f32(t.d[r]);
  Codes v = {};
  get_pairs<0>(t.block[sub].q, r, v);
  get_bits<2>(t.block[sub].bit, r, v);
  for (int i = 0; i < 32; i++) {
    const int half = i / 16;
    const int scale =
        (t.low[sub][r] >> 4 * half & 15) | (t.high[sub % 4][r] >> (4 * (sub / 4) + 2 * half) & 3) << 4;
    y[i] = d * static_cast<float>(scale - 32) * static_cast<float>(v[i] - 4);
  }
}
template <class Tile>
void unpack_six_bit(const Tile& t, int sub, int r, const Codes& v, float* y) {
  const int low = t.low[sub][r], high = t.high[sub % 4][r] >> 4 * (sub / 4);
  const float scale = f16_to_f32(t.d[r]) * static_cast<float>((low & 15) | (high & 3) << 4);
  const float min = f16_to_f32(t.dmin[r]) * static_cast<float>(low >> 4 | (high >> 2 & 3) << 4);
  for (int i = 0; i < 32; i++) y[i] = scale * static_cast<float>(v[i]) - min;
}
void unpack(const TileQ4_K& t, int sub, int r, float* y) {
  Codes v;
  get_nibbles(t.q[sub], r, v);
  unpack_six_bit(t, sub, r, v, y);
}
void unpack(const TileQ5_K& t, int sub, int r, float* y) {
  Codes v;
  get_nibbles(t.block[sub].q, r, v);
  get_bits<4>(t.block[sub].bit, r, v);
  unpack_six_bit(t, sub, r, v, y);
}
void unpack(const TileQ6_K& t, int sub, int r, float* y) {
  const float d = f16_to_f32(t.d[r]);
  Codes v;
  get_nibbles(t.block[sub].q, r, v);
  get_pairs<4>(t.block[sub].high, r, v);
  for (int i = 0; i < 32; i++)
    y[i] = d * static_cast<float>(t.scale[2 * sub + i / 16][r]) * static_cast<float>(v[i] - 32);
}
void unpack(const TileIQ4_XS& t, int sub, int r, float* y) {
  const int scale = (t.low[sub / 2][r] >> 4 * (sub % 2) & 15) | (t.high[sub / 4][r] >> 2 * (sub % 4) & 3)
                                                                    << 4;
  const float d = f16_to_f32(t.d[r]) * static_cast<float>(scale - 32);
  Codes v;
  get_nibbles(t.q[sub], r, v);
  for (int i = 0; i < 32; i++) y[i] = d * kIq4[v[i]];
}

template <class Tile>
void unpack_as(const char* tiles, int columns, Format format, int row, float* out) {
  const int width = info(format).columns;
  for (int i = 0; i < columns / width; i++) {
    const Tile& t = *reinterpret_cast<const Tile*>(tiles + size_t(i) * sizeof(Tile));
    for (int sub = 0; sub < width / kBlockColumns; sub++)
      unpack(t, sub, row, out + i * width + sub * kBlockColumns);
  }
}

}  // namespace

void unpack_row(Format f, const char* tiles, int columns, int row, float* out) {
  switch (f) {
    case Format::F32:
      for (int i = 0; i < columns; i++) out[i] = reinterpret_cast<const TileF32*>(tiles)[i].v[row];
      return;
    case Format::F16:
      for (int i = 0; i < columns; i++)
        out[i] = f16_to_f32(reinterpret_cast<const TileF16*>(tiles)[i].v[row]);
      return;
    case Format::BF16:
      for (int i = 0; i < columns; i++)
        out[i] = bf16_to_f32(reinterpret_cast<const TileBF16*>(tiles)[i].v[row]);
      return;
    case Format::Q8_0:
      return unpack_as<TileQ8_0>(tiles, columns, f, row, out);
    case Format::Q4_0:
      return unpack_as<TileQ4_0>(tiles, columns, f, row, out);
    case Format::Q4_1:
      return unpack_as<TileQ4_1>(tiles, columns, f, row, out);
    case Format::Q5_0:
      return unpack_as<TileQ5_0>(tiles, columns, f, row, out);
    case Format::Q5_1:
      return unpack_as<TileQ5_1>(tiles, columns, f, row, out);
    case Format::IQ4_NL:
      return unpack_as<TileIQ4_NL>(tiles, columns, f, row, out);
    case Format::MXFP4:
      return unpack_as<TileMXFP4>(tiles, columns, f, row, out);
    case Format::Q2_K:
      return unpack_as<TileQ2_K>(tiles, columns, f, row, out);
    case Format::Q3_K:
      return unpack_as<TileQ3_K>(tiles, columns, f, row, out);
    case Format::Q4_K:
      return unpack_as<TileQ4_K>(tiles, columns, f, row, out);
    case Format::Q5_K:
      return unpack_as<TileQ5_K>(tiles, columns, f, row, out);
    case Format::Q6_K:
      return unpack_as<TileQ6_K>(tiles, columns, f, row, out);
    case Format::IQ4_XS:
      return unpack_as<TileIQ4_XS>(tiles, columns, f, row, out);
  }
}

}  // namespace pestle
