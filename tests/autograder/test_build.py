"""Building: ordinary nbgrader notebooks, the same bytes each time, small diffs, no secrets."""

from __future__ import annotations

import difflib
import json
from pathlib import Path

import nbformat
import pytest
from nbgrader.nbgraderformat import MetadataValidator

from autograder.build import (
    Course,
    NotebookSettings,
    answered_notebook,
    answers,
    build,
    instructor_notebook,
    open_course,
    release_notebook,
    release_text,
    solved_notebook,
    write_solved,
)
from autograder.errors import CourseError
from autograder.leaks import leaks_in_notebook, leaks_in_text, secrets
from autograder.publish import publish
from autograder.source import parse_source

SOURCE = '''\
# %% [markdown]
# # Bits
# What a bit is.

# %% setup
import math

# %% [markdown]
# ## The metric
# Nats are not bits.

# %% exercise="bits" minutes=5 difficulty=2
def bits(nats: float, n_characters: int) -> float:
    """Nats as bits per character."""
    ### BEGIN SOLUTION
    total = nats / math.log(2)
    return total / n_characters + 0 * (nats - 1)
    ### END SOLUTION

# %% test="bits" points=2
assert bits(math.log(2), 1) == 1, "Bits are base 2."

### BEGIN HIDDEN TESTS
for nats, n in [(0.5, 3), (7.0, 11)]:
    assert math.isclose(bits(nats, n), nats / math.log(2) / n)
### END HIDDEN TESTS

# %% experiment
print(bits(1.0, 2))

# %% [markdown] question="why_bits" points=3 minutes=5
# Why bits, and not nats?
#
# ### BEGIN MARK SCHEME
# One point for coins, one for files, and one for the logarithm of two.
# ### END MARK SCHEME

# %% submit
print("Hand in this file.")
'''
COURSE = """\
[course]
title = "Bits"
id = "bits"
repository = "somebody/bits"
branch = "main"

[notebooks]
gpu = ["01_bits"]

[[assignment]]
name = "00_bits"
title = "First bits"

[[assignment]]
name = "01_bits"
title = "More bits"
"""
SETTINGS = NotebookSettings("somebody/bits", "main")


@pytest.fixture
def course(tmp_path: Path) -> Course:
    root = tmp_path / "course"
    (root / "solutions" / "variants").mkdir(parents=True)
    (root / "helpers" / "src" / "bitpack" / "__pycache__").mkdir(parents=True)
    (root / "helpers" / "pyproject.toml").write_text("[project]\nname = 'bitpack'\n")
    (root / "helpers" / "src" / "bitpack" / "__init__.py").write_text('"""Bits."""\n')
    (root / "helpers" / "src" / "bitpack" / "__pycache__" / "x.pyc").write_bytes(b"\0")
    (root / "environment.yml").write_text("name: bits\n")
    (root / "course.toml").write_text(COURSE)
    (root / "solutions" / "00_bits.py").write_text(SOURCE)
    (root / "solutions" / "01_bits.py").write_text(SOURCE)
    return open_course(root)


@pytest.fixture(scope="module")
def release() -> nbformat.NotebookNode:
    return release_notebook(parse_source(SOURCE, "00_bits"), SETTINGS)


def cells_by_id(notebook: nbformat.NotebookNode) -> dict[str, nbformat.NotebookNode]:
    return {cell.id: cell for cell in notebook.cells}


def test_release_is_a_valid_ordinary_nbgrader_notebook(release: nbformat.NotebookNode) -> None:
    assert (release.nbformat, release.nbformat_minor) == (4, 5)
    nbformat.validate(release)
    MetadataValidator().validate_nb(release)
    grading = {i: c.metadata["nbgrader"] for i, c in cells_by_id(release).items() if "nbgrader" in c.metadata}
    kinds = {i: (m.grade, m.solution, m.locked, m.get("points")) for i, m in grading.items()}
    assert kinds == {
        "install": (False, False, True, None),
        "setup": (False, False, True, None),
        "bits": (False, True, False, None),
        "test_bits": (True, False, True, 2),
        "experiment-the-metric": (False, False, True, None),
        "question_why_bits": (False, False, True, None),
        "why_bits": (True, True, False, 3),
        "submit": (False, False, True, None),
    }
    assert all(m.schema_version == 3 for m in grading.values())
    assert all(grading[i].grade_id == i for i in grading)


def test_release_keeps_what_students_need_and_drops_the_rest(release: nbformat.NotebookNode) -> None:
    cells = cells_by_id(release)
    assert cells["bits"].source == (
        "def bits(nats: float, n_characters: int) -> float:\n"
        '    """Nats as bits per character."""\n'
        "    # YOUR CODE HERE\n"
        "    raise NotImplementedError()"
    )
    assert cells["test_bits"].source == 'assert bits(math.log(2), 1) == 1, "Bits are base 2."'
    assert cells["question_why_bits"].source == "Why bits, and not nats?"
    assert cells["why_bits"].source == "YOUR ANSWER HERE"
    assert "mark" not in json.dumps(release).lower().replace("markdown", "")


def test_cells_say_their_role(release: nbformat.NotebookNode) -> None:
    roles = {
        i: dict(c.metadata["nextword"]) for i, c in cells_by_id(release).items() if "nextword" in c.metadata
    }
    assert roles["bits"] == {"role": "exercise", "minutes": 5, "difficulty": 2}
    assert roles["why_bits"] == {"role": "question", "minutes": 5}
    assert {i: r["role"] for i, r in roles.items()} == {
        "setup": "setup",
        "bits": "exercise",
        "test_bits": "test",
        "experiment-the-metric": "experiment",
        "why_bits": "question",
        "submit": "submit",
    }


def test_experiments_are_skipped_while_grading_only(release: nbformat.NotebookNode) -> None:
    skipped = [c.id for c in release.cells if "skip-execution" in c.metadata.get("tags", [])]
    assert skipped == ["experiment-the-metric", "submit"]
    solved = solved_notebook(parse_source(SOURCE, "00_bits"), SETTINGS)
    assert not any(c.metadata.get("tags") for c in solved.cells)


def test_badge_and_accelerator_come_from_course_toml(course: Course) -> None:
    first, second = (
        release_notebook(course.source(name), course.notebooks) for name in ("00_bits", "01_bits")
    )
    badge = cells_by_id(first)["view-in-github"]
    assert [cell.id for cell in first.cells[:4]] == ["prose", "view-in-github", "install", "setup"]
    assert (
        "git+https://github.com/somebody/bits@main#subdirectory=helpers"
        in cells_by_id(first)["install"].source
    )
    assert "github/somebody/bits/blob/main/notebooks/00_bits.ipynb" in badge.source
    assert 'alt="' in badge.source
    assert badge.metadata["id"] == badge.id
    assert "accelerator" not in first.metadata
    assert (second.metadata["accelerator"], second.metadata["colab"]["gpuType"]) == ("GPU", "T4")
    assert second.metadata["kernelspec"]["name"] == "python3"


def test_same_source_gives_the_same_bytes_in_another_folder(course: Course, tmp_path: Path) -> None:
    build(course, ["00_bits"])
    first = course.product("00_bits").read_bytes()
    course.product("00_bits").unlink()
    (notebook,) = build(course, ["00_bits"])
    assert notebook.changed
    assert course.product("00_bits").read_bytes() == first
    (again,) = build(course, ["00_bits"])
    assert not again.changed
    assert (again.points, again.minutes) == (5, 10)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Nats are not bits.", "Nats are never bits."),
        ("Bits are base 2.", "Bits have base 2."),
        ("Nats as bits per character.", "Nats in bits per character."),
        ("Why bits, and", "Why bits, but"),
        ("print(bits(1.0, 2))", "print(bits(1.0, 3))"),
    ],
)
def test_one_word_is_a_one_line_diff(old: str, new: str) -> None:
    before = release_text(parse_source(SOURCE, "00_bits"), SETTINGS).splitlines()
    after = release_text(parse_source(SOURCE.replace(old, new), "00_bits"), SETTINGS).splitlines()
    changed = [line for line in difflib.ndiff(before, after) if line[0] in "+-"]
    assert [line[0] for line in changed] == ["-", "+"]


def test_a_change_of_the_solution_does_not_touch_the_product() -> None:
    before = release_text(parse_source(SOURCE, "00_bits"), SETTINGS)
    changed = SOURCE.replace("total / n_characters", "1.0 * total / n_characters")
    assert release_text(parse_source(changed, "00_bits"), SETTINGS) == before


def test_instructor_notebook_keeps_solutions_and_schemes() -> None:
    cells = cells_by_id(instructor_notebook(parse_source(SOURCE, "00_bits"), SETTINGS))
    assert "### BEGIN SOLUTION\n    total = nats / math.log(2)" in cells["bits"].source
    assert "### BEGIN HIDDEN TESTS" in cells["test_bits"].source
    assert "### BEGIN MARK SCHEME\nOne point" in cells["question_why_bits"].source


def test_solved_notebook_runs() -> None:
    notebook = solved_notebook(parse_source(SOURCE, "00_bits"), SETTINGS)
    code = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    assert "BEGIN" not in code
    assert "(7.0, 11)" in code
    exec(code, {})


def test_answered_notebook_is_the_release_with_answers(release: nbformat.NotebookNode) -> None:
    source = parse_source(SOURCE, "00_bits")
    handed_in = cells_by_id(answered_notebook(release, answers(source)))
    assert "return total / n_characters" in handed_in["bits"].source
    assert handed_in["test_bits"].source == cells_by_id(release)["test_bits"].source
    assert "raise NotImplementedError" in cells_by_id(release)["bits"].source


def test_write_solved(course: Course, tmp_path: Path) -> None:
    (path,) = write_solved(course, tmp_path / "solved", ["00_bits"])
    assert "(7.0, 11)" in path.read_text()


def test_unknown_names_and_missing_sources(course: Course) -> None:
    with pytest.raises(CourseError, match="no assignment called 09_x"):
        build(course, ["09_x"])
    (course.root / "solutions" / "01_bits.py").unlink()
    with pytest.raises(CourseError, match=r"solutions/01_bits\.py does not exist"):
        build(course)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[notebooks]\ngpus = []", "unknown setting gpus"),
        ('[notebooks]\ngpu = "T4"', "gpu is 'T4'"),
        ('[notebooks]\ngpu = ["07_x"]', "no assignment called 07_x"),
    ],
)
def test_wrong_notebook_settings(course: Course, table: str, message: str) -> None:
    toml = course.root / "course.toml"
    toml.write_text(COURSE.replace('[notebooks]\ngpu = ["01_bits"]', table))
    with pytest.raises(CourseError, match=message):
        open_course(course.root)


# Secrets


def test_secrets_are_the_telling_lines() -> None:
    lines = [secret.line for secret in secrets(parse_source(SOURCE, "00_bits"))]
    assert not any(line.startswith("for nats") for line in lines)
    assert "return total / n_characters + 0 * (nats - 1)" in lines
    assert "assert math.isclose(bits(nats, n), nats / math.log(2) / n)" in lines
    assert "One point for coins, one for files, and one for the logarithm of two." in lines


def test_ordinary_lines_are_no_secrets() -> None:
    source = SOURCE.replace(
        "    total = nats / math.log(2)\n",
        "    # a comment that is long enough to be told from another\n    total = 0.0\n"
        "    for i in range(n_characters):\n        total += nats\n    result = total\n    return result\n",
    ).replace("return total / n_characters + 0 * (nats - 1)", "return total")
    lines = [secret.line for secret in secrets(parse_source(source, "00_bits"))]
    assert not any(line.startswith(("return", "for i", "total", "#")) for line in lines)


def test_a_hidden_line_that_is_also_visible_is_no_secret() -> None:
    visible = "nats, n = 0.5, 3\nassert math.isclose(bits(nats, n), nats / math.log(2) / n)\n"
    source = SOURCE.replace("### BEGIN HIDDEN TESTS", visible + "### BEGIN HIDDEN TESTS")
    assert not any("isclose" in secret.line for secret in secrets(parse_source(source, "00_bits")))


@pytest.mark.parametrize(
    "text",
    [
        "answer = total/n_characters + 0*(nats-1)",
        "Hint: `return total / n_characters + 0 * (nats - 1)`",
        "### BEGIN SOLUTION",
        "from autograder.variants import wrong",
        '@wrong("bits", misconception="No.", hint="no")',
    ],
)
def test_leaks_are_found_in_text(text: str) -> None:
    assert leaks_in_text(f"some text\n{text}\n", "README.md", "", secrets(parse_source(SOURCE, "00_bits")))


def test_release_has_no_leak_but_the_instructor_notebook_has(release: nbformat.NotebookNode) -> None:
    source = parse_source(SOURCE, "00_bits")
    hidden = secrets(source)
    assert leaks_in_notebook(release, "x", hidden) == []
    found = leaks_in_notebook(solved_notebook(source, SETTINGS), "x", hidden)
    assert {leak.cell for leak in found} == {"bits", "test_bits"}


# Publishing


def test_publish_writes_the_student_tree(course: Course, tmp_path: Path) -> None:
    build(course)
    target = tmp_path / "students"
    published = publish(course, target, ["00_bits"])
    assert published.notebooks == ("00_bits",)
    files = {path.relative_to(target).as_posix() for path in target.rglob("*") if path.is_file()}
    assert files == {
        ".published",
        "README.md",
        "environment.yml",
        "helpers/pyproject.toml",
        "helpers/src/bitpack/__init__.py",
        "notebooks/00_bits.ipynb",
    }
    readme = (target / "README.md").read_text()
    assert "First bits" in readme
    assert "blob/main/notebooks/00_bits.ipynb" in readme


def test_publish_again_replaces_its_own_files_and_no_others(course: Course, tmp_path: Path) -> None:
    build(course)
    target = tmp_path / "students"
    module = course.root / "helpers" / "src" / "bitpack" / "old.py"
    module.write_text("OLD = True\n")
    publish(course, target, ["00_bits"])
    (target / "notes.txt").write_text("mine")
    assert (target / "helpers" / "src" / "bitpack" / "old.py").exists()
    module.unlink()
    publish(course, target, ["00_bits"])
    assert not (target / "helpers" / "src" / "bitpack" / "old.py").exists()
    assert (target / "notes.txt").read_text() == "mine"


def test_publish_keeps_the_weeks_before_and_brings_them_up_to_date(course: Course, tmp_path: Path) -> None:
    build(course)
    target = tmp_path / "students"
    publish(course, target, ["00_bits"])
    path = course.root / "solutions" / "00_bits.py"
    path.write_text(SOURCE.replace("What a bit is.", "What bits are."))
    build(course)
    assert publish(course, target, ["01_bits"]).notebooks == ("00_bits", "01_bits")
    assert "What bits are." in (target / "notebooks" / "00_bits.ipynb").read_text()
    assert "00_bits.ipynb" in (target / "README.md").read_text()

    (target / "notebooks" / "00_bits.ipynb").unlink()  # taken back
    assert publish(course, target, ["01_bits"]).notebooks == ("01_bits",)
    assert not (target / "notebooks" / "00_bits.ipynb").exists()
    assert "00_bits.ipynb" not in (target / "README.md").read_text()


def test_publish_brings_the_glossary_and_the_name_of_the_environment(course: Course, tmp_path: Path) -> None:
    build(course)
    (course.root / "docs").mkdir()
    (course.root / "docs" / "glossary.md").write_text("# Words\n")
    (course.root / "environment.yml").write_text("name: bits-env\n")
    publish(course, tmp_path / "students", ["00_bits"])
    assert (tmp_path / "students" / "docs" / "glossary.md").read_text() == "# Words\n"
    assert "conda activate bits-env" in (tmp_path / "students" / "README.md").read_text()


def test_publish_never_overwrites_a_foreign_file(course: Course, tmp_path: Path) -> None:
    build(course)
    target = tmp_path / "students"
    target.mkdir()
    (target / "README.md").write_text("mine")
    with pytest.raises(CourseError, match="not written by course publish"):
        publish(course, target)
    assert (target / "README.md").read_text() == "mine"


def test_publish_refuses_the_repository_itself(course: Course) -> None:
    build(course)
    with pytest.raises(CourseError, match="holds the solutions"):
        publish(course, course.root)


def test_publish_refuses_a_stale_product(course: Course, tmp_path: Path) -> None:
    build(course)
    path = course.root / "solutions" / "00_bits.py"
    path.write_text(SOURCE.replace("What a bit is.", "What bits are."))
    with pytest.raises(CourseError, match="not in step") as caught:
        publish(course, tmp_path / "students")
    assert "course build 00_bits" in caught.value.remedy


def test_publish_refuses_a_solution_in_the_helpers(course: Course, tmp_path: Path) -> None:
    build(course)
    module = course.root / "helpers" / "src" / "bitpack" / "metrics.py"
    module.write_text(
        "def per_character(nats, n_characters, total):\n    x = total / n_characters + 0 * (nats - 1)\n"
    )
    with pytest.raises(CourseError, match=r"helpers/src/bitpack/metrics\.py shows the line") as caught:
        publish(course, tmp_path / "students")
    assert not (tmp_path / "students").exists()
    assert "Nothing was published" in caught.value.message
