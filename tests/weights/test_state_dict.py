"""Loading weights: every way a good file may be written loads, every bad file gets its own line and changes nothing."""

from __future__ import annotations

import io
import json
import os
import pickle
import struct
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from photoflow.errors import LONGEST
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


def biased(tensor: Any) -> dict[str, Any]:
    """GOOD with another bias."""
    return changed(**{"0_bias": tensor})


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


def rezipped(change: Callable[[str, bytes], Any], compression: int = zipfile.ZIP_STORED) -> Callable[[Path], None]:
    """GOOD in a zip archive, each member as `change` has it: a list of (name, content)."""

    def write(path: Path) -> None:
        old = zipfile.ZipFile(saved(save_zip, path))
        with zipfile.ZipFile(path, "w", compression) as new:
            for name in old.namelist():
                for member in change(name, old.read(name)):
                    new.writestr(*member)

    return write


def saved(save: Callable[[Any, Path], None], path: Path, state: Any = GOOD) -> io.BytesIO:
    save(state, path)
    return io.BytesIO(path.read_bytes())


def with_pickle(data: bytes) -> Callable[[Path], None]:
    """An archive whose list of tensors is `data`."""
    return rezipped(lambda name, content: [(name, data if name.endswith("data.pkl") else content)])


def unreadable_name(path: Path) -> None:
    save_zip(GOOD, path)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"PK\x01\x02")  # the last member: its name is said to be UTF-8, and is not
    data[at + 8 : at + 10] = struct.pack("<H", 0x800)
    data[at + 46 : at + 48] = b"\xff\xfe"
    path.write_bytes(data)


def plain(header: Any, data: bytes = b"", length: int | None = None) -> Callable[[Path], Any]:
    """A safetensors file with this header, or its text."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return lambda path: path.write_bytes(struct.pack("<Q", len(text) if length is None else length) + text + data)


def entry(dtype: str = "F32", shape: Any = (1,), offsets: Any = (0, 4)) -> dict[str, Any]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


TWICE = b'{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}'
COMPLEX = torch.zeros(4, dtype=torch.complex64)
ONES = torch.ones(4)
FLOAT8 = torch.zeros(4).to(torch.float8_e4m3fn)
BYTEARRAY = b"cbuiltins\nbytearray\n"
CALLS = "calls builtins.bytearray when it is read"
ODD: dict[str, tuple[Callable[[Path], Any], str]] = {
    "name not UTF-8": (unreadable_name, "corrupted: "),
    "name twice": (rezipped(lambda n, c: [(n, c), (n, c)]), "corrupted: expected the members of one folder, each once"),
    "name absolute": (rezipped(lambda n, c: [(f"/{n}", c)]), "corrupted: "),
    "name outside": (rezipped(lambda n, c: [(n, c), (f"../{n}.x", c)]), "members of one folder"),
    "compressed": (rezipped(lambda n, c: [(n, c)], zipfile.ZIP_DEFLATED), "members that are not compressed"),
    "memory": (with_pickle(BYTEARRAY + b"J\xff\xff\xff\x7f\x85R."), CALLS),
    "memory, old": (lambda path: path.write_bytes(
        saved(save_old, path).getvalue().replace(b"ctorch._utils\n_rebuild_tensor_v2\n", BYTEARRAY, 1)), CALLS),
    "deep name": (with_pickle(b"})" + b"\x85" * 3_000_000 + b"Ns."), "a tuple has too much in it"),
    "name of 2^60 parts": (with_pickle(b"}X\1\0\0\0a" + b"q\0h\0\x86" * 60 + b"Ns."), "a tuple has too much in it"),
    "the same with a mark": (with_pickle(b"})" + b"q\0(h\0h\0t" * 60 + b"Ns."), "corrupted: "),
    "escape": (with_pickle(b"ca\\=\nb\n."), "calls a.* when it is read"),
    "pickle of nothing": (with_pickle(b""), "corrupted: "),
    "long text": (with_pickle(b"\x8d" + b"\xff" * 7 + b"\x3f."), "corrupted: "),
    "meta": (lambda path: save_zip(biased(torch.zeros(4, device="meta")), path), "_rebuild_meta_tensor"),
    "sparse": (lambda path: save_zip(biased(torch.ones(4).to_sparse()), path), "_rebuild_sparse_tensor"),
    "quantized": (lambda path: save_zip(biased(torch.quantize_per_tensor(ONES, 1, 0, torch.qint8)), path),
                  "_rebuild_qtensor"),
    "complex": (lambda path: save_zip(biased(COMPLEX), path), "'0.bias' is torch.complex64 .*plain numbers"),
    "float8": (lambda path: save_zip(biased(FLOAT8), path), "torch.float8_e4m3fn .*plain numbers"),
    "repeated": (lambda path: save_zip(biased(torch.zeros(1).expand(10**9)), path),
                 r"'0\.bias' has the shape \(1000000000,\) in \d+ bytes"),
    "large numbers": (lambda path: save_zip(biased(torch.full((4,), 1e300, dtype=torch.float64)), path),
                      "values that are not finite"),
    "number as name": (lambda path: save_zip({**GOOD, 7: torch.zeros(1)}, path), "got also 7"),
    "long name": (lambda path: save_zip({**GOOD, "x" * 5000: torch.zeros(1)}, path), "another network's"),
    "float8, plain": (lambda path: save_safetensors(biased(FLOAT8), path),
                      "'0.bias' is of type 'F8_E4M3'; expected one of BOOL"),
    "complex, plain": (lambda path: save_safetensors(biased(COMPLEX), path), "'0.bias' is of type 'C64'"),
    "header of 2^63 bytes": (plain({}, length=1 << 63), "corrupted: expected a header of at most"),
    "header too long": (plain({}, length=100), "truncated: expected 108 bytes, got 10"),
    "nested": (plain(b'{"a":' + b"[" * 100_000), "corrupted: its header is not JSON"),
    "not UTF-8": (plain(b'{"\xff\xfe": 1}'), "corrupted: its header is not JSON"),
    "digits": (plain(b'{"a": ' + b"9" * 5000 + b"}"), "corrupted: its header is not JSON"),
    "header a list": (plain(b"{}", length=2), "missing"),
    "name twice, plain": (plain(TWICE, bytes(4)), "a name stands twice"),
    "overlap": (plain({"a": entry(), "b": entry()}, bytes(4)), "overlap"),
    "gap": (plain({"a": entry(offsets=(4, 8))}, bytes(8)), "overlap"),
    "rest": (plain({"a": entry()}, bytes(9)), r"corrupted: expected \d+ bytes, got"),
    "huge shape": (plain({"a": entry(shape=[10**18, 10**18])}, bytes(4)), "has 4 bytes"),
    "many axes": (plain({"a": entry(shape=[1] * 10_000)}, bytes(4)), "not made of whole numbers"),
    "negative": (plain({"a": entry(shape=[-1, -1])}, bytes(4)), "not made of whole numbers"),
    "true": (plain({"a": entry(shape=[True])}, bytes(4)), "not made of whole numbers"),
    "shape a text": (plain({"a": entry(shape="1")}, bytes(4)), "not made of whole numbers"),
    "dtype a list": (plain({"a": entry(dtype=["F32"])}, bytes(4)), "is of type"),
    "no dtype": (plain({"a": {"shape": [1]}}, bytes(4)), "no type, shape and place"),
    "metadata": (plain({"__metadata__": {"a": 1}}), "metadata are not texts"),
}  # fmt: skip


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("case", ODD)
def test_an_odd_file_is_refused_in_one_short_line(tmp_path: Path, case: str) -> None:
    write, fault = ODD[case]
    path = tmp_path / "given.pth"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write(path)
    untouched = network()
    with pytest.raises(WeightsError, match=fault) as caught:
        load_weights(untouched, path)
    assert "given.pth: " in str(caught.value) and str(caught.value).isprintable() and len(str(caught.value)) <= LONGEST
    assert all(torch.equal(a, b) for a, b in zip(untouched.state_dict().values(), network().state_dict().values()))


def test_a_file_larger_than_any_weights_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    plain({"a": entry(shape=[1 << 40], offsets=[0, 1 << 42])})(tmp_path / "large")
    os.truncate(tmp_path / "large", 1 << 42)
    with pytest.raises(WeightsError, match=r"expected at most 8 GiB, got 4096\.0"):
        load_weights(network(), tmp_path / "large")
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", "a" * 5000, "a\0b", "\ud800", "~nobody-of-this-name/a"):
        with pytest.raises(WeightsError, match="not found") as caught:
            load_weights(network(), str(tmp_path / name) if name[0] != "~" else name)
        assert str(caught.value).isprintable() and len(str(caught.value)) <= LONGEST


def test_tied_weights_share_their_bytes(tmp_path: Path) -> None:
    state = {**GOOD, "1.bias": GOOD["1.weight"]}
    save_zip(state, tmp_path / "a")
    loaded = network()
    load_weights(loaded, tmp_path / "a")
    assert torch.equal(loaded[1].bias, GOOD["1.weight"])
