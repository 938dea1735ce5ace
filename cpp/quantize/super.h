// How super-blocks are searched: from some beginnings, and then in turns.
#pragma once

#include "quantize/group.h"
#include "quantize/guesses.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

using Super = Group<256>;

// Of a Fit for each of `tops`, as begin(fit, top) sets it up, the one that leaves the least error once its
// sub-blocks have chosen; then its scales are solved for and its sub-blocks choose again, as long as that
// helps.
template <class Fit, class Top, int kTops, class Begin>
PESTLE_INLINE Fit search(const Super& g, const Top (&tops)[kTops], const Begin& begin) {
  Fit best = {}, trial;
  best.error = splat(kHuge);
  for (const Top& top : tops) {
    begin(trial, top);
    trial.choose(g);
    best.take_better(trial);
  }
  for (int turn = 0; turn < kTurns; turn++) {
    trial = best;
    trial.solve(g);
    trial.choose(g);
    best.take_better(trial);
  }
  return best;
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
