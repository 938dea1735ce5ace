#include "core/linux_topology.h"

#include <algorithm>
#include <cmath>
#include <fstream>
#include <iterator>
#include <sstream>
#include <vector>

namespace pestle {
namespace {

std::string read_line(const std::string& path) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  return line;
}
double read_number(const std::string& path, double absent) {
  std::istringstream in(read_line(path));
  double v;
  return in >> v ? v : absent;
}
int64_t read_size(const std::string& path) {  // "2048K"
  std::istringstream in(read_line(path));
  int64_t v = 0;
  char unit = 0;
  in >> v >> unit;
  return unit == 'K' ? v << 10 : unit == 'M' ? v << 20 : v;
}

// Processors that a version 2 group grants, "150000 100000" in microseconds, or "max 100000".
double quota_v2(const std::string& folder) {
  std::istringstream in(read_line(folder + "/cpu.max"));
  double share, period;
  return in >> share >> period && period > 0 ? share / period : INFINITY;
}
double quota_v1(const std::string& folder) {
  const double share = read_number(folder + "/cpu.cfs_quota_us", -1);
  const double period = read_number(folder + "/cpu.cfs_period_us", 0);
  return share > 0 && period > 0 ? share / period : INFINITY;
}
// The least of a group and all above it. In a container the path may be the host's: then only the root is
// there, and it is the container's own.
template <class Quota>
double least_quota(const std::string& mount, std::string path, Quota quota) {
  double least = quota(mount);
  while (path.size() > 1) {
    least = std::min(least, quota(mount + path));
    path.resize(path.rfind('/'));
  }
  return least;
}
bool lists(const std::string& controllers, const std::string& name) {
  return ("," + controllers + ",").find("," + name + ",") != std::string::npos;
}
// /proc/self/cgroup: "0::/user.slice" for version 2, "4:cpu,cpuacct:/docker/abc" for version 1.
double quota(const std::string& root) {
  const std::string mounts = root + "/sys/fs/cgroup";
  double least = INFINITY;
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (second == std::string::npos || line.compare(second + 1, 1, "/") != 0) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1),
                      path = line.substr(second + 1);
    if (controllers.empty()) {
      for (const char* mount : {"", "/unified"})
        least = std::min(least, least_quota(mounts + mount, path, quota_v2));
    } else if (lists(controllers, "cpu")) {
      for (const std::string& mount : {std::string("/cpu"), "/" + controllers})
        least = std::min(least, least_quota(mounts + mount, path, quota_v1));
    }
  }
  return least;
}

struct Processor {
  int id;
  int core;  // the first processor of its core
  double speed;
};

std::vector<Processor> processors(const std::string& root) {
  const std::string system = root + "/sys/devices/system/cpu/";
  std::vector<Processor> found;
  for (int id : parse_cpu_list(read_line(system + "online"))) {
    const std::string cpu = system + "cpu" + std::to_string(id) + "/";
    // Core ids are not unique where clusters count their own; siblings name the core for certain.
    std::set<int> siblings = parse_cpu_list(read_line(cpu + "topology/core_cpus_list"));
    if (siblings.empty()) siblings = parse_cpu_list(read_line(cpu + "topology/thread_siblings_list"));
    const double speed = read_number(cpu + "cpu_capacity", read_number(cpu + "cpufreq/cpuinfo_max_freq", 1));
    found.push_back({id, siblings.empty() ? id : *siblings.begin(), speed});
  }
  return found;
}

// Of the processors, those of the fastest kind: Intel's hybrids name the slow ones; elsewhere a core's
// capacity or highest frequency tells. Favoured cores of one kind differ by a few percent, kinds by a third.
std::vector<Processor> fastest(const std::string& root, const std::vector<Processor>& all) {
  const std::set<int> slow = parse_cpu_list(read_line(root + "/sys/devices/cpu_atom/cpus"));
  std::vector<Processor> fast;
  std::copy_if(all.begin(), all.end(), std::back_inserter(fast),
               [&](const Processor& p) { return !slow.contains(p.id); });
  if (fast.empty()) fast = all;
  double best = 0;
  for (const Processor& p : fast) best = std::max(best, p.speed);
  std::erase_if(fast, [&](const Processor& p) { return p.speed < 0.8 * best; });
  return fast;
}

int cores(const std::vector<Processor>& processors) {
  std::set<int> ids;
  for (const Processor& p : processors) ids.insert(p.core);
  return static_cast<int>(ids.size());
}

void read_caches(const std::string& folder, CpuTopology& t) {
  for (int i = 0; i < 8; i++) {
    const std::string cache = folder + "/index" + std::to_string(i) + "/";
    const int64_t size = read_size(cache + "size");
    const double level = read_number(cache + "level", 0);
    if (level == 1 && read_line(cache + "type") == "Data") t.l1d = size;
    if (level == 2) t.l2 = size;
    if (level == 3) t.l3 = size;
  }
}

std::string model_name(const std::string& root) {
  std::ifstream info(root + "/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (line.starts_with("model name") && line.find(": ") != std::string::npos)
      return line.substr(line.find(": ") + 2);
  return {};
}

}  // namespace

std::set<int> parse_cpu_list(const std::string& text) {
  std::set<int> ids;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) {
    int first, last;
    char dash;
    std::istringstream range(part);
    if (!(range >> first)) continue;
    if (!(range >> dash >> last)) last = first;
    for (int id = first; id <= std::min(last, first + 65535); id++) ids.insert(id);
  }
  return ids;
}

CpuTopology linux_topology(const std::string& root, const std::set<int>& allowed) {
  CpuTopology t;
  t.name = model_name(root);
  const std::vector<Processor> all = processors(root);
  std::vector<Processor> mine;
  std::copy_if(all.begin(), all.end(), std::back_inserter(mine),
               [&](const Processor& p) { return allowed.contains(p.id); });
  if (mine.empty()) {  // /sys says nothing: take each processor for a core
    t.logical = t.physical = t.performance = t.usable = static_cast<int>(allowed.size());
  } else {
    const std::vector<Processor> fast = fastest(root, mine);
    t.logical = static_cast<int>(all.size());
    t.physical = cores(all);
    t.performance = cores(fast);
    t.usable = static_cast<int>(mine.size());
    read_caches(root + "/sys/devices/system/cpu/cpu" + std::to_string(fast.front().id) + "/cache", t);
  }
  t.usable = static_cast<int>(std::max(1.0, std::min<double>(t.usable, std::ceil(quota(root)))));
  return t;
}

}  // namespace pestle
