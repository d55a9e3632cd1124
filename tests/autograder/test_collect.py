"""Collecting: every platform's layout, every hostile archive; nobody guessed, nothing lost, nothing outside."""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from classes import make, notebook_bytes
from engine import solved
from typer.testing import CliRunner

from autograder.archives import MAX_NOTES, Bounds, safe_path, unpack
from autograder.cli import app
from autograder.collect import (
    ALREADY,
    IGNORED,
    OLDER,
    REFUSED,
    TAKEN,
    UNMATCHED,
    Collection,
    Receipt,
    _Attempt,
    collect,
    collected_folder,
    latest,
    read_receipts,
)
from autograder.course_folder import CourseFolder
from autograder.errors import CourseError
from autograder.layouts import loose_identity, parse_time
from autograder.roster import Identity, Person, Roster, roster_table

BOOK = notebook_bytes(solved())
OTHER = notebook_bytes({"mean": solved()["mean"]})
ROSTER = """id,first_name,last_name,email,lms_user_id
meiling,Mei Ling,Tan,mei@example.org,101
elif,Elif,Yıldız,elif@example.org,102
jose,José,García López,jose@example.org,103
ann1,Ann,Lee,ann1@example.org,
ann2,Ann,Lee,ann2@example.org,
"""
DUE = '\n[[assignment]]\nname = "ps"\ndue = "2027-02-01T12:00:00+00:00"\n'


@pytest.fixture
def folder(tmp_path: Path) -> CourseFolder:
    made = make(tmp_path / "course")
    with open(made.root / "course.toml", "a", encoding="utf-8") as file:
        file.write(DUE)
    (tmp_path / "roster.csv").write_text(ROSTER, encoding="utf-8")
    return made


def archive(path: Path, files: dict[str, bytes]) -> Path:
    path.write_bytes(zipped(files))
    return path


def zipped(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for name, data in files.items():
            made.writestr(name, data)
    return out.getvalue()


def run(folder: CourseFolder, tmp_path: Path, *paths: Path, source: str = "auto") -> Collection:
    return collect(folder, "ps", paths, source, tmp_path / "roster.csv")


def handed(folder: CourseFolder, student: str, name: str = "ps.ipynb") -> bytes:
    return (folder.step("submitted", student, "ps") / name).read_bytes()


def stamp(folder: CourseFolder, student: str) -> str:
    return handed(folder, student, "timestamp.txt").decode().strip()


def status(found: Collection) -> dict[str, str]:
    return {r.student or r.member: r.status for r in found.receipts}


def test_canvas(folder: CourseFolder, tmp_path: Path) -> None:
    path = archive(
        tmp_path / "submissions.zip",
        {
            "tanmeiling_101_9001_ps-2.ipynb": BOOK,
            "yıldızelif_LATE_102_9002_Copy of ps.ipynb": OTHER,
            "garcialopezjose_103_9003_text.html": b"<p>hello",
            "garcialopezjose_103_text.html": b"<p>hello",
            "strangerjoe_999_9004_ps.ipynb": BOOK,
        },
    )
    found = run(folder, tmp_path, path)
    assert handed(folder, "meiling") == BOOK and handed(folder, "elif") == OTHER
    late = {r.student for r in found.receipts if r.late}
    assert late == {"elif"} and stamp(folder, "elif") == "2027-02-01 12:00:01 UTC", (
        "late, by the least that late can be"
    )
    assert not (folder.step("submitted", "meiling", "ps") / "timestamp.txt").exists(), "no time is made up"
    assert status(found)["strangerjoe_999_9004_ps.ipynb"] == UNMATCHED
    assert [r.status for r in found.receipts if r.member.endswith("103_text.html")] == [IGNORED]
    assert "ann1" in found.missing


def test_moodle_with_and_without_folders_and_the_time_from_its_worksheet(
    folder: CourseFolder, tmp_path: Path
) -> None:
    (tmp_path / "roster.csv").write_text(
        "\ufeffIdentifier,Full name,ID number,Email address,Last modified (submission)\n"
        'Participant 71,Mei Ling Tan,meiling,mei@example.org,"Monday, 1 February 2027, 1:00 PM"\n'
        "Participant 72,Elif Yıldız,elif,elif@example.org,-\n",
        encoding="utf-8",
    )
    path = archive(
        tmp_path / "ps.zip",
        {
            "Mei Ling Tan_71_assignsubmission_file_/ps.ipynb": BOOK,
            "Mei Ling Tan_71_assignsubmission_file_/data/x.csv": b"1,2",
            "Mei Ling Tan_71_assignsubmission_file_/timestamp.txt": b"1999-01-01 00:00:00 UTC",
            "Elif Yıldız_72_assignsubmission_file_ps (1).ipynb": OTHER,
        },
    )
    found = run(folder, tmp_path, path)
    assert handed(folder, "meiling") == BOOK and handed(folder, "meiling", "data/x.csv") == b"1,2"
    assert handed(folder, "elif") == OTHER
    assert stamp(folder, "meiling") == "2027-02-01 13:00:00 UTC", (
        "the platform's time, not the student's file"
    )
    assert {r.student for r in found.receipts if r.late and r.status == TAKEN} == {"meiling"}


def test_gradescope_with_a_group(folder: CourseFolder, tmp_path: Path) -> None:
    metadata = (
        "submission_5:\n  :submitters:\n  - :name: Mei Ling Tan\n    :sid: '101'\n    :email: mei@example.org\n"
        "  - :name: Elif Yıldız\n    :email: elif@example.org\n  :created_at: 2027-01-31 10:00:00.000000000 Z\n"
        "submission_6:\n  :submitters:\n  - :name: Nobody Known\n    :email: no@example.org\n"
    )
    path = archive(
        tmp_path / "export.zip",
        {
            "assignment_1_export/submission_metadata.yml": metadata.encode(),
            "assignment_1_export/submission_5/ps.ipynb": BOOK,
            "assignment_1_export/submission_5/submission_metadata.yml": b"submission_5: {}",
            "assignment_1_export/submission_6/ps.ipynb": OTHER,
        },
    )
    found = run(folder, tmp_path, path)
    assert handed(folder, "meiling") == BOOK == handed(folder, "elif")
    assert stamp(folder, "elif") == "2027-01-31 10:00:00 UTC"
    assert next(r.identity for r in found.of(UNMATCHED)).startswith("Nobody Known")


def test_nbgraders_exchange_and_tree(folder: CourseFolder, tmp_path: Path) -> None:
    path = archive(
        tmp_path / "inbound.zip",
        {
            "meiling+ps+2027-01-30 10:00:00 UTC+abc/ps.ipynb": OTHER,
            "meiling+ps+2027-01-31 10:00:00 UTC+abd/ps.ipynb": BOOK,
        },
    )
    found = run(folder, tmp_path, path)
    assert handed(folder, "meiling") == BOOK
    assert sorted(r.status for r in found.receipts) == [OLDER, TAKEN]
    tree = tmp_path / "tree" / "elif" / "ps"
    tree.mkdir(parents=True)
    (tree / "ps.ipynb").write_bytes(OTHER)
    run(folder, tmp_path, tmp_path / "tree", source="nbgrader")
    assert handed(folder, "elif") == OTHER


def test_a_folder_of_mailed_files(folder: CourseFolder, tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    (mail / "jose").mkdir(parents=True)
    (mail / "jose" / "whatever.ipynb").write_bytes(BOOK)
    (mail / "ps_elif.ipynb").write_bytes(OTHER)
    (mail / "homework.ipynb").write_bytes(BOOK)
    (mail / "meiling.zip").write_bytes(
        zipped({"work/ps.ipynb": BOOK, "work/elif/ps.ipynb": b"x", "__MACOSX/._ps": b"x"})
    )
    found = run(folder, tmp_path, mail, source="folder")
    assert (
        handed(folder, "jose") == BOOK
        and handed(folder, "elif") == OTHER
        and handed(folder, "meiling") == BOOK
    )
    assert [r.file for r in found.of(UNMATCHED)] == ["homework.ipynb"]
    assert "submitted" not in found.of(UNMATCHED)[0].stored


@pytest.mark.parametrize("root", ["", "downloads/"])
def test_a_zip_of_one_folder_for_each_student(folder: CourseFolder, tmp_path: Path, root: str) -> None:
    files = {"jose/whatever.ipynb": BOOK, "elif/ps/ps.ipynb": OTHER, "nobody/ps.ipynb": BOOK}
    packed = archive(tmp_path / "class.zip", {root + name: data for name, data in files.items()})
    found = run(folder, tmp_path, packed, source="folder")
    assert handed(folder, "jose") == BOOK and handed(folder, "elif") == OTHER
    assert [r.member for r in found.of(UNMATCHED)] == [f"{root}nobody/ps.ipynb"]
    own = archive(tmp_path / "meiling.zip", {f"{root}work/ps.ipynb": BOOK, f"{root}work/notes.txt": b"x"})
    run(folder, tmp_path, own, source="folder")
    assert handed(folder, "meiling") == BOOK, "one folder in a zip is one student's own"


def test_without_a_class_list_it_says_so_and_ends_with_an_error(tmp_path: Path) -> None:
    made = make(tmp_path / "course")
    packed = archive(tmp_path / "canvas.zip", {"tanmeiling_101_7_ps.ipynb": BOOK})
    done = CliRunner().invoke(app, ["collect", "ps", str(packed), "--course-dir", str(made.root)])
    told = " ".join(done.output.split())
    assert done.exit_code == 1 and "1 file(s), and none of them anybody's" in told
    assert "no class list yet" in told and "--roster FILE.csv" in told


def test_the_latest_in_time_wins_whichever_comes_first(folder: CourseFolder, tmp_path: Path) -> None:
    late = archive(tmp_path / "b.zip", {"meiling+ps+2027-01-31 10:00:00 UTC/ps.ipynb": BOOK})
    early = archive(tmp_path / "a.zip", {"meiling+ps+2027-01-30 10:00:00 UTC/ps.ipynb": OTHER})
    run(folder, tmp_path, late)
    found = run(folder, tmp_path, early)
    assert handed(folder, "meiling") == BOOK and not found.written
    assert [r.status for r in read_receipts(folder, "ps")] == [TAKEN, OLDER]


def test_collecting_twice_changes_nothing(folder: CourseFolder, tmp_path: Path) -> None:
    path = archive(
        tmp_path / "s.zip", {"tanmeiling_101_9001_ps.ipynb": BOOK, "tanmeiling_101_9002_notes.txt": b"hello"}
    )
    run(folder, tmp_path, path)
    before = {p: p.read_bytes() for p in folder.step("submitted", "meiling", "ps").rglob("*")}
    found = run(folder, tmp_path, path)
    assert not found.written and {r.status for r in found.receipts} == {ALREADY}
    assert {p: p.read_bytes() for p in folder.step("submitted", "meiling", "ps").rglob("*")} == before


def test_a_newer_download_replaces_the_older_attempt_as_a_whole(folder: CourseFolder, tmp_path: Path) -> None:
    run(
        folder,
        tmp_path,
        archive(
            tmp_path / "1.zip", {"tanmeiling_101_9001_ps.ipynb": OTHER, "tanmeiling_101_9002_old.txt": b"x"}
        ),
    )
    run(folder, tmp_path, archive(tmp_path / "2.zip", {"tanmeiling_101_9007_ps-1.ipynb": BOOK}))
    assert handed(folder, "meiling") == BOOK
    assert sorted(p.name for p in folder.step("submitted", "meiling", "ps").iterdir()) == ["ps.ipynb"]


def test_originals_are_kept_with_their_hash(folder: CourseFolder, tmp_path: Path) -> None:
    colab = json.loads(BOOK)
    colab["cells"][0]["metadata"]["executionInfo"] = {"user": {"displayName": "Mei Ling"}}
    colab["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"x": {}}}
    data = json.dumps(colab).encode()
    path = archive(tmp_path / "s.zip", {"tanmeiling_101_9001_ps.ipynb": data})
    whole = path.read_bytes()
    receipt = run(folder, tmp_path, path).receipts[0]
    original = collected_folder(folder, "ps") / receipt.stored
    assert path.read_bytes() == whole and original.read_bytes() == data
    assert receipt.sha256 == hashlib.sha256(data).hexdigest()
    assert not original.stat().st_mode & stat.S_IWUSR
    assert b"Mei Ling" not in handed(folder, "meiling") and b"widgets" not in handed(folder, "meiling")


def test_what_lay_there_before_is_moved_aside_not_lost(folder: CourseFolder, tmp_path: Path) -> None:
    target = folder.step("submitted", "meiling", "ps")
    target.mkdir(parents=True)
    (target / "ps.ipynb").write_bytes(OTHER)
    run(folder, tmp_path, archive(tmp_path / "s.zip", {"tanmeiling_101_9001_ps.ipynb": BOOK}))
    assert handed(folder, "meiling") == BOOK
    assert [p.read_bytes() for p in collected_folder(folder, "ps").rglob("replaced/*/ps.ipynb")] == [OTHER]


def roster(*people: Person) -> Roster:
    return Roster({p.id: p for p in people}, given=True)


def test_nobody_is_guessed() -> None:
    two = roster(
        Person("ann1", "Ann", "Lee"),
        Person("ann2", "Ann", "Lee"),
        Person("elif", "Elif", "Yıldız", "", frozenset({"102"})),
    )
    assert two.find(Identity(name="Lee Ann"))[1] == "several students have this name"
    assert two.find(Identity(name="yildizelif"))[0] is not None, "accents do not count"
    assert two.find(Identity(name="Elif Yildis"))[0] is None
    assert two.nearest(Identity(name="Elif Yildis"))[0] == "elif"
    assert two.find(Identity(lms="102", name="Lee Ann"))[0] is None, (
        "the number is one student's, the name another's"
    )
    assert two.find(Identity(lms="555", name="Elif Yıldız"))[0] is None, "the same name, another number"


def test_rosters_of_all_platforms(tmp_path: Path) -> None:
    tables = {
        "canvas.csv": 'Student,ID,SIS User ID,SIS Login ID,Section,ps (7)\n"    Points Possible",,,,,5\n"Tan, Mei Ling",101,S1,meiling,A,\n',
        "moodle.csv": "Identifier;Full name;Email address\nParticipant 101;Mei Ling Tan;meiling@example.org\n",
        "gradescope.csv": "First Name,Last Name,SID,Email\nMei Ling,Tan,meiling,m@example.org\n",
        "nbgrader.csv": "id,first_name,last_name,email\nmeiling,Mei Ling,Tan,m@example.org\n",
    }
    for name, text in tables.items():
        (tmp_path / name).write_text(text, encoding="utf-16" if "moodle" in name else "utf-8")
        people = roster_table(tmp_path / name)
        assert [(p.id, p.first, p.last) for p in people] == [("meiling", "Mei Ling", "Tan")], name
    assert "101" in roster_table(tmp_path / "canvas.csv")[0].lms


def link_zip() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        info = zipfile.ZipInfo("ps.ipynb")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        made.writestr(info, "/etc/passwd")
        made.writestr("other.txt", "x")
    return out.getvalue()


def link_tar() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as made:
        for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE):
            info = tarfile.TarInfo("ps.ipynb")
            info.type, info.linkname = kind, "/etc/passwd"
            made.addfile(info)
    return out.getvalue()


def encrypted_zip() -> bytes:
    data = bytearray(zipped({"ps.ipynb": BOOK}))
    for sign, at in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(sign) + at] |= 1
    return bytes(data)


def deep_zip() -> bytes:
    data = BOOK
    for depth in range(8):
        data = zipped({f"z{depth}.zip" if depth else "ps.ipynb": data})
    return data


HOSTILE = {
    "path tricks": zipped(
        {
            "../../../../slip.txt": b"x",
            "..\\..\\slip.txt": b"x",
            "a/../../slip.txt": b"x",
            "C:\\slip.txt": b"x",
        }
    ),
    "absolute paths": zipped(
        {"/tmp/slip-of-course-collect.txt": b"x", "//tmp/slip-of-course-collect.txt": b"x"}
    ),
    "another student's name": zipped(
        {"elif/ps/ps.ipynb": BOOK, "yildizelif_102_9999_ps.ipynb": BOOK, "../elif/ps.ipynb": BOOK}
    ),
    "links in a zip": link_zip(),
    "links in a tar": link_tar(),
    "a bomb by ratio": zipped({"ps.ipynb": b"\0" * (40 << 20)}),
    "thousands of entries": zipped({f"f{i}.txt": b"" for i in range(12_000)}),
    "a broken zip": zipped({"ps.ipynb": BOOK})[:-30],
    "not a zip": b"PK\x03\x04" + os.urandom(300),
    "encrypted": encrypted_zip(),
    "archives in archives": deep_zip(),
    "odd names": zipped(
        {
            "\x1b[31m": b"x",
            "a" * 5000: b"x",
            "con:?*|": b"x",
            ".": b"x",
            "x/": b"",
            "timestamp.txt": b"1999-01-01 00:00:00 UTC",
        }
    ),
    "a file and a folder of one name": zipped({"a": b"x", "a/b": b"y"}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_harms_nobody(name: str, folder: CourseFolder, tmp_path: Path) -> None:
    mail = tmp_path / "mail"
    mail.mkdir()
    (mail / "jose.ipynb").write_bytes(BOOK)
    (mail / "meiling.zip").write_bytes(HOSTILE[name])
    before = {p for p in tmp_path.rglob("*") if "submitted" not in p.parts and "downloaded" not in p.parts}
    found = run(folder, tmp_path, mail, source="folder")
    assert handed(folder, "jose") == BOOK
    assert {s.name for s in (folder.root / "submitted").iterdir()} <= {"jose", "meiling"}
    after = {p for p in tmp_path.rglob("*") if "submitted" not in p.parts and "downloaded" not in p.parts}
    assert (
        after == before
        and not list(tmp_path.rglob("slip*"))
        and not Path("/tmp/slip-of-course-collect.txt").exists()
    )
    mine = folder.root / "submitted" / "meiling"
    for path in mine.rglob("*"):
        assert not path.is_symlink() and (path.is_dir() or path.stat().st_size < 2 << 20)
    assert (
        next(r for r in found.receipts if r.student == "meiling").sha256
        == hashlib.sha256(HOSTILE[name]).hexdigest()
    )


def test_a_broken_zip_still_gives_what_is_in_it(folder: CourseFolder, tmp_path: Path) -> None:
    mail = tmp_path / "meiling.zip"
    mail.write_bytes(HOSTILE["a broken zip"])
    run(folder, tmp_path, mail, source="folder")
    assert handed(folder, "meiling") == BOOK


def test_a_broken_class_archive_is_said_and_read_as_far_as_it_goes(
    folder: CourseFolder, tmp_path: Path
) -> None:
    path = archive(
        tmp_path / "s.zip", {"tanmeiling_101_9001_ps.ipynb": BOOK, "yildizelif_102_9002_ps.ipynb": OTHER * 50}
    )
    path.write_bytes(path.read_bytes()[:-400])
    found = run(folder, tmp_path, path, source="canvas")
    assert handed(folder, "meiling") == BOOK
    assert any("download it again" in note for note in found.notes)


def test_links_and_pipes_in_a_folder_are_refused(folder: CourseFolder, tmp_path: Path) -> None:
    mail = tmp_path / "mail" / "meiling"
    mail.mkdir(parents=True)
    secret = tmp_path / "secret.ipynb"
    secret.write_bytes(BOOK)
    (mail / "ps.ipynb").symlink_to(secret)
    (mail / "folder").symlink_to("/etc")
    os.mkfifo(mail / "pipe")
    found = run(folder, tmp_path, tmp_path / "mail", source="folder")
    assert {r.status for r in found.receipts} == {REFUSED}
    assert not (folder.root / "submitted").exists()


def test_the_unpacked_size_is_counted_not_believed() -> None:
    found = unpack(
        zipped({f"{i}.bin": os.urandom(1 << 16) for i in range(20)}), "x.zip", Bounds(total_bytes=1 << 18)
    )
    assert found.total <= 1 << 18 and any(
        "unpacks to more than" in n or "larger than" in n for n in found.notes
    )


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "C:/x", "\\x", "", ".", "a/" * 40 + "x"])
def test_paths_that_lead_out_are_no_paths(path: str) -> None:
    assert safe_path(path) is None


def test_wrong_usage_is_a_sentence(folder: CourseFolder, tmp_path: Path) -> None:
    with pytest.raises(CourseError, match="does not exist"):
        run(folder, tmp_path, tmp_path / "nothing.zip")
    with pytest.raises(CourseError, match="not a layout"):
        run(folder, tmp_path, tmp_path, source="blackboard")


# Whose work it is, and which of it is the newest


def test_a_students_zip_is_never_taken_for_the_classs(folder: CourseFolder, tmp_path: Path) -> None:
    evil = zipped({"tanmeiling_101_99999999_ps.ipynb": OTHER, "garcialopezjose_103_99999999_ps.ipynb": OTHER})
    exchange = zipped({"meiling+ps+2099-01-01 00:00:00 UTC/ps.ipynb": OTHER})
    unpacked = tmp_path / "unpacked"
    unpacked.mkdir()
    (unpacked / "tanmeiling_101_9001_ps.ipynb").write_bytes(BOOK)
    (unpacked / "yıldızelif_102_9002_work.zip").write_bytes(evil)
    (unpacked / "leeann_104_9003_ps.zip").write_bytes(exchange)
    by_student = tmp_path / "by_student"
    by_student.mkdir()
    (by_student / "meiling.ipynb").write_bytes(BOOK)
    (by_student / "elif.zip").write_bytes(evil)
    each = sorted(unpacked.iterdir())
    folders = tmp_path / "folders"
    folders.mkdir()
    for name, data in {
        "meiling/ps.ipynb": BOOK,
        "elif/submission_metadata.yml": b"submission_5:\n  :submitters:\n  - :name: Mei Ling Tan\n",
        "elif/submission_5/ps.ipynb": OTHER,
        "elif/tanmeiling_101_99999999_ps.ipynb": OTHER,
        "elif/tanmeiling_101_99999998_ps.ipynb": OTHER,
        "elif/work.zip": evil,
    }.items():
        (folders / name).parent.mkdir(parents=True, exist_ok=True)
        (folders / name).write_bytes(data)
    mail = [by_student / "meiling.ipynb", by_student / "elif.zip"]
    for number, paths in enumerate(([unpacked], [by_student], each, [folders], mail)):
        for source in ("auto", "canvas") if number in (0, 2) else ("auto", "folder"):
            made = make(tmp_path / f"course-{number}-{source}")
            found = run(made, tmp_path, *paths, source=source)
            assert handed(made, "meiling") == BOOK, (paths, source)
            assert not made.step("submitted", "jose", "ps").exists()
            assert all(
                r.student == "elif" for r in found.receipts if r.member.endswith((".zip",)) and r.student
            )


def test_a_classs_archive_may_have_a_date_and_lie_in_nbgraders_folder(
    folder: CourseFolder, tmp_path: Path
) -> None:
    downloaded = tmp_path / "downloaded" / "ps" / "archive"
    downloaded.mkdir(parents=True)
    path = archive(downloaded / "submissions_2027_02_08.zip", {"tanmeiling_101_9001_ps.ipynb": BOOK})
    for number, name in enumerate(
        (path.name, "CS_2027_01_final.zip", "LM_2027_1_NLP-01 ngrams-5501.zip", "hw_01_02_all.zip")
    ):
        folder = make(tmp_path / f"dated-{number}")
        found = run(folder, tmp_path, archive(tmp_path / name, {"tanmeiling_101_9001_ps.ipynb": BOOK}))
        assert handed(folder, "meiling") == BOOK
        assert f"{name} was read as the archive of a class (canvas)" in found.notes
    other = make(tmp_path / "other")
    run(other, tmp_path, tmp_path / "downloaded")
    assert handed(other, "meiling") == BOOK


@pytest.mark.parametrize("packed", [False, True])
def test_names_inside_a_hand_in_do_not_decide_whose_it_is(
    packed: bool, folder: CourseFolder, tmp_path: Path
) -> None:
    files = {
        "meiling/ps/ps.ipynb": BOOK,
        "elif/ps/meiling+ps+2099-01-01 00:00:00 UTC/ps.ipynb": OTHER,
        "jose/meiling/ps/ps.ipynb": OTHER,
    }
    path = tmp_path / "all.zip"
    if packed:
        archive(path, files)
    else:
        path = tmp_path / "all"
        for name, data in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(data)
    found = run(folder, tmp_path, path, source="nbgrader")
    assert handed(folder, "meiling") == BOOK
    assert {r.student for r in found.receipts} <= {"meiling", "elif", ""}
    inside = {f"class/submitted/{n}": d for n, d in files.items()}
    around = archive(tmp_path / "around.zip", {**inside, "class/gradebook.db": b"", "notes.txt": b""})
    other = make(tmp_path / "other")
    run(other, tmp_path, around, source="nbgrader")
    assert handed(other, "meiling") == BOOK


def test_only_gradescopes_own_table_says_whose_it_is(folder: CourseFolder, tmp_path: Path) -> None:
    def about(name: str) -> bytes:
        return f"submission_5:\n  :submitters:\n  - :name: {name}\n".encode()

    files = {
        "submission_metadata.yml": about("Mei Ling Tan"),
        "submission_5/ps.ipynb": BOOK,
        "submission_5/submission_metadata.yml": about("Elif Yıldız"),
    }
    run(folder, tmp_path, archive(tmp_path / "export.zip", files), source="gradescope")
    assert handed(folder, "meiling") == BOOK and not folder.step("submitted", "elif", "ps").exists()


def test_numbers_of_the_university_are_not_canvass(folder: CourseFolder, tmp_path: Path) -> None:
    roster = tmp_path / "roster.csv"
    roster.write_text(
        "Student,ID,SIS User ID,SIS Login ID,Section\n"
        '"Doe, John",77,9001,jd101,A\n"Tan, Mei Ling",9001,555,meiling,A\n"O, Brien",78,4,o\'brien,A\n'
    )
    notes: list[str] = []
    people = {p.id: p for p in roster_table(roster, notes)}
    assert (people["jd101"].lms, people["jd101"].number) == ({"77"}, "77")
    assert (people["meiling"].lms, people["meiling"].number) == ({"9001"}, "9001")
    assert len(notes) == 1 and "o'brien can't be the id of a student" in notes[0]
    path = archive(tmp_path / "s.zip", {"newcomer_101_1_ps.ipynb": OTHER, "tanmeiling_9001_2_ps.ipynb": BOOK})
    found = run(folder, tmp_path, path)
    assert status(found) == {"newcomer_101_1_ps.ipynb": UNMATCHED, "meiling": TAKEN}
    assert any("o'brien" in note for note in found.notes)
    again = collect(folder, "ps", [path], "canvas")  # by the numbers that the gradebook has kept
    assert status(again)["meiling"] == ALREADY
    both = Roster(people)
    assert both.find(Identity(lms="9001", canvas=True))[0] == people["meiling"]
    assert both.find(Identity(lms="555", name="Mei Ling Tan"))[0] == people["meiling"], "Gradescope's SID"
    assert both.find(Identity(id="9001", name="John Doe"))[0] == people["jd101"]
    assert both.find(Identity(lms="9001"))[0] is None, "it may be either's"


def test_an_ambiguous_name_makes_no_new_student(folder: CourseFolder, tmp_path: Path) -> None:
    run(folder, tmp_path, archive(tmp_path / "first.zip", {"tanmeiling_101_1_ps.ipynb": BOOK}))  # enrols
    (tmp_path / "mail" / "Ann Lee").mkdir(parents=True)
    (tmp_path / "mail" / "Ann Lee" / "ps.ipynb").write_bytes(BOOK)
    found = collect(folder, "ps", [tmp_path / "mail"], "folder")
    assert [r.status for r in found.receipts] == [UNMATCHED] and not found.written


def test_an_id_is_found_as_a_whole_word_only() -> None:
    assert loose_identity("maria1.ipynb", ["mari", "maria1"], ["a1", ".ipynb"]) == "maria1"
    assert loose_identity("maria1.ipynb", ["mari"], ["a1", ".ipynb"]) == ""
    assert loose_identity("a1_mari.ipynb", ["mari", "maria1"], ["a1", ".ipynb"]) == "mari"


def test_without_times_the_last_to_arrive_is_the_newest(folder: CourseFolder, tmp_path: Path) -> None:
    (tmp_path / "worksheet.csv").write_text(
        "Identifier,Full name,ID number,Last modified (submission)\n"
        'Participant 71,Mei Ling Tan,meiling,"Monday, 1 February 2027, 1:00 PM"\n'
    )
    inside = "Mei Ling Tan_71_assignsubmission_file_/ps.ipynb"
    first, second = (archive(tmp_path / f"{n}.zip", {inside: d}) for n, d in (("d1", BOOK), ("d2", OTHER)))
    collect(folder, "ps", [first], roster_path=tmp_path / "worksheet.csv")
    assert handed(folder, "meiling") == BOOK
    time.sleep(1.1)  # collections are told apart by the second
    collect(folder, "ps", [second])
    assert handed(folder, "meiling") == OTHER
    for paths in ([first], [second], [first, second]):
        collect(folder, "ps", paths, roster_path=tmp_path / "worksheet.csv")
        assert handed(folder, "meiling") == OTHER, "what was collected before is no new attempt"


def test_the_same_archive_without_the_worksheet_changes_nothing(folder: CourseFolder, tmp_path: Path) -> None:
    (tmp_path / "worksheet.csv").write_text(
        "Identifier,Full name,ID number,Last modified (submission)\n"
        'Participant 71,Mei Ling Tan,meiling,"Monday, 1 February 2027, 1:00 PM"\n'
    )
    path = archive(tmp_path / "d.zip", {"Mei Ling Tan_71_assignsubmission_file_/ps.ipynb": BOOK})
    collect(folder, "ps", [path], roster_path=tmp_path / "worksheet.csv")
    assert collect(folder, "ps", [path]).written == []
    assert stamp(folder, "meiling") == "2027-02-01 13:00:00 UTC"


def test_of_two_archives_named_at_once_the_later_counts(folder: CourseFolder, tmp_path: Path) -> None:
    inside = "Mei Ling Tan_101_assignsubmission_file_/ps.ipynb"
    first, second = (archive(tmp_path / f"{n}.zip", {inside: d}) for n, d in (("d1", BOOK), ("d2", OTHER)))
    run(folder, tmp_path, first, second)
    assert handed(folder, "meiling") == OTHER


def test_the_latest_of_attempts_with_and_without_times() -> None:
    def attempt(when: str = "", order: int = 0, collected: str = "1") -> _Attempt:
        return _Attempt("", [Receipt("", "", "", handed_in=when, order=order, collected=collected)])

    nine, mail = attempt(order=9001, collected="1"), attempt(collected="2")
    assert latest([nine, mail]) is mail
    assert latest([attempt(order=9002, collected="1"), attempt(order=9001, collected="2")]).order == 9002
    late = [attempt(order=9002, collected="1"), attempt(collected="2"), attempt(order=9001, collected="3")]
    assert latest(late) is late[1], "an older number that was collected late is no newer work"
    five, none, three = attempt("5"), attempt(collected="2"), attempt("3", collected="3")
    assert latest([five, none, three]) is none
    assert latest([five, three]) is five


def test_after_an_extension_a_newer_file_without_the_mark_counts(
    folder: CourseFolder, tmp_path: Path
) -> None:
    run(folder, tmp_path, archive(tmp_path / "s1.zip", {"tanmeiling_LATE_101_9001_ps.ipynb": BOOK}))
    assert stamp(folder, "meiling") == "2027-02-01 12:00:01 UTC"
    run(folder, tmp_path, archive(tmp_path / "s2.zip", {"tanmeiling_101_9005_ps.ipynb": OTHER}))
    assert handed(folder, "meiling") == OTHER
    assert not (folder.step("submitted", "meiling", "ps") / "timestamp.txt").exists()


def test_what_canvas_calls_late_is_late_whatever_the_grace(folder: CourseFolder, tmp_path: Path) -> None:
    with open(folder.root / "course.toml", "a", encoding="utf-8") as file:
        file.write("[late]\npercent_per_day = 10\ngrace_minutes = 15\n")
    run(folder, tmp_path, archive(tmp_path / "s.zip", {"tanmeiling_LATE_101_9001_ps.ipynb": BOOK}))
    assert stamp(folder, "meiling") == "2027-02-01 12:15:01 UTC"


def test_a_hand_in_that_a_person_mended_stays_until_there_is_a_newer_one(
    folder: CourseFolder, tmp_path: Path
) -> None:
    path = archive(tmp_path / "s1.zip", {"tanmeiling_101_9001_ps.ipynb": BOOK})
    run(folder, tmp_path, path)
    mended = folder.step("submitted", "meiling", "ps") / "ps.ipynb"
    mended.write_bytes(b"{}")
    assert run(folder, tmp_path, path).written == []
    assert mended.read_bytes() == b"{}"
    newer = archive(tmp_path / "s2.zip", {"tanmeiling_101_9002_ps.ipynb": OTHER})
    found = run(folder, tmp_path, newer)
    assert handed(folder, "meiling") == OTHER
    kept = collected_folder(folder, "ps") / "replaced" / "meiling-0" / "ps.ipynb"
    assert kept.read_bytes() == b"{}" and any("meiling" in note for note in found.notes)
    run(folder, tmp_path, archive(tmp_path / "s3.zip", {"tanmeiling_101_9003_ps.ipynb": BOOK}))
    assert handed(folder, "meiling") == BOOK and len(list(kept.parents[1].iterdir())) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2027-02-08 21:40:00 UTC", "2027-02-08T21:40:00+00:00"),
        ("2027-02-08 21:40:00.5 GMT", "2027-02-08T21:40:00.500000+00:00"),
        ("2027-02-08 21:40:00 CET", "2027-02-08T21:40:00+01:00"),
        ("2027-07-08 21:40:00 Europe/Berlin", "2027-07-08T21:40:00+02:00"),
        ("2027-02-08 21:40:00 NOWHERE", None),
        ("Monday, 8 February 2027, 9:40 PM", "2027-02-08T21:40:00+00:00"),
        ("0001-01-01 00:00:00 +0100", None),
        ("9999-12-31 23:59:59 -0100", None),
        ("2027-02-08 21:40:00 +0100", "2027-02-08T21:40:00+01:00"),
    ],
)
def test_times(text: str, expected: str | None) -> None:
    moment = parse_time(text)
    assert (moment.isoformat() if moment else None) == expected


def test_a_time_that_cannot_be_read_is_told(folder: CourseFolder, tmp_path: Path) -> None:
    (tmp_path / "roster.csv").write_text(
        "Identifier,Full name,ID number,Last modified (submission)\n"
        'Participant 71,Mei Ling Tan,meiling,"lundi 1 février 2027, 13:00"\n'
    )
    inside = "Mei Ling Tan_71_assignsubmission_file_/ps.ipynb"
    found = run(folder, tmp_path, archive(tmp_path / "ps.zip", {inside: BOOK}))
    assert "lundi" in " ".join(found.receipts[0].notes) and found.receipts[0].handed_in == ""


def test_archives_in_archives_are_bounded_together() -> None:
    bounds = Bounds(total_bytes=1 << 20, read_bytes=2 << 20)
    lost = zipped({f"../{n}": bytes(600_000) for n in range(16)})
    bomb = zipped({f"{n}.zip": zipped({f"{m}.zip": lost for m in range(10)}) for n in range(10)})
    began = time.process_time()
    found = unpack(bomb, "bomb.zip", bounds)
    assert found.read < 6 << 20 and not found.files and len(found.notes) <= MAX_NOTES + 1
    assert time.process_time() - began < 20
    many = zipped({f"{n}.zip": zipped({"a.txt": b"x"}) for n in range(80)})
    found = unpack(many, "many.zip")
    assert found.total == 49 and "79.zip was left out: there are more than 50 archives" in found.notes
    links = io.BytesIO()
    with tarfile.open(fileobj=links, mode="w") as tar:
        for n in range(1500):
            info = tarfile.TarInfo(f"link{n}")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    notes = unpack(links.getvalue(), "links.tar").notes
    assert len(notes) == MAX_NOTES + 1 and "more was left out" in notes[-1]


def test_a_broken_zip_is_bounded_as_well() -> None:
    members = {f"{n}.bin": bytes(1 << 20) for n in range(6)}
    broken = zipped(members)
    broken = broken[: broken.index(b"PK\x01\x02")]
    for total in (1 << 20, 2 << 20, 0, -5):
        found = unpack(broken, "broken.zip", Bounds(total_bytes=total, file_bytes=1 << 20))
        assert found.read <= max(total, 0), total


def test_times_at_the_ends_of_time_and_unknown_zones_stop_nobody(
    folder: CourseFolder, tmp_path: Path
) -> None:
    for student, text in (("meiling", "0001-01-01 00:00:00 +0100"), ("elif", "2027-07-08 21:40:00 XEST")):
        (tmp_path / "all" / student).mkdir(parents=True)
        (tmp_path / "all" / student / "ps.ipynb").write_bytes(BOOK)
        (tmp_path / "all" / student / "timestamp.txt").write_text(text)
    found = run(folder, tmp_path, tmp_path / "all", source="folder")
    assert handed(folder, "meiling") == BOOK == handed(folder, "elif")
    notes = [" ".join(r.notes) for r in found.receipts if r.file == "ps.ipynb"]
    assert all("can't be read, so this never counts as late" in note for note in notes)


@pytest.mark.parametrize(
    "name",
    [
        "elif_ps.zip",
        "elif-ps.zip",
        "ann lee.zip",
        "Elif Yıldız.zip",
        "tanmeiling_late_101_9001_ps.zip",
        "yıldızelif_102_345_work.zip",
        "yıldızelif_102_9001_1.zip",
        "Elif Yıldız_102_assignsubmission_file_work.zip",
    ],
)
def test_a_file_that_is_called_as_a_students_is_a_students(
    name: str, folder: CourseFolder, tmp_path: Path
) -> None:
    evil = {"garcialopezjose_103_99999999_ps.ipynb": OTHER}
    downloaded = tmp_path / "downloaded" / "ps" / "archive"
    downloaded.mkdir(parents=True)
    for paths in ([archive(tmp_path / name, evil)], [archive(downloaded / name, evil).parents[2]]):
        run(folder, tmp_path, *paths)
        assert not folder.step("submitted", "jose", "ps").exists()


def test_folders_of_unpacked_hand_ins_say_nothing(folder: CourseFolder, tmp_path: Path) -> None:
    for name, data in {
        "tanmeiling_101_9001_ps.ipynb": BOOK,
        "garcialopezjose_103_9002_ps.ipynb": BOOK,
        "yıldızelif_102_9003_work/tanmeiling_101_99999999_ps.ipynb": OTHER,
    }.items():
        path = tmp_path / "class" / "submissions" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    run(folder, tmp_path, tmp_path / "class")  # the folder around the export as well
    assert handed(folder, "meiling") == BOOK == handed(folder, "jose")
    tree = {"elif/other/meiling/ps/ps.ipynb": OTHER, "jose/other/x.ipynb": OTHER}
    other = make(tmp_path / "other")
    run(other, tmp_path, archive(tmp_path / "tree.zip", tree), source="nbgrader")
    assert not other.step("submitted", "meiling", "ps").exists()


def test_an_extension_in_canvas_takes_the_mark_away(folder: CourseFolder, tmp_path: Path) -> None:
    run(folder, tmp_path, archive(tmp_path / "s1.zip", {"tanmeiling_LATE_101_9001_ps.ipynb": BOOK}))
    run(folder, tmp_path, archive(tmp_path / "s2.zip", {"tanmeiling_101_9001_ps.ipynb": BOOK}))
    assert not (folder.step("submitted", "meiling", "ps") / "timestamp.txt").exists()


def test_an_archive_that_takes_too_much_memory_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    class Greedy:
        def __enter__(self) -> Greedy:
            return self

        def __exit__(self, *_: object) -> None: ...

        def read(self, _: int) -> bytes:
            raise MemoryError

    hand_ins = (b"\xfd7zXZ\x00....", zipped({"ps.ipynb": BOOK}))
    monkeypatch.setattr("autograder.archives.lzma.open", lambda _: Greedy())
    monkeypatch.setattr(zipfile.ZipFile, "open", lambda *_: Greedy())
    for data in hand_ins:
        found = unpack(data, "greedy")
        assert not found.files and "too much memory" in found.notes[0]
