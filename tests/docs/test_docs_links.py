"""Links and pictures of the documentation lead somewhere, and commands named in its text exist."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from documented import PAGES, ROOT

pytestmark = pytest.mark.skipif(not (ROOT / "setup.py").exists(), reason="needs all of the source tree")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
CODE = re.compile(r"^ *```.*?^ *```|`[^`]*`", re.MULTILINE | re.DOTALL)
PAGES_OF_MKDOCS = ROOT / "docs" / "api"  # its headings are made from docstrings


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links(page: Path) -> None:
    for target in LINK.findall(CODE.sub("", page.read_text())):
        if target.startswith(("http://", "https://", "mailto:")):
            continue
        path, _, anchor = target.partition("#")
        there = (page.parent / path).resolve() if path else page
        assert there.exists(), f"{page.relative_to(ROOT)}: {target} leads nowhere"
        assert there.is_relative_to(ROOT), f"{page.relative_to(ROOT)}: {target} leads out of the repository"
        if anchor and not there.is_relative_to(PAGES_OF_MKDOCS):
            assert anchor in anchors(there), f"{page.relative_to(ROOT)}: no heading for {target}"


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return the anchors of a page's headings, as code hosts and the site make them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S), re.M)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_in_the_text_exist(page: Path) -> None:
    text = page.read_text()
    known = commands()
    for name in re.findall(r"`photoflow ([a-z][\w-]*)", text):
        assert name in known, f"{page.relative_to(ROOT)}: there is no `photoflow {name}`"
    for name in re.findall(r"python -m benchmarks\s+([\w-]+)", text):
        assert (ROOT / "benchmarks" / f"bench_{name}.py").is_file(), f"there is no benchmark {name}"
    for path in re.findall(r"`python (docs/\w+\.py)", text):
        assert (ROOT / path).is_file(), path


@cache
def commands() -> frozenset[str]:
    """Return the names of photoflow's commands."""
    import typer

    from photoflow.cli import commands as loaded
    from photoflow.cli.app import app

    assert loaded
    return frozenset(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def test_the_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_stand_in_blocks_that_are_run(page: Path) -> None:
    """A block without `bash` is not run, so it holds no command."""
    for language, code in re.findall(r"^ *```(\w*)\n(.*?)^ *```", page.read_text(), re.M | re.S):
        if language != "bash":
            assert not re.search(r"^(photoflow|pip|torchrun|python3? -)\b", code, re.M), f"{page.name}: {code}"
