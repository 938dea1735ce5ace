// types(): what the core knows of GGUF's types, for the test of Python's table.
#include <pybind11/pybind11.h>
#include <pybind11/typing.h>

#include "bindings/bindings.h"
#include "gguf/type.h"
#include "kernels/baseline/format_of.h"
#include "quantize/baseline/dispatch.h"

namespace py = pybind11;

namespace pestle {
namespace {

struct TypeEntry {
  gguf::Type type;
  const gguf::TypeInfo& info() const { return gguf::type_info(type); }
};

py::typing::List<TypeEntry> types() {
  py::typing::List<TypeEntry> list;
  for (uint32_t id = 0; id < gguf::kTypeIds; id++)
    if (gguf::find_type(id)) list.append(TypeEntry{static_cast<gguf::Type>(id)});
  return list;
}

}  // namespace

void bind_types(py::module_& m) {
  py::class_<TypeEntry>(m, "GgufType", "A type of numbers in GGUF, as the core knows it.")
      .def_property_readonly("name", [](const TypeEntry& t) { return t.info().name; })
      .def_property_readonly("id", [](const TypeEntry& t) { return static_cast<uint32_t>(t.type); })
      .def_property_readonly("block_elems", [](const TypeEntry& t) { return t.info().block_elems; })
      .def_property_readonly("block_bytes", [](const TypeEntry& t) { return t.info().block_bytes; })
      .def_property_readonly("runs", [](const TypeEntry& t) { return format_of(t.info().name).has_value(); })
      .def_property_readonly("quantizable",
                             [](const TypeEntry& t) { return quantize::is_quantizable(t.type); });
  m.def("types", &types, "Every type that is read from files, in the order of their ids.");
}

}  // namespace pestle
