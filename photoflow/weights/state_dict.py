"""Reading a state dict from a file without running anything that is in it, and fitting it to a network."""

from __future__ import annotations

import json
import pickle
import re
import zipfile
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from photoflow.weights.registry import WeightsError

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, "Tensor"]
_ZIP = b"PK\x03\x04"
_TORCH_BEFORE_ZIP = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save pickled first until version 1.6
_WRAPPERS = ("state_dict", "model")  # the entries under which training scripts keep the state dict


def read_state_dict(path: Path) -> State:
    """Read the tensors in a file, by name.

    Args:
        path: safetensors, or what torch.save wrote (`weights_only=True` reads it: tensors, never other objects). A
            state dict that stands under "state_dict" or "model" is taken out.

    Returns:
        The state dict, on the CPU, in the file's dtypes.

    Raises:
        WeightsError: the file cannot be opened, is truncated, is corrupted, is of another format, needs code to be run,
            or holds something else than named tensors.
    """
    try:
        with open(path, "rb") as file:
            head = file.read(16)
    except OSError as error:
        refuse(path, f"cannot be read: {error.strerror or error}")
    if not head:
        refuse(path, "truncated: the file is empty")
    if head.startswith(_ZIP):
        _check_zip(path)
        return _unwrapped(_load_torch(path), path)
    if head[2:].startswith(_TORCH_BEFORE_ZIP):
        return _unwrapped(_load_torch(path), path)
    if head[8:9] == b"{":
        return _load_safetensors(path)
    refuse(path, f"expected safetensors or torch's format, got another one{_guess(head)}")


def fit(network: nn.Module, state: State, path: Path) -> None:
    """Load a state dict into a network, all of it or, on any difference, nothing.

    Args:
        network: keeps its dtype and device; half-precision values are widened for a float32 network.
        state: has to have the network's names and shapes.
        path: the file it came from, for messages.

    Raises:
        WeightsError: names are missing or unknown, a shape differs, or values are not finite.
    """
    import torch

    expected = network.state_dict()
    missing = [name for name in expected if name not in state]
    unknown = [name for name in state if name not in expected]
    whose = f"expected the weights of {type(network).__name__}, got another network's"
    if missing or unknown:
        kinds = (("missing", missing), ("unknown", unknown))
        refuse(path, f"{whose}: {' and '.join(f'{len(n)} names {kind} (such as {n[0]})' for kind, n in kinds if n)}")
    for name, tensor in expected.items():
        given = state[name]
        if given.shape != tensor.shape:
            refuse(path, f"{whose}: '{name}' should have the shape {tuple(tensor.shape)} and has {tuple(given.shape)}")
        if given.is_floating_point() != tensor.is_floating_point():
            refuse(path, f"{whose}: '{name}' should be {tensor.dtype} and is {given.dtype}")
        if given.is_floating_point() and not bool(torch.isfinite(given).all()):
            refuse(path, f"corrupted: '{name}' has values that are not finite")
    network.load_state_dict(state)


def without_prefix(state: State, network: nn.Module) -> State:
    """Return the state dict without the "module." that data-parallel training puts before every name."""
    if any(name.startswith("module.") for name in network.state_dict()):
        return state
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def refuse(path: Path, fault: str) -> NoReturn:
    """Raise the one-line WeightsError that names the file and what is wrong with it."""
    raise WeightsError(" ".join(f"weights {path}: {fault}".split())) from None


def _check_zip(path: Path) -> None:
    """See that a zip archive is whole and torch's.

    torch reads its archives without looking at their checksums, so a flipped bit would go into the network unseen.
    """
    if not zipfile.is_zipfile(path):
        refuse(path, "truncated: the archive's directory, which stands at its end, is missing")
    try:
        with zipfile.ZipFile(path) as archive:
            members = {name.rpartition("/")[2] for name in archive.namelist()}
            if "constants.pkl" in members:
                refuse(path, "expected safetensors or torch's format of tensors, got a TorchScript program")
            if "data.pkl" not in members:
                refuse(path, "expected safetensors or torch's format, got another archive (.npz?)")
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError) as error:
        refuse(path, f"corrupted: {error}")
    if damaged is not None:
        refuse(path, f"corrupted: the checksum of '{damaged}' is wrong")


def _load_torch(path: Path) -> Any:
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL ([\w.]+)", str(error))
        if code is None:
            refuse(path, "corrupted: its list of tensors cannot be read")
        refuse(path, f"expected tensors alone, got a file that calls {code[1]} when it is read, and did not read it")
    except Exception as error:  # a different one for every place where a file can end or be damaged
        said = str(error).split("\n")[0]
        refuse(path, f"{'truncated' if isinstance(error, EOFError) or 'EOF' in said else 'corrupted'}: {said}")


def _load_safetensors(path: Path) -> State:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    expected, size = _safetensors_size(path), path.stat().st_size
    if size < expected:
        refuse(path, f"truncated: expected {expected} bytes, got {size}")
    try:
        state: State = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        refuse(path, f"corrupted: {error}")
    return state


def _safetensors_size(path: Path) -> int:
    """Return the bytes the file has to have by its own header, as far as that can be read."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, path.stat().st_size))
    if len(header) < length:
        return 8 + length
    try:
        ends = [entry["data_offsets"][1] for name, entry in json.loads(header).items() if name != "__metadata__"]
        return 8 + length + max(ends, default=0)
    except (ValueError, LookupError, TypeError, AttributeError):
        return 0  # no header: that it is corrupted is found on reading


def _unwrapped(loaded: Any, path: Path) -> State:
    import torch

    for _ in _WRAPPERS:
        inner = [loaded[key] for key in _WRAPPERS if isinstance(loaded, dict) and isinstance(loaded.get(key), dict)]
        if inner:
            loaded = inner[0]
    if not isinstance(loaded, dict):
        refuse(path, f"expected names and tensors, got a {type(loaded).__name__}")
    other = [name for name, value in loaded.items() if not (isinstance(name, str) and isinstance(value, torch.Tensor))]
    if other or not loaded:
        refuse(path, f"expected names and tensors, got {f'also {other[0]!r}' if other else 'nothing'}")
    return loaded


def _guess(head: bytes) -> str:
    """Name the other format, if it is one that a person is likely to hand over; else return nothing."""
    kinds = {b"\x93NUMPY": " (.npy)", b"\x89HDF": " (HDF5)", b"\x80": " (a plain pickle, which is never read)",
             b"<": " (a web page?)", b"version https://": " (a pointer of git-lfs instead of the file)"}  # fmt: skip
    return next((kind for start, kind in kinds.items() if head.startswith(start)), "")
