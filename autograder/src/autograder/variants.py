"""Other right answers and typical wrong ones: how they are declared, read, put in place and judged."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from autograder.build import Course, answers
from autograder.errors import CourseError
from autograder.names import bound_names, read_names
from autograder.source import SourceNotebook

Definition = TypeVar("Definition", bound=Callable[..., Any])

RIGHT, WRONG = "right", "wrong"
_SETTINGS = {RIGHT: {"why"}, WRONG: {"misconception", "hint"}, "equivalent": {"mutant", "why"}}
_EXAMPLES = {
    RIGHT: '@right("name", why="uses np.log2")',
    WRONG: '@wrong("name", misconception="Takes the logarithm to base 10.", hint="base 2")',
    "equivalent": 'equivalent("name", mutant="line 1: n > 0 -> n >= 0", why="n is never 0")',
}


def right(exercise: str, *, why: str) -> Callable[[Definition], Definition]:
    """Declare another right answer to `exercise`, which must keep all points; `why` says what differs."""
    return lambda definition: definition


def wrong(exercise: str, *, misconception: str, hint: str) -> Callable[[Definition], Definition]:
    """Declare a typical wrong answer to `exercise`, which must lose points.

    `misconception` is one sentence on what went wrong in the student's mind; `hint` is text that the
    visible test's message must contain.
    """
    return lambda definition: definition


def equivalent(exercise: str, *, mutant: str, why: str) -> None:
    """Declare that a mutant, as `course mutate` describes it, computes the same as the solution, and why."""


@dataclass(frozen=True)
class Variant:
    """One declared answer. `source` is a whole exercise cell, named like the exercise."""

    notebook: str
    exercise: str
    name: str
    kind: str
    source: str
    why: str = ""
    misconception: str = ""
    hint: str = ""
    line: int = 0


@dataclass(frozen=True)
class Equivalent:
    """A mutant declared to compute the same as the solution, with the reason."""

    exercise: str
    mutant: str
    why: str
    line: int = 0


@dataclass(frozen=True)
class VariantFile:
    """What one file of solutions/variants/ declares."""

    path: str
    variants: tuple[Variant, ...] = ()
    equivalents: tuple[Equivalent, ...] = ()

    def of(self, exercise: str, kind: str = "") -> list[Variant]:
        """The variants of one exercise, of one kind if named."""
        return [v for v in self.variants if v.exercise == exercise and kind in ("", v.kind)]


@dataclass(frozen=True)
class Row:
    """How one variant fared. `ok` says whether the test behaved as declared; `note` why not."""

    notebook: str
    exercise: str
    variant: str
    kind: str
    expected: str
    got: str
    hint: str
    ok: bool
    note: str = ""
    message: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for --json."""
        return asdict(self)

    def __str__(self) -> str:
        said = " ".join(self.message.split())
        said = f" The test says: {said[:300]}" if said else ""
        wanted = f" The hint: {self.hint}." if self.hint and self.hint not in self.message else ""
        return (
            f"{self.notebook}, exercise {self.exercise}, variant {self.variant}: {self.note}.{wanted}{said}"
        )


def variants_path(root: Path, name: str) -> Path:
    """Where the variants of the notebook of that name lie."""
    return root / "solutions" / "variants" / f"{name}.py"


def load_variants(course: Course, source: SourceNotebook) -> VariantFile:
    """The variants of a notebook; none if there is no file. Raises CourseError for whatever is malformed."""
    path = variants_path(course.root, source.name)
    shown = f"solutions/variants/{path.name}"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return VariantFile(shown)
    except (UnicodeDecodeError, OSError) as error:
        raise CourseError(f"{shown} cannot be read: {error}.", "Save it as UTF-8 text.") from None
    return parse_variants(text, source, shown)


def parse_variants(text: str, source: SourceNotebook, shown: str = "") -> VariantFile:
    """Read declarations without running them: a variant runs only in place of a student's answer."""
    shown = shown or f"solutions/variants/{source.name}.py"
    try:
        tree = ast.parse(text)
    except SyntaxError as error:
        raise CourseError(f"{shown}, line {error.lineno}: {error.msg}.", "Mend the Python there.") from None
    helpers = _Helpers(tree, source)
    variants: list[Variant] = []
    equivalents: list[Equivalent] = []
    for node in tree.body:
        if isinstance(node, ast.Expr) and _called(node.value) == "equivalent":
            exercise, settings = _read_call(node.value, source, shown)
            equivalents.append(Equivalent(exercise, line=node.lineno, **settings))
        for decorator in getattr(node, "decorator_list", []):
            kind = _called(decorator)
            if kind in (RIGHT, WRONG) and isinstance(
                node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
            ):
                exercise, settings = _read_call(decorator, source, shown)
                _check_signature(node, source, exercise, shown)
                cell = helpers.needed_by(node, exercise) + _renamed(node, exercise)
                variants.append(
                    Variant(source.name, exercise, node.name, kind, cell, line=node.lineno, **settings)
                )
    seen: dict[tuple[str, str], int] = {}
    for variant in variants:
        key = (variant.exercise, variant.name)
        if key in seen:
            raise CourseError(
                f"{shown}, line {variant.line}: {variant.name} is declared twice for {variant.exercise} "
                f"(first in line {seen[key]}).",
                "Give each variant its own name.",
            )
        seen[key] = variant.line
    return VariantFile(shown, tuple(variants), tuple(equivalents))


def _called(node: ast.expr) -> str:
    """The name of the declaring function that this expression calls (or names without calling), or ''."""
    function = node.func if isinstance(node, ast.Call) else node
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name if name in _SETTINGS else ""


def _read_call(node: ast.expr, source: SourceNotebook, shown: str) -> tuple[str, dict[str, str]]:
    kind = _called(node)
    where = f"{shown}, line {node.lineno}"
    example = f"Write it like {_EXAMPLES[kind]}."
    if not isinstance(node, ast.Call) or len(node.args) != 1:
        raise CourseError(f"{where}: {kind} does not name its exercise.", example)
    values: dict[str, str] = {}
    for key, value in [("", node.args[0]), *((k.arg or "**", k.value) for k in node.keywords)]:
        try:
            text = ast.literal_eval(value)
        except ValueError:
            text = None
        if not isinstance(text, str) or not text.strip():
            raise CourseError(
                f"{where}: {key or 'the exercise'} of {kind} is not a written-out text.", example
            )
        values[key] = text
    exercise = values.pop("")
    if set(values) != _SETTINGS[kind]:
        raise CourseError(f"{where}: {kind} takes {' and '.join(sorted(_SETTINGS[kind]))}.", example)
    if not any(cell.name == exercise for cell in source.of_role("exercise")):
        known = ", ".join(cell.name for cell in source.of_role("exercise")) or "none"
        raise CourseError(f"{where}: {source.path} has no exercise {exercise}.", f"Known: {known}.")
    return exercise, values


def _check_signature(node: ast.stmt, source: SourceNotebook, exercise: str, shown: str) -> None:
    """A variant is called like the exercise: same names, same order, or the test blames the wrong thing."""
    asked = ast.parse(source.cell("exercise", exercise).source).body[0]
    if not (isinstance(node, ast.FunctionDef) and isinstance(asked, ast.FunctionDef)):
        return
    if node.args.vararg or node.args.kwarg:
        return
    given, wanted = _parameters(node.args), _parameters(asked.args)
    if given[: len(wanted)] != wanted:
        raise CourseError(
            f"{shown}, line {node.lineno}: {node.name} takes ({', '.join(given)}), "
            f"but {exercise} takes ({', '.join(wanted)}).",
            "Use the exercise's parameters.",
        )


def _parameters(arguments: ast.arguments) -> list[str]:
    return [a.arg for a in [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]]


def _renamed(node: ast.stmt, exercise: str) -> str:
    """The definition under the exercise's name, recursive calls included, without the declaring decorator."""
    copy = ast.parse(ast.unparse(node)).body[0]
    assert isinstance(copy, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    old = copy.name
    copy.decorator_list = [d for d in copy.decorator_list if _called(d) not in (RIGHT, WRONG)]
    copy.name = exercise
    for inner in ast.walk(copy):
        if isinstance(inner, ast.Name) and inner.id == old:
            inner.id = exercise
    return ast.unparse(copy) + "\n"


class _Helpers:
    """Imports and undecorated helpers at the top of a variants file, given to the variants that use them."""

    def __init__(self, tree: ast.Module, source: SourceNotebook) -> None:
        exercises = {cell.name for cell in source.of_role("exercise")}
        self._given = exercises.union(*(bound_names(cell.source) for cell in source.of_role("setup")))
        self._by_name: dict[str, ast.stmt] = {}
        for node in tree.body:
            if isinstance(node, ast.ImportFrom) and node.module in ("__future__", "autograder.variants"):
                continue
            declared = any(_called(d) for d in getattr(node, "decorator_list", []))
            if not declared:
                for name in bound_names(ast.unparse(node)):
                    self._by_name.setdefault(name, node)

    def needed_by(self, node: ast.stmt, exercise: str) -> str:
        wanted, seen = [ast.unparse(node)], list[ast.stmt]()
        while wanted:
            for name in sorted(read_names(wanted.pop())):
                found = self._by_name.get(name)
                if found is not None and name not in self._given and found not in seen:
                    seen.append(found)
                    wanted.append(ast.unparse(found))
        return "".join(f"{ast.unparse(found)}\n" for found in sorted(seen, key=lambda n: n.lineno))


def hand_in_answers(source: SourceNotebook, variant: Variant) -> dict[str, str]:
    """The reference solution of every exercise but one, which is answered by the variant."""
    return {**answers(source), variant.exercise: variant.source}


def judge(variant: Variant, points: float, max_points: float, message: str, hidden: bool) -> Row:
    """Whether the exercise's own test treated the variant as declared."""
    full = points >= max_points
    note = ""
    if variant.kind == RIGHT:
        note = "" if full else "a right answer loses points"
        expected = f"{max_points:g} of {max_points:g}"
    else:
        expected = f"less than {max_points:g}, hint shown"
        if full:
            note = "a wrong answer keeps all points"
        elif hidden:
            note = "only a hidden test fails, so the student sees no hint"
        elif variant.hint not in message:
            note = "the visible test's message lacks the hint"
    return Row(
        notebook=variant.notebook,
        exercise=variant.exercise,
        variant=variant.name,
        kind=variant.kind,
        expected=expected,
        got=f"{points:g} of {max_points:g}",
        hint=variant.hint,
        ok=not note,
        note=note,
        message=message,
    )


def run_variants(course: Course, names: list[str] | None = None) -> Iterator[tuple[int, Row]]:
    """Grade every variant with the real engine; yields (how many in all, row) as they finish.

    First comes the reference solution itself, once per exercise: where it fails, the variants prove nothing.
    """
    from autograder.trial import Trial, short_limits

    loaded = [(source, load_variants(course, source)) for source in map(course.source, course.names(names))]
    total = sum(len(found.variants) + len(source.of_role("exercise")) for source, found in loaded)
    for source, found in loaded:
        if not source.of_role("exercise"):
            continue
        with Trial(course, source, short_limits(course.settings.limits)) as trial:
            outcomes = trial.run(answers(source))
            for cell in source.of_role("exercise"):
                outcome = outcomes[f"test_{cell.name}"]
                reference = Variant(source.name, cell.name, "(the solution)", RIGHT, "", why="reference")
                yield (
                    total,
                    judge(reference, outcome.points, outcome.max_points, outcome.message, outcome.hidden),
                )
            for variant in found.variants:
                outcomes = trial.run(hand_in_answers(source, variant), variant.exercise)
                outcome = outcomes[f"test_{variant.exercise}"]
                yield (
                    total,
                    judge(variant, outcome.points, outcome.max_points, outcome.message, outcome.hidden),
                )
