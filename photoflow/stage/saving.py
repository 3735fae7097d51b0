"""Contents of a stage's file, and the stage that they make again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from photoflow.arrays import Array
from photoflow.segment import Segmenter
from photoflow.stage.description import arguments, described
from photoflow.stage.file import Contents
from photoflow.stage.layer import Layer, as_levels
from photoflow.stage.plate import Plate

if TYPE_CHECKING:
    from photoflow.stage.stage import Stage


def contents_of(stage: Stage) -> tuple[dict[str, Any], dict[str, Array]]:
    """Return the document and the pictures of a stage's file; see `photoflow.stage.file`.

    Colours and fills are the photo but for a part of it: kept as differences of bytes they take little room.
    """
    pictures: dict[str, Array] = {"photo": stage.photo}
    if stage.look is not stage.photo:
        pictures["look"] = stage.look
    if stage.depth is not None:
        pictures["depth"] = stage.depth
    if stage.plate is not None:
        pictures["plate"], pictures["plate-known"] = stage.plate.picture - stage.photo, as_levels(stage.plate.known)
    layers, about = stage.layers, []
    places = {layer: number for number, layer in enumerate(layers)}
    for number, layer in enumerate(layers, 1):
        about.append(described(layer))
        pictures[f"mask-{number}"] = layer.mask
        if layer.is_cut_out and not layer.region:
            pictures[f"alpha-{number}"], colours = layer.cut_out()
            pictures[f"colours-{number}"] = colours - stage.photo
    known = []
    for moving, others, filled in stage.fills():
        if moving | others <= places.keys():
            known.append(
                {"moving": sorted(places[one] for one in moving), "others": sorted(places[one] for one in others)}
            )
            pictures[f"fill-{len(known)}"] = filled - stage.photo
    document = {
        "photo": list(stage.photo_size), "size": [stage.width, stage.height], "scale": stage.scale,
        "look": None if stage.look is stage.photo else [stage.look.shape[1], stage.look.shape[0]],
        "look_scale": stage.look_scale, "note": stage.note, "layers": about, "fills": known,
    }  # fmt: skip
    if stage.source_type is not None:
        document["source_type"] = stage.source_type
    return document, pictures


def stage_of(kind: type[Stage], contents: Contents, segmenter: Segmenter | None) -> Stage:
    """Return the stage of a file's contents.

    Args:
        kind: what is made of them.
        contents: checked.
        segmenter: finds things that are added to the stage.
    """
    document, pictures = contents.document, contents.pictures
    photo = pictures["photo"]
    layers = []
    for number, values in enumerate(document["layers"], 1):
        layer = Layer(photo=photo, mask=pictures[f"mask-{number}"], **arguments(values))
        if not layer.region and f"alpha-{number}" in pictures and f"colours-{number}" in pictures:
            layer.know(pictures[f"alpha-{number}"], photo + pictures[f"colours-{number}"])
        layers.append(layer)
    stage = kind(
        photo, tuple(document["photo"]), document["scale"], look=pictures.get("look"),
        look_scale=document["look_scale"], segmenter=segmenter, layers=layers, note=document["note"],
        depth=pictures.get("depth"), source_type=document.get("source_type"),
    )  # fmt: skip
    if "plate" in pictures and "plate-known" in pictures:
        stage.know_plate(Plate(photo + pictures["plate"], pictures["plate-known"] > 127))
    for number, fill in enumerate(document["fills"], 1):
        if f"fill-{number}" in pictures:
            moving, others = ([layers[i] for i in fill[which]] for which in ("moving", "others"))
            stage.know_fill(moving, others, photo + pictures[f"fill-{number}"])
    return stage
