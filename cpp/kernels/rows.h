// From a run-time count of rows to a kernel compiled for it.
#pragma once

#include "core/assume.h"
#include "simd.h"

// Evaluates `call` with the constant M equal to m, for m in [1, Max].
#define PESTLE_FOR_ROWS(m, Max, call)      \
  PESTLE_ASSUME((m) >= 1 && (m) <= (Max)); \
  switch (m) {                             \
    case 1: {                              \
      constexpr int M = 1;                 \
      call;                                \
      break;                               \
    }                                      \
    case 2: {                              \
      constexpr int M = Max >= 2 ? 2 : 1;  \
      call;                                \
      break;                               \
    }                                      \
    case 3: {                              \
      constexpr int M = Max >= 3 ? 3 : 1;  \
      call;                                \
      break;                               \
    }                                      \
    case 4: {                              \
      constexpr int M = Max >= 4 ? 4 : 1;  \
      call;                                \
      break;                               \
    }                                      \
    case 5: {                              \
      constexpr int M = Max >= 5 ? 5 : 1;  \
      call;                                \
      break;                               \
    }                                      \
    case 6: {                              \
      constexpr int M = Max >= 6 ? 6 : 1;  \
      call;                                \
      break;                               \
    }                                      \
    case 7: {                              \
      constexpr int M = Max >= 7 ? 7 : 1;  \
      call;                                \
      break;                               \
    }                                      \
    case 8: {                              \
      constexpr int M = Max >= 8 ? 8 : 1;  \
      call;                                \
      break;                               \
    }                                      \
  }
static_assert(pestle::PESTLE_ISA_NAMESPACE::simd::kMaxRows <= 8);
