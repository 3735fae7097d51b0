"""A tiny SDXL of the same topology, made at random: two text encoders, a UNet with cross-attention, an autoencoder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from photoflow.models.photomaker import IDEncoder, IDEncoderConfig, PhotoMakerWeights

WIDTHS = (16, 24)  # of the two text encoders
ENCODER = IDEncoderConfig(width=32, hidden=64, layers=2, heads=2, patch=16, side=32, projections=WIDTHS)
SIDE = 64  # of its pictures, pixels
_WORDS = (
    "a", "an", "the", "of", "in", "on", "and", "with", "man", "woman", "girl", "boy", "portrait", "photo", "rain",
    "old", "red", "hat", "blurry", "img",
)  # fmt: skip


def tiny_pipeline(seed: int = 0) -> Any:
    """The pipeline of diffusers, on the CPU, float32."""
    from diffusers import DDIMScheduler, StableDiffusionXLPipeline

    torch.manual_seed(seed)
    first, second = _text_encoders()
    return StableDiffusionXLPipeline(
        vae=_vae(), text_encoder=first, text_encoder_2=second, tokenizer=_tokenizer(), tokenizer_2=_tokenizer(),
        unet=_unet(), scheduler=DDIMScheduler(beta_schedule="scaled_linear", clip_sample=False, steps_offset=1),
        add_watermarker=False,
    )  # fmt: skip


def tiny_photomaker(seed: int = 1) -> PhotoMakerWeights:
    """The parts of a PhotoMaker for it: an ID encoder, LoRA residuals of rank 4 that change something."""
    torch.manual_seed(seed)
    lora = {}
    for name, module in _unet().named_modules():
        if isinstance(module, torch.nn.Linear) and name.endswith(("to_q", "to_k", "to_v", "to_out.0")):
            lora[f"unet.{name}.lora_A.weight"] = 0.1 * torch.randn(4, module.in_features)
            lora[f"unet.{name}.lora_B.weight"] = 0.1 * torch.randn(module.out_features, 4)
    return PhotoMakerWeights(IDEncoder(ENCODER).state_dict(), lora)


def _unet() -> Any:
    from diffusers import UNet2DConditionModel

    return UNet2DConditionModel(
        sample_size=SIDE // 8, block_out_channels=(16, 32), layers_per_block=1, norm_num_groups=8,
        down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"), up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
        attention_head_dim=(2, 4), use_linear_projection=True, transformer_layers_per_block=(1, 2),
        addition_embed_type="text_time", addition_time_embed_dim=8, cross_attention_dim=sum(WIDTHS),
        projection_class_embeddings_input_dim=6 * 8 + WIDTHS[1],
    )  # fmt: skip


def _vae() -> Any:
    from diffusers import AutoencoderKL

    return AutoencoderKL(
        block_out_channels=(8, 8, 16, 16), down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4, latent_channels=4, norm_num_groups=4, sample_size=SIDE,
    )  # fmt: skip


def _text_encoders() -> tuple[Any, Any]:
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    ids = _vocabulary()
    common = {
        "vocab_size": len(ids), "num_hidden_layers": 3, "num_attention_heads": 2, "intermediate_size": 32,
        "bos_token_id": ids["<|startoftext|>"], "eos_token_id": ids["<|endoftext|>"],
    }  # fmt: skip
    first = CLIPTextConfig(hidden_size=WIDTHS[0], projection_dim=WIDTHS[0], **common)
    second = CLIPTextConfig(hidden_size=WIDTHS[1], projection_dim=WIDTHS[1], **common)
    return CLIPTextModel(first), CLIPTextModelWithProjection(second)


def _merges() -> list[tuple[str, str]]:
    """The pairs that make each of the words one token."""
    pairs: dict[tuple[str, str], None] = {}
    for word in sorted(_WORDS, key=len, reverse=True):  # else "an" would split "woman"
        letters = [*word[:-1], word[-1] + "</w>"]
        while len(letters) > 1:
            pairs[letters[0], letters[1]] = None
            letters[:2] = [letters[0] + letters[1]]
    return list(pairs)


def _vocabulary() -> dict[str, int]:
    letters = [*"abcdefghijklmnopqrstuvwxyz,.-"]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in _merges())]
    return {token: number for number, token in enumerate([*tokens, "<|startoftext|>", "<|endoftext|>"])}


def _tokenizer() -> Any:
    from transformers import CLIPTokenizer

    return CLIPTokenizer(vocab=_vocabulary(), merges=_merges(), model_max_length=77, pad_token="<|endoftext|>")


def saved_pipeline(folder: Path, seed: int = 0) -> Path:
    """The pipeline as a folder that diffusers reads."""
    tiny_pipeline(seed).save_pretrained(folder)
    assert json.loads((folder / "model_index.json").read_text())["_class_name"] == "StableDiffusionXLPipeline"
    return folder
