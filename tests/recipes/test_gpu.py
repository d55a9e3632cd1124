"""The table of the preset `gpu`: measured where there is a GPU, and said to be missing where there is not."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook, new_output
from typer import Typer
from typer.testing import CliRunner

from autograder.build import open_course
from nextword import presets
from nextword.training import History
from recipes import gpu

NAMES = [name for name in open_course(gpu.ROOT).names() if name >= "03"]


@pytest.fixture(autouse=True)
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(gpu, "PAGE", tmp_path / "results.md")
    gpu.PAGE.write_text("# Results\n\nWords.\n", encoding="utf-8")
    monkeypatch.setenv(presets.VARIABLE, "cpu")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    presets._gpu.cache_clear()
    yield gpu.PAGE
    presets._gpu.cache_clear()


def run(*arguments: str) -> tuple[int, str]:
    app = Typer()
    app.command()(gpu.main)
    result = CliRunner().invoke(app, arguments)
    return result.exit_code, result.output


def a_notebook(*texts: str) -> object:
    cells = [new_code_cell("", outputs=[new_output("stream", name="stdout", text=text)]) for text in texts]
    return new_notebook(cells=cells)


def test_without_a_gpu_every_number_is_missing(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "measured", lambda name: pytest.fail("nothing can run"))
    code, said = run("--write")
    assert code == 0 and "torch finds no GPU here" in said
    text = page.read_text(encoding="utf-8")
    assert "Words." in text and "No GPU was at hand" in text
    rows = [line for line in text.splitlines() if line.startswith("| 0") or line.startswith("| 1")]
    assert [row.split(" | ")[0] for row in rows] == [f"| {name}" for name in NAMES] and len(NAMES) >= 9
    assert all(row.count("not measured") == 3 for row in rows)


def test_a_measured_table_is_not_overwritten_by_nothing(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(gpu, "gpu_at_hand", lambda: "Tesla T4, torch 2, numbers in float16")
        patch.setattr(gpu, "measured", lambda name: gpu.Row(name, 61.4, 3 * 2**30, [("GPT", "0.71")]))
        assert run("--write")[0] == 0
    before = page.read_text(encoding="utf-8")
    assert "| 06_transformer | 61 | 3,072 | GPT 0.71 | `python -m recipes.gpu 06_transformer` |" in before
    assert "Tesla T4, torch 2, numbers in float16." in before
    assert "stays as it is" in run("--write")[1]
    monkeypatch.setattr(gpu, "gpu_at_hand", lambda: "Tesla T4, torch 2, numbers in float16")
    monkeypatch.setattr(gpu, "measured", lambda name: gpu.Row(name, error="fails: RuntimeError"))
    assert "stays as it is" in run("--write")[1]
    assert page.read_text(encoding="utf-8") == before


def test_a_notebook_that_fails_is_told_and_ends_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = new_code_cell("", outputs=[new_output("error", ename="RuntimeError", evalue="", traceback=[])])
    row = gpu.row_of("04_recurrent", new_notebook(cells=[failed]), 5.0)
    assert "fails: RuntimeError" in row.as_markdown()
    monkeypatch.setattr(gpu, "gpu_at_hand", lambda: "a GPU")
    monkeypatch.setattr(gpu, "measured", lambda name: row)
    assert run("04_recurrent")[0] == 1


def test_losses_and_memory_are_read_from_what_a_notebook_shows() -> None:
    told = History("GPT", steps=[900], seconds=[29.2], train=[0.6], valid=[0.715])
    bare = History(steps=[1200], seconds=[3.0], train=[0.25])
    notebook = a_notebook("words\n", f"{told}\n0.7 bits per character on the test text\n", f"{bare}\n")
    notebook.cells += a_notebook("peak GPU memory: 1048576\n").cells
    row = gpu.row_of("06_transformer", notebook, 80.2)
    assert (row.seconds, row.memory, row.losses) == (80.2, 2**20, [("GPT", "0.715"), ("", "0.250")])
    assert "| 80 | 1 | GPT 0.715, a run 0.250 |" in row.as_markdown()


def test_only_whole_tables_are_written_and_names_are_looked_up() -> None:
    assert run("06_transformer", "--write")[0] == 2
    assert run("13_unknown")[0] == 2
