// Large results are written once, into memory that the system maps page by page as it is touched; at 4 KiB a page that
// takes as long as the work itself. Where the system leaves it to the program, ask for pages of 2 MiB.
#pragma once

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <cstdint>

#include "../common/checks.h"

namespace photoflow {

inline void prefer_huge_pages([[maybe_unused]] const Tensor& result) {
#if defined(__linux__)
  constexpr uintptr_t kHuge = uintptr_t(2) << 20;
  const uintptr_t bytes = static_cast<uintptr_t>(result.numel()) * result.element_size();
  const uintptr_t begin = reinterpret_cast<uintptr_t>(result.mutable_data_ptr()), end = begin + bytes;
  const uintptr_t first = (begin + kHuge - 1) / kHuge * kHuge, last = end / kHuge * kHuge;
  // A hint: where it is not taken everything works as before.
  if (bytes >= 4 * kHuge && first < last) {
    (void)madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
  }
#endif
}

}  // namespace photoflow
