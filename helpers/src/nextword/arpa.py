"""A Kneser-Ney model as an ARPA file, which KenLM, SRILM and others read and score alike.

An ARPA file holds a back-off model: for every window that was seen, log10 P(last word | words before), and
for every context log10 of a weight. A word never seen after a context gets the weight times its probability
after the shorter context. An interpolated model has this form already: where a word was never seen, nothing
is left of its probability but the share that the discount took, times that after the shorter context.

Only the start differs. Before the first word our contexts hold n - 1 starts; a reader of ARPA files sees one.
But before a start there is never anything but a start. So all contexts "<s> a", "<s> <s> a" and so on are
written as "<s> a", with the probabilities of the longest of them and the product of all their weights.

Source of the format: ngram-format(5), a manual page of SRILM.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nextword.ngrams import KneserNey

Words = tuple[str, ...]

START = "<s>"
UNKNOWN = "<unk>"
ZERO = -99.0  # stands for the logarithm of 0


def write_arpa(model: KneserNey, path: str | Path) -> None:
    """Write the model as an ARPA file; its reader gives every sentence the probability that the model gives.

    A word outside the vocabulary, which the model refuses, is impossible to a reader: its entry "<unk>" is 0.
    Raises ValueError for a vocabulary that the format cannot hold: with "<s>", or white space in a word.
    """
    unfit = [word for word in model.vocabulary if word == START or word.split() != [word]]
    if unfit:
        raise ValueError(f"An ARPA file cannot hold the word {unfit[0]!r}. Give the model other words.")
    probabilities, weights = _windows_and_weights(model)
    sections: list[list[str]] = [[] for _ in range(model.n)]
    for window, probability in probabilities.items():
        line = f"{_log10(probability):.9g}\t{' '.join(window)}"
        if weights.get(window, 1.0) != 1.0:  # left out, it is 1
            line += f"\t{_log10(weights[window]):.9g}"
        sections[len(window) - 1].append(line)
    with Path(path).open("w", encoding="utf-8", newline="\n") as file:
        file.write("\\data\\\n")
        file.writelines(f"ngram {m}={len(lines)}\n" for m, lines in enumerate(sections, 1))
        for m, lines in enumerate(sections, 1):
            file.write(f"\n\\{m}-grams:\n" + "\n".join(lines) + "\n")
        file.write("\n\\end\\\n")


def _windows_and_weights(model: KneserNey) -> tuple[dict[Words, float], dict[Words, float]]:
    """Return the probability of the last word of every window, and the weight of every context."""
    names = model.vocabulary
    windows: list[Words] = [(word,) for word in names]  # of one length; a context that begins has one start
    probabilities = dict(zip(windows, model.unigrams.tolist(), strict=False))
    weights: dict[Words, float] = {}
    for order in model.orders:
        contexts = [*windows, (START,)]
        for context, share in zip(contexts, order.shares.tolist(), strict=False):
            weights[context] = weights.get(context, 1.0) * share
        owners, last = np.divmod(order.keys, order.size + 2)
        windows = [(*contexts[o], names[w]) for o, w in zip(owners.tolist(), last.tolist(), strict=True)]
        gains, shares = order.gains.tolist(), order.shares[owners].tolist()
        for window, gain, share in zip(windows, gains, shares, strict=False):
            # a window that is there already has more starts now
            shorter = window if window in probabilities else window[1:]
            probabilities[window] = gain + share * probabilities[shorter]
    probabilities.setdefault((UNKNOWN,), 0.0)
    return {(START,): 0.0, **probabilities}, weights


def _log10(value: float) -> float:
    return float(np.log10(value)) if value > 0 else ZERO
