"""The benchmark of byte pair encoding: equal merges, and its verdicts."""

from __future__ import annotations

from typing import Any

import pytest

from autograder.executed import solved_names
from autograder.source import read_source
from nextword.metrics import text_of
from nextword.village import Village
from recipes.bench import bpe
from recipes.bench.alternating import Timing

pytest.importorskip("tokenizers", reason="tokenizers is what is compared with: `make bench` installs it")


@pytest.fixture(scope="module")
def notebook() -> dict[str, Any]:
    return solved_names(read_source(bpe.SOURCE))


def test_all_ways_find_the_same_merges(notebook: dict[str, Any]) -> None:
    text = text_of(Village().sample(300, seed=1))
    timings = bpe.timings_on("little", text, 40, 2, notebook, with_notebook=True)
    assert [timing.way for timing in timings] == [bpe.OURS, bpe.THEIRS, bpe.NOTEBOOK]
    assert all(len(timing.seconds) == 2 and timing.amount == 40 for timing in timings)


@pytest.mark.parametrize("change", [lambda found: [*found[1::-1], *found[2:]], lambda found: found[:-1]])
def test_other_merges_stop_the_benchmark(
    change: Any, notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = bpe.train_bpe
    monkeypatch.setattr(bpe, "train_bpe", lambda counts, n: change(right(counts, n)))
    with pytest.raises(AssertionError, match="little: "):
        bpe.timings_on("little", "the cat, the hat, the mat\n", 5, 1, notebook, with_notebook=False)


def test_texts_beyond_ascii_are_refused(notebook: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="beyond ASCII"):
        bpe.trained_by_the_library("naïve", 1, notebook["PIECES"])


def test_each_text_has_its_ratio() -> None:
    timings = [
        Timing(bpe.OURS, (1.0,), 600, group="a"),
        Timing(bpe.THEIRS, (1.5,), 600, group="a"),
        Timing(bpe.NOTEBOOK, (9.0,), 600, group="a"),
        Timing(bpe.OURS, (2.0,), 5000, group="b"),
        Timing(bpe.THEIRS, (1.0,), 5000, group="b"),
    ]
    assert [target.measured for target in bpe.report(timings).targets] == [
        "the same 600 merges in 0.67 times its seconds",
        "the same 5,000 merges in 2.00 times its seconds",
    ]
