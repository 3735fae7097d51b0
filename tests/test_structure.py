"""Imports go downward only, and importing photoflow is quick."""

import ast
import subprocess
import sys
from collections.abc import Collection
from graphlib import TopologicalSorter
from pathlib import Path

import photoflow

PACKAGE = Path(photoflow.__file__).parent
# From the ground up; a module imports from its own room and from the lines before its own.
ORDER = [
    {"errors", "arrays", "deprecated", "_C"}, {"ops", "io", "viz"}, {"device", "weights"}, {"models"}, {"metrics"},
    {"segment"}, {"motion"}, {"render"}, {"interpolation"}, {"completion"}, {"data"}, {"train"}, {"deploy"},
    {"portrait"}, {"stage"}, {"player"}, {"compositing"}, {"clip"}, {"animator"}, {"options"}, {"batch"}, {"studio"},
    {"evaluation"}, {"cli"},
]  # fmt: skip
RANK = {room: rank for rank, rooms in enumerate(ORDER) for room in rooms}


def modules() -> dict[str, Path]:
    """Every module of the package by its dotted name, packages as their own."""
    found = {}
    for path in PACKAGE.rglob("*.py"):
        parts = ["photoflow", *path.relative_to(PACKAGE).with_suffix("").parts]
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(path: Path, known: Collection[str]) -> set[str]:
    """The modules that a file imports from the package, wherever in it, but for annotations alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            node.body = []
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            # What a room's __init__ offers is taken from there, a module of the room from its own file.
            names |= {n if (n := f"{node.module}.{alias.name}") in known else node.module for alias in node.names}
    return {name for name in names if name in known and name != "photoflow"}


def test_imports_go_downward_only():
    known = modules()
    assert len(known) > 20
    for name, path in known.items():
        if name in ("photoflow", "photoflow.__main__"):
            continue
        room = name.split(".")[1]
        for other in imports(path, known):
            lower = other.split(".")[1]
            assert lower == room or RANK[lower] < RANK[room], f"{name} imports {other}"


def test_no_circle_of_imports():
    known = modules()
    graph = {name: imports(path, known) - {name} for name, path in known.items()}
    TopologicalSorter(graph).prepare()  # raises CycleError, which names the circle


def test_every_room_has_its_tests():
    rooms = {p.name for p in PACKAGE.iterdir() if (p / "__init__.py").exists()}
    assert rooms | {"cuda_emulation", "docs", "examples", "fuzz", "integrations"} == {
        p.name for p in Path(__file__).parent.iterdir() if p.is_dir() and list(p.glob("test_*.py"))
    }


def test_import_loads_no_library_and_no_network():
    code = "import sys, photoflow; print({'torch', 'torchvision', 'cv2', 'av', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_an_animator_is_made_without_torch():
    """It takes seconds: so nothing that an Animator is made of imports it, and a thread does so within its calls."""
    code = "import sys, photoflow.animator; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def torch_imports(scope: ast.Module | ast.FunctionDef) -> list[str]:
    """The modules of torch that the statements of a module or function import, in order."""
    names = []
    for statement in scope.body:
        if isinstance(statement, ast.Import):
            names += [alias.name for alias in statement.names]
        elif isinstance(statement, ast.ImportFrom):
            names.append(statement.module or "")
    return [name for name in names if name.split(".")[0] == "torch"]


def test_parts_of_torch_are_imported_after_torch_itself():
    """Python waits for another thread's `import torch` there; at `import torch.nn` it does not, and both see half."""
    for name, path in modules().items():
        if name.startswith("photoflow.train."):
            continue  # nothing is trained within an Animator's calls
        for scope in ast.walk(ast.parse(path.read_text())):
            if isinstance(scope, (ast.Module, ast.FunctionDef)):
                found = torch_imports(scope)
                assert not found or found[0] == "torch", f"{name} imports {found[0]} first"
