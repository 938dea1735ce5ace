#include "kernels/baseline/dispatch.h"

#include <algorithm>
#include <cstdlib>

#include "core/cpu.h"
#include "core/error.h"
#include "kernels/direct_rows.h"
#include "kernels/table.h"

namespace pestle {

#define PESTLE_DECLARE(isa)      \
  namespace isa {                \
  void fill_table(KernelTable&); \
  }
PESTLE_DECLARE(scalar)
#ifdef PESTLE_HAS_avx2
PESTLE_DECLARE(avx2)
PESTLE_DECLARE(avxvnni)
PESTLE_DECLARE(avx512vnni)
namespace avx512zen {
void decode_in_registers(KernelTable&);
}
namespace avx512amx {
void use_tiles(KernelTable&);
}
#endif
#ifdef PESTLE_HAS_neondot
PESTLE_DECLARE(neondot)
#endif

namespace {

#ifdef PESTLE_HAS_avx2
void fill_avx512zen(KernelTable& t) {
  avx512vnni::fill_table(t);
  avx512zen::decode_in_registers(t);
}
// Where every port is 512 bits wide, what bounds many rows of weights decoded in registers are the loads of
// their activations, two a cycle; strips share each among two registers. So only a few rows are as on Zen 4.
void fill_avx512zen5(KernelTable& t) {
  avx512vnni::fill_table(t);
  t.isa = "avx512zen5";
  for (int wide = 0; wide < 2; wide++)
    for (int f = 0; f < kFormats; f++) t.direct_rows[wide][f] = direct_rows::avx512zen5[wide][f];
}
void fill_avx512amx(KernelTable& t) {
  avx512vnni::fill_table(t);
  avx512amx::use_tiles(t);
}
#endif

struct Set {
  const char* name;
  bool runs;
  void (*fill)(KernelTable&);
};

std::vector<Set> sets() {
  [[maybe_unused]] const CpuFeatures& f = cpu_features();
  return {
#ifdef PESTLE_HAS_avx2
      {"avx512amx", f.avx512amx, fill_avx512amx},  // the best first
      {"avx512zen5", f.avx512zen5, fill_avx512zen5},
      {"avx512zen", f.avx512zen, fill_avx512zen},
      {"avx512vnni", f.avx512vnni, avx512vnni::fill_table},
      {"avxvnni", f.avxvnni, avxvnni::fill_table},
      {"avx2", f.avx2, avx2::fill_table},
#endif
#ifdef PESTLE_HAS_neondot
      {"neondot", f.neondot, neondot::fill_table},
#endif
      {"scalar", true, scalar::fill_table},
  };
}

KernelTable choose() {
  const char* forced = std::getenv("PESTLE_ISA");
  std::string known;
  for (const Set& s : sets()) {
    known += known.empty() ? s.name : std::string(", ") + s.name;
    if (forced && *forced ? s.name != std::string(forced) : !s.runs) continue;
    if (!s.runs)
      throw UnsupportedError(std::string("PESTLE_ISA=") + forced + ": this processor does not run it");
    KernelTable t{};
    s.fill(t);
    return t;
  }
  throw UnsupportedError(std::string("PESTLE_ISA=") + forced + " is unknown; this build has " + known);
}

}  // namespace

std::vector<std::string> runnable_isas() {
  std::vector<std::string> names;
  for (const Set& s : sets())
    if (s.runs) names.emplace_back(s.name);
  return names;
}

const KernelTable& kernels() {
  static const KernelTable table = choose();
  return table;
}

}  // namespace pestle
