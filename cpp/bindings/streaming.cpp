// ExpertLayout: what streamed experts take, from a file's header alone. ExpertTraffic: what was read.
#include "model/expert_layout.h"

#include <pybind11/stl.h>

#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/path.h"
#include "core/read_rate.h"
#include "model/model.h"

namespace py = pybind11;

namespace pestle {

void bind_streaming(py::module_& m) {
  py::class_<ExpertLayout>(m, "ExpertLayout",
                           "What experts take that are read from the file when tokens ask for them.")
      .def_readonly("n_experts", &ExpertLayout::n_experts, "Of all layers; 0: the model has none.")
      .def_readonly("cycle", &ExpertLayout::cycle, "Experts that one token asks for, in all layers.")
      .def_readonly("min_slots", &ExpertLayout::min_slots, "The fewest slots that it runs with.")
      .def_readonly("slot_bytes", &ExpertLayout::slot_bytes, "Of every slot, which holds one expert.")
      .def_readonly("reader_bytes", &ExpertLayout::reader_bytes, "Of the buffer of each reader.")
      .def_property_readonly(
          "readers", [](const ExpertLayout&) { return kExpertReaders; }, "Threads that read.")
      .def_property_readonly(
          "expert_bytes",
          [](const ExpertLayout& x) {
            std::vector<size_t> bytes;
            for (const ExpertLayout::Layer& l : x.layers) bytes.push_back(l.bytes);
            return bytes;
          },
          "Bytes of one expert of each layer, which a miss reads; 0 where a layer has none.")
      .def(
          "bytes",
          [](const ExpertLayout& x, int n) {
            if (n < 0) throw std::invalid_argument("n_slots must not be negative");
            return x.bytes(n);
          },
          py::arg("n_slots"), "All that is allocated for so many slots, readers' buffers included.")
      .def(
          "slots", [](const ExpertLayout& x, size_t budget) { return x.slots(budget); }, py::arg("budget"),
          "The slots that fit into so many bytes, as many as there are experts at most; 0 where fewer than "
          "min_slots fit.");
  py::class_<ExpertTraffic>(m, "ExpertTraffic", "What streaming experts has read since the model was loaded.")
      .def_readonly("tokens", &ExpertTraffic::tokens)
      .def_readonly("asked", &ExpertTraffic::asked,
                    "Experts that passes asked for; one counts once for each pass of its layer.")
      .def_readonly("hits", &ExpertTraffic::hits, "Of these, those that were in memory before.")
      .def_readonly("reads", &ExpertTraffic::reads, "Experts that were read.")
      .def_readonly("read_bytes", &ExpertTraffic::read_bytes)
      .def_readonly("stall_seconds", &ExpertTraffic::stall_seconds, "That products have waited for reads.")
      .def_readonly("stall_bytes", &ExpertTraffic::stall_bytes, "What was read meanwhile.")
      .def_readonly("guesses", &ExpertTraffic::guesses,
                    "Experts that a token was guessed to ask for in its next layer.")
      .def_readonly("right", &ExpertTraffic::right, "Of these, those that it did ask for.");
  m.def(
      "measure_reads",
      [](const PathArgument& path) {
        const py::gil_scoped_release released;
        return measure_random_reads(path.text, kExpertReadBytes, kExpertReaders,
                                    std::chrono::milliseconds(400));
      },
      py::arg("path"),
      "How fast a file is read at random places, past the page cache, in pieces as large and as many at a "
      "time as experts are: bytes a second. Takes 0.4 s. 0: the system cannot bypass its cache, or the file "
      "is too small.");
  m.def(
      "expert_layout", [](const gguf::File& file) { return Outline::of(file).experts; }, py::arg("file"),
      "What the file's experts would take if they were streamed. Reads no weights; raises as loading does.");
}

}  // namespace pestle
