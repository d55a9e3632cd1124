"""Hand-ins that are alike: what students wrote, without names, comments and layout, exercise by exercise.

Likeness is a reason to look, not a proof. Short answers, and those that many students write alike, say
nothing and are left out.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import keyword
import tokenize
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from rapidfuzz import fuzz, process

ALIKE = 90  # percent
MIN_TOKENS = 40  # shorter answers are alike by chance
MAX_SOURCE = 40_000
COMMON = 0.2  # of all pairs: an answer that so many share is simply how one answers
SMALL_CLASS = 6  # in which nothing is called common
_KNOWN = frozenset({*keyword.kwlist, *keyword.softkwlist, *dir(builtins)})  # names that nobody can change
_LAYOUT = frozenset({tokenize.NEWLINE, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.COMMENT})
_TEXTS = frozenset({tokenize.STRING, getattr(tokenize, "FSTRING_START", -1)})


@dataclass(frozen=True)
class Work:
    """What one student wrote for one exercise, and the stub it was written into."""

    source: str
    released: str = ""


@dataclass(frozen=True)
class Pair:
    """Two students with answers alike in these exercises. `same_words` counts names and comments, too."""

    first: str
    second: str
    exercises: tuple[str, ...]
    similarity: float
    same_words: float
    tokens: int


@dataclass(frozen=True)
class Group:
    """Students connected by alike answers, the closest pair first."""

    students: tuple[str, ...]
    pairs: tuple[Pair, ...] = field(repr=False)

    @property
    def closest(self) -> Pair:
        return self.pairs[0]


class Forms:
    """Turns answers into strings of one character per token, so that comparing strings compares code."""

    def __init__(self) -> None:
        self._symbols: dict[str, str] = {}

    def form(self, work: Work) -> str:
        """The tokens of the lines that are not in the stub; names, numbers and texts all look the same."""
        given = {line.strip() for line in work.released.splitlines()}
        return "".join(
            self._symbols.setdefault(token, chr(0x100 + len(self._symbols)))
            for line, token in _tokens(work.source[:MAX_SOURCE])
            if line.strip() not in given
        )


def _tokens(source: str) -> Iterator[tuple[str, str]]:
    """Each token with its line, as far as the source can be read; no comments, docstrings, layout."""
    statement_begins = True
    with contextlib.suppress(tokenize.TokenError, SyntaxError, ValueError):
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            kind, text = token.type, token.string
            if kind in _LAYOUT or not text.strip():
                statement_begins = statement_begins or kind == tokenize.NEWLINE
                continue
            begins, statement_begins = statement_begins, False
            if kind == tokenize.NAME:
                yield token.line, text if text in _KNOWN else "name"
            elif kind == tokenize.NUMBER:
                yield token.line, "number"
            elif kind == tokenize.OP:
                yield token.line, text
            elif not begins and kind in _TEXTS:
                yield token.line, "text"


def similar(works: Mapping[str, Mapping[str, Work]]) -> list[Group]:
    """Groups of students with answers alike, the most suspicious first. Takes student -> exercise -> work."""
    students = sorted(works)
    found: dict[tuple[int, int], list[tuple[str, float, int]]] = {}
    forms = Forms()
    for exercise in dict.fromkeys(exercise for work in works.values() for exercise in work):
        who = [i for i, student in enumerate(students) if exercise in works[student]]
        texts = [forms.form(works[students[i]][exercise]) for i in who]
        long = [(i, text) for i, text in zip(who, texts, strict=True) if len(text) >= MIN_TOKENS]
        for (i, a), (j, b), likeness in _alike(long, len(students)):
            found.setdefault((i, j), []).append((exercise, likeness, min(len(a), len(b))))
    pairs = [_pair(students[i], students[j], alike, works) for (i, j), alike in found.items()]
    return _groups(sorted(pairs, key=lambda pair: (-pair.tokens * pair.similarity, pair.first, pair.second)))


Form = tuple[int, str]


def _alike(forms: list[Form], class_size: int) -> list[tuple[Form, Form, float]]:
    """The pairs of forms that are alike, unless so many are that it says nothing."""
    if len(forms) < 2:
        return []
    texts = [text for _, text in forms]
    table = process.cdist(texts, texts, scorer=fuzz.ratio, score_cutoff=ALIKE, dtype=np.float32)
    rows, columns = np.nonzero(np.triu(table, k=1))
    if class_size >= SMALL_CLASS and len(rows) > COMMON * class_size * (class_size - 1) / 2:
        return []
    return [(forms[i], forms[j], float(table[i, j]) / 100) for i, j in zip(rows, columns, strict=True)]


def _pair(
    first: str, second: str, alike: list[tuple[str, float, int]], works: Mapping[str, Mapping[str, Work]]
) -> Pair:
    tokens = sum(count for _, _, count in alike)
    words = [
        "\n".join(works[student][exercise].source[:MAX_SOURCE] for exercise, _, _ in alike)
        for student in (first, second)
    ]
    return Pair(
        first=first,
        second=second,
        exercises=tuple(exercise for exercise, _, _ in alike),
        similarity=round(sum(likeness * count for _, likeness, count in alike) / tokens, 3),
        same_words=round(fuzz.ratio(*words) / 100, 3),
        tokens=tokens,
    )


def _groups(pairs: list[Pair]) -> list[Group]:
    """Students connected through pairs; pairs come, and stay, with the closest first."""
    leader: dict[str, str] = {}

    def find(student: str) -> str:
        while leader.setdefault(student, student) != student:
            student = leader[student]
        return student

    for pair in pairs:
        leader[find(pair.second)] = find(pair.first)
    together: dict[str, list[Pair]] = {}
    for pair in pairs:
        together.setdefault(find(pair.first), []).append(pair)
    return [
        Group(tuple(sorted({s for pair in members for s in (pair.first, pair.second)})), tuple(members))
        for members in together.values()
    ]
