"""Film sentences from the hub, without the hub."""

from __future__ import annotations

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


def test_errors_say_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="train and validation"):
        films.film_sentences("test", 4)
    monkeypatch.setattr(hub, "hub_is_reachable", lambda: False)
    with pytest.raises(OSError, match="With a network"):
        films.film_sentences("train", 4)
