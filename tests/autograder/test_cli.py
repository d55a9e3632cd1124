"""The command line: exit codes, sentences with remedies, JSON for programs, help with examples."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.api import Gradebook
from typer.testing import CliRunner

from autograder import demo, doctor, variants
from autograder.cli import app, main
from autograder.course_folder import CourseFolder
from autograder.variants import Row

SOURCE = '''\
# %% [markdown]
# # Bits

# %% setup
import math

# %% exercise="bits" minutes=5 difficulty=1
def bits(nats: float) -> float:
    """Nats in bits."""
    ### BEGIN SOLUTION
    return nats / math.log(2)
    ### END SOLUTION

# %% test="bits" points=2
assert bits(math.log(2)) == 1, "Bits are base 2."
### BEGIN HIDDEN TESTS
assert bits(0.0) == 0
### END HIDDEN TESTS

# %% submit
print("Hand in this file.")
'''
ANSWERS = "".join(
    f'@wrong("bits", misconception="x", hint="base 2")\ndef wrong_{n}(nats): return nats / {n}\n'
    for n in (2, 3, 4)
)
VARIANTS = ANSWERS + '@right("bits", why="x")\ndef r(nats): return nats * math.log2(math.e)\n'
COURSE = """\
[course]
title = "Bits"
id = "bits"
repository = "somebody/bits"

[[assignment]]
name = "00_bits"
"""
runner = CliRunner()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "solutions" / "variants").mkdir(parents=True)
    (tmp_path / "helpers").mkdir()
    (tmp_path / "course.toml").write_text(COURSE)
    (tmp_path / "solutions" / "00_bits.py").write_text(SOURCE)
    (tmp_path / "solutions" / "variants" / "00_bits.py").write_text(VARIANTS)
    return tmp_path


def run(*arguments: object, status: int = 0) -> str:
    result = runner.invoke(app, [str(a) for a in arguments], catch_exceptions=False)
    assert result.exit_code == status, result.output
    return result.stdout


def failed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["course", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0), capsys.readouterr().err


def test_build_then_check(root: Path) -> None:
    assert "00_bits.ipynb: 5 cells, 2 points, 5 minutes" in run("build", "--root", root)
    assert (root / "notebooks" / "00_bits.ipynb").exists()
    assert "(unchanged)" in run("build", "00_bits", "--root", root)
    assert "00_bits: ready for release as far as --fast looks" in run(
        "build", "--check", "--fast", "--root", root
    )


def test_check_prints_one_line_per_fault_and_json(root: Path) -> None:
    lines = run("build", "--check", "--fast", "--root", root, status=1).splitlines()
    said = "notebooks/00_bits.ipynb does not exist. Run course build 00_bits and commit the result."
    assert lines == [f"solutions/00_bits.py: {said}"]
    faults = json.loads(run("build", "--check", "--fast", "--json", "--root", root, status=1))
    assert faults == [
        {
            "notebook": "00_bits",
            "cell": "",
            "message": "notebooks/00_bits.ipynb does not exist.",
            "remedy": "Run course build 00_bits and commit the result.",
        }
    ]
    assert not (root / "notebooks").exists()


def test_build_writes_solved_notebooks_on_request(root: Path) -> None:
    run("build", "--root", root, "--solved", root / "build" / "solved")
    assert "return nats / math.log(2)" in (root / "build" / "solved" / "00_bits.ipynb").read_text()


def test_publish(root: Path, tmp_path: Path) -> None:
    run("build", "--root", root)
    target = tmp_path / "students"
    assert "notebooks 00_bits" in run("publish", target, "--root", root)
    assert (target / "notebooks" / "00_bits.ipynb").exists()


def test_the_settings_of_a_course_folder_are_its_own(
    root: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, notebook = tmp_path_factory.mktemp("class") / "course", root / "solutions" / "00_bits.py"
    run("init", folder, "--root", root)
    settings = folder / "course.toml"
    assert settings.read_text() == COURSE
    own = COURSE + 'due = "2027-02-01T23:59:00+00:00"\n\n[late]\npercent_per_day = 10\n'
    settings.write_text(own)

    (root / "solutions" / "01_more.py").write_text(notebook.read_text())
    (root / "solutions" / "variants" / "01_more.py").write_text(VARIANTS)
    new = '\n[[assignment]]\nname = "01_more"\ntitle = "More \\"bits\\""\ndue = "2027-03-01T12:00:00+01:00"\n'
    (root / "course.toml").write_text(COURSE + new)
    run("init", folder, "--root", root, "--force")
    assert settings.read_text() == own + new
    with Gradebook(CourseFolder(folder).db_url) as book:
        due = {name: book.find_assignment(name).duedate for name in ("00_bits", "01_more")}
    assert due == {"00_bits": datetime(2027, 2, 1, 23, 59), "01_more": datetime(2027, 3, 1, 11)}


def test_variants_table_json_and_status(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        Row("00_bits", "bits", "log_ten", "wrong", "less than 2", "0 of 2", "base 2", True),
        Row(
            "00_bits", "bits", "lucky", "wrong", "less than 2", "2 of 2", "base 2", False, "keeps all points"
        ),
    ]
    monkeypatch.setattr(variants, "run_variants", lambda course, names: ((2, row) for row in rows))
    found = json.loads(run("variants", "--json", "--root", root, status=1))
    assert [
        set(row) >= {"notebook", "exercise", "variant", "kind", "expected", "got", "hint"} for row in found
    ] == [
        True,
        True,
    ]
    assert "keeps all points" in run("variants", "--root", root, status=1)
    rows.pop()
    assert "log_ten" in run("variants", "--root", root)


def test_an_error_is_a_sentence_and_a_remedy(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    status, said = failed(monkeypatch, capsys, "build", "09_x", "--root", root)
    assert status == 1
    assert said == "error: There is no assignment called 09_x.\ncourse.toml knows: 00_bits.\n"
    status, said = failed(monkeypatch, capsys, "build", "--root", root / "nowhere")
    assert status == 1
    assert "course.toml does not exist" in said
    assert "--root" in said


def test_wrong_usage_is_status_2(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    status, said = failed(monkeypatch, capsys, "bild")
    assert status == 2
    assert "bild" in said


@pytest.mark.parametrize("command", [c.name for c in app.registered_commands])
def test_every_command_has_help_with_an_example(command: str) -> None:
    assert "Example" in run(command, "--help")


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ([], ["00_bits", "01_bits"]),
        (["02_bits"], ["02_bits"]),
        (["--all"], ["00_bits", "01_bits", "02_bits"]),
    ],
)
def test_the_demo_takes_two_notebooks_unless_told_otherwise(
    root: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], wanted: list[str]
) -> None:
    more = "".join(f'\n[[assignment]]\nname = "0{n}_bits"\n' for n in (1, 2))
    (root / "course.toml").write_text(COURSE + more)
    taken: list[list[str]] = []
    monkeypatch.setattr(demo, "run_demo", lambda *given: taken.append(given[-1]))
    run("demo", *arguments, "--root", root)
    assert taken == [wanted]


@pytest.mark.parametrize("holds", [True, False])
def test_the_doctor_ends_with_a_verdict_and_keeps_raw_evidence_for_programs(
    holds: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = [
        doctor.Finding(0, "the sandbox starts", True, "notes", "It was started: notes."),
        doctor.Finding(1, "no network", holds, "OSError, OSError", doctor.TRIED[1]),
    ]
    monkeypatch.setattr(doctor, "examine", lambda **_: findings)
    said = run("doctor", status=int(not holds))
    assert doctor.TRIED[1] in said
    assert ("OSError" in said) == (not holds), "evidence is for what is broken"
    assert ("All 2 promises hold: you can grade here." in said) == holds
    assert ("1 of 2 promises do not hold: no network. Do not grade" in said) == (not holds)
    assert json.loads(run("doctor", "--json", status=int(not holds)))[1]["detail"] == "OSError, OSError"


def test_the_doctor_says_how_each_promise_was_tried() -> None:
    assert list(doctor.TRIED) == [number for number, _, _ in doctor.TRIALS]


def test_help_is_quick_to_load() -> None:
    heavy = ("torch", "nbgrader", "jupytext")
    code = f"import sys, autograder.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
