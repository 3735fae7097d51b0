"""How do I make a small web page of it? A Gradio app: photo in, motion chosen, clip out (`pip install gradio`)."""

import tempfile
from pathlib import Path

import skimage.data

from photoflow import Animator, InputError, motion

MOTIONS = ["auto", "breathe", "sway strength=0.6", "float", "spectral:plant", "water", "camera push=0.1 pan=0.03"]
animator = Animator(offline=True)  # loads its networks once, for all clips


def animate(photo, words, seconds=2.0):
    """Return the path of a clip of a photo, uint8 (H, W, 3), that moves as words say."""
    clip = animator.animate(photo, motion.parse(words), seconds=seconds, fps=24, size=min(720, max(photo.shape[:2])))
    return str(clip.save(Path(tempfile.mkdtemp(prefix="photoflow-"), "clip.mp4")))


def app(gradio):
    """Return the page: what is missing or cannot be done is said on it."""

    def answer(photo, words, seconds):
        if photo is None:
            raise gradio.Error("a photo is missing")
        try:
            return animate(photo, words, seconds)
        except InputError as error:
            raise gradio.Error(str(error), print_exception=False) from error

    return gradio.Interface(
        answer,
        [
            gradio.Image(label="photo"),
            gradio.Dropdown(MOTIONS, value="auto", allow_custom_value=True, label="motion"),
            gradio.Slider(1, 8, 4, step=1, label="seconds"),
        ],
        gradio.Video(label="clip", autoplay=True, loop=True),
        title="photoflow",
        flagging_mode="never",
    )


if __name__ == "__main__":
    try:
        import gradio
    except ImportError:
        path = animate(skimage.data.chelsea(), "breathe", seconds=1)
        print(f"{path}: a clip, but no page; for that: pip install gradio")
    else:
        app(gradio).launch()  # prints the address, and stays until Ctrl-C
