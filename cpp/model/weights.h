// The hyperparameters and tensors of one GGUF file, as the architectures ask for them. Every request names
// what it expects; what the file holds instead is a FormatError that names file, key or tensor, expected and
// found.
#pragma once

#include <deque>
#include <set>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "model/modules.h"
#include "model/packing.h"

namespace pestle {

// Memory behind a model's modules.
struct Storage {
  std::deque<Matrix> matrices;
  std::deque<std::vector<float>> vectors;  // norms and biases, padded
  Buffer tiles;
};

// What every decoder has. dim, ffn_dim ... as in docs/ARCHITECTURE.md.
struct Dimensions {
  int n_layers, dim, ffn_dim, n_heads, n_kv_heads, head_dim, n_rot, n_vocab, n_ctx;
  float eps;
};

// Where a matrix's rows come from, if not from a tensor of its own in its own order.
struct RowSource {
  RowOrder order;
  std::string fused;  // tensor of `fused_rows` rows that holds these from `first` on, if the file has it
  int first = 0, fused_rows = 0;
};

class Weights {
 public:
  Weights(const gguf::File& file, Storage& storage);

  // Keys without the architecture's prefix. Per-layer arrays must be uniform (UnsupportedError).
  bool has(const char* key) const;
  int n(const char* key) const;
  int n_or(const char* key, int absent) const;
  float f(const char* key) const;
  float f_or(const char* key, float absent) const;
  Dimensions dimensions() const;
  // UnsupportedError when the key is there and not zero: the feature would be ignored.
  void refuse(const char* key, const char* feature) const;
  Rope rope(int n_rot);

  // Tensors, without ".weight"; a ".bias" beside it is taken too.
  Linear linear(const std::string& name, int in, int out, const RowSource& rows = {});
  RmsNorm norm(const std::string& name, int width, float eps);
  Embedding embedding(const Dimensions& d);
  Linear output(const Dimensions& d);  // output.weight, or the embedding where the file has none
  static std::string layer(int i, const char* name);

  // FormatError when the file holds tensors that nobody asked for.
  void check_all_used() const;
  // Fills the storage: matrix after matrix, in the order in which they were asked for.
  void pack(ThreadPool& pool, const LoadProgress& progress);

 private:
  std::string key(const char* name) const;
  const gguf::Tensor& tensor(const std::string& name, const std::vector<uint64_t>& shape);
  const Matrix* matrix(const std::string& name, int in, int out, const RowSource& rows);
  const float* vector(const gguf::Tensor& t, int first, int n, RowOrder order);

  const gguf::File& file_;
  Storage& storage_;
  std::string prefix_;
  std::vector<PackJob> jobs_;  // of storage_.matrices, in the same order
  std::set<std::string_view> used_;
};

}  // namespace pestle
