// Sums that do not depend on the order of their terms: floating-point addition rounds, so that atomics in any order
// give other last bits each time, while integers add exactly. Every term is scaled by a power of two and rounded to a
// 64-bit integer, the integers are added atomically, and the sum is scaled back.
//
// The scale comes from the largest magnitude M among the terms and the largest number N of terms in one sum, found in
// a pass before: with 2^e > M N, every partial sum is below 2^62 at the scale 2^(62 - e). What is lost of a term is
// below 2^(e - 62): for N = 2^20 terms still 2^-42 of the largest term, far less than float32 itself loses (2^-24).
#pragma once

#include <cstdint>

#include "../common/scalar.h"

namespace photoflow {

// The scale of a sum, and how terms are added to it and read back. With a term that is not finite every sum becomes
// NaN: there is no order-independent way to keep the others, and a gradient that overflowed is of no use anyway.
struct FixedPoint {
  int exponent;  // terms are multiplied by 2^exponent
  bool finite;

  // For terms of a magnitude of at most `largest`, at most 2^log_terms of them in one sum.
  template <class A>
  __device__ __forceinline__ static FixedPoint of(A largest, int log_terms) {
    if (!is_finite(largest)) return {0, false};
    int power = 0;
    frexp(static_cast<double>(largest), &power);  // largest < 2^power
    return {62 - power - log_terms, true};
  }

  __device__ __forceinline__ void add(unsigned long long* at, double term) const {
    // Two's complement: adding the unsigned forms adds the signed ones.
    atomicAdd(at, static_cast<unsigned long long>(__double2ll_rn(scalbn(term, exponent))));
  }

  __device__ __forceinline__ double sum(unsigned long long total) const {
    if (!finite) return nan("");
    return scalbn(static_cast<double>(static_cast<long long>(total)), -exponent);
  }
};

}  // namespace photoflow
