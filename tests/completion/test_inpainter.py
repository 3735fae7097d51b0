"""Whole clips: what is written, what stays as it was, and what is refused."""

import json

import av
import numpy as np
import pytest
from clips import HEIGHT, WIDTH, blanked, hole, panned, psnr, texture

from photoflow import Inpainter, InputError
from photoflow.io import VideoReader, VideoWriter, read_photo, write_image


@pytest.fixture
def folder(tmp_path):
    """A clip as a folder of pictures with a hole in them, and the hole's mask."""
    (tmp_path / "clip").mkdir()
    for number, frame in enumerate(blanked(panned(10), [hole()] * 10)):
        write_image(tmp_path / "clip" / f"{number}.png", frame)
    write_image(tmp_path / "mask.png", np.repeat(np.where(hole(), 255, 0).astype(np.uint8)[..., None], 3, 2))
    return tmp_path


@pytest.fixture(scope="module")
def inpainter():
    return Inpainter(offline=True, device="cpu")


def pictures(path):
    return [read_photo(file).rgb for file in sorted(path.glob("*.png"))]


def test_a_folder_without_what_the_mask_covers(folder, inpainter):
    calls = []
    done = inpainter.inpaint(
        folder / "clip", folder / "out", mask=folder / "mask.png", still=True, progress=lambda: calls.append(1)
    )
    result = pictures(folder / "out")
    assert done.frames == len(result) == 10 and len(calls) == 20 and not done.notes
    outside = ~np.asarray(hole(left=47, top=21, width=22, height=26))
    for given, frame in zip(result, panned(10), strict=True):
        assert (given[outside] == frame[outside]).all()
        assert psnr(given, frame, hole()) > 25


def test_what_moves_is_carried_and_its_masks_are_shown(folder, inpainter):
    ground = panned(1)[0] // 2
    for number in range(8):
        frame = ground.copy()
        frame[hole(left=10 + 5 * number)] = texture(9, 20, 16).reshape(-1, 3) // 2 + 120
        write_image(folder / "clip" / f"{number}.png", frame)
    for number in (8, 9):
        (folder / "clip" / f"{number}.png").unlink()
    inpainter.inpaint(folder / "clip", folder / "out", mask=np.float32(hole(left=10)), show_mask=folder / "masks")
    shown = [read_photo(file).rgb[..., 0] > 127 for file in sorted((folder / "masks").glob("*.png"))]
    assert len(shown) == 8 and all(mask[hole(left=10 + 5 * n)].mean() > 0.9 for n, mask in enumerate(shown))
    assert all(psnr(given, ground, np.ones_like(hole())) > 30 for given in pictures(folder / "out"))
    again = folder / "again"
    inpainter.inpaint(folder / "clip", again, mask=folder / "masks")
    assert all((one == other).all() for one, other in zip(pictures(folder / "out"), pictures(again), strict=True))


def test_sound_and_times_stay(tmp_path, inpainter):
    with av.open(str(tmp_path / "tone.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=48_000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 24_000), np.int16), "s16", "mono")
        sound.sample_rate, sound.pts = 48_000, 0
        container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    with VideoWriter(tmp_path / "clip.mp4", WIDTH, HEIGHT, 20, sound=tmp_path / "tone.wav") as writer:
        for frame in panned(10):
            writer.write(frame)
    done = inpainter.inpaint(tmp_path / "clip.mp4", tmp_path / "out.mp4", mask=np.float32(hole()), still=True)
    before, after = VideoReader(tmp_path / "clip.mp4"), VideoReader(tmp_path / "out.mp4")
    assert before.times == after.times and before.seconds == after.seconds and done.fps == before.fps
    with av.open(str(tmp_path / "out.mp4")) as film:
        assert len(film.streams.audio) == 1
    done = inpainter.inpaint(tmp_path / "clip.mp4", tmp_path / "out.gif", mask=np.float32(hole()), still=True)
    assert done.silenced and len(list(VideoReader(tmp_path / "out.gif"))) == 10


def test_uneven_times_and_transparency_stay(tmp_path, inpainter):
    from PIL import Image

    alpha = np.full((HEIGHT, WIDTH, 1), 255, np.uint8)
    alpha[:10] = 0
    frames = [Image.fromarray(np.dstack([frame, alpha])) for frame in panned(4)]
    durations = [100, 300, 100, 200]
    frames[0].save(
        tmp_path / "clip.png", save_all=True, append_images=frames[1:], duration=durations, loop=0, default_image=False
    )
    (tmp_path / "clip.png").rename(tmp_path / "clip.apng")
    inpainter.inpaint(tmp_path / "clip.apng", tmp_path / "out.apng", mask=np.float32(hole()), still=True)
    result = list(VideoReader(tmp_path / "out.apng"))
    assert len(result) == 7 and all((frame[:10, :, 3] == 0).all() for frame in result)  # a tenth of a second each
    assert (result[1][~hole()] == result[3][~hole()]).all() and (result[3] != result[4]).any()


def test_work_goes_on(folder, inpainter):
    said = {"mask": folder / "mask.png", "still": True, "work": folder / "work"}

    class Interrupted(Exception):
        pass

    left = iter([1] * 17)

    def interrupt():
        if next(left, None) is None:
            raise Interrupted

    with pytest.raises(Interrupted):
        inpainter.inpaint(folder / "clip", folder / "out", **said, progress=interrupt)
    assert not (folder / "out").exists()
    kept = {path: path.stat().st_mtime_ns for path in (folder / "work").glob("*.npz")}
    assert any(path.name.startswith("filled") for path in kept)
    inpainter.inpaint(folder / "clip", folder / "out", **said)
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items() if not path.name.startswith("later"))
    inpainter.inpaint(folder / "clip", folder / "whole", mask=folder / "mask.png", still=True)
    assert all((one == other).all() for one, other in zip(*map(pictures, (folder / "out", folder / "whole"))))


def test_work_on_something_else_is_refused(folder, inpainter):
    inpainter.inpaint(folder / "clip", folder / "out", mask=folder / "mask.png", still=True, work=folder / "work")
    with pytest.raises(InputError, match="holds work on another clip or mask"):
        inpainter.inpaint(folder / "clip", folder / "new", box=(1, 2, 30, 40), still=True, work=folder / "work")
    with pytest.raises(InputError, match="holds something else"):
        inpainter.inpaint(folder / "clip", folder / "new", mask=folder / "mask.png", work=folder / "clip")
    assert json.loads((folder / "work" / "job.json").read_text())["weights"] == "None"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ({}, "expected"),
        ({"mask": np.zeros((HEIGHT, WIDTH), np.float32), "still": True}, "expected"),
        ({"mask": np.ones((HEIGHT, WIDTH), np.float32), "still": True}, "covers the whole frame|expected"),
        ({"mask": np.ones((HEIGHT, WIDTH + 1), np.float32), "still": True}, "expected"),
        ({"box": (0, 0, WIDTH, HEIGHT), "still": True}, "covers the whole frame"),
    ],
)
def test_bad_masks_are_told_of_in_a_line(folder, inpainter, said, line):
    with pytest.raises(InputError, match=line):
        inpainter.inpaint(folder / "clip", folder / "out", **said)
    assert not (folder / "out").exists()


def test_the_input_is_never_replaced(folder, inpainter):
    with pytest.raises(InputError, match=r"replace the input|not empty"):
        inpainter.inpaint(folder / "clip", folder / "clip", mask=folder / "mask.png")
