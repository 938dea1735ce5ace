// How keys and values lie in memory: groups of layers with pages of their own, in slabs of some spans.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/assume.h"
#include "kernels/table.h"

namespace pestle {

struct KvShape {  // of one layer
  int n_heads, k_dim, v_dim;
  int window = 0;       // positions that a token sees, itself included; 0: all before it
  bool latent = false;  // one row serves as key and value, of the type of keys
};
constexpr KvTypes types_of(bool latent, KvTypes t) { return latent ? KvTypes{t.keys, t.keys} : t; }

// Of what gather writes: another number for pages that another version would read otherwise.
constexpr int kKvLayoutVersion = 2;

// Positions behind a window that are kept all the same, so that a text can be cut back by as many tokens.
constexpr int kWindowSlack = 256;

// Layers that see equally far: their pages come and go together. A page is 64 positions of all of them.
class KvGroup {
 public:
  KvGroup(int window, const std::vector<KvShape>& layers, KvTypes types);
  int window() const { return window_; }
  size_t page_bytes() const { return page_bytes_; }
  int slab_pages() const { return spans_ * kSpanPages; }
  size_t slab_bytes() const { return page_bytes_ * size_t(slab_pages()); }
  KvPage page(char* slab, int i) const {
    PESTLE_ASSUME(0 <= i && i < slab_pages());
    return {slab, i / kSpanPages, i % kSpanPages};
  }
  KvHead head(int layer, int head) const {
    PESTLE_ASSUME(0 <= layer && size_t(layer) < layers_.size());
    PESTLE_ASSUME(0 <= head && head < layers_[size_t(layer)].n_heads);
    KvHead h = layers_[layer].first;
    h.keys += layers_[layer].head * size_t(head);
    h.values += layers_[layer].head * size_t(head);
    return h;
  }
  void copy(const KvPage& from, const KvPage& to) const;
  // A page as page_bytes() in a row, wherever it lies: layer by layer, of each the heads, of each its keys
  // and then its values. kKvLayoutVersion names this order and the layouts of kernels/kv_page.h.
  void gather(const KvPage& from, char* to) const;
  void scatter(const char* from, const KvPage& to) const;

  // The first page that the token at `position` sees, and the first that is kept once n_tokens are read.
  int first_page(int position) const {
    const int64_t seen = window_ > 0 ? int64_t(position) + 1 - window_ : 0;
    return static_cast<int>(std::max<int64_t>(0, seen) / kPageTokens);
  }
  int first_kept(int n_tokens) const { return first_page(n_tokens - kWindowSlack); }
  // The most pages that a text of up to n_ctx tokens has while `pass` of them are read at once.
  int most_pages(int n_ctx, int pass) const;

 private:
  struct Layer {
    KvHead first;
    size_t head;  // bytes from head to head
    int n_heads;
  };
  // Calls visit(place, bytes) for each piece of a page that lies in a row; place(page) is where.
  template <class Visit>
  void for_pieces(const Visit& visit) const;

  int window_;
  int spans_ = 0;  // of a slab
  size_t page_bytes_ = 0;
  std::vector<Layer> layers_;
};

// All layers of a model.
class KvLayout {
 public:
  KvLayout(const std::vector<KvShape>& shapes, KvTypes types);
  KvTypes types() const { return types_; }
  int n_groups() const { return static_cast<int>(groups_.size()); }
  const KvGroup& group(int i) const { return groups_[i]; }
  int group_of(int layer) const {
    PESTLE_ASSUME(0 <= layer && size_t(layer) < places_.size());
    return places_[layer].group;
  }
  KvHead head(int layer, int head) const {
    return groups_[places_[layer].group].head(places_[layer].layer, head);
  }
  // What each token adds, in the layers that see all of them.
  size_t token_bytes() const;
  // The most that the pages of windows take, of a text of up to n_ctx tokens, read `pass` at once.
  size_t window_bytes(int n_ctx, int pass) const;
  // What a text of so many tokens takes, read `pass` at once.
  size_t text_bytes(int n_tokens, int pass) const;
  // What the slabs of all groups may hold beyond the pages in use: of each, one that is begun.
  size_t slack_bytes() const;

 private:
  struct Place { int group, layer; };
  KvTypes types_;
  std::vector<KvGroup> groups_;
  std::vector<Place> places_;  // of each layer
};

}  // namespace pestle
