"""Old names of the public API, which work for one more release and say what to write instead."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

# Where the contents of a module went: the first of several is named to the person.
MODULES: dict[str, tuple[str, ...]] = {
    "photoflow.models.affine_motions": ("photoflow.models.dis.affine_motions",),
    "photoflow.models.amt_parts": ("photoflow.models.amt.parts",),
    "photoflow.models.choice": ("photoflow.models.dis.candidate_scorer",),
    "photoflow.models.device": ("photoflow.device",),
    "photoflow.models.diffusion": ("photoflow.models.spectral.diffusion",),
    "photoflow.models.dis_interpolation": ("photoflow.models.dis.dis_interpolation",),
    "photoflow.models.download": ("photoflow.weights.download",),
    "photoflow.models.edge_aware": ("photoflow.models.dis.edge_aware",),
    "photoflow.models.motion_evidence": ("photoflow.models.dis.flow_candidates",),
    "photoflow.models.precision": ("photoflow.device",),
    "photoflow.models.raft_names": ("photoflow.models.raft.names",),
    "photoflow.models.raft_upsampling": ("photoflow.models.raft.upsampling",),
    "photoflow.models.refined_dis": ("photoflow.models.dis.refined_dis",),
    "photoflow.models.refined_interpolation": ("photoflow.models.dis.refined_interpolation",),
    "photoflow.models.registry": ("photoflow.weights.registry",),
    "photoflow.models.spectral_prior": ("photoflow.models.spectral.prior",),
    "photoflow.models.spectral_unet": ("photoflow.models.spectral.unet",),
    "photoflow.models.spectral_vae": ("photoflow.models.spectral.vae",),
    "photoflow.models.state_dict": ("photoflow.weights.state_dict",),
    "photoflow.models.way_evidence": ("photoflow.models.dis.frame_candidates",),
    "photoflow.models.weights": ("photoflow.weights.loading",),
    "photoflow.motion.air": ("photoflow.motion.wind.turbulence",),
    "photoflow.motion.anatomy": ("photoflow.motion.wind.subject_shape",),
    "photoflow.motion.base": ("photoflow.motion.motion", "photoflow.motion.field", "photoflow.motion.scene"),
    "photoflow.motion.file": ("photoflow.motion.serialization", "photoflow.motion"),
    "photoflow.motion.modal": ("photoflow.motion.simulation",),
    "photoflow.motion.natural": ("photoflow.motion.spectral_motion",),
    "photoflow.motion.response": ("photoflow.motion.wind.oscillators",),
    "photoflow.motion.untorn": ("photoflow.motion.tear_repair",),
    "photoflow.motion.wind_presets": ("photoflow.motion.wind.presets",),
    "photoflow.render.measured": ("photoflow.render.measured_flow",),
    "photoflow.train.batches": ("photoflow.train.feed",),
    "photoflow.train.light": ("photoflow.train.exposure",),
    "photoflow.train.places": ("photoflow.train.sampling",),
    "photoflow.train.ranks": ("photoflow.train.distributed",),
}
_NAMES = {
    "Air": "Turbulence", "Anatomy": "SubjectShape", "Choice": "CandidateScorer", "Response": "Oscillators",
    "adjusted": "with_overrides", "anatomy": "subject_shape", "untorn": "repair_tears",
}  # fmt: skip


def old_names(module: str, names: Mapping[str, str]) -> Callable[[str], Any]:
    """Return a module's `__getattr__` that finds old names under their new ones.

    Args:
        module: its name.
        names: old name -> new name in the same module, or with its module before it.
    """

    def look_up(name: str) -> Any:
        if name not in names:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        home, _, new = names[name].rpartition(".")
        home = home or module
        warnings.warn(f"{module}.{name} is now {home}.{new}", DeprecationWarning, stacklevel=2)
        return getattr(importlib.import_module(home), new)

    return look_up


class OldModules(MetaPathFinder, Loader):
    """Imports modules by their old names, with a DeprecationWarning."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: ModuleType | None = None) -> ModuleSpec | None:
        return ModuleSpec(name, self) if name in MODULES else None

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        homes = MODULES[module.__name__]
        # Past the frames of importlib it is the line with the import.
        warnings.warn(f"{module.__name__} is now {homes[0]}", DeprecationWarning, stacklevel=2)

        def look_up(name: str) -> Any:
            for home in homes:
                found = importlib.import_module(home)
                for known in (name, _NAMES.get(name, name)):
                    if hasattr(found, known):
                        return getattr(found, known)
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")

        vars(module)["__getattr__"] = look_up
