#include "runtime/adjusted_logits.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <string>

#include "core/error.h"

namespace pestle {
namespace {
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr size_t kLanes = 16, kBits = 32;
constexpr int32_t kUnchanged = -1, kBanned = -2;

constexpr auto kNothing = [] {
  std::array<float, AdjustedLogits::kBlock> banned{};
  banned.fill(-kInfinity);
  return banned;
}();

// The largest of a block, over running maxima that a compiler puts into registers side by side.
float largest_of(std::span<const float> values) {
  float lanes[kLanes];
  std::fill(lanes, lanes + kLanes, -kInfinity);
  const size_t whole = values.size() / kLanes * kLanes;
  for (size_t i = 0; i < whole; i += kLanes)
    for (size_t j = 0; j < kLanes; j++) lanes[j] = values[i + j] > lanes[j] ? values[i + j] : lanes[j];
  for (size_t i = whole; i < values.size(); i++) lanes[0] = std::max(lanes[0], values[i]);
  return *std::max_element(lanes, lanes + kLanes);
}

constexpr uint64_t all_of(size_t tokens) {
  return tokens == AdjustedLogits::kBlock ? ~uint64_t(0) : (uint64_t(1) << tokens) - 1;
}

}  // namespace

// One way through memory: the largest of each block, and whether all is finite (0 times what is not gives
// NaN), without a branch.
void AdjustedLogits::take(std::span<const float> logits) {
  logits_ = logits;
  const size_t n = logits.size(), blocks = (n + kBlock - 1) / kBlock;
  largest_.resize(blocks);
  place_.assign(blocks, kUnchanged);
  copies_.clear();
  float zeros[kLanes] = {};
  for (size_t b = 0; b < blocks; b++) {
    const std::span<const float> in = block(b);
    const size_t whole = in.size() / kLanes * kLanes;
    for (size_t i = 0; i < whole; i += kLanes)
      for (size_t j = 0; j < kLanes; j++) zeros[j] += in[i + j] * 0.0f;
    for (size_t i = whole; i < in.size(); i++) zeros[0] += in[i] * 0.0f;
    largest_[b] = largest_of(in);
  }
  if (!std::all_of(zeros, zeros + kLanes, [](float zero) { return zero == 0; }))
    throw Error(
        "the model produced a logit that is not finite: its weights are damaged, or "
        "its values exceed the f16 KV cache (kv_type i16 or f32 holds them)");
}

size_t AdjustedLogits::size_of(size_t block) const {
  return std::min(kBlock, logits_.size() - block * kBlock);
}

std::span<const float> AdjustedLogits::block(size_t block) const {
  const int32_t place = place_[block];
  const float* at = place == kUnchanged ? logits_.data() + block * kBlock
                    : place == kBanned  ? kNothing.data()
                                        : copies_.data() + size_t(place) * kBlock;
  return {at, size_of(block)};
}

float* AdjustedLogits::own(size_t block) {
  if (place_[block] < 0) {
    const std::span<const float> values = this->block(block);
    const size_t end = copies_.size();
    copies_.resize(end + kBlock);
    std::copy(values.begin(), values.end(), copies_.begin() + static_cast<ptrdiff_t>(end));
    place_[block] = static_cast<int32_t>(end / kBlock);
  }
  return copies_.data() + size_t(place_[block]) * kBlock;
}

void AdjustedLogits::set(size_t id, float logit) {
  const size_t block = id / kBlock;
  own(block)[id % kBlock] = logit;
  largest_[block] = std::max(largest_[block], logit);  // it may have been the largest itself
}

void AdjustedLogits::restrict_to(uint64_t allowed, size_t block) {
  const size_t size = size_of(block);
  const uint64_t all = all_of(size);
  if ((allowed & all) == all) return;
  if ((allowed & all) == 0) {
    place_[block] = kBanned;
    largest_[block] = -kInfinity;
    return;
  }
  float* values = own(block);
  for (size_t i = 0; i < size; i++)
    if ((allowed >> i & 1) == 0) values[i] = -kInfinity;
  largest_[block] = largest_of({values, size});
}

void AdjustedLogits::apply(std::span<const uint32_t> mask) {
  const size_t n = logits_.size(), words = (n + kBits - 1) / kBits;
  if (mask.size() != words)
    throw std::invalid_argument("the mask has " + std::to_string(mask.size()) +
                                " words of 32 bits, expected " + std::to_string(words) +
                                " for a vocabulary of " + std::to_string(n));
  static_assert(kBlock == 2 * kBits);
  bool any = false;
  for (size_t b = 0; b < n_blocks(); b++) {
    const uint64_t high = 2 * b + 1 < words ? mask[2 * b + 1] : 0;
    const uint64_t allowed = high << kBits | mask[2 * b];
    any |= (allowed & all_of(size_of(b))) != 0;
    restrict_to(allowed, b);
  }
  if (!any) throw Error("the mask allows no token: nothing is left to sample");
}

}  // namespace pestle
