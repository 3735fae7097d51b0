// Neighbouring numbers that a thread reads or writes at once: 16 bytes, unless it is said otherwise.
#pragma once

#include <cstdint>

namespace photoflow {

template <class T, int kCount = 16 / static_cast<int>(sizeof(T))>
struct alignas(sizeof(T) * kCount) Pack {
  static constexpr int kSize = kCount;
  T value[kCount];
};

// A view of other memory, of another library perhaps, may begin anywhere.
template <class Packed>
bool aligned(const void* memory) {
  return reinterpret_cast<uintptr_t>(memory) % alignof(Packed) == 0;
}

}  // namespace photoflow
