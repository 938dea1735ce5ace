// The pages of texts that were read, found again by their tokens.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "runtime/page_table.h"

namespace pestle {

// A tree: a node is a page, its place is the text before it. What sequences hold of it they share, and costs
// nothing; what nobody else holds takes at most `limit` bytes, and goes when it was not used for longest.
// First to go are pages that a window has left, but for those that the text can go on from at a mark.
//
// A page that was filled by one text serves any other that begins as it does, up to the token that differs:
// whoever writes into it has a copy. Not safe to use from several threads.
class PrefixCache {
 public:
  PrefixCache(std::deque<PagePool>& pools, size_t limit);
  ~PrefixCache();
  PrefixCache(const PrefixCache&) = delete;

  // Keeps the pages of a text. It is likely to be gone on with after `mark` tokens.
  void keep(std::span<const int32_t> tokens, const SequencePages& pages, int mark);

  struct Match {
    int n_tokens = 0;  // that the texts have in common
    int reusable = 0;  // so many of them can be gone on from: windows may have left what more would need
    std::vector<int32_t> next;  // how the kept text goes on
  };
  // The kept text that has most in common with `tokens`.
  Match find(std::span<const int32_t> tokens) const;
  // The pages of the first `n_tokens`, which are reusable.
  void share(std::span<const int32_t> tokens, SequencePages& pages);

  // Drops a text, but for what others begin with.
  void forget(std::span<const int32_t> tokens);

  // Gives back what exceeds the limit, or at least so many bytes where no sequence holds them. Whether there
  // was any.
  bool trim() { return trim(limit_); }
  bool make_room(size_t bytes);
  size_t bytes() const;  // of what no sequence holds

 private:
  struct Held {
    PagePool::Page page;  // may be none, of a group with a window
    uint64_t used = 0;
    bool marked = false;
  };
  struct Node {
    Node* parent = nullptr;
    std::vector<int32_t> tokens;  // kPageTokens; of a leaf it may be fewer
    std::vector<Held> held;       // of each group
    std::vector<std::unique_ptr<Node>> children;
  };
  struct Victim {
    Node* node = nullptr;
    int group = -1;  // -1: the whole node, a leaf
    int rank = 0;
    uint64_t used = 0;
  };

  Node* child(const Node& node, std::span<const int32_t> tokens, size_t& common) const;
  std::vector<Node*> path(std::span<const int32_t> tokens, int& common) const;
  int reusable(const std::vector<Node*>& path, int n_tokens) const;
  void hold(Node& node, const SequencePages& pages, int page);
  void release(Node& node, int group);
  bool trim(size_t limit);
  Victim victim() const;
  size_t remove(const Victim& victim);
  void remove(Node& leaf);
  bool unshared(const Held& held, int group) const;
  template <class Visit>
  static void for_nodes(const Node& node, const Visit& visit);

  std::deque<PagePool>& pools_;
  size_t limit_;
  uint64_t clock_ = 0;
  Node root_;
};

}  // namespace pestle
