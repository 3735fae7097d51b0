"""Files of PhotoMaker: an ID encoder and the LoRA residuals of SDXL's attention, published or trained here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from photoflow.weights.registry import WeightsError
from photoflow.weights.state_dict import read_state_dict, refuse

if TYPE_CHECKING:
    from torch import Tensor

PARTS = ("id_encoder", "lora_weights")  # the published file's two dictionaries
_OF_V2 = "qformer_perceiver."  # layers that turn embeddings of a face network into more tokens


@dataclass(frozen=True)
class PhotoMakerWeights:
    """The two parts of a PhotoMaker.

    Args:
        id_encoder: the state dict of an `IDEncoder`.
        lora: residuals of the attention matrices of SDXL's UNet, as diffusers names them ("unet.….weight").
    """

    id_encoder: dict[str, Tensor]
    lora: dict[str, Tensor]


def read_photomaker(path: str | Path) -> PhotoMakerWeights:
    """Read a PhotoMaker of version 1.

    Args:
        path: the published file, whose two parts are dictionaries, or a safetensors file with their names as prefixes
            ("id_encoder.", "lora_weights.").

    Raises:
        WeightsError: the file cannot be read, would run code, is damaged or of another kind, or is one of version 2,
            which wants the embeddings of a face network whose weights are not for commercial use.
    """
    file = Path(path)
    state = read_state_dict(file, parts=PARTS)
    halves: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
    for name, tensor in state.items():
        part, _, rest = name.partition(".")
        if part not in halves:
            refuse(file, f"expected PhotoMaker's {' and '.join(PARTS)}, got also {name}")
        if part == PARTS[1] and not (tensor.is_floating_point() and bool(tensor.isfinite().all())):
            refuse(file, f"corrupted: '{name}' has values that are not finite, or whole numbers")
        halves[part][rest] = tensor
    lacking = [part for part in PARTS if not halves[part]]
    if lacking:
        refuse(file, f"expected PhotoMaker's {' and '.join(PARTS)}, got none of {lacking[0]}")
    if any(name.startswith(_OF_V2) for name in halves["id_encoder"]):
        refuse(file, "this is PhotoMaker v2, which needs InsightFace's embeddings; expected v1 (photomaker_v1)")
    return PhotoMakerWeights(halves["id_encoder"], halves["lora_weights"])


def write_photomaker(path: Path, weights: PhotoMakerWeights, facts: Mapping[str, str]) -> None:
    """Write a PhotoMaker as safetensors, beside the target and renamed.

    Args:
        path: ends in .safetensors.
        weights: what is written.
        facts: for people who use it.

    Raises:
        WeightsError: the suffix is another one.
    """
    from safetensors.torch import save_file

    from photoflow.io.atomic import replacing

    if path.suffix.lower() != ".safetensors":
        raise WeightsError(f"cannot write {path}: expected a suffix .safetensors")
    whole = {f"{PARTS[0]}.{name}": tensor.detach().cpu().contiguous() for name, tensor in weights.id_encoder.items()}
    whole |= {f"{PARTS[1]}.{name}": tensor.detach().cpu().contiguous() for name, tensor in weights.lora.items()}
    with replacing(path) as part:
        save_file(whole, part, {"format": "pt", **facts})
