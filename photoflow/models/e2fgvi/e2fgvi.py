"""E²FGVI: the frames of a clip without its holes, from flow, propagation and attention that are trained together."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models.e2fgvi.features import Decoder, Encoder
from photoflow.models.e2fgvi.in_parts import in_parts
from photoflow.models.e2fgvi.propagation import Propagation
from photoflow.models.e2fgvi.spynet import SPyNet
from photoflow.models.e2fgvi.transformer import STRIDE, FocalBlock, SoftComposition, SoftSplit
from photoflow.weights import Loadable

_REDUCTION = 4  # of the features, and of the frames that flow is estimated in
_SIZE = (240, 432)


@dataclass(frozen=True)
class E2FGVIConfig:
    """The layout of one size of the network.

    Args:
        channels: of the features.
        groups: of the deformable convolutions.
        flow: widths of the flow network at each of its levels.
        levels: of the flow network.
        tokens: width of the tokens.
        hidden: width of the feed-forward networks, a multiple of 49.
        heads: of the attention.
        blocks: of the transformer.
        window: (rows, columns) of an attention window, tokens.
    """

    channels: int
    groups: int
    flow: tuple[int, ...]
    levels: int
    tokens: int
    hidden: int
    heads: int
    blocks: int
    window: tuple[int, int]


SIZES = {
    "full": E2FGVIConfig(
        channels=128, groups=16, flow=(32, 64, 32, 16), levels=6, tokens=512, hidden=1960, heads=4, blocks=8,
        window=(5, 9),
    ),
    # Not published: what two cores can train.
    "small": E2FGVIConfig(
        channels=32, groups=4, flow=(16, 32, 16), levels=4, tokens=96, hidden=392, heads=4, blocks=2, window=(5, 9),
    ),
}  # fmt: skip


class E2FGVI(Loadable, nn.Module):
    """The frames of a clip, completed, from those with holes.

    Some frames in a row, the local ones, exchange their features along the flow between them, which is estimated as if
    there were no holes; then all frames, also those from elsewhere in the clip, the references, exchange them by focal
    attention.

    Args:
        hq: whether frames of any size are taken; False: of 240 by 432 alone, each place of which has learned a bias.
        size: "full", 41 million parameters as published, or "small".
        published_order: see `Propagation`; published weights want it.
        weights: name in the registry of weights, or a file of them; None: untrained.

    `frame_size` is the (height, width) of the frames that it takes, or None where it takes any.

    Raises:
        ValueError: there is no such size.
        WeightsError: the weights are not to be had, or are those of another network.

    Source: Li et al., "Towards An End-to-End Framework for Flow-Guided Video Inpainting", CVPR 2022, sections 3.1 to
    3.3. With `hq`, frames are continued by their mirror image, to the right and down, to the next multiples of 60 and
    108, as the published program does before its network.
    """

    def __init__(
        self, hq: bool = False, size: str = "full", published_order: bool = True, weights: str | Path | None = None
    ) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"E2FGVI: size: expected {', '.join(SIZES)}, got {size!r}")
        self.config = config = SIZES[size]
        self.frame_size = None if hq else _SIZE
        self.encoder = Encoder(config.channels)
        self.decoder = Decoder(config.channels)
        self.feat_prop_module = Propagation(config.channels, config.groups, published_order)
        self.ss = SoftSplit(config.channels, config.tokens)
        features = self.frame_size and (_SIZE[0] // _REDUCTION, _SIZE[1] // _REDUCTION)
        self.sc = SoftComposition(config.channels, config.tokens, features)
        self.transformer = nn.ModuleList(
            FocalBlock(config.tokens, config.heads, config.hidden, config.window) for _ in range(config.blocks)
        )
        self.update_spynet = SPyNet(config.flow, config.levels)
        if weights is not None:
            self.load(weights)

    def forward(self, frames: Tensor, local_count: int) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Complete frames.

        Args:
            frames: (B, T, 3, H, W), RGB in [-1, 1], 0 in the holes; first the local ones, in a row, then references.
            local_count: how many are local, from 1 to T.

        Returns:
            The frames, (B * T, 3, H, W) in [-1, 1] of their dtype; and the completed flows from each local frame to
            the next, and from each but the first to the one before, both (B, local_count - 1, 2, ceil(H / 4),
            ceil(W / 4)), float32 (float64 for float64 frames), pixels of that size, x right, then y down.

        Raises:
            ValueError, TypeError: a wrong shape, dtype, or count.
        """
        self._check(frames, local_count)
        height, width = frames.shape[3:]
        frames = self._continued(frames)
        flows = self._flows(frames[:, :local_count])
        features = self._encoded(frames)
        local = self.feat_prop_module(features[:, :local_count], *flows)
        features = torch.cat([local, features[:, local_count:]], 1)
        features = features + self._generated(features)
        completed = self._decoded(features)[..., :height, :width].to(frames.dtype)
        rows, columns = (-(-side // _REDUCTION) for side in (height, width))
        there, back = (flow[..., :rows, :columns] for flow in flows)
        return completed, (there, back)

    def _check(self, frames: Tensor, local_count: int) -> None:
        shape, size = tuple(frames.shape), self.frame_size
        wanted = f"(B, T, 3, {size[0]}, {size[1]})" if size else "(B, T, 3, H, W)"
        if len(shape) != 5 or shape[2] != 3 or 0 in shape or (size and shape[3:] != size):
            other = "; other sizes want E2FGVI(hq=True)" if size else ""
            raise ValueError(f"E2FGVI: frames: expected shape {wanted}, not empty, got {shape}{other}")
        if not frames.is_floating_point():
            raise TypeError(f"E2FGVI: frames: expected a floating-point dtype, got {frames.dtype}")
        if not 1 <= local_count <= shape[1]:
            raise ValueError(f"E2FGVI: local_count: expected 1 to {shape[1]}, the number of frames, got {local_count}")

    def _continued(self, frames: Tensor) -> Tensor:
        """Continue frames to the right and down by their mirror images until whole windows lie in them."""
        for axis, tokens in zip((3, 4), self.config.window):
            side, multiple = frames.shape[axis], tokens * STRIDE * _REDUCTION
            if side % multiple:
                there = torch.arange(-(-side // multiple) * multiple, device=frames.device) % (2 * side)
                frames = frames.index_select(axis, torch.minimum(there, 2 * side - 1 - there))
        return frames

    def _flows(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Estimate the flows between local frames (B, T, 3, H, W), at a quarter of their size."""
        batch, count = frames.shape[:2]
        size = [side // _REDUCTION for side in frames.shape[3:]]
        small = functional.interpolate(
            (frames.flatten(0, 1) + 1) / 2, size, mode="bilinear", align_corners=True
        ).unflatten(0, (batch, count))
        if count == 1:
            exact = torch.promote_types(small.dtype, torch.float32)
            none = small.new_zeros(batch, 0, 2, *size, dtype=exact)
            return none, none
        earlier, later = small[:, :-1].flatten(0, 1), small[:, 1:].flatten(0, 1)
        there, back = self.update_spynet(torch.cat([earlier, later]), torch.cat([later, earlier])).chunk(2)
        return there.unflatten(0, (batch, count - 1)), back.unflatten(0, (batch, count - 1))

    def _encoded(self, frames: Tensor) -> Tensor:
        """Turn frames (B, T, 3, H, W) into features (B, T, C, H / 4, W / 4)."""
        values = Encoder.WIDEST * self.config.channels * frames[0, 0, 0].numel() // _REDUCTION**2
        features: Tensor = in_parts(self.encoder, frames.flatten(0, 1), values).unflatten(0, frames.shape[:2])
        return features

    def _decoded(self, features: Tensor) -> Tensor:
        """Turn features (B, T, C, h, w) into frames (B * T, 3, 4 h, 4 w)."""
        values = self.config.channels * _REDUCTION**2 * features[0, 0, 0].numel()
        return in_parts(lambda some: torch.tanh(self.decoder(some)), features.flatten(0, 1), values)

    def _generated(self, features: Tensor) -> Tensor:
        """Return what attention finds for features (B, T, C, h, w), of the same shape."""
        size = (features.shape[3], features.shape[4])
        tokens = self.ss(features)
        places = self.transformer[0].places(size, features.device)  # type: ignore[operator]
        for block in self.transformer:
            tokens = block(tokens, places)
        generated: Tensor = self.sc(tokens, size)
        return generated
