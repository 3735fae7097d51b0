"""A photo's clip as work of a batch: made once, whole, and from nothing else than before."""

from __future__ import annotations

import dataclasses
import functools
import os
import time
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from photoflow.batch.items import Item
from photoflow.batch.record import Record, check_ours, claim, key_of
from photoflow.batch.storage import ResultFolder, is_url, local_file, state_of
from photoflow.errors import InputError, is_out_of_memory
from photoflow.options import ClipOptions

if TYPE_CHECKING:
    from photoflow.animator import Animator
    from photoflow.clip import Clip

# What a clip is made by, not what it is.
_MEANS = ("device", "offline", "accept_licence")
_SETTINGS = ("device", "segmenter", "offline", "blueprint", "renderer", "interpolate", "weights", "accept_licence")


class ClipWork:
    """Work that makes the clip of an item's photo, and passes over what is made already.

    It is sent to processes and machines; what it has loaded stays where it was loaded.

    Args:
        folder: of the results, a path or a URL.
        options: of all clips, by the names of `ClipOptions`; an item's own go before them.
    """

    def __init__(self, folder: str, options: Mapping[str, Any]) -> None:
        self._folder, self._options = folder, dict(options)

    def __call__(self, item: Item) -> Record:
        """Return what came of an item; whatever is wrong with it is said in the record."""
        begun = time.perf_counter()
        try:
            return self._record(item, begun)
        except InputError as error:
            reason = str(error)
        except Exception as error:  # one bad photo never stops the rest
            reason = _reason(error)
        return Record(item.photo, item.output, reason, time.perf_counter() - begun)

    def _record(self, item: Item, begun: float) -> Record:
        folder = ResultFolder(self._folder)
        options = ClipOptions.of(self._options, item.options)
        with ExitStack() as stack:
            sources = _sources(options, item.photo)
            key = key_of({
                "options": {n: v for n, v in dataclasses.asdict(options).items() if n not in _MEANS},
                "files": {path: state_of(path) for path in sources},
            })  # fmt: skip
            if kept := Record.kept_in(folder, item.output, key):
                return kept
            check_ours(folder, item.output)
            photo = stack.enter_context(local_file(item.photo))
            options = _fetched(options, stack)
            _check_kept(options, photo, folder.path(item.output))
            made = _write(options, photo, folder, item.output)
        record = Record(item.photo, item.output, None, time.perf_counter() - begun, made)
        record.keep(folder, key)
        return record


def _sources(options: ClipOptions, photo: str) -> list[str]:
    """Return the paths and URLs of all files that a clip is made from."""
    files = [photo, *(text for text in (options.depth, options.behind) if text), *options.layers().paths]
    local = dataclasses.replace(options, mask=(), depth=None, behind=None).read(Path(photo))
    named = [str(path) for what in ("a motion that is read", "the weights") for path in local[what] if path]
    return [path for path in (*files, *named) if is_url(path) or os.path.exists(path) or path in files]


def _fetched(options: ClipOptions, stack: ExitStack) -> ClipOptions:
    """Return the options with files in place of the URLs of masks, depth and clip."""

    def fetched(path: str | None) -> str | None:
        return str(stack.enter_context(local_file(path))) if path and is_url(path) else path

    masks = []
    for text in options.mask:
        path = options.layers().path_of(text)
        masks.append(text.removesuffix(path) + str(fetched(path)))
    return dataclasses.replace(options, mask=tuple(masks), depth=fetched(options.depth), behind=fetched(options.behind))


def _check_kept(options: ClipOptions, photo: Path, output: str) -> None:
    """Check that the result replaces nothing that it is made from.

    Raises:
        InputError: it would.
    """
    for what, files in options.read(photo).items():
        for file in files:
            if file and os.path.exists(output) and os.path.exists(file) and os.path.samefile(output, file):
                raise InputError(f"{output}: the output would replace {what}; expected another folder or name")


def _write(options: ClipOptions, photo: Path, folder: ResultFolder, output: str) -> dict[str, Any]:
    """Make the clip, and return what it is."""
    from photoflow.clip import check_clip_output, is_page

    if is_page(output):
        options.check_page()
    with folder.writing(output) as path:
        check_clip_output(path, options.alpha)
        settings = ClipOptions(**{name: getattr(options, name) for name in _SETTINGS})
        clip = options.clip(_animator(settings), photo, lambda line: None)
        claim(folder, output)
        clip.save(path, quality=options.quality, alpha=options.alpha)
        size = path.stat().st_size
    return {
        "motion": _words(clip), "frames": len(clip), "width": clip.width, "height": clip.height, "bytes": size,
    }  # fmt: skip


@functools.lru_cache(maxsize=2)
def _animator(settings: ClipOptions) -> Animator:
    """Return the animator of these settings: the networks that it has loaded serve the next photo."""
    return settings.animator()


def _words(clip: Clip) -> list[Any]:
    """Return the motions of a clip in words; what no words say as a motion file has it."""
    from photoflow import motion
    from photoflow.motion.motion import summands

    said: list[Any] = []
    for part in summands(clip.motion):
        try:
            said.append(motion.words(part))
        except InputError:
            said.append(part.to_dict())
    return said


def _reason(error: Exception) -> str:
    if is_out_of_memory(error):
        return "not enough memory; a smaller size needs less"
    return str(InputError(f"{type(error).__name__}: {error}"))
