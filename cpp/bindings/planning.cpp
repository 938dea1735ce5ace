// What plans are made of: a token's work by a file's header, and how fast this machine does such work.
#include <pybind11/stl.h>

#include <stdexcept>

#include "bindings/bindings.h"
#include "kernels/baseline/format_of.h"
#include "model/token_work.h"
#include "runtime/product_probe.h"

namespace py = pybind11;

namespace pestle {
namespace {

constexpr int kMostRows = 1 << 20;

double measure(ProductProbe& probe, const std::string& format, bool wide, int rows, int columns, int batch) {
  const std::optional<Format> known = format_of(format);
  if (!known) throw std::invalid_argument("format " + format + " is unknown");
  const int block = info(*known).columns;
  if (rows < 1 || rows > kMostRows || columns < 1 || columns > kMostRows || columns % block != 0)
    throw std::invalid_argument("a matrix of " + std::to_string(rows) + " rows and " +
                                std::to_string(columns) + " columns, expected 1 to " +
                                std::to_string(kMostRows) + ", and columns in blocks of " +
                                std::to_string(block));
  if (batch < 1 || batch > kMostRows) throw std::invalid_argument("batch must be positive");
  const py::gil_scoped_release released;
  return probe.seconds({*known, wide, rows, columns}, batch);
}

}  // namespace

void bind_planning(py::module_& m) {
  py::class_<ProductWork>(m, "ProductWork", "A weight that tokens are multiplied with.")
      .def_property_readonly("tensor", [](const ProductWork& p) { return p.matrix.name; })
      .def_property_readonly("format", [](const ProductWork& p) { return info(p.matrix.format).name; })
      .def_property_readonly(
          "wide", [](const ProductWork& p) { return p.matrix.wide; }, "Activations have 15 bits.")
      .def_property_readonly(
          "rows", [](const ProductWork& p) { return p.matrix.rows; }, "Of one matrix.")
      .def_property_readonly(
          "columns", [](const ProductWork& p) { return p.matrix.columns; }, "Of one matrix.")
      .def_property_readonly(
          "count", [](const ProductWork& p) { return p.matrix.count; }, "Matrices: experts, or heads.")
      .def_property_readonly(
          "bytes", [](const ProductWork& p) { return p.matrix.bytes_of_one(); }, "Of one matrix, packed.")
      .def_readonly("per_token", &ProductWork::per_token, "Of its matrices, those that a token meets.")
      .def_readonly("head", &ProductWork::head, "Only rows whose logits are wanted meet it.");
  py::class_<CachedAttention>(m, "AttentionWork", "What a layer's attention reads of keys and values.")
      .def_readonly("n_heads", &CachedAttention::n_heads)
      .def_readonly("n_kv_heads", &CachedAttention::n_kv_heads)
      .def_readonly("k_dim", &CachedAttention::k_dim, "Channels of a key.")
      .def_readonly("v_dim", &CachedAttention::v_dim, "Channels of a value.")
      .def_readonly("window", &CachedAttention::window, "Positions that a token sees; 0: all.")
      .def_readonly("latent", &CachedAttention::latent, "One row serves as key and value.");
  py::class_<TokenWork>(m, "TokenWork", "What a token asks of a machine.")
      .def_readonly("n_layers", &TokenWork::n_layers)
      .def_readonly("dim", &TokenWork::dim)
      .def_readonly("products", &TokenWork::products, "In a token's order, the head last.")
      .def_readonly("attention", &TokenWork::attention, "Of each layer.");
  m.def("token_work", &TokenWork::of, py::arg("file"),
        "What a token of the file's model goes through. Reads no weights; raises as loading does.");
  py::class_<ProductProbe>(m, "ProductProbe", "Memory full of weights, on which products are timed.")
      .def(py::init<size_t, int>(), py::arg("bytes"), py::arg("threads") = 0,
           py::call_guard<py::gil_scoped_release>(),
           "As many bytes as a token of the model reads: caches hold the same part of them.")
      .def("seconds", &measure, py::arg("format"), py::arg("wide"), py::arg("rows"), py::arg("columns"),
           py::arg("batch") = 1,
           "Of a product of `batch` rows with one weight [rows, columns], quantizing them included, by the "
           "active kernels: the best of some rounds over all such weights that the memory holds.");
}

}  // namespace pestle
