"""The labelled text is balanced, clean and as its datasheet describes it."""

from __future__ import annotations

import builtins
import math
import re
from collections import Counter
from itertools import combinations

import numpy as np
import pytest

from nextword.labelled import FOLDER, LABELS, SPLITS, TARGETS, labelled, labelled_texts

SETS = list(LABELS)
DATASHEET = (FOLDER / "README.md").read_text(encoding="utf-8")
SHARED_SHINGLES = 0.4  # the datasheet's definition of a near-duplicate


def datasheet_row(heading: str, name: str) -> list[str]:
    """Return the cells of the line on `name` in the table under `heading`."""
    section = DATASHEET.split(heading, 1)[1]
    line = next(line for line in section.splitlines() if line.startswith(f"| `{name}` |"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def shingles(text: str) -> set[str]:
    """Return the five-character sequences of a text, lowercased and without punctuation."""
    plain = " ".join(re.findall(r"[a-z0-9']+", text.lower()))
    return {plain[i : i + 5] for i in range(max(1, len(plain) - 4))}


def kappa(first: list[str], second: list[str]) -> float:
    """Return Cohen's kappa: agreement beyond what the two coders' label shares would give by chance."""
    n = len(first)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    ours, theirs = Counter(first), Counter(second)
    chance = sum(ours[label] * theirs[label] for label in ours) / n**2
    return (observed - chance) / (1 - chance)


@pytest.mark.parametrize(("name", "least"), [("reviews", 400), ("headlines", 400), ("posts", 500)])
def test_counts_are_large_enough_and_as_the_datasheet_says(name, least) -> None:
    texts = labelled_texts(name)
    assert len(texts) >= least
    n, _, parts, words = datasheet_row("# Datasheet", name)
    assert len(texts) == int(n)
    assert [int(part) for part in parts.split("/")] == [
        sum(text.split == split for text in texts) for split in SPLITS
    ]
    lengths = sorted(len(text.text.split()) for text in texts)
    assert [int(length) for length in words.split(",")] == [
        lengths[0],
        lengths[len(lengths) // 2],
        lengths[-1],
    ]


@pytest.mark.parametrize("name", SETS)
def test_every_part_is_balanced(name) -> None:
    cells = Counter((text.split, text.target, text.label) for text in labelled_texts(name))
    targets = TARGETS.get(name, (None,))
    assert set(cells) == {(s, t, label) for s in SPLITS for t in targets for label in LABELS[name]}
    for split in SPLITS:
        assert len({n for cell, n in cells.items() if cell[0] == split}) == 1


@pytest.mark.parametrize("name", SETS)
def test_ids_and_texts_occur_once(name) -> None:
    texts = labelled_texts(name)
    assert len({text.id for text in texts}) == len(texts)
    assert all(re.fullmatch(rf"{name[:-1]}-\d{{3}}", text.id) for text in texts)
    seen = {split: {text.text for text in texts if text.split == split} for split in SPLITS}
    assert sum(map(len, seen.values())) == len(texts)
    assert all(seen[a].isdisjoint(seen[b]) for a, b in combinations(SPLITS, 2))


@pytest.mark.parametrize("name", SETS)
def test_texts_are_clean(name) -> None:
    for text in labelled_texts(name):
        assert text.text.isascii() and text.text.isprintable(), text.id
        assert text.text == " ".join(text.text.split()), text.id
        assert not re.search(r"https?:|www\.|@\w", text.text), text.id


@pytest.mark.parametrize("name", SETS)
def test_there_are_no_near_duplicates(name) -> None:
    texts = labelled_texts(name)
    sets = [shingles(text.text) for text in texts]
    columns = {shingle: i for i, shingle in enumerate(sorted(set().union(*sets)))}
    has = np.zeros((len(texts), len(columns)), dtype=np.float32)
    for row, found in enumerate(sets):
        has[row, [columns[shingle] for shingle in found]] = 1
    shared, sizes = has @ has.T, has.sum(1)
    similarity = shared / (sizes[:, None] + sizes[None, :] - shared)
    np.fill_diagonal(similarity, 0)
    a, b = np.unravel_index(similarity.argmax(), similarity.shape)
    assert similarity[a, b] <= SHARED_SHINGLES, (texts[a].text, texts[b].text)
    assert f"more than {SHARED_SHINGLES:.0%}".replace("%", " per cent") in DATASHEET


def test_shingles_find_a_near_duplicate() -> None:
    a, b = shingles("The kettle leaks from the handle."), shingles("The kettle leaks at the handle!")
    assert len(a & b) / len(a | b) > SHARED_SHINGLES


@pytest.mark.parametrize("name", SETS)
def test_the_test_part_is_coded_twice(name) -> None:
    texts = labelled_texts(name)
    assert all((text.second_label is not None) == (text.split == "test") for text in texts)
    twice = [text for text in texts if text.second_label is not None]
    assert len(twice) >= 100
    assert {text.second_label for text in twice} <= set(LABELS[name])
    first, second = [text.label for text in twice], [str(text.second_label) for text in twice]
    n, different, value = datasheet_row("# Two codings", name)
    assert (len(twice), sum(a != b for a, b in zip(first, second, strict=True))) == (int(n), int(different))
    assert f"{kappa(first, second):.2f}" == value


def test_kappa_is_scikit_learns() -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    rng = np.random.default_rng(0)
    first, second = (list(rng.choice(["a", "b", "c"], 50, p=[0.6, 0.3, 0.1])) for _ in range(2))
    assert math.isclose(kappa(first, second), metrics.cohen_kappa_score(first, second))


@pytest.mark.parametrize("name", SETS)
def test_a_bag_of_words_learns_something_and_not_everything(name) -> None:
    linear = pytest.importorskip("sklearn.linear_model", reason="scikit-learn is not installed")
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline

    train, test = (
        ([text.text for text in part], [text.label for text in part])
        for part in (
            [text for text in labelled_texts(name) if text.split == split] for split in ("train", "test")
        )
    )
    model = make_pipeline(TfidfVectorizer(), linear.LogisticRegression(C=10, max_iter=2000)).fit(*train)
    accuracy, n = model.score(*test), len(test[0])
    majority = max(Counter(test[1]).values()) / n
    print(f"{name}: majority {majority:.3f}, bag of words {accuracy:.3f} on {n} texts")
    assert accuracy - 3 * math.sqrt(accuracy * (1 - accuracy) / n) > majority
    assert accuracy < 0.95
    said_majority, said_accuracy = map(float, datasheet_row("# How hard", name))
    assert math.isclose(majority, said_majority, abs_tol=0.005)
    assert math.isclose(accuracy, said_accuracy, abs_tol=0.03)  # versions of scikit-learn differ a little


@pytest.mark.parametrize("name", SETS)
def test_labels_do_not_show_in_the_length_of_a_text(name) -> None:
    # The best guess from the number of words alone, chosen with hindsight on all texts, stays near chance.
    texts = labelled_texts(name)
    by_length: dict[int, Counter[str]] = {}
    for text in texts:
        by_length.setdefault(len(text.text.split()) // 4, Counter())[text.label] += 1
    right = sum(max(counts.values()) for counts in by_length.values())
    assert right / len(texts) < 1 / len(LABELS[name]) + 0.1


@pytest.mark.parametrize("name", SETS)
def test_as_datasets(name) -> None:
    datasets = pytest.importorskip("datasets", reason="Hugging Face datasets is not installed")
    parts = labelled(name)
    assert isinstance(parts, datasets.DatasetDict)
    assert tuple(parts) == SPLITS
    for split, part in parts.items():
        texts = [text for text in labelled_texts(name) if text.split == split]
        assert part["text"][:] == [text.text for text in texts]
        assert part["id"][:] == [text.id for text in texts]
        for column in ["label", "target", "second_label"] if name in TARGETS else ["label", "second_label"]:
            feature = part.features[column]
            assert isinstance(feature, datasets.ClassLabel)
            named = [None if number is None else feature.int2str(number) for number in part[column]]
            assert named == [getattr(text, column) for text in texts]
        assert part.features["label"].names == list(LABELS[name])
        assert ("target" in part.column_names) == (name in TARGETS)


def test_without_datasets_there_is_a_remedy(monkeypatch) -> None:
    honest = builtins.__import__

    def without_datasets(name, *rest, **named):
        if name == "datasets":
            raise ImportError("No module named 'datasets'")
        return honest(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without_datasets)
    with pytest.raises(ImportError, match=r"pip install datasets.*labelled_texts\('posts'\)"):
        labelled("posts")
    assert labelled_texts("posts")[0].target in TARGETS["posts"]


@pytest.mark.parametrize("load", [labelled, labelled_texts])
def test_unknown_name_lists_the_known_ones(load) -> None:
    with pytest.raises(
        ValueError, match=r"no labelled text 'tweets'\. Choose one of: reviews, headlines, posts"
    ):
        load("tweets")


def test_rows_are_the_callers_own() -> None:
    texts = labelled_texts("reviews")
    texts.clear()
    assert labelled_texts("reviews")
