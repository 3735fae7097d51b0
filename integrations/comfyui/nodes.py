"""Nodes: a photo becomes a stage, a motion and a camera are said, and all of it becomes frames, a mask and flow.

ComfyUI's types: IMAGE is float (N, H, W, 3) in [0, 1], MASK float (N, H, W) in [0, 1]. OPTICAL_FLOW, as the node pack
comfyui_controlnet_aux has it, is float (N - 1, H, W, 2): from each frame to the next, pixels, x right then y down.
"""

from __future__ import annotations

from functools import cache
from typing import Any, ClassVar

import torch
from torch import Tensor

from photoflow import Animator, Stage
from photoflow import motion as motions
from photoflow.compositing import vectors
from photoflow.errors import InputError
from photoflow.render.parts import owners, parts_of

CATEGORY = "photoflow"
WAY = {"default": 0.0, "min": -0.25, "max": 0.25, "step": 0.01}


@cache
def animator() -> Animator:
    """Return the one that holds what is loaded once; it fetches nothing."""
    return Animator(offline=True)


class PhotoflowStage:
    """Find what is in a photo, or take it from a mask, and cut it out."""

    CATEGORY: ClassVar[str] = CATEGORY
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("PHOTOFLOW_STAGE",)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("stage",)
    FUNCTION: ClassVar[str] = "prepare"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        size = {"default": 1280, "min": 64, "max": 8192, "tooltip": "longest side of the frames, pixels, at most"}
        return {
            "required": {"image": ("IMAGE",), "size": ("INT", size)},
            "optional": {"mask": ("MASK", {"tooltip": "what moves; without it, it is found"})},
        }

    def prepare(self, image: Tensor, size: int, mask: Tensor | None = None) -> tuple[Stage]:
        """Return the stage of the one photo in a batch; an empty mask, as Load Image gives it, says nothing."""
        if len(image) != 1:
            raise InputError(f"image: expected one photo, got a batch of {len(image)}")
        photo = (image[0, ..., :3].cpu() * 255).round().to(torch.uint8).numpy()
        height, width = photo.shape[:2]
        said = mask[0].cpu().float().numpy() if mask is not None and mask.any() else None
        return (animator().prepare(photo, size=min(size, max(height, width)), mask=said),)


class PhotoflowMotion:
    """Say how it moves, in the words of `photoflow animate --motion`."""

    CATEGORY: ClassVar[str] = CATEGORY
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("PHOTOFLOW_MOTION",)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("motion",)
    FUNCTION: ClassVar[str] = "say"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        said = {"default": "auto", "tooltip": "as in: sway strength=0.6, spectral:plant, float@subject-2"}
        return {"required": {"words": ("STRING", said)}, "optional": {"motion": ("PHOTOFLOW_MOTION",)}}

    def say(self, words: str, motion: motions.Motion | None = None) -> tuple[motions.Motion]:
        """Return the motion, with another one added to it."""
        said = motions.parse(words)
        return (said if motion is None else motion + said,)


class PhotoflowCamera:
    """Move the camera; without any amount it pushes in a little."""

    CATEGORY: ClassVar[str] = CATEGORY
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("PHOTOFLOW_MOTION",)
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("motion",)
    FUNCTION: ClassVar[str] = "say"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "push": ("FLOAT", {"default": 0.06, "min": 0.0, "max": 0.5, "step": 0.01}),
                "pan": ("FLOAT", WAY),
                "tilt": ("FLOAT", WAY),
                "orbit": ("FLOAT", WAY),
            },
            "optional": {"motion": ("PHOTOFLOW_MOTION",)},
        }

    def say(
        self, push: float, pan: float, tilt: float, orbit: float, motion: motions.Motion | None = None
    ) -> tuple[motions.Motion]:
        """Return the camera's motion, with another one added to it."""
        said = motions.Camera(push=push, pan=pan, tilt=tilt, orbit=orbit)
        return (said if motion is None else motion + said,)


class PhotoflowRender:
    """Draw the frames, where in them the moving layers are, and the flow from each frame to the next."""

    CATEGORY: ClassVar[str] = CATEGORY
    RETURN_TYPES: ClassVar[tuple[str, ...]] = ("IMAGE", "MASK", "OPTICAL_FLOW")
    RETURN_NAMES: ClassVar[tuple[str, ...]] = ("images", "mask", "optical_flow")
    FUNCTION: ClassVar[str] = "render"

    @classmethod
    def INPUT_TYPES(cls) -> dict[str, Any]:
        return {
            "required": {
                "stage": ("PHOTOFLOW_STAGE",),
                "motion": ("PHOTOFLOW_MOTION",),
                "seconds": ("FLOAT", {"default": 4.0, "min": 0.1, "max": 60.0, "step": 0.1}),
                "fps": ("FLOAT", {"default": 16.0, "min": 1.0, "max": 60.0, "step": 1.0}),
                "loop": ("BOOLEAN", {"default": True}),
            }
        }

    def render(
        self, stage: Stage, motion: motions.Motion, seconds: float, fps: float, loop: bool
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return images (N, H, W, 3), mask (N, H, W) and flow (N - 1, H, W, 2)."""
        clip = animator().animate(stage, motion, seconds=seconds, fps=fps, loop=loop)
        parts, size = parts_of(clip.renderer), (clip.height, clip.width)
        images, masks = torch.empty(len(clip), *size, 3), torch.zeros(len(clip), *size)
        flows = torch.empty(len(clip) - 1, *size, 2)
        for number in range(len(clip)):
            owner = owners(parts, clip.time(number), size)
            for part in parts:
                if part.name is not None and (opacity := part.opacity(clip.time(number), alone=True)) is not None:
                    torch.maximum(masks[number], opacity, out=masks[number])
            if number < len(flows):
                flows[number] = torch.from_numpy(vectors(clip, parts, number, owner)).permute(1, 2, 0)
            images[number] = torch.from_numpy(clip[number]) / 255
        return images, masks, flows


NODES = (PhotoflowStage, PhotoflowMotion, PhotoflowCamera, PhotoflowRender)
NODE_CLASS_MAPPINGS = {kind.__name__: kind for kind in NODES}
NODE_DISPLAY_NAME_MAPPINGS = {
    "PhotoflowStage": "photoflow: stage of a photo",
    "PhotoflowMotion": "photoflow: motion",
    "PhotoflowCamera": "photoflow: camera",
    "PhotoflowRender": "photoflow: render",
}
