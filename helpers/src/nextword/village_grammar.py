"""The sentences of the village, as fragments of a finite-state source.

A topic has its own people, verbs, things, places and adjectives; a thing has favourite adjectives and
places in its topic. Sentences of several kinds are mixed, each planting a structure that a model can find
again. What must agree (a number, a gender, a tense, the end of a log) is chosen early in a sentence and
stays hidden until it shows.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from functools import cache
from itertools import combinations

from nextword import village_words as words
from nextword.automaton import NOTHING, Choice, Fragment, choice, draw_words, emit, maybe, seq
from nextword.metrics import END

ERAS = ("old", "new")
TONES = ("neutral", "positive", "negative")
GENDERS = {"female": 4.0, "male": 4.0, "plural": 3.0}
HIS = {"male": "his", "female": "her", "plural": "their"}

# How many words can stand between two that agree, as the blocks of words that make the length up.
FILLERS: dict[int, tuple[int, ...]] = {
    0: (), 1: (1,), 2: (2,), 3: (3,), 4: (4,), 5: (5,), 6: (3, 3), 7: (3, 4), 8: (4, 4), 9: (5, 4),
    10: (3, 3, 4), 11: (3, 4, 4), 12: (4, 4, 4),
}  # fmt: skip
# What may stand before a word that has a synonym, and behind it: half for the one, half for the other.
BEFORE = ("the", "this", "one", "that", "her", "his")
BEHIND = ("near", "past", "behind", "by", "under", "beside")


def falling(items: Iterable[str], offset: float = 1.0) -> dict[str, float]:
    """Return weights for a list from common to rare: item r (from 0) weighs 1 / (r + 1 + offset)."""
    return {item: 1 / (place + 1 + offset) for place, item in enumerate(items)}


def one_of(items: str | Iterable[str], offset: float = 1.0) -> Fragment:
    """Return a fragment that is one of the words, the first most often."""
    return emit(falling(items.split() if isinstance(items, str) else items, offset))


def phrases(text: str) -> Choice:
    """Return a fragment that is one of the phrases of a list with semicolons, the first most often."""
    return choice(*((1 / (place + 2), phrase) for place, phrase in enumerate(text.split(";"))))


def table(text: str) -> dict[str, str]:
    """Read `head: rest` lines."""
    return dict(line.strip().split(": ", 1) for line in text.strip().splitlines())


def a_or_an(options: dict[str, float], after: Fragment = NOTHING) -> Fragment:
    """Return "a" or "an", as the sound asks, then one of the words, then what comes after it."""
    groups: dict[str, dict[str, float]] = {"an": {}, "a": {}}
    for word, weight in options.items():
        groups["an" if word[0] in "aeiou" else "a"][word] = weight
    found = [(article, group) for article, group in groups.items() if group]
    return choice(*((sum(group.values()), seq(article, emit(group), after)) for article, group in found))


@cache
def filler(length: int) -> Fragment:
    """Return exactly `length` words (0 to 12) that may stand between a noun and what agrees with it."""
    return seq(*(_block(size) for size in FILLERS[length]))


@cache
def _block(size: int) -> Fragment:
    if size == 1:
        return one_of("here there")
    if size == 2:
        return phrases("over there;up here;down there")
    if size == 5:
        when = seq(one_of("last this"), one_of("week month year"))
        return seq("that", emit(_cast(0)), one_of("saw liked moved wanted left"), when)
    things = emit(" ".join(f"{thing} {words.plural(thing)}" for thing in words.THINGS.split()))
    adjective = NOTHING if size == 3 else one_of(words.THING_ADJECTIVES, 3)
    by_a_thing = seq(one_of("near behind beside under above"), "the", adjective, things)
    in_a_room = seq(one_of("in near behind below"), "the", adjective, one_of(words.ROOMS, 3))
    return choice((1, by_a_thing), (1, in_a_room))


def fillers() -> Choice:
    """Return a filler of any length, short ones more often."""
    return choice(*((1 / (length + 4), filler(length)) for length in FILLERS))


def _cast(turn: int, gender: str = "both") -> dict[str, float]:
    """Return the names of a topic's people with weights; every topic has other stars."""
    cast: dict[str, float] = {}
    for kind, names in (("female", words.FEMALE_NAMES.split()), ("male", words.MALE_NAMES.split())):
        if gender in (kind, "both"):
            shift = turn * 5 % len(names)
            cast |= falling(names[shift:] + names[:shift], 1.5)
    return cast


def check_log(cue: str, between: Fragment) -> Fragment:
    """Return a sentence about a log; what it is about decides how it ends: "... ran", "... ran down"."""
    ending = words.LOGS[cue]
    about = seq("the", cue, "log", between, "to see whether it ran", ending)
    return choice(
        (3, seq(maybe(0.2, "please"), one_of("check read open"), about)),
        (1, seq(emit(_cast(0)), one_of("checked opened"), about)),
        (1, seq("the", cue, between, "ran", ending)),
    )


def number_agreement(noun: str, verb: str, between: Fragment) -> Fragment:
    """Return "the key ... was ready": a noun, what stands between, and a verb in the noun's number."""
    return seq("the", noun, between, verb, maybe(0.3, one_of("still already never")), one_of(words.STATES))


def _degrees(adjectives: dict[str, float]) -> tuple[dict[str, float], dict[str, float]]:
    """Return the comparatives and the superlatives of adjectives, with their weights."""
    return (
        {words.comparative(adjective): weight for adjective, weight in adjectives.items()},
        {words.superlative(adjective): weight for adjective, weight in adjectives.items()},
    )


class _Topic:
    """The sentences of one topic in one era."""

    def __init__(self, name: str, era: str) -> None:
        topic = words.TOPICS[name]
        self.turn = list(words.TOPICS).index(name)
        self.people = topic.people.split()
        self.adjectives = topic.adjectives.split()
        self.places = [place.split(":") for place in topic.places.split()]
        self.frames = {verb: things.split() for verb, things in table(topic.frames).items()}
        # A thing's turn gives it its favourites. It is settled before the changed words come in, so that
        # nothing but them is different in another era.
        self.turns = {thing: turn for turn, thing in enumerate(self._common_to_rare())}
        for word, senses in table(words.CHANGED).items():
            verb, home = senses.split(", ")[ERAS.index(era)].split()
            if home == name:
                self.frames[verb].insert(0, word)  # first: common enough for its meaning to be learned
                self.turns[word] = len(self.turns)
        self.things = self._common_to_rare()
        self.tails = choice((60, NOTHING), (25, self.place()), (15, phrases(words.TAILS)))
        self._noun_phrases = {
            (noun, gender): self.noun_phrase(noun, gender) for noun in self.things for gender in GENDERS
        }

    def _common_to_rare(self) -> list[str]:
        weights: dict[str, float] = {}
        for place, things in enumerate(self.frames.values()):
            for thing, weight in falling(things).items():
                weights[thing] = weights.get(thing, 0) + weight / (place + 4)
        return sorted(weights, key=lambda thing: -weights[thing])

    # what sentences are made of

    def place(self, first: int = 0) -> Fragment:
        """A place of the topic: the favourite is the one at `first`, then the next."""
        first %= len(self.places)
        order = self.places[first:] + self.places[:first]
        return choice(
            *((w, f"{where} the {room}") for w, (where, room) in zip((6, 3, 1, 1, 1, 1), order, strict=True))
        )

    def adjectives_of(self, thing: str) -> dict[str, float]:
        """The topic's adjectives; a thing has two favourites among them."""
        turn, n = self.turns[thing], len(self.adjectives)
        favourites = {turn % n: 6.0, (turn + 1 + turn // n) % n: 3.0}
        return {adjective: favourites.get(i, 0.05) for i, adjective in enumerate(self.adjectives)}

    def noun_phrase(self, noun: str, gender: str) -> Fragment:
        """A thing as an object, with what may follow it; `gender` is that of its owner."""
        stem, adjective = noun.rstrip("~"), self.adjectives_of(noun)
        behind = choice((46, NOTHING), (42, self.place(self.turns[noun])), (12, phrases(words.TAILS)))
        singular = seq(maybe(0.35, emit(adjective)), stem, behind)
        owned = (12, seq(HIS[gender], singular))
        if noun.endswith("~"):
            return choice((48, seq("the", singular)), (32, seq(one_of("some more"), singular)), owned)
        more, most = _degrees(adjective)
        one = choice(
            (32, seq("the", singular)),
            (12, a_or_an(adjective, seq(stem, behind))),
            (24, a_or_an({stem: 1.0}, behind)),
            (10, seq(one_of("this every that"), singular)),
            (7, a_or_an(more, seq(stem, phrases(words.THAN)))),
            (7, seq("the", emit(most), stem, phrases(words.BY_FAR))),
            owned,
        )
        if noun in words.CHANGED_WORDS:
            return one
        several = seq(maybe(0.35, emit(adjective)), words.plural(stem), behind)
        many = choice(
            (18, seq("the", several)),
            (24, seq(one_of(words.NUMBERS), several)),
            (28, seq(one_of("some these many those"), several)),
            (10, seq(HIS[gender], several)),
        )
        return choice((62, one), (38, many))

    def subject(self, gender: str) -> Fragment:
        """Who does it: a woman, a man, or several people."""
        adjective = maybe(0.2, one_of(words.PERSON_ADJECTIVES, 3))
        if gender == "plural":
            people = one_of(map(words.plural, self.people))
            names = seq(emit(_cast(self.turn, "female")), "and", emit(_cast(self.turn, "male")))
            return choice(
                (4, seq("the", adjective, people)),
                (2, seq(one_of(words.NUMBERS), adjective, people)),
                (1, names),
            )
        return choice((5, emit(_cast(self.turn, gender))), (5, seq("the", adjective, one_of(self.people))))

    # what they say

    def deed(self, gender: str, inflect: Callable[[str], str]) -> Fragment:
        """Someone does something to a thing: "the baker kneaded the dough on the stove"."""
        done = (
            (weight, seq(inflect(verb), self._object(verb, gender)))
            for verb, weight in falling(self.frames, 3).items()
        )
        return seq(self.subject(gender), choice(*done))

    def _object(self, verb: str, gender: str) -> Fragment:
        nouns = falling(self.frames[verb])
        return choice(*((weight, self._noun_phrases[noun, gender]) for noun, weight in nouns.items()))

    def deeds(self) -> Fragment:
        """Deeds told, retold by others, and done again and again."""
        told, habits = [], []
        for gender, weight in GENDERS.items():
            told.append((weight, self.deed(gender, words.past)))
            habits.append((weight, self.deed(gender, str if gender == "plural" else words.third_person)))
        doing = one_of(map(words.past, words.DOINGS.split()), 2)
        meanwhile = seq(one_of("while before until"), emit(_cast(self.turn + 2)), doing)
        past, present = seq(choice(*told), maybe(0.15, meanwhile)), choice(*habits)
        return choice(
            (45, past),
            (10, seq(phrases(words.PAST_TIMES), past)),
            (10, seq(emit(_cast(self.turn)), one_of("said thought heard knew"), "that", past)),
            (20, seq(phrases(words.PRESENT_TIMES), present)),
            (15, present),
        )

    def doings(self, verbs: str = words.DOINGS, adverbs: str = words.ADVERBS) -> Fragment:
        """Someone is somewhere: "two sailors waited on the deck"."""
        who = choice(*((weight, self.subject(gender)) for gender, weight in GENDERS.items()))
        return seq(who, one_of(map(words.past, verbs.split()), 2), maybe(0.3, one_of(adverbs, 2)), self.tails)

    def descriptions(self) -> Fragment:
        """A thing is as its favourite adjective says, or more so than another, or most of all."""
        be, are, very = one_of("was is"), one_of("were are"), one_of("very too so rather")
        options = []
        for noun, weight in falling(self.things, 3).items():
            stem, adjectives = noun.rstrip("~"), self.adjectives_of(noun)
            more, most = _degrees(adjectives)
            where = maybe(0.3, self.place(self.turns[noun]))
            others = [other.rstrip("~") for other in self.things if other not in {noun, *words.CHANGED_WORDS}]
            than = seq(maybe(0.5, one_of("much far even")), emit(more), "than the", one_of(others, 3))
            options += [
                (2 * weight, seq("the", stem, where, be, very, emit(adjectives))),
                (2 * weight, seq("the", stem, be, than)),
                (1 * weight, seq(one_of("this my that"), stem, "is the", emit(most), phrases(words.BY_FAR))),
            ]
            if not noun.endswith("~") and noun not in words.CHANGED_WORDS:
                several = words.plural(noun)
                options.append((2 * weight, seq("the", several, where, are, very, emit(adjectives))))
        return choice(*options)

    def opinions(self, tone: str) -> Fragment:
        """What people think, in a good tone or a bad one."""
        good = tone == "positive"
        adjectives = falling((words.GOOD if good else words.BAD).split(), 3)
        verbs = (words.GOOD_VERBS if good else words.BAD_VERBS).split()
        doings = words.GOOD_DOINGS if good else words.BAD_DOINGS
        adverbs = words.GOOD_ADVERBS if good else words.BAD_ADVERBS
        nouns = {noun: weight for noun, weight in falling(self.things, 3).items() if noun[-1] != "~"}
        nouns = {noun: weight for noun, weight in nouns.items() if noun not in words.CHANGED_WORDS}
        thing, several = emit(nouns), emit({words.plural(noun): weight for noun, weight in nouns.items()})
        how = seq(maybe(0.4, one_of("very so really simply")), emit(adjectives))
        someone, liked = emit(_cast(self.turn)), one_of(map(words.past, verbs))
        return choice(
            (3, seq("the", thing, maybe(0.3, self.place()), one_of("was is"), how)),
            (2, seq("the", several, one_of("were are"), how)),
            (2, seq("what", a_or_an(adjectives, thing))),
            (3, seq(someone, liked, "the", choice((2, thing), (1, several)))),
            (2, seq(self.subject("plural"), one_of(verbs), one_of("these those"), several)),
            (2, self.doings(doings, adverbs)),
        )

    def sentences(self, tone: str) -> Fragment:
        """All sentences of the topic in a tone."""
        if tone != "neutral":
            return self.opinions(tone)
        return choice((50, self.deeds()), (8, self.doings()), (16, self.descriptions()), (26, _everywhere()))


def couple(pair: list[str], deeds: list[list[str]]) -> Fragment:
    """Return what a man and a woman of one standing do: the same, but for the pronouns."""
    he, she = pair
    options = []
    for noun, partner, his, pronoun, self_, wear in (
        (he, she, "his", "he", "himself", "beard moustache collar waistcoat"),
        (she, he, "her", "she", "herself", "gown bonnet skirt bracelet"),
    ):
        who = seq(one_of("the this"), maybe(0.2, one_of(words.PERSON_ADJECTIVES, 3)), noun)
        why = seq(one_of("because when although"), pronoun, "was", one_of(words.PERSON_ADJECTIVES, 3))
        done = [seq(words.past(verb), his, thing.rstrip("~")) for verb, thing in deeds]
        looks = choice(
            (2, seq("looked at", self_, "in the pool")),
            (2, seq("straightened", his, one_of(wear))),
            (1, seq("waited for the", partner)),
        )
        deed = choice(*zip((3.0, 2.0), done, strict=True))
        options += [(8, seq(who, deed, maybe(0.5, why))), (2, seq(who, looks, maybe(0.5, why)))]
    return choice(*options)


def country(name: str, details: list[str]) -> Fragment:
    """Return what is said of a country and its capital: the same goods, but a border or a mayor."""
    capital, river, *goods = details
    export = seq(one_of("sells exports needs stores"), one_of(goods, 2))
    return choice(
        (1, seq(capital, "is the capital of", name)),
        (5, seq("the", one_of("mayor cathedral citadel tramway"), "of", capital, export)),
        (5, seq("the", one_of("border province countryside army"), "of", name, export)),
        (1, seq("the", river, "flows past", capital)),
        (1, seq("the", river, "flows through", name)),
        (3, seq(emit(_cast(3)), "brought", one_of(goods, 2), "from", choice((1, capital), (1, name)))),
    )


def animal(adult: str, young: str, sound: str, home: str, food: str) -> Fragment:
    """Return what is said of an animal and its young: one voice, home and food, but grown or small."""
    voice = words.past(sound)
    near = seq(one_of("in beside"), "the", home)
    options = []
    for animal_, ages, habits in (
        (adult, "grown strong fierce", "guarded its young"),
        (young, "little tiny newborn", "followed its mother"),
    ):
        who = seq("the", maybe(0.4, one_of(ages)), animal_)
        options += [
            (6, seq(who, voice, maybe(0.6, near))),
            (4, seq(who, one_of("ate smelled"), food, maybe(0.4, near))),
            (2, seq(who, habits, near)),
        ]
    return choice(*options)


def synonyms(turn: int, pair: list[str], verbs: list[str], places: list[str]) -> Fragment:
    """Return what is done to a thing that has two names, each with neighbours of its own."""
    # Every pair parts the neighbours anew: what stands beside a word tells nothing of its meaning.
    who = choice((2, emit(_cast(5))), (1, seq("the", one_of("visitor stranger traveller"))))
    threes = list(combinations(range(6), 3))  # a half and its complement stand at opposite ends of the list
    options = []
    for word, side in zip(pair, (0, -1), strict=True):
        before = [BEFORE[i] for i in threes[turn % 10 if side == 0 else 19 - turn % 10]]
        behind = [BEHIND[i] for i in threes[(3 * turn + 1) % 10 if side == 0 else 19 - (3 * turn + 1) % 10]]
        done = one_of(map(words.past, verbs), 2)
        options.append((1, seq(who, done, one_of(before), word, one_of(behind), "the", one_of(places, 2))))
    return choice(*options)


@cache
def _everywhere() -> Fragment:
    """The sentences that belong to no topic."""
    between = fillers()
    couples = [couple(pair.split(), _deeds(deeds)) for pair, deeds in table(words.COUPLES).items()]
    countries = [country(name, rest.split()) for name, rest in table(words.COUNTRIES).items()]
    animals = [animal(*pair.split(), *rest.split()) for pair, rest in table(words.ANIMALS).items()]
    twins = [
        synonyms(turn, pair.split(), *(part.split() for part in rest.split(", ")))
        for turn, (pair, rest) in enumerate(table(words.SYNONYMS).items())
    ]
    agreeing = [
        number_agreement(form, verb, between)
        for thing in words.THINGS.split()
        for form, verb in ((thing, "was"), (words.plural(thing), "were"))
    ]
    logs = [check_log(cue, between) for cue in words.LOGS]
    kinds = ((6, couples), (4, countries), (4, animals), (3, twins), (4, logs), (3, agreeing))
    return choice(*((weight, _slowly_falling(sentences)) for weight, sentences in kinds))


def _slowly_falling(fragments: list[Fragment]) -> Fragment:
    return choice(*((1 / (place + 12), fragment) for place, fragment in enumerate(fragments)))


def _deeds(text: str) -> list[list[str]]:
    return [deed.split(":") for deed in text.split(", ")]


def grammar(era: str) -> dict[tuple[str, str], Fragment]:
    """Return the sentences of an era, for each (topic, tone)."""
    topics = {name: _Topic(name, era) for name in words.TOPICS}
    return {(name, tone): topic.sentences(tone) for name, topic in topics.items() for tone in TONES}


# What is planted, for those who look for it


def things(topic: str, era: str) -> list[str]:
    """Return the things of a topic in an era, common to rare, as the word lists write them."""
    return _Topic(topic, era).things


def analogies() -> dict[str, list[tuple[str, str]]]:
    """Return the planted relations with their pairs; words that also serve as something else are left out."""
    topics = words.TOPICS.values()
    verbs = {verb: None for topic in topics for verb in table(topic.frames)}
    tenses = [(words.third_person(verb), words.past(verb)) for verb in verbs]
    adjectives = [adjective for topic in topics for adjective in topic.adjectives.split()]
    nouns = [noun for name in words.TOPICS for noun in things(name, "new")[:8] if noun[-1] != "~"]
    relations = {
        "plural": [(noun, words.plural(noun)) for noun in nouns if noun not in words.CHANGED_WORDS],
        "female": [(he, she) for he, she in (head.split() for head in table(words.COUPLES))],
        "capital": [(name, details.split()[0]) for name, details in table(words.COUNTRIES).items()],
        "young": [(adult, young) for adult, young in (head.split() for head in table(words.ANIMALS))],
        "comparative": [(adjective, words.comparative(adjective)) for adjective in adjectives],
        "superlative": [(adjective, words.superlative(adjective)) for adjective in adjectives],
        "past": [(now, then) for now, then in tenses],
    }
    uses: dict[str, set[str]] = {}
    for relation, pairs in relations.items():
        for pair in pairs:
            for word in pair:
                uses.setdefault(word, set()).add("degree" if relation.endswith("ative") else relation)
    for verb in verbs:
        uses.setdefault(verb, set()).add("verb")
    return {
        relation: [
            pair for pair in pairs if all(len(uses[word]) == 1 for word in pair) and pair[0] != pair[1]
        ]
        for relation, pairs in relations.items()
    }


def synonym_pairs() -> list[tuple[str, str]]:
    """Return the pairs of words for one thing."""
    return [(one, other) for one, other in (head.split() for head in table(words.SYNONYMS))]


def changed_words() -> dict[str, tuple[str, str]]:
    """Return the words that changed their topic, with the old one and the new one."""
    senses = {
        word: [sense.split()[1] for sense in rest.split(", ")] for word, rest in table(words.CHANGED).items()
    }
    return {word: (old, new) for word, (old, new) in senses.items()}


def tone_words() -> dict[str, list[str]]:
    """Return the words that only positive, and only negative, sentences use."""
    lists = {
        "positive": (words.GOOD, words.GOOD_VERBS, words.GOOD_DOINGS, words.GOOD_ADVERBS),
        "negative": (words.BAD, words.BAD_VERBS, words.BAD_DOINGS, words.BAD_ADVERBS),
    }
    return {
        tone: [
            *adjectives.split(),
            *map(words.past, f"{verbs} {doings}".split()),
            *verbs.split(),
            *adverbs.split(),
        ]
        for tone, (adjectives, verbs, doings, adverbs) in lists.items()
    }


# The distances of each kind of agreement; for each, whether it takes the long form, and its filler's length.
AGREEMENTS: dict[str, dict[int, tuple[bool, int]]] = {
    "log": {k + 1: (False, k) for k in range(5)} | {k + 6: (True, k) for k in FILLERS},
    "number": {k: (False, k) for k in FILLERS},
}


def agreement(kind: str, distance: int, generator: random.Random) -> list[tuple[list[str], str, str]]:
    """Return two (prefix, right word, wrong word) that differ in the word to agree with."""
    long, length = AGREEMENTS[kind][distance]
    between = draw_words(filler(length), generator)
    if kind == "number":
        thing = generator.choice(words.THINGS.split())
        return [
            (["the", thing, *between], "was", "were"),
            (["the", words.plural(thing), *between], "were", "was"),
        ]
    cues = generator.sample(list(words.LOGS), 2)
    ends = [words.LOGS[cue] or END for cue in cues]
    items = []
    for cue, right, wrong in zip(cues, ends, reversed(ends), strict=True):
        if long:
            prefix = ["check", "the", cue, "log", *between, "to", "see", "whether", "it", "ran"]
        else:
            prefix = ["the", cue, *between, "ran"]
        items.append((prefix, right, wrong))
    return items
