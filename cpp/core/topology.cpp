// Cores, caches, affinity and quota: Linux reads /sys and /proc, macOS asks sysctl, Windows its logical
// processors.
#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <sstream>
#include <thread>

#include "core/cpu.h"

#if defined(__linux__)
#include <sched.h>
#elif defined(__APPLE__)
#include <sys/sysctl.h>
#elif defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#endif

namespace pestle {
namespace {

#if defined(__linux__)
std::string read_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}
int64_t read_number(const std::string& path, int64_t absent) {
  std::istringstream in(read_line(path));
  int64_t v;
  return in >> v ? v : absent;
}
int64_t read_size(const std::string& path) {  // "2048K"
  std::istringstream in(read_line(path));
  int64_t v = 0;
  char unit = 0;
  in >> v >> unit;
  return unit == 'K' ? v << 10 : unit == 'M' ? v << 20 : v;
}

// Processors that the CPU controller of this process's cgroup grants: v2 "max 100000" or "150000 100000", or
// v1.
double quota() {
  double limit = 1e9;
  std::ifstream groups("/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t second = line.find(':', line.find(':') + 1);
    if (line.rfind("0::", 0) != 0) continue;
    for (std::string path = line.substr(second + 1);; path = path.substr(0, path.rfind('/'))) {
      std::istringstream in(read_line("/sys/fs/cgroup" + path + "/cpu.max"));
      double share, period;
      if (in >> share >> period && period > 0) limit = std::min(limit, share / period);
      if (path.empty() || path == "/") break;
    }
  }
  const double share = static_cast<double>(read_number("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", -1));
  const double period = static_cast<double>(read_number("/sys/fs/cgroup/cpu/cpu.cfs_period_us", 0));
  if (share > 0 && period > 0) limit = std::min(limit, share / period);
  return limit;
}

CpuTopology detect() {
  CpuTopology t;
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.rfind("model name", 0) == 0) {
      t.name = line.substr(line.find(':') + 2);
      break;
    }
  t.logical = std::max(1u, std::thread::hardware_concurrency());
  cpu_set_t allowed;
  CPU_ZERO(&allowed);
  const bool have_mask = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
  std::set<std::pair<int64_t, int64_t>> cores, fast;
  int64_t best = 0;
  int mine = 0;
  const std::string cpus = "/sys/devices/system/cpu/cpu";
  // Hybrid processors: a core's capacity (Arm) or its maximum frequency (x86) tells the kinds apart.
  const auto speed = [&](int i) {
    const std::string cpu = cpus + std::to_string(i);
    return read_number(cpu + "/cpu_capacity", read_number(cpu + "/cpufreq/cpuinfo_max_freq", 1));
  };
  int found = 0;
  for (int i = 0; i < 4096 && found < 4096; i++) {
    const std::string topology = cpus + std::to_string(i) + "/topology/";
    const int64_t core = read_number(topology + "core_id", -1);
    if (core < 0) {
      if (i >= t.logical) break;
      continue;
    }
    found++;
    if (have_mask && !CPU_ISSET(i, &allowed)) continue;
    mine++;
    best = std::max(best, speed(i));
  }
  for (int i = 0; i < 4096; i++) {
    const std::string topology = cpus + std::to_string(i) + "/topology/";
    const int64_t core = read_number(topology + "core_id", -1);
    if (core < 0) {
      if (i >= std::max(found, t.logical)) break;
      continue;
    }
    const std::pair<int64_t, int64_t> id{read_number(topology + "physical_package_id", 0), core};
    cores.insert(id);
    if (have_mask && !CPU_ISSET(i, &allowed)) continue;
    // Favoured cores of one kind differ by a few percent; efficiency cores by a third.
    if (static_cast<double>(speed(i)) >= 0.8 * static_cast<double>(best)) fast.insert(id);
  }
  t.logical = std::max(t.logical, found);
  t.physical = cores.empty() ? t.logical : static_cast<int>(cores.size());
  t.performance = fast.empty() ? t.physical : static_cast<int>(fast.size());
  if (mine == 0) mine = have_mask ? CPU_COUNT(&allowed) : t.logical;
  t.usable = std::max(1, std::min(mine, static_cast<int>(std::ceil(std::min(quota(), 1e6)))));
  for (int i = 0; i < 8; i++) {
    const std::string cache = cpus + "0/cache/index" + std::to_string(i) + "/";
    const int64_t level = read_number(cache + "level", 0), size = read_size(cache + "size");
    if (level == 1 && read_line(cache + "type") == "Data") t.l1d = size;
    if (level == 2) t.l2 = size;
    if (level == 3) t.l3 = size;
  }
  return t;
}
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
