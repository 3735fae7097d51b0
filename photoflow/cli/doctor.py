"""Command `photoflow doctor`: what is here, what is missing, and what to type for it."""

from __future__ import annotations

import importlib.util
import os
import platform
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import typer

from photoflow import __version__
from photoflow.cli.app import app

HERE, MISSING, BROKEN = "ok", "-", "BROKEN"
Say = Callable[[str], None]

# What the extras are for, by their names in pyproject.toml, which says what is in them; developers' are left out.
EXTRAS = {
    "segment": "SAM 2.1, which cuts out what boxes, points and strokes say",
    "depth": "Depth Anything V2, how far away things are for a camera",
    "studio": "the page on which a photo is animated by hand",
    "portrait": "SDXL and PhotoMaker, which draw portraits of a person",
    "credentials": "signatures of pictures that a network made",
    "onnx": "ONNX files of the networks",
    "exr": "motion vectors as OpenEXR",
    "ray": "a batch on a Ray cluster",
    "heif": "HEIC photos",
    "train": "curves of a training in TensorBoard",
    "cupy-cuda12x": "CuPy's arrays for the operators, with CUDA 12",
    "cupy-cuda13x": "CuPy's arrays for the operators, with CUDA 13",
}


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        state: `HERE`, `MISSING` (photoflow works without it) or `BROKEN` (it does not).
        text: what it is.
        advice: what to type, or what to do; "" where nothing is to be done.
    """

    state: str
    text: str
    advice: str = ""


@app.command()
def doctor() -> None:
    """Say what is installed, what is missing, and what to type for it; exit code 0 if photoflow works.

    Nothing is fetched. A small clip is rendered as the test.
    """
    sys.exit(0 if examine(typer.echo) else 1)


def examine(say: Say) -> bool:
    """Look at everything, say it, and return whether photoflow works."""
    works = True
    for title, check in CHECKS:
        say(title)
        for finding in _examined(check):
            works = works and finding.state != BROKEN
            say(f"  {finding.state:6} {finding.text}" + (f" -> {finding.advice}" if finding.advice else ""))
    say(f"photoflow {__version__} " + ("works" if works else "does not work: see what is BROKEN"))
    return works


def _examined(check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """Yield what a check finds; an error in it is a finding, too, so that the others are still seen."""
    try:
        yield from check()
    except Exception as error:
        said = " ".join(str(error).split())
        yield Finding(BROKEN, f"{type(error).__name__}: {said}" if said else type(error).__name__)


def photoflow_itself() -> Iterator[Finding]:
    """Look at the installation, the operators, and whether a clip comes out."""
    package = Path(__file__).resolve().parents[1]
    yield Finding(HERE, f"photoflow {__version__} in {_short(package)}, Python {platform.python_version()}")
    installed = _version("photoflow")
    if installed is None:
        yield Finding(MISSING, "it is used from its sources, not installed", "pip install -e . in its folder")
    elif installed != __version__:
        yield Finding(
            MISSING, f"photoflow {installed} is installed, too, and hidden by this one", _upgrade("photoflow")
        )
    from photoflow.ops import _library

    stale = _library.why_stale(_library.loaded_library())
    yield Finding(BROKEN, stale) if stale else Finding(HERE, _library.build_info()["summary"])
    yield _rendered()


def _rendered() -> Finding:
    """Render a clip of a disc on a wall, in memory, and look at it."""
    import cv2
    import numpy as np

    from photoflow import Animator, motion

    wall = np.random.default_rng(0).integers(60, 90, (72, 96, 3), dtype=np.uint8)
    mask = cv2.circle(np.zeros(wall.shape[:2], np.uint8), (48, 36), 16, 255, -1)
    photo = np.where(mask[..., None] > 0, np.array([230, 180, 40], np.uint8), wall)
    animator = Animator("cpu", "grabcut", offline=True)
    frames = list(animator.animate(photo, motion.Sway(), mask=mask / np.float32(255), seconds=0.4, fps=10))
    if not np.array_equal(frames[0], photo) or np.array_equal(frames[1], photo):
        return Finding(BROKEN, "a clip was rendered, but its frames are not what they should be", _upgrade("photoflow"))
    return Finding(HERE, f"a clip of {len(frames)} frames was rendered: at rest the photo, then it moves")


def libraries() -> Iterator[Finding]:
    """Look at what photoflow cannot do without, as the installation says it."""
    for name, wanted in _requirements("").items():
        yield _library(name, wanted, BROKEN)


def extras() -> Iterator[Finding]:
    """Look at what photoflow can do without, as the installation says it."""
    known = _known_extras()
    for extra, purpose in EXTRAS.items():
        if extra not in known:  # of another version than the one that is installed
            continue
        lacking = [name for name, wanted in _requirements(extra).items() if _library(name, wanted, MISSING).advice]
        if not lacking:
            yield Finding(HERE, f"{extra}: {purpose}")
        else:
            advice = f'pip install "photoflow[{extra}]"'
            yield Finding(MISSING, f"{extra}: {purpose} (wants {', '.join(lacking)})", advice)


def _requirements(extra: str) -> dict[str, str]:
    """Return what an extra asks for (with "": what every installation does) as names and versions, as `>=2.10`."""
    from importlib import metadata

    from packaging.requirements import Requirement

    try:
        requirements = [Requirement(text) for text in metadata.requires("photoflow") or ()]
    except metadata.PackageNotFoundError:  # used from its sources
        return {}
    applies = [one for one in requirements if one.marker is None or one.marker.evaluate({"extra": extra})]
    always = {one.name for one in requirements if one.marker is None or one.marker.evaluate({"extra": ""})}
    return {one.name: str(one.specifier) for one in applies if not extra or one.name not in always}


def _known_extras() -> list[str]:
    from importlib import metadata

    try:
        return metadata.metadata("photoflow").get_all("Provides-Extra") or []
    except metadata.PackageNotFoundError:
        return []


def _library(name: str, wanted: str, lacking: str) -> Finding:
    """Look at one distribution; `lacking` is the state of one that is not there, or of another version."""
    from packaging.specifiers import SpecifierSet

    version = _version(name)
    if version is None:
        return Finding(lacking, f"{name}: not installed", f'pip install "{name}{wanted}"')
    if not SpecifierSet(wanted).contains(version, prereleases=True):
        return Finding(lacking, f"{name} {version}, expected {wanted}", f'pip install "{name}{wanted}"')
    return Finding(HERE, f"{name} {version}")


def _version(distribution: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _upgrade(name: str) -> str:
    return f"pip install --force-reinstall --no-deps {name}"


def weights() -> Iterator[Finding]:
    """Look for the networks' weights, by their files alone; `photoflow weights list` reads them, too."""
    from photoflow.models.networks import KINDS
    from photoflow.weights import loading

    come_with_it = [kind for kind in KINDS if loading.shipped(kind)]
    yield Finding(HERE, f"come with photoflow: {', '.join(come_with_it)}")
    try:
        folder = loading.cache_folder()
        yield _cache(folder)
    except loading.WeightsError:  # in a container whose user is in no list
        folder = None
        yield Finding(MISSING, "cannot be kept, as this user has no home folder", "export TORCH_HOME=FOLDER")
    for name, entry in loading.REGISTRY.items():
        text = f"{name}, {entry.size_bytes / 1e6:.3g} MB, {entry.network}"
        here = folder is not None and (folder / entry.filename).is_file()
        licence = " --accept-licence" if entry.non_commercial else ""
        yield Finding(HERE, text) if here else Finding(MISSING, text, f"photoflow weights get {name}{licence}")
    yield from _weights_of_the_hub()


def _cache(folder: Path) -> Finding:
    """Look at whether weights can be written, without making the folder."""
    there = next(place for place in (folder, *folder.parents) if place.exists())
    if there.is_dir() and os.access(there, os.W_OK | os.X_OK):
        return Finding(HERE, f"can be kept in {_short(folder)}")
    return Finding(MISSING, f"cannot be kept in {_short(folder)}", "export TORCH_HOME=FOLDER that can be written to")


def _weights_of_the_hub() -> Iterator[Finding]:
    """Look for the weights that transformers and diffusers keep, where those are installed."""
    if importlib.util.find_spec("huggingface_hub") is None:
        return
    from huggingface_hub import try_to_load_from_cache

    from photoflow.models.photomaker.base import BASE
    from photoflow.segment import depth, sam2

    for what, source, file in (
        ("SAM 2.1", sam2.SOURCE, "model.safetensors"),
        ("Depth Anything V2", depth.SOURCE, "model.safetensors"),
        ("SDXL", BASE, "model_index.json"),
    ):
        here = isinstance(try_to_load_from_cache(source, file), str)
        advice = "photoflow portrait PHOTOS TEXT --fetch" if what == "SDXL" else f"hf download {source}"
        yield Finding(HERE, f"{what}, {source}") if here else Finding(MISSING, f"{what}, {source}", advice)


def machine() -> Iterator[Finding]:
    """Look at the machine: cores, memory, GPU, encoders, compilers, a browser."""
    import psutil

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = psutil.virtual_memory().total / 2**30
    yield Finding(HERE, f"{platform.platform()}, {cores} cores, {memory:.0f} GiB of memory")
    yield _compilers()
    yield _browser()
    yield from _encoders()
    yield _gpu()


def _gpu() -> Finding:
    import torch

    from photoflow import ops

    if not torch.cuda.is_available():
        return Finding(MISSING, f"no GPU that torch {torch.__version__} can use: photoflow runs on the CPU")
    properties = torch.cuda.get_device_properties(0)
    text = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    why = ops.why_not_on(torch.device("cuda"))
    return Finding(MISSING, f"{text}: not used", why) if why else Finding(HERE, text)


def _encoders() -> Iterator[Finding]:
    import av

    from photoflow.io.encoders import has_nvenc

    lacking = [name for name in ("libx264", "libvpx-vp9", "gif", "apng") if name not in av.codecs_available]
    ffmpeg = f"FFmpeg of PyAV {av.__version__}: "
    if lacking:
        yield Finding(BROKEN, f"{ffmpeg}no {', '.join(lacking)}", "pip install --force-reinstall --no-deps av")
    else:
        yield Finding(HERE, f"{ffmpeg}mp4, webm, gif, apng")
    nvenc = has_nvenc()
    yield Finding(HERE if nvenc else MISSING, "NVENC" if nvenc else "no NVENC: the CPU encodes")


def _compilers() -> Finding:
    """Look for what builds the operators from their sources."""
    named = os.environ.get("CXX")
    found = [path for name in (named, "c++", "nvcc") if name and (path := shutil.which(name))]
    if any(not path.endswith("nvcc") for path in found):
        return Finding(HERE, f"compilers: {', '.join(found)}")
    return Finding(MISSING, "no C++ compiler, which only a build from the sources needs", "apt install g++")


def _browser() -> Finding:
    """Look for a browser, which the studio opens and pages are played in."""
    import webbrowser

    try:
        name = re.sub(r".*/", "", webbrowser.get().name)
    except webbrowser.Error:
        advice = "photoflow studio --no-browser says its address, for a browser elsewhere"
        return Finding(MISSING, "no browser, which only the studio opens", advice)
    return Finding(HERE, f"browser: {name}")


def _short(path: Path) -> str:
    """Return a path without the name of the home folder, which nobody wants in a public report."""
    home = os.path.expanduser("~")  # "~": this user has none
    text = str(path)
    return "~" + text[len(home) :] if home != "/" and text.startswith(home + os.sep) else text


CHECKS = (
    ("photoflow", photoflow_itself),
    ("libraries", libraries),
    ("extras", extras),
    ("weights", weights),
    ("machine", machine),
)
