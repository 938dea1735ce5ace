#include "runtime/part_runner.h"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/cpu.h"
#include "core/fp_environment.h"

namespace pestle {
namespace {

void copy_out(Rows from, float* to) {
  for (int i = 0; i < from.n_rows; i++)
    std::copy_n(from.row(i), from.width, to + size_t(i) * size_t(from.width));
}

}  // namespace

PartRunner::PartRunner(std::shared_ptr<const Model> model, const EngineOptions& o)
    : model_(std::move(model)),
      chunk_(std::max(1, o.chunk)),
      pool_(o.threads > 0 ? o.threads : default_threads()),
      workspace_(pool_, model_->decoder.scratch_bytes()) {
  if (!model_->decoder.layers.empty())
    cache_.emplace(KvLayout(model_->decoder.kv_shapes(), o.kv_types), o.kv_memory);
}

void PartRunner::expect(ModelPart::Kind kind, const char* name) const {
  if (model_->part.kind != kind)
    throw std::invalid_argument(std::string("the model was not loaded as ") + name);
}

template <class Body>
void PartRunner::for_passes(size_t n, const Body& body) {
  const DefaultFpEnvironment environment;
  for (size_t from = 0; from < n; from += size_t(chunk_)) {
    const Arena::Scope scope(workspace_.arena);
    body(from, static_cast<int>(std::min(n - from, size_t(chunk_))));
  }
}

Rows PartRunner::copied(const float* x, int n, int width) {
  const Rows rows = workspace_.rows(n, width);
  for (int i = 0; i < n; i++) {
    float* end = std::copy_n(x + size_t(i) * size_t(width), width, rows.row(i));
    std::fill(end, rows.row(i) + rows.stride, 0.0f);
  }
  return rows;
}

void PartRunner::embed(std::span<const int32_t> tokens, std::span<float> x) {
  expect(ModelPart::Kind::embedding, "an embedding");
  for (int32_t t : tokens)
    if (t < 0 || t >= model_->n_vocab)
      throw std::invalid_argument("token " + std::to_string(t) + " is not in the vocabulary of " +
                                  std::to_string(model_->n_vocab));
  for_passes(tokens.size(), [&](size_t from, int n) {
    const Batch batch{tokens.subspan(from, size_t(n)), {}, {}, nullptr};
    Step step(workspace_, batch);
    copy_out(model_->decoder.embed(step), x.data() + from * size_t(model_->dim));
  });
}

void PartRunner::layer(std::span<float> x) {
  expect(ModelPart::Kind::layer, "a layer");
  const size_t width = size_t(model_->dim), n_tokens = x.size() / width;
  const std::vector<int32_t> tokens(std::min(n_tokens, size_t(chunk_)));  // nobody looks at them
  SequencePages pages(*cache_);
  for_passes(n_tokens, [&](size_t from, int n) {
    pages.grow(static_cast<int>(from), n);
    const Batch batch{std::span(tokens).first(size_t(n)),
                      {{0, n, static_cast<int>(from), pages.data()}},
                      {},
                      &cache_->layout()};
    Step step(workspace_, batch);
    const Rows rows = copied(x.data() + from * width, n, model_->dim);
    model_->decoder.run_layers(step, rows);
    copy_out(rows, x.data() + from * width);
    pages.slide(static_cast<int>(from) + n);
  });
}

void PartRunner::output(std::span<const float> x, std::span<float> logits) {
  expect(ModelPart::Kind::output, "an output");
  const size_t width = size_t(model_->dim), n_vocab = size_t(model_->n_vocab);
  std::vector<int> all(std::min(x.size() / width, size_t(chunk_)));
  std::iota(all.begin(), all.end(), 0);
  for_passes(x.size() / width, [&](size_t from, int n) {
    const Rows rows = copied(x.data() + from * width, n, model_->dim);
    const Rows out = workspace_.rows(n, model_->n_vocab);
    model_->decoder.output(workspace_, rows, std::span(all).first(size_t(n)), out);
    copy_out(out, logits.data() + from * n_vocab);
  });
}

}  // namespace pestle
