"""A hand-in's folder: which files are read, which one is the notebook, and what is said when there is none."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path

import pytest
from engine import MEAN, Cells, hand_in, notebook, solved
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder import intake
from autograder.course_folder import Assignment
from autograder.intake import HandIn, Rebuilt, concerned, read_folder, take_notebook

OURS = notebook(MEAN)
PS = Assignment("ps", (OURS,))
FULL = hand_in(solved()).files["nb.ipynb"]
HALF = hand_in({"mean": solved()["mean"]}).files["nb.ipynb"]
BLANK = hand_in({}).files["nb.ipynb"]


def take(files: dict[str, bytes], notes: tuple[str, ...] = ()) -> Rebuilt:
    return take_notebook(HandIn("ann", files, notes), PS, OURS)


def answered(rebuilt: Rebuilt) -> set[str]:
    return {c.origin.grade_id for c in rebuilt.cells if c.origin and c.origin.takes_answer and c.answered}


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


@pytest.mark.parametrize(
    "name",
    [
        "nb (1).ipynb",
        "Copy of nb.ipynb",
        "Untitled.ipynb",
        "work/nb.ipynb",
        "nb.ipynb.txt",
        "nb.json",
        "tan_LATE_1_2_nb-2.ipynb",
    ],
)
def test_a_notebook_under_another_name_is_taken_and_said(name: str) -> None:
    rebuilt = take({name: FULL, "data.csv": b"1,2"})
    assert answered(rebuilt) == {"mean", "scale"}
    assert any(name in r and "was taken instead" in r for r in rebuilt.repairs)


def test_an_untouched_notebook_does_not_hide_the_answered_one() -> None:
    rebuilt = take({"nb.ipynb": BLANK, "nb (1).ipynb": FULL})
    assert answered(rebuilt) == {"mean", "scale"}
    assert any("held no answer" in r for r in rebuilt.repairs)
    assert not rebuilt.doubts


def test_two_answered_notebooks_ask_for_a_person() -> None:
    rebuilt = take({"nb.ipynb": HALF, "nb (1).ipynb": FULL})
    assert answered(rebuilt) == {"mean"}, "the file of the right name counts"
    assert set(concerned(OURS, rebuilt)) == {"test_mean", "test_scale"}


def test_a_copy_of_the_same_notebook_asks_for_nobody() -> None:
    assert not take({"nb.ipynb": FULL, "nb (1).ipynb": FULL}).doubts


def test_one_notebook_is_not_taken_for_another_of_the_assignment() -> None:
    other = notebook(MEAN, "other")
    both = Assignment("ps", (OURS, other))
    handin = HandIn("ann", {"other.ipynb": FULL})
    assert take_notebook(handin, both, OURS).problem
    assert not take_notebook(handin, both, other).problem


def test_no_notebook_but_other_files_asks_for_a_person() -> None:
    rebuilt = take({"essay.pdf": b"%PDF", "timestamp.txt": b""})
    assert rebuilt.problem == "no notebook nb.ipynb was handed in"
    assert "essay.pdf" in rebuilt.doubts[0].sentence


def test_an_empty_folder_is_zero_without_a_question() -> None:
    rebuilt = take({"timestamp.txt": b"x"})
    assert rebuilt.problem and not rebuilt.doubts


def test_a_doubt_reaches_the_answers_that_build_on_the_doubtful_one() -> None:
    cells: Cells = [
        *MEAN,
        (
            "solution",
            "spread",
            "def spread(values):\n    ### BEGIN SOLUTION\n    return max(values) - mean(values)\n    ### END SOLUTION",
            0,
        ),
        ("test", "test_spread", "assert spread([1, 2, 3]) == 1", 1),
    ]
    ours = notebook(cells)
    made = json.loads(hand_in(solved(cells), cells).files["nb.ipynb"])
    made["cells"] = [c for c in made["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") != "mean"]
    rebuilt = intake.rebuild(ours, json.dumps(made).encode())
    assert set(concerned(ours, rebuilt)) == {"test_mean", "test_spread"}


def test_archives_are_opened_where_no_notebook_lies_open(tmp_path: Path) -> None:
    folder = tmp_path / "ann"
    folder.mkdir()
    (folder / "work.zip").write_bytes(zipped({"a/inner.zip": zipped({"nb.ipynb": FULL}), "a/x.csv": b"1"}))
    read = read_folder(folder, "ann")
    rebuilt = take_notebook(read, PS, OURS)
    assert answered(rebuilt) == {"mean", "scale"} and any("work.zip was opened" in n for n in read.notes)
    (folder / "nb.ipynb").write_bytes(HALF)
    assert set(read_folder(folder, "ann").files) == {"nb.ipynb", "work.zip"}, "an open notebook comes first"


def test_an_archive_called_notebook_is_opened(tmp_path: Path) -> None:
    (tmp_path / "nb.ipynb").write_bytes(zipped({"nb.ipynb": FULL}))
    assert answered(take_notebook(read_folder(tmp_path, "ann"), PS, OURS)) == {"mean", "scale"}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    folder = tmp_path / "ann"
    folder.mkdir()
    (tmp_path / "secret").write_text("secret")
    (folder / "nb.ipynb").symlink_to(tmp_path / "secret")
    (folder / "up").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    os.link(tmp_path / "secret", folder / "data.txt")
    read = read_folder(folder, "ann")
    assert set(read.files) == {"data.txt"}
    assert sum("was left out" in n for n in read.notes) == 3
    (tmp_path / "link").symlink_to(folder)
    assert not read_folder(tmp_path / "link", "ann").files


def test_limits_of_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(intake, "MAX_FILES", 3)
    monkeypatch.setattr(intake, "MAX_FILE_BYTES", 100)
    for name in "abcde":
        (tmp_path / name).write_bytes(b"x" * 10)
    (tmp_path / "0").write_bytes(b"x" * 101)
    deep = tmp_path / "/".join("z" * 12)
    deep.mkdir(parents=True)
    read = read_folder(tmp_path, "ann")
    assert set(read.files) == {"a", "b", "c"}
    notes = "\n".join(read.notes)
    assert "more than 3 files" in notes and "0 was left out" in notes and "too deep" in notes


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(["nb.ipynb", "nb.py", "x.zip", "nb.json", "a.html", "b.txt"]),
        st.binary(max_size=200),
        max_size=4,
    )
)
def test_random_files_always_give_a_row(files: dict[str, bytes]) -> None:
    rebuilt = take(files)
    assert [c.origin for c in rebuilt.cells if c.origin] == list(OURS.cells)


@settings(max_examples=80, deadline=None)
@given(
    st.binary(max_size=300),
    st.sampled_from([b"PK\x03\x04", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00", b"Rar!", b""]),
)
def test_random_archives_never_raise(data: bytes, magic: bytes) -> None:
    from autograder.archives import unpack

    unpack(magic + data, "x.zip")


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_archives_with_changed_bytes_never_raise(data: st.DataObject) -> None:
    from autograder.archives import unpack

    packed = bytearray(zipped({"nb.ipynb": HALF, "b/c.txt": b"hello" * 20}))
    for _ in range(data.draw(st.integers(1, 6))):
        packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    found = unpack(bytes(packed), "x.zip")
    assert all(".." not in path.split("/") and not path.startswith("/") for path in found.files)
