"""Damaged hand-ins: what the file still holds is found, what is unsure asks for a person, and nothing crashes."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from engine import MEAN, Cells, grading, notebook, released, solved
from hypothesis import given, settings
from hypothesis import strategies as st
from nbformat import from_dict

from autograder import rescue
from autograder.course_folder import Assignment, read_notebook
from autograder.intake import HandIn, Rebuilt, concerned, rebuild, take_notebook
from autograder.rescue_bench import DAMAGES, damaged, run_bench

OURS = notebook(MEAN)
RIGHT = solved(MEAN)
WITH_TEXT: Cells = [
    *MEAN,
    ("plain", "", "# The end of the code, and then a question", 0),
    ("manual", "why", "YOUR ANSWER HERE", 3),
]
LONG_MEAN = """def mean(values):
    ### BEGIN SOLUTION
    total = 0
    for value in values:
        total += value
    return total / len(values)
    ### END SOLUTION"""
LONGER: Cells = [(k, g, LONG_MEAN if g == "mean" else s, p) for k, g, s, p in MEAN]
LONGER.append(("manual", "why", "YOUR ANSWER HERE", 3))


def raw(answers: dict[str, str] = RIGHT, cells: Cells = MEAN) -> dict[str, Any]:
    made = json.loads(json.dumps(released(cells)))
    for cell in made["cells"]:
        grade_id = cell["metadata"].get("nbgrader", {}).get("grade_id")
        cell["source"] = answers.get(grade_id, cell["source"])
    return made


def at(made: dict[str, Any], grade_id: str) -> int:
    ids = [c["metadata"].get("nbgrader", {}).get("grade_id") for c in made["cells"]]
    return ids.index(grade_id)


def code(source: str, kind: str = "code") -> dict[str, Any]:
    return {"cell_type": kind, "metadata": {}, "source": source}


def rebuilt_from(made: dict[str, Any] | bytes | str) -> Rebuilt:
    data = made if isinstance(made, bytes) else (made if isinstance(made, str) else json.dumps(made)).encode()
    return rebuild(OURS, data)


def answers(rebuilt: Rebuilt) -> dict[str, str]:
    return {c.origin.grade_id: c.source for c in rebuilt.cells if c.origin and c.origin.takes_answer}


def extras(rebuilt: Rebuilt) -> list[str]:
    return [c.source for c in rebuilt.cells if c.origin is None]


def doubts(rebuilt: Rebuilt) -> str:
    return "\n".join(d.sentence for d in rebuilt.doubts)


def test_an_undamaged_hand_in_needs_no_repair() -> None:
    rebuilt = rebuilt_from(raw())
    assert answers(rebuilt) == RIGHT
    assert not rebuilt.repairs and not rebuilt.doubts and not extras(rebuilt)


def test_two_answers_merged_into_one_cell_are_parted() -> None:
    made = raw()
    first, second = at(made, "mean"), at(made, "scale")
    made["cells"][first]["source"] = f"import math\n{RIGHT['mean']}\n\n# and now scale\n{RIGHT['scale']}"
    del made["cells"][second]
    rebuilt = rebuilt_from(made)
    assert answers(rebuilt)["mean"].strip() == f"import math\n{RIGHT['mean']}"
    assert "def scale" in answers(rebuilt)["scale"] and "def mean" not in answers(rebuilt)["scale"]
    assert any("taken out of it" in r for r in rebuilt.repairs)


def test_an_untouched_stub_never_runs_after_the_answer() -> None:
    made = raw()
    where = at(made, "mean")
    stub = dict(made["cells"][where], source=next(c.released for c in OURS.cells if c.grade_id == "mean"))
    made["cells"].insert(where + 1, stub)
    rebuilt = rebuilt_from(made)
    assert answers(rebuilt)["mean"] == RIGHT["mean"]
    assert not extras(rebuilt), "the stub would overwrite the answer"


def test_an_answer_split_in_the_middle_of_a_function_is_joined() -> None:
    source = "def mean(values):\n    total = sum(values)\n    return total / len(values)"
    for marks in ("first", "both"):
        made = raw({**RIGHT, "mean": source})
        where = at(made, "mean")
        cell = made["cells"][where]
        rest = dict(cell, source="    return total / len(values)")
        if marks == "first":
            rest = code(rest["source"])
        cell["source"] = "def mean(values):\n    total = sum(values)"
        made["cells"].insert(where + 1, rest)
        rebuilt = rebuilt_from(made)
        assert answers(rebuilt)["mean"] == source, marks
        assert not extras(rebuilt)


def test_a_prose_cell_merged_into_the_answer_is_taken_out() -> None:
    cells: Cells = [MEAN[0], ("plain", "", "", 0), *MEAN[1:]]
    made = raw(cells=cells)
    prose = "## Some heading that is no Python\n\nRead this, please."
    for cell in made["cells"]:
        if cell["id"].startswith("plain"):
            cell.update(cell_type="markdown", source=prose)
            cell.pop("outputs"), cell.pop("execution_count")
    ours = read_notebook(
        from_dict(json.loads(json.dumps(made))), from_dict(json.loads(json.dumps(made))), "nb"
    )
    where = at(made, "mean")
    made["cells"][where]["source"] = f"{prose}\n\n{RIGHT['mean']}"
    rebuilt = rebuild(ours, json.dumps(made).encode())
    assert answers(rebuilt)["mean"] == RIGHT["mean"]


def test_a_renamed_function_is_suggested_and_not_taken() -> None:
    rebuilt = rebuilt_from(
        raw({**RIGHT, "mean": "def average(values):\n    return sum(values) / len(values)"})
    )
    assert "def average" in answers(rebuilt)["mean"]
    assert any("a suggestion only" in r and "average" in r for r in rebuilt.repairs)
    assert list(concerned(OURS, rebuilt)) == ["test_mean"], "a person looks at this test, and at no other"


def test_a_deleted_answer_asks_for_a_person() -> None:
    made = raw()
    del made["cells"][at(made, "scale")]
    assert list(concerned(OURS, rebuilt_from(made))) == ["test_scale"]


def test_an_unanswered_exercise_asks_for_nobody() -> None:
    assert not rebuilt_from(raw({"mean": RIGHT["mean"]})).doubts


def test_a_syntax_error_of_the_students_own_asks_for_nobody() -> None:
    assert not rebuilt_from(raw({**RIGHT, "mean": "def mean(values)\n    return 1"})).doubts


def test_two_different_answers_ask_for_a_person() -> None:
    made = raw()
    copy = dict(made["cells"][at(made, "mean")], source="def mean(values):\n    return 0")
    made["cells"].insert(at(made, "mean") + 1, copy)
    rebuilt = rebuilt_from(made)
    assert "return 0" in answers(rebuilt)["mean"], "the last one counts, as it does when the notebook is run"
    assert "several different cells" in doubts(rebuilt)


def test_a_helper_that_stands_in_a_text_cell_is_lent() -> None:
    made = raw({**RIGHT, "mean": "def mean(values):\n    return helper(values)"})
    made["cells"].insert(1, code("def helper(values):\n    return sum(values) / len(values)", "markdown"))
    rebuilt = rebuilt_from(made)
    ran = [c.source for c in rebuilt.cells if c.kind == "code"]
    assert any("def helper" in source for source in ran)
    assert "helper" in doubts(rebuilt)


def test_a_helper_that_came_too_late_is_moved_up() -> None:
    made = raw({**RIGHT, "mean": "def mean(values):\n    return helper(values)"})
    made["cells"].append(code("def helper(values):\n    return sum(values) / len(values)"))
    sources = [c.source for c in rebuilt_from(made).cells]
    helper = next(i for i, s in enumerate(sources) if "def helper" in s)
    test = next(i for i, s in enumerate(sources) if "assert mean" in s)
    assert helper < test


def test_an_import_added_to_a_locked_cell_still_runs() -> None:
    made = raw()
    made["cells"][at(made, "imports")]["source"] += "\nimport math"
    assert extras(rebuilt_from(made)) == ["import numpy as np\nimport math"]


def test_tests_points_and_tags_of_the_student_do_not_count() -> None:
    made = raw()
    made["cells"][at(made, "test_mean")].update(source="pass", cell_type="markdown")
    for cell in made["cells"]:
        cell["metadata"]["tags"] = ["skip-execution"]
        cell["metadata"].get("nbgrader", {})["points"] = 1000
    ours = [c.origin for c in rebuilt_from(made).cells if c.origin]
    assert ours == list(OURS.cells)
    assert [c.source for c in rebuilt_from(made).cells if c.origin and c.origin.role == "test"] == [
        t.released for t in OURS.tests
    ]


def test_a_written_answer_below_its_cell_is_found() -> None:
    ours = notebook(WITH_TEXT)
    made = raw(cells=WITH_TEXT)
    made["cells"].append(code("Because the sum grows with the count.", "markdown"))
    rebuilt = rebuild(ours, json.dumps(made).encode())
    assert answers(rebuilt)["why"] == "Because the sum grows with the count."
    assert "why" in concerned(ours, rebuilt)


def conflicted(first: str, second: str) -> str:
    return f"<<<<<<< HEAD\n{first}\n=======\n{second}\n>>>>>>> origin/main\n"


def test_a_merge_conflict_takes_the_side_that_is_answered() -> None:
    mine, theirs = raw(), raw({"scale": RIGHT["scale"]})
    for pair in ((mine, theirs), (theirs, mine)):
        rebuilt = rebuilt_from(conflicted(*(json.dumps(side) for side in pair)))
        assert answers(rebuilt) == RIGHT
        assert not concerned(OURS, rebuilt)


def test_a_merge_conflict_of_two_answers_asks_for_a_person() -> None:
    other = raw({**RIGHT, "mean": "def mean(values):\n    return 7"})
    rebuilt = rebuilt_from(conflicted(json.dumps(raw()), json.dumps(other)))
    assert answers(rebuilt) == RIGHT
    assert list(concerned(OURS, rebuilt)) == ["test_mean"]


def test_a_truncated_notebook_is_read_as_far_as_it_goes() -> None:
    text = json.dumps(raw(), indent=1)
    cut = text[: text.index("def scale") + 12]
    rebuilt = rebuilt_from(cut)
    assert answers(rebuilt)["mean"] == RIGHT["mean"]
    assert not rebuilt.problem and any("cut off" in r for r in rebuilt.repairs)
    assert "test_scale" in concerned(OURS, rebuilt)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_encodings(encoding: str) -> None:
    assert answers(rebuilt_from(json.dumps(raw(), ensure_ascii=False).encode(encoding))) == RIGHT


def test_a_script_export_is_read() -> None:
    script = "# %%\n" + "\n\n# %%\n".join(c["source"] for c in raw()["cells"])
    handin = HandIn("ann", {"nb.py": script.encode()})
    rebuilt = take_notebook(handin, Assignment("ps", (OURS,)), OURS)
    assert {k: v.strip() for k, v in answers(rebuilt).items()} == RIGHT


def test_a_web_page_is_read() -> None:
    from html import escape

    cells = "".join(f'<div class="highlight"><pre>{escape(c["source"])}</pre></div>' for c in raw()["cells"])
    page = f"<!DOCTYPE html><html><body>{cells}<div class='output'><pre>def mean(values): return 5</pre></div></body></html>"
    assert {k: v.strip() for k, v in answers(rebuilt_from(page)).items()} == RIGHT


@pytest.mark.parametrize(
    "data", [b"", b"{", b"\0" * 900, b"[]", b'"x"', b"3", b"%PDF-1.7", b"[" * 200_000, b'{"cells": 3}', b"{}"]
)
def test_what_holds_no_cell_is_unreadable_with_a_reason(data: bytes) -> None:
    rebuilt = rebuild(OURS, data)
    assert rebuilt.problem and set(concerned(OURS, rebuilt)) == {"test_mean", "test_scale"}
    assert [c.origin for c in rebuilt.cells] == list(OURS.cells)


@pytest.mark.usefixtures("must_end")
def test_hostile_texts_are_read_in_reasonable_time() -> None:
    for data in (
        b'{"id":' * 300_000,
        b'{"cells": [' + b'{"source": "' * 100_000,
        b'{"cell_type": "code", "source": ["' + b"\\n" * 500_000,
        b"\xff" * 500_000,
        b"<<<<<<< a\n=======\n" * 50_000,
        b'{"cells": [{"cell_type": "code", "source": "' + b"(" * 100_000 + b'"}]}',
        b'{"a":' + b"[" * 5_000_000 + b"}",
    ):
        rebuild(OURS, data)


def always_a_row(data: bytes) -> None:
    rebuilt = rebuild(OURS, data)
    assert [c.origin for c in rebuilt.cells if c.origin] == list(OURS.cells)
    for cell in rebuilt.cells:
        cell.source.encode("utf-8")
    json.dumps([rebuilt.repairs, rebuilt.problem, concerned(OURS, rebuilt)])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=400))
def test_random_bytes_always_give_a_row(data: bytes) -> None:
    always_a_row(data)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
grade_ids = st.sampled_from(["mean", "scale", "test_mean", "test_scale", "imports", "x"])
sources = st.sampled_from(
    [*RIGHT.values(), "def mean(values):", "    return 1", "x = 1", "<<<<<<< a\n1\n=======\n2\n>>>>>>> b"]
) | st.text(max_size=30)
random_cells = st.fixed_dictionaries(
    {
        "cell_type": st.sampled_from(["code", "markdown", "raw", "heading"]) | json_values,
        "source": sources | st.lists(sources, max_size=3) | json_values,
    },
    optional={
        "metadata": json_values
        | st.fixed_dictionaries(
            {"nbgrader": st.fixed_dictionaries({"grade_id": grade_ids | json_values}) | json_values}
        ),
        "id": grade_ids | json_values,
        "outputs": json_values,
    },
)


@settings(max_examples=200, deadline=None)
@given(st.lists(random_cells | json_values, max_size=8), st.integers(0, 60), st.booleans())
def test_random_notebooks_always_give_a_row(cells: list[Any], cut: int, shortened: bool) -> None:
    text = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4}, indent=1)
    always_a_row((text[: len(text) - cut] if shortened else text).encode("utf-8", "surrogatepass"))


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_random_json_always_gives_a_row(value: Any) -> None:
    always_a_row(json.dumps(value).encode())


def test_damages_are_the_same_for_the_same_seed() -> None:
    assignment = Assignment("ps", (OURS,))
    first, again, other = (list(damaged(assignment, 60, seed)) for seed in (3, 3, 4))
    assert first == again != other
    assert len({kind for kind, *_ in first}) > 40


def test_every_damage_is_told_from_the_undamaged() -> None:
    """A damage that changes nothing would make the benchmark look good."""
    from autograder.rescue_bench import _dump, honest_notebook

    ours = notebook(LONGER)
    honest = {"nb.ipynb": _dump(honest_notebook(ours))}
    drawn = damaged(Assignment("ps", (ours,)), 4 * len(DAMAGES), 5)
    changed = {kind for kind, _, files, _ in drawn if files != honest}
    assert set(DAMAGES) - changed == set()


@pytest.mark.slow
def test_the_benchmark_keeps_scores_and_never_loses_one_silently() -> None:
    bench = run_bench(
        grading(LONGER), damages=2 * len(DAMAGES), seed=random.Random(1).randrange(100), sample=6
    )
    assert bench.total.wrong == 0 and bench.total.crashed == 0, [
        r.examples for r in bench.rows if r.wrong or r.crashed
    ]
    assert bench.share_kept(lossy=False) >= 0.95, [
        (r.kind, r.examples) for r in bench.rows if r.flagged and not r.lossy
    ]
    assert bench.total.graded >= 6


@pytest.mark.slow
def test_the_benchmark_notices_a_rescue_that_loses_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    from autograder import rescue_bench

    def forgetful(handin: HandIn, assignment: Assignment, ours: Any) -> Rebuilt:
        return rebuild(ours, json.dumps(raw({})).encode())

    monkeypatch.setattr(rescue_bench, "take_notebook", forgetful)
    monkeypatch.setattr("autograder.grade.take_notebook", forgetful)
    monkeypatch.setattr(rescue_bench, "_lost_by_honest", lambda *_: frozenset())
    bench = run_bench(grading(MEAN), damages=10, seed=0, sample=0)
    assert bench.total.wrong == 10 and bench.total.kept == 0


def test_reading_says_what_it_mended() -> None:
    reading = rescue.read(json.dumps(raw()).encode("utf-16"))
    assert reading.repairs == ["the file was in UTF-16"]
    assert [c.grade_id for c in reading.cells] == [g for _, g, _, _ in MEAN]
