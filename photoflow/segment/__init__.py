"""From a photo to its subject: a mask per subject, then a soft alpha with the subject's own colours."""

from photoflow.segment.segmenter import Segmenter
from photoflow.segment.subject import NoSubjectError, Segmentation, Subject

__all__ = ["NoSubjectError", "Segmentation", "Segmenter", "Subject"]
