"""How do I move the camera through a photo, with a depth of my own?"""

import sys

import numpy as np
import skimage.data

from photoflow import Animator, motion

output = sys.argv[1] if len(sys.argv) > 1 else "camera.mp4"
photo = skimage.data.coffee()

# Near is large: the table comes nearer towards the bottom of the photo. Without a depth, Depth Anything V2 measures it
# where its weights are at hand, else it is told from where things stand.
rows = np.linspace(0, 1, photo.shape[0], dtype=np.float32)
depth = np.repeat(rows[:, None], photo.shape[1], axis=1)

# In, and a little about the cup, with a hand that is not quite still. A motion of things can be added with +.
camera = motion.Camera(push=0.08, orbit=0.05, handheld=0.005)
clip = Animator(offline=True).animate(photo, camera, depth=depth, seconds=2, fps=12, size=240)
clip.save(output)
print(f"{output}: {len(clip)} frames of {clip.width}x{clip.height}")
