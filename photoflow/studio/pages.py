"""The studio's own files: the page, its modules and those of the player."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from photoflow.studio.description import digest
from photoflow.studio.refusal import Refusal

PLACE = "<!-- import map -->"  # in the page's head, where browsers are told where modules are
FOLDERS = {
    "web": Path(str(files("photoflow"))) / "studio" / "web",
    "player": Path(str(files("photoflow"))) / "player" / "web",
}
_NAME = re.compile(r"[a-z][a-z0-9_-]*\.(js|css|svg|png|webp)")
_TYPES = {
    "js": "text/javascript; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml",
    "png": "image/png", "webp": "image/webp",
}  # fmt: skip
FOREVER = "private, max-age=31536000, immutable"


def page() -> Response:
    """Return the page, with the map of all modules `photoflow/NAME.js` in it and a policy that allows that script.

    Raises:
        Refusal: it is not installed.
    """
    try:
        text = (FOLDERS["web"] / "index.html").read_text("utf-8")
    except OSError as error:
        raise Refusal(404, "the studio's page is not installed; expected photoflow/studio/web/index.html") from error
    script = json.dumps({"imports": _modules()}, separators=(",", ":"))
    known = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; script-src 'self' 'sha256-{known}'; style-src 'self'; img-src 'self' data: blob:; "
        "media-src 'self' data: blob:; connect-src 'self' data: blob:; font-src 'self'; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    )
    text = text.replace(PLACE, f'<script type="importmap">{script}</script>', 1)
    return Response(text, media_type="text/html", headers={"Content-Security-Policy": policy})


def own_file(request: Request, folder: str, name: str) -> Response:
    """Return one of the studio's or the player's files; for ever, where its address has its digest.

    Raises:
        Refusal: there is none of that name.
    """
    found = _NAME.fullmatch(name)
    path = FOLDERS[folder] / name
    if found is None or not path.is_file():
        raise Refusal(404, "there is no such file")
    data = path.read_bytes()
    tag = f'"{digest(data)}"'
    kept = FOREVER if request.query_params.get("v") == digest(data) else "no-cache"
    headers = {"Cache-Control": kept, "ETag": tag}
    if request.headers.get("if-none-match") == tag:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=_TYPES[found[1]], headers=headers)


def _modules() -> dict[str, str]:
    return {
        f"photoflow/{path.name}": f"/{folder}/{path.name}?v={_digest_of(path, path.stat().st_mtime_ns)}"
        for folder, place in FOLDERS.items()
        for path in sorted(place.glob("*.js"))
    }


@cache
def _digest_of(path: Path, changed: int) -> str:
    """Return the digest of a file; `changed`, the time of its last change, is part of what it is kept under."""
    return digest(path.read_bytes())
