"""AMT: a frame between two, from correlations of all pixels with all and several flows that are merged."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from photoflow.models._contract import cropped, margins_to, padded
from photoflow.models.amt.parts import (
    CorrelationEncoder,
    FieldsDecoder,
    FirstDecoder,
    MiddleDecoder,
    PyramidEncoder,
    Update,
)
from photoflow.models.frame_pair import Interpolated, check_pair, resize, time_of
from photoflow.ops import Correlation, backward_warp
from photoflow.weights import Loadable

Fields = tuple[Tensor, Tensor, Tensor, Tensor]

_LEVELS = 4
_RADIUS = 3
_MULTIPLE = 16  # the coarsest features have a sixteenth of the size


@dataclass(frozen=True)
class AMTConfig:
    """The layout of one size of the network.

    Args:
        bottleneck: blocks of the correlation encoder squeeze their channels to a quarter in between.
        stem: channels after the correlation encoder's first convolution.
        stages: channels of its further stages: full, half and half the size again; a fourth keeps it.
        correlated: channels that are correlated.
        pyramid: channels of the content encoder at 1/2, 1/4, 1/8 and 1/16 of the size; the first is also how many
            channels the decoders' residual blocks treat apart.
        kernel: side of the kernels that see and make pictures: the content encoder's first, the merging ones.
        fields: pairs of flows.
        hidden: channels inside an update.
        correlation: channels that an update reduces correlations to, convolution by convolution.
        flow: channels that it encodes flows in.
        mixed: channels of both together.
        refined: flows are updated once more at their own size after the update at 1/8.
    """

    bottleneck: bool
    stem: int
    stages: tuple[int, ...]
    correlated: int
    pyramid: tuple[int, int, int, int]
    kernel: int
    fields: int
    hidden: int
    correlation: tuple[int, ...]
    flow: int
    mixed: int
    refined: bool


SIZES = {
    "S": AMTConfig(
        bottleneck=True, stem=32, stages=(32, 64, 96), correlated=84, pyramid=(20, 32, 44, 56), kernel=3, fields=3,
        hidden=76, correlation=(64,), flow=20, mixed=68, refined=False,
    ),
    "L": AMTConfig(
        bottleneck=False, stem=64, stages=(64, 72, 128), correlated=128, pyramid=(48, 64, 72, 128), kernel=7, fields=5,
        hidden=128, correlation=(256, 160), flow=48, mixed=124, refined=False,
    ),
    "G": AMTConfig(
        bottleneck=False, stem=64, stages=(64, 112, 160, 160), correlated=128, pyramid=(84, 96, 112, 128), kernel=7,
        fields=5, hidden=192, correlation=(256, 192), flow=64, mixed=188, refined=True,
    ),
}  # fmt: skip


class AMT(Loadable, nn.Module):
    """The frame at time t between two images.

    Two flows, from the new frame to either image, are refined from 1/8 to 1/2 of the size; each step looks up, in
    both directions, how well the pixels around their ends correlate. At full size they become N pairs with a mask and
    a residual each, and the N pictures are merged:

        I_n = M_n * img0[p + F0_n] + (1 - M_n) * img1[p + F1_n] + R_n
        frame = mean(I_n) + merge(I_1 ... I_N)

    Args:
        size: "S", "L" or "G": 3.0, 12.9 or 30.6 million parameters.
        weights: name in the registry of weights, or a file of them; None: untrained.
        published_scaling: how far flows are stretched to look correlations up. For even motion, the flow from time t
            to the second image is 1 - t of the one between the images, and the flow to the first is t of it. The paper
            divides by just that; its published implementation divides the one by t and the other
            by 1 - t, and so lands 3 times as far as the match, or at a third of the way, at t = 0.25. At t = 0.5, the
            only time that the published weights were trained at, both are the same. False: as in the paper.

    Raises:
        ValueError: there is no such size.
        WeightsError: the weights are not to be had, or are those of another network.

    Source: Li et al., "AMT: All-Pairs Multi-Field Transforms for Efficient Frame Interpolation", CVPR 2023, section 3.
    Images whose sides are no multiples of 16 are padded with their border pixels, as published.
    """

    def __init__(self, size: str = "S", weights: str | Path | None = None, *, published_scaling: bool = False) -> None:
        super().__init__()
        if size not in SIZES:
            raise ValueError(f"AMT: size: expected {', '.join(SIZES)}, got {size!r}")
        self.config = config = SIZES[size]
        self.published_scaling = published_scaling
        half, quarter, eighth, sixteenth = config.pyramid
        self.feat_encoder = CorrelationEncoder(config.bottleneck, config.stem, config.stages, config.correlated)
        self.encoder = PyramidEncoder(config.pyramid, config.kernel)
        self.decoder4 = FirstDecoder(sixteenth, eighth, apart=half)
        self.decoder3 = MiddleDecoder(eighth, quarter, apart=half)
        self.decoder2 = MiddleDecoder(quarter, half, apart=half)
        self.decoder1 = FieldsDecoder(half, config.fields, apart=half)
        self.update4 = self._update(eighth)
        low, high = ("_low", "_high") if config.refined else ("", None)
        for level, features in ((3, quarter), (2, half)):
            self.add_module(f"update{level}{low}", self._update(features))
            if high:
                self.add_module(f"update{level}{high}", self._update(features))
        pictures = 3 * config.fields
        around = config.kernel // 2
        self.comb_block = nn.Sequential(
            nn.Conv2d(pictures, 2 * pictures, config.kernel, padding=around),
            nn.PReLU(2 * pictures),
            nn.Conv2d(2 * pictures, 3, config.kernel, padding=around),
        )
        if weights is not None:
            self.load(weights)

    def _update(self, features: int) -> Update:
        config = self.config
        found = 2 * _LEVELS * (2 * _RADIUS + 1) ** 2
        return Update(features, found, config.correlation, config.flow, config.mixed, config.hidden)

    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        t: float | Tensor = 0.5,
        details: bool = False,
        every_flow: bool = False,
    ) -> Tensor | Interpolated | tuple[Interpolated, list[Tensor]]:
        """Make the frame at time t.

        Args:
            img0: (B, 3, H, W), RGB in [0, 1], the frame at time 0.
            img1: (B, 3, H, W), the frame at time 1.
            t: time between 0 and 1, or a tensor of them, B or (B, 1, 1, 1).
            details: return the flows and the masks too.
            every_flow: for training: return them, and the coarse flows before them.

        Returns:
            The frame, (B, 3, H, W) in [0, 1] of the images' dtype, or `Interpolated` with N flows and masks, or that
            and the flows at 1/8, 1/4 and 1/2 of the padded size: (B, 4, h, w), to the first image and to the second,
            pixels of their own size.

        Raises:
            ValueError: a wrong shape or time.
        """
        check_pair("AMT", img0, img1)
        time = time_of("AMT", t, img0, ends=False)
        margins = margins_to(img0, _MULTIPLE)
        img0, img1 = padded(img0, margins), padded(img1, margins)
        mean = (img0 + img1).mean(dim=(1, 2, 3), keepdim=True) / 2
        (flow0, flow1, mask, residual), coarse = self._fields(img0 - mean, img1 - mean, time)
        frame = self._merged(img0, img1, flow0, flow1, mask, residual)
        if not (details or every_flow):
            return cropped(frame, margins)
        made = Interpolated(*(cropped(one, margins) for one in (frame, flow0, flow1, mask)))
        return (made, coarse) if every_flow else made

    def _fields(self, img0: Tensor, img1: Tensor, time: Tensor) -> tuple[Fields, list[Tensor]]:
        """Estimate flows (B, N, 2, H, W) into both images, masks (B, N, 1, H, W) and residuals (B, N, 3, H, W).

        The coarse flows that they come from are returned beside them.
        """
        both = torch.cat([img0, img1])
        correlation = Correlation(*self.feat_encoder(both).chunk(2), levels=_LEVELS)
        pyramid = [features.chunk(2) for features in self.encoder(both)]

        flow, features = self.decoder4(*pyramid[3], time)
        eighth, features = self._corrected(4, correlation, flow, features, time)
        flow, features = self.decoder3(features, *pyramid[2], eighth)
        quarter, features = self._corrected(3, correlation, flow, features, time)
        flow, features = self.decoder2(features, *pyramid[1], quarter)
        half, features = self._corrected(2, correlation, flow, features, time)
        return self.decoder1(features, *pyramid[0], half), [eighth, quarter, half]

    def _corrected(
        self, level: int, correlation: Correlation, flow: Tensor, features: Tensor, time: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Update flows (B, 4, h, w) and features of a level at 1/8 of the size (and again at their own)."""
        reduction = 2 ** (4 - level)
        small = resize(flow, 1 / reduction) / reduction
        found = _found(correlation, small, time, self.published_scaling)
        update = self.get_submodule(f"update{level}_low" if self.config.refined and level < 4 else f"update{level}")
        flow_change, change = update(resize(features, 1 / reduction), small, found)
        flow = flow + resize(flow_change, reduction) * reduction
        features = features + resize(change, reduction)
        if self.config.refined and level < 4:
            flow_change, change = self.get_submodule(f"update{level}_high")(features, flow, found, reduction)
            flow, features = flow + flow_change, features + change
        return flow, features

    def _merged(
        self, img0: Tensor, img1: Tensor, flow0: Tensor, flow1: Tensor, mask: Tensor, residual: Tensor
    ) -> Tensor:
        """Merge N pairs of flows into one frame (section 3.4, multi-field refinement)."""
        pictures = []
        for to0, to1, share, rest in zip(flow0.unbind(1), flow1.unbind(1), mask.unbind(1), residual.unbind(1)):
            moved0 = backward_warp(img0, to0, padding="border")
            moved1 = backward_warp(img1, to1, padding="border")
            pictures.append(torch.lerp(moved1, moved0, share.to(img0.dtype)) + rest.to(img0.dtype))
        together = torch.cat(pictures, dim=1)
        correction: Tensor = self.comb_block(together)
        mean = together.unflatten(1, (-1, 3)).mean(dim=1)
        return torch.clamp(mean + correction.to(img0.dtype), 0, 1)


def _found(correlation: Correlation, flow: Tensor, time: Tensor, published_scaling: bool) -> Tensor:
    """Look up the correlations around the places of either image's pixels in the other, for even motion (section 3.2).

    Flows (B, 4, H, W), at 1/8 of the size, lead from the frame at time t to the first image and to the second.
    """
    height, width = flow.shape[2:]
    x = torch.arange(width, device=flow.device, dtype=flow.dtype)
    y = torch.arange(height, device=flow.device, dtype=flow.dtype)
    here = torch.stack(torch.meshgrid(x, y, indexing="xy"))
    time = time.to(flow.dtype)
    to_first, to_second = (1 - time, time) if published_scaling else (time, 1 - time)
    in_second = correlation.lookup(here + flow[:, 2:] / to_second, radius=_RADIUS)
    in_first = correlation.reversed().lookup(here + flow[:, :2] / to_first, radius=_RADIUS)
    return torch.cat([in_second, in_first], dim=1)
