#include "runtime/kv_cache.h"

#include <algorithm>
#include <cstring>

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

KvCache::Page KvCache::take_locked() {
  if (free_.empty()) {
    // Slabs of some 8 MiB: few calls to the system, huge pages, little that is not used.
    const size_t size = layout_.page_bytes(), count = std::clamp<size_t>((size_t(8) << 20) / size, 1, 64);
    slabs_.emplace_back(size * count);
    // Whatever fails, an id is handed out only once it has its place everywhere.
    owners_.resize(data_.size() + count, 0);
    free_.reserve(data_.size() + count);
    data_.reserve(data_.size() + count);
    for (size_t i = count; i-- > 0;) free_.push_back(static_cast<int>(data_.size() + i));
    for (size_t i = 0; i < count; i++) data_.push_back(slabs_.back().data() + i * size);
  }
  const int id = free_.back();
  free_.pop_back();
  owners_[id] = 1;
  return {id, data_[id]};
}

KvCache::Page KvCache::take() {
  const std::lock_guard lock(mutex_);
  return take_locked();
}

void KvCache::share(const Page& page) {
  const std::lock_guard lock(mutex_);
  owners_[page.id]++;
}

void KvCache::release(const Page& page) {
  const std::lock_guard lock(mutex_);
  if (--owners_[page.id] == 0) free_.push_back(page.id);
}

KvCache::Page KvCache::own(const Page& page) {
  const std::lock_guard lock(mutex_);
  if (owners_[page.id] == 1) return page;
  const Page copy = take_locked();
  std::memcpy(copy.data, page.data, layout_.page_bytes());
  owners_[page.id]--;
  return copy;
}

void PageTable::grow(int n_tokens, int more) {
  const size_t first = static_cast<size_t>(n_tokens / kPageTokens);  // the page that the next token goes into
  if (more > 0 && first < pages_.size()) {
    pages_[first] = cache_->own(pages_[first]);
    data_[first] = pages_[first].data;
  }
  while (static_cast<int>(pages_.size()) < pages_of(n_tokens + more)) {
    pages_.push_back(cache_->take());
    data_.push_back(pages_.back().data);
  }
}

void PageTable::shrink(int n_tokens) {
  while (static_cast<int>(pages_.size()) > pages_of(n_tokens)) {
    cache_->release(pages_.back());
    pages_.pop_back();
    data_.pop_back();
  }
}

PageTable PageTable::fork(int n_tokens) const {
  PageTable t(*cache_);
  for (int i = 0; i < pages_of(n_tokens); i++) {
    cache_->share(pages_[i]);
    t.pages_.push_back(pages_[i]);
    t.data_.push_back(data_[i]);
  }
  return t;
}

}  // namespace pestle
