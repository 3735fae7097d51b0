"""Endless pairs in the manner of FlyingChairs, painted on the device, of which everything is known."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow.data.chair_scene import MARGIN, TEXTURES, Scene, draw_scene, sides_of
from photoflow.data.chair_shapes import SLOTS, shape_bank
from photoflow.data.layers import Truth, affine_flow
from photoflow.data.picture_bank import PictureBank
from photoflow.data.seeding import check_seed, check_size, generator_of
from photoflow.data.source import Batch
from photoflow.ops import backward_warp

SHAPES = 96  # of each size that are kept ready
_AT_ONCE = {"cpu": 4, "cuda": 32}  # samples: on the CPU what they take has to fit the caches
_BLUR_REACH = 3  # pixels
_LONGEST_SMEAR = 0.12  # of a canvas's side: more would reach beyond the canvas


class ProceduralChairs:
    """Samples as FlyingChairs has them, and more: objects with thin parts, cut from photographs and procedural
    textures, in front of a photograph; all of it moves.

    A sample depends on the settings, the seed and its number (number of the batch times count, and so on) alone; which
    ones are in a batch with it changes its flow by rounding at most. All that is random is drawn on the CPU: another
    device gives the same samples but for rounding.

    Args:
        photos: a folder of photographs; None: those that come with scikit-image, where it is installed, else there
            are procedural textures only.
        size: (height, width) in pixels. Below 256 objects and motions shrink in proportion.
        device: where the samples are painted.
        seed: another one gives other samples.

    Raises:
        InputError: a folder without pictures or one that cannot be read, or a size below 32 pixels.
    """

    def __init__(
        self,
        photos: str | os.PathLike[str] | None = None,
        size: tuple[int, int] = (256, 256),
        *,
        device: str = "cpu",
        seed: int = 0,
    ) -> None:
        self.size, self.device, self.seed = check_size(size, 32), torch.device(device), check_seed(seed)
        least = (self.size[0] + 2 * MARGIN, self.size[1] + 2 * MARGIN)
        self._pictures = PictureBank(photos, least, device, generator_of(seed, 0))
        self._shapes = [shape_bank(SHAPES, side, seed).to(self.device) for side in sides_of(self.size)]
        self.name = f"procedural chairs from {self._pictures.photographs} photographs"

    def batch(self, number: int, count: int) -> Batch:
        """Paint the batch of that number, with all that `Batch` names.

        Motions are functions of time: `middle` is the true frame of the time `t`, which is from 0.1 to 0.9.
        """
        samples = range(number * count, (number + 1) * count)
        step = _AT_ONCE.get(self.device.type, 2)
        parts = [self._painted(samples[first : first + step]) for first in range(0, count, step)]
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    @torch.no_grad()
    def _painted(self, samples: range) -> Batch:
        scene = Scene.joined([draw_scene(self.size, generator_of(self.seed, 1, sample)) for sample in samples])
        stage = _Stage(scene, self.size, self._pictures, self._shapes)
        image1, first, mask = stage.frame(torch.zeros_like(scene.time))
        image2, last, _ = stage.frame(torch.ones_like(scene.time))
        middle, _, _ = stage.frame(scene.time)
        truth = Truth(scene.layers, first, last)
        flow, flow_back = truth.flow(), truth.flow_back()
        visible, visible_back = truth.seen(flow, flow_back)
        return {
            "image1": image1, "image2": image2, "middle": middle, "t": scene.time.to(self.device, torch.float32),
            "flow": flow, "flow_back": flow_back, "mask": mask, "visible": visible, "visible_back": visible_back,
        }  # fmt: skip


class _Stage:
    """The canvases of some samples, and the frames that they give at any time."""

    def __init__(self, scene: Scene, size: tuple[int, int], pictures: PictureBank, shapes: list[Tensor]) -> None:
        self._scene, self._size, self._device = scene, size, shapes[0].device
        self._inverse = torch.linalg.inv(scene.layers.start)
        self._bent, self._bend = set(scene.layers.bent()), self._moved(scene.layers.bend)
        self._canvases: dict[int, Tensor] = {}  # of each layer
        self._corners = torch.ones(len(scene.side), 3, 4, dtype=torch.float64)  # of what its canvas shows
        behind = (scene.side < 0).nonzero()[:, 0]
        height, width = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
        ground = pictures.crops(scene.cut[behind], height, width, TEXTURES / 5)
        self._put(behind, _smeared(ground, self._smear(behind, (height, width)), "reflect"))
        for index, bank in enumerate(shapes):
            rows = (scene.side == index).nonzero()[:, 0]
            if len(rows):
                canvases = self._coloured(rows, bank, pictures)
                self._put(rows, _smeared(canvases, self._smear(rows, bank.shape[2:]), "constant"))

    def frame(self, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Paint the frame of a time (B,).

        Returns:
            picture (B, 3, H, W) in [0, 1]; the layer that is on top at each pixel (B, H, W), int32; how much of each
            pixel is covered by objects (B, 1, H, W).
        """
        picture = torch.empty(len(time), SLOTS, *self._size, device=self._device)
        clear = torch.ones(len(time), 1, *self._size, device=self._device)
        top = torch.empty(len(time), *self._size, dtype=torch.int32, device=self._device)
        for row, sample, (y, x), piece in self._pieces(time):
            ys, xs = slice(y, y + piece.shape[1]), slice(x, x + piece.shape[2])
            if len(piece) == SLOTS:  # a background
                picture[sample], top[sample] = piece, row
                continue
            keep = 1 - piece[SLOTS:]
            picture[sample, :, ys, xs].mul_(keep).add_(piece[:SLOTS])
            clear[sample, :, ys, xs].mul_(keep)
            top[sample, ys, xs].masked_fill_(keep[0] < 0.5, row)
        return self._finished(picture, time), top, 1 - clear

    def _put(self, rows: Tensor, canvases: Tensor) -> None:
        """Keep the canvases of layers, and the boxes around what they show."""
        height, width = canvases.shape[2:]
        left, top = torch.zeros(2, len(rows))
        right, low = left + width - 1, top + height - 1
        if canvases.shape[1] > SLOTS:
            (left, right), (top, low) = (_ends(canvases[:, SLOTS].amax(dim).cpu() > 0) for dim in (1, 2))
        for corner, (x, y) in enumerate(((left, top), (right, top), (left, low), (right, low))):
            self._corners[rows, :2, corner] = torch.stack([x, y], 1).double()
        self._canvases.update(zip(rows.tolist(), canvases))

    def _pieces(self, time: Tensor) -> Iterator[tuple[int, int, tuple[int, int], Tensor]]:
        """Yield the picture of every layer alone, from back to front: layer, sample, place (y, x) and RGBA (4, h, w)
        with the coverage multiplied in, or RGB of a background's whole frame."""
        layers = self._scene.layers
        times = time[layers.sample]
        moved = layers.moved(times)
        windows = self._windows(moved)
        back = torch.linalg.inv(moved)
        back[:, :2, 2:] += back[:, :2, :2] @ windows[:, :2, None].to(back)
        to_canvas = self._moved(self._inverse @ back)
        to_nodes = back.clone()
        to_nodes[:, :2, 2] -= layers.corner
        to_nodes[:, :2] /= layers.pitch[:, None, None]
        to_nodes, turned = self._moved(to_nodes), self._moved(self._inverse * times[:, None, None])[:, :2, :2]
        for row, (sample, (x, y, width, height)) in enumerate(zip(layers.sample.tolist(), windows.tolist())):
            if width <= 0 or height <= 0:
                continue
            flow = affine_flow(to_canvas[row : row + 1], height, width)
            if row in self._bent:
                nodes = affine_flow(to_nodes[row : row + 1], height, width)
                bending = backward_warp(self._bend[row : row + 1], nodes)
                flow += (turned[row, :, :, None, None] * bending).sum(dim=1)
            canvas = self._canvases[row][None]
            padding = "zeros" if canvas.shape[1] > SLOTS else "reflection"
            yield row, sample, (y, x), backward_warp(canvas, flow, padding=padding)[0]

    def _windows(self, moved: Tensor) -> Tensor:
        """Return the part of the frame (L, 4) in which each layer may be seen: x, y, width and height in pixels."""
        layers = self._scene.layers
        corners = (moved @ layers.start @ self._corners)[:, :2]
        reach = 1 + 2 * layers.bend.abs().flatten(1).amax(1)[:, None]  # bent, then turned and zoomed
        last = torch.tensor([self._size[1], self._size[0]])
        low = (corners.amin(2) - reach).floor().clamp_(min=0).long()
        high = (corners.amax(2) + reach).ceil().long().add_(1).minimum(last)
        behind = self._scene.side < 0
        low[behind], high[behind] = 0, last
        return torch.cat([low, high - low], 1)

    def _coloured(self, rows: Tensor, bank: Tensor, pictures: PictureBank) -> Tensor:
        """Colour canvases (n, 4, side, side) of objects: RGB with the coverage multiplied in, and the coverage."""
        scene = self._scene
        shape = (scene.shape[rows] * len(bank)).long().to(self._device)
        canvases = bank[shape].float().div_(160)
        colours, painted = self._moved(scene.colours[rows]), canvases[:, :SLOTS]
        flat = torch.zeros_like(painted)
        for slot in range(SLOTS):  # a matrix product, but one whose rounding does not depend on the threads
            flat.addcmul_(colours[:, slot, :, None, None], painted[:, slot : slot + 1])
        textured = scene.texture[rows].nonzero()[:, 0]
        if len(textured):
            side = bank.shape[2]
            texture = pictures.crops(scene.cut[rows[textured]], side, side, TEXTURES)
            share = self._moved(scene.texture[rows[textured]])[:, None, None, None]
            mine = textured.to(self._device)
            flat[mine] = torch.lerp(flat[mine], texture * painted[mine].sum(1, keepdim=True), share)
        canvases[:, :SLOTS] = flat
        return canvases

    def _smear(self, rows: Tensor, size: Sequence[int]) -> Tensor:
        """Measure the motion (n, 2) of canvases of a (height, width), in their own pixels, while a frame is exposed."""
        layers = self._scene.layers
        middle = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2, 1], dtype=torch.float64)[:, None]
        before = layers.start[rows] @ middle
        after = layers.moved(torch.ones(len(layers.start), dtype=torch.float64))[rows] @ before
        ways: Tensor = (self._inverse[rows] @ (after - before))[:, :2, 0] * self._scene.shutter[rows, None]
        longest = _LONGEST_SMEAR * min(size)
        limited: Tensor = ways / (ways.norm(dim=1, keepdim=True) / longest).clamp_min(1)
        return limited

    def _finished(self, picture: Tensor, time: Tensor) -> Tensor:
        """Put the picture out of focus and make it brighter or darker."""
        scene = self._scene
        for one, sigma in zip(picture, scene.blur.tolist()):
            if sigma > 0:
                one.copy_(_blurred(one, sigma))
        if bool((scene.gain != 1).any()):
            gain, lift = 1 + (scene.gain - 1) * time, scene.lift * time
            picture.mul_(self._moved(gain)[:, None, None, None]).add_(self._moved(lift)[:, None, None, None])
        return picture.clamp_(0, 1)

    def _moved(self, values: Tensor) -> Tensor:
        """Return numbers on the device, as float32."""
        return values.to(self._device, torch.float32)


def _ends(shown: Tensor) -> tuple[Tensor, Tensor]:
    """Find the first and the last place that is true in each row (n, k)."""
    places = shown.byte()
    return places.argmax(1), shown.shape[1] - 1 - places.flip(1).argmax(1)


def _smeared(canvases: Tensor, ways: Tensor, mode: str) -> Tensor:
    """Average canvases (n, C, h, w) along ways (n, 2), pixels: over a line of whole pixels through each."""
    height, width = canvases.shape[2:]
    for canvas, (x, y) in zip(canvases, ways.tolist()):
        steps = round(max(abs(x), abs(y)) / 2)
        if steps == 0:
            continue
        room = [math.ceil(abs(way) / 2) for way in (x, y)]
        around = F.pad(canvas, (room[0], room[0], room[1], room[1]), mode=mode)
        canvas.zero_()
        for step in range(-steps, steps + 1):
            left, top = (edge + round(way / 2 * step / steps) for edge, way in zip(room, (x, y)))
            canvas.add_(around[:, top : top + height, left : left + width])
        canvas.div_(2 * steps + 1)
    return canvases


def _blurred(picture: Tensor, sigma: float) -> Tensor:
    """Blur a picture (C, H, W) with a Gaussian of a standard deviation in pixels."""
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-_BLUR_REACH, _BLUR_REACH + 1)]
    reach = (_BLUR_REACH, _BLUR_REACH)
    for dim, pad in ((1, (0, 0, *reach)), (2, (*reach, 0, 0))):
        around, size = F.pad(picture, pad, mode="replicate"), picture.shape[dim]
        picture = torch.zeros_like(picture)
        for place, weight in enumerate(weights):
            picture.add_(around.narrow(dim, place, size), alpha=weight / sum(weights))
    return picture
