"""Reading authored notebooks: roles, stable ids, and a clear sentence for everything malformed."""

from __future__ import annotations

import re

import pytest

from autograder.errors import CourseError
from autograder.source import SourceNotebook, headings, parse_source, read_source

GOOD = '''\
# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Bits
# What a bit is.

# %% setup
import math

# %% [markdown]
# ## The metric
# Nats are not bits.

# %% exercise="bits" minutes=5 difficulty=1
def bits(nats: float) -> float:
    """Nats in bits."""
    ### BEGIN SOLUTION
    return nats / math.log(2)
    ### END SOLUTION

# %% test="bits" points=2
assert bits(math.log(2)) == 1
### BEGIN HIDDEN TESTS
assert bits(0) == 0
### END HIDDEN TESTS

# %% experiment
print(bits(1))

# %% [markdown] question="why_bits" points=3 minutes=5
# Why bits?
# ### BEGIN MARK SCHEME
# Two points for coins.
# ### END MARK SCHEME

# %% submit
print("hand in")
'''


def parse(text: str) -> SourceNotebook:
    return parse_source(text, "00_bits")


def test_reads_roles_names_and_numbers() -> None:
    notebook = parse(GOOD)
    assert [cell.role for cell in notebook.cells] == [
        "prose",
        "setup",
        "prose",
        "exercise",
        "test",
        "experiment",
        "question",
        "submit",
    ]
    exercise = notebook.cell("exercise", "bits")
    assert (exercise.minutes, exercise.difficulty, exercise.points) == (5, 1, None)
    assert notebook.cell("test", "bits").points == 2
    question = notebook.cell("question", "why_bits")
    assert (question.points, question.minutes, question.markdown) == (3, 5, True)


def test_ids_come_from_names_and_headings() -> None:
    assert [cell.id for cell in parse(GOOD).cells] == [
        "prose",
        "setup",
        "prose-the-metric",
        "bits",
        "test_bits",
        "experiment-the-metric",
        "why_bits",
        "submit",
    ]


def test_ids_stay_when_text_changes_or_another_section_is_inserted() -> None:
    inserted = "# %% [markdown]\n# ## A new section\n# Text.\n\n# %% experiment\n1 + 1\n\n"
    edited = GOOD.replace("Nats are not bits.", "Nats are other units.").replace(
        "# %% [markdown]\n# ## The metric", inserted + "# %% [markdown]\n# ## The metric"
    )
    before = {cell.id for cell in parse(GOOD).cells}
    after = {cell.id for cell in parse(edited).cells}
    assert after - before == {"prose-a-new-section", "experiment-a-new-section"}
    assert before <= after


def test_cells_under_one_heading_are_counted() -> None:
    more = GOOD.replace("# %% experiment\n", "# %% experiment\nx = 1\n\n# %% experiment\n")
    ids = [cell.id for cell in parse(more).cells if cell.role == "experiment"]
    assert ids == ["experiment-the-metric", "experiment-the-metric-2"]


def test_same_heading_in_two_sections_gives_two_ids() -> None:
    sections = "".join(f"# %% [markdown]\n# ## {name}\n# ### Idea\n\n" for name in ("One", "Two"))
    tail = sections + "# %% experiment\n1\n\n"
    text = GOOD.replace("# %% submit", tail + "# %% submit")
    assert parse(text).cells[-2].id == "experiment-two-idea"


def test_ids_ignore_the_numbers_of_headings() -> None:
    ids = [cell.id for cell in parse(GOOD.replace("## The metric", "## Exercise 3: The metric")).cells]
    assert ids == [cell.id for cell in parse(GOOD.replace("## The metric", "## 2.1 The metric")).cells]
    assert "prose-the-metric" in ids


def test_ids_are_valid_for_nbformat() -> None:
    text = GOOD.replace(
        "## The metric", "## Überlänge & *sehr* lange Überschriften, die niemand so schreiben würde?"
    )
    for cell in parse(text).cells:
        assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", cell.id)


def test_line_numbers_point_at_the_cell() -> None:
    lines = GOOD.split("\n")
    for cell in parse(GOOD).cells:
        assert cell.source.split("\n")[0] in lines[cell.line - 1]


def test_line_numbers_survive_a_marker_inside_a_string() -> None:
    text = GOOD.replace('print("hand in")', 'text = """\n# %% not a cell\n"""\nprint(text')
    with pytest.raises(CourseError, match="was never closed") as caught:
        parse(text)
    assert f"line {text.split(chr(10)).index('print(text') + 1}" in caught.value.message


def test_regions_and_what_is_left() -> None:
    cell = parse(GOOD).cell("exercise", "bits")
    assert cell.region("SOLUTION").strip() == "return nats / math.log(2)"
    assert "return" not in cell.without_region("SOLUTION")
    assert cell.without_markers().endswith("    return nats / math.log(2)")


def test_headings_skip_fenced_code() -> None:
    assert headings("# A\n```\n# not\n```\n## B ##") == [(1, "A"), (2, "B")]


def test_setup_may_use_magics() -> None:
    assert (
        parse(GOOD.replace("import math\n", "import math\n# %pip install nextword\n")).cells[1].role
        == "setup"
    )


SOLUTION = "    ### BEGIN SOLUTION\n    return nats / math.log(2)\n    ### END SOLUTION\n"
MALFORMED = {
    "unknown role": ("# %% setup", "# %% sutep", "no cell role 'sutep'", "Roles are"),
    "two roles": ("# %% setup", '# %% setup exercise="bits"', "two roles", "one role"),
    "no role": ("# %% setup", "# %%", "code cell without a role", "# %% setup"),
    "unreadable marker": ("points=2", "points=two", "cannot be read", "quotes"),
    "unknown setting": ("points=2", "points=2 weight=3", "unknown setting weight", "takes: points, test"),
    "no points": ('# %% test="bits" points=2', '# %% test="bits"', "test bits: no points", "points=2"),
    "points as text": ("points=2", 'points="2"', "points is '2'", "without quotes"),
    "points zero": ("points=2", "points=0", "points is 0", "positive"),
    "no minutes": (" minutes=5 difficulty=1", " difficulty=1", "exercise bits: no minutes", "minutes=2"),
    "no difficulty": (" difficulty=1", "", "no difficulty", "difficulty=1"),
    "difficulty out of range": ("difficulty=1", "difficulty=9", "difficulty is 9", "difficulty=1 (easy)"),
    "question without minutes": (
        "points=3 minutes=5",
        "points=3",
        "question why_bits: no minutes",
        "Add minutes",
    ),
    "question as code": ("[markdown] question=", "question=", "role question is markdown", "[markdown]"),
    "no mark scheme": (
        "# ### BEGIN MARK SCHEME\n# Two points for coins.\n# ### END MARK SCHEME\n",
        "",
        "no mark scheme",
        "### BEGIN MARK SCHEME",
    ),
    "empty mark scheme": ("# Two points for coins.\n", "", "mark scheme is empty", "earns"),
    "test without exercise": (
        'test="bits"',
        'test="bytes"',
        "test bytes has no exercise",
        'exercise="bytes"',
    ),
    "exercise without test": ('# %% test="bits" points=2\n', "# %% experiment\n", None, None),
    "no solution": (SOLUTION, "    return 1\n", "exercise bits: no solution region", "BEGIN SOLUTION"),
    "solution not closed": ("    ### END SOLUTION\n", "", "do not pair up", "END SOLUTION"),
    "solution empty": ("    return nats / math.log(2)\n", "", None, None),
    "hidden tests not opened": ("### BEGIN HIDDEN TESTS\n", "", "do not pair up", "HIDDEN TESTS"),
    "markers in the wrong cell": (
        "print(bits(1))",
        "### BEGIN SOLUTION\nprint(1)\n### END SOLUTION",
        "BEGIN SOLUTION in a cell of role experiment",
        "belong",
    ),
    "syntax error": ("print(bits(1))", "print(bits(1)", "was never closed", "Mend"),
    "wrong function name": (
        "def bits(",
        "def byte(",
        "must define bits and nothing else; it defines byte",
        "rename",
    ),
    "two functions": (
        SOLUTION,
        SOLUTION + "\ndef other():\n    pass\n",
        "it defines bits, other",
        "Move helpers",
    ),
    "statement beside the function": (SOLUTION, SOLUTION + "\nx = 1\n", "has other statements", "setup cell"),
    "submit not last": (
        "# %% submit\n",
        "# %% submit\n1\n\n# %% experiment\n",
        "submit cell is not the last",
        "end",
    ),
    "bad name": (
        'exercise="bits"',
        'exercise="my bits"',
        "'my bits' is not a usable name",
        "function or class",
    ),
    "two cells of one name": ('question="why_bits"', 'question="bits"', "same id", "Rename"),
    "solution before the signature": (
        "def bits(",
        "### BEGIN SOLUTION\n### END SOLUTION\ndef bits(",
        "starts before the body",
        "docstring",
    ),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_malformed_sources_get_a_sentence_and_a_remedy(case: str) -> None:
    old, new, message, remedy = MALFORMED[case]
    assert old in GOOD
    text = GOOD.replace(old, new)
    if case == "exercise without test":
        text = text.replace("### BEGIN HIDDEN TESTS\n", "").replace("### END HIDDEN TESTS\n", "")
        message, remedy = "exercise bits has no test", 'test="bits"'
    if case == "solution empty":
        message, remedy = "solution is empty|expected an indented block", "solution|Mend"
    with pytest.raises(CourseError) as caught:
        parse(text)
    assert caught.value.message.startswith("solutions/00_bits.py")
    if "|" in message:
        assert re.search(message, caught.value.message)
        assert re.search(remedy, caught.value.remedy)
    else:
        assert message in caught.value.message
        assert remedy in caught.value.remedy


def test_missing_file(tmp_path) -> None:
    with pytest.raises(CourseError, match=r"solutions/07_x\.py does not exist"):
        read_source(tmp_path / "solutions" / "07_x.py")


def test_binary_file(tmp_path) -> None:
    path = tmp_path / "07_x.py"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(CourseError, match="cannot be read"):
        read_source(path)


def test_unknown_cell_lists_the_known() -> None:
    with pytest.raises(CourseError, match="Known: bits"):
        parse(GOOD).cell("exercise", "nats")
