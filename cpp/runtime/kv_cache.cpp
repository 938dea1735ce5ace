#include "runtime/kv_cache.h"

#include <algorithm>

namespace pestle {
namespace {
int pages_of(int n_tokens) { return (n_tokens + kPageTokens - 1) / kPageTokens; }
}  // namespace

size_t KvCache::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Buffer& b : slabs_) sum += b.size();
  return sum;
}

bool KvCache::span_is_free(int first) const {
  return std::all_of(owners_.begin() + first, owners_.begin() + first + kSpanPages,
                     [](int owners) { return owners == 0; });
}

int KvCache::find(int before, int index) const {
  if (n_free_ == 0) return -1;
  const int next = before + 1, n = static_cast<int>(owners_.size());
  if (index % kSpanPages != 0) {
    if (before >= 0 && next % kSpanPages == index % kSpanPages && owners_[next] == 0) return next;
  } else {
    if (before >= 0 && next < n && next % kSpanPages == 0 && span_is_free(next)) return next;
    for (int first = 0; first < n; first += kSpanPages)
      if (span_is_free(first)) return first;
  }
  return static_cast<int>(std::find(owners_.begin(), owners_.end(), 0) - owners_.begin());
}

void KvCache::grow() {
  const int pages = layout_.slab_pages();
  owners_.reserve(owners_.size() + static_cast<size_t>(pages));
  slabs_.emplace_back(layout_.slab_bytes());
  owners_.resize(owners_.size() + static_cast<size_t>(pages), 0);
  n_free_ += pages;
}

KvCache::Page KvCache::take_locked(const Page& before, int index) {
  int id = find(before.id, index);
  if (id < 0) {
    grow();
    id = find(before.id, index);
  }
  owners_[id] = 1;
  n_free_--;
  const int pages = layout_.slab_pages();
  return {id, layout_.page(slabs_[id / pages].data(), id % pages)};
}

KvCache::Page KvCache::take(const Page& before, int index) {
  const std::lock_guard lock(mutex_);
  return take_locked(before, index);
}

void KvCache::share(const Page& page) {
  const std::lock_guard lock(mutex_);
  owners_[page.id]++;
}

void KvCache::release(const Page& page) {
  const std::lock_guard lock(mutex_);
  if (--owners_[page.id] == 0) n_free_++;
}

KvCache::Page KvCache::own(const Page& page, int index) {
  const std::lock_guard lock(mutex_);
  if (owners_[page.id] == 1) return page;
  const Page copy = take_locked({}, index);
  layout_.copy(page.place, copy.place);
  owners_[page.id]--;
  return copy;
}

void PageTable::grow(int n_tokens, int more) {
  const int first = n_tokens / kPageTokens;  // the page that the next token goes into
  if (more > 0 && first < static_cast<int>(pages_.size())) {
    pages_[first] = cache_->own(pages_[first], first);
    places_[first] = pages_[first].place;
  }
  while (static_cast<int>(pages_.size()) < pages_of(n_tokens + more)) {
    const int index = static_cast<int>(pages_.size());
    pages_.push_back(cache_->take(index > 0 ? pages_.back() : KvCache::Page{}, index));
    places_.push_back(pages_.back().place);
  }
}

void PageTable::shrink(int n_tokens) {
  while (static_cast<int>(pages_.size()) > pages_of(n_tokens)) {
    cache_->release(pages_.back());
    pages_.pop_back();
    places_.pop_back();
  }
}

PageTable PageTable::fork(int n_tokens) const {
  PageTable t(*cache_);
  for (int i = 0; i < pages_of(n_tokens); i++) {
    cache_->share(pages_[i]);
    t.pages_.push_back(pages_[i]);
    t.places_.push_back(places_[i]);
  }
  return t;
}

}  // namespace pestle
