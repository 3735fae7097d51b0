// Numbers of a type that is chosen at run time, in the memory of a CUDA kernel.
#pragma once

#include "../common/checks.h"
#include "pack.cuh"

namespace photoflow {

// Numbers of the second convolution's type, read and written in the type A. Which type that is, is known at run time
// only: kernels for every pair of types take the compiler long, and a branch that all threads take alike is nothing
// beside the memory.
template <class A>
struct Numbers {
  void* data;
  ScalarType dtype;

  explicit Numbers(const Tensor& tensor)
      : data(const_cast<void*>(tensor.const_data_ptr())), dtype(tensor.scalar_type()) {}

  // Calls body(T{}) with the type of the numbers.
  template <class Body>
  __device__ void typed(const Body& body) const {
    if constexpr (std::is_same_v<A, double>) {
      body(double{});
    } else if (dtype == ScalarType::Half) {
      body(Half{});
    } else if (dtype == ScalarType::BFloat16) {
      body(BFloat16{});
    } else {
      body(float{});
    }
  }

  // Numbers [kCount index, kCount (index + 1)).
  template <int kCount>
  __device__ Pack<A, kCount> pack(int64_t index) const {
    Pack<A, kCount> result;
    typed([&](auto type) {
      const auto values = reinterpret_cast<const Pack<decltype(type), kCount>*>(data)[index];
      for (int i = 0; i < kCount; ++i) result.value[i] = A(values.value[i]);
    });
    return result;
  }
  __device__ A get(int64_t index) const { return pack<1>(index).value[0]; }

  __device__ void set(int64_t index, A value) const {
    typed([&](auto type) { static_cast<decltype(type)*>(data)[index] = decltype(type)(value); });
  }
};

}  // namespace photoflow
