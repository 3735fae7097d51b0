"""The catalogue has every parameter of every motion, in ranges that the motions take."""

import dataclasses
import json

import pytest

from photoflow.motion import MOTIONS, from_dict
from photoflow.motion.wind import PRESETS
from photoflow.studio.catalogue import CONTROLS, ENTRIES, FORMATS, LEFT_OUT, NOT_SAID, catalogue, word_of
from photoflow.studio.renders import checked

MOTION_ENTRIES = catalogue()["motions"]


def test_every_parameter_has_a_control_or_is_left_out_for_a_reason():
    for name, kind in MOTIONS.items():
        if name in NOT_SAID:
            continue
        own = {field.name for field in dataclasses.fields(kind)}
        left_out = {field for motion, field in LEFT_OUT if motion == name}
        assert own == CONTROLS[name].keys() | left_out, name
        assert not CONTROLS[name].keys() & left_out
    assert CONTROLS.keys() | set(NOT_SAID) == MOTIONS.keys()


def test_every_motion_and_every_preset_can_be_chosen():
    assert {entry.start.name for entry in ENTRIES} == CONTROLS.keys()
    assert {getattr(entry.start, "source", None) for entry in ENTRIES} == {None, *PRESETS}
    assert len({entry.word for entry in ENTRIES}) == len(ENTRIES)


@pytest.mark.parametrize("entry", MOTION_ENTRIES, ids=lambda entry: entry["word"])
def test_every_control_is_said_in_full_and_within_what_the_motion_takes(entry):
    assert from_dict(entry["start"]).to_dict() == entry["start"]
    assert word_of(from_dict(entry["start"])) == entry["word"]
    assert set(entry["on"]) <= {"subject", "region", "camera"}
    for control in entry["controls"]:
        assert control["word"] and control["hint"].endswith(".")
        values = {"number": ("least", "most"), "choice": ("choices",)}.get(control["kind"], ())
        assert all(control[key] is not None for key in values)
        if control["kind"] == "number":
            assert control["least"] < control["most"] and control["step"] > 0
            assert control["least"] <= control["default"] <= control["most"]
            for value in (control["least"], control["most"]):
                assert from_dict({**entry["start"], control["name"]: value})
        for choice in control.get("choices", ()):
            assert from_dict({**entry["start"], control["name"]: choice["value"]})


def test_formats_are_what_can_be_rendered():
    for form in FORMATS:
        assert checked({"format": form["format"], "alpha": form["alpha"]}) == (form["format"], 80, form["alpha"])


def test_it_is_plain():
    assert json.loads(json.dumps(catalogue())) == catalogue()
