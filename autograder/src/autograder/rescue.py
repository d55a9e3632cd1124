"""The cells of a damaged notebook: any nbformat, any encoding, cut off, in conflict, exported as a script.
Nothing is run.

`read` gives what could be read, a sentence for each mend, and a doubt for each place where something may be
lost: a doubt asks for a person when points are lost. Raises Unreadable only when there is nothing that
could be a cell.
"""

from __future__ import annotations

import ast
import bisect
import codecs
import json
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from typing import Any

MAX_CELLS, MAX_SOURCE = 5000, 2 << 20
MAX_VALUES = 8_000_000  # more brackets and commas than this would fill the memory
MAX_BROKEN = 16 << 20  # of a file with broken JSON, so much is searched for cells
_PIECES_TRIED = 20_000
_LONGEST_HEAD = 4000  # so far into a cell's object its type may stand


class Unreadable(Exception):
    """The bytes hold no notebook."""


@dataclass
class StudentCell:
    """A cell as the student handed it in."""

    kind: str
    source: str
    grade_id: str
    cell_id: str
    index: int
    damaged: bool = False


@dataclass
class Reading:
    """What was read. `other` holds the cells of the other side of a merge conflict."""

    cells: list[StudentCell]
    repairs: list[str] = field(default_factory=list)
    doubts: list[str] = field(default_factory=list)
    other: list[StudentCell] | None = None


def read(data: bytes) -> Reading:
    """The cells of a handed-in file. Raises Unreadable."""
    reading = Reading([])
    text = decode(data, reading)
    if "\0" in text.rstrip("\0"):
        reading.doubts.append("the file holds null bytes, so a part of it may be lost")
    if not text.strip(" \t\r\n\0"):
        raise Unreadable("the file is empty")
    both = sides(text)
    if both is None:
        reading.cells = _cells_of(text, reading)
    else:
        _read_both(both, reading)
    for number, cell in enumerate(reading.cells):
        _settle_conflict(cell, number, reading)
    return reading


# -- bytes to text ---------------------------------------------------------------------------------

_MARKS = (
    (b"\xff\xfe\0\0", "utf-32", "UTF-32"),
    (b"\0\0\xfe\xff", "utf-32", "UTF-32"),
    (b"\xff\xfe", "utf-16", "UTF-16"),
    (b"\xfe\xff", "utf-16", "UTF-16"),
)


def decode(data: bytes, reading: Reading) -> str:
    """The text of a file in whatever encoding it was saved."""
    for mark, codec, name in _MARKS:
        if data.startswith(mark):
            reading.repairs.append(f"the file was in {name}")
            return data.decode(codec, "replace").removeprefix("\ufeff")
    if data.startswith(b"\xef\xbb\xbf"):
        reading.repairs.append("the file began with a byte order mark")
        data = data.removeprefix(b"\xef\xbb\xbf")
    head = data[:400]
    if len(head) >= 8 and head.count(0) >= len(head) // 3:
        for codec, name in (
            ("utf-32-le", "UTF-32"),
            ("utf-32-be", "UTF-32"),
            ("utf-16-le", "UTF-16"),
            ("utf-16-be", "UTF-16"),
        ):
            text = data.decode(codec, "replace")
            if text.lstrip()[:1] in ("{", "[", "#", '"') and sum(c.isascii() for c in text[:200]) > 150:
                reading.repairs.append(f"the file was in {name}")
                return text
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        reading.repairs.append("the file was not in UTF-8; single characters may be wrong")
        reading.doubts.append("the file was not in UTF-8, so single characters may have changed")
        return data.decode("utf-8", "western")


def _western(error: UnicodeError) -> tuple[str, int]:
    """Bytes that are not UTF-8, read as Windows' Western European letters."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("western", _western)


# -- merge conflicts -------------------------------------------------------------------------------

_CONFLICT = re.compile(r'^[ \t"]*(<{7}|\|{7}|={7}|>{7})(?=[ \\"\r\n]|$)')


def sides(text: str) -> tuple[str, str] | None:
    """Both sides of a text with git's conflict markers on lines of their own, or None if it has none."""
    if "<<<<<<<" not in text or "=======" not in text:
        return None
    kept: tuple[list[str], list[str]] = ([], [])
    where, seen = "both", False
    for line in text.splitlines(keepends=True):
        marker = _CONFLICT.match(line)
        mark = marker.group(1)[0] if marker else ""
        if mark == "<" and where == "both":
            where, seen = "ours", True
        elif mark == "|" and where == "ours":
            where = "base"
        elif mark == "=" and where in ("ours", "base"):
            where = "theirs"
        elif mark == ">" and where == "theirs":
            where = "both"
        else:
            if where in ("both", "ours"):
                kept[0].append(line)
            if where in ("both", "theirs"):
                kept[1].append(line)
    return ("".join(kept[0]), "".join(kept[1])) if seen else None


def _read_both(both: tuple[str, str], reading: Reading) -> None:
    reading.repairs.append("the file held unresolved merge conflicts; both sides were read")
    found: list[tuple[list[StudentCell], Reading]] = []
    for text in both:
        own = Reading([])
        try:
            found.append((_cells_of(text, own), own))
        except Unreadable:
            continue
    if not found:
        raise Unreadable("the file holds merge conflicts, and neither side of them is a notebook")
    found.sort(key=lambda pair: bool(pair[1].doubts))
    reading.cells, first = found[0]
    reading.repairs += first.repairs
    reading.doubts += first.doubts
    if len(found) == 2 and not found[1][1].doubts:
        reading.other = found[1][0]
    else:
        reading.doubts.append("only one side of the merge conflict could be read")


def _settle_conflict(cell: StudentCell, number: int, reading: Reading) -> None:
    """Conflict markers inside a cell's source: the side that is Python; when both are, the first, and a
    doubt.
    """
    both = sides(cell.source)
    if both is None or cell.kind != "code":
        return
    fine = [text for text in both if _is_python(text)]
    chosen = (fine or list(both))[0]
    reading.repairs.append(
        f"cell {number + 1} held an unresolved merge conflict; its "
        f"{'first' if chosen == both[0] else 'second'} side was taken"
    )
    if len(fine) != 1 and both[0].strip() != both[1].strip():
        reading.doubts.append(
            f"cell {number + 1} held an unresolved merge conflict and both sides may be meant"
        )
    if reading.other is None and fine and both[0].strip() != both[1].strip():
        reading.other = [
            StudentCell(c.kind, c.source, c.grade_id, c.cell_id, c.index, c.damaged) for c in reading.cells
        ]
    if reading.other is not None:
        for other in reading.other:
            if other.index == cell.index and other.source == cell.source:
                other.source = both[1] if chosen == both[0] else both[0]
    cell.source = chosen


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


# -- text to cells ---------------------------------------------------------------------------------


def _cells_of(text: str, reading: Reading) -> list[StudentCell]:
    stripped = text.lstrip("\ufeff \t\r\n\0")
    if not stripped.startswith(("{", "[", '"')) or (
        not stripped.startswith("{") and _SCRIPT_MARK.search(text)
    ):
        if '"cell_type"' in text and "{" in text:
            return _searched(text, reading)
        if re.match(r"<(!doctype|html|\?xml)", stripped, re.IGNORECASE):
            return _page_cells(text, reading)
        return _script_cells(text, reading)
    if sum(text.count(c) for c in "[{,") > MAX_VALUES:
        raise Unreadable("the file holds millions of values, which no notebook does")
    try:
        raw, end = _DECODER.raw_decode(stripped)
    except RecursionError:
        raise Unreadable("the file is nested too deeply to be a notebook") from None
    except ValueError:
        return _searched(text, reading)
    if stripped[end:].strip(" \t\r\n\0"):
        reading.repairs.append("there was more text after the notebook's end; it was left out")
    found = _notebook_in(raw)
    if found is None:
        raise Unreadable("the file is JSON, but not a notebook: it has no cells")
    if found[1]:
        reading.repairs.append(found[1])
    return _listed_cells(found[0], reading)


def _integer(text: str) -> int:
    return int(text) if len(text) < 400 else 0


_DECODER = json.JSONDecoder(strict=False, parse_int=_integer)


def _notebook_in(raw: Any, depth: int = 0) -> tuple[list[Any], str] | None:
    """The list of cells in a decoded file, and how it was packed."""
    if isinstance(raw, str) and depth < 2 and raw.lstrip().startswith("{"):
        try:
            return _notebook_in(_DECODER.decode(raw), depth + 1)
        except (ValueError, RecursionError):
            return None
    if isinstance(raw, list):
        fine = bool(raw) and all(isinstance(c, dict) and "cell_type" in c for c in raw)
        return (raw, "the file held the cells without the notebook around them") if fine else None
    if not isinstance(raw, dict):
        return None
    if isinstance(raw.get("cells"), list):
        return raw["cells"], ""
    sheets = raw.get("worksheets")
    if isinstance(sheets, list):
        cells = [c for sheet in sheets if isinstance(sheet, dict) for c in _listed(sheet.get("cells"))]
        return cells, "the notebook was in the old format 3"
    if depth < 2:
        for key in ("content", "ipynb", "notebook"):
            inside = _notebook_in(raw.get(key), depth + 1)
            if inside is not None:
                return inside[0], "the notebook was wrapped in an answer of the Jupyter server"
    return None


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed_cells(items: list[Any], reading: Reading) -> list[StudentCell]:
    cells = []
    for index, item in enumerate(items[:MAX_CELLS]):
        cell = student_cell(item, index)
        if cell is None:
            reading.repairs.append(f"cell {index + 1} could not be read and was left out")
            reading.doubts.append(f"cell {index + 1} could not be read")
        else:
            cells.append(cell)
    if len(items) > MAX_CELLS:
        reading.repairs.append(f"only the first {MAX_CELLS} cells were read")
        reading.doubts.append(f"the notebook has {len(items)} cells; only the first {MAX_CELLS} were read")
    return cells


def student_cell(item: Any, index: int) -> StudentCell | None:
    """One cell of any nbformat, or None if it is none."""
    if not isinstance(item, dict):
        return None
    source = item.get("source", item.get("input", ""))
    if isinstance(source, list):
        parts = [part for part in source if isinstance(part, str)]
        lines_without_ends = len(parts) > 1 and not any("\n" in part for part in parts)
        source = ("\n" if lines_without_ends else "").join(parts)
    if not isinstance(source, str) or len(source) > MAX_SOURCE:
        return None
    metadata = _mapping(item.get("metadata"))
    grading = _mapping(metadata.get("nbgrader"))
    kind = item.get("cell_type")
    if kind in ("heading", "html"):
        kind = "markdown"
    own_id = item.get("id") or metadata.get("id") or ""
    grade_id = grading.get("grade_id")
    return StudentCell(
        kind if kind in ("code", "markdown", "raw") else "code",
        clean(source),
        grade_id if isinstance(grade_id, str) else "",
        own_id if isinstance(own_id, str) else "",
        index,
    )


def clean(source: str) -> str:
    """Source text with ordinary line ends and nothing that no file can hold."""
    text = source.encode("utf-8", "replace").decode()
    return text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "").removeprefix("\ufeff")


# -- broken JSON -----------------------------------------------------------------------------------

_CELL_KEYS = (
    "cell_type|id|metadata|attachments|execution_count|source|outputs|"
    "collapsed|input|language|prompt_number|level"
)
_CELL_START = re.compile(rf'\{{\s*"(?:{_CELL_KEYS})"\s*:')
_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"', re.DOTALL)
_BETWEEN = re.compile(r"[\s,]*")
_KIND = re.compile(r'"cell_type"\s*:\s*"(code|markdown|raw|heading)"')
_SOURCE = re.compile(r'"(?:source|input)"\s*:\s*')
_GRADE_ID = re.compile(r'"grade_id"\s*:\s*("(?:[^"\\\n]|\\.)*")')
_OWN_ID = re.compile(r'"id"\s*:\s*("(?:[^"\\\n]|\\.)*")')


def _searched(text: str, reading: Reading) -> list[StudentCell]:
    """Cells of a file whose JSON is broken: each whole cell, and what is left of the others."""
    if len(text) > MAX_BROKEN:
        reading.doubts.append(
            f"the file's JSON is broken, and only its first {MAX_BROKEN >> 20} MB were searched for cells"
        )
        text = text[:MAX_BROKEN]
    cells: list[StudentCell] = []
    damaged = tried = work = position = 0
    budget = 20 * len(text) + (1 << 20)
    kinds = [match.start() for match in _KIND.finditer(text)]
    while len(cells) < MAX_CELLS and tried < _PIECES_TRIED and work < budget:
        start = _CELL_START.search(text, position)
        if start is None:
            break
        tried += 1
        at, value, end = start.start(), None, 0
        try:
            value, end = _DECODER.raw_decode(text, at)
        except RecursionError:
            work += 10_000
        except ValueError as error:
            failed = getattr(error, "pos", at)
            work += len(text) - at if "nterminated" in str(error) else failed - at + 50
        else:
            work += end - at
        if isinstance(value, dict) and "cell_type" in value:
            cell = student_cell(value, len(cells))
            if cell is not None:
                cells.append(cell)
            position = end
            continue
        if value is None:
            upto = _next_cell(text, at, kinds)
            cell = _remains(text[at:upto], len(cells)) if upto - at < 4 * MAX_SOURCE else None
            work += upto - at
            if cell is not None:
                damaged += 1
                cells.append(cell)
                position = upto
                continue
        position = start.end()
    if not cells:
        raise Unreadable("the file is not a notebook (its JSON is broken, and no cell can be found in it)")
    reading.repairs.append(
        f"the file's JSON is broken or cut off; {len(cells)} cells could be read"
        + (f", {damaged} of them in part" if damaged else "")
    )
    reading.doubts.append(
        "the file's JSON is broken or cut off, so answers may be missing: ask the student to hand in again"
    )
    return cells


def _next_cell(text: str, at: int, kinds: list[int]) -> int:
    """Where the next cell's object begins, as far as can be seen; `kinds`: the places of all types."""
    position = at + 1
    while True:
        following = bisect.bisect_left(kinds, position)
        if following == len(kinds):
            return len(text)
        match = _CELL_START.search(text, max(position, kinds[following] - _LONGEST_HEAD))
        if match is None:
            return len(text)
        kind = bisect.bisect_left(kinds, match.start())
        near = kind < len(kinds) and kinds[kind] - match.start() < _LONGEST_HEAD
        before = text[max(0, match.start() - 200) : match.start()].rstrip()[-1:]
        if near and before in (",", "[", ""):
            return match.start()
        position = match.end()


def _remains(piece: str, index: int) -> StudentCell | None:
    """What is left of a cell whose JSON is broken: kind, ids and the lines of its source up to the break."""
    kind = _KIND.search(piece)
    start = _SOURCE.search(piece)
    if kind is None or start is None:
        return None
    source, damaged = _broken_source(piece[start.end() :])
    ids = []
    for pattern in (_GRADE_ID, _OWN_ID):
        found = pattern.search(piece)
        try:
            ids.append(json.loads(found.group(1), strict=False) if found else "")
        except ValueError:
            ids.append("")
    cell = student_cell({"cell_type": kind.group(1), "source": source}, index)
    if cell is not None:
        cell.grade_id, cell.cell_id, cell.damaged = ids[0], ids[1], damaged
    return cell


def _broken_source(rest: str) -> tuple[str, bool]:
    """The strings of a list (or the one string) up to where they stop; whether they stop too early."""
    if not rest.startswith("["):
        match = _STRING.match(rest)
        if match:
            return _string(match.group()), False
        return _string(rest.rstrip("\\") + '"') if rest.startswith('"') else "", True
    lines: list[str] = []
    position = 1
    while position < len(rest):
        position = _BETWEEN.match(rest, position).end()  # type: ignore[union-attr]
        if rest.startswith("]", position):
            return "".join(lines), False
        match = _STRING.match(rest, position)
        if match is None:
            break
        lines.append(_string(match.group()))
        position = match.end()
    tail = rest[position : position + 4000]
    if tail.startswith('"'):
        lines.append(_string(tail.split("\n")[0].rstrip("\\") + '"'))
    return "".join(lines), True


def _string(literal: str) -> str:
    try:
        value = json.loads(literal, strict=False)
    except ValueError:
        return ""
    return value if isinstance(value, str) else ""


# -- scripts and pages -----------------------------------------------------------------------------

_SCRIPT_MARK = re.compile(r"^# ?(?:%%|In\[[ \d]*\]:|<codecell>|<markdowncell>)", re.MULTILINE)
_PERCENT = re.compile(r"^# ?%%(.*)$")
_CELL_MARK = re.compile(r"^# ?(?:%%(?P<rest>.*)|In\[[ \d]*\]:|<codecell>|<(?P<md>markdowncell)>)\s*$")


def _script_cells(text: str, reading: Reading) -> list[StudentCell]:
    """Cells of a .py export: percent scripts, nbconvert's, or one without marks (then it is one cell)."""
    text = clean(text)
    marked = bool(_SCRIPT_MARK.search(text))
    if len(text) > MAX_SOURCE or not (
        marked or (_is_python(text) and re.search(r"^(def|class|async def) ", text, re.MULTILINE))
    ):
        raise Unreadable("the file is not a notebook")
    reading.repairs.append("a Python script was handed in, not a notebook; its cells were read")
    reading.doubts.append("a Python script was handed in, not a notebook")
    if not marked:
        return _unmarked_cells(text)
    cells: list[StudentCell] = []
    kind, grade_id, lines = "code", "", []  # type: ignore[var-annotated]

    def close() -> None:
        for part_kind, part in _without_prose(kind, lines):
            if part.strip():
                cells.append(
                    StudentCell(part_kind, part, grade_id if part_kind == kind else "", "", len(cells))
                )

    for line in text.split("\n"):
        mark = _CELL_MARK.match(line)
        if mark is None:
            lines.append(line)
            continue
        close()
        rest = mark.group("rest") or ""
        kind = (
            "markdown"
            if mark.group("md") or re.search(r"\[(markdown|md)\]", rest)
            else "raw"
            if "[raw]" in rest
            else "code"
        )
        grade_id, lines = _grade_id(rest), []
        if len(cells) > MAX_CELLS:
            break
    close()
    return cells


def _unmarked_cells(text: str) -> list[StudentCell]:
    """A script without marks, as Colab writes it: strings that stand alone are text cells, what is between
    them is code.
    """
    source = _without_magics(text)
    try:
        body = ast.parse(source).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return [StudentCell("code", source.strip("\n"), "", "", 0)]
    cells: list[StudentCell] = []
    lines, start = source.split("\n"), 0

    def add(kind: str, found: str) -> None:
        if found.strip():
            cells.append(StudentCell(kind, found.strip("\n"), "", "", len(cells)))

    for node in body:
        value = node.value if isinstance(node, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and node.end_lineno:
            add("code", "\n".join(lines[start : node.lineno - 1]))
            add("markdown", value.value)
            start = node.end_lineno
    add("code", "\n".join(lines[start:]))
    return cells


def _grade_id(rest: str) -> str:
    """The grade_id in a percent script's cell mark, where jupytext keeps nbgrader's metadata."""
    at = rest.find("nbgrader=")
    if at < 0:
        return ""
    try:
        value, _ = _DECODER.raw_decode(rest, at + len("nbgrader="))
    except (ValueError, RecursionError):
        return ""
    found = value.get("grade_id") if isinstance(value, dict) else ""
    return found if isinstance(found, str) else ""


def _without_prose(kind: str, lines: list[str]) -> list[tuple[str, str]]:
    """A marked piece of a script as cells: markdown without its comment signs; prose that trails a code cell
    by itself.
    """
    if kind != "code":
        body = "\n".join(lines).strip("\n")
        quoted = re.fullmatch(r'(?:r)?("""|\'\'\')\n?(.*?)\n?\1', body, re.DOTALL)
        return [(kind, quoted.group(2) if quoted else _uncommented(body.split("\n")))]
    end = len(lines)
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    trailing = lines[end:]
    gap = next((i for i, line in enumerate(trailing) if not line.strip()), len(trailing))
    code = _without_magics("\n".join(lines[: end + gap]).strip("\n"))
    return [("code", code), ("markdown", _uncommented(trailing[gap:]))]


def _uncommented(lines: list[str]) -> str:
    return "\n".join(re.sub(r"^# ?", "", line) for line in lines).strip("\n")


def _without_magics(code: str) -> str:
    """nbconvert writes magics as calls; they ask for IPython, which the sandbox has not."""
    return re.sub(
        r"^([ \t]*)get_ipython\(\)\.(?:run_line_magic|system|run_cell_magic)\(.*\)[ \t]*$",
        r"\1pass",
        code,
        flags=re.MULTILINE,
    )


class _Page(HTMLParser):
    """Code cells of a notebook saved as a web page: the text of `pre` in elements of class input or
    highlight.
    """

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.cells: list[str] = []
        self._depth = 0  # how deep inside an output, where `pre` is no code
        self._text: list[str] | None = None
        self._stack: list[tuple[str, bool]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in (
            "br",
            "img",
            "input",
            "meta",
            "link",
            "hr",
            "source",
            "wbr",
            "col",
            "area",
            "base",
            "embed",
            "track",
            "param",
        ):
            return
        classes = dict(attrs).get("class") or ""
        output = any(word in classes for word in ("output", "Output", "prompt", "Prompt"))
        if len(self._stack) < 500:
            self._stack.append((tag, output))
            self._depth += output
        if tag == "pre" and not self._depth and len(self.cells) < MAX_CELLS:
            self._text = []

    def handle_endtag(self, tag: str) -> None:
        if not any(name == tag for name, _ in self._stack):
            return
        while self._stack:
            name, output = self._stack.pop()
            self._depth -= output
            if name == tag:
                break
        if tag == "pre" and self._text is not None:
            self.cells.append("".join(self._text))
            self._text = None

    def handle_data(self, data: str) -> None:
        if self._text is not None:
            self._text.append(data)


def _page_cells(text: str, reading: Reading) -> list[StudentCell]:
    page = _Page()
    try:
        page.feed(text[: 4 * MAX_SOURCE])
    except (ValueError, AssertionError, RecursionError):
        pass
    sources = [clean(source).strip("\n") for source in page.cells]
    if not any(re.search(r"^[ \t]*(def|class) ", source, re.MULTILINE) for source in sources):
        raise Unreadable("the file is a web page without code cells, not a notebook")
    reading.repairs.append("a web page of the notebook was handed in; its code cells were read")
    reading.doubts.append("a web page was handed in, not a notebook; written answers can't be read from it")
    return [StudentCell("code", source, "", "", i) for i, source in enumerate(sources)]
