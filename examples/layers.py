"""How do I give several things in one photo motions of their own, and keep the photo prepared?"""

import os
import sys

import skimage.data

from photoflow import Animator, Stage, motion

photo = os.path.join(os.path.dirname(skimage.data.__file__), "rocket.jpg")
output = sys.argv[1] if len(sys.argv) > 1 else "rocket.mp4"

animator = Animator()
stage = animator.prepare(photo, layers={"rocket": {"box": (290, 120, 70, 250)}}, report=print)
stage.add("sky", mask=stage.photo.mean(axis=2) < 40, region=True)
stage.save("rocket.stage")

moves = {"rocket": motion.Float(), "sky": motion.Drift(arrows=[(100, 100, 130, 90)])}
clip = animator.animate(Stage.load("rocket.stage"), moves, seconds=2, fps=15)
clip.save(output)
print(f"{output}: {len(clip)} frames, layers {', '.join(layer.name for layer in stage.layers)}")
