"""A written answer keeps its markdown unless the rendered form could run or fetch something."""

from __future__ import annotations

import re
import time

import pytest
from nbconvert.filters import markdown2html
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from autograder.safe_markdown import MAX_ANSWER, NOT_SHOWN, dangers, harmless, make_harmless, rendered

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
    theirs = new_markdown_cell("![pixel](https://example.org/p.svg)", id="theirs")
    notebook = new_notebook(cells=[ours, theirs, new_code_cell("'[x](javascript:1)'", id="code")])
    make_harmless(notebook, {1, 2})
    assert [cell.source for cell in notebook.cells] == [
        "![badge](https://example.org/badge.svg)",
        "```\n![pixel](https://example.org/p.svg)\n```",
        "'[x](javascript:1)'",
    ]


def test_a_huge_answer_is_cut() -> None:
    assert len(harmless("word " * 100_000)) < MAX_ANSWER + 1000


def test_what_takes_too_long_to_judge_is_not_shown() -> None:
    slow = ["<ul><li>" * 200_000, "\\[" * 33_000]  # hours and minutes, uncut
    cells = [new_markdown_cell(text, id=f"c{i}{j}") for i in range(20) for j, text in enumerate(slow)]
    notebook = new_notebook(cells=[*cells, new_markdown_cell("Ours.", id="ours")])
    make_harmless(notebook, set(range(len(cells))), seconds=0.5)
    assert {cell.source for cell in notebook.cells} == {NOT_SHOWN, "Ours."}
    make_harmless(small := new_notebook(cells=[new_markdown_cell("Mine.", id="c")]), {0})
    assert small.cells[0].source == "Mine."


@pytest.mark.parametrize(
    ("source", "shown"),
    [
        ("**Question 2.** per *token*", "<p><strong>Question 2.</strong> per <em>token</em></p>"),
        ("- one\n- two", "<ul>\n<li>one</li>\n<li>two</li>\n</ul>"),
        ("# Why\n\nx < y & z", "<p><strong>Why</strong></p><p>x &lt; y &amp; z</p>"),
        ("[Shannon](https://example.org/a?b&c)", "<p>Shannon (https://example.org/a?b&amp;c)</p>"),
        ('<p class="k" id="exercises">x</p>', "<p>x</p>"),
        ("$a_1 * b * c_1$", "<p>$a_1 * b * c_1$</p>"),
        ("a \u202e b", "<p>a [U+202E] b</p>"),
    ],
)
def test_our_own_pages_show_markdown_as_plain_tags(source: str, shown: str) -> None:
    assert str(rendered(source)).strip() == shown


@pytest.mark.parametrize("source", [*BAD, "vector<int> is a type", "<!-- hidden --> text", "<u>x</u>"])
def test_what_is_dangerous_or_odd_stays_literal_on_our_pages(source: str) -> None:
    assert rendered(source) is None


@pytest.mark.parametrize(
    "source", [*GOOD, *BAD, "</div></body></html><p>", "<strong><em>never closed", "> <p"]
)
def test_rendered_pages_hold_plain_balanced_tags_alone(source: str) -> None:
    shown = str(rendered(source) or "")
    plain = "p|strong|em|code|pre|ul|ol|li|blockquote|table|thead|tbody|tr|th|td"
    assert not re.sub(rf"</?({plain})>|<br>|<hr>", "", shown).count("<")
    open_tags: list[str] = []
    for end, tag in re.findall(rf"<(/?)({plain})>", shown):
        if end:
            assert open_tags.pop() == tag
        else:
            open_tags.append(tag)
    assert open_tags == []


@pytest.mark.parametrize("source", ["[" * 20000, "![a](" * 4000, "> " * 10000, "*a " * 7000])
def test_hostile_markdown_does_not_hold_up_a_page(source: str) -> None:
    started = time.monotonic()
    rendered(source)
    assert time.monotonic() - started < 10
