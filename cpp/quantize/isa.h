// What the sources of one instruction set share: the functions behind its table.
#pragma once

#include "quantize/table.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

using pestle::quantize::Quantizers;

// block_scale.cpp, block_line.cpp, block_mxfp4.cpp
Quantizers q8_0();
Quantizers q4_0();
Quantizers q5_0();
Quantizers iq4_nl();
Quantizers q4_1();
Quantizers q5_1();
Quantizers mxfp4();
// super_scale.cpp, super_line.cpp
Quantizers q3_k();
Quantizers q6_k();
Quantizers iq4_xs();
Quantizers q2_k();
Quantizers q4_k();
Quantizers q5_k();
// floats.cpp
Quantizers f32();
Quantizers f16();
Quantizers bf16();

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
