// A sparse mixture of experts (Shazeer et al. 2017): tokens sorted by expert, one product per expert over its
// tokens, and the outputs added up again.
#pragma once

#include <functional>

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
  // it depends on nothing but the token. `counts` [count]: tokens served are added; or null. `meanwhile`
  // is called once, while experts are read, if they are.
  void add(Workspace& ws, Rows x, const Routing& routing, Rows y, uint64_t* counts,
           const std::function<void()>& meanwhile) const;
};

struct SparseMoe;

// The next layer of experts, and what reads the stream for it.
struct NextMoe {
  const RmsNorm& norm;
  const SparseMoe& moe;
  // Has the experts guessed that a token will ask for there, by what the stream holds of it before this layer
  // has added to it: layers change it little (Eliseev & Mazur 2023). A guess changes what is read, never a
  // bit.
  void foresee(Workspace& ws, Rows x) const;
};

struct SparseMoe {
  Router router;
  Experts experts;
  std::optional<GatedMlp> shared = {};  // serves every token (DeepSeekMoE, Dai et al. 2024)

  // `next`: the layer after it, where that has experts too; or null.
  void operator()(Step& step, Rows x, const Residual& residual, uint64_t* counts, const NextMoe* next) const;
  LinearUses linears() const;
};

}  // namespace pestle
