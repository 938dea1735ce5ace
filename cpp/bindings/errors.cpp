// The C++ errors as Python classes of the same names.
#include "core/error.h"

#include "bindings/bindings.h"

namespace py = pybind11;

namespace pestle {

void bind_errors(py::module_& m) {
  static py::handle context_length, quantize;
  const auto error = py::register_exception<Error>(m, "Error", PyExc_RuntimeError);
  py::register_exception<FormatError>(m, "FormatError", error);
  py::register_exception<UnsupportedError>(m, "UnsupportedError", error);
  py::register_exception<MemoryLimitError>(m, "MemoryLimitError", error);
  context_length = py::exception<ContextLengthError>(m, "ContextLengthError", error).release();
  quantize = py::exception<QuantizeError>(m, "QuantizeError", error).release();
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const ContextLengthError& e) {
      py::object raised = py::reinterpret_borrow<py::object>(context_length)(e.what());
      raised.attr("needed") = e.needed;
      raised.attr("limit") = e.limit;
      PyErr_SetObject(context_length.ptr(), raised.ptr());
    } catch (const QuantizeError& e) {
      py::object raised = py::reinterpret_borrow<py::object>(quantize)(e.what());
      raised.attr("row") = e.row;
      raised.attr("column") = e.column;
      PyErr_SetObject(quantize.ptr(), raised.ptr());
    }
  });
}

}  // namespace pestle
