"""Weights of networks: which there are, how they are fetched and read, and those that come with photoflow."""

from photoflow.weights.loading import (
    REGISTRY,
    Loadable,
    WeightsError,
    WeightsFile,
    cache_folder,
    description,
    fetch,
    find,
    load_weights,
    locate,
    shipped,
)

__all__ = [
    "REGISTRY", "Loadable", "WeightsError", "WeightsFile", "cache_folder", "description", "fetch", "find",
    "load_weights", "locate", "shipped",
]  # fmt: skip
