"""Faces that move: looked for in the photo, and put on their layers; a stand-in finds the face that is drawn."""

from __future__ import annotations

from dataclasses import replace

import drawn_face as drawn
import numpy as np
import pytest

from photoflow import Animator, motion
from photoflow.errors import InputError
from photoflow.motion import Face
from photoflow.motion.face.landmarks import CHOSEN
from photoflow.segment.faces import Face as FoundFace
from photoflow.segment.faces import NoFaceError
from photoflow.stage import Stage, face_finder
from photoflow.stage.face_finder import FaceLandmarks
from photoflow.stage.progress import Progress
from photoflow.weights import WeightsError, locate


def found(points=None, scale=1.0, shift=(0.0, 0.0)) -> FoundFace:
    """The drawn face, as a network would find it."""
    points = drawn.landmarks() if points is None else points
    mesh = np.zeros((478, 2), np.float32)
    mesh[list(CHOSEN)] = np.array(points) * scale + shift
    corner, size = (drawn.CENTRE - drawn.HALF) * scale + shift, 2 * drawn.HALF * scale
    box = (int(corner[0]), int(corner[1]), int(size[0]), int(size[1]))
    return FoundFace(box, np.float32(np.array(drawn.five()) * scale + shift), 0.9, mesh)


@pytest.fixture
def faces(monkeypatch: pytest.MonkeyPatch) -> list[FoundFace]:
    """What is found in any photo."""
    there = [found()]
    monkeypatch.setattr(face_finder, "FaceFinder", lambda offline: lambda photo: there)
    monkeypatch.setattr(face_finder, "FaceMesh", lambda offline: lambda photo, face: face)
    return there


def planned(parts, stage=None, subject=1):
    said: list[str] = []
    stage = stage or Stage.of(drawn.picture())
    return FaceLandmarks(True)(parts, stage, subject, Progress(said.append)), said


def masked(left: int, right: int) -> np.ndarray:
    mask = np.zeros(drawn.SIZE, np.float32)
    mask[:, left:right] = 1
    return mask


def test_a_face_gets_its_landmarks_and_other_motions_stay(faces: list[FoundFace]) -> None:
    parts, said = planned([(None, 0.5 * Face(seed=3)), (None, motion.Breathe())])
    assert parts == [(None, 0.5 * Face(seed=3, landmarks=drawn.landmarks())), (None, motion.Breathe())]
    assert said == ["face: found, 99 pixels; eyes and mouth"]
    assert planned([(None, motion.Sway())]) == ([(None, motion.Sway())], [])


def test_given_landmarks_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(face_finder, "FaceFinder", None)  # nobody looks for a face
    given = Face(landmarks=drawn.five())
    assert planned([(None, given)]) == ([(None, given)], [])


def test_the_face_goes_to_the_layer_in_front_that_has_it(faces: list[FoundFace]) -> None:
    stage = Stage.of(drawn.picture()).add("tree", mask=masked(0, 40)).add("person", mask=masked(50, 150))
    (part,), _ = planned([(None, Face())], stage)
    assert part[0] == "person"
    with pytest.raises(NoFaceError, match="face: expected a face in tree, found none"):
        planned([("tree", Face())], stage)
    faces.append(found(scale=0.4, shift=(-20, 0)))
    (part,), _ = planned([("tree", Face())], stage)
    assert part[0] == "tree" and part[1].landmarks[0][0] < 40


def test_faces_of_about_one_size_live_each_in_its_own_time(faces: list[FoundFace]) -> None:
    photo = np.hstack([drawn.picture(), drawn.picture()])
    faces += [found(shift=(200, 0)), found(scale=0.4, shift=(170, 0))]  # the last one is of a passer-by
    parts, said = planned([(None, Face(seed=4))], Stage.of(photo))
    assert [motion.seed for _, motion in parts] == [4, 5] and len(said) == 2
    assert parts[1][1].landmarks[0] == (drawn.landmarks()[0][0] + 200, drawn.landmarks()[0][1])
    clip = Animator("cpu").animate(photo, Face(turn=0, breath=0, smile=0, gaze=0, seed=4))
    apart = np.stack([np.abs(frame.astype(int) - photo)[75:105].max(axis=(0, 2)) for frame in clip])
    blinks = [np.flatnonzero(apart[:, side : side + 200].max(axis=1) > 60) for side in (0, 200)]
    assert len(blinks[0]) > 4 and len(blinks[1]) > 4 and blinks[0][0] != blinks[1][0]
    assert apart[:, 150:250].max() == 0 and np.array_equal(clip[0], photo)


def test_landmarks_are_in_pixels_of_the_photo_whatever_the_size_of_the_clip(
    faces: list[FoundFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = np.repeat(np.repeat(drawn.picture(), 12, axis=0), 12, axis=1)
    stage = Stage.of(photo, 480)
    faces[0] = found(scale=12 * stage.look_scale)
    (part,), _ = planned([(None, Face())], stage)
    np.testing.assert_allclose(part[1].landmarks, np.array(drawn.landmarks()) * 12, atol=0.2)


def test_no_face_and_too_small_a_one_end_in_one_line(faces: list[FoundFace]) -> None:
    faces[:] = [found(scale=0.2)]
    with pytest.raises(InputError, match=r"^face: expected a face of at least 24 pixels, found one of 19$"):
        Animator("cpu").animate(drawn.picture(), Face())
    faces[:] = [found(scale=0.242)]  # of 23.8 pixels
    with pytest.raises(InputError, match=r"at least 24 pixels, found one of 23$"):
        Animator("cpu").animate(drawn.picture(), Face())
    faces.clear()
    with pytest.raises(NoFaceError, match=r"^face: expected a face in the photo, found none$"):
        Animator("cpu").animate(drawn.picture(), Face())


def test_eyes_that_are_hidden_rest(faces: list[FoundFace]) -> None:
    photo = drawn.picture()
    photo[60:105, 55:145] = (20, 20, 20)
    (part,), said = planned([(None, Face())], Stage.of(photo))
    assert (part[1].blink, part[1].gaze, part[1].turn) == (0, 0, 1) and said[0].endswith("are not seen well: they rest")


def test_without_the_landmark_network_the_head_moves_alone(
    faces: list[FoundFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(offline: bool) -> None:
        raise WeightsError("absent")

    faces[0] = replace(faces[0], mesh=None)
    monkeypatch.setattr(face_finder, "FaceMesh", missing)
    (part,), said = planned([(None, Face())])
    assert part[1].landmarks == drawn.five() and "no landmarks of eyes and mouth: they rest" in said[0]


def test_a_clip_keeps_the_landmarks_that_were_found(faces: list[FoundFace], tmp_path) -> None:
    clip = Animator("cpu").animate(drawn.picture(), Face(), seconds=2)
    clip.motion.save(tmp_path / "face.json")
    again = motion.load(tmp_path / "face.json")
    faces.clear()
    same = Animator("cpu").animate(drawn.picture(), again, seconds=2)
    assert np.array_equal(clip[25], same[25]) and not np.array_equal(clip[25], clip[0])


def test_by_itself_only_people_live_and_only_with_networks_at_hand(
    faces: list[FoundFace], monkeypatch: pytest.MonkeyPatch
) -> None:
    there = {"face_mesh", "iris", "yunet"}
    monkeypatch.setattr(face_finder, "locate", lambda name: name if name in there else None)

    def at_hand(kind: str) -> list[tuple[str, Face]]:
        stage = Stage.of(drawn.picture()).add("one", mask=masked(50, 150), kind=kind)
        return FaceLandmarks(True).at_hand(stage, Progress(lambda line: None))

    ((name, living),) = at_hand("person")
    assert name == "one" and living.landmarks == drawn.landmarks()
    assert len(at_hand("unknown")) == 1 and at_hand("rigid") == at_hand("animal") == []
    faces[0] = found(scale=0.1)
    assert at_hand("person") == []
    faces[0] = found()
    there.remove("yunet")
    assert at_hand("person") == []
    there.add("blazeface")
    clip = Animator("cpu").animate(drawn.picture(), layers={"one": {"mask": masked(50, 150), "kind": "person"}})
    assert any(isinstance(part.motion, Face) for part in clip.motion.motions)


@pytest.mark.skipif(
    not all(locate(name) for name in ("blazeface", "face_mesh", "iris")),
    reason="the weights blazeface, face_mesh and iris are not at hand",
)
def test_the_astronaut_blinks() -> None:
    photo = pytest.importorskip("skimage.data").astronaut()
    said: list[str] = []
    clip = Animator("cpu", offline=True).animate(photo, Face(), report=said.append)
    assert said[-1].endswith("pixels; eyes and mouth") and np.array_equal(clip[0], photo)
    still = Animator("cpu", offline=True).animate(photo, Face(blink=0))
    apart = [np.abs(clip[i].astype(int) - still[i])[95:115, 190:255].mean() for i in range(30, 80, 2)]
    assert max(apart) > 10 and min(apart) == 0
