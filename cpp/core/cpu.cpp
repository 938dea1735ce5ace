#include "core/cpu.h"

#include <algorithm>
#include <cstring>
#include <thread>

#if defined(__x86_64__) || defined(_M_X64)
#include <cpuid.h>
#endif
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#if defined(_WIN32)
#define NOMINMAX
#include <windows.h>
#endif

namespace pestle {
namespace {

#if defined(__x86_64__) || defined(_M_X64)
struct Leaf { unsigned a = 0, b = 0, c = 0, d = 0; };
Leaf cpuid(unsigned leaf, unsigned sub) {
  Leaf r;
  if (!__get_cpuid_count(leaf, sub, &r.a, &r.b, &r.c, &r.d)) return {};
  return r;
}
bool bit(unsigned word, int i) { return word >> i & 1; }

bool made_by(const char (&vendor)[13]) {
  const Leaf zero = cpuid(0, 0);
  const unsigned name[3] = {zero.b, zero.d, zero.c};
  return std::memcmp(name, vendor, sizeof(name)) == 0;
}

// Zen 5 with ports of 512 bits: servers (models below 0x20) and desktops (0x4_). Those of laptops have 256,
// as Zen 4 has. The bit that tells it, FP512 of leaf 0x8000001a, is hidden from virtual machines.
bool is_zen5(unsigned signature) {
  const unsigned family = (signature >> 8 & 15) + (signature >> 20 & 255);
  const unsigned model = (signature >> 4 & 15) | (signature >> 12 & 0xf0);
  return family == 0x1a && (model < 0x20 || model >> 4 == 4);
}

// Linux lends the tiles only to processes that ask for them (kernel documentation, x86/xstate).
bool tiles_granted() {
#if defined(__linux__)
  constexpr long kRequestPermission = 0x1023, kTileData = 18;
  return syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
#else
  return false;
#endif
}

CpuFeatures detect() {
  CpuFeatures f;
  const Leaf one = cpuid(1, 0), seven = cpuid(7, 0), seven_one = cpuid(7, 1);
  if (!bit(one.c, 27)) return f;  // OSXSAVE: without it the OS saves no wide registers
  unsigned low, high;
  __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const bool os_avx = (low & 0x6) == 0x6, os_avx512 = (low & 0xe6) == 0xe6;
  f.avx2 = os_avx && bit(seven.b, 5) && bit(one.c, 12) && bit(one.c, 29);
  f.avxvnni = f.avx2 && bit(seven_one.a, 4);
  f.avx512vnni = f.avx2 && os_avx512 && bit(seven.b, 16) && bit(seven.b, 17) && bit(seven.b, 30) &&
                 bit(seven.b, 31) && bit(seven.c, 11);
  f.avx512zen = f.avx512vnni && made_by("AuthenticAMD");
  f.avx512zen5 = f.avx512zen && is_zen5(one.a);
  f.avx512amx =
      f.avx512vnni && (low & 0x60000) == 0x60000 && bit(seven.d, 24) && bit(seven.d, 25) && tiles_granted();
  return f;
}
#elif defined(__aarch64__) || defined(_M_ARM64)
CpuFeatures detect() {
  CpuFeatures f;
#if defined(__linux__)
  f.neondot = getauxval(AT_HWCAP) >> 20 & 1;  // HWCAP_ASIMDDP
#elif defined(_WIN32)
  f.neondot = IsProcessorFeaturePresent(43);  // PF_ARM_V82_DP_INSTRUCTIONS_AVAILABLE
#else
  f.neondot = true;  // every Apple silicon Mac
#endif
  return f;
}
#else
CpuFeatures detect() { return {}; }
#endif

}  // namespace

const CpuFeatures& cpu_features() {
  static const CpuFeatures features = detect();
  return features;
}

std::vector<std::string> cpu_feature_names() {
  std::vector<std::string> names;
  const CpuFeatures& f = cpu_features();
  if (f.avx2) names.emplace_back("avx2");
  if (f.avxvnni) names.emplace_back("avxvnni");
  if (f.avx512vnni) names.emplace_back("avx512vnni");
  if (f.avx512zen) names.emplace_back("avx512zen");
  if (f.avx512zen5) names.emplace_back("avx512zen5");
  if (f.avx512amx) names.emplace_back("avx512amx");
  if (f.neondot) names.emplace_back("neondot");
  return names;
}

int default_threads(const CpuTopology& t) { return std::max(1, std::min(t.performance, t.usable)); }

}  // namespace pestle
