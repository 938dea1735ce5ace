#include "model/registry.h"

#include "core/error.h"
#include "core/text.h"
#include "model/arch/arch.h"

namespace pestle {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = {
      {"llama", load_llama},         {"qwen2", load_qwen2},     {"qwen3", load_qwen3},
      {"qwen3moe", load_qwen3moe},   {"gpt-oss", load_gpt_oss}, {"gemma3", load_gemma3},
      {"deepseek2", load_deepseek2},
  };
  return all;
}

const Architecture& find_architecture(const gguf::File& file) {
  const std::string_view name = file.string("general.architecture");
  std::string known;
  for (const Architecture& a : architectures()) {
    if (a.name == name) return a;
    known += (known.empty() ? "" : ", ") + std::string(a.name);
  }
  throw UnsupportedError(file.name() + ": architecture " + quoted(name) + " is not supported; Pestle runs " +
                         known);
}

}  // namespace pestle
