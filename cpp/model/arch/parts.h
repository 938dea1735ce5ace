// What most architectures have in common, under the names that GGUF gives it.
#pragma once

#include "model/decoder.h"
#include "model/weights.h"

namespace pestle {

// token_embd, output_norm and output around layers: make(i) is the i-th.
template <class Make>
Decoder decoder(const Hyperparameters& h, Weights& w, int n_layers, const Make& make) {
  const Dimensions& d = h.dimensions();
  Decoder m{.embed = w.embedding(),
            .layers = {},
            .norm = w.norm("output_norm", d.dim, d.eps),
            .lm_head = w.output()};
  for (int i = 0; i < n_layers; i++) m.layers.push_back(make(i));
  return m;
}
// The norm before a block, and the one behind it where there is one.
Residual residual(Weights& w, const Dimensions& d, int layer, const char* norm, const char* post = nullptr);
// ffn_gate_inp
Linear router_gate(Weights& w, const Dimensions& d, int layer, const Mixture& m);

std::shared_ptr<const Rope> shared_rope(const Hyperparameters& h, Weights& w, int n_rot,
                                        const RopeKeys& keys = {});

// attn_q, attn_k and attn_v, or attn_qkv; attn_output. `order`: of the rows of q and k.
GroupedQueryAttention grouped_query_attention(const Hyperparameters& h, Weights& w, int layer,
                                              std::shared_ptr<const Rope> rope, const RowOrder& order = {});
// ffn_gate, ffn_up and ffn_down, or with a suffix.
GatedMlp gated_mlp(Weights& w, int layer, int dim, int ffn_dim, const std::string& suffix = "");
// ffn_gate_exps and ffn_up_exps, or ffn_gate_up_exps; ffn_down_exps.
Experts experts(Weights& w, int layer, int dim, const Mixture& m);

}  // namespace pestle
