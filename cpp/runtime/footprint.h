// What a model takes in memory, told before any of it is taken: by the header and the engine's own layouts.
#pragma once

#include <cstddef>

#include "runtime/engine.h"

namespace pestle {

// A pass whose memory is asked for.
struct PassShape {
  int sequences = 1;  // of equal lengths
  int rows = 1;       // of each
  int position = 0;   // of its first row
  int logit_rows = 1;
};

// Bytes of the arena that a pass takes: exactly those, whatever its tokens are. It is walked through with
// loops that do nothing, so `decoder` may be an outline's. `threads` of `most` take part.
size_t pass_bytes(const Decoder& decoder, const KvLayout& kv, const PassShape& pass, int threads, int most);

// Bytes; those of buffers that come and go as Buffer::committed counts.
struct Footprint {
  size_t weights = 0;    // what every token reads, and the embedding
  size_t experts = 0;    // of mixtures, all of them
  size_t kv = 0;         // of one text that fills the context
  size_t kv_pages = 0;   // of these, its pages: a limit on keys and values has to be as high
  size_t kv_slack = 0;   // that is allocated beyond such a limit at most
  size_t workspace = 0;  // of one pass of up to `chunk` rows, at the end of the context
  size_t pass = 0;       // of these, what its arena takes
  size_t logits = 0;     // one row of them
  // What a tokenizer is made of.
  size_t metadata = 0;  // bytes of the file's header
  size_t n_tokens = 0, n_merges = 0;
  int n_ctx = 0, threads = 0, threads_prefill = 0, chunk = 0;  // that these are of
  static Footprint of(const gguf::File& file, const RopeOverride& rope, const EngineOptions& options);
};

}  // namespace pestle
