// What this machine can do: the limits that speeds are quoted against.
#pragma once

namespace pestle {

double measure_bandwidth(int threads);  // bytes per second read from DRAM through huge pages
// Operations per second of the active kernels' dot products in registers: of int8, with which weights are
// multiplied, and of int16, with which keys and values are
double measure_int8(int threads);
double measure_int16(int threads);

}  // namespace pestle
