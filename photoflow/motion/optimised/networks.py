"""The two networks that are optimised on one photo: the flow's, and the one that draws the moved photo."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow import ops
from photoflow.models.dis.edge_aware import edge_aware_mean

LATTICE = 1 / 16  # of the grid's longer side: from one anchor to the next
REACH = 1 / 8  # of the same: how far an anchor's influence reaches where there is no edge
STEP = 0.2  # in colour that is as far as REACH, see `edge_aware_mean`


class FlowNetwork(nn.Module):
    """The network phi of D-ID: features of the photo to a flow.

    Args:
        channels: C, of the features.
        shapes: how many flows.

    Source: D-ID, section 5.2, `flow_network`: 3x3 convolutions with 64, 64, C / 2, C / 2 channels and ReLU. Deviation:
        two linear channels for each flow in the end, where the listing's ReLU and sigmoid can point neither left nor
        up; they begin at 0. The ReLU leak, or all of them soon stay closed and the flow is the same everywhere.
    """

    def __init__(self, channels: int, shapes: int) -> None:
        super().__init__()
        half = max(2, channels // 2)
        layers: list[nn.Module] = []
        for wide in (64, 64, half, half):
            layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.LeakyReLU(0.1)]
            channels = wide
        self.body = nn.Sequential(*layers)
        self.last = nn.Conv2d(channels, 2 * shapes, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        if self.last.bias is not None:
            nn.init.zeros_(self.last.bias)

    def forward(self, features: Tensor) -> Tensor:
        """Return flows (K, 2, h, w) from features (1, C, h, w)."""
        flow: Tensor = self.last(self.body(features))
        return flow.reshape(-1, 2, *flow.shape[2:])


class AlongEdges:
    """A smoothing of flows that stops at the photo's edges, as a product of two matrices, so that gradients are cheap.

    Anchors on a lattice, and wherever else it is asked for, spread their influence up to the next edges. A flow is
    averaged under each influence, and then those averages are put together again.

    Args:
        guide: (1, G, h, w), the picture whose edges count.
        points: (N, 2) further anchors, cells of it.
    """

    def __init__(self, guide: Tensor, points: Tensor) -> None:
        height, width = guide.shape[2:]
        between = max(2, round(LATTICE * max(height, width)))
        down = torch.arange(between // 2, height, between, device=guide.device)
        across = torch.arange(between // 2, width, between, device=guide.device)
        rows, columns = (axis.flatten() for axis in torch.meshgrid(down, across, indexing="ij"))
        near = points.round().long()
        rows = torch.cat([rows, near[:, 1].clamp(0, height - 1)])
        columns = torch.cat([columns, near[:, 0].clamp(0, width - 1)])
        marks = guide.new_zeros(1, len(rows), height, width)
        marks[0, torch.arange(len(rows)), rows, columns] = 1
        influence = edge_aware_mean(marks, guide, REACH * max(height, width), STEP)[0].flatten(1)
        self._means = influence / influence.sum(1, keepdim=True).clamp_min(1e-12)
        self._shares = influence / influence.sum(0, keepdim=True).clamp_min(1e-12)

    def __call__(self, flow: Tensor) -> Tensor:
        """Return flows (K, 2, h, w), smoothed."""
        smooth: Tensor = (flow.flatten(2) @ self._means.T) @ self._shares
        return smooth.reshape(flow.shape)


class FrameNetwork(nn.Module):
    """The generator G of D-ID: features and flow to a picture.

    Args:
        channels: C, of the features.

    Source: D-ID, section 5.2, `generator`: 3x3 convolutions with 64 channels and ReLU, a sigmoid in the end.
        Deviation: what it draws is a picture of twice the size, as the listing's features are none; the flow is not
        added to them, but moves them, and is one of its inputs.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.near = nn.Sequential(
            nn.Conv2d(channels + 3, 64, 3, padding=1), nn.ReLU(), nn.Conv2d(64, 64, 3, padding=1), nn.ReLU()
        )
        self.last = nn.Sequential(
            nn.Conv2d(64, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 3, 3, padding=1), nn.Sigmoid()
        )

    def forward(self, features: Tensor, flow: Tensor) -> Tensor:
        """Draw the moved photo.

        Args:
            features: f(x), (1, C, h, w).
            flow: u, (1, 2, h, w), cells of that grid.

        Returns:
            y, (1, 3, 2 h, 2 w) in [0, 1].
        """
        moved, arrived = moved_by(features, flow)
        inside = self.near(torch.cat([moved, flow / flow.shape[3], arrived], 1))
        larger = functional.interpolate(inside, scale_factor=2, mode="bilinear", align_corners=False)
        drawn: Tensor = self.last(larger)
        return drawn


def moved_by(planes: Tensor, flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return planes (1, C, h, w) splatted along a flow, what moves farther in front, and where anything arrived.

    Returns:
        x' (1, C, h, w), and (1, 1, h, w) in [0, 1]: 0 in holes, 1 where at least half a cell arrived.
    """
    metric = flow.detach().norm(dim=1, keepdim=True).contiguous()
    moved, coverage = ops.forward_splat(planes, flow.contiguous(), metric, mode="softmax")
    return moved, (2 * coverage).clamp(max=1)


def fused(moved: Tensor, arrived: Tensor, drawn: Tensor) -> Tensor:
    """Return y': the moved photo where it arrived, what the generator drew in the holes, (1, 3, h, w).

    Source: D-ID, section 3.2.3: "the output of G is fused with the original x". How is not said there.
    """
    return torch.lerp(drawn, moved, arrived)
