"""The weights that come with photoflow: each loads, has its card, and is small."""

from __future__ import annotations

from pathlib import Path

import pytest

import photoflow
from photoflow.models.networks import KINDS, load_network
from photoflow.weights.loading import shipped

FILES = sorted((Path(photoflow.__file__).parent / "weights/shipped").glob("*.safetensors"))


def test_there_are_some_and_together_they_are_small() -> None:
    assert {path.stem for path in FILES} <= set(KINDS) and "gan" in {path.stem for path in FILES}
    assert sum(path.stat().st_size for path in FILES) < 40e6


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_each_loads_and_has_its_card(path: Path) -> None:
    assert shipped(path.stem) == path
    network = load_network(path.stem, None, offline=True)
    assert not network.training
    card = " ".join(path.with_suffix(".md").read_text().split())
    for word in ("Trained on", "CPU", "Licence", "Limits", "Scores"):
        assert word in card
