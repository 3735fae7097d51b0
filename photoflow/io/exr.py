"""OpenEXR files: float channels by name."""

from __future__ import annotations

import os
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from photoflow.errors import InputError
from photoflow.io.atomic import check_target, naming_errors, replacing


def check_exr() -> None:
    """Check that OpenEXR files can be written.

    Raises:
        InputError: the package is not installed.
    """
    try:
        import OpenEXR  # noqa: F401
    except ImportError as error:
        raise InputError('exr: expected the package OpenEXR; pip install "photoflow[exr]"') from error


def write_exr(path: str | os.PathLike[str], channels: Mapping[str, NDArray[np.float32]]) -> None:
    """Write an OpenEXR file, compressed without loss (ZIP).

    Args:
        path: the file.
        channels: float32 (H, W) each, all of one size, by names such as "forward.u"; what stands before the last dot is
            the layer that compositing programs show.

    Raises:
        InputError: the package is not installed, no channel or channels of different sizes, or the file cannot be
            written.

    Source: OpenEXR, "Technical Introduction", sections on channels and layers.
    """
    check_exr()
    import OpenEXR

    sizes = {plane.shape for plane in channels.values()}
    if len(sizes) != 1 or len(next(iter(sizes))) != 2 or 0 in next(iter(sizes)):
        raise InputError(f"exr: expected channels (H, W) of one size, got {sorted(sizes)}")
    planes = {name: np.ascontiguousarray(plane, np.float32) for name, plane in channels.items()}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    target = check_target(path)
    with naming_errors(target), replacing(target) as hidden:
        try:
            OpenEXR.File(header, planes).write(os.fspath(hidden))
        except RuntimeError as error:  # its C++ exceptions: full disk and the like
            raise InputError(f"cannot write {target}: {error}") from error
