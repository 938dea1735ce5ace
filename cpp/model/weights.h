// The hyperparameters and tensors of one GGUF file, as the architectures ask for them. Every request names
// what it expects; what the file holds instead is a FormatError that names file, key or tensor, expected and
// found.
#pragma once

#include <deque>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "model/load_options.h"
#include "model/modules.h"
#include "model/packing.h"

namespace pestle {

// Of any matrix's rows and columns but the vocabulary's.
constexpr int kMaxWidth = 1 << 20;

// Memory behind a model's modules.
struct Storage {
  std::deque<Matrix> matrices;
  std::deque<Matrix> absent;               // of parts that are not loaded: shapes only
  std::deque<std::vector<float>> vectors;  // norms and biases, padded
  Buffer tiles;
};

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

// Where the rows of a matrix come from, if not from a tensor of its own in its own order.
struct RowSource {
  RowOrder order = {};
  // A tensor of `fused_rows` rows, for each of several matrices, that holds these rows from `first` on: taken
  // where the file has it and no tensor of their own
  std::string fused = {};
  int first = 0, fused_rows = 0;
  bool flat = false;  // its matrices stand below each other in two dimensions, not three
  // Each matrix is found transposed, `first` counting its columns. Blocks of quantized rows cannot be turned:
  // it becomes F32.
  bool transposed = false;
};

class Weights {
 public:
  // What is read at once: `vectors`, or `nothing`, for those who only ask what there is. Matrices come later.
  enum class Read { vectors, nothing };
  Weights(const gguf::File& file, Storage& storage, const LoadOptions& options = {},
          Read read = Read::vectors);

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
  Dimensions dimensions() const;
  // UnsupportedError when the key is there and not zero: the feature would be ignored.
  void refuse(const char* key, const char* feature) const;
  Rope rope(int n_rot, const RopeKeys& keys = {});
  Mixture mixture() const;
  // Of each layer: positions that a token sees, 0 for all. Every period-th layer sees all, unless the file
  // says otherwise.
  std::vector<int> windows(int n_layers, int period) const;
  // The file's, or what takes its place.
  RopeScaling rope_scaling() const;

  // Tensors, without ".weight"; a ".bias" beside it is taken too.
  Linear linear(const std::string& name, int in, int out, const RowSource& rows = {});
  // `count` matrices in one tensor [in, out, count], with biases [out, count].
  Linear linears(const std::string& name, int in, int out, int count, const RowSource& rows = {});
  const float* vector(const std::string& name,
                      int n);                 // the whole name, [n] floats; null where nothing is read
  bool holds(const std::string& name) const;  // the whole name
  RmsNorm norm(const std::string& name, int width, float eps);
  Embedding embedding(const Dimensions& d);
  Linear output(const Dimensions& d);  // output.weight, or the embedding where the file has none
  static std::string layer(int i, const char* name);

  // Layers from `first` on are not run; their tensors may be there.
  void skip_layers(int first) { skipped_from_ = first; }
  // What users should know of what was decided for them.
  void note(const std::string& text) { notes_.push_back(file_.name() + ": " + text); }
  const std::vector<std::string>& notes() const { return notes_; }
  // FormatError for hyperparameters that do not go together; UnsupportedError for those that might.
  void expect(bool fits, const std::string& what) const;
  void runs(bool does, const std::string& what) const;

  // FormatError when the file holds tensors that nobody asked for.
  void check_all_used() const;
  // Fills the storage: matrix after matrix, in the order in which they were asked for.
  void pack(ThreadPool& pool, const LoadProgress& progress);

 private:
  std::string key(const char* name) const;
  bool skipped(std::string_view tensor) const;
  bool is_absent(std::string_view tensor) const;  // it belongs to a part that is not loaded
  int range(const char* name, int v, int most) const { return between(name, v, 1, most); }
  // v, if it is in [least, most]; else FormatError
  int between(const char* name, int v, int least, int most) const;
  float between(const char* name, float v, float least, float most) const;
  int n_ctx() const;  // that the model was trained for, or that it is stretched to
  RopeScaling stated_rope_scaling() const;
  const gguf::Tensor& tensor(const std::string& name, const std::vector<uint64_t>& shape);
  const Matrix* matrix(const std::string& name, int in, int out, int count, const RowSource& rows);
  // `count` vectors, `stride` apart in the tensor, each padded
  const float* vectors(const gguf::Tensor& t, int first, int n, int count, int stride, const RowOrder& order);

  const gguf::File& file_;
  Storage& storage_;
  RopeOverride rope_;
  Part part_;
  Read read_;
  std::string prefix_;
  std::vector<PackJob> jobs_;  // of storage_.matrices, in the same order
  std::set<std::string_view> used_;
  int skipped_from_ = std::numeric_limits<int>::max();
  std::vector<std::string> notes_;
};

}  // namespace pestle
