"""What the tests of all notebooks begin with: the solved notebook's names, and its worked examples."""

from __future__ import annotations

import doctest
from collections.abc import Mapping
from types import FunctionType
from typing import Any

from autograder.executed import solved_names as solved_names  # the tests take both from here


def worked_examples(
    exercise: str, names: Mapping[str, Any], flags: int = doctest.NORMALIZE_WHITESPACE
) -> tuple[int, str]:
    """Run the examples in an exercise's description, and in those of its methods.

    Returns how many there are, and what the failing ones say.
    """
    found = names[exercise]
    members = vars(found).values() if isinstance(found, type) else ()
    parts = [found, *(member for member in members if isinstance(member, FunctionType))]
    failures: list[str] = []
    examples = 0
    for text in filter(None, (part.__doc__ for part in parts)):
        example = doctest.DocTestParser().get_doctest(text, dict(names), exercise, exercise, 0)
        examples += len(example.examples)
        doctest.DocTestRunner(verbose=False, optionflags=flags).run(example, out=failures.append)
    return examples, "".join(failures)
