"""How do I let a portrait live? Its face blinks, looks about, turns a little and breathes."""

import sys

import skimage.data

from photoflow import Animator, motion

output = sys.argv[1] if len(sys.argv) > 1 else "face.mp4"

# Where the eyes, the mouth and the outline are. Without this, `motion.Face()` looks for them in the photo, with the
# networks `photoflow weights get blazeface`, `face_mesh` and `iris`; `clip.motion.save` keeps what was found.
LANDMARKS = """
    195,100.4 196.4,101.9 198,102.9 200.2,103.8 203.5,104.2 206.7,104 209.9,103.6 211.9,103.5 212.8,103.3 195.8,99.6
    196.9,98.7 198.9,97.6 202.2,97 205.7,97.5 209.1,99.3 211.6,101.8 255,104.1 253.4,105.4 251.7,106.3 249.3,106.7
    246,106.7 242.7,106 239.5,105.1 237.5,104.7 236.6,104.4 254.4,103.2 253.5,102.1 251.6,100.6 248.3,99.5
    244.7,99.4 240.9,100.8 238,103 203.2,100.7 246,103.1 198.6,87.9 251.9,90.5 222.8,123.9 199.5,139.2 246.3,141.4
    226.3,67.2 221.1,174.1 178.5,111.2 271.3,115.6
"""
face = motion.Face(smile=1, landmarks=[tuple(map(float, place.split(","))) for place in LANDMARKS.split()])

clip = Animator(offline=True).animate(skimage.data.astronaut(), face, seconds=4, fps=25, report=print)
clip.save(output)
print(f"{output}: {len(clip)} frames of {clip.width}x{clip.height}")
