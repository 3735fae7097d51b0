"""The networks by which portraits are judged: CLIP, DINO, Inception, LPIPS, and those that find and tell faces."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.evaluation.pictures import as_planes
from photoflow.segment.faces import Face, FaceEmbedder, FaceFinder
from photoflow.weights.loading import locate
from photoflow.weights.registry import WeightsError

Embedding = Callable[[Array], Array]
"""A picture, uint8 (H, W, 3) -> a vector (D,)."""

KINDS = ("clip", "dino", "picture")
CLIP_NAME = "openai/clip-vit-base-patch32"  # MIT, 605 MB
DINO_NAME = "facebook/dino-vits16"  # Apache-2.0, 87 MB


@dataclass(frozen=True)
class PortraitNetworks:
    """The networks by which portraits are judged; each may be missing, and each is a plain function.

    Args:
        image: pictures to vectors, for CLIP-I and, with `text`, CLIP-T.
        text: prompts to vectors (D,) of the same space.
        dino: pictures to vectors, for DINO.
        faces: a picture -> the faces in it, the largest first.
        face: a picture and a face in it -> a vector, for face similarity.
        likeness: cut-out faces to vectors whose squared distances are the diversity.
        picture: pictures to vectors, for FID.
    """

    image: Embedding | None = None
    text: Callable[[str], Array] | None = None
    dino: Embedding | None = None
    faces: Callable[[Array], Sequence[Face]] | None = None
    face: Callable[[Array, Face], Array] | None = None
    likeness: Embedding | None = None
    picture: Embedding | None = None


def open_portrait_networks(
    given: Sequence[str], notes: list[str], device: str = "cpu", offline: bool = False
) -> PortraitNetworks:
    """Load the networks that are given or at hand. Nothing is fetched that is not named.

    Args:
        given: clip=SOURCE, dino=SOURCE (a folder, or a name on the hub of transformers' models) or picture=FILE.
        notes: list to which is added what is left out, and what stands for what the paper has.
        device: where they run.
        offline: do not fetch what is named either.

    Raises:
        InputError: a text has another form.
        WeightsError: what is named cannot be had, or is another network.
    """
    named = {}
    for one in given:
        kind, separator, source = one.partition("=")
        if kind not in KINDS or not separator or not source:
            raise InputError(f"features: expected {' or '.join(f'{kind}=SOURCE' for kind in KINDS)}, got {one!r}")
        named[kind] = source
    clip = _named_or_at_hand(CLIP, named.get("clip"), CLIP_NAME, device, offline)
    dino = _named_or_at_hand(DINO, named.get("dino"), DINO_NAME, device, offline)
    picture = _inception(named.get("picture"), device)
    finder = FaceFinder(offline=True) if locate("yunet") or locate("blazeface") else None
    embedder = FaceEmbedder(offline=True) if finder and locate("sface") else None
    likeness = _lpips(device) if finder else None
    found = (clip, dino, finder, embedder, likeness, picture)
    notes += [said[network is not None] for said, network in zip(_NOTES, found)]
    image, text = (clip.image, clip.text) if clip else (None, None)
    return PortraitNetworks(image, text, dino, finder, embedder, likeness, picture)


_NOTES = (
    (
        f"CLIP-T and CLIP-I are left out: expected CLIP (--features clip={CLIP_NAME} fetches it, MIT, 605 MB; or "
        "clip=FOLDER).",
        f"CLIP-T and CLIP-I by {CLIP_NAME} where nothing else is named; the paper does not say which CLIP it has.",
    ),
    (
        f"DINO is left out: expected DINO's ViT-S/16 (--features dino={DINO_NAME} fetches it, Apache-2.0, 87 MB; or "
        "dino=FOLDER).",
        f"DINO by {DINO_NAME} where nothing else is named, as in DreamBooth, whose measure the paper takes.",
    ),
    (
        "Scores of faces are left out: expected a network that finds them (photoflow weights get yunet).",
        "Faces are found by YuNet or BlazeFace, by RetinaFace in the paper.",
    ),
    (
        "Face similarity is left out: expected networks that find and tell faces (photoflow weights get yunet, sface).",
        "Face similarity by SFace, by FaceNet in the paper: numbers cannot be compared with the paper's.",
    ),
    (
        "Face diversity is left out: expected LPIPS and faces (photoflow weights get alexnet, lpips, yunet).",
        "Face diversity by LPIPS of AlexNet, version 0.1; the paper does not say which.",
    ),
    (
        "FID is left out: expected weights of Inception v3 (photoflow weights get inception_v3, or --features "
        "picture=FILE).",
        "FID by torchvision's Inception v3, between all made portraits and all photos. The paper does not say what it "
        "compares with; with few photos FID is large, as it is there.",
    ),
)  # fmt: skip


class CLIP:
    """CLIP through transformers: pictures and texts in one space.

    Args:
        source: a folder, or a name on the hub; pictures are prepared as it says.
        device: where it runs.
        offline: do not fetch it.

    Raises:
        WeightsError: transformers is not installed, the network cannot be had, or it is no CLIP.

    Source: Radford et al., "Learning Transferable Visual Models From Natural Language Supervision", ICML 2021.
    """

    def __init__(self, source: str = CLIP_NAME, device: str = "cpu", offline: bool = False) -> None:
        self._model, self._prepare = _opened("CLIP", "CLIPModel", "clip", source, device, offline)
        from transformers import AutoTokenizer

        with _one_line("CLIP", source):
            self._tokenizer = AutoTokenizer.from_pretrained(source, local_files_only=offline)

    def image(self, photo: Array) -> Array:
        """Return the embedding of a picture, uint8 (H, W, 3), as (D,) float32."""
        with torch.inference_mode():
            pixels = self._prepare(images=photo, return_tensors="pt")["pixel_values"].to(self._model.device)
            pooled = self._model.vision_model(pixel_values=pixels).pooler_output
            return _vector(self._model.visual_projection(pooled))

    def text(self, prompt: str) -> Array:
        """Return the embedding of a prompt as (D,) float32; what is longer than CLIP reads is cut off."""
        with torch.inference_mode():
            tokens = self._tokenizer(prompt, truncation=True, return_tensors="pt").to(self._model.device)
            pooled = self._model.text_model(**tokens).pooler_output
            return _vector(self._model.text_projection(pooled))


class DINO:
    """DINO through transformers: the class token of a vision transformer that learned without labels.

    Args:
        source: a folder, or a name on the hub; pictures are prepared as it says.
        device: where it runs.
        offline: do not fetch it.

    Raises:
        WeightsError: transformers is not installed, the network cannot be had, or it is no ViT.

    Source: Caron et al., "Emerging Properties in Self-Supervised Vision Transformers", ICCV 2021.
    """

    def __init__(self, source: str = DINO_NAME, device: str = "cpu", offline: bool = False) -> None:
        self._model, self._prepare = _opened(
            "DINO", "ViTModel", "vit", source, device, offline, add_pooling_layer=False
        )

    def __call__(self, photo: Array) -> Array:
        """Return the embedding of a picture, uint8 (H, W, 3), as (D,) float32."""
        with torch.inference_mode():
            pixels = self._prepare(images=photo, return_tensors="pt")["pixel_values"].to(self._model.device)
            return _vector(self._model(pixel_values=pixels).last_hidden_state[:, 0])


def on_planes(network: Callable[[torch.Tensor], torch.Tensor], device: str) -> Embedding:
    """Return a network of tensors (1, 3, H, W), RGB in [0, 1], as a function of pictures."""

    def embedding(photo: Array) -> Array:
        with torch.inference_mode():
            return _vector(network(as_planes(photo, device)))

    return embedding


def _named_or_at_hand(make: Any, named: str | None, usual: str, device: str, offline: bool) -> Any:
    """Return the network of a source that is named, or the usual one if it is at hand, or None."""
    if named is not None:
        return make(named, device, offline)
    try:
        return make(usual, device, offline=True)
    except WeightsError:
        return None


def _inception(named: str | None, device: str) -> Embedding | None:
    from photoflow.models.feature_networks import PictureFeatures

    source = named or locate("inception_v3")
    return on_planes(PictureFeatures(source).to(device), device) if source else None


def _lpips(device: str) -> Embedding | None:
    from photoflow.models.lpips import LPIPS

    backbone, weights = locate("alexnet"), locate("lpips")
    return on_planes(LPIPS(backbone, weights).to(device), device) if backbone and weights else None


def _opened(
    name: str, kind: str, family: str, source: str, device: str, offline: bool, **settings: Any
) -> tuple[Any, Any]:
    """Return a network of transformers and what prepares its pictures, with all of its weights."""
    if importlib.util.find_spec("transformers") is None:
        raise WeightsError(f"{name}: expected transformers; install it with: pip install 'photoflow[portrait]'")
    import transformers

    local = offline or Path(source).is_dir()
    with _one_line(name, source):
        found = transformers.AutoConfig.from_pretrained(source, local_files_only=local).model_type
        if found != family:
            raise WeightsError(f"{name}: expected a network of the kind {family} in {source}, got {found}")
        make = getattr(transformers, kind)
        model, about = make.from_pretrained(source, local_files_only=local, output_loading_info=True, **settings)
        if about["missing_keys"]:
            raise WeightsError(f"{name}: {source} lacks weights, such as {min(about['missing_keys'])}")
        prepare = transformers.AutoImageProcessor.from_pretrained(source, local_files_only=local)
    return model.eval().to(device), prepare


@contextmanager
def _one_line(name: str, source: str) -> Iterator[None]:
    """Turn what transformers raises where a network cannot be had into one line."""
    try:
        yield
    except WeightsError:
        raise
    except Exception as error:  # a different one for each library below transformers
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WeightsError(f"{name}: {source} cannot be had ({reason})") from error


def _vector(found: torch.Tensor) -> Array:
    return np.asarray(found[0].float().cpu().numpy())
