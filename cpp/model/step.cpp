#include "model/step.h"

namespace pestle {

Batch Batch::rows(size_t begin, size_t end) const {
  const int from = static_cast<int>(begin), to = static_cast<int>(end);
  Batch part{tokens.subspan(begin, end - begin), {}, {}, kv, expert_counts};
  for (const Slice& s : slices) {
    const int first = std::max(s.first_row, from), last = std::min(s.first_row + s.n_rows, to);
    if (first < last)
      part.slices.push_back({first - from, last - first, s.position + first - s.first_row, s.pages});
  }
  const auto take = [&](const std::vector<int>& rows, std::vector<int>& out) {
    for (int row : rows)
      if (row >= from && row < to) out.push_back(row - from);
  };
  take(logit_rows, part.logit_rows);
  take(hidden_rows, part.hidden_rows);
  return part;
}

const Angles& Step::angles(const Rope& rope) {
  for (const auto& [key, angles] : angles_)
    if (key == &rope) return angles;
  const int half = rope.n_rot / 2, n = n_rows();
  float* cos = ws.arena.take<float>(size_t(n) * half);
  float* sin = ws.arena.take<float>(size_t(n) * half);
  ws.for_rows(n, [&](int row, int) {
    rope.angles(positions[row], cos + size_t(row) * half, sin + size_t(row) * half);
  });
  angles_.push_back({&rope, {cos, sin, half}});
  return angles_.back().second;
}

}  // namespace pestle
