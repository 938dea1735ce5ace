#include "model/modules.h"

#include <algorithm>

#include "kernels/shared/pack.h"

namespace pestle {

Rows Embedding::operator()(Step& step) const {
  Rows x = step.ws.rows(step.n_rows(), table->columns);
  step.ws.for_rows(x.n_rows, [&](int row, int) {
    const int token = step.batch.tokens[row];
    const char* tiles = table->tiles + size_t(token / kTileRows) * table->tile_row_bytes();
    unpack_row(table->format, tiles, table->columns, token % kTileRows, x.row(row));
    std::fill(x.row(row) + x.width, x.row(row) + x.stride, 0.0f);
  });
  return x;
}

void GatedMlp::operator()(Step& step, Rows x, const RmsNorm& norm) const {
  Workspace& ws = step.ws;
  const KernelTable& k = ws.kernels;
  Rows normed = ws.rows(x.n_rows, x.width), g = ws.rows(x.n_rows, gate.rows()),
       u = ws.rows(x.n_rows, up.rows());
  const auto normalize = [&](int row) { norm(k, x.row(row), normed.row(row)); };
  Activations in(ws, normed, normalize);
  multiply(ws, in, {{gate, g}, {up, u}});
  const auto activate = [&](int row) { k.silu_mul(g.row(row), u.row(row), static_cast<int>(g.stride)); };
  Activations hidden(ws, g, activate);
  multiply(ws, hidden, {{down, x, Epilogue::add}});
}

void GroupedQueryAttention::operator()(Step& step, Rows x, const RmsNorm& norm, int layer) const {
  Workspace& ws = step.ws;
  Rows normed = ws.rows(x.n_rows, x.width);
  Rows query = ws.rows(x.n_rows, q.rows()), key = ws.rows(x.n_rows, k.rows()),
       value = ws.rows(x.n_rows, v.rows());
  const auto normalize = [&](int row) { norm(ws.kernels, x.row(row), normed.row(row)); };
  Activations in(ws, normed, normalize);
  multiply(ws, in, {{q, query}, {k, key}, {v, value}});
  rotate_and_store(step, query, key, value, layer);
  Activations attended(ws, attend(step, query, layer));
  multiply(ws, attended, {{o, x, Epilogue::add}});
}

void GroupedQueryAttention::rotate_and_store(Step& step, Rows q, Rows k, Rows v, int layer) const {
  const KernelTable& kernels = step.ws.kernels;
  const KvLayout& kv = *step.batch.kv;
  const Angles& angles = step.angles(*rope);
  const auto token = [&](const Slice& s, int row) {
    const float* cos = angles.cos + size_t(row) * angles.half;
    const float* sin = angles.sin + size_t(row) * angles.half;
    for (int h = 0; h < n_heads; h++) kernels.rope(q.row(row) + h * head_dim, cos, sin, angles.half);
    for (int h = 0; h < n_kv_heads; h++) kernels.rope(k.row(row) + h * head_dim, cos, sin, angles.half);
    kernels.scale(q.row(row), scale, static_cast<int>(q.stride));
    const int position = step.positions[row];
    char* page = s.pages[position / kPageTokens];
    for (int h = 0; h < n_kv_heads; h++) {
      kernels.store_key(k.row(row) + h * head_dim, head_dim, kv.keys(page, layer, h), position % kPageTokens,
                        kv.type());
      kernels.store_value(v.row(row) + h * head_dim, head_dim, kv.v_stride(layer), kv.values(page, layer, h),
                          position % kPageTokens, kv.type());
    }
  };
  for (const Slice& s : step.batch.slices)
    step.ws.for_rows(s.n_rows, [&](int i, int) { token(s, s.first_row + i); });
}

Rows GroupedQueryAttention::attend(Step& step, Rows q, int layer) const {
  Workspace& ws = step.ws;
  const KvLayout& kv = *step.batch.kv;
  Rows out = ws.rows(q.n_rows, n_heads * head_dim);
  // An item is some tokens of a slice with some query heads of one KV head. The more share an item, the less
  // often keys and values are read: items are split only as far as the threads need. How changes no bit.
  const int group = n_heads / n_kv_heads, wanted = ws.pool.active();
  int heads = std::min(group, kMaxQueries), tokens = std::max(1, kMaxQueries / heads);
  const auto items_of = [&] {
    return (q.n_rows + tokens - 1) / tokens * n_kv_heads * ((group + heads - 1) / heads);
  };
  while (tokens > 1 && items_of() < 4 * wanted) tokens = (tokens + 1) / 2;
  while (heads > 1 && items_of() < wanted) heads = (heads + 1) / 2;
  const int head_parts = (group + heads - 1) / heads;
  struct Item {
    const Slice* slice;
    int begin, end, kv_head, part;  // tokens [begin, end) of the slice
  };
  const int max_items =
      (q.n_rows + static_cast<int>(step.batch.slices.size()) * tokens) / tokens * n_kv_heads * head_parts;
  Item* items = ws.arena.take<Item>(static_cast<size_t>(max_items) + 1);
  int n_items = 0, max_pages = 0;
  for (const Slice& s : step.batch.slices) {
    max_pages = std::max(max_pages, (s.position + s.n_rows + kPageTokens - 1) / kPageTokens);
    for (int end = s.n_rows; end > 0; end -= tokens)  // the longest first: the threads finish together
      for (int h = 0; h < n_kv_heads; h++)
        for (int p = 0; p < head_parts; p++) items[n_items++] = {&s, std::max(0, end - tokens), end, h, p};
  }
  const void** pages = ws.arena.take<const void*>(size_t(2) * max_pages * ws.pool.threads());
  const auto run = [&](const Item& item, int thread) {
    const Slice& s = *item.slice;
    const float* queries[kMaxQueries];
    float* outs[kMaxQueries];
    int n_keys[kMaxQueries], n = 0;
    const int first_head = item.kv_head * group + item.part * heads;
    const int end_head = std::min(first_head + heads, (item.kv_head + 1) * group);
    for (int t = item.begin; t < item.end; t++)
      for (int h = first_head; h < end_head; h++, n++) {
        queries[n] = q.row(s.first_row + t) + h * head_dim;
        outs[n] = out.row(s.first_row + t) + h * head_dim;
        n_keys[n] = s.position + t + 1;
      }
    const void** k_pages = pages + size_t(2) * max_pages * thread;
    const void** v_pages = k_pages + max_pages;
    for (int p = 0; p < (s.position + item.end + kPageTokens - 1) / kPageTokens; p++) {
      k_pages[p] = kv.keys(s.pages[p], layer, item.kv_head);
      v_pages[p] = kv.values(s.pages[p], layer, item.kv_head);
    }
    ws.kernels.attend({queries, outs, n_keys, n, head_dim, head_dim, kv.v_stride(layer), k_pages, v_pages,
                       kv.type(), reinterpret_cast<float*>(ws.scratch(thread))});
  };
  ws.for_rows(n_items, [&](int i, int thread) { run(items[i], thread); });
  for (int i = 0; i < out.n_rows; i++) std::fill(out.row(i) + out.width, out.row(i) + out.stride, 0.0f);
  return out;
}

}  // namespace pestle
