"""Written answers as nbgrader's own pages may show them: they render markdown, which can make new dangers.

Sanitizing the text is not enough: `[click](javascript:...)` is no HTML before it is rendered. So the rendered
form is judged, and an answer that would run or fetch something is shown as the plain text that it is.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import Any

from autograder.pages import shortened

MAX_ANSWER = 100_000
NOT_SHOWN = "*This answer can't be shown safely. Read it where it was handed in.*"
_LINKS = frozenset({"http", "https", "mailto"})
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):", re.IGNORECASE)
_ACTIVE = frozenset(
    "script style iframe frame object embed applet form input button textarea select base link meta svg math "
    "template audio video source track portal dialog foreignobject".split()
)
#: What MathJax would turn into links, HTML or more code.
_ACTIVE_TEX = re.compile(
    r"\\(href|url|require|html|style|class|css|include|unicode|script|data)", re.IGNORECASE
)


def make_harmless(document: Any) -> None:
    """Make the written answers in a notebook harmless: the cells that nbgrader calls solutions or tasks."""
    for cell in document.cells:
        grading = cell.metadata.get("nbgrader", {})
        if cell.cell_type == "markdown" and (grading.get("solution") or grading.get("task")):
            cell.source = harmless(cell.source)


def harmless(source: str) -> str:
    """Markdown as it is, if nothing in it can run or fetch; else the same words, to be shown literally."""
    source = shortened(source, MAX_ANSWER)
    longest = max((len(run) for run in re.findall(r"`+", source)), default=0)
    fence = "`" * max(3, longest + 1)
    indented = "\n".join(f"    {line}" for line in source.splitlines())
    for candidate in (source, f"{fence}\n{source}\n{fence}", indented):
        if not dangers(candidate):
            return candidate
    return NOT_SHOWN


def dangers(source: str) -> list[str]:
    """What would run or be fetched if this markdown were rendered as nbgrader renders it."""
    from nbconvert.filters import markdown2html

    rendered = _Rendered()
    try:
        rendered.feed(markdown2html(source))
        rendered.close()
    except Exception as error:  # hostile text in two parsers; what can't be judged is not harmless
        return [f"it can't be rendered: {type(error).__name__}"]
    return rendered.found


class _Rendered(HTMLParser):
    """Walks through rendered markdown and notes what is dangerous in it."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.found: list[str] = []
        self._literal = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ACTIVE:
            self.found.append(f"<{tag}>")
        for name, value in attrs:
            self._attribute(tag, name, value or "")
        self._literal += tag in ("pre", "code")

    def handle_endtag(self, tag: str) -> None:
        self._literal -= tag in ("pre", "code")

    def _attribute(self, tag: str, name: str, value: str) -> None:
        seen = "".join(c for c in value if c > " " and c != "\x7f")  # browsers pass over these in addresses
        scheme = _SCHEME.match(seen)
        if name.startswith("on") or name in ("style", "srcset", "background", "formaction", "action", "data"):
            self.found.append(f"{name}=")
        elif name == "src" or (name in ("href", "xlink:href") and tag not in ("a", "area")):
            if not re.match(r"data:image/(png|jpeg|gif);base64,[a-z0-9+/=]*$", seen, re.IGNORECASE):
                self.found.append(f"{name}={seen[:80]}")
        elif scheme and scheme[1].lower() not in _LINKS and name not in ("alt", "title", "id"):
            self.found.append(f"{name}={seen[:80]}")
        elif name == "class" and "mermaid" in seen.lower():
            self.found.append("mermaid")

    def handle_data(self, data: str) -> None:
        active = _ACTIVE_TEX.search(data)
        if active and self._literal <= 0:
            self.found.append(active[0])

    def handle_decl(self, decl: str) -> None:
        self.found.append("<!")

    def handle_pi(self, data: str) -> None:
        self.found.append("<?")

    def unknown_decl(self, data: str) -> None:
        self.found.append("<![")
