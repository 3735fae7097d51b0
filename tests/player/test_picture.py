"""The moving picture moves as the renderer draws."""

from dataclasses import replace

import cv2
import drawn_face as drawn
import numpy as np
import pytest
import skimage.data

from photoflow import Animator, motion
from photoflow.errors import InputError
from photoflow.motion import Face
from photoflow.player.images import Images
from photoflow.player.picture import moving_picture, sample_times
from photoflow.render.layered import LayeredRenderer

INNER = cv2.ellipse(np.zeros((384, 384), np.uint8), (170, 240), (80, 120), 0, 0, 360, 1, -1)  # without its soft edge
PERSON = cv2.ellipse(np.zeros((384, 384), np.float32), (170, 240), (90, 130), 0, 0, 360, 1, -1)


@pytest.fixture(scope="module")
def stage():
    photo = cv2.resize(skimage.data.astronaut(), (384, 384), interpolation=cv2.INTER_AREA)
    return Animator("cpu", offline=True).prepare(photo, mask=PERSON)


def animated(stage, words, **options):
    return Animator("cpu", offline=True).animate(stage, motion.parse(words), **options)


def displaced(layer, i):
    """Return the displacement of a layer's nodes at a sampled moment, (2, rows, columns)."""
    if layer.moves is None:
        return np.zeros((2, *layer.mesh.size), np.float32)
    return np.tensordot(layer.moves.amounts[i], layer.moves.shapes, axes=1)


def off(layer, clip, i, t):
    """Return by how much nodes on the subject are off what the renderer draws, pixels, and how far those go."""
    x, y = np.moveaxis(layer.mesh.nodes().astype(int), -1, 0)
    height, width = clip.photo.shape[:2]
    inside = (x >= 0) & (y >= 0) & (x < width) & (y < height)
    flow = clip.renderer.flow(t)[:, y.clip(0, height - 1), x.clip(0, width - 1)]
    inside &= INNER[y.clip(0, height - 1), x.clip(0, width - 1)] > 0
    return np.hypot(*(displaced(layer, i) - flow))[inside].max(initial=0), np.hypot(*flow)[inside].max(initial=0)


@pytest.mark.parametrize(
    "words",
    ["sway strength=1", "breathe strength=1", "float", "bounce", "path points=100,200;180,190;240,260 half=0.3",
     "spectral:plant wind=0.9", "spectral:flag", "poke x=170 y=150 dx=30 dy=-10", "camera push=0.1",
     "camera orbit=0.1", "camera handheld=0.01"],
)  # fmt: skip
def test_nodes_go_where_the_renderer_draws_them(stage, words):
    clip = animated(stage, words)
    picture, times = clip.picture(), sample_times(4.0, True)
    subject = picture.layers[-1]
    found = [off(subject, clip, i, times[i]) for i in (7, 30, 61, 100)]
    assert max(how for how, _ in found) < 1.5
    assert max(far for _, far in found) > 3


def test_the_first_moment_is_the_photo(stage):
    picture = animated(stage, "sway strength=1").picture()
    background, subject = picture.layers
    left, top, right, bottom = subject.mesh.box
    drawn = background.image.astype(np.float32)
    alpha = subject.image[..., 3:] / np.float32(255)
    place = drawn[top:bottom, left:right]
    place[:] = place * (1 - alpha) + subject.image[..., :3] * alpha
    assert np.abs(drawn - stage.photo).max() < 2
    assert np.abs(displaced(subject, 0)).max() < 0.2


def test_what_rests_can_be_pulled_too(stage):
    picture = animated(stage, "camera push=0.05").picture()
    assert [layer.name for layer in picture.layers] == ["background", "subject-1"]
    pull = picture.layers[1].pull
    assert pull.shapes.shape == (len(pull.omega), 2, *picture.layers[1].mesh.size)
    assert pull.mobility.max() > 0.9


def test_what_is_held_cannot_be_pulled(stage):
    free, held = stage.copy(), stage.copy().hold(1, pinned=[[(170, 250), (170, 360)]])
    there = [animated(one, "sway").picture().layers[1].pull for one in (free, held)]
    row = (360 - 110) // 4
    assert there[1].mobility[row].max() < 0.2 * there[0].mobility.max()


def test_a_region_looks_elsewhere_and_its_edge_stays():
    photo = cv2.resize(skimage.data.astronaut(), (320, 320), interpolation=cv2.INTER_AREA)
    water = np.zeros((320, 320), np.float32)
    water[160:] = 1
    clip = animated_region(photo, water, motion.Drift(direction=0, speed=0.05))
    layer = clip.picture().layers[1]
    assert layer.opacity.shape == layer.image.shape[:2] and layer.moves is None and layer.pull is None
    weights = np.stack([one.weights for one in layer.passes])
    assert weights.shape == (2, 120) and np.allclose(weights.sum(axis=0), 1, atol=1e-6)
    assert np.abs(np.diff(weights, axis=1)).max() < 0.05  # each is one look all the time: it does not change places
    i = 10
    drawn = clip.renderer.layers[0].field.sources(sample_times(4.0, True)[i])[0][0].numpy()
    x, y = np.moveaxis((layer.mesh.nodes() - layer.mesh.box[:2]).astype(int), -1, 0)
    read = np.tensordot(layer.passes[0].reads.amounts[i], layer.passes[0].reads.shapes, axes=1)
    inside = (x < drawn.shape[2]) & (y < drawn.shape[1])
    expected = drawn[:, y.clip(0, drawn.shape[1] - 1), x.clip(0, drawn.shape[2] - 1)]
    assert np.abs(read - expected)[:, inside].max() < 0.8 and np.abs(expected).max() > 3


def animated_region(photo, mask, move):
    animator = Animator("cpu", offline=True)
    stage = animator.prepare(photo, layers={"water": {"mask": mask, "region": True}})
    return animator.animate(stage, {"water": move})


def test_a_subject_that_leaves_goes_on_beyond_the_border():
    photo = cv2.resize(skimage.data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    cut = np.zeros((256, 256), np.float32)
    cut[150:, 60:160] = 1
    animator = Animator("cpu", offline=True)
    layer = animator.animate(photo, motion.Translate(dx=0, dy=-50), mask=cut).picture().layers[1]
    assert layer.mesh.box[3] > 256 + 30 and layer.image.shape[0] == layer.mesh.box[3] - layer.mesh.box[1]


def test_the_document_is_of_plain_values_and_its_images_are_shared(stage):
    import json

    picture, images, urls = animated(stage, "sway").picture(), Images(), []
    document = picture.document(lambda image: urls.append(image.key) or image.key, images)
    again = picture.document(lambda image: image.key, images)
    assert json.loads(json.dumps(document)) == document == again
    assert list(document["images"].values()) == urls and len(set(urls)) == 2


def test_a_long_clip_is_looked_at_more_slowly():
    assert len(sample_times(4.0, True)) == 120 and sample_times(4.0, True)[-1] < 4
    assert len(sample_times(3600.0, False)) == 600 and sample_times(3600.0, False)[-1] == 3600


def test_a_still_picture_is_one_too(stage):
    picture = moving_picture(LayeredRenderer(stage.photo, []), 2.0, False)
    assert len(picture.layers) == 1 and picture.layers[0].moves is None


def test_other_renderers_are_refused(stage):
    clip = Animator("cpu", offline=True, interpolate="dis").animate(stage, motion.Sway())
    with pytest.raises(InputError, match="html: expected the renderer splat"):
        clip.picture()


def test_where_nothing_is_cut_out_the_whole_picture_can_be_pulled(stage):
    landscape = moving_picture(LayeredRenderer(stage.photo, []), 2.0, True)
    (sheet,) = landscape.pullable().layers
    assert landscape.layers[0].pull is None and sheet.pull.mobility.max() > 0.9
    assert sheet.pull.mobility[[0, -1]].max() < 1e-6 and sheet.pull.mobility[:, [0, -1]].max() < 1e-6
    assert (np.diff(sheet.pull.omega) >= 0).all()
    person = animated(stage, "sway").picture()
    assert person.pullable() is person


@pytest.mark.parametrize("cut_out", [False, True])
def test_a_face_turns_and_its_lids_which_are_finer_than_the_mesh_rest(cut_out):
    mask = np.zeros(drawn.SIZE, np.float32)
    mask[30:, 5:195] = 1
    rest = {"turn": 0, "breath": 0, "smile": 0}

    def amount(face):
        other = drawn.landmarks()
        faces = face + replace(face, seed=1, landmarks=[(x + 30, y + 20) for x, y in other])
        for moves in (face, faces, 0.5 * face):
            clip = Animator("cpu").animate(drawn.picture(), moves, mask=mask if cut_out else None)
            layer = clip.picture().layers[-1]
            modes = layer.moves if cut_out else layer.passes[0].reads
            yield 0.0 if modes is None else float(np.abs(np.tensordot(modes.amounts, modes.shapes, axes=1)).max())

    assert max(amount(Face(landmarks=drawn.landmarks(), gaze=2, **rest))) < 0.01
    assert min(amount(Face(landmarks=drawn.landmarks()))) > 0.8
