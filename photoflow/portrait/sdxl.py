"""SDXL for portraits: measured before it is loaded, loaded with PhotoMaker's residuals."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from photoflow.errors import InputError
from photoflow.models.photomaker.base import NETWORKS, files_of, open_base, quiet, reason_of, values_in
from photoflow.weights.registry import WeightsError

_ADAPTER = "photomaker"
_SHARE = 0.5  # of a machine's matrix products that a UNet gets
_DRAWING = 3.0  # bytes of intermediate results, for each pixel, value and channel of the autoencoder's widest layer
# Loading holds more than what is kept: at the real size, with random weights, the peak was 1.22 to 1.30 of what is
# drawn with.
_LOADING = 1.27


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
        raise WeightsError(f"base {folder}: expected an SDXL as diffusers saves it ({reason_of(error)})") from error
    drawing = _DRAWING * size[0] * size[1] * channels * bytes_each
    parameters = values + more
    return Needs(parameters, int(_LOADING * (parameters * bytes_each + drawing)), operations)


@lru_cache(maxsize=8)  # it takes seconds, and is asked for several times
def _counted(folder: Path, size: tuple[int, int]) -> tuple[int, int, float]:
    """Return an SDXL's numbers, the channels of its autoencoder's widest layer, and the operations of a step."""
    import torch
    from diffusers import UNet2DConditionModel
    from torch.utils.flop_counter import FlopCounterMode

    values = sum(values_in(file) for part in NETWORKS for file in files_of(folder, part))
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
    from diffusers import DDIMScheduler

    pipeline = open_base(folder, getattr(torch, precision))
    # DDIM's own defaults are for pixels and would cut latents at 1; a config of Euler's may not name them.
    pipeline.scheduler = DDIMScheduler.from_config(pipeline.scheduler.config, clip_sample=False, set_alpha_to_one=False)
    try:
        with quiet():
            pipeline.load_lora_weights(dict(lora), adapter_name=_ADAPTER)
            _check_residuals(pipeline.unet, lora)
            pipeline.fuse_lora(adapter_names=[_ADAPTER])
            pipeline.unload_lora_weights()
    except Exception as error:  # of a residual
        raise WeightsError(
            f"weights: PhotoMaker's residuals do not fit the base {folder} ({reason_of(error)})"
        ) from error
    pipeline.set_progress_bar_config(disable=True)
    if offload:
        pipeline.enable_model_cpu_offload(device=device)
    else:
        pipeline.to(device)
    return pipeline


def _check_residuals(unet: Any, lora: dict[str, Any]) -> None:
    """Check that residuals have gone into the UNet: those of layers that it does not have are left out without a word.

    Raises:
        WeightsError: most were left out, as they are another UNet's. Some may be of what is no attention.
    """
    taken = sum(one.numel() for name, one in unet.named_parameters() if f".{_ADAPTER}." in name)
    given = sum(one.numel() for name, one in lora.items() if not name.endswith("alpha"))
    if taken < given / 2:
        raise WeightsError(f"expected residuals of this UNet: of {given} numbers {taken} fit")


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
    return free is not None and memory > free if offload is None else offload
