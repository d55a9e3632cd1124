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
from typer import BadParameter

from recipes.course_lm import models, tokens, train
from recipes.course_lm.__main__ import model_name
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


def go(model: Any, made: tuple[tokens.Ids, int], folder: Path, **settings: Any) -> dict[str, Any]:
    """Train a tiny model in all its stages: 2 + 2 + 2 + 4 steps."""
    if isinstance(model, models.Encoder):
        whole, half = tokens.masked_batches(*made, length=12), None
    else:
        whole, half = (tokens.next_token_batches(*made, pieces) for pieces in (1, 2))
    minutes = settings.pop("minutes", None)
    settings = {"steps": 6, "cooldown": 4, "batch_size": 3, "first": 2, "plain": 4} | settings
    return train.run(
        model, models.optimizers(model), train.plan(whole, half, **settings), folder, minutes=minutes
    )


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
    whole = tiny(encoder)
    told = go(whole, made, tmp_path / "whole")
    broken = tiny(encoder)
    kill_after(broken, calls)
    with pytest.raises(Killed):
        go(broken, made, tmp_path / "broken")
    again = tiny(encoder)
    told_again = go(again, made, tmp_path / "broken")
    for name, tensor in whole.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name]), name
    assert told["steps"] == told_again["steps"] == 10
    np.testing.assert_allclose(told["train_bits"], told_again["train_bits"])


def test_a_run_that_the_clock_ends_is_repeated_by_its_steps(made, tmp_path) -> None:
    by_clock = tiny(False)
    told = go(by_clock, made, tmp_path / "clock", steps=None, minutes=0.01)
    assert list(told["stages"]) == ["stable", "half", "answers", "cooldown"]
    by_steps = tiny(False)
    again = go(by_steps, made, tmp_path / "steps", steps=told["steps"] - 4)
    assert again["stages"] == told["stages"]
    for name, tensor in by_clock.state_dict().items():
        assert torch.equal(tensor, by_steps.state_dict()[name]), name


def test_the_draft_reads_whole_rows_only(made, tmp_path) -> None:
    whole = tokens.next_token_batches(*made)
    stages = train.plan(whole, None, batch_size=3, steps=4, cooldown=2, first=1, plain=1)
    assert [(stage.data is whole, stage.answer_weight) for stage in stages] == [(True, 1.0)] * 2
    told = train.run(model := tiny(False), models.optimizers(model), stages, tmp_path)
    assert told["stages"] == {
        kind: {"steps": n, "batch_size": 3} for kind, n in (("stable", 4), ("cooldown", 2))
    }
    assert models.new_draft().model.config.n_layer == 1


def test_stages_without_steps_are_left_out(made, tmp_path) -> None:
    told = go(tiny(False), made, tmp_path, steps=4, first=4, cooldown=0)
    assert list(told["stages"]) == ["stable"] and told["steps"] == 4


def test_there_is_one_model_at_a_time() -> None:
    assert model_name(encoder=False, draft=True) == "course-lm-draft"
    with pytest.raises(BadParameter, match="no draft of the encoder"):
        model_name(encoder=True, draft=True)


def test_training_lowers_the_loss(made, tmp_path) -> None:
    told = go(tiny(False), made, tmp_path, steps=30)
    assert told["train_bits"][-1] < 0.8 * told["train_bits"][0]


def test_answers_count_more_in_the_gradient_and_not_in_the_loss(tokenizer) -> None:
    model = tiny(False)
    answers, askers = tokens.answers_and_askers(tokenizer)
    model.know_answers(answers, askers)
    idx = torch.tensor([[20, askers[0], 30, answers[0]]])
    targets = torch.tensor([[askers[0], answers[0], answers[0], 40]])  # the second answer follows no colon

    def gradient(weight: float) -> tuple[float, torch.Tensor]:
        model.zero_grad()
        model.train()
        model.answer_weight = weight
        loss = model(idx, targets)[1]
        loss.backward()
        return loss.item(), model.model.transformer.h[0].mlp.c_fc.weight.grad.clone()

    nats = torch.nn.functional.cross_entropy(model(idx)[0][0], targets[0], reduction="none")
    weights = torch.tensor([1.0, 5.0, 1.0, 1.0])
    model.zero_grad()
    ((weights * nats).sum() / weights.sum()).backward()
    expected = model.model.transformer.h[0].mlp.c_fc.weight.grad.clone()
    loss, found = gradient(5.0)
    torch.testing.assert_close(found, expected)
    assert loss == pytest.approx(nats.mean().item()) == pytest.approx(gradient(1.0)[0])


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
    half = tokens.next_token_batches(rows, characters, 2)
    assert half.inputs.shape == (40, LENGTH // 2)
    assert torch.equal(half.inputs[1], data.inputs[0, LENGTH // 2 :])
    assert torch.equal(half.targets[0], data.inputs[0, 1 : LENGTH // 2 + 1])


def test_a_cool_down_is_a_share_of_the_steps_before(made, tmp_path) -> None:
    told = go(tiny(False), made, tmp_path, steps=10, cooldown=None)
    assert told["stages"]["cooldown"]["steps"] == 3 and told["steps"] == 13


def test_only_hidden_tokens_count_in_the_encoders_loss(made) -> None:
    data = tokens.masked_batches(*made, length=12)
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


def test_an_encoder_that_begins_as_a_decoder_looks_at_the_same_things(tokenizer) -> None:
    decoder, encoder = tiny(False).eval(), tiny(True).eval()
    with torch.no_grad():
        for parameter in decoder.parameters():  # biases and norms that differ, so that none can be mistaken
            parameter.add_(0.3 * torch.randn_like(parameter))
    models.begin_as(encoder, decoder)
    old, new = decoder.model.transformer, encoder.model.base_model
    hidden = torch.randn(2, 5, 16)
    with torch.no_grad():
        expected = old.h[0](hidden)
        found = new.encoder.layer[0](hidden)
    expected, found = (out[0] if isinstance(out, tuple) else out for out in (expected, found))
    # the last position sees all others in both
    torch.testing.assert_close(found[:, -1], expected[:, -1], atol=1e-5, rtol=1e-4)
    assert torch.equal(new.embeddings.position_embeddings.weight[2:], old.wpe.weight)
