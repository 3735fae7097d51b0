"""Evaluation of portraits of people that methods made from photos and prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from photoflow.arrays import Array
from photoflow.errors import InputError
from photoflow.evaluation.comparison import SHOWN, Evaluation, Figure, Progress
from photoflow.evaluation.pictures import embedded
from photoflow.evaluation.portrait_networks import PortraitNetworks
from photoflow.evaluation.portrait_pictures import PAPER_PROMPTS, MadePortrait, Person, open_people, open_portraits
from photoflow.evaluation.portrait_scores import Likeness, PortraitScores
from photoflow.evaluation.scores import Scores
from photoflow.io import read_photo


def evaluate_portraits(
    methods: Sequence[Path],
    photos: Path,
    networks: PortraitNetworks,
    *,
    progress: Progress,
    prompts: Sequence[str] = PAPER_PROMPTS,
) -> Evaluation:
    """Judge the portraits that methods made of people.

    Args:
        methods: a folder of portraits of each; see `portrait_pictures.open_portraits`. Its name is the method's.
        photos: folder of true photos of the people; see `portrait_pictures.open_people`.
        networks: by which they are judged.
        progress: called after every picture.
        prompts: those that the names of folders number; the 40 of the paper's benchmark.

    Returns:
        The scores of each method, see `PortraitScores.scores`.

    Raises:
        InputError: a folder is missing or holds something else, two have one name, or a picture cannot be read.
    """
    people = open_people(photos)
    made = {folder.resolve().name: open_portraits(folder, people, prompts) for folder in methods}
    if len(made) < len(methods):
        raise InputError(f"methods: expected folders of different names, got {', '.join(map(str, methods))}")
    wanted = {one.identity for own in made.values() for one in own}
    total, done = sum(map(len, made.values())) + sum(len(people[name].photos) for name in wanted), 0

    result = Evaluation("portraits", str(photos), Scores(len(wanted)), {})
    likenesses, features, faceless = dict[str, Likeness](), list[Array](), 0
    for name in (name for name in people if name in wanted):
        likeness = likenesses[name] = Likeness()
        for file in people[name].photos:
            photo = read_photo(file).rgb
            likeness.add(photo, networks)
            if networks.picture:
                features.append(networks.picture(photo))
            progress(done := done + 1, total)
        faceless += len(people[name].photos) - len(likeness.faces)
    if networks.face and faceless:
        result.notes.append(f"No face was found in {faceless} of the photos: left out of face similarity.")
    for method, portraits in made.items():
        scores = PortraitScores(networks)
        for one in portraits:
            scores.add(read_photo(one.picture).rgb, one.prompt, likenesses[one.identity], one.seconds)
            progress(done := done + 1, total)
        result.scores.add(method, scores.scores(features))
        result.notes += _counted(method, portraits, scores)
    result.figures += _shown(people, made)
    return result


def _counted(method: str, portraits: Sequence[MadePortrait], scores: PortraitScores) -> Iterator[str]:
    """Say how many portraits a method made, and in how many there is no face."""
    whose, of_what = ({getattr(one, key) for one in portraits} for key in ("identity", "prompt"))
    yield f"{method}: {scores.count} portraits of {len(whose)} people by {len(of_what)} prompts."
    if scores.faceless:
        yield (
            f"{method}: no face was found in {scores.faceless} of them: left out of face similarity and face diversity."
        )


def _shown(people: Mapping[str, Person], made: Mapping[str, Sequence[MadePortrait]]) -> Iterator[Figure]:
    """Draw a photo of some people beside the first portrait of each method."""
    for name in [name for name in people if any(one.identity == name for own in made.values() for one in own)][:SHOWN]:
        panels = [("photo", embedded(read_photo(people[name].photos[0]).rgb, name))]
        for method, portraits in made.items():
            first = next((one for one in portraits if one.identity == name), None)
            if first is not None:
                panels.append((f"{method}: {first.prompt}", embedded(read_photo(first.picture).rgb, first.prompt)))
        yield Figure(name, "A photo, and the first portrait of each method.", panels)
