"""SAM 2.1: things at points, strokes and in boxes, through transformers (the optional extra `photoflow[segment]`)."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

from photoflow.device import fast_inference
from photoflow.segment.prompts import Prompts, Stroke
from photoflow.segment.subject import Mask
from photoflow.weights import WeightsError

SOURCE = "facebook/sam2.1-hiera-tiny"  # Apache-2.0, 156 MB; or the path of a folder that holds a model
MOST_POINTS = 16  # of a stroke


def at_hand() -> bool:
    """Return whether transformers and the weights of SAM 2.1 are on this machine."""
    if importlib.util.find_spec("transformers") is None:
        return False
    from huggingface_hub import try_to_load_from_cache

    needed = ("config.json", "model.safetensors")
    if Path(SOURCE).is_absolute():
        return all((Path(SOURCE) / name).is_file() for name in needed)
    return all(isinstance(try_to_load_from_cache(SOURCE, name), str) for name in needed)


class SAM2:
    """Segmentation of the one thing that prompts point at.

    Args:
        device: where torch runs it; "auto" is CUDA where torch has it.
        offline: never fetch the weights.

    Raises:
        WeightsError: transformers is not installed, or the weights cannot be had.

    Source: Ravi et al., "SAM 2: Segment anything in images and videos", 2024; the weights of SAM 2.1, tiny, as
        transformers reads them (safetensors only).
    """

    def __init__(self, device: str = "auto", offline: bool = False) -> None:
        if importlib.util.find_spec("transformers") is None:
            raise WeightsError("SAM 2.1: expected transformers; install it with: pip install 'photoflow[segment]'")
        import torch
        from transformers import Sam2Model, Sam2Processor

        try:
            model = Sam2Model.from_pretrained(SOURCE, local_files_only=offline, use_safetensors=True)
            self._processor = Sam2Processor.from_pretrained(SOURCE, local_files_only=offline)
        except (OSError, ValueError) as error:
            reason = "not at hand, offline" if offline else str(error).strip().splitlines()[0]
            raise WeightsError(f"SAM 2.1: the weights {SOURCE} cannot be had ({reason})") from error
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model, self._device = model.eval().to(device), device
        self._lock = threading.Lock()

    def __call__(self, rgb: npt.NDArray[np.uint8], prompts: Prompts) -> Mask:
        """Return the mask of the thing, (H, W) float32 in [0, 1].

        Args:
            rgb: (H, W, 3) uint8.
            prompts: a box, strokes, or both.
        """
        import torch

        points = [*_points(prompts.add), *_points(prompts.remove)]
        labels = [1] * len(_points(prompts.add)) + [0] * len(_points(prompts.remove))
        asked: dict[str, object] = {}
        if points:
            asked |= {"input_points": [[[list(point) for point in points]]], "input_labels": [[labels]]}
        if prompts.box is not None:
            left, top, width, height = prompts.box
            asked["input_boxes"] = [[[left, top, left + width, top + height]]]
        inputs = self._processor(images=rgb, return_tensors="pt", **asked).to(self._device)
        # A single point is ambiguous: of three masks the one that the network trusts most is taken.
        several = len(points) == 1 and prompts.box is None
        with self._lock, torch.inference_mode(), fast_inference(self._device):
            found = self._model(**inputs, multimask_output=several)
        best = int(found.iou_scores[0, 0].argmax())
        logits = found.pred_masks[0, 0, best].float().cpu().numpy()
        resized = cv2.resize(logits, (rgb.shape[1], rgb.shape[0]), interpolation=cv2.INTER_LINEAR)
        return np.asarray(1 / (1 + np.exp(-np.clip(resized, -30, 30))), np.float32)


def _points(strokes: tuple[Stroke, ...]) -> list[tuple[float, float]]:
    """Return points along strokes, at most `MOST_POINTS` of each."""
    points = []
    for stroke in strokes:
        chosen = np.linspace(0, len(stroke) - 1, min(len(stroke), MOST_POINTS)).round().astype(int)
        points += [stroke[number] for number in chosen]
    return points
