// The pre-norm residual decoder: nearly every open model since Llama.
#pragma once

#include <span>
#include <variant>
#include <vector>

#include "model/attention.h"
#include "model/experts.h"
#include "model/load_options.h"
#include "model/modules.h"

namespace pestle {

struct Layer {
  Residual attn_residual, ffn_residual;
  std::variant<GroupedQueryAttention, LatentAttention> attention;
  std::variant<GatedMlp, SparseMoe> ffn;
};

struct Decoder {
  Embedding embed;
  std::vector<Layer> layers;
  RmsNorm norm;
  Linear lm_head;

  // Logits of batch.logit_rows, in order, into `logits` ([rows, padded(n_vocab)]), and what the last norm
  // makes of batch.hidden_rows into `hidden` ([rows, padded(dim)]).
  void operator()(Workspace& ws, const Batch& batch, Rows logits, Rows hidden) const;
  // Its pieces: layer after layer over x, and from rows of what the last one left to their logits.
  void run_layers(Step& step, Rows x) const;
  void output(Workspace& ws, Rows x, std::span<const int> rows, Rows logits) const;
  // Drops every layer outside of `part`. std::out_of_range if there is no such layer.
  void keep(const ModelPart& part);
  std::vector<KvShape> kv_shapes() const;
  LinearUses linears() const;    // of all layers
  size_t scratch_bytes() const;  // per thread
  int n_experts() const;         // of a layer at most
};

}  // namespace pestle
