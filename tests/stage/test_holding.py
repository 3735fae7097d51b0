"""What of a layer is free and what is pinned: said, kept, saved, and done."""

import numpy as np
import pytest
from discs import Discs, disc
from rewriting import rewritten

from photoflow import Animator, InputError, motion
from photoflow.stage import Stage


@pytest.fixture
def animator():
    return Animator(device="cpu", segmenter=Discs(offline=True), offline=True)


def test_a_pinned_part_stays_and_the_free_one_moves(animator, photo):
    layers = {"left": {"mask": disc(50), "free": [(50, 33)], "pinned": [[(38, 62), (62, 62)]]}}
    clip = animator.animate(photo, motion.Translate(dx=6), layers=layers, seconds=1, fps=4)
    flow = clip.renderer.flow(0.5)
    assert flow[0, 33, 50] == pytest.approx(6, abs=0.05) and np.abs(flow[:, 62, 40:60]).max() < 0.05
    middle = flow[0, 34:62, 50]
    assert (np.diff(middle) < 0.01).all()


def test_what_is_found_can_be_held_without_being_said(animator, photo):
    clip = animator.animate(photo, motion.Translate(dx=6), layers={"subject-2": {"pinned": [(140, 50)]}}, subject=2)
    flow = clip.renderer.flow(2.0)
    assert flow[0, 50, 140] < 0.6 and flow[0, 34, 140] > 3
    with pytest.raises(InputError, match="layer 'cat': expected one of subject-1, subject-2"):
        animator.animate(photo, motion.Sway(), layers={"cat": {"pinned": [(140, 50)]}})


def test_what_transparency_says_can_be_held(animator, photo):
    cut_out = np.dstack([photo, disc(50)])
    clip = animator.animate(cut_out, motion.Translate(dx=6), layers={"subject-1": {"pinned": [[(40, 60), (60, 60)]]}})
    flow = clip.renderer.flow(2.0)
    assert flow[0, 33, 50] > 4 and flow[0, 60, 45:55].max() < 0.6 and not flow[:, :, 120:].any()


def test_what_flows_is_not_held(animator, photo):
    layers = {"it": {"mask": disc(50), "pinned": [(50, 50)]}}
    with pytest.raises(InputError, match="drift: it flows inside it; expected nothing free or pinned there"):
        animator.animate(photo, motion.Drift(direction=0), layers=layers)


def test_holds_are_replaced_lifted_and_need_no_new_fill(stage):
    stage.fill()
    before = stage.compose([stage.layer(1)], [stage.layer(2)])
    stage.hold(1, free=[(45, 50)], pinned=[(60, 50)])
    assert stage.layer(1).is_cut_out and stage.layer(1).weights[50, 60] == 0
    after = stage.compose([stage.layer(1)], [stage.layer(2)])
    np.testing.assert_array_equal(after.background, before.background)
    assert (frozenset([stage.layer(1)]), frozenset([stage.layer(2)])) in [one[:2] for one in stage._composed.fills()]
    stage.hold(1, free=[(60, 50)], pinned=[])
    assert stage.layer(1).free == (((60.0, 50.0),),) and stage.layer(1).pinned == ()
    stage.hold(1, free=[])
    assert stage.layer(1).weights is None


def test_coordinates_are_those_of_the_photo(photo):
    large = np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1)
    stage = Stage.of(large, 200).add(
        "it", mask=np.repeat(np.repeat(disc(50), 2, 0), 2, 1), pinned=[[(100, 100), (90, 90)]]
    )
    assert stage.layer("it").pinned == (((50.0, 50.0), (45.0, 45.0)),)


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ({}, "expected points or strokes that are free or pinned"),
        ({"free": [(150, 50)]}, "free: expected points on subject-1, got 150,50"),
        ({"pinned": [(900, 50)]}, "expected X,Y inside the 200x100 picture"),
        ({"free": [[(50, 50), "x"]]}, "expected X,Y in pixels"),
        ({"free": [3]}, "free: expected X,Y in pixels"),
    ],
)
def test_bad_holds_are_refused(stage, said, named):
    with pytest.raises(InputError, match=named):
        stage.hold("subject-1", **said)


def test_a_region_cannot_be_held_and_what_cannot_be_held_is_not_added(photo):
    stage = Stage.of(photo)
    for more, named in (
        ({"region": True, "free": [(50, 50)]}, "it is a region"),
        ({"pinned": [(5, 5)]}, "points on it"),
    ):
        with pytest.raises(InputError, match=named):
            stage.add("it", mask=disc(50), **more)
        assert stage.layers == ()


def test_holds_are_in_the_file_and_older_files_have_none(photo, tmp_path):
    stage = Stage.of(photo).add("it", mask=disc(50), free=[[(45, 40), (55, 40)]], pinned=[(50, 60)])
    stage.save(tmp_path / "a.stage")
    again = Stage.load(tmp_path / "a.stage").layer("it")
    assert (again.free, again.pinned) == (stage.layer(1).free, stage.layer(1).pinned)
    np.testing.assert_array_equal(again.weights, stage.layer(1).weights)

    def before(layer):
        del layer["free"], layer["pinned"]

    old = Stage.load(rewritten(tmp_path / "a.stage", tmp_path / "old.stage", before)).layer("it")
    assert (old.free, old.pinned, old.weights) == ((), (), None)


@pytest.mark.parametrize(
    "wrong",
    [None, 3, [3], [[]], [[3, 4]], [[[3]]], [[[3, 4, 5]]], [[["a", 4]]], [[[-1, 4]]], [[[3, 100]]], [[[True, 1]]]],
)
def test_damaged_holds_are_refused(photo, tmp_path, wrong):
    Stage.of(photo).add("it", mask=disc(50), free=[(50, 40)]).save(tmp_path / "a.stage")
    for key in ("free", "pinned"):
        path = rewritten(tmp_path / "a.stage", tmp_path / "b.stage", lambda layer, key=key: layer.update({key: wrong}))
        with pytest.raises(InputError, match=r"'layers' in stage\.json is not what it should be"):
            Stage.load(path)
