"""Any causal model that transformers can load is asked in one way: tokenizers, templates, padding, room."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("transformers")
from pretended_gpu import pretended_gpu
from tiny_models import STYLES, save_tiny_model

from nextword.causal_lm import CausalLM, load_causal_lm
from nextword.course_lm import course_lm


@pytest.fixture(autouse=True)
def _offline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, CausalLM]:
    folder = tmp_path_factory.mktemp("models")
    return {style: load_causal_lm(save_tiny_model(folder / style, style)) for style in STYLES}


def own_logits(model: CausalLM, row: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        found: torch.Tensor = model.model(row[None]).logits[0].float()
    return found


@pytest.mark.parametrize("style", STYLES)
def test_logits_of_a_batch_are_those_of_each_row(models: dict[str, CausalLM], style: str) -> None:
    model = models[style]
    torch.manual_seed(1)
    idx = torch.randint(5, len(model.tokenizer), (6, 70))
    idx[:, :50] = idx[:1, :50]  # a beginning that all share
    idx[3] = idx[1]  # and two rows that are alike
    got = model.logits(idx)
    assert got.shape == (6, 70, len(model.tokenizer)) and got.dtype == torch.float32
    for row, logits in zip(idx, got, strict=True):
        torch.testing.assert_close(logits, own_logits(model, row), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("style", STYLES)
def test_padding_on_the_right_changes_nothing(models: dict[str, CausalLM], style: str) -> None:
    model = models[style]
    ids = model.encode("The staff was friendly.")
    padded = torch.tensor([ids + [0] * 9, ids + [3] * 9])
    for logits in model.logits(padded):
        torch.testing.assert_close(
            logits[: len(ids)], own_logits(model, torch.tensor(ids)), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("style", STYLES)
def test_a_prompt_begins_what_goes_on_from_it(models: dict[str, CausalLM], style: str) -> None:
    model = models[style]
    for prompt in ["Review: Lovely hotel.\nSentiment:", "Post: No!\nStance towards free trams:"]:
        short, whole = model.encode(prompt), model.encode(prompt + " positive")
        assert whole[: len(short)] == short and len(whole) > len(short)
        assert model.decode(whole[len(short) :]).strip() == "positive"


def test_a_start_token_comes_once_and_an_end_token_never(models: dict[str, CausalLM]) -> None:
    model = models["metaspace, chat"]
    bos, eos = model.tokenizer.bos_token_id, model.tokenizer.eos_token_id
    assert model.encode("Hello").count(bos) == 1 and model.encode("Hello")[0] == bos
    rendered = model.chat(("user", "Hello"))
    assert rendered.startswith(model.tokenizer.bos_token)
    assert model.encode(rendered).count(bos) == 1
    assert model.encode("Hello")[-1] != eos
    assert bos not in models["byte-level"].encode("Hello")


def test_chats_are_rendered_by_template_or_plainly(models: dict[str, CausalLM]) -> None:
    turns = [("system", "Answer briefly."), ("user", "Why?")]
    plain, chatml = models["byte-level"], models["byte-level, chat"]
    assert plain.chat(*turns) == "Answer briefly.\n\nWhy?" and plain.chat_space == " "
    assert chatml.chat(*turns).endswith("<|im_start|>assistant\n") and chatml.chat_space == ""
    refusing = models["metaspace, chat"]  # its template has no system role
    assert "Answer briefly.\n\nWhy?" in refusing.chat(*turns)
    with pytest.raises(ValueError, match="refuses these turns"):
        refusing.chat(("user", "Why?"), ("system", "Late."))
    own = load_causal_lm(course_lm())
    assert own.chat(*turns) == "<|system|> Answer briefly.<|end|><|user|> Why?<|end|><|assistant|>"
    assert own.chat_space == " "


@pytest.mark.parametrize("style", STYLES)
def test_answers_are_written_without_a_pad_token_and_without_the_prompt(
    models: dict[str, CausalLM], style: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model = models[style]
    answer = model.answer("Review: Lovely hotel.\nSentiment:", most=4)
    assert "Review" not in answer and len(model.encode(answer)) <= 12
    assert capfd.readouterr().err == ""


def test_rows_are_read_once_and_come_in_their_order_wherever_they_lie(models: dict[str, CausalLM]) -> None:
    model = models["byte-level"]
    rows = torch.tensor([[5, 1], [3, 2], [5, 1]])
    expected = torch.cat([model.logits(row[None]) for row in rows])
    assert torch.allclose(model.logits(rows), expected, atol=1e-5)
    with pretended_gpu():
        assert torch.allclose(model.logits(rows.to("cuda")), expected, atol=1e-5)


def test_too_long_a_prompt_is_refused_with_a_remedy(models: dict[str, CausalLM]) -> None:
    model = models["byte-level"]
    with pytest.raises(ValueError, match="fewer or shorter examples"):
        model.logits(torch.zeros(1, 300, dtype=torch.long))
    with pytest.raises(ValueError, match="Shorten it"):
        model.answer("word " * 120)


def test_the_version_follows_the_weights(models: dict[str, CausalLM], tmp_path: Path) -> None:
    again = load_causal_lm(save_tiny_model(tmp_path / "byte-level", "byte-level"))
    other = load_causal_lm(save_tiny_model(tmp_path / "other", "byte-level", seed=1))
    assert again.revision == models["byte-level"].revision != other.revision
    assert again.revision.startswith("sha256 ") and again.name == "byte-level"
    assert "room for 256 tokens" in repr(again)


def test_offline_a_model_of_the_hub_is_refused_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    from nextword import causal_lm

    monkeypatch.setattr(causal_lm, "hub_is_reachable", lambda: False)
    with pytest.raises(
        OSError, match=r"next-word/not-there is not on this machine, and the hub is out of reach"
    ):
        load_causal_lm("next-word/not-there")


def test_tweets_say_what_they_need(monkeypatch: pytest.MonkeyPatch) -> None:
    from nextword import hub, tweets

    monkeypatch.setattr(hub, "hub_is_reachable", lambda: False)
    with pytest.raises(OSError, match="out of reach"):
        tweets.stance_tweets("climate")
    with pytest.raises(ValueError, match="abortion, atheism, climate"):
        tweets.stance_tweets("weather")


def test_tweets_have_the_names_of_the_courses_stances(monkeypatch: pytest.MonkeyPatch) -> None:
    datasets: Any = pytest.importorskip("datasets")
    from nextword import hub, tweets

    asked: list[tuple[str, ...]] = []

    def load_dataset(*names: str, split: str) -> list[dict[str, Any]]:
        asked.append((*names, split))
        return [{"text": "Act now!", "label": 2}, {"text": "Rain.", "label": 0}]

    monkeypatch.setattr(hub, "hub_is_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert tweets.stance_tweets("climate") == [("Act now!", "favour"), ("Rain.", "none")]
    assert asked == [("cardiffnlp/tweet_eval", "stance_climate", "test")]
