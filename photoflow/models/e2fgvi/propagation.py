"""The propagation of features from frame to frame, along completed flow, by deformable convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from photoflow.models.e2fgvi.deformable import KERNEL, deformable_convolution
from photoflow.models.e2fgvi.features import convolution
from photoflow.ops import backward_warp

_SLOPE = 0.1  # of the LeakyReLUs
_REACH = 10.0  # pixels that a sample may lie away from where the flow leads


class Propagation(nn.Module):
    """Features of frames in a row, each completed with those of the frames after it, then of those before.

        E_b[t] = A + P_b(E[t], A),    A = D_b(E_b[t + 1], E_b[t + 2]; where the flows lead)

    and likewise E_f[t] from t - 1 and t - 2, whose P_f sees E_b[t] too; the result is E + fusion(E_b, E_f).

    Args:
        channels: of the features; C below.
        groups: of channels of the deformable convolutions that have sampling places of their own.
        published_order: whether the pass from the last frame to the first takes the flows from the first to the last,
            as the published code does, and so its weights know; False: it takes the flow of the frame it is at.

    Source: the video completion framework of E²FGVI, section 3.2.2, equations (3.3) to (3.6); of second order (two
    frames before are seen) as in its code, without which it has not the parameters it says.
    """

    def __init__(self, channels: int, groups: int, published_order: bool) -> None:
        super().__init__()
        self.published_order = published_order
        # Named after the published weights: what is trailed by _ is a method of modules without.
        self.deform_align = nn.ModuleDict({way: _Alignment(channels, groups) for way in ("backward_", "forward_")})
        self.backbone = nn.ModuleDict(
            {"backward_": _merging(2 * channels, channels), "forward_": _merging(3 * channels, channels)}
        )
        self.fusion = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, features: Tensor, flow_forward: Tensor, flow_backward: Tensor) -> Tensor:
        """Complete features with those of their neighbours.

        Args:
            features: (B, T, C, h, w), of frames in a row.
            flow_forward: (B, T - 1, 2, h, w), from each frame to the next, pixels at this size.
            flow_backward: from each frame but the first to the one before.

        Returns:
            (B, T, C, h, w).
        """
        frames = list(features.unbind(1))
        onwards = list(flow_forward.unbind(1))
        if not self.published_order:
            onwards.reverse()
        later = self._passed("backward_", [[frame] for frame in reversed(frames)], onwards)[::-1]
        earlier = self._passed("forward_", [list(both) for both in zip(frames, later)], list(flow_backward.unbind(1)))
        both = torch.stack([torch.cat(pair, 1) for pair in zip(later, earlier)], 1)
        fused: Tensor = self.fusion(both.flatten(0, 1)).unflatten(0, features.shape[:2])
        return features + fused

    def _passed(self, way: str, frames: list[list[Tensor]], flows: list[Tensor]) -> list[Tensor]:
        """Go through frames in the order given.

        Args:
            way: the pass.
            frames: the features that are known of each frame, its own first.
            flows: from each frame but the first to the one that was visited before it.
        """
        align, merge = self.deform_align[way], self.backbone[way]
        visited: list[Tensor] = []
        for index, known in enumerate(frames):
            carried = torch.zeros_like(known[0])
            if index:
                carried = align(known[0], visited[-2:], flows[max(index - 2, 0) : index])
            visited.append(carried + merge(torch.cat([*known, carried], 1)))
        return visited


class _Alignment(nn.Module):
    """D of equation (3.5): the features of the last two frames, read around the places that the flow leads to.

    Args:
        channels: of the features.
        groups: of them with sampling places of their own.
    """

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.zeros(channels, 2 * channels, KERNEL, KERNEL))
        self.bias = nn.Parameter(torch.zeros(channels))
        # At first all samples lie where the flow leads, with a share of a half, and the nearer frame is carried as it
        # is; the published network begins with random weights instead.
        middle = KERNEL // 2
        nn.init.eye_(self.weight.data[:, :channels, middle, middle]).mul_(2)
        last = nn.Conv2d(channels, 3 * KERNEL**2 * groups, 3, padding=1)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)  # type: ignore[arg-type]
        layers: list[nn.Module] = []
        for inputs in (3 * channels + 4, channels, channels):
            layers += [convolution(inputs, channels, slope=_SLOPE), nn.LeakyReLU(_SLOPE, inplace=True)]
        self.conv_offset = nn.Sequential(*layers, last)

    def forward(self, features: Tensor, visited: list[Tensor], flows: list[Tensor]) -> Tensor:
        """Carry features to a frame.

        Args:
            features: (B, C, h, w), of the frame.
            visited: those of one frame or two, the nearer one last.
            flows: from the frame to the nearer one, and before that from the nearer one to the other.

        Returns:
            (B, C, h, w).
        """
        near, to_near = visited[-1], flows[-1]
        seen_near = backward_warp(near, to_near)
        if len(visited) == 2:
            far, to_far = visited[0], to_near + backward_warp(flows[0], to_near)
            seen_far = backward_warp(far, to_far)
        else:
            far = seen_far = torch.zeros_like(near)
            to_far = torch.zeros_like(to_near)
        ways = torch.cat([to_near, to_far], 1)
        offsets, shares = self._samples([seen_near, features, seen_far], ways)
        both = torch.cat([near, far], 1)
        return deformable_convolution(both, offsets, shares, self.weight, self.bias)

    def _samples(self, seen: list[Tensor], ways: Tensor) -> tuple[Tensor, Tensor]:
        """Return the places of all samples, as y and x beside where the kernel would read, and their weights (3.4)."""
        found = self.conv_offset(torch.cat([*seen, ways.to(seen[0].dtype)], 1)).to(ways.dtype)
        beside, shares = found.tensor_split([2 * found.shape[1] // 3], 1)
        # The first half of the groups reads the nearer frame, the second half the other.
        samples = self.groups // 2 * KERNEL**2
        along = torch.cat([way.flip(1).repeat(1, samples, 1, 1) for way in ways.chunk(2, 1)], 1)
        return _REACH * beside.tanh() + along, shares.sigmoid()


def _merging(inputs: int, channels: int) -> nn.Sequential:
    """Build P of equation (3.5): the features of a frame and what was carried to it, merged."""
    return nn.Sequential(
        convolution(inputs, channels, slope=_SLOPE),
        nn.LeakyReLU(_SLOPE, inplace=True),
        convolution(channels, channels, slope=1.0),
    )
