// The scalar types of the operators and the arithmetic they accumulate in.
#pragma once

#include <torch/headeronly/util/BFloat16.h>
#include <torch/headeronly/util/Half.h>

#include <cmath>
#include <cstdint>
#include <limits>

#if defined(__CUDACC__)
#define HOST_DEVICE __host__ __device__ __forceinline__
#elif defined(__GNUC__)
// Inlined by force, so that each SIMD clone of a CPU kernel compiles its own copy.
#define HOST_DEVICE inline __attribute__((always_inline))
#else
#define HOST_DEVICE inline
#endif

namespace photoflow {

using torch::headeronly::BFloat16;
using torch::headeronly::Half;

// float16, bfloat16 and float32 accumulate in float32, float64 in float64. Flow, metric, coverage and every other
// quantity that is not a feature has the accumulation type.
template <class T>
struct Accumulate {
  using type = float;
};
template <>
struct Accumulate<double> {
  using type = double;
};
template <class T>
using accumulate_t = typename Accumulate<T>::type;

// True for a finite number; written so that NaN gives false.
template <class A>
HOST_DEVICE bool is_finite(A value) {
  return value - value == A(0);
}

}  // namespace photoflow
