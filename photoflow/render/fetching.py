"""The way of pictures from a GPU to the CPU, while the next ones are drawn."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from photoflow.arrays import Array

AHEAD = 2  # pictures on their way


def fetched(drawn: Iterable[Tensor | Array]) -> Iterator[Array]:
    """Yield pictures as arrays on the CPU, in their order.

    Planes on a GPU are copied to pinned memory on a stream of their own, and nobody waits for them until `AHEAD`
    more are being drawn. What is on the CPU comes at once, before the next one is asked for, unless it is behind
    something that is still on its way.

    Args:
        drawn: uint8 planes (C, H, W), or arrays (H, W, C), which pass.

    Yields:
        uint8 (H, W, C). As long as one from a GPU is kept, so is its pinned memory.
    """
    waiting: deque[Callable[[], Array]] = deque()
    stream: torch.cuda.Stream | None = None
    for one in drawn:
        if isinstance(one, Tensor) and one.is_cuda:
            stream = stream or torch.cuda.Stream(one.device)
            waiting.append(_leaving(one, stream))
        elif waiting:
            waiting.append(lambda one=one: _here(one))  # type: ignore[misc]
        else:
            yield _here(one)
        if len(waiting) > AHEAD:
            yield waiting.popleft()()
    while waiting:
        yield waiting.popleft()()


def interleaved(planes: Tensor) -> Array:
    """Convert uint8 planes (C, H, W) to (H, W, C) on the CPU."""
    return np.asarray(cv2.merge(list(planes.cpu().numpy())))


def _here(picture: Tensor | Array) -> Array:
    return interleaved(picture) if isinstance(picture, Tensor) else picture


def _leaving(planes: Tensor, stream: torch.cuda.Stream) -> Callable[[], Array]:
    """Begin to copy planes from a GPU; return what waits for them and returns the picture."""
    picture = planes.permute(1, 2, 0).contiguous()
    arriving = torch.empty(picture.shape, dtype=picture.dtype, pin_memory=True)
    stream.wait_stream(torch.cuda.current_stream(planes.device))
    with torch.cuda.stream(stream):
        arriving.copy_(picture, non_blocking=True)
        arrived = torch.cuda.Event(blocking=True)  # the CPU is free for the encoder meanwhile
        arrived.record(stream)
    picture.record_stream(stream)  # or its memory would be drawn over before it has left

    def finished() -> Array:
        arrived.synchronize()
        return arriving.numpy()

    return finished
