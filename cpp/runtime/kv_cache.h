// Pages of keys and values, counted and shared between sequences.
#pragma once

#include <mutex>
#include <vector>

#include "core/buffer.h"
#include "model/kv.h"

namespace pestle {

// Memory grows with the pages in use and is kept for reuse. A page is 64 positions of every layer. Safe to
// use from several threads: Python may let go of a sequence while another thread decodes.
class KvCache {
 public:
  explicit KvCache(KvLayout layout) : layout_(std::move(layout)) {}
  const KvLayout& layout() const { return layout_; }
  size_t bytes() const;  // allocated

  struct Page {
    int id = -1;
    KvPage place;
  };
  // A page with one owner; MemoryLimitError when the system has none. It is to be the `index`-th of a
  // sequence and follow `before` (which may be no page): attention is fastest where the four pages of a span
  // lie together, and spans one after the other.
  Page take(const Page& before, int index);
  void share(const Page& page);
  void release(const Page& page);
  // The page itself when it has one owner; else a copy in its place, which takes over one ownership.
  Page own(const Page& page, int index);

 private:
  Page take_locked(const Page& before, int index);
  int find(int before, int index) const;  // a free page, or -1
  bool span_is_free(int first) const;
  void grow();
  mutable std::mutex mutex_;
  KvLayout layout_;
  std::vector<Buffer> slabs_;
  std::vector<int> owners_;  // of each page
  int n_free_ = 0;
};

// The pages of one sequence. Pages of a common prefix are shared; the first write into a shared page copies
// it.
class PageTable {
 public:
  explicit PageTable(KvCache& cache) : cache_(&cache) {}
  PageTable(PageTable&& other) noexcept : cache_(other.cache_) {
    pages_.swap(other.pages_);
    places_.swap(other.places_);
  }
  PageTable& operator=(PageTable&&) = delete;
  ~PageTable() { shrink(0); }

  // Makes the positions [n_tokens, n_tokens + more) writable.
  void grow(int n_tokens, int more);
  void shrink(int n_tokens);           // gives back the pages behind
  PageTable fork(int n_tokens) const;  // shares the pages of the first n_tokens
  const KvPage* data() const { return places_.data(); }

 private:
  KvCache* cache_;
  std::vector<KvCache::Page> pages_;
  std::vector<KvPage> places_;  // of the pages, as attention wants it
};

}  // namespace pestle
