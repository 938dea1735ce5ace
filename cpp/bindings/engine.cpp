// Engine and Sequence: one forward pass per call, without the GIL.
#include "runtime/engine.h"

#include <pybind11/numpy.h>
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include <cstring>
#include <map>
#include <stdexcept>

#include "bindings/bindings.h"
#include "bindings/handles.h"

namespace py = pybind11;

namespace pestle {
namespace {

LogitsOf logits_of(const std::string& name) {
  if (name == "last") return LogitsOf::last;
  if (name == "all") return LogitsOf::all;
  if (name == "none") return LogitsOf::none;
  throw std::invalid_argument("logits is \"" + name + "\", expected \"last\", \"all\" or \"none\"");
}

// Keeps its engine alive, and no other sequence. Waits for a step in progress, which reads the sequence.
struct SequenceHandle {
  SequenceHandle(std::shared_ptr<Engine> e, Sequence s) : engine(std::move(e)), sequence(std::move(s)) {}
  std::shared_ptr<Engine> engine;
  Sequence sequence;

  std::vector<int32_t> tokens() const {
    const py::gil_scoped_release released;
    const auto lock = engine->lock();
    return {sequence.tokens().begin(), sequence.tokens().end()};
  }
  int reusable(int n) const {
    const py::gil_scoped_release released;
    const auto lock = engine->lock();
    return sequence.reusable(n);
  }
  std::shared_ptr<SequenceHandle> fork(int n) const {
    const py::gil_scoped_release released;
    const auto lock = engine->lock();
    return std::make_shared<SequenceHandle>(engine, sequence.fork(n));
  }
  void truncate(int n) {
    const py::gil_scoped_release released;
    const auto lock = engine->lock();
    sequence.truncate(n);
  }
};

int step(Engine& engine,
         const std::vector<std::pair<std::shared_ptr<SequenceHandle>, std::vector<int32_t>>>& batch,
         const std::string& which) {
  const LogitsOf logits = logits_of(which);
  std::vector<Input> inputs;
  for (const auto& [handle, tokens] : batch) {
    if (!handle) throw py::type_error("a sequence is None");
    inputs.push_back({&handle->sequence, tokens});
  }
  const py::gil_scoped_release released;
  engine.step(inputs, logits);
  return engine.logits_rows();
}

py::array_t<float> logits(const Engine& engine) {
  std::vector<float> copy;
  py::ssize_t rows;
  {
    const py::gil_scoped_release released;
    const auto lock = engine.lock();
    rows = engine.logits_rows();
    for (int i = 0; i < rows; i++) copy.insert(copy.end(), engine.logits(i).begin(), engine.logits(i).end());
  }
  py::array_t<float> out({rows, py::ssize_t(engine.model().n_vocab)});
  std::memcpy(out.mutable_data(), copy.data(), copy.size() * sizeof(float));
  return out;
}

py::array_t<uint64_t> expert_counts(const Engine& engine) {
  std::vector<uint64_t> copy;
  {
    const py::gil_scoped_release released;
    const auto lock = engine.lock();
    copy.assign(engine.expert_counts().begin(), engine.expert_counts().end());
  }
  const Decoder& decoder = engine.model().decoder;
  py::array_t<uint64_t> out({py::ssize_t(decoder.layers.size()), py::ssize_t(decoder.n_experts())});
  std::copy(copy.begin(), copy.end(), out.mutable_data());
  return out;
}

using SumsByName = py::typing::Dict<py::str, py::typing::Tuple<py::array_t<double>, py::array_t<uint64_t>>>;

SumsByName input_sums(const Engine& engine) {
  std::map<std::string, InputSums::Sums> copy;
  {
    const py::gil_scoped_release released;
    const auto lock = engine.lock();
    if (!engine.input_sums()) throw std::invalid_argument("the engine was made without gather_inputs");
    copy = engine.input_sums()->sums();
  }
  SumsByName out;
  for (const auto& [name, sums] : copy) {
    const auto matrices = static_cast<py::ssize_t>(sums.counts.size());
    out[py::str(name)] =
        py::make_tuple(py::array_t<double>({matrices, py::ssize_t(sums.columns)}, sums.squares.data()),
                       py::array_t<uint64_t>(matrices, sums.counts.data()));
  }
  return out;
}

}  // namespace

void bind_engine(py::module_& m) {
  py::class_<SequenceHandle, std::shared_ptr<SequenceHandle>>(
      m, "Sequence", "The tokens of one text and their keys and values.")
      .def_property_readonly("n_tokens", [](const SequenceHandle& h) { return h.tokens().size(); })
      .def_property_readonly("tokens", &SequenceHandle::tokens)
      .def_property_readonly(
          "has_windows", [](const SequenceHandle& h) { return h.engine->kv_layout().has_windows(); },
          "Whether some layers see, and keep, the last tokens only.")
      .def("reusable", &SequenceHandle::reusable, py::arg("n_tokens"),
           "How many of the first n_tokens can be kept by a fork or after truncating: all of them, or none "
           "where layers\n"
           "with a window have given back what the next token would see. IndexError beyond n_tokens.")
      .def(
          "fork", [](const SequenceHandle& h, int n) { return h.fork(n); }, py::arg("n_tokens"),
          "A sequence that shares the KV pages of the first n_tokens. IndexError beyond n_tokens, ValueError "
          "for "
          "more than\n"
          "`reusable`.")
      .def(
          "truncate", [](SequenceHandle& h, int n) { h.truncate(n); }, py::arg("n_tokens"),
          "Forgets all but the first n_tokens. Raises as fork does.");

  py::class_<Engine, std::shared_ptr<Engine>>(m, "Engine", "Runs a model; holds threads and the KV cache.")
      .def(py::init([](const ModelHandle& model, int n_ctx, int threads, int threads_prefill,
                       const std::string& type, int chunk, bool gather_inputs) {
             if (n_ctx < 0 || threads < 0 || threads_prefill < 0 || chunk < 1)
               throw std::invalid_argument(
                   "n_ctx, threads and threads_prefill must not be negative, chunk must be positive");
             return std::make_shared<Engine>(
                 model.model,
                 EngineOptions{n_ctx, threads, threads_prefill, kv_types(type), chunk, gather_inputs});
           }),
           py::arg("model"), py::kw_only(), py::arg("n_ctx") = 0, py::arg("threads") = 0,
           py::arg("threads_prefill") = 0, py::arg("kv_type") = "f16", py::arg("chunk") = 512,
           py::arg("gather_inputs") = false,
           "n_ctx: tokens a sequence may hold, 0 for the model's own. threads: 0 for one per usable "
           "performance core.\n"
           "chunk: rows of one forward pass at most. kv_type: \"f16\", \"f32\" or \"q8_0\", or one for keys "
           "and one for values,\n"
           "as in \"q8_0/f16\". gather_inputs: whether there shall be input_sums.")
      .def_property_readonly("n_ctx", &Engine::n_ctx)
      .def_property_readonly("threads", &Engine::threads)
      .def_property_readonly("threads_prefill", &Engine::threads_prefill)
      .def_property_readonly("chunk", &Engine::chunk)
      .def_property_readonly("kv_bytes", &Engine::kv_bytes, "Allocated for keys and values.")
      .def_property_readonly(
          "kv_memory", [](const Engine& e) { return KvMemory::of(e.kv_layout(), e.n_ctx(), e.chunk()); },
          "What one sequence takes.")
      .def("sequence",
           [](const std::shared_ptr<Engine>& e) { return std::make_shared<SequenceHandle>(e, Sequence(*e)); })
      .def("step", &step, py::arg("batch"), py::arg("logits") = "last",
           "Appends tokens to their sequences, several in one pass. Returns the number of logits rows: of "
           "the last or of\n"
           "all tokens of each entry, in order. Raises ContextLengthError before anything has changed.")
      .def("expert_counts", &expert_counts,
           "uint64 [n_layers, n_experts]: tokens that each expert has served since the engine was made. "
           "Layers without\n"
           "experts have served none.")
      .def("input_sums", &input_sums,
           "What the products with each weight have read since the engine was made: by the name of the GGUF "
           "tensor, the\n"
           "sums of its inputs' squares, float64 [n_matrices, columns], and how many rows each matrix has "
           "seen, uint64\n"
           "[n_matrices]. The inputs are those before they are quantized. One sequence after the other gives "
           "the same\n"
           "bits however the tokens are split into steps, on any number of threads. ValueError without "
           "gather_inputs.")
      .def("logits", &logits, "float32 [rows, n_vocab] of the last step, a copy.");
}

}  // namespace pestle
