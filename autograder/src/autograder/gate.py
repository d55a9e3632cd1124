"""`course build --check`: the release gate, one sentence for each fault."""

from __future__ import annotations

import ast
import multiprocessing
import os
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from typing import Any

import nbformat
from nbformat import NotebookNode

from autograder.build import Course, release_notebook, write_text
from autograder.errors import CourseError
from autograder.leaks import leaks_in_notebook, leaks_in_tree, secrets
from autograder.names import bound_names, free_names, parse, read_names
from autograder.source import SourceCell, SourceNotebook, headings
from autograder.variants import RIGHT, WRONG, VariantFile, load_variants

FEWEST_RIGHT, FEWEST_WRONG = 1, 3
_MACHINE_PATH = re.compile(
    r"(?<![\w/.~-])(/(?:home|Users|root|tmp|work|mnt|opt|var|private)/\w[\w./-]*|[A-Z]:\\\w+)"
)
_MARKDOWN_IMAGE = re.compile(r"!\[(.*?)\]\(")
_HTML_IMAGE = re.compile(r"<img\b[^>]*>", re.IGNORECASE | re.DOTALL)
_HTML_ALT = re.compile(r"\balt\s*=\s*(?:\"\s*[^\"\s][^\"]*\"|'\s*[^'\s][^']*')", re.IGNORECASE)


@dataclass(frozen=True)
class Fault:
    """One thing that must be mended before release."""

    notebook: str
    cell: str
    message: str
    remedy: str

    def __str__(self) -> str:
        where = f"solutions/{self.notebook}.py" + (f", {self.cell}" if self.cell else "")
        return f"{where}: {self.message} {self.remedy}"

    def to_json(self) -> dict[str, Any]:
        """Plain data for --json."""
        return asdict(self)


@dataclass(frozen=True)
class Subject:
    """One notebook under examination."""

    course: Course
    source: SourceNotebook
    release: NotebookNode
    variants: VariantFile

    def fault(self, cell: SourceCell | str, message: str, remedy: str) -> Fault:
        """A fault of one cell, named by its role and name."""
        if isinstance(cell, SourceCell):
            cell = f"{cell.role} {cell.name}" if cell.name else f"line {cell.line}, {cell.role}"
        return Fault(self.source.name, cell, message, remedy)


def check(
    course: Course,
    names: list[str] | None = None,
    fast: bool = False,
    progress: Callable[[str, int, int], None] | None = None,
    workers: int = 1,
) -> list[Fault]:
    """All faults of the named notebooks. `fast` leaves out what executes a notebook.

    With several workers, as many notebooks are looked at side by side, each in a process of its own with one
    thread. `progress` is called with what is being checked, how many steps are done and how many there are.
    """
    wanted = course.names(names)
    faults = [] if names else list(_orphans(course))
    if fast or workers < 2 or len(wanted) < 2:
        per_notebook = len(_steps(fast))
        for index, name in enumerate(wanted):
            for done, (step, found) in enumerate(_faults(course, name, fast)):
                faults += found
                if progress:
                    progress(f"{name}: {step}", index * per_notebook + done, len(wanted) * per_notebook)
        return faults
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(workers, len(wanted)), context, initializer=_one_thread) as pool:
        several = [pool.submit(_all_faults, course, name) for name in wanted]
        if progress:
            progress("running and checking notebooks", 0, len(wanted))
        for done, _ in enumerate(as_completed(several), start=1):
            if progress:
                progress("running and checking notebooks", done, len(wanted))
    return faults + [fault for one in several for fault in one.result()]


def _one_thread() -> None:
    """Processes side by side must not all use all cores."""
    os.environ.update(OMP_NUM_THREADS="1", MKL_NUM_THREADS="1")


def _all_faults(course: Course, name: str) -> list[Fault]:
    return [fault for _, found in _faults(course, name, fast=False) for fault in found]


def _steps(fast: bool) -> list[Callable[[Subject], Iterator[Fault]]]:
    from autograder import rehearsal

    return [*STATIC, *([] if fast else rehearsal.STEPS)]


def _faults(course: Course, name: str, fast: bool) -> Iterator[tuple[str, list[Fault]]]:
    """Step by step, its name and the faults that it finds in one notebook."""
    try:
        source = course.source(name)
        release = release_notebook(source, course.notebooks)
    except CourseError as error:
        yield "reading", [Fault(name, "", _without_file(error.message, name), error.remedy)]
        return
    try:
        variants = load_variants(course, source)
    except CourseError as error:
        yield "variants", [Fault(name, "variants", error.message, error.remedy)]
        variants = VariantFile("")
    subject = Subject(course, source, release, variants)
    for step in _steps(fast):
        what = step.__name__.replace("_", " ")
        try:
            yield what, list(step(subject))
        except CourseError as error:
            yield what, [Fault(name, what, error.message, error.remedy)]


def _without_file(message: str, name: str) -> str:
    return message.removeprefix(f"solutions/{name}.py").lstrip(":, ")


def _orphans(course: Course) -> Iterator[Fault]:
    known = set(course.names())
    for path in sorted((course.root / "notebooks").glob("*.ipynb")):
        if path.stem not in known:
            yield Fault(
                path.stem, "", f"notebooks/{path.name} is not in course.toml.", "Delete it, or add it there."
            )
    for path in sorted((course.root / "solutions").glob("*.py")):
        if path.stem not in known:
            yield Fault(path.stem, "", "the notebook is not in course.toml.", "Add an [[assignment]] there.")
    for kind in ("variants", "claims"):
        for path in sorted((course.root / "solutions" / kind).glob("[!_]*.py")):
            if path.stem not in known:
                message = f"solutions/{kind}/{path.name} belongs to no notebook."
                yield Fault(path.stem, kind, message, "Rename or delete it.")


def in_step(subject: Subject) -> Iterator[Fault]:
    """notebooks/NAME.ipynb is what building would write."""
    path = subject.course.product(subject.source.name)
    remedy = f"Run course build {subject.source.name} and commit the result."
    if not path.exists():
        yield subject.fault("", f"notebooks/{path.name} does not exist.", remedy)
    elif path.read_text(encoding="utf-8") != write_text(subject.release):
        yield subject.fault("", f"notebooks/{path.name} is not in step with its source.", remedy)


def valid(subject: Subject) -> Iterator[Fault]:
    """The product is valid for nbformat and nbgrader, and its ids are unique."""
    from nbgrader.nbgraderformat import MetadataValidator

    try:
        nbformat.validate(subject.release)
        MetadataValidator().validate_nb(subject.release)
    except Exception as error:  # both raise their own kinds of ValidationError
        first = str(error).splitlines()[0]
        yield subject.fault(
            "", f"the product is not a valid notebook: {first}.", "Mend the cell's marker line."
        )
    for what, ids in {
        "cell id": [cell.id for cell in subject.release.cells],
        "grade_id": [c.metadata.nbgrader.grade_id for c in subject.release.cells if "nbgrader" in c.metadata],
    }.items():
        for double in sorted({i for i in ids if ids.count(i) > 1}):
            yield subject.fault("", f"{what} {double} occurs twice.", "Rename one of the cells or headings.")


def stubs(subject: Subject) -> Iterator[Fault]:
    """Every student cell parses and has a docstring, and raises NotImplementedError where it must."""
    released = {cell.id: cell.source for cell in subject.release.cells}
    for cell in subject.source.cells:
        if cell.markdown:
            continue
        text = released[cell.id]
        tree = parse(text)
        if tree is None:
            yield subject.fault(
                cell, "the released cell is not valid Python.", "Leave a complete body around the region."
            )
            continue
        if cell.role != "exercise":
            continue
        raised = [
            n for n in ast.walk(tree) if isinstance(n, ast.Raise) and "NotImplementedError" in ast.unparse(n)
        ]
        regions = cell.source.count("BEGIN SOLUTION")
        if len(raised) != regions:
            yield subject.fault(
                cell,
                f"{regions} solution regions but {len(raised)} places raise NotImplementedError in the stub.",
                "Leave NotImplementedError to the build, and out of the text around the region.",
            )
        definition = tree.body[0]
        if isinstance(definition, (ast.FunctionDef, ast.ClassDef)) and not ast.get_docstring(definition):
            yield subject.fault(
                cell, "no docstring.", "Say in it the goal, the shapes and types, and a worked example."
            )


def secrets_kept(subject: Subject) -> Iterator[Fault]:
    """No line of a solution, hidden test or mark scheme is in notebooks/ or helpers/."""
    hidden = secrets(subject.source)
    found = leaks_in_notebook(subject.release, f"notebooks/{subject.source.name}.ipynb", hidden)
    for path in sorted((subject.course.root / "notebooks").glob("*.ipynb")):
        if path.stem != subject.source.name:
            try:
                other = nbformat.read(path, as_version=nbformat.NO_CONVERT)
            except (OSError, ValueError):
                continue  # said when that notebook is checked
            found += leaks_in_notebook(other, f"notebooks/{path.name}", hidden)
    sources = subject.course.root / "helpers" / "src"
    if sources.is_dir():
        found += leaks_in_tree(sources, hidden)
    for leak in found:
        at = f"{leak.path}, cell {leak.cell}," if leak.cell else leak.path
        yield subject.fault("", f"{at} shows {leak.what}.", "Reword it there.")


def answers_declared(subject: Subject) -> Iterator[Fault]:
    """Every exercise has hidden tests and enough right and wrong variants."""
    path = f"solutions/variants/{subject.source.name}.py"
    numbers = {1: "one", 3: "three"}
    for cell in subject.source.of_role("exercise"):
        for kind, fewest in ((RIGHT, FEWEST_RIGHT), (WRONG, FEWEST_WRONG)):
            count = len(subject.variants.of(cell.name, kind))
            if count < fewest:
                other = "other right" if kind == RIGHT else kind
                said = f"{count or 'no'} {other} variant{'s' if count > 1 else ''}."
                yield subject.fault(cell, said, f"Add at least {numbers[fewest]} to {path}.")
    for cell in subject.source.of_role("test"):
        if not cell.region("HIDDEN TESTS").strip():
            yield subject.fault(
                cell,
                "no hidden tests.",
                "Add fresh inputs and extreme ones between the HIDDEN TESTS markers.",
            )
        if not _statements(cell.without_region("HIDDEN TESTS")):
            yield subject.fault(cell, "no visible test.", "Students need one that tells them what is wrong.")


def names_in_order(subject: Subject) -> Iterator[Fault]:
    """Tests and solutions use only names of the setup and earlier exercises; none is redefined."""
    cells = [cell for cell in subject.source.cells if not cell.markdown]
    exercises = {cell.name for cell in cells if cell.role == "exercise"}
    setup: set[str] = set()
    before: set[str] = set()
    for cell in cells:
        if cell.role == "setup":
            yield from _setup_names(subject, cell, exercises)
            setup |= bound_names(cell.source)
        elif cell.role == "exercise":
            before.add(cell.name)
            yield from _unknown_names(subject, cell, setup | before)
        elif cell.role == "test":
            if cell.name not in read_names(cell.source):
                yield subject.fault(
                    cell, f"it never uses {cell.name}.", "Call the exercise it is named after."
                )
            yield from _unknown_names(subject, cell, setup | before)
    yield from _redefined_names(subject, cells, exercises)


def _setup_names(subject: Subject, cell: SourceCell, exercises: set[str]) -> Iterator[Fault]:
    used = sorted((read_names(cell.source) | bound_names(cell.source)) & exercises)
    if used:
        yield subject.fault(
            cell,
            f"the setup uses {', '.join(used)}, which the student writes.",
            "Move that to an experiment.",
        )


def _unknown_names(subject: Subject, cell: SourceCell, known: set[str]) -> Iterator[Fault]:
    unknown = sorted(free_names(cell.without_markers()) - known)
    if unknown:
        yield subject.fault(
            cell,
            f"uses {', '.join(unknown)}, which no setup cell and no exercise up to here defines.",
            "Define it in a setup cell or in the cell itself; experiments do not run while grading.",
        )


def _redefined_names(subject: Subject, cells: list[SourceCell], exercises: set[str]) -> Iterator[Fault]:
    tested = set().union(*(free_names(cell.without_markers()) for cell in cells if cell.role == "test"))
    in_setup = set().union(*(bound_names(cell.source) for cell in cells if cell.role == "setup"))
    for number, cell in enumerate(cells):
        bound = set(bound_names(cell.without_markers()))
        if cell.role == "experiment":
            taken = sorted(bound & (tested | exercises))
            if taken:
                yield subject.fault(
                    cell,
                    f"defines {', '.join(taken)}, which a test uses.",
                    "Give it another name in the experiment.",
                )
        elif cell.role == "test":
            later = [c for c in cells[number + 1 :] if c.role == "experiment"]
            needed = in_setup | exercises | set().union(*(free_names(c.source) for c in later))
            taken = sorted((bound - _imported(cell.without_markers())) & needed)
            if taken:
                yield subject.fault(
                    cell,
                    f"assigns {', '.join(taken)}, which the setup, an exercise or a later experiment uses.",
                    "Give it another name in the test.",
                )


def _imported(code: str) -> set[str]:
    tree = parse(code)
    imports = [n for n in (tree.body if tree else []) if isinstance(n, (ast.Import, ast.ImportFrom))]
    return {(alias.asname or alias.name).split(".")[0] for node in imports for alias in node.names}


def whole_points(subject: Subject) -> Iterator[Fault]:
    """No test ends in a value: nbgrader would take a number for the points, anything else for full points."""
    for cell in subject.source.of_role("test"):
        for code in (cell.without_markers(), cell.without_region("HIDDEN TESTS")):
            last = next(reversed(_statements(code)), None)
            if isinstance(last, ast.Expr) and not _is_check(last.value):
                yield subject.fault(
                    cell,
                    f"ends in the expression {ast.unparse(last)}.",
                    "End in an assert or a call of check.",
                )
                break


def _statements(code: str) -> list[ast.stmt]:
    tree = parse(code)
    return tree.body if tree else []


def _is_check(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).startswith("check.")


def readable(subject: Subject) -> Iterator[Fault]:
    """Headings in order, alt text on images, no path of one machine, a title first and a submit cell last."""
    cells = subject.source.cells
    if not cells[0].markdown or not headings(cells[0].source) or headings(cells[0].source)[0][0] != 1:
        yield subject.fault(
            cells[0], "the notebook does not start with its title.", "Start with a markdown cell `# Title`."
        )
    if cells[-1].role != "submit":
        yield subject.fault(
            cells[-1], "the last cell is not the submit cell.", "Add `# %% submit` at the end."
        )
    level = 0
    for cell in cells:
        for path in _MACHINE_PATH.findall(cell.source):
            yield subject.fault(cell, f"names a path of one machine, {path}.", "Use a relative path.")
        if not cell.markdown:
            continue
        for heading, text in headings(cell.source):
            if level and heading == 1:
                yield subject.fault(cell, f"a second title, {text!r}.", "Use ## for sections.")
            elif level and heading > level + 1:
                yield subject.fault(
                    cell,
                    f"the heading {text!r} skips a level.",
                    f"Use {'#' * (level + 1)} under {'#' * level}.",
                )
            level = heading
        without_alt = [m for m in _MARKDOWN_IMAGE.findall(cell.source) if not m.strip()]
        without_alt += [tag for tag in _HTML_IMAGE.findall(cell.source) if not _HTML_ALT.search(tag)]
        if without_alt:
            yield subject.fault(
                cell, "an image without alt text.", "Say in it what the image shows: ![text](image)."
            )


STATIC: tuple[Callable[[Subject], Iterator[Fault]], ...] = (
    in_step,
    valid,
    stubs,
    secrets_kept,
    answers_declared,
    names_in_order,
    whole_points,
    readable,
)
