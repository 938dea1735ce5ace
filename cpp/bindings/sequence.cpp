// Sequence: the tokens of one text and their keys and values.
#include "bindings/sequence.h"

#include <pybind11/stl.h>

#include <optional>

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pestle {
namespace {

std::optional<py::bytes> page(const SequenceHandle& handle, int group, int index) {
  const KvLayout& layout = handle.engine->kv_layout();
  if (group < 0 || group >= layout.n_groups())
    throw py::index_error("there is no group " + std::to_string(group));
  std::string row;
  {
    const py::gil_scoped_release released;
    const auto lock = handle.engine->lock();
    const PagePool::Page found = handle.sequence.pages().table(group).page(index);
    if (found.id >= 0) {
      row.resize(layout.group(group).page_bytes());
      layout.group(group).gather(found.place, row.data());
    }
  }
  if (row.empty()) return std::nullopt;
  return py::bytes(row);
}

}  // namespace

void bind_sequence(py::module_& m) {
  m.attr("KV_PAGE_TOKENS") = kPageTokens;
  m.attr("KV_LAYOUT_VERSION") = kKvLayoutVersion;
  py::class_<SequenceHandle, std::shared_ptr<SequenceHandle>>(
      m, "Sequence", "The tokens of one text and their keys and values.")
      .def_property_readonly("n_tokens", &SequenceHandle::n_tokens)
      .def_property_readonly("tokens", &SequenceHandle::tokens)
      .def("reusable", &SequenceHandle::reusable, py::arg("n_tokens"),
           "How many of the first n_tokens can be kept by a fork or after truncating: all of them, or none "
           "where layers\n"
           "with a window have given back what the next token would see. IndexError beyond n_tokens.")
      .def("growth", &SequenceHandle::growth, py::arg("n_tokens"),
           "Bytes of keys and values that so many tokens more take at most, as far as the context reaches.")
      .def(
          "fork", [](const SequenceHandle& h, int n) { return h.fork(n); }, py::arg("n_tokens"),
          "A sequence that shares the KV pages of the first n_tokens. IndexError beyond n_tokens, ValueError "
          "for "
          "more than\n"
          "`reusable`.")
      .def(
          "truncate", [](SequenceHandle& h, int n) { h.truncate(n); }, py::arg("n_tokens"),
          "Forgets all but the first n_tokens. Raises as fork does.")
      .def(
          "mark",
          [](SequenceHandle& h) {
            const py::gil_scoped_release released;
            const auto lock = h.engine->lock();
            h.sequence.mark();
          },
          "Says that the text is likely to be continued from here.")
      .def("page", &page, py::arg("group"), py::arg("index"),
           "Keys and values of KV_PAGE_TOKENS positions in one group's layers, as `Engine.restore` takes "
           "them; "
           "None where\n"
           "they are not held.")
      .def(
          "first_pages",
          [](const SequenceHandle& h, int n_tokens) {
            std::vector<int> first;
            const KvLayout& layout = h.engine->kv_layout();
            for (int g = 0; g < layout.n_groups(); g++) first.push_back(layout.group(g).first_page(n_tokens));
            return first;
          },
          py::arg("n_tokens"), "Of each group the first page that a token after n_tokens sees.");
}

}  // namespace pestle
