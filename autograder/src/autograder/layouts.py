"""What arrives: the files of a class as Canvas, Moodle, Gradescope, nbgrader or a mail folder give them.

Whose file it is comes from the platform's own prefix, folder or table, never from a name inside a student's
archive. So an archive is a class's only where the instructor named it, or it lies in nbgrader's folder for
such archives, and never where it is itself named as a platform names hand-ins.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from dateutil.tz import gettz

from autograder.archives import Bounds, Entry, class_entries, is_litter
from autograder.intake import MAX_FILE_BYTES, read_regular
from autograder.roster import Identity, valid_id

AUTO, CANVAS, MOODLE, GRADESCOPE, FOLDER, NBGRADER = (
    "auto",
    "canvas",
    "moodle",
    "gradescope",
    "folder",
    "nbgrader",
)
SOURCES = (AUTO, CANVAS, MOODLE, GRADESCOPE, FOLDER, NBGRADER)
CLASS_BOUNDS = Bounds(entries=100_000, file_bytes=MAX_FILE_BYTES, total_bytes=64 << 30)

CANVAS_NAME = re.compile(
    r"(?P<name>.+?)(?P<late>_late)?_(?P<user>\d+)_(?P<file_id>\d+)_(?P<file>.+)", re.I | re.S
)
#: As Canvas itself writes it: the name in small letters, numbers that are no date.
_CANVAS_OWN = re.compile(r"[^\W\dA-Z_]+(_LATE)?_[1-9]\d*_[1-9]\d{3,}_.*[^\W\d_].*\..+", re.S)
_CANVAS_TEXT = re.compile(
    r"(?P<name>.+?)(?P<late>_late)?_(?P<user>\d+)_(?P<file>(text|link|media)\w*\.html?)", re.I
)
_MOODLE = re.compile(
    r"(?P<name>[^_/]*)_(?P<user>\d+)_assignsubmission_(?P<plugin>file|onlinetext)(?:_?/|_)(?P<file>.+)", re.S
)
_EXCHANGE = re.compile(
    r"(?P<id>[^+/]+)\+(?P<assignment>[^+/]+)\+"
    r"(?P<when>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d[^+/]*)(?:\+[^/]*)?/(?P<file>.+)"
)
_GRADESCOPE = re.compile(r"(?:[^/]+/)*?(?P<submission>submission_\d+|\d{6,})/(?P<file>.+)")
_METADATA = re.compile(r"(?:[^/]+/)?submission_metadata\.yml")


@dataclass(frozen=True)
class Arrival:
    """One file of one student, still unread. `attempt` groups files that were handed in together; `order`
    sorts attempts.
    """

    where: str  # the archive or folder it came in
    member: str  # its name there
    identity: Identity | None
    file: str
    read: Callable[[], tuple[bytes | None, str]]
    attempt: str = ""
    order: int = 0
    when: datetime | None = None
    late: bool = False
    ignored: str = ""
    note: str = ""


def arrivals(
    paths: Iterable[Path],
    source: str,
    assignment: str,
    named: str = "",
    notes: list[str] | None = None,
    own: Path | None = None,
    is_students: Callable[[str], bool] | None = None,
) -> Iterator[Arrival]:
    """Every file in the paths, in the layout `source`. `named` is nbgrader's named_regexp, if one is
    configured.

    `own` is where our own copies lie; they are no hand-ins. `is_students` tells whether a file's name is that
    of somebody's hand-in; without it the name alone decides. `notes` gets a sentence on each archive that was
    read as a class's.
    """
    notes = notes if notes is not None else []
    is_students = is_students or named_as_hand_in
    for path in paths:
        if path.is_dir():
            yield from _of_folder(path, source, assignment, named, notes, own, is_students)
        elif (layout := _class_layout(path, source, is_students)) is not None:
            notes.append(f"{path.name} was read as the archive of a class ({layout})")
            yield from _of_archive(path, layout, assignment, notes)
        else:
            yield _single(path.parent.name, path.name, _file_reader(path), named)


def _class_layout(path: Path, source: str, is_students: Callable[[str], bool]) -> str | None:
    """The layout of a class's archive; None for what is no zip, or is the hand-in of one student."""
    if path.suffix.lower() != ".zip" or is_students(path.name):
        return None
    return guess_layout(path, source)


def named_as_hand_in(name: str) -> bool:
    """Whether Canvas or Moodle named a file so, and nobody else: archives of classes have dates in them."""
    return _CANVAS_OWN.fullmatch(name) is not None or _MOODLE.fullmatch(name) is not None


def identities_in(name: str, named: str) -> list[Identity]:
    """Whose a file may be by its name alone, in the ways of Canvas, Moodle and nbgrader's named_regexp."""
    found = [Identity(id=Path(name).stem, name=Path(name).stem)]
    groups = _groups(named, name)
    if groups:
        found.append(Identity(id=groups["student_id"] or ""))
    if canvas := CANVAS_NAME.fullmatch(name):
        found.append(Identity(name=canvas["name"]))
        if re.fullmatch(r"[1-9]\d{3,}", canvas["file_id"]):  # else it may be a date
            found.append(Identity(lms=canvas["user"], canvas=True))
    if moodle := _MOODLE.fullmatch(name):
        found += [Identity(name=moodle["name"].strip()), Identity(lms=moodle["user"])]
    return found


def guess_layout(path: Path, source: str) -> str | None:
    """The layout of a zip: the one that is asked for, else what its names tell; None for one student's own
    zip.
    """
    if source in (CANVAS, MOODLE, GRADESCOPE, NBGRADER):
        return source
    entries = zip(range(200), class_entries(path, CLASS_BOUNDS, []), strict=False)
    names = [entry.path for _, entry in entries if not is_litter(entry.path)]
    if source == FOLDER:
        return None if _students_root(names) is None else FOLDER
    return _layout_of(names, _around(names))


def _students_root(names: list[str]) -> str | None:
    """The part before one folder per student, "" or "submissions/"; None where there are no two such folders.

    One student's own archive may hold a folder, too, but seldom several and nothing beside them.
    """
    parts = [name.replace("\\", "/").split("/") for name in names]
    for depth in (0, 1):
        folders = {tuple(p[: depth + 1]) for p in parts}
        if all(len(p) > depth + 1 for p in parts) and len(folders) > 1:
            return "/".join(parts[0][:depth]) + "/" * depth
        if len(folders) != 1:
            break
    return None


def _layout_of(names: list[str], around: str = "") -> str | None:
    """The layout that names tell. What lies in one of several folders is a student's and tells nothing.

    `around` is a folder around everything.
    """
    if {"submission_metadata.yml", f"{around}submission_metadata.yml"} & set(names):
        return GRADESCOPE
    for layout, pattern in ((MOODLE, _MOODLE), (NBGRADER, _EXCHANGE)):
        if names and sum(bool(pattern.fullmatch(n)) for n in names) * 2 > len(names):
            return layout
    flat = [n.removeprefix(around) for n in names]
    flat = [n for n in flat if "/" not in n]
    if names and sum(bool(CANVAS_NAME.fullmatch(n) or _CANVAS_TEXT.fullmatch(n)) for n in flat) * 2 > len(
        names
    ):
        return CANVAS
    return None


def _of_archive(path: Path, layout: str, assignment: str, notes: list[str]) -> Iterator[Arrival]:
    if layout == GRADESCOPE:
        yield from _gradescope(path.name, lambda: class_entries(path, CLASS_BOUNDS, notes))
        return
    names = [e.path for e in class_entries(path, CLASS_BOUNDS, []) if not is_litter(e.path)]
    if layout == NBGRADER:
        root = _exchange_root(names, assignment)
    elif layout == FOLDER:
        root = _students_root(names) or ""
    else:
        root = _around(names)
    for entry in class_entries(path, CLASS_BOUNDS, notes):
        if is_litter(entry.path):
            continue
        if layout == FOLDER:
            name = entry.path.replace("\\", "/").removeprefix(root)
            yield _of_student_folder(path.name, name, entry, assignment)
        else:
            yield _arrival(path.name, entry, layout, assignment, root)


def _around(names: list[str]) -> str:
    """The one folder that holds everything, as "submissions/"; nothing if there is none."""
    first = {name.replace("\\", "/").partition("/")[::2] for name in names}
    folders = {folder for folder, rest in first}
    return f"{folders.pop()}/" if len(folders) == 1 and all(rest for _, rest in first) else ""


def _arrival(where: str, entry: Entry, layout: str, assignment: str, root: str = "") -> Arrival:
    name = entry.path.replace("\\", "/").removeprefix(root)
    if layout == CANVAS:
        if "/" in name:  # in the folder of one hand-in, where names say nothing
            return Arrival(where, entry.path, None, name, entry.read)
        return _canvas(where, name, entry)
    if layout == MOODLE:
        return _moodle(where, entry.path.replace("\\", "/"), entry)
    return _exchange(where, name, entry, assignment)


def _canvas(where: str, name: str, entry: Entry) -> Arrival:
    found = CANVAS_NAME.fullmatch(name)
    if found is None:
        text = _CANVAS_TEXT.fullmatch(name)
        why = "a text entered in Canvas, not a file" if text else "not named as Canvas names hand-ins"
        identity = Identity(lms=text["user"], name=text["name"], canvas=True) if text else None
        return Arrival(where, entry.path, identity, name, entry.read, ignored=why if text else "")
    identity = Identity(lms=found["user"], name=found["name"], canvas=True)
    late, file_id = bool(found["late"]), int(found["file_id"][:18])
    return Arrival(where, entry.path, identity, found["file"], entry.read, f"{where}", file_id, None, late)


def _moodle(where: str, name: str, entry: Entry) -> Arrival:
    found = next((m for at in _starts(name) if (m := _MOODLE.fullmatch(name[at:]))), None)
    if found is None:
        return Arrival(where, entry.path, None, name, entry.read)
    person = re.sub(r"^Participant ?\d*$", "", found["name"].strip())
    identity = Identity(lms=found["user"], name=person)
    ignored = "a text entered in Moodle, not a file" if found["plugin"] == "onlinetext" else ""
    return Arrival(where, entry.path, identity, found["file"], entry.read, where, 0, None, False, ignored)


def _starts(name: str) -> list[int]:
    """Where a Moodle prefix may begin: at the front, or after the first folder."""
    slash = name.find("/")
    return [0] if slash < 0 or "_assignsubmission_" in name[:slash] else [slash + 1, 0]


def _exchange_root(names: list[str], assignment: str) -> str:
    """The folders around an exchange's `student+assignment+time/` or a tree of STUDENT/ASSIGNMENT/.

    Only folders that hold everything: what lies in a student's own folder says nothing.
    """
    parts = [name.replace("\\", "/").split("/") for name in names]
    around: list[str] = []
    while True:
        depth = len(around)
        deep = [p for p in parts if len(p) > depth + 2]  # a file beside the students' folders says nothing
        if (
            not deep
            or len({p[depth] for p in deep}) != 1
            or any(_EXCHANGE.fullmatch("/".join(p[depth:])) or p[depth + 1] == assignment for p in deep)
        ):
            return "".join(f"{part}/" for part in around)
        around.append(deep[0][depth])


def _exchange(where: str, name: str, entry: Entry, assignment: str) -> Arrival:
    found = _EXCHANGE.fullmatch(name)
    if found:
        when, note = _written_time(found["when"])
        ignored = "" if found["assignment"] == assignment else f"for the assignment {found['assignment']}"
        identity, file = Identity(id=found["id"]), found["file"]
        return Arrival(
            where, entry.path, identity, file, entry.read, found["when"], 0, when, False, ignored, note
        )
    parts = name.split("/")
    if len(parts) > 2 and parts[1] == assignment:
        return Arrival(where, entry.path, Identity(id=parts[0]), "/".join(parts[2:]), entry.read, where)
    return Arrival(where, entry.path, None, name, entry.read)


def _gradescope(where: str, entries: Callable[[], Iterable[Entry]]) -> Iterator[Arrival]:
    tables: dict[str, bytes] = {}
    for entry in entries():
        if _METADATA.fullmatch(entry.path):
            tables[entry.path] = entry.read()[0] or b""
    own = min(tables, key=lambda path: path.count("/"), default="")  # a student's own lies deeper
    table = _metadata(tables.get(own, b""))
    for entry in entries():
        if is_litter(entry.path) or entry.path == own:
            continue
        found = _GRADESCOPE.fullmatch(entry.path.replace("\\", "/"))
        about = table.get(found["submission"]) if found else None
        if found is None or not isinstance(about, dict):
            yield Arrival(where, entry.path, None, entry.path, entry.read)
            continue
        people = about.get(":submitters")
        when = about.get(":created_at")
        late = bool(about.get(":late") or about.get(":lateness_in_seconds"))
        moment = _aware(when) if isinstance(when, datetime) else parse_time(str(when or ""))
        for person in people if isinstance(people, list) and people else [{}]:
            person = person if isinstance(person, dict) else {}
            number = str(person.get(":sid") or person.get(":email") or "")
            identity = Identity(
                lms=number, id=str(person.get(":email") or ""), name=str(person.get(":name") or "")
            )
            known = identity if number or identity.name else None
            yield Arrival(
                where, entry.path, known, found["file"], entry.read, found["submission"], 0, moment, late
            )


def _metadata(data: bytes) -> dict[str, Any]:
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        table = yaml.load(data.decode("utf-8", "replace"), Loader=loader)  # a safe loader
    except (yaml.YAMLError, ValueError, RecursionError):
        return {}
    return {str(k): v for k, v in table.items()} if isinstance(table, dict) else {}


def _of_folder(
    path: Path,
    source: str,
    assignment: str,
    named: str,
    notes: list[str],
    own: Path | None,
    is_students: Callable[[str], bool],
) -> Iterator[Arrival]:
    """A folder: an unpacked archive, nbgrader's downloaded/ or submitted/, one folder or one file per
    student.
    """
    downloaded = (path / assignment / "archive").is_dir()
    root = path / assignment / "archive" if downloaded else path
    inside = [p for p in root.iterdir() if not is_litter(p.name)]
    alone = source == AUTO and len(inside) == 1 and inside[0].is_dir() and not inside[0].is_symlink()
    if alone and not is_students(inside[0].name):
        names = [p.relative_to(inside[0]).as_posix() for p in inside[0].rglob("*") if p.is_file()]
        if _layout_of(names[:200]) is not None:  # an export unpacked with its folder
            root = inside[0]
    files = [p for p in sorted(root.rglob("*")) if not p.is_dir() or p.is_symlink()]
    files = [p for p in files if own is None or own.resolve() not in p.absolute().parents]
    relative = {p: p.relative_to(root).as_posix() for p in files}
    layout = source if source in (CANVAS, MOODLE, GRADESCOPE, NBGRADER) else None
    if source == AUTO:
        layout = _layout_of(list(relative.values())[:200])  # what lies in a folder here is a student's
    entries = {p: Entry(name, None, _file_reader(p)) for p, name in relative.items() if not is_litter(name)}
    if layout == GRADESCOPE:
        yield from _gradescope(root.name, lambda: entries.values())
        return
    if layout == NBGRADER and any((root / r.split("/")[0] / assignment).is_dir() for r in relative.values()):
        entries = {p: e for p, e in entries.items() if f"/{assignment}/" in f"/{e.path}"}
    around = _exchange_root([e.path for e in entries.values()], assignment) if layout == NBGRADER else ""
    for file, entry in entries.items():
        if downloaded and "/" not in entry.path and (inner := _class_layout(file, AUTO, is_students)):
            notes.append(f"{file.name} was read as the archive of a class ({inner})")
            yield from _of_archive(file, inner, assignment, notes)
        elif layout is not None:
            yield _arrival(root.name, entry, layout, assignment, around)
        elif "/" not in entry.path:
            yield _single(root.name, entry.path, entry.read, named)
        else:
            student = root / entry.path.split("/")[0]
            stamp = _stamp(student / "timestamp.txt") or _stamp(student / assignment / "timestamp.txt")
            yield _of_student_folder(root.name, entry.path, entry, assignment, stamp)


def _of_student_folder(where: str, name: str, entry: Entry, assignment: str, stamp: str = "") -> Arrival:
    """A file STUDENT/... or STUDENT/ASSIGNMENT/..."""
    parts = name.split("/")
    inside = parts[2:] if len(parts) > 2 and parts[1] == assignment else parts[1:]
    identity = Identity(id=parts[0], name=parts[0])
    when, note = _written_time(stamp)
    file = "/".join(inside)
    return Arrival(where, entry.path, identity, file, entry.read, parts[0], 0, when, note=note)


def _single(where: str, name: str, read: Callable[[], tuple[bytes | None, str]], named: str) -> Arrival:
    """A file by itself: nbgrader's named_regexp tells whose it is; Canvas's or Moodle's prefix; else the
    name as it stands.
    """
    groups = _groups(named, name)
    if groups:
        file = _own_name(name, groups)
        stamp = groups.get("timestamp") or ""
        when, note = _written_time(stamp)
        person = " ".join(x for x in (groups.get("first_name"), groups.get("last_name")) if x)
        identity = Identity(id=groups["student_id"] or "", name=person)
        return Arrival(where, name, identity, file, read, stamp or where, 0, when, note=note)
    entry = Entry(name, None, read)
    for layout in (_moodle, _canvas):
        arrival = layout(where, name, entry)
        if arrival.identity is not None:
            return arrival
    return Arrival(where, name, Identity(name=name), name, read, where)


def _groups(named: str, name: str) -> dict[str, str | None]:
    """What nbgrader's named_regexp finds in a file's name; nothing unless it tells a student."""
    try:
        found = re.match(named, name) if named else None
    except re.error:
        found = None
    groups = found.groupdict() if found else {}
    return groups if groups.get("student_id") else {}


def _own_name(name: str, groups: dict[str, str | None]) -> str:
    """The student's own file name: nbgrader's file_id with the ending, or the whole name."""
    file_id = groups.get("file_id")
    if not file_id:
        return name
    ending = "".join(Path(name).suffixes[-1:])
    return file_id if file_id.endswith(ending) else f"{file_id}{ending}"


def _file_reader(path: Path) -> Callable[[], tuple[bytes | None, str]]:
    def read() -> tuple[bytes | None, str]:
        data = read_regular(str(path))
        why = (
            "was left out: it is a link or a device, can't be read, or is larger than "
            f"{MAX_FILE_BYTES >> 20} MB"
        )
        return data, "" if data is not None else why

    return read


def _stamp(path: Path) -> str:
    data = read_regular(str(path)) if path.exists() and not path.is_symlink() else None
    return data[:100].decode("utf-8", "replace").strip() if data else ""


def _written_time(text: str) -> tuple[datetime | None, str]:
    """The moment that was written there, and a sentence if there is something that can't be read."""
    moment = parse_time(text)
    return moment, unread_time(text) if moment is None and text else ""


def unread_time(text: str) -> str:
    """What to say of a time that can't be read."""
    return f"the time {text!r} can't be read, so this never counts as late"


_FORMATS = (
    "%Y-%m-%d-%H-%M-%S",
    "%A, %d %B %Y, %I:%M %p",
    "%A, %d %B %Y, %H:%M",
    "%A, %B %d, %Y, %I:%M %p",
    "%d %B %Y, %I:%M %p",
    "%d/%m/%Y %H:%M",
)


def parse_time(text: str, zone: Any = UTC) -> datetime | None:
    """The moment that a platform wrote, or None; without a zone it is taken as in `zone`.

    Zones have their names of the tz database, such as CET or Europe/Berlin, as for nbgrader.
    """
    text = " ".join(text.replace("\u202f", " ").split())
    if not text or text == "-":
        return None
    named = re.fullmatch(r"(\d.*\d) ([A-Z]\w*(?:/\w+)*)", text)
    if named and named[2] not in ("AM", "PM", "Z"):
        found = gettz(named[2])
        return parse_time(named[1], found) if found else None
    try:
        return _aware(datetime.fromisoformat(re.sub(r" Z$", "+00:00", text)), zone)
    except ValueError:
        pass
    for form in _FORMATS:
        try:
            return _aware(datetime.strptime(text, form), zone)
        except ValueError:
            continue
    return None


def _aware(moment: datetime, zone: Any = UTC) -> datetime | None:
    """The moment with a zone; None for one at the ends of time, which other zones can't tell."""
    moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=zone)
    try:
        moment.astimezone(UTC)
    except (OverflowError, ValueError):
        return None
    return moment


def loose_identity(name: str, roster_ids: Iterable[str], words: Iterable[str]) -> str:
    """The one student id that stands as a whole word in a file name from which the assignment's words were
    taken.
    """
    text = name.casefold()
    for word in sorted(words, key=len, reverse=True):
        before = "(?<![a-z0-9])" if word[:1].isalnum() else ""
        text = re.sub(rf"{before}{re.escape(word.casefold())}(?![a-z0-9])", " ", text)
    found = [
        s
        for s in roster_ids
        if valid_id(s) and re.search(rf"(?<![a-z0-9]){re.escape(s.casefold())}(?![a-z0-9])", text)
    ]
    longest = [s for s in found if not any(s != o and s.casefold() in o.casefold() for o in found)]
    return longest[0] if len(longest) == 1 else ""
