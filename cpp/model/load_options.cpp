#include "model/load_options.h"

#include <stdexcept>

namespace pestle {

RopeScaling::Kind RopeOverride::kind(const std::string& name) {
  if (name == "none") return RopeScaling::Kind::none;
  if (name == "linear") return RopeScaling::Kind::linear;
  if (name == "yarn") return RopeScaling::Kind::yarn;
  throw std::invalid_argument("rope_scaling is \"" + name + "\", expected \"none\", \"linear\" or \"yarn\"");
}

void RopeOverride::check() const {
  const auto range = [](const char* name, double v, double least, double most) {
    if (!(v >= least && v <= most))
      throw std::invalid_argument(std::string(name) + " is " + std::to_string(v) + ", expected " +
                                  std::to_string(least) + " to " + std::to_string(most));
  };
  if (scale) range("rope_scale", *scale, 1, 1e6);
  if (base) range("rope_freq_base", *base, 1.001, 1e12);
  if (original_context && *original_context < 1)
    throw std::invalid_argument("yarn_orig_ctx is " + std::to_string(*original_context) +
                                ", expected 1 or more");
  if (scaling == RopeScaling::Kind::none && scale)
    throw std::invalid_argument("a rope scale goes with linear or yarn scaling, not with none");
  if (scaling && scaling != RopeScaling::Kind::none && !scale)
    throw std::invalid_argument("linear and yarn scaling need a rope scale");
  if (original_context && scaling != RopeScaling::Kind::yarn)
    throw std::invalid_argument("an original context goes with yarn scaling only");
}

}  // namespace pestle
