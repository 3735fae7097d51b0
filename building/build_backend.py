"""The build backend: setuptools', which also asks pip for a CUDA compiler where the operators need one.

pip gets what `get_requires_for_build_*` names before it builds, but not with --no-build-isolation.
"""

from __future__ import annotations

import os
from typing import Any

from cuda_toolkit import find_toolkit, named_roots, pip_requirement
from setuptools.build_meta import *  # noqa: F403


def compiler_requirements() -> list[str]:
    """Pip's CUDA compiler, where CUDA operators are wished for, torch could use them, and no toolkit is installed."""
    import torch

    wish = os.environ.get("PHOTOFLOW_CUDA", "auto")
    wished = wish == "1" or (wish == "auto" and torch.cuda.is_available())
    if not wished or torch.version.cuda is None or named_roots():
        return []
    wanted = pip_requirement(torch.version.cuda)
    return [wanted] if wanted and isinstance(find_toolkit(torch.version.cuda), str) else []


def get_requires_for_build_wheel(config_settings: Any = None) -> list[str]:
    return compiler_requirements()


def get_requires_for_build_editable(config_settings: Any = None) -> list[str]:
    return compiler_requirements()
