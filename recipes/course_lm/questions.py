"""Questions with answers: about the one village of this course, about a passage, and as a chat."""

from __future__ import annotations

import random

from recipes.course_lm import labelled
from recipes.course_lm.grammar import Grammar, sentences
from recipes.course_lm.stories import day_in_the_village, end_sentences

PEOPLE_OF_THE_VILLAGE = 24
SYSTEM, USER, ASSISTANT, END = "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"

# attribute -> (rule that its values come from, statement, question, question the other way round)
ATTRIBUTES = {
    "job": (
        "job",
        "{name} is the {value} of the village",
        "What is {name}'s job?",
        "Who is the {value} of the village?",
    ),
    "pet": ("animal", "{name} has a {value}", "Which animal does {name} have?", "Who has a {value}?"),
    "house": ("colour", "{name} lives in a {value} house", "What colour is {name}'s house?", ""),
    "dish": ("food", "{name} likes {value} best", "What does {name} like best?", ""),
    "place": ("place", "{name} lives near the {value}", "Where does {name} live?", ""),
    "instrument": ("instrument", "{name} plays the {value}", "Which instrument does {name} play?", ""),
}


def facts_of_the_village(grammar: Grammar) -> dict[str, dict[str, str]]:
    """Return who lives in the village: name -> attribute -> value, the same on every call."""
    rng = random.Random(7)
    names = grammar.rules["name"][:PEOPLE_OF_THE_VILLAGE]
    jobs = grammar.rules["job"][:PEOPLE_OF_THE_VILLAGE]
    people = {name: {"job": job} for name, job in zip(names, jobs, strict=True)}
    pets = rng.sample(grammar.rules["animal"], len(grammar.rules["animal"]))
    for i, person in enumerate(people.values()):
        if i < len(pets):
            person["pet"] = pets[i]
        for attribute in ("house", "dish", "place", "instrument"):
            person[attribute] = rng.choice(grammar.rules[ATTRIBUTES[attribute][0]])
    return people


def statement(attribute: str, name: str, value: str) -> str:
    """Return the sentence that gives a fact."""
    return (
        ATTRIBUTES[attribute][1]
        .format(name=name, value=value)
        .replace(" a o", " an o")
        .replace(" a a", " an a")
    )


def question(attribute: str, name: str, value: str, rng: random.Random) -> tuple[str, str]:
    """Return a question about a fact, and its answer."""
    _, _, forward, backward = ATTRIBUTES[attribute]
    if backward and rng.random() < 0.4:
        return backward.format(value=value).replace(" a o", " an o"), name
    answer = f"near the {value}" if attribute == "place" else value
    return forward.format(name=name), answer


def village_facts(grammar: Grammar, rng: random.Random) -> str:
    """Return statements about people of the village, or questions and answers on them."""
    people = facts_of_the_village(grammar)
    known = [(name, a, v) for name, attributes in people.items() for a, v in attributes.items()]
    some = rng.sample(known, rng.randint(2, 6))
    if rng.random() < 0.4:
        name = rng.choice(list(people))
        lines = [statement(a, name, v) for a, v in people[name].items()]
        rng.shuffle(lines)
        return ". ".join(lines) + "."
    if rng.random() < 0.4:
        return ". ".join(statement(a, n, v) for n, a, v in some) + "."
    asked = [question(a, n, v, rng) for n, a, v in some]
    form = rng.choice(["Question: {q}\nAnswer: {a}", "Q: {q}\nA: {a}"])
    return "\n".join(form.format(q=q, a=a) for q, a in asked)


def reading(grammar: Grammar, rng: random.Random) -> str:
    """Return a passage about people who are new in every passage, and questions whose answers stand in it."""
    names = rng.sample(grammar.rules["name"], rng.choice([2, 3, 4]))
    facts: list[tuple[str, str, str]] = []
    for name in names:
        for attribute in rng.sample(list(ATTRIBUTES), rng.choice([1, 2])):
            values = [v for v in grammar.rules[ATTRIBUTES[attribute][0]] if v not in {f[2] for f in facts}]
            facts.append((name, attribute, rng.choice(values)))
    rng.shuffle(facts)
    passage = ". ".join(statement(a, n, v) for n, a, v in facts) + "."
    asked = [question(a, n, v, rng) for n, a, v in rng.sample(facts, rng.randint(1, min(3, len(facts))))]
    head = rng.choice(["Passage: ", "Text: ", ""])
    return f"{head}{passage}\n" + "\n".join(f"Question: {q}\nAnswer: {a}" for q, a in asked)


def chat(*turns: tuple[str, str]) -> str:
    """Return turns (role, text) in the course's chat template."""
    return "".join(f"<|{role}|> {text}{END}" for role, text in turns)


def instruction(grammar: Grammar, rng: random.Random) -> tuple[str, str]:
    """Return an instruction and its answer."""
    chance = rng.random()
    if chance < 0.12:
        polarity = rng.choice(labelled.POLARITIES)
        text = labelled.review(grammar, rng, polarity, 2)
        ask = rng.choice(
            [
                "Is this review positive or negative? {t}",
                "Classify the sentiment of this review: {t}",
                "Review: {t}\nIs it positive or negative?",
                "What is the sentiment of this text? {t}",
            ]
        )
        return ask.replace("{t}", text), polarity
    if chance < 0.22:
        topic = rng.choice(labelled.TOPICS)
        ask = rng.choice(
            [
                "What is the topic of this headline? {t}",
                "Classify this headline: {t}",
                "Is this politics, economy, sport, science or culture? {t}",
            ]
        )
        return ask.replace("{t}", labelled.headline(grammar, rng, topic)), topic
    if chance < 0.30:
        example = labelled.post(grammar, rng, rng.choice(labelled.STANCES))
        ask = rng.choice(
            [
                "What is the stance of this post towards {g}: favour, against or none? {t}",
                "Is the author in favour of {g} or against it? {t}",
            ]
        )
        return ask.replace("{g}", example.target).replace("{t}", example.text), example.label
    if chance < 0.38:
        people = facts_of_the_village(grammar)
        name = rng.choice(list(people))
        attribute = rng.choice(list(people[name]))
        return question(attribute, name, people[name][attribute], rng)
    if chance < 0.44:
        one, two = rng.choice(grammar.rules["opposite"]).split(" and ")
        if rng.random() < 0.5:
            one, two = two, one
        return f"What is the opposite of {one}?", two
    if chance < 0.50:
        items = [grammar.one("anyword", rng) for _ in range(rng.randint(2, 4))]
        which = rng.choice(["first", "last"])
        return f"What is the {which} word: {', '.join(items)}?", items[0 if which == "first" else -1]
    if chance < 0.54:
        return "Tell me what happened in the village.", day_in_the_village(grammar, rng)
    memory: dict[str, str] = {}
    pattern = rng.choice(grammar.rules["instruction"])
    asked, answer = (grammar.draw(part.strip(), rng, memory) for part in pattern.split("=>"))
    if len(answer.split()) > 3:
        answer = end_sentences(answer + ".")
    return sentences(asked), answer


def conversation(grammar: Grammar, rng: random.Random) -> str:
    """Return a chat of one to three questions and answers, at times with a system prompt."""
    turns = []
    if rng.random() < 0.3:
        turns.append(("system", grammar.one("system", rng) + "."))
    for _ in range(rng.choice([1, 1, 2, 3])):
        asked, answer = instruction(grammar, rng)
        turns += [("user", asked), ("assistant", answer)]
    return chat(*turns)


def plain_instruction(grammar: Grammar, rng: random.Random) -> str:
    """Return questions and answers without chat markers."""
    form = rng.choice(["Question: {q}\nAnswer: {a}", "Instruction: {q}\nAnswer: {a}", "{q}\n{a}"])
    asked = [instruction(grammar, rng) for _ in range(rng.choice([1, 2, 3]))]
    return "\n\n".join(form.replace("{q}", q).replace("{a}", a) for q, a in asked)
