// What this machine is and can do.
#include <pybind11/stl.h>
#include <pybind11/typing.h>

#include "bindings/bindings.h"
#include "core/cpu.h"
#include "core/linux_topology.h"
#include "kernels/baseline/dispatch.h"
#include "kernels/table.h"
#include "runtime/probe.h"

namespace py = pybind11;

namespace pestle {

namespace {

py::typing::Dict<py::str, py::object> describe(const CpuTopology& t) {
  py::typing::Dict<py::str, py::object> d;
  d["name"] = t.name;
  d["logical"] = t.logical;
  d["physical"] = t.physical;
  d["performance"] = t.performance;
  d["usable"] = t.usable;
  d["default_threads"] = default_threads(t);
  d["l1d"] = t.l1d;
  d["l2"] = t.l2;
  d["l3"] = t.l3;
  return d;
}

}  // namespace

void bind_machine(py::module_& m) {
  m.def(
      "isa", [] { return std::string(kernels().isa); },
      "The active kernel set. PESTLE_ISA forces one; UnsupportedError when it cannot run here.");
  m.def("isas", runnable_isas, "The kernel sets that this machine can run, best first.");
  m.def(
      "cpu_info",
      [] {
        auto d = describe(cpu_topology());
        d["features"] = cpu_feature_names();
        return d;
      },
      "Processor, cores (`usable`: under affinity and cgroup quota), kernel features, cache bytes.");
  m.def(
      "linux_topology",
      [](const std::string& root, const std::set<int>& allowed) {
        return describe(linux_topology(root, allowed));
      },
      py::arg("root"), py::arg("allowed"),
      "What cpu_info would say, without features, of the Linux machine whose /sys and /proc lie below "
      "`root`, "
      "to a process that may run on the processors `allowed`. For tests.");
  m.def("measure_bandwidth", measure_bandwidth, py::arg("threads") = 0,
        py::call_guard<py::gil_scoped_release>(),
        "Bytes per second read from DRAM through huge pages, best of five rounds.");
  m.def("measure_int8", measure_int8, py::arg("threads") = 0, py::call_guard<py::gil_scoped_release>(),
        "int8 operations per second of the active kernels' dot product in registers; a multiply-add is two.");
  m.def("measure_int16", measure_int16, py::arg("threads") = 0, py::call_guard<py::gil_scoped_release>(),
        "The same of int16, with which keys and values are multiplied.");
}

}  // namespace pestle
