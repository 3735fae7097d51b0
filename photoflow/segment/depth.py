"""Depth of a photo: from a picture of it, or measured by Depth Anything V2 (the optional extra `photoflow[depth]`)."""

from __future__ import annotations

import importlib.util
import os
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.arrays import Array
from photoflow.device import fast_inference
from photoflow.errors import InputError
from photoflow.io.image import read_picture
from photoflow.weights import WeightsError

SOURCE = "depth-anything/Depth-Anything-V2-Small-hf"  # Apache-2.0, 99 MB; or the path of a folder that holds a model
ASPECT = 0.02  # by which a picture of depth may be wider or narrower than the photo
LEVELS = 65535


def read_depth(source: Any, size: tuple[int, int], far_bright: bool = False) -> npt.NDArray[np.uint16]:
    """Read a picture of a photo's depth, near = bright.

    Args:
        source: a path of a picture of 8 or 16 bits, as `photoflow.io.read_photo` reads them, or an array (H, W): uint8,
            uint16 or finite floats of any range. Its values are taken for inverse distances of any scale.
        size: (width, height) of the photo, whose shape it must have, at any resolution.
        far_bright: far is bright in it.

    Returns:
        uint16 (h, w), 0 = farthest, at the picture's own resolution.

    Raises:
        InputError: it is no such picture, or of another shape than the photo.
    """
    values, name = _values(source)
    height, width = values.shape
    if abs(width * size[1] / (height * size[0]) - 1) > ASPECT:
        raise InputError(f"{name}: expected a picture of the photo's shape, {size[0]}x{size[1]}, got {width}x{height}")
    return np.asarray(LEVELS - values if far_bright else values, np.uint16)


def _values(source: Any) -> tuple[npt.NDArray[np.uint16], str]:
    """Return the grey values of a picture as uint16 (H, W), and how it is called."""
    if isinstance(source, str | os.PathLike):
        picture = read_picture(source)
        numbers = picture.numbers
        if numbers is None or picture.indexed or numbers.dtype not in (np.uint8, np.uint16):
            numbers = cv2.cvtColor(picture.photo.rgb, cv2.COLOR_RGB2GRAY)
        return _levels(numbers), f"depth {source}"
    array = np.asarray(source)
    if array.ndim != 2 or not array.size or array.dtype.kind not in "fu" or not np.isfinite(array).all():
        raise InputError(f"depth: expected a path, or an array (H, W) of numbers, got {array.dtype} {array.shape}")
    return _levels(array), "depth"


def _levels(values: Array) -> npt.NDArray[np.uint16]:
    """Bring numbers to the range of uint16."""
    if values.dtype == np.uint16:
        return np.asarray(values, np.uint16)
    if values.dtype == np.uint8:
        return values.astype(np.uint16) * 257
    least, largest = float(values.min()), float(values.max())
    scaled = (values.astype(np.float64) - least) * (LEVELS / max(largest - least, 1e-30))
    return np.asarray(np.rint(scaled), np.uint16)


def resized_depth(depth: Array, size: tuple[int, ...]) -> Array:
    """Return a depth, uint16 (H, W), at another size (height, width)."""
    if depth.shape == size:
        return depth
    shrinks = size[0] < depth.shape[0]
    resized = cv2.resize(depth, size[::-1], interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint16)


def at_hand() -> bool:
    """Return whether transformers and the weights of Depth Anything V2 are on this machine."""
    if importlib.util.find_spec("transformers") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    needed = ("config.json", "model.safetensors", "preprocessor_config.json")
    if Path(SOURCE).is_absolute():
        return all((Path(SOURCE) / name).is_file() for name in needed)
    return all(isinstance(try_to_load_from_cache(SOURCE, name), str) for name in needed)


class DepthAnything:
    """Measurement of the inverse depth of a photo; its weights are never fetched.

    Args:
        device: where torch runs it.

    Raises:
        WeightsError: transformers is not installed, or the weights are not at hand.

    Source: Yang et al., "Depth Anything V2", 2024; the small weights, as transformers reads them (safetensors only).
    """

    def __init__(self, device: str = "cpu") -> None:
        if importlib.util.find_spec("transformers") is None:
            raise WeightsError("Depth Anything: expected transformers; install it with: pip install 'photoflow[depth]'")
        from transformers import AutoImageProcessor, DepthAnythingForDepthEstimation

        try:
            model = DepthAnythingForDepthEstimation.from_pretrained(SOURCE, local_files_only=True, use_safetensors=True)
            self._processor = AutoImageProcessor.from_pretrained(SOURCE, local_files_only=True)
        except (OSError, ValueError) as error:
            raise WeightsError(f"Depth Anything: the weights {SOURCE} are not at hand") from error
        self._model, self._device = model.eval().to(device), device
        self._lock = threading.Lock()

    def __call__(self, rgb: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint16]:
        """Return the inverse depth of a photo, uint8 (H, W, 3): uint16 (h, w), 0 = farthest, at a size of its own."""
        import torch

        inputs = self._processor(images=rgb, return_tensors="pt").to(self._device)
        with self._lock, torch.inference_mode(), fast_inference(self._device):
            near = self._model(**inputs).predicted_depth[0]
        return _levels(near.float().cpu().numpy())
