#include "model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/fixed_math.h"

namespace pestle {
namespace {

// YaRN (Peng et al. 2023, section 3.2): dimensions that turn often keep their frequency, slow ones are
// interpolated, a linear ramp lies between.
void apply_yarn(Rope& rope, double base, const RopeScaling& s) {
  const double d = rope.n_rot;
  const auto dimension = [&](double rotations) {
    return d * fixed_log(s.original_context / (2 * std::numbers::pi * rotations)) / (2 * fixed_log(base));
  };
  double low = dimension(s.beta_fast), high = dimension(s.beta_slow);
  if (s.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, d - 1);
  for (size_t i = 0; i < rope.frequency.size(); i++) {
    const double ramp = std::clamp((static_cast<double>(i) - low) / std::max(high - low, 0.001), 0.0, 1.0);
    rope.frequency[i] = static_cast<float>(rope.frequency[i] * ((1 - ramp) + ramp / s.factor));
  }
  rope.magnitude = s.magnitude > 0 ? s.magnitude : yarn_magnitude(s.factor);
}

}  // namespace

float yarn_magnitude(float factor, float m) {
  return factor <= 1 ? 1.0f : static_cast<float>(0.1 * m * fixed_log(factor) + 1);
}

Rope Rope::make(int n_rot, double base, const RopeScaling& scaling, const std::vector<float>& factors) {
  Rope rope;
  rope.n_rot = n_rot;
  for (int i = 0; i < n_rot / 2; i++) {
    double f = fixed_pow(base, -2.0 * i / n_rot);
    if (!factors.empty()) f /= factors[i];
    if (scaling.kind == RopeScaling::Kind::linear) f /= scaling.factor;
    rope.frequency.push_back(static_cast<float>(f));
  }
  if (scaling.kind == RopeScaling::Kind::yarn) apply_yarn(rope, base, scaling);
  return rope;
}

void Rope::angles(int position, float* cos, float* sin) const {
  for (size_t i = 0; i < frequency.size(); i++) {
    // The product is rounded to float, as in the code that models are trained with: at 100,000 positions the
    // exact angle would differ from theirs by milliradians.
    const SinCos v = fixed_sincos(static_cast<float>(position) * frequency[i]);
    cos[i] = static_cast<float>(v.cos) * magnitude;
    sin[i] = static_cast<float>(v.sin) * magnitude;
  }
}

}  // namespace pestle
