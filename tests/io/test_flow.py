import struct
from pathlib import Path

import cv2
import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.io import read_flow, write_flow


@pytest.fixture
def flow() -> np.ndarray:
    flow = np.random.default_rng(0).normal(0, 30, (2, 7, 11)).astype(np.float32)
    flow[:, 2, 3] = np.nan
    return flow


def test_round_trip(tmp_path: Path, flow: np.ndarray) -> None:
    write_flow(tmp_path / "f.flo", flow)
    write_flow(tmp_path / "f.png", flow)
    np.testing.assert_array_equal(read_flow(tmp_path / "f.flo"), flow)
    np.testing.assert_allclose(read_flow(tmp_path / "f.png"), flow, atol=1 / 128)
    assert read_flow(tmp_path / "f.png").dtype == np.float32


def test_layout(tmp_path: Path) -> None:
    """Files as the data sets' own tools write them: x first, y down; KITTI R = x, G = y, B = valid."""
    pixels = np.array([[[1.5, -2.0], [3.0, 4.0]]], np.float32)
    (tmp_path / "a.flo").write_bytes(b"PIEH" + struct.pack("<ii", 2, 1) + pixels.tobytes())
    np.testing.assert_array_equal(read_flow(tmp_path / "a.flo"), [[[1.5, 3.0]], [[-2.0, 4.0]]])
    rgb = np.array([[[32768 + 96, 32768 - 128, 1], [0, 0, 0]]], np.uint16)
    cv2.imwrite(str(tmp_path / "a.png"), rgb[..., ::-1])
    np.testing.assert_array_equal(read_flow(tmp_path / "a.png"), [[[1.5, np.nan]], [[-2.0, np.nan]]])


def test_bad_files(tmp_path: Path, flow: np.ndarray) -> None:
    write_flow(tmp_path / "f.flo", flow)
    data = (tmp_path / "f.flo").read_bytes()
    cases = {"magic": (b"XXXX" + data[4:], "magic"), "short": (data[:-1], "truncated"),
             "header": (data[:6], "truncated"),
             "size": (data[:4] + bytes(8) + data[12:], "damaged")}  # fmt: skip
    for name, (content, message) in cases.items():
        (tmp_path / f"{name}.flo").write_bytes(content)
        with pytest.raises(InputError, match=message):
            read_flow(tmp_path / f"{name}.flo")
    cv2.imwrite(str(tmp_path / "eight.png"), np.zeros((4, 4, 3), np.uint8))
    (tmp_path / "cut.png").write_bytes(b"\x89PNG")
    for name, message in (("eight.png", "16-bit"), ("cut.png", "not a PNG"), ("no.flo", "cannot read"),
                          ("f.txt", "suffix")):  # fmt: skip
        with pytest.raises(InputError, match=message):
            read_flow(tmp_path / name)
    with pytest.raises(InputError, match="KITTI"):
        write_flow(tmp_path / "big.png", flow + 600)
    with pytest.raises(InputError, match=r"\(2, H, W\)"):
        write_flow(tmp_path / "bad.flo", flow[0])
