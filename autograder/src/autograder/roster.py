"""Who is in the class, and whose hand-in this is. Nobody is ever guessed: a match is exact and has one
owner, or it is none.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rapidfuzz import fuzz

from autograder.course_folder import CourseFolder, quiet_nbgrader
from autograder.errors import CourseError

#: Column titles of nbgrader's, Canvas's, Moodle's and Gradescope's tables, in small letters.
_COLUMNS = {
    "id": ("student_id", "username", "sis login id", "sis user id", "sid", "student id", "id number"),
    "first": ("first_name", "first name", "given name"),
    "last": ("last_name", "last name", "surname", "family name"),
    "name": ("name", "full name", "student", "student name"),
    "email": ("email", "email address", "e-mail"),
    "lms": (
        "lms_user_id",
        "identifier",
        "canvas id",
        "canvas_user_id",
        "sis user id",
        "sis login id",
        "sid",
        "id number",
    ),
}
NEAREST = 3
NOT_LISTED = "not in the class list"


@dataclass(frozen=True)
class Person:
    """A member of the class.

    `lms` are the names by which a learning platform may call them, `number` is its own one, `aliases` are
    those of the university, which are not Canvas's numbers.
    """

    id: str
    first: str = ""
    last: str = ""
    email: str = ""
    lms: frozenset[str] = frozenset()
    number: str = ""
    aliases: frozenset[str] = frozenset()
    when: str = ""  # Moodle's worksheet says when the work was handed in

    @property
    def name(self) -> str:
        return f"{self.first} {self.last}".strip() or self.id


@dataclass(frozen=True)
class Identity:
    """What a platform says about whose file this is: a number or address of its own, an id, a name.

    `canvas`: the number is Canvas's own, and nobody's at the university.
    """

    lms: str = ""
    id: str = ""
    name: str = ""
    canvas: bool = False

    def __str__(self) -> str:
        return " ".join(part for part in (self.name, self.id, f"({self.lms})" if self.lms else "") if part)


@dataclass
class Roster:
    """The class list. `given` says that the instructor named one, so that an unknown id is no student."""

    people: dict[str, Person] = field(default_factory=dict)
    given: bool = False

    def find(self, identity: Identity) -> tuple[Person | None, str]:
        """The one person of that identity, and how; or None and what stands in the way."""
        found: dict[str, str] = {}
        if identity.lms:
            for person in self.people.values():
                numbers = person.lms if identity.canvas else person.lms | person.aliases
                if identity.lms in numbers or (
                    person.email and identity.lms.casefold() == person.email.casefold()
                ):
                    found.setdefault(person.id, "the platform's number")
        if identity.id and not found:
            for person in self.people.values():
                if identity.id == person.id or identity.id.casefold() in {
                    person.email.casefold(),
                    *person.lms,
                    *person.aliases,
                }:
                    found.setdefault(person.id, "id")
        named = self._by_name(identity.name) if identity.name else []
        if len(found) > 1 and named:  # one number, two people: the name tells
            found = {p.id: found[p.id] for p in named if p.id in found} or found
        if found and named and not set(found) & {p.id for p in named}:
            return (
                None,
                f"the number is {_names(self, found)}'s, the name {_names(self, [p.id for p in named])}'s",
            )
        if not found and not (identity.lms and any(p.lms for p in named)):
            found = {p.id: "name" for p in named}
        elif not found and named:
            return None, "the name is known, but under another number"
        if len(found) == 1:
            student, how = next(iter(found.items()))
            return self.people[student], how
        return None, "several students have this name" if found else NOT_LISTED

    def _by_name(self, name: str) -> list[Person]:
        wanted = _folded(name)
        return [p for p in self.people.values() if wanted and wanted in _spellings(p)]

    def nearest(self, identity: Identity) -> list[str]:
        """The names most like it, for a person to choose from."""
        wanted = _folded(identity.name or identity.id)
        scored = [
            (max((fuzz.ratio(wanted, s) for s in _spellings(p)), default=0.0), p.id)
            for p in self.people.values()
        ]
        return [
            student for score, student in sorted(scored, key=lambda s: (-s[0], s[1]))[:NEAREST] if score >= 40
        ]


def _names(roster: Roster, ids: Iterable[str]) -> str:
    return ", ".join(roster.people[i].name for i in ids)


def _folded(text: str) -> str:
    """Letters and digits, no accents, in small letters: how platforms write names into file names."""
    plain = unicodedata.normalize(
        "NFKD", text.casefold().replace("ß", "ss").replace("ı", "i").replace("ł", "l").replace("ø", "o")
    )
    return "".join(c for c in plain if c.isalnum())


def _spellings(person: Person) -> set[str]:
    first, last = _folded(person.first), _folded(person.last)
    return {s for s in (first + last, last + first) if first and last} | {
        s for s in (_folded(person.id),) if s
    }


def valid_id(text: str) -> bool:
    """Whether a text may be a student's id: a folder of that name is made, and nbgrader splits at plus
    signs.
    """
    return bool(re.fullmatch(r"[\w@][\w.@ -]{0,98}[\w@-]|[\w@]", text)) and ".." not in text


def read_roster(folder: CourseFolder, path: Path | None, notes: list[str] | None = None) -> Roster:
    """The class list: the table the instructor names, and everybody whom the gradebook knows by name.

    `notes` gets a sentence on rows that were left out.
    """
    roster = Roster()
    from nbgrader.api import Gradebook

    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        for s in book.students:
            number = s.lms_user_id or ""
            lms = frozenset({number} - {""})
            names = (s.id, s.first_name or "", s.last_name or "", s.email or "")
            roster.people[s.id] = Person(*names, lms, number)
    if path is not None:
        roster.given = True
        listed = roster_table(path, notes)
        for person in listed:
            known = roster.people.get(person.id) or next(
                (
                    p
                    for p in roster.people.values()
                    if p.email and p.email.casefold() == person.email.casefold()
                ),
                None,
            )
            if known is not None:
                person = Person(
                    known.id,
                    person.first or known.first,
                    person.last or known.last,
                    person.email or known.email,
                    person.lms | known.lms,
                    person.number or known.number,
                    person.aliases | known.aliases | ({person.id} - {known.id}),
                    person.when,
                )
            roster.people[person.id] = person
    return roster


def roster_table(path: Path, notes: list[str] | None = None) -> list[Person]:
    """The people in a CSV: nbgrader's students.csv, a Canvas gradebook, a Moodle worksheet, a Gradescope
    roster.

    `notes` gets a sentence on those whose id can't be a student's.
    """
    rows = read_csv(path)
    people: list[Person] = []
    left_out: list[str] = []
    for row in rows:
        low = {
            (key or "").strip().casefold(): (value or "").strip()
            for key, value in row.items()
            if isinstance(value, str)
        }
        canvas = "student" in low and "id" in low
        own = {key: [low[title] for title in titles if low.get(title)] for key, titles in _COLUMNS.items()}
        # Canvas calls people by its own number alone; the university's may be somebody else's there.
        aliases = frozenset(own["lms"] if canvas else ())
        lms = {low.get("id", "")} - {""} if canvas else set(own["lms"])
        number = low.get("id", "") if canvas else next(iter(own["lms"]), "")
        if participant := re.fullmatch(
            r"\D*?(\d+)", low.get("identifier", "")
        ):  # "Participant 123", in any language
            number = participant[1]
            lms.add(number)
        email = next(iter(own["email"]), "")
        student = "" if canvas else low.get("id", "")
        student = student or next(iter(own["id"]), "") or email.split("@")[0] or low.get("id", "")
        first, last = next(iter(own["first"]), ""), next(iter(own["last"]), "")
        name = next(iter(own["name"]), "")
        if name and not (first or last):
            last, _, first = (
                name.partition(",") if "," in name else (name.rpartition(" ")[2], "", name.rpartition(" ")[0])
            )
        if not student or name.casefold() in ("points possible", "student, test"):
            continue
        if not valid_id(student):
            left_out.append(student)
            continue
        when = low.get("last modified (submission)", "")
        names = (student, first.strip(), last.strip(), email)
        people.append(Person(*names, frozenset(lms - {student}), number, aliases - {student}, when))
    if left_out and notes is not None:
        notes.append(
            f"{path.name}: {', '.join(left_out)} can't be the id of a student (letters, digits and . _ - @ "
            "only) and was left out; give another id in the table"
        )
    if not people:
        raise CourseError(
            f"{path} names no student.",
            "It needs a header line with id, first_name, last_name, email, or the platform's own export.",
        )
    return people


def read_csv(path: Path) -> list[dict[str, str]]:
    """The rows of a table with a header line, whatever its encoding and separator."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CourseError(f"{path} can't be read ({error.strerror}).") from None
    text = decoded(data)
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator(text)))


def decoded(data: bytes) -> str:
    """The text of a table: UTF-16 or UTF-8 with or without a mark, else Western European."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def separator(text: str) -> str:
    """Comma, semicolon or tab: what the header line uses most."""
    header = text.split("\n", 1)[0]
    return max(",;\t", key=header.count)
