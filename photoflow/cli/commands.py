"""All commands: each is part of the application once its module is imported."""

from photoflow.cli import (
    animate,
    batch,
    build_info,
    doctor,
    evaluate,
    export,
    flow,
    inpaint,
    interpolate,
    onnx,
    optimise,
    poke,
    portrait,
    portrait_data,
    prepare,
    prune,
    sample,
    spectrum,
    studio,
    train,
    weights,
)

__all__ = [
    "animate", "batch", "build_info", "doctor", "evaluate", "export", "flow", "inpaint", "interpolate", "onnx",
    "optimise", "poke", "portrait", "portrait_data", "prepare", "prune", "sample", "spectrum", "studio", "train",
    "weights",
]  # fmt: skip
