"""Works: what one person does with one photo, with undo and redo."""

from __future__ import annotations

import dataclasses
import secrets
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field

from photoflow.errors import InputError
from photoflow.motion import Motion
from photoflow.motion.motion import total
from photoflow.stage import Stage
from photoflow.stage.plan import assign, cameras_of
from photoflow.studio.refusal import Refusal

CAMERA = ""  # the name under which a state keeps what the camera does
MOST_STATES = 100  # that can be undone
MOST_LAYERS = 40  # in all states of a work: each holds up to ten bytes a pixel
MOST_WORKS = 32
LONGEST_IDLE = 12 * 3600.0  # seconds
REMEMBERED = 1000  # works that are gone, of which it is still said why

Motions = Mapping[str, tuple[Motion, ...]]


@dataclass(frozen=True)
class Settings:
    """The length and the rate of a clip; see `photoflow.Animator.animate`."""

    seconds: float = 4.0
    fps: float = 30.0
    loop: bool = True


@dataclass(frozen=True, eq=False)
class State:
    """All that is said of a photo at one moment; immutable.

    Args:
        stage: the photo and its layers; it is never edited, an edit works on a snapshot of it.
        motions: what each layer does, by its name; under `CAMERA` what the camera does.
        off: the names of layers that are left out.
        settings: of the clip.
        words: what led to this state, as a person reads it beside "undo".
    """

    stage: Stage
    motions: Motions = field(default_factory=dict)
    off: frozenset[str] = frozenset()
    settings: Settings = Settings()
    words: str = ""

    @property
    def key(self) -> Hashable:
        """Return what the picture depends on: two states of one work with the same key look the same."""
        moving = {name: motions for name, motions in self.motions.items() if name not in self.off and motions}
        return self.stage.layers, self.off, tuple(sorted(moving.items())), self.settings

    def playing(self) -> Stage:
        """Return the stage without the layers that are off.

        Regions stay in it, where nothing moves them: a camera would look for them once more.
        """
        stage = self.stage.snapshot()
        for layer in self.stage.layers:
            if layer.name in self.off and not layer.region:
                stage.remove(layer.name)
        return stage

    def motion(self) -> Motion:
        """Return what moves and how, as one motion.

        Raises:
            InputError: nothing moves, or motions do not go together.
        """
        own = [
            motion.on(name)
            for name, motions in self.motions.items()
            if name != CAMERA and name not in self.off
            for motion in motions
        ]
        filmed = self.motions.get(CAMERA, ())
        if not own and not filmed:
            raise InputError("nothing moves yet: choose a motion for a layer, or for the camera")
        whole = total([*own, *filmed])
        _, others = cameras_of(list(whole.terms()))
        assign(others, self.playing(), 1)
        return whole

    def problem(self) -> str | None:
        """Return why nothing can be shown of it, in one line; None where that is not known before it is tried."""
        try:
            self.motion()
        except InputError as error:
            return str(error)
        return None


class Work:
    """Work of one person on one photo. Whoever uses it holds its lock, or is the only one in its turn.

    Args:
        name: of the photo, as a person reads it.
        state: the first one.
    """

    def __init__(self, name: str, state: State) -> None:
        self.id, self.name, self.state = secrets.token_urlsafe(18), name, state
        self.revision, self.used_at = 1, time.monotonic()
        self.lock = threading.RLock()
        self._undo: list[State] = []
        self._redo: list[State] = []
        self._key: str | None = None

    @property
    def undo_words(self) -> str | None:
        """Return what would be undone; None: nothing."""
        return self.state.words if self._undo else None

    @property
    def redo_words(self) -> str | None:
        """Return what would be done again; None: nothing."""
        return self._redo[-1].words if self._redo else None

    def change(self, edit: Callable[[State], State], key: str | None = None) -> None:
        """Bring the work into another state.

        Args:
            edit: returns it.
            key: consecutive changes with the same one are undone at once.

        Raises:
            InputError: by the edit; then nothing has changed.
        """
        with self.lock:
            state = edit(self.state)
            if key is None or key != self._key:
                self._undo.append(self.state)
            self.state, self._key = state, key
            self._redo.clear()
            self._forget()
            self.revision += 1

    def undo(self) -> None:
        """Go back by one change.

        Raises:
            InputError: there is none.
        """
        self._step(self._undo, self._redo, "undo")

    def redo(self) -> None:
        """Do again what was undone.

        Raises:
            InputError: there is nothing.
        """
        self._step(self._redo, self._undo, "redo")

    def _step(self, source: list[State], target: list[State], word: str) -> None:
        with self.lock:
            if not source:
                raise InputError(f"{word}: there is nothing to {word}")
            target.append(self.state)
            self.state, self._key = source.pop(), None
            self.revision += 1

    def _forget(self) -> None:
        """Let go of the oldest states where there are too many, or too many layers in them."""
        while len(self._undo) > MOST_STATES or (self._undo and self._layers() > MOST_LAYERS):
            del self._undo[0]

    def _layers(self) -> int:
        return len({layer for state in (*self._undo, self.state) for layer in state.stage.layers})


class Works:
    """All works of a server; threads may share it.

    Args:
        clock: returns seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._works: OrderedDict[str, Work] = OrderedDict()  # the one idle longest first
        self._gone: deque[tuple[str, str]] = deque(maxlen=REMEMBERED)
        self._clock, self._lock = clock, threading.Lock()

    def __len__(self) -> int:
        return len(self._works)

    def add(self, work: Work) -> list[Work]:
        """Take a work in; where there are too many, those idle longest go.

        Returns:
            The ones that went.
        """
        with self._lock:
            work.used_at = self._clock()
            self._works[work.id] = work
            gone = []
            while len(self._works) > MOST_WORKS:
                gone.append(self._drop(next(iter(self._works)), f"more than {MOST_WORKS} photos were open"))
            return gone

    def __getitem__(self, name: str) -> Work:
        """Return a work by its id.

        Raises:
            Refusal: there is none, or no more.
        """
        with self._lock:
            if name not in self._works:
                why = next((why for gone, why in self._gone if gone == name), None)
                if why is not None:
                    raise Refusal(410, f"this photo was put away, as {why}; open it again")
                raise Refusal(404, "there is no such photo here; open it again")
            work = self._works[name]
            work.used_at = self._clock()
            self._works.move_to_end(name)
            return work

    def forget(self, name: str) -> Work:
        """Let go of a work.

        Raises:
            Refusal: there is none.
        """
        work = self[name]
        with self._lock:
            self._works.pop(work.id, None)
        return work

    def sweep(self) -> list[Work]:
        """Let go of the works that were idle for too long, and return them."""
        now = self._clock()
        with self._lock:
            late = [name for name, work in self._works.items() if now - work.used_at > LONGEST_IDLE]
            return [self._drop(name, f"nobody asked for it for {LONGEST_IDLE / 3600:g} hours") for name in late]

    def _drop(self, name: str, why: str) -> Work:
        self._gone.append((name, why))
        return self._works.pop(name)


def changed(state: State, words: str, **what: object) -> State:
    """Return a state that is another but for some of it, and what led to it."""
    return dataclasses.replace(state, words=words, **what)  # type: ignore[arg-type]
