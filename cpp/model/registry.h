// The architectures that Pestle runs, by the name in general.architecture.
#pragma once

#include <string_view>
#include <vector>

#include "model/decoder.h"
#include "model/weights.h"

namespace pestle {

struct Architecture {
  std::string_view name;
  Decoder (*load)(const Hyperparameters&, Weights&);
};
const std::vector<Architecture>& architectures();
// UnsupportedError that names the file, its architecture and those that run.
const Architecture& find_architecture(const gguf::File& file);

}  // namespace pestle
