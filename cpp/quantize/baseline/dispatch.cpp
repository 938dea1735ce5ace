#include "quantize/baseline/dispatch.h"

#include <stdexcept>
#include <string>
#include <string_view>

#include "core/error.h"
#include "kernels/baseline/format_of.h"
#include "kernels/table.h"

namespace pestle {

#define PESTLE_DECLARE(isa)                                  \
  namespace isa::quantize {                                  \
  pestle::quantize::Quantizers quantizers_of(Format format); \
  }
PESTLE_DECLARE(scalar)
#ifdef PESTLE_HAS_avx2
PESTLE_DECLARE(avx2)
PESTLE_DECLARE(avx512vnni)
#endif
#ifdef PESTLE_HAS_neondot
PESTLE_DECLARE(neondot)
#endif

namespace quantize {
namespace {

// By name, so that a set of kernels that nobody gave quantizers is not quietly a slow one.
Table table() {
  const std::string_view isa = kernels().isa;
#ifdef PESTLE_HAS_avx2
  if (isa == "avx512vnni" || isa == "avx512zen" || isa == "avx512zen5" || isa == "avx512amx")
    return avx512vnni::quantize::quantizers_of;
  if (isa == "avx2" || isa == "avxvnni") return avx2::quantize::quantizers_of;
#endif
#ifdef PESTLE_HAS_neondot
  if (isa == "neondot") return neondot::quantize::quantizers_of;
#endif
  if (isa == "scalar") return scalar::quantize::quantizers_of;
  throw std::logic_error("no quantizers go with the instruction set " + std::string(isa));
}

Quantizers find(std::string_view type) {
  const std::optional<Format> format = format_of(type);
  return format ? table()(*format) : Quantizers{};
}

}  // namespace

bool is_quantizable(gguf::Type type) { return find(gguf::type_info(type).name).plain != nullptr; }

Quantizers quantizers(gguf::Type type) {
  const std::string_view name = gguf::type_info(type).name;
  if (const Quantizers found = find(name); found.plain) return found;
  throw UnsupportedError("nothing is quantized to " + std::string(name));
}

}  // namespace quantize
}  // namespace pestle
