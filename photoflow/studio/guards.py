"""Guards: who may ask for what, and how much of it, before anything is done."""

from __future__ import annotations

import hmac
import json
import logging
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import parse_qsl, urlencode

import anyio
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect, Request, cookie_parser
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from photoflow.studio.refusal import Refusal

COOKIE = "photoflow-studio"
MOST_PHOTO, MOST_EDIT = 64 << 20, 1 << 20  # bytes of a body
PATIENCE = 60.0  # seconds in which a body has to be there
MOST_UPLOADS = 12  # bodies that are read at a time
_log = logging.getLogger(__name__)
_READING = ("GET", "HEAD", "OPTIONS")
_FIXED = {
    "X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Resource-Policy": "same-origin",
}  # fmt: skip


class Guard:
    """Answers for the application where a request may not be made, and adds headers to what it answers.

    Args:
        app: what is guarded.
        hosts: NAME:PORT under which it is served, where no token is asked for: with a name of its own, the page of
            a stranger could be one with this one.
        token: that a person has to know; None: it is served to this machine alone.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], token: str | None) -> None:
        self._app, self._token, self._hosts = app, token, frozenset(hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Guard one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        begun = False

        async def guarded(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                headers = MutableHeaders(scope=message)
                for name, value in _FIXED.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        try:
            answer = self._entered(scope) or self._app
        except Refusal as refusal:
            answer = refused(refusal)
        try:
            await answer(scope, receive, guarded)
        except Exception:
            _log.exception("%s %s", scope["method"], scope["path"])
            if not begun:
                await refused(Refusal(500, "an error of the studio itself; its log says more"))(scope, receive, guarded)

    def _entered(self, scope: Scope) -> Response | None:
        """Return what sends a person on who brings the token; None for a request that may be made.

        Raises:
            Refusal: it may not.
        """
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self._token is None and host not in self._hosts:
            raise Refusal(403, "host: expected the address that the studio printed")
        if scope["method"] not in _READING:
            _check_origin(headers, host)
        if self._token is None:
            return None
        query = parse_qsl(scope["query_string"].decode("latin-1"))
        given = dict(query).get("token")
        if scope["path"] == "/" and given is not None and _same(given, self._token):
            rest = urlencode([pair for pair in query if pair[0] != "token"])
            answer = RedirectResponse(f"/?{rest}" if rest else "/", 303)
            answer.set_cookie(COOKIE, self._token, httponly=True, samesite="strict", secure=scope["scheme"] == "https")
            return answer
        if not _same(cookie_parser(headers.get("cookie", "")).get(COOKIE, ""), self._token):
            raise Refusal(403, "token: expected the whole address that the studio printed, with its token")
        return None


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.encode(), token.encode())


def _check_origin(headers: Headers, host: str) -> None:
    """Check that a change is asked for by the studio's own page, or by no page.

    Raises:
        Refusal: another page asks for it.
    """
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "same-origin")
    if (origin is not None and origin not in (f"http://{host}", f"https://{host}")) or site not in (
        "same-origin",
        "none",
    ):
        raise Refusal(403, "origin: expected the studio's own page")


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(24)


def refused(refusal: Refusal) -> JSONResponse:
    """Return the answer that says why there is none."""
    return JSONResponse({"error": refusal.line}, refusal.status)


class Uploads:
    """Reads the bodies of requests: so many at a time, of so many bytes, in so much time."""

    def __init__(self) -> None:
        self._reading = 0

    async def read(self, request: Request, most: int) -> bytes:
        """Return the body of a request.

        Raises:
            Refusal: it is too large, too slow, or too many are read at the moment.
        """
        length = request.headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > most:
            raise _too_large(most)
        if self._reading >= MOST_UPLOADS:
            raise Refusal(503, "too many uploads at the moment; try again")
        self._reading += 1
        try:
            with anyio.fail_after(PATIENCE):
                return await _limited(request, most)
        except ClientDisconnect as error:
            raise Refusal(400, "the upload ended in the middle") from error
        except TimeoutError as error:
            raise Refusal(408, f"the upload was not there after {PATIENCE:g} s; try again") from error
        finally:
            self._reading -= 1


async def _limited(request: Request, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise _too_large(most)
        pieces.append(piece)
    return b"".join(pieces)


def _too_large(most: int) -> Refusal:
    return Refusal(413, f"expected at most {most >> 20} MiB")


def plain(data: bytes) -> Any:
    """Return what JSON says.

    Raises:
        Refusal: it is none, or has numbers that JSON does not know.
    """
    try:
        return json.loads(data.decode("utf-8"), parse_int=_whole, parse_constant=_unknown)
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "expected JSON") from error


def _whole(digits: str) -> int | float:
    return int(digits) if len(digits) <= 20 else float(digits)


def _unknown(word: str) -> Any:
    raise ValueError(word)


class Turns:
    """Lets so many requests work at a time, each work one, and few of each wait.

    Args:
        at_once: that work.
        waiting: of one work that wait or work.
    """

    def __init__(self, at_once: int, waiting: int) -> None:
        self._limiter, self._waiting = anyio.CapacityLimiter(at_once), waiting
        self._locks: dict[str, tuple[anyio.Lock, list[int]]] = {}

    async def take(self, name: str, act: Callable[[], Any]) -> Any:
        """Return what a function returns that works in a thread of its own, when it is its turn.

        Args:
            name: of the work.
            act: what is done.

        Raises:
            Refusal: too many wait already.
        """
        async with self._turn(name):
            return await anyio.to_thread.run_sync(act, limiter=self._limiter)

    @asynccontextmanager
    async def _turn(self, name: str) -> AsyncIterator[None]:
        lock, count = self._locks.setdefault(name, (anyio.Lock(), [0]))
        if count[0] >= self._waiting:
            raise Refusal(503, "too much is asked for at the moment; try again")
        count[0] += 1
        try:
            async with lock:
                yield
        finally:
            count[0] -= 1
            if not count[0]:
                self._locks.pop(name, None)


async def every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again, with so many seconds between."""
    while True:
        began = time.monotonic()
        await act()
        await anyio.sleep(max(0.0, seconds - (time.monotonic() - began)))
