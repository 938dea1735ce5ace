// The C++ errors as Python classes of the same names.
#include "core/error.h"

#include "bindings/bindings.h"
#include "core/text.h"

namespace py = pybind11;

namespace pestle {
namespace {

struct Classes {
  py::handle error, format, unsupported, memory_limit, context_length, interruption, quantize;
};

// A message is a line of UTF-8, whatever of a file got into it: otherwise Python would raise
// UnicodeDecodeError in its place.
py::object make(py::handle kind, const Error& error) {
  return py::reinterpret_borrow<py::object>(kind)(printable(error.what()));
}

void raise(const py::object& error) { PyErr_SetObject(py::type::handle_of(error).ptr(), error.ptr()); }

template <typename Thrown>
py::handle define(py::module_& m, const char* name, py::handle base) {
  return py::exception<Thrown>(m, name, base).release();
}

}  // namespace

void bind_errors(py::module_& m) {
  static Classes classes;
  classes.error = define<Error>(m, "Error", PyExc_RuntimeError);
  classes.format = define<FormatError>(m, "FormatError", classes.error);
  classes.unsupported = define<UnsupportedError>(m, "UnsupportedError", classes.error);
  classes.memory_limit = define<MemoryLimitError>(m, "MemoryLimitError", classes.error);
  classes.context_length = define<ContextLengthError>(m, "ContextLengthError", classes.error);
  classes.interruption = define<InterruptionError>(m, "InterruptionError", classes.error);
  classes.quantize = define<QuantizeError>(m, "QuantizeError", classes.error);
  py::register_exception_translator([](std::exception_ptr p) {
    try {
      if (p) std::rethrow_exception(p);
    } catch (const ContextLengthError& e) {
      const py::object error = make(classes.context_length, e);
      error.attr("needed") = e.needed;
      error.attr("limit") = e.limit;
      raise(error);
    } catch (const QuantizeError& e) {
      const py::object error = make(classes.quantize, e);
      error.attr("row") = e.row;
      error.attr("column") = e.column;
      raise(error);
    } catch (const FormatError& e) { raise(make(classes.format, e)); } catch (const UnsupportedError& e) {
      raise(make(classes.unsupported, e));
    } catch (const MemoryLimitError& e) {
      raise(make(classes.memory_limit, e));
    } catch (const InterruptionError& e) { raise(make(classes.interruption, e)); } catch (const Error& e) {
      raise(make(classes.error, e));
    }
  });
}

}  // namespace pestle
