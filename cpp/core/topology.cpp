// Cores, caches, affinity and quota: Linux reads /sys and /proc, macOS asks sysctl, Windows its logical
// processors.
#include <algorithm>
#include <string>
#include <thread>

#include "core/cpu.h"

#if defined(__linux__)
#include <sched.h>

#include <set>

#include "core/linux_topology.h"
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#endif

namespace pestle {
namespace {

#if defined(__linux__)
// Empty when the kernel's masks have more bits.
std::set<int> allowed_of(int bits) {
  std::set<int> ids;
  cpu_set_t* mask = CPU_ALLOC(bits);
  const size_t size = CPU_ALLOC_SIZE(bits);
  if (mask && sched_getaffinity(0, size, mask) == 0)
    for (int i = 0; i < bits; i++)
      if (CPU_ISSET_S(i, size, mask)) ids.insert(i);
  CPU_FREE(mask);
  return ids;
}
std::set<int> allowed_processors() {
  for (int bits = CPU_SETSIZE; bits <= 1 << 16; bits *= 2)  // a cpu_set_t is too small on large machines
    if (std::set<int> ids = allowed_of(bits); !ids.empty()) return ids;
  std::set<int> ids;
  for (unsigned i = 0; i < std::max(1u, std::thread::hardware_concurrency()); i++)
    ids.insert(static_cast<int>(i));
  return ids;
}
CpuTopology detect() { return linux_topology("", allowed_processors()); }
#elif defined(__APPLE__)
int64_t ask(const char* name, int64_t absent) {
  int64_t v = 0;
  size_t size = sizeof v;
  return sysctlbyname(name, &v, &size, nullptr, 0) == 0 ? v : absent;
}
CpuTopology detect() {
  CpuTopology t;
  char name[256] = "";
  size_t size = sizeof name;
  if (sysctlbyname("machdep.cpu.brand_string", name, &size, nullptr, 0) == 0) t.name = name;
  t.logical = static_cast<int>(ask("hw.logicalcpu", 1));
  t.physical = static_cast<int>(ask("hw.physicalcpu", t.logical));
  t.performance = static_cast<int>(ask("hw.perflevel0.physicalcpu", t.physical));
  t.usable = t.logical;
  t.l1d = ask("hw.perflevel0.l1dcachesize", ask("hw.l1dcachesize", 0));
  t.l2 = ask("hw.perflevel0.l2cachesize", ask("hw.l2cachesize", 0));
  t.l3 = ask("hw.l3cachesize", 0);
  return t;
}
#elif defined(_WIN32)
CpuTopology detect() {
  CpuTopology t;
  t.logical = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  DWORD bytes = 0;
  GetLogicalProcessorInformationEx(RelationProcessorCore, nullptr, &bytes);
  std::string buffer(bytes, '\0');
  auto* first = reinterpret_cast<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX*>(buffer.data());
  int cores = 0, best = 0, fast = 0;
  if (bytes && GetLogicalProcessorInformationEx(RelationProcessorCore, first, &bytes)) {
    for (DWORD at = 0; at < bytes;) {
      auto* p = reinterpret_cast<SYSTEM_LOGICAL_PROCESSOR_INFORMATION_EX*>(buffer.data() + at);
      const int kind = p->Processor.EfficiencyClass;  // higher is faster
      if (kind > best) best = kind, fast = 0;
      if (kind == best) fast++;
      cores++;
      at += p->Size;
    }
  }
  t.physical = cores ? cores : t.logical;
  t.performance = fast ? fast : t.physical;
  DWORD_PTR process = 0, system = 0;
  t.usable = t.logical;
  if (GetProcessAffinityMask(GetCurrentProcess(), &process, &system) && process)
    t.usable = std::min(t.logical, static_cast<int>(__builtin_popcountll(process)));
  return t;
}
#else
CpuTopology detect() {
  CpuTopology t;
  t.logical = t.physical = t.performance = t.usable =
      static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  return t;
}
#endif

}  // namespace

const CpuTopology& cpu_topology() {
  static const CpuTopology topology = detect();
  return topology;
}

}  // namespace pestle
