"""A written answer keeps its markdown unless the rendered form could run or fetch something."""

from __future__ import annotations

import pytest
from nbconvert.filters import markdown2html
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.safe_markdown import NOT_SHOWN, dangers, harmless, make_harmless

GOOD = [
    "Because `/` is **true** division.\n\n- one\n- two\n\n> quote\n\n| a | b |\n|---|---|\n| 1 | 2 |",
    'It grows like $\\sum_i p_i \\log \\frac{1}{p_i}$, see [Shannon](https://example.org/1948 "A theory").',
    "$$\n\\begin{aligned} a &= b \\\\ c &= d \\end{aligned}\n$$",
    "```python\nprint('javascript:alert(1)')\n```",
    "javascript: is a scheme, and `\\href{x}` a command in code",
    "Write to <me@example.org> or <https://example.org>.",
    "![p](data:image/png;base64,iVBORw0KGgo=)",
    "Note: this is fine. x < y and y > z & so on",
    "",
]
BAD = [
    "[click](javascript:alert(1))",
    "[click](JaVaScRiPt:alert(1))",
    "[click](<javascript:alert(1)>)",
    "[click](&#106;avascript:alert(1))",
    "[click][ref]\n\n[ref]: javascript:alert(1)",
    "[click](data:text/html,<b>x</b>)",
    "[click](vbscript:x)",
    "[click](file:///etc/passwd)",
    "![pixel](http://evil.example/p.png)",
    "![pixel](//evil.example/p.png)",
    "<img src='https://evil.example/p.png'>",
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg onload=alert(1)>",
    "<div style='background:url(http://evil.example)'>x</div>",
    "```mermaid\ngraph TD; A-->B; click A call alert(1)\n```",
    "$\\href{javascript:alert(1)}{x}$",
    "$$\\require{html}\\href{javascript:alert(1)}{x}$$",
    "<!-- comment --><!DOCTYPE html>",
]


@pytest.mark.parametrize("source", GOOD)
def test_honest_markdown_stays_as_it_is(source: str) -> None:
    assert dangers(source) == []
    assert harmless(source) == source


@pytest.mark.parametrize("source", BAD)
@pytest.mark.parametrize(
    "around", ["{}", "text\n\n{}\n\n```\ncode\n```", "$$\n{}", "````\n{}\n", "~~~\n```\n{}\n~~~\n{}"]
)
def test_dangerous_markdown_is_shown_as_text(source: str, around: str) -> None:
    shown = harmless(around.replace("{}", source))
    assert dangers(shown) == []
    assert shown == NOT_SHOWN or "pre>" in markdown2html(shown) or shown == around.replace("{}", source)


@pytest.mark.parametrize("source", BAD)
def test_each_danger_is_noticed(source: str) -> None:
    assert dangers(source), markdown2html(source)
    assert "<pre>" in markdown2html(harmless(source)), "its words are still there"


def test_only_the_students_cells_are_touched() -> None:
    ours = new_markdown_cell("![badge](https://example.org/badge.svg)", id="ours")
    theirs = new_markdown_cell(
        "![pixel](https://example.org/p.svg)", id="theirs", metadata={"nbgrader": {"solution": True}}
    )
    notebook = new_notebook(cells=[ours, theirs, new_code_cell("'[x](javascript:1)'", id="code")])
    make_harmless(notebook)
    assert [cell.source for cell in notebook.cells] == [
        "![badge](https://example.org/badge.svg)",
        "```\n![pixel](https://example.org/p.svg)\n```",
        "'[x](javascript:1)'",
    ]


def test_a_huge_answer_is_cut() -> None:
    assert len(harmless("word " * 100_000)) < 101_000
