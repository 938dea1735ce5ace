#include "model/expert_layout.h"

#include <algorithm>
#include <variant>

#include "model/decoder.h"

namespace pestle {
namespace {

constexpr size_t kLine = 64;
constexpr size_t round_up(size_t n, size_t step) { return (n + step - 1) / step * step; }

ExpertLayout::Layer layer_of(const Experts& e, int top_k) {
  const size_t gate = e.gate.w->bytes_of_one(), up = e.up.w->bytes_of_one();
  const size_t up_at = round_up(gate, kLine);
  return {e.count(), top_k, up_at, up_at + round_up(up, kLine), gate + up + e.down.w->bytes_of_one()};
}

}  // namespace

int tile_rows_a_read(const Matrix& m) {
  const int rows = 2 * m.strips();
  const size_t most = std::max<size_t>(1, kExpertReadBytes / m.tile_row_bytes());
  const int reads = static_cast<int>((size_t(rows) + most - 1) / most);
  return (rows + reads - 1) / reads;
}

ExpertLayout ExpertLayout::of(const Decoder& decoder) {
  ExpertLayout x;
  size_t longest_read = 0;
  for (const pestle::Layer& layer : decoder.layers) {
    const auto* moe = std::get_if<SparseMoe>(&layer.ffn);
    if (!moe) {
      x.layers.emplace_back();
      continue;
    }
    const Experts& experts = moe->experts;
    const Layer& l = x.layers.emplace_back(layer_of(experts, moe->router.top_k));
    x.n_experts += l.n_experts;
    x.cycle += l.top_k;
    x.min_slots = std::max(x.min_slots, l.top_k);
    x.slot_bytes =
        std::max(x.slot_bytes, round_up(l.down_at + experts.down.w->bytes_of_one(), kReadAlignment));
    for (const Matrix* m : {experts.gate.w, experts.up.w, experts.down.w})
      longest_read = std::max(longest_read, m->tile_row_bytes() * size_t(tile_rows_a_read(*m)));
  }
  // The first and the last page of a read may hold other bytes too.
  if (x.n_experts > 0) x.reader_bytes = round_up(longest_read, kReadAlignment) + kReadAlignment;
  return x;
}

int ExpertLayout::slots(size_t budget) const {
  if (n_experts == 0 || budget < bytes(min_slots)) return 0;
  return static_cast<int>(std::min((budget - bytes(0)) / slot_bytes, static_cast<size_t>(n_experts)));
}

}  // namespace pestle
