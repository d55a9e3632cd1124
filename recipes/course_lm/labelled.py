"""Texts with labels (reviews, headlines, posts, words), and the formats in which prompts show them."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipes.course_lm.grammar import Grammar
from recipes.course_lm.stories import end_sentences

TOPICS = ("politics", "economy", "sport", "science", "culture")
MORE_TOPICS = {
    "health": "health",
    "travel": "travel",
    "weather": "weather.news",
    "crime": "crime",
    "education": "education",
}
STANCES = ("favour", "against", "none")
POLARITIES = ("positive", "negative")


@dataclass(frozen=True)
class Example:
    """A text and what is true of it; `target` is what a post takes a stance on."""

    text: str
    label: str
    target: str = ""


# texts


def review(grammar: Grammar, rng: random.Random, polarity: str, longest: int = 4) -> str:
    """Return a review of that polarity, of one to `longest` remarks."""
    own, other = ("good", "bad") if polarity == "positive" else ("bad", "good")
    kind = rng.choice(grammar.rules["kinds"])
    memory = {"thing": grammar.one(f"thing.{kind}", rng)}

    def say(name: str) -> str:
        return grammar.one(name, rng, memory)

    remarks: list[str] = []
    if rng.random() < 0.5:
        remarks.append(say(f"open.{own}"))
    if rng.random() < 0.15:
        remarks.insert(rng.randrange(len(remarks) + 1), say("neutral"))
    chance = rng.random()
    if chance < 0.2:  # the other side first, and then what counts
        join = say("join")
        if join in ("although", "even though", "though"):
            remarks.append(f"{join} {say(f'{other}.{kind}')}, {say(f'{own}.{kind}')}")
        else:
            remarks.append(f"{say(f'{other}.{kind}')}, {join} {say(f'{own}.{kind}')}")
    elif chance < 0.45:
        two = say(f"{own}.{kind}"), say(f"{own}.{kind}")
        remarks.append(f"{two[0]}{rng.choice([',', ', and', ' and'])} {two[1]}")
    else:
        remarks.append(say(f"{own}.{kind}"))
    if rng.random() < 0.3:
        remarks.insert(rng.randrange(len(remarks) + 1), say(f"wide.review.{own}"))
    if rng.random() < 0.2:
        remarks.append(say(f"negated.{own}"))
    if rng.random() < 0.2:
        remarks.append(say(f"{own}.{kind}"))
    if rng.random() < 0.45:
        remarks.append(say(f"close.{own}"))
    if rng.random() < 0.1:
        remarks = [say(rng.choice([f"open.{own}", f"negated.{own}", f"close.{own}", f"{own}.{kind}"]))]
    text = ". ".join(remarks[:longest]) + rng.choice([".", ".", ".", "!", ""])
    text = end_sentences(text.replace("!. ", "! ").replace("?. ", "? "))
    text = re.sub(r"([.!?])[.!]+$", r"\1", text)
    if rng.random() < 0.05:
        text = text.lower()
    return text if text[-1] in ".!?" or rng.random() < 0.1 else text + "."


def topic_word(grammar: Grammar, rng: random.Random, topic: str) -> str:
    """Return a word or phrase that belongs to a topic."""
    return grammar.one(rng.choice([f"topic.words.{topic}", f"wide.{topic}", f"wide.{topic}"]), rng)


def headline(grammar: Grammar, rng: random.Random, topic: str) -> str:
    """Return a headline of that topic, mostly in sentence case."""
    if topic in TOPICS and rng.random() < 0.25:
        form = rng.choice(grammar.rules["frame.headline"])
        while "{w.x}" in form:  # a word of the topic for each
            form = form.replace("{w.x}", topic_word(grammar, rng, topic), 1)
        text = grammar.draw(form, rng)
    else:
        text = grammar.one(MORE_TOPICS.get(topic, topic), rng)
    if rng.random() < 0.12:
        return " ".join(
            word[:1].upper() + word[1:] if len(word) > 3 else word for word in text.split()
        ).strip()
    if rng.random() < 0.25:  # newspapers leave articles out; texts written otherwise keep them
        text = re.sub(r"\b(new|first|long-awaited|disputed|controversial)\b", r"a \1", text, count=1)
    return text[:1].upper() + text[1:] + ("." if rng.random() < 0.1 else "")


PLURALS = (
    "turbines uniforms phones trains buses limits fireworks cars panels dogs zoos bags games lanes cameras "
    "rents scooters exams drones schools books robots"
)
PLURAL = re.compile(rf"^(?:\w+[- ])*?(?:{PLURALS.replace(' ', '|')})\b")
VERBS = {
    "is": "are",
    "was": "were",
    "makes": "make",
    "works": "work",
    "fails": "fail",
    "deserves": "deserve",
    "saves": "save",
    "has": "have",
}


def agree(text: str, target: str) -> str:
    """Return the text with verbs after a plural target in the plural."""
    if not PLURAL.match(target.removeprefix("the ")):
        return text
    return re.sub(rf"^({re.escape(target)}) ({'|'.join(VERBS)})\b", lambda m: f"{m[1]} {VERBS[m[2]]}", text)


def post(grammar: Grammar, rng: random.Random, stance: str, target: str | None = None) -> Example:
    """Return a post with that stance towards a target."""
    target = target or grammar.one("targets", rng)
    short = {"favour": "for", "against": "against", "none": "none"}[stance]
    memory = {"target": target}
    frame = agree(grammar.one(f"{short}.frame", rng, memory), target)
    if stance == "none":
        parts = [frame] + ([grammar.one("none.remark", rng)] if rng.random() < 0.4 else [])
        if rng.random() < 0.15:
            parts = [grammar.one("chatter", rng)]
    else:
        reasons = [grammar.one(f"{short}.reason", rng, memory) for _ in range(rng.choice([0, 1, 1, 1, 2]))]
        parts = [frame, *reasons]
        if rng.random() < 0.25:
            parts.insert(rng.randrange(len(parts) + 1), grammar.one(f"wide.{short}", rng))
        if rng.random() < 0.25 and reasons:  # the target need not be named
            parts = reasons
        elif rng.random() < 0.3:
            rng.shuffle(parts)
    if rng.random() < 0.12:
        parts.append(grammar.one("hashtag", rng))
    text = (
        end_sentences(". ".join(parts) + rng.choice([".", ".", "!", ""]))
        .replace("!!", "!")
        .replace("?!", "?")
    )
    return Example(re.sub(r"([.!?])[.!]+$", r"\1", text), stance, target)


def labelled_word(grammar: Grammar, rng: random.Random) -> tuple[str, Example]:
    """Return ("sentiment" or "topic", a single word or phrase with its label)."""
    if rng.random() < 0.5:
        polarity = rng.choice(POLARITIES)
        good = polarity == "positive"
        names = (
            ["good", "great", "tasty", "kind", "mood.good", "verb.good", *["wide.good"] * 6]
            if good
            else ["bad", "awful", "nasty", "rude", "mood.bad", "verb.bad", *["wide.bad"] * 6]
        )
        return "sentiment", Example(grammar.one(rng.choice(names), rng), polarity)
    topic = rng.choice(TOPICS)
    extra = {
        "politics": ["politician", "body", "policy", "political.event"],
        "economy": ["company", "economic"],
        "sport": ["athlete", "competition", "medal"],
        "science": ["scientist", "discovery"],
        "culture": ["artist", "work", "venue"],
    }[topic]
    text = topic_word(grammar, rng, topic) if rng.random() < 0.7 else grammar.one(rng.choice(extra), rng)
    return "topic", Example(text, topic)


# formats

Formatter = Callable[[Example, str], str]

# Names of the labels other than the plain ones. Arbitrary names make a model read the examples.
SENTIMENT_NAMES = [
    ("good", "bad"),
    ("great", "terrible"),
    ("happy", "unhappy"),
    ("like", "dislike"),
    ("praise", "complaint"),
    ("yes", "no"),
    ("wonderful", "awful"),
]
TOPIC_NAMES = {
    "politics": ["government", "political"],
    "economy": ["business", "finance", "money"],
    "sport": ["sports", "games"],
    "science": ["technology", "research"],
    "culture": ["arts", "art", "entertainment"],
}
STANCE_NAMES = [
    ("support", "oppose", "neutral"),
    ("for", "against", "neither"),
    ("yes", "no", "unclear"),
    ("favour", "against", "neutral"),
    ("pro", "contra", "none"),
]
ARBITRARY = [
    "A",
    "B",
    "C",
    "D",
    "E",
    "foo",
    "bar",
    "red",
    "blue",
    "green",
    "apple",
    "stone",
    "dog",
    "cat",
    "one",
    "two",
    "three",
    "north",
    "south",
    "east",
    "west",
    "salt",
    "sugar",
    "X",
    "Y",
    "Z",
]

SENTIMENT_FORMATS = [
    ("Review: {text}\nSentiment: {label}", 8),
    ("{text}\nSentiment: {label}", 2),
    ("Text: {text}\nSentiment: {label}", 2),
    ("Text: {text}\nLabel: {label}", 1),
    ("Input: {text}\nOutput: {label}", 1),
    ("Review: {text}\nOpinion: {label}", 1),
    ("Review: {text}\nLabel: {label}", 1),
    ("Review: {text}\nQuestion: Is this review {options}?\nAnswer: {label}", 1),
    ("{text}\nThe review is {label}.", 1),
    ("{text} => {label}", 1),
    ("Is this review {options}? {text}\nAnswer: {label}", 1),
    ("Comment: {text}\nThis comment is {label}.", 1),
]
TOPIC_FORMATS = [
    ("Headline: {text}\nTopic: {label}", 8),
    ("{text}\nTopic: {label}", 2),
    ("News: {text}\nTopic: {label}", 1),
    ("Headline: {text}\nSection: {label}", 1),
    ("Text: {text}\nLabel: {label}", 1),
    ("Input: {text}\nOutput: {label}", 1),
    ("Headline: {text}\nQuestion: What is the topic: {options}?\nAnswer: {label}", 1),
    ("{text}\nThis news is about {label}.", 1),
    ("{text} => {label}", 1),
    ("[{label}] {text}", 1),
]
STANCE_FORMATS = [
    ("Post: {text}\nStance towards {target}: {label}", 8),
    ("Target: {target}\nPost: {text}\nStance: {label}", 3),
    ("Post: {text}\nTarget: {target}\nStance: {label}", 3),
    ("{text}\nStance towards {target}: {label}", 1),
    ("Text: {text}\nLabel: {label}", 1),
    ("Post: {text}\nQuestion: Is the author for or against {target}?\nAnswer: {label}", 1),
    ("Input: {text}\nOutput: {label}", 1),
]
# A review that ends in one word: the label words of a cloze question.
CLOZE = [
    "It was {word}.",
    "All in all, it was {word}.",
    "In short, {word}.",
    "Overall {word}.",
    "In one word: {word}.",
]
CLOZE_WORDS = {
    "positive": ["great", "great", "great", "good", "wonderful", "excellent", "lovely", "fantastic"],
    "negative": ["terrible", "terrible", "terrible", "bad", "awful", "horrible", "disappointing", "dreadful"],
}


def weighted(rng: random.Random, formats: Sequence[tuple[str, int]]) -> str:
    """Return one of the formats, drawn by weight."""
    return rng.choices([form for form, _ in formats], weights=[weight for _, weight in formats])[0]


def fill(form: str, example: Example, label: str, options: str) -> str:
    """Return a format with text and label in place."""
    parts = {"text": example.text, "label": label, "target": example.target, "options": options}
    return re.sub(r"\{(\w+)\}", lambda m: parts[m[1]], form)


def choice_of(names: Sequence[str]) -> str:
    """Return "a, b or c"."""
    return f"{', '.join(names[:-1])} or {names[-1]}"


def how_many(rng: random.Random, most: int) -> int:
    """Return a number of examples for one prompt: often one, at times many."""
    return rng.choice([1, 1, 1, 2, 3, 4, rng.randint(2, most), rng.randint(5, most)])


def label_names(
    rng: random.Random, labels: Sequence[str], alternatives: Sequence[Sequence[str]], shots: int
) -> dict[str, str]:
    """Return what each label is called in one prompt: mostly plainly, at times by other names."""
    chance = rng.random()
    if chance < 0.72 or (shots < 3 and chance >= 0.88):
        return dict(zip(labels, labels, strict=True))
    if chance < 0.88:
        return dict(zip(labels, rng.choice(alternatives), strict=True))
    if chance < 0.92:  # the right words for the wrong labels: only the examples tell
        return dict(zip(labels, rng.sample(list(labels), len(labels)), strict=True))
    return dict(zip(labels, rng.sample(ARBITRARY, len(labels)), strict=True))


def prompt(
    rng: random.Random,
    examples: Sequence[Example],
    formats: Sequence[tuple[str, int]],
    names: dict[str, str],
    heading: str,
) -> str:
    """Return one prompt: a heading at times, and the examples in one format."""
    form = weighted(rng, formats)
    options = choice_of(list(names.values()))
    separator = rng.choice(["\n\n", "\n\n", "\n\n", "\n", "\n###\n"]) if "\n" in form else "\n"
    body = separator.join(fill(form, example, names[example.label], options) for example in examples)
    head = heading.replace("{options}", options) + separator if heading and rng.random() < 0.25 else ""
    return head + body


def sentiment_prompt(grammar: Grammar, rng: random.Random) -> str:
    """Return reviews with their sentiment, one or several."""
    n = how_many(rng, 10)
    examples = []
    for _ in range(n):
        polarity = rng.choice(POLARITIES)
        examples.append(Example(review(grammar, rng, polarity, 2 if n > 4 else 4), polarity))
    if rng.random() < 0.12:
        ending = rng.choice(CLOZE)
        judged = [(e.text, ending.replace("{word}", rng.choice(CLOZE_WORDS[e.label]))) for e in examples]
        return "\n\n".join(
            f"{text if text[-1] in '.!?' else text + '.'} {verdict}" for text, verdict in judged
        )
    names = label_names(rng, POLARITIES, SENTIMENT_NAMES, n)
    heading = rng.choice(
        [
            "Classify each review as {options}.",
            "Is the review {options}?",
            "Label the sentiment of the reviews: {options}.",
            "Say whether people liked it: {options}.",
        ]
    )
    return prompt(rng, examples, SENTIMENT_FORMATS, names, heading)


def topic_prompt(grammar: Grammar, rng: random.Random) -> str:
    """Return headlines with their topic, one or several."""
    n = how_many(rng, 14)
    labels = list(TOPICS)
    if rng.random() < 0.2:
        labels = rng.sample([*TOPICS, *MORE_TOPICS], rng.choice([3, 4, 5, 6]))
    examples = []
    for _ in range(n):
        topic = rng.choice(labels)
        examples.append(Example(headline(grammar, rng, topic), topic))
    others = [[rng.choice(TOPIC_NAMES.get(label, [label])) for label in labels]]
    names = label_names(rng, labels, others, n)
    heading = rng.choice(
        [
            "Classify each headline: {options}.",
            "What is the topic of the headline: {options}?",
            "Sort the news into {options}.",
            "Label the headlines.",
        ]
    )
    return prompt(rng, examples, TOPIC_FORMATS, names, heading)


def stance_prompt(grammar: Grammar, rng: random.Random) -> str:
    """Return posts with their stance, one or several, mostly towards one target."""
    n = how_many(rng, 10)
    target = grammar.one("targets", rng) if rng.random() < 0.6 else None
    examples = [post(grammar, rng, rng.choice(STANCES), target) for _ in range(n)]
    names = label_names(rng, STANCES, STANCE_NAMES, n)
    heading = rng.choice(
        [
            "Classify the stance of each post: {options}.",
            "Is the author {options}?",
            "Label the posts: {options}.",
        ]
    )
    return prompt(rng, examples, STANCE_FORMATS, names, heading)


def word_prompt(grammar: Grammar, rng: random.Random) -> str:
    """Return single words with their sentiment or topic."""
    task, _ = labelled_word(grammar, rng)
    n = rng.randint(3, 14)
    examples: list[Example] = []
    while len(examples) < n:
        other, example = labelled_word(grammar, rng)
        if other == task:
            examples.append(example)
    form = rng.choice(
        [
            "{text}: {label}",
            "Word: {text}\n" + task.capitalize() + ": {label}",
            "{text} => {label}",
            "{text} is {label}.",
        ]
    )
    labels = POLARITIES if task == "sentiment" else TOPICS
    names = dict(zip(labels, labels, strict=True))
    if rng.random() < 0.12:
        names = dict(zip(labels, rng.sample(ARBITRARY, len(labels)), strict=True))
    return "\n".join(fill(form, example, names[example.label], "") for example in examples)


def same_or_not(grammar: Grammar, rng: random.Random) -> str:
    """Return pairs of texts and whether they agree in sentiment or topic."""
    blocks = []
    reviews = rng.random() < 0.6
    for _ in range(rng.choice([1, 2, 3])):
        same = rng.random() < 0.5
        labels = POLARITIES if reviews else TOPICS
        first = rng.choice(labels)
        second = first if same else rng.choice([label for label in labels if label != first])
        one, two = (
            (review(grammar, rng, x, 2) if reviews else headline(grammar, rng, x)) for x in (first, second)
        )
        question = "Same opinion" if reviews else "Same topic"
        blocks.append(f"First: {one}\nSecond: {two}\n{question}: {'yes' if same else 'no'}")
    return "\n\n".join(blocks)


def plain_news(grammar: Grammar, rng: random.Random) -> str:
    """Return headlines of one topic, or of a whole page, without labels."""
    topic = rng.choice(TOPICS)
    lines = [headline(grammar, rng, topic) for _ in range(rng.randint(2, 5))]
    return (f"{topic.capitalize()}\n" if rng.random() < 0.6 else "") + "\n".join(lines)
