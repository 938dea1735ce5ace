#include "model/decoder.h"

#include <algorithm>
#include <deque>
#include <optional>
#include <stdexcept>
#include <string>

namespace pestle {
namespace {

// The rows of a long pass, some at a time, for what gains nothing from having them all at once: attention and
// dense layers work with several times the memory of the experts' share. A mixture's experts are read once
// for all rows.
class Parts {
 public:
  explicit Parts(Step& all) : all_(all) {
    // Whoever observes inputs adds them up in the order in which they come.
    if (all.n_rows() <= kRows || all.ws.observer) return;
    const size_t n = size_t(all.n_rows());
    for (size_t begin = 0; begin < n; begin += kRows)
      batches_.push_back(all.batch.rows(begin, std::min(n, begin + kRows)));
    for (const Batch& batch : batches_) steps_.emplace_back(all.ws, batch);
  }
  // body(step, rows) for each part, in order.
  template <class Body>
  void each(Rows x, const Body& body) {
    if (steps_.empty()) return body(all_, x);
    for (Step& step : steps_) body(step, x.take(step.n_rows()));
  }

 private:
  static constexpr int kRows = 512;
  Step& all_;
  std::deque<Batch> batches_;
  std::deque<Step> steps_;
};

}  // namespace

void Decoder::operator()(Workspace& ws, const Batch& batch, Rows logits, Rows hidden) const {
  const Arena::Scope scope(ws.arena);
  Step step(ws, batch);
  const Rows x = embed(step);
  run_layers(step, x);
  if (!batch.logit_rows.empty()) output(ws, x, batch.logit_rows, logits);
  ws.for_rows(hidden.n_rows, [&](int i, int) {
    norm(ws.kernels, x.row(batch.hidden_rows[static_cast<size_t>(i)]), hidden.row(i));
  });
}

void Decoder::run_layers(Step& step, Rows x) const {
  Workspace& ws = step.ws;
  Parts parts(step);
  for (const Layer& l : layers)
    std::visit([&](const auto& a) { parts.each(x, [&](Step& part, Rows) { part.angles(*a.rope); }); },
               l.attention);
  for (int i = 0; i < static_cast<int>(layers.size()); i++) {
    const Layer& l = layers[static_cast<size_t>(i)];
    parts.each(x, [&](Step& part, Rows rows) {
      ws.interruption.check();
      const Arena::Scope scope(ws.arena);
      std::visit([&](const auto& attention) { attention(part, rows, l.attn_residual, i); }, l.attention);
    });
    if (const auto* moe = std::get_if<SparseMoe>(&l.ffn)) {
      const Arena::Scope scope(ws.arena);
      uint64_t* counts = step.batch.expert_counts;
      std::optional<NextMoe> next;
      if (size_t(i) + 1 < layers.size())
        if (const auto* other = std::get_if<SparseMoe>(&layers[size_t(i) + 1].ffn))
          next.emplace(layers[size_t(i) + 1].ffn_residual.norm, *other);
      (*moe)(step, x, l.ffn_residual, counts ? counts + size_t(i) * size_t(n_experts()) : nullptr,
             next ? &*next : nullptr);
    } else {
      parts.each(x, [&](Step& part, Rows rows) {
        const Arena::Scope scope(ws.arena);
        std::get<GatedMlp>(l.ffn)(part, rows, l.ffn_residual);
      });
    }
  }
}

void Decoder::output(Workspace& ws, Rows x, std::span<const int> rows, Rows logits) const {
  Rows last = ws.rows(static_cast<int>(rows.size()), x.width);
  const auto normalize = [&](int i) { norm(ws.kernels, x.row(rows[size_t(i)]), last.row(i)); };
  Activations in(ws, last, normalize);
  multiply(ws, in, {{lm_head, logits}});
}

void Decoder::keep(const ModelPart& part) {
  if (part.is_whole()) return;
  std::vector<Layer> kept;
  if (part.kind == ModelPart::Kind::layer) {
    if (part.number < 0 || part.number >= static_cast<int>(layers.size()))
      throw std::out_of_range("there is no layer " + std::to_string(part.number) + ", the model has " +
                              std::to_string(layers.size()));
    kept.push_back(std::move(layers[static_cast<size_t>(part.number)]));
  }
  layers = std::move(kept);
}

std::vector<KvShape> Decoder::kv_shapes() const {
  std::vector<KvShape> shapes;
  for (const Layer& l : layers)
    shapes.push_back(std::visit([](const auto& a) { return a.kv_shape(); }, l.attention));
  return shapes;
}

LinearUses Decoder::linears() const {
  LinearUses all;
  const auto add = [&](const auto& module) {
    const LinearUses uses = module.linears();
    all.insert(all.end(), uses.begin(), uses.end());
  };
  for (const Layer& l : layers) {
    std::visit(add, l.attention);
    std::visit(add, l.ffn);
  }
  return all;
}

size_t Decoder::scratch_bytes() const {
  const KernelTable& k = kernels();
  size_t most = k.scratch_bytes(lm_head.w->format);
  for (const LinearUse& use : linears()) most = std::max(most, k.scratch_bytes(use.linear->w->format));
  for (const Layer& l : layers)
    most = std::max(most, std::visit([](const auto& a) { return attend_scratch(a.cached()); }, l.attention));
  return most;
}

int Decoder::n_experts() const {
  int most = 0;
  for (const Layer& l : layers)
    if (const auto* moe = std::get_if<SparseMoe>(&l.ffn)) most = std::max(most, moe->router.n_experts());
  return most;
}

}  // namespace pestle
