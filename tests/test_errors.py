"""Messages: one line each, however long or odd what they quote is."""

import pickle

import pytest

from photoflow.errors import LONGEST, InputError, shown
from photoflow.weights import WeightsError


@pytest.mark.parametrize("kind", [InputError, WeightsError])
def test_the_middle_of_a_long_message_is_left_out(kind):
    said = str(kind("motion: " + "x" * 5000 + " expected a number"))
    assert len(said) <= LONGEST and said.startswith("motion: xxx") and said.endswith("xxx expected a number")
    assert " ... " in said
    assert str(kind("y" * LONGEST)) == "y" * LONGEST


def test_a_message_is_one_line_that_can_be_printed():
    said = str(InputError("a\nb\r\tc\x00d\x1b[31m\ud800 \u2028é"))
    assert said == "a b  c\\x00d\\x1b[31m\\ud800  é" and said.encode() and len(said.splitlines()) == 1
    assert len(str(InputError("\x00" * 10**6))) <= LONGEST


def test_a_message_stays_the_same_in_another_process():
    said = str(InputError("a\n" + "b" * 1000))
    assert str(pickle.loads(pickle.dumps(InputError(said)))) == said == str(InputError(said))


class Odd:
    def __repr__(self):
        raise ZeroDivisionError


def test_any_value_is_quoted_shortly():
    for value in (10**5000, "x" * 10**6, [[[[[[[1]]]]]]], list(range(10**6)), Odd(), {"a": "b" * 9999}):
        assert 0 < len(shown(value)) < 300


def test_what_is_short_is_quoted_whole():
    assert shown("a clip.mp4") == "'a clip.mp4'" and shown(2.5) == "2.5" and shown([1, "2"]) == "[1, '2']"
