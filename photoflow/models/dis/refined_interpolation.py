"""A frame between two others, mixed from the pixels that DIS flow and the affine motions in it bring there."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models._contract import cropped, margins_to, padded
from photoflow.models.dis.candidate_scorer import WIDTH, CandidateScorer, rows_at_once
from photoflow.models.dis.dis_interpolation import DISInterpolation, moved
from photoflow.models.dis.flow_candidates import Candidates, measured, reduction
from photoflow.models.dis.frame_candidates import EVIDENCE, WayPlanes, halves, way_evidence, way_planes, ways_at
from photoflow.models.frame_pair import Interpolated, check_pair, time_of

READINGS = 3
"""Scores of each way: that both images show it, the first alone, or the second alone."""
_AT_FIRST = 3.0  # untrained, DIS interpolation draws a third or more, and the other readings share the rest


class RefinedInterpolation(CandidateScorer):
    """The frame at time t between two images, mixed from several ways of moving by the weights of a network.

    A pixel may move as DIS flow has it, in the first image or the second, or by one of the affine motions of
    background and objects, whose edges and far ends DIS loses; and where one thing is in front of another, one image
    alone shows it. The evidence for each way is how well both images agree along it, at the pixel and in its
    surroundings up to the next edge, and the flows there. A network of two layers, the same for all ways, sees the
    evidence of each and what it made of the others, and says how much each way's pixels from either image count.
    Where none of them is to be trusted, `DISInterpolation` draws.

    Args:
        weights: name in the registry of weights, or a file of them; None: untrained.

    Raises:
        WeightsError: the weights are not to be had, or are those of another network.

    Source: as `photoflow.models.dis.refined_dis.RefinedDIS`, for frames instead of flow.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__(EVIDENCE, READINGS)
        self.none_of_them = nn.Linear(2 * WIDTH, 1)
        nn.init.constant_(self.none_of_them.bias, _AT_FIRST)
        self.plainly = DISInterpolation()
        if weights is not None:
            self.load(weights)

    @torch.no_grad()
    def forward(
        self,
        img0: Tensor,
        img1: Tensor,
        t: float | Tensor = 0.5,
        details: bool = False,
        candidates: Candidates | None = None,
    ) -> Tensor | Interpolated:
        """Make the frame at time t.

        Args:
            img0: (B, 3, H, W), RGB in [0, 1], any floating-point dtype, the frame at time 0.
            img1: (B, 3, H, W), the frame at time 1.
            t: time from 0 to 1, or a tensor of them, B or (B, 1, 1, 1).
            details: return flows and mask too: those of the likeliest way.
            candidates: `photoflow.models.dis.flow_candidates.measured` between the images, which is the same for every
                time; None: it is measured.

        Returns:
            The frame, (B, 3, H, W) of the images' dtype, or `Interpolated`. Without gradient: `logits` has it.

        Raises:
            ValueError, TypeError: a wrong shape, dtype or time.
        """
        check_pair("RefinedInterpolation", img0, img1)
        time = time_of("RefinedInterpolation", t, img0, ends=True).float()
        by = reduction(img0.shape[2:])
        margins = margins_to(img0, by)
        candidates = measured(img0, img1) if candidates is None else candidates
        first, second = (padded(image.float(), margins) for image in (img0, img1))
        whole = candidates.mapped(lambda planes: padded(planes, margins))
        ways = ways_at(first, second, time, whole)
        planes = way_planes(first, second, time, ways, whole)
        height, width = planes.motions.shape[2:4]
        rows = rows_at_once(width, first.device)
        parts = [slice(top, top + rows) for top in range(0, height, rows)]
        coarse = torch.cat([self._logits_of_rows(planes, ways.shares, part) for part in parts], 2)
        fine = functional.interpolate(coarse, scale_factor=by, mode="bilinear", align_corners=False)
        likely, none = split(fine)
        share0, share1 = shares_of(likely, time)
        frame = none * self.plainly(first, second, time, flows=(whole.flows[:, 0], whole.back))
        for number, motion in enumerate(ways.motions.unbind(1)):
            there0, there1 = readings(first, second, motion, time)
            frame += share0[:, number, None] * there0 + share1[:, number, None] * there1
        frame = cropped(frame.clamp(0, 1), margins).to(img0.dtype)
        if not details:
            return frame
        together = likely.sum(1)
        best = together.argmax(1)[:, None]
        motion = ways.motions.gather(1, best[:, :, None].expand(-1, -1, 2, -1, -1))[:, 0]
        mask = (share0.gather(1, best) / together.gather(1, best).clamp_min(1e-8)).clamp(0, 1)
        return Interpolated(frame, *(cropped(planes, margins) for planes in (*halves(motion, time), mask)))

    def _logits_of_rows(self, planes: WayPlanes, shares: Tensor, rows: slice) -> Tensor:
        return self.logits(way_evidence(planes.mapped(lambda one: one[:, :, rows]), shares), shares)

    def logits(self, seen: Tensor, shares: Tensor) -> Tensor:
        """Compute the logarithm of the likelihood of each way's readings, and of none being right, but for a constant.

        Args:
            seen: the evidence at some places, (B, h, w, K, EVIDENCE).
            shares: of the ways, (B, K); a way whose share is 0 is not chosen.

        Returns:
            (B, READINGS K + 1, h, w) float32, with a gradient; see `split`.
        """
        scores, together = self.looked_at(seen, shares)
        return torch.cat([scores.flatten(1, 2), self.none_of_them(together).float().permute(0, 3, 1, 2)], 1)


def split(logits: Tensor) -> tuple[Tensor, Tensor]:
    """Turn `logits` into the likelihoods of each reading, (B, READINGS, K, h, w), and of none, (B, 1, h, w)."""
    every = logits.softmax(1)
    return every[:, :-1].unflatten(1, (READINGS, -1)), every[:, -1:]


def readings(img0: Tensor, img1: Tensor, motion: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Read both images (B, 3, H, W) sharply, each along its half of a motion (B, 2, H, W)."""
    return moved(img0, img1, torch.cat(halves(motion, time), 1), "bicubic")


def shares_of(likely: Tensor, time: Tensor) -> tuple[Tensor, Tensor]:
    """Compute the weight of each way in each image, (B, K, H, W), from its readings' likelihoods.

    These are (B, READINGS, K, H, W). Where both images show something, the one that is nearer in time counts more.
    """
    both, first, second = likely.unbind(1)
    return first + (1 - time) * both, second + time * both
