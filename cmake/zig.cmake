# A CMake toolchain: the Clang of `pip install ziglang`, which compiles for other systems and for old versions of glibc.
#   cmake -DCMAKE_TOOLCHAIN_FILE=cmake/zig.cmake -DPESTLE_ZIG=/path/to/ziglang/zig -DPESTLE_ZIG_TARGET=x86_64-linux-gnu.2.28
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PESTLE_ZIG PESTLE_ZIG_TARGET PESTLE_ZIG_INCLUDE)
if(NOT PESTLE_ZIG_TARGET MATCHES "^(x86_64|aarch64)-(linux|windows|macos)[-.]")
  message(FATAL_ERROR "PESTLE_ZIG_TARGET is `${PESTLE_ZIG_TARGET}`, expected x86_64 or aarch64, then linux, windows or macos")
endif()
set(CMAKE_SYSTEM_PROCESSOR ${CMAKE_MATCH_1})
set(PESTLE_SYSTEM_linux Linux)
set(PESTLE_SYSTEM_windows Windows)
set(PESTLE_SYSTEM_macos Darwin)
set(CMAKE_SYSTEM_NAME ${PESTLE_SYSTEM_${CMAKE_MATCH_2}})
set(CMAKE_CXX_COMPILER ${PESTLE_ZIG} c++ -target ${PESTLE_ZIG_TARGET})
# zig tells Clang every extension that the target has not, 512-bit registers among them: -mavx512f alone lacks them.
if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
  list(APPEND CMAKE_CXX_COMPILER -mcpu=x86_64+evex512)
endif()
# No debug information, and no path of this machine.
set(CMAKE_CXX_FLAGS_INIT "-g0 -ffile-prefix-map=${CMAKE_SOURCE_DIR}=.")
if(PESTLE_ZIG_INCLUDE) # a folder of headers besides the target's own
  string(APPEND CMAKE_CXX_FLAGS_INIT " -isystem ${PESTLE_ZIG_INCLUDE}")
endif()
set(CMAKE_MODULE_LINKER_FLAGS_INIT "-s")
set(CMAKE_EXE_LINKER_FLAGS_INIT "-s")
# The system's ar knows its own objects only.
set(CMAKE_CXX_ARCHIVE_CREATE "${PESTLE_ZIG} ar qc <TARGET> <OBJECTS>")
set(CMAKE_CXX_ARCHIVE_FINISH "${PESTLE_ZIG} ranlib <TARGET>")
# zig's linker knows no --dependency-file, with which CMake 3.27 and later ask for what was linked.
set(CMAKE_LINK_DEPENDS_USE_LINKER OFF)
