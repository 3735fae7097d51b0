"""The temporal focal transformer: tokens of all frames, which see those around them finely, and all others coarsely."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from photoflow.models.e2fgvi.in_parts import at_a_time, in_parts

PATCH, STRIDE, MARGIN = 7, 3, 3
"""Tokens stand for patches of features, which overlap."""


def tokens_along(side: int) -> int:
    """Return how many tokens stand along a side of the features."""
    return (side + 2 * MARGIN - PATCH) // STRIDE + 1


class SoftSplit(nn.Module):
    """Features cut into patches that overlap, a token for each.

    Args:
        channels: of the features.
        width: of the tokens.

    Source: the video completion framework of E²FGVI, equation (3.7); Liu et al., "FuseFormer", ICCV 2021.
    """

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Linear(channels * PATCH**2, width)

    def forward(self, features: Tensor) -> Tensor:
        """Turn features (B, T, C, h, w) into tokens (B, T, M, N, width)."""
        grid = [tokens_along(side) for side in features.shape[3:]]
        values = features.shape[2] * PATCH**2 * grid[0] * grid[1]
        return in_parts(self._embedded, features.flatten(0, 1), values).reshape(*features.shape[:2], *grid, -1)

    def _embedded(self, features: Tensor) -> Tensor:
        patches = functional.unfold(features, PATCH, padding=MARGIN, stride=STRIDE)
        tokens: Tensor = self.embedding(patches.transpose(1, 2))
        return tokens


class SoftComposition(nn.Module):
    """Features from tokens, whose patches are added where they overlap.

    Args:
        channels: of the features.
        width: of the tokens.
        size: (h, w) of the features, all of which have a bias of their own; None: they are convolved, at any size.

    Source: as `SoftSplit`.
    """

    def __init__(self, channels: int, width: int, size: tuple[int, int] | None) -> None:
        super().__init__()
        self.embedding = nn.Linear(width, channels * PATCH**2)
        if size is None:
            self.bias_conv = nn.Conv2d(channels, channels, 3, padding=1)
        else:
            self.bias = nn.Parameter(torch.zeros(channels, *size))

    def forward(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        """Turn tokens (B, T, M, N, width) into features (B, T, C, h, w) of that size."""
        values = self.embedding.out_features * tokens.shape[2] * tokens.shape[3]
        features = in_parts(lambda some: self._composed(some, size), tokens.flatten(2, 3).flatten(0, 1), values)
        return features.reshape(*tokens.shape[:2], *features.shape[1:])

    def _composed(self, tokens: Tensor, size: tuple[int, int]) -> Tensor:
        patches = self.embedding(tokens).transpose(1, 2)
        features = functional.fold(patches, size, PATCH, padding=MARGIN, stride=STRIDE)
        return self.bias_conv(features) if hasattr(self, "bias_conv") else features + self.bias


class Places(NamedTuple):
    """Facts about the tokens' grid that the blocks of a transformer share; they follow from its size.

    Args:
        size: (h, w) of the features.
        covered: (1, 1, h, w), how many patches lie on each of them.
        fine: (windows, keys), the numbers of the tokens that each window sees.
        coarse: (windows, keys), the numbers of the windows that each sees as one token.
        within: (windows, keys), whether those are in the picture.
    """

    size: tuple[int, int]
    covered: Tensor
    fine: Tensor
    coarse: Tensor
    within: Tensor


class FocalBlock(nn.Module):
    """Focal attention and a feed-forward network, each beside what it is given.

    Args:
        width: of the tokens.
        heads: of the attention.
        hidden: width of the feed-forward network.
        window: (M, N) of the windows, tokens.

    Source: the video completion framework of E²FGVI, equations (3.10) and (3.11).
    """

    def __init__(self, width: int, heads: int, hidden: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.window = window
        self.pool_layers = nn.ModuleList([nn.Linear(window[0] * window[1], 1)])
        self.norm1 = nn.LayerNorm(width)
        self.attn = _FocalAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = _FusingFeedForward(width, hidden)

    def forward(self, tokens: Tensor, places: Places) -> Tensor:
        """Change tokens (B, T, M, N, width); M and N are multiples of the window's."""
        normed = self.norm1(tokens)
        windows = in_windows(normed, self.window)
        pooled = self.pool_layers[0](windows.transpose(3, 4)).squeeze(4)  # (B, windows, T, width)
        tokens = tokens + self.attn(normed, pooled, places)
        changed: Tensor = tokens + self.mlp(self.norm2(tokens), places)
        return changed

    def places(self, size: tuple[int, int], device: torch.device) -> Places:
        """Return what tokens of features of that size see."""
        rows, columns = (tokens_along(side) for side in size)
        each = torch.ones(1, PATCH**2, rows * columns, device=device)
        covered = functional.fold(each, size, PATCH, padding=MARGIN, stride=STRIDE)
        return Places(size, covered, self.attn.seen_finely(rows, columns), *self.attn.seen_coarsely(rows, columns))


class _FocalAttention(nn.Module):
    """Attention of a window's tokens, of all frames, to those in and around it, and to all windows near it as one each.

    Tokens around a window are those that it reaches when it is moved by half its size in both directions, four ways. At
    the border of the picture they come from the other side of it, and where two moves reach the same token it counts
    twice: so the published network has it.

    Args:
        width: of the tokens.
        heads: that the attention has.
        window: (M, N), tokens; so many windows are seen coarsely, too.

    Source: the video completion framework of E²FGVI, equations (3.8) and (3.9); Yang et al., "Focal Self-attention for
    Local-Global Interactions in Vision Transformers", NeurIPS 2021.
    """

    valid_ind_rolled: Tensor

    def __init__(self, width: int, heads: int, window: tuple[int, int]) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)
        self.register_buffer("valid_ind_rolled", _outside(window))

    def forward(self, tokens: Tensor, pooled: Tensor, places: Places) -> Tensor:
        """Gather from what tokens see.

        Args:
            tokens: (B, T, M, N, width).
            pooled: (B, windows, T, width).
            places: what they see.

        Returns:
            (B, T, M, N, width).
        """
        batch, frames, rows, columns, width = tokens.shape
        query, key, value = self.qkv(tokens).chunk(3, 4)
        _, pooled_key, pooled_value = self.qkv(pooled.transpose(1, 2)).chunk(3, 3)  # (B, T, windows, width)
        seen = (key.flatten(2, 3), pooled_key), (value.flatten(2, 3), pooled_value)
        queries = in_windows(query, self.window).transpose(1, 2)  # (B, T, windows, tokens, width)
        keys = places.fine.shape[1] + places.coarse.shape[1]
        some = at_a_time(batch * frames * keys * width)
        parts = zip(queries.split(some, 2), *(one.split(some) for one in places[2:]), strict=True)
        gathered = torch.cat([self._gathered(asking, seen, *seeing) for asking, *seeing in parts], 1)
        projected: Tensor = self.proj(from_windows(gathered, self.window, rows, columns))
        return projected

    def _gathered(
        self,
        queries: Tensor,
        seen: tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]],
        fine: Tensor,
        coarse: Tensor,
        within: Tensor,
    ) -> Tensor:
        """Gather for the tokens of some windows.

        Args:
            queries: (B, T, windows, tokens of a window, width).
            seen: the keys of all tokens, (B, T, M * N, width), and of all windows, (B, T, windows, width); the values.
            fine: which of the tokens they see; see `Places`.
            coarse: which of the windows.
            within: and which of those there are.

        Returns:
            (B, windows, T, tokens of a window, width).
        """
        batch, frames, windows, count, width = queries.shape
        known = functional.pad(within, (fine.shape[1], 0), value=True).repeat(batch, frames)[:, None, None]
        keys, values = (
            self._by_head(torch.cat([_at(tokens, fine), _at(pooled, coarse)], 3)) for tokens, pooled in seen
        )
        gathered = functional.scaled_dot_product_attention(self._by_head(queries), keys, values, attn_mask=known)
        return gathered.transpose(1, 2).reshape(batch, windows, frames, count, width)

    def _by_head(self, seen: Tensor) -> Tensor:
        """Rearrange (B, T, windows, n, width) as (B * windows, heads, T * n, width / heads)."""
        batch, frames, windows, count, width = seen.shape
        seen = seen.reshape(batch, frames, windows, count, self.heads, width // self.heads)
        return seen.permute(0, 2, 4, 1, 3, 5).reshape(batch * windows, self.heads, frames * count, -1)

    def seen_finely(self, rows: int, columns: int) -> Tensor:
        """Return the numbers of the tokens in and around each window: (windows, keys)."""
        numbers = torch.arange(rows * columns, device=self.valid_ind_rolled.device).view(1, 1, rows, columns, 1)
        down, right = (side // 2 for side in self.window)
        moved = [
            in_windows(numbers.roll((-y, -x), (2, 3)), self.window).flatten(1)
            for y, x in ((0, 0), (down, right), (down, -right), (-down, right), (-down, -right))
        ]
        own, *around = (one.view(-1, self.window[0] * self.window[1]) for one in moved)
        return torch.cat([own, torch.cat(around, 1)[:, self.valid_ind_rolled]], 1)

    def seen_coarsely(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Return the numbers of the windows around each window, and whether they are in the picture."""
        device = self.valid_ind_rolled.device
        down, right = rows // self.window[0], columns // self.window[1]
        # An odd number of windows, so that the window itself is in the middle.
        y, x = (torch.arange(-(side // 2), side // 2 + 1, device=device) for side in self.window)
        y = torch.arange(down, device=device)[:, None, None, None] + y[:, None]
        x = torch.arange(right, device=device)[:, None, None] + x
        within = (y >= 0) & (y < down) & (x >= 0) & (x < right)
        numbers = y.clamp(0, down - 1) * right + x.clamp(0, right - 1)
        return numbers.reshape(down * right, -1), within.reshape(down * right, -1)


class _FusingFeedForward(nn.Module):
    """F3N: a feed-forward network whose hidden tokens are put together where their patches overlap, and cut again.

    Args:
        width: of the tokens.
        hidden: of the network, a multiple of the patch's pixels.

    Source: as `SoftSplit`.
    """

    def __init__(self, width: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.conv1 = nn.Sequential(nn.Linear(width, hidden))
        self.conv2 = nn.Sequential(nn.GELU(), nn.Linear(hidden, width))

    def forward(self, tokens: Tensor, places: Places) -> Tensor:
        """Change tokens (B, T, M, N, width)."""
        values = self.hidden * tokens.shape[2] * tokens.shape[3]
        changed = in_parts(lambda some: self._changed(some, places), tokens.flatten(2, 3).flatten(0, 1), values)
        return changed.reshape(tokens.shape)

    def _changed(self, tokens: Tensor, places: Places) -> Tensor:
        patches = self.conv1(tokens).transpose(1, 2)
        together = functional.fold(patches, places.size, PATCH, padding=MARGIN, stride=STRIDE)
        together = together / places.covered.to(together.dtype)
        patches = functional.unfold(together, PATCH, padding=MARGIN, stride=STRIDE)
        changed: Tensor = self.conv2(patches.transpose(1, 2))
        return changed


def in_windows(tokens: Tensor, window: tuple[int, int]) -> Tensor:
    """Rearrange tokens (B, T, M, N, width) as (B, windows, T, tokens of a window, width)."""
    batch, frames, rows, columns, width = tokens.shape
    down, right = rows // window[0], columns // window[1]
    tokens = tokens.reshape(batch, frames, down, window[0], right, window[1], width)
    return tokens.permute(0, 2, 4, 1, 3, 5, 6).reshape(batch, down * right, frames, -1, width)


def from_windows(windows: Tensor, window: tuple[int, int], rows: int, columns: int) -> Tensor:
    """Undo `in_windows`."""
    batch, _, frames, _, width = windows.shape
    down, right = rows // window[0], columns // window[1]
    tokens = windows.reshape(batch, down, right, frames, *window, width)
    return tokens.permute(0, 3, 1, 4, 2, 5, 6).reshape(batch, frames, rows, columns, width)


def _at(tokens: Tensor, numbers: Tensor) -> Tensor:
    """Pick tokens (B, T, n, width) by their numbers (windows, keys): (B, T, windows, keys, width)."""
    picked: Tensor = tokens.index_select(2, numbers.flatten()).unflatten(2, numbers.shape)
    return picked


def _outside(window: tuple[int, int]) -> Tensor:
    """Return which tokens of a window that is moved, four ways, are not in it where it was.

    The numbers count through the four windows, moved down and right, down and left, up and right, up and left.
    """
    rows, columns = window
    moves = [(down * (rows // 2), right * (columns // 2)) for down in (1, -1) for right in (1, -1)]
    stays = [
        0 <= y + down < rows and 0 <= x + right < columns
        for down, right in moves
        for y in range(rows)
        for x in range(columns)
    ]
    return torch.tensor([number for number, inside in enumerate(stays) if not inside])
