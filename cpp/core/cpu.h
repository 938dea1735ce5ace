// What the processor and the operating system let this process use.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace pestle {

struct CpuFeatures {
  bool avx2 = false;        // AVX2, FMA and F16C, with the OS saving the registers
  bool avxvnni = false;     // AVX-VNNI on top of it
  bool avx512vnni = false;  // AVX-512 F, BW, VL, DQ and VNNI, with the OS saving the registers
  bool avx512zen = false;   // the same on a core of AMD's, whose ports differ
  bool avx512zen5 = false;  // and are 512 bits wide
  bool avx512amx = false;   // AMX tiles and int8 products on top of it, granted by the OS
  bool neondot = false;     // Armv8.2 dot product
};
const CpuFeatures& cpu_features();
std::vector<std::string> cpu_feature_names();

struct CpuTopology {
  std::string name;
  int logical = 1;                  // processors of the machine
  int physical = 1;                 // cores
  int performance = 1;              // cores of the fastest kind
  int usable = 1;                   // processors that affinity and cgroup quota leave to this process
  int64_t l1d = 0, l2 = 0, l3 = 0;  // bytes, of one instance; 0 where unknown
};
const CpuTopology& cpu_topology();

// Threads to use unless told otherwise: one per usable performance core.
int default_threads(const CpuTopology& topology = cpu_topology());

}  // namespace pestle
