// The tensors of one GGUF file, as the architectures ask for them. Every request states the shape that it
// expects; what the file holds instead is a FormatError that names file, tensor, expected and found.
#pragma once

#include <deque>
#include <limits>
#include <set>
#include <string>
#include <vector>

#include "core/buffer.h"
#include "model/hyperparameters.h"
#include "model/load_options.h"
#include "model/modules.h"
#include "model/packing.h"

namespace pestle {

// Memory behind a model's modules.
struct Storage {
  std::deque<Matrix> matrices;
  std::deque<Matrix> absent;               // of parts that are not loaded: shapes only
  std::deque<std::vector<float>> vectors;  // norms and biases, padded
  size_t vector_bytes = 0;                 // that they take, or would, were they read
  Buffer tiles;
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
  Weights(const gguf::File& file, Storage& storage, const Dimensions& dimensions, const ModelPart& part = {},
          Read read = Read::vectors);

  // Tensors, without ".weight"; a ".bias" beside it is taken too.
  Linear linear(const std::string& name, int in, int out, const RowSource& rows = {});
  // `count` matrices in one tensor [in, out, count], with biases [out, count].
  Linear linears(const std::string& name, int in, int out, int count, const RowSource& rows = {});
  const float* vector(const std::string& name,
                      int n);                 // the whole name, [n] floats; null where nothing is read
  bool holds(const std::string& name) const;  // the whole name
  RmsNorm norm(const std::string& name, int width, float eps);
  Embedding embedding();
  Linear output();  // output.weight, or the embedding where the file has none
  // rope_freqs.weight, [n] floats; empty where the file has none or nothing is read.
  std::vector<float> rope_factors(int n);
  static std::string layer(int i, const char* name);

  // Layers from `first` on are not run; their tensors may be there.
  void skip_layers(int first) { skipped_from_ = first; }
  // What users should know of what was decided for them.
  void note(const std::string& text) { notes_.push_back(file_.name() + ": " + text); }
  const std::vector<std::string>& notes() const { return notes_; }

  // FormatError when the file holds tensors that nobody asked for.
  void check_all_used() const;
  // What packs these matrices, which pack_matrices then leaves out.
  std::vector<PackJob> take_jobs(const std::set<const Matrix*>& matrices);
  // Fills the storage: matrix after matrix, in the order in which they were asked for.
  void pack_matrices(ThreadPool& pool, const LoadProgress& progress);

 private:
  bool skipped(std::string_view tensor) const;
  bool is_absent(std::string_view tensor) const;  // it belongs to a part that is not loaded
  const gguf::Tensor& tensor(const std::string& name, const std::vector<uint64_t>& shape);
  const Matrix* matrix(const std::string& name, int in, int out, int count, const RowSource& rows);
  // `count` vectors, `stride` apart in the tensor, each padded
  const float* vectors(const gguf::Tensor& t, int first, int n, int count, int stride, const RowOrder& order);

  const gguf::File& file_;
  Storage& storage_;
  Dimensions dimensions_;
  ModelPart part_;
  Read read_;
  std::vector<PackJob> jobs_;  // of storage_.matrices, in their order
  std::set<std::string_view> used_;
  int skipped_from_ = std::numeric_limits<int>::max();
  std::vector<std::string> notes_;
};

}  // namespace pestle
