"""What hangs swings with its cord, and hair and flames move by themselves, in a clip."""

import cv2
import numpy as np
import pytest
from discs import disc

from photoflow import Animator, motion
from photoflow.segment import NoSubjectError, Segmentation, Segmenter, Subject
from photoflow.stage import Stage
from photoflow.stage.plan import turns_at_border


class Known(Segmenter):
    """Finds what it is told."""

    def __init__(self, mask):
        super().__init__(device="cpu", offline=True)
        self.mask = mask

    def __call__(self, rgb, **_):
        if self.mask is None:
            raise NoSubjectError("nothing")
        mask = cv2.resize(self.mask, rgb.shape[1::-1])
        return Segmentation((Subject(mask, (0, 0, 0, 0), "subject", 1.0),), "known")


def lantern():
    """A lantern in the dark on a cord from the upper border, and its mask without the cord."""
    rgb = np.full((480, 360, 3), 40, np.uint8)
    mask = cv2.ellipse(np.zeros((480, 360), np.float32), (180, 240), (60, 70), 0, 0, 360, 1.0, -1)
    rgb[mask > 0] = (200, 60, 50)
    rgb[:171, 180:182] = 190
    return rgb, mask


def animator(mask=None):
    return Animator(device="cpu", segmenter=Known(mask), offline=True)


def test_what_is_found_hanging_has_its_cord_and_the_cord_tilts_with_it():
    rgb, mask = lantern()
    clip = animator(mask).animate(rgb, seconds=4, fps=4)
    assert "lantern" in repr(clip.motion)
    flows = [clip.renderer.flow(t) for t in np.linspace(0, 4, 33)]
    tilted = max(flows, key=lambda flow: abs(flow[0, 300, 180]))[0]
    assert abs(tilted[300, 180]) > 4
    straight = tilted[10:300:5, 180] / (np.arange(10, 300, 5) + 0.5)  # of one angle: a straight line
    np.testing.assert_allclose(straight, tilted[300, 180] / 300.5, rtol=0.12)


def test_what_is_said_swings_with_its_cord_but_only_where_it_turns_about_its_top():
    rgb, mask = lantern()
    one = animator()
    for move, moved in (
        (motion.Swing(angle=8), True),
        (2 * motion.Swing(), True),
        (motion.Swing(pivot="bottom"), False),
    ):
        flow = one.animate(rgb, move, mask=mask, seconds=2, fps=4).renderer.flow(0.5)
        assert (abs(flow[0, 120, 180]) > 1) == moved
    stage = Stage.of(rgb).add("it", mask=mask)
    one.animate(stage, motion.Swing(), seconds=2, fps=4)
    np.testing.assert_array_equal(stage.layer("it").mask > 127, mask > 0.5)  # the stage is left as it is
    assert stage.layer("it").with_cord() is stage.layer("it").with_cord()


def test_only_a_cord_that_the_upper_border_cuts_off_turns_there():
    rgb, mask = lantern()
    layer = Stage.of(rgb).add("it", mask=mask).layer("it")
    assert turns_at_border(layer.with_cord(), motion.Swing())
    assert not turns_at_border(layer.with_cord(), motion.Swing() + motion.Sway())
    assert not turns_at_border(layer, motion.Swing())
    wide = mask.copy()
    wide[:200, 140:220] = 1
    assert not turns_at_border(Stage.of(rgb).add("it", mask=wide).layer("it"), motion.Swing())


def candle():
    """A flame over its wax in the dark, and both masks."""
    y, x = np.mgrid[:240, :360].astype(np.float32)
    half = 7 * np.clip((y - 60) / 30, 0, 1) * np.clip((112 - y) / 14, 0, 1)
    flame, wax = np.abs(x - 180) < half, (np.abs(x - 180) < 30) & (y > 122) & (y < 220)
    glow = np.exp(-(((x - 180) / 22) ** 2) - ((y - 90) / 40) ** 2)[..., None]
    rgb = np.float32((8, 6, 5)) + glow * np.float32((120, 60, 15))
    rgb[wax], rgb[flame] = (70, 45, 25), (255, 238, 190)
    return cv2.GaussianBlur(rgb, (0, 0), 1.0).astype(np.uint8), flame, wax


def test_a_candle_without_an_option_moves_its_flame_and_not_its_wax():
    rgb, _, wax = candle()
    clip = animator(wax.astype(np.float32)).animate(rgb, seconds=2, fps=4)
    assert "candle" in repr(clip.motion)
    moved = np.max([np.hypot(*clip.renderer.flow(t)) for t in np.linspace(0, 2, 17)], axis=0)
    assert moved[65:80, 176:184].max() > 1 and moved[wax].max() < 0.05


def test_free_strokes_say_which_part_a_preset_moves():
    """The shape is that of the part: the whole of it moves as the whole thing did."""
    photo = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (200, 200, 3), dtype=np.uint8), (0, 0), 2)
    mask = np.zeros((200, 200), np.uint8)
    mask[20:180, 60:140] = 255
    layers = {
        "it": {
            "mask": mask,
            "free": [[(70, 30), (130, 30)], [(70, 90), (130, 90)]],
            "pinned": [[(65, 130), (135, 130)]],
        }
    }
    clip = animator().animate(photo, motion.Spectral("cloth", wind=0.8), layers=layers, seconds=3, fps=4)
    moved = np.max([np.hypot(*clip.renderer.flow(t)) for t in np.linspace(0, 3, 25)], axis=0)
    assert moved[132:178, 70:130].max() < 0.05
    assert moved[85:95, 70:130].mean() > 4 * moved[22:28, 70:130].mean()  # a cloth that hangs, down to its end


def test_hair_of_a_whole_layer_is_not_looked_for_where_no_part_is_named():
    layer = Stage.of(np.full((100, 200, 3), 90, np.uint8)).add("it", mask=disc(50)).layer("it")
    assert layer.part("flag") is None and layer.part("candle") is None
    weights = layer.part("hair")
    assert weights[32, 50] == pytest.approx(1) and weights[65, 50] == 0 and layer.part("hair") is weights
