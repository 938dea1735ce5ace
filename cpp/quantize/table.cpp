// The quantizers of one set behind function pointers. Nothing here runs before the set is chosen: the CPU may
// not have it.
#include "quantize/table.h"

#include "quantize/isa.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

Quantizers quantizers_of(uint32_t type) {
  switch (type) {
    case 0:
      return f32();
    case 1:
      return f16();
    case 2:
      return q4_0();
    case 3:
      return q4_1();
    case 6:
      return q5_0();
    case 7:
      return q5_1();
    case 8:
      return q8_0();
    case 10:
      return q2_k();
    case 11:
      return q3_k();
    case 12:
      return q4_k();
    case 13:
      return q5_k();
    case 14:
      return q6_k();
    case 20:
      return iq4_nl();
    case 23:
      return iq4_xs();
    case 30:
      return bf16();
    case 39:
      return mxfp4();
    default:
      return {};
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
