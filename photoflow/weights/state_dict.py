"""Reading a state dict from a file without running anything that is in it, and fitting it to a network."""

from __future__ import annotations

import io
import pickle
import pickletools
import re
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NoReturn

from photoflow.errors import InputError, shown
from photoflow.weights.registry import WeightsError
from photoflow.weights.safetensors_header import header_bytes, header_of

if TYPE_CHECKING:
    from torch import Tensor, nn

State = dict[str, "Tensor"]
_ZIP = b"PK\x03\x04"
_TORCH_BEFORE_ZIP = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the number that torch.save pickled first until version 1.6
MOST_BYTES = 1 << 33  # of a file: fifteen times the largest that is known by name
# What a file of tensors, or of a training's state, calls. The rest that torch allows is of no use here, and some of it
# takes any amount of memory.
_HARMLESS = re.compile(
    r"collections\.(OrderedDict|Counter)|torch\._utils\._rebuild_(tensor(_v[23])?|parameter(_with_state)?)"
    r"|torch\.\w+Storage|torch\.storage\.UntypedStorage|torch\.nn\.parameter\.Parameter|torch\.(Size|device)"
    r"|torch\.(bool|u?int\d+|b?float\d+\w*)|torch\.serialization\._get_layout|_codecs\.encode"
    r"|(builtins|__builtin__)\.(set|complex)"
)
_DAMAGE = (
    zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, RuntimeError, ValueError, OverflowError,
    MemoryError, LookupError,
)  # fmt: skip
_MARK = 0  # among the sizes of what is on a pickle's stack
_MOST_IN_TUPLE = 1000
_WRAPPERS = ("state_dict", "model")  # the entries under which training scripts keep the state dict


def read_state_dict(path: Path, parts: Sequence[str] = ()) -> State:
    """Read the tensors in a file, by name.

    Args:
        path: safetensors, or what torch.save wrote (`weights_only=True` reads it: tensors, never other objects). A
            state dict that stands under "state_dict" or "model" is taken out.
        parts: where torch.save wrote these state dicts, each under its name, all are read, with "NAME." before their
            entries' names.

    Returns:
        The state dict, on the CPU, in the file's dtypes.

    Raises:
        WeightsError: the file cannot be opened, is truncated, is corrupted, is of another format, needs code to be run,
            or holds something else than named tensors.
    """
    head = _head(path)
    if head.startswith(_ZIP):
        check_archive(path)
        return _unwrapped(_joined(_load_torch(path), parts), path)
    if head[2:].startswith(_TORCH_BEFORE_ZIP):
        _check_old(path)
        return _unwrapped(_joined(_load_torch(path), parts), path)
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
        _check_tensor(name, given, path)
        if given.shape != tensor.shape:
            refuse(path, f"{whose}: '{name}' should have the shape {tuple(tensor.shape)} and has {tuple(given.shape)}")
        if given.is_floating_point() != tensor.is_floating_point():
            refuse(path, f"{whose}: '{name}' should be {tensor.dtype} and is {given.dtype}")
        # As the network's type: 1e300 is finite as float64 alone.
        if given.is_floating_point() and not bool(torch.isfinite(given.to(tensor.dtype)).all()):
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


def _head(path: Path) -> bytes:
    """Return the first bytes of the file; it is no pipe or device, and no larger than any weights are."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            refuse(path, "expected a regular file")
        if status.st_size > MOST_BYTES:
            refuse(path, f"expected at most {MOST_BYTES >> 30} GiB, got {status.st_size / (1 << 30):.1f}")
        with open(path, "rb") as file:
            head = file.read(16)
    except WeightsError:
        raise
    except (OSError, ValueError) as error:
        refuse(path, f"cannot be read: {getattr(error, 'strerror', None) or error}")
    if not head:
        refuse(path, "truncated: the file is empty")
    return head


def check_archive(path: Path) -> None:
    """Check that a zip archive is whole, torch's, and calls nothing but what rebuilds tensors when it is read.

    torch reads its archives without looking at their checksums, so a flipped bit would go into the network unseen.
    """
    try:
        if not zipfile.is_zipfile(path):
            refuse(path, "truncated: the archive's directory, which stands at its end, is missing")
        with zipfile.ZipFile(path) as archive:
            pickled = _pickle_in(archive, path)
            damaged = archive.testzip()
            if damaged is not None:
                refuse(path, f"corrupted: the checksum of {shown(damaged)} is wrong")
            _check_calls(path, _names_in(io.BytesIO(archive.read(pickled))))
    except WeightsError:
        raise
    except _DAMAGE as error:
        refuse(path, f"corrupted: {str(error) or type(error).__name__}")


def _pickle_in(archive: zipfile.ZipFile, path: Path) -> str:
    """Return the name of the archive's list of tensors, and see that its members are as torch writes them."""
    names = archive.namelist()
    pickles = [name for name in names if name.rpartition("/")[2] == "data.pkl"]
    if any(name.rpartition("/")[2] == "constants.pkl" for name in names):
        refuse(path, "expected safetensors or torch's format of tensors, got a TorchScript program")
    if not pickles:
        refuse(path, "expected safetensors or torch's format, got another archive (.npz?)")
    folder = names[0].partition("/")[0]
    if len(set(names)) < len(names) or len(pickles) > 1 or any(not n.startswith(f"{folder}/") for n in names):
        refuse(path, "corrupted: expected the members of one folder, each once")
    members = archive.infolist()
    if any(one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size for one in members):
        refuse(path, "expected members that are not compressed, as torch writes them")
    if sum(one.file_size for one in members) > path.stat().st_size:
        refuse(path, "corrupted: its members are larger than the file")
    return pickles[0]


def _check_old(path: Path) -> None:
    """See that a file from before torch wrote archives calls nothing; it is five pickles, and the numbers."""
    try:
        with open(path, "rb") as file:
            for _ in range(5):
                _check_calls(path, _names_in(file))
    except WeightsError:
        raise
    except _DAMAGE as error:
        ended = re.search("exhausted|not enough data|remain", str(error))
        refuse(path, f"{'truncated' if ended else 'corrupted'}: {str(error) or type(error).__name__}")


def _names_in(file: IO[bytes]) -> Iterator[str]:
    """Yield what a pickle refers to by name, as module.name; it is taken apart and not loaded.

    Raises:
        ValueError: it is damaged, or has a tuple in which there is too much.
    """
    stack: list[int] = []
    memo: dict[Any, int] = {}
    for code, argument, _ in pickletools.genops(file):
        if code.name in ("GLOBAL", "INST"):
            yield str(argument).replace(" ", ".")
        _follow(code, argument, stack, memo)


def _follow(code: pickletools.OpcodeInfo, argument: Any, stack: list[int], memo: dict[Any, int]) -> None:
    """Do to a stack of sizes what an operation of a pickle does to the stack of objects.

    A tuple is as large as all that is in it, anything else is 1. Tuples in each other a hundred thousand times, or each
    twice in the next, make Python crash or go on for ever as soon as one is the name of an entry.
    """
    before, taken = code.stack_before, []
    if pickletools.markobject in before:
        mark = len(stack) - 1
        while stack[mark] != _MARK:  # no further than what is taken off now
            mark -= 1
        taken = stack[mark + 1 :]
        del stack[mark:]
        before = before[: before.index(pickletools.markobject)]
    if before:
        taken = stack[-len(before) :] + taken
        del stack[-len(before) :]
    stack += [_MARK if kind is pickletools.markobject else 1 for kind in code.stack_after]
    if "TUPLE" in code.name:
        stack[-1] = 1 + sum(taken)
        if stack[-1] > _MOST_IN_TUPLE:
            raise ValueError("a tuple has too much in it")
    elif code.name == "DUP":
        stack[-2:] = 2 * taken
    elif code.name.endswith("PUT"):
        memo[argument] = stack[-1]
    elif code.name.endswith("GET"):
        stack[-1] = memo[argument]
    elif code.name == "MEMOIZE":
        memo[len(memo)] = stack[-1]


def _check_calls(path: Path, names: Iterator[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of odd texts in a damaged pickle
        called = next((name for name in names if not _HARMLESS.fullmatch(name)), None)
    if called is not None:
        refuse(path, f"expected tensors alone, got a file that calls {called} when it is read, and did not read it")


def _load_torch(path: Path) -> Any:
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is refused afterwards
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

    try:
        with open(path, "rb") as file:
            head = file.read(8)
            head += file.read(header_bytes(head) - len(head))
        header_of(head, path.stat().st_size)
        state: State = load_file(path)
    except (SafetensorError, InputError, OSError, ValueError) as error:
        said = str(error)
        refuse(path, said if isinstance(error, InputError) else f"corrupted: {said}")
    return state


def _joined(loaded: Any, parts: Sequence[str]) -> Any:
    """Return what was loaded with the entries of its parts side by side; what is of another form stays as it is."""
    if not isinstance(loaded, dict) or not any(isinstance(loaded.get(part), dict) for part in parts):
        return loaded
    out: dict[Any, Any] = {}
    for key, value in loaded.items():
        if key in parts and isinstance(value, dict):
            out |= {f"{key}.{name}": entry for name, entry in value.items()}
        else:
            out[key] = value
    return out


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
        refuse(path, f"expected names and tensors, got {f'also {shown(other[0])}' if other else 'nothing'}")
    size = path.stat().st_size
    for name, tensor in loaded.items():
        _check_tensor(name, tensor, path)
        if tensor.numel() * tensor.element_size() > size:  # repeated by strides of 0
            refuse(path, f"corrupted: {shown(name)} has the shape {shown(tuple(tensor.shape))} in {size} bytes")
    return loaded


def _check_tensor(name: str, tensor: Tensor, path: Path) -> None:
    """Refuse what has no plain numbers in memory: sparse, quantized, without data, complex, of 8 bits and a point."""
    import torch

    plain = tensor.layout is torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
    real = not tensor.is_complex() and (tensor.element_size() > 1 or not tensor.is_floating_point())
    if not (plain and real):
        kind = f"{tensor.dtype} of layout {tensor.layout} on {tensor.device}"
        refuse(path, f"{shown(name)} is {kind}; expected plain numbers")


def _guess(head: bytes) -> str:
    """Name the other format, if it is one that a person is likely to hand over; else return nothing."""
    kinds = {b"\x93NUMPY": " (.npy)", b"\x89HDF": " (HDF5)", b"\x80": " (a plain pickle, which is never read)",
             b"<": " (a web page?)", b"version https://": " (a pointer of git-lfs instead of the file)"}  # fmt: skip
    return next((kind for start, kind in kinds.items() if head.startswith(start)), "")
