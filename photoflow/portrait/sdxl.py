"""SDXL, as diffusers runs it: found or fetched, measured before it is loaded, loaded with PhotoMaker's residuals."""

from __future__ import annotations

import importlib.util
import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from photoflow.errors import InputError, shown
from photoflow.weights.registry import WeightsError

BASE = "stabilityai/stable-diffusion-xl-base-1.0"
LICENCE = "CreativeML Open RAIL++-M, which forbids some uses"
_SIZE = "7 GB"  # of its half precision files
_ADAPTER = "photomaker"
_PIPELINE = "StableDiffusionXLPipeline"
_NETWORKS = {
    "unet": "UNet2DConditionModel", "vae": "AutoencoderKL", "text_encoder": "CLIPTextModel",
    "text_encoder_2": "CLIPTextModelWithProjection",
}  # fmt: skip
_SHARE = 0.5  # of a machine's matrix products that a UNet gets
_DRAWING = 3.0  # bytes of intermediate results, for each pixel, value and channel of the autoencoder's widest layer
_SPARE = 1.2  # a GPU needs more than the networks and what they compute


@dataclass(frozen=True)
class Needs:
    """The means that drawing portraits takes.

    Args:
        parameters: of all networks.
        memory: bytes of them and of what they compute.
        operations: floating point ones of a step, with guidance.
    """

    parameters: int
    memory: int
    operations: float

    def said(self, steps: int, count: int, rate: float) -> str:
        """Describe them in a line, for a device that has `rate` operations a second."""
        minutes = self.operations * steps * count / rate / 60
        how_long = f"{minutes:.0f} min" if minutes >= 2 else f"{60 * minutes:.0f} s"
        pictures = "a portrait" if count == 1 else f"{count} portraits"
        return f"{pictures} of {steps} steps: about {how_long} and {self.memory / 1e9:.1f} GB of memory"


def check_installed() -> None:
    """Check that the libraries are there.

    Raises:
        WeightsError: one is not; the line says what to type.
    """
    for library in ("diffusers", "transformers", "peft", "accelerate"):
        if importlib.util.find_spec(library) is None:
            raise WeightsError(f"portrait: expected {library}; install it with: pip install 'photoflow[portrait]'")


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
    for part, wanted in _NETWORKS.items():  # diffusers would load another class, too
        found = index.get(part)
        if not isinstance(found, list) or found[1:] != [wanted]:
            raise WeightsError(f"base {base}: expected {wanted} as its {part}, got {shown(found)}")
    return folder


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
    reason = _reason((failed and failed.__cause__) or failed)
    raise WeightsError(f"base: {name} cannot be fetched ({reason})") from failed


def needs(folder: Path, size: tuple[int, int], bytes_each: int, more: int = 0) -> Needs:
    """Measure what drawing takes, from the networks' descriptions; nothing is loaded.

    Args:
        folder: of an SDXL.
        size: (height, width) of the picture, pixels.
        bytes_each: of a value, 2 or 4.
        more: parameters of what is loaded beside it.

    Raises:
        WeightsError: the folder lacks a network or is damaged.
    """
    try:
        values, channels, operations = _counted(folder, size)
    except Exception as error:  # of its description or its files, wherever diffusers finds it
        raise WeightsError(f"base {folder}: expected an SDXL as diffusers saves it ({_reason(error)})") from error
    drawing = _DRAWING * size[0] * size[1] * channels * bytes_each
    parameters = values + more
    return Needs(parameters, int(parameters * bytes_each + drawing), operations)


@lru_cache(maxsize=8)  # it takes seconds, and is asked for several times
def _counted(folder: Path, size: tuple[int, int]) -> tuple[int, int, float]:
    """Return an SDXL's numbers, the channels of its autoencoder's widest layer, and the operations of a step."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    values = sum(_values_in(file) for part in _NETWORKS for file in _files(folder, part))
    config, vae, text = (
        {**json.loads((folder / part / "config.json").read_text())} for part in ("unet", "vae", "text_encoder_2")
    )
    with torch.device("meta"), torch.no_grad(), FlopCounterMode(display=False) as counter:
        unet = UNet2DConditionModel.from_config(config)
        latents = torch.empty(2, unet.config.in_channels, size[0] // 8, size[1] // 8)
        words = torch.empty(2, 77, unet.config.cross_attention_dim)
        conditions = {"text_embeds": torch.empty(2, text["projection_dim"]), "time_ids": torch.empty(2, 6)}
        unet(latents, torch.empty(()), words, added_cond_kwargs=conditions)
    return values, max(vae["block_out_channels"][:2]), float(counter.get_total_flops())


def _files(folder: Path, part: str) -> list[Path]:
    """Return the files of one of an SDXL's networks, those of half precision where both are there."""
    files = sorted((folder / part).glob("*.safetensors"))
    if not files:
        raise WeightsError(f"no safetensors in {part}")
    return [file for file in files if ".fp16" in file.name] or files


def _values_in(file: Path) -> int:
    """Return how many numbers a safetensors file holds."""
    from math import prod

    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        return sum(prod(opened.get_slice(name).get_shape()) for name in opened.keys())  # noqa: SIM118  (no mapping)


def rate(device: str, precision: str) -> float:
    """Measure how many operations a second a device has for a UNet, roughly, in about a second."""
    import torch

    side = 2048 if device == "cpu" else 8192
    left = torch.ones(side, side, device=device, dtype=getattr(torch, precision))
    best = float("inf")
    for _ in range(3):
        begun = time.perf_counter()
        product = left @ left
        if device != "cpu":
            torch.cuda.synchronize(device)
        best = min(best, time.perf_counter() - begun)
    del product
    return _SHARE * 2 * side**3 / best


def free_memory(device: str) -> int | None:
    """Return the bytes that are free on a device; None: nobody knows."""
    if device != "cpu":
        import torch

        return int(torch.cuda.mem_get_info(device)[0])
    try:
        with open("/proc/meminfo") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))
    except (OSError, StopIteration, ValueError):
        return None


def settled_precision(precision: str, device: str, folder: Path, size: tuple[int, int], more: int) -> str:
    """Return the type of numbers that a choice means here: "bfloat16" or "float32".

    "auto" is bfloat16 on a GPU, and on a CPU that multiplies it in hardware (AMX), or that has no room for float32.

    Raises:
        InputError: there is no such choice.
    """
    choices = ("auto", "bfloat16", "float32")
    if precision not in choices:
        raise InputError(f"precision: expected {', '.join(choices)}, got {precision!r}")
    if precision != "auto":
        return precision
    import torch

    if device != "cpu" or torch.cpu._is_amx_tile_supported():
        return "bfloat16"
    free = free_memory(device)
    cramped = free is not None and needs(folder, size, 4, more).memory > free
    return "bfloat16" if cramped else "float32"


def load(folder: Path, lora: dict[str, Any], device: str, precision: str, offload: bool) -> Any:
    """Load an SDXL with PhotoMaker's residuals added to its attention, and a DDIM sampler.

    Args:
        folder: of the SDXL; only its safetensors are read.
        lora: residuals as diffusers reads them.
        device: where it runs.
        precision: "float32" or "bfloat16".
        offload: keep on the GPU only the network that is running.

    Raises:
        WeightsError: a file is damaged or lacks something, or the residuals are of another UNet.
    """
    import torch
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline

    try:
        half = any(".fp16" in file.name for part in _NETWORKS for file in _files(folder, part))
        with quiet():
            pipeline = StableDiffusionXLPipeline.from_pretrained(
                folder, dtype=getattr(torch, precision), variant="fp16" if half else None,
                use_safetensors=True, local_files_only=True, add_watermarker=False,
            )  # fmt: skip
            # DDIM's own defaults are for pixels and would cut latents at 1; a config of Euler's may not name them.
            pipeline.scheduler = DDIMScheduler.from_config(
                pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=False
            )
        _check_whole(pipeline, folder)
    except Exception as error:  # of a file, wherever diffusers finds it
        raise WeightsError(f"base {folder}: cannot be loaded ({_reason(error)})") from error
    try:
        with quiet():
            pipeline.load_lora_weights(dict(lora), adapter_name=_ADAPTER)
            _check_residuals(pipeline.unet, lora)
            pipeline.fuse_lora(adapter_names=[_ADAPTER])
            pipeline.unload_lora_weights()
    except Exception as error:  # of a residual
        raise WeightsError(
            f"weights: PhotoMaker's residuals do not fit the base {folder} ({_reason(error)})"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return pipeline


def _check_whole(pipeline: Any, folder: Path) -> None:
    """Check that the files hold all that the networks have: else the libraries draw it by lot, or leave it out.

    Raises:
        WeightsError: they do not, or a tokenizer is not that of its text encoder.
    """
    for part in _NETWORKS:
        wanted = sum(one.numel() for one in getattr(pipeline, part).parameters())
        held = sum(map(_values_in, _files(folder, part)))
        if held < wanted:
            raise WeightsError(f"expected {wanted} numbers in {part}, got {held}")
    for part in ("", "_2"):
        longest = getattr(pipeline, f"tokenizer{part}").model_max_length
        wanted = getattr(pipeline, f"text_encoder{part}").config.max_position_embeddings
        if longest != wanted:
            raise WeightsError(f"expected a tokenizer{part} of {wanted} tokens, got {shown(longest)}")


def _check_residuals(unet: Any, lora: dict[str, Any]) -> None:
    """Check that all residuals have gone into the UNet, which leaves out those of layers that it does not have.

    Raises:
        WeightsError: they have not.
    """
    taken = sum(one.numel() for name, one in unet.named_parameters() if f".{_ADAPTER}." in name)
    given = sum(one.numel() for name, one in lora.items() if not name.endswith("alpha"))
    if taken < given:
        raise WeightsError(f"expected residuals of this UNet: of {given} numbers {taken} fit")


def _reason(error: BaseException | None) -> str:
    """Return the beginning of what an error says; where that is a heading, with the line below it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
    return " ".join(lines[:2] if lines[0].endswith(":") else lines[:1])[:300]


def settled_offload(offload: bool | None, device: str, memory: int) -> bool:
    """Return whether networks are kept off the GPU while they do not run; None: where it has no room for all.

    Raises:
        InputError: it is asked for without a GPU.
    """
    if device == "cpu":
        if offload:
            raise InputError("offload: expected a CUDA device, got the cpu, where the networks are anyway")
        return False
    free = free_memory(device)
    return free is not None and _SPARE * memory > free if offload is None else offload


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
