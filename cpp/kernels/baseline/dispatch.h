// The kernel sets in this build and which of them this machine can run.
#pragma once

#include <string>
#include <vector>

namespace pestle {

std::vector<std::string> runnable_isas();  // best first; always ends with "scalar"

}  // namespace pestle
