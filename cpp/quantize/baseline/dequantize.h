// Blocks of a GGUF type back to floats, as readers of the file compute them.
#pragma once

#include <cstdint>

#include "core/thread_pool.h"
#include "gguf/type.h"

namespace pestle::quantize {

// `count` blocks to count * block_elems floats: those of gguf's dequantizers to the last bit, on any number
// of threads. UnsupportedError for a type that Pestle does not run.
void dequantize_blocks(gguf::Type type, const uint8_t* blocks, int64_t count, float* out, ThreadPool& pool);

}  // namespace pestle::quantize
