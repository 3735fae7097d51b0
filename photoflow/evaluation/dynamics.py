"""Evaluation of natural motion from one picture: clips made of the first frames of true ones, compared as sets."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, get_type_hints

import numpy as np
import torch

from photoflow.arrays import Array
from photoflow.data.spectral_volumes import MEASURED
from photoflow.errors import InputError
from photoflow.evaluation.clip_features import SLIDING, Features, FeatureSet, over_time, set_distances
from photoflow.evaluation.comparison import OURS, SHOWN, Evaluation, Figure, Progress
from photoflow.evaluation.moving_clips import SIZE, MovingClip, centre, moving_clips
from photoflow.evaluation.photo_motion import RENDERS, photo_frames
from photoflow.evaluation.pictures import embedded
from photoflow.evaluation.plots import lines
from photoflow.evaluation.scores import Scores
from photoflow.metrics import spectrum_distance
from photoflow.models.spectral.prior import RECORD
from photoflow.motion import SpectralVolume
from photoflow.motion.learned import sample_volume
from photoflow.motion.looped import closes, with_closed_end
from photoflow.motion.spectral import FREQUENCIES
from photoflow.motion.trajectories import displacements
from photoflow.viz import xt_slice

METHODS = {
    OURS: "the motion that the learned prior draws for the first frame",
    "measured": "the true clip's own motion, of which as many frequencies are kept: what the rendering alone loses",
    "given": "the clips of the folder to compare",
    "repeat": "the first frame, repeated",
}
DENOISING = ("coordinated", "independent")
PARTS = ("all", "held_out")
_SPECTRUM = 24  # frequencies of the energy spectra


def _step(frames: int) -> int:
    """Return the number of frames from one that is measured to the next: measuring is what takes long."""
    return max(1, round(frames / MEASURED))


@dataclass(frozen=True)
class DynamicsSettings:
    """Settings of the evaluation, the paper's ablations among them.

    Args:
        seconds: of each clip, 0.5 to 20; the paper's 150 frames take 5.
        part: "all" clips, or those "held_out" of trainings.
        frequencies: K, the number that moves the photos: at least 2. The prior draws 16 at most.
        denoising: "coordinated", or each frequency "independent".
        render: in `RENDERS`.
        guidance: w, of classifier-free guidance.
        steps: of the diffusion.
        seed: of the first clip's motion; that of each further one is one larger.

    Raises:
        InputError: a value is out of its range.

    Source: Li et al., "Generative Image Dynamics", CVPR 2024, section 7 and table 2.
    """

    seconds: float = RECORD
    part: str = "all"
    frequencies: int = FREQUENCIES
    denoising: str = "coordinated"
    render: str = "layers"
    guidance: float = 0.0
    steps: int = 100
    seed: int = 0

    def __post_init__(self) -> None:
        for name, known in (("part", PARTS), ("denoising", DENOISING), ("render", RENDERS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name}: expected {' or '.join(known)}, got {getattr(self, name)!r}")
        for name, least, most in (("seconds", 0.5, 20), ("frequencies", 2, 38)):
            if not least <= getattr(self, name) <= most:
                raise InputError(f"{name}: expected {least} to {most}, got {getattr(self, name)}")

    @classmethod
    def of(cls, texts: Mapping[str, str]) -> DynamicsSettings:
        """Return the settings with some fields set from texts.

        Raises:
            InputError: there is no such field, or the text is not of its type or out of its range.
        """
        kinds, values = get_type_hints(cls), dict[str, Any]()
        for name, text in texts.items():
            if name not in kinds:
                raise InputError(f"set: expected one of {', '.join(kinds)}, got {name!r}")
            try:
                values[name] = kinds[name](text)
            except ValueError:
                wanted = "a whole number" if kinds[name] is int else "a number"
                raise InputError(f"{name}: expected {wanted}, got {text!r}") from None
        return cls(**values)


def evaluate_dynamics(
    data: Path,
    network: Any,
    *,
    device: str,
    progress: Progress,
    settings: DynamicsSettings = DynamicsSettings(),
    features: Features = Features(),  # noqa: B008
    against: Path | None = None,
) -> Evaluation:
    """Compare made clips with true ones, as sets.

    Of every clip the first frame is animated, at the size that covers 256x128 pixels; the centre is compared.

    Args:
        data: folder of the true clips.
        network: `photoflow.models.spectral.prior.SpectralPrior`, on `device`, or None.
        device: where it and the feature networks run.
        progress: called after every clip.
        settings: how clips are made.
        features: networks whose features are compared.
        against: folder of clips to compare with the true ones, instead of making any.

    Returns:
        The scores of `set_distances`, `spectrum`: how far the energy spectrum of the motion that is measured in the
        clips is from the true one, and `moved`: the root mean square of that motion, px.

    Raises:
        InputError: a folder has no clips that last long enough, one cannot be read, or has too few frames for as many
            frequencies.
    """
    result = Evaluation("dynamics", str(data), Scores(), METHODS)
    shown, sets = list[tuple[str, dict[str, list[Array]]]](), dict[str, ClipSet]()

    def add(name: str, frames: list[Array], motion: Array | None = None) -> list[Array]:
        cut = centre(frames)
        sets.setdefault(name, ClipSet(features, device)).add(cut, motion_of(cut) if motion is None else motion)
        return cut

    for number, total, clip in moving_clips(data, settings.seconds, settings.part, result.notes):
        motion, seed = motion_of(clip.frames), settings.seed + number
        rows = {"truth": add("truth", clip.frames, np.stack(centre(motion)))}
        makers = {} if against is not None else _makers(network, settings, seed, device)
        for name, make in makers.items():
            volume = make(clip, motion)
            rows[name] = add(name, photo_frames(clip.frames[0], volume, clip.times, settings.render, device))
        rows["repeat"] = add("repeat", [clip.frames[0]] * len(clip.frames), np.zeros_like(motion))
        if len(shown) < SHOWN:
            shown.append((clip.name, rows))
        progress(number + 1, total)
    if against is not None:
        for _, _, clip in moving_clips(against, settings.seconds, "all", result.notes):
            add("given", clip.frames)
    truth = sets.pop("truth")
    result.scores.together = len(truth.powers)
    for name in (name for name in METHODS if name in sets):
        result.scores.add(name, scores_of(sets[name], truth))
    result.notes += _notes(settings, network if against is None else None, truth)
    result.figures += [*_curves(sets, truth), *_slices(shown)]
    return result


class ClipSet:
    """Features of a set of clips, and the power of the motion of each.

    Args:
        features: networks.
        device: where they run.
    """

    def __init__(self, features: Features, device: str) -> None:
        self.features, self.powers = FeatureSet(features, device), list[Array]()

    def add(self, frames: list[Array], motion: Array) -> None:
        """Add a clip: its frames, and its motion (N, H, W, 2) as `motion_of` measures it."""
        self.features.add(frames)
        self.powers.append(volume_of(motion, 1.0, min(_SPECTRUM, len(motion) // 2 + 1)).power)

    @property
    def power(self) -> Array:
        """Return the mean power at each frequency above 0, square pixels."""
        return np.asarray(np.mean(self.powers, 0)[1:])

    @property
    def moved(self) -> float:
        """Return the root mean square of all displacements, pixels."""
        return float(np.sqrt(np.mean(self.powers, 0).sum()))


def motion_of(frames: list[Array]) -> Array:
    """Measure the motion of frames, uint8 (H, W, 3) each, in about 75 of them.

    Returns:
        (N, H, W, 2) float32, pixels, evenly spaced; its end is faded into its beginning where the clip is no loop.
    """
    found = displacements(frames[:: _step(len(frames))])
    return np.moveaxis(found if closes(found) else with_closed_end(found), 1, 3)


def volume_of(motion: Array, seconds: float, count: int) -> SpectralVolume:
    """Transform a motion from `motion_of` into its lowest `count` frequencies."""
    return SpectralVolume.from_trajectories(np.ascontiguousarray(np.moveaxis(motion, 3, 1)), seconds, count)


def _makers(
    network: Any, settings: DynamicsSettings, seed: int, device: str
) -> dict[str, Callable[[MovingClip, Array], SpectralVolume]]:
    """Return functions that make a volume from a clip and its motion, by the names of methods."""

    def drawn(clip: MovingClip, _: Array) -> SpectralVolume:
        image = torch.from_numpy(clip.frames[0]).permute(2, 0, 1)[None].float().to(device) / 255
        volume = sample_volume(
            network, image, seed=seed, guidance=settings.guidance, steps=settings.steps,
            coordinated=settings.denoising == "coordinated",
        )  # fmt: skip
        return dataclasses.replace(volume, coefficients=volume.coefficients[: settings.frequencies])

    def measured(clip: MovingClip, motion: Array) -> SpectralVolume:
        seconds = len(motion) * _step(len(clip.frames)) / clip.rate
        return volume_of(motion, seconds, settings.frequencies)

    return {OURS: drawn, "measured": measured} if network is not None else {"measured": measured}


def scores_of(made: ClipSet, truth: ClipSet) -> dict[str, float]:
    """Compute the scores of a set of clips; see `evaluate_dynamics`."""
    return set_distances(made.features, truth.features) | {
        "spectrum": spectrum_distance(made.power, truth.power),
        "moved": made.moved,
    }


def _notes(settings: DynamicsSettings, network: Any, truth: ClipSet) -> list[str]:
    plain = DynamicsSettings()
    changed = [
        f"{field.name}={getattr(settings, field.name)}"
        for field in dataclasses.fields(settings)
        if getattr(settings, field.name) != getattr(plain, field.name)
    ]
    notes = [f"The first {settings.seconds:g} seconds of each clip, the {SIZE[0]}x{SIZE[1]} pixels in its middle."]
    notes.append(f"The motion of the true clips: {truth.moved:.3f} px, root mean square.")
    if changed:
        notes.append(f"With {', '.join(changed)}.")
    if network is not None and settings.frequencies > network.config.frequencies:
        notes.append(f"The prior draws {network.config.frequencies} frequencies, no more.")
    return notes


def _curves(sets: Mapping[str, ClipSet], truth: ClipSet) -> Iterator[Figure]:
    """Draw the energy spectra, and the distances over time."""
    everything = {**sets, "truth": truth}
    spectra = {
        name: (range(1, len(own.power) + 1), [float(np.log10(max(value, 1e-12))) for value in own.power])
        for name, own in everything.items()
        if own.power.max() > 0
    }
    panel = lines(spectra, "periods in the clip", "power, log10 of px²")
    yield Figure("Energy spectra", "Of the motion that is measured in the clips.", [("", panel)], columns=1)
    curves = {name: over_time(own.features, truth.features) for name, own in sets.items()}
    for measure, kind in (("fid", "picture"), ("dtfvd", "texture")):
        own = {name: found[measure] for name, found in curves.items() if measure in found}
        if own:
            panel = lines({name: (range(len(ys)), ys) for name, ys in own.items()}, "window", measure.upper())
            title = f"{measure.upper()} in windows of {SLIDING[kind]} frames"
            yield Figure(title, "Of one window of the made clips and all true ones.", [("", panel)], columns=1)


def _slices(shown: list[tuple[str, dict[str, list[Array]]]]) -> Iterator[Figure]:
    """Draw a row of pixels over time, the one that changes most in truth."""
    for name, rows in shown:
        changes = np.stack(rows["truth"]).astype(np.float32).std(0).mean((1, 2))
        line = int(changes.argmax())
        panels = [(method, embedded(xt_slice(frames, row=line))) for method, frames in rows.items()]
        yield Figure(f"{name}: row {line} over time", "Time runs downwards.", panels, columns=4)
