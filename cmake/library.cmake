# libpestle.a: everything but the bindings. It knows nothing of Python.
# One OBJECT library per instruction set, <layer>_<isa>: its own flags, its own namespace.
function(pestle_isa_objects layer isa sources)
  set(objects ${layer}_${isa})
  add_library(${objects} OBJECT ${sources})
  target_include_directories(${objects} PRIVATE cpp)
  target_compile_definitions(${objects} PRIVATE PESTLE_ISA_NAMESPACE=${isa})
  target_compile_options(${objects} PRIVATE ${PESTLE_FLAGS} ${ARGN})
  set_target_properties(${objects} PROPERTIES INTERPROCEDURAL_OPTIMIZATION OFF)
  target_sources(pestle PRIVATE $<TARGET_OBJECTS:${objects}>)
endfunction()
function(pestle_kernel_objects isa sources)
  pestle_isa_objects(kernels ${isa} "${sources}" ${ARGN})
  target_compile_definitions(pestle PRIVATE PESTLE_HAS_${isa})
endfunction()
# The quantizers, which need no more of a set than the width of its registers.
function(pestle_quantizers isa)
  pestle_isa_objects(quantize ${isa} "cpp/quantize/block_scale.cpp;cpp/quantize/block_line.cpp;cpp/quantize/block_mxfp4.cpp;cpp/quantize/super_scale.cpp;cpp/quantize/super_line.cpp;cpp/quantize/floats.cpp;cpp/quantize/table.cpp"
                     ${ARGN})
endfunction()

# A whole set: the same sources over its simd.h.
function(pestle_kernels isa)
  pestle_kernel_objects(${isa} "cpp/kernels/gemm.cpp;cpp/kernels/attention.cpp;cpp/kernels/kv_store.cpp;cpp/kernels/elementwise.cpp;cpp/kernels/panels.cpp;cpp/kernels/table.cpp"
                        ${ARGN})
  target_include_directories(kernels_${isa} PRIVATE cpp/kernels/${isa})
endfunction()

file(GLOB PESTLE_SOURCES CONFIGURE_DEPENDS cpp/core/*.cpp cpp/gguf/*.cpp cpp/model/*.cpp cpp/model/arch/*.cpp
     cpp/runtime/*.cpp cpp/kernels/baseline/*.cpp cpp/quantize/baseline/*.cpp)
add_library(pestle STATIC ${PESTLE_SOURCES})
target_include_directories(pestle PUBLIC cpp)
target_compile_options(pestle PRIVATE ${PESTLE_FLAGS})
# A third of what GCC takes for one of these files are the standard library's headers. ccache keeps nothing that was
# compiled with a precompiled one.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  target_precompile_headers(pestle PRIVATE <algorithm> <array> <atomic> <chrono> <cmath> <cstdint> <cstring> <functional>
                            <limits> <memory> <mutex> <optional> <span> <stdexcept> <string> <string_view> <utility>
                            <vector>)
endif()
find_package(Threads REQUIRED)
target_link_libraries(pestle PUBLIC Threads::Threads)

pestle_kernels(scalar -DPESTLE_NO_UNROLL)
pestle_quantizers(scalar)
# A universal macOS build compiles each half on its own: cibuildwheel makes one wheel per architecture.
if(CMAKE_OSX_ARCHITECTURES)
  set(PESTLE_ARCH "${CMAKE_OSX_ARCHITECTURES}")
else()
  set(PESTLE_ARCH "${CMAKE_SYSTEM_PROCESSOR}")
endif()
if(PESTLE_SCALAR_ONLY)
  message(STATUS "Only the scalar kernels are built")
elseif(PESTLE_ARCH MATCHES "^(x86_64|AMD64|amd64|x64)$")
  # GCC's substitution of single-use values moves products away from their sums, which spills the sixteen registers:
  # without it the products for many rows are 1.3 to 1.45 times as fast.
  pestle_kernels(avx2 -mavx2 -mfma -mf16c $<$<CXX_COMPILER_ID:GNU>:-fno-tree-ter>)
  pestle_kernels(avxvnni -mavx2 -mfma -mf16c -mavxvnni)
  set(PESTLE_AVX512VNNI -mavx2 -mfma -mf16c -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni)
  pestle_kernels(avx512vnni ${PESTLE_AVX512VNNI})
  pestle_quantizers(avx2 -mavx2)
  pestle_quantizers(avx512vnni -mavx2 -mavx512f -mavx512bw -mavx512vl -mavx512dq)
  # Each is avx512vnni with one kernel of its own.
  pestle_kernel_objects(avx512zen cpp/kernels/avx512zen/gemm.cpp ${PESTLE_AVX512VNNI})
  target_include_directories(kernels_avx512zen PRIVATE cpp/kernels/avx512vnni)
  pestle_kernel_objects(avx512amx cpp/kernels/avx512amx/gemm.cpp ${PESTLE_AVX512VNNI} -mamx-tile -mamx-int8)
  target_include_directories(kernels_avx512amx PRIVATE cpp/kernels/avx512vnni)
elseif(PESTLE_ARCH MATCHES "^(aarch64|arm64|ARM64)$")
  # Every Mac's processor multiplies bytes, and compilers for macOS know it.
  pestle_kernels(neondot $<$<NOT:$<PLATFORM_ID:Darwin>>:-mcpu=generic+dotprod>)
  pestle_quantizers(neondot)
endif()
