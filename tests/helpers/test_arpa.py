"""ARPA files of our models: a reader written from the format alone, and KenLM, score as the model does."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from nextword import corpus
from nextword.arpa import write_arpa
from nextword.ngrams import KneserNey

Words = tuple[str, ...]


class BackOffModel:
    """An ARPA file, read line by line, and P(word | context) by backing off."""

    def __init__(self, path: Path) -> None:
        lines = path.read_text(encoding="utf-8").split("\n")
        marks = [i for i, line in enumerate(lines) if line.startswith("\\")]
        assert [lines[i] for i in (marks[0], marks[-1])] == ["\\data\\", "\\end\\"]
        heads = [line.split("=") for line in lines[marks[0] + 1 : marks[1]] if line]
        self.n = len(heads)
        self.logs: dict[Words, float] = {}
        self.weights: dict[Words, float] = {}
        for m, (begin, end) in enumerate(pairwise(marks[1:]), 1):
            entries = [line.split("\t") for line in lines[begin + 1 : end] if line]
            assert lines[begin] == f"\\{m}-grams:" and heads[m - 1] == [f"ngram {m}", str(len(entries))]
            for log, window, *weight in entries:
                words = tuple(window.split(" "))
                assert len(words) == m and words not in self.logs
                self.logs[words] = float(log)
                if weight:
                    self.weights[words] = float(weight[0])

    def log10(self, word: str, context: Words) -> float:
        if (*context, word) in self.logs:
            return self.logs[*context, word]
        return self.weights.get(context, 0.0) + self.log10(word, context[1:])

    def log_probability(self, sentence: list[str]) -> float:
        padded = ("<s>", *sentence, "</s>")
        places = range(1, len(padded))
        return sum(self.log10(padded[i], padded[max(0, i - self.n + 1) : i]) for i in places) * math.log(10)


def written(model: KneserNey, folder: Path) -> BackOffModel:
    write_arpa(model, folder / "model.arpa")
    return BackOffModel(folder / "model.arpa")


@pytest.mark.parametrize("discount", [0.4, 0.75, 1.0])
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5])
def test_a_reader_scores_every_sentence_as_the_model_does(tmp_path: Path, n: int, discount: float) -> None:
    sentences, new = corpus("village").train[:40], corpus("village").train[35:60]
    new += [
        [],
        ["unheard"],
        ["the", "unheard", "the"],
        sentences[0][:1],
        sentences[1][-1:],
        [*sentences[2]] * 2,
    ]
    model = KneserNey(sentences, n, {w for s in sentences + new for w in s} | {"</s>"}, discount)
    read = written(model, tmp_path)
    assert [read.log_probability(s) for s in new] == pytest.approx(model.log_probabilities(new), rel=1e-7)


def test_known_numbers(tmp_path: Path) -> None:
    read = written(KneserNey([["a", "cat"], ["a", "dog"]], 3), tmp_path)
    # P(a) = (1 - 0.75) / 5 + 0.75 * 4 / 5 * 1 / 4 = 0.2; after "<s>" (1 - 0.75) / 1 + 0.75 * 0.2 = 0.4,
    # where a stands after one other word, "<s>"; after "<s> <s>" (2 - 0.75) / 2 + 0.75 / 2 * 0.4 = 0.775
    assert read.logs["a",] == pytest.approx(math.log10(0.2))
    assert read.logs["<s>", "a"] == pytest.approx(math.log10(0.775))
    assert read.weights["<s>",] == pytest.approx(math.log10(0.75 / 1 * 0.75 / 2))
    assert read.logs["<s>",] == read.logs["<unk>",] == -99
    assert read.weights.keys() == {
        ("<s>",),
        ("a",),
        ("cat",),
        ("dog",),
        ("<s>", "a"),
        ("a", "cat"),
        ("a", "dog"),
    }
    assert ("<s>", "<s>") not in {window[:2] for window in read.logs}


def test_without_a_discount_what_was_never_seen_is_impossible(tmp_path: Path) -> None:
    read = written(KneserNey([["a", "cat"]], 2, ["</s>", "a", "cat", "dog"], discount=0.0), tmp_path)
    assert read.log_probability(["a", "cat"]) == pytest.approx(0)
    assert read.log10("dog", ()) == read.log10("dog", ("cat",)) + 99 == -99


def test_a_model_of_no_text_can_be_written(tmp_path: Path) -> None:
    read = written(KneserNey([], 3, ["</s>", "yes", "no"]), tmp_path)
    assert read.n == 3 and read.log_probability(["no"]) == pytest.approx(2 * math.log(1 / 3))


def test_a_word_for_all_others_keeps_its_probability(tmp_path: Path) -> None:
    model = KneserNey([["a", "<unk>"], ["a", "dog"]], 2)
    assert written(model, tmp_path).log_probability(["a", "<unk>"]) == pytest.approx(
        model.log_probabilities([["a", "<unk>"]])[0]
    )


@pytest.mark.parametrize("word", ["<s>", "two words", "tab\t", ""])
def test_words_that_the_format_cannot_hold_are_refused(tmp_path: Path, word: str) -> None:
    with pytest.raises(ValueError, match="cannot hold the word"):
        write_arpa(KneserNey([["a", word]], 2), tmp_path / "model.arpa")


@pytest.mark.parametrize("n", [3, 4])
def test_village_has_the_same_perplexity_for_us_a_reader_and_kenlm(tmp_path: Path, n: int) -> None:
    village = corpus("village")
    model = KneserNey(village.train, n, village.source.vocabulary)
    read = written(model, tmp_path)
    ours = model.log_probabilities(village.valid)
    words = sum(len(sentence) + 1 for sentence in village.valid)
    assert [read.log_probability(s) for s in village.valid] == pytest.approx(ours, rel=1e-7)
    kenlm = pytest.importorskip("kenlm", reason="KenLM is not installed")
    reader = kenlm.Model(str(tmp_path / "model.arpa"))
    theirs = np.array([reader.score(" ".join(s)) for s in village.valid]) * math.log(10)
    assert theirs == pytest.approx(ours, abs=3e-5)  # KenLM adds in single precision
    assert math.exp(-theirs.sum() / words) == pytest.approx(math.exp(-ours.sum() / words), abs=1e-5)
