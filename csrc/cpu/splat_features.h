// Features of any type, for splatting on the CPU: the arithmetic is compiled for the accumulation type alone, and
// float16 and bfloat16 are converted a block at a time.
#pragma once

#include <cstdint>

#include "simd.h"

namespace photoflow {

// The features of one image, of a type that only its conversion knows; offsets count elements.
template <class Byte>
struct AnyFeatures {
  Byte* first;
  int64_t element_size;
  HOST_DEVICE Byte* at(int64_t offset) const { return first + offset * element_size; }
};

// Numbers in pieces of neighbours: where the first begins, and the distance from one piece to the next.
template <class A>
struct Block {
  A* first;
  int64_t step;
};

// To type A and back: `pieces` times `count` neighbours, the pieces `step` elements apart.
template <class A>
struct Conversion {
  void (*read)(const char* from, int64_t from_step, int64_t pieces, int64_t count, A* to, int64_t to_step);
  void (*write)(const A* from, int64_t from_step, int64_t pieces, int64_t count, char* to, int64_t to_step);
};

template <class From, class To>
HOST_DEVICE void convert_any(const From* from, int64_t from_step, int64_t pieces, int64_t count, To* to,
                             int64_t to_step) {
  for (int64_t piece = 0; piece < pieces; ++piece, from += from_step, to += to_step) {
    for (int64_t i = 0; i < count; ++i) to[i] = To(from[i]);
  }
}

// Where `pieces` times `count` neighbours of the image can be read in type A, `step` apart: `step` becomes
// `buffer_step` where they had to be converted.
template <class Job, class A>
HOST_DEVICE const A* read_pieces(const Job& job, int64_t offset, int64_t& step, int64_t pieces, int64_t count,
                                 int64_t buffer_step, A* buffer) {
  const char* from = job.image.at(offset);
  if (!job.conversion) return reinterpret_cast<const A*>(from);
  job.conversion->read(from, step, pieces, count, buffer, buffer_step);
  step = buffer_step;
  return buffer;
}

// Where to write what belongs at an offset of the result: there, or in a buffer that write_pieces() converts.
template <class Job, class A>
HOST_DEVICE Block<A> block_of(const Job& job, int64_t offset, int64_t step, A* buffer, int64_t buffer_step) {
  if (job.conversion) return {buffer, buffer_step};
  return {reinterpret_cast<A*>(job.out.at(offset)), step};
}

template <class Job, class A>
HOST_DEVICE void write_pieces(const Job& job, int64_t offset, int64_t step, int64_t pieces, int64_t count,
                              const Block<A>& from) {
  if (job.conversion) job.conversion->write(from.first, from.step, pieces, count, job.out.at(offset), step);
}

}  // namespace photoflow
