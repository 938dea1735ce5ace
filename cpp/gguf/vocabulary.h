// The tokenizer's metadata must agree with itself: tables of one length, ids inside them.
#pragma once

#include "gguf/metadata.h"

namespace pestle::gguf {

// FormatError when `tokenizer.ggml.tokens` is not an array of strings, `scores` or `token_type` have another
// length or kind, `merges` is not an array of strings, or a `*_token_id` or an element of `suppress_tokens`
// is not a token. Nothing is checked in a file without tokens.
void check_vocabulary(const Metadata& metadata);

}  // namespace pestle::gguf
