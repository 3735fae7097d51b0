"""What is chosen where nobody says how a thing moves."""

import cv2
import numpy as np
import pytest
from discs import Discs, disc
from rewriting import rewritten

from photoflow import Animator, InputError, motion
from photoflow.segment import NoSubjectError, Segmenter
from photoflow.segment.kinds import KINDS
from photoflow.stage import Stage
from photoflow.stage.judgement import chosen, resolved


@pytest.fixture
def animator():
    return Animator(device="cpu", segmenter=Discs(offline=True), offline=True)


def staged(photo, **kinds):
    """A stage with a layer of each kind, side by side."""
    stage = Stage.of(photo)
    for number, (name, kind) in enumerate(kinds.items()):
        mask = np.zeros(photo.shape[:2], np.uint8)
        mask[5:95, 5 + 40 * number : 43 + 40 * number] = 255
        stage.add(name, mask=mask, kind=kind, region=kind in ("sky", "water", "smoke"))
    return stage


def names(parts):
    return [(name, one.name) for name, one in parts]


def test_each_kind_moves_as_such_things_do(photo):
    expected = {
        "person": "breathe", "animal": "breathe", "plant": "spectral", "cloth": "spectral", "flame": "spectral",
        "hanging": "spectral", "water": "water", "sky": None, "smoke": None, "rigid": None, "unknown": None,
    }  # fmt: skip
    assert expected.keys() == set(KINDS)
    for kind, wanted in expected.items():
        moves = dict(chosen(staged(photo, thing=kind)))
        assert (moves["thing"].name if "thing" in moves else None) == wanted, kind
        assert (None in moves) == (wanted != "spectral"), kind


def test_the_camera_moves_where_leaves_stir_in_a_part_of_the_picture(photo):
    for share, filmed in ((0.4, True), (0.9, False)):
        stage = Stage.of(photo)
        mask = np.arange(100)[:, None] * np.ones(200) < 100 * share
        stage.add("hedge", mask=mask, kind="plant", region=True)
        moves = dict(chosen(stage))
        assert moves["hedge"].source == "foliage" and (None in moves) == filmed


def test_material_drifts_where_it_flows(photo):
    stage = staged(photo, sky="sky", river="water")
    stage._layers = tuple(layer.changed(direction=(0.0, 1.0)) for layer in stage.layers)
    moves = dict(chosen(stage))
    assert set(moves) == {"sky", "river", None} and isinstance(moves["river"], motion.Drift)
    assert moves["sky"].direction == 90 and moves["sky"].speed < moves["river"].speed


def test_what_is_said_is_not_chosen_as_well(photo):
    stage = staged(photo, cat="animal", bush="plant")
    auto = (None, motion.Auto())
    assert names(resolved([auto], stage)) == [("cat", "breathe"), ("bush", "spectral"), (None, "camera")]
    said = ("cat", motion.Float())
    assert names(resolved([said, auto], stage)) == [("cat", "float"), ("bush", "spectral"), (None, "camera")]
    camera = (None, motion.Camera(pan=0.05))
    assert resolved([auto, camera], stage)[-1] == camera and names(resolved([auto, camera], stage))[-2][0] == "bush"
    assert names(resolved([("bush", motion.Auto())], stage)) == [("bush", "spectral")]


def test_a_face_lives_beside_what_its_layer_does(photo):
    stage = staged(photo, her="person", thing="unknown", bush="plant")
    face = motion.Face(landmarks=((1, 1), (3, 1), (2, 2), (1, 3), (3, 3)))
    faces = [("her", face), ("thing", face)]
    auto = (None, motion.Auto())
    parts = resolved([auto], stage, faces=faces)
    assert names(parts) == [
        ("her", "breathe"), ("her", "face"), ("thing", "face"), ("bush", "spectral"), (None, "camera")
    ]  # fmt: skip
    assert (parts[1][1].breath, parts[2][1].breath) == (0, 1)  # one breath is enough
    assert names(resolved([("thing", motion.Auto())], stage, faces=faces)) == [("thing", "face")]
    half = resolved([("her", 0.5 * motion.Auto())], stage, faces=faces)
    assert half[1] == ("her", 0.5 * motion.Face(landmarks=face.landmarks, breath=0))
    said = resolved([("her", motion.Float()), auto], stage, faces=faces)
    assert names(said) == [("her", "float"), ("thing", "face"), ("bush", "spectral"), (None, "camera")]
    assert "face" not in dict(names(resolved([(None, 2 * motion.Face(seed=4)), auto], stage, faces=faces))[1:]).values()


def test_a_subject_alone_is_chosen_for(animator, photo):
    stage = staged(photo, cat="animal", bush="plant")
    both = animator.animate(stage, subject="all", seconds=1, fps=4)
    assert names(both.motion.terms()) == [("cat", "breathe"), ("bush", "spectral"), (None, "camera")]
    assert names(animator.animate(stage, subject=2, seconds=1, fps=4).motion.terms()) == [(2, "spectral")]
    more = animator.animate(stage, motion.Auto() + motion.Float(), subject="bush", seconds=1, fps=4)
    assert names(more.motion.terms()) == [("bush", "spectral"), (None, "float")]


def test_a_scaled_choice_is_the_choice_scaled(photo):
    stage = staged(photo, cat="animal")
    parts = resolved([(None, 0.5 * motion.Auto())], stage)
    assert parts[0] == ("cat", 0.5 * dict(chosen(stage))["cat"])


def test_a_rigid_thing_is_told_how_to_move(photo):
    stage = staged(photo, car="rigid")
    with pytest.raises(InputError, match=r"auto: car \(rigid\) had better stay as it is; expected a motion for it"):
        resolved([("car", motion.Auto())], stage)


@pytest.mark.parametrize("flat", [0, 128, 255])
def test_a_photo_with_nothing_in_it_gets_a_camera(animator, flat):
    clip = animator.animate(np.full((60, 90, 3), flat, np.uint8), seconds=1, fps=4)
    assert [one.name for _, one in clip.motion.terms()] == ["camera"]
    assert all(np.abs(frame.astype(int) - flat).max() <= 1 for frame in clip)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (2, 3), (9, 300)])
def test_the_least_photos_get_a_camera_too(size):
    photo = np.random.default_rng(0).integers(0, 255, (*size, 3), dtype=np.uint8)
    clip = Animator(device="cpu", segmenter=Nothing(), offline=True).animate(photo, seconds=1, fps=4)
    assert clip[2].shape == (*size, 3)
    np.testing.assert_array_equal(clip[0], photo)


def test_where_no_camera_may_move_the_subject_hovers(photo):
    """As a whole: what is rigid or unknown must not bend."""
    stage = staged(photo, car="rigid", cat="unknown")
    assert names(resolved([(None, motion.Auto())], stage, film=False)) == [("car", "float")]
    with pytest.raises(InputError, match="nothing in the photo moves by itself, and the camera may not"):
        resolved([(None, motion.Auto())], staged(photo), film=False)


def test_a_subject_is_cut_out_where_it_is_wanted_alone(animator, photo):
    clip = animator.animate(photo, mask=disc(50), seconds=1, fps=4)
    assert [one.name for _, one in clip.motion.terms()] == ["camera"]
    first, *_, last = clip.cutouts()
    assert first.shape == (100, 200, 4) and first[5, 5, 3] == 0 and first[50, 50, 3] == 255
    assert (last[..., 3] > 127).sum() > (first[..., 3] > 127).sum()  # it grows


def test_what_was_chosen_repeats_the_clip(animator, photo):
    clip = animator.animate(photo, seconds=1, fps=4)
    again = animator.animate(photo, clip.motion, seconds=1, fps=4)
    for one, other in zip(clip, again, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(clip[0], photo)


def test_kinds_are_kept_in_the_file(photo, tmp_path):
    stage = staged(photo, cat="animal", pond="water")
    stage.add("whiskers", mask=np.eye(*photo.shape[:2]) > 0, kind="tabby")
    stage._layers = tuple(layer.changed(direction=(-1.0, 0.0)) if layer.region else layer for layer in stage.layers)
    stage.save(tmp_path / "a.stage")
    again = Stage.load(tmp_path / "a.stage")
    for one, other in zip(stage.layers, again.layers, strict=True):
        assert (one.known_kind, one.label, one.direction) == (other.known_kind, other.label, other.direction)
    assert again.layer("whiskers").label == "tabby" and again.layer("pond").direction == (-1.0, 0.0)


def test_a_file_of_before_there_were_kinds(photo, tmp_path):
    staged(photo, cat="animal").save(tmp_path / "a.stage")

    def before(layer):
        for name in ("label", "sure", "why", "direction"):
            layer.pop(name)
        layer["kind"] = "cat"

    old = Stage.load(rewritten(tmp_path / "a.stage", tmp_path / "old.stage", before)).layer("cat")
    assert old.label == "cat" and old.kind.name == "animal" and old.direction is None


@pytest.mark.parametrize(
    "wrong",
    [{"sure": 2}, {"sure": "much"}, {"direction": [1]}, {"direction": [0, 0]}, {"direction": [9, 9]}, {"label": 3},
     {"direction": ["a", "b"]}, {"other": 1}],
)  # fmt: skip
def test_a_damaged_description_is_refused(photo, tmp_path, wrong):
    staged(photo, cat="animal").save(tmp_path / "a.stage")
    path = rewritten(tmp_path / "a.stage", tmp_path / "b.stage", lambda layer: layer.update(wrong))
    with pytest.raises(InputError, match=r"'layers' in stage\.json is not what it should be"):
        Stage.load(path)


class Nothing(Segmenter):
    def __call__(self, rgb, **_):
        raise NoSubjectError("nothing in the photo stands out")


def test_sky_is_found_by_itself():
    """Clouds above a field: they drift, and nothing else moves."""
    animator = Animator(device="cpu", segmenter=Nothing(), offline=True)
    random = np.random.default_rng(1)
    noise = cv2.GaussianBlur(random.normal(size=(240, 360)).astype(np.float32), (0, 0), 12)
    clouds = np.clip((noise - noise.min()) / np.ptp(noise) * 2 - 0.6, 0, 1)[..., None]
    photo = np.uint8((1 - clouds) * (90, 150, 225) + clouds * (245, 245, 245))
    photo[140:] = np.clip(np.array((70, 60, 40)) + random.normal(size=(100, 360, 1)) * 12, 0, 255)
    clip = animator.animate(photo, seconds=2, fps=4)
    assert [(target, one.name) for target, one in clip.motion.terms()] == [("sky", "drift"), (None, "camera")]
    drift = next(iter(clip.motion.terms()))
    alone = animator.animate(photo, drift[1].on("sky"), seconds=2, fps=4)
    changed = np.abs(alone[3].astype(int) - photo).max(axis=2)
    assert changed[:120].mean() > 0.5 and changed[150:].max() == 0
