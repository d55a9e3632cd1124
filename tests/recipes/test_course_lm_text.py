"""The training text of course-lm: seeded, complete, and labelled as it says."""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from recipes.course_lm import labelled, patterns, questions, stories
from recipes.course_lm.grammar import Grammar, compile_pattern, parse_rules, sentences, tidy
from recipes.course_lm.text import SOURCES, documents

ROOT = Path(__file__).parents[2]
GRAMMAR = Grammar.load()


def test_the_same_seed_gives_the_same_text_in_another_process() -> None:
    program = (
        "import itertools, hashlib; from recipes.course_lm.text import documents; "
        "print(hashlib.sha256(repr(list(itertools.islice(documents(5), 150))).encode()).hexdigest())"
    )
    told = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env=os.environ | {"PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(told) == 1


def test_another_seed_gives_other_text() -> None:
    first, second = ([text for _, text in itertools.islice(documents(seed), 50)] for seed in (1, 2))
    assert not set(first) & set(second)


def test_every_rule_is_known_and_every_rule_is_drawn() -> None:
    assert GRAMMAR.check() == []

    asked: set[str] = set()

    class Watched(dict):
        """Rules that remember which were drawn."""

        def get(self, name, default=None):
            asked.add(name)
            return super().get(name, default)

        def __getitem__(self, name):
            asked.add(name)
            return super().__getitem__(name)

    watched = Grammar(Watched(GRAMMAR.rules))
    rng = random.Random(0)
    for source, _ in SOURCES.values():
        for _ in range(400):
            source(watched, rng)
    assert set(GRAMMAR.rules) - asked == set()


def test_documents_are_whole() -> None:
    seen = Counter()
    for kind, text in itertools.islice(documents(3), 1500):
        seen[kind] += 1
        assert text.strip() == text and text, kind
        assert not re.search(r"[{}\[\]]|  ", text.replace("[politics]", "")) or kind in (
            "headlines with topics",
        ), (
            kind,
            text,
        )
        assert len(text) < 6000
    assert set(seen) == set(SOURCES)


def test_draws_keep_what_they_are_told_to_keep() -> None:
    grammar = Grammar({"fruit": ["apple", "pear", "plum"], "two": ["{x=fruit} and {x}", "a {fruit}"]})
    for seed in range(20):
        drawn = grammar.one("two", random.Random(seed))
        assert re.fullmatch(r"(\w+) and \1|an apple|a pear|a plum", drawn)


@pytest.mark.parametrize(
    ("written", "meant"),
    [("a apple", "an apple"), ("a one", "a one"), ("a euro", "a euro"), ("A owl , a hen", "An owl, a hen"),
     ("a unique hour", "a unique hour"), ("a  ugly  hat", "an ugly hat")],
)  # fmt: skip
def test_articles_and_spaces_are_put_right(written: str, meant: str) -> None:
    assert tidy(written) == meant


def test_sentences_begin_with_capitals() -> None:
    assert sentences('one. two! "three?" asked Tom.') == 'One. Two! "Three?" asked Tom.'


@pytest.mark.parametrize("wrong", ["no colon here", "empty:", "twice: a\n\ntwice: b"])
def test_wrong_rules_are_refused(wrong: str) -> None:
    with pytest.raises(ValueError):
        parse_rules(wrong)


@pytest.mark.parametrize("wrong", ["[a|b", "a]"])
def test_brackets_must_match(wrong: str) -> None:
    with pytest.raises(ValueError, match="Brackets"):
        compile_pattern(wrong)


def test_every_kind_of_thing_has_a_good_and_a_bad_side() -> None:
    for kind in GRAMMAR.rules["kinds"]:
        for name in ("thing", "good", "bad"):
            assert f"{name}.{kind}" in GRAMMAR.rules


def test_no_word_of_sentiment_is_on_both_sides() -> None:
    sides = [
        {p for name in names for p in GRAMMAR.rules[name]}
        for names in (
            ("good", "great", "kind", "tasty", "wide.good"),
            ("bad", "awful", "rude", "nasty", "wide.bad"),
        )
    ]
    assert sides[0] & sides[1] == set()


def test_a_story_keeps_its_hero_and_its_thing_to_the_end() -> None:
    for seed in range(30):
        memory = stories.remember_people(GRAMMAR, random.Random(seed))
        first, _, last = stories.lost_and_found(GRAMMAR, random.Random(seed)).split("\n")
        assert memory["hero"] in first and (memory["hero"] in last or memory["thing"] in last)


def test_the_answer_to_a_question_stands_in_its_passage() -> None:
    for seed in range(60):
        text = questions.reading(GRAMMAR, random.Random(seed))
        passage, *asked = re.split(r"\nQuestion: ", text)
        for pair in asked:
            assert pair.split("\nAnswer: ")[1] in passage


def test_facts_of_the_village_never_change() -> None:
    people = questions.facts_of_the_village(GRAMMAR)
    assert people == questions.facts_of_the_village(GRAMMAR)
    for attribute in ("job", "pet"):  # asked the other way round, there is one answer
        values = [person[attribute] for person in people.values() if attribute in person]
        assert len(values) == len(set(values))


def test_a_table_repeats_its_own_pairs() -> None:
    for seed in range(40):
        lines = re.split(r"\n|, ", patterns.table(GRAMMAR, random.Random(seed)))
        assert len(set(lines)) <= 6 < len(lines) + 2


@pytest.mark.parametrize("n", [1, 4, 12])
def test_label_names_are_one_for_each_label(n: int) -> None:
    rng = random.Random(n)
    for _ in range(200):
        names = labelled.label_names(rng, labelled.STANCES, labelled.STANCE_NAMES, n)
        assert list(names) == list(labelled.STANCES) and len(set(names.values())) == 3
