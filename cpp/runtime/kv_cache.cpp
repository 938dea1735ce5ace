#include "runtime/kv_cache.h"

#include <algorithm>
#include <string>

#include "core/error.h"

namespace pestle {

namespace {
constexpr int kNoMemory = -1;
}

void KvBudget::allocate(size_t bytes) {
  const size_t allocated = allocated_.fetch_add(bytes) + bytes;
  if (limit_ == 0 || allocated <= limit_ + slack_) return;
  allocated_ -= bytes;
  throw MemoryLimitError("keys and values take " + std::to_string(allocated - bytes) + " bytes, " +
                         std::to_string(bytes) + " more are needed, the limit is " +
                         std::to_string(limit_ + slack_));
}

void KvBudget::take(size_t bytes) {
  const size_t used = used_.fetch_add(bytes) + bytes;
  if (limit_ == 0 || used <= limit_) return;
  used_ -= bytes;
  throw MemoryLimitError("keys and values hold " + std::to_string(used - bytes) + " bytes, a page of " +
                         std::to_string(bytes) + " more is needed, the limit is " + std::to_string(limit_));
}

size_t PagePool::bytes() const {
  const std::lock_guard lock(mutex_);
  size_t sum = 0;
  for (const Buffer& b : slabs_) sum += Buffer::committed(b.size());
  return sum;
}

bool PagePool::span_is_free(int first) const {
  return std::all_of(owners_.begin() + first, owners_.begin() + first + kSpanPages,
                     [](int owners) { return owners == 0; });
}

int PagePool::find(int before, int index) const {
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

void PagePool::grow() {
  const auto pages = static_cast<size_t>(group_->slab_pages());
  const auto empty = std::find_if(slabs_.begin(), slabs_.end(), [](const Buffer& b) { return !b.data(); });
  const auto place = static_cast<size_t>(empty - slabs_.begin());
  if (empty == slabs_.end()) {
    slabs_.emplace_back();
    owners_.resize(slabs_.size() * pages, kNoMemory);
  }
  const size_t bytes = Buffer::committed(group_->slab_bytes());
  budget_->allocate(bytes);
  try {
    slabs_[place] = Buffer(group_->slab_bytes());
  } catch (...) {
    budget_->free(bytes);
    throw;
  }
  std::fill_n(owners_.begin() + ptrdiff_t(place * pages), pages, 0);
  n_free_ += static_cast<int>(pages);
}

bool PagePool::trim() {
  const std::lock_guard lock(mutex_);
  const auto pages = static_cast<size_t>(group_->slab_pages());
  bool any = false;
  for (size_t i = 0; i < slabs_.size(); i++) {
    const auto first = owners_.begin() + ptrdiff_t(i * pages), end = first + ptrdiff_t(pages);
    if (!std::all_of(first, end, [](int owners) { return owners == 0; })) continue;
    slabs_[i] = Buffer();
    budget_->free(Buffer::committed(group_->slab_bytes()));
    std::fill(first, end, kNoMemory);
    n_free_ -= static_cast<int>(pages);
    any = true;
  }
  return any;
}

PagePool::Page PagePool::take_locked(const Page& before, int index) {
  budget_->take(group_->page_bytes());
  int id = find(before.id, index);
  if (id < 0) {
    try {
      grow();
    } catch (...) {
      budget_->give_back(group_->page_bytes());
      throw;
    }
    id = find(before.id, index);
  }
  owners_[id] = 1;
  n_free_--;
  const int pages = group_->slab_pages();
  return {id, group_->page(slabs_[id / pages].data(), id % pages)};
}

PagePool::Page PagePool::take(const Page& before, int index) {
  const std::lock_guard lock(mutex_);
  return take_locked(before, index);
}

void PagePool::share(const Page& page) {
  const std::lock_guard lock(mutex_);
  owners_[page.id]++;
}

void PagePool::release(const Page& page) {
  const std::lock_guard lock(mutex_);
  if (--owners_[page.id] > 0) return;
  n_free_++;
  budget_->give_back(group_->page_bytes());
}

int PagePool::owners(const Page& page) const {
  const std::lock_guard lock(mutex_);
  return owners_[page.id];
}

PagePool::Page PagePool::own(const Page& page, int index) {
  const std::lock_guard lock(mutex_);
  if (owners_[page.id] == 1) return page;
  const Page copy = take_locked({}, index);
  group_->copy(page.place, copy.place);
  owners_[page.id]--;
  return copy;
}

}  // namespace pestle
