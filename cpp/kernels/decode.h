// How each format's tile decodes to bytes and scales: the only place where a kernel knows a format.
//
// A format F has: Tile; kMax, the largest weight byte, or kSigned; kOffset, which the integer dot product
// takes off; kScales per 32 columns (2: one for each half); kMin, whether scale * q + minimum is the value;
// decode(), the bytes of a block, and Scales. `sub` is the 32-column block within the tile and P = sub % 4
// (bit positions in scales of six bits), h the register within the 16 rows.
#pragma once

#include "kernels/format.h"
#include "simd.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

using simd::F32;
using simd::I32;
using simd::U8;
constexpr int kBytes = 4 * simd::kLanes;
constexpr int kVectors = 16 / simd::kLanes;  // registers per 16 rows
template <class F>  // columns of a tile: every super-block is larger than the largest block, Q8_0
constexpr int kColumns = sizeof(typename F::Tile) > sizeof(TileQ8_0) ? 256 : 32;

PESTLE_INLINE void nibbles(const uint8_t (&q)[4][64], int h, U8 (&o)[8]) {
  PESTLE_UNROLL for (int k = 0; k < 4; k++) {
    U8 b = simd::load(q[k] + h * kBytes);
    simd::opaque(b);
    o[k] = simd::low_nibble(b);
    o[4 + k] = simd::high_nibble(b);
  }
}
// Bit k of each byte of `bits` becomes bit To of quad k.
template <int To>
PESTLE_INLINE void add_bits(const uint8_t (&bits)[64], int h, U8 (&o)[8]) {
  const U8 b = simd::load(bits + h * kBytes);
  o[0] = simd::bit_or(o[0], simd::move_bits<0, To, 1>(b));
  o[1] = simd::bit_or(o[1], simd::move_bits<1, To, 1>(b));
  o[2] = simd::bit_or(o[2], simd::move_bits<2, To, 1>(b));
  o[3] = simd::bit_or(o[3], simd::move_bits<3, To, 1>(b));
  o[4] = simd::bit_or(o[4], simd::move_bits<4, To, 1>(b));
  o[5] = simd::bit_or(o[5], simd::move_bits<5, To, 1>(b));
  o[6] = simd::bit_or(o[6], simd::move_bits<6, To, 1>(b));
  o[7] = simd::bit_or(o[7], simd::move_bits<7, To, 1>(b));
}
template <int To>
PESTLE_INLINE void bit_pairs(const uint8_t (&q)[2][64], int h, U8 (&o)[8]) {
  PESTLE_UNROLL for (int i = 0; i < 2; i++) {
    const U8 b = simd::load(q[i] + h * kBytes);
    o[4 * i + 0] = simd::move_bits<0, To, 3>(b);
    o[4 * i + 1] = simd::move_bits<2, To, 3>(b);
    o[4 * i + 2] = simd::move_bits<4, To, 3>(b);
    o[4 * i + 3] = simd::move_bits<6, To, 3>(b);
  }
}
PESTLE_INLINE void look_up(const int8_t (&codes)[16], int bias, U8 (&o)[8]) {
  int8_t biased[16];
  for (int i = 0; i < 16; i++) biased[i] = (int8_t)(codes[i] + bias);
  const U8 table = simd::table16(biased);
  PESTLE_UNROLL for (int k = 0; k < 8; k++) o[k] = simd::lookup(table, o[k]);
}
// Signed bytes, in the form that this ISA's dot product takes.
PESTLE_INLINE void signed_bytes(U8 (&o)[8]) {
  if constexpr (simd::kSignedOffset != 0) {
    PESTLE_UNROLL for (int k = 0; k < 8; k++) o[k] = simd::flip_sign(o[k]);
  }
}
template <int Shift, int Mask>
PESTLE_INLINE I32 bits(I32 x) {
  return simd::bit_and(simd::shr<Shift>(x), Mask);
}

struct Unsigned { static constexpr bool kSigned = false; };
struct Signed {
  static constexpr bool kSigned = true;
  static constexpr int kMax = 127, kOffset = simd::kSignedOffset;
};
struct OneScale {
  static constexpr int kScales = 1;
  static constexpr bool kMin = false;
};
struct TwoScales {
  static constexpr int kScales = 2;
  static constexpr bool kMin = false;
};
struct OneScaleMin {
  static constexpr int kScales = 1;
  static constexpr bool kMin = true;
};
struct TwoScalesMin {
  static constexpr int kScales = 2;
  static constexpr bool kMin = true;
};

// Scales: what is read once of a tile, for the registers of its 16 rows. scale<P>(sub, s, h) and
// minimum<P>(sub, s, h) belong to the s-th part of block `sub`.
//
// The f16 scale (and minimum) of the 32-column formats.
template <class Tile>
struct HalfScale {
  const Tile& t;
  PESTLE_INLINE explicit HalfScale(const Tile& tile) : t(tile) {}
  template <int P>
  PESTLE_INLINE F32 scale(int, int, int h) const {
    return simd::load_f16(t.d + h * simd::kLanes);
  }
  template <int P>
  PESTLE_INLINE F32 minimum(int, int, int h) const {
    return simd::load_f16(t.m + h * simd::kLanes);
  }
};
// The f16 numbers that all scales of a super-block, and all its minima, are multiplied with.
struct SuperScale {
  F32 d[kVectors];
  PESTLE_INLINE explicit SuperScale(const uint16_t (&f16)[16]) {
    PESTLE_UNROLL for (int h = 0; h < kVectors; h++) d[h] = simd::load_f16(f16 + h * simd::kLanes);
  }
  PESTLE_INLINE F32 times(int h, I32 scale) const { return simd::mul(d[h], simd::to_f32(scale)); }
  // -d * minimum: times(h, minimum) of minus_d, to the bit.
  PESTLE_INLINE void negate() {
    PESTLE_UNROLL for (int h = 0; h < kVectors; h++) d[h] = simd::sub(simd::splat(0.0f), d[h]);
  }
};

struct Q8_0 : Signed, OneScale {
  using Tile = TileQ8_0;
  using Scales = HalfScale<Tile>;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) {
    PESTLE_UNROLL for (int k = 0; k < 8; k++) o[k] = simd::load(t.q[k] + h * kBytes);
    signed_bytes(o);
  }
};
struct Q4_0 : Unsigned, OneScale {
  using Tile = TileQ4_0;
  using Scales = HalfScale<Tile>;
  static constexpr int kMax = 15, kOffset = 8;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) { nibbles(t.q, h, o); }
};
struct Q4_1 : Unsigned, OneScaleMin {
  using Tile = TileQ4_1;
  using Scales = HalfScale<Tile>;
  static constexpr int kMax = 15, kOffset = 0;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) { nibbles(t.q, h, o); }
};
struct Q5_0 : Unsigned, OneScale {
  using Tile = TileQ5_0;
  using Scales = HalfScale<Tile>;
  static constexpr int kMax = 31, kOffset = 16;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) {
    nibbles(t.q, h, o);
    add_bits<4>(t.high, h, o);
  }
};
struct Q5_1 : Unsigned, OneScaleMin {
  using Tile = TileQ5_1;
  using Scales = HalfScale<Tile>;
  static constexpr int kMax = 31, kOffset = 0;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) {
    nibbles(t.q, h, o);
    add_bits<4>(t.high, h, o);
  }
};
struct IQ4_NL : Signed, OneScale {
  using Tile = TileIQ4_NL;
  using Scales = HalfScale<Tile>;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) {
    nibbles(t.q, h, o);
    look_up(kIq4, simd::kSignedOffset, o);
  }
};
struct MXFP4 : Unsigned, OneScale {
  using Tile = TileMXFP4;
  static constexpr int kMax = 24, kOffset = 12;
  PESTLE_INLINE static void decode(const Tile& t, int, int h, U8 (&o)[8]) {
    nibbles(t.q, h, o);
    look_up(kMxfp4, kOffset, o);
  }
  // 2^(e - 128), also where that is subnormal (e = 0 and 1); infinite for e = 255, which stands for NaN.
  struct Scales {
    const Tile& t;
    PESTLE_INLINE explicit Scales(const Tile& tile) : t(tile) {}
    template <int P>
    PESTLE_INLINE F32 scale(int, int, int h) const {
      const I32 bits = simd::shl<23>(simd::load_u8(t.e + h * simd::kLanes));
      return simd::mul(simd::as_f32(simd::max(bits, simd::splat(int32_t(0x00400000)))), simd::splat(0.5f));
    }
  };
};

struct Q2_K : Unsigned, TwoScalesMin {
  using Tile = TileQ2_K;
  static constexpr int kMax = 3, kOffset = 0;
  PESTLE_INLINE static void decode(const Tile& t, int sub, int h, U8 (&o)[8]) {
    bit_pairs<0>(t.q[sub], h, o);
  }
  struct Scales {
    const Tile& t;
    SuperScale d, minus_dmin;
    PESTLE_INLINE explicit Scales(const Tile& tile) : t(tile), d(t.d), minus_dmin(t.dmin) {
      minus_dmin.negate();
    }
    template <int P>
    PESTLE_INLINE F32 scale(int sub, int half, int h) const {
      return d.times(h, bits<0, 15>(simd::load_u8(t.scale[2 * sub + half] + h * simd::kLanes)));
    }
    template <int P>
    PESTLE_INLINE F32 minimum(int sub, int half, int h) const {
      return minus_dmin.times(h, bits<4, 15>(simd::load_u8(t.scale[2 * sub + half] + h * simd::kLanes)));
    }
  };
};

// The six-bit fields of a super-block, as bytes: 64 at a time where registers are that wide. The low nibbles
// of `low` with two bits of `high` are `first`, the high nibbles are `second`.
struct SixBits {
  uint8_t first[8][16], second[8][16];
  PESTLE_INLINE SixBits(const uint8_t (&low)[8][16], const uint8_t (&high)[4][16]) {
    PESTLE_UNROLL for (int i = 0; i < 64; i += kBytes) {
      const U8 pairs = simd::load(high[i / 16]);
      const U8 a = simd::load(low[i / 16]), b = simd::load(low[4 + i / 16]);
      simd::store(first[i / 16], simd::bit_or(simd::low_nibble(a), simd::move_bits<0, 4, 3>(pairs)));
      simd::store(second[i / 16], simd::bit_or(simd::high_nibble(a), simd::move_bits<2, 4, 3>(pairs)));
      simd::store(first[4 + i / 16], simd::bit_or(simd::low_nibble(b), simd::move_bits<4, 4, 3>(pairs)));
      simd::store(second[4 + i / 16], simd::bit_or(simd::high_nibble(b), simd::move_bits<6, 4, 3>(pairs)));
    }
  }
};

struct Q3_K : Unsigned, TwoScales {
  using Tile = TileQ3_K;
  static constexpr int kMax = 7, kOffset = 4;
  PESTLE_INLINE static void decode(const Tile& t, int sub, int h, U8 (&o)[8]) {
    bit_pairs<0>(t.block[sub].q, h, o);
    add_bits<2>(t.block[sub].bit, h, o);
  }
  struct Scales {
    SuperScale d;
    SixBits six;  // 32 is taken off
    PESTLE_INLINE explicit Scales(const Tile& t) : d(t.d), six(t.low, t.high) {}
    template <int P>
    PESTLE_INLINE F32 scale(int sub, int half, int h) const {
      const I32 biased = simd::load_u8((half == 0 ? six.first : six.second)[sub] + h * simd::kLanes);
      return d.times(h, simd::add(biased, simd::splat(int32_t(-32))));
    }
  };
};

template <class TileType>
struct SixBitScales : Unsigned, OneScaleMin {  // Q4_K and Q5_K
  using Tile = TileType;
  static constexpr int kOffset = 0;
  struct Scales {
    SuperScale d, minus_dmin;
    SixBits six;
    PESTLE_INLINE explicit Scales(const Tile& t) : d(t.d), minus_dmin(t.dmin), six(t.low, t.high) {
      minus_dmin.negate();
    }
    template <int P>
    PESTLE_INLINE F32 scale(int sub, int, int h) const {
      return d.times(h, simd::load_u8(six.first[sub] + h * simd::kLanes));
    }
    template <int P>
    PESTLE_INLINE F32 minimum(int sub, int, int h) const {
      return minus_dmin.times(h, simd::load_u8(six.second[sub] + h * simd::kLanes));
    }
  };
};
struct Q4_K : SixBitScales<TileQ4_K> {
  static constexpr int kMax = 15;
  PESTLE_INLINE static void decode(const Tile& t, int sub, int h, U8 (&o)[8]) { nibbles(t.q[sub], h, o); }
};
struct Q5_K : SixBitScales<TileQ5_K> {
  static constexpr int kMax = 31;
  PESTLE_INLINE static void decode(const Tile& t, int sub, int h, U8 (&o)[8]) {
    nibbles(t.block[sub].q, h, o);
    add_bits<4>(t.block[sub].bit, h, o);
  }
};
struct Q6_K : Unsigned, TwoScales {
  using Tile = TileQ6_K;
  static constexpr int kMax = 63, kOffset = 32;
  PESTLE_INLINE static void decode(const Tile& t, int sub, int h, U8 (&o)[8]) {
    U8 high[8];
    nibbles(t.block[sub].q, h, o);
    bit_pairs<4>(t.block[sub].high, h, high);
    PESTLE_UNROLL for (int k = 0; k < 8; k++) o[k] = simd::bit_or(o[k], high[k]);
  }
  struct Scales {
    const Tile& t;
    SuperScale d;
    PESTLE_INLINE explicit Scales(const Tile& tile) : t(tile), d(t.d) {}
    template <int P>
    PESTLE_INLINE F32 scale(int sub, int half, int h) const {
      return d.times(h, simd::load_s8(t.scale[2 * sub + half] + h * simd::kLanes));
    }
  };
};
struct IQ4_XS : Signed, OneScale {
  using Tile = TileIQ4_XS;
  PESTLE_INLINE static void decode(const Tile& t, int sub, int h, U8 (&o)[8]) {
    nibbles(t.q[sub], h, o);
    look_up(kIq4, simd::kSignedOffset, o);
  }
  struct Scales {
    const Tile& t;
    SuperScale d;
    PESTLE_INLINE explicit Scales(const Tile& tile) : t(tile), d(t.d) {}
    template <int P>
    PESTLE_INLINE F32 scale(int sub, int, int h) const {
      const int r = h * simd::kLanes;
      const I32 low = bits<4 * (P % 2), 15>(simd::load_u8(t.low[sub / 2] + r));
      const I32 high = bits<2 * P, 3>(simd::load_u8(t.high[sub / 4] + r));
      return d.times(h, simd::add(simd::add(low, simd::shl<4>(high)), simd::splat(int32_t(-32))));
    }
  };
};

#define PESTLE_INTEGER_FORMATS(X) \
  X(Q8_0) X(Q4_0) X(Q4_1) X(Q5_0) X(Q5_1) X(IQ4_NL) X(MXFP4) X(Q2_K) X(Q3_K) X(Q4_K) X(Q5_K) X(Q6_K) X(IQ4_XS)

// Float weights: one column a tile.
struct FloatF32 {
  using Tile = TileF32;
  PESTLE_INLINE static F32 value(const Tile& t, int h) { return simd::load(t.v + h * simd::kLanes); }
};
struct FloatF16 {
  using Tile = TileF16;
  PESTLE_INLINE static F32 value(const Tile& t, int h) { return simd::load_f16(t.v + h * simd::kLanes); }
};
struct FloatBF16 {
  using Tile = TileBF16;
  PESTLE_INLINE static F32 value(const Tile& t, int h) {
    return simd::as_f32(simd::shl<16>(simd::load_u16(t.v + h * simd::kLanes)));
  }
};

}  // namespace pestle::PESTLE_ISA_NAMESPACE
