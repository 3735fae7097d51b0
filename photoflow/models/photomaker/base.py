"""SDXL, on which PhotoMaker stands, as diffusers runs it: found or fetched, checked, opened."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from math import prod
from pathlib import Path
from typing import Any

from photoflow.errors import shown
from photoflow.weights.registry import WeightsError

BASE = "stabilityai/stable-diffusion-xl-base-1.0"
LICENCE = "CreativeML Open RAIL++-M, which forbids some uses"
NETWORKS = {
    "unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
}  # fmt: skip
"""The networks of an SDXL, and their classes in diffusers and transformers."""

_SIZE = "7 GB"  # of its half precision files
_PIPELINE = "StableDiffusionXLPipeline"


def check_installed() -> None:
    """Check that the libraries are there.

    Raises:
        WeightsError: one is not; the line says what to type.
    """
    for library in ("diffusers", "transformers", "peft", "accelerate"):
        if importlib.util.find_spec(library) is None:
            raise WeightsError(f"SDXL: expected {library}; install it with: pip install 'photoflow[portrait]'")


def find_base(base: str, fetch: bool = False) -> Path:
    """Return the folder of an SDXL.

    Args:
        base: its name at the hub, or a folder as diffusers saves it.
        fetch: download what is not at hand.

    Raises:
        WeightsError: it is not at hand, or no SDXL.
    """
    check_installed()
    folder = Path(base).expanduser()
    if not folder.is_dir():
        if base.count("/") != 1 or folder.is_absolute():
            raise WeightsError(f"base: expected a folder or a name such as {BASE}, got {base}: no such folder")
        folder = _fetched(base, fetch)
    try:
        index = json.loads((folder / "model_index.json").read_text())
        kind = index["_class_name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WeightsError(f"base {base}: expected a folder of diffusers, with a model_index.json") from error
    if kind != _PIPELINE:
        raise WeightsError(f"base {base}: expected an SDXL ({_PIPELINE}), got {shown(kind)}")
    for part, wanted in NETWORKS.items():  # diffusers would load another class, too
        found = index.get(part)
        if not isinstance(found, list) or found[1:] != [wanted]:
            raise WeightsError(f"base {base}: expected {wanted} as its {part}, got {shown(found)}")
    return folder


def open_base(folder: Path, dtype: Any) -> Any:
    """Open an SDXL.

    Args:
        folder: as `find_base` returns it; only its safetensors are read.
        dtype: of its networks; or, by their names, of each, with "default" for the others.

    Returns:
        The pipeline of diffusers, on the CPU.

    Raises:
        WeightsError: a file is damaged, or something is missing.
    """
    from diffusers import StableDiffusionXLPipeline

    make: Any = StableDiffusionXLPipeline
    try:
        half = any(".fp16" in file.name for part in NETWORKS for file in files_of(folder, part))
        with quiet():
            pipeline = make.from_pretrained(
                folder, dtype=dtype, variant="fp16" if half else None, use_safetensors=True, local_files_only=True,
                add_watermarker=False,
            )  # fmt: skip
        _check_whole(pipeline, folder)
    except Exception as error:  # of a file, wherever diffusers finds it
        raise WeightsError(f"base {folder}: cannot be loaded ({reason_of(error)})") from error
    return pipeline


def files_of(folder: Path, part: str) -> list[Path]:
    """Return the files of one of an SDXL's networks, those of half precision where both are there.

    Raises:
        WeightsError: there is none.
    """
    files = sorted((folder / part).glob("*.safetensors"))
    if not files:
        raise WeightsError(f"no safetensors in {part}")
    return [file for file in files if ".fp16" in file.name] or files


def values_in(file: Path) -> int:
    """Return how many numbers a safetensors file holds."""
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118  (no mapping)


def reason_of(error: BaseException | None) -> str:
    """Return the beginning of what an error says; where that is a heading, with the line below it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])[:300]


@contextmanager
def quiet(bars: bool = False) -> Iterator[None]:
    """Keep diffusers and transformers from pages of what is said here in a line and, unless asked for, from bars."""
    from diffusers.utils import logging as diffusers_logging
    from transformers.utils import logging as transformers_logging

    libraries = (diffusers_logging, transformers_logging)
    before = [library.get_verbosity() for library in libraries]
    for library in libraries:
        library.set_verbosity(logging.CRITICAL)
        if not bars:
            library.disable_progress_bar()
    try:
        yield
    finally:
        for library, verbosity in zip(libraries, before):
            library.set_verbosity(verbosity)
            library.enable_progress_bar()


def _fetched(name: str, fetch: bool) -> Path:
    """Return the folder in which the hub's files of a pipeline lie, the half precision ones where there are such."""
    from diffusers import StableDiffusionXLPipeline

    failed: Exception | None = None
    for variant in ("fp16", None):
        try:
            with quiet(bars=fetch):  # a download shows its progress
                found = StableDiffusionXLPipeline.download(
                    name, variant=variant, use_safetensors=True, local_files_only=not fetch
                )
            return Path(found)
        except Exception as error:  # the hub's library has one for every way of failing
            failed = error
    if not fetch:
        told = f"it is {_SIZE}, {LICENCE}" if name == BASE else "see its licence at the hub"
        raise WeightsError(
            f"base: {name} is not at hand ({told}); --fetch (fetch=True) downloads it, --base FOLDER has another"
        ) from failed
    # Where the hub cannot be reached, the library complains first that it has no copy.
    reason = reason_of((failed and failed.__cause__) or failed)
    raise WeightsError(f"base: {name} cannot be fetched ({reason})") from failed


def _check_whole(pipeline: Any, folder: Path) -> None:
    """Check that the files hold all that the networks have: else the libraries draw it by lot, or leave it out.

    Raises:
        WeightsError: they do not, or a tokenizer is not that of its text encoder.
    """
    for part in NETWORKS:
        wanted = sum(one.numel() for one in getattr(pipeline, part).parameters())
        held = sum(map(values_in, files_of(folder, part)))
        if held < wanted:
            raise WeightsError(f"expected {wanted} numbers in {part}, got {held}")
    for part in ("", "_2"):
        longest = getattr(pipeline, f"tokenizer{part}").model_max_length
        wanted = getattr(pipeline, f"text_encoder{part}").config.max_position_embeddings
        if longest != wanted:
            raise WeightsError(f"expected a tokenizer{part} of {wanted} tokens, got {shown(longest)}")
