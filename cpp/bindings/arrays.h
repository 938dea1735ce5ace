// What numpy arrays are taken and given as.
#pragma once

#include <pybind11/numpy.h>

#include <cstdint>

namespace pestle {

// Only those of this very type, in C's order.
using Floats = pybind11::array_t<float, pybind11::array::c_style>;
using Bytes = pybind11::array_t<uint8_t, pybind11::array::c_style>;
using Tokens = pybind11::array_t<int32_t, pybind11::array::c_style>;
using Mask = pybind11::array_t<uint32_t, pybind11::array::c_style>;  // a bit for each token
// Whatever numpy turns into it.
using AnyFloats = pybind11::array_t<float, pybind11::array::c_style | pybind11::array::forcecast>;
using AnyBytes = pybind11::array_t<uint8_t, pybind11::array::c_style | pybind11::array::forcecast>;

}  // namespace pestle
