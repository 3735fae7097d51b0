"""BLIP-2, CLIP and sentence transformers as models of the steps, by the extra `photoflow[portrait]`."""

from __future__ import annotations

import importlib.util
from typing import Any

from photoflow.arrays import Array
from photoflow.weights import WeightsError

CAPTIONER = "Salesforce/blip2-flan-t5-xl"  # MIT, 16 GB
SCORER = "openai/clip-vit-large-patch14"  # MIT, 1.7 GB
LABELS = "sentence-transformers/all-MiniLM-L6-v2"  # Apache-2.0, 91 MB
_MOST_TOKENS = 40  # of a caption
_BEAMS, _NUCLEUS = 5, 0.9  # as BLIP's authors make captions: the likeliest of five, or drawn from 90 % of the chances


class BLIP2:
    """Captions by BLIP-2: the likeliest of five beams, or, with a seed, drawn from the likeliest 90 %.

    Args:
        source: a folder, or a name on the hub.
        device: where torch runs it; on CUDA in float16.
        fetch: get what is not at hand from the hub.

    Raises:
        WeightsError: transformers is not installed, or the weights cannot be had.

    Source: Li et al., "BLIP-2", 2023, as transformers has it (safetensors only).
    """

    def __init__(self, source: str = CAPTIONER, device: str = "auto", *, fetch: bool = False) -> None:
        parts = ("Blip2ForConditionalGeneration", "Blip2Processor")
        self._model, self._processor, self._device = _loaded("captions", source, device, fetch, parts, half=True)

    def __call__(self, rgb: Array, seed: int | None = None) -> str:
        import torch

        inputs = self._processor(images=rgb, return_tensors="pt").to(self._device, self._model.dtype)
        way = {"num_beams": _BEAMS} if seed is None else {"do_sample": True, "top_p": _NUCLEUS}
        devices = [self._device] if self._device.startswith("cuda") else []
        with torch.inference_mode(), torch.random.fork_rng(devices):
            torch.manual_seed(seed or 0)
            tokens = self._model.generate(**inputs, max_new_tokens=_MOST_TOKENS, **way)
        return str(self._processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


class CLIPScore:
    """Fit of a text and a picture: the cosine of CLIP's embeddings, at least 0.

    Args:
        source: a folder, or a name on the hub.
        device: where torch runs it.
        fetch: get what is not at hand from the hub.

    Raises:
        WeightsError: transformers is not installed, or the weights cannot be had.

    Source: Radford et al., "Learning transferable visual models from natural language supervision", 2021; Hessel et
        al., "CLIPScore", 2021, without its factor of 2.5, which changes no order.
    """

    def __init__(self, source: str = SCORER, device: str = "auto", *, fetch: bool = False) -> None:
        parts = ("CLIPModel", "CLIPProcessor")
        self._model, self._processor, self._device = _loaded("CLIP scores", source, device, fetch, parts)

    def __call__(self, rgb: Array, text: str) -> float:
        import torch

        inputs = self._processor(images=rgb, text=[text], truncation=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            found = self._model(**inputs)
        return max(0.0, float(torch.cosine_similarity(found.image_embeds, found.text_embeds)[0]))


class SentenceSimilarity:
    """Nearness of two texts: the cosine of the means of their tokens' embeddings, at least 0.

    Args:
        source: a folder, or a name on the hub.
        device: where torch runs it.
        fetch: get what is not at hand from the hub.

    Raises:
        WeightsError: transformers is not installed, or the weights cannot be had.

    Source: Reimers and Gurevych, "Sentence-BERT", 2019.
    """

    def __init__(self, source: str = LABELS, device: str = "auto", *, fetch: bool = False) -> None:
        parts = ("AutoModel", "AutoTokenizer")
        self._model, self._tokens, self._device = _loaded("label similarities", source, device, fetch, parts)

    def __call__(self, first: str, second: str) -> float:
        import torch

        inputs = self._tokens([first, second], padding=True, truncation=True, return_tensors="pt").to(self._device)
        with torch.inference_mode():
            states = self._model(**inputs).last_hidden_state
        counted = inputs["attention_mask"][..., None].to(states.dtype)
        means = (states * counted).sum(dim=1) / counted.sum(dim=1)
        return max(0.0, float(torch.cosine_similarity(means[:1], means[1:])[0]))


def _loaded(
    what: str, source: str, device: str, fetch: bool, parts: tuple[str, str], half: bool = False
) -> tuple[Any, Any, str]:
    """Return a network, what prepares its inputs, and the device.

    Raises:
        WeightsError: transformers is not installed, or the weights cannot be had.
    """
    if importlib.util.find_spec("transformers") is None:
        raise WeightsError(f'{what}: expected transformers; install it with: pip install "photoflow[portrait]"')
    import torch
    import transformers

    from photoflow.device import settled_device

    chosen = settled_device(device)
    dtype = torch.float16 if half and chosen.startswith("cuda") else torch.float32
    network, preparation = (getattr(transformers, part) for part in parts)
    try:
        model = network.from_pretrained(source, local_files_only=not fetch, use_safetensors=True, dtype=dtype)
        prepared = preparation.from_pretrained(source, local_files_only=not fetch)
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0] if fetch else "they are not at hand; name a folder or a hub's name"
        raise WeightsError(f"{what}: the weights {source} cannot be had: {reason}") from error
    return model.eval().to(chosen), prepared, chosen
