"""Options in words: what the command line, a recipe and a list of photos say of a clip."""

from photoflow.options.clip_options import ClipOptions
from photoflow.options.layer_options import LayerOptions

__all__ = ["ClipOptions", "LayerOptions"]
