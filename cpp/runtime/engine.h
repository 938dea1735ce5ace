// Runs a model over the tokens of one or several sequences.
#pragma once

#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "model/model.h"
#include "runtime/choosing.h"
#include "runtime/input_sums.h"
#include "runtime/pooling.h"
#include "runtime/prefix_cache.h"

namespace pestle {

struct EngineOptions {
  int n_ctx = 0;            // tokens a sequence may hold; 0: what the model was trained for
  int threads = 0;          // for decoding; 0: one per usable performance core
  int threads_prefill = 0;  // 0: as threads
  KvTypes kv_types;
  int chunk = 512;             // rows of one forward pass at most
  bool gather_inputs = false;  // whether there are input_sums()
  size_t prefix_cache = 0;     // bytes for texts that no sequence holds any more
  size_t kv_memory = 0;        // bytes for these and what sequences hold; 0: what the system has
  size_t pass_memory = 0;      // bytes that a forward pass works with; 0: as many as it needs
};

enum class LogitsOf { none, last, all };

class Engine;

// One text's tokens and its keys and values. Lives no longer than its engine.
class Sequence {
 public:
  explicit Sequence(Engine& engine);
  int n_tokens() const { return static_cast<int>(tokens_.size()); }
  std::span<const int32_t> tokens() const { return tokens_; }
  // How many of the first n_tokens a fork or a truncated sequence may keep: all of them, or none where
  // the windows no longer hold what the next token would see.
  int reusable(int n_tokens) const;
  // Bytes of keys and values that so many tokens more take at most.
  size_t growth(int n_tokens) const;
  // std::out_of_range beyond n_tokens(), std::invalid_argument for more than is reusable.
  Sequence fork(int n_tokens) const;
  void truncate(int n_tokens);

  // Has the engine keep this text's pages as they are read, so that other sequences find them; what could
  // still be cut back is kept by Engine::keep.
  void remember() { remembered_ = true; }
  // The text is likely to be continued from here.
  void mark() { mark_ = n_tokens(); }
  const SequencePages& pages() const { return pages_; }

 private:
  friend class Engine;
  void check_reusable(int n_tokens) const;
  Sequence(Engine& engine, SequencePages pages, std::vector<int32_t> tokens);
  Engine* engine_;
  SequencePages pages_;
  std::vector<int32_t> tokens_;
  bool remembered_ = false;
  int mark_ = 0;
};

struct Input {
  Sequence* sequence;
  std::span<const int32_t> tokens;
  LogitsOf logits = LogitsOf::last;
  Pooler* pooler = nullptr;  // takes the tokens' hidden states; of a mean, those of the whole text
};

class Engine {
 public:
  Engine(std::shared_ptr<const Model> model, const EngineOptions& options);

  // Appends tokens to their sequences and computes the logits that each asks for, in their order. Throws
  // before anything has changed: ContextLengthError, std::invalid_argument (a token outside the vocabulary, a
  // sequence given twice, a pooler that does not fit). MemoryLimitError, InterruptionError, Error of experts
  // that cannot be read, and what `poll` throws, which is called every 50 ms or between layers: the sequences
  // and poolers hold what the passes before the failing one computed. Concurrent calls queue.
  void step(std::span<const Input> inputs, const std::function<void()>& poll = nullptr);
  // From any thread: the pass in progress, or else the next one, throws InterruptionError within about a
  // layer's time.
  void interrupt() { workspace_.interruption.request(); }

  // Chooses what follows from the logits of the last step, each choice on a thread of its own. What fails has
  // an `error`; the others are chosen all the same. See choosing.h.
  std::vector<Chosen> choose(std::span<const Choice> choices);
  // What the model thinks of targets[i] in row first_row + i of the last step's logits; n_top alternatives.
  // Throws as Sampler::score does.
  std::vector<Scored> score(int first_row, std::span<const int32_t> targets, int n_top);

  // Keeps all that a sequence holds. This and the next three: hold lock().
  void keep(const Sequence& sequence);
  void forget(const Sequence& sequence) { prefixes_.forget(sequence.tokens()); }
  // Of the texts that were kept, the one that has most in common with `tokens`, and a sequence of its
  // beginning.
  PrefixCache::Match find(std::span<const int32_t> tokens) const { return prefixes_.find(tokens); }
  Sequence recall(std::span<const int32_t> tokens, int n_tokens);
  // A sequence that was written elsewhere. `read` fills a page of a group, given its index, or says that it
  // has none, which only a page that the next token does not see may lack. std::invalid_argument for what no
  // sequence can be, MemoryLimitError. Takes lock() itself where kept texts have to make room.
  using ReadPage = std::function<bool(int group, int index, char* to)>;
  Sequence restore(std::span<const int32_t> tokens, const ReadPage& read);

  int logits_rows() const { return logits_.n_rows; }
  // Of the last step, until the next one begins: hold lock() where other threads may step.
  std::span<const float> logits(int row) const;
  std::unique_lock<std::mutex> lock() const { return std::unique_lock(stepping_); }

  const Model& model() const { return *model_; }
  int n_ctx() const { return n_ctx_; }
  int threads() const { return threads_; }
  int threads_prefill() const { return threads_prefill_; }
  int chunk() const { return chunk_; }
  size_t kv_bytes() const { return cache_.bytes(); }  // allocated
  // Of the largest pass so far. Hold lock().
  size_t workspace_bytes() const { return workspace_.committed(); }
  size_t kv_size(int n_tokens) const;  // of a text that is read from its beginning, at most
  size_t kv_limit() const { return cache_.budget().limit(); }
  size_t kv_used() const { return cache_.budget().used(); }  // in pages that somebody holds
  size_t kept_bytes() const { return prefixes_.bytes(); }    // of these, what no sequence holds; hold lock()
  const KvLayout& kv_layout() const { return cache_.layout(); }
  // Of all steps so far; null unless they are gathered. Hold lock().
  const InputSums* input_sums() const { return input_sums_.get(); }
  // [layers][Decoder::n_experts()]: tokens that each expert has served so far. Hold lock().
  std::span<const uint64_t> expert_counts() const { return expert_counts_; }

 private:
  friend class Sequence;
  void check(std::span<const Input> inputs) const;
  void check(std::span<const int32_t> tokens) const;
  void check(const Pooler& pooler, const Sequence& sequence) const;
  void grow(Sequence& sequence, int more);
  // Whether texts that nobody holds, or memory that holds none, could make room for so many bytes of pages.
  bool make_room(size_t bytes);
  void append(Sequence& sequence, std::span<const int32_t> tokens);
  // The logits of batch.logit_rows go into logits_memory_, from row first_logits on. Where the memory does
  // not suffice, one half of the rows is run after the other, which changes no bit.
  void run(const Batch& batch, int first_logits, Rows hidden);

  std::shared_ptr<const Model> model_;
  int n_ctx_, threads_, threads_prefill_, chunk_;
  ThreadPool pool_;
  Workspace workspace_;
  KvCache cache_;
  PrefixCache prefixes_;
  std::vector<uint64_t> expert_counts_, counts_done_;  // now, and of the passes that ended
  std::unique_ptr<InputSums> input_sums_;
  mutable std::mutex stepping_;
  Buffer logits_memory_;
  Rows logits_;
};

}  // namespace pestle
