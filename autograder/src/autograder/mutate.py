"""`course mutate`: small changes of each reference solution, to see which of them its test notices."""

from __future__ import annotations

import ast
import copy
import random
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from types import CodeType
from typing import Any

from autograder.build import Course, answers
from autograder.errors import CourseError
from autograder.source import SourceCell, SourceNotebook, is_marker
from autograder.variants import Equivalent, load_variants

WANTED_SHARE = 0.9  # of an exercise's mutants, the equivalent ones left out
NOTICED, SURVIVED, EQUIVALENT = "noticed", "survived", "equivalent"

_ARITHMETIC: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.Div, ast.Add),
    ast.Div: (ast.Mult, ast.FloorDiv),
    ast.FloorDiv: (ast.Div,),
    ast.Mod: (ast.FloorDiv,),
    ast.Pow: (ast.Mult,),
    ast.MatMult: (ast.Mult,),
    ast.BitAnd: (ast.BitOr,),
    ast.BitOr: (ast.BitAnd,),
}
_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.Gt),
    ast.LtE: (ast.Lt, ast.GtE),
    ast.Gt: (ast.GtE, ast.Lt),
    ast.GtE: (ast.Gt, ast.LtE),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
_FUNCTIONS = {
    "min": "max",
    "max": "min",
    "any": "all",
    "all": "any",
    "sum": "max",
    "argmax": "argmin",
    "argmin": "argmax",
    "mean": "sum",
    "log": "log2",
    "log2": "log",
    "exp": "exp2",
    "floor": "ceil",
    "ceil": "floor",
    "zeros": "ones",
    "ones": "zeros",
    "tril": "triu",
    "triu": "tril",
    "append": "remove",
}
_SYMMETRIC = {"min", "max", "minimum", "maximum", "isclose", "allclose", "add", "multiply"}
_AXES = {"dim", "axis"}


@dataclass(frozen=True)
class Mutant:
    """One change of a solution. `description` stays the same while the changed line does."""

    exercise: str
    description: str
    source: str


@dataclass(frozen=True)
class Fate:
    """What became of one mutant: noticed, survived, or declared equivalent (with the reason)."""

    notebook: str
    exercise: str
    mutant: str
    fate: str
    why: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data for --json."""
        return asdict(self)


@dataclass(frozen=True)
class Score:
    """How one exercise's test fared against its mutants. `stale` are declarations that no longer fit."""

    notebook: str
    exercise: str
    mutants: int
    noticed: int
    survivors: tuple[str, ...]
    equivalent: tuple[str, ...]
    stale: tuple[str, ...]

    @property
    def share(self) -> float:
        """The share noticed of those that are not equivalent; 1 where there is none."""
        judged = self.mutants - len(self.equivalent)
        return self.noticed / judged if judged else 1.0

    @property
    def ok(self) -> bool:
        """Nothing survives unexplained and no declaration is stale."""
        return self.share >= WANTED_SHARE and not self.survivors and not self.stale


Way = tuple[tuple[str, int | None], ...]  # the way from the root of a tree to one node


def mutants(cell: SourceCell, limit: int | None = None, seed: int = 0) -> list[Mutant]:
    """Every mutant of an exercise's solution, or `limit` of them drawn with `seed`; no two alike.

    Only what stands between BEGIN SOLUTION and END SOLUTION changes. Descriptions count lines within the
    solution, so that a reworded docstring renames none.
    """
    original = cell.without_markers()
    tree = ast.parse(original)
    numbering = _solution_lines(cell.source)
    seen = {_bytecode(original)}
    found: list[Mutant] = []
    used: dict[str, int] = {}
    for path, node in _walk(tree):
        line = numbering.get(_line(node))
        if line is None:
            continue
        for before, after, changed in _changes(node):
            source = _replaced(tree, path, changed)
            code = _bytecode(source) if source else None
            if code is None or code in seen:
                continue
            seen.add(code)
            said = f"line {line}: {before} -> {after}"
            used[said] = used.get(said, 0) + 1
            said = said if used[said] == 1 else f"{said} (no. {used[said]})"
            found.append(Mutant(cell.name, said, source))
    if limit is not None and len(found) > limit:
        chosen = sorted(random.Random(f"{seed} {cell.name}").sample(range(len(found)), limit))
        found = [found[index] for index in chosen]
    return found


def _line(node: ast.AST) -> int:
    return getattr(node.iter if isinstance(node, ast.comprehension) else node, "lineno", 0)


def _solution_lines(source: str) -> dict[int, int]:
    """Line number in the cell without markers -> line number within the solution regions, from 1."""
    numbering: dict[int, int] = {}
    kept = inside = 0
    in_solution = False
    for text in source.split("\n"):
        if is_marker(text):
            in_solution = "BEGIN SOLUTION" in text
            continue
        kept += 1
        if in_solution:
            inside += 1
            numbering[kept] = inside
    return numbering


def _bytecode(source: str) -> str | None:
    """What the source compiles to, line numbers left out; None where it does not compile."""
    try:
        return _code_key(compile(source, "<mutant>", "exec", optimize=2))
    except (SyntaxError, ValueError):
        return None


def _code_key(code: CodeType) -> str:
    constants = [_code_key(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return repr(
        (code.co_code, constants, code.co_names, code.co_varnames, code.co_freevars, code.co_cellvars)
    )


def _walk(tree: ast.AST, path: Way = ()) -> Iterator[tuple[Way, ast.AST]]:
    """Every node in the order of the text, with the way to it; the words of messages are left alone."""
    yield path, tree
    if isinstance(tree, (ast.JoinedStr, ast.Raise)) or (isinstance(tree, ast.keyword) and tree.arg in _AXES):
        return
    for name, value in ast.iter_fields(tree):
        if isinstance(value, ast.AST):
            yield from _walk(value, (*path, (name, None)))
        elif isinstance(value, list):
            for index, item in enumerate(value):
                if isinstance(item, ast.AST):
                    yield from _walk(item, (*path, (name, index)))


def _replaced(tree: ast.Module, path: Way, changed: ast.AST | None) -> str:
    """The source with the node at `path` replaced (or a statement dropped); empty if that is no program."""
    result = copy.deepcopy(tree)
    parent: Any = result
    for name, index in path[:-1]:
        parent = getattr(parent, name) if index is None else getattr(parent, name)[index]
    name, index = path[-1]
    if index is None:
        setattr(parent, name, changed)
    else:
        getattr(parent, name)[index] = ast.Pass() if changed is None else changed
    try:
        return ast.unparse(ast.fix_missing_locations(result)) + "\n"
    except (ValueError, AttributeError):
        return ""


Change = tuple[str, str, ast.AST | None]


def _changes(node: ast.AST) -> Iterator[Change]:
    """(text before, text after, node after) of each way to change this one node."""
    for kind, change in _CHANGES:
        if isinstance(node, kind):
            for changed in change(node):
                after = "nothing" if changed is None else _short(changed)
                yield _short(node), after, changed


def _short(node: ast.AST) -> str:
    text = ast.unparse(ast.fix_missing_locations(copy.deepcopy(node))).strip().split("\n")[0]
    return text if len(text) <= 60 else f"{text[:57]}..."


def _with(node: Any, **changes: Any) -> Any:
    result = copy.deepcopy(node)
    for name, value in changes.items():
        setattr(result, name, value)
    return result


def _arithmetic(node: ast.BinOp) -> Iterator[ast.AST]:
    for operator in _ARITHMETIC.get(type(node.op), ()):
        yield _with(node, op=operator())
    if isinstance(node.op, (ast.Sub, ast.Div, ast.FloorDiv, ast.MatMult, ast.Pow)):
        yield _with(node, left=node.right, right=node.left)
    yield node.left
    yield node.right


def _assigned_operation(node: ast.AugAssign) -> Iterator[ast.AST]:
    for operator in _ARITHMETIC.get(type(node.op), ()):
        yield _with(node, op=operator())
    yield ast.Assign(targets=[node.target], value=node.value)


def _comparison(node: ast.Compare) -> Iterator[ast.AST]:
    for index, old in enumerate(node.ops):
        for operator in _COMPARISONS.get(type(old), ()):
            yield _with(node, ops=[*node.ops[:index], operator(), *node.ops[index + 1 :]])


def _boolean(node: ast.BoolOp) -> Iterator[ast.AST]:
    yield _with(node, op=ast.Or() if isinstance(node.op, ast.And) else ast.And())
    for index in range(len(node.values)):
        rest = node.values[:index] + node.values[index + 1 :]
        yield rest[0] if len(rest) == 1 else _with(node, values=rest)


def _unary(node: ast.UnaryOp) -> Iterator[ast.AST]:
    yield node.operand


def _constant(node: ast.Constant) -> Iterator[ast.AST]:
    value = node.value
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, (int, float)):
        others = [value + 1, value - 1, 0, -value]
        if isinstance(value, float) and abs(value) < 0.01:
            others = [float(f"{value * 1000:g}"), 0.0, -value]
        for other in dict.fromkeys(others):
            if other != value:
                yield ast.UnaryOp(ast.USub(), ast.Constant(-other)) if other < 0 else ast.Constant(other)
    elif isinstance(value, str) and value:
        yield ast.Constant("")


def _condition(node: Any) -> Iterator[ast.AST]:
    negated = isinstance(node.test, ast.UnaryOp) and isinstance(node.test.op, ast.Not)
    yield _with(node, test=node.test.operand if negated else ast.UnaryOp(ast.Not(), node.test))


def _one_branch(node: ast.IfExp) -> Iterator[ast.AST]:
    yield node.body
    yield node.orelse


def _slice(node: ast.Slice) -> Iterator[ast.AST]:
    for name in ("lower", "upper"):
        bound = getattr(node, name)
        if bound is not None:
            for operator in (ast.Add, ast.Sub):
                yield _with(node, **{name: ast.BinOp(bound, operator(), ast.Constant(1))})
            yield _with(node, **{name: None})
    if node.step is not None:
        yield _with(node, step=None)


def _call(node: ast.Call) -> Iterator[ast.AST]:
    name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
    if name in _FUNCTIONS:
        other = _FUNCTIONS[name]
        function = (
            _with(node.func, attr=other)
            if isinstance(node.func, ast.Attribute)
            else _with(node.func, id=other)
        )
        yield _with(node, func=function)
    if name == "range" and node.args:
        at = 0 if len(node.args) == 1 else 1
        for index in {0, at}:
            for operator in (ast.Add, ast.Sub):
                shifted = ast.BinOp(node.args[index], operator(), ast.Constant(1))
                yield _with(node, args=[*node.args[:index], shifted, *node.args[index + 1 :]])
    elif (
        len(node.args) >= 2
        and name not in _SYMMETRIC
        and not any(isinstance(a, ast.Starred) for a in node.args[:2])
    ):
        yield _with(node, args=[node.args[1], node.args[0], *node.args[2:]])
    for index, keyword in enumerate(node.keywords):
        yield _with(node, keywords=node.keywords[:index] + node.keywords[index + 1 :])
        if keyword.arg in _AXES and isinstance(keyword.value, (ast.Constant, ast.UnaryOp)):
            for axis in (0, 1):  # -1 is left out: most often it is the same axis
                changed = ast.keyword(keyword.arg, ast.Constant(axis))
                yield _with(node, keywords=[*node.keywords[:index], changed, *node.keywords[index + 1 :]])
    if (
        name in ("abs", "sorted", "reversed", "set", "log", "exp", "sqrt", "tuple", "list")
        and len(node.args) == 1
    ):
        yield node.args[0]
    if isinstance(node.func, ast.Attribute) and not node.args and not node.keywords:
        yield node.func.value


def _returned(node: ast.Return) -> Iterator[ast.AST]:
    if isinstance(node.value, ast.Tuple) and len(node.value.elts) >= 2:
        first, second, *rest = node.value.elts
        yield _with(node, value=ast.Tuple([second, first, *rest], ast.Load()))


def _dropped(node: ast.stmt) -> Iterator[None]:
    yield None


def _early_end(node: ast.Break | ast.Continue) -> Iterator[ast.AST]:
    yield ast.Continue() if isinstance(node, ast.Break) else ast.Break()


def _comprehension(node: ast.comprehension) -> Iterator[ast.AST]:
    for index in range(len(node.ifs)):
        yield _with(node, ifs=node.ifs[:index] + node.ifs[index + 1 :])


def _list_part(node: ast.List) -> Iterator[ast.AST]:
    if node.elts and isinstance(node.ctx, ast.Load):
        yield _with(node, elts=[])


_CHANGES: tuple[tuple[Any, Callable[[Any], Iterator[ast.AST | None]]], ...] = (
    (ast.BinOp, _arithmetic),
    (ast.AugAssign, _assigned_operation),
    (ast.Compare, _comparison),
    (ast.BoolOp, _boolean),
    (ast.UnaryOp, _unary),
    (ast.Constant, _constant),
    ((ast.If, ast.While, ast.IfExp), _condition),
    (ast.IfExp, _one_branch),
    (ast.Slice, _slice),
    (ast.Call, _call),
    (ast.Return, _returned),
    ((ast.Break, ast.Continue), _early_end),
    (ast.comprehension, _comprehension),
    (ast.List, _list_part),
    ((ast.Assign, ast.AugAssign, ast.Expr, ast.If, ast.For, ast.While, ast.Raise, ast.Assert), _dropped),
)


def run_mutants(
    course: Course,
    names: list[str] | None = None,
    seed: int = 0,
    limit: int | None = None,
    workers: int = 2,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[tuple[Score, list[Fate]]]:
    """Grade the mutants of every exercise with the real engine; yields one exercise at a time.

    `limit` is the most mutants of one exercise. `progress` is called with how many are done, and of how many.
    """
    prepared = []
    for name in course.names(names):
        source = course.source(name)
        declared = load_variants(course, source).equivalents
        made = [(cell, mutants(cell, limit, seed)) for cell in source.of_role("exercise")]
        prepared.append((source, declared, made))
    total = sum(len(found) for _, _, made in prepared for _, found in made)
    done = 0
    for source, declared, made in prepared:
        flat = [mutant for _, found in made for mutant in found]
        noticed: dict[tuple[str, str], bool] = {}
        for mutant, seen in _graded(course, source, flat, workers):
            noticed[mutant.exercise, mutant.description] = seen
            done += 1
            if progress:
                progress(done, total)
        for cell, found in made:
            every = {m.description for m in (mutants(cell) if limit is not None else found)}
            mine = [d for d in declared if d.exercise == cell.name]
            yield _score(source.name, cell.name, found, noticed, mine, every)


def _graded(
    course: Course, source: SourceNotebook, flat: list[Mutant], workers: int
) -> Iterator[tuple[Mutant, bool]]:
    """Each mutant, and whether its own exercise's test noticed it."""
    from autograder.trial import Trial, short_limits

    if not flat:
        return
    reference = answers(source)
    with Trial(course, source, short_limits(course.settings.limits)) as trial:
        for outcome in trial.run(reference).values():
            if outcome.points < outcome.max_points:
                raise CourseError(
                    f"{source.path}: the solution itself fails {outcome.grade_id}, so mutants prove nothing.",
                    f"See course variants {source.name}.",
                )
        several = [({**reference, m.exercise: m.source}, m.exercise) for m in flat]
        for position, outcomes in trial.run_many(several, workers):
            outcome = outcomes[f"test_{flat[position].exercise}"]
            yield flat[position], outcome.points < outcome.max_points


def _score(
    notebook: str,
    exercise: str,
    found: list[Mutant],
    noticed: dict[tuple[str, str], bool],
    declared: list[Equivalent],
    every: set[str],
) -> tuple[Score, list[Fate]]:
    reasons = {d.mutant: d.why for d in declared}
    fates = []
    for mutant in found:
        if noticed[exercise, mutant.description]:
            fates.append(Fate(notebook, exercise, mutant.description, NOTICED))
        elif mutant.description in reasons:
            why = reasons[mutant.description]
            fates.append(Fate(notebook, exercise, mutant.description, EQUIVALENT, why))
        else:
            fates.append(Fate(notebook, exercise, mutant.description, SURVIVED))
    by_fate = {
        fate: tuple(f.mutant for f in fates if f.fate == fate) for fate in (NOTICED, SURVIVED, EQUIVALENT)
    }
    stale = [f"{m}: the test notices it" for m in reasons if m in by_fate[NOTICED]]
    stale += [f"{m}: there is no such mutant" for m in reasons if m not in every]
    score = Score(
        notebook,
        exercise,
        len(fates),
        len(by_fate[NOTICED]),
        by_fate[SURVIVED],
        by_fate[EQUIVALENT],
        tuple(stale),
    )
    return score, fates


def table(scores: list[Score]) -> tuple[tuple[str, ...], list[list[str]], list[bool]]:
    """Columns, rows and which rows are good, for a table with one row for each exercise."""
    columns = ("notebook", "exercise", "mutants", "noticed", "equivalent", "survived", "share")
    rows = [
        [
            score.notebook,
            score.exercise,
            str(score.mutants),
            str(score.noticed),
            str(len(score.equivalent)),
            str(len(score.survivors)),
            f"{score.share:.0%}",
        ]
        for score in scores
    ]
    return columns, rows, [score.ok for score in scores]


def failures(scores: list[Score]) -> list[str]:
    """One sentence with a remedy for everything that must be mended."""
    found = []
    for score in scores:
        where = f"solutions/{score.notebook}.py, exercise {score.exercise}"
        variants = f"solutions/variants/{score.notebook}.py"
        for mutant in score.survivors:
            found.append(
                f"{where}: the test does not notice the change `{mutant}`. Test that case, "
                f"or declare in {variants}: equivalent({score.exercise!r}, mutant={mutant!r}, why=...)."
            )
        for reason in score.stale:
            found.append(f"{variants}, equivalent {score.exercise}: stale declaration: {reason}. Remove it.")
        if score.share < WANTED_SHARE:
            found.append(
                f"{where}: only {score.share:.0%} of the changes are noticed, {WANTED_SHARE:.0%} are wanted. "
                "Strengthen its test."
            )
    return found
