"""Counting windows of words for a Kneser-Ney model: `nextword.ngrams` beside NLTK."""

from __future__ import annotations

import math
from collections.abc import Sequence

from nextword import corpus
from nextword.metrics import n_predictions
from nextword.ngrams import KneserNey
from recipes.bench.alternating import Timing, alternating, processor_seconds
from recipes.bench.report import Report, Target, number

try:
    from nltk.lm import KneserNeyInterpolated, NgramCounter
    from nltk.lm.preprocessing import padded_everygram_pipeline, padded_everygrams
except ImportError:
    raise SystemExit("NLTK is not installed. `make bench` installs it.") from None

N = 3
START, END = "<s>", "</s>"
CHECKED = 500  # sentences whose counts are compared one by one

Sentences = Sequence[Sequence[str]]


def measure(runs: int) -> Report:
    """Count the village's text with both; the same windows, the same counts."""
    village = corpus("village")
    text, vocabulary = village.train, village.source.vocabulary
    words = n_predictions(text)
    compare(text, N)

    def ours() -> float:
        return processor_seconds(lambda: KneserNey(text, N, vocabulary))

    def counter() -> float:
        return processor_seconds(lambda: NgramCounter(padded_everygrams(N, sentence) for sentence in text))

    def fit() -> float:
        return processor_seconds(lambda: KneserNeyInterpolated(N).fit(*padded_everygram_pipeline(N, text)))

    ways = {"ours: KneserNey": ours, "NLTK: NgramCounter": counter, "NLTK: KneserNeyInterpolated.fit": fit}
    timings = [Timing(way, seconds, words) for way, seconds in alternating(ways, runs).items()]
    mine, best = timings[0], min(timings[1:], key=lambda timing: timing.median)
    ratio = best.median / mine.median
    return Report(
        name="ngram_counting",
        title="Counting n-grams",
        about=(
            f"The village's training text, {len(text):,} sentences and {words:,} words with their ends, as"
            f" lists of words; all windows of 1 to {N} words. Both find the same windows, equally often. Ours"
            " has then also counted the words before each window, taken the discounts and built tables for"
            " scoring; NLTK leaves the first two to scoring. `fit` looks every word up in a vocabulary, which"
            " ours does and the counter does not. Processor seconds."
        ),
        unit="words",
        timings=timings,
        packages=["nltk"],
        targets=[
            Target(
                "as many words per second as NLTK", f"{number(ratio)} times as many as {best.way}", ratio >= 1
            )
        ],
        notes=(
            "What limits us: `np.unique`, which sorts the windows once for each length. KenLM counts with a"
            " program of its own, `lmplz`, which its Python module does not hold; it is not compared."
        ),
    )


def compare(text: Sentences, n: int) -> None:
    """Raise RuntimeError unless NLTK finds the same windows as we do, and the longest as often.

    NLTK also pads with n - 1 ends, and counts a start that follows a start; those windows are left out.
    """
    counter = NgramCounter(padded_everygrams(n, sentence) for sentence in text)
    vocabulary = {word for sentence in text for word in sentence} | {END}
    model = KneserNey(text, n, vocabulary, discount=0.0)  # so P(word | context) is count / total
    theirs = [sum(counter.unigrams[word] > 0 for word in vocabulary)]
    for m in range(2, n + 1):
        followed = [words for context, words in counter[m].items() if context[-1] != END]
        theirs.append(sum(word != START for words in followed for word in words))
    if model.n_windows != theirs:
        raise RuntimeError(f"We count {model.n_windows} different windows, NLTK {theirs}.")
    for sentence, logs in zip(text[:CHECKED], model.word_log_probabilities(text[:CHECKED]), strict=True):
        padded = (*[START] * (n - 1), *sentence, END)
        for place, log in enumerate(logs):
            followed = counter[padded[place : place + n - 1]] if n > 1 else counter.unigrams
            share = followed[padded[place + n - 1]] / followed.N()
            if not math.isclose(share, math.exp(log), rel_tol=1e-9):
                raise RuntimeError(f"{padded[place : place + n]}: a share of {math.exp(log)}, NLTK {share}.")
