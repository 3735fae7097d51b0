"""Running of the player's modules outside of a browser."""

from __future__ import annotations

import json
import shutil
import subprocess
from importlib import resources
from pathlib import Path
from typing import Any

import pytest


def run(script: str, given: Any, folder: Path) -> Any:
    """Return what a module prints as JSON, in which the player's modules have their names; skip where there is no Node.

    Args:
        script: the module; `given` is defined in it.
        given: a value of JSON's types.
        folder: for files.
    """
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js, which runs the player's modules")
    modules = folder / "node_modules" / "photoflow"
    modules.mkdir(parents=True)
    for file in (resources.files("photoflow.player") / "web").iterdir():
        if file.name.endswith(".js"):
            (modules / file.name).write_text(file.read_text("utf-8"), "utf-8")
    (modules / "package.json").write_text('{"type": "module"}')
    (folder / "given.json").write_text(json.dumps(given))
    head = 'import { readFileSync } from "node:fs";\nconst given = JSON.parse(readFileSync("given.json", "utf8"));\n'
    (folder / "main.mjs").write_text(head + script)
    done = subprocess.run([node, "main.mjs"], cwd=folder, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
