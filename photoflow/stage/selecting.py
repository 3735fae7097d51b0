"""Layers of what a person selects in a photo."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from photoflow.errors import InputError
from photoflow.segment.kinds import KINDS, Kind
from photoflow.segment.labels import split_labels
from photoflow.segment.selection import TOO_SMALL, Selection
from photoflow.stage.layer import Layer, as_levels
from photoflow.stage.working_size import resize_mask

if TYPE_CHECKING:
    from photoflow.stage.stage import Stage


def by_label(name: str, selection: Selection) -> dict[str, Selection]:
    """Return what a selection says by the names of its layers: several if its mask has several labels.

    Args:
        name: of the layer; of several, `NAME-LABEL` is.
        selection: what a person says.

    Raises:
        InputError: the mask cannot be read, or has several labels and more is said.
    """
    selection = selection.read()  # once: it may come from a pipe
    labels = split_labels(selection.mask)
    if len(labels) <= 1:
        mask = next(iter(labels.values()), selection.mask)
        return {name: replace(selection, mask=mask)}
    selection.expect_mask_alone(name)
    return {f"{name}-{label}": Selection(mask=mask) for label, mask in labels.items()}


def selected_layer(stage: Stage, name: str, selection: Selection, kind: str | None, region: bool) -> Layer:
    """Return what a person selects in a stage's photo as a layer, which the stage does not have yet.

    Args:
        stage: of the photo.
        name: of the layer.
        selection: what of the photo is in it.
        kind: see `photoflow.stage.Stage.add`.
        region: see there.

    Raises:
        InputError: nothing is said, or it does not fit the photo.
        NoSubjectError: nothing stands out where it is said to be.
    """
    size = stage.photo.shape[:2]
    if selection.is_mask_alone:
        # Nothing is looked for: the mask goes from the photo's size to the working size at once.
        mask, source = selection.mask_at(stage.photo_size, size), "the given mask"
    else:
        prompts = selection.scaled(stage.photo_size, stage.look_scale, stage.look.shape[:2])
        found = stage.segmenter.select(stage.look, prompts)
        mask, source = resize_mask(found.subjects[0].mask, size), found.method
    if not (mask > 0.5).any():
        raise InputError(TOO_SMALL)
    is_kind = kind in KINDS
    known = said_kind(str(kind)) if is_kind else None
    label = None if is_kind else kind
    return Layer(name, stage.photo, as_levels(mask), source, known, region, given=True, label=label)


def said_kind(kind: str) -> Kind:
    """Return a kind of which a person is sure."""
    return Kind(kind, 1.0, "as it was said")
