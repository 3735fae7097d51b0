"""Files: photos and masks, videos, optical flow. No torch in here."""

from photoflow.deprecated import old_names
from photoflow.io.atomic import check_directory, check_target
from photoflow.io.flow import read_flow, write_flow
from photoflow.io.folder import FolderReader, natural_order
from photoflow.io.image import PICTURES, decode_photo, read_photo, source_type_of, write_image
from photoflow.io.mask import MaskFile, read_labels, read_mask, read_mask_file
from photoflow.io.photo import Photo
from photoflow.io.video import VideoWriter, check_output, output_frames_and_rate
from photoflow.io.video_reader import VideoReader

__all__ = [
    "PICTURES",
    "FolderReader",
    "MaskFile",
    "Photo",
    "VideoReader",
    "VideoWriter",
    "check_directory",
    "check_output",
    "check_target",
    "decode_photo",
    "natural_order",
    "output_frames_and_rate",
    "read_flow",
    "read_labels",
    "read_mask",
    "read_mask_file",
    "read_photo",
    "source_type_of",
    "write_flow",
    "write_image",
]

__getattr__ = old_names(__name__, {"kept": "output_frames_and_rate"})
