#include "runtime/footprint.h"

#include <algorithm>
#include <set>

#include "core/cpu.h"

namespace pestle {

namespace {

void walk(Workspace& ws, const Decoder& decoder, const KvLayout& kv, const PassShape& pass, int threads) {
  ws.pool.set_active(threads);
  const int n_rows = pass.sequences * pass.rows;
  const std::vector<int32_t> tokens(static_cast<size_t>(n_rows));
  const std::vector<const KvPage*> no_pages(static_cast<size_t>(kv.n_groups()));
  Batch batch{tokens, {}, {}, &kv};
  for (int i = 0; i < pass.sequences; i++)
    batch.slices.push_back({i * pass.rows, pass.rows, pass.position, no_pages.data()});
  for (int i = 0; i < pass.logit_rows; i++) batch.logit_rows.push_back(i);
  const int n_vocab = decoder.lm_head.rows();
  const Rows logits{nullptr, pass.logit_rows, n_vocab, static_cast<size_t>(padded(n_vocab))};
  decoder(ws, batch, logits, {});
}

size_t kv_bytes(const KvLayout& kv, int n_ctx, int chunk) {
  size_t sum = 0;
  for (int g = 0; g < kv.n_groups(); g++) {
    const KvGroup& group = kv.group(g);
    const int pages = group.most_pages(n_ctx, std::min(n_ctx, chunk)), slab = group.slab_pages();
    sum += size_t((pages + slab - 1) / slab) * Buffer::committed(group.slab_bytes());
  }
  return sum;
}

// Layers that differ in shape or types. A walk does not ask which of the model's layers it is in.
Decoder distinct_layers(const Decoder& all) {
  Decoder some = all;
  some.layers.clear();
  std::set<std::vector<int>> known;
  for (const Layer& l : all.layers) {
    std::vector<int> shape;
    const auto add = [&](const auto& module) {
      for (const LinearUse& use : module.linears()) {
        const Matrix& w = *use.linear->w;
        shape.insert(shape.end(), {w.rows, w.columns, w.count, int(w.format), w.wide, use.per_token});
      }
    };
    std::visit(add, l.attention);
    std::visit(add, l.ffn);
    const CachedAttention a = std::visit([](const auto& at) { return at.cached(); }, l.attention);
    shape.insert(shape.end(), {a.n_heads, a.n_kv_heads, a.k_dim, a.v_dim, a.window, int(l.ffn.index())});
    if (known.insert(shape).second) some.layers.push_back(l);
  }
  return some;
}

// Of one sequence, at the end of the context. Attention of few rows over a long text is shared among threads,
// which takes more than that of some more.
size_t largest_pass(const Decoder& all, const KvLayout& kv, const Footprint& f) {
  constexpr int kFew = 256;
  const Decoder decoder = distinct_layers(all);
  const int most = std::max(f.threads, f.threads_prefill), chunk = std::min(f.chunk, f.n_ctx);
  ThreadPool pool(ThreadPool::Unstarted{most});
  Workspace ws(pool, 0);
  const auto read = [&](int rows) { walk(ws, decoder, kv, {1, rows, f.n_ctx - rows}, f.threads_prefill); };
  read(chunk);  // the largest first, mostly: the arena's memory stays
  walk(ws, decoder, kv, {1, 1, f.n_ctx - 1}, f.threads);
  for (int rows = std::min(chunk, kFew) - 1; rows > 1; rows--) read(rows);
  return ws.arena.most();
}

}  // namespace

size_t pass_bytes(const Decoder& decoder, const KvLayout& kv, const PassShape& pass, int threads, int most) {
  ThreadPool pool(ThreadPool::Unstarted{most});
  Workspace ws(pool, 0);
  walk(ws, decoder, kv, pass, threads);
  return ws.arena.most();
}

Footprint Footprint::of(const gguf::File& file, const RopeOverride& rope, const EngineOptions& o) {
  const Outline outline = Outline::of(file, rope);
  Footprint f;
  for (const gguf::Value& value : file.values()) f.metadata += value.bytes.size();
  const auto count = [&](const char* key) {
    const gguf::Value* value = file.find_value(key);
    return value && value->is_array() ? size_t(value->count) : 0;
  };
  f.n_tokens = count("tokenizer.ggml.tokens");
  f.n_merges = count("tokenizer.ggml.merges");
  f.n_ctx = o.n_ctx > 0 ? o.n_ctx : outline.n_ctx;
  f.threads = o.threads > 0 ? o.threads : default_threads();
  f.threads_prefill = o.threads_prefill > 0 ? o.threads_prefill : f.threads;
  f.chunk = std::max(1, o.chunk);
  const Decoder& decoder = outline.decoder;

  std::set<const Matrix*> experts;
  for (const Layer& l : decoder.layers)
    if (const auto* moe = std::get_if<SparseMoe>(&l.ffn))
      for (const Linear* e : {&moe->experts.gate, &moe->experts.up, &moe->experts.down}) experts.insert(e->w);
  size_t all = 0;
  for (const Matrix& m : outline.storage.matrices) {
    all += m.bytes();
    if (experts.contains(&m)) f.experts += m.bytes();
  }
  f.weights = all - f.experts + outline.storage.vector_bytes;

  const KvLayout kv(decoder.kv_shapes(), o.kv_types);
  f.kv = kv_bytes(kv, f.n_ctx, f.chunk);
  f.kv_pages = kv.text_bytes(f.n_ctx, f.chunk);
  f.kv_slack = kv.slack_bytes();
  const int most = std::max(f.threads, f.threads_prefill);
  f.pass = largest_pass(decoder, kv, f);
  f.workspace = Workspace::committed(f.pass, decoder.scratch_bytes(), most);
  f.logits = size_t(padded(outline.n_vocab)) * sizeof(float);
  return f;
}

}  // namespace pestle
