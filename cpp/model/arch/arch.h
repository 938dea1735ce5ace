// One function per architecture: from a file's weights to a decoder.
#pragma once

#include "model/decoder.h"
#include "model/weights.h"

namespace pestle {

Decoder load_llama(Weights& w);
Decoder load_qwen2(Weights& w);

}  // namespace pestle
