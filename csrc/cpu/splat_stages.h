// The stages of forward splatting compiled for every SIMD level: in float32, into which features are converted, and
// for the baseline alone in float64, whose use is to check gradients. Included by forward_splat.cpp alone.
#pragma once

#include "splat_band.h"

namespace photoflow {
namespace {

#define PHOTOFLOW_STAGES(A, SIMD)                                                                                    \
  SIMD void survey_row(Splat<A>& job, int64_t py, Extent<A>& metrics) { survey_row_any(job, py, metrics); }          \
  SIMD void prepare(const Splat<A>& job, int64_t py, int64_t start, int64_t count, Prepared<A>& p) {                 \
    prepare_any(job, py, start, count, p);                                                                           \
  }                                                                                                                  \
  SIMD void fill_lanes(const Splat<A>& job, const Pass& pass, int64_t py, int64_t start, int64_t count,              \
                       Prepared<A>& p) {                                                                             \
    fill_lanes_any(job, pass, py, start, count, p);                                                                  \
  }                                                                                                                  \
  SIMD void scatter_4(const Prepared<A>& p, bool apart, int64_t count, Band<A>& band) {                              \
    scatter_lanes_any<4>(p, apart, count, band);                                                                     \
  }                                                                                                                  \
  SIMD void scatter_8(const Prepared<A>& p, bool apart, int64_t count, Band<A>& band) {                              \
    scatter_lanes_any<8>(p, apart, count, band);                                                                     \
  }                                                                                                                  \
  SIMD void scatter_16(const Prepared<A>& p, bool apart, int64_t count, Band<A>& band) {                             \
    scatter_lanes_any<16>(p, apart, count, band);                                                                    \
  }                                                                                                                  \
  SIMD void scatter_planar(const Prepared<A>& p, const Pass& pass, int64_t count, Band<A>& band) {                   \
    scatter_planar_any(p, pass, count, band);                                                                        \
  }                                                                                                                  \
  SIMD void scatter_by_peak(const Prepared<A>& p, const A* metric, const Pass& pass, int64_t count, Band<A>& band) { \
    scatter_by_peak_any(p, metric, pass, count, band);                                                               \
  }                                                                                                                  \
  SIMD void write_row(const Splat<A>& job, const Pass& pass, int64_t r, Band<A>& band) {                             \
    write_row_any(job, pass, r, band);                                                                               \
  }
PHOTOFLOW_STAGES(float, PHOTOFLOW_SIMD)
PHOTOFLOW_STAGES(double, inline)
#undef PHOTOFLOW_STAGES

#define PHOTOFLOW_CONVERSION(T)                                                                                  \
  PHOTOFLOW_SIMD void read_features(const T* from, int64_t from_step, int64_t pieces, int64_t count, float* to,  \
                                    int64_t to_step) {                                                           \
    convert_any(from, from_step, pieces, count, to, to_step);                                                    \
  }                                                                                                              \
  PHOTOFLOW_SIMD void write_features(const float* from, int64_t from_step, int64_t pieces, int64_t count, T* to, \
                                     int64_t to_step) {                                                          \
    convert_any(from, from_step, pieces, count, to, to_step);                                                    \
  }
PHOTOFLOW_CONVERSION(Half)
PHOTOFLOW_CONVERSION(BFloat16)
#undef PHOTOFLOW_CONVERSION

template <class T>
const Conversion<float> kConversion{
    [](const char* from, int64_t from_step, int64_t pieces, int64_t count, float* to, int64_t to_step) {
      read_features(reinterpret_cast<const T*>(from), from_step, pieces, count, to, to_step);
    },
    [](const float* from, int64_t from_step, int64_t pieces, int64_t count, char* to, int64_t to_step) {
      write_features(from, from_step, pieces, count, reinterpret_cast<T*>(to), to_step);
    }};

}  // namespace
}  // namespace photoflow
