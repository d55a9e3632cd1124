"""A whole class: nothing lost, nothing graded twice, no hand-in in another's way."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from classes import BROKEN, COURSE_TOML, HOSTILE, expected, honest, make, notebook_bytes, put
from engine import MEAN, solved

from autograder.class_report import class_lines, latest_results, print_summary, to_mark
from autograder.course_folder import CourseFolder
from autograder.errors import CourseError
from autograder.grade_class import Journal, grade_class, journal_path
from autograder.record import Recorder

pytestmark = pytest.mark.slow


def totals(folder: CourseFolder, assignment: str = "ps") -> dict[str, float | None]:
    with Recorder(folder, folder.assignment(assignment)) as recorder:
        return {s: sum(v or 0 for v in row.values()) for s, row in recorder.scores().items()}


def graded_documents(folder: CourseFolder) -> dict[str, str]:
    paths = sorted(Path(folder.step("autograded", "x", "ps")).parent.parent.glob("*/ps/*.ipynb"))
    return {p.parent.parent.name: p.read_text() for p in paths}


def test_a_class_is_graded_once_and_again_only_where_something_changed(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    for i in range(6):
        put(folder, f"s{i}", notebook_bytes(honest(i)))
    first = grade_class(folder, "ps", workers=2)
    assert len(first.results) == 6 and not first.broken_tests
    assert totals(folder) == {f"s{i}": expected(i) for i in range(6)}
    assert len(grade_class(folder, "ps").skipped) == 6
    put(folder, "s3", notebook_bytes(solved()))
    put(folder, "new", notebook_bytes(solved()))
    changed = grade_class(folder, "ps", changed_only=True)
    assert [r.student for r in changed.results] == ["s3"] and totals(folder)["s3"] == 5
    assert [r.student for r in grade_class(folder, "ps").results] == ["new"]
    assert [r.student for r in grade_class(folder, "ps", students=["s1"], force=True).results] == ["s1"]
    with pytest.raises(CourseError, match="nobody-there"):
        grade_class(folder, "ps", students=["nobody-there"])


def test_a_changed_test_grades_everybody_again(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    for i in range(3):
        put(folder, f"s{i}", notebook_bytes(honest(i)))
    grade_class(folder, "ps")
    source = folder.step("source", ".", "ps") / "ps.ipynb"
    source.write_text(source.read_text().replace("== 6", "== 600"))
    summary = grade_class(folder, "ps")
    assert len(summary.results) == 3 and list(summary.broken_tests) == ["test_mean"], (
        "and we are told that our own solution fails"
    )
    assert totals(folder)["s0"] == 3


def test_three_hundred_hand_ins_sixty_of_them_hostile_or_broken(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    for i in range(300):
        if i % 5:
            put(folder, f"s{i:03d}", notebook_bytes(honest(i)))
        elif i % 10:
            put(folder, f"s{i:03d}", BROKEN[(i // 10) % len(BROKEN)])
        else:
            bad = {**solved(), "mean": HOSTILE[(i // 10) % len(HOSTILE)] + "\n" + solved()["mean"]}
            put(folder, f"s{i:03d}", notebook_bytes(bad))
    os.mkfifo(folder.step("submitted", "s001", "ps") / "pipe")
    (folder.step("submitted", "s002", "ps") / "link").symlink_to("/etc/passwd")
    summary = grade_class(folder, "ps", workers=2)
    assert len(summary.results) == 300 and "internal" not in summary.verdicts, summary.verdicts
    scores = totals(folder)
    assert {i: scores[f"s{i:03d}"] for i in range(300) if i % 5} == {
        i: expected(i) for i in range(300) if i % 5
    }
    assert all(scores[f"s{i:03d}"] == 0 for i in range(5, 300, 10))


def test_killed_at_random_points_the_run_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    def prepared(name: str) -> CourseFolder:
        folder = make(tmp_path / name)
        for i in range(24):
            put(folder, f"s{i:02d}", notebook_bytes(honest(i)))
        return folder

    undisturbed, disturbed = prepared("a"), prepared("b")
    grade_class(undisturbed, "ps", workers=2)
    command = [
        sys.executable,
        "-m",
        "autograder.cli",
        "grade",
        "ps",
        "--course-dir",
        str(disturbed.root),
        "--workers",
        "2",
    ]
    chance = random.Random(7)
    kills = 0
    for _ in range(6):
        process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        deadline = time.monotonic() + chance.uniform(2.5, 6)
        while process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.05)
        if process.poll() is None:
            kills += 1
            process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    assert totals(disturbed) == totals(undisturbed)
    assert graded_documents(disturbed) == graded_documents(undisturbed)
    journal = [json.loads(line) for line in journal_path(disturbed, "ps").read_text().splitlines()]
    graded = [entry["student"] for entry in journal if "result" in entry]
    assert len(set(graded)) == 24
    assert len(graded) <= 24 + kills, "what the journal holds is not graded again"


def test_a_result_in_the_journal_that_was_not_recorded_is_recorded_without_running(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(solved()))
    result = grade_class(folder, "ps").results[0]
    other = make(tmp_path / "other")
    put(other, "ann", notebook_bytes(solved()))
    journal = Journal(journal_path(other, "ps"))
    journal.add_result(result)
    journal.close()
    with open(journal_path(other, "ps"), "ab") as file:
        file.write(b'{"student": "torn')
    assert grade_class(other, "ps").resumed == ["ann"] and totals(other) == {"ann": 5.0}


def test_a_new_due_date_or_late_rule_changes_penalties_and_grades_nobody_again(tmp_path: Path) -> None:
    def settings(due: str, percent: int) -> None:
        rules = f'[late]\npercent_per_day = {percent}\n[[assignment]]\nname = "ps"\ndue = "{due}"\n'
        (folder.root / "course.toml").write_text(COURSE_TOML + rules)

    def penalty() -> float:
        with Recorder(folder, folder.assignment("ps")) as recorder:
            return float(recorder.gradebook.find_submission("ps", "ann").late_submission_penalty or 0)

    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(solved()))
    stamp = folder.step("submitted", "ann", "ps") / "timestamp.txt"
    stamp.write_text("2027-02-02 12:00:00 UTC")
    settings("2027-02-01T23:59:00+00:00", 10)
    assert len(grade_class(folder, "ps").results) == 1 and penalty() == 0.5
    settings("2027-02-01T23:59:00+00:00", 40)
    summary = grade_class(folder, "ps")
    assert (summary.results, summary.resumed) == ([], ["ann"]) and penalty() == 2.0
    settings("2027-02-03T23:59:00+01:00", 40)
    summary = grade_class(folder, "ps")
    assert (summary.results, summary.resumed) == ([], ["ann"]) and penalty() == 0.0
    assert grade_class(folder, "ps").skipped == ["ann"]


def test_tests_that_nbgrader_is_to_write_or_to_cut_otherwise_are_refused(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    source = folder.step("source", ".", "ps") / "ps.ipynb"
    notebook = nbformat.read(source, as_version=4)
    cell = next(c for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == "test_mean")
    cell.source = "# Written by nbgrader:\n### AUTOTEST mean([1])"
    nbformat.write(notebook, source)
    with pytest.raises(CourseError, match=r"nbgrader is to write the test test_mean \(### AUTOTEST mean"):
        folder.assignment("ps")
    other = make(tmp_path / "other")
    with open(other.root / "nbgrader_config.py", "a") as file:
        file.write("c.ClearHiddenTests.begin_test_delimeter = 'SECRET FROM HERE'\n")
    with pytest.raises(CourseError, match="begin_test_delimeter, which this grader does not know"):
        CourseFolder(other.root).assignment("ps")


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(solved()))
    first = Journal(journal_path(folder, "ps"))
    with pytest.raises(CourseError, match="Another course grade is grading"):
        grade_class(folder, "ps")
    first.close()
    assert len(grade_class(folder, "ps").results) == 1


def test_a_result_that_was_not_recorded_replaces_the_one_that_was(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(solved()))
    good = grade_class(folder, "ps").results[0]
    journal = Journal(journal_path(folder, "ps"))
    journal.add_result(good)  # graded again, and killed before it was recorded
    assert "ann" not in journal.recorded
    journal.close()
    assert grade_class(folder, "ps").resumed == ["ann"]


def test_a_newer_hand_in_without_a_time_is_not_late_by_the_old_one(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(solved()))
    stamp = folder.step("submitted", "ann", "ps") / "timestamp.txt"
    stamp.write_text("2027-02-02 12:00:00 UTC")
    with open(folder.root / "course.toml", "a") as file:
        file.write('[[assignment]]\nname = "ps"\ndue = "2027-02-01T12:00:00+00:00"\n')
    for late in (24 * 60 * 60, 0):
        grade_class(folder, "ps")
        with Recorder(folder, folder.assignment("ps")) as recorder:
            assert recorder.gradebook.find_submission("ps", "ann").total_seconds_late == late
        stamp.unlink(missing_ok=True)


def test_files_that_do_not_fit_leave_room_for_the_courses_own(tmp_path: Path) -> None:
    cells = [("plain", "", "ours = open('ours/data.txt').read()", 0), *MEAN]
    folder = make(tmp_path / "course", cells)
    for step in ("source", "release"):
        (folder.step(step, ".", "ps") / "ours").mkdir()
        (folder.step(step, ".", "ps") / "ours" / "data.txt").write_text("ours")
    put(folder, "ann", notebook_bytes(solved(), cells))
    target = folder.step("submitted", "ann", "ps")
    (target / "ours").write_bytes(b"a file where a folder should be")
    for number in range(6):
        (target / f"big{number}.bin").write_bytes(bytes(7 << 20))  # disk_mb is 32
    grade_class(folder, "ps")
    assert totals(folder) == {"ann": 5.0}


def test_bad_requests_get_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="does not exist.*course init"):
        CourseFolder(tmp_path / "nowhere")
    folder = make(tmp_path / "course")
    with pytest.raises(CourseError, match="ps9.*Released here: ps"):
        grade_class(folder, "ps9")
    with pytest.raises(CourseError, match="Nobody has handed in"):
        grade_class(folder, "ps")
    (folder.root / "course.toml").write_text("[limits]\nmemory = 3")
    with pytest.raises(CourseError, match="unknown setting memory"):
        folder.limits()


def test_manual_points_stay_when_graded_again(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes({}))
    grade_class(folder, "ps")
    with Recorder(folder, folder.assignment("ps")) as recorder:
        grade = recorder.gradebook.find_grade("test_mean", "ps", "ps", "ann")
        grade.manual_score = 1.5
        grade.needs_manual_grade = False
        recorder.gradebook.db.commit()
    grade_class(folder, "ps", force=True)
    with Recorder(folder, folder.assignment("ps")) as recorder:
        grade = recorder.gradebook.find_grade("test_mean", "ps", "ps", "ann")
        assert (grade.auto_score, grade.manual_score, grade.score) == (0, 1.5, 1.5)


def test_an_internal_fault_asks_for_a_human_and_is_tried_again(tmp_path: Path) -> None:
    cells = [*MEAN, ("test", "test_ours", "mean(object())", 4)]
    folder = make(tmp_path / "course", cells)
    put(folder, "ann", notebook_bytes(solved(), cells))
    summary = grade_class(folder, "ps")
    assert summary.results[0].verdict == "internal" and list(summary.broken_tests) == ["test_ours"]
    with Recorder(folder, folder.assignment("ps")) as recorder:
        grade = recorder.gradebook.find_grade("test_ours", "ps", "ps", "ann")
        assert grade.auto_score is None and grade.needs_manual_grade
    assert len(grade_class(folder, "ps").results) == 1


def test_setup_cells_that_fail_stop_the_run_before_anybody_is_graded(tmp_path: Path) -> None:
    folder = make(tmp_path / "course", [("locked", "imports", "import not_there", 0), *MEAN[1:]])
    put(folder, "ann", notebook_bytes(solved()))
    with pytest.raises(CourseError, match="instructor's own solution.*not_there"):
        grade_class(folder, "ps")
    assert totals(folder) == {}


def test_a_notebook_made_by_hand_with_plain_cells_and_manual_answers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not our source format: an unlocked import cell, a locked cell that uses answers, a helper cell, a written answer, a data file."""
    cells = [
        ("plain", "", "import math\nimport json", 0),
        (
            "solution",
            "area",
            "def area(r):\n    ### BEGIN SOLUTION\n    return math.pi * r * r\n    ### END SOLUTION",
            0,
        ),
        ("locked", "demo", "radius = 2\nshown = area(radius)\nprint(shown)", 0),
        (
            "test",
            "test_area",
            "assert abs(area(1) - math.pi) < 1e-9, 'area of the unit circle'\nassert abs(shown - 4 * math.pi) < 1e-9",
            3,
        ),
        ("solution", "answer", "### BEGIN SOLUTION\nanswer = 42\nwords = ['a', 'b']\n### END SOLUTION", 0),
        (
            "test",
            "test_answer",
            "score = 0\nif answer == 42: score += 1\nif words == ['a', 'b']: score += 1\nscore",
            2,
        ),
        ("test", "test_data", "assert json.load(open('data.json')) == [1, 2]\nassert area(0) == 0", 1),
        ("manual", "why", "Because.", 4),
    ]
    folder = make(tmp_path / "course", cells)
    for step in ("source", "release"):
        (folder.step(step, ".", "ps") / "data.json").write_text("[1, 2]")
    put(folder, "ann", notebook_bytes(solved(cells), cells))
    put(
        folder,
        "bob",
        notebook_bytes(
            {**solved(cells), "answer": "answer = 42\nwords = []", "area": "def area(r): return r"}, cells
        ),
    )
    summary = grade_class(folder, "ps", workers=1)
    assert not summary.broken_tests
    by_name = {r.student: {o.grade_id: o.points for o in r.outcomes} for r in summary.results}
    assert by_name["ann"] == {"test_area": 3, "test_answer": 2, "test_data": 1}
    assert by_name["bob"] == {"test_area": 0, "test_answer": 1, "test_data": 1}
    with Recorder(folder, folder.assignment("ps")) as recorder:
        grade = recorder.gradebook.find_grade("why", "ps", "ps", "ann")
        assert grade.needs_manual_grade and grade.auto_score is None, "a written answer waits for a person"
    lines = class_lines(folder, "ps", latest_results(folder, "ps"))
    assert [line.points for line in lines] == [6, 2]
    assert [[cell.name for cell in to_mark(line)] for line in lines] == [["why"], ["why"]]
    print_summary(folder, summary)
    printed = capsys.readouterr().out
    assert "/10" in printed and "2 written answers of 2 students wait for a person, 8 points" in printed
    document = nbformat.read(folder.step("autograded", "ann", "ps") / "ps.ipynb", as_version=4)
    assert any("12.56" in str(c.get("outputs")) for c in document.cells)


def test_the_json_summary_and_exit_codes(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    put(folder, "ann", notebook_bytes(solved()))
    base = [sys.executable, "-m", "autograder.cli", "grade"]
    done = subprocess.run(
        [*base, "ps", "--course-dir", str(folder.root), "--json"], capture_output=True, text=True, check=True
    )
    said = json.loads(done.stdout)
    assert said["students"][0]["points"] == 5 and said["verdicts"] == {"passed": 1}
    bad = subprocess.run([*base, "nope", "--course-dir", str(folder.root)], capture_output=True, text=True)
    assert bad.returncode == 1 and "nope" in bad.stderr and "Traceback" not in bad.stderr


def test_a_folder_whose_name_is_a_program_is_refused_and_the_others_are_graded(tmp_path: Path) -> None:
    folder = make(tmp_path / "course")
    for name in ("ann", "Zoë O-Brien", "<img src=x onerror=alert(1)>", "a\nb", "q'uote"):
        put(folder, name, notebook_bytes(solved()))
    summary = grade_class(folder, "ps")
    assert sorted(totals(folder)) == ["Zoë O-Brien", "ann"]
    assert len(summary.refused) == 3
