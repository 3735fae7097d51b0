"""Spectral volumes: the motion of every pixel, described by the lowest frequencies of its Fourier series."""

from __future__ import annotations

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import cv2
import numpy as np

from photoflow.arrays import Array
from photoflow.errors import InputError, shown
from photoflow.io.reading import name_of, read_bytes
from photoflow.motion.field import MotionField
from photoflow.weights.safetensors_header import BYTES, Entry, header_of

if TYPE_CHECKING:
    from torch import Tensor

VERSION = 1
MOST_BYTES = 1 << 30  # of a file: 16 frequencies of 4 megapixels
LARGEST = 1e9  # pixels: far more than any photo has, and float32 still holds sums of their squares
SHORTEST, LONGEST = 1e-3, 1e6  # seconds
FREQUENCIES = 16  # as in the paper: they hold most of the power of natural oscillation


@dataclass(frozen=True, eq=False)
class SpectralVolume:
    """The displacement of every pixel over time, as the lowest frequencies of its Fourier series.

        F_t(p) = Re(S_0(p) + 2 sum_{k=1}^{K-1} S_k(p) exp(2 pi i k t / seconds))

    Args:
        coefficients: S, (K, 2, H, W) complex64, pixels; channel 0 = x right, 1 = y down. S_0 is the mean and real.
        seconds: the length T of the record, after which the motion repeats; frequency k is k / seconds hertz.

    Raises:
        InputError: coefficients have another shape, are not finite or above `LARGEST`, or the length is not from
            `SHORTEST` to `LONGEST`.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 3: S(p) = FFT(F(p)). Deviation: divided by the
        number of frames, so that coefficients are pixels and do not depend on the frame rate.
    """

    coefficients: Array
    seconds: float

    def __post_init__(self) -> None:
        given = np.asarray(self.coefficients)
        if given.ndim != 4 or given.shape[1] != 2 or 0 in given.shape:
            raise InputError(f"spectral volume: expected coefficients (K, 2, H, W), got {shown(given.shape)}")
        if given.dtype.kind not in "fciu":
            raise InputError(f"spectral volume: expected coefficients that are numbers, got {given.dtype}")
        _check_length(self.seconds)
        with np.errstate(all="ignore"):  # what is too large for complex64 is found below
            coefficients = np.ascontiguousarray(given, dtype=np.complex64)
        _check_sizes(coefficients)
        object.__setattr__(self, "coefficients", coefficients)
        object.__setattr__(self, "seconds", float(self.seconds))

    @classmethod
    def from_trajectories(cls, trajectories: Array, seconds: float, count: int = FREQUENCIES) -> SpectralVolume:
        """Transform measured displacements into a volume.

        Args:
            trajectories: (T, 2, H, W) float, pixels: the displacements at T times, evenly spaced over the record.
            seconds: the length of the record: T times the interval between two of them.
            count: number K of frequencies to keep, at most T // 2 + 1.

        Raises:
            InputError: trajectories have another shape or fewer than two times, or the count is out of its range.
        """
        given = np.asarray(trajectories)
        if given.ndim != 4 or given.shape[1] != 2:
            raise InputError(f"spectral volume: expected trajectories (T, 2, H, W), got {given.shape}")
        times = len(given)
        if times < 2:
            raise InputError(f"spectral volume: expected at least 2 frames of trajectories, got {times}")
        if not 1 <= count <= times // 2 + 1:
            raise InputError(f"spectral volume: {times} frames have 1 to {times // 2 + 1} frequencies, got {count}")
        kept = np.stack([_frequency(given, k) for k in range(count)])
        if times % 2 == 0 and count == times // 2 + 1:
            kept[-1] /= 2  # the Nyquist frequency occurs once in the transform; the series counts every k > 0 twice
        return cls(kept, seconds)

    @property
    def count(self) -> int:
        """Return the number K of frequencies, including 0."""
        return len(self.coefficients)

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width) in pixels."""
        height, width = self.coefficients.shape[2:]
        return height, width

    @property
    def frequencies(self) -> Array:
        """Return the frequencies, (K,) float64, hertz."""
        return np.arange(self.count) / self.seconds

    @property
    def power(self) -> Array:
        """Return the power of the motion at each frequency, (K,) float64, square pixels.

        It is the mean over all pixels of the power in x plus that in y. The sum over all frequencies is the mean
        squared displacement over time (Parseval's theorem).
        """
        squared = np.square(np.abs(self.coefficients.astype(np.complex128))).sum(axis=1).mean(axis=(1, 2))
        return np.asarray(squared * np.where(np.arange(self.count) > 0, 2, 1))

    @cached_property
    def planes(self) -> Array:
        """Return real and imaginary parts, (2 K, 2 H W) float32: a displacement is one matrix product with them."""
        flat = self.coefficients.reshape(self.count, -1)
        return np.concatenate([flat.real, flat.imag])

    def displacement(self, t: float) -> Array:
        """Return the displacement of every pixel at time `t`, seconds, any real number: (2, H, W) float32, pixels."""
        return np.asarray(self.trajectories([t])[0])

    def trajectories(self, times: Sequence[float] | Array) -> Array:
        """Return the displacements at several times, seconds: (T, 2, H, W) float32, pixels."""
        flat = _amounts(np.asarray(times, dtype=np.float64), self.frequencies) @ self.planes
        return np.asarray(flat.reshape(-1, 2, *self.size), dtype=np.float32)

    def field(self, frequencies: Array | None = None, device: str = "cpu") -> SpectralField:
        """Return the motion as a field over the volume's own pixels.

        Args:
            frequencies: (K,) hertz, used in place of the volume's own, for example to close a loop of another length;
                see `closing_frequencies`.
            device: device of the displacements.
        """
        return SpectralField(self, self.frequencies if frequencies is None else frequencies, device)

    def magnified(self, factor: float) -> SpectralVolume:
        """Return the motion with amplitudes `factor` times as large; below 1 it is damped. Section 6 of the paper."""
        with np.errstate(all="ignore"):  # what becomes too large is refused
            return replace(self, coefficients=np.float32(factor) * self.coefficients)

    def slowed(self, factor: float) -> SpectralVolume:
        """Return the motion `factor` times as slow; below 1 it is faster.

        Raises:
            InputError: the factor is not a positive number.
        """
        if not 0 < factor < math.inf:
            raise InputError(f"spectral volume: expected a factor above 0 to slow down by, got {factor}")
        return replace(self, seconds=factor * self.seconds)

    def between(self, lowest: float, highest: float) -> SpectralVolume:
        """Return the part of the motion with frequencies from `lowest` to `highest` hertz; the rest is 0."""
        kept = (self.frequencies >= lowest) & (self.frequencies <= highest)
        return replace(self, coefficients=self.coefficients * kept[:, None, None, None])

    def masked(self, mask: Array) -> SpectralVolume:
        """Return the motion multiplied, pixel by pixel, by a mask (H, W) in [0, 1].

        Raises:
            InputError: the mask has another size.
        """
        if np.shape(mask) != self.size:
            raise InputError(f"spectral volume: expected a mask of {self.size}, got {np.shape(mask)}")
        return replace(self, coefficients=self.coefficients * np.asarray(mask, dtype=np.float32))

    def cropped(self, left: int, top: int, width: int, height: int) -> SpectralVolume:
        """Return the motion of a rectangle of pixels.

        Raises:
            InputError: the rectangle is empty or not within the volume.
        """
        rows, columns = self.size
        if not (0 <= left < left + width <= columns and 0 <= top < top + height <= rows):
            box = f"{left},{top},{width},{height}"
            raise InputError(f"spectral volume: expected a box within {columns}x{rows} pixels, got {box}")
        return replace(self, coefficients=self.coefficients[:, :, top : top + height, left : left + width])

    def resized(self, height: int, width: int) -> SpectralVolume:
        """Resize the motion to a picture of another size; displacements are scaled with it.

        Raises:
            InputError: a side below 1.
        """
        if min(height, width) < 1:
            raise InputError(f"spectral volume: expected sides of at least 1 pixel, got {width}x{height}")
        rows, columns = self.size
        shrinks = height * width < rows * columns
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        flat = self.coefficients.reshape(-1, rows, columns)
        parts = [[cv2.resize(part, (width, height), interpolation=how) for part in (c.real, c.imag)] for c in flat]
        grown = np.stack([real + 1j * imaginary for real, imaginary in parts]).reshape(self.count, 2, height, width)
        scale = np.array([width / columns, height / rows], dtype=np.float32)
        return replace(self, coefficients=grown * scale[:, None, None])

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the volume into a safetensors file: under a hidden name beside the target, then renamed.

        Raises:
            InputError: the suffix is not .safetensors, or the file cannot be written.
        """
        from safetensors.numpy import save

        from photoflow.io.atomic import write_bytes

        if not str(path).lower().endswith(".safetensors"):
            raise InputError(f"cannot write {path}: a spectral volume is expected to end in .safetensors")
        if self.coefficients.nbytes + 4096 > MOST_BYTES:  # the rest is for the header
            raise InputError(f"cannot write {path}: a spectral volume of more than {MOST_BYTES >> 20} MiB")
        about = {"photoflow": "spectral volume", "version": str(VERSION), "seconds": repr(self.seconds)}
        parts = {"real": self.coefficients.real, "imaginary": self.coefficients.imag}
        write_bytes(path, save({name: np.ascontiguousarray(part) for name, part in parts.items()}, about))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> SpectralVolume:
        """Read a volume that `save` wrote.

        Its parts may also be of half or double precision, as another program may have written them.

        Raises:
            InputError: the file is missing, is not a spectral volume, has another version, or is damaged.
        """
        name, data = name_of(path), read_bytes(path, "a spectral volume (.safetensors)", MOST_BYTES)
        try:
            return cls._of_bytes(data)
        except InputError as error:
            raise InputError(f"{name}: {error}") from error

    @classmethod
    def _of_bytes(cls, data: bytes) -> SpectralVolume:
        try:
            header = header_of(data, len(data))
        except InputError as error:
            raise InputError(f"cannot read the spectral volume ({error})") from error
        about, parts = header.about, [header.tensors.get(name) for name in ("real", "imaginary")]
        if about.get("photoflow") != "spectral volume" or about.get("version") != str(VERSION):
            raise InputError(f"expected a spectral volume of version {VERSION}")
        real, imaginary = parts
        if real is None or imaginary is None or len(header.tensors) > 2:
            raise InputError(f"expected tensors real and imaginary, got {shown(list(header.tensors))}")
        if real.shape != imaginary.shape or len(real.shape) != 4:
            shapes = f"{shown(real.shape)} and {shown(imaginary.shape)}"
            raise InputError(f"expected real and imaginary parts of one shape (K, 2, H, W), got {shapes}")
        coefficients = np.empty(real.shape, np.complex64)
        with np.errstate(all="ignore"):  # what is too large for complex64 is found by the constructor
            coefficients.real, coefficients.imag = _numbers(data, real), _numbers(data, imaginary)
        return cls(coefficients, _length(about.get("seconds")))


def _check_length(seconds: float) -> None:
    number = isinstance(seconds, (int, float, np.integer, np.floating)) and not isinstance(seconds, bool)
    if not number or not SHORTEST <= seconds <= LONGEST:  # NaN fails the comparison too
        expected = f"a length from {SHORTEST:g} to {LONGEST:g} seconds"
        raise InputError(f"spectral volume: expected {expected}, got {shown(seconds)}")


def _check_sizes(coefficients: Array) -> None:
    """Check that all parts are finite and at most `LARGEST`, without a second array of their size."""
    parts = coefficients.reshape(-1).view(np.float32)
    low, high = float(parts.min()), float(parts.max())
    if not (math.isfinite(low) and math.isfinite(high)):  # both are NaN where any is
        raise InputError("spectral volume: expected finite coefficients, got NaN or infinity")
    if max(-low, high) > LARGEST:
        raise InputError(f"spectral volume: expected at most {LARGEST:g} pixels, got {max(-low, high):g}")


def _length(text: str | None) -> float:
    try:
        return float(text or "")
    except ValueError as error:
        raise InputError(f"expected a length in seconds, got {shown(text)}") from error


def _numbers(data: bytes, entry: Entry) -> Array:
    """Return the numbers of a tensor of a safetensors file, as they stand in it or, of bfloat16, as float32.

    Raises:
        InputError: they are no floating-point numbers.
    """
    kinds = {"F16": "<f2", "BF16": "<u2", "F32": "<f4", "F64": "<f8"}
    if entry.dtype not in kinds:
        raise InputError(f"expected numbers of {', '.join(kinds)}, got {entry.dtype}")
    count = (entry.end - entry.start) // BYTES[entry.dtype]
    values = np.frombuffer(data, kinds[entry.dtype], count, entry.start).reshape(entry.shape)
    if entry.dtype != "BF16":
        return values
    return (values.astype(np.uint32) << 16).view(np.float32)  # the upper half of a float32


class SpectralField(MotionField):
    """The displacements of a spectral volume, at frequencies that may differ from its own.

    Args:
        volume: the volume, over the pixels of the region.
        frequencies: (K,) hertz, in place of the volume's own.
        device: device of the displacements.
    """

    def __init__(self, volume: SpectralVolume, frequencies: Array, device: str = "cpu") -> None:
        import torch

        self.volume, self.frequencies = volume, np.asarray(frequencies, dtype=np.float64)
        self._planes = torch.from_numpy(volume.planes).to(device)

    def flow(self, t: float) -> Tensor:
        import torch

        now = torch.from_numpy(_amounts(np.asarray([t]), self.frequencies)[0])
        amounts = now.to(self._planes.device, non_blocking=True)
        flow: Tensor = torch.mv(self._planes.T, amounts).reshape(2, *self.volume.size)
        return flow

    def scaled(self, factor: float) -> MotionField:
        return SpectralField(self.volume.magnified(factor), self.frequencies, str(self._planes.device))


def closing_frequencies(frequencies: Array, seconds: float) -> Array:
    """Round frequencies to the nearest ones that make a clip of `seconds` a closed loop.

    Each rounded frequency has a whole number of periods in the clip, at least one unless it was 0.

    Args:
        frequencies: hertz, at least 0.
        seconds: length of the clip.

    Returns:
        The rounded frequencies, hertz, of the same shape.
    """
    cycles = np.rint(np.asarray(frequencies) * seconds)
    return np.asarray(np.where(np.asarray(frequencies) > 0, np.maximum(cycles, 1), 0) / seconds)


def amplitude_scales(volumes: Sequence[SpectralVolume], percentile: float = 95.0) -> Array:
    """Compute a scale for each frequency: the percentile of its amplitudes over all pixels, axes and volumes.

    Args:
        volumes: at least one, all with the same number of frequencies.
        percentile: 0 to 100.

    Returns:
        (K,) float32, pixels, above 0.

    Source: Generative Image Dynamics, section 4.1, "Frequency adaptive normalization".
    """
    count = volumes[0].count
    sizes = [np.concatenate([np.abs(v.coefficients[k]).ravel() for v in volumes]) for k in range(count)]
    scales = np.array([np.percentile(one, percentile) for one in sizes], dtype=np.float32)
    return np.asarray(np.maximum(scales, np.finfo(np.float32).tiny))


def normalised(coefficients: Array, scales: Array) -> Array:
    """Normalise coefficients to a similar size at all frequencies.

    Args:
        coefficients: (K, 2, H, W) complex, pixels.
        scales: (K,), pixels; see `amplitude_scales`.

    Returns:
        (K, 4, H, W) float32: real and imaginary part of x, then of y, each as sign(s) sqrt(|s| / scale).

    Source: Generative Image Dynamics, equation (3).
    """
    parts = np.stack([coefficients.real, coefficients.imag], axis=2)  # (K, 2, 2, H, W)
    parts = parts.reshape(len(coefficients), 4, *coefficients.shape[2:]) / scales[:, None, None, None]
    return np.asarray(np.sign(parts) * np.sqrt(np.abs(parts)), dtype=np.float32)


def denormalised(parts: Array, scales: Array) -> Array:
    """Invert `normalised`: (K, 4, H, W) float32 -> (K, 2, H, W) complex64, pixels."""
    full = (np.sign(parts) * np.square(parts) * scales[:, None, None, None]).astype(np.float32)
    return np.ascontiguousarray(full[:, 0::2] + 1j * full[:, 1::2], dtype=np.complex64)


def _amounts(times: Array, frequencies: Array) -> Array:
    """Return the weights of all real and imaginary parts in the displacements at T times, (T, 2 K) float32."""
    angles = 2 * np.pi * np.outer(times, frequencies)
    twice = np.where(np.arange(len(frequencies)) > 0, 2.0, 1.0)
    return np.concatenate([twice * np.cos(angles), -twice * np.sin(angles)], axis=1).astype(np.float32)


def _frequency(trajectories: Array, k: int) -> Array:
    """Compute coefficient k of the discrete Fourier transform over T times, divided by T: (2, H, W) complex.

    One frequency is computed at a time: a transform to all of them would take many times the memory of those kept.
    """
    times = len(trajectories)
    turns = np.exp(-2j * np.pi * k * np.arange(times) / times) / times
    flat = trajectories.reshape(times, -1)
    both = np.stack([turns.real, turns.imag]).astype(flat.dtype if flat.dtype == np.float64 else np.float32) @ flat
    return np.asarray((both[0] + 1j * both[1]).reshape(trajectories.shape[1:]))
