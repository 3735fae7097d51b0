// SIMD chosen at run time: a function marked PHOTOFLOW_SIMD is compiled for the baseline, for AVX2 and for AVX-512, and
// the loader takes the widest that the machine has. What it calls must be inlined (HOST_DEVICE).
#pragma once

#include "../common/scalar.h"

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__)
// Named by level where the compiler knows levels: "arch=haswell" and the like match one model of processor only.
#if __GNUC__ >= 12
#define PHOTOFLOW_AVX2 "arch=x86-64-v3"
#define PHOTOFLOW_AVX512 "arch=x86-64-v4"
#else
#define PHOTOFLOW_AVX2 "avx2"
#define PHOTOFLOW_AVX512 "avx512f"
#endif
#define PHOTOFLOW_SIMD __attribute__((target_clones("default", PHOTOFLOW_AVX2, PHOTOFLOW_AVX512)))
// Where AVX-512 is worth other code: one function for what is narrower, one for AVX-512 alone.
#define PHOTOFLOW_NARROW __attribute__((target_clones("default", PHOTOFLOW_AVX2)))
#define PHOTOFLOW_WIDE __attribute__((target(PHOTOFLOW_AVX512)))
#else
#define PHOTOFLOW_SIMD
#define PHOTOFLOW_NARROW
#endif

namespace photoflow {

// True where functions marked PHOTOFLOW_WIDE can run.
inline bool has_wide_vectors() {
#if !defined(PHOTOFLOW_WIDE)
  return false;
#elif __GNUC__ >= 12
  return __builtin_cpu_supports("x86-64-v4");
#else
  return __builtin_cpu_supports("avx512f");
#endif
}

// Vectors of kWidth numbers (GCC's and clang's vector extension), for what the compiler does not vectorise well by
// itself: interleaved data, for which it takes slow gathers and scatters. Handled by reference, since a vector's
// calling convention differs between the clones.
template <class A, int kWidth>
struct Vector;
template <>
struct Vector<float, 2> {
  typedef float type __attribute__((vector_size(8)));
};
template <>
struct Vector<float, 4> {
  typedef float type __attribute__((vector_size(16)));
};
template <>
struct Vector<float, 8> {
  typedef float type __attribute__((vector_size(32)));
};
template <>
struct Vector<double, 2> {
  typedef double type __attribute__((vector_size(16)));
};
template <>
struct Vector<double, 4> {
  typedef double type __attribute__((vector_size(32)));
};
template <>
struct Vector<double, 8> {
  typedef double type __attribute__((vector_size(64)));
};
template <>
struct Vector<float, 16> {
  typedef float type __attribute__((vector_size(64)));
};
template <>
struct Vector<double, 16> {
  typedef double type __attribute__((vector_size(128)));
};
template <>
struct Vector<int32_t, 16> {
  typedef int32_t type __attribute__((vector_size(64)));
};
template <class A, int kWidth>
using vector_t = typename Vector<A, kWidth>::type;

template <class V, class A>
HOST_DEVICE void load(V& vector, const A* from) {
  __builtin_memcpy(&vector, from, sizeof vector);
}

template <class V, class A>
HOST_DEVICE void store(A* to, const V& vector) {
  __builtin_memcpy(to, &vector, sizeof vector);
}

// Rows to columns of a 4 by 4 matrix.
template <class V>
HOST_DEVICE void transpose(V& a, V& b, V& c, V& d) {
  const V ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5), ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
  const V cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5), cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
  a = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
  b = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
  c = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
  d = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

// exp and log that the compiler can vectorise: range reduction, then a polynomial; relative error 2e-7.
HOST_DEVICE double quick_exp(double x) { return std::exp(x); }
HOST_DEVICE double quick_log(double x) { return std::log(x); }

// For x <= 88; 0 below -87.
HOST_DEVICE float quick_exp(float x) {
  const float bounded = x < -87.0f ? -87.0f : x;
  const float nearest = 12582912.0f;  // 1.5 * 2^23: adding it rounds to an integer
  const float shifted = bounded * 1.44269504088896341f + nearest;
  const float whole = shifted - nearest;
  const float r = (bounded - whole * 0.693359375f) + whole * 2.12194440e-4f;  // ln 2 in two parts
  // Taylor's coefficients: |r| <= ln 2 / 2 makes the eighth term 5e-9.
  float sum = 1.0f / 5040.0f;
  sum = sum * r + 1.0f / 720.0f;
  sum = sum * r + 1.0f / 120.0f;
  sum = sum * r + 1.0f / 24.0f;
  sum = sum * r + 1.0f / 6.0f;
  sum = sum * r + 0.5f;
  sum = sum * r + 1.0f;
  sum = sum * r + 1.0f;
  // `whole` as an integer is what `shifted` is above `nearest` in its bits; a conversion would be undefined for NaN.
  const uint32_t power = __builtin_bit_cast(uint32_t, shifted) - __builtin_bit_cast(uint32_t, nearest);
  const float value = sum * __builtin_bit_cast(float, (power + 127) << 23);
  return x < -87.0f ? 0.0f : value;
}

// For normal positive x.
HOST_DEVICE float quick_log(float x) {
  const int32_t bits = __builtin_bit_cast(int32_t, x);
  // The mantissa in [sqrt(1/2), sqrt(2)): log(m) = 2 artanh((m - 1) / (m + 1)), the argument at most 0.1716.
  const int32_t power = (bits - 0x3f3504f3) >> 23;
  const float mantissa = __builtin_bit_cast(float, bits - power * (1 << 23));
  const float s = (mantissa - 1.0f) / (mantissa + 1.0f), q = s * s;
  float sum = 2.0f / 9.0f;
  sum = sum * q + 2.0f / 7.0f;
  sum = sum * q + 2.0f / 5.0f;
  sum = sum * q + 2.0f / 3.0f;
  sum = sum * q + 2.0f;
  return static_cast<float>(power) * 0.69314718056f + sum * s;
}

}  // namespace photoflow
