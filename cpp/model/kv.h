// How keys and values lie in memory: slabs of some spans, each with all layers and KV heads.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/table.h"

namespace pestle {

struct KvShape {  // of one layer
  int n_heads, k_dim, v_dim;
};

class KvLayout {
 public:
  KvLayout(const std::vector<KvShape>& shapes, KvTypes types) : types_(types) {
    for (const KvShape& s : shapes)
      page_bytes_ +=
          (key_page_bytes(types.keys, s.k_dim) + value_page_bytes(types.values, s.v_dim)) * size_t(s.n_heads);
    // Some 16 MiB: few calls to the system, huge pages, little that is not used.
    constexpr size_t kSlab = size_t(16) << 20;
    spans_ = static_cast<int>(std::clamp<size_t>(kSlab / span_bytes(), 1, 16));
    size_t at = 0;
    for (const KvShape& s : shapes) {
      const size_t k = key_page_bytes(types.keys, s.k_dim), v = value_page_bytes(types.values, s.v_dim);
      const size_t head = (k + v) * kSpanPages, span = head * size_t(s.n_heads);
      layers_.push_back(
          {{at, at + k * kSpanPages, span, k, types.values == KvType::q8_0 ? sizeof(ValueBlock) : v},
           head,
           s.n_heads,
           k,
           v});
      at += span * size_t(spans_);
    }
  }
  KvTypes types() const { return types_; }
  size_t page_bytes() const { return page_bytes_; }
  int slab_pages() const { return spans_ * kSpanPages; }
  size_t slab_bytes() const { return span_bytes() * size_t(spans_); }
  KvPage page(char* slab, int i) const { return {slab, i / kSpanPages, i % kSpanPages}; }
  KvHead head(int layer, int head) const {
    KvHead h = layers_[layer].first;
    h.keys += layers_[layer].head * size_t(head);
    h.values += layers_[layer].head * size_t(head);
    return h;
  }
  void copy(const KvPage& from, const KvPage& to) const {
    for (size_t l = 0; l < layers_.size(); l++)
      for (int i = 0; i < layers_[l].n_heads; i++) {
        const KvHead h = head(static_cast<int>(l), i);
        std::memcpy(key_page(h, to), key_page(h, from), layers_[l].key_page);
        // The values of one page: all at once, or a block at a time.
        const size_t piece = h.value_page, step = piece * kSpanPages;
        for (size_t done = 0, at = 0; done < layers_[l].value_page; done += piece, at += step)
          std::memcpy(value_page(h, to) + at, value_page(h, from) + at, piece);
      }
  }

 private:
  struct Layer {
    KvHead first;
    size_t head;  // bytes from head to head
    int n_heads;
    size_t key_page, value_page;
  };
  size_t span_bytes() const { return page_bytes_ * kSpanPages; }
  KvTypes types_;
  int spans_ = 0;  // of a slab
  size_t page_bytes_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace pestle
