"""Parts of a page of docs/ that a command writes, between two marks; what people wrote around them stays."""

from __future__ import annotations

from pathlib import Path

from autograder.errors import CourseError


def put_section(page: Path, name: str, command: str, text: str, *, title: str = "") -> None:
    """Write the text between the marks of the section `name`, which the command keeps up to date.

    A page that is not there, or has no such section, gets it at its end, under the title (Markdown).
    Raises CourseError for a page that has lost one of the two marks, or has one twice; it stays as it is.
    """
    begin, end = f"<!-- {name}: written by `{command}` -->", f"<!-- end of {name} -->"
    before_begin = f"<!-- {name}: written by `"  # another command may have written it before
    page_text = page.read_text(encoding="utf-8") if page.exists() else ""
    section = f"{begin}\n\n{text.strip()}\n\n{end}"
    found = (page_text.count(before_begin), page_text.count(end))
    if found == (0, 0):
        head = "\n\n".join(part for part in (page_text.rstrip(), title) if part)
        new = f"{head}\n\n{section}\n"
    elif found == (1, 1) and page_text.index(before_begin) < page_text.index(end):
        before, rest = page_text.split(before_begin)
        new = before + section + rest.split(end)[1]
    else:
        raise CourseError(
            f"{page} has lost a mark of its section {name!r}.",
            f"It needs these two lines, once each: {begin} and {end}",
        )
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(new, encoding="utf-8")
