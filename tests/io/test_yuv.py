import numpy as np

from photoflow.io.yuv import rgb_to_yuv420


def test_against_the_definition() -> None:
    rgb = np.random.default_rng(0).integers(0, 256, (262, 34, 3), np.uint8)  # more rows than a strip
    padded = np.zeros((262, 64), np.uint8)
    luma, (cb, cr) = padded[:, :34], np.zeros((2, 131, 17), np.uint8)
    rgb_to_yuv420(rgb, luma, cb, cr)
    r, g, b = np.moveaxis(rgb / 255, 2, 0)
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    np.testing.assert_allclose(luma, 16 + 219 * y, atol=0.75)  # OpenCV rounds in fixed point
    for plane, chroma in ((cb, (b - y) / 1.8556), (cr, (r - y) / 1.5748)):
        mean = (128 + 224 * chroma).reshape(131, 2, 17, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(plane, mean, atol=1.01)
    assert (padded[:, 34:] == 0).all()
