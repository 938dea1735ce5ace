// Memory of keys and values: pages, counted and shared between sequences.
#pragma once

#include <atomic>
#include <deque>
#include <mutex>
#include <vector>

#include "core/buffer.h"
#include "model/kv.h"

namespace pestle {

// Bytes of the pages that somebody holds, and the most that they may be. What is allocated for them may be
// more by `slack`: memory comes in slabs, for each group of layers its own.
class KvBudget {
 public:
  KvBudget(size_t limit, size_t slack) : limit_(limit), slack_(slack) {}  // 0: no limit
  size_t limit() const { return limit_; }
  size_t used() const { return used_.load(); }
  void take(size_t bytes);  // MemoryLimitError beyond the limit
  void give_back(size_t bytes) { used_ -= bytes; }
  void allocate(size_t bytes);  // MemoryLimitError beyond limit and slack
  void free(size_t bytes) { allocated_ -= bytes; }

 private:
  size_t limit_, slack_;
  std::atomic<size_t> used_{0}, allocated_{0};
};

// The pages of one group of layers. Memory grows with the pages in use and is kept for reuse, unless it is
// trimmed. Safe to use from several threads: Python may let go of a sequence while another thread decodes.
class PagePool {
 public:
  PagePool(const KvGroup& group, KvBudget& budget) : group_(&group), budget_(&budget) {}
  PagePool(const PagePool&) = delete;
  const KvGroup& group() const { return *group_; }
  size_t bytes() const;  // allocated

  struct Page {
    int id = -1;
    KvPage place;
  };
  // A page with one owner; MemoryLimitError when the budget or the system has none. It is to be the
  // `index`-th of a sequence and follow `before` (which may be empty): attention is fastest where the four
  // pages of a span lie together, and spans one after the other.
  Page take(const Page& before, int index);
  void share(const Page& page);
  void release(const Page& page);
  int owners(const Page& page) const;
  // The page itself when it has one owner; else a copy in its place, which takes over one ownership.
  Page own(const Page& page, int index);
  // Gives slabs that hold no page back to the system. Whether there was any.
  bool trim();

 private:
  Page take_locked(const Page& before, int index);
  int find(int before, int index) const;  // a free page, or -1
  bool span_is_free(int first) const;
  void grow();
  mutable std::mutex mutex_;
  const KvGroup* group_;
  KvBudget* budget_;
  std::vector<Buffer> slabs_;  // one that was given back is empty, until there is another in its place
  std::vector<int> owners_;    // of each page; kNoMemory: its slab was given back
  int n_free_ = 0;
};

// All layers' memory: a pool for each group.
class KvCache {
 public:
  KvCache(KvLayout layout, size_t limit) : layout_(std::move(layout)), budget_(limit, layout_.slack_bytes()) {
    for (int i = 0; i < layout_.n_groups(); i++) pools_.emplace_back(layout_.group(i), budget_);
  }
  KvCache(const KvCache&) = delete;
  const KvLayout& layout() const { return layout_; }
  const KvBudget& budget() const { return budget_; }
  std::deque<PagePool>& pools() { return pools_; }
  // Gives back what holds no page, as group by group the use changes. Whether there was any.
  bool trim() {
    bool any = false;
    for (PagePool& p : pools_) any = p.trim() || any;
    return any;
  }
  size_t bytes() const {  // allocated
    size_t sum = 0;
    for (const PagePool& p : pools_) sum += p.bytes();
    return sum;
  }

 private:
  KvLayout layout_;
  KvBudget budget_;
  std::deque<PagePool> pools_;
};

}  // namespace pestle
