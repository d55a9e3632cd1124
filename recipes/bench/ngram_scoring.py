"""Scoring sentences by Kneser-Ney: `nextword.ngrams`, KenLM reading the same model as ARPA, and NLTK."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from nextword import corpus
from nextword.arpa import write_arpa
from nextword.metrics import n_predictions
from nextword.ngrams import Floats, KneserNey
from recipes.bench.alternating import Timing, alternating, processor_seconds
from recipes.bench.report import Report, Target, number

try:
    import kenlm
    from nltk.lm import KneserNeyInterpolated
    from nltk.lm.preprocessing import padded_everygram_pipeline
except ImportError as missing:
    raise SystemExit(f"{missing.name} is not installed. `make bench` installs it.") from None

START, END = "<s>", "</s>"
SENTENCES, SEED = 15_000, 11  # new ones, not in the training text
FEW = 20  # sentences for NLTK
REPEATS = 25  # scorings in a run: one takes milliseconds, which a passing program would double
TOLERANCE = 0.001  # how far our perplexity may be from KenLM's
LENGTHS = (3, 4)  # n; NLTK, the slow one, does the first
OURS, KENLM, SPLIT, NLTK = "ours, lines", "KenLM, lines", "ours, words", "NLTK, words"

Sentence = Sequence[str]
Sentences = Sequence[Sentence]


def seconds_of(way: str, work: Callable[[], object]) -> float:
    """Return the processor seconds of one scoring, of many in a row where one takes milliseconds."""
    times = 1 if way == NLTK else REPEATS

    def repeated() -> None:
        for _ in range(times):
            work()

    return processor_seconds(repeated) / times


def measure(runs: int) -> Report:
    """Score new sentences of the village with all three, after making sure that they agree."""
    village = corpus("village")
    new = village.source.sample(SENTENCES, seed=SEED)
    lines = [" ".join(sentence) for sentence in new]
    words = n_predictions(new)
    ways: dict[tuple[str, int], Callable[[], object]] = {}
    columns: dict[int, str] = {}
    models = {n: KneserNey(village.train, n, village.source.vocabulary) for n in LENGTHS}
    apart = 0.0
    for n, model in models.items():
        reader = read_by_kenlm(model)
        ours, theirs = perplexity(model.log_probabilities(new), new), perplexity(by_kenlm(reader, lines), new)
        if abs(ours - theirs) > TOLERANCE:
            raise RuntimeError(f"n = {n}: our perplexity is {ours}, KenLM's {theirs}.")
        apart, columns[n] = max(apart, abs(ours - theirs)), f"{ours:.3f}"
        ways[OURS, n] = lambda model=model: model.log_probabilities([line.split() for line in lines])
        ways[KENLM, n] = lambda reader=reader: [reader.score(line) for line in lines]
        ways[SPLIT, n] = lambda model=model: model.log_probabilities(new)
    n, model = LENGTHS[0], models[LENGTHS[0]]
    few = seen_in(village.train, new)[:FEW]
    few_words = n_predictions(few)
    nltk = fitted_by_nltk(village.train, n, model.discount)
    ways[NLTK, n] = lambda: by_nltk(nltk, few, n)
    values = [perplexity(logs, few) for logs in (by_nltk(nltk, few, n), model.log_probabilities(few))]
    rounding = compare_with_nltk(village.train, few, model)

    clocks = {f"{way}, n = {n}": partial(seconds_of, way, work) for (way, n), work in ways.items()}
    seconds = alternating(clocks, runs)
    timings = {
        (way, n): Timing(
            way,
            seconds[f"{way}, n = {n}"],
            few_words if way == NLTK else words,
            {"perplexity": "" if way == NLTK else columns[n]},
            group=f"n = {n}",
        )
        for way, n in ways
    }
    targets = []
    for n in LENGTHS:
        ratio = timings[OURS, n].median / timings[KENLM, n].median
        told = f"{number(ratio)} times"
        targets.append(Target(f"at most 3 times KenLM's seconds, n = {n}", told, ratio <= 3))
    times = timings[OURS, LENGTHS[0]].rate / timings[NLTK, LENGTHS[0]].rate
    targets += [
        Target("1,000 times NLTK's words per second", f"{number(times)} times", times >= 1000),
        Target(f"KenLM's perplexity to {TOLERANCE}", f"{apart:.0e} apart at most", apart <= TOLERANCE),
    ]
    return Report(
        name="ngram_scoring",
        title="Scoring with Kneser-Ney",
        about=(
            f"{len(new):,} new sentences of the village, {words:,} words with their ends; models of its"
            f" training text with windows of n words and a discount of {model.discount}, counted by us. KenLM"
            " reads them from ARPA files that `nextword.arpa` writes, into its usual table (`probing`), and"
            " scores one line per call. Ours scores all sentences in one call. `lines`: text comes in, and"
            " cutting it into words is counted, for both. `words`: it was cut before. Making and reading a"
            f" model is not counted. NLTK scores {len(few)} of the sentences, {few_words}"
            " words, none of which is new to it. Processor seconds."
        ),
        unit="words",
        timings=list(timings.values()),
        packages=["kenlm", "nltk"],
        targets=targets,
        notes=(
            f"**NLTK's is another model.** On its {few_words} words its perplexity is {values[0]:.4f}, ours"
            f" {values[1]:.4f}. `KneserNeyInterpolated` takes no discount from single words, so a word never"
            " seen gets nothing; and it counts starts after a start, and ends after an end, as words. Given"
            " our windows alone, and our probabilities of single words, its log-probabilities are ours:"
            f" {rounding:.0e} apart at most. KenLM adds in single precision, hence its difference.\n\n"
            "What limits us: of `words`, half of the time goes into the Python dictionary that turns words"
            " into numbers, one by one, and the rest into arrays read in no order. Cutting lines adds half as"
            " much again. KenLM, in C++, makes no Python string of a word."
        ),
    )


def read_by_kenlm(model: KneserNey) -> Any:
    """Return KenLM's reading of the model, by way of an ARPA file."""
    config = kenlm.Config()
    config.show_progress = False
    config.arpa_complain = kenlm.ARPALoadComplain.NONE
    with TemporaryDirectory() as folder:
        path = Path(folder) / "model.arpa"
        write_arpa(model, path)
        return kenlm.Model(str(path), config)


def by_kenlm(reader: Any, lines: Sequence[str]) -> Floats:
    """Return KenLM's log-probabilities in nats, shape (lines,)."""
    return np.array([reader.score(line) for line in lines]) * math.log(10)


def perplexity(logs: Floats, sentences: Sentences) -> float:
    """Return the perplexity of words and ends; `logs` are those of the sentences, shape (sentences,)."""
    return math.exp(-logs.sum() / n_predictions(sentences))


def seen_in(text: Sentences, sentences: Sentences) -> list[Sentence]:
    """Return the sentences that hold no other words than the text."""
    seen = {word for sentence in text for word in sentence}
    return [sentence for sentence in sentences if seen.issuperset(sentence)]


def fitted_by_nltk(text: Sentences, n: int, discount: float) -> Any:
    """Return NLTK's model as its manual fits it."""
    model = KneserNeyInterpolated(n, discount)
    model.fit(*padded_everygram_pipeline(n, text))
    return model


def by_nltk(model: Any, sentences: Sentences, n: int) -> Floats:
    """Return NLTK's log-probabilities in nats, shape (sentences,)."""
    logs = []
    for sentence in sentences:
        padded = [*[START] * (n - 1), *sentence, END]
        places = range(n - 1, len(padded))
        logs.append(sum(model.logscore(padded[i], padded[i - n + 1 : i]) for i in places))
    return np.array(logs) * math.log(2)


def compare_with_nltk(text: Sentences, sentences: Sentences, model: KneserNey) -> float:
    """Return the largest difference of log-probabilities once NLTK has our windows and single words.

    Raises RuntimeError for more than rounding errors.
    """
    theirs = KneserNeyInterpolated(model.n, model.discount)
    theirs.fit((windows(sentence, model.n) for sentence in text), [START, *model.vocabulary])
    single = dict(zip(model.vocabulary, model.unigrams.tolist(), strict=True))
    theirs.estimator.unigram_score = single.__getitem__
    logs = by_nltk(theirs, sentences, model.n)
    difference = float(np.abs(logs - model.log_probabilities(sentences)).max())
    if difference > 1e-9:
        raise RuntimeError(
            f"With our windows and single words NLTK's log-probabilities are {difference} off."
        )
    return difference


def windows(sentence: Sentence, n: int) -> Iterator[tuple[str, ...]]:
    """Yield the windows of 1 to n words that end in a word or the end of the sentence."""
    padded = (*[START] * (n - 1), *sentence, END)
    for end in range(n, len(padded) + 1):
        for m in range(1, n + 1):
            yield padded[end - m : end]
