"""Options of a clip, as recipes and lists say them."""

import pytest

from photoflow import InputError
from photoflow.motion import Sway
from photoflow.options import ClipOptions


def test_texts_are_read_as_on_the_command_line():
    said = {"seconds": "2.5", "motion": ["sway", ""], "no": None} | {"size": 640, "loop": "No", "not-point": "1,2"}
    del said["no"]
    options = ClipOptions.of(said)
    assert (options.seconds, options.motion, options.size) == (2.5, ("sway",), "640")
    assert (options.loop, options.not_point) == (False, ("1,2",))


def test_an_empty_text_says_nothing():
    assert ClipOptions.of({"seconds": "", "motion": None, "alpha": ""}) == ClipOptions()
    assert ClipOptions.of({"motion": ["", ""], "mask": [], "seconds": ["", None]}) == ClipOptions()


def test_what_says_nothing_leaves_what_was_said_before():
    said = ClipOptions.of(
        {"motion": "sway", "not-point": "1,2", "fps": 9}, {"motion": [""], "not_point": "3,4", "fps": None}
    )
    assert (said.motion, said.not_point, said.fps) == (("sway",), ("3,4",), 9)


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({"secnds": 3}, "'secnds': expected an option of photoflow animate: motion, "),
        ({"seconds": "long"}, "seconds: expected a number, got 'long'"),
        ({"seconds": True}, "seconds: expected a number, got True"),
        ({"seconds": "nan"}, "seconds: expected a number, got 'nan'"),
        ({"quality": 80.5}, "quality: expected a whole number, got 80.5"),
        ({"quality": 101}, "quality: expected 0 to 100, got 101"),
        ({"alpha": "maybe"}, "alpha: expected true or false, got 'maybe'"),
        ({"motion": 3}, "motion: expected a text or a list of texts, got 3"),
        ({"motion": ["sway", 3]}, "motion: expected a text or a list of texts, got"),
        ({"subject": 1.5}, "subject: expected a text, got 1.5"),
        ({"subject": "cat", "all_subjects": True}, "subject: expected it without --all-subjects, got cat"),
    ],
)
def test_bad_values_are_said_in_a_line(said, line):
    with pytest.raises(InputError) as error:
        ClipOptions.of(said)
    assert line in str(error.value)


def test_motions_add_up_and_take_what_is_said_of_all():
    assert ClipOptions(motion=("sway strength=0.8",)).motions() == Sway(strength=0.8)
    assert ClipOptions(motion=("spectral:plant",), wind=0.9).motions().wind == 0.9


def test_files_that_are_read_are_named(tmp_path):
    options = ClipOptions(mask=("cat=m.png", "n.png"), depth="d.png", weights=("gan=w.safetensors",))
    read = {what: [str(file) for file in files if file] for what, files in options.read(tmp_path / "p.jpg").items()}
    assert read["its mask"] == ["m.png", "n.png"] and read["its depth"] == ["d.png"]
    assert read["the weights"] == ["w.safetensors"] and read["the photo"] == [str(tmp_path / "p.jpg")]
