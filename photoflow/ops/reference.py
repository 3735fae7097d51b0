"""The operators in plain torch, to check the compiled ones against: slow, in float64, written to be read.

They take the same arguments, check none of them, and are differentiable by autograd. Nothing falls back to them.
"""

from __future__ import annotations

import torch
from torch import Tensor


def _pixels(flow: Tensor) -> tuple[Tensor, Tensor]:
    """Return the x and y of every pixel of a flow, each (H, W)."""
    height, width = flow.shape[2:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    return x.to(flow.device, torch.float64), y.to(flow.device, torch.float64)


def _padded(index: Tensor, size: int, padding: str) -> tuple[Tensor, Tensor]:
    """Return the index that stands in for one outside [0, size), and 1 where it counts, 0 where it reads as zero."""
    if padding == "zeros":
        counts = (index >= 0) & (index < size)
        return index.clamp(0, size - 1), counts.double()
    if padding == "reflection" and size > 1:
        phase = index.remainder(2 * (size - 1))
        index = torch.where(phase < size, phase, 2 * (size - 1) - phase)
    return index.clamp(0, size - 1), torch.ones_like(index, dtype=torch.float64)


def _keys(distance: Tensor) -> Tensor:
    """Evaluate the cubic convolution kernel with a = -0.75 at a distance of 0 to 2."""
    a, d = -0.75, distance.abs()
    near = (a + 2) * d**3 - (a + 3) * d**2 + 1
    far = a * d**3 - 5 * a * d**2 + 8 * a * d - 4 * a
    return torch.where(d <= 1, near, far)


def _taps(position: Tensor, mode: str) -> list[tuple[Tensor, Tensor]]:
    """List the integer places that are read along one axis, with their weights."""
    if mode == "nearest":
        return [(position.round().long(), torch.ones_like(position))]
    floor = position.detach().floor()
    offsets = (0, 1) if mode == "bilinear" else (-1, 0, 1, 2)
    places = [floor + offset for offset in offsets]
    if mode == "bilinear":
        return [(place.long(), 1 - (position - place).abs()) for place in places]
    return [(place.long(), _keys(position - place)) for place in places]


def backward_warp(image: Tensor, flow: Tensor, *, mode: str = "bilinear", padding: str = "zeros") -> Tensor:
    """Compute out[p] = image[p + flow[p]]; see `photoflow.ops.backward_warp`."""
    batch, channels, height, width = image.shape
    finite = flow.isfinite().all(dim=1, keepdim=True)
    moved = torch.where(finite, flow, 0).double()
    x, y = _pixels(flow)
    x, y = x + moved[:, 0], y + moved[:, 1]
    planes = image.double().reshape(batch, channels, height * width)
    out = torch.zeros(batch, channels, *flow.shape[2:], dtype=torch.float64, device=image.device)
    for row, row_weight in _taps(y, mode):
        row, row_counts = _padded(row, height, padding)
        for column, column_weight in _taps(x, mode):
            column, column_counts = _padded(column, width, padding)
            index = (row * width + column).reshape(batch, 1, -1).expand(-1, channels, -1)
            value = planes.gather(2, index).reshape(out.shape)
            out = out + value * (row_weight * row_counts * column_weight * column_counts)[:, None]
    return torch.where(finite, out, 0).to(image.dtype)


def forward_splat(
    image: Tensor,
    flow: Tensor,
    metric: Tensor | None = None,
    *,
    mode: str = "sum",
    eps: float = 1e-7,
    eps_mode: str = "drop",
) -> tuple[Tensor, Tensor]:
    """Throw pixels to p + flow[p] and add them up; see `photoflow.ops.forward_splat`."""
    batch, _, height, width = image.shape
    kept = flow.isfinite().all(dim=1)
    if metric is not None:
        kept = kept & metric.isfinite()[:, 0]
        metric = torch.where(kept[:, None], metric, 0).double()
    x, y = _pixels(flow)
    moved = torch.where(kept[:, None], flow, 0).double()
    x, y = x + moved[:, 0], y + moved[:, 1]

    # Each pixel's four corners: where they lie in the plane, and their bilinear weights (0 outside).
    corners = []
    for row, row_weight in _taps(y, "bilinear"):
        for column, column_weight in _taps(x, "bilinear"):
            inside = kept & (row >= 0) & (row < height) & (column >= 0) & (column < width)
            index = torch.where(inside, row * width + column, 0).reshape(batch, 1, -1)
            corners.append((index, (row_weight * column_weight * inside).reshape(batch, 1, -1)))

    def gathered(values: Tensor, portions: list[Tensor]) -> Tensor:
        """Sum what lands on each pixel, for values (B, K, H, W) and each corner's portion (B, 1, H W)."""
        flat = values.double().reshape(batch, -1, height * width)
        total = torch.zeros_like(flat)
        for (index, _), portion in zip(corners, portions):
            total = total.scatter_add(2, index.expand_as(flat), flat * portion)
        return total.reshape(values.shape)

    bilinear = [weight for _, weight in corners]
    ones = torch.ones_like(flow[:, :1], dtype=torch.float64)
    coverage = gathered(ones, bilinear)
    dtype = torch.float64 if image.dtype == torch.float64 else torch.float32
    if mode == "sum":
        return gathered(image, bilinear).to(image.dtype), coverage.to(dtype)
    portions = bilinear
    if metric is not None:
        importance = metric.reshape(batch, 1, -1)
        portions = [weight * importance for weight in bilinear]
        if mode == "softmax":
            # The largest metric that lands on each pixel is subtracted; it cancels in the quotient.
            peak = torch.full_like(importance, -torch.inf)
            for index, weight in corners:
                landing = torch.where(weight > 0, importance, -torch.inf).detach()
                peak = peak.scatter_reduce(2, index, landing, "amax")
            exponents = [torch.where(w > 0, importance - peak.gather(2, i), -torch.inf) for i, w in corners]
            portions = [weight * exponent.exp() for weight, exponent in zip(bilinear, exponents)]
    total = gathered(ones, portions)
    lands = (coverage > (eps if eps_mode == "drop" else 0)) & (total != 0)
    out = torch.where(lands, gathered(image, portions) / torch.where(lands, total, 1), 0)
    if eps_mode != "drop":
        out = out * coverage / (coverage + eps if eps_mode == "add" else coverage.clamp_min(eps))
    return out.to(image.dtype), coverage.to(dtype)


def occlusion(flow_ab: Tensor, flow_ba: Tensor, *, alpha: float = 0.01, beta: float = 0.5) -> tuple[Tensor, Tensor]:
    """Check two flows forward and backward, both ways; see `photoflow.ops.occlusion`."""

    def seen(there: Tensor, back: Tensor) -> Tensor:
        height, width = there.shape[2:]
        x, y = _pixels(there)
        x, y = x + there[:, 0].double(), y + there[:, 1].double()
        inside = (x >= 0) & (x <= width - 1) & (y >= 0) & (y <= height - 1)
        returned = backward_warp(back.double(), there, padding="border")
        there = there.double()
        miss = (there + returned).square().sum(dim=1)
        length = (there.square() + returned.square()).sum(dim=1)
        return (inside & (miss < alpha * length + beta))[:, None]

    return seen(flow_ab, flow_ba).to(flow_ab.dtype), seen(flow_ba, flow_ab).to(flow_ab.dtype)


def flow_attention(feature: Tensor, flow: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """Multiply features by a gate computed from a flow; see `photoflow.ops.flow_attention`."""
    height, width = feature.shape[2:]
    finite = flow.isfinite().all(dim=1, keepdim=True)
    resized = torch.where(finite, flow, 0).double()
    for axis, size in ((2, height), (3, width)):
        # The centre of each new pixel among the old ones: pixels are areas.
        places = (torch.arange(size, dtype=torch.float64, device=flow.device) + 0.5) * flow.shape[axis] / size - 0.5
        places = places.clamp(0, flow.shape[axis] - 1)
        whole = places.floor().long()
        fraction = (places - whole).reshape([-1, 1] if axis == 2 else [-1])
        after = (whole + 1).clamp(max=flow.shape[axis] - 1)
        resized = resized.index_select(axis, whole) * (1 - fraction) + resized.index_select(axis, after) * fraction
    resized = resized * resized.new_tensor([width / flow.shape[3], height / flow.shape[2]]).reshape(1, 2, 1, 1)

    def convolve(values: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
        around = torch.nn.functional.pad(values, (1, 1, 1, 1))
        total = bias.double().reshape(1, -1, 1, 1).expand(values.shape[0], -1, height, width)
        for row in range(3):
            for column in range(3):
                window = around[..., row : row + height, column : column + width]
                total = total + torch.einsum("bihw,oi->bohw", window, weight[:, :, row, column].double())
        return total

    gate = convolve(convolve(resized, w1, b1).relu(), w2, b2).sigmoid()
    return (feature.double() * gate).to(feature.dtype)


def range_map(flow: Tensor) -> Tensor:
    """Measure how much a flow brings to each pixel; see `photoflow.ops.range_map`."""
    return forward_splat(flow[:, :1], flow, mode="sum")[1]


def correlation_lookup(
    fmap1: Tensor, fmap2: Tensor, coords: Tensor, *, radius: int = 4, levels: int = 4, **_: object
) -> Tensor:
    """Compute all correlations, average them level by level, read around coords; see `photoflow.ops.Correlation`."""
    batch, channels, height, width = fmap1.shape
    volume = torch.einsum("bcyx,bcvu->byxvu", fmap1.double(), fmap2.double()) / max(channels, 1) ** 0.5
    finite = coords.isfinite().all(dim=1)
    places = torch.where(finite[:, None], coords, 0).double().reshape(batch, 2, height * width, 1)
    finite = finite.reshape(batch, height * width, 1)
    steps = torch.arange(-radius, radius + 1, device=coords.device)
    dx, dy = (offsets.flatten() for offsets in torch.meshgrid(steps, steps, indexing="ij"))  # x moves slowest
    results = []
    for level in range(levels):
        rows, columns = volume.shape[3:]
        flat = volume.reshape(batch, height * width, rows * columns)
        x, y = places[:, 0] / 2**level + dx, places[:, 1] / 2**level + dy
        value = torch.zeros_like(x)
        for row, row_weight in _taps(y, "bilinear") if rows * columns else []:
            for column, column_weight in _taps(x, "bilinear"):
                inside = finite & (row >= 0) & (row < rows) & (column >= 0) & (column < columns)
                read = flat.gather(2, torch.where(inside, row * columns + column, 0))
                value = value + read * (row_weight * column_weight * inside)
        results.append(value.transpose(1, 2).reshape(batch, len(dx), height, width))
        rows, columns = rows // 2, columns // 2
        blocks = volume[..., : 2 * rows, : 2 * columns].reshape(batch, height, width, rows, 2, columns, 2)
        volume = blocks.mean(dim=(4, 6))
    return torch.cat(results, dim=1).to(fmap1.dtype)
