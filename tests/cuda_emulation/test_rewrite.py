"""CUDA's syntax as C++."""

from __future__ import annotations

from itertools import count
from pathlib import Path

import pytest

from .build import ROOT
from .rewrite import rewrite_sources, rewritten


def test_a_launch_keeps_its_lines_and_its_commas() -> None:
    source = "a;\nwork<2, T><<<blocks(x, y),\n  64, bytes, stream>>>(job, 3);\nb;"
    made = rewritten(source, count())
    assert 'EMULATED_LAUNCH("work<2, T>", work<2 EMULATED_COMMA T>, (blocks(x, y)), (64), (bytes))\n(job, 3);' in made
    assert made.count("\n") == source.count("\n")


def test_shared_arrays_have_a_number_each() -> None:
    made = rewritten("__shared__ A tile[kWarp][kWarp + 1];\n__shared__ Patch<A> patch;", count())
    assert "using tile_shared = A[kWarp][kWarp + 1]; tile_shared& tile = emulated::shared_here<tile_shared>(0);" in made
    assert "using patch_shared = Patch<A>; patch_shared& patch = emulated::shared_here<patch_shared>(1);" in made


def test_both_sides_of_an_architecture_are_there() -> None:
    source = "#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900\nnew();\n#else\nold();\n#endif"
    made = rewritten(source, count())
    assert " ".join(made.split()) == "if (emulated::architecture() >= 900) { new(); } else { old(); }"


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    csrc = tmp_path / "csrc"
    (csrc / "cuda").mkdir(parents=True)
    (csrc / "registration.cpp").write_text("")
    (csrc / "cuda" / "odd.cuh").write_text("#if __CUDA_ARCH__ < 700\n#endif\n")
    with pytest.raises(ValueError, match=r"__CUDA_ARCH__ where rewrite\.py does not know it"):
        rewrite_sources(csrc, tmp_path / "made")


def test_places_stay_those_of_the_sources(tmp_path: Path) -> None:
    rewrite_sources(ROOT / "csrc", tmp_path / "made")
    for path in (tmp_path / "made" / "cuda").iterdir():
        lines = path.read_text().splitlines()
        begin = next(i for i, line in enumerate(lines) if line.startswith("#line 1 "))
        assert len(lines) - begin - 1 == len((ROOT / "csrc" / "cuda" / path.name).read_text().splitlines()), path.name
