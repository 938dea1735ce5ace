// The rotary keys among the hyperparameters, and what takes their place.
#include <algorithm>
#include <limits>

#include "core/error.h"
#include "core/text.h"
#include "model/hyperparameters.h"

namespace pestle {

// Positions, with room for the arithmetic on them.
constexpr int kMostPositions = std::numeric_limits<int>::max() / 2;

RopeScaling Hyperparameters::stated_rope_scaling() const {
  const std::string type(file_.string_or(key("rope.scaling.type"), "linear"));
  if (type != "none" && type != "linear" && type != "yarn")
    throw UnsupportedError(file_.name() + ": rope scaling " + quoted(type) + " is not supported");
  RopeScaling s;
  const float factor = f_or("rope.scaling.factor", f_or("rope.scale_linear", 0));
  if (type != "none" && factor != 0) s.factor = between("rope.scaling.factor", factor, 1e-3f, 1e6f);
  const int trained = range("context_length", n("context_length"), kMostPositions);
  const double stretched = double(float(trained) / s.factor);
  const int absent = type != "linear" ? trained : int(std::clamp<double>(stretched, 1, kMostPositions));
  s.original_context = n_or("rope.scaling.original_context_length", absent, 1, kMostPositions);
  if (type == "linear") s.kind = RopeScaling::Kind::linear;
  if (type != "yarn") return s;
  s.kind = RopeScaling::Kind::yarn;
  s.beta_fast = between("rope.scaling.yarn_beta_fast", f_or("rope.scaling.yarn_beta_fast", 32), 1e-3f, 1e6f);
  s.beta_slow = between("rope.scaling.yarn_beta_slow", f_or("rope.scaling.yarn_beta_slow", 1), 1e-3f, 1e6f);
  s.magnitude =
      between("rope.scaling.yarn_attn_factor",
              f_or("rope.scaling.yarn_attn_factor", f_or("rope.scaling.attn_factor", 0)), 0.0f, 1e3f);
  return s;
}

RopeScaling Hyperparameters::rope_scaling() const {
  RopeScaling s = stated_rope_scaling();
  if (!rope_.stretches()) return s;
  const auto stated = s.kind == RopeScaling::Kind::yarn ? s.kind : RopeScaling::Kind::linear;
  s.kind = rope_.scaling.value_or(stated);
  s.factor = rope_.scale.value_or(1.0f);
  s.original_context = rope_.original_context.value_or(s.original_context);
  s.magnitude = 0;  // the stated one goes with the stated factor
  return s;
}

int Hyperparameters::n_ctx() const {
  const int trained = range("context_length", n("context_length"), kMostPositions);
  if (!rope_.stretches()) return trained;
  const RopeScaling s = rope_scaling();
  return static_cast<int>(std::min<double>(double(s.original_context) * s.factor, kMostPositions));
}

Rope Hyperparameters::rope(int n_rot, const RopeKeys& keys, const std::vector<float>& factors) const {
  RopeScaling scaling;
  if (keys.scaled) {
    scaling = rope_scaling();
    scaling.truncate = keys.truncate;
    if (keys.magnitude > 0) scaling.magnitude = keys.magnitude;
  }
  const float base = between(keys.base, f_or(keys.base, keys.absent_base), 1.001f, 1e12f);
  return Rope::make(n_rot, keys.scaled ? rope_.base.value_or(base) : base, scaling, factors);
}

}  // namespace pestle
