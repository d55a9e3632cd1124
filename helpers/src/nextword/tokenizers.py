"""Text cut into tokens, and tokens made into text again: characters or words, behind one interface.

Text is what `metrics.text_of` gives: words joined by single spaces, a newline at the end of each sentence.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from nextword.metrics import END, text_of

UNKNOWN = "<unk>"  # the word for all words that are not in the vocabulary, where the vocabulary has it


class Tokenizer(Protocol):
    """What all tokenizers can do. An id is the place of a token in `vocabulary`."""

    @property
    def vocabulary(self) -> list[str]: ...

    def __len__(self) -> int: ...

    def encode(self, text: str) -> list[int]: ...

    def decode(self, ids: Iterable[int]) -> str: ...


class CharacterTokenizer:
    """One token per character; `vocabulary` is the list of characters, each once.

    Raises ValueError for a vocabulary with an entry that is repeated or is not one character.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = _numbered(vocabulary)
        longer = [entry for entry in self._ids if len(entry) != 1]
        if longer:
            raise ValueError(
                f"{longer[0]!r} is not one character. Pass single characters, or use "
                "CharacterTokenizer.train(text), which collects them."
            )

    @classmethod
    def train(cls, text: str) -> CharacterTokenizer:
        """Return the tokenizer of all characters that occur in a text, in the order of their code points."""
        return cls(sorted(set(text)))

    @property
    def vocabulary(self) -> list[str]:
        """The characters by id."""
        return list(self._ids)

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, text: str) -> list[int]:
        """Return the id of each character; raises ValueError for one that is not in the vocabulary."""
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise ValueError(
                f"The character {error.args[0]!r} is not in the vocabulary of {len(self)} characters. "
                "Train the tokenizer on text that has it, or take it out of this text."
            ) from None

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text; raises ValueError for an id that is not one of the vocabulary's."""
        return "".join(_looked_up(ids, list(self._ids)))


class WordTokenizer:
    """One token per word, and "</s>" for the newline at the end of a sentence.

    A model reads "</s>" for the start of a sentence too: what stands before a sentence is the end of another.
    A vocabulary without "</s>" gets it in front. Words that are not in a vocabulary are "<unk>" where it has
    that word, and an error where it has not. Raises ValueError for a repeated word, or one with white space.
    """

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self._ids = _numbered(vocabulary if END in vocabulary else [END, *vocabulary])
        split = [word for word in self._ids if word.split() != [word]]
        if split:
            raise ValueError(
                f"{split[0]!r} is not one word. A word is not empty and has no white space in it."
            )

    @classmethod
    def train(cls, sentences: Iterable[Sequence[str]]) -> WordTokenizer:
        """Return the tokenizer of all words of the sentences (lists of words), in alphabetical order."""
        return cls([END, *sorted({word for sentence in sentences for word in sentence} - {END})])

    @property
    def vocabulary(self) -> list[str]:
        """The words by id, and "</s>" among them."""
        return list(self._ids)

    @property
    def end_id(self) -> int:
        """The id of "</s>"."""
        return self._ids[END]

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, text: str) -> list[int]:
        """Return the id of each word, and `end_id` for each newline; raises ValueError for unknown words."""
        ids: list[int] = []
        for i, line in enumerate(text.split("\n")):
            ids += [self.end_id] if i else []
            ids += self._of(line.split())
        return ids

    def encode_sentence(self, words: Sequence[str]) -> list[int]:
        """Return the ids of a sentence's words and of its end; raises ValueError for an unknown word.

        TypeError when the sentence is a string: its letters would pass for words.
        """
        return self.encode(text_of([words]))

    def decode(self, ids: Iterable[int]) -> str:
        """Return the text; raises ValueError for an id that is not one of the vocabulary's."""
        text, glue = "", ""
        for word in _looked_up(ids, list(self._ids)):
            text += "\n" if word == END else glue + word
            glue = "" if word == END else " "
        return text

    def _of(self, words: Iterable[str]) -> list[int]:
        unknown = self._ids.get(UNKNOWN)
        ids = []
        for word in words:
            found = self._ids.get(word, unknown)
            if found is None:
                raise ValueError(
                    f"The word {word!r} is not in the vocabulary of {len(self):,} words. Train the tokenizer "
                    f"on text that has it, or add {UNKNOWN!r}, which then stands for all unknown words."
                )
            ids.append(found)
        return ids


def _numbered(vocabulary: Sequence[str]) -> dict[str, int]:
    if isinstance(vocabulary, str):
        vocabulary = list(vocabulary)
    ids = {entry: i for i, entry in enumerate(vocabulary)}
    if len(ids) < len(vocabulary):
        repeated = next(entry for i, entry in enumerate(vocabulary) if ids[entry] != i)
        raise ValueError(f"The vocabulary has {repeated!r} twice. Pass each entry once: its place is its id.")
    return ids


def _looked_up(ids: Iterable[int], vocabulary: Sequence[str]) -> list[str]:
    found = []
    for i in map(int, ids):
        if not 0 <= i < len(vocabulary):
            raise ValueError(f"There is no id {i}: the vocabulary has ids from 0 to {len(vocabulary) - 1}.")
        found.append(vocabulary[i])
    return found
