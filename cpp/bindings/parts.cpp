// A model part by part, over whole texts.
#include <pybind11/stl.h>

#include <stdexcept>

#include "bindings/arrays.h"
#include "bindings/bindings.h"
#include "bindings/handles.h"
#include "runtime/part_runner.h"

namespace py = pybind11;

namespace pestle {
namespace {

void check_hidden(const PartRunner& runner, const Floats& x) {
  if (x.ndim() != 2 || x.shape(1) != runner.model().dim)
    throw std::invalid_argument("x: rows of " + std::to_string(runner.model().dim) + " floats are expected");
}

Floats embed(PartRunner& runner, const Tokens& tokens) {
  if (tokens.ndim() != 1) throw std::invalid_argument("tokens: a vector is expected");
  Floats x({tokens.shape(0), py::ssize_t(runner.model().dim)});
  const std::span<const int32_t> in(tokens.data(), size_t(tokens.size()));
  const std::span<float> out(x.mutable_data(), size_t(x.size()));
  {
    const py::gil_scoped_release released;
    runner.embed(in, out);
  }
  return x;
}

void layer(PartRunner& runner, Floats& x) {
  check_hidden(runner, x);
  const std::span<float> rows(x.mutable_data(), size_t(x.size()));
  const py::gil_scoped_release released;
  runner.layer(rows);
}

Floats logits(PartRunner& runner, const Floats& x) {
  check_hidden(runner, x);
  Floats out({x.shape(0), py::ssize_t(runner.model().n_vocab)});
  const std::span<const float> in(x.data(), size_t(x.size()));
  const std::span<float> to(out.mutable_data(), size_t(out.size()));
  {
    const py::gil_scoped_release released;
    runner.output(in, to);
  }
  return out;
}

}  // namespace

void bind_parts(py::module_& m) {
  py::class_<PartRunner>(m, "PartRunner", "Runs a part of a model over whole texts; not thread safe.")
      .def(py::init([](const ModelHandle& model, int threads, const std::string& type, int chunk) {
             EngineOptions options;
             options.threads = threads;
             options.kv_types = kv_types(type);
             options.chunk = chunk;
             return std::make_unique<PartRunner>(model.model, options);
           }),
           py::arg("model"), py::kw_only(), py::arg("threads") = 0, py::arg("kv_type") = "i16",
           py::arg("chunk") = EngineOptions().chunk,
           "model: loaded with `only`. What the engine hands from part to part, these methods do too, to the "
           "bit. "
           "ValueError where the model is another part.")
      .def("embed", &embed, py::arg("tokens").noconvert(),
           "float32 [n, dim] of the tokens, int32 [n], of one text.")
      .def("layer", &layer, py::arg("x").noconvert(),
           "Takes the tokens of one text, from its first on, through the layer: float32 [n, dim], in place.")
      .def("logits", &logits, py::arg("x").noconvert(), "float32 [n, n_vocab] after each token of [n, dim].");
}

}  // namespace pestle
