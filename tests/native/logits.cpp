// Writes the logits of a model for given tokens, without Python: what tools/neon.py runs on other machines.
//
//   logits MODEL i16|f16|f32|q8_0 CHUNK THREADS OUTPUT TOKEN...
//
// OUTPUT receives float32 [tokens][n_vocab] in the machine's byte order; stdout the active instruction set.
// OUTPUT.choices receives float64 [tokens][14], what follows from each row of them: a drawn token, its log
// probability, the five best tokens, their log probabilities, the log probability of the token given there,
// and the divergence from the row to the first one.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <exception>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "arguments.h"
#include "kernels/table.h"
#include "runtime/divergence.h"
#include "runtime/engine.h"
#include "runtime/sampler.h"

namespace {

pestle::KvTypes kv_types(const char* name) {
  for (const auto& [text, type] : {std::pair{"i16", pestle::KvType::i16},
                                   {"f16", pestle::KvType::f16},
                                   {"f32", pestle::KvType::f32},
                                   {"q8_0", pestle::KvType::q8_0}})
    if (std::strcmp(name, text) == 0) return {type, type};
  throw std::invalid_argument(std::string("no type of keys and values: ") + name);
}

// What the sampler and the measuring of files make of a row.
std::vector<double> choices(pestle::Sampler& sampler, std::span<const float> row,
                            std::span<const int32_t> history, std::span<const float> first,
                            pestle::ThreadPool& pool) {
  constexpr int kTop = 5;
  const pestle::Sampled drawn = sampler.sample(row, history, kTop);
  std::vector<double> numbers{double(drawn.token), drawn.logprob};
  for (const auto& [token, _] : drawn.top) numbers.push_back(token);
  for (const auto& [_, logprob] : drawn.top) numbers.push_back(logprob);
  numbers.push_back(sampler.score(row, history.back(), 0).logprob);
  double reference_loss, loss, divergence;
  uint8_t same;
  const auto width = static_cast<int64_t>(row.size());
  pestle::compare({row.data(), 1, width}, {first.data(), 1, width}, history.last(1),
                  {{&reference_loss, 1}, {&loss, 1}, {&divergence, 1}, {&same, 1}}, pool);
  numbers.push_back(divergence);
  return numbers;
}

template <class T>
void write(std::ofstream& file, std::span<const T> values) {
  const auto bytes = std::as_bytes(values);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

std::ofstream opened(const std::string& path) {
  std::ofstream file;
  file.exceptions(std::ios::failbit | std::ios::badbit);
  file.open(native::path_of(path), std::ios::binary);
  return file;
}

void run(const std::string& model_path, const pestle::EngineOptions& options, const std::string& output_path,
         std::span<const int32_t> tokens) {
  pestle::LoadOptions load;
  load.threads = options.threads;
  const auto model = pestle::Model::load(pestle::gguf::File::open(model_path), load, [](size_t, size_t) {});
  pestle::Engine engine(model, options);
  pestle::Sequence sequence(engine);
  pestle::SamplerOptions sampling;
  sampling.seed = 7;
  sampling.repeat_penalty = 1.1;
  pestle::Sampler sampler(sampling);
  pestle::ThreadPool pool(1);
  std::vector<float> first;
  std::ofstream output = opened(output_path), chosen = opened(output_path + ".choices");
  for (size_t at = 0; at < tokens.size();) {
    const auto part = tokens.subspan(at, std::min<size_t>(tokens.size() - at, options.chunk));
    const pestle::Input input{&sequence, part, pestle::LogitsOf::all};
    engine.step({&input, 1});
    for (int row = 0; row < engine.logits_rows(); row++) {
      const auto logits = engine.logits(row);
      if (first.empty()) first.assign(logits.begin(), logits.end());
      write(output, logits);
      at++;
      write<double>(chosen, choices(sampler, logits, tokens.first(at), first, pool));
    }
  }
  output.close();
  chosen.close();
}

}  // namespace

int main(int argc, char** argv) {
  const auto given = native::arguments(argc, argv);
  if (given.size() < 7) {
    std::fputs("usage: logits MODEL i16|f16|f32|q8_0 CHUNK THREADS OUTPUT TOKEN...\n", stderr);
    return 2;
  }
  try {
    pestle::EngineOptions options;
    options.kv_types = kv_types(given[2].c_str());
    options.chunk = std::stoi(given[3]);
    options.threads = std::stoi(given[4]);
    std::vector<int32_t> tokens;
    for (size_t i = 6; i < given.size(); i++) tokens.push_back(std::stoi(given[i]));
    std::puts(pestle::kernels().isa);
    run(given[1], options, given[5], tokens);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "logits: %s\n", error.what());
    return 1;
  }
  return 0;
}
