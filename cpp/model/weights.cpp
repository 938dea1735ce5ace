#include "model/weights.h"

#include <algorithm>
#include <charconv>
#include <cstring>

#include "core/error.h"
#include "core/half.h"
#include "kernels/baseline/format_of.h"

namespace pestle {
namespace {

Format format_of_tensor(const gguf::File& file, const gguf::Tensor& t) {
  const std::string_view name = gguf::type_info(t.type).name;
  if (const std::optional<Format> format = format_of(name)) return *format;
  throw UnsupportedError(file.name() + ": tensor `" + std::string(t.name) + "` has type " +
                         std::string(name) + ", which Pestle does not run");
}

std::string shape_text(const uint64_t* ne, size_t n) {
  std::string s;
  for (size_t i = 0; i < n; i++) s += (i ? "x" : "") + std::to_string(ne[i]);
  return s;
}

}  // namespace

Weights::Weights(const gguf::File& file, Storage& storage, const Dimensions& dimensions,
                 const ModelPart& part, Read read)
    : file_(file), storage_(storage), dimensions_(dimensions), part_(part), read_(read) {}

std::string Weights::layer(int i, const char* name) { return "blk." + std::to_string(i) + "." + name; }

const gguf::Tensor& Weights::tensor(const std::string& name, const std::vector<uint64_t>& shape) {
  const gguf::Tensor& t = file_.tensor(name);
  used_.insert(t.name);
  bool same = t.n_dims >= static_cast<int>(shape.size());
  for (size_t i = 0; i < 4; i++) same = same && t.ne[i] == (i < shape.size() ? shape[i] : 1);
  if (!same)
    throw FormatError(file_.name() + ": tensor `" + name + "` has shape " +
                      shape_text(t.ne.data(), static_cast<size_t>(t.n_dims)) + ", expected " +
                      shape_text(shape.data(), shape.size()));
  return t;
}

namespace {
// Trailing dimensions of 1 are not written down in GGUF.
std::vector<uint64_t> stacked(std::vector<uint64_t> shape, int count) {
  if (count > 1) shape.push_back(static_cast<uint64_t>(count));
  return shape;
}
}  // namespace

const Matrix* Weights::matrix(const std::string& name, int in, int out, int count, const RowSource& rows) {
  const bool head = name == "output" || name == "token_embd";  // a tied embedding is multiplied as the head
  const bool wide = is_wide(dimensions_.dim, in, head);
  if (is_absent(name)) {
    storage_.absent.push_back({name, Format::F32, out, in, wide, count});
    return &storage_.absent.back();
  }
  const bool fused =
      !rows.fused.empty() && !file_.find(name + ".weight") && file_.find(rows.fused + ".weight");
  const std::string source = (fused ? rows.fused : name) + ".weight";
  if (!fused)
    for (const Matrix& m : storage_.matrices)
      if (m.name == source) return &m;
  const bool transposed = fused && rows.transposed;
  const uint64_t stride = uint64_t(fused ? rows.fused_rows : out), width = uint64_t(transposed ? out : in);
  const gguf::Tensor& t = fused && rows.flat ? tensor(source, {width, stride * uint64_t(count)})
                                             : tensor(source, stacked({width, stride}, count));
  // packing.h counts the rows of all matrices of a tensor in an int.
  constexpr uint64_t kMostRows = std::numeric_limits<int>::max();
  if (t.ne[1] * t.ne[2] > kMostRows)
    throw FormatError(file_.name() + ": tensor `" + std::string(t.name) + "` has " +
                      std::to_string(t.ne[1] * t.ne[2]) + " rows, expected at most " +
                      std::to_string(kMostRows));
  const Format stored = format_of_tensor(file_, t);
  storage_.matrices.push_back({source, transposed ? Format::F32 : stored, out, in, wide, count,
                               fused && (rows.first > 0 || transposed)});
  jobs_.push_back({&storage_.matrices.back(), &t, stored, fused ? rows.first : 0, int(stride), rows.order,
                   transposed, 0});
  return &storage_.matrices.back();
}

const float* Weights::vectors(const gguf::Tensor& t, int first, int n, int count, int stride,
                              const RowOrder& order) {
  const Format format = format_of_tensor(file_, t);
  if (info(format).quantized)
    throw UnsupportedError(file_.name() + ": tensor `" + std::string(t.name) + "` has type " +
                           std::string(gguf::type_info(t.type).name) +
                           ", expected a float type for a vector");
  storage_.vector_bytes += size_t(padded(n)) * size_t(count) * sizeof(float);
  if (read_ == Read::nothing) return nullptr;
  std::vector<std::byte> stored(t.nbytes);
  file_.read(t, 0, stored);
  std::vector<float> v(size_t(padded(n)) * size_t(count), 0.0f);
  for (int c = 0; c < count; c++)
    for (int i = 0; i < n; i++) {
      const size_t at = size_t(c) * size_t(stride) + size_t(first + order.source(i));
      float& x = v[size_t(c) * size_t(padded(n)) + size_t(i)];
      if (format == Format::F32) {
        std::memcpy(&x, stored.data() + 4 * at, 4);
      } else {
        uint16_t half;
        std::memcpy(&half, stored.data() + 2 * at, 2);
        x = format == Format::F16 ? f16_to_f32(half) : bf16_to_f32(half);
      }
    }
  return storage_.vectors.emplace_back(std::move(v)).data();
}

const float* Weights::vector(const std::string& name, int n) {
  if (is_absent(name)) return nullptr;
  return vectors(tensor(name, {uint64_t(n)}), 0, n, 1, n, {});
}

Linear Weights::linear(const std::string& name, int in, int out, const RowSource& rows) {
  return linears(name, in, out, 1, rows);
}

Linear Weights::linears(const std::string& name, int in, int out, int count, const RowSource& rows) {
  Linear l{matrix(name, in, out, count, rows)};
  if (is_absent(name)) return l;
  const bool own = file_.find(name + ".bias");
  if (!own && (rows.fused.empty() || !file_.find(rows.fused + ".bias"))) return l;
  const int stride = own ? out : rows.fused_rows;
  l.bias = vectors(tensor((own ? name : rows.fused) + ".bias", stacked({uint64_t(stride)}, count)),
                   own ? 0 : rows.first, out, count, stride, rows.order);
  return l;
}

RmsNorm Weights::norm(const std::string& name, int width, float eps) {
  return {vector(name + ".weight", width), width, eps};
}

Embedding Weights::embedding() { return {matrix("token_embd", dimensions_.dim, dimensions_.n_vocab, 1, {})}; }

Linear Weights::output() {
  return linear(file_.find("output.weight") ? "output" : "token_embd", dimensions_.dim, dimensions_.n_vocab);
}

std::vector<float> Weights::rope_factors(int n) {
  const std::string name = "rope_freqs.weight";
  const float* v = holds(name) ? vector(name, n) : nullptr;
  if (!v) return {};
  for (int i = 0; i < n; i++)
    if (!(v[i] >= 1e-6f && v[i] <= 1e6f))
      throw FormatError(file_.name() + ": tensor `" + name + "` holds a divisor that is not in [1e-6, 1e6]");
  return {v, v + n};
}

bool Weights::holds(const std::string& name) const { return file_.find(name) != nullptr; }

namespace {
// The layer that a tensor belongs to, or -1.
int layer_of(std::string_view name) {
  int layer = -1;
  if (name.starts_with("blk.")) std::from_chars(name.data() + 4, name.data() + name.size(), layer);
  return layer;
}
}  // namespace

bool Weights::skipped(std::string_view name) const {
  return name.find("rotary_emb.inv_freq") != std::string_view::npos || layer_of(name) >= skipped_from_;
}

bool Weights::is_absent(std::string_view name) const {
  using Kind = ModelPart::Kind;
  if (part_.is_whole()) return false;
  if (const int layer = layer_of(name); layer >= 0) return part_.kind != Kind::layer || layer != part_.number;
  if (name.starts_with("output")) return part_.kind != Kind::output;
  // A file without an output of its own takes the embedding for it.
  const bool is_output = part_.kind == Kind::output && !file_.find("output.weight");
  return name.starts_with("token_embd") && part_.kind != Kind::embedding && !is_output;
}

void Weights::check_all_used() const {
  for (const gguf::Tensor& t : file_.tensors())
    if (!used_.contains(t.name) && !skipped(t.name) && !is_absent(t.name))
      throw UnsupportedError(file_.name() + ": tensor `" + std::string(t.name) +
                             "` is not part of the architecture " +
                             std::string(file_.string("general.architecture")) + " as Pestle runs it");
}

std::vector<PackJob> Weights::take_jobs(const std::set<const Matrix*>& matrices) {
  const auto taken = std::stable_partition(
      jobs_.begin(), jobs_.end(), [&](const PackJob& job) { return !matrices.contains(job.matrix); });
  std::vector<PackJob> jobs(taken, jobs_.end());
  jobs_.erase(taken, jobs_.end());
  return jobs;
}

void Weights::pack_matrices(ThreadPool& pool, const LoadProgress& progress) {
  size_t total = 0;
  for (const PackJob& job : jobs_) total += job.matrix->bytes();
  storage_.tiles = Buffer(total);
  size_t at = 0;
  for (PackJob& job : jobs_) {
    job.matrix->tiles = storage_.tiles.data() + at;
    job.at = at;
    at += job.matrix->bytes();
  }
  pestle::pack_matrices(file_, jobs_, storage_.tiles.data(), pool, progress);
}

}  // namespace pestle
