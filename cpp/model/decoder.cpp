#include "model/decoder.h"

#include <algorithm>

namespace pestle {

void Decoder::operator()(Workspace& ws, const Batch& batch, Rows logits) const {
  const Arena::Scope scope(ws.arena);
  Step step(ws, batch);
  Rows x = embed(step);
  for (const Layer& l : layers) std::visit([&](const auto& a) { step.angles(*a.rope); }, l.attention);
  for (int i = 0; i < static_cast<int>(layers.size()); i++) {
    const Layer& l = layers[static_cast<size_t>(i)];
    const Arena::Scope layer_scope(ws.arena);
    std::visit([&](const auto& attention) { attention(step, x, l.attn_residual, i); }, l.attention);
    if (const auto* moe = std::get_if<SparseMoe>(&l.ffn)) {
      uint64_t* counts = batch.expert_counts;
      (*moe)(step, x, l.ffn_residual, counts ? counts + size_t(i) * size_t(n_experts()) : nullptr);
    } else {
      std::get<GatedMlp>(l.ffn)(step, x, l.ffn_residual);
    }
  }
  if (!batch.logit_rows.empty()) {
    Rows last = ws.rows(static_cast<int>(batch.logit_rows.size()), x.width);
    const auto normalize = [&](int i) { norm(ws.kernels, x.row(batch.logit_rows[i]), last.row(i)); };
    Activations in(ws, last, normalize);
    multiply(ws, in, {{lm_head, logits}});
  }
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
  size_t most = k.scratch_bytes(lm_head.w->format, lm_head.w->columns);
  for (const LinearUse& use : linears())
    most = std::max(most, k.scratch_bytes(use.linear->w->format, use.linear->w->columns));
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
