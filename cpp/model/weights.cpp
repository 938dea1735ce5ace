#include "model/weights.h"

#include <algorithm>
#include <cstring>

#include "core/error.h"
#include "core/half.h"

namespace pestle {
namespace {

Format format_of(const gguf::File& file, const gguf::Tensor& t) {
  const std::string_view name = gguf::type_info(t.type).name;
  for (int f = 0; f < kFormats; f++)
    if (name == kFormatInfo[f].name) return static_cast<Format>(f);
  throw UnsupportedError(file.name() + ": tensor `" + std::string(t.name) + "` has type " +
                         std::string(name) + ", which Pestle does not run");
}

std::string shape_text(const uint64_t* ne, size_t n) {
  std::string s;
  for (size_t i = 0; i < n; i++) s += (i ? "x" : "") + std::to_string(ne[i]);
  return s;
}

}  // namespace

Weights::Weights(const gguf::File& file, Storage& storage)
    : file_(file), storage_(storage), prefix_(std::string(file.string("general.architecture")) + ".") {}

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

const Matrix* Weights::matrix(const std::string& name, int in, int out, const RowSource& rows) {
  const bool fused =
      !rows.fused.empty() && !file_.find(name + ".weight") && file_.find(rows.fused + ".weight");
  const std::string source = (fused ? rows.fused : name) + ".weight";
  if (!fused)
    for (const Matrix& m : storage_.matrices)
      if (m.name == source) return &m;
  const gguf::Tensor& t = tensor(source, {uint64_t(in), uint64_t(fused ? rows.fused_rows : out)});
  storage_.matrices.push_back({source, format_of(file_, t), out, in, is_wide(n("embedding_length"), in)});
  jobs_.push_back({&storage_.matrices.back(), &t, fused ? rows.first : 0, rows.order, 0});
  return &storage_.matrices.back();
}

const float* Weights::vector(const gguf::Tensor& t, int first, int n, RowOrder order) {
  const Format format = format_of(file_, t);
  if (info(format).quantized)
    throw UnsupportedError(file_.name() + ": tensor `" + std::string(t.name) + "` has type " +
                           std::string(gguf::type_info(t.type).name) +
                           ", expected a float type for a vector");
  std::vector<std::byte> stored(t.nbytes);
  file_.read(t, 0, stored);
  std::vector<float> v(static_cast<size_t>(padded(n)), 0.0f);
  for (int i = 0; i < n; i++) {
    const size_t at = static_cast<size_t>(first + order.source(i));
    if (format == Format::F32) {
      std::memcpy(&v[i], stored.data() + 4 * at, 4);
    } else {
      uint16_t half;
      std::memcpy(&half, stored.data() + 2 * at, 2);
      v[i] = format == Format::F16 ? f16_to_f32(half) : bf16_to_f32(half);
    }
  }
  return storage_.vectors.emplace_back(std::move(v)).data();
}

Linear Weights::linear(const std::string& name, int in, int out, const RowSource& rows) {
  Linear l{matrix(name, in, out, rows)};
  if (file_.find(name + ".bias")) {
    l.bias = vector(tensor(name + ".bias", {uint64_t(out)}), 0, out, rows.order);
  } else if (!rows.fused.empty() && file_.find(rows.fused + ".bias")) {
    l.bias = vector(tensor(rows.fused + ".bias", {uint64_t(rows.fused_rows)}), rows.first, out, rows.order);
  }
  return l;
}

RmsNorm Weights::norm(const std::string& name, int width, float eps) {
  return {vector(tensor(name + ".weight", {uint64_t(width)}), 0, width, {}), width, eps};
}

Embedding Weights::embedding(const Dimensions& d) { return {matrix("token_embd", d.dim, d.n_vocab, {})}; }

Linear Weights::output(const Dimensions& d) {
  return linear(file_.find("output.weight") ? "output" : "token_embd", d.dim, d.n_vocab);
}

void Weights::check_all_used() const {
  for (const gguf::Tensor& t : file_.tensors())
    if (!used_.contains(t.name) && t.name.find("rotary_emb.inv_freq") == std::string_view::npos)
      throw UnsupportedError(file_.name() + ": tensor `" + std::string(t.name) +
                             "` is not part of the architecture " + prefix_.substr(0, prefix_.size() - 1) +
                             " as Pestle runs it");
}

void Weights::pack(ThreadPool& pool, const LoadProgress& progress) {
  size_t total = 0;
  for (const Matrix& m : storage_.matrices) total += m.bytes();
  storage_.tiles = Buffer(total);
  size_t at = 0;
  for (size_t i = 0; i < jobs_.size(); i++) {
    Matrix& m = storage_.matrices[i];
    m.tiles = storage_.tiles.data() + at;
    jobs_[i].at = at;
    at += m.bytes();
  }
  pestle::pack(file_, jobs_, storage_.tiles.data(), pool, progress);
}

}  // namespace pestle
