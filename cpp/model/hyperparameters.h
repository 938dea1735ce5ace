// The hyperparameters that one GGUF file states, checked: all that can be known without any of its weights.
// What does not fit is a FormatError that names file, key, expected and found.
#pragma once

#include <string>
#include <vector>

#include "gguf/file.h"
#include "model/load_options.h"
#include "model/rope.h"

namespace pestle {

// Of any matrix's rows and columns but the vocabulary's.
constexpr int kMaxWidth = 1 << 20;

// What every decoder has. dim, ffn_dim ... as in docs/ARCHITECTURE.md. head_dim: of keys.
struct Dimensions {
  int n_layers, dim, ffn_dim, n_heads, n_kv_heads, head_dim, n_rot, n_vocab, n_ctx;
  float eps;
};

// A mixture of experts: how many there are, how many serve a token, and their width.
struct Mixture { int n_experts, top_k, ffn_dim; };

// Which keys describe a rotary embedding.
struct RopeKeys {
  const char* base = "rope.freq_base";
  float absent_base = 10000;
  bool scaled = true;    // whether the rope.scaling keys hold for it
  bool truncate = true;  // yarn: round the ramp's bounds; no key says so
  float magnitude = 0;   // yarn: of cos and sin, whatever the file says; 0: what it says
};

class Hyperparameters {
 public:
  // Of the tensors, only the directory's entry for the embedding is looked at: its rows are the vocabulary.
  // A file without one (a part of a model) states vocab_size.
  explicit Hyperparameters(const gguf::File& file, const RopeOverride& rope = {});

  const Dimensions& dimensions() const { return dimensions_; }
  Mixture mixture() const;
  // Of each layer: positions that a token sees, 0 for all. Every period-th layer sees all, unless the file
  // says otherwise.
  std::vector<int> windows(int n_layers, int period) const;
  // The file's, or what takes its place.
  RopeScaling rope_scaling() const;
  // factors: [n_rot / 2] divisors of the frequencies, or empty.
  Rope rope(int n_rot, const RopeKeys& keys, const std::vector<float>& factors) const;

  // Keys without the architecture's prefix. Per-layer arrays must be uniform (UnsupportedError).
  bool has(const char* key) const;
  bool flag_or(const char* key, bool absent) const;
  int n(const char* key) const;
  int n_or(const char* key, int absent) const;
  float f(const char* key) const;
  float f_or(const char* key, float absent) const;
  // The same, and FormatError for what is not in [least, most].
  int n_or(const char* key, int absent, int least, int most) const;
  float f_or(const char* key, float absent, float least, float most) const;

  // UnsupportedError when the key is there and not zero: the feature would be ignored.
  void refuse(const char* key, const char* feature) const;
  // FormatError for hyperparameters that do not go together; UnsupportedError for those that might.
  void expect(bool fits, const std::string& what) const;
  void runs(bool does, const std::string& what) const;

 private:
  std::string key(const char* name) const;
  int range(const char* name, int v, int most) const { return between(name, v, 1, most); }
  // v, if it is in [least, most]; else FormatError
  int between(const char* name, int v, int least, int most) const;
  float between(const char* name, float v, float least, float most) const;
  Dimensions read_dimensions() const;
  int n_vocab() const;
  int n_ctx() const;  // that the model was trained for, or that it is stretched to
  RopeScaling stated_rope_scaling() const;

  const gguf::File& file_;
  RopeOverride rope_;
  std::string prefix_;
  Dimensions dimensions_;
};

}  // namespace pestle
