"""How do I let the wind move something, keep its motion, and pull at it by hand?"""

import os
import sys
from pathlib import Path

import numpy as np
import skimage.data

from photoflow import Animator, motion, viz
from photoflow.io import write_image
from photoflow.motion.wind import wind_volume

folder = Path(sys.argv[1] if len(sys.argv) > 1 else "out")
folder.mkdir(exist_ok=True)
photo = os.path.join(os.path.dirname(skimage.data.__file__), "astronaut.png")
flag = (0, 0, 125, 200)  # x, y, width, height

clip = Animator().animate(photo, motion.Spectral("cloth", wind=0.7, seed=2), box=flag, seconds=3, fps=15, size=256)
clip.save(folder / "flag.gif")

# The same wind as a spectral volume: each pixel's lowest frequencies, magnified, and kept.
volume = wind_volume(clip.mask, "cloth", seconds=5.0).magnified(1.5)
volume.save(folder / "flag.safetensors")
print(f"power by frequency: {np.round(volume.power[:5], 3)} px^2 at {volume.frequencies[:5]} Hz")

# Its frequencies as oscillators: a hand pulls the part that gives way most, and lets go.
hand = motion.Simulation(motion.SpectralVolume.load(folder / "flag.safetensors"))
y, x = np.unravel_index((np.abs(volume.coefficients[1:]).sum((0, 1)) * clip.mask).argmax(), volume.size)
hand.drag(x, y, 8, -3)
for step in range(60):
    hand.step(1 / 30)
    if step == 30:
        held = hand.displacement().numpy() * clip.mask
        hand.release()
print(f"held at {held[:, y, x].round(1)}, a second later at {hand.displacement().numpy()[:, y, x].round(1)} px")
write_image(folder / "pull.png", viz.with_legend(viz.flow_to_rgb(held)))
print(f"{folder}: flag.gif, flag.safetensors and pull.png")
