"""Stage files with a description that was changed."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any


def rewritten(path: Path, target: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """Copy a stage file, with the description of its first layer changed in place."""
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name == "stage.json":
                document = json.loads(data)
                change(document["layers"][0])
                data = json.dumps(document).encode()
            new.writestr(name, data)
    return target
