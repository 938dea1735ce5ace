// F32, and F16 and BF16 by rounding to nearest, ties to even. A block is one number; importance changes
// nothing.
#include "quantize/group.h"
#include "quantize/isa.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {
namespace {

typedef uint16_t U16 __attribute__((vector_size(2 * kLanes)));

struct ToF32 {
  using Out = I;
  PESTLE_INLINE static I convert(F x) { return (I)x; }
};
struct ToF16 {
  using Out = U16;
  PESTLE_INLINE static U16 convert(F x) { return __builtin_convertvector(half_bits(round_to_half(x)), U16); }
};
struct ToBf16 {
  using Out = U16;
  PESTLE_INLINE static U16 convert(F x) {
    typedef uint32_t U __attribute__((vector_size(4 * kLanes)));
    const U bits = (U)x;
    return __builtin_convertvector((bits + 0x7fff + (bits >> 16 & 1)) >> 16, U16);
  }
};

template <class To>
uint32_t convert(const Range& r) {
  constexpr int kSize = sizeof(typename To::Out) / kLanes;
  I largest = {};
  for (int64_t i = r.begin; i < r.end; i += kLanes) {
    const int n = r.end - i < kLanes ? static_cast<int>(r.end - i) : kLanes;
    F x = {};
    std::memcpy(&x, r.x + i, n * sizeof(float));
    const I bits = (I)abs(x);
    largest = bits > largest ? bits : largest;
    const typename To::Out out = To::convert(x);
    std::memcpy(r.out + i * kSize, &out, n * kSize);
  }
  return most_of(largest);
}

}  // namespace

Quantizers f32() { return {convert<ToF32>, convert<ToF32>}; }
Quantizers f16() { return {convert<ToF16>, convert<ToF16>}; }
Quantizers bf16() { return {convert<ToBf16>, convert<ToBf16>}; }

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
