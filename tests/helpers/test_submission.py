"""The last cell says what is missing, and how to hand in."""

from __future__ import annotations

import functools
import json
from typing import Any

import fake_colab as colab
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
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)


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


def notebook(**checks: str) -> dict[str, Any]:
    """A notebook file with a check for each of these, which "passed", "failed" or is "unrun"."""
    cells = [{"cell_type": "markdown", "metadata": {}, "source": "# Title", "id": "a"}]
    for name, outcome in checks.items():
        outputs = [{"output_type": "error", "ename": "AssertionError", "evalue": "no", "traceback": []}]
        cells.append(
            {
                "cell_type": "code",
                "id": name,
                "metadata": {"nbgrader": {"grade_id": f"test_{name}"}},
                "source": "check",
                "execution_count": None if outcome == "unrun" else 3,
                "outputs": outputs if outcome == "failed" else [],
            }
        )
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 0}


def another(total: float) -> float:
    return total


def test_in_colab_it_says_what_the_checks_say_and_how_to_download(capsys, monkeypatch) -> None:
    page = colab.enter(monkeypatch, colab.Page(notebook(written="failed", Done="unrun", stub="failed")))
    hand_in("01_ngrams", stub, written, Done, another)
    said = capsys.readouterr().out
    assert page.asked == ["get_ipynb"]
    assert "In this notebook, as it is now, the checks of these fail: written." in said
    assert "have not been run: Done." in said
    assert "are missing: another. No harm is done" in said
    assert "File > Download > Download .ipynb" in said


def test_in_colab_all_checks_pass(capsys, monkeypatch) -> None:
    colab.enter(monkeypatch, colab.Page(notebook(written="passed", stub="failed")))
    hand_in("01_ngrams", stub, written)
    assert "the checks of all exercises that are written pass" in capsys.readouterr().out


@pytest.mark.parametrize("answers", ["nothing", "error", "nonsense"])
def test_a_page_that_does_not_answer_changes_nothing_else(capsys, monkeypatch, answers) -> None:
    colab.enter(monkeypatch, colab.Page(notebook(written="failed"), answers))
    hand_in("01_ngrams", written)
    said = capsys.readouterr().out
    assert "All 1 exercises are written" in said
    assert "File > Download" in said
    assert "checks of" not in said


def test_a_notebook_without_metadata_is_not_judged(capsys, monkeypatch) -> None:
    bare = notebook(written="failed")
    for cell in bare["cells"]:
        cell["metadata"] = {}
    colab.enter(monkeypatch, colab.Page(bare))
    hand_in("01_ngrams", written)
    assert "checks of" not in capsys.readouterr().out


def test_in_jupyter_it_reads_the_file_as_last_saved(capsys, monkeypatch, tmp_path) -> None:
    path = tmp_path / "01_ngrams.ipynb"
    path.write_text(json.dumps(notebook(written="failed")))
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    hand_in("01_ngrams", written)
    said = capsys.readouterr().out
    assert "as last saved" in said
    assert "the checks of these fail: written." in said
    assert "save the notebook" in said
    path.write_text("{")
    hand_in("01_ngrams", written)
    assert "checks of" not in capsys.readouterr().out


def test_silent_while_graded(capsys, monkeypatch) -> None:
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    hand_in("01_ngrams", stub)
    captured = capsys.readouterr()
    assert captured.out + captured.err == ""
