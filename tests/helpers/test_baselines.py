"""The classifiers that a language model must beat: they learn, and leave alone what they are given."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from nextword.baselines import bag_of_words, fine_tuned, most_frequent

TEXTS = [f"{word} number {n}" for n in range(12) for word in ("lovely", "awful")]
CODES = ["positive", "negative"] * 12


def test_the_most_frequent_label_ignores_texts_and_breaks_ties_by_name() -> None:
    assert most_frequent(["x"] * 3, ["b", "a", "b"], ["new", "texts"]) == ["b", "b"]
    assert most_frequent(["x"] * 4, ["b", "a", "b", "a"], ["new"]) == ["a"]


def test_a_bag_of_words_learns_words() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    assert bag_of_words(TEXTS, CODES, ["an awful day", "lovely!"]) == ["negative", "positive"]


def test_without_scikit_learn_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    real: Callable[..., Any] = builtins.__import__

    def without(name: str, *arguments: Any, **settings: Any) -> Any:
        if name.startswith("sklearn"):
            raise ImportError(name)
        return real(name, *arguments, **settings)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(ImportError, match=r"needs scikit-learn.*pip install scikit-learn"):
        bag_of_words(TEXTS, CODES, ["x"])


@pytest.mark.parametrize("style", ["byte-level", "metaspace, chat"])
def test_a_fine_tuned_head_learns_on_a_copy(tmp_path: Path, style: str) -> None:
    pytest.importorskip("transformers")
    from tiny_models import save_tiny_model

    from nextword.causal_lm import load_causal_lm

    model = load_causal_lm(save_tiny_model(tmp_path, style))
    before = [parameter.clone() for parameter in model.model.parameters()]
    new = ["awful number 40", "lovely number 41", "awful number 42 and " * 30, ""]
    settings: dict[str, Any] = {"epochs": 8, "batch_size": 8, "learning_rate": 3e-3}
    torch.manual_seed(5)
    expected = torch.rand(2)
    torch.manual_seed(5)
    said = fine_tuned(model, TEXTS, CODES, new, **settings)
    assert torch.equal(torch.rand(2), expected), "the caller's randomness is left alone"
    assert said[:2] == ["negative", "positive"] and len(said) == 4
    assert said == fine_tuned(model, TEXTS, CODES, new, **settings), "the same seed, the same result"
    assert all(torch.equal(a, b) for a, b in zip(before, model.model.parameters(), strict=True))
