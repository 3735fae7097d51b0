"""The settings of a training: frozen configurations, and their fields set from texts."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar, get_args, get_type_hints

from photoflow.errors import InputError

if TYPE_CHECKING:
    from photoflow.data import Source

PRECISIONS = ("auto", "bfloat16", "float16", "float32")


@dataclass(frozen=True)
class TrainingConfig:
    """The settings of all recipes.

    Args:
        network: which of the recipe's networks is trained.
        size: height and width of the pictures that are trained on.
        batch: samples of one forward pass, on each process.
        accumulation: forward passes whose gradients make one update.
        rate: the learning rate at its highest.
        last_rate: what it falls to, by a cosine.
        warmup: steps over which it rises from 0.
        clip: the norm above which a gradient is scaled down to it; 0: never.
        ema: decay, per step, of the moving average of the weights, which is what ships.
        precision: "bfloat16", "float16", "float32", or "auto": bfloat16 where the device multiplies it in hardware.
        seed: of the first weights and of every draw.

    Raises:
        InputError: a value is out of its range.
    """

    network: str = ""
    size: tuple[int, int] = (256, 256)
    batch: int = 1
    accumulation: int = 1
    rate: float = 1e-4
    last_rate: float = 1e-6
    warmup: int = 0
    clip: float = 0.0
    ema: float = 0.999
    precision: str = "auto"
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            numbers = value if isinstance(value, tuple) else (value,)
            if any(isinstance(one, int | float) and not 0 <= one < math.inf for one in numbers):
                raise InputError(f"{name}: expected a finite number of at least 0, got {as_text(value)}")
        for name in ("batch", "accumulation"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: expected at least 1, got {getattr(self, name)}")
        if min(self.size) < 16:
            raise InputError(f"size: expected sides of at least 16 pixels, got {as_text(self.size)}")
        if not self.ema < 1:
            raise InputError(f"ema: expected a number below 1, got {self.ema}")
        if not self.seed < 2**63:
            raise InputError(f"seed: expected a number below 2^63, got {self.seed}")
        if self.precision not in PRECISIONS:
            raise InputError(f"precision: expected {' or '.join(PRECISIONS)}, got {self.precision!r}")

    @property
    def data_size(self) -> tuple[int, int]:
        """Return height and width of the pictures that the data is asked for."""
        return self.size

    @property
    def whole(self) -> bool:
        """Return whether whole pictures are resized to that; else parts of that size are cut out."""
        return False

    def for_data(self, sources: Sequence[Source]) -> TrainingConfig:
        """Return the configuration with what the data settles, such as names of classes.

        Raises:
            InputError: it is no data for this recipe.
        """
        return self

    def as_json(self) -> str:
        """Return all fields as JSON, to be stored and compared."""
        return json.dumps(dataclasses.asdict(self))


Config = TypeVar("Config", bound=TrainingConfig)


def configured(presets: Mapping[str, Config], settings: Mapping[str, str]) -> Config:
    """Return the configuration of a network, with some of its fields set from texts.

    Args:
        presets: a configuration for each network of the recipe, the usual one first.
        settings: field -> text; "network" chooses the preset. A size is written HEIGHTxWIDTH, a pair of other
            numbers with a comma.

    Raises:
        InputError: there is no such network or field, or the text is not of the field's type or out of its range.
    """
    network = settings.get("network", next(iter(presets)))
    if network not in presets:
        raise InputError(f"network: expected {' or '.join(presets)}, got {network!r}")
    preset = presets[network]
    kinds = get_type_hints(type(preset))
    for name in settings:
        if name not in kinds:
            raise InputError(f"set: expected one of {', '.join(kinds)}, got {name!r}")
    changed: dict[str, Any] = {name: _parsed(name, text, kinds[name]) for name, text in settings.items()}
    return dataclasses.replace(preset, **changed)


def as_text(value: object) -> str:
    """Return a field's value as a person writes it."""
    if isinstance(value, tuple | list):
        return ("x" if all(isinstance(one, int) for one in value) else ",").join(str(one) for one in value)
    return str(value)


_NAMES = {int: "a whole number", float: "a number"}


def _parsed(name: str, text: str, kind: type) -> object:
    if kind is str:
        return text
    kinds = get_args(kind)  # of a pair
    texts = re.split("[x,]", text) if kinds else [text]
    try:
        values = tuple(one(part) for one, part in zip(kinds or (kind,), texts, strict=True))
    except ValueError:
        wanted = "HEIGHTxWIDTH" if int in kinds else "two numbers with a comma between them"
        raise InputError(f"{name}: expected {wanted if kinds else _NAMES[kind]}, got {text!r}") from None
    return values if kinds else values[0]
