"""Loads the compiled operators and says what was built.

The CPU operators register themselves when `photoflow._C` is imported. The CUDA operators lie in a library of their
own, which is loaded only where torch itself has CUDA of the same major version, so that one installation also works
beside a CPU-only torch.
"""

from __future__ import annotations

import functools
import importlib.util
import re
import sys
import warnings
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from photoflow.ops._sources import digest

BUILD = "pip install --no-build-isolation --no-deps ."
PACKAGE = Path(__file__).resolve().parents[1]


def find_library(package: Path = PACKAGE) -> Path:
    """Return the file of the compiled operators.

    In a clone it is the one that was built from the sources there: beside them, or in the installed photoflow, which
    the clone's folder `photoflow` hides.

    Args:
        package: the folder of the package.

    Raises:
        ImportError: there is none.
    """
    beside, sources = list(_libraries(package)), package.parent / "csrc"
    if sources.is_dir():
        wanted = digest(sources)
        for path in chain(beside, _installed()):
            if built_from(path) == wanted:
                return path
        if beside:
            warnings.warn(why_stale(beside[0], package) or "", stacklevel=2)
    if not beside:
        what = "built from these sources" if sources.is_dir() else "in this installation"
        raise ImportError(f"photoflow has no compiled operators {what}; build them in its source folder: {BUILD}")
    return beside[0]


def why_stale(library: Path, package: Path = PACKAGE) -> str | None:
    """Return why a library does not fit the sources that lie beside the package; None if it does, or there are none."""
    sources = package.parent / "csrc"
    if not sources.is_dir() or built_from(library) == digest(sources):
        return None
    return f"the operators were built from other sources than {sources}; build them again: {BUILD}"


def built_from(library: Path) -> str:
    """Return the digest of the sources that a library was built from, as the build noted it beside; "" if unknown."""
    note = library.with_name("_C.sources")
    return note.read_text().strip() if note.is_file() else ""


def _libraries(folder: Path) -> Iterator[Path]:
    """Yield the compiled modules in a folder."""
    for pattern in ("_C*.so", "_C*.pyd"):
        yield from folder.glob(pattern)


def _installed() -> Iterator[Path]:
    """Yield the libraries of all installed photoflows that Python's path leads to."""
    from importlib import metadata  # not quick, and not needed where the library lies beside

    for distribution in metadata.distributions(name="photoflow"):
        yield from _libraries(Path(str(distribution.locate_file("photoflow"))))


def _load() -> ModuleType:
    """Import the compiled module, which registers the operators."""
    path = find_library()
    spec = importlib.util.spec_from_file_location("photoflow._C", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except ImportError as error:
        raise ImportError(f"{path.name} of photoflow cannot be loaded; build it again: {BUILD} ({error})") from error
    sys.modules["photoflow._C"] = module
    return module


_C = _load()

OPERATORS = ("backward_warp", "correlation_lookup", "flow_attention", "forward_splat", "occlusion")
REBUILD = "PHOTOFLOW_CUDA=1 pip install --no-build-isolation --no-deps --force-reinstall --no-cache-dir ."
_ADVICE = "Rebuild them with a CUDA toolkit (without one, the build tells how pip brings it), in photoflow's sources"


def _built() -> dict[str, str | None]:
    """Return the facts compiled into the library, with None for those of CUDA where it was not compiled."""
    return {key: None if value == "none" else value for key, value in _C.build().items()}


def loaded_library() -> Path:
    """Return the file of the CPU operators that are loaded."""
    return Path(str(_C.__file__))


def cuda_library() -> Path | None:
    """Return the file that holds the CUDA operators, None if they were not built."""
    if _built()["cuda"] is None:
        return None
    return next(loaded_library().parent.glob("_cuda*.so"), None)


def _load_cuda() -> str | None:
    """Load the CUDA operators; return why not, or None."""
    library, built, here = cuda_library(), _built()["cuda"], torch.version.cuda
    if here is None:
        return f"torch {torch.__version__} has no CUDA"
    if library is None or built is None:
        return "photoflow was built without CUDA"
    if built.split(".")[0] != here.split(".")[0]:
        return f"photoflow was built with CUDA {built}, torch {torch.__version__} has CUDA {here}"
    try:
        torch.ops.load_library(str(library))
    except OSError as error:
        return f"{library.name} cannot be loaded: {error}"
    return None


_CUDA_MISSING = _load_cuda()


def runs_on(architectures: Sequence[str], capability: tuple[int, int]) -> bool:
    """Return whether code for some architectures runs on a GPU.

    Args:
        architectures: as torch names them: "8.6" runs on all 8.x from 8.6 on, "9.0+PTX" on everything newer too, "9.0a"
            on 9.0 alone, "10.0f" on the 10.x from there on.
        capability: the GPU's compute capability, major and minor.
    """
    for architecture in architectures:
        parts = re.fullmatch(r"(\d+)\.(\d+)([af]?)(\+PTX)?", architecture)
        if parts is None:
            return True  # a name such as "Turing": CUDA itself says at the launch if that is none of this GPU
        built, alone, newer = (int(parts[1]), int(parts[2])), parts[3], parts[4] and not parts[3]
        same = capability == built if alone == "a" else capability[0] == built[0] and capability >= built
        if same or (newer and capability >= built):
            return True
    return False


def why_not_on(device: torch.device) -> str | None:
    """Return why the operators cannot be used on a device, with the command that helps; None if they can.

    Args:
        device: of a tensor, or "cuda" for the present CUDA device.
    """
    if device.type != "cuda":
        return None
    if _CUDA_MISSING is not None:
        return f"{_CUDA_MISSING}. {_ADVICE}: {REBUILD}"
    return _unfit(torch.cuda.current_device() if device.index is None else device.index)


@functools.cache
def _unfit(index: int) -> str | None:
    """Return why the CUDA operators do not run on a GPU, seen once a GPU; None if they do."""
    architectures, capability = (_built()["architectures"] or "").split("_"), torch.cuda.get_device_capability(index)
    if runs_on(architectures, capability):
        return None
    here = "{}.{}".format(*capability)
    wanted = " ".join(sorted([*architectures, here], key=lambda name: [int(v) for v in re.findall(r"\d+", name)]))
    return (
        f"they were built for compute capability {', '.join(architectures)}, and this GPU has {here}. {_ADVICE}: "
        f'PHOTOFLOW_CUDA_ARCHS="{wanted}" {REBUILD}'
    )


def require_operators(operator: str, device: torch.device) -> None:
    """Raise with the command that helps if the operators for a device are not there.

    Raises:
        RuntimeError: The device is a CUDA device, and the CUDA operators are not loaded or not built for it.
    """
    if (why := why_not_on(device)) is not None:
        raise RuntimeError(f"{operator}: no CUDA operators for a tensor on {device}: {why}")


# torch.compile runs it instead of tracing it, as torch.compiler.assume_constant_result would say, whose import takes
# seconds.
require_operators._dynamo_marked_constant = True  # type: ignore[attr-defined]


def build_info() -> dict[str, Any]:
    """Describe the build of this installation.

    Returns:
        operators: names of the operators. cuda: version of the CUDA toolkit that compiled them, or None.
        cuda_loaded: whether the CUDA operators are usable beside this torch. architectures: those that CUDA was
        compiled for. simd: what the CPU operators use on this machine ("avx512", "avx2" or "baseline").
        sanitizers: those that the CPU operators were compiled with, for tests. summary: the same in one line.
    """
    built = _built()
    archs, sanitizers = (text.split("_") if (text := built[key]) else [] for key in ("architectures", "sanitizers"))
    cuda = f"CUDA {built['cuda']} ({' '.join(archs)})" if built["cuda"] else "no CUDA"
    loaded = f", CUDA operators not loaded: {_CUDA_MISSING}" if built["cuda"] and _CUDA_MISSING else ""
    checked = f", with sanitizers: {', '.join(sanitizers)}" if sanitizers else ""
    return {
        "operators": OPERATORS,
        "cuda": built["cuda"],
        "cuda_loaded": built["cuda"] is not None and _CUDA_MISSING is None,
        "architectures": archs,
        "simd": built["simd"],
        "sanitizers": sanitizers,
        "summary": f"{len(OPERATORS)} operators: CPU ({built['simd']}), {cuda}{loaded}{checked}",
    }
