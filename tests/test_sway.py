"""Real clips of natural motion: sixteen frequencies keep it, and the first frame moves as its clip did.

Needs the folder of the environment variable PHOTOFLOW_DATA, with loops in `sway/*.mp4`.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from photoflow.metrics import motion_steps, seam
from photoflow.motion import Spectral
from photoflow.motion.trajectories import Footage, measure
from photoflow.render.layered import SubjectLayer

CLIPS = [Path(os.environ.get("PHOTOFLOW_DATA", "."), "sway", f"{name}_loop.mp4") for name in ("flower_0", "cloth")]


@pytest.mark.skipif(not all(clip.is_file() for clip in CLIPS), reason="PHOTOFLOW_DATA is not set")
@pytest.mark.parametrize("clip", CLIPS, ids=lambda path: path.stem)
def test_a_clip_goes_to_its_volume_and_back_and_moves_its_first_frame(clip, tmp_path):
    footage = Footage(clip, size=320)
    measured = measure(footage)
    assert not measured.closed and measured.volume.count == 16
    assert measured.error < 0.1 and measured.kept > 0.95
    measured.volume.save(tmp_path / "v.safetensors")
    photo, everything = next(iter(footage)), np.ones((180, 320), np.float32)
    timing = {"scale": 1.0, "seconds": measured.volume.seconds, "loop": True, "device": "cpu"}
    layer = SubjectLayer(photo, everything, Spectral(str(tmp_path / "v.safetensors")), border_pins=False, **timing)
    times = np.arange(measured.frames) / footage.fps
    flows = [layer.flow(t)[0].numpy() for t in times]
    assert seam(motion_steps(flows)) <= 1
    apart = np.stack([flow - measured.volume.displacement(t) for flow, t in zip(flows, times)])
    assert np.hypot(apart[:, 0], apart[:, 1]).mean() < 0.05  # the renderer's grid is coarser
