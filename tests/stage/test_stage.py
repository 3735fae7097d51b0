"""A photo prepared once: its layers, what editing shares, and what is computed once."""

import inspect
import threading

import cv2
import numpy as np
import pytest
from discs import Discs, disc

from photoflow import Animator, InputError, motion
from photoflow.errors import Cancelled
from photoflow.segment import NoSubjectError, Segmenter
from photoflow.stage import Layer, Stage, composition, layer
from photoflow.stage.said import SAID


@pytest.fixture
def animator():
    return Animator(device="cpu", segmenter=Discs(offline=True), offline=True)


def test_what_is_found_are_layers_with_what_found_them(stage):
    assert [(one.name, one.label, one.source, one.given) for one in stage.layers] == [
        ("subject-1", "disc", "known", False), ("subject-2", "disc", "known", False),
    ]  # fmt: skip
    assert repr(stage) == "<Stage 200x100, subject-1 (disc), subject-2 (disc)>"
    layer = stage.layer("subject-1")
    assert stage.layer(1) is layer and layer.alpha.dtype == np.float32 and layer.alpha[50, 50] == 1
    assert layer.colours.shape == (100, 200, 3) and layer.alpha[50, 140] == 0


def test_the_story_of_the_readme(animator, photo, tmp_path):
    cv2.imwrite(str(tmp_path / "garden.png"), photo[..., ::-1])
    cv2.imwrite(
        str(tmp_path / "water.png"), np.where(np.arange(100)[:, None] > 80, 255, 0) * np.ones((1, 200), np.uint8)
    )
    stage = animator.prepare(tmp_path / "garden.png")
    stage.add("water", mask=tmp_path / "water.png")
    stage.refine("subject-1", add=[(60, 42)], remove=[(90, 90)])
    moves = {"subject-1": motion.Sway(), "water": motion.Drift(arrows=((10, 90, 60, 90),)), 2: motion.Float()}
    clip = animator.animate(stage, moves, seconds=1, fps=4)
    np.testing.assert_array_equal(clip[0], stage.photo)
    assert np.abs(clip[1][85:].astype(int) - photo[85:]).mean() > 1  # the water flows
    stage.save(tmp_path / "garden.stage")
    again = animator.animate(tmp_path / "garden.stage", moves, seconds=1, fps=4)
    for one, other in zip(clip, again, strict=True):
        np.testing.assert_array_equal(one, other)


def test_nothing_is_computed_twice(animator, stage, monkeypatch):
    calls = []
    steps = ((layer, "soft_alpha"), (layer, "own_colours"), (composition, "fill_behind"), (composition, "compose"))
    for home, name in steps:
        real = getattr(home, name)
        monkeypatch.setattr(home, name, lambda *a, n=name, r=real: calls.append(n) or r(*a))
    for move in (motion.Sway(), motion.Breathe(), motion.Translate()):
        animator.animate(stage, move, seconds=1, fps=4)
    once = sorted(name for _, name in steps)
    assert sorted(calls) == once
    animator.animate(stage, {1: motion.Sway(), 2: motion.Float()}, seconds=1, fps=4)
    assert sorted(calls[4:]) == once  # the other disc, and a hole of both
    animator.animate(stage, motion.Float(), seconds=1, fps=4)
    assert len(calls) == 8 and animator.segmenter.looks == 0


def test_editing_shares_what_did_not_change(animator, stage, monkeypatch):
    animator.animate(stage, motion.Sway(), seconds=1, fps=4)
    first, second = stage.layers
    monkeypatch.setattr("photoflow.stage.layer.soft_alpha", lambda *_: 1 / 0)
    monkeypatch.setattr("photoflow.stage.composition.fill_behind", lambda *_: 1 / 0)
    stage.add("sky", mask=np.arange(100)[:, None] * np.ones(200) < 9, region=True)
    stage.arrange(["sky", 1, 2])
    assert stage.layers[1:] == (first, second) and stage.layer("sky").region
    animator.animate(stage, motion.Sway(), subject="subject-1", seconds=1, fps=4)  # a region changes no fill
    stage.remove("sky")
    assert stage.layers == (first, second)


def test_clips_keep_the_layers_they_were_made_of(animator, stage):
    clip = animator.animate(stage, motion.Translate(dx=20), seconds=1, fps=4)
    before, copied = clip[2], stage.copy()
    stage.refine(1, remove=[(50, 50)])
    stage.remove(2)
    np.testing.assert_array_equal(clip[2], before)
    assert len(copied.layers) == 2 and len(stage.layers) == 1
    np.testing.assert_array_equal(animator.animate(copied, motion.Translate(dx=20), seconds=1, fps=4)[2], before)


def test_a_mask_of_labels_makes_a_layer_a_label(photo, tmp_path):
    labels = np.zeros((100, 200), np.int32)
    labels[disc(50) > 127], labels[disc(140) > 127] = 3, 7
    stage = Stage.of(photo, None, Segmenter(offline=True)).add("disc", mask=labels)
    assert [layer.name for layer in stage.layers] == ["disc-3", "disc-7"]
    assert stage.layer(1).mask[50, 50] == 255 == stage.layer(2).mask[50, 140]
    with pytest.raises(InputError, match="expected without box, points and strokes"):
        stage.add("more", mask=labels, points=[(1, 1)])
    with pytest.raises(InputError, match="'disc-3': there is one of this name"):
        stage.add("disc", mask=labels)
    assert len(stage.layers) == 2


def test_coordinates_and_masks_are_the_photos(photo):
    large = cv2.resize(photo, (800, 400), interpolation=cv2.INTER_CUBIC)
    stage = Stage.of(large, 200, Segmenter(offline=True, method="grabcut"))
    assert stage.photo.shape == (100, 200, 3) and stage.look.shape == (400, 800, 3) and stage.photo_size == (800, 400)
    stage.add("one", mask=cv2.resize(disc(50), (800, 400)))
    stage.add("other", box=(450, 100, 220, 200))
    assert stage.layer("one").mask[50, 50] == 255 and stage.layer("other").mask[50, 140] == 255
    overlap = (stage.layer("other").mask > 127) & (disc(140) > 127)
    assert overlap.sum() > 0.9 * (disc(140) > 127).sum()


def test_points_and_strokes_add_up(photo):
    stage = Stage.of(photo, None, Segmenter(offline=True, method="grabcut"))
    stage.add("both", mask=disc(50), strokes=[[(130, 45), (150, 55)]])
    assert stage.layer("both").mask[50, 135] == 255  # the blue disc around the stroke
    stage.refine("both", remove=[(50, 50), [(40, 45), (60, 55)]])
    assert stage.layer("both").mask[50, 45] == 0 and stage.layer("both").mask[50, 140] == 255
    assert stage.layer("both").source == "the given mask, corrected, corrected by hand"


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        (lambda s: s.add("1st", box=(1, 1, 9, 9)), "expected a name of letters"),
        (lambda s: s.add("a b", box=(1, 1, 9, 9)), "expected a name of letters"),
        (lambda s: s.add("subject-1", box=(1, 1, 9, 9)), "there is one of this name"),
        (lambda s: s.add("a"), "expected a mask, a box or a point on it"),
        (lambda s: s.add("a", not_points=[(3, 3)]), "expected a mask, a box or a point on it"),
        (lambda s: s.add("a", box=(1, 1, 9, 9), mask=disc(50)), "only one of mask and box"),
        (lambda s: s.add("a", points=[(300, 3)]), "point: expected X,Y inside the 200x100"),
        (lambda s: s.add("a", points=[]), "point: expected at least one"),
        (lambda s: s.add("a", strokes=[[(3, 3), (4,)]]), "point: expected X,Y in pixels"),
        (lambda s: s.add("a", points=["xy"]), "expected X,Y in pixels"),
        (lambda s: s.add("a", mask=np.ones((3, 3), bool)), "mask: expected 200x100"),
        (lambda s: s.add("a", mask="no/such.png"), "no such file"),
        (lambda s: s.refine("subject-1"), "expected points or strokes to add or to remove"),
        (lambda s: s.refine("nobody", add=[(1, 1)]), "layer 'nobody': expected one of subject-1, subject-2"),
        (lambda s: s.refine(3, add=[(1, 1)]), "expected a number from 1 to 2 or a layer's name, got 3"),
        (lambda s: s.remove("nobody"), "layer 'nobody'"),
        (lambda s: s.arrange(["subject-1"]), "expected each of subject-1, subject-2 once"),
        (lambda s: s.arrange([1, 1]), "expected each of subject-1, subject-2 once"),
        (lambda s: s.save("a.zip"), "expected to end in .stage"),
    ],
)
def test_bad_edits_are_named_in_a_line_and_change_nothing(stage, edit, named):
    before = stage.layers
    with pytest.raises(InputError, match=named) as caught:
        edit(stage)
    assert "\n" not in str(caught.value) and stage.layers == before


def test_a_photo_in_which_nothing_stands_out_is_a_stage_without_layers(animator, photo):
    stage = animator.prepare(np.full_like(photo, 90))
    assert stage.layers == () and stage.note == "nothing in the photo stands out"
    with pytest.raises(NoSubjectError, match="nothing in the photo stands out"):
        animator.animate(stage, motion.Sway())
    stage.add("disc", mask=disc(50))
    assert len(animator.animate(stage, seconds=1, fps=4)) == 4


def test_a_stage_has_its_size_and_layers(animator, stage):
    for more in ({"size": 50}, {"box": (1, 1, 9, 9)}, {"layers": {"a": {"mask": disc(50)}}}):
        with pytest.raises(InputError, match="stage: it has its size and layers"):
            animator.animate(stage, **more)
    with pytest.raises(InputError, match="layers: expected them, or one mask"):
        animator.animate(stage.photo, box=(1, 1, 9, 9), layers={})
    with pytest.raises(InputError, match=r"no/such.stage: no such file"):
        animator.animate("no/such.stage")


def test_what_is_said_is_never_dropped_in_silence(animator, photo, stage):
    said = []
    layers = {"left": {"mask": disc(50)}, "right": {"mask": disc(140)}}
    animator.animate(photo, {"right": motion.Float()}, layers=layers, seconds=1, fps=4, report=said.append)
    assert "left: it stays, no motion is for it" in said and "left: the given mask" in said
    with pytest.raises(InputError, match="subject: expected a motion that names no layer"):
        animator.animate(stage, motion.Sway().on(1), subject=2)
    with pytest.raises(InputError, match="for layer 'subject-1' it names 2"):
        animator.animate(stage, {"subject-1": motion.Sway().on(2)})
    assert set(inspect.signature(Stage.add).parameters) - {"self", "name"} == SAID
    for wrong in ({"a": "mask.png"}, {"a": {"masks": disc(50)}}):
        with pytest.raises(InputError, match="layer 'a': expected a dictionary with box, free, kind, mask"):
            animator.prepare(photo, layers=wrong)
    for wrong in ({}, {"subject-1": "sway"}, {"cow": motion.Sway()}):
        with pytest.raises(InputError):
            animator.animate(stage, wrong)


def test_steps_are_reported_and_work_is_cancelled_between_them(animator, photo):
    said, cancel = [], threading.Event()
    animator.animate(photo, motion.Sway(), seconds=1, fps=4, report=said.append, cancel=cancel)
    assert said == ["subject: known", "cut out: subject-1", "filled behind: subject-1"]
    for stop in said:
        cancel.clear()
        heard = []

        def report(line, stop=stop, heard=heard):
            heard.append(line)
            if line == stop:
                cancel.set()

        with pytest.raises(Cancelled):
            animator.animate(photo, motion.Sway(), seconds=1, fps=4, report=report, cancel=cancel)
        assert heard[-1] == stop
    with pytest.raises(Cancelled):
        animator.prepare(photo, cancel=cancel)


def test_threads_share_a_stage_and_an_animator(photo):
    animator = Animator(device="cpu", segmenter=Segmenter(offline=True, method="grabcut"))
    stage = animator.prepare(photo, layers={"a": {"mask": disc(50)}, "b": {"mask": disc(140)}})
    ways = [
        lambda: animator.animate(stage, {"a": motion.Sway(), "b": motion.Float()}, seconds=1, fps=4),
        lambda: animator.animate(stage, motion.Translate(dx=9), seconds=1, fps=4),
        lambda: animator.animate(photo, seconds=1, fps=4),
        lambda: animator.animate(photo, box=(25, 25, 50, 50), seconds=1, fps=4),
    ]
    expected = [way()[1].tobytes() for way in ways]
    found, errors = [[] for _ in ways], []

    def work(number):
        try:
            found[number % len(ways)].append(ways[number % len(ways)]()[1].tobytes())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == [] and [set(one) for one in found] == [{one} for one in expected]


def test_a_layer_is_a_region_or_a_subject_and_both_are_kept(photo):
    layer = Layer("a", photo, disc(50), "hand")
    region = layer.as_region(True)
    assert layer.as_region(False) is layer and layer.as_region(True) is region and region.region
    assert region.colours is photo and 0 < region.alpha[50, 71] < 1  # softened, not cut out
