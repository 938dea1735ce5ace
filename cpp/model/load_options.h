// What a user asks for beyond what the file says.
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "model/rope.h"

namespace pestle {

// Takes the place of the file's rotary base and scaling; what is not given stays as the file has it.
struct RopeOverride {
  std::optional<RopeScaling::Kind> scaling;
  std::optional<float> scale;           // the factor; alone, of the file's kind of scaling, or linear
  std::optional<int> original_context;  // of yarn; else the file's
  std::optional<float> base;

  bool stretches() const { return scaling || scale; }
  // std::invalid_argument for values out of range, or that do not go together.
  void check() const;
  // std::invalid_argument for another name than "none", "linear" and "yarn".
  static RopeScaling::Kind kind(const std::string& name);
};

// What of a model is loaded: all of it, or a part that is run on its own, where the whole does not fit. The
// file then need not hold the tensors of the other parts.
struct ModelPart {
  enum class Kind { whole, embedding, layer, output } kind = Kind::whole;
  int number = 0;  // of the layer
  bool is_whole() const { return kind == Kind::whole; }
};

struct LoadOptions {
  int threads = 0;  // that pack; 0: one per usable performance core
  RopeOverride rope;
  ModelPart part;
  size_t expert_memory = 0;  // bytes for experts that are streamed; 0: all are in memory
};

}  // namespace pestle
