"""Portraits that a method made, the photos of the people in them, and the prompts: which files there are, and whose."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from photoflow.data.portraits.class_words import PLURALS
from photoflow.data.portraits.layout import is_below
from photoflow.errors import InputError, shown
from photoflow.evaluation.folders import check_folder, pictures_in
from photoflow.io import natural_order
from photoflow.models.photomaker.prompt import TRIGGER

LIST = "portraits.jsonl"
CLASS_FILE = "class_word.txt"
CLASS_WORD = "<class word>"
ANYBODY = "person"
_LONGEST = 1 << 26  # bytes of a list or of prompts

PAPER_PROMPTS = tuple(
    """\
a photo of a <class word>
a <class word> wearing a Superman outfit
a <class word> wearing a spacesuit
a <class word> wearing a red sweater
a <class word> wearing a purple wizard outfit
a <class word> wearing a blue hoodie
a <class word> wearing headphones
a <class word> with red hair
a <class word> wearing headphones with red hair
a <class word> wearing a Christmas hat
a <class word> wearing sunglasses
a <class word> wearing sunglasses and necklace
a <class word> wearing a blue cap
a <class word> wearing a doctoral cap
a <class word> with white hair, wearing glasses
a <class word> in a helmet and vest riding a motorcycle
a <class word> holding a bottle of red wine
a <class word> driving a bus in the desert
a <class word> playing basketball
a <class word> playing the violin
a <class word> piloting a spaceship
a <class word> riding a horse
a <class word> coding in front of a computer
a <class word> playing the guitar
a <class word> laughing on the lawn
a <class word> frowning at the camera
a <class word> happily smiling, looking at the camera
a <class word> crying disappointedly, with tears flowing
a <class word> playing the guitar in the view of left side
a <class word> holding a bottle of red wine, upper body
a <class word> wearing sunglasses and necklace, close-up, in the view of right side
a <class word> riding a horse, in the view of the top
a <class word> wearing a doctoral cap, upper body, with the left side of the face facing the camera
a <class word> crying disappointedly, with tears flowing, with left side of the face facing the camera
a <class word> sitting in front of the camera, with a beautiful purple sunset at the beach in the background
a <class word> swimming in the pool
a <class word> climbing a mountain
a <class word> skiing on the snowy mountain
a <class word> in the snow
a <class word> in space wearing a spacesuit""".splitlines()
)
"""The 40 prompts of PhotoMaker's evaluation (tables 5.2 and 5.3, where "wearing sunglasses" stands twice)."""


@dataclass(frozen=True)
class Person:
    """A person whom portraits are made of.

    Args:
        photos: true ones.
        class_word: what takes the place of `CLASS_WORD` in prompts.
    """

    photos: tuple[Path, ...]
    class_word: str = ANYBODY


@dataclass(frozen=True)
class MadePortrait:
    """A portrait that a method made.

    Args:
        picture: its file.
        identity: the name of the person in it.
        prompt: as the person gave it, without placeholder and trigger word.
        seconds: that making it took; NaN: not known.
    """

    picture: Path
    identity: str
    prompt: str
    seconds: float = math.nan


def open_people(folder: Path) -> dict[str, Person]:
    """List the people in a folder: FOLDER/NAME/*.jpg, and the class word of each in FOLDER/NAME/class_word.txt.

    Raises:
        InputError: the folder is missing or holds no folders of photos, or a class word is none.
    """
    check_folder(folder, "a folder of photos for each person")
    inner = (path for path in folder.iterdir() if path.is_dir() and path.name[0] != ".")
    people = {}
    for path in sorted(inner, key=natural_order):
        if photos := pictures_in(path):
            people[path.name] = Person(tuple(photos), _class_word(path / CLASS_FILE))
    if not people:
        raise InputError(f"{folder}: expected a folder of photos for each person, found none")
    return people


def read_prompts(file: Path) -> tuple[str, ...]:
    """Read prompts from a text file, one in a line; empty lines are left out.

    Raises:
        InputError: the file cannot be read, or has none.
    """
    prompts = tuple(line for line in (line.strip() for line in _read(file).splitlines()) if line)
    if not prompts:
        raise InputError(f"{file}: expected prompts, one in a line, found none")
    return prompts


def open_portraits(folder: Path, people: Mapping[str, Person], prompts: Sequence[str]) -> list[MadePortrait]:
    """List the portraits that a method made.

    A file `portraits.jsonl` in the folder says of each picture in a line what it is:
    {"picture": "a path in the folder", "identity": "NAME", "prompt": "its text", "seconds": 9.5}, the seconds where
    they are known. Where there is no such file, the picture's place says it: FOLDER/NAME/NUMBER/*.png, with the number
    of its prompt from 1 on.

    Args:
        folder: of the method.
        people: by name.
        prompts: those that are meant by numbers. `CLASS_WORD` in one becomes the person's class word.

    Raises:
        InputError: the folder is missing, holds no pictures, or names a person, prompt or file that there is not.
    """
    check_folder(folder, f"portraits: {LIST}, or NAME/NUMBER OF THE PROMPT/*.png")
    file = folder / LIST
    made = [*(_listed(file, people) if os.path.exists(file) else _placed(folder, people, prompts))]
    if not made:
        raise InputError(f"{folder}: expected portraits: {LIST}, or NAME/NUMBER OF THE PROMPT/*.png; found none")
    return made


def plain_prompt(prompt: str, class_word: str = ANYBODY) -> str:
    """Return a prompt as its picture is judged by it: with the class word, without the trigger word.

    >>> plain_prompt("a <class word> img in the snow", "woman")
    'a woman in the snow'
    """
    return re.sub(rf"\s+{TRIGGER}\b", "", prompt.replace(CLASS_WORD, class_word))


def _placed(folder: Path, people: Mapping[str, Person], prompts: Sequence[str]) -> Iterator[MadePortrait]:
    for identity in sorted((path for path in folder.iterdir() if path.is_dir()), key=natural_order):
        if identity.name[0] == ".":
            continue
        person = _known(identity.name, people, folder)
        for numbered in sorted((path for path in identity.iterdir() if path.is_dir()), key=natural_order):
            name = numbered.name
            if not name.isdecimal() or not 1 <= int(name) <= len(prompts):
                raise InputError(f"{numbered}: expected the number of a prompt, 1 to {len(prompts)}, as its name")
            prompt = plain_prompt(prompts[int(name) - 1], person.class_word)
            for picture in pictures_in(numbered):
                yield MadePortrait(picture, identity.name, prompt)


def _listed(file: Path, people: Mapping[str, Person]) -> Iterator[MadePortrait]:
    for number, line in enumerate(_read(file).splitlines(), 1):
        where = f"{file}, line {number}"
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            picture, identity, prompt = (entry[key] for key in ("picture", "identity", "prompt"))
            seconds = float(entry.get("seconds", math.nan))
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise InputError(
                f'{where}: expected {{"picture": PATH, "identity": NAME, "prompt": TEXT, "seconds": NUMBER}}, '
                f"got {shown(line)}"
            ) from None
        if not is_below(picture) or not isinstance(prompt, str):
            raise InputError(f"{where}: expected a picture below the list's folder and a prompt, got {shown(line)}")
        if seconds < 0 or math.isinf(seconds):
            raise InputError(f"{where}: expected seconds of at least 0, got {seconds}")
        person = _known(identity, people, where)
        yield MadePortrait(file.parent / picture, identity, plain_prompt(prompt, person.class_word), seconds)


def _known(identity: object, people: Mapping[str, Person], where: object) -> Person:
    if not isinstance(identity, str) or identity not in people:
        raise InputError(f"{where}: expected a person of whom there are photos, got {shown(identity)}")
    return people[identity]


def _class_word(file: Path) -> str:
    if not os.path.exists(file):
        return ANYBODY
    word = _read(file).strip()
    if word not in PLURALS:
        raise InputError(f"{file}: expected one of {', '.join(PLURALS)}, got {shown(word)}")
    return word


def _read(file: Path) -> str:
    try:
        if os.path.isfile(file) and file.stat().st_size > _LONGEST:
            raise InputError(f"{file}: expected a text of at most {_LONGEST >> 20} MiB")
        return file.read_text("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{file}: expected a text in UTF-8") from None
    except OSError as error:
        raise InputError(f"{file}: cannot be read: {error.strerror}") from error
