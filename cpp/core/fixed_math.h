// Elementary functions in plain double arithmetic: the same bits with every compiler and C library, which
// std::exp and std::sin do not promise. (The build forbids contraction of a * b + c.)
#pragma once

#include <cmath>
#include <cstdint>

namespace pestle {

// exp(x), relative error below 1e-13, for x <= 700; 0 below -700.
inline double fixed_exp(double x) {
  if (x < -700) return 0;
  const double n = std::nearbyint(x * 1.4426950408889634);
  const double r = (x - n * 6.93147180369123816490e-01) - n * 1.90821492927058770002e-10;
  double term = 1, sum = 1;
  for (int i = 1; i <= 14; i++) {
    term = term * r / i;
    sum += term;
  }
  return std::ldexp(sum, static_cast<int>(n));
}

// ln(x) for positive normal x, relative error below 1e-14.
inline double fixed_log(double x) {
  int exponent;
  double m = std::frexp(x, &exponent);  // [0.5, 1)
  if (m < 0.70710678118654752) {
    m *= 2;
    exponent--;
  }
  const double s = (m - 1) / (m + 1), z = s * s;
  double sum = 0;
  for (int i = 14; i >= 0; i--) sum = sum * z + 1.0 / (2 * i + 1);
  return exponent * 0.69314718055994530942 + 2 * s * sum;
}

// x^y for positive x.
inline double fixed_pow(double x, double y) { return fixed_exp(y * fixed_log(x)); }

struct SinCos { double sin, cos; };
// Absolute error below 1e-12 for |x| < 1e7: Cody-Waite reduction to [-pi/4, pi/4], then Taylor polynomials.
inline SinCos fixed_sincos(double x) {
  const double n = std::nearbyint(x * 0.63661977236758134308);
  const double r = ((x - n * 1.57079632673412561417e+00) - n * 6.07710050630396597660e-11) -
                   n * 2.02226624879595063154e-21;
  const double z = r * r;
  double s = 0, c = 0;
  for (int i = 8; i >= 1; i--) {
    s = (1 + s) * -z / ((2 * i) * (2 * i + 1));
    c = (1 + c) * -z / ((2 * i - 1) * (2 * i));
  }
  s = r * (1 + s);
  c = 1 + c;
  switch (static_cast<int64_t>(n) & 3) {
    case 0:
      return {s, c};
    case 1:
      return {c, -s};
    case 2:
      return {-s, -c};
    default:
      return {-c, s};
  }
}

}  // namespace pestle
