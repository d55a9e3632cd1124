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
# # 09 · Decoding
#
# A language model does not write. It gives, for every text, a probability to each token that may come next, and that is all. To turn these probabilities into text is a task of its own, called **decoding**, and
# it matters as much as the model: the same model with the same weights bores, babbles or tells a story, depending on how its next token is picked.
#
# **After this notebook you can**
#
# - write the ways to pick that are in use: greedy, beam search, sampling with temperature, top-k and top-p;
# - show why the likeliest text is not the best one, and measure repetition and diversity;
# - say whether a model's probabilities can be believed, and mend them where they can't;
# - generate fast: with a cache of keys and values, and with a small model that guesses ahead of a large one (speculative decoding), without changing the distribution of what is written.
#
# **Time:** about two hours, 110 minutes of it for the exercises and questions. **Points:** 44. **You need:** softmax, what a GPT returns (notebook 06), PyTorch's indexing.

# %% setup
import math
import time

import torch
from torch import Tensor
from torch.nn import functional as F

from nextword import check, hand_in, plots, preset
from nextword.course_lm import course_lm, course_lm_draft
from nextword.labelled import labelled_texts
from nextword.models import GPT, Cache, GPTConfig

torch.set_num_threads(1)  # one text at a time is little work: threads would wait for each other

# A model that fits on a page: from each word (row) the probability of each next word (column)
TOY_WORDS = ["</s>", "the", "a", "dog", "cat", "bird", "and"]
TOY_TABLE = torch.tensor(
    [
        # </s>  the   a    dog   cat   bird  and
        [0.00, 0.60, 0.40, 0.00, 0.00, 0.00, 0.00],  # </s>, which also stands before a text
        [0.00, 0.00, 0.00, 0.40, 0.35, 0.25, 0.00],  # the
        [0.00, 0.00, 0.00, 0.05, 0.05, 0.90, 0.00],  # a
        [0.60, 0.00, 0.00, 0.00, 0.00, 0.00, 0.40],  # dog
        [0.60, 0.00, 0.00, 0.00, 0.00, 0.00, 0.40],  # cat
        [0.60, 0.00, 0.00, 0.00, 0.00, 0.00, 0.40],  # bird
        [0.00, 0.60, 0.40, 0.00, 0.00, 0.00, 0.00],  # and
    ]
)


def toy(idx: Tensor, targets: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
    """The model of the page, as every model of this course: logits (B, T, 7) for words (B, T), and no loss."""
    return TOY_TABLE[idx].log(), None


print(preset())

# %% [markdown]
# ## 1 One text, many ways to go on
#
# The course's own small GPT, `course-lm`, comes with the package: 2.5 million parameters, trained on text made up for this course (stories of a village, reviews, headlines, questions). It is no model of English, but it has the faults of large
# models in a size that fits a processor core. Its little brother, `course-lm-draft`, has a fifth of its parameters and one layer instead of four; it will be of use in section 7.
#
# With a network you may take real ones: write `LARGE, SMALL = "openai-community/gpt2", "distilbert/distilgpt2"` in the next cell, and run the notebook again. Everything below works with them, only slower.

# %% experiment
from transformers import AutoTokenizer
from transformers.utils import logging

logging.disable_progress_bar()
LARGE, SMALL = course_lm(), course_lm_draft()


def load(large_name, small_name):
    """The tokenizer, which both models share, and the two models."""
    models = [GPT.from_pretrained(name).eval().requires_grad_(False) for name in (large_name, small_name)]
    return AutoTokenizer.from_pretrained(large_name), *models


try:
    tokenizer, large, small = load(LARGE, SMALL)
except OSError:
    print(f"{LARGE} or {SMALL} is not on this machine and could not be fetched; course-lm and its draft stand in for them.")
    tokenizer, large, small = load(course_lm(), course_lm_draft())


def ids_of(text):
    return tokenizer.encode(text, add_special_tokens=False)


def readable(i):
    """A token in quotes, so that a space at its start shows; its number where it can't be printed, as parts of a letter."""
    text = tokenizer.decode([i])
    return f"{text!r}" if text.isprintable() and "\ufffd" not in text else f"token {i}"


TOKENS = [readable(i) for i in range(len(tokenizer))]


def next_words(probabilities):
    """The probabilities (V,) of the next token, by its name."""
    return dict(zip(TOKENS, probabilities.tolist(), strict=True))


OPENING = "Once there was a"
plots.next_words(
    next_words(large(torch.tensor([ids_of(OPENING)]))[0][0, -1].softmax(-1)),
    title=f"What course-lm expects after “{OPENING}”",
    alt=f"Horizontal bars: the ten likeliest tokens after '{OPENING}' with their probabilities, and a bar for all other tokens together.",
)

# %% [markdown]
# Two decisions are to be made: *which* token to take from this distribution, and *when* to stop. The simplest answer: the likeliest token, again and again, until the model says that the text ends. This is **greedy decoding**:
#
# $$x_t = \arg\max_x \; p(x \mid x_1 \dots x_{t-1})$$
#
# Every model here is a function: `logits, loss = model(idx)` takes token ids of shape (B, T) and returns logits of shape (B, T, V). The logits at the last place say what comes next.

# %% [markdown]
# ### Exercise 1: greedy decoding
#
# Texts go in and come out as lists of token ids. Return only what is new. If the end token is picked, it is the last one of the text, and belongs to it.
#
# <details><summary>Hint 1: how do I ask the model about a list?</summary>
#
# `torch.tensor([ids])` has the shape (1, T): one text. The model must see the whole text so far, the prompt and everything that was picked.
# </details>
#
# <details><summary>Hint 2: and what comes out?</summary>
#
# Logits of shape (1, T, V). Only those at the last place tell about what is not yet there. `int(...)` makes a plain number of a tensor that holds one.
# </details>
#
# <details><summary>I see [4, 4, 4, 4, 4] instead of [7, 9, 6, 7, 0]</summary>
#
# You read the logits at the first place, which foretell the second token of the prompt, and nothing ever changes there.
# </details>

# %% exercise="greedy_decode" minutes=8 difficulty=1
def greedy_decode(model, prompt: list[int], n: int, end_id: int | None = None) -> list[int]:
    """Return at most n token ids that follow the prompt, each the likeliest one given all before it.

    model   model(idx) returns (logits, loss) for idx (1, T); logits (1, T, V)
    end_id  a text ends with this token; None: never before n tokens

    Of the toy's words, "the" (1) is likeliest at the start, then "dog" (3), then the end (0):
    >>> greedy_decode(toy, [0], 5, end_id=0)
    [1, 3, 0]
    """
    ### BEGIN SOLUTION
    text = list(prompt)
    for _ in range(n):
        logits, _ = model(torch.tensor([text]))
        text.append(int(logits[0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]
    ### END SOLUTION


# %% test="greedy_decode" points=3
def digits(idx, targets=None):
    """A model of digits: the next is the last digit of the sum of token times place, plus 1, over all places."""
    sums = (idx * torch.arange(1, idx.shape[1] + 1) + 1).cumsum(1) % 10
    return F.one_hot(sums, 10).float(), None


def greedily(*given, **settings):
    """What greedy_decode returns; an error of shapes is returned, to be named below."""
    try:
        return greedy_decode(*given, **settings)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, TypeError) as error:
        return error


only_last, last_token = [], 1
for _ in range(5):
    last_token = (last_token + 1) % 10
    only_last.append(last_token)
check.equal(
    greedily(digits, [3, 1], 5),
    [7, 9, 6, 7, 0],
    name="five digits after 3, 1",
    causes=[
        ([4, 4, 4, 4, 4], "you read the logits at the first place; what comes next is foretold at the last."),
        ([3, 1, 7, 9, 6, 7, 0], "the prompt is in the result; return only what is new."),
        ([3, 1, 7, 9, 6], "n counts new tokens, and only those are returned: the prompt is neither."),
        (only_last, "the model sees the last token only; give it the whole text so far."),
        ([7, 7, 7, 7, 7], "the model is always asked about the prompt alone; what was picked must be added to the text."),
        ([7, 9, 6, 7], "there is one token too few: n new tokens."),
        ([7, 9, 6, 7, 0, 1], "there is one token too many: n new tokens."),
        (lambda got: isinstance(got, Exception), "the model wants a tensor of shape (1, T): torch.tensor([text])."),
        (lambda got: not isinstance(got, list), "return a list of plain numbers, made with int(...)."),
        (lambda got: len(got) == 5, "greedy means the token with the largest logit, not a draw."),
    ],
)
check.equal(
    greedily(digits, [3, 1], 5, end_id=6),
    [7, 9, 6],
    name="the same with the end token 6",
    causes=[
        ([7, 9, 6, 7, 0], "the text goes on behind the end token."),
        ([7, 9], "the end token is missing: it belongs to the text."),
    ],
)
check.equal(greedily(digits, [6, 1], 2, end_id=6), [0, 1], name="a prompt in which the end token stands", causes=[([], "only a new token can end the text, not one of the prompt.")])
### BEGIN HIDDEN TESTS
for prompt, n, end in [([0], 1, None), ([9, 9, 9], 12, None), ([5], 30, 0), ([1, 2, 3, 4], 7, 8), ([2], 0, None), ([4, 4], 9, 4)]:
    text = list(prompt)
    for _ in range(n):
        text.append(sum(token * place + 1 for place, token in enumerate(text, start=1)) % 10)
        if text[-1] == end:
            break
    check.equal(greedy_decode(digits, prompt, n, end), text[len(prompt) :], name=f"{n} digits after {prompt}, end {end}")
given_prompt = [3, 1]
check.equal(check.after(greedy_decode, digits, given_prompt, 3).arguments[1], [3, 1], name="the prompt after the call")
check.equal(greedy_decode(lambda idx: (digits(idx)[0] * 1000 - 1e6, None), [3, 1], 5), [7, 9, 6, 7, 0], name="large negative logits")
### END HIDDEN TESTS

# %% experiment
for opening in ["Review: I", "Headline:", OPENING]:
    text = greedy_decode(large, ids_of(opening), 60)
    print(f"{opening}{tokenizer.decode(text)}\n---")

# %% [markdown]
# Look at how these texts go on: phrases come back, and some of the texts run in circles. Once a sentence stands there twice, it is likelier to come a third time, and greedy decoding never leaves the likeliest path. Holtzman et al. (2020) called this *neural text degeneration*, and saw it in
# GPT-2, too.

# %% [markdown]
# ## 2 Looking further: beam search
#
# Perhaps the fault is that greedy decoding is short-sighted? The likeliest first token need not begin the likeliest text. The toy model of the setup shows it:

# %% experiment
pairs = {f"{TOY_WORDS[a]} {TOY_WORDS[b]}": float(TOY_TABLE[0, a] * TOY_TABLE[a, b]) for a in (1, 2) for b in (3, 4, 5)}
plots.bars(
    pairs,
    highlight="the dog",
    title="Greedy decoding takes “the dog” and misses “a bird”",
    alt="Bars of the probabilities of six pairs of words. The likeliest is 'a bird' with 0.36; 'the dog', which greedy decoding takes, has 0.24.",
)

# %% [markdown]
# *The* has the probability 0.6 and *a* only 0.4. But after *a* nearly all goes to *bird*, 0.4 × 0.9 = 0.36, while *the* is shared by three nouns; the best of them gets 0.6 × 0.4 = 0.24.
#
# To look at all texts is impossible: there are $V^n$ of them. **Beam search** keeps the $k$ best beginnings, the *beam*, and extends them together:
#
# 1. Every token that may follow any of the $k$ beginnings gives a candidate. Its score is the *sum of the log-probabilities* of its tokens: the score of the beginning plus $\log p(\text{token} \mid \text{beginning})$.
# 2. Rank all candidates. Those **among the best $k$** that end with the end token are **finished**: they are put aside, and nothing is ever added to them.
# 3. The best $k$ of the candidates that do **not** end are the next beam.
# 4. At the last step, when $n$ tokens are written, the best $k$ candidates are all finished, ended or not.
#
# In the end, finished texts of different lengths must be compared. Every further token makes a text less likely, so sums of log-probabilities favour short texts, in the extreme the empty one. Therefore the sum is divided by a power of the length:
#
# $$\text{score}(x_1 \dots x_L) = \frac{1}{L^{\alpha}} \sum_{t=1}^{L} \log p(x_t \mid x_{<t})$$
#
# where $L$ counts the new tokens, the end token included. With $\alpha = 1$ this is the mean per token; with $\alpha = 0$ nothing is corrected. These are the rules by which `transformers` searches with `early_stopping="never"`; by default it stops sooner, when a better text has become unlikely.
#
# **An example**, $k = 2$ and two words: the beam after one word is *the* ($\log 0.6 = -0.51$) and *a* ($-0.92$). The best candidates for the second are *a bird* ($-0.92 + \log 0.9 = -1.02$) and *the dog* ($-0.51 + \log 0.4 = -1.43$).

# %% [markdown]
# ### Exercise 2: beam search
#
# The beginning of all beginnings is the prompt alone, with the score 0: at the first step the beam holds one text.
#
# <details><summary>Hint 1: what do I have to keep?</summary>
#
# A list `beam` of pairs (tokens, total), and a list `finished` of pairs (tokens, score). Both hold new tokens only; the prompt is put before them when the model is asked.
# </details>
#
# <details><summary>Hint 2: how do I rank all candidates?</summary>
#
# The log-probabilities of one text are `logits[0, -1].log_softmax(-1)`, shape (V,). It is enough to look at the k + 1 likeliest tokens of each text (why?): `torch.topk(values, min(k + 1, len(values)))`. Collect (tokens + [token], total + log-probability), and sort by the total, best first.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     beam = [([], 0.0)]
#     repeat n times:
#         candidates = all extensions of all texts in beam, best total first
#         for each of the first k candidates:
#             if it ends, or this is the last step: put it aside with its score
#         beam = the first k candidates that do not end
#     the tokens of the best finished text
# </details>
#
# <details><summary>My texts are too short, or too long</summary>
#
# Log-probabilities are negative. Dividing by a larger number makes a score *larger*, nearer to zero. Divide the total only when a text is finished; totals are what candidates are ranked by.
# </details>

# %% exercise="beam_search" minutes=20 difficulty=3
def beam_search(model, prompt: list[int], n: int, k: int, end_id: int | None = None, alpha: float = 1.0) -> list[int]:
    """Return the best text of at most n new tokens that a beam of k finds after the prompt, as token ids.

    model   model(idx) returns (logits, loss) for idx (B, T); logits (B, T, V)
    k       how many beginnings are kept
    end_id  a text is finished with this token, which belongs to it; None: only by its length
    alpha   finished texts are compared by (sum of log-probabilities) / (number of new tokens) ** alpha

    >>> beam_search(toy, [0], 2, k=1), beam_search(toy, [0], 2, k=2)
    ([1, 3], [2, 5])
    """
    ### BEGIN SOLUTION
    beam = [([], 0.0)]
    finished = []
    for step in range(1, n + 1):
        candidates = []
        for tokens, total in beam:
            logits, _ = model(torch.tensor([prompt + tokens]))
            values, ids = logits[0, -1].log_softmax(-1).topk(min(k + 1, logits.shape[-1]))
            candidates += [([*tokens, token], total + value) for value, token in zip(values.tolist(), ids.tolist())]
        candidates.sort(key=lambda candidate: -candidate[1])
        for tokens, total in candidates[:k]:
            if tokens[-1] == end_id or step == n:
                finished.append((total / step**alpha, tokens))
        beam = [candidate for candidate in candidates if candidate[0][-1] != end_id][:k]
    return max(finished)[1] if finished else []
    ### END SOLUTION


# %% test="beam_search" points=6
def searched(*given, **settings):
    """What beam_search returns; an error is returned, to be named below."""
    try:
        return beam_search(*given, **settings)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, ValueError, TypeError) as error:
        return error


def chain(table):
    """A model that looks at the last token only: table (V, V) of probabilities."""
    return lambda idx, targets=None: (torch.tensor(table).log()[idx], None)


check.equal(searched(toy, [0], 2, k=1), [1, 3], name="two words, k = 1: greedy decoding", causes=[([0, 1, 3], "the prompt is in the result; return only what is new."), ([], "nothing is finished: at the last step the best k candidates are, ended or not.")])
check.equal(
    searched(toy, [0], 2, k=3),
    [2, 5],
    name="two words, k = 3",
    causes=[
        ([1, 3], "this is the greedy text. Keep k beginnings, and rank all extensions of all of them together, by their totals."),
        ([0, 2, 5], "the prompt is in the result; return only what is new."),
        ([1, 4], "of the finished texts you return the worst: the best has the largest score (they are negative)."),
        ([], "nothing is finished: at the last step the best k candidates are, ended or not."),
        (lambda got: isinstance(got, Exception), "something breaks. At the first step the beam holds one text, the prompt with the total 0; at the last the best k candidates are finished, ended or not."),
    ],
)
check.equal(
    searched(chain([[0.0, 0.9, 0.1, 0.0], [0.0, 0.4, 0.0, 0.6], [0.0, 0.05, 0.05, 0.9], [0.5, 0.5, 0.0, 0.0]]), [0], 2, k=2),
    [1, 3],
    name="two tokens of another model, k = 2",
    causes=[([2, 3], "the last token alone decides: the total of a candidate is the total of its beginning plus the log-probability of the new token.")],
)
short_or_long = chain([[0.4, 0.6], [0.6, 0.4]])  # token 0 ends; after 0 stands the prompt
check.equal(
    searched(short_or_long, [0], 5, k=3, end_id=0, alpha=0.0),
    [0],
    name="at most five tokens, k = 3, the end token 0, alpha = 0",
    causes=[
        ([1, 0], "with alpha = 0 nothing is divided: totals are compared as they are."),
        ([], "the end token belongs to the text."),
        (lambda got: isinstance(got, list) and 0 in got[:-1], "the text goes on behind the end token; a finished text is put aside, and nothing is added to it."),
        (lambda got: isinstance(got, list) and 0 not in got, "texts that end are lost: put them aside as finished, and compare them at the end."),
        (lambda got: isinstance(got, list) and len(got) > 2, "a longer text is always less likely: add log-probabilities, not probabilities."),
    ],
)
check.equal(
    searched(short_or_long, [0], 5, k=3, end_id=0, alpha=1.0),
    [1, 0],
    name="the same with alpha = 1",
    causes=[
        ([0], "finished texts are compared without regard to their length: divide the total, a sum of log-probabilities, by the number of tokens to the power of alpha."),
        ([1], "the end token belongs to the text."),
        (lambda got: isinstance(got, list) and 0 in got[:-1], "the text goes on behind the end token; a finished text is put aside, and nothing is added to it."),
        (lambda got: isinstance(got, list) and len(got) == 5, "a text that ended earlier has the better score, -0.51 per token; compare it with those that reach n tokens."),
    ],
)
check.equal(
    searched(short_or_long, [0], 5, k=3, end_id=0, alpha=2.0),
    [1, 1, 1, 1, 0],
    name="the same with alpha = 2",
    causes=[
        ([1, 0], "alpha is the power of the length: divide by length ** alpha, with the length counted from the first new token to the end token."),
        ([1, 1, 1, 1, 1], "the scores are compared the wrong way, or the texts that end at the last step are lost."),
        (lambda got: True, "the length is the number of new tokens, the end token included; the prompt does not count."),
    ],
)
check.equal(
    searched(short_or_long, [1] * 10 + [0], 5, k=3, end_id=0, alpha=1.0),
    [1, 0],
    name="the same with a prompt of eleven tokens, alpha = 1",
    causes=[(lambda got: True, "the length counts new tokens only, not the prompt.")],
)
check.equal(
    searched(short_or_long, [0], 2, k=1, end_id=0, alpha=0.0),
    [1, 0],
    name="two tokens, k = 1, alpha = 0",
    causes=[([0], "a candidate that ends is finished only if it is among the best k of all candidates.")],
)
crowded = chain([[0.4, 0.35, 0.25, 0.0], [0.2, 0.4, 0.2, 0.2], [0.03, 0.01, 0.01, 0.95], [0.03, 0.01, 0.01, 0.95]])
check.equal(
    searched(crowded, [0], 3, k=2, end_id=0, alpha=1.0),
    [2, 3, 3],
    name="three tokens, k = 2, when the likeliest first token is the end",
    causes=[(lambda got: True, "the best k candidates that do not end are the next beam: an ended one takes no place in it.")],
)
### BEGIN HIDDEN TESTS
def by_the_rules(table, prompt, n, k, end, alpha):
    """Beam search over all candidates, slowly."""
    totals, done = {(): 0.0}, {}
    for step in range(1, n + 1):
        longer = {}
        for tokens, total in totals.items():
            row = table[(list(prompt) + list(tokens))[-1]]
            longer |= {(*tokens, token): total + (math.log(p) if p > 0 else -math.inf) for token, p in enumerate(row)}
        ranked = sorted(longer, key=longer.get, reverse=True)
        done |= {tokens: longer[tokens] / step**alpha for tokens in ranked[:k] if tokens[-1] == end or step == n}
        totals = {tokens: longer[tokens] for tokens in [tokens for tokens in ranked if tokens[-1] != end][:k]}
    return list(max(done, key=done.get))


generator = torch.Generator().manual_seed(92)
for V, n, k, end, alpha in [
    (3, 4, 1, None, 1.0), (4, 3, 2, None, 0.0), (5, 4, 3, 0, 1.0), (5, 6, 2, 0, 0.0), (6, 5, 4, 2, 1.0), (4, 6, 3, 1, 2.0),
    (6, 3, 6, 5, 0.5), (3, 5, 5, 2, 1.0), (7, 5, 2, 3, 1.0), (4, 1, 3, 0, 1.0), (5, 5, 3, 4, 0.7), (3, 3, 27, 0, 1.0), (4, 4, 2, 0, -1.0),
]:  # fmt: skip
    random_table = (2 * torch.randn(V, V, generator=generator)).softmax(-1).double().tolist()
    start = torch.randint(V, (3,), generator=generator).tolist()
    want = by_the_rules(random_table, start, n, k, end, alpha)
    check.equal(beam_search(chain(random_table), start, n, k, end, alpha), want, name=f"V = {V}, n = {n}, k = {k}, end {end}, alpha {alpha}")
def whole_text(idx, targets=None):
    """Foretells the last digit of the sum of token times place, plus 1, over all places."""
    return F.one_hot((idx * torch.arange(1, idx.shape[1] + 1) + 1).cumsum(1) % 10, 10).float(), None


check.equal(beam_search(toy, [0], 0, 3), [], name="no token at all")
check.equal(beam_search(whole_text, [3, 1], 5, 1), [7, 9, 6, 7, 0], name="a model that reads the whole text")
check.equal(beam_search(whole_text, [3, 1], 5, 4), [7, 9, 6, 7, 0], name="a model that reads the whole text, k = 4")
check.equal(check.after(beam_search, whole_text, [3, 1], 3, 2).arguments[1], [3, 1], name="the prompt after the call")
### END HIDDEN TESTS

# %% experiment
REVIEW = ids_of("Review: I")


def bits_of(model, prompt, new):
    """How many bits each of the new tokens costs the model, a list."""
    log_p = model(torch.tensor([prompt + new]))[0][0, :-1].log_softmax(-1)
    return [-float(log_p[i, token]) / math.log(2) for i, token in enumerate(new, start=len(prompt) - 1)]


widths = [1, 2, 4, 8]
found = {k: beam_search(large, REVIEW, 40, k) for k in widths}
beam_bits = {k: sum(bits_of(large, REVIEW, tokens)) for k, tokens in found.items()}
for k, tokens in found.items():
    print(f"k = {k}, {beam_bits[k]:.1f} bits: {tokenizer.decode(REVIEW + tokens)}\n---")

# %% [markdown]
# Beam search does find likelier texts than greedy decoding: they cost the model fewer bits in all. Read them, though. They are hardly better.
#
# What the power of the length does is best seen with the toy model, whose texts end after any noun:

# %% experiment
for alpha in [0.0, 1.0, 2.0]:
    tokens = beam_search(toy, [0], 12, 10, end_id=0, alpha=alpha)
    print(f"alpha = {alpha:g}: {' '.join(TOY_WORDS[token] for token in tokens)}")

# %% [markdown]
# The larger $\alpha$, the longer the text that wins. Without any correction it is the shortest one that wins here, and elsewhere it can be worse: Stahlberg and Byrne (2019) searched exhaustively with a translation model, and for more than half of all sentences the likeliest translation was the empty one.
# So in translation, where beam search is at home, it works *because* it does not find the likeliest text.

# %% [markdown]
# ## 3 Rolling dice
#
# The alternative is to **draw** the next token from the distribution, as generating texts worked in the notebooks before this one. Then an unlikely token comes now and then, as it does when people write. But it may be too much: a vocabulary has thousands of tokens that make no sense
# in a place, and although each has a tiny probability, together they are drawn often enough to ruin most texts. So the distribution is reshaped before the draw. Three knobs are in use.
#
# **Temperature** (Ackley et al. 1985) divides all logits by a number $T$:
#
# $$p_i = \frac{\exp(z_i / T)}{\sum_j \exp(z_j / T)}$$
#
# $T = 1$ changes nothing. Below 1, differences between logits grow and the likely tokens gain; above 1, the distribution becomes flatter. When $T$ goes to 0, everything goes to the largest logit; so we agree that $T = 0$ *means* greedy.
#
# **An example.** Probabilities $(0.125, 0.25, 0.625)$ have the proportions 1 : 2 : 5. With $T = 0.5$ these are squared, 1 : 4 : 25, which gives $(0.033, 0.133, 0.833)$. With $T = 2$ their roots are taken.

# %% [markdown]
# ### Exercise 3: temperature
#
# From logits to probabilities. At the temperature 0 all probability goes to *one* token: the one with the largest logit, the first of them where several are largest.
#
# <details><summary>Hint 1: what does softmax do here?</summary>
#
# `softmax(-1)` of the divided logits is the whole formula, for any number of rows at once.
# </details>
#
# <details><summary>Hint 2: temperature 0</summary>
#
# Dividing by 0 gives infinity or NaN, so this case needs its own line. `F.one_hot(ids, V)` makes rows of a 1 and zeros, as whole numbers; turn them into the dtype of the logits with `.to(logits.dtype)`.
# </details>

# %% exercise="apply_temperature" minutes=6 difficulty=1
def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Return the probabilities of logits (..., V) at a temperature, same shape and dtype; rows sum to 1.

    temperature  0 or more; 0 gives all to the (first) largest logit

    >>> apply_temperature(torch.tensor([1.0, 2.0, 5.0]).log(), 0.5)
    tensor([0.0333, 0.1333, 0.8333])
    """
    ### BEGIN SOLUTION
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    return (logits / temperature).softmax(-1)
    ### END SOLUTION


# %% test="apply_temperature" points=3
def heated(logits, temperature):
    """What apply_temperature returns; an error is returned, to be named below."""
    try:
        return apply_temperature(logits, temperature)
    except NotImplementedError:
        raise
    except (RuntimeError, ZeroDivisionError, IndexError) as error:
        return error


one_two_five = torch.tensor([1.0, 2.0, 5.0])
colder, hotter = one_two_five**2 / 30, one_two_five.sqrt() / one_two_five.sqrt().sum()
check.equal(
    heated(one_two_five.log(), 0.5),
    colder,
    name="the proportions 1 : 2 : 5 at the temperature 0.5",
    atol=1e-5,
    causes=[
        (hotter, "you multiply by the temperature; the logits are divided by it."),
        (one_two_five / 8, "the temperature has no effect."),
        (2 * one_two_five.log(), "these are logits still; softmax makes them probabilities."),
        (one_two_five / 4, "the probabilities were divided; divide the logits, then take the softmax."),
        (colder.log(), "these are logarithms of probabilities."),
        (one_two_five**2, "these do not sum to 1: take the softmax, or divide by the sum."),
        ((one_two_five / 8) ** 2, "these do not sum to 1: divide by the sum."),
        ((one_two_five / 8).square().softmax(-1), "softmax twice: the logits are divided by the temperature, and softmax comes once, after that."),
        ((one_two_five / 4).softmax(-1), "softmax twice: the logits are divided by the temperature, and softmax comes once, after that."),
    ],
)
check.equal(
    heated(torch.tensor([[1.0, 2.0, 5.0], [5.0, 1.0, 2.0]]).log(), 2.0),
    torch.stack([hotter, hotter[[2, 0, 1]]]),
    name="two rows at the temperature 2",
    atol=1e-5,
    causes=[(lambda got: True, "each row is a distribution by itself: softmax along the last axis, -1.")],
)
check.equal(
    heated(torch.tensor([[1.0, 3.0, 2.0], [-5.0, -6.0, -7.0]]), 0),
    torch.tensor([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]),
    name="two rows at the temperature 0",
    causes=[
        (lambda got: isinstance(got, Exception), "at 0 something is divided by 0, or the rows do not fit: give all to the largest logit of each row."),
        (lambda got: bool(got.isnan().any()), "at 0 something is divided by 0: give all to the largest logit instead."),
        (lambda got: tuple(got.shape) != (2, 3), "return probabilities, a row of 1 and zeros, not the token."),
        (torch.tensor([[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]), "the largest is sought in the whole table; each row has one of its own: argmax(-1)."),
        (lambda got: bool((got.sum(-1) - 1).abs().max() < 1e-4), "at 0 all goes to the largest logit of the row, and nothing to the others."),
    ],
)
check.equal(str(heated(torch.tensor([[1.0, 3.0]]), 0).dtype), "torch.float32", name="the dtype at the temperature 0", causes=[("torch.int64", "these are whole numbers; return the dtype of the logits.")])
check.equal(heated(torch.tensor([2.0, 7.0, 7.0]), 0), torch.tensor([0.0, 1.0, 0.0]), name="a tie at the temperature 0", causes=[(torch.tensor([0.0, 0.5, 0.5]), "greedy decoding picks one token: of several largest logits the first."), (torch.tensor([0.0, 1.0, 1.0]), "greedy decoding picks one token: of several largest logits the first.")])
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(93)
for shape, temperature in [((7,), 1.0), ((3, 5), 0.1), ((2, 3, 4), 3.0), ((1, 1), 0.7), ((0, 4), 1.0), ((4, 100), 1.5)]:
    logits = 3 * torch.randn(shape, generator=generator)
    weights = ((logits - logits.amax(-1, keepdim=True)) / temperature).exp()
    check.equal(apply_temperature(logits, temperature), weights / weights.sum(-1, keepdim=True), name=f"shape {shape}, T = {temperature}", atol=1e-5)
    greedy = (logits == logits.amax(-1, keepdim=True)).float()
    check.equal(apply_temperature(logits, 0.0), greedy, name=f"shape {shape}, T = 0")
    check.equal(apply_temperature(logits + 100, temperature), apply_temperature(logits, temperature), name="logits + 100", atol=1e-4)
check.equal(apply_temperature(torch.tensor([1000.0, 0.0, -1000.0]), 0.01), torch.tensor([1.0, 0.0, 0.0]), name="large logits, T = 0.01")
check.equal(apply_temperature(torch.tensor([0.0, -math.inf, 0.0]), 2.0), torch.tensor([0.5, 0.0, 0.5]), name="an impossible token")
check.equal(apply_temperature(torch.tensor([0.0, 1.0], dtype=torch.float64), 0).dtype, torch.float64, name="the dtype at T = 0")
given_logits = torch.tensor([0.0, 1.0])
check.equal(check.after(apply_temperature, given_logits, 2.0).arguments[0]["value"], given_logits, name="the logits after the call")
### END HIDDEN TESTS

# %% [markdown]
# **Top-k** (Fan et al. 2018) keeps the $k$ likeliest tokens, cuts the others, and shares out what was cut: the kept probabilities are divided by their sum, so that they sum to 1 again.
#
# The trouble is that one $k$ does not fit all places. After *Once there was a* there are dozens of good tokens; after *Once upon a* there is one. **Top-p**, or **nucleus sampling** (Holtzman et al. 2020), lets the model say how many: keep the *smallest set of likeliest tokens whose
# probabilities sum to at least $p$*.
#
# **An example.** Probabilities $(0.1, 0.5, 0.15, 0.25)$. Top-k with $k = 2$ keeps 0.5 and 0.25, whose sum is 0.75; divided by it: $(0, 0.667, 0, 0.333)$. Top-p with $p = 0.7$: 0.5 alone is not yet 0.7; with 0.25 it is 0.75, and that is enough. So it keeps the same two. The token that
# *crosses* $p$ is kept, and hence there is always one at least.

# %% [markdown]
# ### Exercise 4: top-k
#
# Both filters take probabilities and return probabilities. Where several tokens tie for the last place, it does not matter which stay, or whether all do.
#
# <details><summary>Hint 1: which are kept?</summary>
#
# `torch.topk(probabilities, k)` returns the k largest values of each row, largest first, and their places. The last of these values is a threshold: what is below it is cut. k may be larger than the vocabulary.
# </details>
#
# <details><summary>Hint 2: how do I cut?</summary>
#
# `torch.where(condition, a, b)`, or `a.masked_fill(condition, 0.0)`. Don't change the tensor that was given: whoever called you may need it again.
# </details>

# %% exercise="top_k_filter" minutes=6 difficulty=1
def top_k_filter(probabilities: Tensor, k: int) -> Tensor:
    """Return the distributions (..., V) with all but the k likeliest tokens at 0, summing to 1 again (Fan et al. 2018).

    k  1 or more; from V on, nothing is cut

    >>> top_k_filter(torch.tensor([0.10, 0.50, 0.15, 0.25]), 2)
    tensor([0.0000, 0.6667, 0.0000, 0.3333])
    """
    ### BEGIN SOLUTION
    largest, _ = probabilities.topk(min(k, probabilities.shape[-1]))
    kept = torch.where(probabilities >= largest[..., -1:], probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)
    ### END SOLUTION


# %% test="top_k_filter" points=3
def cut_to_k(probabilities, k):
    """What top_k_filter returns; an error is returned, to be named below."""
    try:
        return top_k_filter(probabilities, k)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError) as error:
        return error


def about_softmax(got, cut):
    """Whether a result is the softmax of the kept probabilities, shared out or not, with the others at `cut`."""
    return any(bool((got - torch.tensor([cut, a, cut, b]).softmax(-1)).abs().max() < 1e-5) for a, b in [(0.5, 0.25), (2 / 3, 1 / 3)])


four = torch.tensor([0.10, 0.50, 0.15, 0.25])
check.equal(
    cut_to_k(four, 2),
    torch.tensor([0.0, 2 / 3, 0.0, 1 / 3]),
    name="(0.1, 0.5, 0.15, 0.25), k = 2",
    atol=1e-5,
    causes=[
        (torch.tensor([0.0, 0.5, 0.0, 0.25]), "the kept probabilities do not sum to 1: divide them by their sum."),
        (torch.tensor([2 / 3, 1 / 3, 0.0, 0.0]), "the probabilities were put in another order; every token keeps its place."),
        (torch.tensor([0.5, 0.25]), "every token keeps its place: those that are cut become 0, and the shape stays."),
        (torch.tensor([2 / 3, 1 / 3]), "every token keeps its place: those that are cut become 0, and the shape stays."),
        (torch.tensor([0.4, 0.0, 0.6, 0.0]), "the likeliest are cut, and the others kept."),
        (torch.tensor([0.0, 0.5 / 0.9, 0.15 / 0.9, 0.25 / 0.9]), "one token too many is kept."),
        (torch.tensor([0.0, 1.0, 0.0, 0.0]), "one token too few is kept."),
        (lambda got: about_softmax(got, -math.inf), "these went through a softmax, which wants logits; divide by the sum."),
        (lambda got: about_softmax(got, 0.0), "a probability of 0 is no logit of minus infinity: softmax gives it something. Divide by the sum."),
    ],
)
check.equal(
    cut_to_k(torch.tensor([[0.10, 0.50, 0.15, 0.25], [0.7, 0.05, 0.15, 0.10]]), 2),
    torch.tensor([[0.0, 2 / 3, 0.0, 1 / 3], [0.7 / 0.85, 0.0, 0.15 / 0.85, 0.0]]),
    name="two rows, k = 2",
    atol=1e-5,
    causes=[(lambda got: True, "each row is a distribution by itself, with a threshold and a sum of its own; keepdim=True keeps the axis.")],
)
check.equal(cut_to_k(four, 9), four, name="k = 9 of four tokens", atol=1e-5, causes=[(lambda got: isinstance(got, Exception), "k may be larger than the vocabulary: take the smaller of the two.")])
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(94)
for shape, k in [((6,), 1), ((3, 5), 2), ((2, 3, 10), 4), ((1, 1), 1), ((4, 50), 49), ((4, 50), 50), ((2, 5), 1000), ((5, 3), 3)]:
    probabilities = (2 * torch.randn(shape, generator=generator)).softmax(-1)
    place = probabilities.argsort(-1, descending=True).argsort(-1)
    kept = probabilities * (place < k)
    check.equal(top_k_filter(probabilities, k), kept / kept.sum(-1, keepdim=True), name=f"shape {shape}, k = {k}", atol=1e-5)
tiny = torch.tensor([1e-12, 1 - 3e-12, 2e-12])
check.equal(top_k_filter(tiny, 2) > 0, torch.tensor([False, True, True]), name="which of three are kept, two of them tiny")
given_probabilities = torch.tensor([0.1, 0.6, 0.3])
check.equal(check.after(top_k_filter, given_probabilities, 1).arguments[0]["value"], given_probabilities, name="the probabilities after the call")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 5: top-p
#
# <details><summary>Hint 1: how do I find the smallest set?</summary>
#
# Sort each row, largest first: `.sort(-1, descending=True)` returns two tensors, the sorted values and the places where they stood. The cumulated sums of the values, `.cumsum(-1)`, say how much the first one, two, three ... tokens hold together.
# </details>
#
# <details><summary>Hint 2: who stays?</summary>
#
# A token is still needed if those *before* it, without itself, do not reach p. What stands before it is the cumulated sum minus its own value.
# </details>
#
# <details><summary>Hint 3: how do I get back to the old order?</summary>
#
# `torch.zeros_like(probabilities).scatter(-1, places, kept_values)` puts each value where it came from.
# </details>
#
# <details><summary>I see (0, 1, 0, 0) instead of (0, 0.667, 0, 0.333)</summary>
#
# You keep tokens as long as their cumulated sum is below p. So the one that crosses p is lost; and where the first token has more than p, none would be left.
# </details>

# %% exercise="top_p_filter" minutes=12 difficulty=2
def top_p_filter(probabilities: Tensor, p: float) -> Tensor:
    """Return the distributions (..., V) cut to the nucleus, summing to 1 again (Holtzman et al. 2020).

    The nucleus is the smallest set of likeliest tokens that hold at least p together, never fewer than one.

    >>> top_p_filter(torch.tensor([0.10, 0.50, 0.15, 0.25]), 0.7)
    tensor([0.0000, 0.6667, 0.0000, 0.3333])
    """
    ### BEGIN SOLUTION
    values, places = probabilities.sort(-1, descending=True)
    before = values.cumsum(-1) - values
    needed = before < p
    needed[..., 0] = True
    kept = torch.zeros_like(probabilities).scatter(-1, places, values * needed)
    return kept / kept.sum(-1, keepdim=True)
    ### END SOLUTION


# %% test="top_p_filter" points=4
def cut_to_nucleus(probabilities, p):
    """What top_p_filter returns; an error is returned, to be named below."""
    try:
        return top_p_filter(probabilities, p)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError) as error:
        return error


four = torch.tensor([0.10, 0.50, 0.15, 0.25])
check.equal(
    cut_to_nucleus(four, 0.7),
    torch.tensor([0.0, 2 / 3, 0.0, 1 / 3]),
    name="(0.1, 0.5, 0.15, 0.25), p = 0.7",
    atol=1e-5,
    causes=[
        (torch.tensor([0.0, 1.0, 0.0, 0.0]), "the token that crosses p is lost: 0.5 alone is less than 0.7, so 0.25 is needed, too."),
        (torch.tensor([0.0, 0.5, 0.0, 0.0]), "the token that crosses p is lost, and the kept ones are not divided by their sum."),
        (torch.tensor([0.0, 0.5, 0.0, 0.25]), "the kept probabilities do not sum to 1: divide them by their sum."),
        (torch.tensor([2 / 3, 1 / 3, 0.0, 0.0]), "the probabilities are still sorted; put each back where it came from."),
        (torch.tensor([0.5, 0.25, 0.0, 0.0]), "the probabilities are still sorted; put each back where it came from, and divide by the sum."),
        (torch.tensor([1 / 6, 5 / 6, 0.0, 0.0]), "what is cut was found in sorted order and applied to the unsorted tokens: put it back in the old order first."),
        (torch.tensor([0.0, 0.5 / 0.9, 0.15 / 0.9, 0.25 / 0.9]), "one token too many is kept: 0.5 and 0.25 are enough."),
        (torch.tensor([0.10 / 0.75, 0.50 / 0.75, 0.15 / 0.75, 0.0]), "the sums were cumulated without sorting: the likeliest tokens come first."),
        (torch.tensor([0.2, 0.0, 0.3, 0.5]), "the least likely tokens were taken first; sort with descending=True."),
        (lambda got: bool(got.isnan().any()), "nothing is left: p is compared with the cumulated sum, not with each probability."),
    ],
)
check.equal(
    cut_to_nucleus(four, 0.3),
    torch.tensor([0.0, 1.0, 0.0, 0.0]),
    name="the same with p = 0.3",
    atol=1e-5,
    causes=[
        (lambda got: bool((got.isnan() | (got == 0)).all()), "nothing is left: the likeliest token always stays, even when it has more than p by itself."),
        (torch.tensor([0.0, 2 / 3, 0.0, 1 / 3]), "one token too many is kept: 0.5 has reached 0.3 already."),
    ],
)
check.equal(
    cut_to_nucleus(four, 0.0),
    torch.tensor([0.0, 1.0, 0.0, 0.0]),
    name="the same with p = 0",
    atol=1e-5,
    causes=[(lambda got: True, "the likeliest token always stays, however small p is.")],
)
check.equal(
    cut_to_nucleus(torch.tensor([[0.10, 0.50, 0.15, 0.25], [0.7, 0.05, 0.15, 0.10]]), 0.8),
    torch.tensor([[0.0, 0.5 / 0.9, 0.15 / 0.9, 0.25 / 0.9], [0.7 / 0.85, 0.0, 0.15 / 0.85, 0.0]]),
    name="two rows, p = 0.8",
    atol=1e-5,
    causes=[(lambda got: True, "each row is sorted, cut and divided by itself: the last axis, -1, and keepdim=True for the sum.")],
)
check.equal(
    cut_to_nucleus(torch.tensor([0.125, 0.5, 0.125, 0.25]), 0.75),
    torch.tensor([0.0, 2 / 3, 0.0, 1 / 3]),
    name="(0.125, 0.5, 0.125, 0.25), p = 0.75",
    atol=1e-5,
    causes=[(lambda got: True, "0.5 and 0.25 hold exactly 0.75, and that is enough: a third token is not needed.")],
)
check.equal(cut_to_nucleus(four, 1.0), four, name="p = 1", atol=1e-5, causes=[(lambda got: True, "with p = 1 every token is needed.")])
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(95)
for shape, p in [((6,), 0.5), ((3, 5), 0.9), ((2, 3, 10), 0.2), ((1, 1), 0.3), ((4, 50), 0.99), ((4, 50), 1e-9), ((2, 5), 1.0)]:
    probabilities = (2 * torch.randn(shape, generator=generator)).softmax(-1)
    want = torch.zeros(shape)
    for row, out in zip(probabilities.reshape(-1, shape[-1]), want.view(-1, shape[-1])):
        ranked, held = sorted(range(shape[-1]), key=lambda i: -row[i].item()), 0.0
        for i in ranked:
            if held >= p and held > 0:
                break
            out[i] = row[i]
            held += row[i].item()
        out /= out.sum()
    check.equal(top_p_filter(probabilities, p), want, name=f"shape {shape}, p = {p}", atol=1e-4)
order = torch.randperm(50, generator=generator)
check.equal(top_p_filter(probabilities := torch.randn(50, generator=generator).softmax(-1), 0.6)[order], top_p_filter(probabilities[order], 0.6), name="tokens in another order", atol=1e-5)
given_probabilities = torch.tensor([0.1, 0.6, 0.3])
check.equal(check.after(top_p_filter, given_probabilities, 0.5).arguments[0]["value"], given_probabilities, name="the probabilities after the call")
check.equal(top_p_filter(torch.tensor([0.0, 1.0, 0.0]), 0.9), torch.tensor([0.0, 1.0, 0.0]), name="a certain token")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 6: a draw
#
# Put it together: temperature first, then top-k, then top-p, then one draw from each row. Filters that are left out (None) do nothing. Take a `generator` where randomness comes in, so that a draw can be repeated.
#
# <details><summary>Hint: how do I draw?</summary>
#
# `torch.multinomial(probabilities, 1, generator=generator)` draws one place from each row of a (B, V) tensor, in proportion to the numbers in it. It returns the shape (B, 1).
# </details>

# %% exercise="sample" minutes=6 difficulty=1
def sample(
    logits: Tensor,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return a token for each row of logits (B, V), drawn at a temperature from what the filters leave; (B,) long.

    >>> sample(torch.tensor([[1.0, 3.0, 2.0], [4.0, 0.0, 0.0]]), temperature=0)
    tensor([1, 0])
    """
    ### BEGIN SOLUTION
    probabilities = apply_temperature(logits, temperature)
    if top_k is not None:
        probabilities = top_k_filter(probabilities, top_k)
    if top_p is not None:
        probabilities = top_p_filter(probabilities, top_p)
    return torch.multinomial(probabilities, 1, generator=generator)[:, 0]
    ### END SOLUTION


# %% test="sample" points=3
def shares(probabilities, seed=0, rows=8000, **settings):
    """How often each token is drawn for rows of the same probabilities, as shares; or what is wrong with the draws."""
    logits = torch.tensor(probabilities).log().expand(rows, -1).contiguous()
    try:
        drawn = sample(logits, generator=torch.Generator().manual_seed(seed), **settings)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        return str(error)
    check.equal(tuple(drawn.shape), (rows,), name="the shape of the draws", causes=[((rows, 1), "take the one draw of each row: [:, 0].")])
    check.equal(str(drawn.dtype), "torch.int64", name="the dtype of the draws")
    return (torch.bincount(drawn.clamp(0, len(probabilities) - 1), minlength=len(probabilities)) / rows).tolist()


def near(*want):
    """Whether shares are these, but for chance."""
    return lambda got: isinstance(got, list) and max(abs(a - b) for a, b in zip(got, want)) < 0.025


def draws(name, got, want, causes=()):
    if not near(*want)(got):
        check.equal(got, list(want), name=name, atol=0.025, causes=[*causes, (lambda got: isinstance(got, str), "something breaks; are the logits (B, V)?")])


four = [0.10, 0.50, 0.15, 0.25]
draws(
    "the shares of four tokens in 8,000 draws",
    shares(four),
    four,
    [
        (near(0, 1, 0, 0), "all rows get the same token. Draw, and draw for each row anew; the likeliest token (argmax) is greedy decoding."),
        (lambda got: max(got) == 1, "all rows get the same token: draw for each row anew."),
        (near(0.25, 0.25, 0.25, 0.25), "all tokens are alike likely: the draw must follow the probabilities."),
    ],
)
draws("the shares at the temperature 0.5", shares(four, temperature=0.5), [0.028986, 0.724638, 0.065217, 0.181159], [(near(*four), "the temperature has no effect on the draw.")])
draws("the shares with top_k=2", shares(four, top_k=2), [0, 2 / 3, 0, 1 / 3], [(near(*four), "top_k has no effect on the draw.")])
draws("the shares with top_p=0.7", shares(four, top_p=0.7), [0, 2 / 3, 0, 1 / 3], [(near(*four), "top_p has no effect on the draw.")])
draws(
    "the shares with top_k=3, top_p=0.55",
    shares(four, top_k=3, top_p=0.55),
    [0, 1, 0, 0],
    [
        (near(0, 2 / 3, 0, 1 / 3), "top-p comes after top-k, and sees what top-k left, summing to 1."),
        (near(0, 0.5556, 0.1667, 0.2778), "top_p has no effect where top_k is given."),
    ],
)
draws(
    "the shares at the temperature 2 with top_p=0.7",
    shares(four, temperature=2.0, top_p=0.7),
    [0, 0.443556, 0.242946, 0.313641],
    [(lambda got: isinstance(got, list) and got[2] == 0, "the temperature comes before top-p.")],
)
again = [sample(torch.zeros(50, 9), generator=torch.Generator().manual_seed(5)).tolist() for _ in range(2)]
check.equal(again[0], again[1], name="draws with the same generator twice", causes=[(lambda got: True, "the generator is not used: hand it on to torch.multinomial.")])
### BEGIN HIDDEN TESTS
draws("a certain token", shares([0.0, 0.0, 1.0]), [0, 0, 1])
draws("the temperature 0", shares(four, temperature=0), [0, 1, 0, 0])
draws("top_k=1 at a high temperature", shares(four, temperature=5.0, top_k=1), [0, 1, 0, 0])
draws("a tiny p", shares(four, top_p=1e-9), [0, 1, 0, 0])
draws("the temperature 2, k = 3", shares(four, temperature=2.0, top_k=3), [0, 0.443556, 0.242946, 0.313641])
draws("p = 1, k = 4", shares(four, top_k=4, top_p=1.0, seed=3), four)
rows = torch.full((3, 4), -1e4)
rows[0, 2], rows[1, 0], rows[2, 3] = 0, 0, 0
check.equal(sample(rows, generator=torch.Generator().manual_seed(1)), torch.tensor([2, 0, 3]), name="rows that differ")
check.equal(sample(1000 * torch.eye(4) + 100, temperature=3.0), torch.arange(4), name="large logits")
wide = shares([1 / 30] * 30, seed=4, rows=6000)
check.that(isinstance(wide, list) and max(abs(share - 1 / 30) for share in wide) < 0.012, "thirty tokens that are alike likely are not drawn alike often")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: turn the knobs
#
# Outlined is what the model says, filled what is left of it after the knobs. While the notebook runs, move the sliders; in a page made from it, you see the first setting. Try a prompt where the model is sure (`"It is still in the"`) and one where it is not.

# %% experiment
def draw_reshaped(prompt, temperature, top_k, top_p):
    logits = large(torch.tensor([ids_of(prompt)]))[0][0, -1]
    probabilities = top_p_filter(top_k_filter(apply_temperature(logits, temperature), top_k), top_p)
    n_left = int((probabilities > 0).sum())
    return plots.reshaped(
        next_words(logits.softmax(-1)),
        next_words(probabilities),
        title=f"“{prompt} ...”: {n_left:,} token{'s' * (n_left != 1)} left at temperature {temperature}, top-k {top_k}, top-p {top_p}",
    )


plots.explore(
    draw_reshaped,
    prompt=[OPENING, "It is still in the", "Review: I", "<|user|> What is the opposite of old?<|end|><|assistant|>"],
    temperature=[0.7, 0, 0.3, 1, 1.5, 2, 4],
    top_k=[len(tokenizer), 1, 2, 5, 20, 100],
    top_p=[0.9, 0.01, 0.3, 0.5, 0.8, 0.95, 1],
)

# %% [markdown]
# ## 4 Dull or mad
#
# How much randomness is right? Holtzman et al. (2020) let a model go on from the beginnings of texts that people wrote, and measured what came. We do the same with the reviews that were written for this course: from the first eight tokens of 24 of them, 80 new tokens each. Two numbers for each text:
#
# - **distinct-2**, the share of its pairs of neighbouring tokens that are different ones (Li et al. 2016): 1 when no pair comes twice;
# - **repetition**, the share of its phrases of five tokens that stand in it a second time or more: 0 when no phrase comes again.

# %% experiment
PROMPT, LONG = 8, 80
reviews = [ids_of(f"Review: {review.text}") for review in labelled_texts("reviews")]
openings = torch.tensor([review[:PROMPT] for review in reviews if len(review) > PROMPT][:24])


def go_on(model, prompts, n, seed=0, **settings):
    """Draw n tokens after each of the prompts (B, T) with your `sample`, all texts side by side; a list of B lists."""
    generator = torch.Generator().manual_seed(seed)
    drawn, read, cache = [], prompts, None
    for _ in range(n):
        logits, cache = model.read(read, cache)
        drawn.append(sample(logits[:, -1], generator=generator, **settings))
        read = drawn[-1][:, None]
    return torch.stack(drawn, dim=1).tolist()


def distinct(tokens, n=2):
    """The share of different ones among the n-grams of a text."""
    grams = list(zip(*(tokens[i:] for i in range(n))))
    return len(set(grams)) / len(grams)


def repetition(tokens, n=5):
    """The share of n-grams of a text that stood in it before."""
    return 1 - distinct(tokens, n)


def mean(values):
    return sum(values) / len(values)


in_a_row = [[token for review in reviews[i : i + 4] for token in review][:LONG] for i in range(0, 240, 4)]
people = [tokens for tokens in in_a_row if len(tokens) == LONG]
people_distinct = mean([distinct(tokens) for tokens in people])

temperatures, nuclei = [0, 0.25, 0.5, 0.75, 1.0, 1.25], [0, 0.25, 0.5, 0.75, 0.9, 1.0]
by_temperature = {T: go_on(large, openings, LONG, temperature=T) for T in temperatures}
by_p = {p: go_on(large, openings, LONG, top_p=p) for p in nuclei}
print(f"people, several reviews in a row: distinct-2 {people_distinct:.2f}, repetition {mean([repetition(tokens) for tokens in people]):.2f}")
plots.lines(
    temperatures,
    {
        "distinct-2": [mean([distinct(tokens) for tokens in by_temperature[T]]) for T in temperatures],
        "repetition": [mean([repetition(tokens) for tokens in by_temperature[T]]) for T in temperatures],
    },
    floor=("people’s distinct-2", people_distinct),
    title="The colder, the more a text repeats itself",
    x_label="temperature",
    y_label="share",
    alt="Two lines against the temperature. Distinct-2 rises from far below that of people at temperature 0 to about theirs at 1 and above; repetition falls from its highest value at 0 to near zero.",
)

# %% experiment
plots.lines(
    nuclei,
    {
        "distinct-2": [mean([distinct(tokens) for tokens in by_p[p]]) for p in nuclei],
        "repetition": [mean([repetition(tokens) for tokens in by_p[p]]) for p in nuclei],
    },
    floor=("people’s distinct-2", people_distinct),
    title="A larger nucleus has the same effect as a higher temperature",
    x_label="p of top-p, at temperature 1",
    y_label="share",
    alt="Two lines against p. Distinct-2 rises with p towards that of people; repetition falls towards zero.",
)

# %% experiment
for name, tokens in [("temperature 0", by_temperature[0][3]), ("p = 0.75", by_p[0.75][3]), ("temperature 1", by_temperature[1.0][3]), ("temperature 1.25", by_temperature[1.25][3])]:
    print(f"{name}: {tokenizer.decode(openings[3].tolist() + tokens)}\n---")

# %% [markdown]
# At the cold end texts repeat themselves; at the hot end nothing repeats, and nothing hangs together either: diversity is not quality. Somewhere between lies what can be read. Where, depends on the model and on what it is for; for answers that can be right or wrong people take low temperatures, for stories
# $p$ near 0.9 or 0.95.
#
# Why does the likeliest text read so badly? Look at how surprising each token is, in a text of each kind after the same beginning. Here it is beam search, a draw, and the person who wrote the review.

# %% experiment
longest = max((review for review in reviews if len(review) >= 48), key=lambda review: -len(review))
human = longest[PROMPT : PROMPT + 40]
beam_text = beam_search(large, longest[:PROMPT], 40, 4)
drawn_text = go_on(large, torch.tensor([longest[:PROMPT]]), 40, seed=1)[0]
surprises = {
    "beam search, k = 4": bits_of(large, longest[:PROMPT], beam_text),
    "a draw": bits_of(large, longest[:PROMPT], drawn_text),
    "the person": bits_of(large, longest[:PROMPT], human),
}
for name, bits in surprises.items():
    print(f"{name:20s} {mean(bits):5.2f} bits per token")
plots.lines(
    list(range(1, 41)),
    surprises,
    title="People surprise the model all the time, beam search hardly ever",
    x_label="token",
    y_label="surprise (bits)",
    alt="Three lines over 40 tokens. Beam search stays near zero bits most of the time. The draw and the person jump up and down, the person the highest.",
)

# %% [markdown]
# People do not say what everybody would have said: it would not be worth saying (Holtzman et al. 2020 make this point with a figure like this one). A text that is likely at every single place is, as a whole, quite *unlike* what the model has read. And the person is more surprising here than a draw from the
# model: course-lm does not know how people write reviews. Which leads to the next question.

# %% [markdown] question="knobs" points=3 minutes=4
# **Question 1.** (a) Two distributions over 1,000 tokens: one gives 0.9 to one token and shares the rest evenly; the other is even over 100 tokens. How many tokens do top-k with $k = 20$ and top-p with $p = 0.9$ keep of each? Which filter does the right thing, and why?
# (b) A colleague sets the temperature to 0.2 *and* $p$ to 0.9, and finds that moving $p$ to 0.95 changes next to nothing. Why?
# (c) You want ten *different* summaries of a text from a model. Would you use beam search with $k = 10$ or draw ten times? Give a reason from the experiments.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Top-k keeps 20 of both: of the first 19 that are next to impossible, and of the second it throws away 80 that are as good as the kept ones. Top-p keeps 1 of the first (0.9 is reached) and 90 of the second. Top-p follows the shape of the distribution. Half a point for the
# numbers, half for the reason. (b) At 0.2 logits are multiplied by five, so nearly all probability is with one or two tokens; the nucleus is these, for 0.9 as for 0.95. The temperature comes first, so p sees the sharpened distribution. (c) Draw. The texts of a beam share most of their beginning and differ in a few
# tokens; draws differ (distinct-2 is higher), at the price of quality, which a moderate temperature or p limits. Full mark also for beam search with a good remark on how to force diversity.
# ### END MARK SCHEME

# %% [markdown]
# ## 5 Can it be believed?
#
# All of this takes the model's probabilities at their word. Are they right? A model is **calibrated** if, of all the predictions that it makes with a confidence of 70 percent, 70 percent come true. As confidence we take the probability of the likeliest token, and ask whether that token came.
#
# A **reliability diagram** (DeGroot and Fienberg 1983) sorts predictions into bins by confidence, and shows for each bin how often the model was right. A calibrated model has all its points on the diagonal; below it, the model is surer than it should be. The distance to the diagonal, averaged over all
# predictions, is the **expected calibration error** (Naeini et al. 2015; Guo et al. 2017):
#
# $$\text{ECE} = \sum_{b=1}^{M} \frac{n_b}{N}\, \left| \text{right}(b) - \text{confidence}(b) \right|$$
#
# where bin $b$ holds $n_b$ of the $N$ predictions, $\text{right}(b)$ is the share of them that came true and $\text{confidence}(b)$ the mean of their confidences. The bins cut the range from 0 to 1 into $M$ equal parts.
#
# **An example** with ten bins: confidences 0.95, 0.85, 0.85, 0.35, 0.35, of which the first, second and last came true. The bin of 0.95 is off by 0.05, that of 0.85 by |1/2 - 0.85| = 0.35, that of 0.35 by |1/2 - 0.35| = 0.15. So the error is $(1 \cdot 0.05 + 2 \cdot 0.35 + 2 \cdot 0.15)/5 = 0.21$.

# %% [markdown]
# ### Exercise 7: expected calibration error
#
# A bin without predictions adds nothing. A confidence of exactly 1 belongs to the last bin. (Where others lie exactly on a border, either bin will do.)
#
# <details><summary>Hint 1: which bin?</summary>
#
# Confidence times the number of bins, cut to a whole number: `(confidences * n_bins).long()` is 0 to n_bins - 1, but n_bins for a confidence of 1.
# </details>
#
# <details><summary>Hint 2: empty bins</summary>
#
# The mean of no numbers is NaN. Leave the bin out (`continue`), or don't divide at all: $n_b$ times a difference of means is a difference of sums.
# </details>

# %% exercise="expected_calibration_error" minutes=10 difficulty=2
def expected_calibration_error(confidences: Tensor, correct: Tensor, n_bins: int = 10) -> float:
    """Return how far confidences are from the share that is correct, averaged over predictions (Guo et al. 2017).

    confidences  (N,) from 0 to 1, N at least 1
    correct      (N,) bool, whether each prediction came true
    n_bins       bins of equal width between 0 and 1

    >>> round(expected_calibration_error(torch.tensor([0.95, 0.85, 0.85, 0.35, 0.35]), torch.tensor([True, True, False, False, True])), 4)
    0.21
    """
    ### BEGIN SOLUTION
    bins = (confidences * n_bins).long().clamp(max=n_bins - 1)
    total = 0.0
    for b in range(n_bins):
        inside = bins == b
        if inside.any():
            gap = correct[inside].double().mean() - confidences[inside].double().mean()
            total += int(inside.sum()) * abs(float(gap))
    return total / len(confidences)
    ### END SOLUTION


# %% test="expected_calibration_error" points=3
def calibration_error(confidences, correct, n_bins=10):
    """What expected_calibration_error returns; an error is returned, to be named below."""
    try:
        return expected_calibration_error(torch.tensor(confidences), torch.tensor(correct), n_bins)
    except NotImplementedError:
        raise
    except (RuntimeError, ZeroDivisionError, IndexError) as error:
        return error


def value(number):
    """Whether a result is about this number."""
    return lambda got: isinstance(got, (int, float, Tensor)) and abs(float(got) - number) < 1e-4


check.equal(
    calibration_error([0.95, 0.85, 0.85, 0.35, 0.35], [True, True, False, False, True]),
    0.21,
    name="five predictions in ten bins",
    atol=1e-5,
    causes=[
        (lambda got: isinstance(got, Exception), "something breaks: correct is boolean; make it numbers with .float() before you take means."),
        (lambda got: math.isnan(got), "the mean of an empty bin is NaN; leave empty bins out."),
        (value(0.55 / 3), "all bins count alike; a bin counts as often as it has predictions, n_b / N."),
        (value(0.055), "all bins count alike, the empty ones too; a bin counts as often as it has predictions, n_b / N."),
        (value(1.05), "the sum is not divided by N, the number of predictions."),
        (value(0.35), "this is the largest distance; the expected error is an average."),
        (value(-0.07), "gaps above and below the diagonal cancel: take the absolute value of each bin's gap."),
        (value(0.07), "gaps above and below the diagonal cancel: take the absolute value of each bin, not of the sum."),
        (value(0.41), "each prediction was compared with its own 0 or 1; compare the means of each bin."),
        (value((0.05**2 + 2 * 0.35**2 + 2 * 0.15**2) / 5), "the gaps are squared; take their absolute values."),
        (value(0.79), "this is 1 minus the error."),
    ],
)
check.equal(
    calibration_error([0.51, 0.52, 0.58, 0.59, 0.59], [True, False, True, False, True]),
    0.042,
    name="five predictions in one bin",
    atol=1e-5,
    causes=[
        (value(0.05), "you compared with the middle of the bin; compare with the mean of its confidences."),
        (value(0.1), "you compared with an end of the bin; compare with the mean of its confidences."),
        (lambda got: True, "all five lie in the bin from 0.5 to 0.6: 3/5 are right, the mean confidence is 0.558."),
    ],
)
check.equal(
    calibration_error([1.0, 1.0, 0.0], [True, False, False]),
    1 / 3,
    name="confidences of 1, 1 and 0",
    atol=1e-5,
    causes=[
        (value(0.0), "a confidence of 1 falls out of the last bin."),
        (lambda got: isinstance(got, Exception), "a confidence of 1 belongs to the last bin; there is no bin after that."),
    ],
)
check.equal(
    calibration_error([0.4, 0.6], [True, False], n_bins=1),
    0.0,
    name="one bin",
    atol=1e-5,
    causes=[(lambda got: True, "n_bins has no effect: with one bin, the mean confidence is 0.5 and half are right.")],
)
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(97)
for N, n_bins in [(1, 10), (7, 3), (500, 10), (2000, 15), (30, 1), (20, 100)]:
    sure = torch.rand(N, generator=generator)
    came = torch.rand(N, generator=generator) < sure**2
    want = 0.0
    for b in range(n_bins):
        members = [i for i in range(N) if b / n_bins <= sure[i].item() < (b + 1) / n_bins]
        want += abs(sum(came[i].item() - sure[i].item() for i in members)) / N
    check.equal(expected_calibration_error(sure, came, n_bins), want, name=f"{N} predictions, {n_bins} bins", atol=1e-4)
    order = torch.randperm(N, generator=generator)
    check.equal(expected_calibration_error(sure[order], came[order], n_bins), want, name="another order", atol=1e-4)
check.equal(expected_calibration_error(torch.ones(4), torch.zeros(4).bool()), 1.0, name="always sure, never right")
check.equal(expected_calibration_error(torch.zeros(4), torch.zeros(4).bool()), 0.0, name="never sure, never right")
check.equal(expected_calibration_error(torch.tensor([0.75, 0.25]), torch.tensor([True, False])), 0.25, name="ten bins are the default")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: on its own texts and on those of people
#
# First a control. In the texts that the model *drew itself* at temperature 1, each token came with exactly the probability that the model gave it, so there it must be calibrated, but for chance. Then the reviews, headlines and posts that people wrote for this course, which are of the same kinds as its
# training text, but not drawn from the rules that made it. At last, **temperature scaling** (Guo et al. 2017): on other texts of the same people we look for the temperature under which their tokens are likeliest, and see what it does to the calibration.

# %% experiment
FORMS = {"reviews": "Review: {}", "headlines": "Headline: {}", "posts": "Post: {}"}


def predictions(model, texts):
    """The logits (N, V) and the tokens that came (N,) for all tokens of some texts, lists of ids, but their first three."""
    logits, came = [], []
    for text in texts:
        logits.append(model(torch.tensor([text]))[0][0, 2:-1])
        came.append(torch.tensor(text[3:]))
    return torch.cat(logits), torch.cat(came)


def sure_and_right(logits, came, temperature=1.0):
    sure, guess = apply_temperature(logits, temperature).max(-1)
    return sure, guess == came


def diagram(sure, right, n_bins=10):
    """The points of a reliability diagram: mean confidence, share right, count."""
    bins = [(sure * n_bins).long().clamp(max=n_bins - 1) == b for b in range(n_bins)]
    return [(float(sure[b].mean()), float(right[b].float().mean()), int(b.sum())) for b in bins if b.sum() >= 10]


written = {
    split: [ids_of(form.format(text.text)) for name, form in FORMS.items() for text in labelled_texts(name) if text.split == split][::step]
    for split, step in [("validation", 4), ("test", 4)]
}
own = [opening + text for opening, text in zip(openings.tolist(), by_temperature[1.0])]
own_logits, own_came = predictions(large, own)
own_logits, own_came = (values.unflatten(0, (len(own), -1))[:, PROMPT - 3 :].flatten(0, 1) for values in (own_logits, own_came))  # what it drew
test_logits, test_came = predictions(large, written["test"])
tuning_logits, tuning_came = predictions(large, written["validation"])
candidates_T = [0.8, 0.9, 1.0, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5]
losses = [float(-apply_temperature(tuning_logits, T).gather(1, tuning_came[:, None]).log().mean()) for T in candidates_T]
best_T = candidates_T[losses.index(min(losses))]
measured = {
    "its own texts": sure_and_right(own_logits, own_came),
    "people’s texts": sure_and_right(test_logits, test_came),
    f"people’s, T = {best_T:g}": sure_and_right(test_logits, test_came, best_T),
}
errors = {name: expected_calibration_error(*pair) for name, pair in measured.items()}
for name, (sure, right) in measured.items():
    print(f"{name:22s} {len(sure):6,} tokens, right {right.float().mean():.1%}, mean confidence {sure.mean():.1%}, ECE {errors[name]:.3f}")

# %% experiment
plots.reliability(
    {name: diagram(*pair) for name, pair in measured.items()},
    title="On people’s texts the model is surer than it should be; a temperature helps",
    alt="Three reliability diagrams. On its own texts the points lie near the diagonal. On people's texts they lie below it, most where confidence is high. "
    "With a temperature chosen on other texts they come nearer to it.",
)

# %% [markdown]
# Calibration is a property of a model *and* of texts. On what people wrote, this model is overconfident, and one single number, found on a few texts, mends a good part of it. Note that dividing by a temperature changes no ranking: the model is right as often as before. It only knows better how often that is.

# %% [markdown]
# ## 6 Never compute twice
#
# Your `greedy_decode` asks the model about the whole text for every new token. To write $n$ tokens it reads $1 + 2 + \dots + n$ of them, about $n^2/2$. Nearly all of that is done again and again with the same result: in a causal model nothing that comes later changes what was computed for an earlier place.
#
# What does a new token need of the old ones? Only their **keys and values**, in every layer: its query is compared with their keys, and their values are averaged. So keep them. This is the **key-value cache**; with it, each step reads *one* token:
#
#     logits, cache = read(prompt)                      reads all of the prompt, and keeps keys and values
#     logits, cache = read(new token, cache)            reads one token; its keys and values join the cache
#
# One thing is easily overlooked. A model that reads a single token does not see where it stands; its **place** has to be told. The prompt begins at place 0, and the first new token stands at place `len(prompt)`.

# %% [markdown]
# ### Exercise 8: decoding with a cache
#
# The same greedy decoding as in exercise 1, and with the same result; only the model is asked in another way: `logits, cache = read(idx, cache, first)`. Here `idx` holds the tokens that it has not read yet, (1, number of them), `cache` is what came back the last time (None at first), and `first` is the place of
# the first token of `idx`. What a cache looks like inside is the model's own business. (For a GPT of `nextword.models`, this is `model.read`.)
#
# <details><summary>Hint: what changes from step to step?</summary>
#
# Three things: which tokens are new (first the whole prompt, then one token), the cache, and the place where the new ones begin: it moves on by the number of tokens just read.
# </details>
#
# <details><summary>My text begins well and goes wrong from the second token on</summary>
#
# Either the places begin at 0 again, or the old cache is passed each time, or none.
# </details>

# %% exercise="decode_with_cache" minutes=10 difficulty=2
def decode_with_cache(read, prompt: list[int], n: int, end_id: int | None = None) -> list[int]:
    """Return what greedy decoding returns, at most n token ids after the prompt; each token is read only once.

    read    logits, cache = read(idx, cache, first): idx (1, T) holds T new tokens of which the first stands at
            place `first`; cache is what the last call returned, None at the beginning; logits (1, T, V)
    end_id  a text ends with this token; None: never before n tokens

    >>> decode_with_cache(lambda idx, cache, first: (toy(idx)[0], cache), [0], 5, end_id=0)
    [1, 3, 0]
    """
    ### BEGIN SOLUTION
    text, n_read, cache = list(prompt), 0, None
    for _ in range(n):
        logits, cache = read(torch.tensor([text[n_read:]]), cache, n_read)
        n_read = len(text)
        text.append(int(logits[0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]
    ### END SOLUTION


# %% test="decode_with_cache" points=4
class Reader:
    """A model of digits that reads with a cache: the next is the last digit of the sum of token times place squared, plus 1."""

    def __init__(self):
        self.reads = []  # how many tokens each call read

    def read(self, idx, cache=None, first=0):
        parts = idx * (1 + first + torch.arange(idx.shape[1])) ** 2 + 1
        before = torch.zeros(1, 0, dtype=torch.long) if cache is None else cache
        self.reads.append(idx.shape[1])
        known = torch.cat([before, parts], dim=1)
        return F.one_hot(known.cumsum(1)[:, before.shape[1] :] % 10, 10).float(), known


def cached(prompt, n, end_id=None):
    """What decode_with_cache returns, and how many tokens were read in each call; an error is returned."""
    reader = Reader()
    try:
        return decode_with_cache(lambda idx, cache, first: reader.read(idx, cache, first), prompt, n, end_id), reader.reads
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        return error, reader.reads


def imagined(prompt, n, first=lambda n_read, step: n_read, keep=lambda new, old: new, fed=lambda text, n_read: text[n_read:]):
    """What comes out if something is done in another way."""
    reader, written, n_read, cache = Reader(), list(prompt), 0, None
    for step in range(n):
        foretold, new = reader.read(torch.tensor([fed(written, n_read)]), cache, first(n_read, step))
        cache, n_read = keep(new, cache), len(written)
        written.append(int(foretold[0, -1].argmax()))
    return written[len(prompt) :]


got, reads = cached([3, 1, 4], 6)
check.equal(
    got,
    [6, 3, 9, 4, 1, 6],
    name="six digits after 3, 1, 4",
    causes=[
        (imagined([3, 1, 4], 6, first=lambda n_read, step: 0), "the places begin at 0 again with every call: say where the new token stands."),
        (imagined([3, 1, 4], 6, first=lambda n_read, step: step), "the places count only new tokens; the prompt stands before them."),
        (imagined([3, 1, 4], 6, first=lambda n_read, step: n_read + (step > 0)), "each new token is told a place one too far: the first one stands at len(prompt)."),
        (imagined([3, 1, 4], 6, first=lambda n_read, step: max(n_read - 1, 0)), "each new token is told a place one too early: the first one stands at len(prompt)."),
        (imagined([3, 1, 4], 6, first=lambda n_read, step: 3 * (step > 0)), "every new token is told the same place; it moves on by one each time."),
        (imagined([3, 1, 4], 6, keep=lambda new, old: None), "the cache is not passed on, so the model knows of the new token only."),
        (imagined([3, 1, 4], 6, keep=lambda new, old: new if old is None else old), "the first cache is passed each time; take the new one from every call."),
        (imagined([3, 1, 4], 6, fed=lambda text, n_read: text, first=lambda n_read, step: 0), "the whole text is read again although it is in the cache: feed only what is new."),
        (imagined([3, 1, 4], 6, fed=lambda text, n_read: text), "the whole text is read again although it is in the cache: feed only what is new."),
        ([3, 1, 4, 6, 3, 9, 4, 1, 6], "the prompt is in the result; return only what is new."),
        (lambda got: isinstance(got, Exception), "something breaks; read wants a tensor of shape (1, T), also for one token, the cache, and a place."),
    ],
)
check.that(
    sum(reads) <= 9,
    f"The calls read {reads} tokens, {sum(reads)} in all, for a prompt of 3 and 6 new ones.\nLikely cause: the text is read again in each step; with the cache, each token is read only once.",
)
check.equal(
    cached([3, 1, 4], 6, end_id=9)[0],
    [6, 3, 9],
    name="the same with the end token 9",
    causes=[([6, 3, 9, 4, 1, 6], "the text goes on behind the end token."), ([6, 3], "the end token is missing: it belongs to the text.")],
)
### BEGIN HIDDEN TESTS
for prompt, n, end in [([0], 1, None), ([9, 9, 9], 12, None), ([5], 30, 0), ([1, 2, 3, 4], 7, 8), ([2], 0, None), ([6, 1], 2, 6)]:
    text = list(prompt)
    for _ in range(n):
        text.append(sum(token * place**2 + 1 for place, token in enumerate(text, start=1)) % 10)
        if text[-1] == end:
            break
    got, reads = cached(prompt, n, end)
    check.equal(got, text[len(prompt) :], name=f"{n} digits after {prompt}, end {end}")
    check.that(sum(reads) <= len(text), f"{sum(reads)} tokens were read for a text of {len(text)}")
one_layer = GPT(GPTConfig(vocab_size=9, n_positions=20, n_layers=1, n_heads=1, embedding_dim=4))
with torch.no_grad():
    for number, parameter in enumerate(one_layer.parameters()):
        parameter.copy_(torch.sin(torch.arange(parameter.numel()) * (number + 1.7)).view(parameter.shape))


def read_parts(idx, cache, first):
    """The GPT's read, with a cache that can cross between processes."""
    with torch.no_grad():
        logits, cache = one_layer.read(idx, None if cache is None else Cache((cache[0],), (cache[1],)), first)
    return logits, (cache.keys[0], cache.values[0])


prompt, text = [4, 2, 7], [4, 2, 7]
for _ in range(12):
    with torch.no_grad():
        text.append(int(one_layer(torch.tensor([text]))[0][0, -1].argmax()))
check.equal(decode_with_cache(read_parts, prompt, 12), text[3:], name="a GPT with one layer")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: milliseconds per token
#
# How long does the next token take when the text is so long already? We measure both of your functions on prompts of growing length.

# %% experiment
def milliseconds(decode, ask, prompt):
    """The processor time per further token after a prompt: that of nine tokens minus that of one, over eight."""
    best = {1: math.inf, 9: math.inf}
    for n in 3 * list(best):  # the best of three tries each
        start = time.process_time()
        decode(ask, prompt, n)
        best[n] = min(best[n], 1000 * (time.process_time() - start))
    return max((best[9] - best[1]) / 8, 0.0)


long_text = [token for review in reviews[:40] for token in review]
text_lengths = [16, 64, 128, 256, 384, 480]
timings = {
    "without a cache": [milliseconds(greedy_decode, large, long_text[:n]) for n in text_lengths],
    "with a cache": [milliseconds(decode_with_cache, large.read, long_text[:n]) for n in text_lengths],
}
same = greedy_decode(large, long_text[:100], 30) == decode_with_cache(large.read, long_text[:100], 30)
print(f"the same 30 tokens both ways: {same}")
plots.lines(
    text_lengths,
    timings,
    title="With a cache, a token costs nearly the same wherever it stands",
    x_label="tokens before it",
    y_label="milliseconds per token",
    alt="Two lines of milliseconds per token against the length of the text. Without a cache it rises steeply with the length; with a cache it stays low and nearly level.",
)

# %% [markdown]
# Without a cache a step gets dearer with every token; with it, hardly. What is paid instead is memory: two vectors per token and layer. For GPT-2 small in half precision that is 2 · 12 · 768 · 2 bytes, 37 kB per token; for large models with long texts the caches, not the weights, fill the memory.
#
# ## 7 Guessing ahead
#
# With a cache, writing is bound to be slow for another reason. To write one token, *all weights* of the model must pass through the processor once, and on a large model fetching them from memory takes far longer than the arithmetic. To *read* five tokens at once takes hardly longer than to read one. Only writing goes one by one.
#
# **Speculative decoding** (Leviathan et al. 2023; Chen et al. 2023) turns writing into reading. A small, fast **draft** model writes a few tokens ahead. The large model then reads all of them in one pass, which gives its own distribution at each of the places, and decides which to keep. Easy tokens, which the
# draft gets right, come several at a time.
#
# That would be a mere approximation if it were not for the rule by which tokens are kept. Let the draft have drawn the token $x$ from its distribution $q$, while the large model has the distribution $p$:
#
# - keep $x$ with the probability $\min(1,\; p(x) / q(x))$;
# - else replace it by a draw from what the draft has too little of, the **residual** $\;p'(x) = \max(0,\; p(x) - q(x)) \,/\, \sum_y \max(0,\; p(y) - q(y))$.
#
# What comes out is distributed *exactly* as $p$, whatever $q$ may be: this is not a faster approximation of the large model but a faster large model. You will prove it in question 2. A bad draft only costs time.
#
# **An example** with two tokens, $p = (0.6, 0.4)$ and $q = (0.9, 0.1)$. The first is drafted in 90% of all cases and kept with 0.6/0.9, which makes 60% of all cases: just right. The second is drafted in 10% and always kept. In the remaining 30% something was turned down, and the residual, all at the second token, fills
# its share up to 40%.

# %% [markdown]
# ### Exercise 9: keep or replace
#
# One call decides about several drafted tokens, each row by itself. The rule uses the *probability of the drafted token* in both rows; `p.gather(1, drafted[:, None])[:, 0]` picks it.
#
# <details><summary>Hint 1: how do I keep something with a probability?</summary>
#
# Draw a number between 0 and 1, `torch.rand(B, generator=generator)` for B rows, and keep the token if it is *below* that probability. No min is needed: a ratio above 1 is always larger than such a number. And q times the number below p says the same without a division.
# </details>
#
# <details><summary>Hint 2: a row of zeros</summary>
#
# Where p and q are alike, the residual is all zeros. Nothing is ever turned down there, so nobody needs it, but `torch.multinomial` refuses such a row. Add a tiny number, 1e-12 say, to all residuals; it does not matter to the others. (`multinomial` needs no rows that sum to 1.)
# </details>
#
# <details><summary>Hint 3: kept or not, in one line</summary>
#
# `torch.where(kept, drafted, replacement)`.
# </details>

# %% exercise="accept_or_resample" minutes=10 difficulty=2
def accept_or_resample(p: Tensor, q: Tensor, drafted: Tensor, generator: torch.Generator | None = None) -> tuple[Tensor, Tensor]:
    """Decide about drafted tokens so that what remains is distributed as p (Leviathan et al. 2023; Chen et al. 2023).

    p, q     distributions of the large and of the draft model, (B, V)
    drafted  tokens drawn from q, (B,) long

    Returns kept, (B,) bool, and the tokens, (B,) long: the drafted one where it is kept, else one drawn in
    proportion to max(0, p - q).

    >>> accept_or_resample(torch.tensor([[0.0, 1.0], [0.5, 0.5]]), torch.tensor([[1.0, 0.0], [0.5, 0.5]]), torch.tensor([0, 0]))
    (tensor([False,  True]), tensor([1, 0]))
    """
    ### BEGIN SOLUTION
    chance = torch.rand(len(drafted), generator=generator)
    row = torch.arange(len(drafted))
    kept = chance * q[row, drafted] < p[row, drafted]
    residual = (p - q).clamp(min=0) + 1e-12
    replacement = torch.multinomial(residual, 1, generator=generator)[:, 0]
    return kept, torch.where(kept, drafted, replacement)
    ### END SOLUTION


# %% test="accept_or_resample" points=4
P_ROW, Q_ROW = [0.4, 0.1, 0.3, 0.2], [0.1, 0.4, 0.1, 0.4]


def decided(p, q, counts, seed=0):
    """What accept_or_resample returns when each token was drafted so many times; an error is returned, to be named below."""
    drafted = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    rows = [torch.tensor(row).expand(len(drafted), -1).contiguous() for row in (p, q)]
    try:
        return drafted, accept_or_resample(*rows, drafted, torch.Generator().manual_seed(seed))
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        return drafted, error


def told(shares):
    return [round(share, 2) for share in shares]


def about(*want):
    """Whether shares are these, but for chance."""
    return lambda got: isinstance(got, list) and max(abs(a - b) for a, b in zip(got, want)) < 0.05


def compare(name, got, want, causes):
    if not about(*want)(got):
        check.equal(got, list(want), name=name, atol=0.05, causes=causes)


drafted, result = decided(P_ROW, Q_ROW, [1000, 4000, 1000, 4000])
check.that(not isinstance(result, Exception), f"accept_or_resample raises an error: {result}\nLikely cause: p and q are (B, V) and drafted is (B,): take the probability of the drafted token in each row.")
check.that(isinstance(result, tuple) and len(result) == 2, "accept_or_resample returns two tensors: what is kept, and the tokens.")
kept, tokens = result
check.equal((tuple(kept.shape), str(kept.dtype)), ((10_000,), "torch.bool"), name="shape and dtype of what is kept")
check.equal((tuple(tokens.shape), str(tokens.dtype)), ((10_000,), "torch.int64"), name="shape and dtype of the tokens")
compare(
    "how often each of four drafted tokens is kept",
    told(kept[drafted == x].float().mean().item() for x in range(4)),
    [1.0, 0.25, 1.0, 0.5],
    [
        (about(0.25, 1.0, 0.33, 1.0), "the ratio is upside down: a token is kept with p / q."),
        (about(*P_ROW), "a token is kept with p; it is kept with p / q."),
        (about(1.0, 0.0, 1.0, 0.0), "a token is kept where p is larger than q, and else never; keep it with the probability p / q."),
        (about(1.0, 1.0, 1.0, 1.0), "everything is kept."),
        (about(0.0, 0.75, 0.0, 0.5), "what is to be kept is turned down, and the other way round."),
        (lambda got: True, "a drafted token is kept with the probability min(1, p / q) of that token in its row."),
    ],
)
check.equal(tokens[kept], drafted[kept], name="the tokens where the drafted one is kept", causes=[(lambda got: True, "where a token is kept, it is the drafted one.")])
turned_down = tokens[~kept]
check.that(bool((turned_down != drafted[~kept]).any()), "Where nothing is kept, the drafted token is still there.\nLikely cause: a token that is turned down goes; replace it.")
compare(
    "the shares of the tokens that replace others",
    told((torch.bincount(turned_down.clamp(0, 3), minlength=4) / len(turned_down)).tolist()),
    [0.6, 0.0, 0.4, 0.0],
    [
        (about(*P_ROW), "a replacement is drawn from p; draw it from the residual, max(0, p - q)."),
        (about(*Q_ROW), "a replacement is drawn from q once more; draw it from the residual, max(0, p - q)."),
        (about(0.0, 0.6, 0.0, 0.4), "the residual is the wrong way round: what the draft has too little of is p - q."),
        (about(0.3, 0.3, 0.2, 0.2), "the residual has no negative parts: max(0, p - q), not the absolute value."),
        (about(1.0, 0.0, 0.0, 0.0), "a replacement is drawn, in proportion to the residual; you take the largest."),
        (lambda got: True, "a replacement is drawn in proportion to max(0, p - q)."),
    ],
)
drafted, result = decided([0.5, 0.25, 0.25], [0.5, 0.25, 0.25], [2, 1, 1])
check.that(not isinstance(result, Exception), f"with p = q accept_or_resample raises an error: {result}\nLikely cause: the residual is a row of zeros there. It is never needed; add a tiny number so that multinomial takes it.")
check.equal((result[0].tolist(), result[1].tolist()), ([True] * 4, drafted.tolist()), name="p = q", causes=[(lambda got: True, "where p and q are alike, everything is kept.")])
### BEGIN HIDDEN TESTS
generator = torch.Generator().manual_seed(98)
for V, seed in [(2, 1), (3, 2), (6, 3), (10, 4)]:
    p, q = (torch.randn(2, V, generator=generator) * 1.5).softmax(-1)
    drafted = torch.multinomial(q, 8000, replacement=True, generator=generator)
    kept, tokens = accept_or_resample(p.expand(8000, -1).contiguous(), q.expand(8000, -1).contiguous(), drafted, torch.Generator().manual_seed(seed))
    share = torch.bincount(tokens, minlength=V) / 8000
    check.that(float((share - p).abs().max()) < 0.03, f"V = {V}: the tokens are not distributed as p")
    check.that(abs(float(kept.float().mean()) - float(torch.minimum(p, q).sum())) < 0.03, f"V = {V}: the share that is kept")
p, q = torch.eye(4), torch.eye(4)[[1, 1, 2, 0]]
kept, tokens = accept_or_resample(p, q, torch.tensor([1, 1, 2, 0]))
check.equal(kept.tolist(), [False, True, True, False], name="certain models, what is kept")
check.equal(tokens.tolist(), [0, 1, 2, 3], name="certain models, the tokens")
same_seed = [accept_or_resample(torch.full((60, 4), 0.25), torch.tensor([0.7, 0.1, 0.1, 0.1]).expand(60, -1).contiguous(), torch.zeros(60).long(), torch.Generator().manual_seed(3)) for _ in range(2)]
check.equal(same_seed[0][1], same_seed[1][1], name="the same generator twice")
check.equal(tuple(accept_or_resample(torch.full((1, 3), 1 / 3), torch.full((1, 3), 1 / 3), torch.tensor([2]))[1].shape), (1,), name="the shape for one row")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 10: speculative decoding
#
# Now the loop. Each round:
#
# 1. The draft model draws `ahead` tokens, one after the other, each from its distribution $q$ at the given temperature. Keep all these distributions.
# 2. The large model reads the text with the drafted tokens **once**. Its logits at the last `ahead + 1` places give $p$ for each drafted token, and one more for the place after them.
# 3. `verify` (your `accept_or_resample`) decides about all drafted tokens. Keep those up to the first that is turned down; in its place comes its replacement, and **what was drafted after it is thrown away**, for it was guessed after a token that is not there.
# 4. If nothing was turned down, draw one more token from the large model's distribution at the place after the draft: it is there already, for nothing.
#
# So each call of the large model brings at least one token and at most `ahead + 1`. Go on until there are `n`, and cut off what is too much.
#
# <details><summary>Hint 1: which logits belong to which token?</summary>
#
# The logits at a place foretell the next token. For a text of T tokens and K drafted ones, `logits[0, T - 1]` foretells the first drafted token, ..., `logits[0, T - 2 + K]` the last, and `logits[0, T - 1 + K]`, the last of all, what comes after them. So `logits[0, -K - 1 :]` is all that you need, K + 1 rows.
# </details>
#
# <details><summary>Hint 2: how many were kept?</summary>
#
# The number of True before the first False. With `kept.tolist()` as a list of booleans, add a False at the end and ask for `.index(False)`.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     until n tokens are new:
#         repeat ahead times: q = small's distribution; draw from it; remember both
#         p = large's distributions, ahead + 1 rows, from one call
#         kept, tokens = verify(p without its last row, q, drafted, generator)
#         add the first tokens that are kept
#         add one more: the replacement of the first that is not, or a draw from the last row of p
# </details>

# %% exercise="speculative_decode" minutes=14 difficulty=3
def speculative_decode(
    large,
    small,
    prompt: list[int],
    n: int,
    ahead: int = 4,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
    verify=accept_or_resample,
) -> list[int]:
    """Return n token ids after the prompt, distributed as if drawn one by one from the large model at the temperature.

    large, small  models: model(idx) returns (logits, loss) for idx (1, T); logits (1, T, V)
    ahead         how many tokens the small model drafts before the large one is called, 1 or more
    verify        kept, tokens = verify(p, q, drafted, generator): decides about drafted tokens

    At the temperature 0, it is greedy decoding with the large model, whatever the small one drafts:
    >>> speculative_decode(toy, lambda idx: (torch.zeros(1, idx.shape[1], 7), None), [0], 3, temperature=0)
    [1, 3, 0]
    """
    ### BEGIN SOLUTION
    text = list(prompt)
    while len(text) < len(prompt) + n:
        guess, q = list(text), []
        for _ in range(ahead):
            q.append(apply_temperature(small(torch.tensor([guess]))[0][0, -1], temperature))
            guess.append(int(torch.multinomial(q[-1], 1, generator=generator)))
        drafted = torch.tensor(guess[len(text) :])
        p = apply_temperature(large(torch.tensor([guess]))[0][0, -ahead - 1 :], temperature)
        kept, tokens = verify(p[:-1], torch.stack(q), drafted, generator)
        n_kept = [*kept.tolist(), False].index(False)
        text += tokens[: n_kept + 1].tolist()
        if n_kept == ahead:
            text.append(int(torch.multinomial(p[-1], 1, generator=generator)))
    return text[len(prompt) : len(prompt) + n]
    ### END SOLUTION


# %% test="speculative_decode" points=5
def steps_of(step):
    """A model of ten digits that is certain of the last one plus `step`."""
    return lambda idx, targets=None: (100.0 * F.one_hot((idx + step) % 10, 10), None)


class Watched:
    """A model or a verifier that remembers what it was asked."""

    def __init__(self, answer):
        self.answer, self.asked = answer, []

    def __call__(self, *given, **settings):
        self.asked.append(given)
        return self.answer(*given, **settings)


def speculated(verify, n=4, ahead=3, prompt=(2,), **settings):
    """What speculative_decode returns with two certain models, large: +3, small: +1; and both that were asked."""
    large_one, judge = Watched(steps_of(3)), Watched(verify)
    try:
        new = speculative_decode(lambda idx: large_one(idx), steps_of(1), list(prompt), n, ahead=ahead, generator=torch.Generator().manual_seed(0), verify=lambda *given, **named: judge(*given, **named), **settings)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        new = error
    return new, large_one.asked, judge.asked


def keeps(*which):
    """A verifier that keeps these of the drafted tokens and replaces the others by the likeliest of p."""
    return lambda p, q, drafted, generator=None: (torch.tensor(which), torch.where(torch.tensor(which), drafted, p.argmax(-1)[: len(drafted)]))


got, calls, judged = speculated(keeps(True, True, True))
check.equal(
    got,
    [3, 4, 5, 8],
    name="four digits after 2 when all is kept (large: +3, small: +1, three ahead)",
    causes=[
        (lambda got: isinstance(got, Exception), "something breaks; look at the shapes: p (ahead, V), q (ahead, V), drafted (ahead,)."),
        ([3, 4, 5, 6], "the token after the draft is missing: when all is kept, draw one more from the large model's last row."),
        ([3, 4, 5, 5], "the token after the draft comes from the wrong row of p: take the last, at the place after all drafted tokens."),
        ([3, 4, 5, 7], "the token after the draft comes from the wrong row of p: take the last, at the place after all drafted tokens."),
        ([2, 3, 4, 5], "the prompt is in the result; return only what is new."),
        ([3, 3, 3, 6], "the draft goes on from its own tokens: each is added to the text before the next is drawn."),
        ([5, 8, 1, 4], "all is kept, and yet the result is the large model's own: the tokens to take are those that verify returns."),
    ],
)
p_seen, q_seen, drafted_seen = judged[0][:3]
check.equal(
    tuple(tuple(seen.shape) for seen in (p_seen, q_seen, drafted_seen)),
    ((3, 10), (3, 10), (3,)),
    name="the shapes of p, q and drafted that verify gets",
    causes=[(lambda got: got[0] == (4, 10), "p has a row for each drafted token; the row after them is kept back.")],
)
check.equal(drafted_seen.tolist(), [3, 4, 5], name="what was drafted", causes=[(lambda got: True, "the draft goes on from its own tokens: each is added to the text before the next is drawn.")])
check.equal(q_seen.argmax(-1).tolist(), [3, 4, 5], name="the likeliest token in each row of q", causes=[(lambda got: True, "q holds the distributions that the drafted tokens were drawn from, one row for each.")])
check.equal(
    p_seen.argmax(-1).tolist(),
    [5, 6, 7],
    name="the likeliest token in each row of p",
    causes=[
        ([6, 7, 8], "p is one place too late: the logits at a place foretell the next token, so the first drafted one is foretold before it."),
        (lambda got: True, "row i of p is what the large model says of the drafted token i: the logits at the place before it."),
    ],
)
check.distribution(p_seen, name="p", axis=1, atol=1e-4, causes=[(lambda got: True, "p are probabilities: apply the temperature to the logits.")])
check.distribution(q_seen, name="q", axis=1, atol=1e-4, causes=[(lambda got: True, "q are probabilities: apply the temperature to the logits.")])
check.equal(len(calls), 1, name="calls of the large model for four tokens, all kept", causes=[(lambda got: got >= 3, "the large model reads all drafted tokens in one call, not one after the other.")])
check.equal(
    speculated(keeps(True, False, True))[0],
    [3, 6, 7, 0],
    name="four digits after 2 when the second drafted token is turned down in each round, and the third is not",
    causes=[
        ([3, 6, 5, 8], "what was drafted after a token that is turned down must go: it was guessed after a token that is not there."),
        ([3, 6, 5, 6], "what was drafted after a token that is turned down must go: it was guessed after a token that is not there."),
        ([3, 5, 8, 9], "what was drafted after a token that is turned down must go: it was guessed after a token that is not there."),
        ([3, 4, 5, 6], "the replacement is missing: it comes in the place of the token that was turned down, and that one goes."),
        ([3, 6, 8, 9], "after a replacement nothing more is drawn in this round; the row after the draft belongs to the drafted text."),
        (lambda got: isinstance(got, list) and got[:2] == [3, 6] and got[2] != 7, "after a replacement nothing more is taken in this round: the next one starts from it."),
        (lambda got: True, "keep the drafted tokens before the first that is turned down, then its replacement, and no more in this round."),
    ],
)
check.equal(speculated(keeps(False, False, False))[0], [5, 8, 1, 4], name="the same when nothing is kept", causes=[(lambda got: True, "each round brings one token at least, the replacement of the first drafted one.")])
check.equal(
    speculated(keeps(True, True, True), n=6)[0],
    [3, 4, 5, 8, 9, 0],
    name="six digits when all is kept",
    causes=[([3, 4, 5, 8, 9, 0, 1, 4], "there are too many: cut what goes beyond n."), (lambda got: isinstance(got, list) and len(got) > 6, "there are too many: cut what goes beyond n.")],
)
def tilted(idx, targets=None):
    return torch.tensor([1.0, 2.0, 5.0]).log().expand(1, idx.shape[1], 3), None


def flat(idx, targets=None):
    return torch.zeros(1, idx.shape[1], 30), None


def all_kept(p, q, drafted, generator=None):
    return torch.ones(len(drafted)).bool(), drafted


judge = Watched(all_kept)
speculative_decode(tilted, tilted, [0], 2, ahead=1, temperature=0.5, verify=lambda *given, **named: judge(*given, **named))
colder = torch.tensor([[1 / 30, 4 / 30, 25 / 30]])
check.equal(judge.asked[0][0], colder, name="p at the temperature 0.5", atol=1e-4, causes=[(lambda got: True, "the temperature belongs to both models, the large one and the small one.")])
check.equal(judge.asked[0][1], colder, name="q at the temperature 0.5", atol=1e-4, causes=[(lambda got: True, "the temperature belongs to both models, the large one and the small one.")])
repeated = [speculative_decode(flat, flat, [0], 12, ahead=1, generator=torch.Generator().manual_seed(5), verify=all_kept) for _ in range(2)]
check.equal(repeated[0], repeated[1], name="twelve tokens with the same generator twice", causes=[(lambda got: True, "the generator belongs to every draw: of the draft, in verify, and after the draft.")])
### BEGIN HIDDEN TESTS
def by_chance(seed):
    """A pair of random tables for two models of three tokens."""
    generator = torch.Generator().manual_seed(seed)
    return [1.5 * torch.randn(3, 3, generator=generator) for _ in range(2)]


def table_model(table):
    return lambda idx, targets=None: (table[idx], None)


p_table, q_table = by_chance(5)
generator = torch.Generator().manual_seed(9)
counts = torch.zeros(3, 3)
for _ in range(240):
    first, second = speculative_decode(table_model(p_table), table_model(q_table), [1], 2, ahead=2, temperature=0.8, generator=generator)
    counts[first, second] += 1
    generator.manual_seed(int(torch.randint(2**31, (1,), generator=generator)))
p_exact = (p_table / 0.8).softmax(-1)
check.that(float((counts / 240 - p_exact[1][:, None] * p_exact).abs().max()) < 0.13, "the tokens are not distributed as those of the large model")
for ahead, n in [(1, 1), (1, 5), (2, 7), (5, 3), (4, 0)]:
    new = speculative_decode(steps_of(3), steps_of(1), [7, 2], n, ahead=ahead, temperature=0)
    check.equal(new, [(2 + 3 * i) % 10 for i in range(1, n + 1)], name=f"temperature 0, {n} tokens, {ahead} ahead")
    watched = Watched(steps_of(3))
    speculative_decode(lambda idx: watched(idx), steps_of(3), [7, 2], n, ahead=ahead, temperature=0)
    check.that(len(watched.asked) <= -(-n // (ahead + 1)), f"a draft that is always right needs {-(-n // (ahead + 1))} calls of the large model for {n} tokens, {ahead} ahead")
    check.that(all(asked[0].shape[1] <= 2 + n + ahead for asked in watched.asked), "the large model reads too much")
check.equal(check.after(speculative_decode, steps_of(3), steps_of(1), [7, 2], 3).arguments[2], [7, 2], name="the prompt after the call")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: is it the same distribution?
#
# It had better be, or all of this is a cheat. Two random models over four tokens are small enough that the probability of *every* text of three tokens can be written down: 64 numbers. We draw 20,000 texts, side by side, with your `accept_or_resample` deciding, and count how often each comes. **Pearson's chi-square** compares counts $O$ with what is expected, $E$:
#
# $$\chi^2 = \sum_{\text{texts}} \frac{(O - E)^2}{E}$$
#
# and its p-value says how often chance alone would deviate as much or more. (Texts with an expected count below 5 are taken together.) A fair procedure has a p-value that is anything between 0 and 1. To see that the test would notice a mistake, a third column replaces turned-down tokens by draws from $p$ instead of
# the residual: a mistake that leaves every text possible, and looks harmless.

# %% experiment
TEXTS, N_TOKENS, N_WORDS, AHEAD = 20_000, 3, 4, 2
generator = torch.Generator().manual_seed(909)
big_table, little_table = (1.2 * torch.randn(N_WORDS, N_WORDS, generator=generator) for _ in range(2))


def big(idx):
    return big_table[idx], None


def little(idx):
    return little_table[idx], None


def resamples_from_p(p, q, drafted, generator):
    """The planted mistake: what is turned down is drawn again from p, not from max(0, p - q)."""
    kept, tokens = accept_or_resample(p, q, drafted, generator)
    return kept, torch.where(kept, tokens, torch.multinomial(p, 1, generator=generator)[:, 0])


def p_value(texts, temperature):
    """Pearson's chi-square of drawn texts (N, 3) against their exact joint distribution after token 0."""
    rows = apply_temperature(big_table, temperature)  # (V, V)
    exact = (rows[0][:, None, None] * rows[:, :, None] * rows[None]).flatten().double()
    counts = torch.bincount((texts * torch.tensor([N_WORDS**2, N_WORDS, 1])).sum(1), minlength=N_WORDS**3).double()
    common = exact * len(texts) >= 5
    observed = torch.cat([counts[common], counts[~common].sum()[None]])
    expected = torch.cat([exact[common], exact[~common].sum()[None]]) * len(texts)
    observed, expected = observed[expected > 0], expected[expected > 0]
    chi_square = ((observed - expected) ** 2 / expected).sum()
    return float(torch.special.gammaincc(torch.tensor((len(expected) - 1) / 2).double(), chi_square / 2))


def one_by_one(temperature, generator):
    """Texts drawn token by token from the large model, all side by side."""
    texts = torch.zeros(TEXTS, 1, dtype=torch.long)
    for _ in range(N_TOKENS):
        texts = torch.cat([texts, sample(big_table[texts[:, -1]], temperature, generator=generator)[:, None]], dim=1)
    return texts[:, 1:]


def speculative(temperature, generator, verify):
    """Texts drawn by the loop of exercise 10, all side by side; `verify` decides."""
    texts = torch.zeros(TEXTS, 1 + N_TOKENS + AHEAD, dtype=torch.long)
    n_written = torch.ones(TEXTS, dtype=torch.long)
    while (n_written <= N_TOKENS).any():
        row = (n_written <= N_TOKENS).nonzero()[:, 0]  # the texts that are not complete
        guess, q = [texts[row, n_written[row] - 1]], []
        for _ in range(AHEAD):
            q.append(apply_temperature(little_table[guess[-1]], temperature))
            guess.append(torch.multinomial(q[-1], 1, generator=generator)[:, 0])
        p = apply_temperature(big_table[torch.stack(guess, dim=1)], temperature)  # (B, AHEAD + 1, V)
        drafted = torch.stack(guess[1:], dim=1)
        kept, tokens = verify(p[:, :-1].flatten(0, 1), torch.stack(q, dim=1).flatten(0, 1), drafted.flatten(), generator)
        n_kept = kept.view(-1, AHEAD).long().cumprod(1).sum(1)
        extra = torch.multinomial(p[:, -1], 1, generator=generator)
        new = torch.cat([tokens.view(-1, AHEAD), extra], dim=1)
        for i in range(AHEAD + 1):
            here = row[i <= n_kept]
            at = n_written[here] + i
            inside = at < texts.shape[1]
            texts[here[inside], at[inside]] = new[i <= n_kept, i][inside]
        n_written[row] += n_kept + 1
    return texts[:, 1 : N_TOKENS + 1]


chances = {}
print("temperature   one by one   speculative   planted mistake")
for temperature in [0.5, 1.0, 1.5]:
    chances[temperature] = [
        p_value(one_by_one(temperature, generator), temperature),
        p_value(speculative(temperature, generator, accept_or_resample), temperature),
        p_value(speculative(temperature, generator, resamples_from_p), temperature),
    ]
    print(f"{temperature:11.1f}   {chances[temperature][0]:10.3f}   {chances[temperature][1]:11.3f}   {chances[temperature][2]:15.1e}")
own_loop = torch.tensor([speculative_decode(big, little, [0], N_TOKENS, AHEAD, 1.0, generator) for _ in range(4000)])
own_chance = p_value(own_loop, 1.0)
print(f"4,000 texts from your own loop, one after the other, temperature 1: p = {own_chance:.3f}")

# %% [markdown]
# The first two columns hold p-values as chance makes them. The third holds the verdict on the mistake: next to no chance that such counts come from $p$. With other seeds, one in ten fair p-values will be below 0.1, as it should.
#
# ### Experiment: what is gained
#
# How many tokens does one call of the large model bring? That depends on how often the draft is right. The chance that a token drafted from $q$ is kept is $\sum_x q(x) \min(1, p(x)/q(x)) = \sum_x \min(p(x), q(x))$, the **overlap** of the two distributions. If it were the same number $a$ at each place, a round with
# $K$ drafted tokens would bring on average (Leviathan et al. 2023)
#
# $$1 + a + a^2 + \dots + a^K = \frac{1 - a^{K+1}}{1 - a}$$
#
# tokens. The line of the figure is this formula with $K = 4$; the points are measured with course-lm at several temperatures, and three drafts: the little model, one that finds all tokens alike likely, and course-lm itself.

# %% experiment
K = 4


def tokens_per_call(draft, temperature, n=50, n_texts=4):
    """The mean overlap of draft and course-lm along the texts, and the tokens that a call of course-lm brought."""
    calls, overlaps, generator = 0, [], torch.Generator().manual_seed(11)

    def counted(idx):
        nonlocal calls
        calls += 1
        return large(idx)

    for opening in openings[:n_texts].tolist():
        new = speculative_decode(counted, draft, opening, n, K, temperature, generator)
        idx = torch.tensor([opening + new])
        p, q = (apply_temperature(model(idx)[0][0, len(opening) - 1 : -1], temperature) for model in (large, draft))
        overlaps.append(float(torch.minimum(p, q).sum(-1).mean()))
    return mean(overlaps), n * n_texts / calls


def knows_nothing(idx):
    return torch.zeros(1, idx.shape[1], len(tokenizer)), None


gains = {f"T = {T:g}": tokens_per_call(small, T) for T in [0, 0.5, 1]}
gains["knows nothing"] = tokens_per_call(knows_nothing, 1.0)
gains["course-lm itself"] = tokens_per_call(large, 1.0)
for name, (overlap, per_call) in gains.items():
    print(f"{name:16s} overlap {overlap:.2f}, {per_call:.2f} tokens per call of course-lm")
overlaps = [i / 50 for i in range(51)]
plots.lines(
    overlaps,
    {"1 + a + ... + a⁴": [sum(a**i for i in range(K + 1)) for a in overlaps]},
    points=gains,
    title="The better the draft, the more tokens each call of the large model brings",
    x_label="overlap of the draft with the large model, a",
    y_label="tokens per call of the large model",
    alt="A curve that rises from 1 token per call at overlap 0 to 5 at overlap 1. Points lie near it: a draft that knows nothing at the left end, the little model at "
    "three temperatures in the middle, course-lm as its own draft at the right end.",
)

# %% [markdown]
# The points lie near the curve though the overlap is anything but the same at each place. Whether calls saved are time saved is another question. Here hardly: on one processor core, a model of 2.5 million parameters spends its time on arithmetic, and reading five tokens costs more than reading one. For T5-XXL, a model of 11 billion parameters, on a TPU,
# Leviathan et al. (2023) measured two to three times the speed with the same output.

# %% [markdown] question="speculation" points=3 minutes=4
# **Question 2.** (a) Prove that a token which comes out of one round's decision, drafted and kept or replaced, is $x$ with the probability $p(x)$. (Begin with the probability that $x$ is drafted *and* kept. With what probability is any token turned down?) (b) The planted mistake draws replacements from $p$. Which tokens come too often then, and why?
# (c) At the temperature 0, when is a drafted token kept, and what does speculative decoding return? Is a draft of use at temperature 0 that is often right about the likeliest token, but badly calibrated?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Drafted and kept: q(x) min(1, p(x)/q(x)) = min(p(x), q(x)). Turned down altogether: 1 - sum_y min(p(y), q(y)) = sum_y (p(y) - min(p(y), q(y))) = sum_y max(0, p(y) - q(y)), the very sum by which the residual is divided. So x comes as a replacement with max(0, p(x) - q(x)), and
# min(p, q) + max(0, p - q) = p. Half a point for the first step. (b) Those that the draft likes too much, q(x) > p(x): they come with min(p, q) = p(x) already, and the replacements drawn from p add to this. In turn those with q < p come too seldom. (c) p and q are each 1 at one token; it is kept if the two likeliest
# tokens are the same (ratio 1), else never (ratio 0), and replaced by the large model's likeliest. The result is greedy decoding with the large model. Yes: only the rank counts there, so calibration is of no consequence.
# ### END MARK SCHEME

# %% [markdown]
# ## What to remember
#
# - A model gives probabilities; a text comes from how tokens are picked.
# - The likeliest text is not the best one. Greedy decoding and beam search suit tasks with a right answer; for the rest, draw.
# - Temperature reshapes the whole distribution, top-k and top-p cut its tail; top-p follows the model's own certainty. The order is temperature, top-k, top-p, and then the sum is 1 again.
# - Scores of texts of different lengths must be made comparable, and how that is done decides how long the winner is.
# - A model can be sure and wrong. Look at a reliability diagram before you use its probabilities, on the kind of text that you will use it on.
# - With a cache each token is read once, at its right place.
# - Speculative decoding changes the speed and not the distribution. A claim like this one can be tested: draw, count, compare, and plant a mistake to see that the test would find it.
#
# ## Further reading
#
# - A. Holtzman, J. Buys, L. Du, M. Forbes, Y. Choi (2020), *The Curious Case of Neural Text Degeneration*, ICLR. Top-p, and why likely texts are dull.
# - A. Fan, M. Lewis, Y. Dauphin (2018), *Hierarchical Neural Story Generation*, ACL. Top-k.
# - D. H. Ackley, G. E. Hinton, T. J. Sejnowski (1985), *A Learning Algorithm for Boltzmann Machines*, Cognitive Science 9. Temperature.
# - J. Li, M. Galley, C. Brockett, J. Gao, B. Dolan (2016), *A Diversity-Promoting Objective Function for Neural Conversation Models*, NAACL. Distinct-n.
# - F. Stahlberg, B. Byrne (2019), *On NMT Search Errors and Model Errors: Cat Got Your Tongue?*, EMNLP. The likeliest translation is often empty.
# - M. H. DeGroot, S. E. Fienberg (1983), *The Comparison and Evaluation of Forecasters*, The Statistician 32. Reliability.
# - M. P. Naeini, G. F. Cooper, M. Hauskrecht (2015), *Obtaining Well Calibrated Probabilities Using Bayesian Binning*, AAAI. The expected calibration error.
# - C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger (2017), *On Calibration of Modern Neural Networks*, ICML. Temperature scaling.
# - Y. Leviathan, M. Kalman, Y. Matias (2023), *Fast Inference from Transformers via Speculative Decoding*, ICML.
# - C. Chen, S. Borgeaud, G. Irving, J.-B. Lespiau, L. Sifre, J. Jumper (2023), *Accelerating Large Language Model Decoding with Speculative Sampling*, arXiv:2302.01318.

# %% submit
hand_in(
    "09_decoding",
    "greedy_decode",
    "beam_search",
    "apply_temperature",
    "top_k_filter",
    "top_p_filter",
    "sample",
    "expected_calibration_error",
    "decode_with_cache",
    "accept_or_resample",
    "speculative_decode",
)
