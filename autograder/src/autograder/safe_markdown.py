"""Written answers as nbgrader's own pages may show them: they render markdown, which can make new dangers.

Sanitizing the text is not enough: `[click](javascript:...)` is no HTML before it is rendered. So the rendered
form is judged, and an answer that would run or fetch something is shown as the plain text that it is. Our own
pages go further: of the rendered form they take the text and a few plain tags, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from html.parser import HTMLParser
from typing import Any

from markupsafe import Markup, escape
from nbconvert.preprocessors.sanitize import SanitizeHTML

from autograder import pages
from autograder.alarms import time_limit
from autograder.pages import shortened

MAX_ANSWER = 100_000
SECONDS = 10.0  # both parsers take time by the square of the length for some text
NOT_SHOWN = "*This answer can't be shown safely. Read it where it was handed in.*"
_SANITIZE = SanitizeHTML(enabled=True)
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
_EMPTY_TAGS = ("br", "hr")
_KEPT_TAGS = {
    tag: (f"<{tag}>", f"</{tag}>")
    for tag in "p strong em code pre ul ol li blockquote table thead tbody tr th td".split()
} | {f"h{level}": ("<p><strong>", "</strong></p>") for level in range(1, 7)}


def make_harmless(document: Any, written: Collection[int], seconds: float = SECONDS) -> None:
    """Make what a student wrote in a notebook harmless, and the outputs: nothing runs, nothing is fetched.

    `written` are the indices of the cells whose source is the student's. What can't be judged within the
    seconds is not shown; it can still be read where it was handed in.
    """
    prose = [document.cells[i] for i in sorted(written) if document.cells[i].cell_type != "code"]
    for cell in prose:
        cell.source = shortened(cell.source, MAX_ANSWER)
    try:
        with time_limit(seconds, _TooLongError):
            _SANITIZE.preprocess(document, {})
            for cell in prose:
                if cell.cell_type == "markdown":
                    cell.source = harmless(cell.source)
    except _TooLongError:
        for cell in prose:
            cell.source = NOT_SHOWN
        _SANITIZE.preprocess(document, {})


class _TooLongError(BaseException):
    """The seconds are over."""


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


def rendered(source: str, seconds: float = SECONDS) -> Markup | None:
    """Markdown as HTML for our own pages, or None where it should be shown literally.

    Nothing of the rendered form is passed on but its text, escaped, and tags from a short list, without any
    attribute. What is dangerous, or holds anything else, stays literal, so that no word of it is lost.
    """
    from nbconvert.filters import markdown2html

    source = shortened(source, MAX_ANSWER)
    try:
        with time_limit(seconds, _TooLongError):
            if dangers(source):
                return None
            kept = _Kept()
            kept.feed(markdown2html(source))
            kept.close()
            return None if kept.odd else kept.html()
    except _TooLongError:
        return None


class _Kept(HTMLParser):
    """Writes rendered markdown anew, from text and plain tags alone."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.odd = False
        self._parts: list[Markup] = []
        self._open: list[str] = []
        self._address = ""
        self._in_anchor = False

    def html(self) -> Markup:
        """What has been kept; every tag is closed."""
        ends = [Markup(_KEPT_TAGS[tag][1]) for tag in reversed(self._open)]
        return Markup("").join([*self._parts, *ends])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            known = dict(attrs)
            self._in_anchor = known.get("class") == "anchor-link"
            self._address = "" if self._in_anchor else known.get("href") or ""
        elif tag in _EMPTY_TAGS:
            self._parts.append(Markup(f"<{tag}>"))
        elif tag in _KEPT_TAGS:
            self._open.append(tag)
            self._parts.append(Markup(_KEPT_TAGS[tag][0]))
        elif tag not in ("div", "span"):
            self.odd = True

    def handle_endtag(self, tag: str) -> None:
        if tag == "a":
            if self._address:
                self._parts.append(escape(f" ({pages.plain(self._address)})"))
            self._address, self._in_anchor = "", False
        elif tag in self._open:
            while True:
                last = self._open.pop()
                self._parts.append(Markup(_KEPT_TAGS[last][1]))
                if last == tag:
                    break

    def handle_data(self, data: str) -> None:
        if not (self._in_anchor and data == "¶"):  # the link that nbconvert puts behind a heading
            self._parts.append(escape(pages.plain(data)))

    def handle_comment(self, data: str) -> None:
        self.odd = True


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
