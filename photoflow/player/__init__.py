"""The moving picture: what a player needs to show a clip anew at any time, and to let a hand pull it."""

from photoflow.player.page import write_page
from photoflow.player.picture import MovingPicture, moving_picture

__all__ = ["MovingPicture", "moving_picture", "write_page"]
