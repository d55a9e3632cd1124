"""What students must not get: solution lines, hidden tests and variants, looked for in what is handed out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import nbformat

from autograder.source import MARKERS, SourceNotebook, is_marker

_TOKEN = re.compile(r"[A-Za-z_]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|[^\s\w]")
_WORD = re.compile(
    r"\w|[-+*/%@<>=&|^~!]"
)  # what tells one line from another; brackets, dots and commas do not
_STRING = re.compile(r"\"[^\"]*\"|'[^']*'")  # counts as one word
_ENOUGH = 6  # words of a line that nobody writes by chance; `return total / n` has three
_VARIANT = re.compile(r"\bautograder\b.*\bvariants\b|^\s*@(right|wrong)\(", re.MULTILINE)
_TEXT_ENDINGS = {".py", ".md", ".toml", ".yml", ".yaml", ".txt", ".cfg", ".json", ".html", ""}


@dataclass(frozen=True)
class Secret:
    """A line that must not be handed out: where it comes from, and its tokens without the assignment."""

    where: str
    line: str
    tokens: str


@dataclass(frozen=True)
class Leak:
    """A secret line found in a handed-out file."""

    path: str
    cell: str
    what: str


def secrets(source: SourceNotebook) -> list[Secret]:
    """The lines of solutions and hidden tests that could not stand elsewhere by chance.

    A hidden test's line is no secret where it only opens a loop, or where the author also wrote it into an
    open part; a solution's line always is.
    """
    opened = _tokens("\n".join(_open_text(source)))
    found = []
    for cell in source.cells:
        for marker in ("SOLUTION", "HIDDEN TESTS"):
            for line, tokens in _telling_lines(cell.region(marker)):
                if marker == "SOLUTION" or (tokens not in opened and not line.endswith(":")):
                    found.append(Secret(f"{source.path}, {cell.role} {cell.name}", line, tokens))
        for line in cell.region("MARK SCHEME").split("\n"):
            tokens = _tokens(line)
            if _weight(tokens) >= _ENOUGH and tokens not in opened:
                found.append(Secret(f"{source.path}, question {cell.name}", line.strip(), tokens))
    return list({secret.tokens: secret for secret in reversed(found)}.values())


def _open_text(source: SourceNotebook) -> Iterable[str]:
    for cell in source.cells:
        text = cell
        for marker in MARKERS:
            if text.region(marker):
                text = type(cell)(cell.role, text.without_region(marker), cell.id)
        yield text.source


def _telling_lines(code: str) -> Iterable[tuple[str, str]]:
    for line in code.split("\n"):
        stripped = line.strip()
        if not stripped or stripped.startswith(("#", "import ", "from ")):
            continue
        tokens = _tokens(_without_target(stripped))
        if _weight(tokens) >= _ENOUGH:
            yield stripped, tokens


def _without_target(line: str) -> str:
    """The line without `return` or `name =`, so that a leak under another name is found as well."""
    try:
        statement = ast.parse(line).body[0]
    except (SyntaxError, IndexError):
        return line
    if isinstance(statement, (ast.Assign, ast.Return)) and statement.value is not None:
        return ast.get_source_segment(line, statement.value) or line
    return line


def _tokens(text: str) -> str:
    return " " + " ".join(_TOKEN.findall(text)) + " "


def _weight(tokens: str) -> int:
    return sum(1 for token in _TOKEN.findall(_STRING.sub("text", tokens)) if _WORD.match(token))


def leaks_in_text(text: str, path: str, cell: str, hidden: Iterable[Secret]) -> list[Leak]:
    """Every secret, marker and variant in one piece of handed-out text."""
    tokens = _tokens(text)
    found = [Leak(path, cell, f"the line `{s.line}` of {s.where}") for s in hidden if s.tokens in tokens]
    found += [
        Leak(path, cell, f"the marker `{line.strip()}`") for line in text.split("\n") if is_marker(line)
    ]
    if _VARIANT.search(text):
        found.append(Leak(path, cell, "an answer variant"))
    return found


def leaks_in_notebook(notebook: nbformat.NotebookNode, path: str, hidden: Iterable[Secret]) -> list[Leak]:
    """Every leak in a notebook's cells and outputs."""
    hidden = list(hidden)
    found = []
    for cell in notebook.cells:
        text = "\n".join([cell.source, *(str(output) for output in cell.get("outputs", []))])
        found += leaks_in_text(text, path, cell.get("id", "?"), hidden)
    return found


def leaks_in_tree(folder: Path, hidden: Iterable[Secret]) -> list[Leak]:
    """Every leak in the notebooks and text files under `folder`."""
    hidden = list(hidden)
    found = []
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        shown = path.relative_to(folder).as_posix()
        if path.suffix == ".ipynb":
            found += leaks_in_notebook(nbformat.read(path, as_version=nbformat.NO_CONVERT), shown, hidden)
        elif path.suffix in _TEXT_ENDINGS:
            found += leaks_in_text(path.read_text(encoding="utf-8", errors="replace"), shown, "", hidden)
    return found
