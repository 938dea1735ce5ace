// What code relies on and its callers see to: shapes, alignments, bounds. Builds with sanitizers define
// PESTLE_CHECK_ASSUMPTIONS (CMakeLists.txt); there a condition that does not hold is named on stderr and ends
// the process. Elsewhere nothing is evaluated. What a file or a user may get wrong is an error, not this.
//
// No inline function stands here, so sources that are compiled once per instruction set may include it.
#pragma once

#if defined(PESTLE_CHECK_ASSUMPTIONS)
namespace pestle {
[[noreturn]] void assumption_failed(const char* condition, const char* file, int line);
}
#define PESTLE_ASSUME(...) \
  ((__VA_ARGS__) ? static_cast<void>(0) : ::pestle::assumption_failed(#__VA_ARGS__, __FILE__, __LINE__))
#else
// Compiled, so that it cannot rot, and not evaluated.
#define PESTLE_ASSUME(...) static_cast<void>(sizeof(!(__VA_ARGS__)))
#endif
