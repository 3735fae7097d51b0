"""How do I correct what was found in a photo, and say what of it moves?"""

import sys

import skimage.data

from photoflow import Animator, motion

output = sys.argv[1] if len(sys.argv) > 1 else "stem.gif"

# Points and strokes are pixels of the photo: (x, y), and lists of them.
animator = Animator(offline=True, segmenter="grabcut")
stage = animator.prepare(skimage.data.rocket(), layers={"rocket": {"box": (290, 120, 70, 250)}}, size=320)
before = stage.layer("rocket").mask.copy()

stage.refine("rocket", remove=[[(296, 330), (296, 360)]])  # looks for the edge of what a stroke lies on
stage.paint("rocket", [[(322, 130), (322, 180)]], size=6)  # exactly where the brush goes
stage.hold("rocket", free=[(322, 140)], pinned=[(322, 350)])  # the tip moves, the foot stays
stage.rename("rocket", "tower")
changed = int((stage.layer("tower").mask != before).sum())

clip = animator.animate(stage, {"tower": motion.Sway(strength=0.4)}, seconds=2, fps=10)
clip.save(output)
print(f"{output}: {changed} pixels of the mask corrected by hand")
