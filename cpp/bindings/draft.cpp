// Drafter.
#include "runtime/draft.h"

#include <pybind11/stl.h>

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pestle {

void bind_draft(py::module_& m) {
  py::class_<Drafter>(m, "Drafter", "Guesses how a text goes on, from what it has said before.")
      .def(py::init<>())
      .def_property_readonly("n_tokens", &Drafter::n_tokens)
      .def(
          "extend", [](Drafter& d, const std::vector<int32_t>& tokens) { d.extend(tokens); },
          py::arg("tokens"), "Appends tokens to the text.")
      .def(
          "draft",
          [](Drafter& d, int most) {
            Draft draft = d.draft(most);
            return std::pair(std::move(draft.tokens), std::move(draft.confidence));
          },
          py::arg("most"),
          "At most so many tokens that may follow, never more than 1024, and the confidence in each if those "
          "before it are right.");
}

}  // namespace pestle
