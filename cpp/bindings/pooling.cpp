// Pooler: hidden states of a text become one vector.
#include "runtime/pooling.h"

#include <pybind11/numpy.h>

#include <memory>
#include <vector>

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pestle {
namespace {

py::array_t<float> vector(const Pooler& pooler, int dimensions, bool normalized) {
  const std::vector<float> v = pooler.vector(dimensions == 0 ? pooler.dim() : dimensions, normalized);
  return py::array_t<float>(py::ssize_t(v.size()), v.data());
}

}  // namespace

void bind_pooling(py::module_& m) {
  py::class_<Pooler, std::shared_ptr<Pooler>>(m, "Pooler",
                                              "Makes one vector of the hidden states of a text's tokens, "
                                              "behind the last norm. The text may be read in "
                                              "any number of\n"
                                              "steps: the vector has the same bits. Not to be used while a "
                                              "step is in progress that it takes part in.")
      .def_property_readonly("n_tokens", &Pooler::n_tokens, "How many tokens have been pooled.")
      .def("vector", &vector, py::kw_only(), py::arg("dimensions") = 0, py::arg("normalized") = true,
           "float32 [dimensions]: the first of the model's columns, all of them for 0, scaled to length 1 if "
           "normalized. Error\n"
           "where one is not finite, ValueError before the first token or for a wrong number.");
}

}  // namespace pestle
