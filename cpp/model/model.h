// A model in memory: packed weights and the decoder over them. Immutable, shared by engines.
#pragma once

#include <memory>
#include <string>

#include "model/decoder.h"
#include "model/expert_stream.h"
#include "model/load_options.h"
#include "model/weights.h"

namespace pestle {

// What a file holds, without its weights: the model's modules with shapes alone.
struct Outline {
  std::string architecture;
  int n_ctx = 0, n_vocab = 0, dim = 0;
  Storage storage;
  Decoder decoder;
  ExpertLayout experts;
  // Throws as loading would, but for what only the weights themselves can show.
  static Outline of(const gguf::File& file, const RopeOverride& rope = {});
};

struct Model {
  // progress: called now and then with bytes packed and in all; it may throw to give up. Error when the file
  // was written to meanwhile.
  static std::shared_ptr<const Model> load(const gguf::File& file, const LoadOptions& options,
                                           const LoadProgress& progress);

  std::string path, architecture;
  std::vector<std::string> notes;  // what was decided where the file says nothing
  ModelPart part;                  // what of it is here
  int n_vocab = 0, n_ctx = 0, dim = 0;
  int n_layers = 0;  // of the whole model
  int64_t n_params = 0;
  int64_t weight_bytes = 0;  // resident, without the slots of streamed experts
  int64_t decode_bytes = 0;  // that one decoded token reads, head included
  int64_t prefill_ops = 0;   // 2 x multiply-adds with weights per prefilled token, head excluded
  Storage storage;
  std::unique_ptr<ExpertStream> experts;  // where they are streamed: what no result depends on may change
  Decoder decoder;
};

}  // namespace pestle
