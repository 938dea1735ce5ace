// Rotary positions (Su et al. 2021) and what stretches them: linear interpolation, Llama 3's factors, YaRN.
#pragma once

#include <vector>

namespace pestle {

struct RopeScaling {
  enum class Kind { none, linear, yarn } kind = Kind::none;
  float factor = 1;
  int original_context = 0;             // tokens of the pretraining context; matters to yarn only
  float beta_fast = 32, beta_slow = 1;  // yarn: rotations that bound the ramp
  float magnitude = 0;                  // yarn: of cos and sin; 0 = 0.1 ln(factor) + 1 (Peng et al. 2023)
  bool truncate = true;                 // yarn: round the ramp's bounds to whole dimensions
};

// 0.1 m ln(factor) + 1: what YaRN multiplies cos and sin with, m = 1, and DeepSeek the root of its scores'
// scale, with an m of its own (mscale_all_dim).
float yarn_magnitude(float factor, float m = 1);

// The frequencies of one kind of rotary embedding. Heads are stored half-split: channel i turns with i +
// n_rot / 2.
struct Rope {
  int n_rot = 0;
  float magnitude = 1;           // multiplies cos and sin
  std::vector<float> frequency;  // [n_rot / 2] radians per position
  // factors: [n_rot / 2] divisors of the frequencies (rope_freqs.weight), or empty.
  static Rope make(int n_rot, double base, const RopeScaling& scaling, const std::vector<float>& factors);
  // cos and sin of the angles of one position, [n_rot / 2] each.
  void angles(int position, float* cos, float* sin) const;
};

}  // namespace pestle
