"""Sources of pictures for training and evaluation: batches of pairs with what is known about them.

A source gives a batch by its number: the same settings, seed, number and count give the same batch to the bit on the
CPU, whatever was asked before. A resumed training so needs no state of its data, and of n processes the one of rank r
asks for the numbers r, n + r, 2 n + r, ...
"""

from __future__ import annotations

from photoflow.data.clip_folder import ClipFolder
from photoflow.data.coco import open_coco
from photoflow.data.flying_chairs import FlyingChairs
from photoflow.data.mask_folder import open_masks
from photoflow.data.photo_folder import PhotoFolder
from photoflow.data.portraits import PortraitFolder
from photoflow.data.procedural_chairs import ProceduralChairs
from photoflow.data.source import Batch, Source
from photoflow.data.spectral_volumes import ClipVolumes, WindVolumes
from photoflow.data.things import Things
from photoflow.data.video_folder import VideoFolder
from photoflow.errors import InputError

__all__ = [
    "Batch", "ClipFolder", "ClipVolumes", "FlyingChairs", "PhotoFolder", "PortraitFolder", "ProceduralChairs",
    "Source", "Things", "VideoFolder", "WindVolumes", "open_coco", "open_masks", "open_source",
]  # fmt: skip


def open_source(
    text: str,
    *,
    size: tuple[int, int],
    device: str = "cpu",
    seed: int = 0,
    clips: bool = False,
    whole: bool = False,
) -> Source:
    """Open the source named by a text.

    Args:
        text: "procedural", "procedural:FOLDER" with photos in it, "chairs:FOLDER" (FlyingChairs; its training part),
            "photos:FOLDER", "video:FOLDER" (videos and folders of frames), "spectral:FOLDER" (clips of natural
            motion), "spectral:procedural", "spectral:procedural:FOLDER" with photos in it, "masks:FOLDER" (pictures and
            masks), "coco:FILE" or "coco:FILE:FOLDER" (annotations in COCO's format, and where their pictures are),
            "portraits:FOLDER" (what `photoflow portrait-data` made).
        size: (height, width) of the samples, pixels.
        device: where batches are wanted: "cpu", "cuda", "cuda:1", ...
        seed: another one gives other samples.
        clips: whether videos are wanted as clips, not as triplets of frames.
        whole: whether whole pictures are wanted, resized, and not parts that are cut out.

    Raises:
        InputError: no such kind, a folder that is missing or holds nothing of the kind, samples too large for it, or
            whole pictures of a kind that has none.
    """
    kind, colon, folder = text.partition(":")
    if kind == "procedural" and (folder or not colon):
        return ProceduralChairs(folder or None, size, device=device, seed=seed)
    if kind == "chairs" and folder:
        return FlyingChairs(folder, "train", size, whole=whole, device=device, seed=seed)
    if kind == "photos" and folder:
        return PhotoFolder(folder, size, device=device, seed=seed)
    if kind == "masks" and folder:
        return open_masks(folder, size, device=device, seed=seed)
    if kind == "coco" and folder:
        file, _, pictures = folder.partition(":")
        return open_coco(file, pictures or None, size, device=device, seed=seed)
    if kind == "portraits" and folder:
        return PortraitFolder(folder, size, device=device, seed=seed)
    if whole:
        raise InputError(f"data: expected whole pictures, procedural, chairs:FOLDER or photos:FOLDER, got {text!r}")
    if kind == "video" and folder:
        return (ClipFolder if clips else VideoFolder)(folder, size, device=device, seed=seed)
    if kind == "spectral" and folder:
        inner, colon, photos = folder.partition(":")
        if inner == "procedural" and (photos or not colon):
            return WindVolumes(photos or None, size, device=device, seed=seed)
        return ClipVolumes(folder, size, device=device, seed=seed)
    raise InputError(
        "data: expected procedural[:FOLDER of photos], chairs:FOLDER, photos:FOLDER, video:FOLDER, "
        "spectral:FOLDER of clips, spectral:procedural[:FOLDER of photos], masks:FOLDER, coco:FILE[:FOLDER] or "
        f"portraits:FOLDER, got {text!r}"
    )
