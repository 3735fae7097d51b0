"""Small files of the names that the documentation uses."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import av
import cv2
import numpy as np

from photoflow.io import write_flow
from photoflow.motion.wind import wind_volume
from photoflow.weights import shipped

PHOTO, CLIP, PAIR = (640, 480), (448, 252), (128, 96)  # width, height; points in the documentation lie within
FRAMES = 4


def make(folder: Path) -> None:
    """Write every file that a documented command reads and no command of its own block writes."""
    still = picture(PHOTO)
    for name in ("photo", "oak", "cat", "portrait", "tree", "garden", "a", "b", "sister"):
        cv2.imwrite(str(folder / f"{name}.jpg"), still)
    cv2.imwrite(str(folder / "rose.jpg"), picture((640, 360)))  # of the clip's shape
    cv2.imwrite(str(folder / "lake.jpg"), lake())
    for name in ("rose.png", "tree.png"):
        cv2.imwrite(str(folder / name), still)
    for name in ("one.jpg", "one.png", "a.png"):
        cv2.imwrite(str(folder / name), picture(PAIR))
    for name in ("two.jpg", "two.png", "b.png"):
        cv2.imwrite(str(folder / name), picture(PAIR, 3))
    cv2.imwrite(str(folder / "water.png"), lower_part(PHOTO))
    cv2.imwrite(str(folder / "depth.png"), np.tile(np.linspace(0, 255, 480).astype(np.uint8)[:, None], (1, 640)))
    for person in ("her", "PEOPLE/ann"):
        (folder / person).mkdir(parents=True)
        cv2.imwrite(str(folder / person / "a.jpg"), cv2.resize(still, (520, 520)))  # smaller ones are dropped
    (folder / "GENERATED" / "ann" / "1").mkdir(parents=True)  # of the first prompt
    shutil.copy(folder / "one.png", folder / "GENERATED" / "ann" / "1")
    clip(folder / "clip.mp4", CLIP)
    cv2.imwrite(str(folder / "first.png"), picture(CLIP))
    cv2.imwrite(str(folder / "thing.png"), spot(CLIP, (430, 150), 12))
    cv2.imwrite(str(folder / "logo.png"), spot(CLIP, (40, 40), 10))
    batch(folder)
    blown = wind_volume(picture((640, 480)).max(2) / 255.0, "plant", seconds=4.0, count=4)
    blown.save(folder / "volume.safetensors")
    for name in ("by_distance", "by_decibels"):
        shutil.copy(shipped("refined"), folder / f"{name}.safetensors")
    training(folder)
    evaluation(folder)
    weights(folder / "runs")
    for name, place in (("photos", "PHOTOS"), ("flying_chairs", "FlyingChairs"), ("sway", "CLIPS")):
        (folder / "shared" / "data").mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder / place, folder / "shared" / "data" / name)
    for index in range(1, 10):  # every tenth is held out
        shutil.copy(folder / "CLIPS" / "0.mp4", folder / "shared" / "data" / "sway" / f"{index}.mp4")


def picture(size: tuple[int, int], moved: float = 0) -> np.ndarray:
    """Draw stripes with a blob before them that is moved to the right, uint8 (H, W, 3)."""
    width, height = size
    y, x = np.mgrid[:height, :width] / min(size)
    behind = 110 + 25 * np.stack([np.sin(9 * x + 4 * y), np.sin(7 * y), np.sin(5 * x)], 2)
    shift = moved / min(size)
    front = 170 + 60 * np.stack([np.sin(40 * (x - shift)), np.sin(50 * y), np.sin(45 * (x - shift + y))], 2)
    inside = ((x - shift - 0.66) / 0.5) ** 2 + ((y - 0.52) / 0.4) ** 2 < 1
    return np.where(inside[..., None], front, behind).clip(0, 255).astype(np.uint8)


def lake() -> np.ndarray:
    """Draw a lake with a boat and a buoy."""
    water = picture(PHOTO)[:, :1].repeat(PHOTO[0], 1)
    cv2.ellipse(water, (410, 245), (70, 30), 0, 0, 360, (20, 30, 160), -1)
    return cv2.circle(water, (40, 300), 25, (20, 160, 220), -1)


def lower_part(size: tuple[int, int]) -> np.ndarray:
    """Return the mask of the lower third of a picture."""
    mask = np.zeros(size[::-1], np.uint8)
    mask[2 * size[1] // 3 :] = 255
    return mask


def spot(size: tuple[int, int], centre: tuple[int, int], radius: int) -> np.ndarray:
    """Return the mask of a disc."""
    return cv2.circle(np.zeros(size[::-1], np.uint8), centre, radius, 255, -1)


def clip(path: Path, size: tuple[int, int], frames: int = FRAMES) -> None:
    """Write a clip in which the blob swings."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("libx264", rate=8, options={"preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        for index in range(frames):
            frame = picture(size, 3 * np.sin(2 * np.pi * index / frames))
            file.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="bgr24")))
        file.mux(stream.encode())


def batch(folder: Path) -> None:
    """Write a tree of photos, a list with options, and a recipe."""
    (folder / "photos" / "lake").mkdir(parents=True)
    for name in ("cat.jpg", "lake.jpg", "lake/a.jpg"):
        cv2.imwrite(str(folder / "photos" / name), picture(PAIR))
    (folder / "list.csv").write_text("photo,motion,seconds,output\nphotos/cat.jpg,sway,0.5,favourites/cat.gif\n")
    (folder / "recipe.toml").write_text('motion = ["camera push=0.05"]\nseconds = 0.5\nsize = 96\n')


def training(folder: Path) -> None:
    """Write photos, clips and annotated pictures to train on."""
    for name in ("PHOTOS", "CLIPS", "IMAGES"):
        (folder / name).mkdir()
    for index in range(2):
        cv2.imwrite(str(folder / "PHOTOS" / f"{index}.jpg"), picture((160, 120), 20 * index))
        cv2.imwrite(str(folder / "IMAGES" / f"{index}.jpg"), picture((96, 96), 5 * index))
    clip(folder / "CLIPS" / "0.mp4", (112, 96), 40)
    box = [40, 20, 40, 60]
    outline = [[40, 20, 80, 20, 80, 80, 40, 80]]
    things = [
        {"id": i + 1, "image_id": i, "category_id": 1, "bbox": box, "segmentation": outline, "area": 2400, "iscrowd": 0}
        for i in range(2)
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "width": 96, "height": 96} for i in range(2)]
    said = {"images": images, "annotations": things, "categories": [{"id": 1, "name": "thing"}]}
    (folder / "instances.json").write_text(json.dumps(said))


def evaluation(folder: Path) -> None:
    """Write two pairs of chairs with their flow, a triplet of frames, and a clip with masks."""
    chairs = folder / "FlyingChairs"
    chairs.mkdir()
    flow = np.zeros((2, PAIR[1], PAIR[0]), np.float32)
    flow[0] = 3
    for name in ("00001", "00002"):
        cv2.imwrite(str(chairs / f"{name}_img1.png"), picture(PAIR))
        cv2.imwrite(str(chairs / f"{name}_img2.png"), picture(PAIR, 3))
        write_flow(chairs / f"{name}_flow.flo", flow)
    triplet = folder / "shared" / "data" / "middlebury_other" / "one"
    triplet.mkdir(parents=True)
    for name, moved in (("frame10", 0), ("frame10i11", 2), ("frame11", 4)):
        cv2.imwrite(str(triplet / f"{name}.png"), picture(PAIR, moved))
    davis = folder / "shared" / "data" / "davis" / "one"
    davis.mkdir(parents=True)
    for index in range(8):
        cv2.imwrite(str(davis / f"{index:05d}.jpg"), picture(PAIR, 2 * index))
        cv2.imwrite(str(davis / f"{index:05d}_mask.png"), spot(PAIR, (60 + 2 * index, 50), 20))


def weights(runs: Path) -> None:
    """Write weights of the recipes: those that ship, and untrained ones where none do."""
    from safetensors.torch import save_file

    from photoflow.models.e2fgvi import E2FGVI
    from photoflow.models.ifnet import IFNet

    for name, kind in (("gan", "gan"), ("flow", "flow"), ("prior", "spectral")):
        (runs / name).mkdir(parents=True)
        shutil.copy(shipped(kind), runs / name / "weights.safetensors")
    for name, network in (("interpolation", IFNet("small")), ("completion", E2FGVI(hq=True, size="small"))):
        (runs / name).mkdir()
        state = {key: value.contiguous() for key, value in network.state_dict().items()}
        save_file(state, runs / name / "weights.safetensors")
    (runs / "raft").mkdir()
    for part in ("aa", "ab"):
        (runs / "raft" / f"part.{part}").write_bytes(bytes(8))
