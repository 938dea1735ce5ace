#include "model/model.h"

#include <set>
#include <stdexcept>
#include <string>
#include <variant>

#include "core/cpu.h"
#include "model/registry.h"

namespace pestle {

Outline Outline::of(const gguf::File& file, const RopeOverride& rope) {
  const Architecture& architecture = find_architecture(file);
  const Hyperparameters hyperparameters(file, rope);
  const Dimensions& d = hyperparameters.dimensions();
  Outline outline;
  outline.architecture = architecture.name;
  outline.n_ctx = d.n_ctx;
  outline.n_vocab = d.n_vocab;
  outline.dim = d.dim;
  Weights weights(file, outline.storage, d, ModelPart{}, Weights::Read::nothing);
  outline.decoder = architecture.load(hyperparameters, weights);
  weights.check_all_used();
  outline.experts = ExpertLayout::of(outline.decoder);
  // Walks through a pass add to these, and read nothing.
  static constexpr char kNothing = 0;
  for (Matrix& m : outline.storage.matrices) m.tiles = &kNothing;
  return outline;
}

namespace {

// Has the layers' experts read from the file from now on.
void stream_experts(Model& m, const gguf::File& file, Weights& weights, size_t budget) {
  std::vector<Experts*> all;
  std::set<const Matrix*> matrices;
  for (size_t i = 0; i < m.decoder.layers.size(); i++)
    if (auto* moe = std::get_if<SparseMoe>(&m.decoder.layers[i].ffn)) {
      Experts& e = moe->experts;
      matrices.insert({e.gate.w, e.up.w, e.down.w});
      e.layer = static_cast<int>(i);
      all.push_back(&e);
    }
  if (all.empty())
    throw std::invalid_argument("expert_memory is " + std::to_string(budget) + ", and " + file.name() +
                                " has no experts");
  m.experts = std::make_unique<ExpertStream>(file, m.decoder, weights.take_jobs(matrices), budget);
  for (Experts* e : all) e->stream = m.experts.get();
}

}  // namespace

std::shared_ptr<const Model> Model::load(const gguf::File& file, const LoadOptions& options,
                                         const LoadProgress& progress) {
  file.require_whole();
  const Architecture& architecture = find_architecture(file);
  auto m = std::make_shared<Model>();
  m->path = file.path();
  m->architecture = architecture.name;
  m->part = options.part;
  const Hyperparameters hyperparameters(file, options.rope);
  const Dimensions& d = hyperparameters.dimensions();
  Weights weights(file, m->storage, d, options.part);
  m->n_vocab = d.n_vocab;
  m->n_ctx = d.n_ctx;
  m->dim = d.dim;
  m->decoder = architecture.load(hyperparameters, weights);
  m->n_layers = static_cast<int>(m->decoder.layers.size());
  m->decoder.keep(options.part);
  weights.check_all_used();
  m->notes = weights.notes();
  if (options.expert_memory > 0) stream_experts(*m, file, weights, options.expert_memory);
  ThreadPool pool(options.threads > 0 ? options.threads : default_threads());
  weights.pack_matrices(pool, progress);
  file.check_unchanged();

  for (const gguf::Tensor& t : file.tensors()) m->n_params += int64_t(t.ne[0] * t.ne[1] * t.ne[2] * t.ne[3]);
  m->weight_bytes = int64_t(m->storage.tiles.size() + m->storage.vector_bytes);
  for (const LinearUse& use : m->decoder.linears()) {
    const Matrix& w = *use.linear->w;
    m->decode_bytes += int64_t(w.bytes_of_one()) * use.per_token;
    m->prefill_ops += 2 * int64_t(w.rows) * w.columns * use.per_token;
  }
  m->decode_bytes += int64_t(m->decoder.lm_head.w->bytes());
  return m;
}

}  // namespace pestle
