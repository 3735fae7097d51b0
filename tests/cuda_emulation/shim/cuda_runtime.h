// Stands in for CUDA's header: kernels run on the CPU, every thread of a block a fiber (emulator.cpp).
#pragma once

#include <math.h>
#include <torch/csrc/stable/accelerator.h>
#include <torch/csrc/stable/library.h>
#include <torch/csrc/stable/macros.h>
#include <torch/headeronly/util/shim_utils.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <source_location>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __grid_constant__

using cudaStream_t = struct EmulatedStream*;

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned a = 1, unsigned b = 1, unsigned c = 1) : x(a), y(b), z(c) {}
};

struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

namespace emulated {

using Place = std::source_location;

// What a thread waits for: nothing, its block, its warp, or a collective of its warp.
enum class Meeting : int { kNone, kBlock, kWarp, kXor, kDown, kUp, kIndex, kAny, kAll, kBallot };

struct Indices {
  dim3 thread, block, blocks, threads;
};
extern Indices now;  // of the thread that runs

// Runs `body` for every thread of every block; throws if the launch or what the threads did is not allowed.
void run(const char* kernel, const Place& place, dim3 grid, dim3 block, size_t shared, size_t argument_bytes,
         const std::function<void()>& body);
void meet_block(const Place& place);
// Brings 8 bytes to a collective of the warp and returns those that it gives to this lane.
uint64_t meet_warp(Meeting kind, unsigned mask, uint64_t value, int argument, int width, const Place& place);
void* dynamic_shared();
void* static_shared(int id, size_t size);
void complain(const std::string& what, const Place& place);
int architecture();     // what __CUDA_ARCH__ is compared with
const char* library();  // the name that the operators are registered under

template <class Type>
Type& shared_here(int id) {
  static_assert(alignof(Type) <= 16);
  return *static_cast<Type*>(static_shared(id, sizeof(Type)));
}

template <class To, class From>
To bits_as(From from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  memcpy(&to, &from, sizeof to);
  return to;
}

template <class T>
T exchange(Meeting kind, unsigned mask, T value, int argument, int width, const Place& place) {
  static_assert(sizeof(T) <= 8);
  uint64_t bits = 0;
  memcpy(&bits, &value, sizeof value);
  bits = meet_warp(kind, mask, bits, argument, width, place);
  memcpy(&value, &bits, sizeof value);
  return value;
}

template <class T>
void check_aligned(const T* at, const Place& place) {
  if (reinterpret_cast<uintptr_t>(at) % alignof(T)) complain("misaligned atomic", place);
}

// Replaces *at by next(*at) in one step; returns what it was.
template <class T, class Next>
T atomically(T* at, const Next& next, const Place& place) {
  using Bits = std::conditional_t<sizeof(T) == 8, unsigned long long, unsigned>;
  check_aligned(at, place);
  Bits* const bits = reinterpret_cast<Bits*>(at);
  Bits old = __atomic_load_n(bits, __ATOMIC_RELAXED);
  while (!__atomic_compare_exchange_n(bits, &old, bits_as<Bits>(next(bits_as<T>(old))), false, __ATOMIC_RELAXED,
                                      __ATOMIC_RELAXED)) {
  }
  return bits_as<T>(old);
}

struct NoGuard {
  explicit NoGuard(int) {}
};

}  // namespace emulated

// What the host side asks of torch, whose own headers come first.
namespace torch::stable::accelerator {
using EmulatedGuard = emulated::NoGuard;
}
#define DeviceGuard EmulatedGuard
#define aoti_torch_get_current_cuda_stream(index, to) (*(to) = nullptr, 0)
#undef STD_CUDA_KERNEL_LAUNCH_CHECK
#define STD_CUDA_KERNEL_LAUNCH_CHECK() (void)0

#define threadIdx (emulated::now.thread)
#define blockIdx (emulated::now.block)
#define gridDim (emulated::now.blocks)
#define blockDim (emulated::now.threads)

#define EMULATED_HERE emulated::Place place = emulated::Place::current()

inline void __syncthreads(EMULATED_HERE) { emulated::meet_block(place); }
inline void __syncwarp(unsigned mask = 0xffffffffu, EMULATED_HERE) {
  emulated::meet_warp(emulated::Meeting::kWarp, mask, 0, 0, 32, place);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes, int width = 32, EMULATED_HERE) {
  return emulated::exchange(emulated::Meeting::kXor, mask, value, lanes, width, place);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATED_HERE) {
  return emulated::exchange(emulated::Meeting::kDown, mask, value, static_cast<int>(delta), width, place);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32, EMULATED_HERE) {
  return emulated::exchange(emulated::Meeting::kUp, mask, value, static_cast<int>(delta), width, place);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int lane, int width = 32, EMULATED_HERE) {
  return emulated::exchange(emulated::Meeting::kIndex, mask, value, lane, width, place);
}
inline int __any_sync(unsigned mask, int predicate, EMULATED_HERE) {
  return static_cast<int>(emulated::meet_warp(emulated::Meeting::kAny, mask, predicate != 0, 0, 32, place));
}
inline int __all_sync(unsigned mask, int predicate, EMULATED_HERE) {
  return static_cast<int>(emulated::meet_warp(emulated::Meeting::kAll, mask, predicate != 0, 0, 32, place));
}
inline unsigned __ballot_sync(unsigned mask, int predicate, EMULATED_HERE) {
  return static_cast<unsigned>(emulated::meet_warp(emulated::Meeting::kBallot, mask, predicate != 0, 0, 32, place));
}

template <class T>
T atomicAdd(T* at, std::type_identity_t<T> value, EMULATED_HERE) {
  return emulated::atomically(at, [value](T old) { return static_cast<T>(old + value); }, place);
}
inline float4 atomicAdd(float4* at, float4 value, EMULATED_HERE) {
  emulated::check_aligned(at, place);
  float* const to = reinterpret_cast<float*>(at);
  return {atomicAdd(to, value.x, place), atomicAdd(to + 1, value.y, place), atomicAdd(to + 2, value.z, place),
          atomicAdd(to + 3, value.w, place)};
}
template <class T>
T atomicMax(T* at, std::type_identity_t<T> value, EMULATED_HERE) {
  return emulated::atomically(at, [value](T old) { return old > value ? old : value; }, place);
}
template <class T>
T atomicMin(T* at, std::type_identity_t<T> value, EMULATED_HERE) {
  return emulated::atomically(at, [value](T old) { return old < value ? old : value; }, place);
}
template <class T>
T atomicOr(T* at, std::type_identity_t<T> value, EMULATED_HERE) {
  return emulated::atomically(at, [value](T old) { return old | value; }, place);
}

inline int __float_as_int(float x) { return emulated::bits_as<int>(x); }
inline unsigned __float_as_uint(float x) { return emulated::bits_as<unsigned>(x); }
inline float __int_as_float(int x) { return emulated::bits_as<float>(x); }
inline float __uint_as_float(unsigned x) { return emulated::bits_as<float>(x); }
inline long long __double_as_longlong(double x) { return emulated::bits_as<long long>(x); }
inline double __longlong_as_double(long long x) { return emulated::bits_as<double>(x); }
inline int __ffs(int x) { return __builtin_ffs(x); }
// Saturates, and takes NaN to the least number, as the hardware does.
inline long long __double2ll_rn(double x) {
  if (!(x < 9223372036854775808.0)) return x != x ? INT64_MIN : INT64_MAX;
  return x < -9223372036854775808.0 ? INT64_MIN : llrint(x);
}
template <class T>
T min(T a, T b) {
  return b < a ? b : a;
}
template <class T>
T max(T a, T b) {
  return a < b ? b : a;
}

// kernel<<<grid, block, shared, stream>>>(arguments), as rewrite.py leaves it: arguments are evaluated once.
#define EMULATED_LAUNCH(name, kernel, grid, block, shared)                                         \
  [&, emulated_grid = dim3(grid), emulated_block = dim3(block)](const auto&... arguments) {        \
    emulated::run(name, emulated::Place::current(), emulated_grid, emulated_block, size_t(shared), \
                  (sizeof(arguments) + ... + 0), [&] { kernel(arguments...); });                   \
  }
#define EMULATED_COMMA ,

// STABLE_TORCH_LIBRARY and STABLE_TORCH_LIBRARY_IMPL under the name of library().
#define EMULATED_LIBRARY(kind, key, m)                                                                          \
  static void emulated_register(torch::stable::detail::StableLibrary&);                                         \
  static const torch::stable::detail::StableTorchLibraryInit emulated_registered(                               \
      torch::stable::detail::StableLibrary::Kind::kind, &emulated_register, emulated::library(), key, __FILE__, \
      __LINE__);                                                                                                \
  void emulated_register(torch::stable::detail::StableLibrary& m)
