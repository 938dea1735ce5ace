#include "core/assume.h"

#if defined(PESTLE_CHECK_ASSUMPTIONS)
#include <cstdio>
#include <exception>

namespace pestle {

void assumption_failed(const char* condition, const char* file, int line) {
  std::fprintf(stderr, "%s:%d: this must hold: %s\n", file, line, condition);
  std::terminate();
}

}  // namespace pestle
#endif
