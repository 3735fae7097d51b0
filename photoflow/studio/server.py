"""The server: where it listens, what it says, and how it ends."""

from __future__ import annotations

import ipaddress
import os
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from photoflow.animator import Animator
from photoflow.errors import InputError
from photoflow.io.reading import read_bytes
from photoflow.studio.app import Studio, create_app
from photoflow.studio.guards import MOST_PHOTO, new_token

PORT = 8425  # that is tried first
LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
MOST_CONNECTIONS = 256
_EVERYWHERE = ("0.0.0.0", "::")


def serve(
    animator: Animator, photo: Path | None, host: str, port: int | None, browser: bool, say: Callable[[str], None]
) -> None:
    """Serve the studio until it is interrupted.

    Args:
        animator: prepares and animates.
        photo: a photo or a stage that the page opens with.
        host: the address to listen at; one that is not this machine's own loopback asks everybody for a token.
        port: to listen at; None: 8425, or any that is free.
        browser: open the page.
        say: is told the address, once it answers.

    Raises:
        InputError: the port is taken, the host is none of this machine's, or the photo cannot be read.
    """
    own = listening(host, port)
    try:
        number = own.getsockname()[1]
        token = None if is_loopback(host) else new_token()
        hosts = {f"{name}:{number}" for name in (*LOOPBACK, bracketed(host))}
        app = create_app(animator, hosts, token)
        studio: Studio = app.state.studio
        query = [] if token is None else [f"token={token}"]
        if photo is not None:
            query.append(f"work={studio.open(read_bytes(photo, 'a photo or a stage', MOST_PHOTO), photo.name).id}")
        address = f"http://{bracketed(seen_as(host))}:{number}/" + (f"?{'&'.join(query)}" if query else "")

        def begun() -> None:
            say(f"studio: {address}")
            if browser:
                threading.Thread(target=webbrowser.open, args=(address,), daemon=True).start()

        config = uvicorn.Config(
            # The guard says what fails; uvicorn would show how requests end that an interrupt cuts off.
            app, log_level="critical", access_log=False, server_header=False, timeout_graceful_shutdown=3,
            limit_concurrency=MOST_CONNECTIONS, http="h11", ws="none",
        )  # fmt: skip
        _Server(config, begun).run(sockets=[own])
    finally:
        own.close()


def listening(host: str, port: int | None) -> socket.socket:
    """Return a socket that listens at a port of this machine.

    Raises:
        InputError: the port is taken, or the host is none of this machine's.
    """
    if port is not None:
        return _bound(host, port)
    try:
        return _bound(host, PORT)
    except InputError:
        return _bound(host, 0)


def is_loopback(host: str) -> bool:
    """Return whether nobody but this machine reaches an address."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def seen_as(host: str) -> str:
    """Return the address under which others reach this machine, where it listens at all of its own."""
    if host not in _EVERYWHERE:
        return host
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as outward:
        try:
            outward.connect(("192.0.2.1", 9))  # sends nothing: it only tells by which address others would be reached
            return str(outward.getsockname()[0])
        except OSError:
            return socket.gethostname()


def bracketed(host: str) -> str:
    """Return a host as it stands in an address."""
    return f"[{host}]" if ":" in host else host


def _bound(host: str, port: int) -> socket.socket:
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        own = socket.socket(family, kind, protocol)
    except OSError as error:
        raise InputError(f"host: expected an address of this machine, got {host}") from error
    try:
        if os.name == "posix":  # Windows would let a second server take the same port
            own.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        own.bind(place)
        own.listen(128)
    except OSError as error:
        own.close()
        raise InputError(
            f"cannot listen at {bracketed(host)}:{port}: {error.strerror}; expected a free port"
        ) from error
    return own


class _Server(uvicorn.Server):
    """A server that tells when it answers."""

    def __init__(self, config: uvicorn.Config, begun: Callable[[], None]) -> None:
        super().__init__(config)
        self._begun = begun

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._begun()
