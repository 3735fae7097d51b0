"""The names that RAFT's weights have in the checkpoints of the paper's authors."""

from __future__ import annotations

import re

from torch import Tensor

# Their names on the left; the first that fits counts.
_NAMES = (
    (r"net\.conv1\.", r"net.convnormrelu.0."),
    (r"net\.norm1\.", r"net.convnormrelu.1."),
    (r"net\.conv2\.", r"net.conv."),
    (r"(layer\d\.\d)\.conv(\d)\.", r"\1.convnormrelu\2.0."),
    (r"(layer\d\.\d)\.norm(\d)\.", r"\1.convnormrelu\2.1."),
    (r"encoder\.convc(\d)\.", r"motion_encoder.convcorr\1.0."),
    (r"encoder\.convf(\d)\.", r"motion_encoder.convflow\1.0."),
    (r"encoder\.conv\.", r"motion_encoder.conv.0."),
    (r"gru\.conv([zrq])\.", r"recurrent_block.convgru1.conv\1."),
    (r"gru\.conv([zrq])(\d)\.", r"recurrent_block.convgru\2.conv\1."),
    (r"update_block\.mask\.0\.", r"mask_predictor.convrelu.0."),
    (r"update_block\.mask\.2\.", r"mask_predictor.conv."),
)


def rename(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Convert a state dict of the paper's authors to the layout of this network; one in that layout is left alone.

    The authors' names are `fnet.conv1.weight`, `update_block.gru.convz1.weight`, ..., all behind `module.` where they
    trained on several GPUs. The norm of a block's short cut is in their files twice; one of the two is left out.
    """
    state = {name.removeprefix("module."): value for name, value in state.items()}
    if not any(name.startswith(("fnet.", "cnet.")) for name in state):
        return state
    return {_renamed(name): value for name, value in state.items() if not _is_repeated(name, state)}


def _renamed(name: str) -> str:
    for theirs, ours in _NAMES:
        name, count = re.subn(theirs, ours, name, count=1)
        if count:
            break
    return name.replace("fnet.", "feature_encoder.", 1).replace("cnet.", "context_encoder.", 1)


def _is_repeated(name: str, state: dict[str, Tensor]) -> bool:
    """Return whether this is the norm after a block's last convolution, also the second part of its short cut."""
    norm = re.fullmatch(r"(.net\.layer\d\.\d)\.norm(\d)\..*", name)
    return norm is not None and f"{norm[1]}.conv{norm[2]}.weight" not in state
