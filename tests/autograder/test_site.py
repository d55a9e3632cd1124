"""The web site: nothing missing, nothing fetched, nothing given away, and readable for everyone."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote, urlsplit

import nbformat
import pytest
from browsing import chromium
from bs4 import BeautifulSoup

from autograder.build import Course, open_course
from autograder.errors import CourseError
from autograder.executed import FOLDER, executed, keep_executed, source_key
from autograder.leaks import leaks_in_text, secrets

pytest.importorskip("sphinx", reason="the site is made by Sphinx: pip install -e 'autograder[site]'")
from autograder.site import MARK, build_site

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


def has_run(course: Course, name: str) -> bool:
    """Whether the gate has run this notebook as it is now (in `make test` it has run all of them before)."""
    path = course.root / FOLDER / f"{name}.ipynb"
    kept = nbformat.read(path, as_version=4) if path.exists() else None
    return kept is not None and kept.metadata["nextword"]["source_sha256"] == source_key(
        course, course.source(name)
    )


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The notebooks that can be shown at once, and the first one, which runs in seconds."""
    course = open_course(ROOT)
    return [name for name in course.names() if name.startswith("00") or has_run(course, name)]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> Path:
    out = tmp_path_factory.mktemp("site") / "site"
    assert build_site(open_course(ROOT), out, names=names) == []
    return out


def pages(site: Path) -> dict[Path, BeautifulSoup]:
    return {path: BeautifulSoup(path.read_text("utf-8"), "html.parser") for path in site.rglob("*.html")}


def test_nothing_but_a_site_is_replaced(tmp_path: Path) -> None:
    course, mine = open_course(ROOT), tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    with pytest.raises(CourseError, match="holds something that is not a site"):
        build_site(course, mine)
    with pytest.raises(CourseError, match="is a file"):
        build_site(course, mine / "thesis.txt")
    assert (mine / "thesis.txt").read_text() == "x"
    (mine / MARK).touch()  # a site whose making was stopped
    assert build_site(course, mine, names=["00_start_here"]) is not None
    assert not (mine / "thesis.txt").exists() and (mine / "index.html").exists()


def test_every_notebook_and_document_has_a_page(site: Path, names: list[str]) -> None:
    made = {path.relative_to(site).with_suffix("").as_posix() for path in site.rglob("*.html")}
    documents = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert made >= documents | {"changelog", "search"} | {f"notebooks/{name}" for name in names}


def test_links_and_images_lead_somewhere(site: Path) -> None:
    parsed = pages(site)
    ids = {path: {tag["id"] for tag in page.find_all(id=True)} for path, page in parsed.items()}
    broken = []
    for path, page in parsed.items():
        for tag, attribute in (("a", "href"), ("img", "src"), ("link", "href"), ("script", "src")):
            for found in page.find_all(tag, attrs={attribute: True}):
                address = urlsplit(found[attribute])
                if address.scheme in ("http", "https", "data", "mailto"):
                    if tag != "a" and address.scheme.startswith("http"):
                        broken.append(f"{path.name} fetches {found[attribute]}")
                    continue
                target = (path.parent / unquote(address.path)).resolve() if address.path else path
                anchored = address.fragment and target.suffix == ".html"
                if not target.exists() or (anchored and unquote(address.fragment) not in ids[target]):
                    broken.append(f"{path.name} -> {found[attribute]}")
    assert not broken


def test_formulas_are_mathml_that_says_what_the_source_says(site: Path) -> None:
    for path, page in pages(site).items():
        for formula in page.find_all("math"):
            assert not formula.find_all(re.compile("^(?!m|semantics|annotation)")), f"{path.name}: {formula}"
            assert "\\" not in formula.get_text(), f"{path.name}: a command was not understood in {formula}"
        prose = " ".join(tag.get_text() for tag in page.select("article p") if not tag.find("code"))
        assert not re.search(r"\$[^$ ]+\\[a-z]", prose), path


def test_every_figure_says_what_it_shows(site: Path, names: list[str]) -> None:
    figures = [image for page in pages(site).values() for image in page.select("article img")]
    assert len(figures) > 2 * len(names)
    assert all(len(image.get("alt", "").split()) >= 4 for image in figures)


def test_headings_go_down_one_step_at_a_time(site: Path) -> None:
    for path, page in pages(site).items():
        levels = [int(tag.name[1]) for tag in page.select("article h1, article h2, article h3, article h4")]
        assert levels.count(1) == 1 or path.name in ("search.html", "genindex.html"), path
        assert all(after <= before + 1 for before, after in pairwise(levels)), path


def test_the_students_site_gives_nothing_away(site: Path, names: list[str]) -> None:
    course = open_course(ROOT)
    for name in names:
        hidden = secrets(course.source(name))
        assert hidden
        text = BeautifulSoup(
            (site / "notebooks" / f"{name}.html").read_text("utf-8"), "html.parser"
        ).get_text()
        assert leaks_in_text(text, name, "", hidden) == []


def test_the_instructors_site_shows_solutions_and_mark_schemes(tmp_path: Path) -> None:
    course, name = open_course(ROOT), "00_start_here"
    build_site(course, tmp_path / "site", names=[name], instructor=True)
    page = BeautifulSoup((tmp_path / "site" / "notebooks" / f"{name}.html").read_text("utf-8"), "html.parser")
    code = [re.sub(r"\s+", "", block.get_text()) for block in page.select("pre")]
    for cell in course.source(name).of_role("exercise"):
        assert any(re.sub(r"\s+", "", cell.without_markers()) in block for block in code), cell.name
    for cell in course.source(name).of_role("question"):
        assert "MARK SCHEME" in cell.source and "MARK SCHEME" not in page.get_text()
        scheme = re.sub(r"\W+", " ", cell.region("MARK SCHEME").split("$")[0])[:80].strip()
        assert scheme and scheme in re.sub(r"\W+", " ", page.get_text()), "graders read what earns points"
    assert "instructors only" in page.title.get_text()


def test_a_kept_run_is_used_until_its_source_changes(tmp_path: Path) -> None:
    root = tmp_path / "course"
    (root / "solutions").mkdir(parents=True)
    (root / "course.toml").write_text(
        '[course]\ntitle = "A"\nid = "a"\nrepository = "a/a"\n[[assignment]]\nname = "00_a"\n'
    )
    source = root / "solutions" / "00_a.py"
    text = "# %% [markdown]\n# # A\n\n# %% experiment\nprint({})\n\n# %% submit\nprint('hand in')\n"
    source.write_text(text.format("1 + 1"))
    course = open_course(root)

    def printed() -> list[str]:
        return [o.text for cell in executed(course, "00_a").cells for o in cell.get("outputs", [])]

    assert printed()[0] == "2\n"
    kept = executed(course, "00_a")
    kept.cells[-1].outputs[0].text = "from the shelf"
    keep_executed(course, course.source("00_a"), kept)
    assert printed()[-1] == "from the shelf"
    source.write_text(text.format("2 + 2"))
    assert printed() == ["4\n", "hand in\n"]


@pytest.mark.parametrize("dark", [False, True])
def test_axe_finds_nothing_serious(site: Path, names: list[str], dark: bool) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    shown = ["index", "glossary", "results", "search", f"notebooks/{names[0]}", f"notebooks/{names[-1]}"]
    serious: list[tuple[str, str, str, int]] = []
    with chromium() as browser:
        page = browser.new_page(color_scheme="dark" if dark else "light")
        for name in shown:
            page.goto(f"file://{site / name}.html")
            serious += [
                (name, v["id"], v["nodes"][0]["html"][:200], len(v["nodes"]))
                for v in axe.run(page).response["violations"]
                if v["impact"] in ("serious", "critical")
            ]
    assert not serious
