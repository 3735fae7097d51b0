"""Portraits by identity: from folders of pictures to what PhotoMaker is trained on.

Source: "Task-driven image and video generation", section 5.2.3; Li et al., "PhotoMaker: Customizing realistic human
photos via stacked ID embedding", CVPR 2024, section 3.3.
"""

from photoflow.data.portraits.class_words import find_class_words, with_trigger
from photoflow.data.portraits.portrait_folder import Portrait, PortraitFolder

__all__ = ["Portrait", "PortraitFolder", "find_class_words", "with_trigger"]
