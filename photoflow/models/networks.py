"""The networks of the pipeline by the names a person uses, each with its weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from photoflow.weights.registry import WeightsError

# What the names of a network's weights in the registry begin with. Most networks have none there.
_PUBLISHED = {
    "raft": "raft_", "flow": "raft_", "gan": "gan_", "pyramid": "pyramid_", "rife": "rife_", "amt": "amt_",
    "refined": "refined_", "spectral": "spectral_", "completion": "e2fgvi",
}  # fmt: skip
KINDS = tuple(_PUBLISHED)


def load_network(kind: str, weights: str | Path | None, *, offline: bool = False, accept_licence: bool = False) -> Any:
    """Load a network with its weights, ready for inference.

    Args:
        kind: "raft", "flow" (`RefinedDIS`, or RAFT), "gan" (the flow-guided generator, or the splat generator),
            "pyramid" (the pyramid generator), "rife" (IFNet), "amt", "refined" (`RefinedInterpolation`), "spectral"
            (the prior of natural motion) or "completion" (E2FGVI).
        weights: name in the registry, or file; the variant of the network is told from them. None: those that come
            with photoflow, where it has some for this network.
        offline: never fetch.
        accept_licence: accept a licence that forbids commercial use.

    Returns:
        The network, in evaluation mode, on the CPU.

    Raises:
        WeightsError: no weights are given and none come with photoflow (an untrained network draws nothing that
            anybody wants), or they cannot be had, or belong to no variant of the network.
    """
    from photoflow.weights.loading import find, shipped

    weights = shipped(kind) if weights is None else weights
    if weights is None:
        from photoflow.weights.registry import REGISTRY

        names = [name for name in REGISTRY if name.startswith(_PUBLISHED[kind])]
        raise WeightsError(f"{kind}: expected weights for it: {kind}=" + " or ".join([*names, "a file"]))
    path = find(weights, offline=offline, accept_licence=accept_licence)
    faults = []
    for make in _variants(kind):
        network = make()
        try:
            network.load(path)
        except WeightsError as fault:
            faults.append(fault)
        else:
            return network.eval()
    # The fault of the variant whose names the file has, if there is one, says more than that of the likeliest.
    raise next((fault for fault in faults if "should have the shape" in str(fault)), faults[0])


def _variants(kind: str) -> list[Callable[[], Any]]:
    """List a function for each layout of the network that makes it, the likeliest layout first."""
    if kind == "raft":
        from photoflow.models.raft import RAFT

        return [RAFT.large, RAFT.small]
    if kind == "flow":
        from photoflow.models.dis import RefinedDIS

        return [*_variants("raft"), RefinedDIS]
    if kind == "gan":
        from photoflow.models.generator import FlowGuidedGenerator
        from photoflow.models.pruned_splat import PrunedSplatGenerator
        from photoflow.models.splat_generator import SIZES as PAINTERS
        from photoflow.models.splat_generator import SplatGenerator

        splats = [(made, size) for made in (SplatGenerator, PrunedSplatGenerator) for size in PAINTERS.values()]
        return [FlowGuidedGenerator, *(lambda made=made, size=size: made(**size) for made, size in splats)]
    if kind == "pyramid":
        from photoflow.models.pyramid import SIZES as PYRAMIDS
        from photoflow.models.pyramid import PyramidGenerator

        return [lambda size=size: PyramidGenerator(size) for size in PYRAMIDS]  # type: ignore[misc]
    if kind == "rife":
        from photoflow.models.ifnet import VERSIONS, IFNet

        return [lambda version=version: IFNet(version) for version in VERSIONS]  # type: ignore[misc]
    if kind == "refined":
        from photoflow.models.dis import RefinedInterpolation

        return [RefinedInterpolation]
    if kind == "spectral":
        from photoflow.models.spectral.prior import VERSIONS as PRIORS
        from photoflow.models.spectral.prior import SpectralPrior

        return [lambda version=version: SpectralPrior(version) for version in PRIORS]  # type: ignore[misc]
    if kind == "completion":
        from photoflow.models.e2fgvi import E2FGVI

        # The small one first, as it is made in no time.
        return [lambda: E2FGVI(hq=True, size="small", published_order=False), lambda: E2FGVI(hq=True), E2FGVI]
    from photoflow.models.amt import AMT, SIZES

    return [lambda size=size: AMT(size) for size in SIZES]  # type: ignore[misc]
