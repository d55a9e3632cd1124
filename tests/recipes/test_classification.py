"""The command behind the table of coders: finds the notebook's own code, and replaces its section only."""

from __future__ import annotations

import pytest

from recipes import classification

ROW = {"accuracy": (0.5, 0.4, 0.6), "macro-F1": (0.4, 0.3, 0.5), "kappa": (0.1, 0.0, 0.2), "seconds": 1.25}


def test_the_notebooks_own_coders_are_found() -> None:
    pytest.importorskip("transformers")
    from nextword.causal_lm import load_causal_lm
    from nextword.course_lm import course_lm

    names = classification.notebook_names()
    coders = names["coders"]("headlines", load_causal_lm(course_lm()))
    assert list(coders)[:3] == ["most frequent label", "bag of words", "fine-tuned head"]
    assert "course-lm, 4 examples" in coders
    row = names["measured"]("headlines", coders["most frequent label"])
    assert row["accuracy"][0] == pytest.approx(0.2) and row["kappa"][0] == 0.0


def test_one_row_is_measured_and_printed_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    assert classification.main(["headlines", "--row", "most frequent label"]) == 0
    printed = capsys.readouterr().out
    assert "| headlines | most frequent label | 0.20 (0.1" in printed
    assert "`python -m recipes.classification headlines --row 'most frequent label'`" in printed


def test_an_unknown_row_is_refused_with_those_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    with pytest.raises(SystemExit):
        classification.main(["headlines", "--row", "oracle"])
    assert "Rows: most frequent label, bag of words" in capsys.readouterr().err


def test_a_row_tells_measures_with_intervals_and_its_command() -> None:
    line = classification.as_row("posts", "bag of words", ROW, "python -m x")
    assert line == (
        "| posts | bag of words | 0.50 (0.40 to 0.60) | 0.40 (0.30 to 0.50) | 0.10 (0.00 to 0.20) | 1.2 "
        "| `python -m x` |"
    )
    section = classification.as_section([line], ["- posts: old."], "About.")
    assert section.startswith("About.\n\n| set |") and section.endswith(f"{line}\n\n- posts: old.")
