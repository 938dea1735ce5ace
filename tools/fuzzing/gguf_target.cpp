// The parser on bytes in a heap buffer of exactly their size, where AddressSanitizer sees a read past the
// end.
//
// A libFuzzer target (tools/fuzz --coverage gguf). Compiled with -DPESTLE_REPLAY it has a main that reads
// cases from stdin, each a u32 length and its bytes (tests/fuzz/test_gguf_target.py).
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <span>

#include "core/error.h"
#include "gguf/shard.h"
#include "gguf/split.h"
#include "gguf/vocabulary.h"

namespace {

using pestle::gguf::Value;

// Every element is asked for as every type, as a careless caller would.
void convert(const Value& value) {
  if (value.strings()) return;
  for (uint64_t i = 0; i < value.count; ++i) {
    (void)value.integer(i);
    (void)value.number(i);
    (void)value.flag(i);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  try {
    const std::span file(reinterpret_cast<const std::byte*>(bytes), size);
    const auto shard = pestle::gguf::parse_shard({file, size}, "model.gguf", 0);
    for (const Value& value : shard.metadata.values()) convert(value);
    for (const auto& tensor : shard.tensors)
      if (tensor.nbytes == 0 || tensor.offset > size || tensor.nbytes > size - tensor.offset) std::abort();
    pestle::gguf::check_vocabulary(shard.metadata);
    pestle::gguf::further_shards("model-00001-of-00002.gguf", shard.metadata);
  } catch (const pestle::Error&) {
    // A typed error is a right answer; anything else ends the process.
  }
  return 0;
}

#ifdef PESTLE_REPLAY
int main() {
  unsigned long cases = 0;
  for (uint32_t size; std::fread(&size, sizeof(size), 1, stdin) == 1; ++cases) {
    const std::unique_ptr<uint8_t[]> bytes(new uint8_t[size]);
    if (std::fread(bytes.get(), 1, size, stdin) != size) return 1;
    LLVMFuzzerTestOneInput(bytes.get(), size);
  }
  std::printf("%lu", cases);
}
#endif
