// The steps of a lookup, compiled for the baseline, for AVX2 and for AVX-512.
#include "correlation_runs.h"

namespace photoflow {
namespace {

// Vectors as long as the machine's: unlike those of PHOTOFLOW_SIMD, the versions differ in what they instantiate.
#if defined(PHOTOFLOW_AVX2)
#define PHOTOFLOW_BY_WIDTH(SIGNATURE, CALL)             \
  __attribute__((target("default"))) SIGNATURE {        \
    constexpr int kBytes = 16;                          \
    CALL;                                               \
  }                                                     \
  __attribute__((target(PHOTOFLOW_AVX2))) SIGNATURE {   \
    constexpr int kBytes = 32;                          \
    CALL;                                               \
  }                                                     \
  __attribute__((target(PHOTOFLOW_AVX512))) SIGNATURE { \
    constexpr int kBytes = 64;                          \
    CALL;                                               \
  }
#else
#define PHOTOFLOW_BY_WIDTH(SIGNATURE, CALL) \
  SIGNATURE {                               \
    constexpr int kBytes = 16;              \
    CALL;                                   \
  }
#endif

#define PHOTOFLOW_STEPS(A)                                                                                          \
  PHOTOFLOW_BY_WIDTH(                                                                                               \
      void correlate(const Level<A>& level, const SpanWindows<A>& span, const A* queries, SpanMemory<A>& memory),   \
      correlate_span<kBytes>(level, span, queries, memory.dots.data(), memory.group))                               \
  PHOTOFLOW_BY_WIDTH(                                                                                               \
      void gather(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,                  \
                  SpanMemory<A>& memory),                                                                           \
      (accumulate_span<kBytes, false>(level, span, queries, channels, memory.weights.data(), memory.group)))        \
  PHOTOFLOW_BY_WIDTH(                                                                                               \
      void scatter(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,                 \
                   SpanMemory<A>& memory),                                                                          \
      (accumulate_span<kBytes, true>(level, span, queries, channels, memory.weights.data(), memory.group)))         \
  PHOTOFLOW_SIMD void weigh(const SpanWindows<A>& span, int64_t radius, A scale, SpanMemory<A>& memory) {           \
    weigh_span(memory.incoming.data(), span, radius, scale, memory.weights.data());                                 \
  }                                                                                                                 \
  PHOTOFLOW_SIMD void slope(const SpanWindows<A>& span, int64_t radius, A scale, A* along, SpanMemory<A>& memory) { \
    slope_span(memory.incoming.data(), memory.dots.data(), span, radius, scale, along);                             \
  }
PHOTOFLOW_STEPS(float)
PHOTOFLOW_STEPS(double)
#undef PHOTOFLOW_STEPS
#undef PHOTOFLOW_BY_WIDTH

#define PHOTOFLOW_BLEND(T)                                                                                    \
  PHOTOFLOW_SIMD void run_blend(const SpanWindows<accumulate_t<T>>& span, const Patch& patch, int64_t radius, \
                                int64_t height, int64_t width, T* out, SpanMemory<accumulate_t<T>>& memory) { \
    blend_span(memory.dots.data(), span, patch, radius, height, width, out);                                  \
  }
PHOTOFLOW_BLEND(float)
PHOTOFLOW_BLEND(double)
PHOTOFLOW_BLEND(Half)
PHOTOFLOW_BLEND(BFloat16)
#undef PHOTOFLOW_BLEND

}  // namespace

template <class A>
void SpanSteps<A>::correlate(const Level<A>& level, const SpanWindows<A>& span, const A* queries,
                             SpanMemory<A>& memory) {
  photoflow::correlate(level, span, queries, memory);
}

template <class A>
void SpanSteps<A>::gather(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,
                          SpanMemory<A>& memory) {
  photoflow::gather(level, span, queries, channels, memory);
}

template <class A>
void SpanSteps<A>::scatter(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,
                           SpanMemory<A>& memory) {
  photoflow::scatter(level, span, queries, channels, memory);
}

template <class A>
void SpanSteps<A>::weigh(const SpanWindows<A>& span, int64_t radius, A scale, SpanMemory<A>& memory) {
  photoflow::weigh(span, radius, scale, memory);
}

template <class A>
void SpanSteps<A>::slope(const SpanWindows<A>& span, int64_t radius, A scale, A* along, SpanMemory<A>& memory) {
  photoflow::slope(span, radius, scale, along, memory);
}

template <class T>
void blend_to(const SpanWindows<accumulate_t<T>>& span, const Patch& patch, int64_t radius, int64_t height,
              int64_t width, T* out, SpanMemory<accumulate_t<T>>& memory) {
  run_blend(span, patch, radius, height, width, out, memory);
}

template struct SpanSteps<float>;
template struct SpanSteps<double>;
#define PHOTOFLOW_BLEND(T)                                                                                    \
  template void blend_to<T>(const SpanWindows<accumulate_t<T>>&, const Patch&, int64_t, int64_t, int64_t, T*, \
                            SpanMemory<accumulate_t<T>>&)
PHOTOFLOW_BLEND(float);
PHOTOFLOW_BLEND(double);
PHOTOFLOW_BLEND(Half);
PHOTOFLOW_BLEND(BFloat16);
#undef PHOTOFLOW_BLEND

}  // namespace photoflow
