"""The last cell says what is missing, and how to hand in."""

from __future__ import annotations

import functools
import sys
import types

import pytest

from nextword import hand_in


def stub(total: float) -> float:
    """A docstring."""
    # YOUR CODE HERE
    raise NotImplementedError()


def written(total: float) -> float:
    if total < 0:
        raise NotImplementedError("negative totals")
    return total + len(str(total))


class HalfDone:
    def __init__(self) -> None:
        self.size = 3

    def forward(self, idx):
        raise NotImplementedError()


class Done(HalfDone):
    def forward(self, idx):
        return idx


@pytest.fixture(autouse=True)
def not_graded(monkeypatch):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def test_says_what_is_still_to_be_written(capsys) -> None:
    hand_in("01_ngrams", stub, written, HalfDone, Done, functools.lru_cache(stub))
    said = capsys.readouterr().out
    assert "2 of 5 exercises are written. Still to do: stub, HalfDone, stub." in said
    assert "hand in anyway" in said


def test_says_when_all_is_written(capsys) -> None:
    hand_in("01_ngrams", written, Done, len)
    said = capsys.readouterr().out
    assert "All 3 exercises are written." in said
    assert "save the notebook" in said
    assert "01_ngrams.ipynb" in said


def test_in_colab_it_says_how_to_download(capsys, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "google.colab", types.ModuleType("google.colab"))
    hand_in("01_ngrams", written)
    assert "File > Download > Download .ipynb" in capsys.readouterr().out


def test_silent_while_graded(capsys, monkeypatch) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    hand_in("01_ngrams", stub)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
