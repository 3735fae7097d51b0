"""Portraits by identity: from folders of pictures to what PhotoMaker is trained on.

Source: "Task-driven image and video generation", section 5.2.3; Li et al., "PhotoMaker: Customizing realistic human
photos via stacked ID embedding", CVPR 2024, section 3.3.
"""

from photoflow.data.portraits.class_words import find_class_words, with_trigger
from photoflow.data.portraits.collecting import begin, collect, status
from photoflow.data.portraits.defaults import default_models
from photoflow.data.portraits.models import FoundFace, Models
from photoflow.data.portraits.portrait_folder import Portrait, PortraitFolder
from photoflow.data.portraits.table import Settings

__all__ = [
    "FoundFace", "Models", "Portrait", "PortraitFolder", "Settings", "begin", "collect", "default_models",
    "find_class_words", "status", "with_trigger",
]  # fmt: skip
