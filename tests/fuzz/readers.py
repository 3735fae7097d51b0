"""Entry points that read what a person gives: each is called with a mutated input, and answers or refuses.

A target is made once, with a folder to write to; `run_one(rng)` then tries one input and returns "accepted" or
"refused". Any exception but InputError gets through, and fails the test.
"""

from __future__ import annotations

import io
import random
import struct
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from photoflow.errors import LONGEST, InputError

from .mutations import mended_png, mutated, mutated_document, written


class Target(ABC):
    """An entry point and valid inputs to start from.

    Args:
        folder: an empty folder of its own.
    """

    name = ""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seeds = self.make_seeds()

    @abstractmethod
    def make_seeds(self) -> list[tuple[str, bytes]]:
        """Make valid inputs: names of files with their contents."""

    @abstractmethod
    def use(self, path: Path) -> None:
        """Read a file, and use what was read."""

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        """Change a file's contents."""
        return mutated(data, rng)

    def run_one(self, rng: random.Random) -> str:
        """Try one mutated input.

        Raises:
            AssertionError: the answer is no short line, or a file was changed or lost.
        """
        name, data = rng.choice(self.seeds)
        data = self.changed(name, data, rng)
        path = self.folder / name
        path.write_bytes(data)
        try:
            outcome = answer(lambda: self.use(path))
            assert path.read_bytes() == data, "what was read has been changed"
            left = [one.name for one in self.folder.iterdir() if one != path]
            assert left == [], f"files appeared: {left}"
        finally:
            path.unlink(missing_ok=True)
        return outcome


def answer(call: Callable[[], object]) -> str:
    """Call and return "accepted", or "refused" if an InputError of one short line was raised; warnings are errors."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            call()
    except InputError as error:
        said = str(error)
        assert said and said.isprintable() and len(said) <= LONGEST, f"not one short line: {said[:2000]!r}"
        return "refused"
    return "accepted"


def _picture(size: tuple[int, int] = (20, 28), channels: int = 3) -> np.ndarray:
    y, x = np.mgrid[: size[0], : size[1]]
    waves = [np.sin(x / 5 + y / 7 + phase) for phase in range(channels)]
    return np.rint(127.5 + 110 * np.stack(waves, axis=2)).astype(np.uint8)


def _saved(picture: Any, form: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


class Photos(Target):
    """Photos of all formats."""

    name = "photo"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        from PIL import Image, ImageCms, features

        rgb, rgba = Image.fromarray(_picture()), Image.fromarray(_picture(channels=4))
        grey, deep = rgb.convert("L"), Image.fromarray(_picture()[..., 0].astype(np.uint16) * 257)
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        exif = Image.Exif()
        exif[0x0112] = 6
        seeds = [
            ("rgb.png", _saved(rgb, "PNG", icc_profile=profile)), ("rgba.png", _saved(rgba, "PNG")),
            ("grey.png", _saved(grey, "PNG")), ("deep.png", _saved(deep, "PNG")),
            ("bits.png", _saved(grey.convert("1"), "PNG")),
            ("palette.png", _saved(rgb.quantize(16), "PNG", transparency=3)),
            ("rgb.jpg", _saved(rgb, "JPEG", exif=exif.tobytes(), icc_profile=profile)),
            ("cmyk.jpg", _saved(rgb.convert("CMYK"), "JPEG")), ("grey.jpg", _saved(grey, "JPEG", progressive=True)),
            ("rgb.webp", _saved(rgb, "WEBP")), ("rgba.webp", _saved(rgba, "WEBP", lossless=True)),
            ("a.gif", _saved(rgb.quantize(16), "GIF")), ("a.bmp", _saved(rgb, "BMP")), ("l.bmp", _saved(grey, "BMP")),
            ("rgb.tif", _saved(rgb, "TIFF", compression="tiff_lzw")), ("rgba.tif", _saved(rgba, "TIFF")),
            ("deep.tif", _saved(deep, "TIFF", compression="tiff_deflate")),
            ("float.tif", _saved(Image.fromarray(_picture()[..., 0].astype(np.float32) / 255), "TIFF")),
        ]  # fmt: skip
        if features.check("avif"):
            seeds.append(("rgba.avif", _saved(rgba, "AVIF")))
        return seeds

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        data = mutated(data, rng)
        return mended_png(data) if name.endswith(".png") and rng.random() < 0.7 else data

    def use(self, path: Path) -> None:
        from photoflow.io import read_photo

        photo = read_photo(path)
        assert photo.rgb.dtype == np.uint8 and photo.rgb.shape[2] == 3


class Masks(Photos):
    """Masks and labels, of the same files."""

    name = "mask"

    def use(self, path: Path) -> None:
        from photoflow.io import read_mask_file

        mask = read_mask_file(path)
        assert mask.values.dtype == np.float32 and mask.values.min() >= 0 and mask.values.max() <= 1


class Origins(Photos):
    """What pictures and videos say of their origin: marked files, and packets by themselves."""

    name = "origin"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        from PIL import Image

        from photoflow.io import VideoWriter, origin

        rgb, self.packet = Image.fromarray(_picture()), origin.xmp(origin.TRAINED)
        seeds = [("a.tif", _saved(rgb, "TIFF", tiffinfo={700: self.packet}))]
        for name, form in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP")):
            seeds.append((name, origin.marked(_saved(rgb, form), origin.TRAINED)))
        for name in ("a.mp4", "a.webm", "a.gif", "a.apng"):
            with VideoWriter(self.folder / name, 28, 20, 12, source_type=origin.COMPOSITE) as out:
                for shift in range(3):
                    out.write(np.roll(_picture(), shift, axis=1))
            seeds.append((name, (self.folder / name).read_bytes()))
            (self.folder / name).unlink()
        return seeds

    def use(self, path: Path) -> None:
        from photoflow.io import origin, source_type_of

        assert source_type_of(path) in (None, *origin.GENERATED)

    def run_one(self, rng: random.Random) -> str:
        from photoflow.io import origin

        chance = rng.random()
        if chance < 0.5:
            return super().run_one(rng)
        if chance < 0.7:
            packet = mutated(self.packet, rng)
            return answer(lambda: origin.of_packet(packet))
        name, data = rng.choice(self.seeds)
        file = io.BytesIO(mutated(data, rng))
        before = file.getvalue()
        outcome = answer(lambda: origin.mark(file, origin.TRAINED))
        assert (file.getvalue() == before) == (outcome == "refused"), name
        return outcome


class Flows(Target):
    """Flow files of both kinds."""

    name = "flow"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        from photoflow.io import write_flow

        flow = np.stack([_picture()[..., 0], _picture()[..., 1]]).astype(np.float32) / 16 - 8
        flow[:, 3, 4] = np.nan
        seeds = []
        for name in ("a.flo", "a.png"):
            write_flow(self.folder / name, flow)
            seeds.append((name, (self.folder / name).read_bytes()))
            (self.folder / name).unlink()
        return seeds

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        data = mutated(data, rng)
        return mended_png(data) if name.endswith(".png") and rng.random() < 0.7 else data

    def use(self, path: Path) -> None:
        from photoflow.io import read_flow

        assert read_flow(path).dtype == np.float32


class Videos(Target):
    """Videos and animated pictures of many containers."""

    name = "video"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        import av
        from PIL import Image

        kinds = (
            ("a.mp4", "libx264", "yuv420p", "s16"), ("a.mkv", "libx264", "yuv420p", None),
            ("a.ts", "mpeg2video", "yuv420p", None), ("a.avi", "mpeg4", "yuv420p", None),
            ("vp8.webm", "libvpx", "yuva420p", None), ("vp9.webm", "libvpx-vp9", "yuva420p", None),
            ("a.mov", "mjpeg", "yuvj420p", None), ("a.gif", "gif", "rgb8", None), ("a.apng", "apng", "rgba", None),
            ("hdr.mp4", "libx265", "yuv420p10le", None), ("a.flv", "flv1", "yuv420p", None),
        )  # fmt: skip
        seeds = []
        for name, codec, pixels, sound in kinds:
            path = self.folder / name
            options = (
                {"auto-alt-ref": "0"} if "vp" in codec else {"x265-params": "log-level=0"} if "265" in codec else {}
            )
            with av.open(str(path), "w") as container:
                stream: Any = container.add_stream(codec, rate=25, options=options)
                stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
                if codec == "libx265":
                    context = stream.codec_context
                    context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9
                track: Any = container.add_stream("aac", rate=8000, layout="mono") if sound else None
                for index in range(6):
                    frame = av.VideoFrame.from_ndarray(np.roll(_picture((48, 64), 4), 3 * index, 1), "rgba")
                    frame = frame.reformat(format=pixels)
                    frame.pts = index
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
                if track is not None:
                    tone = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), "s16", "mono")
                    tone.sample_rate, tone.pts = 8000, 0
                    container.mux(track.encode(tone))
                    container.mux(track.encode(None))
            seeds.append((name, path.read_bytes()))
            path.unlink()
        pictures = [Image.fromarray(np.roll(_picture((24, 32), 4), 3 * index, 1)) for index in range(4)]
        options = {"save_all": True, "append_images": pictures[1:], "duration": 40}
        seeds.append(("a.webp", _saved(pictures[0], "WEBP", **options)))
        return seeds

    def use(self, path: Path) -> None:
        from photoflow.io import VideoReader

        reader = VideoReader(path)
        last = 0.0
        for count, (time, frame) in enumerate(reader.timed()):
            assert frame.dtype == np.uint8 and frame.shape == (reader.height, reader.width, 4 if reader.alpha else 3)
            assert time >= last, "time ran backwards"
            last = time
            if count == 300:
                break
        assert 0 < reader.fps <= 240 and reader.seconds >= 0
        assert all("\n" not in note and len(note) < LONGEST for note in reader.notes)


class Motions(Target):
    """Motion files and the words of the command line."""

    name = "motion"
    WORDS = (
        "sway strength=0.8 period=3", "path@2 points=0,0;40,-20 closed=true", "spectral:plant wind=0.5 seed=3",
        "poke x=1 y=2 dx=3 dy=-4 like=tree", "float amplitude=4", "0.5", "translate@cat dx=4 dy=2",
        "swing pivot=10,20 angle=-3e1", "spectral:'a b.mp4'@rose region=1,2,3,4",
        "drift arrows=0,0,5,5 anchors=1,1;2,2",
    )  # fmt: skip

    def make_seeds(self) -> list[tuple[str, bytes]]:
        from photoflow import motion

        self.documents = [
            {"photoflow": "motion", "version": 1, "motion": one.to_dict()}
            for one in (
                motion.parse("sway"), motion.parse("path points=0,0;40,-20;3,4 closed=true"),
                0.5 * motion.parse("breathe").on(2) + motion.parse("spectral:plant").on("leaf"),
                motion.parse("poke x=1 y=2 dx=3 dy=4"), motion.parse("translate dx=3 dy=1"),
            )
        ]  # fmt: skip
        return [("a.json", b"")]

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        document = rng.choice(self.documents)
        if rng.random() < 0.6:
            return written(mutated_document(document, rng))
        return mutated(written(document), rng)

    def use(self, path: Path) -> None:
        from photoflow import motion

        found = motion.load(path)
        list(found.terms())
        assert motion.from_dict(found.to_dict()) == found

    def run_one(self, rng: random.Random) -> str:
        if rng.random() < 0.5:
            return super().run_one(rng)
        from photoflow import motion

        text = mutated(rng.choice(self.WORDS).encode(), rng).decode(rng.choice(("utf-8", "latin-1")), "surrogateescape")
        if rng.random() < 0.1:
            text = text.replace("0", "9" * 5000)
        return answer(lambda: motion.parse(text))


class Stages(Target):
    """Stage files, their bytes and their documents."""

    name = "stage"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        from photoflow.stage import Stage

        mask = np.zeros((48, 64), np.float32)
        mask[10:30, 20:44] = 1
        stage = Stage.of(_picture((48, 64)), 64)
        stage.add("one", mask=mask).add("two", mask=np.roll(mask, 12, 0), region=True)
        stage.fill()
        stage.save(self.folder / "a.stage")
        data = (self.folder / "a.stage").read_bytes()
        (self.folder / "a.stage").unlink()
        return [("a.stage", data)]

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        import json
        import zipfile

        if rng.random() < 0.4:
            return mutated(data, rng)
        packed = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w") as new:
            chosen = rng.choice(old.namelist())
            for member in old.namelist():
                content = old.read(member)
                if member == chosen and member.endswith(".json") and rng.random() < 0.8:
                    content = written(mutated_document(json.loads(content), rng))
                elif member == chosen:
                    content = mutated(content, rng)
                    content = mended_png(content) if rng.random() < 0.7 else content
                if member != chosen or rng.random() < 0.95:
                    new.writestr(member, content)
        return packed.getvalue()

    def use(self, path: Path) -> None:
        from photoflow.stage import Stage

        stage = Stage.load(path)
        assert all(layer.name for layer in stage.layers)
        str(stage)


class Volumes(Target):
    """Spectral volumes."""

    name = "volume"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        import torch
        from safetensors.torch import save

        about = {"photoflow": "spectral volume", "version": "1", "seconds": "3.0"}
        real = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 2, 6, 8)))
        return [
            (f"{str(dtype)[6:]}.safetensors", save({"real": real.to(dtype), "imaginary": -real.to(dtype)}, about))
            for dtype in (torch.float32, torch.float64, torch.bfloat16, torch.float16)
        ]

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        return _changed_tensors(data, rng)

    def use(self, path: Path) -> None:
        from photoflow.motion.spectral import SpectralVolume

        volume = SpectralVolume.load(path)
        assert np.isfinite(volume.coefficients).all() and volume.seconds > 0
        assert np.isfinite(volume.displacement(0.3)).all()


class Weights(Target):
    """Weights of networks, as safetensors and in torch's formats."""

    name = "weights"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        import torch
        from safetensors.torch import save

        torch.manual_seed(0)
        state = self._network().state_dict()
        seeds = [("a.safetensors", save(state)), ("half.safetensors", save({k: v.half() for k, v in state.items()}))]
        for name, content, is_zip in (
            ("a.pth", state, True), ("old.pth", state, False), ("wrapped.pth", {"state_dict": state, "epoch": 3}, True),
        ):  # fmt: skip
            stream = io.BytesIO()
            torch.save(content, stream, _use_new_zipfile_serialization=is_zip)
            seeds.append((name, stream.getvalue()))
        return seeds

    @staticmethod
    def _network() -> Any:
        from torch import nn

        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        return _changed_tensors(data, rng) if name.endswith("safetensors") else mutated(data, rng)

    def use(self, path: Path) -> None:
        import torch

        from photoflow.weights.loading import load_weights

        network = self._network()
        before = {name: value.clone() for name, value in network.state_dict().items()}
        try:
            load_weights(network, path)
        except InputError:
            assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
            raise
        assert all(torch.isfinite(value).all() for value in network.state_dict().values())


def _changed_tensors(data: bytes, rng: random.Random) -> bytes:
    """Change a safetensors file: its bytes, or the document in its header, whose length is then right."""
    import json

    if rng.random() < 0.4:
        return mutated(data, rng)
    (length,) = struct.unpack_from("<Q", data)
    header = mutated_document(json.loads(data[8 : 8 + length]), rng)
    packed = written(header)
    return struct.pack("<Q", len(packed)) + packed + data[8 + length :]


READERS = (Photos, Masks, Origins, Flows, Videos, Motions, Stages, Volumes, Weights)
