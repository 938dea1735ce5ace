// One function per architecture: from a file's hyperparameters and weights to a decoder.
#pragma once

#include "model/arch/parts.h"

namespace pestle {

// Gemma 3's 27B divides its scores by another number than the smaller ones, and only its depth tells.
constexpr int kGemma3LayersOf27B = 62;

Decoder load_llama(const Hyperparameters& h, Weights& w);
Decoder load_qwen2(const Hyperparameters& h, Weights& w);
Decoder load_qwen3(const Hyperparameters& h, Weights& w);
Decoder load_qwen3moe(const Hyperparameters& h, Weights& w);
Decoder load_gpt_oss(const Hyperparameters& h, Weights& w);
Decoder load_deepseek2(const Hyperparameters& h, Weights& w);
Decoder load_gemma3(const Hyperparameters& h, Weights& w);

}  // namespace pestle
