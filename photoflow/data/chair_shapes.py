"""Silhouettes with parts: chairs seen from anywhere, bars, plates with holes, blobs.

Everything is made of parts, each a parallelogram with round corners around a centre c, spanned by ±a and ±b; a bar is
one whose b is its thickness. A chair is such parts in space, turned and projected, nearer ones painted over farther
ones; FlyingChairs' renderings look the same, thin legs and gaps between slats included.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from photoflow.data.seeding import generator_of

RADIUS = 0.44  # of a canvas's side: where the parts end; the rest is room for what motion blur smears
SLOTS = 3  # colours of a shape
_AT_ONCE = 1 << 17  # pixels that are painted together: what they take fits the caches
_HOLE = -1  # instead of a colour
_NONE = -2  # a part that is not there


@dataclass(frozen=True)
class Parts:
    """The parts of N shapes, in the order in which they are painted; places are in units, y down.

    Args:
        centre: (N, P, 2).
        first: (N, P, 2), half the way across.
        second: (N, P, 2), half the way along.
        rounding: (N, P), from 0, sharp corners, to 1, an ellipse's ends.
        slot: (N, P) long, which colour; -1 cuts a hole, -2: no part.
        shade: (N, P, 2): brightness, and what is added to it from one end of `second` to the middle.
    """

    centre: Tensor
    first: Tensor
    second: Tensor
    rounding: Tensor
    slot: Tensor
    shade: Tensor

    def fitted(self) -> Parts:
        """Move and scale the parts of each shape into a circle of radius 1 around 0."""
        corners = torch.stack([self.centre + s * self.first + t * self.second for s in (-1, 1) for t in (-1, 1)])
        there = (self.slot >= 0)[None, ..., None]
        low = torch.where(there, corners, torch.inf).amin(dim=(0, 2))[:, None]
        high = torch.where(there, corners, -torch.inf).amax(dim=(0, 2))[:, None]
        middle = (low + high) / 2
        reach = torch.where(there, corners - middle, 0).norm(dim=-1).amax(dim=(0, 2))[:, None, None]
        return Parts(
            (self.centre - middle) / reach, self.first / reach, self.second / reach,
            self.rounding, self.slot, self.shade,
        )  # fmt: skip


def shape_bank(count: int, side: int, seed: int) -> Tensor:
    """Paint shapes: half of them chairs, the others bars, plates and blobs.

    Args:
        count: how many.
        side: of the canvases, pixels. Bars are at least two pixels thick and edges one pixel soft at any side.
        seed: of the shapes; another side gives others.

    Returns:
        (count, 4, side, side), uint8: how much of each of three colours, brightness multiplied in, and the coverage,
        which is multiplied into all of them. White is 160, so that a shade may be brighter than its colour.
    """
    generator = generator_of(seed, 2, side)
    makers = (chairs, chairs, chairs, bars, plates, blobs)
    each = -(-count // len(makers))
    painted = [_painted(maker(each, generator).fitted(), side, generator).split(1) for maker in makers]
    mixed = [shape for shapes in zip(*painted) for shape in shapes][:count]
    return torch.cat(mixed)


def chairs(count: int, generator: torch.Generator) -> Parts:
    """Draw chairs and stools in orthographic projection."""
    space, there, slot = _chair_parts(count, generator)
    view = torch.rand((2, count), generator=generator)
    centre, a, b = torch.einsum("nij,knpj->knpi", _view(6.28 * view[0], 0.05 + 0.55 * view[1]), space)
    thin, soft = torch.rand((2, count, 1, 1), generator=generator)
    along = a[..., :2]
    across = torch.stack([-along[..., 1], along[..., 0]], -1) / along.norm(dim=-1, keepdim=True).clamp_min(1e-3)
    is_bar = (space[2] == 0).all(-1, keepdim=True)
    second = torch.where(is_bar, across * (0.015 + 0.035 * thin), b[..., :2])
    shade = _shades(count, len(slot), generator)
    rounding = (0.6 * soft.square())[..., 0].expand(there.shape)
    order = centre[..., 2].argsort(dim=1)  # far ones first
    return Parts(*(
        value.gather(1, order.reshape(*order.shape, *[1] * (value.dim() - 2)).expand(value.shape))
        for value in (centre[..., :2], along, second, rounding, torch.where(there, slot, _NONE), shade)
    ))  # fmt: skip


def _chair_parts(count: int, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Draw the parts of chairs in space: x to the right, y up, z to the front, 0 in the middle of the seat.

    Returns:
        (3, N, P, 3): centres, a and b, which is 0 for bars; (N, P): whether the part is there; (P,): its colour.
    """

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(count, generator=generator)

    def chance(share: float) -> Tensor:
        return torch.rand(count, generator=generator) < share

    wide, deep, leg, back = draw(0.3, 0.5), draw(0.3, 0.5), draw(0.3, 0.9), draw(0.4, 1.0)
    splay, tilt, arm, gap = draw(0.0, 0.15), draw(0.0, 0.3), draw(0.2, 0.4), draw(0.0, 0.5) * back
    solid, upright, armed, backed, stretched = chance(0.5), chance(0.5), chance(0.4), chance(0.85), chance(0.4)
    always, zero = torch.ones(count, dtype=torch.bool), torch.zeros(count)
    none = torch.zeros(count, 3)
    parts: list[tuple[Tensor, Tensor, Tensor, Tensor, int]] = []

    def vector(x: Tensor, y: Tensor, z: Tensor) -> Tensor:
        return torch.stack([x, y, z], 1)

    def leaning(x: Tensor, y: Tensor) -> Tensor:
        """Return a place on the back."""
        return vector(x, y, -deep - tilt * y)

    def up(length: Tensor) -> Tensor:
        """Return a way along the back."""
        return vector(zero, length, -tilt * length)

    parts.append((none, vector(wide, zero, zero), vector(zero, zero, deep), always, 0))  # the seat
    panel = (back - gap) / 2
    parts.append((leaning(zero, gap + panel), vector(wide, zero, zero), up(panel), backed & solid, 1))
    for side in (-1, 1):
        parts.append((leaning(side * wide, back / 2), up(back / 2), none, backed, 2))
    for place in (0.15, 0.4, 0.65):  # slats side by side, or one above the other
        stands = upright[:, None]
        centre = torch.where(stands, leaning((2 * place - 0.8) * wide, back / 2), leaning(zero, back * place))
        way = torch.where(stands, up(back / 2), vector(wide, zero, zero))
        parts.append((centre, way, none, backed & ~solid, 1))
    parts.append((leaning(zero, back * 0.95), vector(wide, zero, zero), none, backed & ~solid, 1))
    for x in (-1, 1):
        for z in (-1, 1):
            centre = vector(x * (wide + splay / 2), -leg / 2, z * (deep + splay / 2))
            parts.append((centre, vector(x * splay / 2, -leg / 2, z * splay / 2), none, always, 2))
    for side in (-1, 1):
        parts.append((vector(side * wide, arm, zero), vector(zero, zero, deep), none, armed, 1))
        parts.append((vector(side * wide, arm / 2, 0.6 * deep), vector(zero, arm / 2, zero), none, armed, 2))
    for z in (-1, 1):
        centre = vector(zero, -0.6 * leg, z * (deep + 0.6 * splay))
        parts.append((centre, vector(wide + 0.6 * splay, zero, zero), none, stretched, 2))
    centres, firsts, seconds, there, slots = zip(*parts)
    space = torch.stack([torch.stack(ways, 1) for ways in (centres, firsts, seconds)])
    return space, torch.stack(there, 1), torch.tensor(slots)


def bars(count: int, generator: torch.Generator) -> Parts:
    """Draw rods that hang together end to end, or at their middles."""
    amount = 8
    turn = torch.rand((count, amount), generator=generator) * 6.28
    length = 0.3 + 0.7 * torch.rand((count, amount), generator=generator)
    first = torch.stack([turn.cos(), turn.sin()], -1) * length[..., None] / 2
    starts = torch.cat([torch.zeros(count, 1, 2), (2 * first).cumsum(1)[:, :-1]], 1)
    star = torch.rand((count, 1, 1), generator=generator) < 0.4
    centre = torch.where(star, first, starts + first)
    thick = 0.02 + 0.08 * torch.rand((count, 1, 1), generator=generator) ** 2
    second = torch.stack([-turn.sin(), turn.cos()], -1) * thick
    return _assembled(centre, first, second, _present(count, amount, 3, generator), generator, rounding=1.0)


def plates(count: int, generator: torch.Generator) -> Parts:
    """Draw parallelograms, some with holes in them."""
    amount = 5
    centre = torch.rand((count, amount, 2), generator=generator) * 1.2 - 0.6
    turn = torch.rand((count, amount), generator=generator) * 6.28
    skew = 1.57 + (torch.rand((count, amount), generator=generator) - 0.5) * 1.4
    sizes = 0.12 + 0.5 * torch.rand((count, amount, 2), generator=generator)
    first = torch.stack([turn.cos(), turn.sin()], -1) * sizes[..., :1]
    second = torch.stack([(turn + skew).cos(), (turn + skew).sin()], -1) * sizes[..., 1:]
    centre[:, 0] = 0
    hole = torch.rand((count, amount), generator=generator) < torch.tensor([0.0, 0.5, 0.0, 0.4, 0.3])
    near = centre[:, :1] + 0.4 * (first[:, :1] * centre[..., :1] + second[:, :1] * centre[..., 1:])
    centre = torch.where(hole[..., None], near, centre)
    shrink = torch.where(hole[..., None], 0.4, 1.0)
    slot = torch.where(hole, _HOLE, _present(count, amount, 1, generator))
    return _assembled(centre, first * shrink, second * shrink, slot, generator, rounding=0.3)


def blobs(count: int, generator: torch.Generator) -> Parts:
    """Draw round lumps that overlap, some with a hole."""
    amount = 6
    centre = (torch.rand((count, amount, 2), generator=generator) - 0.5) * 1.1
    radius = 0.2 + 0.35 * torch.rand((count, amount), generator=generator)
    turn = torch.rand((count, amount), generator=generator) * 6.28
    stretch = 1 + torch.rand((count, amount), generator=generator)
    first = torch.stack([turn.cos(), turn.sin()], -1) * (radius * stretch)[..., None]
    second = torch.stack([-turn.sin(), turn.cos()], -1) * radius[..., None]
    hole = torch.rand((count, amount), generator=generator) < torch.tensor([0.0, 0.0, 0.0, 0.3, 0.0, 0.3])
    slot = torch.where(hole, _HOLE, _present(count, amount, 2, generator))
    shrink = torch.where(hole[..., None], 0.5, 1.0)
    return _assembled(centre, first * shrink, second * shrink, slot, generator, rounding=1.0)


def _view(yaw: Tensor, pitch: Tensor) -> Tensor:
    """Return maps (N, 3, 3) from space, y up, to the picture's x right and y down, and the nearness."""
    zero = torch.zeros_like(yaw)
    turn = torch.stack([yaw.cos(), zero, yaw.sin(), zero, zero + 1, zero, -yaw.sin(), zero, yaw.cos()], 1)
    nod = torch.stack([zero + 1, zero, zero, zero, -pitch.cos(), pitch.sin(), zero, pitch.sin(), pitch.cos()], 1)
    return nod.reshape(-1, 3, 3) @ turn.reshape(-1, 3, 3)


def _present(count: int, amount: int, least: int, generator: torch.Generator) -> Tensor:
    """Draw random colours for the first few parts, at least `least`; the others are not there."""
    slot = torch.randint(SLOTS, (count, amount), generator=generator)
    kept = torch.randint(least, amount + 1, (count, 1), generator=generator)
    return torch.where(torch.arange(amount) < kept, slot, _NONE)


def _shades(count: int, amount: int, generator: torch.Generator) -> Tensor:
    """Draw the brightness of parts and its slope."""
    return torch.rand((count, amount, 2), generator=generator) * torch.tensor([0.7, 0.6]) + torch.tensor([0.5, -0.3])


def _assembled(
    centre: Tensor, first: Tensor, second: Tensor, slot: Tensor, generator: torch.Generator, rounding: float
) -> Parts:
    count, amount = slot.shape
    rounded = rounding * torch.rand((count, 1), generator=generator).sqrt().expand(count, amount)
    return Parts(centre, first, second, rounded, slot, _shades(count, amount, generator))


def _painted(parts: Parts, side: int, generator: torch.Generator) -> Tensor:
    """Paint parts on canvases (N, 4, side, side), uint8."""
    scale = RADIUS * side - 2  # what is made thicker may reach a little farther
    softness = 1 + torch.rand(len(parts.slot), generator=generator) ** 4
    axis = (torch.arange(side) - (side - 1) / 2) / scale
    canvases = []
    for rows in torch.arange(len(parts.slot)).split(max(1, _AT_ONCE // side**2)):
        some = Parts(*(getattr(parts, name)[rows] for name in Parts.__dataclass_fields__))
        canvas = torch.zeros(len(rows), SLOTS + 1, side, side)
        for index in range(parts.slot.shape[1]):
            _paint_part(canvas, some, index, axis, scale, softness[rows])
        canvas.mul_(160).round_().clamp_(0, 255)
        canvas[:, :SLOTS] *= canvas[:, SLOTS:] > 0  # bright colours round to 1 where the coverage rounds to 0
        canvases.append(canvas.byte())
    return torch.cat(canvases)


def _paint_part(canvas: Tensor, parts: Parts, index: int, axis: Tensor, scale: float, softness: Tensor) -> None:
    """Paint one part over what is there.

    With U and V the distances from the parallelogram's two middle lines, h and k half its widths across them and r
    the rounding, the distance from the part is |max((|U| - h + r, |V| - k + r), 0)| - r (exact for a rectangle).
    """
    slot = parts.slot[:, index]
    if bool((slot == _NONE).all()):
        return
    a, b, c = parts.first[:, index], parts.second[:, index], parts.centre[:, index]
    area = (a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]).abs()
    long, wide = a.norm(dim=1).clamp_min(1e-4), b.norm(dim=1).clamp_min(1e-4)

    def across(way: Tensor, length: Tensor) -> Tensor:
        """Return the distance in pixels of every pixel from the line through the centre along `way`."""
        x = (axis - c[:, :1]) * (way[:, 1:] / length[:, None])
        y = (axis - c[:, 1:]) * (way[:, :1] / length[:, None])
        return (x[:, None, :] - y[:, :, None]) * scale

    u, v = across(b, wide), across(a, long)
    least = softness.clamp_min(1.0)  # thinner parts would be gaps and specks
    h, k = (scale * area / wide).maximum(least), (scale * area / long).maximum(least)
    r = (parts.rounding[:, index] * h.minimum(k)).maximum(least)
    bright = parts.shade[:, index, :1, None] + parts.shade[:, index, 1:, None] * (v / k[:, None, None]).clamp(-1, 1)
    u, v = (d.abs_().sub_((half - r)[:, None, None]).clamp_min_(0) for d, half in ((u, h), (v, k)))
    distance = u.square_().addcmul_(v, v).sqrt_().sub_(r[:, None, None])
    cover = distance.div_(-softness[:, None, None]).add_(0.5).clamp_(0, 1)
    cover = cover * (slot != _NONE)[:, None, None]
    canvas.mul_(1 - cover[:, None])
    solid = (slot >= 0).nonzero()[:, 0]
    canvas[solid, slot[solid]] += (cover * bright)[solid]
    canvas[solid, SLOTS] += cover[solid]
