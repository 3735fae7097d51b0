"""How do I offer photoflow to others? As a service: a photo goes in by POST, a clip comes out.

python examples/serve/app.py
curl --data-binary @photo.jpg "http://127.0.0.1:8000/clips?seconds=3" -o clip.mp4
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import re
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Literal

import cv2
import numpy as np
import uvicorn
from clip_queue import ClipQueue, Limits, Wish
from fastapi import FastAPI, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from photoflow import Animator, motion
from photoflow.errors import InputError
from photoflow.segment import NoSubjectError
from photoflow.studio.guards import Uploads, refused
from photoflow.studio.refusal import Refusal

TYPES = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif"}
MOTION = re.compile(r"[a-z_]+( [a-z_]+=[\w.,;+-]+)*", re.ASCII)  # a name and its parameters; no file, no layer
log = logging.getLogger("photoflow.serve")


@dataclass
class State:
    """How the service is: "starting", "ready", "stopping", or why it does not work."""

    word: str = "starting"


def create_app(animator: Animator, limits: Limits = Limits()) -> FastAPI:  # noqa: B008 - it is frozen
    """Return the application.

    Args:
        animator: makes the clips.
        limits: how much is taken.
    """
    queue, state, uploads = ClipQueue(animator, limits), State(), Uploads()

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        trial = asyncio.get_running_loop().run_in_executor(None, try_out, queue, state)
        yield
        state.word = "stopping"
        await asyncio.to_thread(queue.stop)
        await trial

    app = FastAPI(title="photoflow", lifespan=living)
    app.state.queue = queue

    @app.post("/clips")
    async def clip(
        request: Request,
        motion: Annotated[str, Query(max_length=200)] = "auto",
        seconds: Annotated[float, Query(gt=0, le=10)] = 4.0,
        fps: Annotated[float, Query(ge=1, le=60)] = 30.0,
        size: Annotated[int, Query(ge=64, le=1920)] = 1280,
        form: Annotated[Literal["mp4", "webm", "gif"], Query(alias="format")] = "mp4",
    ) -> Response:
        with queue.metrics.counted():
            if state.word != "ready":
                raise Refusal(503, f"the service is not ready: {state.word}")
            wish = Wish(said_motion(motion), seconds, fps, size, form)
            photo = await uploads.read(request, limits.upload)
            return Response(await queue.clip(photo, wish, request.is_disconnected), media_type=TYPES[form])

    @app.get("/health")
    def health() -> Response:
        if state.word == "ready":
            return Response("ready\n", media_type="text/plain")
        return refused(Refusal(503, state.word))

    @app.get("/metrics")
    def metrics() -> Response:
        return Response(generate_latest(queue.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    @app.exception_handler(Refusal)
    async def refusal(request: Request, error: Refusal) -> Response:
        answer = refused(error)
        if error.status == 503:
            answer.headers["Retry-After"] = str(queue.retry_after())
        return answer

    @app.exception_handler(InputError)
    async def bad_input(request: Request, error: InputError) -> Response:
        return refused(Refusal(400, error.reason if isinstance(error, NoSubjectError) else str(error)))

    @app.exception_handler(RequestValidationError)
    async def bad_value(request: Request, error: RequestValidationError) -> Response:
        queue.metrics.answers.labels("bad_input").inc()
        first = error.errors()[0]
        return refused(Refusal(400, f"{first['loc'][-1]}: {first['msg']}"))

    return app


def said_motion(text: str) -> motion.Motion:
    """Return the motion that words say.

    Raises:
        InputError: they say none, or one that reads a file of this machine.
    """
    if not MOTION.fullmatch(text):
        raise InputError(f"motion: expected 'NAME PARAMETER=VALUE ...', got {text!r}")
    said = motion.parse(text)
    if any(part.file for _, part in said.terms()):
        raise InputError(f"motion: expected one that reads no file, got {text!r}")
    return said


def try_out(queue: ClipQueue, state: State) -> None:
    """Make a clip of a drawn photo, which loads all networks, and say whether it worked."""
    wall = cv2.circle(np.full((96, 128, 3), 120, np.uint8), (64, 48), 24, (30, 190, 230), -1, cv2.LINE_AA)
    photo = cv2.imencode(".png", wall)[1].tobytes()
    try:
        queue.made(photo, Wish(motion.Breathe(), seconds=0.2, fps=10), threading.Event())
    except Exception as error:
        log.exception("the test clip failed")
        state.word = f"the test clip failed: {error}"
    else:
        state.word = "ready" if state.word == "starting" else state.word


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--waiting", type=int, default=Limits.waiting, help="clips that wait; more get a 503")
    parser.add_argument("--patience", type=float, default=Limits.patience, help="seconds a request may take")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    limits = Limits(waiting=options.waiting, patience=options.patience)
    app = create_app(Animator(options.device, offline=True), limits)
    uvicorn.run(app, host=options.host, port=options.port, timeout_graceful_shutdown=int(limits.patience) + 1)


if __name__ == "__main__":
    main()
