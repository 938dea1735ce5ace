// What the kernels ask of the compiler. GCC, Clang and clang-cl only (CMakeLists.txt refuses others).
#pragma once

#define PESTLE_INLINE [[gnu::always_inline]] inline
#define PESTLE_INLINE_LAMBDA __attribute__((always_inline))
#define PESTLE_NOINLINE [[gnu::noinline]]
#if defined(PESTLE_NO_UNROLL)
#define PESTLE_UNROLL  // plain C++ gains nothing from it, and compiles for minutes
#elif defined(__clang__)
#define PESTLE_UNROLL _Pragma("clang loop unroll(full)")
#else
#define PESTLE_UNROLL _Pragma("GCC unroll 16")
#endif
