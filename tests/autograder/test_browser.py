"""In a real browser: pages made from hostile hand-ins run nothing and fetch nothing, with either wall alone."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from browsing import TOKEN, chromium, jupyter, read

from autograder import record
from autograder.course_folder import quiet_nbgrader
from autograder.feedback import write_feedback
from autograder.report import make_report, write_report

pytestmark = pytest.mark.slow

POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')

# Everything in the page that could run or fetch something, found in the parsed document and not in its text.
DANGEROUS = """() => {
  const found = [];
  for (const element of document.querySelectorAll('*')) {
    if (/^(script|iframe|frame|object|embed|base|form|link|foreignobject|animate|set|use)$/i.test(element.tagName))
      found.push(element.outerHTML.slice(0, 200));
    for (const {name, value} of element.attributes)
      if (/^on/i.test(name) || /^style$/i.test(name) || /^\\s*(javascript|vbscript|data:text)/i.test(value) ||
          (/^(src|href|xlink:href|action|srcset|poster)$/i.test(name) && !/^(#|data:image\\/(png|jpeg);base64,|\\.\\.\\/feedback\\/)/.test(value)))
        found.push(name + '=' + value.slice(0, 200));
  }
  return found;
}"""
# The lowest contrast of any text with what is behind it, by the formula of WCAG 2.
CONTRAST = """() => {
  const channel = v => (v /= 255, v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  const light = rgb => 0.2126 * channel(rgb[0]) + 0.7152 * channel(rgb[1]) + 0.0722 * channel(rgb[2]);
  const colour = text => text.match(/[\\d.]+/g).map(Number);
  const behind = element => {
    for (; element; element = element.parentElement) {
      const c = colour(getComputedStyle(element).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  let worst = [99, ''];
  for (const element of document.querySelectorAll('body *')) {
    if (![...element.childNodes].some(n => n.nodeType === 3 && n.textContent.trim())) continue;
    const svg = element instanceof SVGElement, style = getComputedStyle(element);
    const a = light(colour(svg ? style.fill : style.color)), b = light(behind(element));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < worst[0]) worst = [ratio, element.outerHTML.slice(0, 120)];
  }
  return worst;
}"""
HEADINGS = "() => [...document.querySelectorAll('h1,h2,h3,h4')].map(h => Number(h.tagName[1]))"


@dataclass
class Visit:
    """What happened while a page was open."""

    page: Any
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)

    @property
    def pwned(self) -> bool:
        return bool(self.page.evaluate("() => Boolean(window.pwned)"))


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as running:
        yield running


@contextlib.contextmanager
def visit(browser: Any, address: str, allowed: str = "") -> Iterator[Visit]:
    """Open an address; every request but for itself and what begins with `allowed` is stopped and noted."""
    context = browser.new_context(viewport={"width": 1000, "height": 900})
    try:
        page = context.new_page()
        seen = Visit(page)

        def decide(route: Any) -> None:
            url = route.request.url
            if url == address or url.startswith("data:") or (allowed and url.startswith(allowed)):
                route.continue_()
            else:
                seen.requests.append(url)
                route.abort()

        context.route("**/*", decide)
        page.on(
            "dialog", lambda dialog: (seen.complaints.append(f"dialog: {dialog.message}"), dialog.dismiss())
        )
        page.on("console", lambda message: seen.complaints.append(message.text))
        page.goto(address, wait_until="load")
        page.wait_for_timeout(300)
        yield seen
    finally:
        context.close()


def uri(path: Path) -> str:
    return path.resolve().as_uri()


@pytest.fixture(scope="module")
def course(graded_course: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The graded course with all pages written."""
    made = graded_course.copy(tmp_path_factory.mktemp("browser") / "course")
    write_feedback(made.folder, made.assignment)
    write_report(made.folder, make_report(made.folder, made.assignment))
    return made


def pages_of(course: Any) -> dict[str, Path]:
    hostile = course.folder.step("feedback", course.hostile, course.assignment) / f"{course.assignment}.html"
    return {"feedback": hostile, "report": course.root / "reports" / f"{course.assignment}.html"}


@pytest.mark.parametrize("which", ["feedback", "report"])
@pytest.mark.parametrize("walls", ["both walls", "escaping alone"])
def test_nothing_of_a_student_runs(browser: Any, course: Any, tmp_path: Path, which: str, walls: str) -> None:
    path = pages_of(course)[which]
    if walls == "escaping alone":
        text, removed = POLICY.subn("", path.read_text(encoding="utf-8"))
        assert removed == 1
        path = tmp_path / "no-policy.html"
        path.write_text(text, encoding="utf-8")
    with visit(browser, uri(path)) as seen:
        assert "window.pwned=1" in seen.page.inner_text("body"), "the attack is on the page, as text"
        for summary in seen.page.query_selector_all("summary"):
            summary.click()
        assert not seen.pwned
        assert seen.requests == [] and seen.complaints == []
        assert seen.page.evaluate(DANGEROUS) == []
        assert seen.page.evaluate("() => getComputedStyle(document.body).maxWidth") != "none", (
            "our style applies"
        )


def test_the_policy_alone_stops_scripts_and_requests(browser: Any, course: Any, tmp_path: Path) -> None:
    """The second wall is real: a page in which nothing was escaped still runs nothing."""
    text = pages_of(course)["feedback"].read_text(encoding="utf-8")
    attack = (
        "<script>window.pwned=1</script><img src=x onerror=window.pwned=1><img src='http://evil.example/p.png'>"
        "<style>body{background:url(http://evil.example/css)}</style><link rel=stylesheet href='http://evil.example/l.css'>"
        "<p style='background:url(http://evil.example/inline)'>x</p><iframe src='http://evil.example/'></iframe>"
    )
    path = tmp_path / "unescaped.html"
    path.write_text(text.replace("<main>", f"<main>{attack}"), encoding="utf-8")
    with visit(browser, uri(path)) as seen:
        assert not seen.pwned and seen.requests == []
        assert any("Content Security Policy" in complaint for complaint in seen.complaints)
    path.write_text(POLICY.sub("", path.read_text(encoding="utf-8")), encoding="utf-8")
    with visit(browser, uri(path)) as seen:
        assert seen.pwned and seen.requests, "without the policy the same attack works: this test can fail"


@pytest.mark.parametrize("which", ["feedback", "report"])
def test_pages_can_be_read_by_everyone(browser: Any, course: Any, which: str) -> None:
    with visit(browser, uri(pages_of(course)[which])) as seen:
        headings = seen.page.evaluate(HEADINGS)
        assert headings[0] == 1 and headings.count(1) == 1
        assert all(after <= before + 1 for before, after in pairwise(headings)), headings
        ratio, where = seen.page.evaluate(CONTRAST)
        assert ratio >= 4.5, where
        assert seen.page.evaluate("() => [...document.images].every(i => i.alt.trim() && i.naturalWidth > 0)")
        assert seen.page.evaluate("() => document.documentElement.lang") == "en"
        seen.page.set_viewport_size({"width": 360, "height": 800})
        assert seen.page.evaluate("() => document.documentElement.scrollWidth") <= 360, "fits a phone"
        assert len(seen.page.pdf()) > 10_000, "and prints"


@pytest.fixture(scope="module")
def nbgrader_feedback(graded_course: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The hostile student's page as nbgrader itself makes it."""
    made = graded_course.copy(tmp_path_factory.mktemp("plain") / "course")
    command = [sys.executable, "-m", "nbgrader", "generate_feedback", made.assignment]
    done = subprocess.run(command, cwd=made.root, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    return made.folder.step("feedback", made.hostile, made.assignment) / f"{made.assignment}.html"


links_allowed = pytest.mark.xfail(
    not hasattr(record, "make_harmless"),
    reason="recording does not yet pass written answers through safe_markdown.make_harmless",
    strict=True,
)
# Links that would run a script, in nbgrader's pages, which hold scripts of their own.
LINKS = "() => [...document.links].map(a => a.href).filter(h => /^\\s*(javascript|vbscript|data):/i.test(h))"


@links_allowed
def test_nbgraders_own_feedback_runs_nothing_of_a_student(browser: Any, nbgrader_feedback: Path) -> None:
    with visit(browser, uri(nbgrader_feedback)) as seen:
        assert "window.pwned" in seen.page.inner_text("body")
        assert not seen.pwned
        assert seen.page.evaluate(LINKS) == []
        assert not [url for url in seen.requests if "evil.example" in url]


@pytest.fixture(scope="module")
def formgrader(graded_course: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Jupyter server with nbgrader's formgrader on a course folder."""
    made = graded_course.copy(tmp_path_factory.mktemp("formgrader") / "course")
    extension = "--ServerApp.jpserver_extensions={'nbgrader.server_extensions.formgrader': True}"
    with jupyter("server", made.root, tmp_path_factory.mktemp("home"), extension) as address:
        yield address


def test_formgrader_shows_what_was_recorded(formgrader: str) -> None:
    import json

    for path in (
        "/formgrader",
        "/formgrader/gradebook",
        "/formgrader/gradebook/small/small",
        "/formgrader/manage_students",
    ):
        assert "nbgrader" in read(formgrader + path), path
    submissions = {
        s["student"]: s for s in json.loads(read(f"{formgrader}/formgrader/api/submissions/small"))
    }
    assert (submissions["amara"]["score"], submissions["amara"]["max_score"]) == (5.0, 7.0)
    assert submissions["amara"]["needs_manual_grade"] and submissions["amara"]["autograded"]
    assert submissions["elif yıldız"]["score"] == 0.0
    notebooks = json.loads(
        read(f"{formgrader}/formgrader/api/student_notebook_submissions/{quote('chiara')}/small")
    )
    page = read(f"{formgrader}/formgrader/submissions/{notebooks[0]['id']}/")
    assert "Half of 3 is 1.5, not 6.0." in page and "HIDDEN-MESSAGE" not in page


@links_allowed
def test_a_hand_in_in_formgrader_runs_nothing(browser: Any, formgrader: str, graded_course: Any) -> None:
    from nbgrader.api import Gradebook

    folder = graded_course.folder
    with quiet_nbgrader(), Gradebook(folder.db_url, folder.paths.course_id) as book:
        number = book.find_submission_notebook("small", "small", graded_course.hostile).id
    address = f"{formgrader}/formgrader/submissions/{number}/?token={TOKEN}"
    with visit(browser, address, allowed=formgrader) as seen:
        seen.page.wait_for_timeout(1500)
        assert "window.pwned" in seen.page.evaluate("() => document.body.textContent")
        assert not seen.pwned
        assert seen.page.evaluate(LINKS) == []
        assert not [url for url in seen.requests if "evil.example" in url]
