#include "bindings/bindings.h"

PYBIND11_MODULE(_core, m) {
  m.doc() = "The C++ core of Pestle: token ids in, logits and ids out.";
  pestle::bind_errors(m);
  pestle::bind_gguf(m);
  pestle::bind_machine(m);
  pestle::bind_streaming(m);
  pestle::bind_model(m);
  pestle::bind_planning(m);
  pestle::bind_sequence(m);
  pestle::bind_sampled(m);
  pestle::bind_pooling(m);
  pestle::bind_engine(m);
  pestle::bind_footprint(m);
  pestle::bind_sampler(m);
  pestle::bind_draft(m);
  pestle::bind_divergence(m);
  pestle::bind_parts(m);
  pestle::bind_quantize(m);
  pestle::bind_types(m);
  pestle::bind_kernels(m);
}
