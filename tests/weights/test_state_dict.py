"""Loading weights: every way a good file may be written loads, every bad file gets its own line and changes nothing."""

from __future__ import annotations

import os
import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError, load_weights

torch = pytest.importorskip("torch")
save_safetensors = pytest.importorskip("safetensors.torch").save_file


def network(width: int = 4, seed: int = 0) -> Any:
    torch.manual_seed(seed)
    return torch.nn.Sequential(torch.nn.Conv2d(3, width, 3), torch.nn.BatchNorm2d(width))


GOOD = network(seed=1).state_dict()


def save_zip(state: Any, path: Path) -> None:
    torch.save(state, path)


def save_old(state: Any, path: Path) -> None:
    torch.save(state, path, _use_new_zipfile_serialization=False)


def changed(**entries: Any) -> dict[str, Any]:
    """GOOD with some entries in place of its own, or without those that are None."""
    renamed = {name.replace("_", "."): value for name, value in entries.items()}
    return {name: value for name, value in {**GOOD, **renamed}.items() if value is not None}


def assert_good(loaded: Any) -> None:
    state = loaded.state_dict()
    assert state.keys() == GOOD.keys()
    assert all(torch.equal(state[name], GOOD[name]) for name in GOOD)


@pytest.mark.parametrize("save", [save_zip, save_old, save_safetensors])
def test_formats(tmp_path: Path, save: Callable[[Any, Path], None]) -> None:
    save(GOOD, tmp_path / "any name")
    loaded = network()
    load_weights(loaded, tmp_path / "any name")
    assert_good(loaded)


@pytest.mark.parametrize(
    "wrapped",
    [
        {"state_dict": GOOD, "epoch": 3, "best": 1.5},
        {"model": GOOD, "optimizer": {"state": {}, "param_groups": [{"lr": 1e-4}]}},
        {"model": {"state_dict": GOOD}},
        {f"module.{name}": tensor for name, tensor in GOOD.items()},
        {"state_dict": {f"module.{name}": tensor for name, tensor in GOOD.items()}},
    ],
)
def test_wrappings(tmp_path: Path, wrapped: dict[str, Any]) -> None:
    torch.save(wrapped, tmp_path / "a.pth")
    loaded = network()
    load_weights(loaded, str(tmp_path / "a.pth"))
    assert_good(loaded)


def test_names_of_the_networks_own_are_left_alone(tmp_path: Path) -> None:
    wrapper = torch.nn.Module()
    wrapper.module = network()
    torch.save({f"module.{name}": tensor for name, tensor in GOOD.items()}, tmp_path / "a.pth")
    load_weights(wrapper, tmp_path / "a.pth")
    assert_good(wrapper.module)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_precisions_load_into_the_networks_own(tmp_path: Path, dtype: Any) -> None:
    state = {name: t.to(dtype) if t.is_floating_point() else t for name, t in GOOD.items()}
    save_safetensors(state, tmp_path / "a.safetensors")
    loaded = network()
    load_weights(loaded, tmp_path / "a.safetensors")
    assert loaded[0].weight.dtype == torch.float32
    assert torch.equal(loaded[0].weight, state["0.weight"].float())


def test_rename_maps_names_and_leaves_out(tmp_path: Path) -> None:
    torch.save(
        {**{f"net.{name}": tensor for name, tensor in GOOD.items()}, "teacher.bias": torch.zeros(2)}, tmp_path / "a"
    )
    loaded = network()
    load_weights(
        loaded,
        tmp_path / "a",
        rename=lambda state: {n.removeprefix("net."): t for n, t in state.items() if not n.startswith("teacher")},
    )
    assert_good(loaded)


class Payload:
    """Runs a command when it is unpickled."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.target}",)


def cut(save: Callable[[Any, Path], None], share: float) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        save(GOOD, path)
        path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])

    return write


def flipped(save: Callable[[Any, Path], None], what: bytes) -> Callable[[Path], None]:
    """One bit of the file is wrong, in the first byte of `what`."""

    def write(path: Path) -> None:
        save(GOOD, path)
        content = bytearray(path.read_bytes())
        content[content.index(what)] ^= 1
        path.write_bytes(content)

    return write


def script(path: Path) -> None:
    """The members by which a TorchScript archive is known."""
    with zipfile.ZipFile(path, "w") as archive:
        for member in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"archive/{member}", b"")


VALUES = GOOD["0.weight"].numpy().tobytes()[:16]
BAD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "absent": (lambda path: None, "not found; expected a file or one of the names u2netp"),
    "folder": (lambda path: path.mkdir(), "expected a file, got a folder"),
    "empty": (lambda path: path.touch(), "truncated: the file is empty"),
    "truncated": (cut(save_zip, 0.6), "truncated: the archive's directory"),
    "truncated old": (cut(save_old, 0.9), "truncated: "),
    "truncated safetensors": (cut(save_safetensors, 0.9), r"truncated: expected \d+ bytes, got \d+"),
    "truncated safetensors header": (cut(save_safetensors, 0.1), r"truncated: expected \d+ bytes, got \d+"),
    "corrupted": (flipped(save_zip, VALUES), "corrupted: the checksum of '.*data/0' is wrong"),
    "corrupted old": (flipped(save_old, b"collections"), "corrupted: |calls .*OrderedDict when it is read"),
    "corrupted safetensors": (flipped(save_safetensors, b'":{"dtype'), "corrupted: "),
    "not finite": (lambda path: save_zip(changed(**{"0_bias": torch.full((4,), torch.inf)}), path),
                   "corrupted: '0.bias' has values that are not finite"),
    "names": (lambda path: save_zip(changed(**{"0_bias": None, "7_extra": torch.zeros(1)}), path),
              r"expected the weights of Sequential, got another network's: "
              r"1 names missing \(such as 0\.bias\) and 1 names unknown \(such as 7\.extra\)"),
    "too few": (lambda path: save_zip(changed(**{"0_bias": None}), path), r"1 names missing \(such as 0\.bias\)$"),
    "shape": (lambda path: save_zip(network(width=5).state_dict(), path),
              r"'0\.weight' should have the shape \(4, 3, 3, 3\) and has \(5, 3, 3, 3\)"),
    "dtype": (lambda path: save_zip(changed(**{"0_bias": torch.zeros(4, dtype=torch.int8)}), path),
              r"'0\.bias' should be torch\.float32 and is torch\.int8"),
    "code": (lambda path: save_zip({**GOOD, "x": Payload(path.with_name("ran"))}, path),
             r"calls \w+\.system when it is read, and did not read it"),
    "code, old": (lambda path: save_old({**GOOD, "x": Payload(path.with_name("ran"))}, path),
                  r"calls \w+\.system when it is read, and did not read it"),
    "pickle": (lambda path: path.write_bytes(pickle.dumps(Payload(path.with_name("ran")))), "a plain pickle"),
    "script": (script, "got a TorchScript program"),
    "npz": (lambda path: np.savez(path.open("wb"), **{n: t.numpy() for n, t in GOOD.items()}), r"got another archive"),
    "npy": (lambda path: np.save(path.open("wb"), np.zeros(3)), r"got another one \(\.npy\)"),
    "page": (lambda path: path.write_text("<!doctype html><title>No</title>"), r"got another one \(a web page\?\)"),
    "pointer": (lambda path: path.write_text("version https://git-lfs.github.com/spec/v1\n"), "git-lfs"),
    "text": (lambda path: path.write_text("weights, more or less"), "got another one$"),
    "tensor": (lambda path: save_zip(torch.zeros(3), path), "expected names and tensors, got a Tensor"),
    "no tensors": (lambda path: save_zip({"epoch": 3}, path), "expected names and tensors, got also 'epoch'"),
    "nothing": (lambda path: save_zip({}, path), "expected names and tensors, got nothing"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_in_one_line_of_its_own(tmp_path: Path, case: str) -> None:
    write, fault = BAD[case]
    path = tmp_path / "given.pth"
    write(path)
    untouched = network()
    with pytest.raises(WeightsError, match=fault) as caught:
        load_weights(untouched, path)
    assert "given.pth: " in str(caught.value) and "\n" not in str(caught.value)
    assert all(torch.equal(a, b) for a, b in zip(untouched.state_dict().values(), network().state_dict().values()))
    assert not (tmp_path / "ran").exists()


def test_a_file_that_may_not_be_read_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.pth"
    save_zip(GOOD, path)
    path.chmod(0)
    if os.access(path, os.R_OK):
        pytest.skip("this user may read everything")
    with pytest.raises(WeightsError, match=r"a\.pth: cannot be read: Permission denied"):
        load_weights(network(), path)


def test_by_name_the_licence_counts_and_by_path_it_does_not(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.mkdir(parents=True)
    save_zip(GOOD, cache / "tiny.pth")
    from photoflow.weights.download import digest_of

    entry = weights.WeightsFile("tiny", "tiny.pth", "", digest_of(cache / "tiny.pth"), 1, "CC-BY-NC-4.0")
    monkeypatch.setitem(weights.REGISTRY, "tiny", entry)
    loaded = network()
    with pytest.raises(WeightsError, match=r"'tiny': their licence CC-BY-NC-4\.0 forbids commercial use"):
        load_weights(loaded, "tiny", offline=True)
    load_weights(loaded, cache / "tiny.pth")
    assert_good(loaded)
    loaded = network()
    load_weights(loaded, "tiny", offline=True, accept_licence=True)
    assert_good(loaded)
