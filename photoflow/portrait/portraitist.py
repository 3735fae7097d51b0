"""The portraitist: photos of a person and a prompt -> new portraits of that person."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from photoflow.arrays import Array
from photoflow.device import settled_device
from photoflow.errors import InputError
from photoflow.io import read_photo
from photoflow.models.photomaker.base import BASE, find_base, quiet
from photoflow.models.photomaker.pixels import normalised
from photoflow.models.photomaker.prompt import MarkedPrompt, encode, marked, unheard
from photoflow.portrait import sdxl
from photoflow.portrait.identity import MOST_PHOTOS, Mixed, id_photo, listed, stacked
from photoflow.segment import Segmenter
from photoflow.segment.faces import Face, FaceFinder, one_face
from photoflow.weights.loading import WeightsError, find, locate
from photoflow.weights.registry import REGISTRY

if TYPE_CHECKING:
    from torch import Tensor

    from photoflow.models.photomaker import IDEncoder

WEIGHTS = "photomaker_v1"
SIDES = (64, 2048)  # of a portrait, pixels, in eighths


@dataclass(frozen=True)
class Words:
    """Embeddings of a prompt, (1, L, D) and (1, P), as SDXL's pipeline takes them.

    Args:
        text, text_pooled: of the text alone.
        person, person_pooled: with the stacked ID embedding.
        negative, negative_pooled: of what is not to be seen; None without guidance.
    """

    text: Tensor
    text_pooled: Tensor
    person: Tensor
    person_pooled: Tensor
    negative: Tensor | None
    negative_pooled: Tensor | None

    def with_person(self) -> dict[str, Any]:
        """Return what the pipeline's loop goes on with once the person is merged in."""
        import torch

        if self.negative is None or self.negative_pooled is None:
            return {"prompt_embeds": self.person, "add_text_embeds": self.person_pooled}
        return {
            "prompt_embeds": torch.cat([self.negative, self.person]),
            "add_text_embeds": torch.cat([self.negative_pooled, self.person_pooled]),
        }


class Portraitist:
    """Draws portraits of a person from a few photos of them and a prompt, by SDXL and PhotoMaker.

    The networks are loaded for the first portrait and kept. Draw only people who agreed to it.

    Args:
        base: SDXL, its name at the hub or a folder as diffusers saves it.
        weights: PhotoMaker's, a name in the registry or a file, of `photoflow train photomaker` too.
        device: "auto", "cpu", "cuda", ...
        precision: "auto", "bfloat16" or "float32"; see `sdxl.settled_precision`.
        offload: keep on the GPU only the network that is running; None: where it has no room for all.
        fetch: download what is not at hand. Otherwise nothing is.

    Raises:
        InputError: there is no such device or precision.

    Source: Li et al., "PhotoMaker: Customizing Realistic Human Photos via Stacked ID Embedding", CVPR 2024.
    """

    def __init__(
        self,
        base: str = BASE,
        weights: str | Path = WEIGHTS,
        *,
        device: str = "auto",
        precision: str = "auto",
        offload: bool | None = None,
        fetch: bool = False,
    ) -> None:
        self.base, self.weights, self.fetch = base, weights, fetch
        self._device, self._precision, self._offload = settled_device(device), precision, offload
        self._segmenter = Segmenter(device=self._device, offline=not fetch)
        self._faces = FaceFinder(offline=not fetch)
        self._at_hand: tuple[Path, Path] | None = None
        self._loaded: tuple[Any, IDEncoder] | None = None
        self._encoder_parameters = 0

    def estimate(self, steps: int = 50, count: int = 1, size: tuple[int, int] = (1024, 1024)) -> str:
        """Return in a line how long portraits will take here, roughly, and how much memory; nothing is loaded.

        Args:
            steps, count, size: see `draw`.

        Raises:
            WeightsError: the networks are not at hand.
        """
        folder, _ = self._check_at_hand()
        more, precision = self._more(), self._settled_precision(folder, size)
        rate = sdxl.rate(self._device, precision)
        bytes_each = 2 if precision == "bfloat16" else 4
        return sdxl.needs(folder, size, bytes_each, more).said(steps, count, rate) + f" on {self._device}, {precision}"

    def draw(
        self,
        photos: Sequence[Any],
        prompt: str,
        *,
        negative: str = "",
        mix: Sequence[Mixed] = (),
        steps: int = 50,
        guidance: float = 5.0,
        start_merge: int | None = None,
        size: tuple[int, int] = (1024, 1024),
        seed: int = 0,
        count: int = 1,
        report: Callable[[str], None] | None = None,
        progress: Callable[[], None] | None = None,
    ) -> Iterator[Array]:
        """Draw portraits, one after the other, as they are asked for: nothing is done before the first is.

        Args:
            photos: of the person, paths or whatever `photoflow.io.read_photo` takes, at least one; each shows one face.
                A single one will do.
            prompt: text with the word img after the word for the person: "portrait of a woman img in the rain".
            negative: what is not to be seen.
            mix: other people to be mixed in.
            steps: of the DDIM sampler, 1 to 1000.
            guidance: its weight of the prompt, 1 (none) to 50.
            start_merge: steps that follow the text alone, 0 to `steps`; the person is in the others. None: a fifth of
                them, 10 of 50.
            size: (height, width), pixels, multiples of 8 from 64 to 2048. SDXL knows about 1024x1024.
            seed: of the first portrait; the next ones have the next numbers.
            count: how many.
            report: is told in lines what was found.
            progress: is called after each step.

        Yields:
            uint8 (H, W, 3).

        Raises:
            InputError: a value is out of its range, a photo cannot be read or does not show one face, the prompt lacks
                its word, or amounts do not fit.
            WeightsError: the networks are not at hand, or are others.

        Source: PhotoMaker, sections 3.2 and 4.1: DDIM, 50 steps, guidance 5, delayed subject conditioning.
        """
        start_merge = merge_step(steps) if start_merge is None else start_merge
        check_numbers(steps, guidance, start_merge, size, count, seed)
        halves = marked(prompt)
        people = listed(photos)
        stack = stacked(people, [(one.photos, one) for one in mix])
        if not stack or not people:
            raise InputError(f"photos: expected 1 to {MOST_PHOTOS}, got none")
        say = report or (lambda line: None)
        self._check_at_hand()
        found = self._with_faces([photo for photo, _ in stack], say)  # before minutes of loading
        pipeline, encoder = self._networks(size)
        side = encoder.config.side
        seen = {key: id_photo(rgb, face, side, self._segmenter, say) for key, (rgb, face) in found.items()}
        pictures = [seen[id(photo)] for photo, _ in stack]
        words = self._embedded(
            pipeline, encoder, halves, negative, pictures, [part for _, part in stack], guidance, say
        )
        for number in range(seed, seed + count):
            yield _drawn(pipeline, words, steps, guidance, start_merge, size, number, progress)

    def _weights_file(self) -> Path:
        """Return PhotoMaker's file."""
        name = str(self.weights)
        if name in REGISTRY and not self.fetch and locate(name) is None:
            entry = REGISTRY[name]
            raise WeightsError(
                f"weights: {name} is not at hand ({entry.size_bytes / 1e9:.1f} GB, {entry.licence}); --fetch "
                f"(fetch=True) or `photoflow weights get {name}` downloads it"
            )
        return find(self.weights, offline=not self.fetch)

    def _more(self) -> int:
        """Return how many parameters the ID encoder has, without making it."""
        if not self._encoder_parameters:
            import torch

            from photoflow.models.photomaker import IDEncoder

            with torch.device("meta"):
                self._encoder_parameters = sum(one.numel() for one in IDEncoder().parameters())
        return self._encoder_parameters

    def _settled_precision(self, folder: Path, size: tuple[int, int]) -> str:
        return sdxl.settled_precision(self._precision, self._device, folder, size, self._more())

    def _networks(self, size: tuple[int, int]) -> tuple[Any, IDEncoder]:
        """Return the pipeline and the ID encoder, loaded once."""
        if self._loaded is None:
            import torch

            from photoflow.models.photomaker import read_photomaker
            from photoflow.models.photomaker.id_encoder import encoder_of

            folder, path = self._check_at_hand()
            precision = self._settled_precision(folder, size)
            memory = sdxl.needs(folder, size, 2 if precision == "bfloat16" else 4, self._more()).memory
            offload = sdxl.settled_offload(self._offload, self._device, memory)
            weights = read_photomaker(path)
            encoder = encoder_of(weights.id_encoder, path)
            pipeline = sdxl.load(folder, weights.lora, self._device, precision, offload)
            width = pipeline.unet.config.cross_attention_dim
            if encoder.config.text_width != width:
                raise WeightsError(
                    f"weights {path}: expected an ID encoder of width {width}, as {self.base} has it, got "
                    f"{encoder.config.text_width}"
                )
            self._loaded = pipeline, encoder.to(self._device, getattr(torch, precision)).eval().requires_grad_(False)
        return self._loaded

    def _check_at_hand(self) -> tuple[Path, Path]:
        """Return the base's folder and PhotoMaker's file, looked for once: a hub is asked each time."""
        if self._at_hand is None:
            self._at_hand = find_base(self.base, self.fetch), self._weights_file()
        return self._at_hand

    def _with_faces(self, photos: Sequence[Any], say: Callable[[str], None]) -> dict[int, tuple[Array, Face]]:
        """Return each photo and its face by the photo's identity: one may stand in the stack several times."""
        found: dict[int, tuple[Array, Face]] = {}
        for number, photo in enumerate(photos):
            if id(photo) in found:
                continue
            name = str(photo) if isinstance(photo, str | Path) else f"photo {number + 1}"
            rgb = read_photo(photo).rgb
            face = one_face(self._faces(rgb), name)
            say(f"{name}: a face of {face.size:.0f} pixels")
            found[id(photo)] = rgb, face
        return found

    def _embedded(
        self,
        pipeline: Any,
        encoder: IDEncoder,
        prompt: MarkedPrompt,
        negative: str,
        pictures: Sequence[Array],
        coefficients: Sequence[float],
        guidance: float,
        say: Callable[[str], None],
    ) -> Words:
        """Return the texts' embeddings, with and without the person."""
        import torch

        with quiet():  # of what is too long is told here
            encoded = encode(pipeline, prompt, len(pictures))
            plain, without, pooled, without_pooled = pipeline.encode_prompt(
                prompt.text, negative_prompt=negative or None, do_classifier_free_guidance=guidance > 1,
                device=self._device,
            )  # fmt: skip
            dropped = {"prompt": encoded.dropped, "negative text": unheard(pipeline.tokenizer, negative or "")}
        for what, end in dropped.items():
            if end:
                say(f"the {what} is too long: '{end}' is not heard")
        like = next(encoder.parameters())
        photos = torch.from_numpy(normalised(pictures))[None].to(like)
        parts = torch.tensor([coefficients], device=like.device)
        with torch.no_grad():
            person = encoder(photos, encoded.embeds.to(like), encoded.places.to(like.device), parts)
        return Words(plain, pooled, person.to(plain), encoded.pooled.to(pooled), without, without_pooled)


def _drawn(
    pipeline: Any, words: Words, steps: int, guidance: float, start_merge: int, size: tuple[int, int], seed: int,
    progress: Callable[[], None] | None,
) -> Array:  # fmt: skip
    """Draw one portrait, uint8 (H, W, 3)."""
    import torch

    def step_ended(pipeline: Any, step: int, timestep: Any, tensors: dict[str, Any]) -> dict[str, Any]:
        if progress:
            progress()
        return words.with_person() if step + 1 == start_merge else tensors

    alone = start_merge > 0
    out = pipeline(
        prompt_embeds=words.text if alone else words.person,
        pooled_prompt_embeds=words.text_pooled if alone else words.person_pooled,
        negative_prompt_embeds=words.negative, negative_pooled_prompt_embeds=words.negative_pooled,
        num_inference_steps=steps, guidance_scale=guidance, height=size[0], width=size[1],
        # On the CPU, so that a seed means the same on any device.
        generator=torch.Generator("cpu").manual_seed(seed),
        callback_on_step_end=step_ended, callback_on_step_end_tensor_inputs=["prompt_embeds", "add_text_embeds"],
        output_type="np",
    )  # fmt: skip
    picture = out.images[0]
    if not np.isfinite(picture).all():
        raise InputError("portrait: the networks gave no numbers; --precision float32 may help")
    return np.asarray(np.clip(255 * picture + 0.5, 0, 255), np.uint8)


def merge_step(steps: int) -> int:
    """Return how many steps follow the text alone where nobody says it: a fifth, the paper's 10 of 50."""
    return steps // 5


def check_numbers(
    steps: int, guidance: float, start_merge: int, size: tuple[int, int], count: int = 1, seed: int = 0
) -> None:
    """Check the numbers of a portrait.

    Raises:
        InputError: one is out of its range.
    """
    for name, value, least, most in (
        ("steps", steps, 1, 1000), ("guidance", guidance, 1, 50), ("start_merge", start_merge, 0, steps),
        ("count", count, 1, 10_000), ("seed", seed, 0, 2**62),
    ):  # fmt: skip
        if not least <= value <= most:  # refuses what is no number, too
            whole = " (all steps)" if name == "start_merge" else ""
            raise InputError(f"{name}: expected {least} to {most}{whole}, got {value}")
    if any(side % 8 or not SIDES[0] <= side <= SIDES[1] for side in size):
        raise InputError(f"size: expected multiples of 8 from {SIDES[0]} to {SIDES[1]}, got {size[1]}x{size[0]}")
