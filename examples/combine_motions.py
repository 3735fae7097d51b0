"""How do I make a motion of my own out of several, and keep it in a file?"""

import os
import sys
from pathlib import Path

import skimage.data

from photoflow import Animator, motion

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
folder.mkdir(exist_ok=True)
photo = os.path.join(os.path.dirname(skimage.data.__file__), "rocket.jpg")

# The path starts on the subject; each further point is where that spot of it goes.
climb = motion.Path(points=((322, 250), (320, 235), (322, 215)))
shiver = 0.3 * motion.Float(period=0.5)
together = climb + shiver
together.save(folder / "launch.json")

clip = Animator().animate(photo, motion.load(folder / "launch.json"), box=(300, 85, 50, 245), seconds=3, fps=24)
clip.save(folder / "launch.gif")
clip.explain(folder / "launch")
print(f"{folder}: launch.json, launch.gif and the pictures that explain it")
