// The largest magnitude of some values, found through the bits of floating-point numbers, which order like integers
// where they are positive: so an atomic maximum of integers finds it, in any order.
#pragma once

#include <algorithm>
#include <cstdint>

#include "launch.cuh"

namespace photoflow {

template <class A>
struct MagnitudeBits;
template <>
struct MagnitudeBits<float> {
  using type = unsigned;
};
template <>
struct MagnitudeBits<double> {
  using type = unsigned long long;
};
template <class A>
using magnitude_bits_t = typename MagnitudeBits<A>::type;

__device__ __forceinline__ unsigned bits_of(float value) { return __float_as_uint(value); }
__device__ __forceinline__ unsigned long long bits_of(double value) {
  return static_cast<unsigned long long>(__double_as_longlong(value));
}
__device__ __forceinline__ float from_bits(unsigned bits) { return __uint_as_float(bits); }
__device__ __forceinline__ double from_bits(unsigned long long bits) {
  return __longlong_as_double(static_cast<long long>(bits));
}

// Raises *at to |value|. An infinity or a NaN counts as well: see FixedPoint.
template <class A>
__device__ __forceinline__ void atomic_raise_magnitude(magnitude_bits_t<A>* at, A value) {
  const magnitude_bits_t<A> bits = bits_of(value < A(0) ? -value : value);
  // Most values raise nothing: a plain read spares them the atomic. What it reads may be old, but is never too high.
  if (bits > *reinterpret_cast<volatile magnitude_bits_t<A>*>(at)) atomicMax(at, bits);
}

// Values that are not finite count, or are passed over.
template <class T>
struct FindMagnitude {
  using A = accumulate_t<T>;
  const T* values;
  int64_t count, threads;
  bool pass_over;
  magnitude_bits_t<A>* largest;

  __device__ void operator()(int64_t thread) const {
    A most = A(0);
    for (int64_t i = thread; i < count; i += threads) {
      const A value = A(values[i]) < A(0) ? -A(values[i]) : A(values[i]);
      if (pass_over && !is_finite(value)) continue;
      most = value <= most ? most : value;  // a NaN is not passed over either
      if (!is_finite(most)) break;
    }
    atomic_raise_magnitude(largest, most);
  }
};

template <class T>
void find_magnitude(const OnDevice& device, const Tensor& values, bool pass_over,
                    magnitude_bits_t<accumulate_t<T>>* largest) {
  const int64_t threads = std::min<int64_t>(values.numel(), 1 << 18);
  launch(device, threads, FindMagnitude<T>{data<T>(values), values.numel(), threads, pass_over, largest});
}

}  // namespace photoflow
