"""What the player draws is what the renderer draws."""

import cv2
import numpy as np
import pytest
import skimage.data
from pages_in_browser import Losslessly

from photoflow import Animator, motion
from photoflow.player.mesh import Mesh
from photoflow.player.modes import Modes
from photoflow.player.page import data_url
from photoflow.player.picture import MovingPicture, PlayedLayer

PERSON = cv2.ellipse(np.zeros((256, 256), np.float32), (113, 160), (60, 87), 0, 0, 360, 1, -1)
LOWER = cv2.GaussianBlur(np.repeat(np.float32([[0], [1]]), 128, axis=0) * np.ones((1, 256), np.float32), (0, 0), 2)


@pytest.fixture(scope="module")
def stages():
    animator = Animator("cpu", offline=True)
    photo = cv2.resize(skimage.data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    table = cv2.resize(skimage.data.coffee(), (256, 256), interpolation=cv2.INTER_AREA)
    return {
        "subject": animator.prepare(photo, mask=PERSON),
        "region": animator.prepare(table, layers={"water": {"mask": LOWER, "region": True}}),
    }


def animated(stages, words):
    animator = Animator("cpu", offline=True)
    move = motion.parse(words)
    region = isinstance(move, motion.Drift)
    return animator.animate(stages["region" if region else "subject"], {"water": move} if region else move)


MOTIONS = [
    "sway strength=1", "translate dx=15.3 dy=-8.6", "spectral:plant wind=0.9", "camera push=0.1", "camera orbit=0.1",
    "drift direction=0 speed=0.05",
]  # fmt: skip


@pytest.mark.parametrize("words", MOTIONS)
def test_frames_equal_the_renderers(show, stages, words):
    clip = animated(stages, words)
    scene = show(clip.picture())
    for t in (0.55, 1.37, 2.9):
        drawn, expected = (frame.astype(np.float32) for frame in (scene.frame(t), clip.renderer.frame(t)))
        moved = np.abs(expected - clip.photo).max(axis=2) > 2
        assert moved.mean() > 0.02
        assert np.abs(drawn - expected).mean() < 2
        # A good part of what moves is at its place: what lags or leads by some pixels differs far more from it.
        assert np.abs(drawn - expected)[moved].mean() < 0.3 * np.abs(clip.photo - expected)[moved].mean()


@pytest.mark.parametrize("words", ["sway strength=1", "camera push=0.1", "drift direction=0 speed=0.05"])
def test_the_first_moment_is_the_photo_within_a_level(show, stages, words):
    clip = animated(stages, words)
    scene = show(clip.picture())
    assert np.abs(scene.frame(0).astype(int) - clip.photo).max() <= 1


def test_a_subject_is_at_most_a_pixel_and_a_half_from_where_it_should_be(show, stages):
    """A dot that is followed through the clip: its centre of mass."""
    photo = np.full((160, 200, 3), 40, np.uint8)
    cv2.circle(photo, (100, 60), 5, (250, 250, 250), -1)
    mask = np.zeros((160, 200), np.float32)
    cv2.line(mask, (100, 159), (100, 50), 1, 31)
    clip = Animator("cpu", offline=True).animate(photo, motion.Sway(strength=1), mask=mask)
    scene = show(clip.picture())

    def centre(frame):
        weight = np.clip(frame[..., 1].astype(float) - 60, 0, None)
        rows, columns = np.indices(weight.shape)
        return np.array([(columns * weight).sum(), (rows * weight).sum()]) / weight.sum()

    rest, offsets = centre(photo), []
    for t in (0.4, 1.1, 1.9, 3.3):
        expected = centre(clip.renderer.frame(t))
        offsets.append(np.abs(expected - rest).max())
        assert np.hypot(*(centre(scene.frame(t)) - expected)) < 1.5
    assert max(offsets) > 4


def test_what_is_near_hides_what_is_far_within_a_layer(show):
    """Two halves of a background that a camera would shift over each other."""
    image = np.zeros((64, 64, 3), np.uint8)
    image[:, :32], image[:, 32:] = (200, 0, 0), (0, 0, 200)
    mesh = Mesh((0, 0, 64, 64), 8)
    x = mesh.nodes()[..., 0]
    fold = np.zeros((4, 2, *mesh.size), np.float32)
    fold[:, 0] = np.where(x < 32, 12, -12)
    for near, colour in ((x < 32, (200, 0, 0)), (x >= 32, (0, 0, 200))):
        layer = PlayedLayer("background", mesh, image, moves=Modes.of(fold), nearness=np.uint8(255 * near))
        frame = show(MovingPicture(64, 64, 1.0, True, (layer,))).frame(0.3)
        assert np.abs(frame[10:50, 30:34].astype(int) - colour).mean() < 60


def test_another_picture_is_whole_at_once_also_while_the_player_rests(show, stages):
    """Textures and meshes are made in its first frame, and must not take the place of each other."""
    animator = Animator("cpu", offline=True)
    flows = [{"water": motion.Drift(direction=d, speed=0.05)} for d in (0, 90)]
    clips = [animator.animate(stages["region"], flow) for flow in flows]
    scene = show(clips[0].picture())
    scene.run("player.pause(); player.seek(0.9);")
    mean = scene.browser.execute_async_script(
        """const done = arguments[1];
        player.show(arguments[0]).then(() => {
          const gl = document.querySelector("canvas").getContext("webgl2");
          const pixels = new Uint8Array(4 * 256 * 256);
          gl.readPixels(0, 0, 256, 256, gl.RGBA, gl.UNSIGNED_BYTE, pixels);
          done(pixels.reduce((sum, value, i) => sum + (i % 4 === 1 ? value : 0), 0) / 256 / 256);
        });""",
        clips[1].picture().document(data_url, Losslessly()),
    )
    assert abs(mean - clips[1].renderer.frame(0.9)[..., 1].mean()) < 2


def test_a_clip_that_does_not_loop_holds_its_ends(show, stages):
    animator = Animator("cpu", offline=True)
    clip = animator.animate(stages["subject"], motion.Translate(dx=20, dy=0), loop=False, seconds=2)
    scene = show(clip.picture())
    last = scene.frame(2)
    assert np.abs(last.astype(float) - clip.renderer.frame(2.0)).mean() < 2
    assert np.array_equal(scene.frame(9), last) and scene.run("return player.time") == 2


def test_a_lost_context_comes_back(show, stages):
    scene = show(animated(stages, "sway strength=1").picture())
    before = scene.frame(0.6)
    scene.run(
        "window.lost = document.querySelector('canvas').getContext('webgl2').getExtension('WEBGL_lose_context');"
        "lost.loseContext(); window.drawn = 0; player.onframe = () => window.drawn++;"
    )
    scene.wait("document.querySelector('canvas').getContext('webgl2').isContextLost()")
    scene.run("setTimeout(() => lost.restoreContext(), 50)")
    scene.wait("window.drawn > 0")
    assert np.array_equal(scene.frame(0.6), before)


def test_an_image_that_was_shown_is_not_loaded_again(show, stages):
    animator = Animator("cpu", offline=True)
    pictures = [animator.animate(stages["subject"], motion.Sway(strength=s)).picture() for s in (0.2, 1.0)]
    scene = show(pictures[0])
    scene.run(
        "window.loads = 0; const decode = Image.prototype.decode;"
        "HTMLImageElement.prototype.decode = function () { window.loads++; return decode.call(this); }"
    )
    still = scene.frame(1)
    document = pictures[1].document(data_url, Losslessly())
    scene.browser.execute_async_script("player.show(arguments[0]).then(arguments[1])", document)
    assert scene.run("return [loads, player.time]") == [0, 1]
    assert np.abs(scene.frame().astype(float) - still).mean() > 1
    document["images"]["0"] = data_url(Losslessly().of(np.zeros((256, 256, 3), np.uint8)))
    scene.browser.execute_async_script("player.show(arguments[0]).then(arguments[1])", document)
    assert scene.run("return loads") == 1


def test_a_broken_image_is_refused_in_one_line(show, stages):
    scene = show(animated(stages, "sway").picture())
    said = scene.browser.execute_async_script(
        "const done = arguments[0];"
        "player.show({ ...picture, images: { ...picture.images, 0: 'data:image/png;base64,AAAA' } })"
        ".then(() => done(''), (error) => done(error.message))"
    )
    assert said == "player: an image could not be read: data:image/png;base64,AAAA"
    assert scene.frame(0.5).any()  # what was shown is still there


def test_another_version_is_refused_in_one_line(show, stages):
    scene = show(animated(stages, "sway").picture())
    said = scene.browser.execute_async_script(
        "player.show({ ...picture, version: 2 }).catch((error) => arguments[0](error.message))"
    )
    assert said == "player: expected a moving picture of version 1, got 2"
