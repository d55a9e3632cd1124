"""The release gate: a good notebook passes, and each thing that must not be released gets its sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder import rehearsal, trial
from autograder.build import Course, NotebookSettings, build, open_course, release_notebook
from autograder.claims import claim_cells, claims_path
from autograder.errors import CourseError
from autograder.gate import STATIC, Subject, check
from autograder.records import FAILED, PASSED, TestOutcome
from autograder.settings import Settings
from autograder.source import parse_source
from autograder.variants import VariantFile

SOURCE = '''\
# %% [markdown]
# # Bits
# What a bit is. ![a coin, heads up](coin.png)

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
expected = 7.0 / math.log(2) / 11
assert math.isclose(bits(7.0, 11), expected)
### END HIDDEN TESTS

# %% experiment
numbers = [1.0, 2.0]
print(bits(numbers[0], 2))

# %% exercise="byte_count" minutes=5 difficulty=2
def byte_count(nats: float) -> float:
    """Nats as bytes."""
    ### BEGIN SOLUTION
    return bits(nats, 1) / 8
    ### END SOLUTION

# %% test="byte_count" points=1
assert math.isclose(byte_count(8 * math.log(2)), 1), "Eight bits are a byte."
### BEGIN HIDDEN TESTS
assert byte_count(0.0) == 0
### END HIDDEN TESTS

# %% [markdown] question="why_bits" points=3 minutes=5
# Why bits, and not nats?
# ### BEGIN MARK SCHEME
# One point for coins, one for files, and one for the logarithm of two.
# ### END MARK SCHEME

# %% submit
print("Hand in this file.")
'''
VARIANTS = """\
from autograder.variants import right, wrong

@right("bits", why="x")
def r(nats, n_characters): return nats / math.log(2) / n_characters
@wrong("bits", misconception="x", hint="base 2")
def w1(nats, n_characters): return nats / n_characters
@wrong("bits", misconception="x", hint="base 2")
def w2(nats, n_characters): return nats / math.log(10)
@wrong("bits", misconception="x", hint="base 2")
def w3(nats, n_characters): return 0.0
@right("byte_count", why="x")
def r(nats): return nats / math.log(2) / 8
@wrong("byte_count", misconception="x", hint="byte")
def w1(nats): return nats / 8
@wrong("byte_count", misconception="x", hint="byte")
def w2(nats): return bits(nats, 1)
@wrong("byte_count", misconception="x", hint="byte")
def w3(nats): return 0.0
"""
COURSE = """\
[course]
title = "Bits"
id = "bits"
repository = "somebody/bits"

[[assignment]]
name = "00_bits"
"""


@pytest.fixture
def course(tmp_path: Path) -> Course:
    (tmp_path / "solutions" / "variants").mkdir(parents=True)
    (tmp_path / "course.toml").write_text(COURSE)
    (tmp_path / "solutions" / "00_bits.py").write_text(SOURCE)
    (tmp_path / "solutions" / "variants" / "00_bits.py").write_text(VARIANTS)
    course = open_course(tmp_path)
    build(course)
    return course


def rewrite(course: Course, old: str, new: str, built: bool = True) -> None:
    assert old in SOURCE
    (course.root / "solutions" / "00_bits.py").write_text(SOURCE.replace(old, new))
    if built:
        build(course)


def sentences(course: Course) -> list[str]:
    return [str(fault) for fault in check(course, fast=True)]


def test_a_good_notebook_passes(course: Course) -> None:
    assert sentences(course) == []


FAULTS = {
    "no docstring": ('    """Nats as bytes."""\n', "", "exercise byte_count: no docstring."),
    "stub raises twice": (
        '    """Nats as bytes."""\n',
        '    """Nats as bytes."""\n    if nats < 0:\n        raise NotImplementedError("negative")\n',
        "1 solution regions but 2 places raise NotImplementedError",
    ),
    "stub does not parse": (
        "    ### BEGIN SOLUTION\n    return bits(nats, 1) / 8\n    ### END SOLUTION",
        "    return (\n    ### BEGIN SOLUTION\n    bits(nats, 1) / 8\n    ### END SOLUTION\n    )",
        "exercise byte_count: the released cell is not valid Python",
    ),
    "solution in a hint": (
        "# Nats are not bits.",
        "# Hint: `x = total / n_characters + 0 * (nats - 1)`",
        "notebooks/00_bits.ipynb, cell prose-the-metric, shows the line `return total / n_characters",
    ),
    "no hidden tests": (
        "### BEGIN HIDDEN TESTS\nassert byte_count(0.0) == 0\n### END HIDDEN TESTS\n",
        "",
        "test byte_count: no hidden tests.",
    ),
    "no visible test": (
        'assert math.isclose(byte_count(8 * math.log(2)), 1), "Eight bits are a byte."\n',
        "",
        "test byte_count: no visible test.",
    ),
    "setup uses an answer": ("import math\n", "import math\nprint(bits(1, 2))\n", "the setup uses bits"),
    "test uses an experiment's name": (
        "assert byte_count(0.0) == 0",
        "assert byte_count(nothing) > 0",
        "test byte_count: uses nothing, which no setup cell",
    ),
    "test uses a later exercise": (
        "assert math.isclose(bits(7.0, 11), expected)",
        "assert bits(byte_count(1.0), 1) > 0",
        "test bits: uses byte_count",
    ),
    "solution uses an experiment's name": (
        "return bits(nats, 1) / 8",
        "return numbers[0]",
        "count: uses numbers",
    ),
    "experiment defines what a test uses": (
        "numbers = [1.0, 2.0]",
        "numbers = [1.0, 2.0]\nbits = round",
        "experiment: defines bits, which a test uses",
    ),
    "test spoils an experiment": (
        "expected = 7.0 /",
        "math = math\nexpected = 7.0 /",
        "test bits: assigns math",
    ),
    "test ends in a value": (
        "assert byte_count(0.0) == 0\n### END",
        "assert byte_count(0.0) == 0\nbyte_count(1.0)\n### END",
        "test byte_count: ends in the expression byte_count(1.0)",
    ),
    "visible part ends in a value": (
        '"Eight bits are a byte."\n',
        '"Eight bits are a byte."\n0.5\n',
        "test byte_count: ends in the expression 0.5",
    ),
    "no title": ("# # Bits\n", "", "does not start with its title"),
    "second title": ("# ## The metric", "# # The metric", "a second title, 'The metric'"),
    "skipped heading": ("# ## The metric", "# ### The metric", "the heading 'The metric' skips a level"),
    "markdown image": ("![a coin, heads up](coin.png)", "![](coin.png)", "prose: an image without alt text"),
    "html image": (
        "![a coin, heads up](coin.png)",
        '<img src="coin.png" alt="">',
        "an image without alt text",
    ),
    "machine path": (
        "numbers = [1.0, 2.0]",
        'numbers = ["/home/ann/x.txt"]',
        "path of one machine, /home/ann/x.txt",
    ),
    "no submit cell": (
        '\n# %% submit\nprint("Hand in this file.")\n',
        "",
        "the last cell is not the submit cell",
    ),
}


@pytest.mark.parametrize("case", FAULTS)
def test_each_fault_gets_one_sentence(course: Course, case: str) -> None:
    old, new, expected = FAULTS[case]
    rewrite(course, old, new)
    found = sentences(course)
    assert len(found) == 1, found
    assert found[0].startswith("solutions/00_bits.py")
    assert expected in found[0]


def test_a_test_must_use_its_exercise(course: Course) -> None:
    text = SOURCE.replace("assert byte_count(0.0) == 0\n", "x = math.e\n")
    text = text.replace("assert math.isclose(byte_count(8 * math.log(2)), 1)", "assert math.isclose(8, 8)")
    (course.root / "solutions" / "00_bits.py").write_text(text)
    build(course)
    assert [s for s in sentences(course) if "never uses byte_count" in s]


@pytest.mark.parametrize("text", ["https://example.org/home/ann", "a/home/b", "~/work/x", "and/or"])
def test_addresses_are_not_machine_paths(course: Course, text: str) -> None:
    rewrite(course, "Nats are not bits.", f"See {text} there.")
    assert sentences(course) == []


def test_product_out_of_step_and_missing(course: Course) -> None:
    rewrite(course, "Nats are not bits.", "Nats are no bits.", built=False)
    assert [s for s in sentences(course) if "not in step with its source" in s]
    course.product("00_bits").unlink()
    assert [s for s in sentences(course) if "notebooks/00_bits.ipynb does not exist" in s]


def test_a_product_edited_by_hand_is_found(course: Course) -> None:
    path = course.product("00_bits")
    path.write_text(path.read_text().replace("Nats are not", "Nats were not"))
    assert "Run course build 00_bits" in sentences(course)[0]


def test_files_that_course_toml_does_not_name(course: Course) -> None:
    (course.root / "notebooks" / "07_old.ipynb").write_bytes(course.product("00_bits").read_bytes())
    (course.root / "solutions" / "08_new.py").write_text(SOURCE)
    found = sentences(course)
    assert [s for s in found if "notebooks/07_old.ipynb is not in course.toml" in s]
    assert [s for s in found if s.startswith("solutions/08_new.py: the notebook is not in course.toml")]


def test_claims_and_variants_of_no_notebook(course: Course) -> None:
    for kind in ("claims", "variants"):
        path = course.root / "solutions" / kind / "00_bites.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("x = 1\n")
    found = sentences(course)
    assert [s.split(": ")[1] for s in found] == [
        f"solutions/{kind}/00_bites.py belongs to no notebook. Rename or delete it."
        for kind in ("variants", "claims")
    ]


def test_a_broken_source_is_one_fault_and_the_others_are_still_checked(course: Course) -> None:
    (course.root / "course.toml").write_text(COURSE + '[[assignment]]\nname = "01_more"\n')
    (course.root / "solutions" / "01_more.py").write_text("# %% sutep\nx = 1\n")
    rewrite(course, "# ## The metric", "# ### The metric")
    found = sentences(open_course(course.root))
    assert len(found) == 2
    assert found[0].startswith("solutions/00_bits.py, line 9, prose: the heading")
    assert found[1].startswith("solutions/01_more.py: line 2: there is no cell role 'sutep'")


def test_too_few_variants(course: Course) -> None:
    path = course.root / "solutions" / "variants" / "00_bits.py"
    path.write_text(VARIANTS.split('@wrong("bits"')[0])
    found = sentences(course)
    assert "solutions/00_bits.py, exercise bits: no wrong variant. Add at least three to " in found[0]
    assert (
        "exercise byte_count: no other right variant. Add at least one to solutions/variants/00_bits.py."
        in found[1]
    )
    path.write_text(VARIANTS.replace('@wrong("bits", misconception="x", hint="base 2")\ndef w3', "def w3"))
    assert sentences(course) == [
        "solutions/00_bits.py, exercise bits: 2 wrong variants. "
        "Add at least three to solutions/variants/00_bits.py."
    ]


def test_a_broken_variants_file_is_a_fault(course: Course) -> None:
    (course.root / "solutions" / "variants" / "00_bits.py").write_text("def (:")
    assert "solutions/variants/00_bits.py, line 1: invalid syntax" in sentences(course)[0]


def test_a_solution_line_in_the_helpers(course: Course) -> None:
    module = course.root / "helpers" / "src" / "bitpack.py"
    module.parent.mkdir(parents=True)
    module.write_text("def f(total, n_characters, nats):\n    return total / n_characters + 0 * (nats - 1)\n")
    assert "bitpack.py shows the line" in sentences(course)[0]


# What runs notebooks

NOTEBOOKS = NotebookSettings("somebody/bits", "main")


def subject(text: str = SOURCE, root: Path = Path()) -> Subject:
    source = parse_source(text, "00_bits")
    course = Course(root, Settings("Bits", "bits", "somebody/bits", "main"), NOTEBOOKS)
    return Subject(course, source, release_notebook(source, NOTEBOOKS), VariantFile(""))


class Fixed(trial.Trial):
    """An engine with a fixed opinion: points of (solved, untouched) for every test."""

    opinion = (1.0, 0.0)

    def run(self, answered: dict[str, str], only: str = "") -> dict[str, TestOutcome]:
        share = self.opinion[0 if answered else 1]
        return {
            cell.id: TestOutcome(
                cell.id, share * cell.points, cell.points, PASSED if share == 1 else FAILED, "Because."
            )
            for cell in self._source.of_role("test")
        }


@pytest.mark.parametrize(
    ("opinion", "expected"),
    [
        ((1.0, 0.0), []),
        ((0.0, 0.0), ["test bits: course grade gives the solution 0 of 2 points. It says: Because."]),
        ((1.0, 1.0), ["test bits: course grade gives points to the untouched stub."]),
    ],
)
def test_our_engine(
    monkeypatch: pytest.MonkeyPatch, opinion: tuple[float, float], expected: list[str]
) -> None:
    monkeypatch.setattr(Fixed, "opinion", opinion)
    monkeypatch.setattr(rehearsal, "Trial", Fixed)
    found = [str(fault) for fault in rehearsal.our_engine(subject())]
    assert len(found) == 2 * len(expected)
    assert all(text in found[0] for text in expected)


@pytest.mark.slow
def test_plain_nbgrader_agrees_and_disagrees() -> None:
    assert list(rehearsal.plain_nbgrader(subject())) == []
    bad = SOURCE.replace("assert byte_count(0.0) == 0\n", "import sys\nprint('careful', file=sys.stderr)\n")
    bad = bad.replace(
        'assert bits(math.log(2), 1) == 1, "Bits are base 2."', "assert callable(bits)"
    ).replace("assert math.isclose(bits(7.0, 11), expected)", "assert bits")
    found = [str(fault) for fault in rehearsal.plain_nbgrader(subject(bad))]
    assert len(found) == 2
    assert "test bits: nbgrader autograde gives points to the untouched stub" in found[0]
    assert "test byte_count: nbgrader autograde gives the solution 0 of 1 points" in found[1]


FIGURE = """\
from IPython.display import Image, display
pixel = (b"\\x89PNG\\r\\n\\x1a\\n" + bytes.fromhex("0000000d4948445200000001000000010802000000907753de"))
display(Image(pixel, format="png"){alt})
"""


@pytest.mark.slow
def test_executed_solved_notebook() -> None:
    bad = SOURCE.replace("numbers = [1.0, 2.0]\n", "numbers = [1.0]\n" + FIGURE.format(alt=""))
    bad = bad.replace("assert byte_count(0.0) == 0\n", "import sys\nprint('careful', file=sys.stderr)\n")
    bad = bad.replace(
        'print("Hand in this file.")', FIGURE.format(alt=", metadata={'image/png': {'alt': 'a dot'}}")
    )
    bad = bad.replace("assert math.isclose(bits(7.0, 11), expected)", "assert bits(7.0, 11) == 5")
    found = [str(fault) for fault in rehearsal.solved_run(subject(bad))]
    assert len(found) == 3
    assert "test bits: the solved notebook fails with AssertionError" in found[0]
    assert "experiment: shows a figure without alt text" in found[1]
    assert "test byte_count: writes to stderr (careful)" in found[2]


CLAIMS = """\
def claim_numbers_are_few():
    assert len(numbers) == 2

def claim_the_second_is_large():
    import math

    largest = max(numbers)
    assert largest > math.pi, f"{largest} is not large"
"""


@pytest.mark.slow
def test_claims_that_do_not_hold_after_the_solved_notebook(tmp_path: Path) -> None:
    path = claims_path(tmp_path, "00_bits")
    path.parent.mkdir(parents=True)
    path.write_text(CLAIMS)
    (found,) = (str(fault) for fault in rehearsal.solved_run(subject(root=tmp_path)))
    assert "00_bits.py, claim_the_second_is_large: does not hold: assert largest > math.pi" in found
    assert "AssertionError: 2.0 is not large" in found


@pytest.mark.parametrize(
    ("text", "expected"),
    [("def (:", "solutions/claims/00_bits.py, line 1: invalid syntax"), ("x = 1", "makes no claim")],
)
def test_a_claims_file_that_claims_nothing(tmp_path: Path, text: str, expected: str) -> None:
    path = claims_path(tmp_path, "00_bits")
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(CourseError, match=expected):
        claim_cells(tmp_path, "00_bits")


@pytest.mark.slow
def test_executed_untouched_notebook() -> None:
    assert list(rehearsal.untouched_run(subject())) == []
    bad = SOURCE.replace("numbers = [1.0, 2.0]\n", "numbers = [1.0, 2.0]\n1 / (numbers[0] - 1.0)\n")
    (found,) = (str(fault) for fault in rehearsal.untouched_run(subject(bad)))
    assert "experiment: fails in the untouched notebook with ZeroDivisionError" in found


def test_steps_have_names_for_the_progress_bar() -> None:
    names = [step.__name__ for step in [*STATIC, *rehearsal.STEPS]]
    assert len(set(names)) == len(names)


def test_a_step_that_cannot_be_done_is_a_fault(course: Course, monkeypatch: pytest.MonkeyPatch) -> None:
    def our_engine(subject: Subject) -> None:
        raise CourseError("There is no bubblewrap.", "Install it.")

    monkeypatch.setattr(rehearsal, "STEPS", (our_engine,))
    assert [str(fault) for fault in check(course)] == [
        "solutions/00_bits.py, our engine: There is no bubblewrap. Install it."
    ]


def test_side_by_side_finds_the_same(course: Course) -> None:
    with open(course.root / "course.toml", "a") as settings:
        for number in (1, 2):
            settings.write(f'\n[[assignment]]\nname = "0{number}_missing"\ntitle = "Missing"\n')
    names = ["01_missing", "02_missing"]
    course = open_course(course.root)
    seen: list[tuple[int, int]] = []
    found = check(course, names, progress=lambda _, done, total: seen.append((done, total)), workers=2)
    assert found == check(course, names) and [fault.notebook for fault in found] == names
    assert seen == [(0, 2), (1, 2), (2, 2)]
