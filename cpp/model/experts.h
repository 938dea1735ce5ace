// A sparse mixture of experts (Shazeer et al. 2017): tokens sorted by expert, one product per expert over its
// tokens, and the outputs added up again.
#pragma once

#include "model/modules.h"
#include "model/router.h"

namespace pestle {

class ExpertStream;

// Each expert is a GatedMlp; all of a layer are three weights of `count` matrices.
struct Experts {
  Linear gate, up, down;
  Activation activation = Activation::silu;
  ExpertStream* stream = nullptr;  // reads them when tokens ask for them; null: they are in memory
  int layer = 0;                   // for the stream
  int count() const { return gate.w->count; }

  // y += the sum over a token's experts of weight * expert(x), whose order is that of the experts' indices:
  // it depends on nothing but the token. `counts` [count]: tokens served are added; or null.
  void add(Workspace& ws, Rows x, const Routing& routing, Rows y, uint64_t* counts) const;
};

struct SparseMoe {
  Router router;
  Experts experts;
  std::optional<GatedMlp> shared = {};  // serves every token (DeepSeekMoE, Dai et al. 2024)

  void operator()(Step& step, Rows x, const Residual& residual, uint64_t* counts) const;
  LinearUses linears() const;
};

}  // namespace pestle
