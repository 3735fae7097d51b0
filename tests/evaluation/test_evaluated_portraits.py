"""Portraits of people judged: closed forms with stand-in networks, files, the networks' wrappers, the command."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
import torch
from test_evaluation_page import run
from tiny_sdxl import _tokenizer

from photoflow.cli import evaluate
from photoflow.errors import InputError
from photoflow.evaluation import portraits as task
from photoflow.evaluation.portrait_networks import CLIP, DINO, PortraitNetworks, on_planes, open_portrait_networks
from photoflow.evaluation.portrait_pictures import (
    CLASS_WORD,
    PAPER_PROMPTS,
    open_people,
    open_portraits,
    read_prompts,
)
from photoflow.evaluation.portrait_scores import COLUMNS, FACE_SIDE, PairMean, cut_face, mean_cosine
from photoflow.evaluation.portraits import evaluate_portraits
from photoflow.io import write_image
from photoflow.segment.faces import Face
from photoflow.weights.registry import WeightsError

SIDE = 24
COLOURS = {"Ada": (200, 40, 40), "Bo": (40, 40, 200)}  # of a person's face; a grey picture has none


def colour(photo: np.ndarray) -> np.ndarray:
    return np.float32(photo.reshape(-1, 3).mean(0))


def faces(photo: np.ndarray) -> Sequence[Face]:
    """A face wherever there is colour."""
    there = np.ptp(photo, 2) > 60
    if not there.any():
        return []
    (y, *_, last_y), (x, *_, last_x) = (np.flatnonzero(there.any(axis)) for axis in (1, 0))
    box = (int(x), int(y), int(last_x - x + 1), int(last_y - y + 1))
    small = (0, 0, 1, 1)
    return [Face(one, np.zeros((5, 2), np.float32), 0.9) for one in (small, box)]


def face_colour(photo: np.ndarray, face: Face) -> np.ndarray:
    left, top, width, height = face.box
    return colour(photo[top : top + height, left : left + width])


STAND_INS = PortraitNetworks(
    image=colour, text=lambda prompt: np.float32([1, 0, 0] if "red" in prompt else [0, 0, 1]), dino=colour,
    faces=faces, face=face_colour, likeness=lambda cut: colour(cut) / 255, picture=colour,
)  # fmt: skip


def paint(path: Path, rgb: Sequence[int], level: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.full((SIDE, SIDE, 3), level, np.uint8)
    picture[6:18, 8:20] = rgb
    write_image(path, picture)


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, rgb in COLOURS.items():
        for number in range(2):
            paint(folder / name / f"{number}.png", rgb)
    (folder / "Ada" / "class_word.txt").write_text("woman\n")
    return folder


def evaluated(methods: Sequence[Path], photos: Path, **given: object) -> tuple[dict[str, dict[str, float]], list[str]]:
    result = evaluate_portraits(methods, photos, STAND_INS, progress=lambda *_: None, **given)
    return result.scores.means(), result.notes


def test_the_photos_themselves_have_the_best_scores(photos: Path, tmp_path: Path) -> None:
    prompts = ["a red <class word>", "a <class word>"]
    for number, (name, rgb) in enumerate(COLOURS.items(), 1):
        for copy in range(2):
            paint(tmp_path / "same" / name / str(number) / f"{copy}.png", rgb)
    seen: list[tuple[int, int]] = []
    result = evaluate_portraits(
        [tmp_path / "same"], photos, STAND_INS, progress=lambda *done: seen.append(done), prompts=prompts
    )
    means = result.scores.means()["same"]
    assert list(means) == list(COLUMNS) and result.scores.samples == 2
    for column in ("clip_i", "dino", "face_similarity"):
        assert means[column] == pytest.approx(100)
    cosine = 200 / math.sqrt(200**2 + 2 * 40**2)  # of a face's colour and that of its prompt
    assert means["clip_t"] == pytest.approx(100 * cosine, rel=1e-4)
    assert means["fid"] == pytest.approx(0, abs=1e-6) and means["speed"] is None
    # Two faces of each of two people: of six pairs four differ, by 160 of 255 in two channels.
    assert means["face_diversity"] == pytest.approx(100 * 4 / 6 * 2 * (160 / 255) ** 2, rel=1e-3)
    assert seen[-1] == (8, 8) and result.notes == ["same: 4 portraits of 2 people by 2 prompts."]


def test_others_have_worse_ones_and_missing_faces_are_said(photos: Path, tmp_path: Path) -> None:
    lines = []
    for number, rgb in enumerate((COLOURS["Ada"], COLOURS["Bo"], (90, 90, 90))):
        paint(tmp_path / "other" / f"{number}.png", rgb)
        lines.append(
            {"picture": f"{number}.png", "identity": "Ada", "prompt": "a red woman img", "seconds": number + 1}
        )
    del lines[0]["seconds"]
    (tmp_path / "other" / "portraits.jsonl").write_text("\n".join(map(json.dumps, lines)) + "\n\n")
    paint(photos / "Ada" / "2.png", (60, 60, 60))
    means, notes = evaluated([tmp_path / "other"], photos)
    between = mean_cosine(np.array(COLOURS["Ada"]), [np.array(COLOURS["Bo"])])
    assert means["other"]["face_similarity"] == pytest.approx((100 + between) / 2, rel=1e-3)
    assert means["other"]["speed"] == 2.5
    one, grey = np.array(COLOURS["Ada"]), np.ones(3)
    each = [mean_cosine(made, [one, one, grey]) for made in (one, np.array(COLOURS["Bo"]), grey)]
    assert means["other"]["clip_i"] == pytest.approx(np.mean(each), rel=1e-3)
    assert notes == [
        "No face was found in 1 of the photos: left out of face similarity.",
        "other: 3 portraits of 1 people by 1 prompts.",
        "other: no face was found in 1 of them: left out of face similarity and face diversity.",
    ]


def test_the_mean_of_pairs_is_that_of_a_loop() -> None:
    vectors = np.random.default_rng(0).normal(3, 1, (7, 5)).astype(np.float32)
    mean = PairMean()
    for number, vector in enumerate(vectors):
        assert math.isnan(mean.value) == (number < 2)
        mean.add(vector)
    slow = np.mean([np.square(one - other).sum() for one, other in combinations(vectors, 2)])
    assert mean.value == pytest.approx(slow, rel=1e-5)


@pytest.mark.parametrize("side", [12, FACE_SIDE, 2 * FACE_SIDE])
def test_a_face_is_cut_out_as_a_square(side: int) -> None:
    picture = np.zeros((3 * side, 3 * side, 3), np.uint8)
    picture[side : 2 * side, side : 2 * side] = 200
    face = Face((side + side // 4, side, side // 2, side), np.zeros((5, 2), np.float32), 1.0)
    cut = cut_face(picture, face)
    assert cut.shape == (FACE_SIDE, FACE_SIDE, 3) and cut.min() == 200
    half = cut_face(picture, Face((side // 2, side, side, side), face.points, 1.0))
    assert half[:, : FACE_SIDE // 2 - 12].max() == 0 and half[12:-12, FACE_SIDE // 2 + 12 :].min() == 200
    beyond = cut_face(picture[side:], Face((side, -side // 2, side, side), face.points, 1.0))
    assert beyond.min() == 200  # continued upwards


def test_the_prompts_of_the_paper() -> None:
    assert len(set(PAPER_PROMPTS)) == 40 and all(prompt.count(CLASS_WORD) == 1 for prompt in PAPER_PROMPTS)


def test_folders_say_the_prompt_and_the_class_word(photos: Path, tmp_path: Path) -> None:
    for place in ("Ada/10", "Ada/2", "Bo/02"):
        paint(tmp_path / "made" / place / "a.png", (1, 2, 3))
    made = open_portraits(tmp_path / "made", open_people(photos), PAPER_PROMPTS)
    assert [(one.identity, one.prompt) for one in made] == [
        ("Ada", "a woman wearing a Superman outfit"), ("Ada", "a woman wearing a Christmas hat"),
        ("Bo", "a person wearing a Superman outfit"),
    ]  # fmt: skip
    (tmp_path / "prompts.txt").write_text("a <class word> img, old\n\n  a man  \n")
    prompts = read_prompts(tmp_path / "prompts.txt")
    assert prompts == ("a <class word> img, old", "a man")
    with pytest.raises(InputError, match="made/Ada/10: expected the number of a prompt, 1 to 2, as its name"):
        open_portraits(tmp_path / "made", open_people(photos), prompts)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 1: expected {.picture.: PATH, .identity.: NAME, .prompt.: TEXT, .seconds.: NUMBER}, got '{'"),
        ('{"picture": "a.png", "identity": "Ada"}', "line 1: expected {.picture.: PATH"),
        ('{"picture": "../a.png", "identity": "Ada", "prompt": ""}', "expected a picture below the list's folder"),
        (
            '{"picture": "a.png", "identity": "Cy", "prompt": ""}',
            "expected a person of whom there are photos, got 'Cy'",
        ),
        ('{"picture": "a.png", "identity": "Ada", "prompt": "", "seconds": -1}', "expected seconds of at least 0"),
    ],
)
def test_a_wrong_list_is_said_in_one_line(photos: Path, tmp_path: Path, line: str, message: str) -> None:
    (tmp_path / "portraits.jsonl").write_text(line)
    with pytest.raises(InputError, match=message):
        open_portraits(tmp_path, open_people(photos), PAPER_PROMPTS)


def test_wrong_folders_are_said_in_one_line(photos: Path, tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    with pytest.raises(InputError, match=r"expected portraits: portraits.jsonl, or NAME/NUMBER.*; found none"):
        evaluated([tmp_path / "made"], photos)
    with pytest.raises(InputError, match="expected a folder of photos for each person, found none"):
        evaluated([photos], tmp_path / "made")
    paint(tmp_path / "made" / "Ada" / "1" / "a.png", (1, 2, 3))
    with pytest.raises(InputError, match="methods: expected folders of different names"):
        evaluated([tmp_path / "made", tmp_path / "made"], photos)
    (photos / "Bo" / "class_word.txt").write_text("pilot")
    with pytest.raises(InputError, match=r"expected one of man, woman, .*, got 'pilot'"):
        evaluated([tmp_path / "made"], photos)


def saved_clip(folder: Path) -> Path:
    from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPTextConfig, CLIPVisionConfig

    torch.manual_seed(0)
    tokenizer = _tokenizer()
    sizes = {
        "hidden_size": 16,
        "intermediate_size": 16,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "projection_dim": 12,
    }
    text = CLIPTextConfig(
        vocab_size=len(tokenizer), bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id, **sizes
    )
    vision = CLIPVisionConfig(image_size=16, patch_size=8, **sizes)
    CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=12)
    ).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessor(size={"shortest_edge": 16}, crop_size=16).save_pretrained(folder)
    return folder


def saved_dino(folder: Path) -> Path:
    from transformers import ViTConfig, ViTImageProcessor, ViTModel

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    ViTModel(ViTConfig(image_size=16, patch_size=8, **sizes), add_pooling_layer=False).save_pretrained(folder)
    ViTImageProcessor(size={"height": 16, "width": 16}).save_pretrained(folder)
    return folder


def test_networks_of_folders_see_pictures_and_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    clip, dino, notes = saved_clip(tmp_path / "clip"), saved_dino(tmp_path / "dino"), list[str]()
    networks = open_portrait_networks([f"clip={clip}", f"dino={dino}"], notes, offline=True)
    photo = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)
    assert networks.image and networks.text and networks.dino and networks.faces is None and networks.picture is None
    assert [note.split(" left out")[0] for note in notes[2:]] == [
        "Scores of faces are", "Face similarity is", "Face diversity is", "FID is"
    ]  # fmt: skip

    from transformers import AutoImageProcessor, CLIPTextModelWithProjection, CLIPVisionModelWithProjection, ViTModel

    with torch.no_grad():
        pixels = AutoImageProcessor.from_pretrained(clip)(photo, return_tensors="pt")["pixel_values"]
        seen = CLIPVisionModelWithProjection.from_pretrained(clip)(pixels).image_embeds[0]
        ids = _tokenizer()("a woman in the rain", return_tensors="pt").input_ids
        read = CLIPTextModelWithProjection.from_pretrained(clip)(ids).text_embeds[0]
        pixels = AutoImageProcessor.from_pretrained(dino)(photo, return_tensors="pt")["pixel_values"]
        known = ViTModel.from_pretrained(dino, add_pooling_layer=False)(pixels).last_hidden_state[0, 0]
    np.testing.assert_allclose(networks.image(photo), seen, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(networks.text("a woman in the rain"), read, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(networks.dino(photo), known, rtol=1e-4, atol=1e-5)
    assert networks.text("old " * 200).shape == (12,)
    assert on_planes(lambda planes: planes.mean((2, 3)), "cpu")(photo) == pytest.approx(colour(photo) / 255, rel=1e-4)


def test_what_is_no_such_network_is_said_in_one_line(tmp_path: Path) -> None:
    dino = saved_dino(tmp_path / "dino")
    with pytest.raises(WeightsError, match=r"CLIP: expected a network of the kind clip in .*, got vit"):
        CLIP(str(dino), offline=True)
    with pytest.raises(WeightsError, match=r"DINO: /nowhere cannot be had \("):
        DINO("/nowhere", offline=True)
    with pytest.raises(
        InputError, match="features: expected clip=SOURCE or dino=SOURCE or picture=SOURCE, got 'face=a'"
    ):
        open_portrait_networks(["face=a"], [])
    from safetensors.torch import load_file, save_file

    state = load_file(dino / "model.safetensors")
    save_file({name: value for name, value in state.items() if "query" not in name}, dino / "model.safetensors")
    with pytest.raises(WeightsError, match=r"DINO: .* lacks weights, such as .*attention"):
        DINO(str(dino), offline=True)


def test_the_command_prints_the_papers_table(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(evaluate.console, "_width", 80)
    monkeypatch.setattr("photoflow.evaluation.portrait_networks.open_portrait_networks", lambda *_: STAND_INS)
    for method, rgb in (("ours", COLOURS["Ada"]), ("theirs", COLOURS["Bo"])):
        for number in range(2):
            paint(tmp_path / method / "Ada" / "3" / f"{number}.png", rgb)
    place = ["--json", tmp_path / "scores.json", "--report", tmp_path / "page"]
    given = ["portraits", tmp_path / "ours", "--against", tmp_path / "theirs"]
    code, said = run(monkeypatch, capsys, *given, "--photos", photos, *place)
    assert code == 0, said
    titles = [
        "CLIP-T (%) ↑", "CLIP-I (%) ↑", "DINO (%) ↑", "face similarity (%) ↑", "face diversity (%) ↑", "FID ↓",
        "speed (s) ↓",
    ]  # fmt: skip
    head = [[cell.strip() for cell in line[1:-1].split("┃")] for line in said.splitlines() if line[:1] == "┃"]
    assert [" ".join(filter(None, words)) for words in zip(*head, strict=True)] == ["method", *titles]
    row = next(line for line in said.splitlines() if "ours" in line and "│" in line)
    cells = [cell.strip() for cell in row.strip("│ ").split("│")]
    assert cells[0] == "ours" and cells[2:6] == ["100.0", "100.0", "100.0", "0.0"] and cells[-1] == "–"
    scores = json.loads((tmp_path / "scores.json").read_text())
    assert list(scores["methods"]) == ["ours", "theirs"] and scores["methods"]["theirs"]["dino"] < 60
    page = (tmp_path / "page" / "portraits.html").read_text()
    assert "ours: a woman wearing a red sweater" not in page and "a woman wearing a spacesuit" in page

    code, said = run(monkeypatch, capsys, *given)
    assert code == 2 and "photos: expected --photos FOLDER" in said
    code, said = run(monkeypatch, capsys, "flow", tmp_path, "--photos", photos)
    assert code == 2 and "photos: expected for the task portraits alone, got it for flow" in said
    code, said = run(monkeypatch, capsys, *given, "--photos", photos, "--weights", "a.pth")
    assert code == 2 and "weights: expected for other tasks than portraits" in said
    assert task.PAPER_PROMPTS is PAPER_PROMPTS
