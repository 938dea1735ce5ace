// One forward pass over tokens of several sequences.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "model/kv.h"
#include "model/rope.h"
#include "model/workspace.h"

namespace pestle {

// Consecutive tokens of one sequence: rows [first_row, first_row + n_rows) of the batch.
struct Slice {
  int first_row, n_rows;
  int position;                // of its first token
  const KvPage* const* pages;  // of the sequence, position 0 on; by group of layers
};

struct Batch {
  std::span<const int32_t> tokens;
  std::vector<Slice> slices;
  std::vector<int> logit_rows;  // rows whose logits are wanted
  const KvLayout* kv;
  // [layers][Decoder::n_experts()]: how many tokens each expert has served; null: nobody counts
  uint64_t* expert_counts = nullptr;
  std::vector<int> hidden_rows = {};  // rows that are wanted as they are before the head
  const KvPage* pages(const Slice& s, int layer) const { return s.pages[kv->group_of(layer)]; }
  // Its rows from `begin` to `end`, as a batch of their own.
  Batch rows(size_t begin, size_t end) const;
};

struct Angles {  // of every row of the batch: [rows][half]
  const float *cos, *sin;
  int half;
};

class Step {
 public:
  Step(Workspace& workspace, const Batch& batch) : ws(workspace), batch(batch) {
    positions.resize(batch.tokens.size());
    for (const Slice& s : batch.slices)
      for (int i = 0; i < s.n_rows; i++) positions[s.first_row + i] = s.position + i;
  }
  // Computed once per step and Rope. The arena must stand outside any layer when this is first asked.
  const Angles& angles(const Rope& rope);
  // body(slice, row) for every token. Neighbours of a page of keys and values share cache lines: a thread
  // takes 32 positions, which are whole ones.
  template <class Body>
  void for_tokens(const Body& body) const {
    constexpr int kTokens = 32;
    for (const Slice& s : batch.slices) {
      const int first = s.position / kTokens, end = (s.position + s.n_rows + kTokens - 1) / kTokens;
      ws.for_rows(end - first, [&](int i, int) {
        const int from = std::max(0, (first + i) * kTokens - s.position);
        const int to = std::min(s.n_rows, (first + i + 1) * kTokens - s.position);
        for (int t = from; t < to; t++) body(s, s.first_row + t);
      });
    }
  }
  int n_rows() const { return static_cast<int>(batch.tokens.size()); }

  Workspace& ws;
  const Batch& batch;
  std::vector<int> positions;

 private:
  std::vector<std::pair<const Rope*, Angles>> angles_;
};

}  // namespace pestle
