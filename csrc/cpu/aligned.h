// Scratch memory that begins at a cache line, so that neither vectors nor the lanes of a pixel straddle two.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

namespace photoflow {

template <class A>
class Aligned {
 public:
  explicit Aligned(int64_t count)
      : begin_(static_cast<A*>(::operator new(static_cast<std::size_t>(count) * sizeof(A), kLine))) {}
  ~Aligned() { ::operator delete(begin_, kLine); }
  Aligned(const Aligned&) = delete;
  Aligned& operator=(const Aligned&) = delete;
  A* get() const { return begin_; }

 private:
  static constexpr std::align_val_t kLine{64};
  A* begin_;
};

}  // namespace photoflow
