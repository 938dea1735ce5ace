// The next tokens of several sequences, chosen at once from the logits of one step.
#pragma once

#include <cstdint>
#include <exception>
#include <optional>
#include <span>
#include <vector>

#include "runtime/sampler.h"

namespace pestle {

class Sequence;

// One sequence of the last step, which appended a text's last token and then `draft`: guesses of what
// follows.
struct Choice {
  Sampler* sampler;
  Sequence* sequence;
  int row;                         // of the step's logits: that behind the token before the draft
  std::span<const int32_t> draft;  // its last tokens
  int n_logprobs = 0;              // as Sampler::sample has it
  // None: any token may come. Else a mask for each row, from `row` on; there may be fewer than rows, and the
  // first that has none ends the choice.
  std::optional<std::vector<std::span<const uint32_t>>> masks;
  std::optional<int32_t> forced;  // the token that comes, whatever the sampler would choose
};

// The token behind each row, up to the first that the draft did not have; the sequence then ends before the
// last of them. Where a row fails, what was chosen before it stands; `error` is that of the first row.
struct Chosen {
  std::vector<Sampled> tokens;
  std::exception_ptr error;
};

}  // namespace pestle
