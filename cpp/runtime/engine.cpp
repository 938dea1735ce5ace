#include "runtime/engine.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "core/cpu.h"
#include "core/error.h"
#include "core/fp_environment.h"

namespace pestle {

Sequence::Sequence(Engine& engine) : engine_(&engine), pages_(engine.cache_) {}
Sequence::Sequence(Engine& engine, SequencePages pages, std::vector<int32_t> tokens)
    : engine_(&engine), pages_(std::move(pages)), tokens_(std::move(tokens)) {}

int Sequence::reusable(int n) const {
  if (n < 0 || n > n_tokens())
    throw std::out_of_range("n_tokens is " + std::to_string(n) + ", the sequence holds " +
                            std::to_string(n_tokens()));
  return pages_.reusable(n);
}

size_t Sequence::growth(int n) const {
  return pages_.growth(n_tokens(), std::clamp(n, 0, engine_->n_ctx() - n_tokens()), engine_->chunk());
}

void Sequence::check_reusable(int n) const {
  if (reusable(n) != n)
    throw std::invalid_argument(
        "n_tokens is " + std::to_string(n) + " of " + std::to_string(n_tokens()) +
        ", but the windows no longer hold what the next token would see; reusable() tells "
        "how many can be kept");
}

Sequence Sequence::fork(int n) const {
  check_reusable(n);
  Sequence s(*engine_, pages_.fork(n), {tokens_.begin(), tokens_.begin() + n});
  s.remembered_ = remembered_;
  s.mark_ = std::min(mark_, n);
  return s;
}

void Sequence::truncate(int n) {
  check_reusable(n);
  pages_.shrink(n);
  tokens_.resize(static_cast<size_t>(n));
  mark_ = std::min(mark_, n);
}

Engine::Engine(std::shared_ptr<const Model> model, const EngineOptions& o)
    : model_(std::move(model)),
      n_ctx_(o.n_ctx > 0 ? o.n_ctx : model_->n_ctx),
      threads_(o.threads > 0 ? o.threads : default_threads()),
      threads_prefill_(o.threads_prefill > 0 ? o.threads_prefill : threads_),
      chunk_(std::max(1, o.chunk)),
      pool_(std::max(threads_, threads_prefill_)),
      workspace_(pool_, model_->decoder.scratch_bytes()),
      cache_(KvLayout(model_->decoder.kv_shapes(), o.kv_types), o.kv_memory),
      prefixes_(cache_.pools(), o.prefix_cache),
      expert_counts_(model_->decoder.layers.size() * size_t(model_->decoder.n_experts())) {
  if (!model_->part.is_whole())
    throw std::invalid_argument("an engine runs a whole model, not a part of one");
  workspace_.arena.limit(o.pass_memory);
  if (!o.gather_inputs) return;
  input_sums_ = std::make_unique<InputSums>(pool_);
  workspace_.observer = input_sums_.get();
}

void Engine::check(std::span<const Input> inputs) const {
  for (size_t i = 0; i < inputs.size(); i++) {
    const Input& in = inputs[i];
    if (in.sequence->engine_ != this) throw std::invalid_argument("the sequence belongs to another engine");
    for (size_t j = 0; j < i; j++)
      if (inputs[j].sequence == in.sequence)
        throw std::invalid_argument("the same sequence stands in the batch twice");
      else if (in.pooler && inputs[j].pooler == in.pooler)
        throw std::invalid_argument("the same pooler stands in the batch twice");
    if (in.pooler) check(*in.pooler, *in.sequence);
    const int64_t needed = in.sequence->n_tokens() + int64_t(in.tokens.size());
    if (needed > n_ctx_) throw ContextLengthError(needed, n_ctx_);
    check(in.tokens);
  }
}

void Engine::check(std::span<const int32_t> tokens) const {
  for (int32_t t : tokens)
    if (t < 0 || t >= model_->n_vocab)
      throw std::invalid_argument("token " + std::to_string(t) + " is not in the vocabulary of " +
                                  std::to_string(model_->n_vocab));
}

void Engine::check(const Pooler& pooler, const Sequence& sequence) const {
  if (pooler.dim() != model_->dim)
    throw std::invalid_argument("the pooler takes " + std::to_string(pooler.dim()) +
                                " columns, the model has " + std::to_string(model_->dim));
  if (pooler.pooling() == Pooling::mean && pooler.n_tokens() != sequence.n_tokens())
    throw std::invalid_argument("the pooler has had " + std::to_string(pooler.n_tokens()) +
                                " tokens, its sequence holds " + std::to_string(sequence.n_tokens()));
}

bool Engine::make_room(size_t bytes) {
  // Where the pages would be allowed, it is slabs that are missing.
  const bool allowed = kv_limit() == 0 || kv_used() + bytes <= kv_limit();
  return (allowed && cache_.trim()) || prefixes_.make_room(bytes);
}

void Engine::grow(Sequence& sequence, int more) {
  for (;;) try {
      return sequence.pages_.grow(sequence.n_tokens(), more);
    } catch (const MemoryLimitError&) {
      if (!make_room(sequence.pages_.growth(sequence.n_tokens(), more, more))) throw;
    }
}

size_t Engine::kv_size(int n) const { return kv_layout().text_bytes(std::clamp(n, 0, n_ctx_), chunk_); }

void Engine::append(Sequence& s, std::span<const int32_t> tokens) {
  const auto settled = [&] { return std::max(0, s.n_tokens() - kWindowSlack) / kPageTokens; };
  const int before = settled();
  s.tokens_.insert(s.tokens_.end(), tokens.begin(), tokens.end());
  // Before windows give them back, and not before it is sure that they are not cut back.
  if (s.remembered_ && settled() > before)
    prefixes_.keep(s.tokens().first(size_t(settled()) * kPageTokens), s.pages_, s.mark_);
  s.pages_.slide(s.n_tokens());
}

void Engine::keep(const Sequence& sequence) {
  prefixes_.keep(sequence.tokens(), sequence.pages_, sequence.mark_);
}

Sequence Engine::recall(std::span<const int32_t> tokens, int n) {
  if (n < 0 || prefixes_.find(tokens).reusable < n)
    throw std::invalid_argument("n_tokens is " + std::to_string(n) + ", more than was kept of these");
  SequencePages pages(cache_);
  const auto kept = tokens.first(size_t(n));
  prefixes_.share(kept, pages);
  return Sequence(*this, std::move(pages), {kept.begin(), kept.end()});
}

Sequence Engine::restore(std::span<const int32_t> tokens, const ReadPage& read) {
  const KvLayout& layout = cache_.layout();
  check(tokens);
  if (tokens.size() > size_t(n_ctx_)) throw ContextLengthError(int64_t(tokens.size()), n_ctx_);
  const int n = static_cast<int>(tokens.size());
  SequencePages pages(cache_);
  const auto take = [&](const PageTable& table, int page) {
    for (;;) try {
        return table.pool().take(table.page(page - 1), page);
      } catch (const MemoryLimitError&) {
        const auto stepping = lock();
        if (!make_room(table.pool().group().page_bytes())) throw;
      }
  };
  std::vector<char> row;
  for (int g = 0; g < layout.n_groups(); g++) {
    const KvGroup& group = layout.group(g);
    row.resize(group.page_bytes());
    PageTable& table = pages.table(g);
    for (int i = 0; i < pages_of(n); i++) {
      if (read(g, i, row.data())) {
        table.append(take(table, i));
        group.scatter(row.data(), table.page(i).place);
      } else if (i < group.first_page(n)) {
        table.append({});
      } else {
        throw std::invalid_argument("page " + std::to_string(i) + " of group " + std::to_string(g) +
                                    " is missing");
      }
    }
  }
  return Sequence(*this, std::move(pages), {tokens.begin(), tokens.end()});
}

void Engine::step(std::span<const Input> inputs, const std::function<void()>& poll) {
  const std::lock_guard lock(stepping_);
  const DefaultFpEnvironment environment;
  const Interruption::Polling polling(workspace_.interruption, poll);
  check(inputs);
  int rows = 0;
  for (const Input& in : inputs)
    rows += in.logits == LogitsOf::none || in.tokens.empty() ? 0
            : in.logits == LogitsOf::all                     ? int(in.tokens.size())
                                                             : 1;
  const size_t stride = static_cast<size_t>(padded(model_->n_vocab));
  logits_ = {};
  const size_t bytes = stride * rows * sizeof(float);
  if (logits_memory_.size() < bytes) {
    logits_memory_ = Buffer();  // before the larger one is asked for
    logits_memory_ = Buffer(bytes);
  }

  // Passes of at most chunk_ rows; a pass may end one input and begin the next.
  std::vector<int32_t> tokens;
  Batch batch{{}, {}, {}, &cache_.layout(), expert_counts_.data()};
  std::vector<std::pair<const Input*, size_t>> done;  // what to append once the pass has run
  int first_logits = 0;
  counts_done_ = expert_counts_;
  const auto flush = [&] {
    if (tokens.empty()) return;
    const Arena::Scope scope(workspace_.arena);
    Rows hidden = workspace_.rows(int(batch.hidden_rows.size()), model_->dim);
    batch.tokens = tokens;
    run(batch, first_logits, hidden);
    size_t at = 0;
    for (const auto& [in, n] : done) {
      if (in->pooler) in->pooler->add(int(n), hidden.take(int(n) - in->pooler->first_needed(int(n))));
      append(*in->sequence, batch.tokens.subspan(at, n));
      at += n;
    }
    first_logits += int(batch.logit_rows.size());
    counts_done_ = expert_counts_;
    tokens.clear(), done.clear();
    batch.slices.clear(), batch.logit_rows.clear(), batch.hidden_rows.clear();
  };
  const auto add = [&](const Input& in) {
    for (size_t from = 0; from < in.tokens.size();) {
      const size_t n = std::min(in.tokens.size() - from, size_t(chunk_) - tokens.size());
      const int row = int(tokens.size()), position = in.sequence->n_tokens();
      done.push_back({&in, n});
      grow(*in.sequence, int(n));
      batch.slices.push_back({row, int(n), position, in.sequence->pages_.data()});
      tokens.insert(tokens.end(), in.tokens.begin() + from, in.tokens.begin() + from + n);
      from += n;
      if (in.logits == LogitsOf::all)
        for (size_t i = 0; i < n; i++) batch.logit_rows.push_back(row + int(i));
      else if (in.logits == LogitsOf::last && from == in.tokens.size())
        batch.logit_rows.push_back(row + int(n) - 1);
      if (in.pooler)
        for (int i = in.pooler->first_needed(int(n)); i < int(n); i++) batch.hidden_rows.push_back(row + i);
      if (tokens.size() == size_t(chunk_)) flush();
    }
  };
  try {
    for (const Input& in : inputs) add(in);
    flush();
  } catch (...) {
    for (const auto& [in, n] : done) in->sequence->pages_.shrink(in->sequence->n_tokens());
    expert_counts_ = counts_done_;
    throw;
  }
  logits_ = {reinterpret_cast<float*>(logits_memory_.data()), rows, model_->n_vocab, stride};
}

void Engine::run(const Batch& batch, int first_logits, Rows hidden) {
  // As many rows as sequences: everyone decodes one token.
  pool_.set_active(batch.tokens.size() == batch.slices.size() ? threads_ : threads_prefill_);
  const size_t stride = static_cast<size_t>(padded(model_->n_vocab));
  const Rows logits{reinterpret_cast<float*>(logits_memory_.data()) + stride * first_logits,
                    int(batch.logit_rows.size()), model_->n_vocab, stride};
  const std::vector<uint64_t> counts = expert_counts_;
  try {
    return model_->decoder(workspace_, batch, logits, hidden);
  } catch (const MemoryLimitError&) {
    if (batch.tokens.size() < 2 || workspace_.observer) throw;  // which has heard of some rows already
  }
  expert_counts_ = counts;
  const size_t middle = batch.tokens.size() / 2;
  const Batch first = batch.rows(0, middle), second = batch.rows(middle, batch.tokens.size());
  run(first, first_logits, hidden.take(int(first.hidden_rows.size())));
  run(second, first_logits + int(first.logit_rows.size()), hidden);
}

std::span<const float> Engine::logits(int row) const {
  if (row < 0 || row >= logits_.n_rows)
    throw std::out_of_range("row " + std::to_string(row) + " of " + std::to_string(logits_.n_rows) +
                            " rows of logits");
  return {logits_.row(row), size_t(logits_.width)};
}

}  // namespace pestle
