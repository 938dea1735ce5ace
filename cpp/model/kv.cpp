#include "model/kv.h"

#include "core/buffer.h"

namespace pestle {
namespace {

struct PageBytes { size_t keys, values; };

PageBytes head_bytes(const KvShape& s, KvTypes types) {
  if (s.latent) return {0, latent_page_bytes(types.keys, s.k_dim)};
  return {key_page_bytes(types.keys, s.k_dim), value_page_bytes(types.values, s.v_dim)};
}

// Some 16 MiB: few calls to the system, huge pages, little that is not used. Of a window no more than one
// text goes round in.
int spans_of_slab(int window, size_t span_bytes) {
  constexpr size_t kSlab = size_t(16) << 20;
  constexpr int64_t kMost = 16, kPass = 512;
  const int64_t held = (int64_t(window) + kWindowSlack + kPass) / kSpanTokens + 1;
  return static_cast<int>(
      std::clamp<size_t>(kSlab / span_bytes, 1, size_t(window > 0 ? std::min(held, kMost) : kMost)));
}

}  // namespace

KvGroup::KvGroup(int window, const std::vector<KvShape>& layers, KvTypes types) : window_(window) {
  for (const KvShape& s : layers) {
    const auto [k, v] = head_bytes(s, types);
    page_bytes_ += (k + v) * size_t(s.n_heads);
  }
  spans_ = spans_of_slab(window, page_bytes_ * kSpanPages);
  size_t at = 0;
  for (const KvShape& s : layers) {
    const auto [k, v] = head_bytes(s, types);
    const size_t head = (k + v) * kSpanPages, span = head * size_t(s.n_heads);
    layers_.push_back({{at, at + k * kSpanPages, span, k, v}, head, s.n_heads});
    at += span * size_t(spans_);
  }
}

template <class Visit>
void KvGroup::for_pieces(const Visit& visit) const {
  for (size_t l = 0; l < layers_.size(); l++)
    for (int i = 0; i < layers_[l].n_heads; i++) {
      const KvHead h = head(static_cast<int>(l), i);
      visit([&](const KvPage& p) { return key_page(h, p); }, h.key_page);
      visit([&](const KvPage& p) { return value_page(h, p); }, h.value_page);
    }
}

void KvGroup::copy(const KvPage& from, const KvPage& to) const {
  for_pieces([&](const auto& place, size_t bytes) { std::memcpy(place(to), place(from), bytes); });
}

void KvGroup::gather(const KvPage& from, char* to) const {
  for_pieces([&](const auto& place, size_t bytes) {
    std::memcpy(to, place(from), bytes);
    to += bytes;
  });
}

void KvGroup::scatter(const char* from, const KvPage& to) const {
  for_pieces([&](const auto& place, size_t bytes) {
    std::memcpy(place(to), from, bytes);
    from += bytes;
  });
}

int KvGroup::most_pages(int n_ctx, int pass) const {
  const int64_t all = (int64_t(n_ctx) + kPageTokens - 1) / kPageTokens;
  if (window_ == 0) return static_cast<int>(all);
  // From the first position that is kept to the last that is read, at the worst place in their pages.
  const int64_t positions = int64_t(window_) + kWindowSlack + pass - 1;
  return static_cast<int>(std::min(all, (positions + kPageTokens - 2) / kPageTokens + 1));
}

KvLayout::KvLayout(const std::vector<KvShape>& shapes, KvTypes types) : types_(types) {
  std::vector<std::vector<KvShape>> alike;  // by window, in the order of their first layers
  for (const KvShape& s : shapes) {
    const auto same = [&](const std::vector<KvShape>& group) { return group[0].window == s.window; };
    const auto found = std::find_if(alike.begin(), alike.end(), same);
    auto& group = found == alike.end() ? alike.emplace_back() : *found;
    places_.push_back({static_cast<int>(&group - alike.data()), static_cast<int>(group.size())});
    group.push_back(s);
  }
  for (const std::vector<KvShape>& group : alike) groups_.emplace_back(group[0].window, group, types);
}

size_t KvLayout::token_bytes() const {
  size_t sum = 0;
  for (const KvGroup& g : groups_)
    if (g.window() == 0) sum += g.page_bytes() / kPageTokens;
  return sum;
}

size_t KvLayout::text_bytes(int n_tokens, int pass) const {
  size_t sum = 0;
  for (const KvGroup& g : groups_)
    sum += g.page_bytes() * size_t(n_tokens > 0 ? g.most_pages(n_tokens, std::min(n_tokens, pass)) : 0);
  return sum;
}

size_t KvLayout::slack_bytes() const {
  size_t sum = 0;
  for (const KvGroup& g : groups_) sum += Buffer::committed(g.slab_bytes());
  return sum;
}

size_t KvLayout::window_bytes(int n_ctx, int pass) const {
  size_t sum = 0;
  for (const KvGroup& g : groups_)
    if (g.window() > 0) sum += g.page_bytes() * size_t(g.most_pages(n_ctx, pass));
  return sum;
}

}  // namespace pestle
