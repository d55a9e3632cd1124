"""Notebook 11: metrics beside scikit-learn's, label scores beside a sum over tokens for every tokenizer."""

from __future__ import annotations

import math
import warnings
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from solved import solved_names, worked_examples

from autograder.source import read_source
from nextword.labelled import LABELS, labelled_texts

SOURCE = read_source(Path(__file__).parents[2] / "solutions" / "11_classification.py")
STYLES = ("byte-level", "byte-level, chat", "metaspace", "metaspace, chat")
PROMPTS = [
    "Review: Lovely hotel, friendly staff.\nSentiment:",
    "Post: No!\nStance towards a ban on phones:",
    "Headline: Keeper saves two penalties in the final, and then the floodlights went out\nTopic:",
    "Q:",
]
ANSWERS = [" positive", " not at all favourable", " none", " 0?"]


@pytest.fixture(scope="module")
def solved() -> dict[str, Any]:
    """The names of the solved notebook: setup and reference solutions, no test and no experiment."""
    return solved_names(SOURCE)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    pytest.importorskip("transformers")
    from tiny_models import save_tiny_model

    from nextword.causal_lm import load_causal_lm

    folder = tmp_path_factory.mktemp("models")
    return {style: load_causal_lm(save_tiny_model(folder / style, style)) for style in STYLES}


@pytest.mark.parametrize("exercise", [cell.name for cell in SOURCE.of_role("exercise")])
def test_worked_example_is_what_the_solution_returns(solved: dict[str, Any], exercise: str) -> None:
    examples, failures = worked_examples(exercise, solved)
    assert examples
    assert not failures, failures


# Label scores and perplexities, with every kind of tokenizer


def by_brute_force(model: Any, prompt: str, answer: str) -> float:
    """The sum of log-probabilities over the tokens of an answer, with one forward pass for each."""
    n, whole = len(model.encode(prompt)), model.encode(prompt + answer)
    total = 0.0
    for t in range(n, len(whole)):
        with torch.no_grad():
            logits = model.model(torch.tensor([whole[:t]])).logits[0, -1]
        total += float(logits.double().log_softmax(-1)[whole[t]])
    return total


@pytest.mark.parametrize("style", STYLES)
def test_label_scores_are_a_sum_over_tokens(
    solved: dict[str, Any], models: dict[str, Any], style: str
) -> None:
    model = models[style]
    assert any(len(model.encode(PROMPTS[0] + a)) - len(model.encode(PROMPTS[0])) > 2 for a in ANSWERS)
    got = solved["label_log_probabilities"](model, PROMPTS, ANSWERS)
    want = torch.tensor([[by_brute_force(model, prompt, answer) for answer in ANSWERS] for prompt in PROMPTS])
    torch.testing.assert_close(got, want, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_batched_equals_one_by_one(solved: dict[str, Any], models: dict[str, Any], style: str) -> None:
    score, perplexity = solved["label_log_probabilities"], solved["prompt_perplexity"]
    model = models[style]
    shown = solved["few_shot_prompt"]([(prompt, "positive") for prompt in PROMPTS[:2]], PROMPTS[2])
    prompts = [*PROMPTS, shown, shown + " x"]  # the last two share a long beginning
    alone = score(model, prompts, ANSWERS, batch_size=1)
    for size in (3, 8, 100):
        torch.testing.assert_close(
            score(model, prompts, ANSWERS, batch_size=size), alone, atol=1e-5, rtol=1e-6
        )
    one = perplexity(model, prompts, batch_size=1)
    torch.testing.assert_close(perplexity(model, prompts, batch_size=100), one, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("style", STYLES)
def test_the_whole_path_works_on_any_folder(
    solved: dict[str, Any], models: dict[str, Any], style: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model, labels = models[style], list(LABELS["posts"])
    texts = [text for text in labelled_texts("posts") if text.split == "test"][:5]
    chats = [
        model.chat(("system", "One word."), ("user", f"Stance towards {t.target}? {t.text}")) for t in texts
    ]
    scores = solved["label_log_probabilities"](model, chats, [model.chat_space + label for label in labels])
    said, sure = solved["classify"](solved["contextual_calibration"](scores, scores[:2]), labels)
    assert set(said) <= set(labels) and bool(((sure > 1 / 3 - 1e-6) & (sure <= 1)).all())
    assert solved["parse_label"](model.answer(chats[0], most=3), labels) in [*labels, None]
    assert capfd.readouterr().err == ""


def test_perplexity_is_that_of_the_models_own_loss(solved: dict[str, Any], models: dict[str, Any]) -> None:
    for model in models.values():
        for prompt in PROMPTS[:3]:
            ids = torch.tensor([model.encode(prompt)])
            with torch.no_grad():
                loss = model.model(ids, labels=ids).loss
            got = float(solved["prompt_perplexity"](model, [prompt])[0])
            assert math.isclose(got, math.exp(float(loss)), rel_tol=1e-4)


# Metrics beside scikit-learn's

CODES = st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), min_size=1, max_size=40)


@given(pairs=CODES, labels=st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=7, unique=True))
@settings(deadline=None, max_examples=150)
def test_macro_f1_is_scikit_learns(pairs: list[tuple[str, str]], labels: list[str]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    gold, predicted = [a for a, _ in pairs], [b for _, b in pairs]
    want = metrics.f1_score(
        np.array(gold), np.array(predicted), labels=labels, average="macro", zero_division=0
    )
    assert math.isclose(names_of()["macro_f1"](gold, predicted, labels), want, abs_tol=1e-12)


@given(pairs=CODES)
@settings(deadline=None, max_examples=150)
def test_kappa_is_scikit_learns(pairs: list[tuple[str, str]]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    first, second = [a for a, _ in pairs], [b for _, b in pairs]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn divides 0 by 0 where kappa is undefined
        want = metrics.cohen_kappa_score(first, second)
    got = names_of()["cohen_kappa"](first, second)
    assert math.isclose(got, want, abs_tol=1e-9) or (math.isnan(got) and math.isnan(want))


@cache
def names_of() -> dict[str, Any]:
    """As `solved`, for tests that hypothesis runs (a fixture would not be made anew, and it complains)."""
    return solved_names(SOURCE)


def test_bootstrap_interval_is_scipys(solved: dict[str, Any]) -> None:
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    rng = np.random.default_rng(0)
    gold = rng.choice(list("ab"), 150).tolist()
    predicted = [g if rng.random() < 0.8 else "c" for g in gold]
    got = solved["bootstrap_interval"](
        solved["accuracy"], gold, predicted, np.random.default_rng(1), draws=4000
    )
    hits = np.array([g == p for g, p in zip(gold, predicted, strict=True)], dtype=float)
    theirs = stats.bootstrap(
        (hits,), np.mean, n_resamples=4000, method="percentile", rng=np.random.default_rng(2)
    ).confidence_interval
    assert abs(got[0] - theirs.low) < 0.02 and abs(got[1] - theirs.high) < 0.02


# What the prose says


def test_numbers_of_the_prose(solved: dict[str, Any]) -> None:
    f1 = solved["macro_f1"](list("aaab"), list("aabc"), list("abc"))
    assert round(f1, 3) == 0.267 and solved["accuracy"](list("aaab"), list("aabc")) == 0.5
    gold = ["none"] * 180 + ["side"] * 20  # question 2
    always, better = ["none"] * 200, ["none"] * 155 + ["side"] * 25 + ["side"] * 15 + ["none"] * 5
    assert solved["accuracy"](gold, always) == 0.9 and solved["accuracy"](gold, better) == 0.85
    assert solved["cohen_kappa"](gold, always) == 0 < solved["cohen_kappa"](gold, better)
    assert solved["macro_f1"](gold, always, ["none", "side"]) < solved["macro_f1"](
        gold, better, ["none", "side"]
    )
    q = solved["contextual_calibration"](torch.tensor([[0.6, 0.4]]).log(), torch.tensor([[0.75, 0.25]]).log())
    torch.testing.assert_close(q.exp(), torch.tensor([[1 / 3, 2 / 3]]))
    train = [text for text in labelled_texts("posts") if text.split == "train"]
    test = [text for text in labelled_texts("posts") if text.split == "test"]
    assert (len(train), len(test)) == (432, 216)


def test_points_and_minutes_are_those_of_the_title() -> None:
    points = sum(cell.points or 0 for cell in SOURCE.cells)
    minutes = sum(cell.minutes or 0 for cell in SOURCE.cells)
    title = SOURCE.cells[0].source
    assert f"{minutes:g} minutes of it" in title and f"**Points:** {points:g}." in title
