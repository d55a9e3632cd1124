"""The recipe of course-lm on a tiny model: killed and started again it ends where an unbroken run ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer

pytest.importorskip("transformers")
from transformers import AutoModelForCausalLM, AutoModelForMaskedLM, AutoTokenizer

from nextword.batches import Batches
from recipes.course_lm import models, tokens, train
from recipes.course_lm.export import export_model

LENGTH = 24


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return tokens.train_tokenizer(n_documents=150)


@pytest.fixture(scope="module")
def made(tokenizer: Tokenizer) -> tuple[tokens.Ids, int]:
    return tokens.rows(tokenizer, 9, 20, LENGTH)


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "CHECKPOINT_EVERY", 2)
    monkeypatch.setattr(train, "WARMUP", 3)


def tiny(encoder: bool) -> models.Decoder | models.Encoder:
    return (models.new_encoder if encoder else models.new_decoder)(width=16, layers=1)


def data_of(made: tuple[tokens.Ids, int], encoder: bool) -> Batches:
    return tokens.masked_batches(*made, length=12) if encoder else tokens.next_token_batches(*made)


def go(model: Any, data: Batches, folder: Path, **settings: Any) -> dict[str, Any]:
    settings = {"steps": 6, "minutes": None, "cooldown": 4, "batch_size": 3} | settings
    return train.run(model, models.optimizers(model), data, folder, **settings)


class Killed(Exception):
    """Stands for the end of a process."""


def kill_after(model: torch.nn.Module, calls: int) -> None:
    """Make a model raise at a later call."""
    left = [calls]

    def count(*_: Any) -> None:
        left[0] -= 1
        if left[0] < 0:
            raise Killed

    model.register_forward_pre_hook(count)


@pytest.mark.parametrize("encoder", [False, True], ids=["decoder", "encoder"])
@pytest.mark.parametrize("calls", [1, 5, 8])
def test_a_killed_run_ends_with_the_weights_of_an_unbroken_one(made, tmp_path, encoder, calls) -> None:
    data = data_of(made, encoder)
    whole = tiny(encoder)
    told = go(whole, data, tmp_path / "whole")
    broken = tiny(encoder)
    kill_after(broken, calls)
    with pytest.raises(Killed):
        go(broken, data, tmp_path / "broken")
    again = tiny(encoder)
    told_again = go(again, data, tmp_path / "broken")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert told["steps"] == told_again["steps"] == 6
    np.testing.assert_allclose(told["train_bits"], told_again["train_bits"])


def test_a_run_that_the_clock_ends_is_repeated_by_its_steps(made, tmp_path) -> None:
    data = data_of(made, False)
    by_clock = tiny(False)
    told = go(by_clock, data, tmp_path / "clock", steps=None, minutes=0.01)
    assert told["steps"] >= 2 and told["steps"] % 2 == 0
    by_steps = tiny(False)
    go(by_steps, data, tmp_path / "steps", steps=told["steps"])
    for name, tensor in by_clock.state_dict().items():
        assert torch.equal(tensor, by_steps.state_dict()[name]), name


def test_training_lowers_the_loss(made, tmp_path) -> None:
    told = go(tiny(False), data_of(made, False), tmp_path, steps=30)
    assert told["train_bits"][-1] < 0.8 * told["train_bits"][0]


def test_all_weights_have_one_optimizer() -> None:
    for model in (tiny(False), tiny(True)):
        trained = [id(p) for o in models.optimizers(model) for g in o.param_groups for p in g["params"]]
        assert sorted(trained) == sorted(id(p) for p in model.parameters())


def test_rows_begin_with_a_document_and_count_what_they_hold(tokenizer, made) -> None:
    rows, characters = made
    assert rows.shape == (20, LENGTH + 1)
    shown = sum(len(tokenizer.decode(row.tolist(), skip_special_tokens=True)) for row in rows)
    assert characters == pytest.approx(shown, rel=0.15)  # a special token counts for what it is written with
    data = tokens.next_token_batches(rows, characters)
    assert torch.equal(data.inputs[:, 1:], data.targets[:, :-1])


def test_only_hidden_tokens_count_in_the_encoders_loss(made) -> None:
    data = data_of(made, True)
    model = tiny(True).eval()
    logits, loss = model(data.inputs[:8], data.targets[:8])
    eligible = int((data.targets[:8] != -100).sum())
    assert 0.08 * eligible < len(logits) < 0.35 * eligible
    again, _ = model(data.inputs[:8], data.targets[:8])
    assert torch.equal(logits, again)  # in evaluation the same places are hidden each time
    assert set(data.inputs[:, 0].tolist()) == {models.CLS_ID}
    assert set(data.inputs[:, -1].tolist()) == {models.SEP_ID}
    assert loss.requires_grad


def test_special_ids_are_where_the_configs_say() -> None:
    ids = [models.END_ID, models.PAD_ID, models.CLS_ID, models.SEP_ID, models.MASK_ID]
    named = [tokens.END_OF_TEXT, tokens.PAD, tokens.CLS, tokens.SEP, tokens.MASK]
    assert [tokens.SPECIAL[i] for i in ids] == named


@pytest.mark.parametrize("encoder", [False, True], ids=["decoder", "encoder"])
def test_an_exported_model_predicts_what_the_trained_one_does(tokenizer, tmp_path, encoder) -> None:
    model = tiny(encoder).eval()
    export_model(model.model, tokenizer, tmp_path, encoder=encoder)
    loaded = (AutoModelForMaskedLM if encoder else AutoModelForCausalLM).from_pretrained(tmp_path).eval()
    idx = torch.arange(9, 30)[None]
    with torch.no_grad():
        torch.testing.assert_close(loaded(idx).logits, model(idx)[0], atol=2e-3, rtol=2e-2)
    read = AutoTokenizer.from_pretrained(tmp_path)
    assert read.pad_token_id == models.PAD_ID
    assert json.loads((tmp_path / "config.json").read_text())["dtype"] == "float32"
