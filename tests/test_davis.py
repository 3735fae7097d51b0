"""Real photos with true masks: what does not move stays to the bit, and the loop closes.

Needs the folder of the environment variable PHOTOFLOW_DATA, with `davis/*/00000.jpg` and masks beside.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from photoflow import Animator, motion
from photoflow.stage.composition import hole_behind, reached, rim

PHOTOS = sorted(Path(os.environ.get("PHOTOFLOW_DATA", ".")).glob("davis/*/00000.jpg"))


@pytest.mark.skipif(not PHOTOS, reason="PHOTOFLOW_DATA is not set")
@pytest.mark.parametrize("photo", PHOTOS, ids=lambda p: p.parent.name)
def test_background_and_loop(photo):
    animator = Animator(device="cpu", offline=True)
    clip = animator.animate(photo, motion.Sway(), mask=photo.with_name("00000_mask.png"), seconds=2, fps=20)
    # The sweep: where the subject is at any time, with the rim that it stains at its first place.
    sweep = hole_behind([clip.mask])
    steps, previous = [], clip[-1].astype(np.int16)
    for frame, cutout in zip(clip, clip.cutouts(), strict=True):
        sweep |= reached(
            cutout[..., 3], rim(sweep.shape) + 3
        )  # what is drawn reaches into its rim, and the kernel beyond
        steps.append(np.abs(frame - previous).mean())
        previous = frame.astype(np.int16)
        np.testing.assert_array_equal(frame[~sweep], clip.photo[~sweep])
    assert steps[0] <= max(steps[1:])
    assert sweep.mean() < 0.6
