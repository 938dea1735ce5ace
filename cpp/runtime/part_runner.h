// Runs a part of a model over whole texts: part after part, a model that is larger than memory can be run
// over many of them.
#pragma once

#include <memory>
#include <optional>
#include <span>

#include "runtime/engine.h"

namespace pestle {

// Rows of floats, without gaps. What goes in and comes out is what the engine hands from part to part, to the
// bit: the numbers of a token do not depend on how the text is split into passes.
class PartRunner {
 public:
  // Of the options n_ctx is not used, nor are there threads for decoding.
  PartRunner(std::shared_ptr<const Model> model, const EngineOptions& options);

  // All of these throw std::invalid_argument where the model is another part.
  // x: [tokens, dim].
  void embed(std::span<const int32_t> tokens, std::span<float> x);
  // Takes the tokens of one text, from its first on, through the layer, in place.
  void layer(std::span<float> x);
  // logits: [tokens, n_vocab], after each token.
  void output(std::span<const float> x, std::span<float> logits);

  const Model& model() const { return *model_; }

 private:
  void expect(ModelPart::Kind kind, const char* name) const;
  // body(first row, rows): in passes of at most chunk_ rows.
  template <class Body>
  void for_passes(size_t n, const Body& body);
  Rows copied(const float* x, int n, int width);

  std::shared_ptr<const Model> model_;
  int chunk_;
  ThreadPool pool_;
  Workspace workspace_;
  std::optional<KvCache> cache_;
};

}  // namespace pestle
