"""How the course counts characters, so that every model is charged for the same text.

The text of a sentence is its words joined by single spaces and ended by a newline. A model pays for all
words and for the end of the sentence; the bill, in bits, is divided by the number of characters of that
text. Models that cut text into words, pieces or letters can then stand on one chart.
"""

from collections.abc import Iterable, Sequence

END = "</s>"  # the symbol that a model predicts at the end of a sentence; the newline of the text


def text_of(sentences: Iterable[Sequence[str]]) -> str:
    """Return the sentences (lists of words, no boundary symbols) as text, a line with its newline each."""
    return "".join(" ".join(words) + "\n" for words in sentences)


def n_characters(sentences: Iterable[Sequence[str]]) -> int:
    """Return the number of characters of `text_of(sentences)`: letters, spaces between words, newlines.

    Raises TypeError when a sentence is a string: its letters would be counted as words.
    """
    total = 0
    for words in sentences:
        if isinstance(words, str):
            raise TypeError(
                f"n_characters wants sentences as lists of words, and got the string {words[:40]!r}. "
                "Split it first: [line.split() for line in text.splitlines()]."
            )
        total += sum(map(len, words)) + max(len(words), 1)
    return total


def n_predictions(sentences: Iterable[Sequence[str]]) -> int:
    """Return how many symbols a word model predicts: every word, and one end per sentence."""
    return sum(len(words) + 1 for words in sentences)
