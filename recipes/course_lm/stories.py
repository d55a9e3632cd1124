"""Stories of the village whose hero, thing and places stay the same from the first line to the last."""

from __future__ import annotations

import random

from recipes.course_lm.grammar import Grammar, Memory, sentences

HE = {"he": "he", "him": "him", "his": "his"}
SHE = {"he": "she", "him": "her", "his": "her"}
WOMEN = set(
    "Mara Ada Clara Nina Ruth Vera Ida Ella Lina Rosa Anna Greta Marta Lucy Alma Hanna Olga Sara Julia Maria "
    "Aisha Leila Priya Mei Sofia Carmen".split()
)


def remember_people(grammar: Grammar, rng: random.Random) -> Memory:
    """Return a memory with a hero, a helper, a thing and two places that a whole story keeps."""
    hero, helper = rng.sample(grammar.rules["name"], 2)
    place_a, place_b = rng.sample(grammar.rules["place"], 2)
    job, other = rng.sample(grammar.rules["job"], 2)
    memory = {"hero": hero, "helper": helper, "place.a": place_a, "place.b": place_b}
    memory |= {"job.hero": job, "job.helper": other, "thing": grammar.one("object", rng)}
    return memory | (SHE if hero in WOMEN else HE)


def lost_and_found(grammar: Grammar, rng: random.Random) -> str:
    """Return a story of three paragraphs: somebody has a thing, loses it, and finds it or not."""
    memory = remember_people(grammar, rng)

    def say(*names: str) -> str:
        return " ".join(grammar.one(name, rng, memory) + _stop(name) for name in names)

    def _stop(name: str) -> str:
        return "." if name != "stop" else ""

    first = ["begin", "have"] + ["daily"] * rng.choice([0, 1, 2])
    second = ["loss", "feel.bad"] + ["search"] * rng.choice([1, 2, 3])
    if rng.random() < 0.75:
        third = ["help", "found", "feel.good"] + ["feast"] * rng.choice([0, 0, 1]) + ["end"]
    else:
        third = rng.choice([["help", "sad.end"], ["sad.end"], ["help", "search", "sad.end"]])
    return "\n".join(end_sentences(say(*part)) for part in (first, second, third))


def day_in_the_village(grammar: Grammar, rng: random.Random) -> str:
    """Return a paragraph of what happens on one day, at one or two places."""
    memory: Memory = {"place": grammar.one("place", rng)} if rng.random() < 0.5 else {}
    names = ["daily"] * rng.choice([3, 4, 5, 6]) + ["feast"] * rng.choice([0, 0, 1])
    when = grammar.draw("[on {day}|in {month}|that {daytime}|in {season}|]", rng)
    told = ". ".join(grammar.one(name, rng, memory) for name in names) + "."
    return end_sentences(f"{when}, {told}" if when else told)


def end_sentences(text: str) -> str:
    """Return the text with capitals, and no full stop after another mark."""
    for double, single in (("!.", "!"), ("?.", "?"), ("..", "."), ('!".', '!"'), ('?".', '?"'), ('".', '."')):
        text = text.replace(double, single)
    return sentences(text)


def story(grammar: Grammar, rng: random.Random) -> str:
    """Return one story."""
    return lost_and_found(grammar, rng) if rng.random() < 0.7 else day_in_the_village(grammar, rng)
