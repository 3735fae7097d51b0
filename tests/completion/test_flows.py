"""Flow that is continued into holes: each motion as itself."""

import numpy as np
from clips import HEIGHT, WIDTH, blanked, hole, panned

from photoflow.completion.flows import HoleFlow, completed


def noisy(flow, mask):
    lost = flow.copy()
    lost[:, mask] = 37
    return lost


def test_a_tilted_plane_goes_on_through_the_hole():
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    flow = np.stack([2 + 0.02 * x, -1 + 0.01 * y + 0.01 * x])
    mask = hole(width=30, height=30)
    assert np.abs(completed(noisy(flow, mask), mask) - flow).max() < 0.3


def test_two_motions_are_not_mixed():
    flow = np.zeros((2, HEIGHT, WIDTH), np.float32)
    flow[0, :, : WIDTH // 2], flow[0, :, WIDTH // 2 :] = 6, -4
    mask = hole(left=WIDTH // 2 - 12, width=24)
    found = completed(noisy(flow, mask), mask)[0][mask]
    assert (np.minimum(np.abs(found - 6), np.abs(found + 4)) < 0.5).all()
    assert {6, -4} == set(np.unique(np.rint(found)))


def test_a_hole_over_the_whole_frame_and_none_change_nothing():
    flow = np.random.default_rng(0).random((2, 20, 30)).astype(np.float32)
    assert (completed(flow, np.ones((20, 30), bool)) == flow).all()
    assert (completed(flow, np.zeros((20, 30), bool)) == flow).all()


def test_flow_is_measured_around_the_hole_and_looked_up_in_pixels_of_the_frame():
    frames, mask = panned(2, step=4), hole()
    flow = HoleFlow((HEIGHT, WIDTH))
    one, two = (flow.reduced(frame, mask) for frame in blanked(frames, [mask, mask]))
    forth, back = flow.between(one, two)
    places = np.argwhere(mask)[:, ::-1]
    assert np.abs(flow.at(forth, places) - [-4, 0]).max() < 0.5
    assert np.abs(flow.at(back, places) - [4, 0]).max() < 0.5
    assert flow.at(forth, places[:0]).shape == (0, 2)


def test_large_frames_are_measured_at_a_bounded_size():
    flow = HoleFlow((1080, 1920))
    picture, unknown = flow.reduced(np.zeros((1080, 1920, 3), np.uint8), np.zeros((1080, 1920), bool))
    assert max(picture.shape) == 864 and unknown.shape == picture.shape[1:]
    shift = np.ones((2, *unknown.shape), np.float32)
    assert np.allclose(flow.at(shift, np.array([[700, 300]])), 1920 / 864, atol=0.01)
