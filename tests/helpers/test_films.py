"""Film sentences from the hub, without the hub."""

from __future__ import annotations

import contextlib
import http.client
from typing import Any

import datasets
import pytest

from nextword import films, hub


def test_sentences_are_drawn_and_stripped(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}

    def stored(name: str, split: str) -> datasets.Dataset:
        asked.update(name=name, split=split)
        rows = {"sentence": [f"film {i} " for i in range(10)], "label": [i % 2 for i in range(10)]}
        return datasets.Dataset.from_dict(rows)

    monkeypatch.setattr(hub, "hub_is_reachable", lambda: True)
    monkeypatch.setattr(datasets, "load_dataset", stored)
    some = films.film_sentences("validation", 4)
    assert asked == {"name": "stanfordnlp/sst2", "split": "validation"}
    assert len(set(some)) == 4
    assert all(label == films.LABELS[int(text.removeprefix("film ")) % 2] for text, label in some)
    assert some == films.film_sentences("validation", 4)


def test_a_hub_that_did_not_answer_is_asked_again(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [OSError("no route"), http.client.BadStatusLine("?"), contextlib.nullcontext()]

    def urlopen(*_: Any, **__: Any) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(hub, "_answered", set())
    monkeypatch.setattr(hub, "_silent", {})
    now = [0.0]
    monkeypatch.setattr(hub.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(hub.urllib.request, "urlopen", urlopen)
    found = []
    for now[0] in (0, 1, 8, 9, 16, 17):
        found.append(hub.reachable("https://hub.invalid"))
    assert found == [False, False, False, False, True, True], "not again and again"
    assert answers == []


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="train and validation"):
        films.film_sentences("test", 4)
    monkeypatch.setattr(hub, "hub_is_reachable", lambda: True)
    one = datasets.Dataset.from_dict({"sentence": ["fine"], "label": [1]})
    monkeypatch.setattr(datasets, "load_dataset", lambda name, split: one)
    with pytest.raises(ValueError, match="has 1 sentences, not 4"):
        films.film_sentences("train", 4)
    monkeypatch.setattr(hub, "hub_is_reachable", lambda: False)
    with pytest.raises(OSError, match="With a network"):
        films.film_sentences("train", 4)
