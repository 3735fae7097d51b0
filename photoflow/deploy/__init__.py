"""Networks made smaller, and written for other runtimes: pruning, int8, ONNX."""

from photoflow.deploy.onnx_file import PRECISIONS, export
from photoflow.deploy.pruning import prune

__all__ = ["PRECISIONS", "export", "prune"]
