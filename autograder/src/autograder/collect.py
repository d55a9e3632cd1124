"""`course collect`: what a platform gives becomes submitted/STUDENT/ASSIGNMENT; the originals are kept,
each with a receipt.

Everything is under downloaded/ASSIGNMENT/collected: originals/ (as they came), unmatched/ (nobody's yet),
receipts.jsonl (one line per file), laid_down.json. The latest attempt in time is laid down; an older one
never replaces a newer one, whichever is collected first.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from autograder.archives import (
    Bounds,
    Unpacked,
    archive_kind,
    is_archive,
    is_litter,
    safe_path,
    unpack,
    without_common_folder,
)
from autograder.course_folder import Assignment, CourseFolder, quiet_nbgrader
from autograder.errors import CourseError
from autograder.intake import BOOKS, MAX_FILE_BYTES, MAX_FILES, MAX_TOTAL_BYTES, plain_stem
from autograder.late import due_date, read_rule
from autograder.layouts import (
    AUTO,
    CANVAS,
    FOLDER,
    SOURCES,
    Arrival,
    arrivals,
    identities_in,
    loose_identity,
    named_as_hand_in,
    parse_time,
    unread_time,
)
from autograder.roster import NOT_LISTED, Identity, Person, Roster, read_roster, valid_id

TAKEN, OLDER, ALREADY, UNMATCHED, IGNORED, REFUSED = (
    "taken",
    "older",
    "already",
    "unmatched",
    "ignored",
    "refused",
)
RECEIPTS = "receipts.jsonl"
LAID_DOWN = "laid_down.json"  # by student, a hash of what was last written to submitted/


@dataclass
class Receipt:
    """One file that came in: whose it is and why, when, what became of it, and where the original lies."""

    file: str
    archive: str
    member: str
    student: str = ""
    matched_by: str = ""
    attempt: str = ""
    order: int = 0
    handed_in: str = ""
    late: bool = False
    sha256: str = ""
    bytes: int = 0
    stored: str = ""
    status: str = TAKEN
    identity: str = ""
    nearest: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    collected: str = ""
    assumed: bool = False  # the platform gave no time; handed_in says no more than that it was late


@dataclass
class Collection:
    """What one run did."""

    assignment: str
    receipts: list[Receipt]
    notes: list[str]
    missing: list[str]
    written: list[str]

    def of(self, status: str) -> list[Receipt]:
        return [r for r in self.receipts if r.status == status]

    @property
    def anybodys(self) -> list[Receipt]:
        """The files that belong to a student of the class."""
        return [r for r in self.receipts if r.student]

    def to_json(self) -> dict[str, Any]:
        return {
            "assignment": self.assignment,
            "written": self.written,
            "not_handed_in": self.missing,
            "notes": self.notes,
            "receipts": [asdict(r) for r in self.receipts],
        }


@dataclass
class _Attempt:
    """Files that one student handed in together."""

    key: str
    files: list[Receipt]

    @property
    def when(self) -> str:
        """The moment that the platform gave, or nothing."""
        return max("" if r.assumed else r.handed_in for r in self.files)

    @property
    def order(self) -> int:
        """The platform's own number of it, where there is one."""
        return max(r.order for r in self.files)

    @property
    def collected(self) -> str:
        return max(r.collected for r in self.files)


def latest(attempts: Iterable[_Attempt]) -> _Attempt:
    """The last of a student's attempts, which come as they were collected.

    Of those with a time the last by the clock, of those without that have the platform's numbers the highest;
    of what is left the last to be collected.
    """
    rest = list(attempts)
    timed = sorted((a for a in rest if a.when), key=lambda a: (a.when, a.order, a.collected))
    rest = [a for a in rest if not a.when or a is timed[-1]]
    numbered = sorted((a for a in rest if a.order), key=lambda a: (a.order, a.collected))
    rest = [a for a in rest if not a.order or a is numbered[-1]]
    return sorted(rest, key=lambda a: a.collected)[-1]  # sorting is stable: of equals the last


def collect(
    folder: CourseFolder,
    assignment_name: str,
    paths: Iterable[Path],
    source: str = AUTO,
    roster_path: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Collection:
    """Collect a class. Raises CourseError for a wrong layout's name, a missing file or an unknown
    assignment.
    """
    if source not in SOURCES:
        raise CourseError(f"{source} is not a layout.", f"Known: {', '.join(SOURCES)}.")
    paths = [Path(p) for p in paths]
    for path in paths:
        if not path.exists():
            raise CourseError(
                f"{path} does not exist.", "Name the archive or folder that the platform gave you."
            )
    assignment = folder.assignment(assignment_name)
    return _Collector(folder, assignment, roster_path).run(paths, source, progress)


class _Collector:
    def __init__(self, folder: CourseFolder, assignment: Assignment, roster_path: Path | None) -> None:
        self.folder = folder
        self.assignment = assignment
        self.notes: list[str] = []
        self.roster = read_roster(folder, roster_path, self.notes)
        self.base = collected_folder(folder, assignment.name)
        self.base.mkdir(parents=True, exist_ok=True)
        self.due = due_date(folder, assignment.name)
        rule = read_rule(folder.root / "course.toml")
        self.grace = timedelta(minutes=rule.grace_minutes if rule else 0)
        self.laid_down = _read_json(self.base / LAID_DOWN)
        self.now = datetime.now(UTC).isoformat(timespec="seconds")
        self.before = read_receipts(folder, assignment.name)
        self.hashes: dict[str, str] = {}
        self.named = _named_regexp(folder)

    def run(self, paths: list[Path], source: str, progress: Callable[[int], None] | None) -> Collection:
        if not self.roster.people:
            self.notes.append(
                "There is no class list yet, so no file can be given to anybody: add --roster FILE.csv (any "
                "platform's table), or nbgrader's students, and collect again."
            )
        name = self.assignment.name
        fresh: list[Receipt] = []
        by_path = {p.name: p for p in paths if p.is_file()}
        for count, arrival in enumerate(
            arrivals(paths, source, name, self.named, self.notes, self.base, self._is_students),
            start=1,
        ):
            receipt = self._receive(arrival, by_path)
            fresh.append(receipt)
            if progress:
                progress(count)
        self._mark_known(fresh)
        attempts = self._attempts([r for r in [*self.before, *fresh] if r.status in (TAKEN, OLDER)])
        touched = {r.student for r in fresh if r.status in (TAKEN, ALREADY)}
        written = []
        for student in sorted(touched):
            mine = attempts.get(student, [])
            if not mine:
                continue
            last = latest(mine)
            for attempt in mine:
                for receipt in attempt.files:
                    receipt.status = TAKEN if attempt is last else OLDER
            if self._lay_down(student, last):
                written.append(student)
        self._write_receipts(fresh)
        _write_atomically(self.base / LAID_DOWN, json.dumps(self.laid_down, indent=1, sort_keys=True))
        self._enrol()
        handed = {r.student for r in [*self.before, *fresh] if r.status in (TAKEN, OLDER, ALREADY)}
        missing = sorted(s for s in self.roster.people if s not in handed)
        return Collection(self.assignment.name, fresh, self.notes, missing, written)

    def _is_students(self, name: str) -> bool:
        """Whether a file is called as a hand-in of somebody in the class, or of several."""
        if not self.roster.people:
            return named_as_hand_in(name)
        return bool(self._loose(name)) or any(
            self.roster.find(identity)[1] != NOT_LISTED for identity in identities_in(name, self.named)
        )

    def _loose(self, name: str) -> str:
        """The one student id that stands in a file's name."""
        names = [self.assignment.name, *(n.name for n in self.assignment.notebooks)]
        return loose_identity(name, self.roster.people, [*names, "copy of", ".ipynb", ".zip"])

    # -- one file --------------------------------------------------------------------------------------------

    def _receive(self, arrival: Arrival, by_path: dict[str, Path]) -> Receipt:
        receipt = Receipt(
            file=safe_path(arrival.file) or "",
            archive=arrival.where,
            member=arrival.member.encode("utf-8", "replace").decode(),
            order=arrival.order,
            identity=str(arrival.identity or ""),
            collected=self.now,
        )
        person = self._whose(arrival, receipt)
        receipt.student = person.id if person else ""
        moment = arrival.when or (self._moodle_time(person, receipt) if person else None)
        receipt.handed_in = moment.astimezone(UTC).isoformat(timespec="seconds") if moment else ""
        receipt.late = arrival.late or bool(moment and self.due and moment > self.due)
        if arrival.late and moment is None:
            self._late_without_time(receipt)
        data, note = arrival.read()
        receipt.notes += [text for text in (arrival.note, note) if text]
        if data is None:
            receipt.status = REFUSED
            return receipt
        receipt.bytes, receipt.sha256 = len(data), hashlib.sha256(data).hexdigest()
        if not receipt.file:
            receipt.file = f"file-{receipt.sha256[:8]}"
            receipt.notes.append("its name leads out of the hand-in; it was stored under another")
        where = by_path.get(arrival.where)
        receipt.attempt = f"{arrival.attempt}#{self._hash(where)[:8] if where is not None else self.now}"
        if arrival.ignored or arrival.file == "timestamp.txt":
            receipt.status = IGNORED if person or arrival.ignored else UNMATCHED
            receipt.notes.append(
                arrival.ignored or "a time written by the platform or the student, not a hand-in"
            )
        elif person is None:
            receipt.status = UNMATCHED
        self._store(receipt, data)
        return receipt

    def _whose(self, arrival: Arrival, receipt: Receipt) -> Person | None:
        identity = arrival.identity
        if identity is None:
            receipt.status = UNMATCHED
            receipt.notes.append("the name says not whose it is")
            return None
        person, how = self.roster.find(identity)
        if person is None and identity.name == arrival.file and not identity.id and not identity.lms:
            found = self._loose(arrival.file)
            if found:
                person, how = self.roster.people[found], "id in the file's name"
        if (
            person is None
            and identity.id
            and how == NOT_LISTED
            and valid_id(identity.id)
            and not self.roster.given
            and "@" not in identity.id
        ):
            person, how = Person(identity.id), "id, not in the gradebook before"
        if person is None:
            receipt.status = UNMATCHED
            receipt.notes.append(how)
            receipt.nearest = self.roster.nearest(identity)
        else:
            receipt.matched_by = how
        return person

    def _moodle_time(self, person: Person, receipt: Receipt) -> datetime | None:
        if person.when in ("", "-"):
            return None
        moment = parse_time(person.when, self.due.tzinfo if self.due and self.due.tzinfo else UTC)
        if moment is None:
            receipt.notes.append(unread_time(person.when))
        return moment

    def _late_without_time(self, receipt: Receipt) -> None:
        if self.due is None:
            receipt.notes.append("late, says the platform, without a time; no due date is known here")
            return
        moment = self.due + self.grace + timedelta(seconds=1)
        receipt.handed_in, receipt.assumed = moment.astimezone(UTC).isoformat(timespec="seconds"), True
        receipt.notes.append("late, says the platform, without a time; counted as one second too late")

    def _hash(self, path: Path) -> str:
        key = str(path)
        if key not in self.hashes:
            digest = hashlib.sha256()
            with open(path, "rb") as file:
                while piece := file.read(1 << 20):
                    digest.update(piece)
            self.hashes[key] = digest.hexdigest()
        return self.hashes[key]

    def _store(self, receipt: Receipt, data: bytes) -> None:
        """Keep the file as it came, under its hash, read-only."""
        home = self.base / "originals" / receipt.student if receipt.student else self.base / "unmatched"
        home.mkdir(parents=True, exist_ok=True)
        target = home / f"{receipt.sha256[:12]}-{receipt.file.rsplit('/', 1)[-1]}"
        receipt.stored = target.relative_to(self.base).as_posix()
        if not target.exists():
            fd, name = tempfile.mkstemp(dir=home)
            with os.fdopen(fd, "wb") as file:
                file.write(data)
            os.chmod(name, 0o444)
            os.replace(name, target)

    # -- attempts --------------------------------------------------------------------------------------------

    def _attempts(self, receipts: list[Receipt]) -> dict[str, list[_Attempt]]:
        found: dict[str, dict[str, _Attempt]] = {}
        for receipt in receipts:
            mine = found.setdefault(receipt.student, {})
            key = f"{receipt.attempt} {receipt.handed_in}"
            mine.setdefault(key, _Attempt(key, [])).files.append(receipt)
        return {student: list(mine.values()) for student, mine in found.items()}

    def _mark_known(self, fresh: list[Receipt]) -> None:
        """Attempts that were collected before, file for file, are not collected twice."""

        def contents(attempt: _Attempt) -> tuple[str, frozenset[tuple[str, str, int]]]:
            return attempt.files[0].handed_in, frozenset((r.file, r.sha256, r.order) for r in attempt.files)

        old = self._attempts([r for r in self.before if r.status in (TAKEN, OLDER)])
        for student, attempts in self._attempts([r for r in fresh if r.status == TAKEN]).items():
            known = {contents(a) for a in old.get(student, [])}
            # without a time, such as without the worksheet, it is the one that is known with a time
            known |= {("", contents(a)[1]) for a in old.get(student, []) if a.when}
            for attempt in attempts:
                if contents(attempt) in known:
                    for receipt in attempt.files:
                        receipt.status = ALREADY

    def _lay_down(self, student: str, attempt: _Attempt) -> bool:
        """Write submitted/STUDENT/ASSIGNMENT from the originals, as a whole; false if it is there already.

        What was laid down before and was mended by a person since stays, until there is a newer attempt.
        """
        files: dict[str, bytes] = {}
        self.unpacked: Unpacked | None = None  # the archives of one attempt share what they may hold
        for receipt in sorted(attempt.files, key=lambda r: r.order):
            data = (self.base / receipt.stored).read_bytes()
            self._unpacked(receipt, data, files)
        files = self._canonical(files, attempt)
        when = max(r.handed_in for r in attempt.files)
        if when:
            files["timestamp.txt"] = f"{datetime.fromisoformat(when):%Y-%m-%d %H:%M:%S} UTC\n".encode()
        target = self.folder.step("submitted", student, self.assignment.name)
        digest = _digest(files)
        known, self.laid_down[student] = self.laid_down.get(student), digest
        if _same_files(target, files) or (known == digest and target.is_dir() and any(target.iterdir())):
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))
        try:
            for name, data in files.items():
                path = fresh / name
                try:
                    path.parent.mkdir(parents=True, exist_ok=True)
                    path.write_bytes(data)
                except OSError as error:
                    attempt.files[-1].notes.append(f"{name} could not be written ({error.strerror})")
            fresh.chmod(0o755)
            if os.path.lexists(target):
                self._set_aside(student, target, known)
            os.rename(fresh, target)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        return True

    def _unpacked(self, receipt: Receipt, data: bytes, files: dict[str, bytes]) -> None:
        if is_archive(receipt.file, data) and not _is_data(receipt.file, self.assignment):
            room = MAX_TOTAL_BYTES - sum(map(len, files.values()))
            found = self.unpacked = unpack(
                data, receipt.file, Bounds(MAX_FILES, MAX_FILE_BYTES, room), self.unpacked
            )
            _add(receipt.notes, found.notes)
            inner = without_common_folder(found.files)
            files.update({name: d for name, d in inner.items() if name.rsplit("/", 1)[-1] != "timestamp.txt"})
            if found.files or archive_kind(data) not in ("zip", "tar", "gzip", "bz2", "xz"):
                return
        files[receipt.file] = data

    def _canonical(self, files: dict[str, bytes], attempt: _Attempt) -> dict[str, bytes]:
        """A notebook under a mangled name gets its own back, where there is no doubt which it is; personal
        data go.
        """
        named = dict(files)
        books = [p for p in named if p.lower().endswith(BOOKS[0])]
        for notebook in self.assignment.notebooks:
            wanted = f"{notebook.name}.ipynb"
            if wanted in named:
                continue
            alike = [
                p
                for p in books
                if plain_stem(p) == notebook.name or plain_stem(p).endswith(f"_{notebook.name}")
            ]
            if not alike and len(self.assignment.notebooks) == 1:
                alike = books
            if len(alike) == 1:
                named[wanted] = named.pop(alike[0])
                _add(attempt.files[-1].notes, [f"{alike[0]} was laid down as {wanted}"])
        return {
            p: without_personal_data(d) if p.lower().endswith(BOOKS[0]) else d
            for p, d in named.items()
            if not is_litter(p)
        }

    def _set_aside(self, student: str, target: Path, known: str | None) -> None:
        """What lay there before is never thrown away unless it is just what was laid down from here."""
        if known and not target.is_symlink() and target.is_dir() and _digest(_files_in(target)) == known:
            shutil.rmtree(target)
            return
        aside = self.base / "replaced"
        aside.mkdir(exist_ok=True)
        number = len(list(aside.iterdir()))
        os.rename(target, aside / f"{student}-{number}")
        self.notes.append(
            f"{student}: what lay in {target} before was moved to {aside / f'{student}-{number}'}"
        )

    # -- records ---------------------------------------------------------------------------------------------

    def _write_receipts(self, fresh: list[Receipt]) -> None:
        lines = [json.dumps(asdict(r), ensure_ascii=False) for r in [*self.before, *fresh]]
        _write_atomically(self.base / RECEIPTS, "".join(f"{line}\n" for line in lines))

    def _enrol(self) -> None:
        if not self.roster.given:
            return
        from nbgrader.api import Gradebook

        with quiet_nbgrader(), Gradebook(self.folder.db_url, self.folder.paths.course_id) as book:
            for p in self.roster.people.values():
                facts = {
                    "first_name": p.first,
                    "last_name": p.last,
                    "email": p.email,
                    "lms_user_id": p.number,
                }
                book.update_or_create_student(p.id, **{k: v for k, v in facts.items() if v})


def _add(notes: list[str], more: Iterable[str]) -> None:
    notes.extend(n for n in more if n not in notes)


def _is_data(name: str, assignment: Assignment) -> bool:
    return name in assignment.files


def _same_files(target: Path, files: dict[str, bytes]) -> bool:
    return not target.is_symlink() and target.is_dir() and _files_in(target) == files


def _files_in(folder: Path) -> dict[str, bytes | None]:
    """The files below a folder; None for what is none, such as a link."""
    return {
        p.relative_to(folder).as_posix(): p.read_bytes() if p.is_file() and not p.is_symlink() else None
        for p in folder.rglob("*")
        if not p.is_dir() or p.is_symlink()
    }


def _digest(files: Mapping[str, bytes | None]) -> str:
    facts = sorted((name, hashlib.sha256(data or b"").hexdigest()) for name, data in files.items())
    return hashlib.sha256(repr(facts).encode()).hexdigest()


def _read_json(path: Path) -> dict[str, str]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _write_atomically(path: Path, text: str) -> None:
    fd, name = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    os.replace(name, path)


def _named_regexp(folder: CourseFolder) -> str:
    found = folder.config.get("FileNameCollectorPlugin", {}).get("named_regexp", "")
    return found if isinstance(found, str) else ""


def collected_folder(folder: CourseFolder, assignment: str) -> Path:
    """Where originals and receipts lie: beside what nbgrader's own zip_collect keeps."""
    return folder.root / "downloaded" / assignment / "collected"


def read_receipts(folder: CourseFolder, assignment: str) -> list[Receipt]:
    """The receipts of all collections so far, oldest first."""
    path = collected_folder(folder, assignment) / RECEIPTS
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(Receipt(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def without_personal_data(data: bytes) -> bytes:
    """The notebook without Colab's executionInfo (a name and a number) and widgets without state; else as it
    is.
    """
    if b"executionInfo" not in data and b'"widgets"' not in data:
        return data
    try:
        raw = json.loads(data)
    except (ValueError, RecursionError):
        return data
    if not isinstance(raw, dict) or not isinstance(raw.get("cells"), list):
        return data
    for cell in raw["cells"]:
        if isinstance(cell, dict) and isinstance(cell.get("metadata"), dict):
            cell["metadata"].pop("executionInfo", None)
    metadata = raw.get("metadata")
    if isinstance(metadata, dict):
        widgets = metadata.get("widgets")
        kept = widgets.get("application/vnd.jupyter.widget-state+json") if isinstance(widgets, dict) else None
        if "widgets" in metadata and not (isinstance(kept, dict) and "state" in kept):
            del metadata["widgets"]
    return json.dumps(raw, indent=1, ensure_ascii=False).encode("utf-8", "replace")


__all__ = ["CANVAS", "FOLDER", "Collection", "Identity", "Receipt", "Roster", "collect", "read_receipts"]
