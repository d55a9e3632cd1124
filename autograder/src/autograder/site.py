"""`course site`: notebooks and documentation as web pages, made by Sphinx, readable without a network.

Notebooks are shown as their solved runs left them: figures and printed numbers are those of the solution, the
exercises stay open. The instructors' site shows the solutions, hidden tests and mark schemes as well and must
not be published.
"""

from __future__ import annotations

import base64
import io
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nbconvert.filters import strip_ansi
from nbformat import NotebookNode

from autograder.build import (
    BADGE_ID,
    INSTALL_ID,
    Course,
    release_notebook,
)
from autograder.errors import CourseError
from autograder.executed import executed

_WIDGET = "application/vnd.jupyter.widget-view+json"
MARK = ".course-site"
_IMAGES = {"image/png": "png", "image/jpeg": "jpg", "image/svg+xml": "svg"}
_LINK_OUTSIDE = re.compile(r"\]\(\.\./([^)\s]+)\)")
_NOTEBOOK_LINK = re.compile(r"\]\((?:\.\./notebooks/|notebooks/)?(\d\d_\w+)\.ipynb(#[^)\s]*)?\)")
_TEMPLATES = Path(__file__).parent / "templates" / "site"


def build_site(
    course: Course,
    out: Path,
    *,
    names: list[str] | None = None,
    instructor: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[str]:
    """Build the site into `out` and return what Sphinx found wrong, one line each.

    Notebooks whose last solved run is not of their present text are run first, which takes minutes.
    A site that was built into `out` before is replaced. Raises CourseError when `out` holds anything else,
    when a notebook fails, or when Sphinx is not installed.
    """
    try:
        from sphinx.application import Sphinx
        from sphinx.util.docutils import docutils_namespace, patch_docutils
    except ImportError:
        raise CourseError(
            "The site is made by Sphinx, which is not installed.", "Run: pip install -e 'autograder[site]'"
        ) from None
    if out.exists() and not out.is_dir():
        raise CourseError(f"{out} is a file.", "Name a folder.")
    marks = (out / MARK, out / ".buildinfo")
    if out.exists() and any(out.iterdir()) and not any(mark.exists() for mark in marks):
        raise CourseError(f"{out} holds something that is not a site.", "Name a new or an empty folder.")
    pages = out.parent / f"{out.name}-pages"
    shutil.rmtree(pages, ignore_errors=True)
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True, exist_ok=True)  # a link or a mount stays
    (out / MARK).write_text("Made by course site, which may replace this folder.\n", encoding="utf-8")
    _write_documents(course, pages, instructor)
    for name in course.names(names):
        if progress:
            progress(name)
        text = notebook_page(course, name, executed(course, name), pages, instructor)
        (pages / "notebooks" / f"{name}.md").write_text(text, encoding="utf-8")
    if progress:
        progress("Sphinx")
    found = io.StringIO()
    with patch_docutils(str(pages)), docutils_namespace():
        app = Sphinx(
            pages, pages, out, out.parent / f"{out.name}-doctrees", "html", status=None, warning=found
        )
        app.build(force_all=True)
    return [line for line in strip_ansi(found.getvalue()).splitlines() if line.strip()]


def notebook_page(
    course: Course, name: str, notebook: NotebookNode, pages: Path, instructor: bool = False
) -> str:
    """The page of a notebook as MyST Markdown; its images are written below `pages`."""
    source = course.source(name)
    shown = {cell.id: cell for cell in release_notebook(source, course.notebooks).cells}
    authored = {cell.id: cell for cell in source.cells}
    images = pages / "notebooks" / "images"
    images.mkdir(parents=True, exist_ok=True)
    parts: list[str] = []
    schemes = {f"question_{cell.name}": cell.without_markers() for cell in source.of_role("question")}
    for cell in notebook.cells:
        released = shown.get(cell.id)
        if cell.id == INSTALL_ID or released is None:
            continue
        if cell.cell_type == "markdown":
            text = released.source
            if instructor and cell.id in schemes:
                text = schemes[cell.id]
            if cell.id == BADGE_ID:
                text = (
                    f"[Open it in Colab]({course.notebooks.colab_address(name)}) · [Glossary](/glossary.md)"
                )
            parts.append(_links(text, course))
            continue
        code = _code(cell.source if instructor else released.source, "ipython3")
        role = authored[cell.id].role if cell.id in authored else ""
        if role == "test":
            code = f"<details><summary>The check</summary>\n\n{code}\n\n</details>"
        parts.append(code)
        if role not in ("exercise", "test", "submit"):
            parts += [
                part
                for number, output in enumerate(cell.get("outputs", []))
                if (part := _output(output, images, f"{name}-{cell.id}-{number}"))
            ]
    return "\n\n".join(parts) + "\n"


def _output(output: NotebookNode, images: Path, name: str) -> str:
    if output.output_type == "stream":
        return _printed(output.text) if output.name == "stdout" else ""
    data: dict[str, Any] = output.get("data", {})
    for kind, ending in _IMAGES.items():
        if kind in data:
            path = images / f"{name}.{ending}"
            content = data[kind]
            path.write_bytes(content.encode() if ending == "svg" else base64.b64decode(content))
            alt = output.get("metadata", {}).get(kind, {}).get("alt", "")
            return f"![{_escaped(alt)}](images/{path.name})"
    if _WIDGET in data:
        return ""  # it lives where a kernel runs
    if "text/html" in data:
        return f'<div class="output">\n{data["text/html"]}\n</div>'
    return _printed(data.get("text/plain", ""))


def _escaped(alt: str) -> str:
    return re.sub(r"([\[\]\\*_`$<{])", r"\\\1", " ".join(alt.split()))


def _printed(text: str) -> str:
    text = strip_ansi(text).rstrip()
    return f":::{{container}} output\n{_code(text, 'text')}\n:::" if text else ""


def _code(text: str, language: str) -> str:
    ticks = max([2, *(len(run) for run in re.findall(r"`+", text))]) + 1
    return f"{'`' * ticks}{language}\n{text}\n{'`' * ticks}"


def _links(text: str, course: Course) -> str:
    """Links to notebooks lead to their pages, links out of the documentation to the repository."""
    text = _NOTEBOOK_LINK.sub(r"](/notebooks/\1.md\2)", text)
    return _LINK_OUTSIDE.sub(lambda match: f"]({_address(match[1], course)})", text)


def _address(path: str, course: Course) -> str:
    """Where a file outside docs/ is to be read: on the site, if it became a page, or in the repository."""
    pages = {"CHANGELOG.md": "/changelog.md", "README.md": "/index.md"}
    return pages.get(path) or course.notebooks.file_address(path)


def _write_documents(course: Course, pages: Path, instructor: bool) -> None:
    docs = course.root / "docs"
    shutil.copytree(docs / "images", pages / "images")
    (pages / "notebooks").mkdir()
    for path in sorted(docs.glob("*.md")):
        (pages / path.name).write_text(_links(path.read_text(encoding="utf-8"), course), encoding="utf-8")
    changes = (course.root / "CHANGELOG.md").read_text(encoding="utf-8")
    (pages / "changelog.md").write_text(_links(changes, course), encoding="utf-8")
    title = course.settings.title + (" (instructors only)" if instructor else "")
    settings = (_TEMPLATES / "conf.py.in").read_text(encoding="utf-8").replace("TITLE", repr(title))
    (pages / "conf.py").write_text(settings, encoding="utf-8")
    (pages / "static").mkdir()
    for name in ("site.css", "site.js"):
        shutil.copy(_TEMPLATES / name, pages / "static" / name)
