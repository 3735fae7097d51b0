"""Imports go downward only, and importing photoflow is quick."""

import ast
import subprocess
import sys
from pathlib import Path

import photoflow

PACKAGE = Path(photoflow.__file__).parent
# From the ground up; a module imports from its own room and from the lines before its own.
ORDER = [
    {"errors", "_C"}, {"ops", "io", "viz"}, {"device", "weights"}, {"models"}, {"metrics"}, {"segment"}, {"motion"},
    {"render"}, {"interpolation"}, {"data"}, {"train"}, {"clip"}, {"animator"}, {"evaluation"}, {"cli"},
]  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}


def imported_rooms(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "photoflow":
            names |= {f"photoflow.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return {name.split(".")[1] for name in names if name.startswith("photoflow.")}


def test_imports_go_downward_only():
    modules = [p for p in PACKAGE.rglob("*.py") if p.parent != PACKAGE or p.stem not in ("__init__", "__main__")]
    assert len(modules) > 20
    for path in modules:
        room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
        for other in imported_rooms(path) - {room, "__version__"}:
            assert RANK[other] < RANK[room], f"{path.relative_to(PACKAGE)} imports photoflow.{other}"


def test_every_room_has_its_tests():
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert rooms == {p.name for p in Path(__file__).parent.iterdir() if p.is_dir() and list(p.glob("test_*.py"))}


def test_import_loads_no_library_and_no_network():
    code = "import sys, photoflow; print({'torch', 'torchvision', 'cv2', 'av', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
