"""A subject beyond the picture's border: its own texture, its outline straight on, and no mirror image."""

import cv2
import numpy as np

from photoflow import motion
from photoflow.render.continuation import continued
from photoflow.render.layered import LayeredRenderer, SubjectLayer

TIMING = {"scale": 1.0, "seconds": 2.0, "device": "cpu"}


def striped():
    """A subject of diagonal stripes at the lower border, with one white mark near it; and its opacity."""
    y, x = np.mgrid[:96, :128]
    rgb = np.where((x + y) % 12 < 6, 200, 90)[..., None].repeat(3, axis=2).astype(np.uint8)
    alpha = np.zeros((96, 128), np.float32)
    alpha[30:, 30:98] = 1
    rgb[alpha == 0] = (20, 160, 40)
    cv2.circle(rgb, (64, 84), 4, (255, 0, 0), -1)
    return rgb, alpha


def test_the_outline_goes_straight_on_and_nothing_else_is_copied():
    rgb, alpha = striped()
    colours, opacity, corner = continued(rgb, alpha, (0, 0, 0, 24))
    assert colours.shape == (120, 128, 3) and corner == (0, 0)
    np.testing.assert_array_equal(colours[:96], rgb)
    assert (opacity[96:, 30:98] == 1).all() and (opacity[96:, :30] == 0).all()
    beyond = colours[96:, 33:95].astype(int)
    assert np.abs(beyond[..., 1] - beyond[..., 0]).max() < 40  # of the green wall there is nothing
    assert 60 < beyond[..., 0].mean() < 200 and beyond[..., 0].std() > 25  # stripes, not one colour


def test_nothing_is_mirrored():
    """The red mark lies 12 pixels above the border: mirrored, another would lie 12 pixels below it."""
    rgb, alpha = striped()
    colours, *_ = continued(rgb, alpha, (0, 0, 0, 24))
    mark = colours[96 + 8 : 96 + 16, 60:68].astype(int)
    assert (mark[..., 0] - mark[..., 2]).max() < 60


def test_a_subject_that_touches_no_border_is_not_continued():
    rgb, alpha = striped()
    alpha[-8:] = 0
    colours, opacity, corner = continued(rgb, alpha, (8, 0, 0, 8))
    assert opacity[96:].max() == 0 and corner == (-8, 0) and colours.shape == (104, 136, 3)


def cutout(move, **options):
    rgb, alpha = striped()
    layer = SubjectLayer(rgb, alpha, move, loop=options.pop("loop", True), **options, **TIMING)
    return LayeredRenderer(rgb, [layer])


def test_what_leaves_the_border_is_filled_in_behind():
    drawn = cutout(motion.Translate(dx=0, dy=-20), loop=False)
    frame, shown = drawn.frame(2.0), drawn.cutout(2.0)[..., 3]
    assert (shown[76:, 34:94] > 250).all()
    assert (frame[76:, 36:92, 0].astype(int) - frame[76:, 36:92, 2]).max() < 60  # one mark, and it has moved up


def test_pins_hold_what_the_border_cuts_off_and_can_be_lifted():
    for move in (motion.Float(2), motion.Breathe(2), motion.Bounce(0.2), motion.Swing(8)):
        held, free = cutout(move), cutout(move, border_pins=False)
        flows = [np.abs(one.flow(0.6)[:, -1]).max() for one in (held, free)]
        assert flows[0] < 0.1 and (flows[1] > 0.5 or move.name in ("breathe", "bounce")), move
        for t in np.linspace(0, 2, 9):
            assert (held.cutout(t)[-1, 34:94, 3] > 250).all(), move
