"""Text that repeats itself, from which a model learns to copy: lists, look-up tables, counting."""

from __future__ import annotations

import random

from recipes.course_lm.grammar import Grammar

KINDS = [
    "colour",
    "animal",
    "fruit",
    "food",
    "place",
    "tool",
    "object",
    "job",
    "name",
    "day",
    "month",
    "material",
    "surname",
    "country",
    "city",
]
NUMBERS = "one two three four five six seven eight nine ten eleven twelve".split()


def table(grammar: Grammar, rng: random.Random) -> str:
    """Return pairs, and then some of them once more."""
    left, right = rng.sample(KINDS, 2)
    n = rng.randint(3, 6)
    keys, values = rng.sample(grammar.rules[left], n), rng.sample(grammar.rules[right], n)
    sign = rng.choice([": ", " - ", " => ", " is ", " has "])
    pairs = [f"{key}{sign}{value}" for key, value in zip(keys, values, strict=True)]
    again = [rng.choice(pairs) for _ in range(rng.randint(2, 8))]
    return rng.choice(["\n", "\n", ", "]).join(pairs + again)


def repeated(grammar: Grammar, rng: random.Random) -> str:
    """Return a list of words several times over."""
    kinds = rng.choices(KINDS, k=rng.randint(2, 8))
    words = [rng.choice(grammar.rules[kind]) for kind in kinds]
    sign = rng.choice([" ", ", ", "\n"])
    return sign.join(words * rng.randint(2, 4))


def copied(grammar: Grammar, rng: random.Random) -> str:
    """Return lines that are each copied, with or without a change."""
    kind = rng.choice(KINDS)
    lines = []
    how = rng.choice(["copy", "first", "last", "reverse", "twice"])
    for _ in range(rng.randint(3, 7)):
        words = rng.sample(grammar.rules[kind], rng.randint(2, 4))
        done = {
            "copy": words,
            "first": words[:1],
            "last": words[-1:],
            "reverse": words[::-1],
            "twice": words * 2,
        }[how]
        lines.append(f"Input: {' '.join(words)}\nOutput: {' '.join(done)}")
    return "\n".join(lines)


def in_order(grammar: Grammar, rng: random.Random) -> str:
    """Return numbers, days or months in order."""
    rows = [
        NUMBERS,
        [str(i) for i in range(1, 31)],
        grammar.rules["day"],
        grammar.rules["month"],
        list("abcdefghijklmnopqrstuvwxyz"),
    ]
    row = rng.choice(rows)
    start = rng.randrange(len(row) - 3)
    return rng.choice([" ", ", "]).join(row[start : start + rng.randint(4, 12)])


def kinds_of(grammar: Grammar, rng: random.Random) -> str:
    """Return words with the kind of thing that they are."""
    sign = rng.choice([" is a ", " => ", ": "])
    kinds = rng.sample(
        [
            "colour",
            "animal",
            "fruit",
            "vegetable",
            "tool",
            "job",
            "drink",
            "day",
            "month",
            "country",
            "city",
            "place",
        ],
        rng.randint(2, 4),
    )
    drawn = [(kind, rng.choice(grammar.rules[kind])) for kind in rng.choices(kinds, k=rng.randint(4, 9))]
    return "\n".join(f"{word}{sign}{kind}".replace(" a animal", " an animal") for kind, word in drawn)


def facts(grammar: Grammar, rng: random.Random) -> str:
    """Return plain facts and opposites."""
    lines = rng.sample(grammar.rules["fact"], rng.randint(3, 7))
    lines += [
        f"the opposite of {a} is {b}"
        for a, b in (pair.split(" and ") for pair in rng.sample(grammar.rules["opposite"], 2))
    ]
    rng.shuffle(lines)
    return " ".join(line[0].upper() + line[1:] + "." for line in lines)


def pattern(grammar: Grammar, rng: random.Random) -> str:
    """Return one text of this module."""
    made = rng.choices([table, repeated, copied, in_order, kinds_of, facts], weights=[5, 4, 3, 1, 2, 2])[0]
    return made(grammar, rng)
