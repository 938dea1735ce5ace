#include "runtime/prefix_cache.h"

#include <algorithm>

namespace pestle {
namespace {

size_t common_prefix(std::span<const int32_t> a, std::span<const int32_t> b) {
  const auto [at, _] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(at - a.begin());
}

std::span<const int32_t> of_page(std::span<const int32_t> tokens, size_t page) {
  const size_t start = page * kPageTokens;
  return tokens.subspan(start, std::min<size_t>(kPageTokens, tokens.size() - start));
}

}  // namespace

PrefixCache::PrefixCache(std::deque<PagePool>& pools, size_t limit) : pools_(pools), limit_(limit) {}

PrefixCache::~PrefixCache() {
  for_nodes(root_, [&](Node& node) {
    for (size_t g = 0; g < node.held.size(); g++) release(node, static_cast<int>(g));
  });
}

template <class Visit>
void PrefixCache::for_nodes(const Node& node, const Visit& visit) {
  // Without recursion: a chain is as deep as a text has pages.
  std::vector<const Node*> waiting{&node};
  while (!waiting.empty()) {
    const Node* next = waiting.back();
    waiting.pop_back();
    for (const auto& child : next->children) {
      visit(*child);
      waiting.push_back(child.get());
    }
  }
}

PrefixCache::Node* PrefixCache::child(const Node& node, std::span<const int32_t> tokens,
                                      size_t& common) const {
  Node* best = nullptr;
  common = 0;
  for (const auto& child : node.children)
    if (const size_t n = common_prefix(child->tokens, tokens); n > common) common = n, best = child.get();
  return best;
}

void PrefixCache::hold(Node& node, const SequencePages& pages, int page) {
  for (int g = 0; g < pages.n_groups(); g++) {
    Held& held = node.held[g];
    const PagePool::Page found = pages.table(g).page(page);
    if (held.page.id >= 0 || found.id < 0) continue;
    pools_[g].share(found);
    held = {found, clock_, false};
  }
}

void PrefixCache::release(Node& node, int group) {
  if (node.held[group].page.id >= 0) pools_[group].release(node.held[group].page);
  node.held[group] = {};
}

void PrefixCache::keep(std::span<const int32_t> tokens, const SequencePages& pages, int mark) {
  if (limit_ == 0) return;
  clock_++;
  const int n = static_cast<int>(tokens.size());
  Node* node = &root_;
  for (int page = 0; page < pages_of(n); page++) {
    const std::span<const int32_t> own = of_page(tokens, size_t(page));
    size_t common;
    Node* next = child(*node, own, common);
    if (next == nullptr || (common < own.size() && common < next->tokens.size())) {
      auto made = std::make_unique<Node>();
      made->parent = node;
      made->tokens.assign(own.begin(), own.end());
      made->held.resize(pools_.size());
      next = node->children.emplace_back(std::move(made)).get();
    } else if (common < own.size()) {  // a page that has filled up meanwhile
      next->tokens.assign(own.begin(), own.end());
      for (int g = 0; g < pages.n_groups(); g++) release(*next, g);
    }
    if (next->tokens.size() == own.size()) hold(*next, pages, page);
    for (int g = 0; g < pages.n_groups(); g++) {
      const KvGroup& group = pools_[g].group();
      Held& held = next->held[g];
      if (page >= group.first_page(n)) held.used = clock_;
      held.marked |= mark > 0 && page >= group.first_page(mark) && page <= mark / kPageTokens;
    }
    node = next;
  }
  trim();
}

std::vector<PrefixCache::Node*> PrefixCache::path(std::span<const int32_t> tokens, int& n) const {
  std::vector<Node*> path;
  n = 0;
  const Node* node = &root_;
  for (size_t page = 0; page * kPageTokens < tokens.size(); page++) {
    size_t common;
    Node* next = child(*node, of_page(tokens, page), common);
    if (next == nullptr) break;
    path.push_back(next);
    n += static_cast<int>(common);
    if (common < kPageTokens) break;
    node = next;
  }
  return path;
}

int PrefixCache::reusable(const std::vector<Node*>& path, int n) const {
  for (bool whole = false; !whole && n > 0;) {
    whole = true;
    for (size_t g = 0; g < pools_.size() && whole; g++)
      for (int page = pages_of(n) - 1; page >= pools_[g].group().first_page(n) && whole; page--)
        if (path[page]->held[g].page.id < 0) n = page * kPageTokens, whole = false;
  }
  return n;
}

PrefixCache::Match PrefixCache::find(std::span<const int32_t> tokens) const {
  Match match;
  const std::vector<Node*> found = path(tokens, match.n_tokens);
  match.reusable = reusable(found, match.n_tokens);
  if (found.empty()) return match;
  const std::vector<int32_t>& last = found.back()->tokens;
  match.next.assign(last.begin() + (match.n_tokens - (int(found.size()) - 1) * kPageTokens), last.end());
  if (match.next.empty() && !found.back()->children.empty())
    match.next = found.back()->children.front()->tokens;
  return match;
}

void PrefixCache::share(std::span<const int32_t> tokens, SequencePages& pages) {
  clock_++;
  int n;
  const std::vector<Node*> found = path(tokens, n);
  for (int g = 0; g < pages.n_groups(); g++) {
    const KvGroup& group = pools_[g].group();
    // Where they are still there, those too by which the text may be cut back.
    int first = group.first_page(n);
    while (first > group.first_kept(n) && found[first - 1]->held[g].page.id >= 0) first--;
    for (int page = 0; page < static_cast<int>(found.size()); page++) {
      Held& held = found[page]->held[g];
      if (page < first) {
        pages.table(g).append({});
        continue;
      }
      held.used = clock_;
      pools_[g].share(held.page);
      pages.table(g).append(held.page);
    }
  }
}

bool PrefixCache::unshared(const Held& held, int group) const {
  return held.page.id >= 0 && pools_[group].owners(held.page) == 1;
}

size_t PrefixCache::bytes() const {
  size_t sum = 0;
  for_nodes(root_, [&](const Node& node) {
    for (size_t g = 0; g < node.held.size(); g++)
      if (unshared(node.held[g], int(g))) sum += pools_[g].group().page_bytes();
  });
  return sum;
}

// Leaves that sequences share free nothing themselves, but may stand before pages that do: they go last.
PrefixCache::Victim PrefixCache::victim() const {
  Victim best{nullptr, -1, 3, 0};
  const auto offer = [&](const Victim& v) {
    if (v.rank < best.rank || (v.rank == best.rank && v.used < best.used)) best = v;
  };
  for_nodes(root_, [&](Node& node) {
    bool frees = false;
    uint64_t used = 0;
    for (size_t g = 0; g < node.held.size(); g++) {
      const Held& held = node.held[g];
      used = std::max(used, held.used);
      if (!unshared(held, int(g))) continue;
      frees = true;
      if (pools_[g].group().window() > 0) offer({&node, int(g), held.marked ? 1 : 0, held.used});
    }
    if (node.children.empty()) offer({&node, -1, frees ? 1 : 2, used});
  });
  return best;
}

void PrefixCache::remove(Node& leaf) {
  for (size_t g = 0; g < leaf.held.size(); g++) release(leaf, static_cast<int>(g));
  std::erase_if(leaf.parent->children, [&](const auto& c) { return c.get() == &leaf; });
}

size_t PrefixCache::remove(const Victim& v) {
  size_t freed = 0;
  const int first = std::max(v.group, 0), end = v.group < 0 ? int(v.node->held.size()) : v.group + 1;
  for (int g = first; g < end; g++)
    if (unshared(v.node->held[g], g)) freed += pools_[g].group().page_bytes();
  if (v.group < 0)
    remove(*v.node);
  else
    release(*v.node, v.group);
  return freed;
}

void PrefixCache::forget(std::span<const int32_t> tokens) {
  int n;
  std::vector<Node*> nodes = path(tokens, n);
  // Of the last page another text may need more than these have in common with it.
  if (nodes.empty() || size_t(n) < (nodes.size() - 1) * kPageTokens + nodes.back()->tokens.size()) return;
  for (; !nodes.empty() && nodes.back()->children.empty(); nodes.pop_back()) remove(*nodes.back());
}

bool PrefixCache::make_room(size_t needed) {
  const size_t held = bytes();
  return trim(held - std::min(held, needed));
}

bool PrefixCache::trim(size_t limit) {
  size_t held = bytes();
  bool any = false;
  while (held > limit) {
    held -= remove(victim());
    any = true;
  }
  return any;
}

}  // namespace pestle
