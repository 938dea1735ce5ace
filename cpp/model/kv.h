// How keys and values lie in a page of 64 positions: all layers, all KV heads.
#pragma once

#include <vector>

#include "kernels/table.h"
#include "model/rows.h"

namespace pestle {

struct KvShape {  // of one layer
  int n_heads, k_dim, v_dim;
};

class KvLayout {
 public:
  KvLayout(const std::vector<KvShape>& shapes, KvType type) : type_(type) {
    for (const KvShape& s : shapes) {
      const int v_stride = (s.v_dim + 15) / 16 * 16;
      const size_t k = size_t(s.k_dim) * kPageTokens * kv_bytes(type),
                   v = size_t(v_stride) * kPageTokens * kv_bytes(type);
      layers_.push_back({page_bytes_, k, k + v, v_stride});
      page_bytes_ += (k + v) * s.n_heads;
    }
  }
  KvType type() const { return type_; }
  size_t page_bytes() const { return page_bytes_; }
  int v_stride(int layer) const { return layers_[layer].v_stride; }
  char* keys(char* page, int layer, int head) const {
    return page + layers_[layer].offset + layers_[layer].head * head;
  }
  char* values(char* page, int layer, int head) const { return keys(page, layer, head) + layers_[layer].key; }

 private:
  struct Layer {
    size_t offset, key, head;  // bytes: where the layer begins; of a head's keys; of a head's keys and values
    int v_stride;
  };
  KvType type_;
  size_t page_bytes_ = 0;
  std::vector<Layer> layers_;
};

}  // namespace pestle
