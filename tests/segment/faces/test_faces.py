"""Faces: how they are found, told apart and chosen; the real networks where their weights are at hand."""

from __future__ import annotations

import types
from pathlib import Path

import cv2
import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.segment.faces import (
    Face,
    FaceEmbedder,
    FaceFinder,
    FaceMesh,
    NoFaceError,
    detecting,
    face_embedding,
    find_faces,
    mesh,
    one_face,
)
from photoflow.segment.faces.blazeface import BlazeFace
from photoflow.segment.faces.face import without_doubles
from photoflow.weights import loading as weights
from photoflow.weights.loading import WeightsError

HERE = all(weights.locate(name) for name in ("blazeface", "face_mesh", "iris"))
needs_weights = pytest.mark.skipif(not HERE, reason="the weights blazeface, face_mesh and iris are not at hand")


def face(left: int = 10, size: int = 100, score: float = 0.9, top: int = 10) -> Face:
    points = np.float32([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80]]) * size / 100 + (left, top)
    return Face((left, top, size, size), points.astype(np.float32), score)


def test_the_only_face_is_the_one() -> None:
    only = face()
    assert one_face([only]) is only and only.size == 100


def test_a_face_is_meant_where_it_is_twice_as_large_as_any_other() -> None:
    large = face(size=200)
    assert one_face([face(300, 100), large, face(600, 80)]) is large
    with pytest.raises(InputError, match=r"^a\.jpg: expected one face, found 2 of similar size; crop the photo to"):
        one_face([face(300, 101), large, face(600, 80)], "a.jpg")


def test_no_face_and_too_small_a_face_are_one_line() -> None:
    with pytest.raises(NoFaceError, match=r"^photo: expected a face, found none$"):
        one_face([])
    with pytest.raises(InputError, match=r"^b\.jpg: expected a face of at least 256 pixels, found one of 200$"):
        one_face([face(size=200)], "b.jpg", least=256)


def test_of_two_over_each_other_the_more_certain_one_stays_and_the_largest_is_first() -> None:
    small, sure, doubtful = face(500, 60, 0.9), face(0, 100, 0.9), face(5, 110, 0.8)
    assert without_doubles([small, doubtful, sure]) == [sure, small]


class StandIn:
    """In the place of OpenCV's detector, whose weights are fetched: answers with rows as that documents them."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []

    def setInputSize(self, size: tuple[int, int]) -> None:
        self.sizes.append(size)

    def detect(self, picture: np.ndarray) -> tuple[int, np.ndarray | None]:
        assert picture.shape[1::-1] == self.sizes[-1]
        assert picture[0, 0].tolist() == [30, 20, 10]  # blue first
        if self.sizes[-1][0] == 320:
            return 1, None
        row = [100, 50, 40, 48, *(110, 60, 130, 61, 120, 70, 112, 85, 128, 86), 0.95]
        return 1, np.float32([row])


def test_yunet_is_shown_two_sizes_and_its_rows_come_back_in_the_photos_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    detector = StandIn()
    monkeypatch.setattr(cv2, "FaceDetectorYN", types.SimpleNamespace(create=lambda *_: detector))
    photo = np.full((960, 2560, 3), (10, 20, 30), np.uint8)
    (found,) = detecting.YuNet(Path("yunet.onnx"))(photo)
    assert detector.sizes == [(320, 120), (1280, 480)]
    assert found.box == (200, 100, 80, 96) and found.score == pytest.approx(0.95) and found.mesh is None
    np.testing.assert_allclose(found.points, np.float32([[220.5, 120.5], [260.5, 122.5], [240.5, 140.5], [224.5, 170.5],
                                                         [256.5, 172.5]]))  # fmt: skip


@pytest.mark.parametrize("make", [detecting.YuNet, BlazeFace, lambda path: FaceEmbedder(path=path)])
def test_a_file_that_is_no_network_is_one_line(make: object, tmp_path: Path) -> None:
    (tmp_path / "broken").write_bytes(b"no network")
    with pytest.raises(WeightsError, match=r"got another file$"):
        make(tmp_path / "broken")  # type: ignore[operator]


def test_without_weights_it_is_said_what_to_fetch(cache: Path) -> None:
    with pytest.raises(WeightsError, match=r"^faces: expected the weights yunet or blazeface, absent, and offline"):
        find_faces(np.zeros((8, 8, 3), np.uint8), offline=True)
    with pytest.raises(WeightsError, match=r"^weights 'face_mesh': expected the file"):
        FaceMesh(offline=True)
    with pytest.raises(WeightsError, match=r"^weights 'sface': expected the file"):
        face_embedding(np.zeros((8, 8, 3), np.uint8), face(), offline=True)


def test_the_network_at_hand_is_taken_and_else_one_is_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(detecting, "YuNet", lambda path: ("yunet", path))
    monkeypatch.setattr(detecting, "BlazeFace", lambda path: ("blazeface", path))
    monkeypatch.setattr(weights, "locate", lambda name: Path(name) if name == "blazeface" else None)
    assert detecting._detector(False) == ("blazeface", Path("blazeface"))

    def fetch(name: str, offline: bool) -> Path:
        asked.append(name)
        if name == "yunet":
            raise WeightsError("unreachable")
        return Path(name)

    monkeypatch.setattr(weights, "locate", lambda name: None)
    monkeypatch.setattr(weights, "fetch", fetch)
    assert detecting._detector(False) == ("blazeface", Path("blazeface")) and asked == ["yunet", "blazeface"]


@pytest.mark.parametrize("photo", [np.zeros((8, 8), np.uint8), np.zeros((8, 8, 3), np.float32)])
def test_a_photo_is_checked(photo: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"^photo: expected uint8 \(H, W, 3\)"):
        FaceFinder(offline=True)(photo)


def test_a_turned_square_comes_back_to_the_photo() -> None:
    photo = np.zeros((300, 400, 3), np.uint8)
    photo[98:103, 218:223] = 255  # around 220, 100
    seen, back = mesh.turned(photo, (200.0, 120.0), 160.0, np.float32([3, 1]), 80)
    bright = np.argwhere(seen[..., 0] > 100).mean(axis=0)[::-1] + 0.5
    np.testing.assert_allclose(mesh.moved(bright[None], back)[0], (220, 100), atol=0.7)
    # What the direction names is level: along it the square's y does not change.
    np.testing.assert_allclose(np.linalg.inv(back[:, :2]) @ (3, 1), (np.hypot(3, 1) / 2, 0), atol=1e-6)


def tiny_recogniser(path: Path, length: int = 128) -> None:
    """Write an ONNX network with the input and output of OpenCV's recogniser: colours' means, weighted."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    weight = np.random.default_rng(0).normal(size=(length, 3)).astype(np.float32)
    nodes = [
        helper.make_node("GlobalAveragePool", ["data"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("Gemm", ["flat", "weight", "bias"], ["fc1"], transB=1),
    ]
    values = {"weight": weight, "bias": np.zeros(length, np.float32)}
    constants = [onnx.numpy_helper.from_array(value, name) for name, value in values.items()]
    graph = helper.make_graph(
        nodes, "tiny", [helper.make_tensor_value_info("data", kind, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("fc1", kind, [1, length])], constants,
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 11)], ir_version=8), str(path))


def test_an_embedding_has_unit_length_and_follows_the_face(tmp_path: Path) -> None:
    tiny_recogniser(tmp_path / "tiny.onnx")
    embed = FaceEmbedder(path=tmp_path / "tiny.onnx")
    photo = np.zeros((200, 400, 3), np.uint8)
    photo[:, :200], photo[:, 200:] = (200, 40, 10), (10, 40, 200)
    left, again, right = embed(photo, face(40)), embed(photo, face(60, 80, top=40)), embed(photo, face(260))
    assert left.shape == (128,) and left.dtype == np.float32 and np.linalg.norm(left) == pytest.approx(1, abs=1e-5)
    assert left @ again > 0.999 and left @ right < 0.9


def test_a_recogniser_of_another_length_is_refused(tmp_path: Path) -> None:
    tiny_recogniser(tmp_path / "tiny.onnx", length=64)
    with pytest.raises(InputError, match=r"expected a network that answers with 128 numbers, got 64"):
        FaceEmbedder(path=tmp_path / "tiny.onnx")(np.full((200, 200, 3), 90, np.uint8), face())


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.asarray(pytest.importorskip("skimage.data").astronaut())


@needs_weights
def test_the_face_of_a_photo_is_found_with_its_landmarks(astronaut: np.ndarray) -> None:
    (found,) = find_faces(astronaut, offline=True)
    left, top, width, height = found.box
    assert 170 < left < 190 and 60 < top < 80 and 85 < width < 115 and 95 < height < 120 and found.score > 0.8
    expected = [[202, 104], [243, 106], [223, 125], [201, 142], [243, 143]]
    np.testing.assert_allclose(found.points, expected, atol=6)
    assert found.mesh is not None and found.mesh.shape == (478, 2)
    for eye, iris, centre in ((mesh.RIGHT_EYE, 468, (202, 104)), (mesh.LEFT_EYE, 473, (243, 106))):
        lower, upper = found.mesh[list(eye[: mesh.LOWER])], found.mesh[list(eye[mesh.LOWER :])]
        assert upper[:, 1].mean() < lower[:, 1].mean()
        np.testing.assert_allclose(found.mesh[iris], centre, atol=4)


@needs_weights
def test_what_is_no_face_is_not_found(astronaut: np.ndarray) -> None:
    assert find_faces(astronaut[300:], offline=True) == []


@needs_weights
@pytest.mark.parametrize("turns", [15, -30])
def test_a_turned_head_has_its_landmarks_turned(astronaut: np.ndarray, turns: int) -> None:
    (upright,) = find_faces(astronaut, offline=True)
    matrix = cv2.getRotationMatrix2D((222, 115), turns, 1.0)
    (found,) = find_faces(cv2.warpAffine(astronaut, matrix, (512, 512)), offline=True)
    assert upright.mesh is not None and found.mesh is not None
    apart = np.linalg.norm(mesh.moved(upright.mesh, matrix) - found.mesh, axis=1)
    assert apart.mean() < 0.04 * upright.size


@needs_weights
def test_where_there_is_no_face_there_is_no_mesh(astronaut: np.ndarray) -> None:
    network = FaceMesh(offline=True)
    assert network(astronaut, face(300, 100, top=350)).mesh is None
