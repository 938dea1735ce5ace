// Memory of keys and values: pages, counted and shared between sequences.
#pragma once

#include <deque>
#include <mutex>
#include <vector>

#include "core/buffer.h"
#include "model/kv.h"

namespace pestle {

// The pages of one group of layers. Memory grows with the pages in use and is kept for reuse. Safe to use
// from several threads: Python may let go of a sequence while another thread decodes.
class PagePool {
 public:
  explicit PagePool(const KvGroup& group) : group_(&group) {}
  const KvGroup& group() const { return *group_; }
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
  int owners(const Page& page) const;
  // The page itself when it has one owner; else a copy in its place, which takes over one ownership.
  Page own(const Page& page, int index);

 private:
  Page take_locked(const Page& before, int index);
  int find(int before, int index) const;  // a free page, or -1
  bool span_is_free(int first) const;
  void grow();
  mutable std::mutex mutex_;
  const KvGroup* group_;
  std::vector<Buffer> slabs_;
  std::vector<int> owners_;  // of each page
  int n_free_ = 0;
};

// All layers' memory: a pool for each group.
class KvCache {
 public:
  explicit KvCache(KvLayout layout) : layout_(std::move(layout)) {
    for (int i = 0; i < layout_.n_groups(); i++) pools_.emplace_back(layout_.group(i));
  }
  KvCache(const KvCache&) = delete;
  const KvLayout& layout() const { return layout_; }
  std::deque<PagePool>& pools() { return pools_; }
  size_t bytes() const {  // allocated
    size_t sum = 0;
    for (const PagePool& p : pools_) sum += p.bytes();
    return sum;
  }

 private:
  KvLayout layout_;
  std::deque<PagePool> pools_;
};

}  // namespace pestle
