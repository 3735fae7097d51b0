"""Readers of photos, masks, flows and videos."""

from __future__ import annotations

import io
import random
from pathlib import Path
from typing import Any

import numpy as np

from photoflow.errors import LONGEST

from .mutations import mended_png, mutated
from .target import Target, answer, saved, waves


def changed_picture(name: str, data: bytes, rng: random.Random) -> bytes:
    """Change a picture's file; the checksums of a PNG are mostly right again, so that more than them is looked at."""
    data = mutated(data, rng)
    return mended_png(data) if name.endswith(".png") and rng.random() < 0.7 else data


class Photos(Target):
    """Photos of all formats."""

    name = "photo"

    def make_seeds(self) -> list[tuple[str, bytes]]:
        from PIL import Image, ImageCms, features

        rgb, rgba = Image.fromarray(waves()), Image.fromarray(waves(channels=4))
        grey, deep = rgb.convert("L"), Image.fromarray(waves()[..., 0].astype(np.uint16) * 257)
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        exif = Image.Exif()
        exif[0x0112] = 6
        seeds = [
            ("rgb.png", saved(rgb, "PNG", icc_profile=profile)), ("rgba.png", saved(rgba, "PNG")),
            ("grey.png", saved(grey, "PNG")), ("deep.png", saved(deep, "PNG")),
            ("bits.png", saved(grey.convert("1"), "PNG")),
            ("palette.png", saved(rgb.quantize(16), "PNG", transparency=3)),
            ("rgb.jpg", saved(rgb, "JPEG", exif=exif.tobytes(), icc_profile=profile)),
            ("cmyk.jpg", saved(rgb.convert("CMYK"), "JPEG")), ("grey.jpg", saved(grey, "JPEG", progressive=True)),
            ("rgb.webp", saved(rgb, "WEBP")), ("rgba.webp", saved(rgba, "WEBP", lossless=True)),
            ("a.gif", saved(rgb.quantize(16), "GIF")), ("a.bmp", saved(rgb, "BMP")), ("l.bmp", saved(grey, "BMP")),
            ("rgb.tif", saved(rgb, "TIFF", compression="tiff_lzw")), ("rgba.tif", saved(rgba, "TIFF")),
            ("deep.tif", saved(deep, "TIFF", compression="tiff_deflate")),
            ("float.tif", saved(Image.fromarray(waves()[..., 0].astype(np.float32) / 255), "TIFF")),
        ]  # fmt: skip
        if features.check("avif"):
            seeds.append(("rgba.avif", saved(rgba, "AVIF")))
        return seeds

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        return changed_picture(name, data, rng)

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

        rgb, self.packet = Image.fromarray(waves()), origin.xmp(origin.TRAINED)
        seeds = [("a.tif", saved(rgb, "TIFF", tiffinfo={700: self.packet}))]
        for name, form in (("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.webp", "WEBP")):
            seeds.append((name, origin.marked(saved(rgb, form), origin.TRAINED)))
        for name in ("a.mp4", "a.webm", "a.gif", "a.apng"):
            with VideoWriter(self.folder / name, 28, 20, 12, source_type=origin.COMPOSITE) as out:
                for shift in range(3):
                    out.write(np.roll(waves(), shift, axis=1))
            seeds.append(self.taken(name))
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

        flow = np.stack([waves()[..., 0], waves()[..., 1]]).astype(np.float32) / 16 - 8
        flow[:, 3, 4] = np.nan
        seeds = []
        for name in ("a.flo", "a.png"):
            write_flow(self.folder / name, flow)
            seeds.append(self.taken(name))
        return seeds

    def changed(self, name: str, data: bytes, rng: random.Random) -> bytes:
        return changed_picture(name, data, rng)

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
                    frame = av.VideoFrame.from_ndarray(np.roll(waves((48, 64), 4), 3 * index, 1), "rgba")
                    frame = frame.reformat(format=pixels)
                    frame.pts = index
                    container.mux(stream.encode(frame))
                container.mux(stream.encode(None))
                if track is not None:
                    tone = av.AudioFrame.from_ndarray(np.zeros((1, 1920), np.int16), "s16", "mono")
                    tone.sample_rate, tone.pts = 8000, 0
                    container.mux(track.encode(tone))
                    container.mux(track.encode(None))
            seeds.append(self.taken(name))
        pictures = [Image.fromarray(np.roll(waves((24, 32), 4), 3 * index, 1)) for index in range(4)]
        options = {"save_all": True, "append_images": pictures[1:], "duration": 40}
        seeds.append(("a.webp", saved(pictures[0], "WEBP", **options)))
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
