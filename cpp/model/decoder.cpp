#include "model/decoder.h"

#include <algorithm>

namespace pestle {

void Decoder::operator()(Workspace& ws, const Batch& batch, Rows logits) const {
  const Arena::Scope scope(ws.arena);
  Step step(ws, batch);
  Rows x = embed(step);
  for (const Layer& l : layers) step.angles(*l.attention.rope);
  for (size_t i = 0; i < layers.size(); i++) {
    const Layer& l = layers[i];
    const Arena::Scope layer_scope(ws.arena);
    l.attention(step, x, l.attn_norm, static_cast<int>(i));
    l.ffn(step, x, l.ffn_norm);
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
  for (const Layer& l : layers) shapes.push_back(l.attention.kv_shape());
  return shapes;
}

size_t Decoder::scratch_bytes() const {
  const KernelTable& k = kernels();
  size_t most = 0;
  const auto need = [&](const Linear& l) {
    most = std::max(most, k.scratch_bytes(l.w->format, l.w->columns));
  };
  need(lm_head);
  for (const Layer& l : layers) {
    for (const Linear* p : l.linears()) need(*p);
    most = std::max(most, attend_scratch(l.attention.cached()));
  }
  return most;
}

}  // namespace pestle
