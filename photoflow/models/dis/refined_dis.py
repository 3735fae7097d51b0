"""Optical flow from DIS and the affine motions in it: a small network chooses between them pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from photoflow.models._contract import check_planes, cropped, margins_to, padded
from photoflow.models.dis.candidate_scorer import CandidateScorer, rows_at_once
from photoflow.models.dis.flow_candidates import EVIDENCE, Candidates, evidence, measured, reduction


class RefinedDIS(CandidateScorer):
    """DIS at full resolution, and the affine motions of background and objects: a network chooses among them.

    DIS blurs the edges of moving things, can only guess the flow of what is hidden in the second image, and does not
    find small things that move far. Affine motions, fitted to the pixels whose flow is certain and to features of what
    is lost, have none of these faults, but do not say which pixel moves by which. The evidence for that is how well
    each fits at the pixel and in its surroundings up to the next edge, the flow back, and which pixels nearby are
    certain. A network of two layers, the same for all candidates, sees the evidence of each and what it made of the
    others, and says how likely each candidate is.

    Args:
        weights: name in the registry of weights, or a file of them; None: untrained.

    Raises:
        WeightsError: the weights are not to be had, or are those of another network.

    Source: choosing among candidate flows: Lempitsky et al., "FusionFlow: Discrete-Continuous Optimization for Optical
    Flow Estimation", CVPR 2008; here the choice is learned, and what joins pixels is a filter: see `flow_candidates`.
    """

    def __init__(self, weights: str | Path | None = None) -> None:
        super().__init__(EVIDENCE)
        if weights is not None:
            self.load(weights)

    def forward(self, image1: Tensor, image2: Tensor, candidates: Candidates | None = None) -> Tensor:
        """Measure the flow from `image1` to `image2`: the displacement of each pixel.

        Args:
            image1: (B, 3, H, W) RGB in [0, 1], any floating-point dtype.
            image2: another of the same shape.
            candidates: the flows to choose from; None: `measured`.

        Returns:
            (B, 2, H, W) float32, pixels: of each pixel the likeliest candidate. Without gradient: `scores` has it.

        Raises:
            ValueError, TypeError: the images have the wrong or different shapes or dtypes.
        """
        check_planes("RefinedDIS", "image1", image1, 3)
        check_planes("RefinedDIS", "image2", image2, 3, beside=image1)
        by = reduction(image1.shape[2:])
        margins = margins_to(image1, by)
        with torch.no_grad():
            candidates = measured(image1, image2) if candidates is None else candidates
            whole = candidates.mapped(lambda planes: padded(planes, margins))
            seen = evidence(padded(image1, margins), padded(image2, margins), whole)
            rows = rows_at_once(seen.shape[2], seen.device)
            coarse = torch.cat([self.scores(some, whole.shares)[:, 0] for some in seen.split(rows, 1)], 2)
            fine = functional.interpolate(coarse, scale_factor=by, mode="bilinear", align_corners=False)
            chosen = cropped(fine, margins).argmax(1)[:, None, None].expand(-1, 1, 2, -1, -1)
            return candidates.flows.gather(1, chosen)[:, 0]
