"""The benchmark of decoding compares two models that write the same."""

from __future__ import annotations

import pytest
import torch

from nextword.models import GPT
from recipes.bench import decoding


def test_both_are_measured_for_each_number_of_texts() -> None:
    report = decoding.measure(2, batches=(1, 3), n=5)
    assert [(t.way, t.amount, len(t.seconds)) for t in report.timings] == [
        ("our GPT", 5, 2), ("transformers", 5, 2), ("our GPT", 15, 2), ("transformers", 15, 2),
    ]  # fmt: skip
    assert [t.target for t in report.targets] == [
        "1 text: at least transformers' speed",
        "3 texts side by side: at least transformers' speed",
    ]
    for target, ours, theirs in zip(report.targets, report.timings[::2], report.timings[1::2], strict=True):
        assert target.reached == (ours.median <= theirs.median)


def test_prompts_are_beginnings_of_different_reviews() -> None:
    prompts = decoding.prompts_from_reviews(16, 32)
    assert prompts.shape == (16, 32) and len({tuple(row) for row in prompts.tolist()}) == 16


def test_ours_writes_what_reading_all_of_it_again_would() -> None:
    ours, _ = decoding.models()
    prompts = decoding.prompts_from_reviews(2, 8)
    text = prompts
    with torch.no_grad():
        for _ in range(6):
            text = torch.cat([text, ours(text)[0][:, -1:].argmax(-1)], dim=1)
    assert decoding.written_by_ours(ours, prompts, 6).equal(text[:, 8:])


def test_models_that_write_differently_are_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = decoding.models()
    torch.manual_seed(0)
    monkeypatch.setattr(decoding, "models", lambda: (GPT(ours.config).eval(), theirs))
    with pytest.raises(AssertionError, match="different tokens"):
        decoding.measure(1, batches=(1,), n=5)
