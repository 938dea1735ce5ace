// Up to how many activation rows each set multiplies with weights as it decodes them; more rows meet decoded
// strips. Both give the same bits, so this is a matter of time alone.
//
// The first line of a set is for 8-bit activations, the second for 15 bits. What they were chosen by:
//
// avx512zen with 8 bits: whole steps of Qwen3-4B's shape on a Zen 5, two threads, in
// Q4_0, Q4_1, Q5_0, IQ4_NL, MXFP4, Q2_K, Q3_K, Q5_K and IQ4_XS, each pure, and in Q4_K_M
// (docs/benchmarks.md). Q5_1 follows Q5_0. Registers win as long as the panels of all rows stay in L1: every
// 16 weight rows read them from end to end, where strips read them piece by piece.
//
// The rest of avx512zen, avx512vnni, avxvnni and avx2: `tools/bench_kernels.py --few` on that machine, which
// has all four sets, one thread, weights in DRAM. Whole steps can differ: there it preferred strips from 7
// rows on, which cost Q4_0 and Q4_1 a fifth. avx2 multiplies 15 bits, and some K-quants, by longer ways
// than its strips do.
//
// avx512zen5: products of 4096 x 2048 weights in turns with avx512zen's, CPU time of one thread. Its strips
// have groups of six rows, so eight of Q4_K or Q6_K take 15 to 17 % more time in them than avx512zen's. In
// registers Q4_K takes as long as there, and Q6_K, Q3_K and IQ4_XS up to 8 % longer.
//
// avx512amx and neondot: not measured. They have the rows of a group of registers, four at most.
#pragma once

#include <cstdint>

#include "kernels/format.h"

namespace pestle::direct_rows {

// clang-format off
//                                  F32 F16 BF16 Q8_0 Q4_0 Q4_1 Q5_0 Q5_1 IQ4_NL MXFP4 Q2_K Q3_K Q4_K Q5_K Q6_K IQ4_XS
constexpr uint8_t scalar[2][kFormats]     = {{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1},
                                             {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}};
constexpr uint8_t neondot[2][kFormats]    = {{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
                                             {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}};
constexpr uint8_t avx2[2][kFormats]       = {{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 2, 1, 3},
                                             {3, 3, 3, 2, 2, 2, 2, 2, 1, 2, 2, 2, 2, 2, 2, 1}};
constexpr uint8_t avxvnni[2][kFormats]    = {{3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3},
                                             {3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3, 3}};
constexpr uint8_t avx512vnni[2][kFormats] = {{6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6},
                                             {6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6, 6}};
constexpr uint8_t avx512zen[2][kFormats]  = {{6, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 7, 6, 8, 6, 7},
                                             {6, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}};
constexpr uint8_t avx512zen5[2][kFormats] = {{6, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8},
                                             {6, 6, 6, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8, 8}};
constexpr uint8_t avx512amx[2][kFormats]  = {{4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4},
                                             {4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4, 4}};
// clang-format on

}  // namespace pestle::direct_rows
