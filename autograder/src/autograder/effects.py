"""Which cells of a student can change what an earlier test sees, found without running them.

Every test gets a copy of the student's process as it was where the test stands. Copying is what grading
costs most, and a process that is copied between two cells pays again for each page that it writes afterwards.
Where a cell does nothing but define what nothing before it can notice, the copy can as well be made after it,
beside the copies for later tests.

What is already imported is taken from this process, which has imported what the warm one has. Whoever outwits
all this changes at most what their own earlier answers give; and since only what students can read counts, it
tells nothing of a hidden test.
"""

from __future__ import annotations

import ast
import re
import sys
import unicodedata

from autograder import names

_WORD = re.compile(r"[^\W\d]\w*")
_LOOKING_AROUND = re.compile(
    r"(?<![.\w])(?:globals|locals|vars|dir|eval|exec|inspect|gc|metaclass)\b|\bget_ipython\b"
    r"|\bsys\s*\.\s*modules\b|__(?:main|builtins|init_subclass|subclasses|set_name)__"
)
_PLAIN = (ast.Constant, ast.Name, ast.Attribute, ast.Tuple, ast.List, ast.Dict, ast.UnaryOp)
_CALLS = (ast.Call, ast.Await, ast.NamedExpr, ast.Yield, ast.YieldFrom)


class Before:
    """What has been run and asked so far in a notebook, as far as its text tells."""

    def __init__(self) -> None:
        self._words: set[str] = set()
        self._looks_around = False

    def add(self, source: str) -> None:
        """A cell has run here, or a test stands here."""
        source = unicodedata.normalize("NFKC", source)  # as Python reads names
        self._words.update(_WORD.findall(source))
        looks = _LOOKING_AROUND.search(source) is not None or _has_magics(source)
        self._looks_around = self._looks_around or looks

    def can_notice(self, source: str) -> bool:
        """Whether a cell that runs now could be noticed by what was here before.

        False only for cells of nothing but functions, classes, constants, and imports of modules that are
        there, whose names are no words of anything before, in code, strings or comments.
        """
        tree = names.parse(source)
        if tree is None or self._looks_around or _has_magics(source):
            return True
        if not names.bound_names(source).isdisjoint(self._words):
            return True
        return not all(map(_only_defines, tree.body))


def _has_magics(source: str) -> bool:
    try:
        return source.rstrip("\n") != names.plain_python(source).rstrip("\n")
    except SyntaxError:
        return True


def _only_defines(node: ast.stmt) -> bool:
    """Whether a statement binds names and has no other effect."""
    if isinstance(node, ast.Import):
        return all(alias.name in sys.modules for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        module = sys.modules.get(node.module or "") if not node.level else None
        return module is not None and all(alias.name in vars(module) for alias in node.names)
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return not node.decorator_list and _is_plain_signature(node)
    if isinstance(node, ast.ClassDef):
        bare = not node.decorator_list and not node.keywords
        return bare and all(map(_only_reads, node.bases)) and all(map(_only_defines, node.body))
    if isinstance(node, ast.Assign):
        return all(isinstance(t, ast.Name) for t in node.targets) and _only_reads(node.value)
    return isinstance(node, ast.Pass) or (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant))


def _only_reads(node: ast.expr) -> bool:
    """Whether an expression is made of constants and names alone."""
    return all(isinstance(n, (*_PLAIN, ast.expr_context, ast.unaryop)) for n in ast.walk(node))


def _is_plain_signature(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether defining the function calls nothing: in no default value, in no annotation."""
    given = function.args
    defaults = [*given.defaults, *(d for d in given.kw_defaults if d is not None)]
    arguments = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    notes = [a.annotation for a in arguments if a is not None] + [function.returns]
    return all(map(_only_reads, defaults)) and not any(
        isinstance(n, _CALLS) for note in notes if note is not None for n in ast.walk(note)
    )
