"""Spectral volumes: numpy's FFT and back, their energy, loops, what is done to them, files."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from photoflow.errors import LONGEST, InputError
from photoflow.motion.spectral import (
    SpectralVolume,
    amplitude_scales,
    closing_frequencies,
    denormalised,
    normalised,
)

SECONDS, FRAMES = 3.0, 30
TIMES = np.arange(FRAMES) / FRAMES * SECONDS


@pytest.fixture(scope="module")
def trajectories() -> np.ndarray:
    return np.random.default_rng(0).normal(size=(FRAMES, 2, 5, 7)).astype(np.float32)


@pytest.fixture(scope="module")
def volume(trajectories: np.ndarray) -> SpectralVolume:
    return SpectralVolume.from_trajectories(trajectories, SECONDS, 8)


def test_coefficients_are_those_of_numpys_fft(trajectories: np.ndarray) -> None:
    wanted = np.fft.rfft(trajectories, axis=0) / FRAMES
    found = SpectralVolume.from_trajectories(trajectories, SECONDS, 15)
    np.testing.assert_allclose(found.coefficients, wanted[:15], atol=1e-6)
    np.testing.assert_allclose(found.frequencies, np.fft.rfftfreq(FRAMES, SECONDS / FRAMES)[:15])


@pytest.mark.parametrize("frames", [29, 30])
def test_all_frequencies_give_the_trajectories_back(frames: int) -> None:
    given = np.random.default_rng(1).normal(size=(frames, 2, 4, 3)).astype(np.float32)
    volume = SpectralVolume.from_trajectories(given, SECONDS, frames // 2 + 1)
    times = np.arange(frames) / frames * SECONDS
    np.testing.assert_allclose(volume.trajectories(times), given, atol=1e-5)


def test_fewer_frequencies_are_the_low_pass_of_numpys_fft(trajectories: np.ndarray, volume: SpectralVolume) -> None:
    kept = np.fft.rfft(trajectories, axis=0)
    kept[8:] = 0
    np.testing.assert_allclose(volume.trajectories(TIMES), np.fft.irfft(kept, FRAMES, axis=0), atol=1e-5)


def test_power_is_the_energy_of_the_motion_frequency_by_frequency(
    trajectories: np.ndarray, volume: SpectralVolume
) -> None:
    spectrum = np.abs(np.fft.rfft(trajectories, axis=0) / FRAMES) ** 2
    wanted = spectrum.sum(axis=1).mean(axis=(1, 2)) * np.where(np.arange(16) > 0, 2, 1)
    np.testing.assert_allclose(volume.power, wanted[:8], rtol=1e-5)
    energy = np.square(volume.trajectories(TIMES)).sum(axis=1).mean()
    assert volume.power.sum() == pytest.approx(energy, rel=1e-5)


def test_a_displacement_is_defined_at_any_time_and_repeats(volume: SpectralVolume) -> None:
    assert volume.displacement(0.123).shape == (2, 5, 7) and volume.displacement(0.123).dtype == np.float32
    for t in (-7.7, 0.0, 0.123):
        np.testing.assert_allclose(volume.displacement(t + SECONDS), volume.displacement(t), atol=1e-5)
        np.testing.assert_allclose(volume.field().flow(t).numpy(), volume.displacement(t), atol=1e-5)
    assert np.abs(volume.displacement(0.0) - volume.displacement(1.0)).max() > 0.1


def test_a_field_closes_a_loop_of_another_length(volume: SpectralVolume) -> None:
    closing = closing_frequencies(volume.frequencies, 4.0)
    np.testing.assert_allclose(closing * 4.0, [0, 1, 3, 4, 5, 7, 8, 9])  # whole, none but 0 is 0
    assert closing_frequencies(np.array([0, 0.01]), 4.0).tolist() == [0, 0.25]
    field = volume.field(closing)
    np.testing.assert_allclose(field.flow(4.3), field.flow(0.3), atol=1e-5)
    np.testing.assert_allclose(field.scaled(-2).flow(0.3), -2 * field.flow(0.3), atol=1e-5)
    assert float((volume.field().flow(4.3) - volume.field().flow(0.3)).abs().max()) > 0.1


def test_magnified_slowed_and_masked_in_frequency_and_place(volume: SpectralVolume) -> None:
    t = 0.7
    np.testing.assert_allclose(volume.magnified(3).displacement(t), 3 * volume.displacement(t), atol=1e-5)
    np.testing.assert_allclose(volume.slowed(2).displacement(2 * t), volume.displacement(t), atol=1e-5)
    middle = volume.between(0.5, 1.7)  # of 0, 1/3, 2/3, 1, 4/3, 5/3, ...
    assert np.flatnonzero(middle.power).tolist() == [2, 3, 4, 5]
    np.testing.assert_array_equal(middle.coefficients[2:6], volume.coefficients[2:6])
    mask = np.zeros((5, 7))
    mask[2, 3] = 0.5
    np.testing.assert_allclose(volume.masked(mask).displacement(t), mask * volume.displacement(t), atol=1e-6)


def test_cropped_and_resized(volume: SpectralVolume) -> None:
    part = volume.cropped(2, 1, 4, 3)
    assert part.size == (3, 4)
    np.testing.assert_allclose(part.displacement(0.7), volume.displacement(0.7)[:, 1:4, 2:6], rtol=1e-5, atol=1e-6)
    level = SpectralVolume(np.ones((3, 2, 6, 8)) * np.array([1, 2j, 3]).reshape(3, 1, 1, 1), SECONDS)
    for size in ((12, 24), (3, 2)):
        resized = level.resized(*size)
        assert resized.size == size and resized.seconds == SECONDS
        stretch = np.array([size[1] / 8, size[0] / 6]).reshape(2, 1, 1)  # displacements grow with the picture
        wanted = np.broadcast_to(stretch * level.displacement(0.7)[:, :1, :1], (2, *size))
        np.testing.assert_allclose(resized.displacement(0.7), wanted, atol=1e-4)


def test_amplitudes_are_normalised_and_back(volume: SpectralVolume) -> None:
    scales = amplitude_scales([volume, volume.magnified(2)])
    sizes = np.abs(volume.coefficients[3])
    assert scales[3] == pytest.approx(np.percentile([sizes, 2 * sizes], 95), rel=1e-5)
    parts = normalised(volume.coefficients, scales)
    assert parts.shape == (8, 4, 5, 7)
    y_imaginary = volume.coefficients[3, 1].imag / scales[3]
    np.testing.assert_allclose(parts[3, 3], np.sign(y_imaginary) * np.sqrt(np.abs(y_imaginary)), rtol=1e-5)
    np.testing.assert_allclose(denormalised(parts, scales), volume.coefficients, atol=1e-6)
    assert amplitude_scales([volume.magnified(0)]).min() > 0


def test_a_file_holds_the_volume(volume: SpectralVolume, tmp_path: Path) -> None:
    volume.save(tmp_path / "v.safetensors")
    loaded = SpectralVolume.load(tmp_path / "v.safetensors")
    np.testing.assert_array_equal(loaded.coefficients, volume.coefficients)
    assert loaded.seconds == volume.seconds and [f.name for f in tmp_path.iterdir()] == ["v.safetensors"]


def test_other_files_are_named(volume: SpectralVolume, tmp_path: Path) -> None:
    save_file({"real": np.zeros((1, 2, 3, 3))}, tmp_path / "other.safetensors")
    (tmp_path / "text.safetensors").write_text("no tensors")
    for name, said in (("other", "expected a spectral volume"), ("text", "cannot read"), ("none", "no such file")):
        with pytest.raises(InputError, match=rf"{name}\.safetensors: {said}"):
            SpectralVolume.load(tmp_path / f"{name}.safetensors")
    with pytest.raises(InputError, match=r"expected to end in \.safetensors"):
        volume.save(tmp_path / "volume.npy")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda v, f: SpectralVolume(np.zeros((3, 4, 5)), 1), r"expected coefficients \(K, 2, H, W\)"),
        (lambda v, f: SpectralVolume(np.full((1, 2, 3, 3), np.nan), 1), "expected finite coefficients"),
        (
            lambda v, f: SpectralVolume(np.zeros((1, 2, 3, 3)), 0),
            "expected a length from 0.001 to 1e\\+06 seconds, got 0",
        ),
        (lambda v, f: SpectralVolume.from_trajectories(f[:1], 1, 1), "expected at least 2 frames"),
        (lambda v, f: SpectralVolume.from_trajectories(f[:6], 1, 5), "6 frames have 1 to 4 frequencies, got 5"),
        (lambda v, f: SpectralVolume.from_trajectories(f[0], 1, 1), r"expected trajectories \(T, 2, H, W\)"),
        (lambda v, f: v.slowed(0), "expected a factor above 0"),
        (lambda v, f: v.masked(np.ones((4, 4))), r"expected a mask of \(5, 7\), got \(4, 4\)"),
        (lambda v, f: v.cropped(4, 0, 4, 3), "expected a box within 7x5 pixels, got 4,0,4,3"),
        (lambda v, f: v.resized(0, 3), "expected sides of at least 1 pixel, got 3x0"),
    ],
)
def test_what_is_wrong_is_said(make, said: str, volume: SpectralVolume, trajectories: np.ndarray) -> None:
    with pytest.raises(InputError, match=said):
        make(volume, trajectories)


ABOUT = {"photoflow": "spectral volume", "version": "1", "seconds": "3.0"}
ONE = np.ones((2, 2, 3, 4), np.float32)


def written(path: Path, real: np.ndarray = ONE, imaginary: np.ndarray | None = None, **about: str) -> Path:
    parts = {"real": real, "imaginary": real if imaginary is None else imaginary}
    save_file(parts, path, {**ABOUT, **about})
    return path


def put(path: Path, header: object, data: bytes = b"") -> Path:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)
    return path


def entries(dtype: str, shape: object, size: int) -> dict[str, object]:
    """A header with both parts of this type and shape, `size` bytes each."""
    one = {"dtype": dtype, "shape": shape}
    return {"__metadata__": ABOUT, "real": {**one, "data_offsets": [0, size]},
            "imaginary": {**one, "data_offsets": [size, 2 * size]}}  # fmt: skip


def full(value: float, dtype: type = np.float64) -> np.ndarray:
    return np.full((2, 2, 3, 4), value, dtype)


ODD = [
    (lambda path: written(path, full(1e300)), "NaN or infinity"),
    (lambda path: written(path, full(np.inf)), "NaN or infinity"),
    (lambda path: written(path, full(np.nan, np.float32)), "NaN or infinity"),
    (lambda path: written(path, ONE, full(-np.inf, np.float16)), "NaN or infinity"),
    (lambda path: written(path, full(1e30)), "at most 1e[+]09 pixels"),
    (lambda path: written(path, ONE.astype(np.int32)), "expected numbers of F16, BF16, F32, F64, got I32"),
    (lambda path: written(path, ONE > 0), "got BOOL"),
    (lambda path: written(path, ONE, ONE[:1]), "of one shape"),
    (lambda path: written(path, ONE[0]), "of one shape"),
    (lambda path: written(path, ONE[:0]), "expected coefficients"),
    (lambda path: written(path, ONE[:, :1]), "expected coefficients"),
    *((lambda path, text=text: written(path, seconds=text), "expected a length") for text in
      ("1e-320", "1e320", "nan", "-3", "0", "", "three", "9" * 5000, "1e-4")),
    (lambda path: written(path, version="2"), "of version 1"),
    (lambda path: save_file({"real": ONE}, path, ABOUT), "expected tensors real and imaginary, got"),
    (lambda path: save_file({"real": ONE, "imaginary": ONE, "x": ONE}, path, ABOUT), "expected tensors real and"),
    (lambda path: save_file({"real": ONE, "imaginary": ONE}, path, {"photoflow": "spectral volume"}), "of version 1"),
    (lambda path: put(path, entries("F32", [16, 2, 10**6, 10**6], 8), bytes(16)), "has 8 bytes"),
    (lambda path: put(path, entries("F32", [2**62, 2, 2**62, 8], 8), bytes(16)), "has 8 bytes"),
    (lambda path: put(path, entries("F8_E4M3", [1, 2, 1, 1], 2), bytes(4)), "of type 'F8_E4M3'"),
    (lambda path: put(path, {**entries("F32", [1, 2, 1, 1], 8), "__metadata__": [1]}, bytes(16)), "not texts"),
    (lambda path: put(path, {**entries("F32", [1, 2, 1, 1], 8), "__metadata__": {**ABOUT, "seconds": 3}}, bytes(16)),
     "not texts"),
    (lambda path: path.write_bytes(b""), "truncated"),
    (lambda path: path.write_bytes(b"\xff" * 8 + b"{"), "at most"),
    (lambda path: path.symlink_to("/dev/zero"), "more than 64 MiB"),
]  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", range(len(ODD)))
def test_an_odd_file_is_refused_in_one_short_line(case: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.motion.spectral.MOST_BYTES", 1 << 26)  # an endless file is read so far
    make, said = ODD[case]
    make(tmp_path / "v.safetensors")
    with pytest.raises(InputError, match=said) as caught:
        SpectralVolume.load(tmp_path / "v.safetensors")
    text = str(caught.value)
    assert "v.safetensors" in text and text.isprintable() and len(text) <= LONGEST


@pytest.mark.filterwarnings("error")
def test_other_precisions_are_read(tmp_path: Path) -> None:
    values = np.random.default_rng(3).normal(size=ONE.shape).astype(np.float32)
    for dtype in (np.float16, np.float64):
        loaded = SpectralVolume.load(written(tmp_path / "v.safetensors", values.astype(dtype)))
        np.testing.assert_allclose(loaded.coefficients, values + 1j * values, rtol=1e-3)
    upper = (values.view(np.uint32) >> 16).astype("<u2")
    path = put(tmp_path / "b.safetensors", entries("BF16", ONE.shape, upper.nbytes), 2 * upper.tobytes())
    np.testing.assert_allclose(SpectralVolume.load(path).coefficients, values + 1j * values, rtol=1e-2)


@pytest.mark.filterwarnings("error")
def test_what_is_made_too_large_is_refused_without_a_warning() -> None:
    volume = SpectralVolume(full(1e8), 1)
    for make in (lambda: volume.magnified(1e30), lambda: volume.magnified(np.nan), lambda: volume.resized(300, 10_000)):
        with pytest.raises(InputError, match="spectral volume: expected"):
            make()
    for coefficients in (
        full(1e300),
        np.full((1, 2, 3, 3), "a"),
        np.full((1, 2, 3, 3), None),
        np.ones((1, 2, 3, 3), bool),
    ):
        with pytest.raises(InputError, match="spectral volume: expected"):
            SpectralVolume(coefficients, 1)
    for seconds in (True, "3", None, 10**400, 1e-320):
        with pytest.raises(InputError, match="expected a length from"):
            SpectralVolume(ONE, seconds)  # type: ignore[arg-type]


def test_a_pipe_without_a_writer_and_a_name_that_no_file_has(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photoflow.io.reading._PATIENCE", 0.1)
    os.mkfifo(tmp_path / "v.safetensors")
    for name in ("v.safetensors", "a\0.safetensors", "\ud800.safetensors", "a" * 5000):
        with pytest.raises(InputError) as caught:
            SpectralVolume.load(tmp_path / name)
        assert str(caught.value).isprintable() and len(str(caught.value)) <= LONGEST
