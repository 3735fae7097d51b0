"""The small network that scores candidates by the evidence for and against each."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from photoflow.weights import Loadable

WIDTH = 48
_NEVER = -1e4  # the score of what is not to be chosen


def rows_at_once(width: int, device: torch.device) -> int:
    """Return how many rows of `width` places are scored at once on a device.

    The memory of 4096 places fits a CPU's caches, and their steps are worth the start of threads. A GPU is busy with
    64 rows, which take some hundred megabytes.
    """
    return 64 if device.type == "cuda" else max(1, 4096 // width)


class CandidateScorer(Loadable, nn.Module):
    """A network that scores candidates: two layers see one candidate's evidence, two more see all candidates.

    The first two are the same for all candidates and places. The others also see the mean and the largest of what the
    first two make of all candidates.

    Args:
        evidence: how many numbers there are about each candidate at each place.
        scores: how many scores each candidate gets.
    """

    def __init__(self, evidence: int, scores: int = 1) -> None:
        super().__init__()
        self.each = nn.Sequential(
            nn.Linear(evidence, WIDTH), nn.ReLU(inplace=True), nn.Linear(WIDTH, WIDTH), nn.ReLU(inplace=True)
        )
        self.own, self.others, self.score = (
            nn.Linear(n, m) for n, m in ((WIDTH, WIDTH), (2 * WIDTH, WIDTH), (WIDTH, scores))
        )

    def scores(self, seen: Tensor, shares: Tensor) -> Tensor:
        """Compute the logarithm of each candidate's likelihood, but for a constant, with a gradient.

        Args:
            seen: the evidence at some places, (B, h, w, K, E).
            shares: of the candidates, (B, K); a candidate whose share is 0 is not chosen.

        Returns:
            (B, scores, K, h, w) float32.
        """
        return self.looked_at(seen, shares)[0]

    def looked_at(self, seen: Tensor, shares: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the scores; return also what was seen of all candidates together, (B, h, w, 2 WIDTH)."""
        real = shares[:, None, None, :, None] > 0
        each = self.each(seen.to(self.score.weight.dtype))
        counted = each * real
        mean = counted.sum(3, keepdim=True) / real.sum(3, keepdim=True)
        most = counted.amax(3, keepdim=True)  # nothing in it is below 0
        together = torch.cat([mean, most], 4)
        found = self.score(self.own(each).add_(self.others(together)).relu_()).float()
        return torch.where(real, found, _NEVER).permute(0, 4, 3, 1, 2), together[:, :, :, 0]
