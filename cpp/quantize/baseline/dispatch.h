// The quantizers of the active instruction set: the one whose kernels run, or what it has in common with
// another.
#pragma once

#include "gguf/type.h"
#include "quantize/table.h"

namespace pestle::quantize {

// Whether anything is quantized to the type.
bool is_quantizable(gguf::Type type);
// UnsupportedError for a type that nothing is quantized to.
Quantizers quantizers(gguf::Type type);

}  // namespace pestle::quantize
