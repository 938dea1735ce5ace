#include "runtime/page_table.h"

#include <algorithm>

#include "core/assume.h"

namespace pestle {

void PageTable::swap(PageTable& other) noexcept {
  std::swap(pool_, other.pool_);
  std::swap(first_, other.first_);
  pages_.swap(other.pages_);
  places_.swap(other.places_);
}

void PageTable::reserve(size_t n_pages) {
  if (n_pages <= std::min(pages_.capacity(), places_.capacity())) return;
  n_pages = std::max(n_pages, 2 * pages_.size());
  pages_.reserve(n_pages);
  places_.reserve(n_pages);
}

void PageTable::grow(int n_tokens, int more) {
  PESTLE_ASSUME(n_tokens >= 0 && more >= 0 && pages_of(n_tokens) <= static_cast<int>(pages_.size()));
  const int first = n_tokens / kPageTokens;  // the page that the next token goes into
  const int end = pages_of(n_tokens + more);
  reserve(size_t(end));  // so that no page is taken and then lost
  if (more > 0 && first < static_cast<int>(pages_.size())) {
    pages_[first] = pool_->own(pages_[first], first);
    places_[first] = pages_[first].place;
  }
  while (static_cast<int>(pages_.size()) < end) {
    const int index = static_cast<int>(pages_.size());
    pages_.push_back(pool_->take(index > 0 ? pages_.back() : PagePool::Page{}, index));
    places_.push_back(pages_.back().place);
  }
}

int PageTable::growth(int n_tokens, int more, int pass) const {
  if (more <= 0) return 0;
  const int held = static_cast<int>(pages_.size()) - first_;
  // The page that is begun may be another's too.
  const int copied = n_tokens % kPageTokens != 0 && pool_->owners(pages_.back()) > 1 ? 1 : 0;
  const int end = pool_->group().most_pages(n_tokens + more, std::min(more, pass));
  return std::max(0, end - held) + copied;
}

void PageTable::shrink(int n_tokens) {
  const int end = pages_of(n_tokens);
  while (static_cast<int>(pages_.size()) > end) {
    if (pages_.back().id >= 0) pool_->release(pages_.back());
    pages_.pop_back();
    places_.pop_back();
  }
  first_ = std::min(first_, end);
}

void PageTable::slide(int n_tokens) {
  for (const int kept = pool_->group().first_kept(n_tokens); first_ < kept; first_++) {
    PESTLE_ASSUME(size_t(first_) < pages_.size() && pages_[size_t(first_)].id >= 0);
    pool_->release(pages_[first_]);
    pages_[first_] = {};
    places_[first_] = {};
  }
}

void PageTable::append(const PagePool::Page& page) {
  try {
    reserve(pages_.size() + 1);
  } catch (...) {
    if (page.id >= 0) pool_->release(page);
    throw;
  }
  pages_.push_back(page);
  places_.push_back(page.place);
  if (page.id < 0) first_ = static_cast<int>(pages_.size());
}

PageTable PageTable::fork(int n_tokens) const {
  PageTable t(*pool_);
  const int end = pages_of(n_tokens);
  PESTLE_ASSUME(0 <= end && size_t(end) <= pages_.size());
  t.reserve(size_t(end));
  t.first_ = std::min(first_, end);
  for (int i = 0; i < end; i++) {
    if (pages_[i].id >= 0) pool_->share(pages_[i]);
    t.pages_.push_back(pages_[i]);
    t.places_.push_back(places_[i]);
  }
  return t;
}

SequencePages::SequencePages(KvCache& cache) {
  for (PagePool& p : cache.pools()) tables_.emplace_back(p);
}

void SequencePages::grow(int n_tokens, int more) {
  try {
    for (PageTable& t : tables_) t.grow(n_tokens, more);
  } catch (...) {
    shrink(n_tokens);
    throw;
  }
}

size_t SequencePages::growth(int n_tokens, int more, int pass) const {
  size_t sum = 0;
  for (const PageTable& t : tables_)
    sum += size_t(t.growth(n_tokens, more, pass)) * t.pool().group().page_bytes();
  return sum;
}

void SequencePages::shrink(int n_tokens) {
  for (PageTable& t : tables_) t.shrink(n_tokens);
}

void SequencePages::slide(int n_tokens) {
  for (PageTable& t : tables_) t.slide(n_tokens);
}

SequencePages SequencePages::fork(int n_tokens) const {
  SequencePages pages;
  pages.tables_.reserve(tables_.size());
  for (const PageTable& t : tables_) pages.tables_.push_back(t.fork(n_tokens));
  return pages;
}

int SequencePages::reusable(int n_tokens) const {
  const auto reaches = [&](const PageTable& t) { return t.reaches(n_tokens); };
  return std::all_of(tables_.begin(), tables_.end(), reaches) ? n_tokens : 0;
}

const KvPage* const* SequencePages::data() {
  data_.clear();
  for (const PageTable& t : tables_) data_.push_back(t.data());
  return data_.data();
}

}  // namespace pestle
