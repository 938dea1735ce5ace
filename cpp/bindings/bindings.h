// One function per class or topic; module.cpp calls them.
#pragma once

#include <pybind11/pybind11.h>

namespace pestle {

void bind_errors(pybind11::module_& m);
void bind_gguf(pybind11::module_& m);
void bind_machine(pybind11::module_& m);
void bind_streaming(pybind11::module_& m);
void bind_model(pybind11::module_& m);
void bind_planning(pybind11::module_& m);
void bind_sequence(pybind11::module_& m);
void bind_pooling(pybind11::module_& m);
void bind_engine(pybind11::module_& m);
void bind_sampled(pybind11::module_& m);
void bind_sampler(pybind11::module_& m);
void bind_footprint(pybind11::module_& m);
void bind_draft(pybind11::module_& m);
void bind_divergence(pybind11::module_& m);
void bind_parts(pybind11::module_& m);
void bind_quantize(pybind11::module_& m);
void bind_types(pybind11::module_& m);
void bind_kernels(pybind11::module_& m);
void bind_kv_pages(pybind11::module_& kernels);

}  // namespace pestle
