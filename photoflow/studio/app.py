"""The application: what is asked for under which address."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import anyio
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse
from starlette.exceptions import HTTPException

from photoflow.animator import Animator
from photoflow.errors import InputError
from photoflow.segment import NoSubjectError
from photoflow.studio import edits, repeat
from photoflow.studio.catalogue import catalogue
from photoflow.studio.description import described, facts_of, mask_picture
from photoflow.studio.guards import MOST_EDIT, MOST_PHOTO, Guard, Turns, Uploads, every, plain, refused
from photoflow.studio.memory import give_back
from photoflow.studio.opening import opened, photo_picture
from photoflow.studio.pages import FOREVER, own_file, page
from photoflow.studio.preview import Previews
from photoflow.studio.refusal import Refusal
from photoflow.studio.renders import Renders, stem_of
from photoflow.studio.threads import work_alone
from photoflow.studio.works import Work, Works

AT_ONCE = 2  # requests that work at a time
WAITING = 8  # of one work
OPENING = 16  # photos that wait to be opened
GLANCES = 48  # of one work that wait for its photo or a mask
SWEEP = 60.0  # seconds between looks for works that were idle for too long


class Studio:
    """All that a server of the studio keeps.

    Args:
        animator: prepares and animates.
        folder: private, for what is rendered.
    """

    def __init__(self, animator: Animator, folder: Path) -> None:
        self.animator, self.folder, self.works = animator, folder, Works()
        self.previews, self.renders = Previews(animator), Renders(animator, folder)
        self.turns, self.openings = Turns(AT_ONCE, WAITING), Turns(1, OPENING)
        self.glances = Turns(AT_ONCE, GLANCES)
        self.uploads = Uploads()

    def open(self, data: bytes, name: str) -> Work:
        """Open the bytes of a photo or a stage as a new work.

        Raises:
            InputError: they are neither.
        """
        work = opened(self.animator, data, name)
        for gone in self.works.add(work):
            self.let_go(gone)
        return work

    def let_go(self, work: Work) -> None:
        """Remove all that was made of a work."""
        self.previews.forget(work)
        self.renders.forget(work)
        give_back()

    async def sweep(self) -> None:
        """Let go of works that nobody asked for."""
        for work in self.works.sweep():
            await anyio.to_thread.run_sync(self.let_go, work)

    async def on(self, name: str, act: Callable[[Work], Any]) -> Any:
        """Return what a function makes of a work, in its turn."""
        work = self.works[name]

        def alone() -> Any:
            work_alone()
            return act(work)

        return await self.turns.take(work.id, alone)

    async def beside(self, name: str, act: Callable[[Work], Any]) -> Any:
        """Return what a function sees in a work, without a wait for what that is busy with; it must be quick."""
        work = self.works[name]
        return await self.glances.take(work.id, lambda: act(work))


def create_app(animator: Animator, hosts: Collection[str], token: str | None = None) -> FastAPI:
    """Return the application.

    Args:
        animator: prepares and animates.
        hosts, token: see `photoflow.studio.guards.Guard`.
    """

    @asynccontextmanager
    async def living(app: FastAPI) -> AsyncIterator[None]:
        studio.renders.start()
        try:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(every, SWEEP, studio.sweep)
                yield
                tasks.cancel_scope.cancel()
        finally:
            await anyio.to_thread.run_sync(studio.renders.stop)
            folder.cleanup()

    folder = tempfile.TemporaryDirectory(prefix="photoflow-studio-")
    studio = Studio(animator, Path(folder.name))
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, lifespan=living)
    app.state.studio = studio
    app.add_middleware(Guard, hosts=hosts, token=token)
    _add_errors(app)
    _add_files(app)
    _add_works(app, studio)
    _add_pictures(app, studio)
    _add_renders(app, studio)
    return app


def _add_errors(app: FastAPI) -> None:
    @app.exception_handler(Refusal)
    async def refusal(request: Request, error: Refusal) -> Response:
        return refused(error)

    @app.exception_handler(InputError)
    async def bad_input(request: Request, error: InputError) -> Response:
        line = error.reason if isinstance(error, NoSubjectError) else str(error)  # without words of the command line
        return refused(Refusal(400, line))

    @app.exception_handler(RequestValidationError)
    async def bad_value(request: Request, error: RequestValidationError) -> Response:
        name = str(error.errors()[0]["loc"][-1])
        return refused(Refusal(400, f"{name}: expected another value in the address"))

    @app.exception_handler(HTTPException)
    async def unknown(request: Request, error: HTTPException) -> Response:
        return refused(Refusal(error.status_code, "there is nothing under this address"))

    @app.exception_handler(MemoryError)
    async def full(request: Request, error: MemoryError) -> Response:
        return refused(Refusal(503, "not enough memory for this photo at the moment; a smaller one needs less"))


def _add_files(app: FastAPI) -> None:
    @app.get("/")
    def index() -> Response:
        return page()

    @app.get("/web/{name}")
    def own(request: Request, name: str) -> Response:
        return own_file(request, "web", name)

    @app.get("/player/{name}")
    def player(request: Request, name: str) -> Response:
        return own_file(request, "player", name)

    @app.get("/api/motions")
    def motions() -> Any:
        return catalogue()


def _add_works(app: FastAPI, studio: Studio) -> None:
    @app.post("/api/works")
    async def create(request: Request) -> Response:
        name = label_of(request.headers.get("x-name", ""))
        data = await studio.uploads.read(request, MOST_PHOTO)

        def act() -> Any:
            work_alone()
            return described(studio.open(data, name))

        return JSONResponse(await studio.openings.take("", act), 201)

    @app.get("/api/works/{work}")
    async def state(work: str) -> Any:
        return await studio.on(work, described)

    @app.delete("/api/works/{work}")
    async def forget(work: str) -> Response:
        await anyio.to_thread.run_sync(studio.let_go, studio.works.forget(work))
        return Response(status_code=204)

    @app.post("/api/works/{work}/edits")
    async def edit(work: str, request: Request) -> Any:
        said = plain(await studio.uploads.read(request, MOST_EDIT))

        def act(own: Work) -> Any:
            edits.apply(own, said)
            return described(own)

        return await studio.on(work, act)


def _add_pictures(app: FastAPI, studio: Studio) -> None:
    @app.get("/api/works/{work}/photo")
    async def photo(work: str) -> Response:
        return _kept(await studio.beside(work, photo_picture), "image/jpeg")

    @app.get("/api/works/{work}/masks/{name}")
    async def mask(work: str, name: str, v: str = "") -> Response:
        layer = next((one for one in studio.works[work].state.stage.layers if one.name == name), None)
        if layer is None:
            raise Refusal(404, "there is no such layer")
        data = await studio.beside(work, lambda own: mask_picture(layer))
        return _kept(data, "image/png", v == facts_of(layer).mask)

    @app.get("/api/works/{work}/picture")
    async def picture(work: str) -> Response:
        return Response(await studio.on(work, studio.previews.picture), media_type="application/json")

    @app.get("/api/works/{work}/images/{name}")
    async def image(work: str, name: str) -> Response:
        found = studio.previews.image(studio.works[work], name)
        return _kept(found.data, found.mime)

    @app.get("/api/works/{work}/flow.png")
    async def flow(work: str, t: float = 0.0) -> Response:
        return Response(await studio.on(work, lambda own: studio.previews.flow(own, t)), media_type="image/png")

    @app.get("/api/works/{work}/slice.png")
    async def row_over_time(work: str, row: int) -> Response:
        return Response(await studio.on(work, lambda own: studio.previews.slice(own, row)), media_type="image/png")

    @app.get("/api/works/{work}/files/{name}")
    async def repeated(work: str, name: str, whole: bool = False) -> Response:
        if name not in FILES:
            raise Refusal(404, f"there is no such file; expected one of {', '.join(FILES)}")
        make, mime = FILES[name]
        if whole and name == repeat.STAGE:
            make = _whole_stage
        own = studio.works[work]  # its state does not change, so that nobody waits for what packs it
        data = await studio.turns.take(f"{own.id}/files", lambda: make(own))
        return Response(data, media_type=mime, headers=_saved_as(name))


def _add_renders(app: FastAPI, studio: Studio) -> None:
    @app.post("/api/works/{work}/renders")
    async def ask(work: str, request: Request) -> Response:
        wish = plain(await studio.uploads.read(request, MOST_EDIT))
        render = await studio.on(work, lambda own: studio.renders.ask(own, wish))
        return JSONResponse({"number": render.number}, 202)

    @app.get("/api/works/{work}/renders")
    async def renders(work: str) -> Any:
        return studio.renders.of(studio.works[work])

    @app.delete("/api/works/{work}/renders/{number}")
    async def drop(work: str, number: int) -> Response:
        studio.renders.drop(studio.works[work], number)
        return Response(status_code=204)

    @app.get("/api/works/{work}/renders/{number}/file")
    async def file(work: str, number: int) -> Response:
        render = studio.renders(studio.works[work], number)
        if render.path is None or not os.path.exists(render.path):
            raise Refusal(404, "this render has no file (yet)")
        return FileResponse(render.path, media_type=TYPES[render.form], headers=_saved_as(render.name))


TYPES = {"mp4": "video/mp4", "webm": "video/webm", "gif": "image/gif", "apng": "image/apng", "html": "text/html"}
FILES: dict[str, tuple[Callable[[Work], bytes], str]] = {
    repeat.MOTION: (lambda work: repeat.motion_file(work.state), "application/json"),
    repeat.STAGE: (lambda work: repeat.stage_file(work.state), "application/zip"),
    "repeat.py": (lambda work: repeat.snippet(work).encode(), "text/plain"),
    "repeat.sh": (lambda work: repeat.command(work).encode(), "text/plain"),
}


def _whole_stage(work: Work) -> bytes:
    """Return the stage with the layers that are off, to open it again later."""
    return work.state.stage.packed()


def label_of(header: str) -> str:
    """Return the name of a photo, as a browser said it, as a label: it is never a path."""
    name = unquote(header)[:400].replace("\\", "/").rpartition("/")[2]
    return "".join(c for c in name if c.isprintable()).strip()[:120] or "photo"


def _kept(data: bytes, mime: str, for_ever: bool = True) -> Response:
    return Response(data, media_type=mime, headers={"Cache-Control": FOREVER} if for_ever else None)


def _saved_as(name: str) -> dict[str, str]:
    plain_name = f"{stem_of(name)}{Path(name).suffix}".encode("ascii", "replace").decode().replace("?", "-")
    return {"Content-Disposition": f"attachment; filename=\"{plain_name}\"; filename*=UTF-8''{quote(name)}"}
