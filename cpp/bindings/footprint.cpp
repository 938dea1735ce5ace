// What a model takes in memory, told by its header.
#include "runtime/footprint.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"
#include "bindings/handles.h"

namespace py = pybind11;

namespace pestle {

void bind_footprint(py::module_& m) {
  py::class_<Footprint>(m, "Footprint", "What a model and one text take in memory, in bytes.")
      .def_readonly("weights", &Footprint::weights, "What every token reads, and the embedding.")
      .def_readonly("experts", &Footprint::experts, "The experts of all mixtures; 0: there are none.")
      .def_readonly("kv", &Footprint::kv, "Keys and values of one text of n_ctx tokens.")
      .def_readonly("kv_pages", &Footprint::kv_pages, "Of `kv`, its pages: kv_memory has to be as much.")
      .def_readonly("kv_slack", &Footprint::kv_slack, "What is allocated beyond kv_memory at most.")
      .def_readonly("pass_memory", &Footprint::pass, "Of `workspace`, what pass_memory has to be.")
      .def_readonly("workspace", &Footprint::workspace,
                    "One forward pass of up to `chunk` rows, at the end of the context.")
      .def_readonly("logits", &Footprint::logits, "One row of logits.")
      .def_readonly("metadata", &Footprint::metadata, "Values of the file's header.")
      .def_readonly("n_tokens", &Footprint::n_tokens, "Of the tokenizer.")
      .def_readonly("n_merges", &Footprint::n_merges, "Of the tokenizer.")
      .def_readonly("n_ctx", &Footprint::n_ctx)
      .def_readonly("threads", &Footprint::threads)
      .def_readonly("threads_prefill", &Footprint::threads_prefill)
      .def_readonly("chunk", &Footprint::chunk);
  m.def(
      "pass_bytes",
      [](const Engine& e, int rows, int position, int sequences, int logit_rows) {
        if (rows < 1 || sequences < 1 || position < 0 || position > e.n_ctx() - rows || logit_rows < 0 ||
            logit_rows > rows * sequences)
          throw std::invalid_argument(
              "no pass has these numbers of rows, sequences and logits at this position");
        const Decoder& decoder = e.model().decoder;
        const int most = std::max(e.threads(), e.threads_prefill());
        const py::gil_scoped_release released;
        return Workspace::committed(
            pass_bytes(decoder, e.kv_layout(), {sequences, rows, position, logit_rows},
                       rows > 1 ? e.threads_prefill() : e.threads(), most),
            decoder.scratch_bytes(), most);
      },
      py::arg("engine"), py::arg("rows"), py::arg("position"), py::kw_only(), py::arg("sequences") = 1,
      py::arg("logit_rows") = 1,
      "What an engine takes, beside weights and cache, for a pass of `rows` tokens of each of some "
      "sequences, "
      "from `position`\non.");
  m.def(
      "footprint",
      [](const gguf::File& file, int n_ctx, int threads, int threads_prefill, const std::string& type,
         int chunk, const std::optional<RopeOverride>& rope) {
        EngineOptions options{n_ctx, threads, threads_prefill, kv_types(type), chunk};
        const py::gil_scoped_release released;
        return Footprint::of(file, rope.value_or(RopeOverride()), options);
      },
      py::arg("file"), py::kw_only(), py::arg("n_ctx") = 0, py::arg("threads") = 0,
      py::arg("threads_prefill") = 0, py::arg("kv_type") = "i16", py::arg("chunk") = EngineOptions().chunk,
      py::arg("rope") = py::none(),
      "What Model and Engine would take, to the byte, with the kernels of this machine. Reads no weights, "
      "and nothing but the\n"
      "header; raises as loading does. 0: as Engine chooses.");
}

}  // namespace pestle
