#include "quantize/baseline/widen.h"

#include <algorithm>
#include <array>
#include <bit>

#include "core/fp_environment.h"

namespace pestle::quantize {
namespace {

constexpr int64_t kPiece = 1 << 16;

template <class One>
void widen(const uint16_t* source, int64_t n, float* out, ThreadPool& pool, const One& one) {
  const DefaultFpEnvironment environment;
  pool.run(static_cast<int>((n + kPiece - 1) / kPiece), 1, [&](int begin, int end, int) {
    const int64_t last = std::min(end * kPiece, n);
    for (int64_t i = begin * kPiece; i < last; i++) out[i] = one(source[i]);
  });
}

// Without a branch, for whole registers: a half's fields as those of a float are 2^112 too small, its
// subnormals' too.
float from_half(uint16_t h) {
  const uint32_t magnitude = (h & 0x7fffu) << 13, sign = (h & 0x8000u) << 16;
  const uint32_t finite = std::bit_cast<uint32_t>(std::bit_cast<float>(magnitude) * 0x1p112f);
  return std::bit_cast<float>(sign | (magnitude >= 0x0f800000u ? magnitude | 0x7f800000u : finite));
}

constexpr float e4m3(int code) {
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  uint32_t bits = 0;
  if ((code & 127) == 127)
    bits = 0x7fc00000u;
  else if (exponent == 0)
    bits = std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-9f);
  else
    bits = static_cast<uint32_t>(exponent + 120) << 23 | static_cast<uint32_t>(mantissa) << 20;
  return std::bit_cast<float>(bits | static_cast<uint32_t>(code & 128) << 24);
}
constexpr std::array<float, 256> kE4m3 = [] {
  std::array<float, 256> values = {};
  for (int i = 0; i < 256; i++) values[static_cast<size_t>(i)] = e4m3(i);
  return values;
}();

}  // namespace

void widen_f16(const uint16_t* source, int64_t n, float* out, ThreadPool& pool) {
  widen(source, n, out, pool, [](uint16_t h) { return from_half(h); });  // a function's name is not inlined
}

void widen_bf16(const uint16_t* source, int64_t n, float* out, ThreadPool& pool) {
  widen(source, n, out, pool, [](uint16_t h) { return std::bit_cast<float>(uint32_t(h) << 16); });
}

void widen_fp8(const Fp8& m, float* out, ThreadPool& pool) {
  const DefaultFpEnvironment environment;
  const int64_t scales = (m.columns + kFp8Block - 1) / kFp8Block;
  pool.run(static_cast<int>(m.rows), 16, [&](int begin, int end, int) {
    for (int64_t row = begin; row < end; row++) {
      const float* scale = m.scales + row / kFp8Block * scales;
      for (int64_t block = 0; block < scales; block++) {
        const int64_t last = std::min((block + 1) * kFp8Block, m.columns);
        for (int64_t i = block * kFp8Block; i < last; i++)
          out[row * m.columns + i] = kE4m3[m.codes[row * m.columns + i]] * scale[block];
      }
    }
  });
}

}  // namespace pestle::quantize
