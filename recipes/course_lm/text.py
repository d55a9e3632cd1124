"""The training text of course-lm: documents of many kinds, drawn from the rules with a seed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

from recipes.course_lm import labelled, patterns, questions, stories
from recipes.course_lm.grammar import Grammar

Source = Callable[[Grammar, random.Random], str]

# What a document is, and how often. Tasks with short texts and many labels teach most for their length.
SOURCES: dict[str, tuple[Source, float]] = {
    "stories": (stories.story, 10),
    "reviews with sentiment": (labelled.sentiment_prompt, 24),
    "headlines with topics": (labelled.topic_prompt, 18),
    "posts with stance": (labelled.stance_prompt, 16),
    "words with labels": (labelled.word_prompt, 7),
    "pairs": (labelled.same_or_not, 2),
    "news pages": (labelled.plain_news, 2),
    "facts of the village": (questions.village_facts, 7),
    "passages with questions": (questions.reading, 8),
    "chats": (questions.conversation, 14),
    "questions and answers": (questions.plain_instruction, 4),
    "patterns": (patterns.pattern, 12),
}


def documents(seed: int) -> Iterator[tuple[str, str]]:
    """Yield (kind, text) for ever: the same texts for the same seed, others for another."""
    grammar = Grammar.load()
    rng = random.Random(f"course-lm {seed}")
    kinds = list(SOURCES)
    weights = [SOURCES[kind][1] for kind in kinds]
    while True:
        kind = rng.choices(kinds, weights)[0]
        yield kind, SOURCES[kind][0](grammar, rng)
