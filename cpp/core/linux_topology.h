// Cores and quotas as Linux tells them in /sys and /proc. Plain files, so that tests can make machines up.
#pragma once

#include <set>
#include <string>

#include "core/cpu.h"

namespace pestle {

// The machine below `root` ("" is this one), for a process that may run on the processors `allowed`.
CpuTopology linux_topology(const std::string& root, const std::set<int>& allowed);

// Ids of a list as Linux writes them: "0-3,8".
std::set<int> parse_cpu_list(const std::string& text);

}  // namespace pestle
