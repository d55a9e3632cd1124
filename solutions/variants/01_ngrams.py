"""Other right answers to notebook 01, and the wrong ones that students give."""

import itertools
import math
import random
from collections import Counter, defaultdict

import numpy as np

from autograder.variants import equivalent, right, wrong

# --- transition_matrix -------------------------------------------------------------------------------------------------


@right("transition_matrix", why="counts substrings of a string of V and C, row by row")
def with_strings(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = "".join("V" if letter in vowels else "C" for letter in text.lower() if letter.isalpha())
    rows = []
    for first in "VC":
        row = [
            sum(kinds[i] + kinds[i + 1] == first + second for i in range(len(kinds) - 1)) for second in "VC"
        ]
        rows.append([count / sum(row) if sum(row) else 0.0 for count in row])
    return np.array(rows)


@right("transition_matrix", why="numpy: adds ones at pairs of indices")
def with_numpy(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = np.array([letter not in vowels for letter in text.lower() if letter.isalpha()], dtype=int)
    counts = np.zeros((2, 2))
    np.add.at(counts, (kinds[:-1], kinds[1:]), 1)
    totals = counts.sum(axis=1)
    totals[totals == 0] = 1
    return counts / totals[:, None]


@wrong(
    "transition_matrix",
    misconception="Divides by the number of all pairs.",
    hint="divided by the number of all pairs",
)
def joint(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts / max(counts.sum(), 1)


@wrong("transition_matrix", misconception="Makes the columns sum to 1.", hint="the columns sum to 1")
def columns(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts / np.maximum(counts.sum(axis=0), 1)


@wrong("transition_matrix", misconception="Puts the next letter in the rows.", hint="transposed")
def transposed(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[following, current] += 1
    return counts / np.maximum(counts.sum(axis=0), 1)


@wrong("transition_matrix", misconception="Returns counts.", hint="these are counts")
def counts_only(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts


@wrong("transition_matrix", misconception="Takes a capital vowel for a consonant.", hint="upper case")
def capitals(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@wrong(
    "transition_matrix",
    misconception="Treats spaces and punctuation as consonants.",
    hint="skip what is not a letter",
)
def every_character(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if character in vowels else 1 for character in text.lower()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@wrong("transition_matrix", misconception="Counts pairs within words only.", hint="pairs run across spaces")
def within_words(text: str, vowels: str = "aeiou") -> np.ndarray:
    counts = np.zeros((2, 2))
    for word in text.lower().split():
        kinds = [0 if letter in vowels else 1 for letter in word if letter.isalpha()]
        for current, following in zip(kinds, kinds[1:]):
            counts[current, following] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@wrong("transition_matrix", misconception="Swaps the two kinds.", hint="kind 0 is vowel")
def swapped(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [1 if letter in vowels else 0 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@wrong("transition_matrix", misconception="Divides 0 by 0 in a row without pairs.", hint="NaN")
def nan_row(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    with np.errstate(invalid="ignore"):
        return counts / counts.sum(axis=1, keepdims=True)


@wrong(
    "transition_matrix",
    misconception="Visits letters two by two, so that every second pair is lost.",
    hint="every letter but the last starts a pair",
)
def disjoint_pairs(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for i in range(0, len(kinds) - 1, 2):
        counts[kinds[i], kinds[i + 1]] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


@wrong("transition_matrix", misconception="Ignores the argument vowels.", hint="use the argument vowels")
def always_aeiou(text: str, vowels: str = "aeiou") -> np.ndarray:
    kinds = [0 if letter in "aeiou" else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    return counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)


equivalent(
    "transition_matrix",
    mutant="line 1: 1 -> -1",
    why="Consonants get the index -1, and in an array of two the last row is row 1.",
)
equivalent(
    "transition_matrix",
    mutant="line 4: 1 -> 2",
    why="Every pair counts double, and dividing a row by its sum takes that out again.",
)


# --- count_ngrams ------------------------------------------------------------------------------------------------------


@right("count_ngrams", why="slides shifted copies of the padded sentence past each other with zip")
def with_zip(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = defaultdict(Counter)
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
        for window in zip(*(padded[i:] for i in range(n))):
            counts[window[:-1]][window[-1]] += 1
    return counts


@right("count_ngrams", why="counts whole windows first, then sorts them into contexts")
def windows_first(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    windows = Counter()
    for sentence in sentences:
        context = ("<s>",) * (n - 1)
        for word in [*sentence, "</s>"]:
            windows[(*context, word)] += 1
            context = (*context, word)[1:]
    table = {}
    for window, count in windows.items():
        table.setdefault(window[:-1], Counter())[window[-1]] = count
    return table


@wrong("count_ngrams", misconception="Does not pad the sentences.", hint="no padding")
def no_padding(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        for i in range(n - 1, len(sentence)):
            counts.setdefault(tuple(sentence[i - n + 1 : i]), Counter())[sentence[i]] += 1
    return counts


@wrong("count_ngrams", misconception="Forgets the end of the sentence.", hint="the end is missing")
def no_end(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong("count_ngrams", misconception="Forgets the start of the sentence.", hint="the start is missing")
def no_start(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = [*sentence, "</s>"]
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Counts across sentence borders, in one long text without padding.",
    hint="windows cross sentence borders",
)
def one_long_text(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    words = [word for sentence in sentences for word in sentence]
    for i in range(n - 1, len(words)):
        counts.setdefault(tuple(words[i - n + 1 : i]), Counter())[words[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Pads the sentences, then counts across their borders.",
    hint="windows cross sentence borders",
)
def padded_but_joined(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    words = []
    for sentence in sentences:
        words += ["<s>"] * (n - 1) + sentence + ["</s>"]
    for i in range(n - 1, len(words)):
        counts.setdefault(tuple(words[i - n + 1 : i]), Counter())[words[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Pads with n start symbols, so that <s> is counted as a prediction.",
    hint="<s> was counted as a prediction",
)
def n_start_symbols(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * n + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong(
    "count_ngrams", misconception="Always pads with one start symbol.", hint="n = 3 needs two start symbols"
)
def one_start_symbol(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * min(n - 1, 1) + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Always pads with one start symbol, for unigrams too.",
    hint="n = 1 needs no padding",
)
def always_one_start_symbol(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>", *sentence, "</s>"]
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Pads the end with n - 1 symbols, like the start.",
    hint="one end symbol is enough",
)
def many_end_symbols(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"] * max(n - 1, 1)
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong("count_ngrams", misconception="Counts every different window once.", hint="count every time it occurs")
def types_only(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            counts.setdefault(tuple(padded[i - n + 1 : i]), Counter())[padded[i]] = 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Uses the bare word as the context of a bigram.",
    hint="a context is a tuple",
)
def bare_word(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            counts.setdefault(" ".join(padded[i - n + 1 : i]), Counter())[padded[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Takes n words of context instead of n - 1.",
    hint="the context has n - 1 words",
)
def context_too_long(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * n + sentence + ["</s>"]
        for i in range(n, len(padded)):
            counts.setdefault(tuple(padded[i - n : i]), Counter())[padded[i]] += 1
    return counts


@wrong(
    "count_ngrams",
    misconception="Returns counts of whole windows instead of a table by context.",
    hint="for each context a Counter",
)
def flat(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = Counter()
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            counts[tuple(padded[i - n + 1 : i + 1])] += 1
    return counts


@wrong("count_ngrams", misconception="Takes a plain dict for a Counter.", hint="must be a Counter")
def plain_dicts(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            following = counts.setdefault(tuple(padded[i - n + 1 : i]), {})
            following[padded[i]] = following.get(padded[i], 0) + 1
    return counts


# --- mle_probability ---------------------------------------------------------------------------------------------------


@right("mle_probability", why="asks with get and stops early when the word is missing")
def with_get(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    following = counts.get(context, {})
    if word not in following:
        return 0.0
    return following[word] / sum(following.values())


@right("mle_probability", why="catches the KeyError of an unseen context")
def with_try(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    try:
        following = counts[context]
    except KeyError:
        return 0.0
    total = 0
    for count in following.values():
        total += count
    return following.get(word, 0) / total


@wrong(
    "mle_probability",
    misconception="Divides by the size of the corpus.",
    hint="divided by the size of the corpus",
)
def corpus_size(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    total = sum(sum(following.values()) for following in counts.values())
    return counts.get(context, Counter())[word] / total if total else 0.0


@wrong(
    "mle_probability", misconception="Divides by the number of different words.", hint="not by their number"
)
def number_of_types(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    following = counts.get(context, Counter())
    return following[word] / len(following) if following else 0.0


@wrong("mle_probability", misconception="Returns the count.", hint="this is the count")
def raw_count(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    return counts.get(context, Counter())[word]


@wrong(
    "mle_probability",
    misconception="Asks the table for a context that is not there.",
    hint="this context was never seen",
)
def key_error(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    return counts[context][word] / sum(counts[context].values())


@wrong(
    "mle_probability",
    misconception="Divides by 0 for a context never seen.",
    hint="this context was never seen",
)
def zero_division(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    following = counts.get(context, Counter())
    return following[word] / sum(following.values())


@wrong(
    "mle_probability",
    misconception="Divides by how often the word occurs, not the context.",
    hint="not the word",
)
def by_word(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    total = sum(following.get(word, 0) for following in counts.values())
    return counts.get(context, Counter())[word] / total if total else 0.0


@wrong(
    "mle_probability",
    misconception="Divides by the largest count after the context.",
    hint="the largest of them",
)
def by_largest(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    following = counts.get(context, Counter())
    return following[word] / max(following.values()) if following else 0.0


@wrong(
    "mle_probability",
    misconception="Gives a context never seen equal shares.",
    hint="a context never seen tells nothing here",
)
def uniform_when_unseen(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    if context not in counts:
        words = {w for following in counts.values() for w in following}
        return 1 / max(len(words), 1)
    return counts[context][word] / sum(counts[context].values())


# --- sentence_log_probability ------------------------------------------------------------------------------------------


@right("sentence_log_probability", why="moves a context along instead of slicing the padded sentence")
def moving_context(probability, sentence: list[str], n: int) -> float:
    context = ("<s>",) * (n - 1)
    total = 0.0
    for word in [*sentence, "</s>"]:
        p = probability(context, word)
        total += math.log(p) if p > 0 else -math.inf
        context = (*context, word)[1:]
    return total


@right("sentence_log_probability", why="collects probabilities, then numpy's log of the whole array")
def numpy_logs(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    windows = zip(*(padded[i:] for i in range(n)))
    probabilities = np.array([probability(window[:-1], window[-1]) for window in windows])
    with np.errstate(divide="ignore"):
        return float(np.log(probabilities).sum())


@wrong(
    "sentence_log_probability",
    misconception="Multiplies first and takes the logarithm of the product.",
    hint="underflows",
)
def log_of_product(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    product = 1.0
    for i in range(n - 1, len(padded)):
        product *= probability(tuple(padded[i - n + 1 : i]), padded[i])
    return math.log(product)


@wrong(
    "sentence_log_probability",
    misconception="Multiplies first and turns a product of 0 into minus infinity.",
    hint="underflows",
)
def guarded_log_of_product(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    product = math.prod(
        probability(tuple(padded[i - n + 1 : i]), padded[i]) for i in range(n - 1, len(padded))
    )
    return math.log(product) if product > 0 else -math.inf


@wrong(
    "sentence_log_probability",
    misconception="Returns the probability itself.",
    hint="this is the probability itself",
)
def probability_itself(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    return math.prod(probability(tuple(padded[i - n + 1 : i]), padded[i]) for i in range(n - 1, len(padded)))


@wrong(
    "sentence_log_probability", misconception="Predicts <s> as well.", hint="<s> was counted as a prediction"
)
def start_predicted(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * n + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        total += math.log(p) if p > 0 else -math.inf
    return total


@wrong(
    "sentence_log_probability",
    misconception="Does not charge the end of the sentence.",
    hint="the end is not charged",
)
def end_free(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        total += math.log(p) if p > 0 else -math.inf
    return total


@wrong(
    "sentence_log_probability",
    misconception="Starts with the second word, without padding.",
    hint="the first word is missing",
)
def first_word_free(probability, sentence: list[str], n: int) -> float:
    words = [*sentence, "</s>"]
    total = 0.0
    for i in range(n - 1, len(words)):
        p = probability(tuple(words[i - n + 1 : i]), words[i])
        total += math.log(p) if p > 0 else -math.inf
    return total


@wrong("sentence_log_probability", misconception="Does not pad at all.", hint="no padding")
def unpadded(probability, sentence: list[str], n: int) -> float:
    total = 0.0
    for i in range(n - 1, len(sentence)):
        p = probability(tuple(sentence[i - n + 1 : i]), sentence[i])
        total += math.log(p) if p > 0 else -math.inf
    return total


@wrong("sentence_log_probability", misconception="Uses base 2.", hint="base 2 gives bits")
def in_bits(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        total += math.log2(p) if p > 0 else -math.inf
    return total


@wrong("sentence_log_probability", misconception="Uses base 10.", hint="base 10")
def base_ten(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        total += math.log10(p) if p > 0 else -math.inf
    return total


@wrong(
    "sentence_log_probability",
    misconception="Returns the surprise, with a plus sign.",
    hint="the sign is wrong",
)
def positive(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        total -= math.log(p) if p > 0 else -math.inf
    return total


@wrong("sentence_log_probability", misconception="Averages over the tokens.", hint="average per token")
def averaged(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    logs = []
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        logs.append(math.log(p) if p > 0 else -math.inf)
    return sum(logs) / len(logs)


@wrong(
    "sentence_log_probability",
    misconception="Gives the whole beginning of the sentence as context.",
    hint="exactly n - 1 words",
)
def whole_prefix(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[:i]), padded[i])
        total += math.log(p) if p > 0 else -math.inf
    return total


@wrong(
    "sentence_log_probability",
    misconception="Gives the context as a list.",
    hint="the context must be a tuple",
)
def list_context(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(padded[i - n + 1 : i], padded[i])
        total += math.log(p) if p > 0 else -math.inf
    return total


@wrong(
    "sentence_log_probability",
    misconception="Takes the logarithm of 0.",
    hint="return -math.inf for an impossible sentence",
)
def log_of_zero(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    return sum(
        math.log(probability(tuple(padded[i - n + 1 : i]), padded[i])) for i in range(n - 1, len(padded))
    )


@wrong(
    "sentence_log_probability",
    misconception="Skips words with probability 0.",
    hint="return -math.inf for an impossible sentence",
)
def zeros_skipped(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        if p > 0:
            total += math.log(p)
    return total


@wrong(
    "sentence_log_probability",
    misconception="Adds a tiny number to avoid the logarithm of 0.",
    hint="return -math.inf for an impossible sentence",
)
def epsilon(probability, sentence: list[str], n: int) -> float:
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    return sum(
        math.log(probability(tuple(padded[i - n + 1 : i]), padded[i]) + 1e-12)
        for i in range(n - 1, len(padded))
    )


# --- perplexity --------------------------------------------------------------------------------------------------------


@right("perplexity", why="one loop with two running totals")
def two_totals(log_probability, sentences: list[list[str]]) -> float:
    nats, tokens = 0.0, 0
    for sentence in sentences:
        nats -= log_probability(sentence)
        tokens += len(sentence) + 1
    return math.exp(nats / tokens)


@right("perplexity", why="counts words and sentences apart, numpy's exp")
def words_and_ends(log_probability, sentences: list[list[str]]) -> float:
    tokens = len(list(itertools.chain.from_iterable(sentences))) + len(sentences)
    return float(np.exp(-np.sum([log_probability(sentence) for sentence in sentences]) / tokens))


@wrong(
    "perplexity", misconception="Averages the perplexities of the sentences.", hint="mean of the perplexities"
)
def mean_of_perplexities(log_probability, sentences: list[list[str]]) -> float:
    values = [math.exp(-log_probability(sentence) / (len(sentence) + 1)) for sentence in sentences]
    return sum(values) / len(values)


@wrong("perplexity", misconception="Averages the averages of the sentences.", hint="averages the averages")
def mean_of_means(log_probability, sentences: list[list[str]]) -> float:
    values = [-log_probability(sentence) / (len(sentence) + 1) for sentence in sentences]
    return math.exp(sum(values) / len(values))


@wrong(
    "perplexity",
    misconception="Does not count the end as a token.",
    hint="the end of a sentence is a token too",
)
def ends_not_counted(log_probability, sentences: list[list[str]]) -> float:
    total = sum(log_probability(sentence) for sentence in sentences)
    return math.exp(-total / max(sum(len(sentence) for sentence in sentences), 1))


@wrong("perplexity", misconception="Counts <s> as a predicted token.", hint="<s> is not a predicted token")
def starts_counted(log_probability, sentences: list[list[str]]) -> float:
    total = sum(log_probability(sentence) for sentence in sentences)
    return math.exp(-total / sum(len(sentence) + 2 for sentence in sentences))


@wrong(
    "perplexity",
    misconception="Divides by the number of sentences.",
    hint="divided by the number of sentences",
)
def per_sentence(log_probability, sentences: list[list[str]]) -> float:
    return math.exp(-sum(log_probability(sentence) for sentence in sentences) / len(sentences))


@wrong("perplexity", misconception="Does not divide.", hint="divide by the number of tokens before")
def not_divided(log_probability, sentences: list[list[str]]) -> float:
    return float(np.exp(np.float64(-sum(log_probability(sentence) for sentence in sentences))))


@wrong("perplexity", misconception="Forgets the minus sign.", hint="the sign is wrong")
def inverse(log_probability, sentences: list[list[str]]) -> float:
    total = sum(log_probability(sentence) for sentence in sentences)
    return math.exp(total / sum(len(sentence) + 1 for sentence in sentences))


@wrong("perplexity", misconception="Stops at the average surprise.", hint="exponential is missing")
def no_exponential(log_probability, sentences: list[list[str]]) -> float:
    total = sum(log_probability(sentence) for sentence in sentences)
    return -total / sum(len(sentence) + 1 for sentence in sentences)


@wrong("perplexity", misconception="Raises 2 to a number of nats.", hint="base 2 on nats")
def base_two(log_probability, sentences: list[list[str]]) -> float:
    total = sum(log_probability(sentence) for sentence in sentences)
    return 2 ** (-total / sum(len(sentence) + 1 for sentence in sentences))


@wrong("perplexity", misconception="Drops sentences that the model finds impossible.", hint="do not skip")
def impossible_dropped(log_probability, sentences: list[list[str]]) -> float:
    scored = [(log_probability(sentence), len(sentence) + 1) for sentence in sentences]
    kept = [(nats, tokens) for nats, tokens in scored if nats > -math.inf]
    return math.exp(-sum(nats for nats, _ in kept) / max(sum(tokens for _, tokens in kept), 1))


# --- add_k_probability -------------------------------------------------------------------------------------------------


@right("add_k_probability", why="treats the unseen context first")
def unseen_first(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    if context not in counts:
        return 1 / vocabulary_size if k > 0 else 0.0
    following = counts[context]
    return (following.get(word, 0) + k) / (sum(following.values()) + k * vocabulary_size)


@right("add_k_probability", why="a mixture of relative frequency and equal shares, which is the same")
def as_a_mixture(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, {})
    seen, added = sum(following.values()), k * vocabulary_size
    if seen + added == 0:
        return 0.0
    weight = seen / (seen + added)
    frequency = following.get(word, 0) / seen if seen else 0.0
    return weight * frequency + (1 - weight) / vocabulary_size


@wrong("add_k_probability", misconception="Adds k above and nothing below.", hint="kV is missing below")
def nothing_below(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    total = sum(following.values())
    return (following[word] + k) / total if total else 1 / vocabulary_size


@wrong("add_k_probability", misconception="Adds k once below, not once per word.", hint="not once")
def k_once(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    total = sum(following.values()) + k
    return (following[word] + k) / total if total else 0.0


@wrong("add_k_probability", misconception="Adds V below as if k were 1.", hint="not kV")
def size_below(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    return (following[word] + k) / (sum(following.values()) + vocabulary_size)


@wrong("add_k_probability", misconception="Always adds 1.", hint="you added 1")
def add_one(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    return (following[word] + 1) / (sum(following.values()) + vocabulary_size)


@wrong(
    "add_k_probability",
    misconception="Smooths only words that were seen.",
    hint="a word never seen after this context gets k",
)
def seen_words_only(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    if word not in following:
        return 0.0
    return (following[word] + k) / (sum(following.values()) + k * vocabulary_size)


@wrong(
    "add_k_probability",
    misconception="Adds k below for the words seen after the context only.",
    hint="not only for words seen here",
)
def types_for_vocabulary(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    total = sum(following.values()) + k * len(following)
    return (following[word] + k) / total if total else 1 / vocabulary_size


@wrong(
    "add_k_probability", misconception="Forgets k above.", hint="a word never seen after this context gets k"
)
def no_k_above(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    total = sum(following.values()) + k * vocabulary_size
    return following[word] / total if total else 0.0


@wrong("add_k_probability", misconception="Divides by the size of the corpus.", hint="the size of the corpus")
def corpus_total(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    total = sum(sum(following.values()) for following in counts.values()) + k * vocabulary_size
    return (counts.get(context, Counter())[word] + k) / total if total else 0.0


@wrong(
    "add_k_probability",
    misconception="Gives a context never seen probability 0.",
    hint="every word is equally likely",
)
def zero_when_unseen(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    if context not in counts:
        return 0.0
    return (counts[context][word] + k) / (sum(counts[context].values()) + k * vocabulary_size)


@wrong(
    "add_k_probability",
    misconception="Asks the table for a context that is not there.",
    hint="a context never seen has counts of 0",
)
def unseen_key(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    return (counts[context][word] + k) / (sum(counts[context].values()) + k * vocabulary_size)


@wrong(
    "add_k_probability",
    misconception="Counts the different words instead of adding their counts.",
    hint="the sum of its counts",
)
def types_for_total(
    counts: dict[tuple[str, ...], Counter],
    context: tuple[str, ...],
    word: str,
    k: float,
    vocabulary_size: int,
) -> float:
    following = counts.get(context, Counter())
    total = len(following) + k * vocabulary_size
    return (following[word] + k) / total if total else 0.0


# --- continuation_counts -----------------------------------------------------------------------------------------------


@right("continuation_counts", why="collects the set of words before each window, then takes its size")
def sets_of_words(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    before = defaultdict(set)
    for context, following in counts.items():
        for word in following:
            before[context[1:], word].add(context[0])
    lower = defaultdict(Counter)
    for (context, word), words in before.items():
        lower[context][word] = len(words)
    return dict(lower)


@right(
    "continuation_counts",
    why="updates each counter with the keys of the old one",
)
def update_with_keys(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {}
    for (_, *rest), following in counts.items():
        lower.setdefault(tuple(rest), Counter()).update(following.keys())
    return lower


@wrong(
    "continuation_counts",
    misconception="Replaces continuation counts by raw counts.",
    hint="these are raw counts",
)
def raw_counts(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {}
    for context, following in counts.items():
        for word, count in following.items():
            lower.setdefault(context[1:], Counter())[word] += count
    return lower


@wrong(
    "continuation_counts",
    misconception="Drops the last word of the context instead of the first.",
    hint="the context loses its first word",
)
def wrong_end(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {}
    for context, following in counts.items():
        for word in following:
            lower.setdefault(context[:-1], Counter())[word] += 1
    return lower


@wrong(
    "continuation_counts",
    misconception="Counts the words after each context.",
    hint="count the words before each window",
)
def words_after(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    return {context: len(following) for context, following in counts.items()}


@wrong(
    "continuation_counts",
    misconception="Writes 1 for every window instead of adding 1.",
    hint="every word got 1",
)
def always_one(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {}
    for context, following in counts.items():
        for word in following:
            lower.setdefault(context[1:], Counter())[word] = 1
    return lower


@wrong(
    "continuation_counts",
    misconception="Returns one counter instead of a table.",
    hint="the result is a table as well",
)
def one_counter(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = Counter()
    for following in counts.values():
        for word in following:
            lower[word] += 1
    return lower


@wrong(
    "continuation_counts",
    misconception="Goes down to the empty context at once.",
    hint="the context loses only its first word",
)
def down_to_unigrams(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {(): Counter()}
    for following in counts.values():
        for word in following:
            lower[()][word] += 1
    return lower


@wrong(
    "continuation_counts",
    misconception="Counts the contexts instead of the words that follow.",
    hint="you counted the contexts",
)
def contexts_counted(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {}
    for context, following in counts.items():
        lower.setdefault(context[1:], Counter())[context[0]] += len(following)
    return lower


@wrong("continuation_counts", misconception="Takes a plain dict for a Counter.", hint="must be a Counter")
def plain_dicts_below(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    lower = {}
    for context, following in counts.items():
        for word in following:
            table = lower.setdefault(context[1:], {})
            table[word] = table.get(word, 0) + 1
    return lower


# --- kneser_ney_probability --------------------------------------------------------------------------------------------


@right(
    "kneser_ney_probability",
    why="no recursion: starts from equal shares and works upwards through the tables",
)
def bottom_up(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    p = 1 / vocabulary_size
    for order, table in enumerate(tables):
        following = table.get(context[len(context) - order :], Counter())
        total = sum(following.values())
        if total > 0:
            p = max(following[word] - discount, 0) / total + discount * len(following) / total * p
    return p


@right("kneser_ney_probability", why="gives back what is left over when the kept parts are added up")
def what_is_left(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if len(tables) == 0:
        return 1.0 / vocabulary_size
    shorter = what_is_left(tables[:-1], context[1:], word, vocabulary_size, discount)
    if context not in tables[-1]:
        return shorter
    kept = {w: max(0.0, count - discount) for w, count in tables[-1][context].items()}
    total = sum(tables[-1][context].values())
    return kept.get(word, 0.0) / total + (1 - sum(kept.values()) / total) * shorter


@wrong(
    "kneser_ney_probability",
    misconception="Takes the discount and does not give it back.",
    hint="not given back",
)
def not_given_back(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    following = tables[-1].get(context)
    if not following:
        return not_given_back(tables[:-1], context[1:], word, vocabulary_size, discount)
    return max(following[word] - discount, 0) / sum(following.values())


@wrong(
    "kneser_ney_probability",
    misconception="Asks the shorter context only for words with count 0.",
    hint="not given back",
)
def back_off_only(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = back_off_only(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    if following[word] > 0:
        return (following[word] - discount) / total
    return discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Adds the whole probability of the shorter context.",
    hint="shares out only what was taken",
)
def all_given_back(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = all_given_back(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    return max(following[word] - discount, 0) / sum(following.values()) + lower


@wrong(
    "kneser_ney_probability",
    misconception="Gives back D once, not once per different word.",
    hint="D was taken from each different word",
)
def one_discount(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = one_discount(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Uses D itself as the weight of the shorter context.",
    hint="D was taken from each different word",
)
def discount_as_weight(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = discount_as_weight(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    return max(following[word] - discount, 0) / sum(following.values()) + discount * lower


@wrong(
    "kneser_ney_probability",
    misconception="Gives back D times types without dividing by the total.",
    hint="len(counter) / total",
)
def weight_not_divided(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = weight_not_divided(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    return max(following[word] - discount, 0) / sum(following.values()) + discount * len(following) * lower


@wrong(
    "kneser_ney_probability",
    misconception="Takes nothing from the words that were seen.",
    hint="the discount is missing",
)
def no_discount(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = no_discount(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return following[word] / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Returns the relative frequency where there is one.",
    hint="the discount is missing",
)
def maximum_likelihood(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    for table in reversed(tables):
        following = table.get(context, Counter())
        if following[word] > 0:
            return following[word] / sum(following.values())
        context = context[1:]
    return 1 / vocabulary_size


@wrong(
    "kneser_ney_probability",
    misconception="Lets the discount make a count negative.",
    hint="max(count - D, 0)",
)
def negative_counts(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = negative_counts(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return (following[word] - discount) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Uses the relative frequency for unigrams.",
    hint="the chain ends too early",
)
def unigrams_not_smoothed(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    following = tables[-1].get(context)
    if len(tables) == 1:
        return following[word] / sum(following.values()) if following else 1 / vocabulary_size
    lower = unigrams_not_smoothed(tables[:-1], context[1:], word, vocabulary_size, discount)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Ends the chain with 0 instead of equal shares.",
    hint="the chain ends too early",
)
def ends_with_zero(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 0.0
    lower = ends_with_zero(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Goes from the highest table to equal shares at once.",
    hint="each order hands over to the next lower one",
)
def lower_orders_skipped(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    lower = 1 / vocabulary_size
    following = tables[-1].get(context) if tables else None
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Replaces the continuation counts of the lower orders by raw counts.",
    hint="the lower orders use raw counts",
)
def raw_lower_orders(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    raw = {}
    for longer, following in tables[-1].items():
        for follower, count in following.items():
            raw.setdefault(longer[1:], Counter())[follower] += count
    lower_tables = [*tables[:-2], raw] if len(tables) > 1 else []
    lower = raw_lower_orders(lower_tables, context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Shortens the context at the wrong end.",
    hint="drops the word farthest away",
)
def shortened_at_the_end(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = shortened_at_the_end(tables[:-1], context[:-1], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Returns 0 after a context never seen.",
    hint="a context never seen says nothing",
)
def zero_when_unseen(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    following = tables[-1].get(context)
    if not following:
        return 0.0
    lower = zero_when_unseen(tables[:-1], context[1:], word, vocabulary_size, discount)
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Gives equal shares after a context never seen.",
    hint="a context never seen says nothing",
)
def equal_when_unseen(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables or context not in tables[-1]:
        return 1 / vocabulary_size
    following = tables[-1][context]
    lower = equal_when_unseen(tables[:-1], context[1:], word, vocabulary_size, discount)
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Asks the table for a context that is not there.",
    hint="a context never seen says nothing",
)
def unseen_key(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = unseen_key(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1][context]
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Always takes 0.75, whatever discount is asked.",
    hint="not always 0.75",
)
def fixed_discount(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = fixed_discount(tables[:-1], context[1:], word, vocabulary_size)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - 0.75, 0) / total + 0.75 * len(following) / total * lower


@wrong(
    "kneser_ney_probability",
    misconception="Forgets to hand the discount on to the shorter context.",
    hint="hand the discount on",
)
def discount_not_handed_on(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    if not tables:
        return 1 / vocabulary_size
    lower = discount_not_handed_on(tables[:-1], context[1:], word, vocabulary_size)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    return max(following[word] - discount, 0) / total + discount * len(following) / total * lower


# --- generate ----------------------------------------------------------------------------------------------------------


@right("generate", why="draws one number and finds it in the cumulative sum; keeps a padded list")
def cumulative_sum(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    words = ["<s>"] * (n - 1)
    for _ in range(max_words):
        context = tuple(words[len(words) - n + 1 :])
        cumulative = np.cumsum([probability(context, word) for word in vocabulary])
        position = int(np.searchsorted(cumulative, rng.random() * cumulative[-1], side="right"))
        if vocabulary[position] == "</s>":
            break
        words.append(vocabulary[position])
    return words[n - 1 :]


@right("generate", why="lets numpy choose among the words themselves, so that its own string type comes out")
def choice_of_words(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    sentence = []
    context = ("<s>",) * (n - 1)
    for _ in range(max_words):
        word = rng.choice(vocabulary, p=[probability(context, w) for w in vocabulary])
        if word == "</s>":
            return sentence
        sentence.append(word)
        context = (*context, str(word))[1:]
    return sentence


@wrong("generate", misconception="Takes the likeliest word (argmax) instead of sampling.", hint="argmax")
def likeliest_word(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = max(vocabulary, key=lambda w: probability(context, w))
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence


@wrong("generate", misconception="Draws uniformly among the words that are possible.", hint="not uniformly")
def uniform_over_possible(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        possible = [w for w in vocabulary if probability(context, w) > 0]
        word = possible[rng.integers(len(possible))]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence


@wrong(
    "generate", misconception="Draws uniformly from the vocabulary.", hint="with the model's probabilities"
)
def uniform_over_vocabulary(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.integers(len(vocabulary))]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence


@wrong("generate", misconception="Never moves the context on.", hint="the context never moves on")
def fixed_context(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
    return sentence


@wrong("generate", misconception="Lets the context grow.", hint="the last n - 1 words")
def growing_context(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
        context = context + (word,)
    return sentence


@wrong(
    "generate",
    misconception="Cuts the context with [-(n - 1):], which is everything when n is 1.",
    hint="words[-0:]",
)
def minus_zero(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[-(n - 1) :]
    return sentence


@wrong("generate", misconception="Starts with an empty context.", hint="at the start n - 1 symbols <s>")
def empty_start(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    sentence = []
    while len(sentence) < max_words:
        context = tuple(sentence[max(0, len(sentence) - n + 1) :])
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
    return sentence


@wrong("generate", misconception="Returns the end symbol as a word.", hint="the end symbol is not a word")
def with_end_symbol(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        sentence.append(word)
        if word == "</s>":
            break
        context = (context + (word,))[1:]
    return sentence


@wrong("generate", misconception="Returns the start symbols as words.", hint="the start symbol is not a word")
def with_start_symbols(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    sentence = ["<s>"] * (n - 1)
    while len(sentence) < max_words + n - 1:
        context = tuple(sentence[len(sentence) - n + 1 :])
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
    return sentence


@wrong(
    "generate", misconception="Goes on after the end of the sentence.", hint="stop when the model draws </s>"
)
def goes_on_after_the_end(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word != "</s>":
            sentence.append(word)
        context = (context + (word,))[1:]
    return sentence


@wrong("generate", misconception="Does not heed max_words.", hint="stop after max_words")
def without_a_limit(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while True:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            return sentence
        sentence.append(word)
        context = (context + (word,))[1:]


@wrong("generate", misconception="Stops one word late.", hint="one off")
def one_word_more(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) <= max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence


@wrong(
    "generate",
    misconception="Makes a generator of its own with a fixed seed.",
    hint="not with one of your own",
)
def own_seed(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    rng = np.random.default_rng(0)
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = vocabulary[rng.choice(len(vocabulary), p=[probability(context, w) for w in vocabulary])]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence


@wrong(
    "generate",
    misconception="Uses Python's global generator instead of rng.",
    hint="same seed must give the same sentence",
)
def global_generator(
    probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30
) -> list[str]:
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        word = random.choices(vocabulary, weights=[probability(context, w) for w in vocabulary])[0]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence
