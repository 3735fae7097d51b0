import numpy as np
import pytest

from photoflow.errors import InputError
from photoflow.viz import (
    colour_wheel_legend,
    draw_trajectories,
    flow_to_rgb,
    grid_points,
    overlay_mask,
    strip,
    with_legend,
)


def _uniform(x: float, y: float) -> np.ndarray:
    return np.broadcast_to(np.array([x, y], np.float32)[:, None, None], (2, 3, 4))


def test_flow_colours() -> None:
    for (x, y), colour in {(5, 0): (255, 0, 0), (0, 0): (255, 255, 255)}.items():
        assert flow_to_rgb(_uniform(x, y), 5)[0, 0].tolist() == list(colour)
    down, left, up = (flow_to_rgb(_uniform(*flow), 1)[0, 0].astype(int) for flow in ((0, 1), (-1, 0), (0, -1)))
    assert down[0] == 255 and down[1] > 200 and down[2] == 0  # yellow
    assert left[0] == 0 and left[1] > 150 and left[2] > 200  # cyan to blue
    assert up[2] == 255 and up[1] == 0  # blue to magenta
    half = flow_to_rgb(_uniform(1, 0), 2)[0, 0]
    assert half.tolist() == [255, 128, 128]
    assert flow_to_rgb(_uniform(4, 0), 2)[0, 0].tolist() == [191, 0, 0]  # beyond the maximum: darker


def test_flow_gaps_and_scale() -> None:
    flow = np.zeros((2, 300, 4), np.float32)
    flow[0, 299, 3] = 8
    flow[1, 0, 0], flow[0, 1, 1] = np.nan, np.inf
    rgb = flow_to_rgb(flow)
    assert rgb[0, 0].tolist() == rgb[1, 1].tolist() == [0, 0, 0]
    assert rgb[299, 3].tolist() == [255, 0, 0] and rgb[5, 2].tolist() == [255, 255, 255]
    for bad, limit in ((flow[0], None), (flow, 0.0)):
        with pytest.raises(InputError):
            flow_to_rgb(bad, limit)


def test_legend() -> None:
    legend = colour_wheel_legend(65)
    assert legend.shape == (65, 65, 3) and (legend[0, 0] == 255).all() and (legend[32, 32] == 255).all()
    assert legend[32, 63, 0] > 250 and legend[32, 63, 1:].max() < 20  # red to the right


def test_legend_lies_in_the_corner() -> None:
    picture = np.full((120, 90, 3), 7, np.uint8)
    shown = with_legend(picture)
    np.testing.assert_array_equal(shown[:15, :15], colour_wheel_legend(15))
    assert (shown[15:] == 7).all() and (shown[:, 15:] == 7).all() and (picture == 7).all()
    assert with_legend(picture[:40]) is not None and (with_legend(picture[:40]) == 7).all()


def test_overlay() -> None:
    rgb = np.full((60, 80, 3), 100, np.uint8)
    mask = np.zeros((60, 80), np.float32)
    mask[20:40, 20:60] = 1
    picture = overlay_mask(rgb, mask, (0, 255, 0))
    assert picture[30, 40].tolist() == [70, 146, 70] and picture[5, 5].tolist() == [60, 60, 60]
    assert picture[20, 40, 1] > 200 and (rgb == 100).all()
    with pytest.raises(InputError):
        overlay_mask(rgb, mask[:-1])


def test_grid_points() -> None:
    y, x = np.mgrid[:200, :300]
    disk = np.hypot(x - 100, y - 90) < 70
    for count in (10, 80, 300):
        points = grid_points(disk, count)
        assert abs(len(points) - count) <= 0.2 * count
        assert disk[points[:, 1].astype(int), points[:, 0].astype(int)].all()
        assert np.abs(points.mean(axis=0) - (100, 90)).max() < 12
    single = np.zeros((50, 50), bool)
    single[7, 31] = True
    assert grid_points(single).tolist() == [[31, 7]]
    with pytest.raises(InputError, match="empty"):
        grid_points(single & False)


def test_draw_trajectories() -> None:
    rgb = np.full((40, 60, 3), 200, np.uint8)
    paths = np.array([[[10, 20]], [[25, 20]], [[40, 20]]], np.float32)
    picture = draw_trajectories(rgb, paths)
    assert picture[20, 10].tolist() == [255, 255, 255]  # the start
    assert picture[20, 38, 0] > 230 and picture[20, 38, 2] < 60  # yellow at the end
    assert picture[5, 5].tolist() == [120, 120, 120] and (rgb == 200).all()
    paths[1:] = np.nan  # a point that is lost ends its path
    assert draw_trajectories(rgb, paths)[20, 38].tolist() == [120, 120, 120]


def test_strip() -> None:
    frames = [np.full((30, 40, 3), 20 * index, np.uint8) for index in range(8)]
    sheet = strip(frames, 6)
    assert sheet.shape == (66, 6 * 46 - 6, 3)
    assert (sheet[0, 46] == 20).all() and (sheet[36, 0] == 120).all() and (sheet[36, 100] == 255).all()
    assert strip([np.zeros((900, 1200, 3), np.uint8)] * 3).shape[1] <= 1600
    for bad in ([], [frames[0], frames[0][1:]]):
        with pytest.raises(InputError):
            strip(bad)
