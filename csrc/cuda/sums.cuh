// Arrays of sums that many threads add to: in floating point, whose last bits depend on the order of the terms, or in
// 64-bit integers, which add exactly and so in any order.
//
// For the latter a pass before finds the largest magnitude M of the terms of each sum. With 2^e > M and at most 2^n
// terms in one sum, a term is multiplied by 2^(62 - e - n) and rounded to an integer: every partial sum is below 2^62.
// What is lost of a term is below 2^(e + n - 62): of 2^20 terms still 2^-42 of the largest, far less than float32 loses
// (2^-24). A sum has a scale of its own: however large its neighbours are, they take nothing from it.
#pragma once

#include <cstdint>

#include "../common/layout.h"
#include "../common/scalar.h"

namespace photoflow {

template <class A>
struct FloatSums {
  A* at;

  template <class Index>
  __device__ __forceinline__ void add(Index index, A term) const {
    atomicAdd(at + index, term);
  }
  template <class Index>
  __device__ __forceinline__ A read(Index index) const {
    return at[index];
  }
};

// The bits of floating-point numbers order like integers where they are positive: those of infinity come after every
// finite number, those of NaN after infinity.
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

__device__ __forceinline__ unsigned magnitude_bits(float value) { return __float_as_uint(std::abs(value)); }
__device__ __forceinline__ unsigned long long magnitude_bits(double value) {
  return static_cast<unsigned long long>(__double_as_longlong(std::abs(value)));
}
// An exponent e with 2^e above the magnitude; for what is not finite, one more than any finite number has.
__device__ __forceinline__ int power_above(unsigned bits) { return static_cast<int>(bits >> 23) - 126; }
__device__ __forceinline__ int power_above(unsigned long long bits) { return static_cast<int>(bits >> 52) - 1022; }

// The largest magnitudes of the terms of each sum; zeros to begin with.
template <class A>
struct Magnitudes {
  magnitude_bits_t<A>* at;

  template <class Index>
  __device__ __forceinline__ void add(Index index, A term) const {
    const magnitude_bits_t<A> bits = magnitude_bits(term);
    // Most terms raise nothing: a plain read spares them the atomic. What it reads may be old, but is never too high.
    if (bits > *static_cast<volatile magnitude_bits_t<A>*>(at + index)) atomicMax(at + index, bits);
  }
};

// Sums in integers; zeros to begin with. Where a term is not finite the integer tells which kinds there were.
template <class A>
struct IntegerSums {
  unsigned long long* at;
  const magnitude_bits_t<A>* largest;
  int log_terms;  // at most 2^log_terms terms come to one sum

  static constexpr unsigned long long kPositive = 1, kNegative = 2, kNaN = 4;
  static constexpr int kMostPower = std::numeric_limits<A>::max_exponent;  // of a finite number

  template <class Index>
  __device__ __forceinline__ void add(Index index, A term) const {
    const int power = power_above(largest[index]);
    if (power <= kMostPower) {
      const double scaled = scalbn(static_cast<double>(term), 62 - power - log_terms);
      // Two's complement: adding the unsigned forms adds the signed ones.
      atomicAdd(at + index, static_cast<unsigned long long>(__double2ll_rn(scaled)));
    } else if (!is_finite(term)) {
      atomicOr(at + index, term > A(0) ? kPositive : term < A(0) ? kNegative : kNaN);
    }
  }

  template <class Index>
  __device__ __forceinline__ A read(Index index) const {
    const int power = power_above(largest[index]);
    const unsigned long long sum = at[index];
    if (power <= kMostPower) {
      return static_cast<A>(scalbn(static_cast<double>(static_cast<long long>(sum)), power + log_terms - 62));
    }
    const A infinity = std::numeric_limits<A>::infinity();
    return sum == kPositive ? infinity : sum == kNegative ? -infinity : std::numeric_limits<A>::quiet_NaN();
  }
};

// Zeros for sums in integers and for what the pass before finds, in the shape and the format of some sums.
template <class A>
struct SumTensors {
  Tensor largest, sums;

  SumTensors(const Tensor& like, std::initializer_list<int64_t> shape, MemoryFormat format)
      : largest(zeros_in(like, shape, std::is_same_v<A, double> ? ScalarType::Long : ScalarType::Int, format)),
        sums(zeros_in(like, shape, ScalarType::Long, format)) {}

  Magnitudes<A> magnitudes() const { return {first_of<magnitude_bits_t<A>>(largest)}; }

  // At most as many as `terms` come to one of them.
  IntegerSums<A> integers(int64_t terms) const {
    int power = 0;
    while ((int64_t(1) << power) < terms) ++power;
    return {first_of<unsigned long long>(sums), first_of<magnitude_bits_t<A>>(largest), power};
  }

 private:
  // Null where there are none.
  template <class T>
  static T* first_of(const Tensor& tensor) {
    return tensor.numel() == 0 ? nullptr : static_cast<T*>(tensor.mutable_data_ptr());
  }
};

}  // namespace photoflow
