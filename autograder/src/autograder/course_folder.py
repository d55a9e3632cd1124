"""A course folder as nbgrader lays it out: source/, release/, submitted/STUDENT/ASSIGNMENT/, gradebook.db.

Reads the trusted side of an assignment into `AssignmentNotebook`s, finds what students handed in, and makes
new folders.
"""

from __future__ import annotations

import difflib
import hashlib
import logging
import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import nbformat

from autograder import names
from autograder.errors import CourseError
from autograder.referee import HIDDEN_BEGIN, HIDDEN_END
from autograder.settings import Limits, read_limits

PROSE, SETUP, STUDENT, TEST, MANUAL, LOCKED, SKIPPED = (
    "prose",
    "setup",
    "student",
    "test",
    "manual",
    "locked",
    "skipped",
)
MAX_SUPPORT_BYTES = 256 << 20


@dataclass(frozen=True)
class Cell:
    """One cell of the instructor's notebook and of the release made from it.

    `role` says what grading does with it: setup (ours, runs on both sides), student (an answer that runs),
    manual (an answer that a person grades), test, locked (ours, but it uses the student's names: runs with
    the student only), skipped, prose.
    """

    role: str
    kind: str
    grade_id: str
    cell_id: str
    points: float
    source: str
    released: str
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)
    defines: tuple[str, ...] = ()

    @property
    def takes_answer(self) -> bool:
        return self.role in (STUDENT, MANUAL)


@dataclass(frozen=True)
class AssignmentNotebook:
    """The trusted side of one notebook.

    Every cell with its role. Plain data, so that it travels to other processes.
    """

    name: str
    cells: tuple[Cell, ...]
    metadata: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def student_names(self) -> frozenset[str]:
        """Names that answers define, in the solution or in the release."""
        answers = [c for c in self.cells if c.takes_answer and c.kind == "code"]
        return frozenset().union(
            *(names.answer_names(c.source) | names.answer_names(c.released) for c in answers)
        )

    @property
    def modules(self) -> list[str]:
        """What the release imports at top level: the worker imports it before the first hand-in."""
        found: set[str] = set()
        for cell in self.cells:
            tree = names.parse(cell.released) if cell.kind == "code" else None
            found |= names.imported_modules(tree) if tree is not None else set()
        return sorted(found)

    @property
    def test_names(self) -> frozenset[str]:
        """Names that test cells bind; no student is ever asked for them."""
        bound = frozenset().union(*(names.bound_names(c.source) for c in self.tests))
        return bound - self.student_names

    @property
    def tests(self) -> list[Cell]:
        return [c for c in self.cells if c.role == TEST]

    @property
    def max_points(self) -> float:
        return sum(c.points for c in self.cells if c.role in (TEST, MANUAL))


@dataclass(frozen=True)
class Assignment:
    """An assignment: its notebooks and the files that lie beside them."""

    name: str
    notebooks: tuple[AssignmentNotebook, ...]
    files: dict[str, bytes] = field(default_factory=dict, repr=False)

    def notebook(self, name: str) -> AssignmentNotebook:
        for notebook in self.notebooks:
            if notebook.name == name:
                return notebook
        raise KeyError(name)

    @cached_property
    def version(self) -> str:
        """A hash of everything that decides a grade: cells, tests, points, files."""
        digest = hashlib.sha256()
        for notebook in self.notebooks:
            for cell in notebook.cells:
                digest.update(
                    repr(
                        (cell.role, cell.kind, cell.grade_id, cell.points, cell.source, cell.released)
                    ).encode()
                )
        for name, data in sorted(self.files.items()):
            digest.update(name.encode() + b"\0" + data)
        return digest.hexdigest()

    @property
    def modules(self) -> list[str]:
        return sorted({m for n in self.notebooks for m in n.modules})


def read_notebook(instructor: Any, release: Any, name: str) -> AssignmentNotebook:
    """The roles of all cells, from nbgrader's metadata in the instructor's notebook and the release
    (nbformat 4 nodes).
    """
    instructor, release = _upgraded(instructor), _upgraded(release)
    pairs = _paired(instructor.cells, release.cells, name)
    answers = frozenset[str]()
    for ours, theirs in pairs:
        if _nbgrader(ours).get("solution") and ours.cell_type == "code":
            answers |= names.answer_names(ours.source) | names.answer_names(theirs.source)
    known: set[str] = set()
    cells = []
    for ours, theirs in pairs:
        role = _role(ours, theirs, answers, known)
        if role == TEST and (made := _AUTOTEST.search(ours.source)):
            test = _nbgrader(ours).get("grade_id")
            raise CourseError(
                f"{name}: nbgrader is to write the test {test} ({made[0].strip()}).",
                "Write what it should check with assert, or grade this assignment with nbgrader.",
            )
        if role == SETUP:
            known |= names.bound_names(ours.source)
        elif role == STUDENT:
            known |= names.bound_names(ours.source) - names.answer_names(ours.source)  # its imports
        grading = _nbgrader(ours)
        cells.append(
            Cell(
                role=role,
                kind=ours.cell_type,
                grade_id=str(grading.get("grade_id", "")),
                cell_id=str(theirs.get("id", "")),
                points=float(grading.get("points") or 0)
                if grading.get("grade") or grading.get("task")
                else 0.0,
                source=ours.source,
                released=theirs.source,
                metadata=dict(theirs.metadata),
                defines=names.defined_function(ours.source) if role == STUDENT else (),
            )
        )
    return AssignmentNotebook(name, tuple(cells), dict(release.metadata))


def _upgraded(notebook: Any) -> Any:
    from nbgrader.nbgraderformat import MetadataValidator

    validator = MetadataValidator()
    for cell in notebook.cells:
        if "nbgrader" in cell.metadata:
            validator.upgrade_cell_metadata(cell)
    return notebook


_AUTOTEST = re.compile(r"^\s*#.*AUTOTEST.*", re.M)


def _paired(ours: list[Any], theirs: list[Any], name: str) -> list[tuple[Any, Any]]:
    """Cells of the instructor's notebook beside those of the release.

    Raises CourseError when the two are out of step.
    """

    def key(cell: Any) -> str:
        return str(_nbgrader(cell).get("grade_id", ""))

    if len(ours) != len(theirs) or any(key(a) != key(b) for a, b in zip(ours, theirs, strict=True)):
        raise CourseError(
            f"source and release of {name} do not have the same cells.",
            f"Make the release anew: nbgrader generate_assignment --force (for {name}).",
        )
    return list(zip(ours, theirs, strict=True))


def _nbgrader(cell: Any) -> dict[str, Any]:
    return dict(cell.metadata.get("nbgrader", {}))


def _role(ours: Any, theirs: Any, answers: frozenset[str], known: set[str]) -> str:
    grading = _nbgrader(ours)
    if grading.get("solution") or grading.get("task"):
        return (
            MANUAL
            if grading.get("grade") or grading.get("task")
            else (STUDENT if ours.cell_type == "code" else PROSE)
        )
    if grading.get("grade"):
        return TEST if ours.cell_type == "code" else MANUAL
    if ours.cell_type != "code" or not ours.source.strip():
        return PROSE
    declared = theirs.metadata.get("nextword", {}).get("role", "")
    if declared in ("experiment", "submit"):
        return SKIPPED
    needed = names.free_names(ours.source)
    if needed & answers or names.bound_names(ours.source) & answers or needed - known:
        return LOCKED
    return SETUP


def visible_source(source: str) -> str:
    """A test cell as students see it: without its hidden part."""
    kept, hidden = [], False
    for line in source.splitlines():
        hidden = hidden or HIDDEN_BEGIN in line
        if not hidden:
            kept.append(line)
        hidden = hidden and HIDDEN_END not in line
    return "\n".join(kept)


class CourseFolder:
    """An nbgrader course folder on disk.

    Its nbgrader_config.py (the instructor's own, trusted) decides the layout.
    """

    def __init__(self, root: Path, db: str = "") -> None:
        from nbgrader.coursedir import CourseDirectory

        self.root = root.resolve()
        if not self.root.is_dir():
            raise CourseError(f"The course folder {root} does not exist.", "Make one with: course init DIR")
        self.config = nbgrader_config(self.root)
        if db:
            self.config.CourseDirectory.db_url = _with_driver(db)
        self.paths = CourseDirectory(config=self.config)
        self.paths.root = str(self.root)

    @property
    def db_url(self) -> str:
        return str(self.paths.db_url)

    def step(self, step: str, student: str, assignment: str) -> Path:
        """The folder of one step (source, release, submitted, autograded, feedback) for a student and an
        assignment.
        """
        folder = getattr(self.paths, f"{step}_directory")
        return Path(self.paths.format_path(folder, student, assignment))

    def assignments(self) -> list[str]:
        """The assignments that have a release."""
        folder = Path(self.paths.format_path(self.paths.release_directory, ".", ".")).resolve()
        return sorted(p.name for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else []

    def limits(self) -> Limits:
        """Limits from course.toml in the course folder, if there is one, else the defaults."""
        import tomllib

        path = self.root / "course.toml"
        if not path.exists():
            return Limits()
        try:
            return read_limits(
                tomllib.loads(path.read_text(encoding="utf-8")).get("limits", {}), f"{path}, [limits]"
            )
        except tomllib.TOMLDecodeError as error:
            raise CourseError(f"{path} is not valid TOML: {error}.", "Mend that line.") from None

    def assignment(self, name: str) -> Assignment:
        """The trusted side of an assignment. Raises CourseError when source or release is missing."""
        for marker, known in (("begin_test_delimeter", HIDDEN_BEGIN), ("end_test_delimeter", HIDDEN_END)):
            if known not in self.config.get("ClearHiddenTests", {}).get(marker, known):
                raise CourseError(
                    f"nbgrader_config.py sets c.ClearHiddenTests.{marker}, which this grader does not know.",
                    f"Use nbgrader's own markers, ### {HIDDEN_BEGIN} and ### {HIDDEN_END}.",
                )
        source, release = self.step("source", ".", name), self.step("release", ".", name)
        if not release.is_dir() or not source.is_dir():
            raise self._no_assignment(name, has_source=source.is_dir())
        notebooks = []
        for path in sorted(release.glob("*.ipynb")):
            ours = source / path.name
            if not ours.exists():
                raise CourseError(
                    f"{ours} does not exist, but its release does.", "Put the instructor's notebook back."
                )
            notebooks.append(read_notebook(_read(ours), _read(path), path.stem))
        if not notebooks:
            raise CourseError(
                f"{release} holds no notebook.", f"Make the release: nbgrader generate_assignment {name}"
            )
        return Assignment(name, tuple(notebooks), _support_files(release))

    def _no_assignment(self, name: str, has_source: bool) -> CourseError:
        """What is wrong, and the remedy: another folder, another spelling, or a release to make."""
        known = self.assignments()
        if has_source:
            return CourseError(
                f"The assignment {name} is not released in {self.root}.",
                f"Make a release with: nbgrader generate_assignment {name}",
            )
        if not known and not any((self.root / p).exists() for p in ("nbgrader_config.py", "gradebook.db")):
            return CourseError(
                f"{self.root} is no course folder.",
                "Name yours with --course-dir, or make one with: course init DIR",
            )
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        return CourseError(
            f"There is no assignment {name!r} in {self.root}.",
            (f"Did you mean {near[0]}? " if near else "") + f"Released here: {', '.join(known) or 'none'}.",
        )

    def students(self, assignment: str) -> list[str]:
        """Who handed something in, sorted; without the names that `unusable_names` lists."""
        return [name for name in self._handed_in(assignment) if _usable(name)]

    def unusable_names(self, assignment: str) -> list[str]:
        """Folders whose names can't be student ids: nbgrader's pages would run what stands in them."""
        return [name for name in self._handed_in(assignment) if not _usable(name)]

    def _handed_in(self, assignment: str) -> list[str]:
        marker = "\0"
        pattern = Path(self.paths.format_path(self.paths.submitted_directory, marker, assignment))
        parts = pattern.parts
        at = next((i for i, part in enumerate(parts) if marker in part), None)
        if at is None or parts[at] != marker:
            raise CourseError(
                "directory_structure of nbgrader_config.py has no folder per student.",
                "Use nbgrader's default.",
            )
        base, rest = Path(*parts[:at]), parts[at + 1 :]
        if not base.is_dir():
            return []
        found = []
        for entry in os.scandir(base):
            if entry.is_dir(follow_symlinks=False) and os.path.lexists(os.path.join(entry.path, *rest)):
                found.append(entry.name)
        return sorted(found)

    def ensure_in_gradebook(self, assignment: Assignment) -> None:
        """Make the gradebook know the assignment, as nbgrader's generate_assignment does.

        A gradebook that is empty (a new database given with --db) is filled; raises CourseError where it
        can't be reached.
        """
        from nbgrader.api import Gradebook, MissingEntry

        try:
            with quiet_nbgrader(), Gradebook(self.db_url, self.paths.course_id) as gradebook:
                for notebook in assignment.notebooks:
                    gradebook.find_notebook(notebook.name, assignment.name)
            return
        except MissingEntry:
            pass
        except Exception as error:
            reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            raise CourseError(
                f"The gradebook {self.db_url} can't be opened: {reason}.",
                "Check the address and that the database runs; a local file looks like sqlite:///gradebook.db.",
            ) from None
        with tempfile.TemporaryDirectory(prefix="register-") as scratch:
            config = deepcopy(self.config)
            config.CourseDirectory.release_directory = scratch
            config.CourseDirectory.db_url = self.db_url
            _generate(self.root, config, assignment.name)


def _generate(root: Path, config: Any, assignment: str) -> None:
    """Run nbgrader's GenerateAssignment: the release from the source, and the gradebook's entry."""
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory

    paths = CourseDirectory(config=config)
    paths.root = str(root)
    paths.assignment_id = assignment
    with quiet_nbgrader():
        converter = GenerateAssignment(coursedir=paths, config=config)
        converter.force = True
        converter.log.setLevel(logging.CRITICAL)
        try:
            converter.start()
        except (Exception, SystemExit) as error:
            raise CourseError(
                f"nbgrader can't make the release of {assignment}: {error}",
                "Check the notebook with: course build --check",
            ) from error


def _usable(name: str) -> bool:
    return name.isprintable() and len(name) <= 200 and not set(name) & set("<>\"'&`\\{}")


def _with_driver(url: str) -> str:
    """A PostgreSQL address that names the installed driver (SQLAlchemy's default has changed between
    versions).
    """
    if url.startswith("postgresql://"):
        for driver in ("psycopg", "psycopg2"):
            if find_spec(driver) is not None:
                return url.replace("postgresql://", f"postgresql+{driver}://", 1)
        raise CourseError("No PostgreSQL driver is installed.", "Run: pip install 'psycopg[binary]'")
    return url


def _read(path: Path) -> Any:
    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:
        raise CourseError(
            f"{path} is not a notebook: {error}.", "Open it in JupyterLab and save it again."
        ) from None


def _support_files(folder: Path) -> dict[str, bytes]:
    files: dict[str, bytes] = {}
    total = 0
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if (
            not path.is_file()
            or path.suffix == ".ipynb"
            or any(part.startswith(".") for part in relative.parts)
        ):
            continue
        total += path.stat().st_size
        if total > MAX_SUPPORT_BYTES:
            raise CourseError(
                f"The files beside the notebook in {folder} are over 256 MB.", "Put large data elsewhere."
            )
        files[relative.as_posix()] = path.read_bytes()
    return files


def nbgrader_config(root: Path) -> Any:
    """The configuration in nbgrader_config.py of a course folder (an empty one if there is none)."""
    from traitlets.config import Config
    from traitlets.config.loader import PyFileConfigLoader

    if not (root / "nbgrader_config.py").exists():
        return Config()
    try:
        return PyFileConfigLoader("nbgrader_config.py", path=str(root)).load_config()
    except Exception as error:
        raise CourseError(
            f"{root / 'nbgrader_config.py'} fails: {type(error).__name__}: {error}.", "Mend it."
        ) from None


@contextmanager
def quiet_nbgrader() -> Iterator[None]:
    """nbgrader and alembic log nothing but errors, and find `alembic` beside this interpreter."""
    import sys

    path, loggers = (
        os.environ.get("PATH", ""),
        [logging.getLogger(n) for n in ("traitlets", "alembic", "nbgrader")],
    )
    levels = [logger.level for logger in loggers]
    os.environ["PATH"] = os.path.dirname(sys.executable) + os.pathsep + path
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        os.environ["PATH"] = path
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


CONFIG = '''"""Made by `course init`; nbgrader's commands read it too."""

c = get_config()  # noqa: F821
c.CourseDirectory.course_id = {course_id!r}
c.ClearMarkScheme.enforce_metadata = False  # mark schemes stand in the locked cell above an answer
'''


def make_course_folder(
    root: Path,
    course_id: str,
    notebooks: dict[str, Any],
    settings: str = "",
    force: bool = False,
    progress: Callable[[str, int], None] | None = None,
) -> CourseFolder:
    """A new course folder with source/, release/ and a gradebook that knows every assignment.

    `notebooks` maps the name of each assignment to its instructor's notebook (an nbformat node), `settings`
    is the text of course.toml. An existing folder is only written to with `force`; submissions, grades and
    the course.toml in it are never touched. `progress` is called with the assignment that comes next and how
    many are done.
    """
    if root.exists() and any(root.iterdir()) and not force:
        raise CourseError(
            f"{root} is not empty.", "Name another folder, or add --force to update the assignments in it."
        )
    root.mkdir(parents=True, exist_ok=True)
    if not (root / "nbgrader_config.py").exists():
        (root / "nbgrader_config.py").write_text(CONFIG.format(course_id=course_id), encoding="utf-8")
    if settings and not (root / "course.toml").exists():
        (root / "course.toml").write_text(settings, encoding="utf-8")
    folder = CourseFolder(root)
    for done, (name, notebook) in enumerate(notebooks.items()):
        if progress:
            progress(name, done)
        target = folder.step("source", ".", name)
        target.mkdir(parents=True, exist_ok=True)
        nbformat.write(notebook, target / f"{name}.ipynb")
        _generate(folder.root, folder.config, name)
    return folder
