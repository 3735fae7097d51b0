"""A renderer of every kind, small, for a device: what tests of frames on a GPU draw."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import drawn_face
import numpy as np
from filling import fill

from photoflow import motion
from photoflow.models.amt import AMT
from photoflow.models.dis import DISInterpolation, RefinedInterpolation
from photoflow.models.generator import FlowGuidedGenerator
from photoflow.models.ifnet import IFNet
from photoflow.models.pyramid import PyramidGenerator
from photoflow.models.raft import RAFT
from photoflow.models.splat_generator import SplatGenerator
from photoflow.motion.camera import CameraPath
from photoflow.render.camera import CameraRenderer, Card
from photoflow.render.flowing import FlowingLayer
from photoflow.render.generated import GeneratedRenderer
from photoflow.render.interpolated import InterpolatedRenderer
from photoflow.render.layered import LayeredRenderer, SubjectLayer
from photoflow.render.pyramid import PyramidRenderer
from photoflow.render.renderer import Renderer

SIZE = (96, 128)
SECONDS = 2.0
TIMING = {"scale": 1.0, "seconds": SECONDS, "loop": True}
DRAW = np.random.default_rng(3)
PHOTO = cv2.resize(DRAW.integers(0, 256, (24, 32, 3), dtype=np.uint8), SIZE[::-1], interpolation=cv2.INTER_CUBIC)
SUBJECT = cv2.circle(np.zeros(SIZE, np.float32), (60, 50), 24, 1, -1, cv2.LINE_AA)
LOWER = np.zeros(SIZE, np.float32)
LOWER[60:] = 1
FACE = motion.Face(seed=3, landmarks=(np.array(drawn_face.landmarks()) - drawn_face.CENTRE) * 0.4 + (60, 60))
ROWS = np.mgrid[0 : SIZE[0], 0 : SIZE[1]][0].astype(np.float32)


def subject(move: motion.Motion, device: str, **options: object) -> SubjectLayer:
    return SubjectLayer(PHOTO, SUBJECT, move, device=device, **TIMING, **options)


def layered(move: motion.Motion, device: str, **options: object) -> LayeredRenderer:
    return LayeredRenderer(255 - PHOTO, [subject(move, device, **options)], device)


def flowing(move: motion.Motion, device: str) -> LayeredRenderer:
    return LayeredRenderer(PHOTO, [FlowingLayer(PHOTO, LOWER, move, device=device, **TIMING)], device)


def camera(device: str, edged: bool = False, regions: bool = False) -> CameraRenderer:
    depth = 0.6 + ROWS / 150
    path = CameraPath([(1.0, motion.Camera(orbit=0.1))], SIZE[::-1], SECONDS, False, (0.6, 1.3))
    cards = [Card(subject(motion.Sway(2), device), (0.0, 1.2), True, SIZE)]
    water = [FlowingLayer(PHOTO, LOWER, motion.Water(), device=device, **TIMING)] if regions else []
    return CameraRenderer(PHOTO, water, cards, path, depth.astype(np.float32), edged, SECONDS, device)


def generated(network: Callable[[], object], device: str) -> GeneratedRenderer:
    exact, drawing = layered(motion.Sway(2), device), fill(network()).to(device)
    if isinstance(drawing, PyramidGenerator):
        return PyramidRenderer(exact, PHOTO, SUBJECT, drawing, device, times=(0.0, 0.5, 1.0))
    return GeneratedRenderer(exact, PHOTO, SUBJECT, drawing, device)


def interpolated(network: Callable[[], object], device: str) -> InterpolatedRenderer:
    return InterpolatedRenderer(layered(motion.Sway(2), device), fill(network()).to(device), SECONDS, 2.0, device)


KINDS: dict[str, Callable[[str], Renderer]] = {
    "sway": lambda device: layered(motion.Sway(2), device),
    "translate": lambda device: layered(motion.Translate(dx=20), device),
    "wind": lambda device: layered(motion.Spectral("plant"), device),
    "two": lambda device: layered(motion.Sway(1) + motion.Float(1), device),
    "pulled": lambda device: layered(motion.Poke(60, 40, 8, 4, at=0.2), device),
    "measured": lambda device: layered(motion.Sway(2), device, blueprint=fill(RAFT.small()).to(device)),
    "drift": lambda device: flowing(motion.Drift(direction=0, speed=0.05), device),
    "water": lambda device: flowing(motion.Water(strength=2), device),
    "within": lambda device: flowing(motion.Sway(1), device),
    "face": lambda device: flowing(FACE, device),
    "face and sway": lambda device: layered(FACE + motion.Sway(1), device),
    "camera": camera,
    "camera, edged": lambda device: camera(device, edged=True),
    "camera, water": lambda device: camera(device, regions=True),
    "gan": lambda device: generated(FlowGuidedGenerator, device),
    "splat generator": lambda device: generated(lambda: SplatGenerator(width=16, blocks=1), device),
    "pyramid": lambda device: generated(PyramidGenerator, device),
    "dis": lambda device: interpolated(DISInterpolation, device),
    "refined": lambda device: interpolated(RefinedInterpolation, device),
    "rife": lambda device: interpolated(lambda: IFNet("small"), device),
    "amt": lambda device: interpolated(AMT, device),
}
