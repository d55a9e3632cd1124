# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#       format_version: '1.3'
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # 01 · Counting n-grams
#
# How far can you get in predicting the next word by *counting*? Surprisingly far. For decades the language models inside speech
# recognisers and translators were tables of counts, and the ideas behind them (a model is a list of probabilities; test it on text it
# has not seen; keep some probability for what you have not seen) are the ideas behind every larger model.
#
# You will follow them in the order in which they were found: letters in 1913, then words, then the trouble with words never seen
# together, and a remedy so good that it stayed the standard until neural networks came.
#
# **After this notebook you can**
#
# - turn counts into the probability of a next word, of a sentence, of a text;
# - say why a model that is perfect on its training text can be worthless;
# - write add-k and interpolated Kneser-Ney smoothing of any order;
# - let a model write.
#
# **Time:** about two hours, 90 minutes of it for the exercises and questions. **Points:** 40. **You need:** Python dictionaries; a little NumPy (arrays such as `np.zeros((2, 2))`, their sums and division); *bits per character* and *perplexity* from notebook 00.

# %% setup
import math
from collections import Counter
from functools import cache

import numpy as np

from nextword import check, corpus, hand_in, ladder, plots, preset

# Four sentences, small enough to check every number by hand, and two tables made from them (sections 2 and 7).
story = [["the", "cat", "sleeps"], ["the", "dog", "barks"], ["the", "dog", "sleeps", "here"], ["a", "cat", "sleeps"]]
story_bigrams = {
    ("<s>",): Counter({"the": 3, "a": 1}),
    ("the",): Counter({"dog": 2, "cat": 1}),
    ("a",): Counter({"cat": 1}),
    ("cat",): Counter({"sleeps": 2}),
    ("dog",): Counter({"barks": 1, "sleeps": 1}),
    ("sleeps",): Counter({"</s>": 2, "here": 1}),
    ("barks",): Counter({"</s>": 1}),
    ("here",): Counter({"</s>": 1}),
}
story_continuations = {
    (): Counter({"</s>": 3, "cat": 2, "sleeps": 2, "the": 1, "a": 1, "dog": 1, "barks": 1, "here": 1}),
}

print(preset())

# %% experiment
village = corpus("village")
train, held_out = village.train, village.valid
print(f"{len(train)} sentences to learn from, {len(held_out)} held out. One of them: {' '.join(train[0])}")

# %% [markdown]
# ## 1 Letters: Markov reads a poem (1913)
#
# On 23 January 1913 the mathematician A. A. Markov told the Academy of Sciences in St. Petersburg what he had found in Pushkin's
# novel in verse *Eugene Onegin*. He had taken its first 20,000 letters, without spaces, punctuation and the two silent letters of
# Russian, and called every letter a vowel or a consonant. Then he counted, by hand, what follows what.
#
# If letters were drawn independently, like throws of a die, a vowel would be as likely after a vowel as after a consonant. It was not
# (Markov 1913, English translation 2006). The next cell draws his numbers.

# %% experiment
onegin = {"anywhere": 0.432, "after a vowel": 0.128, "after a consonant": 0.663}
plots.bars(
    onegin,
    title="A vowel is five times rarer after a vowel than after a consonant",
    x_label="probability that the next letter is a vowel (Markov 1913)",
    highlight="after a vowel",
    alt="Three bars: a vowel comes with probability 0.432 anywhere, 0.128 after a vowel, 0.663 after a consonant.",
)

# %% [markdown]
# What comes next depends on what is there now. A process of this kind is now called a **Markov chain**, and its numbers fit
# in a square, the **transition matrix**. Each *row* is a kind of letter we are on, each *column* a kind of letter that may follow, and
# each row sums to 1:
#
# $$P_{ij} = P(\text{next is } j \mid \text{current is } i) = \frac{\text{how often } i \text{ is followed by } j}{\text{how often } i \text{ is followed by anything}}$$
#
# The bar $\mid$ reads "given". Index 0 is *vowel*, index 1 is *consonant*, so $P_{10}$ is the probability of a vowel after a consonant.
#
# **An example.** `A queen` has the letters `a q u e e n`, that is V C V V V C (V for vowel, C for consonant), and five pairs of neighbours:
#
# | | then V | then C | pairs | row of the matrix |
# |---|---|---|---|---|
# | **V** first | `ue` `ee` | `aq` `en` | 4 | 2/4 and 2/4 |
# | **C** first | `qu` | | 1 | 1/1 and 0/1 |

# %% [markdown]
# ### Exercise 1: transition matrix
#
# Compute the matrix of vowels and consonants of a text, as Markov did: only letters count, and pairs run on across spaces and punctuation.
#
# <details><summary>Hint 1: what is the sequence?</summary>
#
# First make a list of 0s and 1s, one per letter: 0 if the letter (in lower case) is among the vowels, 1 if not. Skip what is not a letter:
# `character.isalpha()`.
# </details>
#
# <details><summary>Hint 2: how do I visit neighbours?</summary>
#
# `zip(kinds, kinds[1:])` pairs each element with the one after it.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     counts = 2 x 2 zeros
#     for each pair (current, following): add 1 to counts[current, following]
#     divide each row by its sum, unless the sum is 0
# </details>

# %% exercise="transition_matrix" minutes=8 difficulty=1
def transition_matrix(text: str, vowels: str = "aeiou") -> np.ndarray:
    """Return how likely a vowel or a consonant follows a vowel or a consonant, shape (2, 2), float.

    text    any text; upper and lower case are the same, and what is not a letter is skipped
    vowels  the letters that count as vowels, in lower case; every other letter is a consonant

    Entry [i, j] is P(next letter is of kind j | this letter is of kind i); kind 0 is vowel, kind 1 is consonant.
    A row for which the text has no pair stays 0.

    >>> transition_matrix("A queen")
    array([[0.5, 0.5],
           [1. , 0. ]])
    """
    ### BEGIN SOLUTION
    kinds = [0 if letter in vowels else 1 for letter in text.lower() if letter.isalpha()]
    counts = np.zeros((2, 2))
    for current, following in zip(kinds, kinds[1:]):
        counts[current, following] += 1
    totals = counts.sum(axis=1, keepdims=True)
    return counts / np.maximum(totals, 1)
    ### END SOLUTION


# %% test="transition_matrix" points=3
check.equal(
    transition_matrix("A queen"),
    np.array([[2 / 4, 2 / 4], [1.0, 0.0]]),
    name='transition_matrix("A queen")',
    causes=[
        (np.array([[2 / 5, 2 / 5], [1 / 5, 0.0]]), "you divided by the number of all pairs; divide each row by its own sum."),
        (np.array([[2 / 3, 1.0], [1 / 3, 0.0]]), "the columns sum to 1; divide each row by its own sum."),
        (np.array([[2 / 4, 1.0], [2 / 4, 0.0]]), "this is transposed: rows are the current letter, columns the next one."),
        (np.array([[2.0, 2.0], [1.0, 0.0]]), "these are counts; divide each row by its sum."),
        (np.array([[2 / 3, 1 / 3], [1 / 2, 1 / 2]]), "upper case: a capital A is a vowel too. Use text.lower()."),
        (np.array([[1 / 2, 1 / 2], [1 / 2, 1 / 2]]), "the space was treated as a letter; skip what is not a letter."),
        (np.array([[2 / 3, 1 / 3], [1.0, 0.0]]), "pairs run across spaces: drop the spaces first, then look at neighbours."),
        (np.array([[1 / 3, 2 / 3], [0.0, 0.0]]), "every letter but the last starts a pair; you went in steps of two."),
        (np.array([[0.0, 1.0], [1 / 2, 1 / 2]]), "kind 0 is vowel and kind 1 is consonant, not the other way round."),
    ],
)
check.equal(
    transition_matrix("Hm, tsk!"),
    np.array([[0.0, 0.0], [0.0, 1.0]]),
    name='transition_matrix("Hm, tsk!"), a text without vowels',
    causes=[
        (lambda p: bool(np.isnan(p).any()), "0 divided by 0 gives NaN; a row without pairs stays 0."),
        (np.array([[0.5, 0.5], [0.0, 1.0]]), "a row without pairs stays 0."),
    ],
)
check.equal(
    transition_matrix("my sky", vowels="aeiouy"),
    np.array([[0.0, 1.0], [2 / 3, 1 / 3]]),
    name='transition_matrix("my sky", vowels="aeiouy"), where y is a vowel',
    causes=[(np.array([[0.0, 0.0], [0.0, 1.0]]), "use the argument vowels; here it contains y.")],
)
### BEGIN HIDDEN TESTS
import random


def brute_force_matrix(text, vowels):
    kinds = ["VC"[letter not in vowels] for letter in text.lower() if letter.isalpha()]
    pairs = ["".join(kinds[i : i + 2]) for i in range(len(kinds) - 1)]
    rows = [[pairs.count(a + b) for b in "VC"] for a in "VC"]
    return np.array([[n / sum(row) if sum(row) else 0.0 for n in row] for row in rows])


random_letters = random.Random(1913)
for length in [0, 1, 2, 3, 10, 200, 3000]:
    text = "".join(random_letters.choices("aeiouybcdfgAEIOUBCDFG .,;!?\n'-7", k=length))
    check.equal(transition_matrix(text), brute_force_matrix(text, "aeiou"), name=f"random text of {length} characters")
russian = "Мороз и солнце; день чудесный! Ещё ты дремлешь, друг прелестный"
check.equal(
    transition_matrix(russian, "аеёиоуыэюя"), brute_force_matrix(russian, "аеёиоуыэюя"), name="Russian, with its own vowels"
)
check.equal(transition_matrix("Try why", vowels="aeiouy"), brute_force_matrix("Try why", "aeiouy"), name="y as a vowel")
check.equal(transition_matrix("aeiou"), np.array([[1.0, 0.0], [0.0, 0.0]]), name="vowels only")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: what about the village?
#
# The same count on the text of our village, another language in another alphabet, beside Markov's numbers.

# %% experiment
onegin_matrix = np.array([[0.128, 0.872], [0.663, 0.337]])
village_matrix = transition_matrix(" ".join(" ".join(sentence) for sentence in train))
plots.heat_map(
    {"Onegin (Markov 1913)": onegin_matrix, "Village": village_matrix},
    ["after a vowel", "after a consonant"],
    ["vowel", "consonant"],
    title="In both languages a vowel seldom follows a vowel",
    alt="Two transition matrices side by side. Vowel after vowel: about one in eight in both. Vowel after consonant: two in three in Onegin, one in two in the village.",
)

# %% [markdown] question="independence" points=3 minutes=4
# **Question 1.** (a) Suppose a writer drew every letter independently of the one before. What would the two rows of the transition matrix
# look like, compared with each other? (b) Markov's row for vowels is (0.128, 0.872) and his row for consonants (0.663, 0.337). Show with a short
# calculation that these agree with 0.432 vowels among all letters. (c) Name one thing about a text that this model can never learn, however long the text.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) The rows would be equal, both the overall share of vowels and consonants. (b) A letter is a vowel either after a vowel or
# after a consonant: p = 0.128 p + 0.663 (1 - p), so p = 0.663 / (1 - 0.128 + 0.663) = 0.432 (or: put 0.432 in and get 0.432 back). (c) Anything that
# needs more than one letter of memory, or more than the kind of letter: spelling, words, rhyme, syllables of three letters, meaning.
# ### END MARK SCHEME

# %% [markdown]
# ## 2 Words: what came next, and how often
#
# Now let the symbols be words. What we would like to know is the probability of a whole sentence $w_1 w_2 \dots w_T$. Nobody can count
# whole sentences: most that you will read today have never been written before. But a sentence is said one word at a time, so we may write
# its probability as a product, word by word (the **chain rule**):
#
# $$P(w_1 \dots w_T) = P(w_1)\, P(w_2 \mid w_1)\, P(w_3 \mid w_1 w_2) \cdots = \prod_{t=1}^{T} P(w_t \mid w_1 \dots w_{t-1})$$
#
# $w_t$ is word number $t$, and what stands after the bar is its **context**. This is exact. Long contexts are as rare as sentences, so we do as Markov
# did and forget all but the last few words. A model that looks at windows of $n$ words, $n-1$ of context and one to predict, is an
# **n-gram model**: unigram ($n=1$, no context), bigram, trigram, and so on.
#
# The picture shows the windows of a trigram model. Two things need care. The first words have too little context, so the sentence is
# **padded** with $n-1$ start symbols `<s>`. And a model has to say when a sentence is over, so there is one end symbol `</s>`, which *is* predicted.
# `<s>` never is: it is given.

# %% experiment
plots.ngram_windows(
    ["the", "dog", "barks"],
    3,
    title="A trigram model makes four predictions for three words",
    alt="Four rows over the padded sentence. Each marks two context words and the word after them, the last one being </s>.",
)

# %% [markdown]
# We keep the counts as a table: **for every context, a counter of the words that came next**. The setup cell holds four sentences, `story`,
# and their bigram table ($n = 2$), `story_bigrams`. Part of it:
#
# | context | what came next |
# |---|---|
# | `("<s>",)` | the: 3, a: 1 |
# | `("the",)` | dog: 2, cat: 1 |
# | `("sleeps",)` | `</s>`: 2, here: 1 |
#
# A context is a *tuple* of $n-1$ words, even when there is only one (`("the",)`, mind the comma) or none (`()` for unigrams).

# %% [markdown]
# ### Exercise 2: count n-grams
#
# Build that table for any $n$.
#
# <details><summary>Hint 1: what does one padded sentence look like?</summary>
#
# A list: n - 1 times `"<s>"`, the words, and one `"</s>"`; lists are joined with `+`. Do this for each sentence on its own, so that no window crosses from one sentence to the next.
# </details>
#
# <details><summary>Hint 2: where are the words to predict?</summary>
#
# At positions `n - 1`, `n`, ... of the padded list. The context of position `i` is `padded[i - n + 1 : i]`, made a tuple.
# </details>
#
# <details><summary>Hint 3: how do I count in a dictionary of counters?</summary>
#
# `counts.setdefault(context, Counter())[word] += 1` makes the counter when the context is new, and adds one.
# </details>
#
# <details><summary>I see {'&lt;s&gt;': 2, 'a': 2} in the first row instead of {'a': 2}</summary>
#
# There is one `<s>` too many before each sentence, so that a `<s>` is counted as a word to predict. With n = 2 there is only one.
#
# Is it a row `("</s>",)` that should not be there? Then a window crosses from one sentence to the next.
# </details>

# %% exercise="count_ngrams" minutes=10 difficulty=2
def count_ngrams(sentences: list[list[str]], n: int) -> dict[tuple[str, ...], Counter]:
    """Return, for every context of n - 1 words, a Counter of the words that came next.

    sentences  lists of words without boundary symbols; each is padded here with n - 1 "<s>" and one "</s>"
    n          length of the windows, 1 or more

    >>> count_ngrams([["a", "cat"], ["a", "dog"]], 2)
    {('<s>',): Counter({'a': 2}), ('a',): Counter({'cat': 1, 'dog': 1}),
     ('cat',): Counter({'</s>': 1}), ('dog',): Counter({'</s>': 1})}
    """
    ### BEGIN SOLUTION
    counts = {}
    for sentence in sentences:
        padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
        for i in range(n - 1, len(padded)):
            context = tuple(padded[i - n + 1 : i])
            counts.setdefault(context, Counter())[padded[i]] += 1
    return counts
    ### END SOLUTION


# %% test="count_ngrams" points=4
def table(text):
    """Read "dog -> barks 1 sleeps 1; ..." as a table of counts."""
    rows = [row.split("->") for row in text.split(";")]
    return {
        tuple(context.split()): Counter(dict(zip(new.split()[::2], map(int, new.split()[1::2]), strict=True)))
        for context, new in rows
    }


pets = [["a", "cat"], ["a", "dog"]]
check.equal(
    count_ngrams(pets, 2),
    table("<s> -> a 2; a -> cat 1 dog 1; cat -> </s> 1; dog -> </s> 1"),
    name="count_ngrams([['a', 'cat'], ['a', 'dog']], 2)",
    causes=[
        (table("a -> cat 1 dog 1"), "no padding: put n - 1 start symbols <s> before and one </s> after every sentence."),
        (table("<s> -> a 2; a -> cat 1 dog 1"), "the end is missing: one </s> after every sentence, which is predicted as well."),
        (table("a -> cat 1 dog 1; cat -> </s> 1; dog -> </s> 1"), "the start is missing: pad every sentence with n - 1 symbols <s>."),
        (table("a -> cat 1 dog 1; cat -> a 1"), "windows cross sentence borders: treat each sentence on its own, with padding."),
        (
            table("<s> -> a 2; a -> cat 1 dog 1; cat -> </s> 1; dog -> </s> 1; </s> -> <s> 1"),
            "windows cross sentence borders: a start symbol never follows an end symbol. Treat each sentence on its own.",
        ),
        (table("<s> -> <s> 2 a 2; a -> cat 1 dog 1; cat -> </s> 1; dog -> </s> 1"), "<s> was counted as a prediction; pad with n - 1, not n."),
        (table("<s> -> a 1; a -> cat 1 dog 1; cat -> </s> 1; dog -> </s> 1"), "each n-gram was counted once; count every time it occurs."),
        (lambda got: all(isinstance(v, int) for v in got.values()), "the result has for each context a Counter of the next words."),
        (lambda got: "a" in got, "a context is a tuple, also when it has one word: ('a',) and not 'a'."),
        (lambda got: ("a", "cat") in got, "the context has n - 1 words and the word itself is not part of it."),
    ],
)
check.equal(
    count_ngrams(pets, 1),
    {(): Counter({"a": 2, "</s>": 2, "cat": 1, "dog": 1})},
    name="count_ngrams([['a', 'cat'], ['a', 'dog']], 1)",
    causes=[({(): Counter({"<s>": 2, "a": 2, "</s>": 2, "cat": 1, "dog": 1})}, "<s> was counted as a prediction; n = 1 needs no padding.")],
)
check.equal(
    count_ngrams(pets, 3),
    table("<s> <s> -> a 2; <s> a -> cat 1 dog 1; a cat -> </s> 1; a dog -> </s> 1"),
    name="count_ngrams([['a', 'cat'], ['a', 'dog']], 3)",
    causes=[
        (table("<s> a -> cat 1 dog 1; a cat -> </s> 1; a dog -> </s> 1"), "n = 3 needs two start symbols: pad with n - 1."),
        (
            table("<s> <s> -> a 2; <s> a -> cat 1 dog 1; a cat -> </s> 1; a dog -> </s> 1; cat </s> -> </s> 1; dog </s> -> </s> 1"),
            "one end symbol is enough; only the start needs n - 1 of them.",
        ),
    ],
)
check.that(
    all(isinstance(following, Counter) for following in count_ngrams(pets, 2).values()),
    "The counts after each context must be a Counter: it answers 0 for a word it has not seen, a dict raises an error.",
)
### BEGIN HIDDEN TESTS
import random

random_words = random.Random(3)
for n in range(1, 6):
    sentences = [random_words.choices(["the", "cat", "saw", "a", "dog"], k=random_words.randrange(0, 9)) for _ in range(30)]
    expected = {}
    for sentence in sentences:
        for position, word in enumerate([*sentence, "</s>"]):
            context = tuple((["<s>"] * 9 + sentence)[10 + position - n : 9 + position])
            expected.setdefault(context, Counter())[word] += 1
    check.equal(count_ngrams(sentences, n), expected, name=f"30 random sentences, n = {n}")
check.equal(count_ngrams([], 2), {}, name="no sentences")
check.equal(count_ngrams([[]], 3), {("<s>", "<s>"): Counter({"</s>": 1})}, name="an empty sentence, n = 3")
check.equal(count_ngrams([["o"] * 50], 2), table("<s> -> o 1; o -> o 49 </s> 1"), name="one word, fifty times")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: a few words do most of the work
#
# The unigram table of the village is simply a list of how often each word occurs. Put the words in order, the most frequent first, and draw count
# against rank, both on logarithmic scales. In natural languages the points lie close to a line that falls by a factor of ten for every factor of
# ten: the word at rank $r$ is about $1/r$ as frequent as the first. This is **Zipf's law** (Zipf 1949). The village, though invented, comes
# near it, except that *the* stands out.
#
# Before you run the cell, guess: what share of the text do the rarer half of all words make?

# %% experiment
frequencies = Counter(word for sentence in train for word in sentence)
total = sum(frequencies.values())
for word, count in frequencies.most_common(4):
    print(f"{count / total:6.1%}  {word}")
rare = sorted(frequencies.values())[: len(frequencies) // 2]
print(f"{len(frequencies)} different words; the rarer half of them makes {sum(rare) / total:.1%} of the text")
plots.zipf(
    frequencies,
    title="A few words do most of the work, and most words are rare",
    alt="Count of each village word against its rank, both axes logarithmic: a falling band near the line of slope -1.",
)

# %% [markdown]
# ## 3 From counts to probabilities
#
# Look at `story` again: *the* was followed by something three times, twice by *dog*. So the obvious guess for $P(\text{dog} \mid \text{the})$ is $2/3$:
#
# $$P_{\text{MLE}}(w \mid c) = \frac{\text{count of } w \text{ after } c}{\text{count of anything after } c}$$
#
# $c$ is the context, $w$ the word. MLE stands for **maximum likelihood estimate**: no other choice of probabilities makes the training text itself more
# likely. Keep that sentence in mind; it is a compliment and a warning.
#
# ### Exercise 3: maximum likelihood
#
# The relative frequency of a word after a context, from a table as in exercise 2.
#
# <details><summary>Hint 1: what do I divide by?</summary>
#
# By how often *this context* was followed by anything: the sum of the values in its counter. Not by the size of the corpus.
# </details>
#
# <details><summary>Hint 2: what if the context is not in the table?</summary>
#
# `counts[context]` would raise a KeyError. `counts.get(context)` gives None instead; return 0.0 then.
# </details>

# %% exercise="mle_probability" minutes=4 difficulty=1
def mle_probability(counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str) -> float:
    """Return P(word | context) as a relative frequency; 0.0 when the context was never seen.

    counts   for every context a Counter of the words that came next, as count_ngrams returns it
    context  tuple of n - 1 words

    >>> mle_probability(story_bigrams, ("the",), "dog")
    0.6666666666666666
    """
    ### BEGIN SOLUTION
    if context not in counts:
        return 0.0
    return counts[context][word] / sum(counts[context].values())
    ### END SOLUTION


# %% test="mle_probability" points=2
check.equal(
    mle_probability(story_bigrams, ("sleeps",), "</s>"),
    2 / 3,
    name="P(</s> | sleeps)",
    causes=[
        (2 / 17, "you divided by the size of the corpus; divide by how often this context occurred."),
        (1.0, "divide by the sum of the counts after this context, not by their number and not by the largest of them."),
        (0.5, "divide by how often the context occurred, not the word."),
        (2, "this is the count; divide it by how often the context occurred."),
        (1.5, "the fraction is upside down."),
    ],
)
check.equal(mle_probability(story_bigrams, ("the",), "dog"), 2 / 3, name="P(dog | the)")
check.equal(mle_probability(story_bigrams, ("the",), "barks"), 0.0, name="P(barks | the), never seen together")
try:
    unseen = mle_probability(story_bigrams, ("some",), "dog")
except (KeyError, ZeroDivisionError, AttributeError, TypeError) as error:
    unseen = error
check.equal(
    unseen,
    0.0,
    name="P(dog | some), a context never seen",
    causes=[
        (lambda p: isinstance(p, Exception), "this context was never seen and is not in the table: return 0.0."),
        (lambda p: p > 0, "a context never seen tells nothing here: return 0.0."),
    ],
)
### BEGIN HIDDEN TESTS
import random

random_counts = random.Random(5)
words = ["ash", "beech", "elm", "oak", "</s>"]
for order in range(1, 6):
    counts = {}
    for _ in range(12):
        context = tuple(random_counts.choices(words[:4], k=order - 1))
        counts[context] = Counter({word: random_counts.randrange(1, 50) for word in random_counts.sample(words, 3)})
    for context, following in counts.items():
        total = sum(following.values())
        for word in words:
            check.equal(mle_probability(counts, context, word), following[word] / total, name=f"n = {order}, P({word} | {context})")
check.equal(mle_probability({}, (), "oak"), 0.0, name="an empty table")
check.equal(mle_probability({(): Counter({"oak": 10**12, "elm": 1})}, (), "elm"), 1 / (10**12 + 1), name="a rare word", atol=0)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: what follows?
#
# In notebook 00 you saw how likely each word *really* is after `the cook`. This is what your function makes of the training text. Choose another
# context and run the cell again.

# %% experiment
trigrams = count_ngrams(train, 3)
context = ("the", "cook")
guesses = {word: mle_probability(trigrams, context, word) for word in trigrams[context]}
plots.next_words(guesses, top=10, title=f"What comes after “{' '.join(context)}”, learned by counting")

# %% [markdown]
# ## 4 The probability of a sentence
#
# From now on **a model is a function** `probability(context, word)`. Whatever is inside, counts or a neural network, everything that follows works
# for it. With a bigram model of `story`, for example,
#
# $$P(\text{the cat sleeps}) = \underbrace{P(\text{the} \mid \texttt{<s>})}_{3/4} \cdot \underbrace{P(\text{cat} \mid \text{the})}_{1/3} \cdot \underbrace{P(\text{sleeps} \mid \text{cat})}_{1} \cdot \underbrace{P(\texttt{</s>} \mid \text{sleeps})}_{2/3} = \frac16 .$$
#
# Four predictions for three words: the end counts, the start does not.
#
# There is a practical catch. Probabilities of sentences are tiny, and a computer has a smallest number. The cell below multiplies the
# probability 0.01 once per word and sees when the product becomes 0, while the sum of the logarithms goes on calmly.

# %% experiment
lengths = list(range(1, 251))
products = [math.prod([0.01] * length) for length in lengths]
logarithms = [length * math.log(0.01) for length in lengths]
lost = lengths[products.index(0.0)]
plots.lines(
    lengths,
    {"sum of logarithms": logarithms},
    title=f"From {lost} words on the product is 0; the sum of logarithms goes on",
    x_label="words, each with probability 0.01",
    y_label="log-probability (nats)",
    points={"here the product becomes 0": (lost, logarithms[lost - 1])},
    alt=f"A straight falling line, the sum of logarithms against the number of words. At {lost} words the product underflows to 0.",
)

# %% [markdown]
# So we never multiply. The logarithm turns the product into a sum:
#
# $$\ln P(w_1 \dots w_T\, \texttt{</s>}) = \sum_{t=1}^{T+1} \ln P(w_t \mid w_{t-n+1} \dots w_{t-1}), \qquad w_{T+1} = \texttt{</s>},\quad w_t = \texttt{<s>} \text{ for } t \le 0 .$$
#
# ### Exercise 4: log-probability of a sentence
#
# Add up the natural logarithms of all predictions of a sentence, the end included.
#
# <details><summary>Hint 1: which contexts do I ask for?</summary>
#
# The same windows as in exercise 2: pad with n - 1 `<s>` and one `</s>`, then visit positions n - 1, n, ... The context has exactly n - 1 words, as a tuple.
# </details>
#
# <details><summary>Hint 2: what is the logarithm of 0?</summary>
#
# `math.log(0)` raises an error. A sentence with an impossible word is impossible: return `-math.inf`.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     padded = start symbols + sentence + end symbol
#     total = 0
#     for i from n - 1 to the last position:
#         p = probability(the n - 1 words before i, word i)
#         if p is 0: return minus infinity
#         total += log(p)
# </details>

# %% exercise="sentence_log_probability" minutes=10 difficulty=2
def sentence_log_probability(probability, sentence: list[str], n: int) -> float:
    """Return ln P(sentence and its end) in nats; -math.inf when the model gives one of its words probability 0.

    probability  function (context, word) -> float, where context is a tuple of exactly n - 1 words
    sentence     list of words without boundary symbols
    n            order of the model: contexts have n - 1 words, padded with "<s>" at the start

    With a bigram model of `story`, ln(3/4 * 1/3 * 1 * 2/3) = ln(1/6):
    >>> round(sentence_log_probability(story_model, ["the", "cat", "sleeps"], 2), 4)
    -1.7918
    """
    ### BEGIN SOLUTION
    padded = ["<s>"] * (n - 1) + sentence + ["</s>"]
    total = 0.0
    for i in range(n - 1, len(padded)):
        p = probability(tuple(padded[i - n + 1 : i]), padded[i])
        if p == 0:
            return -math.inf
        total += math.log(p)
    return total
    ### END SOLUTION


# %% test="sentence_log_probability" points=4
def story_model(context, word):
    """A bigram model of `story`. To what no bigram model should be asked it answers with a tiny probability."""
    if len(context) != 1:
        return 1e-9
    if word == "<s>":
        return 1e-3
    return {
        ("<s>",): {"the": 3 / 4, "a": 1 / 4},
        ("the",): {"dog": 2 / 3, "cat": 1 / 3},
        ("dog",): {"barks": 1 / 2, "sleeps": 1 / 2},
        ("cat",): {"sleeps": 1.0},
        ("barks",): {"</s>": 1.0},
        ("sleeps",): {"</s>": 2 / 3, "here": 1 / 3},
    }[context].get(word, 0.0)


def score(model, sentence):
    """The log-probability of the sentence, or the error that computing it raised."""
    try:
        return sentence_log_probability(model, sentence, 2)
    except (TypeError, KeyError, ValueError) as error:
        return error


not_a_tuple = (lambda v: isinstance(v, (TypeError, KeyError)), "the context must be a tuple of the n - 1 words before the word.")
check.equal(
    score(story_model, ["the", "cat", "sleeps"]),
    -1.791759,
    name="sentence_log_probability(story_model, ['the', 'cat', 'sleeps'], 2)",
    causes=[
        (1 / 6, "this is the probability itself; return its natural logarithm."),
        (1.791759, "the sign is wrong: the logarithm of a probability is never above 0."),
        (-2.584963, "base 2 gives bits; nats are natural logarithms, math.log."),
        (-0.778151, "base 10; nats are natural logarithms, math.log."),
        (-0.447940, "this is the average per token; return the sum."),
        (-1.386294, "the end is not charged: </s> has to be predicted as well."),
        (-1.504077, "the first word is missing: it is predicted from the padding <s>."),
        (-1.098612, "no padding: the first word and the end have to be predicted as well."),
        (lambda v: -10 < v < -8, "<s> was counted as a prediction; it is given, never predicted."),
        (lambda v: v < -19, "the context must have exactly n - 1 words; pad the start with n - 1 symbols <s>."),
        not_a_tuple,
    ],
)
check.equal(
    score(story_model, ["the", "dog", "barks"]),
    -1.386294,
    name="sentence_log_probability(story_model, ['the', 'dog', 'barks'], 2)",
    causes=[not_a_tuple],
)
underflow = "the product of many probabilities underflows to 0; add up logarithms instead of multiplying."
check.equal(
    score(lambda context, word: 1 / 1024, ["so"] * 400),
    -2779.520395,
    name="400 words and the end, each with probability 1/1024",
    causes=[(-math.inf, underflow), (lambda v: isinstance(v, ValueError), underflow)],
)
impossible = "the logarithm of 0 is an error in Python; return -math.inf for an impossible sentence."
check.equal(
    score(story_model, ["the", "barks"]),
    -math.inf,
    name="sentence_log_probability(story_model, ['the', 'barks'], 2), where P(barks | the) = 0",
    causes=[(lambda v: isinstance(v, ValueError), impossible), (lambda v: v > -1000, impossible)],
)
### BEGIN HIDDEN TESTS
import random


def any_model(n):
    def probability(context, word):
        if not isinstance(context, tuple) or len(context) != n - 1 or word == "<s>":
            return 0.0
        return 1 / (2 + sum((i + 3) * ord(letter) for i, w in enumerate((*context, word)) for letter in w) % 17)

    return probability


random_words = random.Random(4)
for n in range(1, 6):
    for length in [0, 1, 2, 3, 8, 60]:
        sentence = random_words.choices(["ash", "beech", "elm", "oak", "yew"], k=length)
        padded = ("<s>",) * (n - 1) + (*sentence, "</s>")
        windows = [padded[i : i + n] for i in range(len(sentence) + 1)]
        expected = math.fsum(math.log(any_model(n)(window[:-1], window[-1])) for window in windows)
        check.equal(
            sentence_log_probability(any_model(n), sentence, n), expected, name=f"{length} words, n = {n}", rtol=1e-9, atol=1e-9
        )
check.equal(sentence_log_probability(lambda c, w: 1.0, ["yes"] * 5, 3), 0.0, name="a model that is certain")
check.equal(sentence_log_probability(lambda c, w: float(w != "</s>"), ["yes"], 2), -math.inf, name="a model that never ends")
check.equal(
    sentence_log_probability(lambda c, w: 1e-300, ["rare"] * 9, 2), 10 * math.log(1e-300), name="probabilities near the smallest number"
)
### END HIDDEN TESTS

# %% [markdown]
# ## 5 Perplexity, and a trap
#
# One sentence says little, so a model is measured on many: add up the log-probabilities of all sentences, divide by the number of *all* predicted
# tokens, change the sign, and take the exponential, as in notebook 00:
#
# $$\text{perplexity} = \exp\Big(-\frac{1}{N} \sum_{s} \ln P(s)\Big)$$
#
# $s$ runs over the sentences; $N$ is the number of tokens of all sentences together, and as the end of a sentence is predicted, a sentence of $T$ words has $T + 1$.
#
# **An example.** Two sentences, `a cat` with probability 1/8 and `hi` with probability 1/128. There are 3 + 2 = 5 tokens. The sum of the log-probabilities
# is $-\ln 8 - \ln 128 = -10 \ln 2$, so the perplexity is $\exp(\tfrac{10}{5} \ln 2) = 2^2 = 4$.
#
# ### Exercise 5: perplexity of a text
#
# Perplexity of any model on a list of sentences. You get the model as a function that returns the log-probability of a sentence.
#
# <details><summary>Hint 1: what goes into the average?</summary>
#
# Two sums over all sentences: one of log-probabilities, one of tokens. Divide once, at the end. An average of averages would let short sentences
# count as much as long ones.
# </details>
#
# <details><summary>Hint 2: how many tokens has a sentence?</summary>
#
# Its words and the end: `len(sentence) + 1`. The padding `<s>` is not predicted and does not count.
# </details>

# %% exercise="perplexity" minutes=6 difficulty=1
def perplexity(log_probability, sentences: list[list[str]]) -> float:
    """Return the perplexity of a model on a text; math.inf when the model thinks it impossible.

    log_probability  function sentence -> ln P(sentence and its end) in nats
    sentences        lists of words without boundary symbols; at least one

    With a model that gives "a cat" 1/8 and "hi" 1/128:
    >>> round(perplexity(model, [["a", "cat"], ["hi"]]), 6)
    4.0
    """
    ### BEGIN SOLUTION
    total = sum(log_probability(sentence) for sentence in sentences)
    tokens = sum(len(sentence) + 1 for sentence in sentences)
    return math.exp(-total / tokens)
    ### END SOLUTION


# %% test="perplexity" points=3
def greeting_model(sentence):
    return {("a", "cat"): math.log(1 / 8), ("hi",): math.log(1 / 128), ("bye",): -math.inf}[tuple(sentence)]


check.equal(
    perplexity(greeting_model, [["a", "cat"], ["hi"]]),
    4.0,
    name="perplexity(model, [['a', 'cat'], ['hi']])",
    causes=[
        (6.656854, "this is the mean of the perplexities of the sentences; add up everything first and divide once."),
        (4.756828, "this averages the averages of the sentences; add up everything first and divide once."),
        (10.079368, "the end of a sentence is a token too: a sentence has len(sentence) + 1."),
        (2.691800, "<s> is not a predicted token: a sentence has len(sentence) + 1."),
        (32.0, "you divided by the number of sentences; divide by the number of tokens."),
        (1024.0, "divide by the number of tokens before taking the exponential."),
        (0.25, "the sign is wrong: log-probabilities are negative, a perplexity is at least 1."),
        (1.386294, "this is the average surprise; its exponential is missing."),
        (2.614064, "you used base 2 on nats; what undoes ln is math.exp."),
        (24.338530, "you used base 10 on nats; what undoes ln is math.exp."),
    ],
)
check.equal(
    perplexity(greeting_model, [["hi"], ["bye"]]),
    math.inf,
    name="perplexity of a text with an impossible sentence",
    causes=[(lambda v: math.isfinite(v), "the model says that this text is impossible: do not skip the sentence.")],
)
### BEGIN HIDDEN TESTS
import random

random_sentences = random.Random(6)
for size in [1, 2, 5, 40]:
    sentences = [["w"] * random_sentences.randrange(0, 12) for _ in range(size)]
    nats = {length: random_sentences.uniform(0.1, 60.0) for length in range(12)}
    expected = math.exp(sum(nats[len(s)] for s in sentences) / sum(len(s) + 1 for s in sentences))
    check.equal(perplexity(lambda s: -nats[len(s)], sentences), expected, name=f"{size} random sentences")
check.equal(perplexity(lambda s: 0.0, [["sure"]]), 1.0, name="a model that was certain and right")
check.equal(perplexity(lambda s: -(len(s) + 1) * math.log(600), [["w"] * 300] * 30), 600.0, name="600 equally likely words")
check.equal(perplexity(lambda s: -3.0, [[]]), math.exp(3.0), name="an empty sentence still has an end")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: is a longer memory better?
#
# Four small functions put your pieces together. They do nothing yet; the cells after this one use them.

# %% experiment
orders = [1, 2, 3, 4, 5]


@cache
def counted(count, n):
    return count(train, n)  # made once for every n, and again when you change your function


def mle_model(n):
    counts = counted(count_ngrams, n)
    return lambda context, word: mle_probability(counts, context, word)


def measure(model, n, sentences):
    return perplexity(lambda sentence: sentence_log_probability(model, sentence, n), sentences)


def curve(make_model, sentences):
    return [measure(make_model(n), n, sentences) for n in orders]


# %% [markdown]
# Now the trial: models with windows of one to five words, measured on sentences they have learned from.

# %% experiment
plots.lines(
    orders,
    {"maximum likelihood, training text": curve(mle_model, train[:1000])},
    title="On the text it knows, a longer memory always looks better",
    x_label="n, words in the window",
    y_label="perplexity (lower is better)",
    log_y=True,
    alt="Perplexity on training text falls with every longer window, from one word to five.",
)

# %% [markdown]
# Impressive. And on sentences that it has *not* learned from?

# %% experiment
on_training, on_held_out = curve(mle_model, train[:1000]), curve(mle_model, held_out)
for n, known, unknown in zip(orders, on_training, on_held_out):
    print(f"n = {n}:   training {known:6.1f}   held out {unknown:6.1f}")

# %% [markdown]
# `inf`, from two words on. One window that never occurred in training, one probability of 0, and the model declares the whole text impossible.
#
# How many of the windows in new text are new? Guess for one, three and five words, then run the cell.

# %% experiment
def share_of_new_windows(n):
    model = mle_model(n)
    windows = [(c, w) for c, following in count_ngrams(held_out, n).items() for w in following.elements()]
    return sum(model(context, word) == 0 for context, word in windows) / len(windows)


new_shares = [share_of_new_windows(n) for n in orders]
plots.bars(
    {f"n = {n}": share for n, share in zip(orders, new_shares)},
    title=f"The longer the windows, the more of them are new: {new_shares[-1]:.0%} at n = 5",
    x_label="share of held-out windows that never occur in training",
    alt="Bars for windows of one to five words: the share never seen in training grows from 0 to more than a half.",
)

# %% [markdown]
# This is **sparsity**. With $V$ words there are $V^n$ possible windows, and no text is long enough to show them all. It is not a matter of a little more text:
# each further word of context multiplies the number of windows by $V$.
#
# So: always test on held-out text, and never say never.

# %% [markdown] question="training_perplexity" points=3 minutes=4
# **Question 2.** A colleague trains a 5-gram model by maximum likelihood on the speeches of a parliament and reports a perplexity of 1.4, "far better
# than the neural models in the literature". (a) What did the colleague most likely do? (b) Why does the training perplexity fall when $n$ grows, even if the
# longer context helps nobody? (c) The colleague now tests on held-out speeches and gets infinity, and drops the sentences with probability 0 before computing the perplexity.
# What is wrong with that?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Measured on the training text (or on text that overlaps with it). (b) Long contexts occur once or a few times, so what follows
# them has a relative frequency near 1: the table has learned the text by heart. (c) The model is then judged only on what it got right; the model that gives most sentences 0 would
# look best. The text to be scored must be the same for every model; the remedy is to change the model (smoothing), not the test.
# ### END MARK SCHEME

# %% [markdown]
# ## 6 Add a little to everything
#
# The simplest remedy: pretend that every word has been seen $k$ times more after every context than it was.
#
# $$P_{\text{add-}k}(w \mid c) = \frac{\text{count}(c, w) + k}{\text{count}(c) + k\,V}$$
#
# $\text{count}(c, w)$ says how often $w$ came after $c$, $\text{count}(c)$ how often anything did, and $V$ is the size of the vocabulary: all words that may come next,
# `</s>` included, `<s>` not. Why $kV$ below? Because $k$ was added above for each of $V$ words, and the probabilities must still sum to 1.
#
# **An example.** In `story` *dog* never follows *a*, which occurred once. The vocabulary has 8 entries. With $k = 0.5$:
#
# $$P(\text{dog} \mid \text{a}) = \frac{0 + 0.5}{1 + 0.5 \cdot 8} = \frac{0.5}{5} = 0.1, \qquad P(\text{cat} \mid \text{a}) = \frac{1 + 0.5}{5} = 0.3 .$$
#
# ### Exercise 6: add-k
#
# Write it so that it works for contexts that were never seen, too.
#
# <details><summary>Hint 1: what happens to a context never seen?</summary>
#
# Its counts are all 0. The formula still holds: $k / (kV) = 1/V$, every word is equally likely. An empty `Counter()` will do.
# </details>
#
# <details><summary>Hint 2: when can the denominator be 0?</summary>
#
# Only for a context never seen together with $k = 0$. Return 0.0 then, as maximum likelihood does.
# </details>

# %% exercise="add_k_probability" minutes=6 difficulty=1
def add_k_probability(
    counts: dict[tuple[str, ...], Counter], context: tuple[str, ...], word: str, k: float, vocabulary_size: int
) -> float:
    """Return P(word | context) with k added to every count.

    counts           for every context a Counter of the words that came next
    k                0 or more; 0 is maximum likelihood (and 0.0 for a context never seen)
    vocabulary_size  how many words may come next, "</s>" included

    >>> add_k_probability(story_bigrams, ("a",), "dog", 0.5, 8)
    0.1
    """
    ### BEGIN SOLUTION
    following = counts.get(context, Counter())
    total = sum(following.values()) + k * vocabulary_size
    return (following[word] + k) / total if total > 0 else 0.0
    ### END SOLUTION


# %% test="add_k_probability" points=3
check.equal(
    add_k_probability(story_bigrams, ("a",), "dog", 0.5, 8),
    0.1,
    name='add_k_probability(story_bigrams, ("a",), "dog", 0.5, 8)',
    causes=[
        (0.5, "kV is missing below: k was added above for each of V words, so add k * vocabulary_size to the total."),
        (0.5 / 1.5, "kV is missing below: k was added for all V words, not once and not only for words seen here."),
        (0.5 / 9, "you added V below, not kV: it was k that each word got."),
        (1 / 9, "you added 1 to the count, not k."),
        (0.0, "a word never seen after this context gets k, too."),
        (0.5 / 21, "you divided by the size of the corpus; use how often this context occurred, plus kV."),
    ],
)
check.equal(
    add_k_probability(story_bigrams, ("the",), "dog", 0.5, 8),
    2.5 / 7,
    name='add_k_probability(story_bigrams, ("the",), "dog", 0.5, 8)',
    causes=[
        (2.0 / 7, "k belongs above as well: count + k."),
        (2.5 / 6, "the total of a context is the sum of its counts, not the number of different words."),
    ],
)
try:
    unseen = add_k_probability(story_bigrams, ("some",), "dog", 0.5, 8)
except (KeyError, AttributeError, TypeError) as error:
    unseen = error
check.equal(
    unseen,
    1 / 8,
    name="P(dog | some), a context never seen",
    causes=[
        (lambda p: isinstance(p, Exception), "a context never seen has counts of 0: use counts.get(context, Counter())."),
        (0.0, "for a context never seen every word is equally likely, 1/V."),
    ],
)
### BEGIN HIDDEN TESTS
import random

random_counts = random.Random(8)
words = ["ash", "beech", "elm", "oak", "yew", "</s>"]
for order in range(1, 6):
    counts = {}
    for _ in range(6):
        context = tuple(random_counts.choices(words[:5], k=order - 1))
        counts[context] = Counter({word: random_counts.randrange(1, 30) for word in random_counts.sample(words, 3)})
    for k in [1e-6, 0.1, 1, 7.5, 1e6]:
        for context in [*list(counts)[:3], ("new",) * (order - 1)]:
            row = counts.get(context, {})
            total = sum(row.values())
            got = [add_k_probability(counts, context, word, k, len(words)) for word in words]
            check.equal(got, [(row.get(w, 0) + k) / (total + 6 * k) for w in words], name=f"n = {order}, k = {k}", atol=0, rtol=1e-9)
            check.distribution(got, name=f"add-k over the vocabulary, n = {order}, k = {k}", atol=1e-9)
check.equal(add_k_probability(story_bigrams, ("the",), "cat", 0, 8), 1 / 3, name="k = 0 is maximum likelihood")
check.equal(add_k_probability(story_bigrams, ("the",), "barks", 0, 8), 0.0, name="k = 0, never seen together")
check.equal(add_k_probability(story_bigrams, ("some",), "cat", 0, 8), 0.0, name="k = 0, context never seen")
check.equal(add_k_probability({}, (), "cat", 2.0, 5), 1 / 5, name="an empty table")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: how much is a little?
#
# $k$ is chosen on held-out text. Try several, for windows of one to four words.

# %% experiment
vocabulary = village.source.vocabulary
V = len(vocabulary)
ks = [0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0]


def add_k_model(n, k):
    counts = counted(count_ngrams, n)
    return lambda context, word: add_k_probability(counts, context, word, k, V)


def try_all_k(n):
    return [measure(add_k_model(n, k), n, held_out[:500]) for k in ks]


def best_k(n):
    values = try_all_k(n)
    return ks[values.index(min(values))]


# %% experiment
plots.lines(
    ks,
    {f"n = {n}": try_all_k(n) for n in [1, 2, 3, 4]},
    title="Whatever k we add, three or four words do worse than two",
    x_label="k, added to every count",
    y_label="perplexity on held-out text",
    log_x=True,
    log_y=True,
    alt="Held-out perplexity against k. The curve for two words has the lowest minimum, then three, four and one.",
)

# %% [markdown]
# ## 7 Kneser-Ney: ask the shorter context, and ask it the right question
#
# Add-k gives every unseen word the same. We can do better: if *dog* was never seen after *a*, look at how likely *dog* is with a **shorter context**, here with none
# at all. Words that are likely in general get more of the probability we set aside, rare words less.
#
# But "likely in general" hides a trap, with an example after Chen and Goodman (1999). In a newspaper *York* is frequent. It is frequent because of *New York*: after any
# other word it would be odd. When we meet a new context, what counts is not how *often* a word occurs but in how many *different company*. So the shorter
# context should count **how many different words came before**, the *continuation count*:
#
# | seen in training | raw count of the second word | different words before it |
# |---|---|---|
# | new york, new york, new york | york: 3 | york: 1 |
# | old house, big house | house: 2 | house: 2 |
#
# By the raw counts a new context should expect *york*; by the continuation counts it expects *house*.

# %% [markdown]
# ### Exercise 7: continuation counts
#
# From a table with contexts of $n-1$ words make the table for contexts of $n-2$ words: in place of "how often was this window seen", "how many different words
# stood before this window".
#
# <details><summary>Hint 1: what does one entry of the old table contribute?</summary>
#
# The entry "word $w$ came after context $(v, c)$" says that $v$ is one of the words before the window $(c, w)$. However often it was seen, it is one word: it adds 1.
# </details>
#
# <details><summary>Hint 2: what is the new context?</summary>
#
# The old one without its *first* word: `context[1:]`.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     lower = empty table
#     for each context and its counter in counts:
#         for each word in the counter:
#             add 1 to lower[context without its first word][word]
# </details>

# %% exercise="continuation_counts" minutes=8 difficulty=2
def continuation_counts(counts: dict[tuple[str, ...], Counter]) -> dict[tuple[str, ...], Counter]:
    """Return the table for contexts one word shorter, with the number of different words seen before each window.

    counts  for every context of n - 1 words (n at least 2) a Counter of the words that came next

    In the result, table[c][w] is the number of different words v for which w was seen after the context (v, *c).

    >>> continuation_counts({("new",): Counter(york=3), ("old",): Counter(house=1), ("big",): Counter(house=1)})
    {(): Counter({'house': 2, 'york': 1})}
    """
    ### BEGIN SOLUTION
    lower = {}
    for context, following in counts.items():
        for word in following:
            lower.setdefault(context[1:], Counter())[word] += 1
    return lower
    ### END SOLUTION


# %% test="continuation_counts" points=3
check.equal(
    continuation_counts({("new",): Counter(york=3), ("old",): Counter(house=1), ("big",): Counter(house=1)}),
    {(): Counter(house=2, york=1)},
    name="continuation counts of new york (3), old house (1), big house (1)",
    causes=[
        ({(): Counter(york=3, house=2)}, "these are raw counts; count each different word before it once, however often it was seen."),
        ({("new",): 1, ("old",): 1, ("big",): 1}, "you counted the words after each context; count the words before each window."),
        ({(): Counter(new=1, old=1, big=1)}, "you counted the contexts; count, for each word that follows, how many contexts it has."),
        ({(): Counter(house=1, york=1)}, "every word got 1; add 1 for each different word that stood before it."),
        (lambda table: "house" in table, "the result is a table as well: context -> Counter. The context left over from one word is ()."),
    ],
)
old_and_big = {
    ("the", "old"): Counter(dog=4),
    ("an", "old"): Counter(dog=1, cat=1),
    ("the", "big"): Counter(dog=1),
}
check.equal(
    continuation_counts(old_and_big),
    {("old",): Counter(dog=2, cat=1), ("big",): Counter(dog=1)},
    name="continuation counts of 'the old dog' (4), 'an old dog' (1), 'an old cat' (1), 'the big dog' (1)",
    causes=[
        ({("the",): Counter(dog=2), ("an",): Counter(dog=1, cat=1)}, "the context loses its first word, the one farthest away, not its last."),
        ({("old",): Counter(dog=5, cat=1), ("big",): Counter(dog=1)}, "these are raw counts; count each different word before it once."),
        ({(): Counter(dog=3, cat=1)}, "the context loses only its first word: context[1:]."),
    ],
)
check.that(
    all(isinstance(before, Counter) for before in continuation_counts(old_and_big).values()),
    "The counts after each context must be a Counter: it answers 0 for a word it has not seen, a dict raises an error.",
)
### BEGIN HIDDEN TESTS
import random

random_windows = random.Random(9)
for n in range(2, 6):
    seen = Counter(tuple(random_windows.choices("abcd", k=n)) for _ in range(60))
    counts = {}
    for window, count in seen.items():
        counts.setdefault(window[:-1], Counter())[window[-1]] = count
    expected = {}
    for window in {window[1:] for window in seen}:
        before = {v for v in "abcd" if (v, *window) in seen}
        expected.setdefault(window[:-1], Counter())[window[-1]] = len(before)
    check.equal(continuation_counts(counts), expected, name=f"random windows of {n} words")
check.equal(continuation_counts({}), {}, name="an empty table")
check.equal(continuation_counts(story_bigrams), story_continuations, name="the story")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: who keeps one company only?
#
# The words of the village whose continuation count is smallest compared with how often they occur, and a few for which it is largest.

# %% experiment
seen = counted(count_ngrams, 1)[()]
before = continuation_counts(counted(count_ngrams, 2))[()]
frequent = sorted((word for word in seen if seen[word] >= 30), key=lambda word: before[word] / seen[word])
print("word             seen   different words before it")
for word in frequent[:5] + frequent[-5:]:
    print(f"{word:15} {seen[word]:5}   {before[word]:5}")

# %% [markdown]
# ### Take a little, and give it back
#
# Now the probability. From *every* count that was seen we take a fixed **discount** $D$ between 0 and 1, usually 0.75. What was taken is given to the
# next shorter context, which shares it out:
#
# $$P_n(w \mid c) = \underbrace{\frac{\max(\text{count}(c, w) - D,\ 0)}{\text{count}(c)}}_{\text{what } w \text{ keeps}} \;+\; \underbrace{\frac{D \cdot \text{types}(c)}{\text{count}(c)}}_{\text{all that was taken}} \cdot \underbrace{P_{n-1}(w \mid c')}_{\text{shared out by the shorter context}}$$
#
# - $c$ is a context of $n-1$ words, $c'$ the same without its first word;
# - $\text{count}(c, w)$ is read from the table of order $n$, $\text{count}(c)$ is the sum over all $w$, and $\text{types}(c)$ is the number of *different* words seen after $c$;
# - the highest table holds the raw counts, every lower table the continuation counts of the one above it;
# - a context never seen has nothing to say: then $P_n(w \mid c) = P_{n-1}(w \mid c')$;
# - below unigrams every word is equally likely: $P_0 = 1/V$, with $V$ the size of the vocabulary.
#
# This is **interpolated Kneser-Ney** with one discount for all orders (Kneser and Ney 1995; in this interpolated form Chen and Goodman 1999). Programs differ in details;
# in ours the padding `<s>` counts as a word that may stand before.

# %% [markdown]
# **An example.** In `story`, *a* occurred once, followed by *cat*. So $\text{count}(\text{a}) = 1$ and $\text{types}(\text{a}) = 1$. Take $D = 0.75$ from *cat* and give it back:
#
# - $P_1(\text{dog}) = 1/12$: of the 12 different bigrams of `story`, one ends in *dog*; *cat* ends two, so $P_1(\text{cat}) = 2/12$. (Here the uniform $P_0$ changes nothing, because all
#   8 words of the vocabulary were seen.)
# - $P_2(\text{dog} \mid \text{a}) = 0 + 0.75 \cdot \tfrac{1}{12} = 0.0625$: never seen, and yet possible;
# - $P_2(\text{cat} \mid \text{a}) = (1 - 0.75) + 0.75 \cdot \tfrac{2}{12} = 0.375$.

# %% experiment
kept = {word: max(story_bigrams[("a",)][word] - 0.75, 0) / 1 for word in story_continuations[()]}
returned = {word: 0.75 * count / 12 for word, count in story_continuations[()].items()}
plots.stacked_bars(
    list(kept),
    {"kept from its own count": list(kept.values()), "given back by the shorter context": list(returned.values())},
    title="After “a”: what was taken from “cat” lets every word be possible",
    y_label="probability",
    alt="Stacked bars for the eight words of the story after the word a: cat keeps 0.25, and all words share 0.75.",
)

# %% [markdown]
# ### Exercise 8: interpolated Kneser-Ney
#
# The formula above, for any order. `tables[0]` has the empty context, `tables[1]` contexts of one word, and so on; `tables[-1]` is the highest.
#
# <details><summary>Hint 1: how can one function serve all orders?</summary>
#
# The last term is the same function with one table less and a context one word shorter: call yourself with `tables[:-1]` and `context[1:]`. The
# chain ends when there is no table left.
# </details>
#
# <details><summary>Hint 2: what do I need from the table?</summary>
#
# The counter of this context, from the last table: its value for `word`, the sum of its values, and how many words it has (`len`).
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     if there are no tables: return 1 / V
#     lower = the same with tables[:-1] and context[1:]
#     if the context is not in tables[-1]: return lower
#     kept = max(count of word - D, 0) / total
#     taken = D * number of different words / total
#     return kept + taken * lower
# </details>
#
# <details><summary>My probabilities do not sum to 1. What is wrong?</summary>
#
# What you take and what you give back must be equal. You take $D$ from each *different* word after the context: $D \cdot \text{types}(c)$ in all.
# </details>
#
# <details><summary>I see 0.417 or 0.538 instead of 0.452 for P(dog | the)</summary>
#
# 0.417 is only what *dog* keeps of its own count. A word that was seen gets a share of what was taken, too. With 0.538 the whole probability of the shorter context was added, not only its share of what was taken.
# </details>

# %% exercise="kneser_ney_probability" minutes=14 difficulty=3
def kneser_ney_probability(
    tables: list[dict[tuple[str, ...], Counter]],
    context: tuple[str, ...],
    word: str,
    vocabulary_size: int,
    discount: float = 0.75,
) -> float:
    """Return P(word | context) by interpolated Kneser-Ney with one discount for all orders.

    tables           one table per order, the lowest first: tables[m] has contexts of m words. The last holds raw
                     counts, the others continuation counts
    context          tuple of len(tables) - 1 words, the nearest word last
    vocabulary_size  how many words may come next, "</s>" included
    discount         D, between 0 and 1: taken from every count seen, and given back through the shorter context

    >>> kneser_ney_probability([story_continuations, story_bigrams], ("a",), "dog", 8, 0.75)
    0.0625
    """
    ### BEGIN SOLUTION
    if not tables:
        return 1 / vocabulary_size
    lower = kneser_ney_probability(tables[:-1], context[1:], word, vocabulary_size, discount)
    following = tables[-1].get(context)
    if not following:
        return lower
    total = sum(following.values())
    kept = max(following[word] - discount, 0) / total
    taken = discount * len(following) / total
    return kept + taken * lower
    ### END SOLUTION


# %% test="kneser_ney_probability" points=5
story_tables = [story_continuations, story_bigrams]
old_dogs = [
    {(): Counter(dog=2, cat=1)},
    {("old",): Counter(dog=2, cat=1), ("big",): Counter(dog=1)},
    {("the", "old"): Counter(dog=4), ("an", "old"): Counter(dog=1, cat=1), ("the", "big"): Counter(dog=1)},
]
not_given_back = "the discount is not given back: add what was taken times the probability of the shorter context."
no_types = "D was taken from each different word: what was taken is D * len(counter) / total."
no_uniform = "the chain ends too early: below the unigram table comes 1 / vocabulary_size, and unigrams are discounted, too."
skipped = "each order hands over to the next lower one; you went from the first table to 1 / vocabulary_size at once."
no_discount = "the discount is missing: a word keeps its count minus D."
raw_counts = "the lower orders use raw counts; use the tables as they are given, they hold continuation counts."
all_given = "the shorter context shares out only what was taken: multiply its probability by D * types / total."
unseen = "a context never seen says nothing: return the probability of the shorter context."
for tables, context, word, size, discount, expected, causes in [
    (
        story_tables, ("the",), "dog", 10, 0.75, 0.4520833,
        [(0.4166667, not_given_back), (0.4234375, no_types), (0.4885417, no_types), (1.3479167, no_types), (0.5375, all_given),
         (0.7333333, no_discount), (0.6666667, no_discount), (0.4583333, no_uniform), (0.4270833, no_uniform), (0.4666667, skipped),
         (0.4710784, raw_counts)],
    ),
    (
        story_tables, ("the",), "sleeps", 10, 0.75, 0.0770833,
        [(lambda p: p < 0, "a word with count 0 cannot lose anything: max(count - D, 0)."), (0.0, not_given_back)],
    ),
    (story_tables, ("owl",), "cat", 10, 0.75, 0.1541667, [(0.0, unseen), (0.1, unseen)]),
    (story_tables, ("the",), "owl", 10, 0.75, 0.025, [(0.0, no_uniform)]),
    (old_dogs, ("the", "old"), "cat", 4, 0.75, 0.0351562, [(0.0390625, "the shorter context drops the word farthest away: context[1:].")]),
    (
        old_dogs, ("an", "old"), "dog", 4, 0.3, 0.557,
        [(0.640625, "use the discount that is asked for, not always 0.75."), (0.55625, "hand the discount on to the shorter context.")],
    ),
]:
    name = f"P({word} | {' '.join(context)}), order {len(tables)}, {size} words, D = {discount}"
    try:
        got = kneser_ney_probability(tables, context, word, size, discount)
    except (KeyError, ZeroDivisionError, AttributeError, TypeError, RecursionError, IndexError) as error:
        got = error
    endless = (lambda p: isinstance(p, (RecursionError, IndexError)), no_uniform)
    crashed = (lambda p: isinstance(p, Exception), unseen)
    check.equal(got, expected, name=name, causes=[*causes, endless, crashed])
check.distribution(
    [kneser_ney_probability(old_dogs, ("an", "old"), word, 4, 0.3) for word in ["dog", "cat", "owl", "</s>"]],
    name="the probabilities of all four words after 'an old', D = 0.3",
    causes=[(lambda p: True, "what is taken and what is given back must be equal, for any D.")],
)
### BEGIN HIDDEN TESTS
import random


def brute_force(sentences, n, context, word, size, discount):
    """The same definition without recursion and tables: every count is made anew from the padded sentences."""
    padded = [("<s>",) * (n - 1) + (*s, "</s>") for s in sentences]
    windows = [p[i : i + n] for p in padded for i in range(len(p) - n + 1)]
    result = 1 / size
    for m in range(1, n + 1):
        if m == n:
            seen = Counter(windows)
        else:
            seen = Counter(longer[1:] for longer in {window[n - m - 1 :] for window in windows})
        after = {window[-1]: count for window, count in seen.items() if window[:-1] == context[n - m :]}
        total = sum(after.values())
        if total:
            result = max(after.get(word, 0) - discount, 0) / total + discount * len(after) / total * result
    return result


def brute_force_tables(sentences, n):
    padded = [("<s>",) * (n - 1) + (*s, "</s>") for s in sentences]
    windows = [p[i : i + n] for p in padded for i in range(len(p) - n + 1)]
    tables = []
    for m in range(1, n + 1):
        seen = Counter(windows) if m == n else Counter(w[1:] for w in {window[n - m - 1 :] for window in windows})
        tables.append({})
        for window, count in seen.items():
            tables[-1].setdefault(window[:-1], Counter())[window[-1]] = count
    return tables


random_story = random.Random(1995)
words = ["ash", "elm", "oak", "yew"]
for n in range(1, 6):
    sentences = [random_story.choices(words[:3], k=random_story.randrange(1, 7)) for _ in range(12)]
    tables = brute_force_tables(sentences, n)
    contexts = [random_story.choice(list(tables[-1])), ("<s>",) * (n - 1), tuple(random_story.choices(words, k=n - 1))]
    for context in contexts:
        for discount in [0.0, 0.4, 0.75, 1.0]:
            name = f"n = {n}, after {context}, D = {discount}"
            got = [kneser_ney_probability(tables, context, word, 6, discount) for word in [*words, "</s>", "fig"]]
            expected = [brute_force(sentences, n, context, word, 6, discount) for word in [*words, "</s>", "fig"]]
            check.equal(got, expected, name=name, rtol=1e-9, atol=1e-12)
            check.distribution(got, name=name, atol=1e-9)
check.equal(
    kneser_ney_probability(story_tables, ("the",), "dog", 10),
    0.4520833,
    name="the discount left out is 0.75",
)
check.equal(kneser_ney_probability([{}, {}], ("the",), "dog", 20, 0.75), 1 / 20, name="empty tables", atol=1e-12)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: nothing is lost
#
# Build the tables from the village, then add up the probabilities of all words after contexts that were seen and that were not.

# %% experiment
def kneser_ney_model(n):
    tables = [counted(count_ngrams, n)]
    while len(tables) < n:
        tables.insert(0, continuation_counts(tables[0]))
    return lambda context, word: kneser_ney_probability(tables, context, word, V)


# %% experiment
model = kneser_ney_model(3)
for context in [("<s>", "<s>"), ("<s>", "the"), ("of", "all"), ("never", "seen")]:
    total = sum(model(context, word) for word in vocabulary)
    print(f"after {' '.join(context):12} the probabilities of all {V} words sum to {total:.12f}")

# %% [markdown]
# ### Experiment: the whole picture
#
# Perplexity against $n$, for every kind of smoothing, on text the models know and on text they do not.

# %% experiment
perplexities = {
    "add-k, new text": curve(lambda n: add_k_model(n, best_k(min(n, 4))), held_out),
    "Kneser-Ney, new text": curve(kneser_ney_model, held_out),
    "Kneser-Ney, known text": curve(kneser_ney_model, train[:1000]),
    "MLE, known text": curve(mle_model, train[:1000]),
}
plots.lines(
    orders,
    perplexities,
    title="Only Kneser-Ney turns a longer memory into better guesses",
    x_label="n, words in the window",
    y_label="perplexity",
    log_y=True,
    alt="Perplexity against n. On new text add-k is best at two words and worsens after; Kneser-Ney improves up to four words and "
    "then stays level. On known text both curves keep falling.",
)

# %% [markdown]
# Compare new text with known text. What a model does on text it knows tells little about what it does on new text; and of the two that
# smooth, one is hurt by more context and the other uses it.

# %% [markdown]
# ## 8 Let the model write
#
# A model that knows the next word can write: draw a word, append it, ask again, until it draws the end. *Draw* means by chance, each word with its own probability. If you always
# took the likeliest word, the model would say the same sentence for ever.
#
# ### Exercise 9: generate
#
# Sample one sentence from a model.
#
# <details><summary>Hint 1: how do I draw with given probabilities?</summary>
#
# `rng.choice(len(vocabulary), p=probabilities)` returns an index. `rng` is a random generator of numpy; the same seed gives the same draws.
# </details>
#
# <details><summary>Hint 2: how does the context move on?</summary>
#
# It starts as `("<s>",) * (n - 1)`. After each word: append it and drop the oldest, `(context + (word,))[1:]`. This also works for `n = 1`, where the context stays empty.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     context = n - 1 start symbols
#     sentence = []
#     while the sentence has fewer than max_words words:
#         draw a word from probability(context, w) for w in vocabulary
#         if it is "</s>": stop
#         append the word, move the context on
# </details>

# %% exercise="generate" minutes=10 difficulty=2
def generate(probability, vocabulary: list[str], n: int, rng: np.random.Generator, max_words: int = 30) -> list[str]:
    """Sample one sentence from an n-gram model, and return its words without "<s>" and "</s>".

    probability  function (context, word) -> float, where context is a tuple of exactly n - 1 words
    vocabulary   the words that may come next, "</s>" included
    rng          the only source of chance: np.random.default_rng(seed)
    max_words    stop after this many words, even if the model has not ended the sentence

    With a model in which every next word is certain, nothing is left to chance:
    >>> generate(certain_model, ["hello", "you", "</s>"], 2, np.random.default_rng(0))
    ['hello', 'you']
    """
    ### BEGIN SOLUTION
    context = ("<s>",) * (n - 1)
    sentence = []
    while len(sentence) < max_words:
        probabilities = [probability(context, word) for word in vocabulary]
        word = vocabulary[rng.choice(len(vocabulary), p=probabilities)]
        if word == "</s>":
            break
        sentence.append(word)
        context = (context + (word,))[1:]
    return sentence
    ### END SOLUTION


# %% test="generate" points=4
def certain_model(context, word):
    following = {("<s>",): "hello", ("hello",): "you", ("you",): "</s>"}
    return float(word == following.get(context, "lost"))


questions = []


def endless_model(context, word):
    """Never ends a sentence (unless it has been asked far too often)."""
    questions.append(word)
    return float(word == ("</s>" if len(questions) > 2000 else "on"))


def weather_model(context, word):
    return {"sun": 0.7, "rain": 0.2, "snow": 0.1, "</s>": 0.0, "lost": 0.0}[word] if context == () else float(word == "lost")


check.equal(
    generate(certain_model, ["hello", "you", "lost", "</s>"], 2, np.random.default_rng(1), max_words=5),
    ["hello", "you"],
    name="generate with a model in which every next word is certain",
    causes=[
        (["hello", "you", "</s>"], "the end symbol is not a word of the sentence: leave it out."),
        (["<s>", "hello", "you"], "the start symbol is not a word of the sentence: leave it out."),
        (["hello"] * 5, "the context never moves on: append each new word to it and drop the oldest."),
        ([], "the sentence is empty; append each word you draw."),
        (lambda words: words[0] == "you", "P(you | <s>) is 0: draw with the model's probabilities (p=...), not uniformly."),
        (lambda words: "lost" in words and words[:2] == ["hello", "you"], "stop when the model draws </s>."),
        (lambda words: "lost" in words, "the context must be the last n - 1 words as a tuple, at the start n - 1 symbols <s>."),
    ],
)
check.equal(
    len(generate(endless_model, ["on", "</s>"], 2, np.random.default_rng(0), max_words=10)),
    10,
    name="length of a sentence that does not end, max_words=10",
    causes=[
        (lambda length: length > 11, "nothing stops a sentence that does not end: stop after max_words words."),
        (lambda length: length in (9, 11), "one off: the sentence may have max_words words, no more and no less."),
    ],
)
weather = generate(weather_model, ["sun", "rain", "snow", "lost", "</s>"], 1, np.random.default_rng(2), max_words=400)
check.that("lost" not in weather, "With n = 1 the context is always empty, (). Mind that words[-0:] is the whole list.")
check.equal(
    len(weather), 400, name="length of a sentence of a unigram model that never ends", causes=[
        (lambda length: True, "a word of probability 0 was drawn: draw with the model's probabilities (p=...), not uniformly.")
    ],
)
for word, low, high in [("sun", 0.6, 0.8), ("rain", 0.11, 0.29), ("snow", 0.03, 0.17)]:
    share = weather.count(word) / 400
    message = f"P({word}) is {(low + high) / 2:.1f}, but its share among 400 generated words is {share:.2f}. "
    if share in (0.0, 1.0):
        message += "You always take the likeliest word (argmax); draw by chance, each word with its own probability."
    else:
        message += "Draw each word with its own probability: p=..., not uniformly."
    check.that(low < share < high, message)
first, again, *others = [
    generate(weather_model, ["sun", "rain", "snow", "</s>"], 1, np.random.default_rng(seed), max_words=30) for seed in (5, 5, 6, 7)
]
check.that(first == again, "The same seed must give the same sentence: let rng be the only source of chance.")
check.that(first not in others, "Different seeds gave the same sentence: draw with the rng you are given, not with one of your own.")
### BEGIN HIDDEN TESTS


def two_state_model(context, word):
    if len(context) != 1 or context[0] not in ("<s>", "up", "down"):
        return float(word == "lost")
    stay = {"<s>": 0.5, "up": 0.9, "down": 0.6}[context[0]]
    if context[0] == "down":
        return {"down": stay, "up": 1 - stay}.get(word, 0.0)
    return {"up": stay, "down": 1 - stay}.get(word, 0.0)


states = generate(two_state_model, ["lost", "down", "up", "</s>"], 2, np.random.default_rng(3), max_words=500)
check.equal(len(states), 500, name="length of the two-state sentence")
check.equal(set(states), {"up", "down"}, name="words of the two-state sentence")
for state, stay in [("up", 0.9), ("down", 0.6)]:
    nexts = [after for before, after in zip(states, states[1:]) if before == state]
    check.that(abs(nexts.count(state) / len(nexts) - stay) < 0.22, f"share of {state} after {state}")


def spelling_model(n):
    """Every window of n words of the sentence a b c ... j is certain, and needs the right context of n - 1 words."""
    words = [*["<s>"] * (n - 1), *"abcdefghij", "</s>"]
    following = {tuple(words[i : i + n - 1]): words[i + n - 1] for i in range(len(words) - n + 1)}
    return lambda context, word: float(word == following.get(context, "lost"))


for n in range(2, 6):
    sentence = generate(spelling_model(n), ["lost", "</s>", *"jihgfedcba"], n, np.random.default_rng(n))
    check.equal(sentence, list("abcdefghij"), name=f"the alphabet, n = {n}")
lengths = [
    len(generate(lambda context, word: 0.5, ["ha", "</s>"], 1, np.random.default_rng(seed), max_words=8)) for seed in range(200)
]
check.that(60 < lengths.count(0) < 140, "share of empty sentences when the end has probability 1/2")
check.that(max(lengths) <= 8, "max_words")
check.equal(generate(lambda context, word: float(word == "</s>"), ["ha", "</s>"], 3, np.random.default_rng(0)), [], name="ends at once")
check.equal(generate(weather_model, ["sun", "rain", "snow"], 1, np.random.default_rng(0), max_words=0), [], name="max_words=0")
check.equal(len(generate(lambda context, word: 1.0, ["on"], 1, np.random.default_rng(0))), 30, name="max_words left out is 30")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: from word salad to sentences

# %% experiment
for n in [1, 2, 3, 5]:
    print(f"n = {n}")
    for seed in range(3):
        print("   ", " ".join(generate(kneser_ney_model(n), vocabulary, n, np.random.default_rng(seed), max_words=20)))

# %% [markdown]
# With a window of one word the model only knows which words are common. Every further word of context makes longer stretches sound like the village; but a
# sentence may still forget how it began.

# %% [markdown]
# ## 9 The ladder begins
#
# All models of this course stand on one chart: bits per character on the *test* sentences, `village.test`. No model has learned from them, and no setting was chosen on them:
# $k$ and $n$ were chosen on the other held-out sentences, `village.valid`.

# %% experiment
test = village.test
characters = sum(len(" ".join(sentence)) + 1 for sentence in test)


def put_on_ladder(name, model, n):
    nats = -sum(sentence_log_probability(model, sentence, n) for sentence in test)
    ladder.record(name, nats=nats, characters=characters, notebook="01")
    print(f"{name:20} {nats / math.log(2) / characters:.3f} bits per character")


# %% experiment
put_on_ladder("Uniform", lambda context, word: 1 / V, 1)
put_on_ladder("Unigram, add-k", add_k_model(1, best_k(1)), 1)
put_on_ladder("Bigram, add-k", add_k_model(2, best_k(2)), 2)
put_on_ladder("Kneser-Ney, n = 4", kneser_ney_model(4), 4)
print(f"{'Floor':20} {village.source.bits_per_character_floor(test):.3f} bits per character")
ladder.chart()

# %% [markdown]
# ### Experiment: what is between us and the floor?
#
# In the village a verb agrees with its noun, however far away it stands: `the bottle here was`, `the bottles here were`; `the jar behind the brick was`, `the jars
# behind the brick were`. The more words in between, the farther a model must remember. How often does it give the right form the higher probability? A model that
# cannot tell is right half of the time.

# %% experiment
def right_choices(model, n, distance):
    share = 0.0
    places = village.source.agreement_pairs(distance, "number", n=200)
    for place in places:
        context = (("<s>",) * n + place.prefix)[len(place.prefix) + 1 :]
        right, wrong = (model(context, word) for word in (place.right, place.wrong))
        share += 1.0 if right > wrong else 0.5 if right == wrong else 0.0
    return share / len(places)


distances = [0, 1, 2, 3, 4, 5]
models = {n: kneser_ney_model(n) for n in [2, 3, 4]}
plots.lines(
    distances,
    {f"n = {n}": [right_choices(model, n, distance) for distance in distances] for n, model in models.items()},
    title="Beyond its window, a table of counts tosses a coin",
    x_label="words between the noun and its verb",
    y_label="share of right choices (Kneser-Ney)",
    alt="Share of right choices against distance. The line for n = 2 falls to 0.5 at distance 1, for n = 3 at 2, for n = 4 at 3.",
)

# %% [markdown] question="what_is_missing" points=3 minutes=4
# **Question 3.** (a) *York* is more frequent than *house* in the table of section 7, yet Kneser-Ney prefers *house* after a context it has never seen. Explain in two sentences
# why that is wise. (b) In the last figure, why does the line for $n = 4$ reach 0.5 exactly at a distance of three words, and why is it below 1 at a distance of two, which is
# inside its window? (c) Why not simply take $n = 20$?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) A new context is, by definition, company in which the word has not been seen. A word that was seen after many different words is more likely to turn up
# after another one, while york has shown up after a single word only. (b) A model with n = 4 sees the three words before the one it predicts. With three words in between, the noun is
# the fourth before and outside the window: both forms get the same probability, and the choice is a coin toss. With two in between, the noun is inside, but many of these windows
# were never seen in training, and then the model falls back to shorter contexts without the noun. (Half a point for each.) (c) The number of possible windows grows by a factor V
# with each word: nearly all contexts of 19 words are new, the model falls back to short contexts, and the tables grow beyond any memory. Half a point for "too slow" or
# "too much memory" alone.
# ### END MARK SCHEME

# %% [markdown]
# ## What to remember
#
# - A language model is a function from a context to probabilities of the next word. Pad with `<s>`, predict `</s>`.
# - Relative frequencies fit the training text best and fail on any other: a single unseen window makes a text impossible.
# - Add logarithms; never multiply probabilities.
# - Test on held-out text, choose settings on other held-out text, and never leave out what the model finds hard.
# - Smoothing moves probability from what was seen to what was not. Kneser-Ney takes a discount from every count, and gives it to shorter contexts, which count *different company*
#   instead of occurrences.
# - What a table can't do: reach far back, and know that two words are alike. The next notebooks start there.
#
# ## Further reading
#
# - A. A. Markov (1913), *An Example of Statistical Investigation of the Text Eugene Onegin Concerning the Connection of Samples in Chains*; English translation in
#   Science in Context 19(4), 591-600, 2006.
# - B. Hayes (2013), *First Links in the Markov Chain*, American Scientist 101(2), 92. The story around it.
# - C. E. Shannon (1948), *A Mathematical Theory of Communication*, Bell System Technical Journal 27. Section 3 writes English with n-grams.
# - G. K. Zipf (1949), *Human Behavior and the Principle of Least Effort*, Addison-Wesley.
# - R. Kneser, H. Ney (1995), *Improved Backing-off for M-gram Language Modeling*, ICASSP, vol. 1, 181-184.
# - S. F. Chen, J. Goodman (1999), *An Empirical Study of Smoothing Techniques for Language Modeling*, Computer Speech & Language 13(4), 359-394.
# - D. Jurafsky, J. H. Martin, *Speech and Language Processing*, 3rd edition (draft), the chapter on n-gram language models.
# - J. Liu et al. (2024), *Infini-gram: Scaling Unbounded n-gram Language Models to a Trillion Tokens*, COLM. Counting has not ended.

# %% submit
hand_in(
    "01_ngrams",
    "transition_matrix",
    "count_ngrams",
    "mle_probability",
    "sentence_log_probability",
    "perplexity",
    "add_k_probability",
    "continuation_counts",
    "kneser_ney_probability",
    "generate",
)
