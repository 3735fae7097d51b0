"""What a page does with a work, in short."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response


@dataclass
class Client:
    """A work that is open.

    Args:
        http: asks the server.
        state: what the server said of the work last.
    """

    http: TestClient
    state: dict[str, Any]

    @classmethod
    def opened(cls, http: TestClient, photo: bytes, name: str = "wall.png") -> Client:
        answer = http.post("/api/works", content=photo, headers={"X-Name": name})
        assert answer.status_code == 201, answer.text
        return cls(http, answer.json())

    @property
    def at(self) -> str:
        return f"/api/works/{self.state['id']}"

    @property
    def names(self) -> list[str]:
        return [layer["name"] for layer in self.state["layers"]]

    def layer(self, name: str) -> dict[str, Any]:
        return next(layer for layer in self.state["layers"] if layer["name"] == name)

    def get(self, path: str) -> Response:
        return self.http.get(f"{self.at}/{path}")

    def edit(self, edit: str, **said: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.at}/edits", json={"edit": edit, **said})
        assert answer.status_code == 200, answer.text
        self.state = answer.json()
        return self.state

    def refused(self, edit: str, **said: Any) -> str:
        """Return why an edit is refused."""
        answer = self.http.post(f"{self.at}/edits", json={"edit": edit, **said})
        assert answer.status_code == 400, answer.text
        assert answer.json().keys() == {"error"}
        return str(answer.json()["error"])

    def render(self, **wish: Any) -> dict[str, Any]:
        """Ask for a file, and return what is known of it once it has ended."""
        number = self.http.post(f"{self.at}/renders", json=wish).json()["number"]
        return self.ended(number)

    def ended(self, number: int) -> dict[str, Any]:
        for _ in range(600):
            found = next(one for one in self.get("renders").json() if one["number"] == number)
            if found["state"] not in ("waiting", "rendering"):
                return dict(found)
            time.sleep(0.05)
        raise AssertionError("it never ends")
