// Every error Pestle throws. Python has classes of the same names; the CLI turns each into its exit code.
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>

namespace pestle {

struct Error : std::runtime_error { using std::runtime_error::runtime_error; };

// The file is wrong: what, where, expected, found.
struct FormatError : Error { using Error::Error; };

// The file is right, but names an architecture, type, tokenizer or ISA that Pestle does not run.
struct UnsupportedError : Error { using Error::Error; };

// What was asked for does not fit the memory allowed.
struct MemoryLimitError : Error { using Error::Error; };

// A pass was given up because somebody asked for that.
struct InterruptionError : Error { using Error::Error; };

// A number that a type cannot hold: not finite, or too large. Both count from 0; row is -1 where the
// importance of a column is wrong.
struct QuantizeError : Error {
  QuantizeError(const std::string& what, int64_t row_at, int64_t column_at)
      : Error(what), row(row_at), column(column_at) {}
  int64_t row, column;
};

// A sequence would grow beyond its context. Counts are tokens.
struct ContextLengthError : Error {
  ContextLengthError(int64_t needed_tokens, int64_t limit_tokens)
      : Error("the context holds " + std::to_string(limit_tokens) + " tokens, " +
              std::to_string(needed_tokens) + " are needed"),
        needed(needed_tokens),
        limit(limit_tokens) {}
  int64_t needed, limit;
};

}  // namespace pestle
