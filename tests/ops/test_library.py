"""Where the compiled operators are found: in the root of a clone, too, where the sources hide what was installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import photoflow
from photoflow.ops import _library
from photoflow.ops._sources import digest

PACKAGE = Path(photoflow.__file__).parent
CODE = "import photoflow, photoflow.ops; print(photoflow.__file__); print(photoflow.ops.build_info()['summary'])"


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A clone without any build: sources of the package, and some of the operators'."""
    unbuilt = shutil.ignore_patterns("*.so", "*.sources", "__pycache__", "shipped")
    shutil.copytree(PACKAGE, tmp_path / "clone" / "photoflow", ignore=unbuilt)
    (tmp_path / "clone" / "csrc").mkdir()
    (tmp_path / "clone" / "csrc" / "a.cpp").write_text("// an operator")
    return tmp_path / "clone"


def install(folder: Path, built_from: str) -> Path:
    """Make a folder look like one into which photoflow was installed, built from sources of a digest."""
    (folder / "photoflow").mkdir(parents=True)
    library = Path(str(_library._C.__file__))
    shutil.copy(library, folder / "photoflow" / library.name)
    (folder / "photoflow" / "_C.sources").write_text(f"{built_from}\n")
    about = folder / f"photoflow-{photoflow.__version__}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: photoflow\nVersion: {photoflow.__version__}\n")
    return folder


def run(clone: Path, *folders: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, folders))}
    return subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, cwd=clone, env=environment)


def test_a_clone_takes_the_library_that_was_installed_from_its_sources(clone: Path, tmp_path: Path) -> None:
    other = install(tmp_path / "other", "of other sources")
    own = install(tmp_path / "site", digest(clone / "csrc"))
    done = run(clone, other, own)
    assert done.returncode == 0, done.stderr
    where, summary = done.stdout.splitlines()
    assert Path(where).parent == clone / "photoflow" and "5 operators: CPU" in summary


def test_a_clone_without_a_library_of_its_sources_says_in_a_line_what_to_do(clone: Path, tmp_path: Path) -> None:
    other = install(tmp_path / "other", "of other sources")
    done = run(clone, other)
    last = done.stderr.strip().splitlines()[-1]
    assert done.returncode == 1 and last.startswith("ImportError: photoflow has no compiled operators built from these")
    assert last.endswith(_library.BUILD)


def test_a_build_in_place_of_older_sources_is_taken_with_a_warning(clone: Path) -> None:
    library = Path(str(_library._C.__file__))
    shutil.copy(library, clone / "photoflow" / library.name)
    with pytest.warns(UserWarning, match="were built from other sources than"):
        assert _library.find_library(clone / "photoflow").parent == clone / "photoflow"
    (clone / "photoflow" / "_C.sources").write_text(digest(clone / "csrc"))
    assert _library.find_library(clone / "photoflow").parent == clone / "photoflow"


def test_an_installation_has_its_library_beside_it(clone: Path) -> None:
    shutil.rmtree(clone / "csrc")
    with pytest.raises(ImportError, match="no compiled operators in this installation"):
        _library.find_library(clone / "photoflow")
    shutil.copy(Path(str(_library._C.__file__)), clone / "photoflow")
    assert _library.find_library(clone / "photoflow").parent == clone / "photoflow"


def test_the_digest_is_of_names_and_contents(tmp_path: Path) -> None:
    digests = set()
    for name, text in (("a.cpp", "1"), ("a.cpp", "2"), ("b.cu", "2"), ("b.txt", "2")):
        folder = tmp_path / f"{name}{text}"
        folder.mkdir()
        (folder / name).write_text(text)
        digests.add(digest(folder))
    assert len(digests) == 4 and digest(tmp_path / "b.txt2") == digest(tmp_path / "nothing")
