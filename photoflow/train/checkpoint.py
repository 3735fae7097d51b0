"""The files of a training in its folder: a checkpoint to go on from, and the weights that are used."""

from __future__ import annotations

import json
import os
import pickle
import platform
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from photoflow.errors import InputError
from photoflow.io.atomic import check_directory, naming_errors, replacing, write_bytes
from photoflow.train.config import as_text
from photoflow.train.schedule import Progress
from photoflow.weights.registry import WeightsError
from photoflow.weights.state_dict import check_archive

CHECKPOINT = "checkpoint.pt"
WEIGHTS = "weights.safetensors"
_FORMAT = 1


def check_place(folder: Path) -> Path:
    """Check that a training can be kept in a folder, which need not exist; none is made.

    Returns:
        The absolute path.

    Raises:
        InputError: it or what is above it is a file, or not writable.
    """
    place = Path(os.path.abspath(folder))
    check_directory(next(above for above in (place, *place.parents) if os.path.exists(above)))
    return place


def save_checkpoint(path: Path, recipe: str, config: str, progress: Progress, states: Mapping[str, Any]) -> None:
    """Write a checkpoint: afterwards it is the new one, or on failure still the old one.

    Args:
        path: the file.
        recipe: the recipe's name.
        config: its configuration, `TrainingConfig.as_json`.
        progress: how far it is.
        states: state dicts of networks, optimisers and scalers, by name.

    Raises:
        InputError: it cannot be written.
    """
    contents = {
        "format": _FORMAT, "recipe": recipe, "config": config, "progress": asdict(progress), "states": dict(states),
        "random": {"cpu": torch.get_rng_state(), "cuda": _cuda_states()},
    }  # fmt: skip
    with naming_errors(path), replacing(path) as hidden:
        torch.save(contents, hidden)


def load_checkpoint(path: Path, recipe: str, config: str) -> tuple[Progress, dict[str, Any]]:
    """Read a checkpoint; random numbers go on where they were.

    Returns:
        How far the training was, and the state dicts by name, on the CPU.

    Raises:
        InputError: in one line: it is damaged, or of another recipe or configuration.
    """
    contents = _read(path)
    try:
        if contents["format"] != _FORMAT:
            raise InputError(f"{path}: expected a checkpoint of format {_FORMAT}, got {contents['format']}")
        check_same(path, contents["recipe"], contents["config"], recipe, config)
        progress, states = Progress(**contents["progress"]), dict(contents["states"])
        random = contents["random"]
        torch.set_rng_state(random["cpu"])
        if len(random["cuda"]) == len(_cuda_states()):
            torch.cuda.set_rng_state_all(random["cuda"])
    except (LookupError, TypeError, RuntimeError) as error:
        raise InputError(f"{path}: expected a checkpoint of a training, got another file") from error
    return progress, states


def check_same(path: Path, recipe: str, config: str, wanted: str, wanted_config: str) -> None:
    """Check that a saved training has the wanted recipe and configuration.

    Raises:
        InputError: the recipe is another one, or a field of the configuration; the message names it.
    """
    if recipe != wanted:
        raise InputError(f"{path}: expected a training of {wanted}, got one of {recipe}; another --out starts afresh")
    before, now = json.loads(config), json.loads(wanted_config)
    for name in {**now, **before}:
        if before.get(name) != now.get(name):
            raise InputError(
                f"{path}: expected {name}={as_text(now.get(name))}, got a training with "
                f"{name}={as_text(before.get(name))}; only the same configuration goes on, another --out starts afresh"
            )


def write_weights(path: Path, network: nn.Module, about: Mapping[str, str]) -> None:
    """Write a network's weights in half precision, as safetensors.

    Args:
        path: the file.
        network: whose numbers are kept as float16; whole numbers stay as they are.
        about: what the file's header says of them.

    Raises:
        InputError: it cannot be written.
    """
    from safetensors.torch import save

    state = {name: _halved(tensor).cpu().contiguous() for name, tensor in network.state_dict().items()}
    write_bytes(path, save(state, dict(about)))


def about_weights(
    recipe: str, network: str, config: str, progress: Progress, device: str, world: int
) -> dict[str, str]:
    """Return the header of a file of weights: network, recipe, configuration, progress and machine."""
    number = torch.cuda.get_device_name(device) if device != "cpu" else f"{platform.machine()} CPU"
    machine = f"{world} x {number}" if world > 1 else number
    return {
        "format": "pt",
        "network": network,
        "recipe": recipe,
        "config": config,
        "progress": json.dumps(asdict(progress)),
        "machine": f"{machine}, torch {torch.__version__}",
    }


def progress_of_weights(path: Path, recipe: str, config: str) -> Progress:
    """Read a training's progress from its file of weights.

    Raises:
        InputError: the file is not one that a training left, or it was of another recipe or configuration.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            about = file.metadata() or {}
        found = about["recipe"], about["config"]
        progress = Progress(**json.loads(about["progress"]))
    except (SafetensorError, OSError, LookupError, TypeError, ValueError) as error:
        raise InputError(f"{path}: expected weights that a training left, got another file") from error
    check_same(path, *found, recipe, config)
    return progress


def _read(path: Path) -> Any:
    """Read a file of torch's without running anything in it."""
    try:
        check_archive(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except (WeightsError, EOFError, OSError, RuntimeError, pickle.UnpicklingError) as error:
        said = str(error).split("\n")[0].removeprefix(f"weights {path}: ")
        raise InputError(f"{path}: the checkpoint is damaged and cannot be read: {said}") from error


def _halved(tensor: Tensor) -> Tensor:
    return tensor.half() if tensor.is_floating_point() else tensor


def _cuda_states() -> list[Tensor]:
    return torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
