"""The types of arrays: what NumPy's annotations do not say shortly."""

from __future__ import annotations

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]  # of any dtype and shape; docstrings say which
