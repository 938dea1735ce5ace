// One kernel set behind function pointers. Nothing here runs before the set is chosen: the CPU may not have
// it.
#include "kernels/table.h"

#include "kernels/direct_rows.h"
#include "kernels/isa.h"

namespace pestle::PESTLE_ISA_NAMESPACE {

#define PESTLE_STRING_(x) #x
#define PESTLE_STRING(x) PESTLE_STRING_(x)

void fill_table(KernelTable& t) {
  t.isa = PESTLE_STRING(PESTLE_ISA_NAMESPACE);
  t.most_direct_rows = most_direct_rows();
  for (int wide = 0; wide < 2; wide++) {
    for (int f = 0; f < kFormats; f++) {
      t.direct_rows[wide][f] = direct_rows::PESTLE_ISA_NAMESPACE[wide][f];
      PESTLE_ASSUME(t.direct_rows[wide][f] <= t.most_direct_rows);
      t.panel[wide][f] = panel_of(static_cast<Format>(f), wide);
      t.direct[wide][f] = direct_of(static_cast<Format>(f), wide);
      t.multiply[wide][f] = multiply_of(static_cast<Format>(f), wide);
    }
  }
  t.scratch_bytes = scratch_bytes;
  t.make_panels = make_panels;
  t.rms_norm = rms_norm;
  t.gate_mul = gate_mul;
  t.softmax = softmax;
  t.sigmoid = sigmoid;
  t.add_scaled = add_scaled;
  t.rope = rope;
  t.store_key = store_key;
  t.store_value = store_value;
  t.store_latent = store_latent;
  t.attend = attend;
  t.attend_spans = attend_spans;
  t.merge_spans = merge_spans;
  t.int8_operations = int8_operations;
  t.int16_operations = int16_operations;
}

}  // namespace pestle::PESTLE_ISA_NAMESPACE
