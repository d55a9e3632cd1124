"""Sections of pages: written between marks, and nothing else of the page is touched."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.errors import CourseError
from autograder.sections import put_section


def test_a_second_writing_replaces_the_first_and_nothing_else(tmp_path: Path) -> None:
    page = tmp_path / "docs" / "page.md"
    put_section(page, "speed", "make a", "old", title="# Page")
    first = page.read_text(encoding="utf-8")
    assert first.startswith("# Page\n\n<!-- speed: written by `make a` -->\n\nold\n")
    page.write_text(first + "\nBelow, by hand.\n", encoding="utf-8")
    put_section(page, "memory", "make b", "of another section", title="## Memory")
    put_section(page, "speed", "make b", "new\n", title="# Page")
    text = page.read_text(encoding="utf-8")
    assert text.startswith("# Page\n\n<!-- speed: written by `make b` -->\n\nnew\n\n<!-- end of speed -->\n")
    assert "\n\nBelow, by hand.\n\n## Memory\n\n" in text and "of another section" in text
    assert "old" not in text and text.count("# Page") == 1
    put_section(page, "speed", "make b", "new", title="# Page")
    assert page.read_text(encoding="utf-8") == text


BEGIN, END = "<!-- speed: written by `make a` -->", "<!-- end of speed -->"


@pytest.mark.parametrize("text", [BEGIN, END, f"{END}\n{BEGIN}", f"{BEGIN}\n{BEGIN}\n{END}"])
def test_a_page_that_lost_a_mark_is_left_as_it_is(tmp_path: Path, text: str) -> None:
    page = tmp_path / "page.md"
    page.write_text(text, encoding="utf-8")
    with pytest.raises(CourseError, match=r"lost a mark of its section 'speed'.*once each"):
        put_section(page, "speed", "make a", "new")
    assert page.read_text(encoding="utf-8") == text
