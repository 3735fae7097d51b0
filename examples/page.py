"""How do I give an animated photo away so that everyone can pull it? As one page, which plays it in a browser."""

import tempfile
from pathlib import Path

import skimage.data

from photoflow import Animator, motion

animator = Animator(offline=True, segmenter="grabcut")
stage = animator.prepare(skimage.data.chelsea(), box=(90, 10, 300, 280))
clip = animator.animate(stage, motion.Breathe(), seconds=2)

with tempfile.TemporaryDirectory() as folder:
    page = Path(folder, "cat.html")
    clip.save(page)
    print(f"{page.name}: {page.stat().st_size / 1e6:.1f} MB")

# What the page plays: images on meshes, whose nodes move by a few shapes with changing amounts.
for layer in clip.picture().layers:
    rows, columns = layer.mesh.size
    shapes = 0 if layer.moves is None else len(layer.moves.shapes)
    modes = 0 if layer.pull is None else len(layer.pull.omega)
    print(f"{layer.name}: {columns} x {rows} nodes, {shapes} shapes; a hand moves it in {modes} modes")
