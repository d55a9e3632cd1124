"""`course build`: an authored notebook becomes nbgrader's source notebook, then the release in notebooks/."""

from __future__ import annotations

import logging
import os
import sys
import tempfile
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from traitlets.config import Config

from autograder.errors import CourseError
from autograder.settings import Settings, load_settings
from autograder.source import SourceCell, SourceNotebook, read_source, source_path

NBGRADER_SCHEMA = 3
BADGE_ID = "view-in-github"  # the id Colab itself gives its badge, so that it adds no second one
INSTALL_ID = "install"
SKIP_TAG = "skip-execution"  # nbclient, and so nbgrader's autograde, leaves such cells out
ANSWER_STUB = "YOUR ANSWER HERE"  # as nbgrader's ClearSolutions writes it


@dataclass(frozen=True)
class NotebookSettings:
    """What course.toml says about the notebooks' own metadata.

    `gpu` names the notebooks that ask Colab for an accelerator of type `gpu_type`.
    """

    repository: str
    branch: str
    kernel: str = "python3"
    kernel_title: str = "Python 3 (ipykernel)"
    gpu_type: str = "T4"
    gpu: tuple[str, ...] = ()

    def file_address(self, path: str) -> str:
        """The address of a file of the repository, to be read on GitHub."""
        return f"https://github.com/{self.repository}/blob/{self.branch}/{path}"

    def colab_address(self, name: str) -> str:
        """The address that opens the notebook in Colab."""
        return f"https://colab.research.google.com/github/{self.repository}/blob/{self.branch}/notebooks/{name}.ipynb"


@dataclass(frozen=True)
class Course:
    """A checkout of the course: where it lies and what course.toml says."""

    root: Path
    settings: Settings
    notebooks: NotebookSettings

    def names(self, wanted: list[str] | None = None) -> list[str]:
        """The notebooks to work on: those named, or all of course.toml. Raises CourseError otherwise."""
        if wanted:
            return [self.settings.assignment(Path(name).stem).name for name in wanted]
        names = [assignment.name for assignment in self.settings.assignments]
        if not names:
            raise CourseError(
                "course.toml names no assignment.", 'Add [[assignment]] with name = "01_ngrams".'
            )
        return names

    def source(self, name: str) -> SourceNotebook:
        """The authored notebook of that name."""
        return read_source(source_path(self.root, name))

    def product(self, name: str) -> Path:
        """Where the built notebook of that name lies."""
        return self.root / "notebooks" / f"{name}.ipynb"


@dataclass(frozen=True)
class Built:
    """What building one notebook did."""

    name: str
    path: Path
    cells: int
    points: float
    minutes: float
    changed: bool


def open_course(root: Path) -> Course:
    """Read course.toml under `root`. Raises CourseError when it is missing or wrong."""
    path = root / "course.toml"
    settings = load_settings(path)
    table = tomllib.loads(path.read_text(encoding="utf-8")).get("notebooks", {})
    known = {"kernel": str, "kernel_title": str, "gpu_type": str, "gpu": list}
    for key, value in table.items():
        if key not in known:
            raise CourseError(f"{path}, [notebooks]: unknown setting {key}.", f"Known: {', '.join(known)}.")
        if not isinstance(value, known[key]):
            raise CourseError(f"{path}, [notebooks]: {key} is {value!r}.", f"Give a {known[key].__name__}.")
    for name in table.get("gpu", []):
        settings.assignment(name)
    table = {key: tuple(value) if isinstance(value, list) else value for key, value in table.items()}
    return Course(root, settings, NotebookSettings(settings.repository, settings.branch, **table))


def build(
    course: Course, names: list[str] | None = None, progress: Callable[[str], None] | None = None
) -> list[Built]:
    """Write notebooks/NAME.ipynb for each name. A file that is already right is left untouched."""
    built = []
    for name in course.names(names):
        source = course.source(name)
        text = release_text(source, course.notebooks)
        path = course.product(name)
        changed = not path.exists() or path.read_text(encoding="utf-8") != text
        if changed:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        built.append(
            Built(
                name=name,
                path=path,
                cells=len(source.cells),
                points=sum(cell.points or 0 for cell in source.cells),
                minutes=sum(cell.minutes or 0 for cell in source.cells),
                changed=changed,
            )
        )
        if progress:
            progress(name)
    return built


def write_text(notebook: NotebookNode) -> str:
    """The notebook as the text of a file: sorted keys, one line per source line, a newline at the end."""
    text = nbformat.writes(notebook, version=nbformat.NO_CONVERT)
    return str(text) if text.endswith("\n") else f"{text}\n"


def release_text(source: SourceNotebook, settings: NotebookSettings) -> str:
    """The text of notebooks/NAME.ipynb."""
    return write_text(release_notebook(source, settings))


def instructor_notebook(source: SourceNotebook, settings: NotebookSettings) -> NotebookNode:
    """nbgrader's source notebook: solutions, hidden tests and mark schemes inside their markers."""
    cells = [_badge(source.name, settings)]
    for cell in source.cells:
        cells.extend(_question_cells(cell) if cell.role == "question" else [_plain_cell(cell)])
    if source.cells[0].markdown:  # the title stands above the badge
        cells[0], cells[1] = cells[1], cells[0]
    cells.insert(2 if source.cells[0].markdown else 1, _install(settings))
    notebook = new_notebook(cells=cells, metadata=_notebook_metadata(source.name, settings))
    notebook.nbformat_minor = 5
    return notebook


def _notebook_metadata(name: str, settings: NotebookSettings) -> dict[str, Any]:
    colab: dict[str, Any] = {"name": f"{name}.ipynb", "provenance": []}
    metadata: dict[str, Any] = {
        "kernelspec": {"name": settings.kernel, "display_name": settings.kernel_title, "language": "python"},
        "language_info": {"name": "python"},
        "colab": colab,
    }
    if name in settings.gpu:
        metadata["accelerator"] = "GPU"
        colab["gpuType"] = settings.gpu_type
    return metadata


def _badge(name: str, settings: NotebookSettings) -> NotebookNode:
    """The badge that opens the notebook in Colab, and the way to the glossary."""
    glossary = settings.file_address("docs/glossary.md")
    text = (
        f'<a href="{settings.colab_address(name)}" target="_parent">'
        '<img src="https://colab.research.google.com/assets/colab-badge.svg" alt="Open in Colab"/></a>'
        f' &nbsp; <a href="{glossary}" target="_blank">Glossary</a>'
    )
    return new_markdown_cell(text, id=BADGE_ID, metadata={"id": BADGE_ID, "colab_type": "text"})


def _install(settings: NotebookSettings) -> NotebookNode:
    """On a machine without `nextword`, a fresh Colab above all, fetch it; elsewhere do nothing."""
    address = f"git+https://github.com/{settings.repository}@{settings.branch}#subdirectory=helpers"
    text = (
        "try:\n    import nextword\n"
        "except ImportError:  # on Colab: fetch the course's package, which leaves Colab's own as they are\n"
        "    import subprocess, sys\n\n"
        '    pip = [sys.executable, "-m", "pip", "install", "--quiet"]\n'
        f'    subprocess.run([*pip, "nextword @ {address}"], check=True)'
    )
    metadata = {"nbgrader": _nbgrader(INSTALL_ID, grade=False, solution=False, locked=True, points=None)}
    return new_code_cell(text, id=INSTALL_ID, metadata=metadata)


def _nbgrader(
    grade_id: str, *, grade: bool, solution: bool, locked: bool, points: float | None
) -> dict[str, Any]:
    metadata: dict[str, Any] = {
        "grade": grade,
        "grade_id": grade_id,
        "locked": locked,
        "schema_version": NBGRADER_SCHEMA,
        "solution": solution,
        "task": False,
    }
    if points is not None:
        metadata["points"] = points
    return metadata


def _plain_cell(cell: SourceCell) -> NotebookNode:
    metadata: dict[str, Any] = {}
    if cell.role != "prose":
        solution = cell.role == "exercise"
        metadata["nbgrader"] = _nbgrader(
            cell.id, grade=cell.role == "test", solution=solution, locked=not solution, points=cell.points
        )
        metadata["nextword"] = _nextword(cell)
    if cell.role in ("experiment", "submit") and not cell.markdown:
        metadata["tags"] = [SKIP_TAG]
    make = new_markdown_cell if cell.markdown else new_code_cell
    return make(cell.source, id=cell.id, metadata=metadata)


def _nextword(cell: SourceCell) -> dict[str, Any]:
    facts = {"role": cell.role, "minutes": cell.minutes, "difficulty": cell.difficulty}
    return {key: value for key, value in facts.items() if value is not None}


def _question_cells(cell: SourceCell) -> list[NotebookNode]:
    """The question, locked, with its mark scheme; then the cell for the answer, graded by hand.

    The release has no mark scheme, and neither has what we grade, since feedback pages are made from it.
    """
    question_id = f"question_{cell.name}"
    question = new_markdown_cell(
        cell.source,
        id=question_id,
        metadata={"nbgrader": _nbgrader(question_id, grade=False, solution=False, locked=True, points=None)},
    )
    answer = new_markdown_cell(
        ANSWER_STUB,
        id=cell.id,
        metadata={
            "nbgrader": _nbgrader(cell.id, grade=True, solution=True, locked=False, points=cell.points),
            "nextword": _nextword(cell),
        },
    )
    return [question, answer]


def release_config() -> Config:
    """The nbgrader settings a course needs to release these notebooks.

    nbgrader expects mark schemes in task cells only; ours stand in the locked cell above the answer.
    """
    config = Config()
    config.ClearMarkScheme.enforce_metadata = False
    return config


def release_notebook(source: SourceNotebook, settings: NotebookSettings) -> NotebookNode:
    """The student's notebook, made by nbgrader's own GenerateAssignment, without checksums.

    Checksums would make a second changed line of every change; nbgrader takes them from its gradebook anyway.
    """
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    with tempfile.TemporaryDirectory(prefix="course-build-") as folder:
        root = Path(folder).resolve()
        written = root / "source" / source.name / f"{source.name}.ipynb"
        written.parent.mkdir(parents=True)
        written.write_text(write_text(instructor_notebook(source, settings)), encoding="utf-8")
        config = release_config()
        config.CourseDirectory.root = str(root)
        config.CourseDirectory.assignment_id = source.name
        config.SaveCells.enabled = False  # as `nbgrader generate_assignment --no-db`
        config.GenerateAssignment.no_database = True
        with quiet(), venv_on_path():
            converter = GenerateAssignment(coursedir=CourseDirectory(config=config), config=config)
            try:
                converter.start()
            except (Exception, SystemExit) as error:
                raise CourseError(
                    f"{source.path}: nbgrader cannot make the release: {error}.", "Mend the cell it names."
                ) from error
        made = nbformat.read(
            root / "release" / source.name / f"{source.name}.ipynb", as_version=nbformat.NO_CONVERT
        )
    made.metadata = nbformat.from_dict(_notebook_metadata(source.name, settings))
    for cell in made.cells:
        cell.metadata.get("nbgrader", {}).pop("checksum", None)
        cell.source = cell.source.rstrip()  # what stood before a removed region
    return made


@contextmanager
def quiet() -> Iterator[None]:
    """No log lines and warnings of nbgrader and nbconvert; what goes wrong arrives as an exception."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


@contextmanager
def venv_on_path() -> Iterator[None]:
    """Put this Python's own programs first on PATH: nbgrader calls `alembic` from there."""
    before = os.environ.get("PATH", "")
    os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), before])
    try:
        yield
    finally:
        os.environ["PATH"] = before


def answers(source: SourceNotebook) -> dict[str, str]:
    """The reference solution of every exercise: grade id -> the whole cell, markers dropped."""
    return {cell.id: cell.without_markers() for cell in source.of_role("exercise")}


def answered_notebook(release: NotebookNode, answered: Mapping[str, str]) -> NotebookNode:
    """A copy of a release notebook with these sources in its solution cells, as a student hands it in."""
    notebook = deepcopy(release)
    for cell in notebook.cells:
        grade_id = cell.metadata.get("nbgrader", {}).get("grade_id")
        if grade_id in answered:
            cell.source = answered[grade_id]
    return notebook


def solved_notebook(source: SourceNotebook, settings: NotebookSettings) -> NotebookNode:
    """The notebook with every solution and hidden test in place and nothing skipped, to run and to read."""
    notebook = instructor_notebook(source, settings)
    for cell in notebook.cells:
        cell.source = SourceCell("", cell.source, "").without_region("MARK SCHEME")
        cell.source = SourceCell("", cell.source, "").without_markers()
        cell.metadata.pop("tags", None)
    return notebook


def write_solved(course: Course, folder: Path, names: list[str] | None = None) -> list[Path]:
    """Write the solved notebooks, not executed, to `folder`. They must never be published."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for name in course.names(names):
        path = folder / f"{name}.ipynb"
        path.write_text(write_text(solved_notebook(course.source(name), course.notebooks)), encoding="utf-8")
        paths.append(path)
    return paths
