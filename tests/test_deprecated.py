"""Old names of the public API work, and say what to write instead."""

import importlib
import subprocess
import sys

import pytest

from photoflow import io, motion
from photoflow.deprecated import MODULES


@pytest.mark.parametrize("old", MODULES)
def test_old_modules_are_imported_from_their_new_places(old):
    with pytest.warns(DeprecationWarning, match=rf"{old} is now photoflow\."):
        sys.modules.pop(old, None)
        module = importlib.import_module(old)
    for home in MODULES[old]:
        for name, value in vars(importlib.import_module(home)).items():
            if not name.startswith("_"):
                assert getattr(module, name) is value or len(MODULES[old]) > 1
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        module.nothing  # noqa: B018


def test_the_warning_names_the_line_of_the_import():
    code = "from photoflow.motion.base import Motion, Scene, affine, moments\nfrom photoflow.models.raft import RAFT"
    done = subprocess.run([sys.executable, "-W", "error", "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "DeprecationWarning: photoflow.motion.base is now" in done.stderr
    done = subprocess.run([sys.executable, "-W", "default", "-c", code], capture_output=True, text=True)
    assert done.returncode == 0 and "<string>:1: DeprecationWarning" in done.stderr


def test_old_names_are_found_under_their_new_ones():
    with pytest.warns(DeprecationWarning, match=r"photoflow.motion.adjusted is now photoflow.motion.with_overrides"):
        assert motion.adjusted is motion.with_overrides
    from photoflow import animator
    from photoflow.stage.working_size import resize_photo

    with pytest.warns(DeprecationWarning, match=r"photoflow.stage.working_size.resize_photo"):
        assert animator.resize_photo is resize_photo
    with pytest.warns(DeprecationWarning, match="output_frames_and_rate"):
        assert io.kept is io.output_frames_and_rate
    sys.modules.pop("photoflow.motion.untorn", None)
    with pytest.warns(DeprecationWarning):
        module = importlib.import_module("photoflow.motion.untorn")
        assert module.untorn is importlib.import_module("photoflow.motion.tear_repair").repair_tears
    with pytest.raises(AttributeError, match=r"module 'photoflow.io' has no attribute 'nothing'"):
        io.nothing  # noqa: B018
