// Philox4x32-10 (Salmon et al. 2011): random bits from (key, counter), with no state to carry.
#pragma once

#include <array>
#include <cstdint>

namespace pestle {

inline std::array<uint32_t, 4> philox(std::array<uint32_t, 4> counter, uint64_t key) {
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  for (int round = 0; round < 10; round++) {
    const uint64_t a = uint64_t(0xD2511F53) * counter[0], b = uint64_t(0xCD9E8D57) * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return counter;
}

// Uniform in [0, 1), 53 bits.
inline double uniform(uint64_t seed, uint64_t position) {
  const auto bits =
      philox({static_cast<uint32_t>(position), static_cast<uint32_t>(position >> 32), 0, 0}, seed);
  return static_cast<double>((uint64_t(bits[0]) << 21) ^ (bits[1] >> 11)) * 0x1p-53;
}

}  // namespace pestle
