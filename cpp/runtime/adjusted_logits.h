// One row of logits, and what masks, biases and penalties make of it.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace pestle {

// Only blocks that differ are copied, the others are read where they lie: a copy of each row of a batch would
// be written to memory and read back, and take longer than all the rest of choosing.
class AdjustedLogits {
 public:
  static constexpr size_t kBlock = 64;

  // Begins with logits that stay where they are meanwhile. Error when one is NaN or infinite.
  void take(std::span<const float> logits);
  size_t size() const { return logits_.size(); }
  float operator[](size_t id) const { return block(id / kBlock)[id % kBlock]; }
  void set(size_t id, float logit);
  // Bans the tokens of a block whose bits are not set, the first of them the lowest.
  void restrict_to(uint64_t allowed, size_t block);
  // The same for all blocks, in words of 32 bits. std::invalid_argument for a mask of another size, Error for
  // one that allows nothing.
  void apply(std::span<const uint32_t> mask);

  size_t n_blocks() const { return largest_.size(); }
  float largest(size_t block) const { return largest_[block]; }  // a bound: it has none above
  std::span<const float> block(size_t block) const;

 private:
  size_t size_of(size_t block) const;
  float* own(size_t block);

  std::span<const float> logits_;
  std::vector<float> largest_;
  std::vector<int32_t> place_;  // of each block: in copies_, or one of the constants
  std::vector<float> copies_;
};

}  // namespace pestle
