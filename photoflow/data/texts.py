"""Texts as tensors, so that they travel in a batch as everything else does."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def texts_as_tensor(texts: Sequence[str]) -> Tensor:
    """Return texts as (B, T) uint8: their UTF-8, with zeros beyond their ends."""
    encoded = [torch.tensor(list(text.encode("utf-8", "replace")), dtype=torch.uint8) for text in texts]
    return torch.nn.utils.rnn.pad_sequence(encoded, batch_first=True)


def texts_of(values: Tensor) -> list[str]:
    """Return the texts that `texts_as_tensor` made a tensor (B, T) of."""
    return [bytes(row).rstrip(b"\0").decode() for row in values.cpu().tolist()]
