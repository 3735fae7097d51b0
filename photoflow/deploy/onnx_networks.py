"""The forms of the networks that ONNX files have: tensors in, one tensor out, pictures of any size."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from photoflow.data import Batch
from photoflow.deploy import onnx_operators  # registers the operators of these networks
from photoflow.errors import InputError
from photoflow.models.dis import RefinedDIS, RefinedInterpolation
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.splat_generator import SplatGenerator
from photoflow.render.generated import thrown

_OPS = torch.ops.photoflow_onnx
_MOST = 1 << onnx_operators.LEVELS  # pixels of a picture's side
_GENERATORS = 16, 4  # sides that the splat generator and the flow-guided one need are multiples of these
Axes = Mapping[int, str]
Inputs = tuple[Tensor, ...]


@dataclass(frozen=True)
class Form:
    """The part of a network that is exported.

    Args:
        module: called with tensors, in the order of `inputs`.
        inputs: the axes of any length of each input, by its name.
        output: name of the output.
        least: of any length.
        of_pair: makes inputs from a pair of pictures.
    """

    module: nn.Module
    inputs: Mapping[str, Axes]
    output: str
    least: int
    of_pair: Callable[[Batch], Inputs]


def form_of(network: nn.Module) -> Form:
    """Return what is exported of a network.

    The generators and IFNet are exported whole. Of `RefinedDIS` and `RefinedInterpolation` it is the network that
    chooses: DIS, SIFT and the filters that gather its evidence are OpenCV's and photoflow's own.

    Args:
        network: stays as it is.

    Raises:
        InputError: it is another one.
    """
    network = copy.deepcopy(network).eval().float().cpu().requires_grad_(False)
    sides: Axes = {2: "height", 3: "width"}
    if isinstance(network, SplatGenerator):
        planes = dict.fromkeys(("image", "mask", "flow"), sides)
        return Form(_Splat(network), planes, "frame", _GENERATORS[0] + 1, _of_splat)
    if isinstance(network, FlowGuidedGenerator):
        planes = dict.fromkeys(("image", "mask", "flow", "warped", "occlusion"), sides)
        return Form(_Guided(network), planes, "frame", 2 * _GENERATORS[1] + 1, _of_guided)
    if isinstance(network, IFNet):
        pair: dict[str, Axes] = {"image0": sides, "image1": sides, "time": {}}
        multiple = 4 << (len(network.config.widths) - 1)
        return Form(_Between(network, multiple), pair, "frame", multiple + 1, _of_between)
    if isinstance(network, RefinedDIS | RefinedInterpolation):
        method = "scores" if isinstance(network, RefinedDIS) else "logits"
        places: dict[str, Axes] = {"evidence": {1: "rows", 2: "columns"}, "shares": {}}
        return Form(_Choice(network, method), places, method, 2, _Recorded(network, method))
    raise InputError(
        f"export: expected a splat generator, a flow-guided generator, IFNet, RefinedDIS or RefinedInterpolation, got "
        f"{type(network).__name__}"
    )


def most_of(axis: str) -> int:
    """Return the largest length of an axis."""
    return _MOST if axis in ("height", "width") else _MOST // 2


class _Splat(nn.Module):
    """The splat generator, with its classical parts as operators."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        network.fill, network.metric.background = _OPS.push_pull, _OPS.background_motion
        self.network = network

    def forward(self, image: Tensor, mask: Tensor, flow: Tensor) -> Tensor:
        kept = flow.isfinite().all(1, keepdim=True).float()
        planes = torch.cat([image, mask, flow.nan_to_num(0, 0, 0)], 1)
        whole = _OPS.padded(planes, _GENERATORS[0], True).split([3, 1, 2], 1)
        lost = _OPS.padded(kept, _GENERATORS[0], False) < 0.5
        frame: Tensor = _OPS.cropped(self.network.drawn(*whole, lost), image)
        return frame


class _Guided(nn.Module):
    def __init__(self, network: FlowGuidedGenerator) -> None:
        super().__init__()
        self.network = network

    def forward(self, image: Tensor, mask: Tensor, flow: Tensor, warped: Tensor, occlusion: Tensor) -> Tensor:
        planes = _OPS.padded(torch.cat([image, mask, flow, warped, occlusion], 1), _GENERATORS[1], True)
        frame: Tensor = _OPS.cropped(self.network(*planes.split([3, 1, 2, 3, 1], 1)), image)
        return frame


class _Between(nn.Module):
    def __init__(self, network: IFNet, multiple: int) -> None:
        super().__init__()
        self.network, self._multiple = network, multiple

    def forward(self, image0: Tensor, image1: Tensor, time: Tensor) -> Tensor:
        pair = _OPS.padded(torch.cat([image0, image1], 1), self._multiple, True)
        frame: Tensor = _OPS.cropped(self.network(*pair.split(3, 1), time), image0)
        return frame


class _Choice(nn.Module):
    def __init__(self, network: nn.Module, method: str) -> None:
        super().__init__()
        self.network, self._method = network, method

    def forward(self, evidence: Tensor, shares: Tensor) -> Tensor:
        scores: Tensor = getattr(self.network, self._method)(evidence, shares)
        return scores


class _Recorded:
    """Recorder of the inputs of a network that chooses, for the first rows of a pair of pictures."""

    def __init__(self, network: nn.Module, method: str) -> None:
        self._network, self._method = copy.copy(network), method

    def __call__(self, batch: Batch) -> Inputs:
        seen: list[Inputs] = []
        choose = getattr(type(self._network), self._method)

        def record(evidence: Tensor, shares: Tensor) -> Any:
            seen.append((evidence, shares))
            return choose(self._network, evidence, shares)

        setattr(self._network, self._method, record)
        self._network(batch["image1"], batch["image2"])
        return seen[0]


def _of_splat(batch: Batch) -> Inputs:
    return batch["image1"], batch["mask"], batch["flow"]


def _of_guided(batch: Batch) -> Inputs:
    return *_of_splat(batch), *thrown(batch["image1"], batch["flow"])


def _of_between(batch: Batch) -> Inputs:
    return batch["image1"], batch["image2"], batch["t"]
