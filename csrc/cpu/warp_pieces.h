// Backward warping of some output rows, in one thread. Pixels are prepared in pieces, of a row or less; some pieces
// together are then read for a few channels after the other: the planes of many channels, touched in turns for each
// piece, would drive each other out of the cache.
#pragma once

#include "warp_windows.h"

namespace photoflow {

// Four pixels of one plane at a time: what one pixel reads is loaded as vectors along x, and a transpose makes of
// those the vectors across the four pixels in which the rest of the sum is done.
template <int kTaps, class T, class A>
HOST_DEVICE void gather_four(const T* plane, int64_t width, const Reads<kTaps, A>& reads, int64_t i,
                             vector_t<A, 4>& value) {
  vector_t<A, 4> column[4], weight[2 * kTaps];
  if constexpr (kTaps == 2) {
    gather_corners(plane, width, reads.first + i, column);
  } else {
    for (int k = 0; k < 4; ++k) {
      const T* first = plane + reads.first[i + k];
      vector_t<A, 4> row;
      load_as<4, A>(row, first);
      column[k] = row * reads.y_weight[0][i + k];
      for (int j = 1; j < 4; ++j) {
        load_as<4, A>(row, first + j * width);
        column[k] += row * reads.y_weight[j][i + k];
      }
    }
    transpose(column[0], column[1], column[2], column[3]);
  }
  for (int k = 0; k < kTaps; ++k) {
    load(weight[k], reads.x_weight[k] + i);
    load(weight[kTaps + k], reads.y_weight[k] + i);
  }
  if constexpr (kTaps == 2) {
    const vector_t<A, 4> top = column[0] * weight[0] + column[1] * weight[1];
    const vector_t<A, 4> bottom = column[2] * weight[0] + column[3] * weight[1];
    value = top * weight[2] + bottom * weight[3];
  } else {
    value = (column[0] * weight[0] + column[1] * weight[1]) + (column[2] * weight[2] + column[3] * weight[3]);
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void gather_and_store(const T* plane, int64_t width, const Reads<kTaps, A>& reads, int64_t i, T* out) {
  if constexpr (kTaps == 1) {
    for (int64_t k = i; k < i + 4; ++k) out[k] = plane[reads.first[k]];
  } else {
    vector_t<A, 4> value;
    gather_four<kTaps>(plane, width, reads, i, value);
    store_as<4, A>(out + i, value);
  }
}

// One pixel of one channel; the pixels read lie `pixel` apart.
template <int kTaps, class T, class A>
HOST_DEVICE A gather_one(const T* first, int64_t row, int64_t pixel, const Reads<kTaps, A>& reads, int64_t i) {
  A sum = A(0);
  for (int j = 0; j < kTaps; ++j) {
    A line = A(0);
    for (int k = 0; k < kTaps; ++k) line += reads.x_weight[k][i] * A(first[j * row + k * pixel]);
    sum += reads.y_weight[j][i] * line;
  }
  return sum;
}

// A span, or a part of one at the border, whose pixels all read inside the image.
template <int kTaps, class A>
struct Piece {
  Span<A> span;
  Reads<kTaps, A> reads;
  Windows windows;  // where the machine has wide vectors
};

constexpr int64_t kFewPlanes = 4;  // read together: they do not drive each other out of the cache
constexpr int kPieces = 24;        // prepared together: they stay in a core's own cache

template <int kTaps, class A>
struct Pieces {
  Piece<kTaps, A> at[kPieces];
  int count = 0;
};

// Some planes, which lie `plane` apart, as do those of the result `out_plane`.
template <int kTaps, bool kWide, class T, class A>
HOST_DEVICE void gather_planes(const T* first, int64_t plane, int64_t planes, int64_t width,
                               const Piece<kTaps, A>& piece, T* out, int64_t out_plane) {
  const Reads<kTaps, A>& reads = piece.reads;
  int64_t i = 0;
  if constexpr (kWide) {
    vector_t<A, kGroup> value;
    for (; i + kGroup <= piece.span.count; i += kGroup) {
      for (int64_t c = 0; c < planes; ++c) {
        if (piece.windows.starts[i / kGroup] == 0) {
          for (int64_t k = i; k < i + kGroup; k += 4) {
            gather_and_store<kTaps>(first + c * plane, width, reads, k, out + c * out_plane);
          }
          continue;
        }
        gather_window<kTaps>(first + c * plane, width, piece.windows, i / kGroup, reads, value);
        store_as<kGroup, A>(out + c * out_plane + i, value);
      }
    }
  }
  for (int64_t c = 0; c < planes; ++c, first += plane, out += out_plane) {
    int64_t k = i;
    for (; k + 4 <= piece.span.count; k += 4) gather_and_store<kTaps>(first, width, reads, k, out);
    for (; k < piece.span.count; ++k) out[k] = T(gather_one<kTaps>(first + reads.first[k], width, 1, reads, k));
  }
}

// All channels of one pixel, which lie side by side: vectors along the channels.
template <int kTaps, int kWidth, class T, class A>
HOST_DEVICE void gather_channels(const T* first, int64_t row, int64_t channels, const Reads<kTaps, A>& reads, int64_t i,
                                 vector_t<A, kWidth>& sum) {
  sum = vector_t<A, kWidth>{};
  for (int j = 0; j < kTaps; ++j) {
    vector_t<A, kWidth> line{}, value;
    for (int k = 0; k < kTaps; ++k) {
      load_as<kWidth, A>(value, first + j * row + k * channels);
      line += value * reads.x_weight[k][i];
    }
    sum += line * reads.y_weight[j][i];
  }
}

template <int kTaps, class T, class A>
HOST_DEVICE void gather_pixels(const Warp<A>& job, const Features& features, const T* image, const Span<A>& span,
                               const Reads<kTaps, A>& reads, T* out) {
  const int64_t channels = features.channels, row = features.image_by.row;
  const int64_t before_last = job.height * job.width - 1 - (kTaps - 1) * (job.width + 1);
  for (int64_t i = 0; i < span.count; ++i, out += channels) {
    const T* first = image + reads.first[i] * channels;
    int64_t c = 0;
    vector_t<A, 8> eight;
    for (; c + 8 <= channels; c += 8) {
      gather_channels<kTaps, 8>(first + c, row, channels, reads, i, eight);
      store_as<8, A>(out + c, eight);
    }
    vector_t<A, 4> four;
    for (; c + 4 <= channels; c += 4) {
      gather_channels<kTaps, 4>(first + c, row, channels, reads, i, four);
      store_as<4, A>(out + c, four);
    }
    // Two or three channels are read and written as four where what follows them may be: the next pixel is still to
    // come.
    if (channels < 4 && i + 1 < span.count && reads.first[i] < before_last) {
      gather_channels<kTaps, 4>(first, row, channels, reads, i, four);
      store_as<4, A>(out, four);
      continue;
    }
    for (; c < channels; ++c) out[c] = T(gather_one<kTaps>(first + c, row, channels, reads, i));
  }
}

template <int kTaps, bool kWide, class T, class A>
HOST_DEVICE void warp_pieces_as(const Warp<A>& job, const Features& features, const Pieces<kTaps, A>& pieces) {
  const Strides<int64_t>&from = features.image_by, &to = features.out_by;
  const bool planar = features.format != MemoryFormat::ChannelsLast;
  // Few planes are read together, with what was prepared for a pixel at hand.
  const int64_t channels = planar ? features.channels : 1;
  for (int64_t c = 0; c < channels; c += kFewPlanes) {
    const int64_t planes = std::min(kFewPlanes, channels - c);
    for (int k = 0; k < pieces.count; ++k) {
      const Span<A>& span = pieces.at[k].span;
      const T* image = features.template image_as<T>() + span.batch * from.batch + c * from.channel;
      T* out = features.template out_as<T>() + span.batch * to.batch + c * to.channel + span.py * to.row +
               span.start * to.pixel;
      if (planar) {
        gather_planes<kTaps, kWide>(image, from.channel, planes, job.width, pieces.at[k], out, to.channel);
      } else {
        gather_pixels<kTaps>(job, features, image, span, pieces.at[k].reads, out);
      }
    }
  }
}

template <int kTaps, bool kWide, class A>
HOST_DEVICE void warp_pieces(const Warp<A>& job, const std::vector<Features>& images, Pieces<kTaps, A>& pieces) {
  for (const Features& features : images) {
    dispatch_features<A>(features, [&](auto type) __attribute__((always_inline)) {
      warp_pieces_as<kTaps, kWide, decltype(type)>(job, features, pieces);
    });
  }
  pieces.count = 0;
}

// Rare, and scalar in any case: not inlined, one version for all SIMD levels.
template <int kTaps, class T, class A>
[[gnu::noinline]] void warp_anywhere_as(const Warp<A>& job, const Features& features, const Span<A>& span) {
  const Strides<int64_t>&from = features.image_by, &to = features.out_by;
  const T* image = features.template image_as<T>() + span.batch * from.batch;
  T* out = features.template out_as<T>() + span.batch * to.batch + span.py * to.row + span.start * to.pixel;
  for (int64_t i = 0; i < span.count; ++i, out += to.pixel) {
    const bool finite = is_finite(span.u[i]) && is_finite(span.v[i]);
    const Axis<kTaps, A> x = read_axis<kTaps>(span.start + i, finite ? span.u[i] : A(0), job.width, job.padding);
    const Axis<kTaps, A> y = read_axis<kTaps>(span.py, finite ? span.v[i] : A(0), job.height, job.padding);
    for (int64_t c = 0; c < features.channels; ++c) {
      out[c * to.channel] = finite ? T(sample_strided(image + c * from.channel, from.row, from.pixel, x, y)) : T(A(0));
    }
  }
}

template <int kTaps, class A>
HOST_DEVICE void warp_anywhere(const Warp<A>& job, const std::vector<Features>& images, const Span<A>& span) {
  for (const Features& features : images) {
    dispatch_features<A>(features, [&](auto type) __attribute__((always_inline)) {
      warp_anywhere_as<kTaps, decltype(type)>(job, features, span);
    });
  }
}

// Prepares a part of a span as a piece. False if some pixel of it reads outside the image.
template <int kTaps, bool kWide, class A>
HOST_DEVICE bool add_piece(const Warp<A>& job, const Span<A>& span, Pieces<kTaps, A>& pieces) {
  Piece<kTaps, A>& piece = pieces.at[pieces.count];
  Places<A> places;
  if (!prepare_reads<kTaps, false>(job, span, places, piece.reads)) return false;
  if constexpr (kWide) find_windows<kTaps>(job.width, span.count, places, piece.windows);
  piece.span = span;
  ++pieces.count;
  return true;
}

// True where all planes are read together: then each piece is done at once, while it is in the cache itself.
inline bool few_planes(const std::vector<Features>& images) {
  int64_t planes = 0;
  for (const Features& features : images) {
    if (features.format != MemoryFormat::ChannelsLast) planes += features.channels;
  }
  return planes <= kFewPlanes;
}

template <int kTaps, bool kWide, class A>
HOST_DEVICE void warp_rows(const Warp<A>& job, const std::vector<Features>& images, int64_t first_row, int64_t last_row,
                           Pieces<kTaps, A>& pieces) {
  A gathered[2][kSpan];
  const int64_t in_row = (job.out_width + kSpan - 1) / kSpan, last = last_row * in_row;
  const int64_t most = few_planes(images) ? 0 : kPieces - kSpan / kPart;
  // The last round only empties the pieces: there is one call of each large piece of inlined code.
  for (int64_t index = first_row * in_row; index <= last; ++index) {
    if (index == last || pieces.count > most) warp_pieces<kTaps, kWide>(job, images, pieces);
    if (index == last) break;
    const int64_t row = index / in_row;
    const Span<A> span = span_of(job, row / job.out_height, row % job.out_height, index % in_row * kSpan, gathered);
    // A span that reads outside somewhere is tried again in parts.
    for (int64_t first = 0, size = kSpan; first < span.count;) {
      const Span<A> part = part_of(span, first, size);
      const bool inside = add_piece<kTaps, kWide>(job, part, pieces);
      if (!inside && size == kPart) warp_anywhere<kTaps>(job, images, part);
      if (inside || size == kPart) {
        first += size;
      } else {
        size = kPart;
      }
    }
  }
}

}  // namespace photoflow
