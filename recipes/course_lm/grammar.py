"""Text from patterns: lists of words and phrases, drawn at random, with a memory for what must stay the same.

The rules stand in words/*.txt, one rule to a paragraph:

    fruit: apple; pear; {colour} plum
    colour: red; [dark |light |]blue

`{fruit}` draws one of the fruits; `[a|b|c]` one of the parts, of which one may be empty; `{x=fruit}` draws a
fruit and keeps it, so that a later `{x}` in the same text is the same fruit. "a apple" becomes "an apple",
and sentences begin with a capital. A line that begins with # is a comment.
"""

from __future__ import annotations

import random
import re
from functools import cache
from pathlib import Path

WORDS = Path(__file__).parent / "words"

Memory = dict[str, str]
# Names that the programs put into a memory before they draw.
GIVEN = {
    "he",
    "him",
    "his",
    "hero",
    "helper",
    "job.hero",
    "job.helper",
    "place.a",
    "place.b",
    "thing",
    "target",
    "w.x",
}
# Parts of a compiled pattern: a string stands for itself, ("draw", name, kept as), ("choose", patterns).
Pattern = tuple


class Grammar:
    """Named lists of patterns, and how a text is drawn from them."""

    def __init__(self, rules: dict[str, list[str]]) -> None:
        self.rules = rules

    @classmethod
    def load(cls, folder: Path = WORDS) -> Grammar:
        """Read every rule file of a folder. Raises ValueError for a rule given twice or left empty."""
        rules: dict[str, list[str]] = {}
        for path in sorted(folder.glob("*.txt")):
            for name, patterns in parse_rules(path.read_text(encoding="utf-8")).items():
                if name in rules:
                    raise ValueError(f"{path.name} gives the rule {name!r} a second time. Merge the two.")
                rules[name] = patterns
        return cls(rules)

    def draw(self, pattern: str, rng: random.Random, memory: Memory | None = None) -> str:
        """Return one text of a pattern; `memory` is read and added to."""
        out: list[str] = []
        self._expand(compile_pattern(pattern), rng, {} if memory is None else memory, out)
        return tidy("".join(out))

    def one(self, name: str, rng: random.Random, memory: Memory | None = None) -> str:
        """Return one text of the rule of that name."""
        return self.draw("{" + name + "}", rng, memory)

    def _expand(self, parts: Pattern, rng: random.Random, memory: Memory, out: list[str]) -> None:
        for part in parts:
            if isinstance(part, str):
                out.append(part)
            elif part[0] == "choose":
                self._expand(part[1][int(rng.random() * len(part[1]))], rng, memory, out)
            else:
                _, name, kept = part
                if kept is None and name in memory:
                    out.append(memory[name])
                    continue
                patterns = self.rules.get(name)
                if patterns is None:
                    raise KeyError(f"No rule is called {name!r}. Add it to a file in {WORDS.name}/.")
                inner: list[str] = []
                chosen = compile_pattern(patterns[int(rng.random() * len(patterns))])
                self._expand(chosen, rng, memory, inner)
                text = "".join(inner)
                if kept is not None:
                    memory[kept] = text
                out.append(text)

    def check(self) -> list[str]:
        """Return the names that some pattern draws and no rule or memory gives."""
        kept: set[str] = set()
        drawn: set[str] = set()

        def walk(parts: Pattern) -> None:
            for part in parts:
                if isinstance(part, str):
                    continue
                if part[0] == "choose":
                    for inner in part[1]:
                        walk(inner)
                else:
                    drawn.add(part[1])
                    if part[2]:
                        kept.add(part[2])

        for patterns in self.rules.values():
            for pattern in patterns:
                walk(compile_pattern(pattern))
        missing = drawn - set(self.rules) - kept - GIVEN
        return sorted(missing)


def parse_rules(text: str) -> dict[str, list[str]]:
    """Return the rules of a file: name -> patterns."""
    rules: dict[str, list[str]] = {}
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    for paragraph in re.split(r"\n\s*\n", "\n".join(lines)):
        if not paragraph.strip():
            continue
        name, colon, body = " ".join(paragraph.split("\n")).partition(":")
        patterns = [re.sub(r"\s+", " ", part).strip() for part in body.split(";")]
        patterns = [part for part in patterns if part]
        if not colon or not patterns or not re.fullmatch(r"[\w.-]+", name.strip()):
            raise ValueError(f"This is no rule (name: pattern; pattern): {paragraph[:80]!r}")
        if name.strip() in rules:
            raise ValueError(f"The rule {name.strip()!r} is given twice. Merge the two.")
        rules[name.strip()] = patterns
    return rules


@cache
def compile_pattern(pattern: str) -> Pattern:
    """Return the parts of a pattern. Raises ValueError where brackets don't match."""
    parts, end = _parse(pattern, 0, closing="")
    if end != len(pattern):
        raise ValueError(f"Brackets don't match in the pattern {pattern!r}.")
    return parts[0]


def _parse(pattern: str, at: int, closing: str) -> tuple[list[Pattern], int]:
    alternatives: list[list] = [[]]
    plain = ""
    while at < len(pattern):
        char = pattern[at]
        if char in "[{|]" and (char != "|" or closing):
            if plain:
                alternatives[-1].append(plain)
                plain = ""
            if char == "]":
                if not closing:
                    raise ValueError(f"Brackets don't match in the pattern {pattern!r}.")
                return [tuple(parts) for parts in alternatives], at + 1
            if char == "|":
                alternatives.append([])
                at += 1
            elif char == "[":
                inner, at = _parse(pattern, at + 1, closing="]")
                alternatives[-1].append(("choose", tuple(inner)))
            else:
                end = pattern.index("}", at)
                kept, equals, name = pattern[at + 1 : end].partition("=")
                alternatives[-1].append(("draw", name, kept) if equals else ("draw", kept, None))
                at = end + 1
        else:
            plain += char
            at += 1
    if closing:
        raise ValueError(f"Brackets don't match in the pattern {pattern!r}.")
    if plain:
        alternatives[-1].append(plain)
    return [tuple(parts) for parts in alternatives], at


AN = re.compile(r"\b([Aa]) (?=[aeioAEIO]|u[bglmnpt](?!i)|hour|honest)")
NOT_AN = re.compile(r"\b([Aa])n (?=one|once|euro|Euro)")
SPACES = re.compile(r" {2,}")
STOPS = re.compile(r" +([,.!?])")
START = re.compile(r"(^|[.!?]\"? |\n)(?!(?<=\" )(?:asked|said))(\"?)([a-z])")


def tidy(text: str) -> str:
    """Return a drawn text with its articles and spaces put right."""
    text = STOPS.sub(r"\1", SPACES.sub(" ", text)).strip()
    return NOT_AN.sub(r"\1 ", AN.sub(r"\1n ", text))


def sentences(text: str) -> str:
    """Return the text with a capital at the beginning of each sentence."""
    return START.sub(lambda m: m[1] + m[2] + m[3].upper(), text)
