// Writes the logits of a model for given tokens, without Python: what tools/neon.py runs on other machines.
//
//   logits MODEL f16|f32|q8_0 CHUNK THREADS OUTPUT TOKEN...
//
// OUTPUT receives float32 [tokens][n_vocab] in the machine's byte order; stdout the active instruction set.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "kernels/table.h"
#include "runtime/engine.h"

namespace {

pestle::KvTypes kv_types(const char* name) {
  for (const auto& [text, type] :
       {std::pair{"f16", pestle::KvType::f16}, {"f32", pestle::KvType::f32}, {"q8_0", pestle::KvType::q8_0}})
    if (std::strcmp(name, text) == 0) return {type, type};
  throw std::invalid_argument(std::string("no type of keys and values: ") + name);
}

void run(const char* model_path, const pestle::EngineOptions& options, const char* output_path,
         std::span<const int32_t> tokens) {
  const auto model =
      pestle::Model::load(pestle::gguf::File::open(model_path), {options.threads, {}}, [](size_t, size_t) {});
  pestle::Engine engine(model, options);
  pestle::Sequence sequence(engine);
  std::ofstream output;
  output.exceptions(std::ios::failbit | std::ios::badbit);
  output.open(output_path, std::ios::binary);
  while (!tokens.empty()) {
    const auto part = tokens.first(std::min<size_t>(tokens.size(), options.chunk));
    tokens = tokens.subspan(part.size());
    const pestle::Input input{&sequence, part, pestle::LogitsOf::all};
    engine.step({&input, 1});
    for (int row = 0; row < engine.logits_rows(); row++) {
      const auto bytes = std::as_bytes(engine.logits(row));
      output.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
    }
  }
  output.close();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 7) {
    std::fputs("usage: logits MODEL f16|f32|q8_0 CHUNK THREADS OUTPUT TOKEN...\n", stderr);
    return 2;
  }
  try {
    pestle::EngineOptions options;
    options.kv_types = kv_types(argv[2]);
    options.chunk = std::atoi(argv[3]);
    options.threads = std::atoi(argv[4]);
    std::vector<int32_t> tokens;
    for (int i = 6; i < argc; i++) tokens.push_back(std::atoi(argv[i]));
    std::puts(pestle::kernels().isa);
    run(argv[1], options, argv[5], tokens);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "logits: %s\n", error.what());
    return 1;
  }
  return 0;
}
