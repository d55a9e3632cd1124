"""Read an authored notebook (a jupytext percent file) into cells that know their role."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jupytext

from autograder.errors import CourseError
from autograder.names import plain_python

# What a cell may be, with the settings that its marker line takes.
KNOWN_SETTINGS: dict[str, set[str]] = {
    "prose": set(),
    "setup": set(),
    "exercise": {"exercise", "minutes", "difficulty"},
    "test": {"test", "points"},
    "experiment": set(),
    "question": {"question", "points", "minutes"},
    "submit": set(),
}
MARKERS = ("SOLUTION", "HIDDEN TESTS", "MARK SCHEME")
_PLAIN_ROLES = ("setup", "experiment", "submit")
_QUESTION_NAME = re.compile(r"[a-z][a-z0-9_-]{0,49}")
_NUMBERING = re.compile(r"^(?:exercise|question|experiment|section|part)?\s*\d[\d.]*\s*[.:)·-]*\s*")
_CELL_LINE = re.compile(r"#\s*%%")
_JUPYTEXT_NOISE = {"title", "lines_to_next_cell", "lines_to_end_of_cell_marker", "cell_depth"}


@dataclass(frozen=True)
class SourceCell:
    """One cell of an authored notebook.

    `line` is the line of the percent file where the cell's text starts (0 if unknown). `id` is stable: it
    comes from the name of the exercise, test or question, for others from the heading they stand under.
    """

    role: str
    source: str
    id: str
    line: int = 0
    markdown: bool = False
    name: str = ""
    points: float | None = None
    minutes: float | None = None
    difficulty: int | None = None

    def region(self, marker: str) -> str:
        """The text between BEGIN and END of that marker, all regions joined; empty where there is none."""
        inside, found = False, []
        for line in self.source.split("\n"):
            if f"BEGIN {marker}" in line:
                inside = True
            elif f"END {marker}" in line:
                inside = False
            elif inside:
                found.append(line)
        return "\n".join(found)

    def without_region(self, marker: str) -> str:
        """The text outside BEGIN and END of that marker, the marker lines dropped."""
        inside, kept = False, []
        for line in self.source.split("\n"):
            if f"BEGIN {marker}" in line:
                inside = True
            elif f"END {marker}" in line:
                inside = False
            elif not inside:
                kept.append(line)
        return "\n".join(kept).rstrip()

    def without_markers(self) -> str:
        """All of the text, only the BEGIN and END lines dropped."""
        return "\n".join(line for line in self.source.split("\n") if not is_marker(line))


@dataclass(frozen=True)
class SourceNotebook:
    """An authored notebook. `path` is how messages name its file."""

    name: str
    path: str
    cells: tuple[SourceCell, ...]

    def of_role(self, role: str) -> list[SourceCell]:
        """The cells of that role, in order."""
        return [cell for cell in self.cells if cell.role == role]

    def cell(self, role: str, name: str) -> SourceCell:
        """The exercise, test or question of that name. Raises CourseError that lists the known ones."""
        for cell in self.cells:
            if cell.role == role and cell.name == name:
                return cell
        known = ", ".join(cell.name for cell in self.of_role(role)) or "none"
        raise CourseError(f"{self.path}: there is no {role} called {name}.", f"Known: {known}.")


def is_marker(line: str) -> bool:
    """Whether this line opens or closes a solution, a hidden test or a mark scheme."""
    return any(f"{edge} {marker}" in line for edge in ("BEGIN", "END") for marker in MARKERS)


def parse_cell(source: str) -> ast.Module:
    """The syntax tree of a code cell, IPython's magics allowed. Raises SyntaxError."""
    return ast.parse(plain_python(source))


def headings(markdown: str) -> list[tuple[int, str]]:
    """(level, text) of each heading of a markdown cell, outside fenced code."""
    found, fenced = [], False
    for line in markdown.split("\n"):
        if line.lstrip().startswith(("```", "~~~")):
            fenced = not fenced
        match = re.match(r"(#{1,6})\s+(.*?)\s*#*\s*$", line)
        if match and not fenced and not is_marker(line):
            found.append((len(match[1]), match[2]))
    return found


def source_path(root: Path, name: str) -> Path:
    """Where the source of the notebook of that name lies."""
    return root / "solutions" / f"{name}.py"


def read_source(path: Path, shown: str = "") -> SourceNotebook:
    """Read a percent file. Raises CourseError naming file, cell and remedy for whatever is malformed.

    `shown` is how messages name the file, by default solutions/NAME.py.
    """
    shown = shown or f"{path.parent.name}/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CourseError(f"{shown} does not exist.", "Write it, or correct the name.") from None
    except (UnicodeDecodeError, OSError) as error:
        raise CourseError(f"{shown} cannot be read: {error}.", "Save it as UTF-8 text.") from None
    return parse_source(text, name=path.stem, shown=shown)


def parse_source(text: str, name: str, shown: str = "") -> SourceNotebook:
    """As `read_source`, from the text itself."""
    shown = shown or f"solutions/{name}.py"
    try:
        notebook = jupytext.reads(text, fmt="py:percent")
    except Exception as error:  # jupytext raises what yaml and its own parsers raise
        raise CourseError(
            f"{shown} is not a percent file: {str(error).splitlines()[0]}.", "Mend the header or that cell."
        ) from None
    raw = [cell for cell in notebook.cells if cell.source.strip() or _role_settings(cell.metadata)]
    if not raw:
        raise CourseError(f"{shown} has no cells.", "Start the first one with a line `# %% [markdown]`.")
    lines = _first_lines(text, [cell.source for cell in raw])
    ids = _IdMaker()
    cells = [_read_cell(cell, line, ids, shown) for cell, line in zip(raw, lines, strict=True)]
    _check_whole(cells, shown)
    return SourceNotebook(name=name, path=shown, cells=tuple(cells))


def _role_settings(metadata: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in metadata.items() if key != "lines_to_next_cell"}


def _first_lines(text: str, sources: list[str]) -> list[int]:
    """The line of the file where each cell's text starts, found by its first line; 0 if not found."""
    lines = text.split("\n")
    found, position = [], 0
    for source in sources:
        first = next((line for line in source.split("\n") if line.strip()), "")
        wanted = {first.strip(), f"# {first}".strip(), f"#{first}".strip()}
        at = 0
        for number in range(position, len(lines)):
            previous = next((line for line in reversed(lines[:number]) if line.strip()), "")
            opens = bool(_CELL_LINE.match(previous)) or number == 0
            if opens and (lines[number].strip() in wanted if first else not lines[number].strip()):
                at, position = number + 1, number + 1
                break
        found.append(at)
    return found


class _IdMaker:
    """Ids for cells without a name: the headings they stand under, and a counter within those."""

    def __init__(self) -> None:
        self._path: dict[int, str] = {}
        self._used: dict[str, int] = {}

    def enter(self, level: int, heading: str) -> None:
        self._path = {above: text for above, text in self._path.items() if above < level}
        self._path[level] = heading

    def make(self, role: str) -> str:
        if role == "submit":
            return role
        under = [text for level, text in sorted(self._path.items()) if level > 1]
        stem = "-".join([role, *(_slug(text) for text in under[-2:])])
        self._used[stem] = self._used.get(stem, 0) + 1
        return stem if self._used[stem] == 1 else f"{stem}-{self._used[stem]}"


def _slug(text: str) -> str:
    unnumbered = _NUMBERING.sub("", text.lower())  # a new section must not rename the later ones
    words = re.sub(r"[^a-z0-9]+", "-", unnumbered).strip("-") or "section"
    return words if len(words) <= 24 else words[:24].rsplit("-", 1)[0]


def _read_cell(cell: Any, line: int, ids: _IdMaker, shown: str) -> SourceCell:
    markdown = cell.cell_type == "markdown"
    metadata = dict(cell.metadata)
    where = f"{shown}, line {line}" if line else shown
    if "incorrectly_encoded_metadata" in metadata:
        raise CourseError(
            f"{where}: {metadata['incorrectly_encoded_metadata']} in the cell's marker cannot be read.",
            'Write texts in quotes and numbers without: `# %% test="name" points=2`.',
        )
    role, name = _role_and_name(metadata, markdown, where)
    if name:
        where = f"{where}, {role} {name}"
    source = cell.source.rstrip()
    unknown = set(metadata) - KNOWN_SETTINGS[role] - _JUPYTEXT_NOISE
    if unknown:
        raise CourseError(
            f"{where}: unknown setting {', '.join(sorted(unknown))}.",
            f"A cell of role {role} takes: {', '.join(sorted(KNOWN_SETTINGS[role])) or 'none'}.",
        )
    points = _number(metadata, "points", where) if role in ("test", "question") else None
    minutes = _number(metadata, "minutes", where) if role in ("exercise", "question") else None
    difficulty = _difficulty(metadata, where) if role == "exercise" else None
    _check_cell(role, name, markdown, source, where, line, shown)
    if markdown:
        found = headings(source)
        if found:
            ids.enter(*found[0])
    if role in ("exercise", "question"):
        cell_id = name
    elif role == "test":
        cell_id = f"test_{name}"
    else:
        cell_id = ids.make(role)
    if markdown:
        for level, heading in found[1:]:
            ids.enter(level, heading)
    return SourceCell(role, source, cell_id, line, markdown, name, points, minutes, difficulty)


def _role_and_name(metadata: dict[str, Any], markdown: bool, where: str) -> tuple[str, str]:
    named = [role for role in ("exercise", "test", "question") if role in metadata]
    title = str(metadata.get("title", "")).strip()
    if len(named) + bool(title) > 1:
        raise CourseError(
            f"{where}: the cell has two roles, {' and '.join([*named, *([title] if title else [])])}.",
            "Give each cell one role.",
        )
    if title:
        if title not in _PLAIN_ROLES:
            raise CourseError(
                f"{where}: there is no cell role {title!r}.",
                'Roles are: setup, exercise="name", test="name", experiment, submit, '
                '[markdown] question="name"; plain prose is [markdown].',
            )
        if markdown and title != "submit":
            raise CourseError(f"{where}: a {title} cell holds code.", "Drop [markdown] from its marker.")
        return title, ""
    if not named:
        if markdown:
            return "prose", ""
        raise CourseError(
            f"{where}: a code cell without a role.",
            'Say what it is: `# %% setup`, `# %% experiment`, `# %% exercise="name" minutes=5 difficulty=1` '
            'or `# %% test="name" points=2`.',
        )
    role = named[0]
    if markdown != (role == "question"):
        kind = "markdown" if role == "question" else "code"
        raise CourseError(
            f"{where}: a cell of role {role} is {kind}.",
            "Write `# %% [markdown] question=...`."
            if role == "question"
            else "Drop [markdown] from its marker.",
        )
    name = str(metadata[role])
    if role == "question":
        valid = bool(_QUESTION_NAME.fullmatch(name))
    else:
        valid = name.isidentifier() and name.isascii() and len(name) <= 55
    if not valid:
        raise CourseError(
            f"{where}: {name!r} is not a usable name for a cell of role {role}.",
            "Use lower-case words joined by underscores."
            if role == "question"
            else "Use the name of the function or class that the student writes.",
        )
    return role, name


def _number(metadata: dict[str, Any], key: str, where: str) -> float:
    if key not in metadata:
        raise CourseError(f"{where}: no {key}.", f"Add {key}=2 (or whatever fits) to the cell's marker line.")
    value = metadata[key]
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < 1000:
        raise CourseError(f"{where}: {key} is {value!r}.", "Give a positive number, without quotes.")
    return value


def _difficulty(metadata: dict[str, Any], where: str) -> int:
    value = metadata.get("difficulty")
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 5:
        said = "no difficulty" if value is None else f"difficulty is {value!r}"
        raise CourseError(
            f"{where}: {said}.", "Add difficulty=1 (easy) to difficulty=5 (hard) to the marker line."
        )
    return value


_ALLOWED_MARKERS = {"exercise": {"SOLUTION"}, "test": {"HIDDEN TESTS"}, "question": {"MARK SCHEME"}}


def _check_cell(role: str, name: str, markdown: bool, source: str, where: str, line: int, shown: str) -> None:
    for marker in MARKERS:
        _check_markers(marker, source, where)
        allowed = marker in _ALLOWED_MARKERS.get(role, set())
        if not allowed and f"BEGIN {marker}" in source:
            raise CourseError(
                f"{where}: BEGIN {marker} in a cell of role {role}.",
                "Solutions belong in exercises, hidden tests in tests, mark schemes in questions.",
            )
    if not markdown:
        try:
            tree = ast.parse(source) if role in ("exercise", "test") else parse_cell(source)
        except SyntaxError as error:
            at = line + (error.lineno or 1) - 1 if line else error.lineno or 0
            raise CourseError(
                f"{shown}, line {at}, {role} {name}".rstrip() + f": {error.msg}.", "Mend the Python there."
            ) from None
    if role == "exercise":
        _check_exercise(name, source, tree, where)
    if role == "test" and not tree.body:
        raise CourseError(f"{where}: the test is empty.", "Write the visible checks, then the hidden ones.")
    if role == "question":
        if "BEGIN MARK SCHEME" not in source:
            raise CourseError(
                f"{where}: no mark scheme.",
                "Add the rubric between ### BEGIN MARK SCHEME and ### END MARK SCHEME.",
            )
        if not _text_between(source, "MARK SCHEME"):
            raise CourseError(f"{where}: the mark scheme is empty.", "Say what earns each point.")


def _check_markers(marker: str, source: str, where: str) -> None:
    depth = 0
    for text in source.split("\n"):
        if f"BEGIN {marker}" in text:
            depth += 1
        elif f"END {marker}" in text:
            depth -= 1
        if depth not in (0, 1):
            break
    if depth:
        raise CourseError(
            f"{where}: BEGIN {marker} and END {marker} do not pair up.",
            f"Write one ### BEGIN {marker} and one ### END {marker} around each region.",
        )


def _text_between(source: str, marker: str) -> str:
    return SourceCell("", source, "").region(marker).strip()


def _check_exercise(name: str, source: str, tree: ast.Module, where: str) -> None:
    if "BEGIN SOLUTION" not in source:
        raise CourseError(
            f"{where}: no solution region.",
            "Put ### BEGIN SOLUTION and ### END SOLUTION around what the student writes.",
        )
    definitions = [
        n for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    ]
    if len(definitions) != 1 or len(tree.body) != 1 or definitions[0].name != name:
        found = ", ".join(n.name for n in definitions) or "no function or class"
        raise CourseError(
            f"{where}: the cell must define {name} and nothing else; it defines {found}"
            + (" and has other statements." if len(tree.body) > len(definitions) else "."),
            "Move helpers inside it and imports to a setup cell, or rename it.",
        )
    definition = definitions[0]
    first = definition.body[0]
    kept = (first.end_lineno or 0) if ast.get_docstring(definition) is not None else definition.lineno
    for number, text in enumerate(source.split("\n"), start=1):
        if ("BEGIN SOLUTION" in text or "END SOLUTION" in text) and number <= kept:
            raise CourseError(
                f"{where}: the solution region starts before the body of {name}.",
                "Signature and docstring stay with the student: put the region after them.",
            )
    if not _text_between(source, "SOLUTION"):
        raise CourseError(
            f"{where}: the solution is empty.", "Write the reference solution between the markers."
        )


def _check_whole(cells: list[SourceCell], shown: str) -> None:
    seen: dict[str, SourceCell] = {}
    for cell in cells:
        where = f"{shown}, line {cell.line}"
        if cell.id in seen:
            raise CourseError(
                f"{where}: {cell.role} {cell.name or cell.id} has the same id as "
                f"the {seen[cell.id].role} cell of line {seen[cell.id].line}.",
                "Rename one of them.",
            )
        if cell.role == "test" and not any(
            c.role == "exercise" and c.name == cell.name for c in seen.values()
        ):
            raise CourseError(
                f"{where}: test {cell.name} has no exercise before it.",
                f'Add `# %% exercise="{cell.name}" minutes=5 difficulty=1` above, or correct the name.',
            )
        seen[cell.id] = cell
    for cell in cells:
        if cell.role == "exercise" and f"test_{cell.name}" not in seen:
            raise CourseError(
                f"{shown}, line {cell.line}: exercise {cell.name} has no test.",
                f'Add a cell `# %% test="{cell.name}" points=2` below it.',
            )
        if cell.role == "submit" and cell is not cells[-1]:
            raise CourseError(
                f"{shown}, line {cell.line}: the submit cell is not the last one.", "Move it to the end."
            )
