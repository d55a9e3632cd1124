"""From a checkpoint to the folder that `transformers` loads: config, weights in half precision, tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer
from transformers import PreTrainedModel

from recipes.course_lm import models, tokens


def export_model(model: PreTrainedModel, tokenizer: Tokenizer, folder: Path, *, encoder: bool) -> None:
    """Write a model and its tokenizer to a folder, so that the Auto classes of transformers load them.

    The weights are float16 in the file; the config says float32, so that they are read into float32.
    """
    folder.mkdir(parents=True, exist_ok=True)
    weights = {
        name: tensor.detach().to(torch.float16).contiguous()
        for name, tensor in model.state_dict().items()
        if tensor.is_floating_point() and not is_tied(name)
    }
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    (folder / "model.safetensors").chmod(0o644)
    config = model.config.to_diff_dict() | {
        "architectures": [type(model).__name__],
        "model_type": model.config.model_type,
        "dtype": "float32",
        "torch_dtype": "float32",  # what transformers 4 reads
    }
    config.pop("transformers_version", None)
    write_json(folder / "config.json", config)
    (tokens.for_encoder(tokenizer) if encoder else tokenizer).save(str(folder / "tokenizer.json"))
    write_json(folder / "tokenizer_config.json", tokenizer_config(encoder=encoder))
    if not encoder:
        stops = [tokenizer.token_to_id(tokens.END_OF_TEXT), tokenizer.token_to_id("<|end|>")]
        write_json(
            folder / "generation_config.json",
            {"bos_token_id": models.END_ID, "eos_token_id": stops, "pad_token_id": models.PAD_ID},
        )


def is_tied(name: str) -> bool:
    """Return whether a weight is the input embedding under a second name, which the file leaves out."""
    return name in ("lm_head.weight", "lm_head.decoder.weight", "lm_head.decoder.bias")


def tokenizer_config(*, encoder: bool) -> dict[str, Any]:
    """Return the tokenizer's settings for transformers, the chat template among them."""
    shared = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": tokens.CONTEXT,
        "clean_up_tokenization_spaces": False,
        "padding_side": "right",
        "pad_token": tokens.PAD,
    }
    if encoder:
        return shared | {"cls_token": tokens.CLS, "sep_token": tokens.SEP, "mask_token": tokens.MASK}
    return shared | {
        "bos_token": tokens.END_OF_TEXT,
        "eos_token": tokens.END_OF_TEXT,
        "chat_template": tokens.CHAT_TEMPLATE,
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON that reads well."""
    path.write_text(json.dumps(content, indent=2, sort_keys=True) + "\n", encoding="utf-8")
