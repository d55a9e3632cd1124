"""Which names a cell defines at its top level and which it takes from elsewhere, found without running it."""

from __future__ import annotations

import ast
import builtins
import symtable
from functools import lru_cache

_LONGEST_KEPT = 4000  # letters; the tree of a cell takes hundreds of times its memory
_BUILTINS = frozenset(dir(builtins)) | {"__name__", "__file__", "__doc__", "get_ipython", "display"}


@lru_cache(maxsize=4096)
def plain_python(source: str) -> str:
    """The cell as IPython would hand it to Python: magics and shell lines become function calls."""
    if not any(
        line.lstrip().startswith(("%", "!", "?")) or line.rstrip().endswith("?")
        for line in source.splitlines()
    ):
        return source
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        return TransformerManager().transform_cell(source)
    except Exception as error:  # hundreds of magics in one cell are too many for it
        raise SyntaxError(f"IPython can't read the cell: {error}") from None


def parse(source: str) -> ast.Module | None:
    """The syntax tree of a cell, or None if it is not Python. It is shared: to be read only."""
    return _kept_tree(source) if len(source) <= _LONGEST_KEPT else _tree(source)


def _tree(source: str) -> ast.Module | None:
    try:
        return ast.parse(plain_python(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


_kept_tree = lru_cache(maxsize=128)(_tree)


@lru_cache(maxsize=4096)
def bound_names(source: str) -> frozenset[str]:
    """Names that running the cell binds in the notebook's namespace."""
    table = _table(source)
    if table is None:
        return frozenset()
    names = {
        s.get_name() for s in table.get_symbols() if s.is_assigned() or s.is_imported() or s.is_namespace()
    }
    for scope in _scopes(table):
        names |= {s.get_name() for s in scope.get_symbols() if s.is_declared_global() and s.is_assigned()}
    return frozenset(names)


@lru_cache(maxsize=4096)
def answer_names(source: str) -> frozenset[str]:
    """Names that an answer cell defines as the student's; what it only imports is not among them."""
    tree = parse(source)
    if tree is None:
        return frozenset()
    statements = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))]
    imported = {(a.asname or a.name).split(".")[0] for n in statements for a in n.names}
    rest = ast.unparse(ast.Module([n for n in tree.body if n not in statements], []))
    return bound_names(source) - (frozenset(imported) - bound_names(rest))


@lru_cache(maxsize=512)
def import_statements(source: str) -> str:
    """The import statements at the top level of a cell."""
    tree = parse(source)
    found = [n for n in tree.body if isinstance(n, (ast.Import, ast.ImportFrom))] if tree is not None else []
    return "\n".join(ast.unparse(n) for n in found)


@lru_cache(maxsize=4096)
def referenced_names(source: str) -> frozenset[str]:
    """Names that the cell looks up in the notebook's namespace or among the builtins."""
    table = _table(source)
    if table is None:
        return frozenset()
    names = {s.get_name() for s in table.get_symbols() if s.is_referenced()}
    for scope in _scopes(table):
        names |= {s.get_name() for s in scope.get_symbols() if s.is_global() and s.is_referenced()}
    return frozenset(names)


def read_names(source: str) -> frozenset[str]:
    """Names that the cell looks up in the notebook's namespace, builtins left out."""
    return referenced_names(source) - _BUILTINS


@lru_cache(maxsize=4096)
def free_names(source: str) -> frozenset[str]:
    """Names that the cell reads and does not bind itself."""
    return read_names(source) - bound_names(source)


def defined_function(source: str) -> tuple[str, ...]:
    """The functions and classes that the cell defines at its top level, in order."""
    tree = parse(source)
    if tree is None:
        return ()
    return tuple(
        n.name for n in tree.body if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef))
    )


def _table(source: str) -> symtable.SymbolTable | None:
    try:
        return symtable.symtable(plain_python(source), "<cell>", "exec")
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _scopes(table: symtable.SymbolTable) -> list[symtable.SymbolTable]:
    found = []
    for child in table.get_children():
        found.append(child)
        found += _scopes(child)
    return found


def imported_modules(tree: ast.Module) -> set[str]:
    """Modules that the statements of a cell import, by their full names."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found
