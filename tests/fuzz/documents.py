"""Readers of motions, stages, spectral volumes and weights."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from typing import Any

import numpy as np

from photoflow.errors import InputError

from .mutations import mended_png, mutated, mutated_document, written
from .target import Target, answer, waves


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
        stage = Stage.of(waves((48, 64)), 64)
        stage.add("one", mask=mask).add("two", mask=np.roll(mask, 12, 0), region=True)
        stage.fill()
        stage.save(self.folder / "a.stage")
        return [self.taken("a.stage")]

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
