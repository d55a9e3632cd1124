"""Other right answers to notebook 02, and the wrong ones that students give."""

from collections import Counter

import numpy as np
import torch

from autograder.variants import equivalent, right, wrong

# --- cooccurrence ------------------------------------------------------------------------------------------------------


@right("cooccurrence", why="counts to the right only and adds the transpose")
def both_sides(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for context in sentence[i + 1 : i + window + 1]:
                counts[word, context] += 1
    return counts + counts.T


@right("cooccurrence", why="numpy: shifts each sentence against itself, one distance at a time")
def by_distance(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=np.int64)
    for sentence in sentences:
        row = np.array(sentence, dtype=int)
        for distance in range(1, min(window, max(len(row) - 1, 0)) + 1):
            np.add.at(counts, (row[:-distance], row[distance:]), 1)
            np.add.at(counts, (row[distance:], row[:-distance]), 1)
    return counts


@right("cooccurrence", why="a dictionary of pairs first")
def with_counter(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    pairs = Counter()
    for sentence in sentences:
        for i in range(len(sentence)):
            for j in range(len(sentence)):
                if i != j and abs(i - j) <= window:
                    pairs[sentence[i], sentence[j]] += 1
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for (word, context), n in pairs.items():
        counts[word, context] = n
    return counts


@wrong("cooccurrence", misconception="Looks only to the right.", hint="one-sided")
def right_side_only(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for context in sentence[i + 1 : i + window + 1]:
                counts[word, context] += 1
    return counts


@wrong("cooccurrence", misconception="Looks only to the left.", hint="Look right as well")
def left_side_only(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for context in sentence[max(0, i - window) : i]:
                counts[word, context] += 1
    return counts


@wrong("cooccurrence", misconception="Counts a word as its own context.", hint="not its own context")
def with_itself(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for context in sentence[max(0, i - window) : i + window + 1]:
                counts[word, context] += 1
    return counts


@wrong(
    "cooccurrence",
    misconception="Leaves out the word wherever it occurs in the window, instead of the position.",
    hint="skip the position i, not the word",
)
def never_the_same_word(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for context in sentence[max(0, i - window) : i + window + 1]:
                if context != word:
                    counts[word, context] += 1
    return counts


@wrong(
    "cooccurrence",
    misconception="Makes one long text of all sentences.",
    hint="windows cross from one sentence into the next",
)
def one_long_text(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    text = [word for sentence in sentences for word in sentence]
    for i, word in enumerate(text):
        for j in range(max(0, i - window), min(len(text), i + window + 1)):
            if j != i:
                counts[word, text[j]] += 1
    return counts


@wrong("cooccurrence", misconception="Stops one place early on the right.", hint="the right end is missing")
def end_excluded(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window)):
                if j != i:
                    counts[word, sentence[j]] += 1
    return counts


@wrong(
    "cooccurrence",
    misconception="Lets the start of the window become negative, which counts from the end.",
    hint="a negative index counts from the end",
)
def negative_start(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for context in sentence[i - window : i] + sentence[i + 1 : i + window + 1]:
                counts[word, context] += 1
    return counts


@wrong("cooccurrence", misconception="Ignores the argument window.", hint="this is the result for window=1")
def direct_neighbours(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for first, second in zip(sentence, sentence[1:]):
            counts[first, second] += 1
            counts[second, first] += 1
    return counts


@wrong("cooccurrence", misconception="Makes the window one place too wide.", hint="one place too far")
def window_too_wide(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window - 1), min(len(sentence), i + window + 2)):
                if j != i:
                    counts[word, sentence[j]] += 1
    return counts


@wrong("cooccurrence", misconception="Adds both entries at both positions.", hint="counted twice")
def twice(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    counts[word, sentence[j]] += 1
                    counts[sentence[j], word] += 1
    return counts


@wrong(
    "cooccurrence", misconception="Marks pairs instead of counting them.", hint="count every time it occurs"
)
def marks(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size), dtype=int)
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    counts[word, sentence[j]] = 1
    return counts


@wrong("cooccurrence", misconception="Leaves the counts as floats.", hint="counts are integers")
def floats(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size))
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    counts[word, sentence[j]] += 1
    return counts


@wrong("cooccurrence", misconception="Weighs a context by its distance.", hint="every neighbour counts 1")
def by_nearness(sentences: list[list[int]], window: int, vocabulary_size: int) -> np.ndarray:
    counts = np.zeros((vocabulary_size, vocabulary_size))
    for sentence in sentences:
        for i, word in enumerate(sentence):
            for j in range(max(0, i - window), min(len(sentence), i + window + 1)):
                if j != i:
                    counts[word, sentence[j]] += 1 / abs(i - j)
    return counts


# --- cosine_similarity -------------------------------------------------------------------------------------------------


@right("cosine_similarity", why="one pair of rows at a time")
def pair_by_pair(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    out = np.zeros((len(A), len(B)))
    for i, a in enumerate(A):
        for j, b in enumerate(B):
            length = np.sqrt((a * a).sum()) * np.sqrt((b * b).sum())
            if length > 0:
                out[i, j] = (a * b).sum() / length
    return out


@right("cosine_similarity", why="divides the dot products by the outer product of the lengths")
def outer_lengths(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths = np.outer(np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1))
    lengths[lengths == 0] = 1
    return A @ B.T / lengths


@wrong("cosine_similarity", misconception="Leaves out the lengths.", hint="these are dot products")
def dot_products(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return A @ B.T


@wrong("cosine_similarity", misconception="Divides by one of the two lengths.", hint="rows of B as well")
def only_A(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(A, axis=1, keepdims=True)
    return (A / np.where(lengths > 0, lengths, 1)) @ B.T


@wrong(
    "cosine_similarity", misconception="Divides by the other of the two lengths.", hint="rows of A as well"
)
def only_B(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths = np.linalg.norm(B, axis=1, keepdims=True)
    return A @ (B / np.where(lengths > 0, lengths, 1)).T


@wrong("cosine_similarity", misconception="Divides by squared lengths.", hint="squared lengths")
def squared(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths_A, lengths_B = (A * A).sum(axis=1, keepdims=True), (B * B).sum(axis=1, keepdims=True)
    return (A / np.where(lengths_A > 0, lengths_A, 1)) @ (B / np.where(lengths_B > 0, lengths_B, 1)).T


@wrong("cosine_similarity", misconception="Returns a distance.", hint="this is 1 - cosine")
def distance(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths = np.outer(np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1))
    return 1 - A @ B.T / np.where(lengths > 0, lengths, 1)


@wrong("cosine_similarity", misconception="Returns a column per row of A.", hint="transposed")
def transposed(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    lengths = np.outer(np.linalg.norm(B, axis=1), np.linalg.norm(A, axis=1))
    return B @ A.T / np.where(lengths > 0, lengths, 1)


@wrong("cosine_similarity", misconception="Takes one length for the whole matrix.", hint="whole matrix")
def whole_matrix(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    return A @ B.T / max(np.linalg.norm(A) * np.linalg.norm(B), 1e-300)


@wrong("cosine_similarity", misconception="Takes the lengths of columns.", hint="the lengths of the columns")
def column_lengths(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return (A / np.linalg.norm(A, axis=0)) @ (B / np.linalg.norm(B, axis=0)).T


@wrong("cosine_similarity", misconception="Divides 0 by 0 for a row of zeros.", hint="NaN")
def nan_for_zeros(A: np.ndarray, B: np.ndarray) -> np.ndarray:
    with np.errstate(all="ignore"):
        return A @ B.T / np.outer(np.linalg.norm(A, axis=1), np.linalg.norm(B, axis=1))


equivalent(
    "cosine_similarity",
    mutant="line 3: 1 -> 2",
    why="The row is zero where its length is, and zero divided by anything is zero.",
)
equivalent(
    "cosine_similarity",
    mutant="line 3: 1 -> -1",
    why="The row is zero where its length is, and zero divided by anything is zero.",
)
equivalent(
    "cosine_similarity",
    mutant="line 4: 1 -> 2",
    why="The row is zero where its length is, and zero divided by anything is zero.",
)
equivalent(
    "cosine_similarity",
    mutant="line 4: 1 -> -1",
    why="The row is zero where its length is, and zero divided by anything is zero.",
)


# --- ppmi --------------------------------------------------------------------------------------------------------------


@right("ppmi", why="probabilities first, logarithm with warnings silenced, then the clip")
def log_then_clip(counts: np.ndarray) -> np.ndarray:
    total = counts.sum()
    if total == 0:
        return np.zeros(counts.shape)
    joint = counts / total
    with np.errstate(divide="ignore", invalid="ignore"):
        pmi = np.log2(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))
    return np.where(pmi > 0, pmi, 0.0)


@right("ppmi", why="a loop over the cells that were seen")
def cell_by_cell(counts: np.ndarray) -> np.ndarray:
    out = np.zeros(counts.shape)
    total, row_sums, column_sums = counts.sum(), counts.sum(axis=1), counts.sum(axis=0)
    for i, j in zip(*np.nonzero(counts)):
        out[i, j] = max(
            0.0, np.log2(counts[i, j] * float(total) / (float(row_sums[i]) * float(column_sums[j])))
        )
    return out


@wrong(
    "ppmi", misconception="Leaves out the clip; pairs never seen have minus infinity.", hint="minus infinity"
)
def no_clip(counts: np.ndarray) -> np.ndarray:
    joint = counts / max(counts.sum(), 1)
    with np.errstate(all="ignore"):
        return np.log2(joint / np.outer(joint.sum(axis=1), joint.sum(axis=0)))


@wrong(
    "ppmi",
    misconception="Sets only the pairs never seen to 0 and keeps the other negative values.",
    hint="the clip is missing",
)
def negative_kept(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
    out = np.zeros(counts.shape)
    seen = counts > 0
    out[seen] = np.log2(counts[seen] / expected[seen])
    return out


@wrong("ppmi", misconception="Takes the natural logarithm.", hint="nats")
def nats(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
    ratio = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    return np.log(np.maximum(ratio, 1))


@wrong("ppmi", misconception="Takes the logarithm to base 10.", hint="base 10")
def base_ten(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
    ratio = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    return np.log10(np.maximum(ratio, 1))


@wrong("ppmi", misconception="Returns the ratio without its logarithm.", hint="the logarithm is missing")
def ratio_only(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
    return np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)


@wrong("ppmi", misconception="Forgets N: divides counts by the product of counts.", hint="N is missing")
def no_total(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0))
    ratio = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    return np.log2(np.maximum(ratio, 1))


@wrong("ppmi", misconception="Takes row sums for words and contexts.", hint="sums of the rows twice")
def rows_twice(counts: np.ndarray) -> np.ndarray:
    sums = counts.sum(axis=1)
    expected = np.outer(sums, sums)[:, : counts.shape[1]] / max(counts.sum(), 1)
    ratio = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    return np.log2(np.maximum(ratio, 1))


@wrong("ppmi", misconception="Takes column sums for words and contexts.", hint="sums of the columns twice")
def columns_twice(counts: np.ndarray) -> np.ndarray:
    sums = counts.sum(axis=0)
    expected = np.outer(sums, sums)[: counts.shape[0]] / max(counts.sum(), 1)
    ratio = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    return np.log2(np.maximum(ratio, 1))


@wrong(
    "ppmi",
    misconception="Adds 1 in the logarithm so that 0 does no harm.",
    hint="adding 1 inside the logarithm",
)
def one_plus(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
    return np.log2(1 + np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0))


@wrong("ppmi", misconception="Weighs each value by the probability of the pair.", hint="weighted by P(w, c)")
def mutual_information(counts: np.ndarray) -> np.ndarray:
    total = max(counts.sum(), 1)
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / total
    ratio = np.divide(counts, expected, out=np.zeros(counts.shape), where=expected > 0)
    return counts / total * np.log2(np.maximum(ratio, 1))


@wrong("ppmi", misconception="Divides 0 by 0 for a word that never occurs.", hint="NaN")
def nan_for_empty_rows(counts: np.ndarray) -> np.ndarray:
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / max(counts.sum(), 1)
    with np.errstate(all="ignore"):
        return np.log2(np.maximum(counts / expected, 1))


equivalent(
    "ppmi",
    mutant="line 1: 1 -> 0",
    why="Only a matrix without counts divides by it, and there no expected count is used.",
)
equivalent(
    "ppmi",
    mutant="line 1: 1 -> -1",
    why="Only a matrix without counts divides by it, and there no expected count is used.",
)
equivalent(
    "ppmi",
    mutant="line 2: 1 -> 2",
    why="The count is zero where the expected count is, and zero divided by anything is zero.",
)
equivalent(
    "ppmi",
    mutant="line 2: 1 -> -1",
    why="The count is zero where the expected count is, and zero divided by anything is zero.",
)


# --- skipgram_pairs ----------------------------------------------------------------------------------------------------


@right("skipgram_pairs", why="one distance at a time, each pair in both directions")
def pairs_by_distance(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    centers, contexts = [], []
    for sentence in sentences:
        for distance in range(1, window + 1):
            for first, second in zip(sentence, sentence[distance:]):
                centers += [first, second]
                contexts += [second, first]
    return np.array(centers, dtype=np.int64), np.array(contexts, dtype=np.int64)


@right("skipgram_pairs", why="a list of pairs, then two columns")
def pairs_then_columns(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (sentence[i], sentence[j])
        for sentence in sentences
        for i in range(len(sentence))
        for j in range(len(sentence))
        if i != j and abs(i - j) <= window
    ]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong("skipgram_pairs", misconception="Looks only to the right.", hint="one-sided")
def pairs_to_the_right(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(s[i], c) for s in sentences for i in range(len(s)) for c in s[i + 1 : i + window + 1]]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong("skipgram_pairs", misconception="Looks only to the left.", hint="Look right as well")
def pairs_to_the_left(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [(s[i], c) for s in sentences for i in range(len(s)) for c in s[max(0, i - window) : i]]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong("skipgram_pairs", misconception="Pairs a word with itself.", hint="not its own context")
def pairs_with_itself(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (s[i], c) for s in sentences for i in range(len(s)) for c in s[max(0, i - window) : i + window + 1]
    ]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong(
    "skipgram_pairs",
    misconception="Leaves out the word wherever it occurs in the window, instead of the position.",
    hint="skip the position i, not the word",
)
def pairs_of_different_words(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (s[i], c)
        for s in sentences
        for i in range(len(s))
        for c in s[max(0, i - window) : i + window + 1]
        if c != s[i]
    ]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong(
    "skipgram_pairs",
    misconception="Makes one long text of all sentences.",
    hint="windows cross from one sentence into the next",
)
def pairs_of_one_text(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    text = [word for sentence in sentences for word in sentence]
    centers, contexts = [], []
    for i in range(len(text)):
        for j in range(max(0, i - window), min(len(text), i + window + 1)):
            if i != j:
                centers.append(text[i])
                contexts.append(text[j])
    return np.array(centers, dtype=int), np.array(contexts, dtype=int)


@wrong(
    "skipgram_pairs",
    misconception="Stops one place early on the right.",
    hint="one end of the window is missing",
)
def pairs_end_excluded(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    centers, contexts = [], []
    for s in sentences:
        for i in range(len(s)):
            for j in range(max(0, i - window), min(len(s), i + window)):
                if i != j:
                    centers.append(s[i])
                    contexts.append(s[j])
    return np.array(centers, dtype=int), np.array(contexts, dtype=int)


@wrong(
    "skipgram_pairs", misconception="Takes direct neighbours only.", hint="this is the result for window=1"
)
def pairs_of_neighbours(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (s[i], s[j]) for s in sentences for i in range(len(s)) for j in (i - 1, i + 1) if 0 <= j < len(s)
    ]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong("skipgram_pairs", misconception="Lists each pair once.", hint="list it every time it occurs")
def pairs_once(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = {
        (s[i], s[j])
        for s in sentences
        for i in range(len(s))
        for j in range(len(s))
        if 1 <= abs(i - j) <= window
    }
    table = np.array(sorted(pairs), dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong("skipgram_pairs", misconception="Makes the window one place too wide.", hint="one place too far")
def pairs_too_wide(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (s[i], s[j])
        for s in sentences
        for i in range(len(s))
        for j in range(len(s))
        if 1 <= abs(i - j) <= window + 1
    ]
    table = np.array(pairs, dtype=int).reshape(-1, 2)
    return table[:, 0], table[:, 1]


@wrong("skipgram_pairs", misconception="Returns a list of pairs.", hint="must return two arrays")
def list_of_pairs(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    return [
        (s[i], s[j])
        for s in sentences
        for i in range(len(s))
        for j in range(len(s))
        if 1 <= abs(i - j) <= window
    ]


@wrong("skipgram_pairs", misconception="Returns floats when there are no pairs.", hint="give dtype=int")
def empty_floats(sentences: list[list[int]], window: int) -> tuple[np.ndarray, np.ndarray]:
    pairs = [
        (s[i], s[j])
        for s in sentences
        for i in range(len(s))
        for j in range(len(s))
        if 1 <= abs(i - j) <= window
    ]
    return np.array([first for first, _ in pairs]), np.array([second for _, second in pairs])


equivalent(
    "skipgram_pairs",
    mutant="line 8: return (np.array(centers, dtype=int), np.array(contexts, ... -> return (np.array(contexts, dtype=int), np.array(centers, ...",
    why="Windows reach as far to the left as to the right, so with (w, c) there is always (c, w); any order will do.",
)


# --- negative_sampling_distribution ------------------------------------------------------------------------------------


@right("negative_sampling_distribution", why="frequencies first, then the power, then normalised again")
def frequencies_first(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    frequencies = counts / counts.sum()
    weights = np.power(frequencies, power)
    return weights / np.sum(weights)


@right("negative_sampling_distribution", why="a list of floats")
def one_by_one(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    weights = [float(count) ** power for count in counts]
    total = sum(weights)
    return np.array([weight / total for weight in weights])


@wrong("negative_sampling_distribution", misconception="Leaves out the power.", hint="the power is left out")
def plain_frequencies(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    return counts / counts.sum()


@wrong(
    "negative_sampling_distribution",
    misconception="Raises the frequencies to the power and does not normalise again.",
    hint="this does not sum to 1",
)
def power_last(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    return (counts / counts.sum()) ** power


@wrong(
    "negative_sampling_distribution",
    misconception="Divides the powers by the sum of the counts.",
    hint="divide by the sum of the powers",
)
def wrong_sum(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    return counts**power / counts.sum()


@wrong("negative_sampling_distribution", misconception="Does not normalise.", hint="these are weights")
def weights_only(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    return counts**power


@wrong("negative_sampling_distribution", misconception="Draws uniformly.", hint="use the counts")
def uniform(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    return np.full(len(counts), 1 / len(counts))


@wrong("negative_sampling_distribution", misconception="Takes the inverse power.", hint="not 1/0.75")
def inverse_power(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    weights = counts ** (1 / power)
    return weights / weights.sum()


@wrong("negative_sampling_distribution", misconception="Divides by the largest.", hint="not by the largest")
def by_the_largest(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    return counts**power / (counts**power).max()


@wrong("negative_sampling_distribution", misconception="Ignores the argument.", hint="use the argument power")
def always_three_quarters(counts: np.ndarray, power: float = 0.75) -> np.ndarray:
    weights = counts**0.75
    return weights / weights.sum()


# --- sgns_loss ---------------------------------------------------------------------------------------------------------


@right("sgns_loss", why="one pair at a time")
def pair_losses(W, C, centers, contexts, negatives):
    total = 0.0
    for center, context, noise in zip(centers, contexts, negatives):
        total += np.logaddexp(0, -(W[center] @ C[context]))
        for n in noise:
            total += np.logaddexp(0, W[center] @ C[n])
    return float(total / len(centers))


@right("sgns_loss", why="true context and noise side by side, with a sign for each; torch's softplus")
def signed_scores(W, C, centers, contexts, negatives):
    targets = np.concatenate([contexts[:, None], negatives], axis=1)
    scores = (W[centers][:, None, :] * C[targets]).sum(axis=2)
    signs = np.ones(targets.shape)
    signs[:, 0] = -1
    return torch.nn.functional.softplus(torch.from_numpy(signs * scores)).sum(dim=1).mean().item()


@right("sgns_loss", why="splits the logarithm of the sigmoid by the sign of the score")
def split_by_sign(W, C, centers, contexts, negatives):
    def price(x):
        return np.maximum(-x, 0) + np.log1p(np.exp(-np.abs(x)))

    true_scores = (W[centers] * C[contexts]).sum(axis=-1)
    noise_scores = (C[negatives] @ W[centers][:, :, None])[:, :, 0]
    return (price(true_scores).sum() + price(-noise_scores).sum()) / len(centers)


@wrong("sgns_loss", misconception="Sums over the batch.", hint="this is the sum over the batch")
def batch_sum(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return np.logaddexp(0, -true_scores).sum() + np.logaddexp(0, noise_scores).sum()


@wrong(
    "sgns_loss",
    misconception="Returns the log-likelihood instead of the loss.",
    hint="a loss is minus the logarithm",
)
def negative_loss(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return -(np.logaddexp(0, -true_scores) + np.logaddexp(0, noise_scores).sum(axis=1)).mean()


@wrong("sgns_loss", misconception="Treats noise like true pairs.", hint="sign of the negative term is wrong")
def noise_as_true(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return (np.logaddexp(0, -true_scores) + np.logaddexp(0, -noise_scores).sum(axis=1)).mean()


@wrong(
    "sgns_loss",
    misconception="Subtracts the price of noise, taken with the sign of true pairs.",
    hint="sign of the negative term is wrong",
)
def noise_subtracted(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return (np.logaddexp(0, -true_scores) - np.logaddexp(0, -noise_scores).sum(axis=1)).mean()


@wrong("sgns_loss", misconception="Subtracts the price of noise.", hint="both terms are minus logarithms")
def terms_subtracted(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return (np.logaddexp(0, -true_scores) - np.logaddexp(0, noise_scores).sum(axis=1)).mean()


@wrong("sgns_loss", misconception="Turns the sign of the true pair.", hint="the true pair has the wrong sign")
def true_as_noise(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return (np.logaddexp(0, true_scores) + np.logaddexp(0, noise_scores).sum(axis=1)).mean()


@wrong("sgns_loss", misconception="Leaves out the noise.", hint="the noise is missing")
def no_noise(W, C, centers, contexts, negatives):
    return np.logaddexp(0, -np.einsum("bd,bd->b", W[centers], C[contexts])).mean()


@wrong("sgns_loss", misconception="Leaves out the true pair.", hint="the true pair is missing")
def no_true_pair(W, C, centers, contexts, negatives):
    return np.logaddexp(0, np.einsum("bd,bkd->bk", W[centers], C[negatives])).sum(axis=1).mean()


@wrong(
    "sgns_loss",
    misconception="Takes the mean over the noise words.",
    hint="sum over the noise words of a pair",
)
def mean_of_noise(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return (np.logaddexp(0, -true_scores) + np.logaddexp(0, noise_scores).mean(axis=1)).mean()


@wrong("sgns_loss", misconception="Takes the mean over all answers.", hint="the mean over all 1 + k answers")
def mean_of_all(W, C, centers, contexts, negatives):
    targets = np.concatenate([contexts[:, None], negatives], axis=1)
    scores = np.einsum("bd,bkd->bk", W[centers], C[targets])
    scores[:, 0] *= -1
    return np.logaddexp(0, scores).mean()


@wrong("sgns_loss", misconception="Uses bits.", hint="this is in bits")
def in_bits(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return (np.logaddexp(0, -true_scores) + np.logaddexp(0, noise_scores).sum(axis=1)).mean() / np.log(2)


@wrong("sgns_loss", misconception="Sums up probabilities of being wrong.", hint="the logarithm is missing")
def no_logarithm(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return float((1 - 1 / (1 + np.exp(-true_scores)) + (1 / (1 + np.exp(-noise_scores))).sum(axis=1)).mean())


@wrong("sgns_loss", misconception="Takes the noise from W.", hint="the noise words have their vectors in C")
def noise_from_W(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], W[negatives])
    return (np.logaddexp(0, -true_scores) + np.logaddexp(0, noise_scores).sum(axis=1)).mean()


@wrong("sgns_loss", misconception="Returns the losses of the pairs.", hint="return their mean")
def one_per_pair(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    return np.logaddexp(0, -true_scores) + np.logaddexp(0, noise_scores).sum(axis=1)


@wrong(
    "sgns_loss",
    misconception="Takes the logarithm of a sigmoid that has become 0.",
    hint="np.logaddexp(0, -x)",
)
def log_of_zero(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    with np.errstate(all="ignore"):
        true = np.log(1 / (1 + np.exp(-true_scores)))
        return -(true + np.log(1 / (1 + np.exp(noise_scores))).sum(axis=1)).mean()


@wrong("sgns_loss", misconception="Clips the sigmoid.", hint="the sigmoid was clipped")
def clipped(W, C, centers, contexts, negatives):
    true_scores = np.einsum("bd,bd->b", W[centers], C[contexts])
    noise_scores = np.einsum("bd,bkd->bk", W[centers], C[negatives])
    with np.errstate(all="ignore"):
        true = np.log(np.clip(1 / (1 + np.exp(-true_scores)), 1e-10, 1))
        return -(true + np.log(np.clip(1 / (1 + np.exp(noise_scores)), 1e-10, 1)).sum(axis=1)).mean()


equivalent(
    "sgns_loss",
    mutant="line 3: np.logaddexp(0, -true_scores) -> np.logaddexp(-true_scores, 0)",
    why="logaddexp is symmetric.",
)
equivalent(
    "sgns_loss",
    mutant="line 3: np.logaddexp(0, noise_scores) -> np.logaddexp(noise_scores, 0)",
    why="logaddexp is symmetric.",
)


# --- sgns_gradients ----------------------------------------------------------------------------------------------------


@right("sgns_gradients", why="one pair and one target at a time, all parts by hand")
def gradients_pair_by_pair(W, C, centers, contexts, negatives):
    grad_W, grad_C = np.zeros(W.shape), np.zeros(C.shape)
    for center, context, noise in zip(centers, contexts, negatives):
        error = 1 / (1 + np.exp(-(W[center] @ C[context]))) - 1
        grad_W[center] += error * C[context] / len(centers)
        grad_C[context] += error * W[center] / len(centers)
        for n in noise:
            error = 1 / (1 + np.exp(-(W[center] @ C[n])))
            grad_W[center] += error * C[n] / len(centers)
            grad_C[n] += error * W[center] / len(centers)
    return grad_W, grad_C


@right("sgns_gradients", why="a matrix of errors for all words, by products with one-hot rows")
def with_one_hot(W, C, centers, contexts, negatives):
    B = len(centers)
    targets = np.concatenate([contexts[:, None], negatives], axis=1)
    scores = (W[centers][:, None] * C[targets]).sum(axis=2)
    errors = np.exp(-np.logaddexp(0, -scores)) - (np.arange(targets.shape[1]) == 0)
    center_rows = np.eye(len(W))[centers]  # (B, V)
    target_rows = (errors[:, :, None] * np.eye(len(C))[targets]).sum(axis=1)  # (B, V)
    table = center_rows.T @ target_rows / B  # errors of every pair of words, added up
    return table @ C, table.T @ W


@right("sgns_gradients", why="adds with torch's index_add_")
def with_index_add(W, C, centers, contexts, negatives):
    targets = torch.from_numpy(np.concatenate([contexts[:, None], negatives], axis=1))
    W_, C_, centers_ = torch.from_numpy(W), torch.from_numpy(C), torch.from_numpy(centers)
    w, c = W_[centers_], C_[targets]
    errors = torch.sigmoid((w[:, None] * c).sum(dim=2))
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W = torch.zeros_like(W_).index_add_(0, centers_, (errors[:, :, None] * c).sum(dim=1))
    parts = (errors[:, :, None] * w[:, None]).reshape(-1, C.shape[1])
    grad_C = torch.zeros_like(C_).index_add_(0, targets.reshape(-1), parts)
    return grad_W.numpy(), grad_C.numpy()


def _pieces(W, C, centers, contexts, negatives):
    """What nearly all wrong answers below share."""
    targets = np.concatenate([contexts[:, None], negatives], axis=1)
    scores = np.einsum("bd,bkd->bk", W[centers], C[targets])
    return targets, 0.5 * (1 + np.tanh(scores / 2))


@wrong(
    "sgns_gradients",
    misconception="Subtracts what was said from what should have been.",
    hint="the sign is wrong",
)
def gradients_upside_down(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= -len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong("sgns_gradients", misconception="Forgets that the loss is a mean.", hint="divide by B")
def gradients_not_divided(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong(
    "sgns_gradients", misconception="Divides by the number of all targets.", hint="the number of all targets"
)
def gradients_divided_by_targets(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= targets.size
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong("sgns_gradients", misconception="Adds with +=, which keeps one part per word.", hint="Use np.add.at")
def gradients_overwritten(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    grad_W[centers] += np.einsum("bk,bkd->bd", errors, C[targets])
    grad_C[targets] += errors[:, :, None] * W[centers][:, None, :]
    return grad_W, grad_C


@wrong("sgns_gradients", misconception="Adds with += in C only.", hint="must be added up")
def gradients_of_C_overwritten(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    grad_C[contexts] += errors[:, :1] * W[centers]
    grad_C[negatives] += errors[:, 1:, None] * W[centers][:, None, :]
    return grad_W, grad_C


@wrong(
    "sgns_gradients", misconception="Treats noise like true pairs.", hint="noise is treated like a true pair"
)
def gradients_noise_as_true(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors = (errors - 1) / len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong(
    "sgns_gradients",
    misconception="Turns the sign of the true pair.",
    hint="the true pair has the wrong sign",
)
def gradients_true_turned(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] = 1 - errors[:, 0]
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong("sgns_gradients", misconception="Turns the sign of the noise.", hint="the noise has the wrong sign")
def gradients_noise_turned(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors[:, 1:] *= -1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong("sgns_gradients", misconception="Leaves out what the noise does.", hint="the noise is missing")
def gradients_without_noise(W, C, centers, contexts, negatives):
    _, errors = _pieces(W, C, centers, contexts, negatives)
    errors = (errors[:, :1] - 1) / len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, errors * C[contexts])
    np.add.at(grad_C, contexts, errors * W[centers])
    return grad_W, grad_C


@wrong(
    "sgns_gradients",
    misconception="Leaves out what the true context does.",
    hint="the true context is missing",
)
def gradients_without_true(W, C, centers, contexts, negatives):
    _, errors = _pieces(W, C, centers, contexts, negatives)
    errors = errors[:, 1:] / len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[negatives]))
    np.add.at(grad_C, negatives, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong(
    "sgns_gradients",
    misconception="Moves only the center away from noise, and not the noise words.",
    hint="the noise words have gradients too",
)
def gradients_noise_words_left_out(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, contexts, errors[:, :1] * W[centers])
    return grad_W, grad_C


@wrong(
    "sgns_gradients",
    misconception="Multiplies by the derivative of the sigmoid, as for a squared error.",
    hint="own derivative is not needed",
)
def gradients_of_squared_error(W, C, centers, contexts, negatives):
    targets, sigmoids = _pieces(W, C, centers, contexts, negatives)
    errors = sigmoids.copy()
    errors[:, 0] -= 1
    errors *= sigmoids * (1 - sigmoids) / len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_W, grad_C


@wrong("sgns_gradients", misconception="Returns one row per pair.", hint="one row per word")
def gradients_per_pair(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= len(centers)
    return np.einsum("bk,bkd->bd", errors, C[targets]), errors[:, :, None] * W[centers][:, None, :]


@wrong("sgns_gradients", misconception="Swaps the two gradients.", hint="this is the gradient of C")
def gradients_swapped(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    return grad_C, grad_W


@wrong("sgns_gradients", misconception="Takes the step itself, in W and C.", hint="changed W or C")
def gradients_in_place(W, C, centers, contexts, negatives):
    targets, errors = _pieces(W, C, centers, contexts, negatives)
    errors[:, 0] -= 1
    errors /= len(centers)
    grad_W, grad_C = np.zeros_like(W), np.zeros_like(C)
    np.add.at(grad_W, centers, np.einsum("bk,bkd->bd", errors, C[targets]))
    np.add.at(grad_C, targets, errors[:, :, None] * W[centers][:, None, :])
    W -= 0.1 * grad_W
    C -= 0.1 * grad_C
    return grad_W, grad_C


# --- analogy -----------------------------------------------------------------------------------------------------------


@right("analogy", why="full cosines, the question's words set to minus infinity")
def with_infinity(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.sqrt((vectors**2).sum(axis=1))[:, None]
    number = {word: i for i, word in enumerate(words)}
    target = unit[number[b]] - unit[number[a]] + unit[number[c]]
    cosines = unit @ target / np.linalg.norm(target)
    asked = {number[a], number[b], number[c]}
    cosines[list(asked)] = -np.inf
    best = np.argsort(cosines)[::-1][: min(n, len(words) - len(asked))]
    return [words[i] for i in best]


@right("analogy", why="sorts candidates with a key")
def sorted_candidates(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = {word: vector / np.linalg.norm(vector) for word, vector in zip(words, vectors)}
    target = unit[b] - unit[a] + unit[c]
    candidates = [word for word in words if word not in {a, b, c}]
    return sorted(candidates, key=lambda word: float(unit[word] @ target), reverse=True)[:n]


@right(
    "analogy", why="the nearest end point instead of the largest cosine: the same order among unit vectors"
)
def nearest_point(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    order = np.argsort(np.linalg.norm(unit - target, axis=1))
    return [words[i] for i in order if words[i] not in (a, b, c)][:n]


@wrong("analogy", misconception="Returns words of the question.", hint="leave out a, b and c")
def question_words_kept(
    vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1
) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return [words[i] for i in np.argsort(-(unit @ target))[:n]]


@wrong("analogy", misconception="Leaves out only c.", hint="leave out a, b and c")
def only_c_left_out(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return [words[i] for i in np.argsort(-(unit @ target)) if words[i] != c][:n]


@wrong("analogy", misconception="Takes a - b + c.", hint="the target is b - a + c")
def turned_round(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(a)] - unit[words.index(b)] + unit[words.index(c)]
    return [words[i] for i in np.argsort(-(unit @ target)) if words[i] not in (a, b, c)][:n]


@wrong("analogy", misconception="Compares by dot products.", hint="compare by cosine")
def by_dot_product(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    target = vectors[words.index(b)] - vectors[words.index(a)] + vectors[words.index(c)]
    return [words[i] for i in np.argsort(-(vectors @ target)) if words[i] not in (a, b, c)][:n]


@wrong(
    "analogy",
    misconception="Adds and subtracts vectors of any length, and divides only when comparing.",
    hint="with all vectors divided by their lengths",
)
def lengths_kept_in_the_target(
    vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1
) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = vectors[words.index(b)] - vectors[words.index(a)] + vectors[words.index(c)]
    return [words[i] for i in np.argsort(-(unit @ target)) if words[i] not in (a, b, c)][:n]


@wrong("analogy", misconception="Sorts from worst to best.", hint="the best answer has the largest cosine")
def worst_first(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return [words[i] for i in np.argsort(unit @ target) if words[i] not in (a, b, c)][:n]


@wrong("analogy", misconception="Returns the word instead of a list.", hint="return a list of words")
def bare_word(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return next(words[i] for i in np.argsort(-(unit @ target)) if words[i] not in (a, b, c))


@wrong("analogy", misconception="Returns numbers.", hint="return words, not their numbers")
def row_numbers(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return [int(i) for i in np.argsort(-(unit @ target)) if words[i] not in (a, b, c)][:n]


@wrong("analogy", misconception="Ignores n.", hint="use the argument n")
def always_one(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return [words[i] for i in np.argsort(-(unit @ target)) if words[i] not in (a, b, c)][:1]


@wrong(
    "analogy",
    misconception="Takes the first n, then leaves out the question's words.",
    hint="take the first n after leaving out",
)
def cut_too_early(vectors: np.ndarray, words: list[str], a: str, b: str, c: str, n: int = 1) -> list[str]:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    target = unit[words.index(b)] - unit[words.index(a)] + unit[words.index(c)]
    return [words[i] for i in np.argsort(-(unit @ target))[:n] if words[i] not in (a, b, c)]


# --- align -------------------------------------------------------------------------------------------------------------


@right("align", why="from new to old, then transposed")
def the_other_way(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, _, Vt = np.linalg.svd(new.T @ old)
    return (U @ Vt).T


@right(
    "align", why="the polar factor, with the inverse square root from eigenvectors; torch for the last step"
)
def polar(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    M = old.T @ new
    M = M / np.abs(M).max()
    for _ in range(100):  # Newton's iteration for the polar decomposition (Higham 1986)
        M = 0.5 * (M + torch.linalg.inv(torch.from_numpy(M)).T.numpy())
    return M


@wrong("align", misconception="Turns new to old.", hint="it turns new to old")
def new_to_old(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, _, Vt = np.linalg.svd(new.T @ old)
    return U @ Vt


@wrong("align", misconception="Takes the third array of numpy's svd for V.", hint="V already transposed")
def transposed_twice(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, _, Vt = np.linalg.svd(old.T @ new)
    return U @ Vt.T


@wrong("align", misconception="Keeps the singular values.", hint="leave out the singular values")
def with_singular_values(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, S, Vt = np.linalg.svd(old.T @ new)
    return U @ np.diag(S) @ Vt


@wrong("align", misconception="Allows only rotations.", hint="a reflection is allowed too")
def no_reflection(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, _, Vt = np.linalg.svd(old.T @ new)
    if np.linalg.det(U @ Vt) < 0:
        U[:, -1] *= -1
    return U @ Vt


@wrong(
    "align",
    misconception="Solves least squares, which stretches.",
    hint="it may turn and reflect, but not stretch",
)
def least_squares(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    return np.linalg.lstsq(old, new, rcond=None)[0]


@wrong("align", misconception="Returns the turned vectors.", hint="return the matrix R")
def turned_vectors(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, _, Vt = np.linalg.svd(old.T @ new)
    return old @ U @ Vt


@wrong("align", misconception="Decomposes the wrong product.", hint="not old @ new.T")
def words_by_words(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    U, _, Vt = np.linalg.svd(old @ new.T)
    return U @ Vt


# --- semantic_shift ----------------------------------------------------------------------------------------------------


@right("semantic_shift", why="unit vectors first; torch for the cosine")
def with_torch(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turned, target = torch.from_numpy(old @ rotation), torch.from_numpy(new)
    return (1 - torch.nn.functional.cosine_similarity(turned, target, dim=1, eps=1e-30)).numpy()


@right("semantic_shift", why="half the squared distance of unit vectors")
def squared_distance(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turned = old @ rotation
    turned = turned / np.linalg.norm(turned, axis=1, keepdims=True)
    target = new / np.linalg.norm(new, axis=1, keepdims=True)
    return ((turned - target) ** 2).sum(axis=1) / 2


@wrong("semantic_shift", misconception="Compares without alignment.", hint="the alignment is missing")
def not_aligned(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return 1 - (old * new).sum(axis=1) / (np.linalg.norm(old, axis=1) * np.linalg.norm(new, axis=1))


@wrong("semantic_shift", misconception="Turns the new vectors.", hint="the rotation goes to the old vectors")
def new_turned(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turned = new @ rotation
    return 1 - (old * turned).sum(axis=1) / (np.linalg.norm(old, axis=1) * np.linalg.norm(turned, axis=1))


@wrong("semantic_shift", misconception="Returns the cosine.", hint="this is the cosine")
def cosines(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turned = old @ rotation
    return (turned * new).sum(axis=1) / (np.linalg.norm(turned, axis=1) * np.linalg.norm(new, axis=1))


@wrong("semantic_shift", misconception="Leaves out the lengths.", hint="these are 1 - dot products")
def dot_products_only(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return 1 - (old @ rotation * new).sum(axis=1)


@wrong("semantic_shift", misconception="Compares all words with all words.", hint="the diagonal")
def all_pairs(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turned = old @ rotation
    lengths = np.outer(np.linalg.norm(turned, axis=1), np.linalg.norm(new, axis=1))
    return 1 - turned @ new.T / lengths


@wrong(
    "semantic_shift", misconception="Measures the distance between end points.", hint="between the end points"
)
def euclidean(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    return np.linalg.norm(old @ rotation - new, axis=1)


@wrong(
    "semantic_shift",
    misconception="Takes one length for the whole matrix.",
    hint="divide by the lengths of both vectors",
)
def one_length_for_all(old: np.ndarray, new: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    turned = old @ rotation
    return 1 - (turned * new).sum(axis=1) / (np.linalg.norm(turned) * np.linalg.norm(new))
