"""GIF quantisation: one palette for the whole clip, chosen from sample frames, then applied frame by frame."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, cast

import av
import cv2
import numpy as np
from av.filter import Graph
from numpy.typing import NDArray

_FORMATS = {3: "rgb24", 4: "rgba"}
_SAMPLE_PIXELS = 400_000  # of each sample; enough for 256 colours


class Quantizer:
    """Quantiser that maps frames to a palette of 255 colours and one transparent entry.

    It uses ordered dithering, whose pattern is fixed to the picture, so pixels that do not move keep their value
    from frame to frame. Error diffusion would make a still background tremble and the file larger.

    Args:
        width: of the frames, pixels.
        height: of the frames, pixels.
        samples: uint8 (H, W, 3) or (H, W, 4) frames that the palette is made from; at least one. With an alpha channel,
            pixels less than half opaque become transparent, all others opaque.
    """

    def __init__(self, width: int, height: int, samples: Sequence[NDArray[np.uint8]]) -> None:
        palette = _make_palette(samples)
        self.format = _FORMATS[samples[0].shape[2]]
        self._graph = Graph()
        self._frames = _source(self._graph, self.format, width, height)
        colours = _source(self._graph, palette.format.name, palette.width, palette.height)
        use = self._graph.add("paletteuse", "dither=bayer:bayer_scale=4:diff_mode=rectangle")
        self._sink = self._graph.add("buffersink")
        self._frames.link_to(use, 0, 0)
        colours.link_to(use, 0, 1)
        use.link_to(self._sink)
        self._graph.configure()
        palette.pts = 0
        colours.push(palette)
        colours.push(None)

    def __call__(self, frame: av.VideoFrame) -> av.VideoFrame:
        """Quantise one frame of the samples' format; its ``pts`` has to increase from call to call."""
        self._frames.push(frame)
        quantised: Any = self._sink.pull()
        quantised.pts = frame.pts
        return cast(av.VideoFrame, quantised)


def _make_palette(samples: Sequence[NDArray[np.uint8]]) -> av.VideoFrame:
    height, width = samples[0].shape[:2]
    scale = min(1.0, (_SAMPLE_PIXELS / (height * width)) ** 0.5)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    graph = Graph()
    pixel_format = _FORMATS[samples[0].shape[2]]
    source = _source(graph, pixel_format, *size)
    generate = graph.add("palettegen", "max_colors=256:stats_mode=full")
    sink = graph.add("buffersink")
    source.link_to(generate)
    generate.link_to(sink)
    graph.configure()
    for index, sample in enumerate(samples):
        # INTER_NEAREST, because any other interpolation makes colours that are not in the sample.
        small: Any = cv2.resize(sample, size, interpolation=cv2.INTER_NEAREST)
        frame = av.VideoFrame.from_ndarray(small, pixel_format)
        frame.pts = index
        source.push(frame)
    source.push(None)
    return cast(av.VideoFrame, sink.pull())


def _source(graph: Graph, pixel_format: str, width: int, height: int) -> Any:
    layout = av.VideoFormat(pixel_format, width, height)
    return graph.add_buffer(width=width, height=height, format=layout, time_base=Fraction(1, 100))
