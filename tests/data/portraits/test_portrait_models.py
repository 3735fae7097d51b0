"""The models that stand for the paper's: tiny ones of the same kinds with random weights, and parsers of captions."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from photoflow.data.portraits import find_class_words
from photoflow.data.portraits.defaults import MaskRCNNPeople, default_models
from photoflow.data.portraits.models import FoundFace, Late, name_of
from photoflow.data.portraits.parsing import DependencyParser, parser_of, parts_at_words
from photoflow.weights import WeightsError

WORDS = ["<pad>", "</s>", "<unk>", "<image>", "man", "woman", "boy", "photo", "of", "a", "the", "red", "hat"]
needs_transformers = pytest.mark.skipif(
    importlib.util.find_spec("transformers") is None, reason="transformers is not installed"
)


def tokenizer() -> Any:
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    made = Tokenizer(models.WordLevel({word: number for number, word in enumerate(WORDS)}, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="</s>", unk_token="<unk>")


def blip2(folder: Path) -> Path:
    from transformers import (
        Blip2Config,
        Blip2ForConditionalGeneration,
        Blip2Processor,
        BlipImageProcessor,
        OPTConfig,
    )

    torch.manual_seed(0)
    text = OPTConfig(
        vocab_size=len(WORDS), hidden_size=16, ffn_dim=32, num_hidden_layers=1, num_attention_heads=2,
        word_embed_proj_dim=16, max_position_embeddings=128, pad_token_id=0, eos_token_id=1, bos_token_id=1,
    )  # fmt: skip
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = Blip2Config(
        vision_config={**small, "image_size": 32, "patch_size": 16},
        qformer_config={**small, "encoder_hidden_size": 16, "vocab_size": len(WORDS)},
        text_config=text.to_dict(), num_query_tokens=4, image_token_index=3,
    )  # fmt: skip
    Blip2ForConditionalGeneration(config).save_pretrained(folder)
    side = {"height": 32, "width": 32}
    Blip2Processor(BlipImageProcessor(size=side), tokenizer(), num_query_tokens=4).save_pretrained(folder)
    return folder


def clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    text = {**small, "vocab_size": len(WORDS), "eos_token_id": 1, "bos_token_id": 1, "pad_token_id": 0}
    vision = {**small, "image_size": 32, "patch_size": 16}
    CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=8)).save_pretrained(folder)
    pictures = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    CLIPProcessor(pictures, tokenizer()).save_pretrained(folder)
    return folder


def sentences(folder: Path) -> Path:
    from transformers import BertConfig, BertModel

    torch.manual_seed(0)
    small = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    BertModel(BertConfig(vocab_size=len(WORDS), **small)).save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def picture() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3)).astype(np.uint8)


@needs_transformers
def test_captions_of_blip2_are_likeliest_or_drawn_by_their_seed(tmp_path: Path, picture: np.ndarray) -> None:
    captioner = default_models(captioner=str(blip2(tmp_path)), device="cpu", offline=True).captioner
    state = torch.random.get_rng_state()
    likeliest = captioner(picture, None)
    assert likeliest == captioner(picture, None) and set(likeliest.split()) <= set(WORDS)
    drawn = [captioner(picture, seed) for seed in range(8)]
    assert drawn == [captioner(picture, seed) for seed in range(8)] and len(set(drawn)) > 3
    assert torch.equal(torch.random.get_rng_state(), state)  # what else draws numbers is not disturbed
    assert name_of(captioner) == str(tmp_path)


@needs_transformers
def test_scores_of_clip_are_cosines(tmp_path: Path, picture: np.ndarray) -> None:
    from transformers import CLIPModel, CLIPProcessor

    score = default_models(scorer=str(clip(tmp_path)), device="cpu", offline=True).text_image_score
    model, processor = CLIPModel.from_pretrained(tmp_path).eval(), CLIPProcessor.from_pretrained(tmp_path)
    texts = ["man", "woman of a boy", "the red hat", "photo", "red"]
    inputs = processor(images=picture, text=texts, padding=True, return_tensors="pt")
    with torch.inference_mode():
        logits = model(**inputs).logits_per_image[0] / model.logit_scale.exp()
    expected = [max(0.0, value) for value in logits.tolist()]
    assert [score(picture, text) for text in texts] == pytest.approx(expected, abs=1e-5)
    assert min(expected) == 0 < max(expected)


@needs_transformers
def test_labels_are_near_themselves(tmp_path: Path) -> None:
    near = default_models(labels=str(sentences(tmp_path)), device="cpu", offline=True).label_similarity
    assert near("man", "man") == pytest.approx(1) and 0 <= near("man", "woman") < 0.99
    assert near("man", "woman") == pytest.approx(near("woman", "man"), abs=1e-6)
    assert near("a man", "man") == pytest.approx(near("man", "a man"), abs=1e-6)  # shorter ones are padded


@needs_transformers
@pytest.mark.parametrize("which", ["captioner", "text_image_score", "label_similarity"])
def test_weights_that_are_not_at_hand_are_named_when_they_are_needed(
    which: str, tmp_path: Path, picture: np.ndarray
) -> None:
    models = default_models(captioner=str(tmp_path), scorer=str(tmp_path), labels=str(tmp_path), offline=True)
    arguments = {"captioner": (picture, None), "text_image_score": (picture, "man"), "label_similarity": ("a", "b")}
    with pytest.raises(WeightsError, match="cannot be had: they are not at hand; name a folder or a hub's name"):
        getattr(models, which)(*arguments[which])


def test_without_transformers_a_line_says_what_to_install(monkeypatch: pytest.MonkeyPatch, picture: np.ndarray) -> None:
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "transformers" else there(name))
    with pytest.raises(
        WeightsError, match=r'expected transformers; install it with: pip install "photoflow\[portrait\]"'
    ):
        default_models().captioner(picture, None)


def test_faces_and_people_need_weights_too(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, picture: np.ndarray
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    models = default_models(device="cpu", offline=True)
    with pytest.raises(WeightsError, match="photoflow weights get yunet"):
        models.detector(picture)
    with pytest.raises(WeightsError, match="'sface'"):
        models.embedder(picture, FoundFace((0, 0, 9, 9), [(0, 0)] * 5))
    with pytest.raises(WeightsError, match="'mask_rcnn'"):
        models.person_masks(picture)


def test_people_of_mask_rcnn_come_back_at_the_pictures_size(monkeypatch: pytest.MonkeyPatch) -> None:
    from photoflow.models import mask_rcnn

    class Network:
        def __init__(self, weights: str, device: str, *, offline: bool) -> None:
            assert (weights, offline) == ("mask_rcnn", True)

        def __call__(self, rgb: np.ndarray) -> mask_rcnn.Instances:
            assert rgb.shape == (512, 1024, 3)
            masks = np.zeros((3, 512, 1024), np.float32)
            masks[0, :, :100], masks[1, :, 100:], masks[2, :256] = 1, 1, 0.9
            return mask_rcnn.Instances(masks, np.zeros((3, 4)), ("person", "dog", "person"), np.ones(3))

    monkeypatch.setattr(mask_rcnn, "MaskRCNN", Network)
    masks = MaskRCNNPeople("cpu", offline=True)(np.zeros((1000, 2000, 3), np.uint8))
    assert masks.shape == (2, 1000, 2000) and masks.dtype == bool
    assert abs(int(masks[0].sum()) - 1000 * 195) < 3000 and abs(int(masks[1].sum()) - 500 * 2000) < 4000


def test_a_late_model_is_made_once_and_only_when_it_is_called() -> None:
    made: list[int] = []
    late = Late("name", lambda: made.append(1) or abs)  # type: ignore[func-returns-value]
    assert not made and late.name == "name"
    assert (late(-2), late(-3), made) == (2, 3, [1])


@pytest.mark.parametrize(
    ("caption", "parts"),
    [
        ("a man and a woman", ["a man", "a woman"]),
        ("a man, a woman and a boy in a hat", ["a man", "a woman", "a boy in a hat"]),
        ("a man hugging a smiling woman", ["a man hugging", "a smiling woman"]),
        ("man woman", ["man", "woman"]),
        ("in the rain, a boy next to his dog with the woman.", ["in the rain, a boy next to his dog", "the woman"]),
        ("a woman", ["a woman"]),
    ],
)
def test_captions_are_parted_at_the_words_between_people(caption: str, parts: list[str]) -> None:
    assert parts_at_words(caption, find_class_words(caption)) == parts


@dataclass(eq=False)
class Token:
    """A word in a dependency tree."""

    text: str
    idx: int
    head: Token | None = None


def tree_of(text: str, heads: list[int]) -> list[Token]:
    """The words of a text, and the number of the word above each."""
    tokens: list[Token] = []
    for word in text.split():
        tokens.append(Token(word, sum(len(token.text) + 1 for token in tokens)))
    for token, head in zip(tokens, heads):
        token.head = tokens[head]
    return tokens


def test_each_word_goes_with_the_nearest_class_word_above_it_in_the_tree() -> None:
    #          0  1   2    3       4  5      6  7   8    9     10 11 12
    caption = "an old man sitting by a woman in red while it is raining"
    heads = [2, 2, 3, 3, 3, 6, 4, 6, 7, 12, 12, 12, 3]
    heads[3] = 2  # a participle below "man", which is the root
    heads[2] = 2
    parser = DependencyParser(lambda text: tree_of(text, heads))
    parts = parser(caption, find_class_words(caption))
    assert parts == ["an old man sitting by while it is raining", "a woman in red"]
    heads[2], heads[3] = 3, 3  # a verb above both, which neither has
    assert parser(caption, find_class_words(caption)) == ["an old man", "a woman in red"]


def test_a_parser_is_chosen_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert parser_of("words") is parts_at_words
    there = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "spacy" else there(name))
    assert parser_of("auto") is parts_at_words
    with pytest.raises(WeightsError, match="expected spaCy; install it with: pip install spacy, or take words"):
        parser_of("en_core_web_trf")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: object())
    assert name_of(parser_of("auto")) == "spaCy en_core_web_sm"  # not loaded yet
