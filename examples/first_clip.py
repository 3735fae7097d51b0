"""How do I animate a photo from Python?"""

import os
import sys

import skimage.data

from photoflow import Animator, motion

photo = os.path.join(os.path.dirname(skimage.data.__file__), "chelsea.png")
output = sys.argv[1] if len(sys.argv) > 1 else "cat.mp4"

clip = Animator().animate(photo, motion.Sway(strength=0.6, period=2.0), seconds=4, fps=30, report=print)
clip.save(output)
print(f"{output}: {len(clip)} frames of {clip.width}x{clip.height}")
