// What this machine can do: the limits that speeds are quoted against.
#pragma once

namespace pestle {

double measure_bandwidth(int threads);  // bytes per second read from DRAM through huge pages
double measure_int8(
    int threads);  // int8 operations per second of the active kernels' dot product, in registers

}  // namespace pestle
