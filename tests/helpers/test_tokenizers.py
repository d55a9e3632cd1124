"""Text becomes ids and text again, and what can't is said."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextword import corpus, metrics
from nextword.tokenizers import CharacterTokenizer, Tokenizer, WordTokenizer

SENTENCES = [["the", "dog", "barks"], ["a", "dog"], []]


@given(st.text())
def test_characters_come_back(text) -> None:
    tokenizer = CharacterTokenizer.train(text)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer) == len(set(text))
    assert tokenizer.vocabulary == sorted(set(text))


@given(st.lists(st.lists(st.text("abcé", min_size=1, max_size=4), max_size=5), max_size=5))
def test_words_come_back(sentences) -> None:
    tokenizer = WordTokenizer.train(sentences)
    text = metrics.text_of(sentences)
    assert tokenizer.decode(tokenizer.encode(text)) == text
    assert len(tokenizer.encode(text)) == metrics.n_predictions(sentences)
    by_sentence = [i for sentence in sentences for i in tokenizer.encode_sentence(sentence)]
    assert by_sentence == tokenizer.encode(text)


def test_a_worked_example() -> None:
    tokenizer = WordTokenizer.train(SENTENCES)
    assert tokenizer.vocabulary == ["</s>", "a", "barks", "dog", "the"]
    assert tokenizer.end_id == 0
    assert tokenizer.encode("the dog barks\n") == [4, 3, 2, 0] == tokenizer.encode_sentence(SENTENCES[0])
    assert tokenizer.encode("the dog") == [4, 3]  # no newline, no end
    assert tokenizer.encode("\n\na\n") == [0, 0, 1, 0]
    assert tokenizer.decode([4, 3, 0, 1]) == "the dog\na"
    assert CharacterTokenizer("ba").encode("ab") == [1, 0]


def test_an_id_is_the_place_in_the_vocabulary_given() -> None:
    village = corpus("village")
    tokenizer: Tokenizer = WordTokenizer(village.source.vocabulary)
    assert tokenizer.vocabulary == village.source.vocabulary
    assert [tokenizer.vocabulary[i] for i in tokenizer.encode("the battery\n")] == ["the", "battery", "</s>"]
    assert WordTokenizer(["b", "</s>", "a"]).end_id == 1
    assert WordTokenizer(["b", "a"]).vocabulary == ["</s>", "b", "a"]


def test_unknown_words_have_one_word_or_none() -> None:
    assert WordTokenizer(["<unk>", "a"]).encode("a b") == [2, 1]
    with pytest.raises(ValueError, match=r"'cat' is not in the vocabulary of 5 words.*<unk>"):
        WordTokenizer.train(SENTENCES).encode("the cat")
    with pytest.raises(ValueError, match="'é' is not in the vocabulary"):
        CharacterTokenizer.train("abc").encode("é")


def test_what_is_no_vocabulary_no_id_no_sentence() -> None:
    with pytest.raises(ValueError, match="'a' twice"):
        WordTokenizer(["a", "b", "a"])
    with pytest.raises(ValueError, match="not one word"):
        WordTokenizer(["two words"])
    with pytest.raises(ValueError, match="not one character"):
        CharacterTokenizer(["ab"])
    for wrong in (-1, 5):
        with pytest.raises(ValueError, match="ids from 0 to 4"):
            WordTokenizer.train(SENTENCES).decode([wrong])
    with pytest.raises(TypeError, match="list of words"):
        WordTokenizer.train(SENTENCES).encode_sentence("the dog")
