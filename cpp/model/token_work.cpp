#include "model/token_work.h"

#include "model/registry.h"

namespace pestle {

TokenWork TokenWork::of(const gguf::File& file) {
  const Architecture& architecture = find_architecture(file);
  const Hyperparameters hyperparameters(file);
  const Dimensions& d = hyperparameters.dimensions();
  Storage storage;
  Weights weights(file, storage, d, ModelPart{}, Weights::Read::nothing);
  const Decoder decoder = architecture.load(hyperparameters, weights);
  weights.check_all_used();
  TokenWork work{static_cast<int>(decoder.layers.size()), d.dim, {}, {}};
  for (const LinearUse& use : decoder.linears()) work.products.push_back({*use.linear->w, use.per_token});
  work.products.push_back({*decoder.lm_head.w, 1, true});
  for (const Layer& layer : decoder.layers) {
    work.attention.push_back(std::visit([](const auto& a) { return a.cached(); }, layer.attention));
    work.attention.back().sinks = nullptr;  // never read
  }
  return work;
}

}  // namespace pestle
