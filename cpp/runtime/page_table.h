// The pages of one sequence.
#pragma once

#include <vector>

#include "runtime/kv_cache.h"

namespace pestle {

// Pages that so many tokens take.
constexpr int pages_of(int n_tokens) { return n_tokens / kPageTokens + (n_tokens % kPageTokens != 0); }

// Those of one group of layers, by their place in the text. Pages of a common prefix are shared; the first
// write into a shared page copies it. Pages that a window has left are given back, and their places empty.
class PageTable {
 public:
  explicit PageTable(PagePool& pool) : pool_(&pool) {}
  PageTable(PageTable&& other) noexcept : pool_(other.pool_) { swap(other); }
  PageTable& operator=(PageTable&& other) noexcept {
    swap(other);
    return *this;
  }
  ~PageTable() { shrink(0); }

  void grow(int n_tokens, int more);
  void shrink(int n_tokens);
  void slide(int n_tokens);
  PageTable fork(int n_tokens) const;
  // Whether all is there that tokens after the first n_tokens see of these.
  bool reaches(int n_tokens) const { return n_tokens == 0 || pool_->group().first_page(n_tokens) >= first_; }
  // Pages that are taken at most while so many tokens are appended, at most `pass` at once.
  int growth(int n_tokens, int more, int pass) const;
  PagePool& pool() const { return *pool_; }
  // The i-th page; none (id -1) where it was given back or never taken.
  PagePool::Page page(int i) const {
    return i >= 0 && i < static_cast<int>(pages_.size()) ? pages_[i] : PagePool::Page{};
  }
  // Goes on with a page whose ownership it takes over; with none, the text can be cut back to here only.
  void append(const PagePool::Page& page);
  const KvPage* data() const { return places_.data(); }

 private:
  void swap(PageTable& other) noexcept;
  void reserve(size_t n_pages);
  PagePool* pool_;
  int first_ = 0;  // pages before it are given back
  std::vector<PagePool::Page> pages_;
  std::vector<KvPage> places_;  // of the pages, as attention wants it
};

// Those of all groups.
class SequencePages {
 public:
  explicit SequencePages(KvCache& cache);
  // Makes the positions [n_tokens, n_tokens + more) writable. Whatever it throws has changed nothing.
  void grow(int n_tokens, int more);
  // Bytes that this takes at most, `pass` tokens at once, beyond what is held.
  size_t growth(int n_tokens, int more, int pass) const;
  void shrink(int n_tokens);               // gives back the pages behind
  void slide(int n_tokens);                // gives back what windows have left, but for some slack
  SequencePages fork(int n_tokens) const;  // shares the pages of the first n_tokens
  // n_tokens, if the text can go on after as many; else 0, as windows have left what that would need.
  int reusable(int n_tokens) const;
  // Of each group of layers the pages, position 0 on. Valid until the next change.
  const KvPage* const* data();
  int n_groups() const { return static_cast<int>(tables_.size()); }
  const PageTable& table(int group) const { return tables_[group]; }
  PageTable& table(int group) { return tables_[group]; }

 private:
  SequencePages() = default;
  std::vector<PageTable> tables_;
  std::vector<const KvPage*> data_;
};

}  // namespace pestle
