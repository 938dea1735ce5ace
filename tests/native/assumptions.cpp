// Breaks one assumption of the core, the one that it is told: what tests/unit/test_assumptions.py runs.
//
//   assumptions none|row|columns|range|scope
#include <cstdio>
#include <cstring>
#include <vector>

#include "core/arena.h"
#include "kernels/table.h"
#include "model/rows.h"

namespace pestle::scalar {
void make_panels(const PanelArgs& args, int begin, int end);
}

namespace {

// Panels of two rows; of fewer columns than a block is wide, or of groups that there are not.
void make_panels(int columns, int groups) {
  const pestle::PanelKind kind = {1, false, false, false, false, 0, 1};
  const std::vector<float> x(2 * 64, 1.0f);
  std::vector<char> out(2 * pestle::panel_row_bytes(kind, 64) + pestle::kPanelSlack);
  const pestle::PanelArgs args{x.data(), 64, 2, columns, kind, out.data()};
  pestle::scalar::make_panels(args, 0, groups);
}

// The `i`-th of two rows of an arena.
float row(int i) {
  pestle::Arena arena;
  const pestle::Rows rows{arena.take<float>(3 * 32), 2, 32, 32};
  rows.row(i)[0] = 1.0f;
  return rows.row(i)[0];
}

// Two scopes, which end in the order of their beginning where `crossed`.
void scopes(bool crossed) {
  pestle::Arena arena;
  auto* outer = new pestle::Arena::Scope(arena);
  arena.take<float>(16);
  auto* inner = new pestle::Arena::Scope(arena);
  arena.take<float>(16);
  delete (crossed ? outer : inner);
  delete (crossed ? inner : outer);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  const auto is = [&](const char* name) { return std::strcmp(argv[1], name) == 0; };
  make_panels(is("columns") ? 48 : 64, is("range") ? 3 : 2);
  scopes(is("scope"));
  std::printf("%g\n", static_cast<double>(row(is("row") ? 2 : 1)));
  return 0;
}
