"""Renders: clips written to files in the background, one at a time, in turns between works."""

from __future__ import annotations

import re
import tempfile
import threading
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from photoflow.animator import Animator
from photoflow.errors import Cancelled, InputError, shown
from photoflow.player.page import video_frames
from photoflow.studio.catalogue import FORMATS
from photoflow.studio.preview import planned
from photoflow.studio.refusal import Refusal
from photoflow.studio.threads import work_together
from photoflow.studio.works import State, Work

MOST_WAITING = 8  # of a work
MOST_KEPT = 24  # of a work: the oldest that are done go
_WORDS = re.compile(r"[^\w-]+")


@dataclass
class Render:
    """A file that is asked for.

    Args:
        number: of the work's renders, from 1 on.
        state: of the work, when it was asked for.
        form: the file's format, see `photoflow.studio.catalogue.FORMATS`.
        quality: 0 to 100.
        alpha: whether the background is left out.
        name: of the file, as a person saves it.
        status: waiting, rendering, done, failed or cancelled.
        done, frames: how many frames there are already, and will be.
        error: why it failed, in one line.
        path: of the file, once it is done.
    """

    number: int
    state: State
    form: str
    quality: int
    alpha: bool
    name: str
    status: str = "waiting"
    done: int = 0
    frames: int = 0
    error: str | None = None
    path: Path | None = None
    cancel: threading.Event = field(default_factory=threading.Event)

    def advance(self) -> None:
        """Count a frame.

        Raises:
            Cancelled: the render was cancelled.
        """
        self.done += 1
        if self.cancel.is_set():
            raise Cancelled("cancelled")


class Renders:
    """The renders of all works of a process; threads may share it.

    Args:
        animator: plans the clips.
        folder: private to the process; files lie in it under numbers of their own, never under a name that was given.
    """

    def __init__(self, animator: Animator, folder: Path) -> None:
        self._animator, self._folder = animator, folder
        self._own: dict[str, list[Render]] = {}  # by work
        self._count: dict[str, int] = {}  # of a work's renders so far
        self._served: dict[str, float] = {}  # when it was a work's turn
        self._changed = threading.Condition()
        self._ended = False
        self._thread = threading.Thread(target=self._run, name="renders", daemon=True)

    def start(self) -> None:
        """Begin to render what is asked for."""
        self._thread.start()

    def stop(self) -> None:
        """Cancel everything, and wait until the present step is done."""
        with self._changed:
            self._ended = True
            for render in (render for own in self._own.values() for render in own):
                render.cancel.set()
            self._changed.notify_all()
        self._thread.join()

    def ask(self, work: Work, wish: Any) -> Render:
        """Ask for a file of a work as it is now.

        Args:
            work: what is rendered.
            wish: {"format", "quality", "alpha"}.

        Raises:
            InputError: there is no such format, or a value out of its range.
            Refusal: too many wait already.
        """
        form, quality, alpha = checked(wish)
        work.state.motion()  # said at once, and not in the queue
        with self._changed:
            own = self._own.setdefault(work.id, [])
            if sum(render.status in ("waiting", "rendering") for render in own) >= MOST_WAITING:
                raise Refusal(429, f"at most {MOST_WAITING} renders of a photo wait at a time; wait for one of them")
            number = self._count[work.id] = self._count.get(work.id, 0) + 1
            render = Render(number, work.state, form, quality, alpha, f"{stem_of(work.name)}.{form}")
            render.frames = round(work.state.settings.seconds * work.state.settings.fps)
            own.append(render)
            self._shorten(own)
            self._changed.notify_all()
            return render

    def of(self, work: Work) -> list[dict[str, Any]]:
        """Return what is known of all renders of a work, the oldest first."""
        with self._changed:
            return [
                {
                    "number": one.number, "format": one.form, "state": one.status, "done": one.done,
                    "frames": one.frames, "error": one.error, "name": one.name,
                    "url": f"/api/works/{work.id}/renders/{one.number}/file" if one.path else None,
                }
                for one in self._own.get(work.id, ())
            ]  # fmt: skip

    def __call__(self, work: Work, number: int) -> Render:
        """Return a render of a work.

        Raises:
            Refusal: there is none of this number.
        """
        found = next((render for render in self._own.get(work.id, ()) if render.number == number), None)
        if found is None:
            raise Refusal(404, "there is no such render of this photo")
        return found

    def drop(self, work: Work, number: int) -> None:
        """Cancel a render; one that has ended already is forgotten, and its file removed.

        Raises:
            Refusal: there is none of this number.
        """
        with self._changed:
            render = self(work, number)
            if render.status == "waiting":
                render.status = "cancelled"
            elif render.status == "rendering":
                render.cancel.set()
            else:
                self._own[work.id].remove(render)
                _remove(render)

    def forget(self, work: Work) -> None:
        """Cancel all renders of a work and remove their files."""
        with self._changed:
            for render in self._own.pop(work.id, ()):
                render.cancel.set()
                _remove(render)
            self._count.pop(work.id, None)
            self._served.pop(work.id, None)

    def _shorten(self, own: list[Render]) -> None:
        ended = [render for render in own if render.status not in ("waiting", "rendering")]
        for render in ended[: max(0, len(own) - MOST_KEPT)]:
            own.remove(render)
            _remove(render)

    def _run(self) -> None:
        work_together()
        while (render := self._next()) is not None:
            path = None
            try:
                path = self._rendered(render)
            except Cancelled:
                self._end(render, "cancelled")
            except InputError as error:
                self._end(render, "failed", str(error))
            except Exception:
                traceback.print_exc()
                self._end(render, "failed", "an error of photoflow itself; its log says more")
            else:
                self._end(render, "done", path=path)

    def _next(self) -> Render | None:
        """Return the next render, once there is one: of the work whose turn was longest ago. None at the end."""
        with self._changed:
            while not self._ended:
                waiting = [name for name, own in self._own.items() if any(one.status == "waiting" for one in own)]
                if waiting:
                    name = min(waiting, key=lambda name: self._served.get(name, 0.0))
                    self._served[name] = time.monotonic()
                    render = next(one for one in self._own[name] if one.status == "waiting")
                    render.status = "rendering"
                    return render
                self._changed.wait()
            return None

    def _rendered(self, render: Render) -> Path:
        clip = planned(self._animator, render.state, cancel=render.cancel)
        # A page has the video alone for browsers that cannot play it.
        render.frames = len(video_frames(len(clip), clip.fps) if render.form == "html" else clip)
        place = Path(tempfile.mkdtemp(dir=self._folder)) / f"file.{render.form}"
        try:
            clip.save(place, quality=render.quality, alpha=render.alpha, progress=render.advance)
        except BaseException:
            place.parent.rmdir()  # nothing unfinished is left in it
            raise
        return place

    def _end(self, render: Render, status: str, error: str | None = None, path: Path | None = None) -> None:
        with self._changed:
            render.status, render.error, render.path = status, error, path
            if not any(render in own for own in self._own.values()):  # forgotten meanwhile
                _remove(render)


def checked(wish: Any) -> tuple[str, int, bool]:
    """Return format, quality and alpha of a wish.

    Raises:
        InputError: it is none.
    """
    known = {str(form["format"]): bool(form["alpha"]) for form in FORMATS}
    if not isinstance(wish, dict) or not wish.keys() <= {"format", "quality", "alpha"}:
        raise InputError("render: expected an object with format, quality and alpha")
    form, quality, alpha = wish.get("format"), wish.get("quality", 80), wish.get("alpha", False)
    if not isinstance(form, str) or form not in known:
        raise InputError(f"format: expected one of {', '.join(known)}, got {shown(form)}")
    if not isinstance(quality, int) or isinstance(quality, bool) or not 0 <= quality <= 100:
        raise InputError(f"quality: expected a whole number from 0 to 100, got {shown(quality)}")
    if not isinstance(alpha, bool):
        raise InputError(f"alpha: expected true or false, got {shown(alpha)}")
    if alpha and not known[form]:
        raise InputError(f"alpha: expected a format that can hold it, got {form}")
    return form, quality, alpha


def stem_of(name: str) -> str:
    """Return the words of a photo's name as a file may be called anywhere."""
    return _WORDS.sub("-", Path(name).stem, count=0).strip("-")[:60] or "photo"


class _File(Protocol):
    path: Path | None


def _remove(render: _File) -> None:
    if render.path is not None:
        render.path.unlink(missing_ok=True)
        render.path.parent.rmdir()
        render.path = None
