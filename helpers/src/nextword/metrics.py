"""How the course counts characters, so that every model is charged for the same text.

The text of a sentence is its words joined by single spaces and ended by a newline. A model pays for all
words and for the end of the sentence; the bill, in bits, is divided by the number of characters of that
text. Models that cut text into words, pieces or letters can then stand on one chart.
"""

from collections.abc import Iterable, Sequence

END = "</s>"  # the symbol that a model predicts at the end of a sentence; the newline of the text


def text_of(sentences: Iterable[Sequence[str]]) -> str:
    """Return the sentences (lists of words, no boundary symbols) as text, a line with its newline each.

    This function and the two below raise TypeError when a sentence is a string: its letters would pass for
    words.
    """
    return "".join(" ".join(_words(sentence)) + "\n" for sentence in sentences)


def n_characters(sentences: Iterable[Sequence[str]]) -> int:
    """Return the number of characters of `text_of(sentences)`: letters, spaces between words, newlines."""
    return sum(sum(map(len, _words(sentence))) + max(len(sentence), 1) for sentence in sentences)


def n_predictions(sentences: Iterable[Sequence[str]]) -> int:
    """Return how many symbols a word model predicts: every word, and one end per sentence."""
    return sum(len(_words(sentence)) + 1 for sentence in sentences)


def _words(sentence: Sequence[str]) -> Sequence[str]:
    if isinstance(sentence, str):
        raise TypeError(
            f"A sentence is a list of words, and this is the string {sentence[:40]!r}. "
            "Split it first: [line.split() for line in text.splitlines()]."
        )
    return sentence
