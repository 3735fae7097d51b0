"""Prompts whose class word is to be a person: found by the trigger word, repeated for each photo, encoded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from photoflow.errors import InputError, shown

if TYPE_CHECKING:
    from torch import Tensor

TRIGGER = "img"  # the word after the class word, as published


@dataclass(frozen=True)
class MarkedPrompt:
    """A prompt in two halves, without its trigger word.

    Args:
        before: up to and with the class word.
        after: what follows it.
    """

    before: str
    after: str

    @property
    def text(self) -> str:
        """Return the prompt without the trigger word."""
        return " ".join(f"{self.before}{self.after}".split())


@dataclass(frozen=True)
class EncodedPrompt:
    """A prompt as SDXL's UNet takes it.

    Args:
        embeds: (1, L, D), the last but one hidden states of both text encoders side by side.
        pooled: (1, P), the second text encoder's projection of the whole text.
        places: (1, L) bool, where the class word stands, once for each photo.
        dropped: the words at the end for which there was no room.
    """

    embeds: Tensor
    pooled: Tensor
    places: Tensor
    dropped: str = ""


def marked(prompt: str, trigger: str = TRIGGER) -> MarkedPrompt:
    """Split a prompt at its trigger word, which follows the class word: "a woman img in the rain".

    Raises:
        InputError: the trigger word is not there exactly once, or there is no word before it.
    """
    halves = re.split(rf"\s*\b{re.escape(trigger)}\b", prompt)
    if len(halves) != 2:
        raise InputError(
            f"prompt: expected the word {trigger} once, after the word for the person, as in 'a woman {trigger} in "
            f"the rain'; got it {'not at all' if len(halves) == 1 else f'{len(halves) - 1} times'} in {shown(prompt)}"
        )
    if not re.search(r"\w$", halves[0]):
        raise InputError(f"prompt: expected a word for the person, such as woman, before {trigger}: {shown(prompt)}")
    return MarkedPrompt(halves[0], halves[1])


def encode(pipeline: Any, prompt: MarkedPrompt, count: int) -> EncodedPrompt:
    """Encode a prompt whose class word stands once for each photo.

    N photos make the text N - 1 tokens longer; it is padded to the encoders' length, so that L stays the same. What
    has no room is dropped from its end, which is kept.

    Args:
        pipeline: of SDXL, by diffusers: its tokenizers and text encoders are used.
        prompt: see `marked`.
        count: of photos, at least 1.

    Raises:
        InputError: there is no room for the class word.

    Source: Li et al., "PhotoMaker", CVPR 2024, section 3.2. Deviation, as in the published code: the text encoders read
        the repeated word, where the paper replaces one vector of their result by N.
    """
    import torch

    hidden, pooled, places, dropped = [], None, None, ""
    for tokenizer, encoder in (
        (pipeline.tokenizer, pipeline.text_encoder),
        (pipeline.tokenizer_2, pipeline.text_encoder_2),
    ):
        ids, place, dropped = _tokens(tokenizer, prompt, count)
        with torch.no_grad():
            out = encoder(torch.tensor([ids], device=encoder.device), output_hidden_states=True)
        hidden.append(out.hidden_states[-2])
        pooled = out[0]  # of the second, which projects
        places = torch.zeros(1, len(ids), dtype=torch.bool)
        places[0, place : place + count] = True
    assert pooled is not None and places is not None
    embeds = torch.cat(hidden, dim=-1)
    return EncodedPrompt(embeds, pooled, places.to(embeds.device), dropped)


def unheard(tokenizer: Any, text: str) -> str:
    """Return the end of a text for which a text encoder has no room."""
    ids = tokenizer(text, truncation=False).input_ids[:-1]
    return str(tokenizer.decode(ids[tokenizer.model_max_length - 1 :])).strip()


def _tokens(tokenizer: Any, prompt: MarkedPrompt, count: int) -> tuple[list[int], int, str]:
    """Return a prompt's tokens, where the class word's begin, and the text that has no room among them."""
    before = tokenizer(prompt.before, truncation=False).input_ids[:-1]
    after = tokenizer(prompt.after, truncation=False).input_ids[1:-1]
    place, longest = len(before) - 1, tokenizer.model_max_length
    if place + count >= longest:
        raise InputError(
            f"prompt: expected the word for the person and {count} photos to fit into {longest - 1} tokens, "
            f"got {place + count}; fewer words before it or fewer photos would"
        )
    ids = [*before[:-1], *[before[-1]] * count, *after]
    dropped = tokenizer.decode(ids[longest - 1 :]).strip()
    ids = [*ids[: longest - 1], tokenizer.eos_token_id]
    return ids + [tokenizer.pad_token_id] * (longest - len(ids)), place, dropped
