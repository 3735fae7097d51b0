"""Undo and redo, and how long works are kept."""

import numpy as np
import pytest

from photoflow import InputError, motion
from photoflow.studio import works
from photoflow.studio.refusal import Refusal
from photoflow.studio.works import Settings, State, Work, Works, changed


def setting(seconds):
    return lambda state: changed(state, f"{seconds} seconds", settings=Settings(seconds))


def test_what_is_undone_is_as_it_was_and_can_be_done_again(work):
    first = work.state
    work.change(setting(1))
    work.change(setting(2))
    assert (work.undo_words, work.redo_words) == ("2 seconds", None)
    work.undo()
    assert (work.undo_words, work.redo_words) == ("1 seconds", "2 seconds")
    work.undo()
    assert work.state is first
    assert (work.undo_words, work.redo_words) == (None, "1 seconds")
    work.redo()
    work.redo()
    assert work.state.settings == Settings(2)
    assert work.revision == 7


def test_a_change_forgets_what_was_undone(work):
    work.change(setting(1))
    work.undo()
    work.change(setting(2))
    assert work.redo_words is None
    with pytest.raises(InputError, match="redo: there is nothing to redo"):
        work.redo()


def test_changes_with_one_key_are_undone_at_once(work):
    first = work.state
    for seconds in (1, 2, 3):
        work.change(setting(seconds), "slider")
    work.change(setting(4), "another")
    work.undo()
    assert work.state.settings == Settings(3)
    work.undo()
    assert work.state is first


def test_a_key_does_not_reach_over_an_undo(work):
    work.change(setting(1), "slider")
    work.change(setting(2), "other")
    work.undo()
    work.change(setting(3), "slider")
    work.undo()
    assert work.state.settings == Settings(1)


def test_a_change_that_fails_changes_nothing(work):
    def fails(state):
        raise InputError("no")

    before = work.state
    with pytest.raises(InputError):
        work.change(fails)
    assert (work.state, work.revision, work.undo_words) == (before, 1, None)


def test_so_many_states_can_be_undone(work):
    for number in range(works.MOST_STATES + 20):
        work.change(setting(1 + number))
    for _ in range(works.MOST_STATES):
        work.undo()
    assert work.undo_words is None
    assert work.state.settings == Settings(20)


def test_states_with_many_layers_go_sooner(work, monkeypatch):
    monkeypatch.setattr(works, "MOST_LAYERS", 4)
    name = work.state.stage.layers[0].name
    for x in range(100, 110):
        stage = work.state.stage.snapshot()
        stage.paint(name, [[x, 20]], 8)
        work.change(lambda state, stage=stage: changed(state, "Paint", stage=stage))
    assert len({layer for state in (*work._undo, work.state) for layer in state.stage.layers}) == 4
    assert work.undo_words == "Paint"


def test_a_state_without_any_motion_says_so(work):
    still = State(work.state.stage)
    assert still.problem() == "nothing moves yet: choose a motion for a layer, or for the camera"
    name = work.state.stage.layers[0].name
    moved = changed(still, "", motions={name: (motion.Sway(),)})
    assert moved.problem() is None
    assert changed(moved, "", off=frozenset({name})).problem() == still.problem()


def test_motions_that_do_not_go_together_are_a_problem(work):
    name = work.state.stage.layers[0].name
    both = State(work.state.stage, {name: (motion.Sway(), motion.Water())})
    assert "cannot be added to another motion" in both.problem()


def test_states_that_look_the_same_have_one_key(work):
    name = work.state.stage.layers[0].name
    first = State(work.state.stage, {name: (motion.Sway(),), "": ()})
    assert first.key == State(work.state.stage, {name: (motion.Sway(),)}).key
    assert first.key != State(work.state.stage, {name: (motion.Sway(strength=0.2),)}).key
    assert first.key != changed(first, "", settings=Settings(2)).key
    assert hash(first.key) == hash(State(work.state.stage.snapshot(), {name: (motion.Sway(),)}).key)


def test_a_layer_that_is_off_is_left_out_and_a_region_rests(work):
    stage = work.state.stage.snapshot()
    lake = np.zeros((200, 320), np.uint8)
    lake[150:] = 255
    stage.add("lake", mask=lake, region=True)
    subject = stage.layers[0].name
    playing = State(stage, off=frozenset({subject, "lake"})).playing()
    assert [layer.name for layer in playing.layers] == ["lake"]
    assert [layer.name for layer in stage.layers] == [subject, "lake"]


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_the_work_idle_longest_goes_and_its_owner_is_told(work, monkeypatch):
    monkeypatch.setattr(works, "MOST_WORKS", 3)
    kept, all_ = Works(Clock()), [Work("photo", work.state) for _ in range(4)]
    for one in all_[:3]:
        assert kept.add(one) == []
    assert kept[all_[0].id] is all_[0]  # used once more: the second one is idle longest now
    assert kept.add(all_[3]) == [all_[1]]
    with pytest.raises(Refusal, match="this photo was put away, as more than 3 photos were open") as refusal:
        kept[all_[1].id]
    assert refusal.value.status == 410
    assert len(kept) == 3


def test_idle_works_go(work):
    clock = Clock()
    kept, other = Works(clock), Work("other", work.state)
    kept.add(work)
    clock.now = works.LONGEST_IDLE / 2
    kept.add(other)
    assert kept.sweep() == []
    clock.now = works.LONGEST_IDLE + 1
    assert kept.sweep() == [work]
    with pytest.raises(Refusal, match="nobody asked for it for 12 hours"):
        kept[work.id]
    assert kept[other.id] is other


def test_ids_are_not_guessed(work):
    ids = {Work("photo", work.state).id for _ in range(100)}
    assert len(ids) == 100
    assert min(map(len, ids)) >= 24
    with pytest.raises(Refusal) as refusal:
        Works()["photo"]
    assert refusal.value.status == 404
