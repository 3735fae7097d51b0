// The steps of a lookup on the CPU, for callers that are not compiled for one machine: each runs as fast as this one
// can.
#pragma once

#include "correlation_span.h"

namespace photoflow {

// See correlate_span, accumulate_span, weigh_span and slope_span; the buffers are those of `memory`.
template <class A>
struct SpanSteps {
  static void correlate(const Level<A>& level, const SpanWindows<A>& span, const A* queries, SpanMemory<A>& memory);
  static void gather(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,
                     SpanMemory<A>& memory);
  static void scatter(const Level<A>& level, const SpanWindows<A>& span, A* queries, int64_t channels,
                      SpanMemory<A>& memory);
  static void weigh(const SpanWindows<A>& span, int64_t radius, A scale, SpanMemory<A>& memory);
  static void slope(const SpanWindows<A>& span, int64_t radius, A scale, A* along, SpanMemory<A>& memory);
};

// See blend_span.
template <class T>
void blend_to(const SpanWindows<accumulate_t<T>>& span, const Patch& patch, int64_t radius, int64_t height,
              int64_t width, T* out, SpanMemory<accumulate_t<T>>& memory);

}  // namespace photoflow
