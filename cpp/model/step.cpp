#include "model/step.h"

namespace pestle {

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
