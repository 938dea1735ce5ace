#include "runtime/choosing.h"

#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>

#include "runtime/engine.h"

namespace pestle {
namespace {

void check_choice(const Engine& engine, const Choice& choice) {
  const int n = static_cast<int>(choice.draft.size());
  if (choice.row < 0 || choice.row + n >= engine.logits_rows())
    throw std::out_of_range("rows " + std::to_string(choice.row) + " to " + std::to_string(choice.row + n) +
                            " of " + std::to_string(engine.logits_rows()) + " rows of logits");
  if (n >= choice.sequence->n_tokens())
    throw std::invalid_argument("the draft has " + std::to_string(n) + " tokens, the sequence " +
                                std::to_string(choice.sequence->n_tokens()));
  if (choice.masks && choice.masks->empty()) throw std::invalid_argument("a masked choice has no mask");
}

// The penalties look at the sequence's own tokens, so nobody hands a text over for each token.
Chosen chosen(const Engine& engine, const Choice& choice) {
  const std::span<const int32_t> text = choice.sequence->tokens();
  const size_t drafted = choice.draft.size(), before = text.size() - drafted;
  Chosen out;
  for (size_t i = 0; i <= drafted; i++) {
    std::span<const uint32_t> mask;
    if (choice.masks) {
      if (i == choice.masks->size()) break;
      mask = (*choice.masks)[i];
    }
    try {
      const auto logits = engine.logits(choice.row + int(i));
      out.tokens.push_back(
          choice.forced ? choice.sampler->report(logits, *choice.forced, choice.n_logprobs)
                        : choice.sampler->sample(logits, text.first(before + i), choice.n_logprobs, mask));
    } catch (...) {
      // The tokens before come first; the next step begins here and fails again.
      if (i == 0) out.error = std::current_exception();
      break;
    }
    if (i == drafted || out.tokens.back().token != choice.draft[i]) break;
  }
  return out;
}

}  // namespace

std::vector<Chosen> Engine::choose(std::span<const Choice> choices) {
  const std::lock_guard lock(stepping_);
  for (const Choice& choice : choices) check_choice(*this, choice);
  std::vector<Chosen> all(choices.size());
  pool_.set_active(threads_);
  pool_.run(static_cast<int>(choices.size()), 1, [&](int begin, int end, int) {
    for (int i = begin; i < end; i++) all[size_t(i)] = chosen(*this, choices[size_t(i)]);
  });
  for (size_t i = 0; i < choices.size(); i++) {
    const size_t drafted = choices[i].draft.size();
    Sequence& sequence = *choices[i].sequence;
    if (drafted > 0 && !all[i].error)
      sequence.truncate(sequence.n_tokens() - int(drafted) - 1 + int(all[i].tokens.size()));
  }
  return all;
}

std::vector<Scored> Engine::score(int first_row, std::span<const int32_t> targets, int n_top) {
  const std::lock_guard lock(stepping_);
  std::vector<Scored> all(targets.size());
  std::vector<std::exception_ptr> errors(targets.size());
  std::vector<std::unique_ptr<Sampler>> scorers(size_t(pool_.threads()));
  for (auto& scorer : scorers) scorer = std::make_unique<Sampler>(SamplerOptions{});
  pool_.set_active(threads_);
  pool_.run(static_cast<int>(targets.size()), 1, [&](int begin, int end, int thread) {
    for (int i = begin; i < end; i++) try {
        all[size_t(i)] = scorers[size_t(thread)]->score(logits(first_row + i), targets[size_t(i)], n_top);
      } catch (...) { errors[size_t(i)] = std::current_exception(); }
  });
  for (const std::exception_ptr& error : errors)
    if (error) std::rethrow_exception(error);
  return all;
}

}  // namespace pestle
