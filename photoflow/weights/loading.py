"""Weights by name or path: found, fetched where they may be, read safely and loaded into a network."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, cast

from photoflow.weights.download import has_digest, install
from photoflow.weights.registry import REGISTRY, WeightsError, WeightsFile, entry_of
from photoflow.weights.state_dict import fit, read_state_dict, refuse, without_prefix

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = [
    "REGISTRY", "Loadable", "WeightsError", "WeightsFile", "cache_folder", "description", "fetch", "find",
    "load_weights", "locate", "shipped",
]  # fmt: skip


def load_weights(
    network: nn.Module,
    weights: str | Path,
    *,
    rename: Callable[[dict[str, Tensor]], dict[str, Tensor]] | None = None,
    offline: bool = False,
    accept_licence: bool = False,
) -> None:
    """Load weights into a network: all of them, or on any difference an error and the network stays as it was.

    Args:
        network: keeps its dtype and device; half-precision files fit a float32 network.
        weights: a name in `REGISTRY`, or a file: safetensors, or torch's format, read with `weights_only=True`. The
            "module." of data-parallel training before the names, and a "state_dict" or "model" around them, are
            taken off.
        rename: turns the file's names into the network's, where they differ, and leaves out what the network has no
            use for, such as the parts that only training used.
        offline: never fetch.
        accept_licence: accept a licence that forbids commercial use; see `fetch`.

    Raises:
        WeightsError: in one line that names the file: it is not found, cannot be fetched, may not be used, is
            truncated or corrupted, would run code, is of another format, or belongs to another network.
    """
    path = find(weights, offline=offline, accept_licence=accept_licence)
    state = without_prefix(read_state_dict(path), network)
    fit(network, state if rename is None else rename(state), path)


class Loadable:
    """A network that loads its own weights: `class Network(Loadable, nn.Module)`."""

    def load(self, weights: str | Path, *, offline: bool = False, accept_licence: bool = False) -> None:
        """Load weights, also as published: all of them, or none.

        Args:
            weights: a name in `REGISTRY`, or a file; see `load_weights`.
            offline: never fetch.
            accept_licence: accept a licence that forbids commercial use.

        Raises:
            WeightsError: the weights cannot be had, or are those of another network.
        """
        load_weights(
            cast("nn.Module", self), weights, rename=self.renamed, offline=offline, accept_licence=accept_licence
        )

    def renamed(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return a checkpoint's entries under the network's own names, without those it has no use for."""
        return state


def find(weights: str | Path, *, offline: bool = False, accept_licence: bool = False) -> Path:
    """Find the file of weights given by name or by path; a name's file is fetched where it is not at hand.

    Args:
        weights: a name in `REGISTRY`, which goes before a file of that name, or a path.
        offline: never fetch.
        accept_licence: see `fetch`.

    Returns:
        The path of a file; its content is checked only if it was given by name.

    Raises:
        WeightsError: there is no such name and no such file, or the name's file cannot be had.
    """
    if isinstance(weights, str) and weights in REGISTRY:
        return fetch(weights, offline=offline, accept_licence=accept_licence)
    path = Path(os.path.expanduser(weights))
    if os.path.isfile(path):
        return path
    if os.path.isdir(path):
        refuse(path, "expected a file, got a folder")
    refuse(path, f"not found; expected a file or one of the names {', '.join(REGISTRY)}")


def fetch(name: str, *, offline: bool = False, accept_licence: bool = False) -> Path:
    """Find the weights `name` in the cache folder or download them into it.

    Args:
        name: key in `REGISTRY`.
        offline: forbid the network.
        accept_licence: accept a licence that forbids commercial use. That is noted in the cache folder and holds for
            these weights from then on.

    Returns:
        The path of the checked file.

    Raises:
        WeightsError: the name is unknown, its licence forbids commercial use and has not been accepted, the file is
            absent and `offline` is set, no source could be reached (said within seconds), or what came is not the
            published file.
    """
    entry = entry_of(name)
    _check_licence(entry, accept_licence)
    target = cache_folder() / entry.filename
    if has_digest(target, entry.sha256):
        return target
    if offline:
        state = "there but not the published one" if os.path.exists(target) else "absent"
        raise WeightsError(f"weights '{name}': expected the file {target}, {state}, and offline is set")
    install(entry, target)
    return target


def shipped(kind: str) -> Path | None:
    """Return the weights shipped with photoflow for a network by `load_network`'s name, or None; a card lies beside."""
    path = Path(__file__).parent / "shipped" / f"{kind}.safetensors"
    return path if path.is_file() else None


def locate(name: str) -> Path | None:
    """Return the file of the weights `name` in the cache folder, or None if it is absent or not the right one."""
    entry = entry_of(name)
    try:
        path = cache_folder() / entry.filename
    except WeightsError:  # there is no such folder
        return None
    return path if has_digest(path, entry.sha256) else None


def cache_folder() -> Path:
    """Return the folder `torch.hub` keeps weights in, found without importing torch.

    Raises:
        WeightsError: it is in the home folder, and this user has none.
    """
    given = os.environ.get("TORCH_HOME")
    if not given:
        given = os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "torch")
    home = os.path.expanduser(given)
    if home.startswith("~"):  # neither HOME nor the list of users has it
        raise WeightsError(f"weights: expected a folder in TORCH_HOME, as {given} is nowhere: there is no home folder")
    return Path(home) / "hub" / "checkpoints"


def description(name: str) -> str:
    """Describe the weights `name` in two lines: size, licence, whether they are at hand, network, recipe, scores."""
    entry = entry_of(name)
    terms = f"{entry.licence} (not for commercial use)" if entry.non_commercial else entry.licence
    there = "present" if locate(name) else "absent"
    scores = ", ".join(f"{measure} {value:g}" for measure, value in entry.scores.items()) or "no scores recorded"
    return (
        f"{name:13} {entry.size_bytes / 1e6:6.1f} MB  {there:7}  {terms}\n"
        f"{'':13} {entry.network}: {entry.recipe}; {scores}"
    )


def _check_licence(entry: WeightsFile, accept: bool) -> None:
    """Refuse weights that forbid commercial use, unless that is accepted now or was before."""
    if not entry.non_commercial:
        return
    record = cache_folder() / f"{entry.filename}.licence"
    if accept:
        with suppress(OSError):  # where nothing can be written it is accepted for this time
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(f"{entry.licence} accepted\n")
    elif not _says(record, f"{entry.licence} accepted\n"):
        raise WeightsError(
            f"weights '{entry.name}': their licence {entry.licence} forbids commercial use; accept it with "
            f"--accept-licence (accept_licence=True), or by `photoflow weights get {entry.name} --accept-licence`"
        )


def _says(record: Path, text: str) -> bool:
    try:
        return record.read_bytes()[: len(text) + 1] == text.encode()
    except OSError:
        return False
