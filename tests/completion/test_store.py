"""What is kept of frames: read back as it was written, and refused where it is damaged."""

import numpy as np
import pytest

from photoflow import InputError
from photoflow.completion import store
from photoflow.completion.store import Store


def test_arrays_come_back(tmp_path):
    kept = Store(tmp_path)
    assert not kept.has("frame", 3)
    kept.write("frame", 3, one=np.arange(4), other=np.ones((2, 3), np.float32))
    kept.write("frame", 3, one=np.arange(5), other=np.ones((2, 3), np.float32))
    assert kept.has("frame", 3) and (kept.read("frame", 3)["one"] == np.arange(5)).all()
    assert Store(tmp_path).read("frame", 3)["other"].shape == (2, 3)
    kept.forget("frame", 3)
    kept.forget("frame", 3)
    assert not kept.has("frame", 3) and not list(tmp_path.iterdir())


def test_little_is_held(tmp_path, monkeypatch):
    monkeypatch.setattr(store, "_HELD", 3000)
    kept = Store(tmp_path)
    for number in range(9):
        kept.write("frame", number, values=np.full(125, number, np.float64))
    assert [int(kept.read("frame", number)["values"][0]) for number in (*range(9), 0)] == [*range(9), 0]
    assert len(kept._held) == 3


def test_what_is_damaged_or_cannot_be_written_is_told_of_in_a_line(tmp_path):
    kept = Store(tmp_path)
    kept.write("frame", 0, values=np.arange(100))
    file = next(tmp_path.iterdir())
    file.write_bytes(file.read_bytes()[:90])
    with pytest.raises(InputError, match=r"cannot read .*frame_000000"):
        kept.read("frame", 0)
    with pytest.raises(InputError, match=r"cannot write .*frame_000001"):
        Store(tmp_path / "absent").write("frame", 1, values=np.arange(3))
