// AMX's tile instructions in plain C++, after Intel's description of them: included before a kernel, it runs
// where no processor has tiles. What a program may not rely on is filled with noise or ends it.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace emulated_tiles {

constexpr int kTiles = 8, kRows = 16, kBytes = 64;

struct Tile {
  int rows, bytes;
  uint8_t data[kRows][kBytes];
};
inline thread_local Tile tiles[kTiles];
inline thread_local bool configured = false;

inline void configure(const void* where) {
  const auto* config = static_cast<const uint8_t*>(where);
  if (config[0] != 1) std::abort();  // the palette
  for (int i = 0; i < kTiles; i++) {
    uint16_t bytes;
    std::memcpy(&bytes, config + 16 + 2 * i, 2);
    tiles[i] = {config[48 + i], bytes, {}};
    if (tiles[i].rows > kRows || bytes > kBytes) std::abort();
  }
  configured = true;
}
inline void release() { configured = false; }

inline Tile& tile(int i) {
  if (!configured || tiles[i].rows == 0) std::abort();
  return tiles[i];
}
inline void zero(int i) { std::memset(tile(i).data, 0, sizeof tile(i).data); }
inline void load(int i, const void* from, int64_t stride) {
  zero(i);
  for (int r = 0; r < tile(i).rows; r++)
    std::memcpy(tile(i).data[r], static_cast<const char*>(from) + r * stride, size_t(tile(i).bytes));
}
inline void store(int i, void* to, int64_t stride) {
  for (int r = 0; r < tile(i).rows; r++)
    std::memcpy(static_cast<char*>(to) + r * stride, tile(i).data[r], size_t(tile(i).bytes));
}
// sums[m][n] += a[m][4k .. 4k + 3] . b[k][4n .. 4n + 3], signed bytes, modulo 2^32
inline void multiply(int sums, int a, int b) {
  Tile &c = tile(sums), &x = tile(a), &w = tile(b);
  if (x.bytes != 4 * w.rows || c.rows != x.rows || c.bytes != w.bytes) std::abort();
  for (int m = 0; m < c.rows; m++)
    for (int n = 0; n < c.bytes / 4; n++) {
      uint32_t sum;
      std::memcpy(&sum, &c.data[m][4 * n], 4);
      for (int k = 0; k < w.rows; k++)
        for (int j = 0; j < 4; j++)
          sum += uint32_t(int8_t(x.data[m][4 * k + j]) * int8_t(w.data[k][4 * n + j]));
      std::memcpy(&c.data[m][4 * n], &sum, 4);
    }
}

}  // namespace emulated_tiles

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#define _tile_loadconfig(config) emulated_tiles::configure(config)
#define _tile_release() emulated_tiles::release()
#define _tile_zero(i) emulated_tiles::zero(i)
#define _tile_loadd(i, from, stride) emulated_tiles::load(i, from, stride)
#define _tile_stored(i, to, stride) emulated_tiles::store(i, to, stride)
#define _tile_dpbssd(sums, a, b) emulated_tiles::multiply(sums, a, b)
