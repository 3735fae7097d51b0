"""Folders of an SDXL, and residuals for it, that are damaged, incomplete or others: refused in a line, never run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_sdxl import tiny_photomaker

from photoflow.models.photomaker import PhotoMakerWeights, read_photomaker, write_photomaker
from photoflow.models.photomaker.base import find_base
from photoflow.portrait import sdxl
from photoflow.weights.loading import WeightsError

Lora = dict[str, torch.Tensor]


@pytest.fixture
def base(tiny: tuple[str, str], tmp_path: Path) -> Path:
    """A copy that may be damaged."""
    return Path(shutil.copytree(tiny[0], tmp_path / "base"))


def load(folder: Path, lora: Lora | None = None) -> Any:
    return sdxl.load(find_base(str(folder)), lora or tiny_photomaker().lora, "cpu", "float32", False)


def refusal(folder: Path, lora: Lora | None = None) -> str:
    with pytest.raises(WeightsError) as caught:
        load(folder, lora)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_latents_are_not_cut_whatever_the_folders_sampler_was(base: Path) -> None:
    from diffusers import EulerDiscreteScheduler

    EulerDiscreteScheduler(beta_schedule="scaled_linear").save_pretrained(base / "scheduler")
    config = load(base).scheduler.config
    assert config["_class_name"] == "DDIMScheduler" and config.beta_schedule == "scaled_linear"
    assert config.clip_sample is False and config.set_alpha_to_one is False


@pytest.mark.parametrize(
    ("part", "file"),
    [("unet", "diffusion_pytorch_model"), ("vae", "diffusion_pytorch_model"), ("text_encoder", "model")],
)
def test_a_network_without_one_of_its_weights(base: Path, part: str, file: str) -> None:
    path = base / part / f"{file}.safetensors"
    state = load_file(path)
    del state[next(name for name in state if name.endswith("weight"))]
    save_file(state, path, {"format": "pt"})
    assert f"numbers in {part}, got" in refusal(base)


def test_a_folder_without_a_tokenizer(base: Path) -> None:
    shutil.rmtree(base / "tokenizer_2")
    assert "expected a tokenizer_2 of 77 tokens" in refusal(base)


def test_no_code_of_a_folder_is_run(base: Path, tmp_path: Path) -> None:
    index = json.loads((base / "model_index.json").read_text())
    code = f"open({str(tmp_path / 'ran')!r}, 'w')\nclass StableDiffusionXLPipeline: pass\n"

    def named(**parts: Any) -> Callable[[Path], None]:
        return lambda folder: (folder / "model_index.json").write_text(json.dumps({**index, **parts})) and None

    for file, change, said in (
        ("unet/other.py", named(unet=["other", "Network"]), "expected UNet2DConditionModel as its unet, got ['other"),
        ("vae/other.py", named(vae=["diffusers", "AutoencoderTiny"]), "expected AutoencoderKL as its vae"),
        ("other.py", named(_class_name=["other", "StableDiffusionXLPipeline"]), "expected an SDXL"),
        ("unet/diffusers.py", named(), "custom code"),
        ("None.py", named(), "custom code"),
    ):
        change(base)
        (base / file).write_text(code)
        assert said in refusal(base), file
        (base / file).unlink()
    assert not (tmp_path / "ran").exists()


def test_a_hub_out_of_reach_is_said_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from diffusers.pipelines import pipeline_utils
    from huggingface_hub.errors import OfflineModeIsEnabled

    def refused(*arguments: Any, **options: Any) -> None:
        raise OfflineModeIsEnabled("no connection")

    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(pipeline_utils, "model_info", refused)
    with pytest.raises(WeightsError, match=r"^base: nobody/none cannot be fetched \(no connection\)$"):
        find_base("nobody/none", fetch=True)
    assert capfd.readouterr() == ("", "")


def test_residuals_of_another_unet(tiny: tuple[str, str], capfd: pytest.CaptureFixture[str]) -> None:
    folder, lora = Path(tiny[0]), tiny_photomaker().lora
    wide = {name: torch.zeros([side + 1 for side in one.shape]) for name, one in lora.items()}
    extra = {name.replace("down_blocks.1", "down_blocks.7"): one for name, one in lora.items() if "down_" in name}
    other = dict(list(lora.items())[:2]) | extra
    capfd.readouterr()
    assert "do not fit the base" in (said := refusal(folder, wide)) and "size mismatch for down_blocks.1" in said
    assert "expected residuals of this UNet" in refusal(folder, other)
    load(folder, lora | dict(list(extra.items())[:2]))  # a few of what it has not do no harm
    assert capfd.readouterr() == ("", "")  # no page of names


@pytest.mark.parametrize("value", [torch.full((4, 3), torch.nan), torch.ones(4, 3, dtype=torch.int64)])
def test_residuals_that_are_no_finite_numbers(tmp_path: Path, value: torch.Tensor) -> None:
    whole = tiny_photomaker()
    name = next(iter(whole.lora))
    write_photomaker(tmp_path / "x.safetensors", PhotoMakerWeights(whole.id_encoder, whole.lora | {name: value}), {})
    with pytest.raises(WeightsError, match=f"corrupted: 'lora_weights.{name}' has values that are not finite"):
        read_photomaker(tmp_path / "x.safetensors")
