"""Endless pairs in the manner of FlyingChairs, painted on the device, of which everything is known."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from photoflow.data.chair_scene import LARGEST, MARGIN, TEXTURES, Scene, draw_scene, sides_of
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
        """The batch of that number, with all that `Batch` names.

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
        self._scene, self._size = scene, size
        self._device = shapes[0].device
        self._inverse = torch.linalg.inv(scene.layers.start)
        self._bent = set(scene.layers.bent())
        self._behind = (scene.side < 0).nonzero()[:, 0]
        height, width = size[0] + 2 * MARGIN, size[1] + 2 * MARGIN
        ground = pictures.crops(scene.cut[self._behind], height, width, TEXTURES / 5)
        self._ground = _smeared(ground, self._smear(self._behind, (height, width)), "reflect")
        self._casts: list[tuple[Tensor, Tensor]] = []  # layers of one side of canvas, and their canvases
        for index, bank in enumerate(shapes):
            rows = (scene.side == index).nonzero()[:, 0]
            if len(rows):
                canvases = self._coloured(rows, bank, pictures)
                self._casts.append((rows, _smeared(canvases, self._smear(rows, bank.shape[2:]), "constant")))

    def frame(self, time: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The frame of a time (B,).

        Returns:
            picture (B, 3, H, W) in [0, 1]; the layer that is on top at each pixel (B, H, W), int32; how much of each
            pixel is covered by objects (B, 1, H, W).
        """
        layers = self._scene.layers
        times = time[layers.sample]
        moved = layers.moved(times)
        nowhere = torch.zeros(len(self._behind), 2)
        picture = self._read(self._ground, self._behind, torch.linalg.inv(moved), times, self._size, nowhere)
        top = self._behind.to(self._device, torch.int32)[:, None, None].repeat(1, *self._size)
        clear = torch.ones_like(picture[:, :1])
        for row, sample, (y, x), piece in self._pieces(moved, times):
            ys, xs = slice(y, y + piece.shape[1]), slice(x, x + piece.shape[2])
            keep = 1 - piece[SLOTS:]
            picture[sample, :, ys, xs].mul_(keep).add_(piece[:SLOTS])
            clear[sample, :, ys, xs].mul_(keep)
            top[sample, ys, xs].masked_fill_(keep[0] < 0.5, row)
        return self._finished(picture, time), top, 1 - clear

    def _pieces(self, moved: Tensor, times: Tensor) -> Iterator[tuple[int, int, tuple[int, int], Tensor]]:
        """Every object's picture in a window around it, from back to front: layer, sample, place and RGBA."""
        layers, back, found = self._scene.layers, torch.linalg.inv(moved), {}
        for rows, canvases in self._casts:
            side = canvases.shape[2]
            window = [min(edge, round(LARGEST * side)) for edge in self._size]
            centre = torch.tensor([(side - 1) / 2, (side - 1) / 2, 1], dtype=torch.float64)[:, None]
            there = (moved[rows] @ layers.start[rows] @ centre)[:, :2, 0]  # x, y
            room = torch.tensor([self._size[1] - window[1], self._size[0] - window[0]])
            corner = (there - torch.tensor(window[::-1]) / 2).round().clamp_(min=0).minimum(room)
            pieces = self._read(canvases, rows, back, times, (window[0], window[1]), corner)
            for row, (x, y), piece in zip(rows.tolist(), corner.long().tolist(), pieces):
                found[row] = (y, x), piece
        samples = layers.sample.tolist()
        for row in sorted(found):
            yield row, samples[row], *found[row]

    def _read(
        self, canvases: Tensor, rows: Tensor, back: Tensor, times: Tensor, window: tuple[int, int], corner: Tensor
    ) -> Tensor:
        """What windows of the frame show of layers.

        Args:
            canvases: (n, C, h, w) of the layers.
            rows: (n,), which layers.
            back: (L, 3, 3), from the frame of the times to that of time 0.
            times: (L,).
            window: (height, width) of the windows.
            corner: (n, 2), x and y of their first pixels.
        """
        layers = self._scene.layers
        back, inverse = back[rows], self._inverse[rows]
        back[:, :2, 2:] += back[:, :2, :2] @ corner.to(back)[..., None]
        flow = affine_flow(self._moved(inverse @ back), *window)
        bent = [index for index, row in enumerate(rows.tolist()) if row in self._bent]
        if bent:
            which = rows[bent]
            to_nodes = back[bent].clone()
            to_nodes[:, :2, 2] -= layers.corner[which]
            to_nodes[:, :2] /= layers.pitch[which, None, None]
            fields = layers.bend[which].to(self._device, torch.float32)
            bending = backward_warp(fields, affine_flow(self._moved(to_nodes), *window))
            linear = self._moved(inverse[bent] * times[which, None, None])[:, :2, :2]
            flow[bent] += torch.einsum("nij,njhw->nihw", linear, bending)
        return backward_warp(canvases, flow, padding="zeros" if canvases.shape[1] > SLOTS else "reflection")

    def _coloured(self, rows: Tensor, bank: Tensor, pictures: PictureBank) -> Tensor:
        """Canvases (n, 4, side, side) of objects: RGB with the coverage multiplied in, and the coverage."""
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
        """How far (n, 2) canvases of a (height, width) move, in their own pixels, while a frame is exposed."""
        layers = self._scene.layers
        middle = torch.tensor([(size[1] - 1) / 2, (size[0] - 1) / 2, 1], dtype=torch.float64)[:, None]
        before = layers.start[rows] @ middle
        after = layers.moved(torch.ones(len(layers.start), dtype=torch.float64))[rows] @ before
        ways: Tensor = (self._inverse[rows] @ (after - before))[:, :2, 0] * self._scene.shutter[rows, None]
        longest = _LONGEST_SMEAR * min(size)
        limited: Tensor = ways / (ways.norm(dim=1, keepdim=True) / longest).clamp_min(1)
        return limited

    def _finished(self, picture: Tensor, time: Tensor) -> Tensor:
        """The picture out of focus, brighter or darker."""
        scene = self._scene
        for one, sigma in zip(picture, scene.blur.tolist()):
            if sigma > 0:
                one.copy_(_blurred(one, sigma))
        if bool((scene.gain != 1).any()):
            gain, lift = 1 + (scene.gain - 1) * time, scene.lift * time
            picture.mul_(self._moved(gain)[:, None, None, None]).add_(self._moved(lift)[:, None, None, None])
        return picture.clamp_(0, 1)

    def _moved(self, values: Tensor) -> Tensor:
        """Numbers as the device takes them."""
        return values.to(self._device, torch.float32)


def _smeared(canvases: Tensor, ways: Tensor, mode: str) -> Tensor:
    """Canvases (n, C, h, w) averaged along ways (n, 2), pixels: over a line of whole pixels through each."""
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
    """A picture (C, H, W) with a Gaussian of a standard deviation in pixels."""
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-_BLUR_REACH, _BLUR_REACH + 1)]
    reach = (_BLUR_REACH, _BLUR_REACH)
    for dim, pad in ((1, (0, 0, *reach)), (2, (*reach, 0, 0))):
        around, size = F.pad(picture, pad, mode="replicate"), picture.shape[dim]
        picture = torch.zeros_like(picture)
        for place, weight in enumerate(weights):
            picture.add_(around.narrow(dim, place, size), alpha=weight / sum(weights))
    return picture
