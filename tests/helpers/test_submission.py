"""The last cell says what is missing, and how to hand in."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any

import fake_colab as colab
import pytest

from nextword import hand_in

NOTEBOOKS = sorted((Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


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


def test_names_are_looked_up_where_it_is_called(capsys) -> None:
    hand_in("01_ngrams", "written", "stub", "forgotten", "HalfDone", "lost")
    said = capsys.readouterr().out
    assert "1 of 5 exercises are written and run. Still to do: stub, HalfDone.\n" in said
    assert "The cells of these were not run yet: forgotten, lost. Run all cells from the top." in said
    hand_in("01_ngrams", "written", "lost")
    said = capsys.readouterr().out
    assert "1 of 2 exercises are written and run.\n" in said
    assert "Still to do" not in said
    hand_in("01_ngrams", "written", "Done")
    assert "All 2 exercises are written." in capsys.readouterr().out


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_the_last_cell_of_an_untouched_notebook_names_all_exercises_and_questions(
    path, capsys, monkeypatch
) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", str(path))
    cells = json.loads(path.read_text())["cells"]
    written = [c for c in cells if c["metadata"].get("nbgrader", {}).get("solution")]
    exercises = [c["metadata"]["nbgrader"]["grade_id"] for c in written if c["cell_type"] == "code"]
    numbers = range(1, len(written) - len(exercises) + 1)
    exec("".join(cells[-1]["source"]), {"hand_in": hand_in})
    said = capsys.readouterr().out
    assert f"0 of {len(exercises)} exercises are written and run." in said
    assert f"The cells of these were not run yet: {', '.join(exercises)}." in said
    assert f"questions still without an answer: {', '.join(map(str, numbers))}." in said
    assert f"upload {path.name} " in said


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


def question(grade_id: str, answer: Any) -> dict[str, Any]:
    about = {"grade_id": grade_id, "grade": True, "solution": True}
    return {"cell_type": "markdown", "metadata": {"nbgrader": about}, "source": answer, "id": grade_id}


def prose(text: str) -> dict[str, Any]:
    return {"cell_type": "markdown", "metadata": {}, "source": text, "id": "b"}


def test_says_which_questions_have_no_answer(capsys, monkeypatch) -> None:
    bare = notebook(written="passed")
    bare["cells"] += [
        *[prose("### Question 1: why?"), prose("Why?"), question("why", ["YOUR ANSWER HERE"])],
        *[prose("**Question 2.** How?"), question("how", "YOUR ANSWER HERE\n\nBy counting.")],
        *[prose("**Question 3.** Who?"), question("who", " \n")],
        *[prose("A question of another kind, as in Question 3."), question("the_rest", "YOUR ANSWER HERE\n")],
    ]
    colab.enter(monkeypatch, colab.Page(bare))
    hand_in("01_ngrams", "written")
    said = capsys.readouterr().out
    assert "In this notebook, as it is now, questions still without an answer: 1, 3, the rest." in said
    for cell in bare["cells"]:
        cell["source"] = "An answer."
    hand_in("01_ngrams", "written")
    assert "questions" not in capsys.readouterr().out


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
