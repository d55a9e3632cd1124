"""HTML pages that show what students sent: text and checked images, nothing that can run.

First wall: every value that a template prints is made plain and escaped, whoever wrote it. Second wall: a
policy in each page forbids scripts, requests and any style but its own.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import os
import re
import tempfile
import warnings
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autograder.answers import title
from autograder.errors import CourseError

MAX_TEXT = 20_000
MAX_IMAGE_BYTES, MAX_IMAGE_PIXELS = 4 << 20, 40_000_000
IMAGE_FORMATS = {"image/png": "PNG", "image/jpeg": "JPEG"}
# Bounded, so that hostile text can't make the search slow: colours, cursor moves, titles.
_TERMINAL_CODES = re.compile(
    r"\x1b(?:\[[0-?]{0,40}[ -/]{0,4}[@-~]|\][^\x07\x1b\n]{0,200}(?:\x07|\x1b\\)|[@-Z\\^_])?"
)
# Control characters have no place in a page; those that turn the direction of writing are shown as numbers.
_CONTROLS = dict.fromkeys((*range(9), *range(11, 32), *range(0x7F, 0xA0), 0xFFFE, 0xFFFF))
_TURNING = {code: f"[U+{code:04X}]" for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))}
_UNPRINTABLE: dict[int, str | None] = {**_CONTROLS, **_TURNING}


def plain(text: str, limit: int = MAX_TEXT) -> str:
    """Text as a reader should see it: no terminal codes, no control characters, no tricks with its direction.

    A line that overwrote itself (a progress bar) keeps its last state. Too long a text loses its middle.
    """
    text = shortened(text, 4 * limit)
    lines = _TERMINAL_CODES.sub("", text).replace("\r\n", "\n").split("\n")
    text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    text = text.encode("utf-8", "replace").decode().translate(_UNPRINTABLE)
    return shortened(text, limit)


def shortened(text: str, limit: int) -> str:
    """The beginning and the end of a text that is too long, and how much was left out."""
    if len(text) <= limit:
        return text
    head, tail = limit * 3 // 4, limit // 4
    return f"{text[:head]}\n[... {len(text) - head - tail:,} characters left out ...]\n{text[-tail:]}"


def highlighted(source: str) -> Markup:
    """Python source with keywords, strings and comments marked; shortened, as lexers can be made slow."""
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer

    source = plain(source).strip("\n")
    return Markup(highlight(source, PythonLexer(stripnl=False), HtmlFormatter(nowrap=True)))


def image_source(mime: str, encoded: str) -> Markup:
    """A `data:` address for a PNG or JPEG that really is one and has a sane size; else nothing."""
    from PIL import Image

    if mime not in IMAGE_FORMATS or len(encoded) > MAX_IMAGE_BYTES * 4 // 3 + 4:
        return Markup()
    try:
        raw = base64.b64decode("".join(encoded.split()), validate=True)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with Image.open(io.BytesIO(raw), formats=[IMAGE_FORMATS[mime]]) as image:
                if image.width * image.height > MAX_IMAGE_PIXELS:
                    return Markup()
                image.verify()
    except Exception:  # whatever is wrong with it, and Pillow raises many things: it is not shown
        return Markup()
    return Markup(f"data:{mime};base64,{base64.b64encode(raw).decode()}")  # letters and digits only


def number(value: float | None) -> str:
    """A number as people write it: 2, 1.5, 0.33; a dash for none."""
    return "–" if value is None else f"{round(value, 2):g}"


def duration(seconds: float) -> str:
    """A span of time in its two largest units."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    units = [("d", 86400), ("h", 3600), ("min", 60), ("s", 1)]
    first = next(i for i, (_, size) in enumerate(units) if seconds >= size)
    parts = []
    for name, size in units[first : first + 2]:
        count, seconds = divmod(seconds, size)
        parts += [f"{int(count)} {name}"] if count else []
    return " ".join(parts)


def _printed(value: Any) -> Any:
    return plain(value) if isinstance(value, str) and not isinstance(value, Markup) else value


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("autograder", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_printed,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=number,
        duration=duration,
        highlighted=highlighted,
        plain=plain,
        title_of=title,
        percent=lambda v: f"{100 * v:.0f}%",
    )
    return environment


@cache
def _style() -> tuple[Markup, Markup]:
    """The style sheet of every page, and the policy that allows it and nothing else."""
    environment = _environment()
    assert environment.loader is not None
    text = environment.loader.get_source(environment, "page.css")[0].strip()
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    policy = (
        f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    )
    return Markup(text), Markup(policy)


def render(template: str, **values: Any) -> str:
    """A whole page from one of the templates."""
    style, policy = _style()
    return _environment().get_template(template).render(style=style, policy=policy, **values)


def write_page(path: Path, text: str) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, fresh = tempfile.mkstemp(prefix=".new-", dir=path.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace", newline="") as file:
            file.write(text)
        os.chmod(fresh, 0o644)
        os.replace(fresh, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(fresh)
        raise


def inside(base: Path, path: Path) -> Path:
    """The path, if it lies in `base` once links are followed. Raises CourseError for one that does not."""
    resolved = path.resolve()
    if not resolved.is_relative_to(base.resolve()):
        raise CourseError(f"{path} leads out of {base}.", "Rename that student's folder, or remove the link.")
    return path
