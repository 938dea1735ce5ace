// The quantizers of one set behind function pointers. Nothing here runs before the set is chosen: the CPU may
// not have it.
#include "quantize/table.h"

#include "quantize/isa.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

Quantizers quantizers_of(Format format) {
  switch (format) {
    case Format::F32:
      return f32();
    case Format::F16:
      return f16();
    case Format::Q4_0:
      return q4_0();
    case Format::Q4_1:
      return q4_1();
    case Format::Q5_0:
      return q5_0();
    case Format::Q5_1:
      return q5_1();
    case Format::Q8_0:
      return q8_0();
    case Format::Q2_K:
      return q2_k();
    case Format::Q3_K:
      return q3_k();
    case Format::Q4_K:
      return q4_k();
    case Format::Q5_K:
      return q5_k();
    case Format::Q6_K:
      return q6_k();
    case Format::IQ4_NL:
      return iq4_nl();
    case Format::IQ4_XS:
      return iq4_xs();
    case Format::BF16:
      return bf16();
    case Format::MXFP4:
      return mxfp4();
    default:
      return {};
  }
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
