// The pre-norm residual decoder: nearly every open model since Llama.
#pragma once

#include <array>
#include <vector>

#include "model/attention.h"
#include "model/modules.h"

namespace pestle {

struct Layer {
  RmsNorm attn_norm, ffn_norm;
  GroupedQueryAttention attention;
  GatedMlp ffn;
  std::array<const Linear*, 7> linears() const {
    return {&attention.q, &attention.k, &attention.v, &attention.o, &ffn.gate, &ffn.up, &ffn.down};
  }
};

struct Decoder {
  Embedding embed;
  std::vector<Layer> layers;
  RmsNorm norm;
  Linear lm_head;

  // Logits of batch.logit_rows, in order, into `logits` ([rows, padded(n_vocab)]).
  void operator()(Workspace& ws, const Batch& batch, Rows logits) const;
  std::vector<KvShape> kv_shapes() const;
  size_t scratch_bytes() const;  // per thread
};

}  // namespace pestle
