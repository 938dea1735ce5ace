// What most architectures have in common, under the names that GGUF gives it.
#pragma once

#include "model/decoder.h"
#include "model/weights.h"

namespace pestle {

std::shared_ptr<const Rope> shared_rope(Weights& w, int n_rot, const RopeKeys& keys = {});

// attn_q, attn_k and attn_v, or attn_qkv; attn_output. `order`: of the rows of q and k.
GroupedQueryAttention grouped_query_attention(Weights& w, const Dimensions& d, int layer,
                                              std::shared_ptr<const Rope> rope, const RowOrder& order = {});
// ffn_gate, ffn_up and ffn_down, or with a suffix.
GatedMlp gated_mlp(Weights& w, int layer, int dim, int ffn_dim, const std::string& suffix = "");
// ffn_gate_exps and ffn_up_exps, or ffn_gate_up_exps; ffn_down_exps.
Experts experts(Weights& w, int layer, int dim, const Mixture& m);

}  // namespace pestle
