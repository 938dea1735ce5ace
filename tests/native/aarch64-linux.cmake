# A CMake toolchain: static aarch64 Linux programs by the Clang of `pip install ziglang`.
#   cmake -DCMAKE_TOOLCHAIN_FILE=tests/native/aarch64-linux.cmake -DPESTLE_ZIG=/path/to/ziglang/zig ...
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES PESTLE_ZIG)
# musl links statically: qemu-user needs no Arm libraries to run the result.
set(CMAKE_CXX_COMPILER ${PESTLE_ZIG} c++ -target aarch64-linux-musl)
# zig's linker knows no --dependency-file, with which CMake 3.27 and later ask for what was linked.
set(CMAKE_LINK_DEPENDS_USE_LINKER OFF)
