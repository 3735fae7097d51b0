"""Measures of the quality of pictures, flows and clips: one short function each, with its formula and its source.

Pictures are (B, 3, H, W), RGB in [0, 1], flows (B, 2, H, W) in pixels; a measure returns one number per sample.
"""

from photoflow.metrics.epe import ERROR_EDGES, cumulative, endpoint_error, epe, histogram, outlier_rate
from photoflow.metrics.frechet import frechet_distance
from photoflow.metrics.interpolation_error import interpolation_error
from photoflow.metrics.kernel import kernel_distance
from photoflow.metrics.l1 import l1
from photoflow.metrics.psnr import psnr
from photoflow.metrics.rest_error import rest_error
from photoflow.metrics.seam import intensity_steps, motion_steps, seam, seam_to_median
from photoflow.metrics.smoothness import smoothness
from photoflow.metrics.spectrum import spectrum_distance
from photoflow.metrics.ssim import ssim
from photoflow.metrics.warping_error import warping_error

__all__ = [
    "ERROR_EDGES",
    "cumulative",
    "endpoint_error",
    "epe",
    "frechet_distance",
    "histogram",
    "intensity_steps",
    "interpolation_error",
    "kernel_distance",
    "l1",
    "motion_steps",
    "outlier_rate",
    "psnr",
    "rest_error",
    "seam",
    "seam_to_median",
    "smoothness",
    "spectrum_distance",
    "ssim",
    "warping_error",
]
