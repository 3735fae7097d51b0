"""AMT: All-pairs Multi-field Transforms for frame interpolation."""

from photoflow.models.amt.amt import AMT, SIZES

__all__ = ["AMT", "SIZES"]
