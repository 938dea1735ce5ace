// Where the searches begin. Each set was chosen greedily, most useful first, from a fine grid: the next guess
// is the one that lowers the mean error most over blocks of Gaussian, Laplacian and Student's t (5 degrees of
// freedom) numbers, without weights and with log-normal ones. Types whose plain quantization has to be fast
// have few. Numbers that are quantized already meet their own codes again.
#pragma once

#include "quantize/line.h"

namespace pestle::PESTLE_ISA_NAMESPACE::quantize {

// How often super-blocks compute their scales again from their codes.
inline constexpr int kTurns = 2;

inline constexpr float kQ8_0[] = {127, 126, 125, 124, 123, 122, 121, 120};

inline constexpr float kQ4_0[] = {-8.3f, -7.1f, -8.7f, -7.7f};
inline constexpr float kQ4_0Weighted[] = {-8.3f, -9.2f, -7.2f, -7.9f, -10, -8.7f, -6.2f, 8.5f,  -6.9f,
                                          -7.6f, 9.5f,  -9.6f, -8,    8,   -8.5f, -8.9f, -7.0f, 7};
inline constexpr float kQ5_0[] = {-16.1f, -15.1f, -16.5f, -14.1f, -15.7f, -14.7f, -13.1f};
inline constexpr float kQ5_0Weighted[] = {-16.2f, -15.1f, -17,    -14,    -15.8f, -13.1f, -18, -16.6f, -14.7f,
                                          -12.1f, -17.4f, -15.4f, -14.3f, -13.7f, -16,    -15, 15,     16.7f};
inline constexpr float kIq4[] = {-129, 115, -137, -122, -108, 122, 109, -133, -126, -103, -141, -112};
inline constexpr float kIq4Weighted[] = {-129, 115,  -142, -109, -122, 127, -156, -135,
                                         108,  -103, 139,  90,   121,  -88, -126, -148};
inline constexpr float kQ3_K[] = {-4.3f, -3.2f, -5.2f, -3.8f, 4.6f,  -4,  -6,
                                  -4.7f, 4,     -2.9f, -3.5f, -2.3f, 5.3f};
inline constexpr float kQ6_K[] = {-32, -31, -30, -29,     -28,     -27,     -32.6f,  -26,
                                  -25, 24,  31,  -31.75f, -31.25f, -30.75f, -30.25f, -29.75f};

inline constexpr LineGuess kQ4_1[] = {{0.4f, 0}, {-0.2f, 0.45f}, {0.2f, 0.2f}};
inline constexpr LineGuess kQ5_1[] = {{0, 0}, {0.25f, -0.75f}, {-0.25f, 0.25f}, {0.25f, -0.25f}, {0, -1}};
inline constexpr LineGuess kFourBits[] = {
    {0.25f, 0.25f}, {-0.25f, 0.5f}, {0.5f, 0},      {0, -1},          {0, 0.25f},   {1, 0},     {0, -0.25f},
    {0.25f, 1},     {-1, -1},       {0.75f, 0.75f}, {-0.75f, -0.25f}, {0, -0.75f},  {0, 1.25f}, {0, 0.5f},
    {1, 0.5f},      {1.75f, 0.25f}, {0.5f, -0.25f}, {0, 0},           {-1, -0.75f}, {0.25f, -1}};
inline constexpr LineGuess kFiveBits[] = {
    {0, 0},         {0.25f, -0.75f}, {0.5f, 0},      {-0.25f, 0.25f}, {-1, -1},         {0, -1.25f},
    {-0.25f, -1},   {0.25f, -0.25f}, {0.5f, 0.5f},   {-1.5f, -0.75f}, {1, 0},           {-0.25f, 0.75f},
    {0, -0.25f},    {-1, -0.75f},    {0, -1},        {0.25f, 1},      {-0.75f, -1.25f}, {0, 0.5f},
    {0.75f, 0.25f}, {-0.25f, 0},     {0.25f, -1.25f}};
inline constexpr LineGuess kTwoBits[] = {
    {0.38f, 0.38f}, {0.7f, 0.12f},  {0, 0.6f},      {0, 0},          {0.25f, 1.3f},   {0.12f, 0.12f},
    {0.38f, 0},     {0.75f, 0.88f}, {-0.9f, 0.12f}, {1.2f, 0},       {1.25f, 0.62f},  {0.5f, 1.1f},
    {0, 1.5f},      {0.5f, 0.25f},  {0.25f, 0.5f},  {0.12f, -0.12f}, {0.62f, -0.12f}, {-0.12f, 0.62f}};

}  // namespace pestle::PESTLE_ISA_NAMESPACE::quantize
