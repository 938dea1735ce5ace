#include "model/hyperparameters.h"

#include <cstdio>
#include <limits>

#include "core/error.h"
#include "model/router.h"

namespace pestle {
namespace {

// No published model comes near these; beyond them, products of two would leave int.
constexpr int kMaxLayers = 512, kMaxHeads = 4096;

}  // namespace

Hyperparameters::Hyperparameters(const gguf::File& file, const RopeOverride& rope)
    : file_(file),
      rope_(rope),
      prefix_(std::string(file.string("general.architecture")) + "."),
      dimensions_(read_dimensions()) {}

std::string Hyperparameters::key(const char* name) const { return prefix_ + name; }

bool Hyperparameters::has(const char* name) const { return file_.has(key(name)); }

int Hyperparameters::n(const char* name) const {
  const std::string k = key(name);
  const std::vector<int64_t> values = file_.integers(k);
  if (values.empty()) throw FormatError(file_.name() + ": key " + k + " is empty");
  for (int64_t v : values) {
    if (v != values[0])
      throw UnsupportedError(file_.name() + ": key " + k +
                             " differs between layers, which Pestle does not run");
    if (v < 0 || v > std::numeric_limits<int>::max())
      throw FormatError(file_.name() + ": key " + k + " is " + std::to_string(v) + ", out of range");
  }
  return static_cast<int>(values[0]);
}
int Hyperparameters::n_or(const char* name, int absent) const { return has(name) ? n(name) : absent; }
int Hyperparameters::n_or(const char* name, int absent, int least, int most) const {
  return between(name, n_or(name, absent), least, most);
}
float Hyperparameters::f(const char* name) const { return static_cast<float>(file_.number(key(name))); }
float Hyperparameters::f_or(const char* name, float absent) const { return has(name) ? f(name) : absent; }
float Hyperparameters::f_or(const char* name, float absent, float least, float most) const {
  return between(name, f_or(name, absent), least, most);
}

bool Hyperparameters::flag_or(const char* name, bool absent) const {
  return has(name) ? file_.flag(key(name)) : absent;
}

void Hyperparameters::expect(bool fits, const std::string& what) const {
  if (!fits) throw FormatError(file_.name() + ": " + what);
}

void Hyperparameters::runs(bool does, const std::string& what) const {
  if (!does) throw UnsupportedError(file_.name() + ": " + what);
}

void Hyperparameters::refuse(const char* name, const char* feature) const {
  if (has(name) && f(name) != 0)
    throw UnsupportedError(file_.name() + ": " + feature + " (key " + key(name) +
                           ") is not part of this architecture as Pestle runs it");
}

int Hyperparameters::between(const char* name, int v, int least, int most) const {
  if (v < least || v > most)
    throw FormatError(file_.name() + ": " + key(name) + " is " + std::to_string(v) + ", expected " +
                      std::to_string(least) + " to " + std::to_string(most));
  return v;
}

float Hyperparameters::between(const char* name, float v, float least, float most) const {
  // std::to_string would make zeros of what is small.
  const auto text = [](float x) {
    char digits[32];
    std::snprintf(digits, sizeof digits, "%g", double(x));
    return std::string(digits);
  };
  if (!(v >= least && v <= most))
    throw FormatError(file_.name() + ": " + key(name) + " is " + text(v) + ", expected " + text(least) +
                      " to " + text(most));
  return v;
}

Dimensions Hyperparameters::read_dimensions() const {
  Dimensions d{};
  d.n_layers = range("block_count", n("block_count"), kMaxLayers);
  d.dim = range("embedding_length", n("embedding_length"), kMaxWidth);
  // Models of experts alone may leave it out.
  d.ffn_dim = has("expert_count") && !has("feed_forward_length")
                  ? 0
                  : range("feed_forward_length", n("feed_forward_length"), kMaxWidth);
  d.n_heads = range("attention.head_count", n("attention.head_count"), kMaxHeads);
  d.n_kv_heads = range("attention.head_count_kv", n_or("attention.head_count_kv", d.n_heads), kMaxHeads);
  d.head_dim = range("attention.key_length", n_or("attention.key_length", d.dim / d.n_heads), 4096);
  d.n_rot = range("rope.dimension_count", n_or("rope.dimension_count", d.head_dim), 4096);
  d.n_ctx = n_ctx();
  // Models of vectors may have been trained to see what follows.
  runs(flag_or("attention.causal", true),
       key("attention.causal") + " is false, expected true: Pestle's attention is causal");
  d.eps = between("attention.layer_norm_rms_epsilon", f("attention.layer_norm_rms_epsilon"), 1e-30f, 0.5f);
  if (d.n_heads % d.n_kv_heads != 0)
    throw FormatError(file_.name() + ": " + std::to_string(d.n_heads) + " heads do not share " +
                      std::to_string(d.n_kv_heads) + " KV heads evenly");
  if (d.n_rot > d.head_dim || d.n_rot % 2 != 0)
    throw FormatError(file_.name() + ": rope.dimension_count is " + std::to_string(d.n_rot) +
                      ", expected an even number up to " + std::to_string(d.head_dim));
  d.n_vocab = n_vocab();
  return d;
}

int Hyperparameters::n_vocab() const {
  constexpr int kMostTokens = 1 << 24;
  const bool stated = !file_.find("token_embd.weight") && has("vocab_size");
  const uint64_t rows = stated ? uint64_t(range("vocab_size", n("vocab_size"), kMostTokens))
                               : file_.tensor("token_embd.weight").ne[1];
  if (rows > uint64_t(kMostTokens))
    throw FormatError(file_.name() + ": token_embd.weight has " + std::to_string(rows) +
                      " rows, expected at most " + std::to_string(kMostTokens));
  const char* tokens = "tokenizer.ggml.tokens";
  if (file_.has(tokens) && file_.array_size(tokens) > rows)
    throw FormatError(file_.name() + ": the tokenizer has " + std::to_string(file_.array_size(tokens)) +
                      " tokens, " +
                      (stated ? key("vocab_size") + " is only " + std::to_string(rows)
                              : "token_embd.weight has only " + std::to_string(rows) + " rows"));
  return static_cast<int>(rows);
}

Mixture Hyperparameters::mixture() const {
  Mixture m{};
  m.n_experts = range("expert_count", n("expert_count"), kMaxExperts);
  m.top_k = range("expert_used_count", n("expert_used_count"), m.n_experts);
  m.ffn_dim = range(
      "expert_feed_forward_length",
      n(has("expert_feed_forward_length") ? "expert_feed_forward_length" : "feed_forward_length"), kMaxWidth);
  return m;
}

std::vector<int> Hyperparameters::windows(int n_layers, int period) const {
  const int window =
      range("attention.sliding_window", n("attention.sliding_window"), std::numeric_limits<int>::max() / 2);
  const char* pattern = "attention.sliding_window_pattern";  // a period, or a flag of each layer
  std::vector<bool> slides;
  const gguf::Value* value = file_.find_value(key(pattern));
  if (value && !value->is_array()) {
    period = range(pattern, n(pattern), kMaxLayers);
  } else if (value && (slides = file_.flags(key(pattern))).size() != static_cast<size_t>(n_layers)) {
    throw FormatError(file_.name() + ": " + key(pattern) + " has " + std::to_string(slides.size()) +
                      " elements, expected one for each of " + std::to_string(n_layers) + " layers");
  }
  std::vector<int> windows;
  for (int i = 0; i < n_layers; i++) {
    const bool slide = slides.empty() ? i % period < period - 1 : slides[static_cast<size_t>(i)];
    windows.push_back(slide ? window : 0);
  }
  return windows;
}

}  // namespace pestle
