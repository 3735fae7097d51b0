from pathlib import Path

import numpy as np
import pytest
import torch

from photoflow.data import VideoFolder, video_folder
from photoflow.errors import InputError
from photoflow.io import VideoWriter, write_image

SIZE = (32, 48)


def _frames(count: int, speed: float, phase: float = 0.0) -> list[np.ndarray]:
    """Colours that move to the right; the red wave's place tells the time."""
    y, x = np.mgrid[:72, :96].astype(float)
    return [
        np.stack(
            [127 + 100 * np.sin((x - speed * t) / 6 + phase), 127 + 100 * np.sin(y / 9), 127 + 60 * np.cos(x / 15)],
            axis=2,
        ).astype(np.uint8)
        for t in range(count)
    ]


def _write(path: Path, frames: list[np.ndarray]) -> None:
    with VideoWriter(path, 96, 72, 25, quality=100) as writer:
        for frame in frames:
            writer.write(frame)


def test_the_middle_frame_lies_between_the_others(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", _frames(30, speed=1.0))
    batch = VideoFolder(tmp_path, SIZE).batch(0, 8)
    assert {name: tuple(value.shape) for name, value in batch.items()} == {
        "image1": (8, 3, *SIZE), "middle": (8, 3, *SIZE), "image2": (8, 3, *SIZE), "t": (8,),
    }  # fmt: skip
    assert batch["t"].tolist() == [0.5] * 8
    # A wave that moves evenly: its middle frame is the mean of the others, divided by the cosine of the step.
    for first, middle, last in zip(batch["image1"], batch["middle"], batch["image2"]):
        wave, mean = middle[0] - 0.5, (first[0] + last[0]) / 2 - 0.5
        likeness = float((wave * mean).sum() / (wave.norm() * mean.norm()))
        assert likeness > 0.99
        assert float((first[0] - last[0]).abs().mean()) > 0.02


def test_batches_depend_on_seed_and_number_alone(tmp_path: Path) -> None:
    for name, speed in (("a.mp4", 1.0), ("b.webm", 2.0)):
        _write(tmp_path / name, _frames(24, speed))
    source = VideoFolder(tmp_path, SIZE, seed=2)
    wanted = source.batch(80, 2)  # not in the first block
    source.batch(0, 4)
    again = VideoFolder(tmp_path, SIZE, seed=2).batch(80, 2)
    assert all(torch.equal(wanted[name], again[name]) for name in wanted)
    assert torch.equal(source.batch(160, 1)["image1"], wanted["image1"][:1])
    assert not torch.equal(VideoFolder(tmp_path, SIZE, seed=3).batch(80, 2)["image1"], wanted["image1"])


def test_still_triplets_and_cuts_are_avoided(tmp_path: Path) -> None:
    still = [_frames(1, 0)[0]] * 20
    _write(tmp_path / "a.mp4", [*still, *_frames(20, 1.0, phase=2.5), *[255 - frame for frame in _frames(20, 1.0)]])
    batch = VideoFolder(tmp_path, SIZE, seed=1).batch(0, 40)
    before = (batch["image1"] - batch["middle"]).abs().mean(dim=(1, 2, 3))
    after = (batch["middle"] - batch["image2"]).abs().mean(dim=(1, 2, 3))
    assert float(((before + after) < 0.01).float().mean()) < 0.1
    ratio = torch.maximum(before, after) / torch.minimum(before, after).clamp_min(1e-3)
    assert float((ratio > 4).float().mean()) < 0.1


def test_memory_is_bounded(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", _frames(30, 1.0))
    source = VideoFolder(tmp_path, SIZE)
    for sample in range(0, 6 * video_folder.SAMPLES, 40):
        source.batch(sample, 1)
        assert len(source._pieces) <= 2 * video_folder.PIECES
    assert all(len(piece) <= video_folder.FRAMES for piece in source._pieces.values())


def test_a_piece_begins_at_the_frame_that_was_asked_for(tmp_path: Path) -> None:
    bits = 1 << np.arange(6)  # each frame shows its number in black and white bars
    frames = [np.repeat(255 * ((index & bits) > 0), 16).astype(np.uint8) for index in range(60)]
    frames = [np.broadcast_to(bars[None, :, None], (72, 96, 3)) for bars in frames]
    _write(tmp_path / "a.mp4", frames)
    clip = VideoFolder(tmp_path, SIZE)._clips[0]
    assert clip.count == 60
    for first in (0, 1, 17, 40, 51):
        middles = [
            frame[10, (np.arange(6) * 2 + 1) * frame.shape[1] // 12, 0] for frame in clip.frames(first, SIZE, 1.5)
        ]
        numbers = [int(((bars > 127) * bits).sum()) for bars in middles]
        assert numbers == list(range(first, first + video_folder.FRAMES))
    assert {frame.shape for frame in clip.frames(3, SIZE, 1.0)} == {(36, 48, 3)}  # no smaller than the crops


def test_folders_of_frames(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "dog"
    folder.mkdir(parents=True)
    for index, frame in enumerate(_frames(12, 1.0)):
        write_image(folder / f"{index}.png", frame)
        write_image(folder / f"{index}_mask.png", np.zeros((72, 96), np.uint8))
    write_image(tmp_path / "alone.png", np.zeros((72, 96, 3), np.uint8))
    source = VideoFolder(tmp_path, SIZE)
    assert [clip.count for clip in source._clips] == [12]
    assert [file.stem for file in source._clips[0].files] == [str(index) for index in range(12)]
    batch = source.batch(0, 4)
    assert float(batch["middle"].std()) > 0.1


def test_frames_of_mixed_names_are_in_the_order_of_their_numbers(tmp_path: Path) -> None:
    wanted = ["f8.jpeg", "f9.jpeg", "f10.png", "f11.png", "img_1.jpg"]
    for name in wanted:
        write_image(tmp_path / name, np.zeros((72, 96, 3), np.uint8))
    assert [file.name for file in VideoFolder(tmp_path, SIZE)._clips[0].files] == wanted


def test_small_videos_are_enlarged(tmp_path: Path) -> None:
    _write(tmp_path / "a.mp4", _frames(12, 2.0))
    assert VideoFolder(tmp_path, (100, 100)).batch(0, 2)["image1"].shape == (2, 3, 100, 100)


def test_what_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no video of at least 3 frames"):
        VideoFolder(tmp_path, SIZE)
    with pytest.raises(InputError, match="no such folder"):
        VideoFolder(tmp_path / "none", SIZE)
    (tmp_path / "bad.mp4").write_bytes(b"no video")
    with pytest.raises(InputError, match=r"bad\.mp4 is not a video file"):
        VideoFolder(tmp_path, SIZE)
