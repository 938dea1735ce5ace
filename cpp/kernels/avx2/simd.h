// AVX2 + FMA + F16C.
#pragma once

#include "kernels/avx2/vectors.h"

namespace pestle::PESTLE_ISA_NAMESPACE::simd {

inline constexpr int kSignedOffset = 0;  // the sign moves to the activation: signed weights stay signed
inline constexpr int kStripVectors = 2;
inline constexpr int kMaxRows = 3;    // 6 integer and 6 float accumulators of 16 registers
inline constexpr int kFloatRows = 6;  // of float weights: 12 accumulators
inline constexpr bool kWords = true;
inline constexpr bool kPairs = true;

// Clang turns chains of sums into trees and multiplies row after row, which needs more registers than there
// are: with its sums kept in order 192 rows take 29 % less time in Q8_0 and 17 % less in Q4_0 (Zen 5). GCC
// keeps the order by itself.
PESTLE_INLINE void in_order([[maybe_unused]] I32& sum) {
#ifdef __clang__
  asm volatile("" : "+x"(sum));
#endif
}

// vpmaddubsw adds two products in 16 bits. How many of its results one 16-bit sum may hold follows from the
// largest weight: 15*127*2*8 = 30480, 31*127*2*4 = 31496, 63*127*2*2 = 32004, 128*127*2 = 32512: none
// saturates.
template <int Max, bool kSigned>
struct Dot {
  static constexpr int kSums = kSigned ? 1 : Max <= 15 ? 8 : Max <= 31 ? 4 : 2;
  I32 v, s;
  PESTLE_INLINE void start(I32 init) { v = init; }
  PESTLE_INLINE void step(U8 w, I32 x, int k) {
    const I32 p = kSigned ? _mm256_maddubs_epi16(_mm256_abs_epi8(w), _mm256_sign_epi8(x, w))
                          : _mm256_maddubs_epi16(w, x);
    s = k % kSums ? _mm256_add_epi16(s, p) : p;
    in_order(s);
    if (k % kSums == kSums - 1) flush();
    pending = k % kSums != kSums - 1;
  }
  PESTLE_INLINE I32 value() {
    if (pending) flush();
    return v;
  }

 private:
  bool pending = false;  // known at compile time once the loop over k is unrolled
  PESTLE_INLINE void flush() { v = _mm256_add_epi32(v, _mm256_madd_epi16(s, _mm256_set1_epi16(1))); }
};
template <int Max, bool kSigned>
using DotKind = Dot<kSigned     ? 127
                    : Max <= 15 ? 15
                    : Max <= 31 ? 31
                                : 63,
                    kSigned>;

// Of weights that are stored with an offset the sum of a whole chain fits into 16 bits once the offset is
// taken off: 8 * 127 * 16 (Q4_0), 12 * 127 * 16 (MXFP4), 16 * 127 * 16 (Q5_0), 32 * 127 * 8 (Q6_K). It starts
// at minus the offset's share, and what it is in between is right modulo 2^16. No result of vpmaddubsw itself
// saturates.
struct OffsetDot {
  static constexpr bool fits(int max, int offset, int columns) {
    const int largest = offset > max - offset ? offset : max - offset;
    return max * 127 * 2 <= 32767 && largest * 127 * (columns / 2) <= 32767;
  }
  I32 s;
  PESTLE_INLINE void start(I32 pairs) { s = pairs; }
  PESTLE_INLINE void step(U8 w, I32 x, int) {
    s = _mm256_add_epi16(s, _mm256_maddubs_epi16(w, x));
    in_order(s);
  }
  PESTLE_INLINE I32 value() const { return _mm256_madd_epi16(s, _mm256_set1_epi16(1)); }
};

// vpmaddwd multiplies int16 and adds two neighbours in 32 bits: for signed bytes, whose sign would have to
// move to the activation, and for 15-bit activations it takes the fewest instructions.
struct WordDot {
  I32 v;
  PESTLE_INLINE void start(I32 init) { v = init; }
  PESTLE_INLINE void step(U8 w, I32 x, int) {
    v = _mm256_add_epi32(v, _mm256_madd_epi16(w, x));
    in_order(v);
  }
  PESTLE_INLINE I32 value() const { return v; }
  // Of each lane the bytes 2 Half and 2 Half + 1, signed, as int16.
  template <int Half>
  PESTLE_INLINE static U8 words(U8 x) {
    const __m256i high = _mm256_setr_epi8(
        -1, 2 * Half, -1, 2 * Half + 1, -1, 4 + 2 * Half, -1, 5 + 2 * Half, -1, 8 + 2 * Half, -1,
        9 + 2 * Half, -1, 12 + 2 * Half, -1, 13 + 2 * Half, -1, 2 * Half, -1, 2 * Half + 1, -1, 4 + 2 * Half,
        -1, 5 + 2 * Half, -1, 8 + 2 * Half, -1, 9 + 2 * Half, -1, 12 + 2 * Half, -1, 13 + 2 * Half);
    return _mm256_srai_epi16(_mm256_shuffle_epi8(x, high), 8);
  }
};

// The lanes' own type: through I32, GCC 12 copies each sum around each instruction of a loop.
using PairSum = __v8si;
PESTLE_INLINE PairSum no_pairs() { return (__v8si)splat(int32_t(0)); }
PESTLE_INLINE PairSum add_pairs(PairSum s, I32 a, I32 b) { return s + (__v8si)_mm256_madd_epi16(a, b); }
PESTLE_INLINE I32 total(PairSum s) { return (I32)s; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::simd
