"""The sentences of the village, as fragments of a finite-state source."""

from nextword.automaton import Fragment, choice, emit, maybe, seq

TOPICS = {
    "farm": ("farmer shepherd", "cow horse hen sheep", "fed washed counted", "barn field"),
    "kitchen": ("cook baker", "soup loaf pie cake", "made tasted served", "kitchen cellar"),
}


def sentences() -> dict[tuple[str, str], Fragment]:
    made: dict[tuple[str, str], Fragment] = {}
    for topic, (people, things, verbs, places) in TOPICS.items():
        made[topic, "neutral"] = seq(
            "the",
            maybe(0.3, emit("old young tall")),
            emit(people),
            emit(verbs),
            choice((2, "the"), (1, "a")),
            emit(things),
            maybe(0.4, seq("in the", emit(places))),
        )
    return made
