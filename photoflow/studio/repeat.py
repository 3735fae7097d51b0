"""Repeats: the files and the words with which anybody makes the same clip again, to the bit."""

from __future__ import annotations

import json
import shlex

from photoflow.motion.motion import VERSION
from photoflow.studio.renders import stem_of
from photoflow.studio.works import State, Work

MOTION, STAGE = "motion.json", "work.stage"


def motion_file(state: State) -> bytes:
    """Return the motion file of a state, as `photoflow.motion.load` reads it.

    Raises:
        InputError: nothing moves, or motions do not go together.
    """
    document = {"photoflow": "motion", "version": VERSION, "motion": state.motion().to_dict()}
    return (json.dumps(document, indent=2) + "\n").encode()


def stage_file(state: State) -> bytes:
    """Return the stage file of a state, without the layers that are off."""
    return state.playing().packed()


def snippet(work: Work) -> str:
    """Return a Python program that renders the clip from both files."""
    settings = work.state.settings
    return f'''"""Render {stem_of(work.name)} as it was made in the studio, from {MOTION} and {STAGE} beside this."""

from photoflow import Animator, motion

clip = Animator().animate(
    "{STAGE}", motion.load("{MOTION}"), seconds={settings.seconds!r}, fps={settings.fps!r}, loop={settings.loop!r}
)
clip.save("{stem_of(work.name)}.mp4")
'''


def command(work: Work) -> str:
    """Return a shell program that does the same."""
    settings = work.state.settings
    words = [
        "photoflow", "animate", STAGE, "--motion", MOTION, "--seconds", repr(settings.seconds),
        "--fps", repr(settings.fps), "--loop" if settings.loop else "--no-loop", "-o", f"{stem_of(work.name)}.mp4",
    ]  # fmt: skip
    return f"#!/bin/sh\n{shlex.join(words)}\n"
