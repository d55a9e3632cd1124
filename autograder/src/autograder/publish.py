"""`course publish`: the tree that students get, with nothing in it that they must not see."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from autograder.build import Course, release_text
from autograder.errors import CourseError
from autograder.leaks import Secret, leaks_in_tree, secrets

RECORD = ".published"  # the files that the last `course publish` wrote, so that the next one may replace them
_SINGLE_FILES = ("environment.yml", "constraints.txt", "LICENSE", "docs/glossary.md")
_LEFT_OUT = {
    "__pycache__",
    "build",
    "dist",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".ipynb_checkpoints",
}


@dataclass(frozen=True)
class Published:
    """What was handed out, and where."""

    folder: Path
    notebooks: tuple[str, ...]
    files: int


def publish(course: Course, folder: Path, names: list[str] | None = None) -> Published:
    """Write the student tree to `folder`, new or published before. Raises CourseError if anything leaks.

    Notebooks that were published to it before, and are still in it, are written anew as well.
    """
    folder = folder.resolve()
    root = course.root.resolve()
    if folder == root or folder in root.parents:
        raise CourseError(
            f"{folder} holds the solutions.", "Name a folder of its own, for example ../course-students."
        )
    asked = course.names(names)
    before = {
        name for name in _recorded(folder) if name.startswith("notebooks/") and (folder / name).exists()
    }
    wanted = [name for name in course.names() if name in asked or f"notebooks/{name}.ipynb" in before]
    hidden: list[Secret] = []
    with tempfile.TemporaryDirectory(prefix="course-publish-") as scratch:
        tree = Path(scratch)
        for name in wanted:
            _copy_notebook(course, name, tree)
        # What no notebook of this round shows may still be next week's solution.
        for path in sorted((root / "solutions").glob("*.py")):
            hidden += secrets(course.source(path.stem))
        _copy_package(root / "helpers", tree / "helpers")
        for name in _SINGLE_FILES:
            if (root / name).is_file():
                (tree / name).parent.mkdir(exist_ok=True)
                shutil.copyfile(root / name, tree / name)
        (tree / "README.md").write_text(student_readme(course, wanted), encoding="utf-8")
        found = leaks_in_tree(tree, hidden)
        if found:
            first = found[0]
            at = f"{first.path}, cell {first.cell}" if first.cell else first.path
            raise CourseError(
                f"Nothing was published: {at} shows {first.what}"
                + (f", and {len(found) - 1} more places." if len(found) > 1 else "."),
                "Reword it there, or rename what the solution calls it.",
            )
        files = sorted(path.relative_to(tree).as_posix() for path in tree.rglob("*") if path.is_file())
        _replace(tree, folder, files)
    return Published(folder, tuple(wanted), len(files))


def _copy_notebook(course: Course, name: str, tree: Path) -> None:
    product = course.product(name)
    text = product.read_text(encoding="utf-8") if product.exists() else None
    if text != release_text(course.source(name), course.notebooks):
        raise CourseError(
            f"notebooks/{name}.ipynb is not in step with its source.", f"Run course build {name}."
        )
    (tree / "notebooks").mkdir(exist_ok=True)
    (tree / "notebooks" / f"{name}.ipynb").write_text(str(text), encoding="utf-8")


def _copy_package(source: Path, target: Path) -> None:
    if not source.is_dir():
        raise CourseError(f"{source} does not exist.", "Students need the package they import; check --root.")

    def ignore(_: str, names: list[str]) -> list[str]:
        return [name for name in names if name in _LEFT_OUT or name.endswith((".egg-info", ".pyc"))]

    shutil.copytree(source, target, ignore=ignore)


def _replace(tree: Path, folder: Path, files: list[str]) -> None:
    """Put the files of `tree` into `folder`, where only what an earlier publish wrote may be in the way."""
    known = _recorded(folder)
    foreign = [name for name in files if (folder / name).exists() and name not in known]
    if foreign:
        raise CourseError(
            f"{folder / foreign[0]} exists and was not written by course publish.", "Name an empty folder."
        )
    for path in _inside(folder, known):
        path.unlink(missing_ok=True)
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(tree / name, folder / name)
    (folder / RECORD).write_text("".join(f"{name}\n" for name in files), encoding="utf-8")


def _recorded(folder: Path) -> set[str]:
    """The files that the last `course publish` wrote to the folder, relative to it."""
    record = folder / RECORD
    return set(record.read_text(encoding="utf-8").split("\n")) - {""} if record.exists() else set()


def _inside(folder: Path, names: set[str]) -> Iterator[Path]:
    for name in names:
        path = (folder / name).resolve()
        if folder in path.parents:
            yield path


def _environment_name(path: Path, otherwise: str) -> str:
    """What conda will call the environment of environment.yml."""
    found = re.search(r"^name:\s*(\S+)", path.read_text(encoding="utf-8") if path.exists() else "", re.M)
    return found[1] if found else otherwise


def student_readme(course: Course, names: list[str]) -> str:
    """The README of the student tree: the notebooks with their Colab links, and how to start on a laptop."""
    rows = "\n".join(
        f"| [{name}](notebooks/{name}.ipynb) | {course.settings.assignment(name).title} "
        f"| [open in Colab]({course.notebooks.colab_address(name)}) |"
        for name in names
    )
    pinned = "-c constraints.txt " if (course.root / "constraints.txt").is_file() else ""
    return f"""# {course.settings.title}

A course on language models in notebooks that grade themselves. Start with the first one.

| notebook | title | |
|---|---|---|
{rows}

## In Colab

Follow a link above, then choose "File > Save a copy in Drive". The first code cell installs what the
notebook needs.

## On a laptop

    conda env create -f environment.yml
    conda activate {_environment_name(course.root / "environment.yml", course.settings.course_id)}
    jupyter lab notebooks

Without conda (Python 3.11 or later): `python -m venv .venv`, activate it, then
`pip install {pinned}"./helpers[hub,widgets]" jupyterlab` and `jupyter lab notebooks`. On Linux
without a graphics card, `pip install {pinned}torch --index-url https://download.pytorch.org/whl/cpu`
before that saves 3 GB.

## Working

Write your answers where a cell says `YOUR CODE HERE` or `YOUR ANSWER HERE`, and run the test cell below
each one: it tells you what is wrong. Leave the other cells as they are; what you change in a test cell does
not count. When you are done, choose "Restart Kernel and Run All Cells" in the menu
"Kernel" (in Colab "Runtime > Restart session and run all"), run the last cell, and hand in the
notebook file.
"""
