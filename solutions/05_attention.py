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
# # 05 · Attention
#
# A recurrent network carries everything it has read in one state, a list of numbers that never gets longer. A reader of a long sentence does something
# else: looks back, at the one or two words that matter now. **Attention** gives a network this ability. It was invented to help recurrent networks
# translate (Bahdanau et al. 2015); two years later it had replaced them (Vaswani et al. 2017), and it is what the models of today are mostly made of.
#
# The whole of it is one line of arithmetic: a weighted average, whose weights the network computes itself.
#
# **After this notebook you can**
#
# - compute attention by hand, and write it for batches, masks and heads;
# - show on a task why a single state is not enough, and what attention changes;
# - read an attention map, and say what it does not tell;
# - keep a model from looking at the future and at padding, and test that it does not;
# - say what attention costs, in arithmetic and in memory.
#
# **Time:** about two hours, 86 minutes of it for the exercises and questions. **Points:** 38. **You need:** tensors and modules of PyTorch, softmax, and
# what a recurrent network is (notebooks 03 and 04).

# %% setup
import math
import time
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nextword import check, corpus, hand_in, ladder, plots, preset
from nextword.batches import Batches, sentence_batches
from nextword.ngrams import KneserNey
from nextword.tokenizers import WordTokenizer
from nextword.training import score, train

# One short sentence, a vector for each of its words, and a query. Small enough to check every number by hand (section 1).
words = ["The", "cat", "sat", "on"]
states = torch.tensor([[0.2, 0.0], [0.0, 0.2], [-0.1, 0.4], [0.8, 0.4]])
query = torch.tensor([1.0, 0.5])

print(preset())

# %% [markdown]
# ## 1 A weighted average
#
# You have read *The cat sat on* and want to guess what comes next. Let each word have left a vector behind, its **state** $h_1 \dots h_4$. A recurrent network would go on with
# the last one alone. Attention uses all of them, each as much as it matters now:
#
# 1. Give every state a **score**: how much does it matter for this guess? Say 0.2, 0.1, 0.1 and 1.
# 2. Turn scores into **weights** that are positive and sum to 1, with softmax: $\alpha_i = e^{s_i} / \sum_j e^{s_j}$.
# 3. Take the average of the states with these weights: $\alpha_1 h_1 + \dots + \alpha_4 h_4$.
#
# | | The | cat | sat | on | sum |
# |---|---|---|---|---|---|
# | score $s_i$ | 0.2 | 0.1 | 0.1 | 1.0 | |
# | $e^{s_i}$ | 1.22 | 1.11 | 1.11 | 2.72 | 6.15 |
# | weight $\alpha_i$ | 0.20 | 0.18 | 0.18 | 0.44 | 1 |

# %% experiment
scores = torch.tensor([0.2, 0.1, 0.1, 1.0])
plots.bars(
    dict(zip(words, scores.softmax(0).tolist())),
    title="Softmax gives every word a share, and “on” the largest",
    x_label="weight in the average",
    highlight="on",
    alt="Four bars: The 0.20, cat 0.18, sat 0.18, on 0.44.",
)

# %% [markdown]
# Where do the scores come from? The guess asks a question, a vector $q$ called the **query**. Each word offers a vector that says what it can be found by, its **key** $k_i$.
# The score is their dot product, which is large when the two point the same way. And what a word hands over when it is looked at is a third vector, its **value** $v_i$:
#
# $$s_i = q \cdot k_i, \qquad \alpha = \text{softmax}(s), \qquad \text{output} = \sum_i \alpha_i\, v_i$$
#
# The simplest choice, and the one of this section, is to use the state for both: $k_i = v_i = h_i$. The setup cell holds four states of two numbers, `states`, and a `query` that gives just the
# scores of the table: for *on*, $(1, 0.5) \cdot (0.8, 0.4) = 0.8 + 0.2 = 1$.

# %% [markdown]
# ### Exercise 1: one query
#
# Compute the average for one query, and return the weights with it, so that we can look at them.
#
# <details><summary>Hint 1: how do I get all scores at once?</summary>
#
# `keys` has shape (T, d) and `query` (d,). The matrix product `keys @ query` has shape (T,): one dot product per key.
# </details>
#
# <details><summary>Hint 2: how do I get the average?</summary>
#
# `weights` has shape (T,) and `values` (T, d_v). `weights @ values` is the sum of all values, each times its weight, and has shape (d_v,).
# </details>

# %% exercise="dot_product_attention" minutes=6 difficulty=1
def dot_product_attention(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    """Return the average of the values, weighted by how well their keys fit the query, and the weights.

    query   shape (d,)
    keys    shape (T, d), one key for each of T places
    values  shape (T, d_v), what each place hands over

    The average has shape (d_v,). The weights have shape (T,): the softmax of the dot products of query and keys.

    >>> average, weights = dot_product_attention(query, states, states)
    >>> weights
    tensor([0.1986, 0.1797, 0.1797, 0.4420])
    >>> average
    tensor([0.3753, 0.2846])
    """
    ### BEGIN SOLUTION
    weights = torch.softmax(keys @ query, dim=0)
    return weights @ values, weights
    ### END SOLUTION


# %% test="dot_product_attention" points=3
result = dot_product_attention(query, states, states)
check.that(
    isinstance(result, tuple) and len(result) == 2,
    "dot_product_attention should return two things: return average, weights.",
)
average, weights = result
check.equal(
    weights,
    torch.tensor([0.1986, 0.1797, 0.1797, 0.4420]),
    name="the weights for 'The cat sat on'",
    atol=1e-4,
    causes=[
        (lambda w: not w.any(), "all weights are 0."),
        (torch.tensor([0.3753, 0.2846]), "the two are in the wrong order: return average, weights."),
        (torch.tensor([0.2, 0.1, 0.1, 1.0]), "these are the scores; softmax turns them into weights."),
        (torch.tensor([0.1429, 0.0714, 0.0714, 0.7143]), "you divided the scores by their sum; softmax takes exponentials first."),
        (torch.tensor([0.2163, 0.2015, 0.2015, 0.3808]), "the scores are scaled. Here they are plain dot products; scaling comes in section 3."),
        (torch.tensor([0.0, 0.0, 0.0, 1.0]), "only the best place is used (argmax); softmax gives every place a share."),
        (torch.full((4,), 0.25), "all weights are equal: the scores do not reach the softmax."),
        (torch.full((4,), 1.0), "each weight is 1: softmax was taken over the wrong dimension."),
    ],
)
some_values = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0], [2.0, 2.0, 2.0]])
average, weights = dot_product_attention(query, states, some_values)
check.equal(
    average,
    torch.tensor([1.0826, 1.0637, 1.0637]),
    name="the average for 'The cat sat on' with values [1 0 0], [0 1 0], [0 0 1], [2 2 2]",
    atol=1e-4,
    causes=[
        (lambda a: not a.any(), "the average is all zeros."),
        (lambda a: a.shape == (2,), "you averaged the keys; the keys only make the weights. Average the values."),
        (torch.tensor([3.0, 3.0, 3.0]), "this is the sum of the values; each counts as much as its weight."),
        (torch.tensor([0.75, 0.75, 0.75]), "this is the plain mean of the values; each counts as much as its weight."),
        (torch.tensor([2.2, 2.1, 2.1]), "you used the scores as weights; softmax comes first."),
        (torch.tensor([2.0, 2.0, 2.0]), "this is the value of the best place alone; average over all."),
        (torch.tensor([0.2707, 0.2659, 0.2659]), "you divided by T once more; the weights sum to 1 already."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(51)
for T, d, d_v in [(1, 1, 1), (1, 5, 2), (4, 4, 4), (7, 3, 2), (2, 64, 5), (50, 8, 1), (3, 3, 9)]:
    q, k, v = torch.randn(d), torch.randn(T, d), torch.randn(T, d_v)
    exponentials = [math.exp(sum(float(a) * float(b) for a, b in zip(q, key))) for key in k]
    slow = torch.tensor([e / sum(exponentials) for e in exponentials])
    average, weights = dot_product_attention(q, k, v)
    check.equal(weights, slow, name=f"weights, T = {T}, d = {d}", atol=1e-5)
    check.equal(average, torch.stack([sum(w * row[j] for w, row in zip(slow, v)) for j in range(d_v)]), name=f"average, T = {T}, d = {d}, d_v = {d_v}", atol=1e-5)
    check.distribution(weights, name="the weights", atol=1e-5)
    order = torch.randperm(T)
    check.equal(dot_product_attention(q, k[order], v[order])[0], average, name="the average of the same places in another order", atol=1e-5)
big = dot_product_attention(1000 * query, states, some_values)
check.equal(big[1], torch.tensor([0.0, 0.0, 0.0, 1.0]), name="weights for a query 1000 times as long")
check.equal(dot_product_attention(query, states + 100, some_values)[1], torch.tensor([0.1986, 0.1797, 0.1797, 0.4420]), name="keys moved by 100", atol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: from looking at everything to looking at one place
#
# The longer the query, the larger the scores, and the more unequal the weights. Below, the same query is multiplied by 0, 1, 4 and 16. This is an **attention map**: a row for each
# query, a column for each place, and the *area* of a square is the weight. Each row sums to 1.

# %% experiment
factors = [0, 1, 4, 16]
plots.attention(
    [dot_product_attention(factor * query, states, states)[1].tolist() for factor in factors],
    [f"{factor} × query" for factor in factors],
    words,
    title="A short query averages, a long one selects",
    alt="Weights of The, cat, sat, on as squares, for four lengths of the query: four equal squares at 0, the table's weights at 1, "
    "mostly the word on at 4, and on alone at 16.",
)

# %% [markdown]
# So attention lies between an average of everything and a look-up in a dictionary. And unlike a look-up it has a slope: a little more of this key, a little more of
# that weight. That is why it can be learned.

# %% [markdown]
# ## 2 The bottleneck
#
# Why would a network need it? Think of translation. The first neural translators that worked had two recurrent networks: an **encoder** reads the source sentence, and its last
# state is all that a **decoder** gets to write the translation from. In the system of Sutskever et al. (2014) every sentence, short or long, had to pass through 8,000 numbers.
# They noticed that the network did much better when they *reversed the source*, so that the first words to translate had just been read.
# That is a sign of a narrow place: what was read long ago gets lost.
#
# We shall measure it on a task that is small enough to train here and whose right answers everybody knows: **write a string of letters backwards.**
#
#     source   s t r e s s e d
#     target   d e s s e r t s </s>
#
# The strings are random, from 1 to 24 letters of the alphabet. There is nothing to guess: a network that does not remember a letter can't write it.

# %% experiment
LONGEST, BLANK = 24, 26  # letters are 0 to 25; 26 fills up the source, and ends the target


def reversal_task(n, seed, length=None):
    """Return n random strings and their reversals: source (n, 25), target (n, 25), and lengths (n,)."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, LONGEST + 1, (n,), generator=generator) if length is None else torch.full((n,), length)
    place = torch.arange(LONGEST + 1)
    inside = place < lengths[:, None]
    source = torch.randint(0, 26, inside.shape, generator=generator).masked_fill(~inside, BLANK)
    target = source.gather(1, (lengths[:, None] - 1 - place).clamp(min=0)).masked_fill(~inside, -100)
    return source, target.masked_fill(place == lengths[:, None], BLANK), lengths


def spell(ids):
    return "".join(chr(ord("a") + i) for i in ids.tolist() if 0 <= i < 26)


sources, targets, lengths = reversal_task(60_000, seed=0)
strings = Batches(sources, targets, characters=int(lengths.sum()), lengths=lengths + 1)
for source, target in zip(sources[:4], targets[:4]):
    print(f"{spell(source):>24}  ->  {spell(target)}")


# %% [markdown]
# The network: an LSTM encoder that reads in both directions, so that each state knows what stands on both sides of its letter, and an LSTM decoder that starts from the
# encoder's final states. While it learns, the decoder is given the right letters so far (teacher forcing, notebook 04). At the end there is room for `found`, what attention finds in the source (it will look at the encoder's states, to each of which the vector of its letter is added). For
# now, it finds nothing.

# %% experiment
class Reverser(nn.Module):
    def __init__(self, width=64, attend=None):
        super().__init__()
        self.letters = nn.Embedding(27, width)
        self.encoder = nn.LSTM(width, width // 2, bidirectional=True, batch_first=True)
        self.decoder = nn.LSTM(width, width, batch_first=True)
        self.attend = attend
        self.logits = nn.Linear(2 * width, 27)

    def forward(self, source, targets):  # both (B, T), padded on the right
        lengths = (source != BLANK).sum(1)
        letters = self.letters(source[:, : lengths.max()])
        packed = nn.utils.rnn.pack_padded_sequence(letters, lengths.cpu(), batch_first=True, enforce_sorted=False)
        encoded, last = self.encoder(packed)
        encoded = nn.utils.rnn.pad_packed_sequence(encoded, batch_first=True)[0] + letters
        first = tuple(state.transpose(0, 1).flatten(1)[None].contiguous() for state in last)
        before = torch.cat([torch.full_like(targets[:, :1], BLANK), targets[:, :-1]], dim=1)
        decoded, _ = self.decoder(self.letters(before.masked_fill(before < 0, BLANK)), first)
        found = torch.zeros_like(decoded)
        if self.attend is not None:
            found, self.weights = self.attend(decoded, encoded, lengths)
        logits = self.logits(torch.cat([decoded, found], dim=-1))
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)


# %% [markdown]
# Success is counted strictly: a string is right when *every* letter of it and the end are right. We need not write letter by letter to find out. A decoder that always takes the likeliest letter writes the
# whole string correctly exactly if, given the right letters so far, each next one is the likeliest.

# %% experiment
STEPS = 1200


def share_exact(model, length, n=500):
    source, target, _ = reversal_task(n, seed=1000 + length, length=length)
    with torch.no_grad():
        best = model(source, target)[0].argmax(-1)
    return ((best == target) | (target == -100)).all(1).float().mean().item()


@cache
def trained_reverser(attention):
    """Return the network with an attention function (or None), trained; once, unless you change your function."""
    torch.manual_seed(0)
    model = Reverser(attend=attention and Attend(attention))
    label = "with attention" if attention else "without attention"
    train(model, strings, steps=STEPS, batch_size=128, learning_rate=1e-2, seed=0, label=label)
    return model.cpu().eval()


reversal_lengths = list(range(1, 21))
exact = {"without attention": [share_exact(trained_reverser(None), length) for length in reversal_lengths]}

# %% experiment
plots.lines(
    reversal_lengths,
    exact,
    title="One state is enough for short strings only",
    x_label="length of the string",
    y_label="share reversed without a mistake",
    alt="Share of strings reversed without a mistake against length: near 1 for short strings, then falling steeply to 0.",
)

# %% [markdown] question="bottleneck" points=3 minutes=5
# **Question 1.** (a) The decoder of this network starts from 128 numbers, and 20 random letters carry $20 \log_2 26 \approx 94$ bits, less than one bit for each number. So why does it
# fail at 20 letters? (b) The encoder of Sutskever et al. (2014) read in one direction only, and they reversed the source sentences. Why does that help in translation,
# where word order is mostly kept? And why would it change nothing for the network above? (c) Someone proposes to double the width of the LSTM. What does that change in the figure, and what does it not change?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Room is not the trouble: the network has to learn to write every letter into the state, to keep it apart from 19 others through many steps, and to take them out again in the right
# order, all by gradient descent through those steps. A plausible remark on limited training counts. (b) With the source reversed, the first source words are read last: they are close to the first target words, so the decoder can start
# well (short paths for the gradient). The encoder above reads in both directions, so reversing only exchanges the two. (Half a point each.)
# (c) The curve falls at a greater length (more room), but it still falls: the state stays of fixed size while the string grows.
# ### END MARK SCHEME

# %% [markdown]
# ## 3 Query, key, value, for many at once
#
# The remedy of Bahdanau, Cho and Bengio (2015): keep *all* states of the encoder, and let the decoder look back at them each time it writes a word. Every decoder state asks its own question, so there are many queries.
# Put them into the rows of a matrix $Q$ (one row per query, $d$ numbers each), the keys into $K$ and the values into $V$, and all of it is two matrix products:
#
# $$\text{Attention}(Q, K, V) = \text{softmax}\Big(\frac{Q K^\top}{\sqrt{d}}\Big) V$$
#
# Entry $[i, j]$ of $Q K^\top$ is the score of query $i$ with key $j$. Softmax runs along each *row*: every query shares out its own 1 among the keys.
# (Bahdanau et al. computed a score with a small network, $w^\top \tanh(W q + U k)$, trained with the rest. Dot products, as in Luong et al. 2015, need nothing but a matrix product.)
#
# What is the $\sqrt{d}$ for? If the numbers in a query and a key are independent with mean 0 and variance 1, their dot product has variance $d$: it is a sum of $d$ products, each of variance 1. So the scores
# grow with the width of the vectors, like $\sqrt{d}$, and you have seen what large scores do. The next cell draws random queries and keys, and looks at the largest of 20 weights.

# %% experiment
widths = [1, 4, 16, 64, 256, 1024]
torch.manual_seed(0)
largest = {"plain": [], "divided by √d": []}
for d in widths:
    random_scores = torch.randn(200, 1, d) @ torch.randn(200, d, 20)
    largest["plain"].append(random_scores.softmax(-1).max(-1).values.mean().item())
    largest["divided by √d"].append((random_scores / math.sqrt(d)).softmax(-1).max(-1).values.mean().item())
plots.lines(
    widths,
    largest,
    title="Without scaling, wide vectors make attention choose before it has learned anything",
    x_label="d, width of queries and keys",
    y_label="largest of 20 weights, on average",
    log_x=True,
    alt="The largest of 20 weights against the width d. Plain dot products: it rises to above 0.9. Divided by the root of d: it stays near 0.25.",
)

# %% [markdown]
# Where one weight is 1 and the others are 0, softmax is flat, hardly any gradient gets through, and what was chosen by chance stays chosen. Dividing by $\sqrt{d}$ keeps the variance at 1 (Vaswani et al. 2017).
#
# **Masks.** Often some keys must not be looked at, because they are padding, or in the future. A **mask** is a tensor of truth values: **True means "may look"**, as in PyTorch's function `F.scaled_dot_product_attention`. (In its module `nn.MultiheadAttention` it means the opposite.)
# Where the mask is False, the score is replaced by $-\infty$ *before* the softmax, whose exponential makes it exactly 0. The other weights still sum to 1.
#
# **An example**, with $d = 4$, so that scores are divided by 2:
#
# | query | keys | scores | divided by 2 | weights | mask | weights with mask |
# |---|---|---|---|---|---|---|
# | (2, 0, 0, 0) | (1, 0, 1, 0), (2, 0, 0, 0), (0, 1, 0, 1) | 2, 4, 0 | 1, 2, 0 | 0.24, 0.67, 0.09 | True, False, True | 0.73, 0, 0.27 |
#
# And if a query may look at *nothing*? Softmax would divide 0 by 0 and give NaN, which spreads through everything after it. In this course **such a query gets weights of 0 and an output of 0**. PyTorch
# does the same since version 2.5.

# %% [markdown]
# ### Exercise 2: scaled dot-product attention
#
# The formula above, for any number of dimensions in front, with an optional mask.
#
# <details><summary>Hint 1: how do I get the scores of a whole batch?</summary>
#
# `q @ k.transpose(-2, -1)`: the matrix product works on the last two dimensions, and those in front come along. Shape (..., T_q, T_k). The last dimension of `q` is the d of the formula.
# </details>
#
# <details><summary>Hint 2: how do I apply the mask?</summary>
#
# `scores.masked_fill(~mask, value)` replaces the scores where the mask is False. The mask is broadcast: its missing dimensions are filled in.
# </details>
#
# <details><summary>Hint 3: what about a query that may look at nothing?</summary>
#
# Fill in the smallest number there is, `torch.finfo(scores.dtype).min`, in place of $-\infty$: then softmax gives no NaN, and gradients stay finite. Afterwards set the weights to 0 wherever the mask is False.
# </details>
#
# <details><summary>I see NaN. Where does it come from?</summary>
#
# From a row of scores that are all $-\infty$ (hint 3), from an exponential of your own that overflows (use `softmax`), or from 0 · ∞, when a mask of numbers is multiplied with infinity.
# </details>

# %% exercise="scaled_dot_product_attention" minutes=15 difficulty=2
def scaled_dot_product_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Return for each query the weighted average of the values, shape (..., T_q, d_v), and the weights, (..., T_q, T_k).

    q     shape (..., T_q, d), queries
    k     shape (..., T_k, d), keys
    v     shape (..., T_k, d_v), values
    mask  bool, broadcast to (..., T_q, T_k): True where the query may look at the key; None: everywhere.
          A query that may look at nothing gets weights 0 and output 0

    >>> q = torch.tensor([[2.0, 0.0, 0.0, 0.0]])
    >>> k = torch.tensor([[1.0, 0.0, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
    >>> v = torch.tensor([[10.0], [20.0], [30.0]])
    >>> output, weights = scaled_dot_product_attention(q, k, v, torch.tensor([True, False, True]))
    >>> weights
    tensor([[0.7311, 0.0000, 0.2689]])
    >>> output
    tensor([[15.3788]])
    """
    ### BEGIN SOLUTION
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim=-1)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return weights @ v, weights
    ### END SOLUTION


# %% test="scaled_dot_product_attention" points=5
two_queries = torch.tensor([[2.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 2.0]])
three_keys = torch.tensor([[1.0, 0.0, 1.0, 0.0], [2.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.0, 1.0]])
three_values = torch.tensor([[1.0, 0.0, 0.0, 0.0, 2.0], [0.0, 1.0, 0.0, 0.0, 4.0], [0.0, 0.0, 1.0, 0.0, 8.0]])
plain = torch.tensor([[2.0, 4.0, 0.0], [2.0, 0.0, 2.0]])  # the scores before scaling
right = torch.tensor([[0.2447, 0.6652, 0.0900], [0.4223, 0.1554, 0.4223]])
zeros = (lambda w: not w.any(), "everything is 0.")
result = scaled_dot_product_attention(two_queries, three_keys, three_values)
check.that(
    isinstance(result, tuple) and len(result) == 2,
    "scaled_dot_product_attention should return two things: return output, weights.",
)
output, weights = result
check.equal(
    weights,
    right,
    name="the weights of two queries and three keys, d = 4",
    atol=1e-4,
    causes=[
        zeros,
        (plain.softmax(-1), "no scaling: divide the scores by the root of d before the softmax."),
        ((plain / 4).softmax(-1), "the scores are divided by d; divide by its square root."),
        ((plain / math.sqrt(3)).softmax(-1), "the root of the wrong size: you took the number of keys; d is the width of a query."),
        ((plain / math.sqrt(5)).softmax(-1), "the root of the wrong size: you took the width of the values; d is the width of a query."),
        ((plain / math.sqrt(2)).softmax(-1), "the root of the wrong size: you took the number of queries (or a root twice); d is the width of a query."),
        ((plain * 2).softmax(-1), "you multiplied by the root of d; divide by it."),
        (plain.softmax(-1) / 2, "you scaled after the softmax; scale the scores."),
        ((plain / 2).softmax(-2), "softmax over the queries: the columns sum to 1. Each query shares out its own 1: dim=-1."),
        (plain.softmax(-2), "softmax over the queries: the columns sum to 1. Each query shares out its own 1: dim=-1."),
        (plain / 2, "these are scores; softmax is missing."),
        (lambda w: w.shape == (3, 2), "rows are queries and columns are keys; this is transposed."),
        (lambda w: w.shape == (2, 5), "the two are in the wrong order: return output, weights."),
    ],
)
check.equal(
    output,
    right @ three_values,
    name="the output of two queries, three keys, values of width 5",
    atol=1e-3,
    causes=[
        zeros,
        (lambda o: o.shape == (2, 4), "K in place of V: you averaged the keys."),
        (three_values.sum(0).expand(2, 5), "every value has weight 1; average with the weights."),
    ],
)
may_look = torch.tensor([[True, False, True], [True, True, True]])
output, weights = scaled_dot_product_attention(two_queries, three_keys, three_values, may_look)
masked_right = torch.tensor([[0.7311, 0.0, 0.2689], [0.4223, 0.1554, 0.4223]])
check.equal(
    weights,
    masked_right,
    name="the weights when the first query may not look at the second key",
    atol=1e-4,
    causes=[
        (right, "the mask is ignored."),
        (right * may_look, "the mask came after the softmax: the row does not sum to 1. Replace scores by -inf before it."),
        ((plain / 2 * may_look).softmax(-1), "the mask put zeros into the scores, and exp(0) is 1. Put -inf there."),
        ((plain / 2 + may_look).softmax(-1), "the mask was added as 0 and 1; where it is False the score must become -inf."),
        ((plain / 2 * may_look).softmax(-1) * may_look, "the mask put zeros into the scores, and exp(0) is 1. Put -inf there."),
        (lambda w: float(w[0, 1]) > 0.99, "the mask is upside down: True means that the query may look."),
        (lambda w: bool(w.isnan().any()), "NaN: 0 times infinity is NaN. Use masked_fill to put -inf where the mask is False."),
    ],
)
check.equal(output, masked_right @ three_values, name="the output with that mask", atol=1e-3, causes=[(right @ three_values, "the weights are masked, but the output was made with those before.")])
output, weights = scaled_dot_product_attention(two_queries, three_keys, three_values, torch.tensor([[False], [True]]))
for what, got, rest in [("weights", weights, right), ("output", output, right @ three_values)]:
    check.equal(
        got,
        torch.cat([torch.zeros_like(rest[:1]), rest[1:]]),
        name=f"the {what} when the first query may look at nothing",
        atol=1e-3,
        causes=[
            (lambda a: bool(a.isnan().any()), "a row that is masked everywhere gives NaN; its weights and its output are to be 0."),
            (lambda a: bool((a[0] != 0).any()), "a row that is masked everywhere was shared out all the same; its weights and its output are to be 0."),
        ],
    )
### BEGIN HIDDEN TESTS
torch.manual_seed(52)


def slow_attention(q, k, v, mask):
    """One query at a time, in double precision, over the keys it may look at only."""
    output, weights = torch.zeros(len(q), v.shape[-1]), torch.zeros(len(q), len(k))
    for i in range(len(q)):
        seen = [j for j in range(len(k)) if mask[i, j]]
        if seen:
            s = torch.stack([(q[i].double() * k[j].double()).sum() for j in seen]) / len(q[i]) ** 0.5
            w = (s - s.max()).exp()
            weights[i, seen] = (w / w.sum()).float()
            output[i] = (weights[i].double() @ v.double()).float()
    return output, weights


for T_q, T_k, d, d_v in [(1, 1, 1, 1), (5, 5, 8, 8), (3, 7, 2, 5), (7, 3, 6, 1), (1, 9, 4, 4), (6, 1, 3, 2)]:
    q, k, v = torch.randn(T_q, d), torch.randn(T_k, d), torch.randn(T_k, d_v)
    for name, mask in [("random", torch.rand(T_q, T_k) < 0.6), ("open", torch.ones(T_q, T_k, dtype=torch.bool)), ("shut", torch.zeros(T_q, T_k, dtype=torch.bool))]:
        got = scaled_dot_product_attention(q, k, v, mask)
        check.equal(got[0], slow_attention(q, k, v, mask)[0], name=f"output, {T_q} queries, {T_k} keys, {name} mask", atol=1e-5)
        check.equal(got[1], slow_attention(q, k, v, mask)[1], name=f"weights, {T_q} queries, {T_k} keys, {name} mask", atol=1e-5)
q, k, v = torch.randn(2, 3, 4, 6), torch.randn(2, 3, 5, 6), torch.randn(2, 3, 5, 7)
for shape in [(4, 5), (5,), (1, 5), (2, 1, 1, 5), (2, 3, 4, 5), (3, 4, 1)]:
    mask = torch.rand(shape) < 0.7
    full = mask.expand(2, 3, 4, 5)
    output, weights = scaled_dot_product_attention(q, k, v, mask)
    for b in range(2):
        for h in range(3):
            want = slow_attention(q[b, h], k[b, h], v[b, h], full[b, h])
            check.equal(output[b, h], want[0], name=f"output, mask of shape {shape}", atol=1e-5)
            check.equal(weights[b, h], want[1], name=f"weights, mask of shape {shape}", atol=1e-5)
output, weights = scaled_dot_product_attention(q, k, v)
order = torch.randperm(5)
check.equal(scaled_dot_product_attention(q, k[..., order, :], v[..., order, :])[0], output, name="keys and values in another order", atol=1e-5)
order = torch.randperm(4)
check.equal(scaled_dot_product_attention(q[..., order, :], k, v)[0], output[..., order, :], name="queries in another order", atol=1e-5)
future = torch.ones(5, 5, dtype=torch.bool).tril()
q, k, v = torch.randn(2, 5, 3), torch.randn(2, 5, 3), torch.randn(2, 5, 3)
later_k, later_v = k.clone(), v.clone()
later_k[:, 3:], later_v[:, 3:] = 50.0, -70.0
check.equal(scaled_dot_product_attention(q, later_k, later_v, future)[0][:, :3], scaled_dot_product_attention(q, k, v, future)[0][:, :3], name="earlier outputs, when later keys and values change", atol=1e-6)
padding = torch.tensor([[[True, True, True, False, False]]])
check.equal(scaled_dot_product_attention(q, later_k, later_v, padding)[0], scaled_dot_product_attention(q, k[:, :3], v[:, :3])[0], name="padding of 50 and -70, masked", atol=1e-5)
for factor in [1000.0, 1e-6]:
    got = scaled_dot_product_attention(q * factor, k, v, future)
    want = slow_attention(q[0] * factor, k[0], v[0], future)
    check.equal(got[0][0], want[0], name=f"queries times {factor}", atol=1e-4)
check.equal(scaled_dot_product_attention(q, k, v + 100, future)[0], scaled_dot_product_attention(q, k, v, future)[0] + 100, name="values moved by 100", atol=1e-3)
check.equal(scaled_dot_product_attention(q.double(), k.double(), v.double(), future)[0].float(), scaled_dot_product_attention(q, k, v, future)[0], name="double precision", atol=1e-5)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: is it the same as PyTorch's?
#
# `F.scaled_dot_product_attention` computes the same with faster programs (section 7). It does not return weights, so we compare outputs, over shapes and masks.

# %% experiment
torch.manual_seed(1)
for shape, width, value_width in [((1,), 8, 8), ((3, 2), 16, 4), ((2, 4), 64, 64)]:
    for kind, share in [("no mask", 1.0), ("half masked", 0.5), ("all masked", 0.0)]:
        q, k, v = torch.randn(*shape, 5, width), torch.randn(*shape, 9, width), torch.randn(*shape, 9, value_width)
        mask = torch.rand(*shape, 5, 9) < share
        ours, theirs = scaled_dot_product_attention(q, k, v, mask)[0], F.scaled_dot_product_attention(q, k, v, mask)
        print(f"q {str(tuple(q.shape)):17} {kind:12} largest difference {(ours - theirs).abs().max().item():.1e}")

# %% [markdown]
# ## 4 Looking across: encoder and decoder
#
# Sentences of different lengths go into one batch by filling up the shorter ones, usually on the right. The fillers are no words, and nobody may look at them. So the mask depends on the sentence, but not on who is asking: it has shape
# (B, 1, T), one row per sentence, and the 1 in the middle is broadcast over all queries.
#
# For lengths 3 and 1, and T = 4:
#
# $$\begin{bmatrix} \text{True} & \text{True} & \text{True} & \text{False} \end{bmatrix}, \qquad \begin{bmatrix} \text{True} & \text{False} & \text{False} & \text{False} \end{bmatrix}$$
#
# ### Exercise 3: padding mask
#
# <details><summary>Hint 1: how do I compare places with lengths?</summary>
#
# `torch.arange(T)` has the places 0 to T - 1. A place is a word if it is *less* than the length: place 0 is the first word.
# </details>
#
# <details><summary>Hint 2: how do I get the shape (B, 1, T)?</summary>
#
# `lengths[:, None, None]` has shape (B, 1, 1). Compared with a tensor of shape (T,), it gives (B, 1, T).
# </details>

# %% exercise="padding_mask" minutes=5 difficulty=1
def padding_mask(lengths: Tensor, T: int) -> Tensor:
    """Return which keys are words and not padding, bool, shape (B, 1, T): True where one may look.

    lengths  shape (B,), long: how many words each sentence has. They stand on the left, padding on the right
    T        length of the padded sentences

    >>> padding_mask(torch.tensor([3, 1]), 4)
    tensor([[[ True,  True,  True, False]],
            [[ True, False, False, False]]])
    """
    ### BEGIN SOLUTION
    return torch.arange(T, device=lengths.device) < lengths[:, None, None]
    ### END SOLUTION


# %% test="padding_mask" points=2
wanted = torch.tensor([[[True, True, True, False]], [[True, False, False, False]]])
check.equal(
    padding_mask(torch.tensor([3, 1]), 4),
    wanted,
    name="padding_mask(lengths [3, 1], T = 4)",
    causes=[
        (wanted[:, 0], "the dimension for the queries is missing: (B, 1, T), so that the mask is the same for every query."),
        (wanted.transpose(1, 2), "this hides queries; padding must not be looked *at*, so the places go into the last dimension."),
        (~wanted, "the mask is upside down: True means that one may look, so words are True."),
        (torch.tensor([[[True] * 4], [[True, True, False, False]]]), "one place too many: places count from 0, so a word has a place less than the length."),
        (torch.tensor([[[True, True, False, False]], [[False] * 4]]), "one place too few: the last word is at place length - 1."),
        (wanted.flip(-1), "words stand on the left and padding on the right."),
        (wanted.float(), "these are numbers; a mask holds truth values."),
        (wanted.long(), "these are numbers; a mask holds truth values."),
        (wanted[..., :3], "T is the length asked for, not the longest sentence."),
        (lambda m: m.shape == (2, 4, 4), "one row is enough: (B, 1, T). The 1 is broadcast over the queries."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(53)
for B, T in [(1, 1), (3, 5), (8, 2), (5, 30)]:
    lengths = torch.randint(0, T + 1, (B,))
    slow = torch.tensor([[[place < int(length) for place in range(T)]] for length in lengths])
    check.equal(padding_mask(lengths, T), slow, name=f"lengths {lengths.tolist()}, T = {T}")
check.equal(padding_mask(torch.tensor([2, 2]), 6).sum(), torch.tensor(4), name="T larger than every length")
check.equal(padding_mask(torch.tensor([0]), 3), torch.tensor([[[False, False, False]]]), name="an empty sentence")
### END HIDDEN TESTS

# %% [markdown]
# In **cross-attention** one sequence asks and another one answers: queries come from the decoder, keys and values from the encoder. Each of the three is made from the states by a matrix of its own, which is learned:
#
# $$Q = X W_Q, \qquad K = M W_K, \qquad V = M W_V$$
#
# $X$ holds the decoder's states (one per row), $M$ the **memory**, the encoder's states. Why three matrices, when the state itself did well in section 1? Because what a place is *looking for*, what it can be *found by* and what it
# *has to tell* are different things. A decoder that has just written *d* looks for the place of *d* in the source; what it wants from there is the letter before.

# %% [markdown]
# ### Exercise 4: cross-attention
#
# <details><summary>Hint 1: which states make what?</summary>
#
# `x @ w_query` makes the queries; `memory @ w_key` the keys; `memory @ w_value` the values.
# </details>
#
# <details><summary>Hint 2: what then?</summary>
#
# Call your `scaled_dot_product_attention`, with the mask. It works on batches as it is.
# </details>

# %% exercise="cross_attention" minutes=8 difficulty=1
def cross_attention(
    x: Tensor, memory: Tensor, w_query: Tensor, w_key: Tensor, w_value: Tensor, mask: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Return what each state of x finds in the memory, shape (B, T_x, d_v), and the weights, (B, T_x, T_m).

    x        shape (B, T_x, C), the states that ask, for example the decoder's
    memory   shape (B, T_m, C_m), the states that answer, for example the encoder's
    w_query  shape (C, d)
    w_key    shape (C_m, d)
    w_value  shape (C_m, d_v)
    mask     bool, broadcast to (B, T_x, T_m): True where one may look

    With identity matrices, states and memory are queries, keys and values themselves:
    >>> x, memory = torch.tensor([[[0.0, 2.0]]]), torch.tensor([[[1.0, 0.0], [0.0, 1.0]]])
    >>> output, weights = cross_attention(x, memory, torch.eye(2), torch.eye(2), torch.eye(2))
    >>> weights
    tensor([[[0.1956, 0.8044]]])
    """
    ### BEGIN SOLUTION
    return scaled_dot_product_attention(x @ w_query, memory @ w_key, memory @ w_value, mask)
    ### END SOLUTION


# %% test="cross_attention" points=4
decoder_states = torch.tensor([[[1.0, 0.0], [1.0, 1.0]]])
encoder_states = torch.tensor([[[1.0, 0.0], [0.0, 2.0], [2.0, 1.0]]])
w_query, w_key, w_value = torch.tensor([[1.0, 1.0], [0.0, 1.0]]), torch.tensor([[0.0, 1.0], [2.0, 0.0]]), torch.tensor([[1.0, 0.0], [0.0, 3.0]])
result = cross_attention(decoder_states, encoder_states, w_query, w_key, w_value)
check.that(isinstance(result, tuple) and len(result) == 2, "cross_attention should return two things: return output, weights.")
output, weights = result
check.equal(
    weights,
    torch.tensor([[[0.0565, 0.4717, 0.4717], [0.0454, 0.1867, 0.7679]]]),
    name="the weights of two decoder states over three encoder states",
    atol=1e-4,
    causes=[
        (lambda w: not w.any(), "everything is 0."),
        (torch.tensor([[[0.0243, 0.4879, 0.4879], [0.0159, 0.1173, 0.8668]]]), "no scaling: call your scaled_dot_product_attention, which divides by the root of d."),
        (torch.tensor([[[0.3302, 0.5, 0.1956], [0.6698, 0.5, 0.8044]]]), "softmax over the queries: each decoder state shares out its own 1."),
        (torch.tensor([[[0.0454, 0.7679, 0.1867], [0.0565, 0.4717, 0.4717]]]), "w_query is not used: the queries are x @ w_query."),
        (torch.tensor([[[0.14, 0.284, 0.576], [0.0565, 0.4717, 0.4717]]]), "w_key is not used: the keys are memory @ w_key."),
        (torch.tensor([[[0.284, 0.14, 0.576], [0.14, 0.284, 0.576]]]), "the matrices are not used: queries are x @ w_query, keys memory @ w_key."),
        (torch.tensor([[[0.14, 0.284, 0.576], [0.0543, 0.0268, 0.9189]]]), "w_query and w_key are swapped: w_query belongs to x, the decoder's states."),
        (torch.tensor([[[0.14, 0.576, 0.284], [0.0454, 0.1867, 0.7679]]]), "the matrices are transposed: queries are x @ w_query, as they are."),
        (torch.tensor([[[0.0191, 0.6569, 0.3239], [0.0004, 0.9438, 0.0558]]]), "the keys are made with w_value; use w_key."),
        (lambda w: w.shape == (1, 3, 3), "the encoder asks itself: queries come from x, the decoder's states."),
        (lambda w: w.shape == (1, 2, 2), "the decoder asks itself: keys and values come from memory, the encoder's states."),
        (lambda w: w.shape == (1, 3, 2), "x and memory are swapped: the decoder's states, x, ask."),
    ],
)
check.equal(
    output,
    torch.tensor([[[1.0, 4.2455], [1.5812, 3.4239]]]),
    name="what two decoder states find in three encoder states",
    atol=1e-3,
    causes=[
        (lambda o: not o.any(), "everything is 0."),
        (torch.tensor([[[2.8304, 1.0], [2.2826, 1.5812]]]), "K in place of V: the values are memory @ w_value."),
        (torch.tensor([[[1.0, 1.4152], [1.5812, 1.1413]]]), "w_value is not used: the values are memory @ w_value, not the memory itself."),
        (torch.tensor([[[1.0, 2.4152], [1.5812, 2.7225]]]), "the values are made with w_query; use w_value."),
    ],
)
output, weights = cross_attention(decoder_states, encoder_states, w_query, w_key, w_value, torch.tensor([[[True, True, False]]]))
check.equal(
    weights,
    torch.tensor([[[0.107, 0.893, 0.0], [0.1956, 0.8044, 0.0]]]),
    name="the weights when the third encoder state is padding",
    atol=1e-4,
    causes=[(lambda w: bool((w[..., 2] > 0).all()), "the mask is ignored; hand it on.")],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(54)


def slow_cross(x, memory, w_query, w_key, w_value, mask):
    """One sentence and one asking state at a time."""
    outputs = torch.zeros(len(x), x.shape[1], w_value.shape[1])
    for b in range(len(x)):
        for i in range(x.shape[1]):
            seen = [j for j in range(memory.shape[1]) if mask[b, i, j]]
            scores = torch.stack([(x[b, i] @ w_query) @ (memory[b, j] @ w_key) for j in seen]) / w_query.shape[1] ** 0.5
            outputs[b, i] = sum(w * (memory[b, j] @ w_value) for w, j in zip(scores.softmax(0), seen))
    return outputs


for B, T_x, T_m, C, C_m, d, d_v in [(1, 1, 1, 1, 1, 1, 1), (2, 3, 5, 4, 4, 4, 4), (3, 4, 2, 5, 3, 2, 6), (2, 2, 7, 3, 8, 16, 1)]:
    x, memory = torch.randn(B, T_x, C), torch.randn(B, T_m, C_m)
    w = torch.randn(C, d), torch.randn(C_m, d), torch.randn(C_m, d_v)
    lengths = torch.randint(1, T_m + 1, (B,))
    mask = torch.arange(T_m) < lengths[:, None, None]
    name = f"{T_x} states asking {T_m}, widths {C}, {C_m}, {d}, {d_v}"
    everywhere = torch.ones(B, T_x, T_m, dtype=torch.bool)
    check.equal(cross_attention(x, memory, *w)[0], slow_cross(x, memory, *w, everywhere), name=name, atol=1e-4)
    check.equal(cross_attention(x, memory, *w, mask)[0], slow_cross(x, memory, *w, mask.expand(B, T_x, T_m)), name=name + ", padding", atol=1e-4)
    other = torch.where(mask.transpose(1, 2), memory, torch.tensor(99.0))
    check.equal(cross_attention(x, other, *w, mask)[0], cross_attention(x, memory, *w, mask)[0], name="another padding", atol=1e-5)
    order = torch.randperm(T_m)
    check.equal(cross_attention(x, memory[:, order], *w)[0], cross_attention(x, memory, *w)[0], name="the memory in another order", atol=1e-4)
    check.distribution(cross_attention(x, memory, *w)[1], name="weights", axis=-1, atol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: backwards once more, with attention
#
# The same network, trained on the same strings for as many steps, with what you wrote in the place that was left free.

# %% experiment
class Attend(nn.Module):
    def __init__(self, attention, width=64):
        super().__init__()
        self.attention = attention
        self.w_query, self.w_key, self.w_value = (nn.Parameter(torch.randn(width, width) / math.sqrt(width)) for _ in range(3))

    def forward(self, decoded, encoded, lengths):
        mask = padding_mask(lengths, encoded.shape[1])
        return self.attention(decoded, encoded, self.w_query, self.w_key, self.w_value, mask)


exact = {
    "with attention": [share_exact(trained_reverser(cross_attention), length) for length in reversal_lengths],
    "without attention": exact["without attention"],
}

# %% experiment
plots.lines(
    reversal_lengths,
    exact,
    title="With attention, length hardly matters",
    x_label="length of the string",
    y_label="share reversed without a mistake",
    alt="Share of strings reversed without a mistake against length. Without attention it falls steeply to 0; with attention it stays near 1 up to 20 letters.",
)

# %% [markdown]
# Where does it look while it writes? Each row of the map is a letter it writes, each column a letter of the source. Nobody told the network which letter belongs to which.
# In the last row there is nothing left to copy, and it hardly matters where it looks.

# %% experiment
def draw_reversal(string):
    looking = trained_reverser(cross_attention)
    source = torch.full((1, LONGEST + 1), BLANK)
    source[0, : len(string)] = torch.tensor([ord(letter) - ord("a") for letter in string])
    target = torch.cat([source[:, : len(string)].flip(1), torch.tensor([[BLANK]])], dim=1)
    with torch.no_grad():
        logits, _ = looking(source[:, : len(string) + 1], target)
    written = [chr(ord("a") + i) if i < 26 else "</s>" for i in logits[0].argmax(-1).tolist()]
    return plots.attention(
        looking.weights[0],
        written,
        list(string),
        title="Writing from top to bottom, it reads from right to left",
    )


plots.explore(draw_reversal, string=["stressed", "attention", "qwertyuiopasdfghjkl", "aaaaabbbbb"])

# %% [markdown]
# Bahdanau et al. (2015) drew such maps for English and French. Most of it runs along the diagonal; where French puts the adjective behind, in *zone économique européenne* for *European Economic Area*,
# the weights turn around, like ours.

# %% [markdown]
# ## 5 Self-attention
#
# Now let a sequence ask *itself*. Each word makes a query, a key and a value from its own vector, and looks at the other words of its sentence: an adjective may look for its noun, a verb for its subject. This is **self-attention**,
# and no recurrent network is left: every word reaches every other in one step, however far away, and all of them at the same time.
#
# In a language model there is one thing it must not do. The model predicts the next word at *every* place at once. If a place could look at later ones, it would read the answer. So place $i$ may look at $j \le i$: at itself and
# at what came before. The mask is a triangle:
#
# | | The | cat | sat | on |
# |---|---|---|---|---|
# | **The** | True | | | |
# | **cat** | True | True | | |
# | **sat** | True | True | True | |
# | **on** | True | True | True | True |
#
# Rows ask, columns answer. The diagonal belongs to it: place $i$ predicts word $i + 1$, and word $i$ is the one it should know best.

# %% [markdown]
# ### Exercise 5: causal mask
#
# <details><summary>Hint 1: what is the rule?</summary>
#
# Entry [i, j] is True if `j <= i`. With places `torch.arange(T)`, compare a column of them, `[:, None]`, with a row, `[None, :]`.
# </details>
#
# <details><summary>Hint 2: is there a shorter way?</summary>
#
# `torch.tril` keeps the lower triangle of a matrix, the diagonal included. A matrix of `torch.ones` may have `dtype=torch.bool`.
# </details>

# %% exercise="causal_mask" minutes=4 difficulty=1
def causal_mask(T: int) -> Tensor:
    """Return the mask of a language model, bool, shape (T, T): True where the place of the row may look at that of the column.

    >>> causal_mask(3)
    tensor([[ True, False, False],
            [ True,  True, False],
            [ True,  True,  True]])
    """
    ### BEGIN SOLUTION
    places = torch.arange(T)
    return places[None, :] <= places[:, None]
    ### END SOLUTION


# %% test="causal_mask" points=2
triangle = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])
check.equal(
    causal_mask(3),
    triangle,
    name="causal_mask(3)",
    causes=[
        (triangle & ~torch.eye(3, dtype=torch.bool), "the mask is too strict: the diagonal is lost. A place may look at itself."),
        (triangle.T, "the mask is transposed: it shows the future and hides the past. Rows ask, columns answer."),
        (~triangle, "the mask is upside down: True means that one may look. This one hides the past and shows the future."),
        (~triangle.T, "the mask is too strict: the diagonal is lost. A place may look at itself."),
        (triangle.float(), "these are numbers; a mask holds truth values, dtype=torch.bool."),
        (triangle.long(), "these are numbers; a mask holds truth values, dtype=torch.bool."),
        (lambda m: m.is_floating_point() and bool(m.isinf().any()), "these are numbers to add to scores; here a mask holds truth values, True where one may look."),
        (torch.ones(3, 3, dtype=torch.bool), "everything is allowed, the future too."),
        (torch.tensor([[True, True, False], [True, True, True], [True, True, True]]), "one place too many: nobody may look at the next word, the one to predict."),
    ],
)
### BEGIN HIDDEN TESTS
for T in [1, 2, 7, 64]:
    check.equal(causal_mask(T), torch.tensor([[j <= i for j in range(T)] for i in range(T)]), name=f"causal_mask({T})")
torch.manual_seed(55)
scores, values = torch.randn(9, 9), torch.randn(9, 4)
changed = values.clone()
changed[5:] = 1000.0
for T_seen in [5]:
    weights = scores.masked_fill(~causal_mask(9), -math.inf).softmax(-1)
    check.equal((weights @ changed)[:T_seen], (weights @ values)[:T_seen], name="averages before the place where the values change")
    check.that(bool(((weights @ changed)[T_seen:] != (weights @ values)[T_seen:]).all()), "averages from the changed place on")
padded = causal_mask(4) & torch.tensor([[[True, True, False, False]]])
check.equal(padded[0], torch.tensor([[True, False, False, False]] + [[True, True, False, False]] * 3), name="together with padding")
order = torch.tensor([2, 0, 1])
check.equal(causal_mask(4)[3, :3][order], causal_mask(4)[3, :3], name="the last place sees all earlier ones, in any order")
### END HIDDEN TESTS

# %% [markdown]
# Masks are combined with `&`: in a padded batch of a decoder, `causal_mask(T) & padding_mask(lengths, T)` has shape (B, T, T).

# %% [markdown]
# ### Exercise 6: self-attention as a module
#
# Three linear maps without bias make queries, keys and values from the same `x`. `nn.Linear(C, d, bias=False)` holds the matrix and makes `x @ W`, with its matrix stored the other way round.
#
# Tests put numbers of their own into your module, so the three must be called `query`, `key` and `value`. Keep the weights of the last call in `self.weights`, cut off from the gradient with `.detach()`, to look at them later.
#
# <details><summary>Hint 1: what goes into __init__?</summary>
#
# An `nn.Linear` from `width` to `head_width`, without bias, in `self.query`; another one in `self.key`, and a third in `self.value`.
# </details>
#
# <details><summary>Hint 2: what goes into forward?</summary>
#
# Your `scaled_dot_product_attention`, with `self.query(x)`, `self.key(x)`, `self.value(x)` and the mask.
# </details>

# %% exercise="SelfAttention" minutes=10 difficulty=2
class SelfAttention(nn.Module):
    """One head of self-attention. Parameters: query, key and value, each nn.Linear(width, head_width) without bias.

    width       C, numbers per state of the input
    head_width  d, numbers per query, key and value

    Called with x, shape (B, T, C), and a mask, bool, broadcast to (B, T, T) (None: everyone looks at everyone), it returns
    shape (B, T, d). `weights` then holds the attention weights of this call, (B, T, T), detached.

    >>> attention = SelfAttention(8, 4)
    >>> attention(torch.zeros(2, 5, 8), torch.ones(5, 5, dtype=torch.bool).tril()).shape
    torch.Size([2, 5, 4])
    >>> attention.weights[0, 1]  # all scores are 0, and the second place may look at two
    tensor([0.5000, 0.5000, 0.0000, 0.0000, 0.0000])
    """

    def __init__(self, width: int, head_width: int):
        super().__init__()
        ### BEGIN SOLUTION
        self.query = nn.Linear(width, head_width, bias=False)
        self.key = nn.Linear(width, head_width, bias=False)
        self.value = nn.Linear(width, head_width, bias=False)
        ### END SOLUTION

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        ### BEGIN SOLUTION
        output, weights = scaled_dot_product_attention(self.query(x), self.key(x), self.value(x), mask)
        self.weights = weights.detach()
        return output
        ### END SOLUTION


# %% test="SelfAttention" points=4
attention = SelfAttention(3, 2)
check.equal(
    {name: tuple(matrix.shape) for name, matrix in attention.state_dict().items()},
    {"query.weight": (2, 3), "key.weight": (2, 3), "value.weight": (2, 3)},
    name="the parameters of SelfAttention(3, 2) with their shapes",
    causes=[
        (lambda shapes: "query.bias" in shapes, "the linear maps have a bias; pass bias=False."),
        (lambda shapes: len(shapes) == 1, "there is one matrix only; query, key and value have each their own."),
        (lambda shapes: not shapes, "there are no parameters: assign nn.Linear modules to self.query, self.key and self.value."),
        (lambda shapes: (3, 3) in shapes.values(), "each of the maps goes from width numbers to head_width numbers."),
    ],
)
attention.load_state_dict(
    {
        "query.weight": torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]),
        "key.weight": torch.tensor([[0.0, 1.0, 0.0], [2.0, 0.0, 0.0]]),
        "value.weight": torch.tensor([[1.0, 0.0, 0.0], [0.0, 0.0, 3.0]]),
    }
)
three_words = torch.tensor([[[1.0, 0.0, 1.0], [0.0, 2.0, 0.0], [1.0, 1.0, 2.0]]])
check.equal(
    attention(three_words),
    torch.tensor([[[0.7517, 3.7657], [0.9713, 4.3708], [0.9809, 4.9134]]]),
    name="self-attention of three words, no mask",
    atol=1e-3,
    causes=[
        (lambda o: not o.any(), "everything is 0."),
        (torch.tensor([[[0.7881, 4.0925], [0.9909, 4.4592], [0.9951, 5.1677]]]), "no scaling: divide the scores by the root of head_width."),
        (torch.tensor([[[0.7259, 3.5334], [0.9366, 4.2148], [0.9514, 4.6308]]]), "the scores are divided by head_width; divide by its square root."),
        (torch.tensor([[[0.7355, 3.6199], [0.9527, 4.2871], [0.9655, 4.7517]]]), "the root of the wrong size: you took width (or T); the queries have head_width numbers."),
        (torch.tensor([[[0.0955, 0.437], [0.2884, 1.1701], [1.6161, 7.3929]]]), "softmax over the queries: each word shares out its own 1."),
        (torch.tensor([[[1.0, 1.5035], [0.5431, 1.9426], [0.6952, 1.9617]]]), "K in place of V: average self.value(x)."),
        (torch.tensor([[[0.9937, 5.6432], [0.9998, 5.9563], [1.0, 5.9948]]]), "V in place of K: the keys are self.key(x)."),
        (torch.tensor([[[0.8364, 4.5278], [0.8133, 4.7437], [0.9449, 5.6295]]]), "the queries are used as keys, too; the keys are self.key(x)."),
        (torch.tensor([[[0.8133, 4.7437], [0.8916, 4.0123], [0.8983, 5.2395]]]), "query and key are swapped."),
        (torch.tensor([[[1.0, 3.0], [0.0, 0.0], [1.0, 6.0]]]), "these are the values themselves; average them with the weights."),
    ],
)
past = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])
check.equal(
    attention(three_words, past),
    torch.tensor([[[1.0, 3.0], [0.9442, 2.8326], [0.9809, 4.9134]]]),
    name="self-attention of three words with the causal mask",
    atol=1e-3,
    causes=[
        (torch.tensor([[[0.7517, 3.7657], [0.9713, 4.3708], [0.9809, 4.9134]]]), "the mask is ignored; hand it on."),
        (torch.tensor([[[0.7517, 3.7657], [0.9442, 5.6652], [1.0, 6.0]]]), "the mask is transposed: each word sees the future and not the past."),
        (torch.tensor([[[0.6698, 4.0186], [1.0, 6.0], [0.0, 0.0]]]), "the mask is upside down: True means that one may look."),
        (torch.tensor([[[0.2483, 0.7448], [0.4856, 1.4569], [0.9809, 4.9134]]]), "the mask came after the softmax: replace scores by -inf before it."),
        (torch.tensor([[[0.8364, 3.0], [0.9471, 3.0], [0.9809, 4.9134]]]), "the mask put zeros into the scores, and exp(0) is 1. Put -inf there."),
        (torch.tensor([[[0.0, 0.0], [1.0, 3.0], [0.9442, 2.8326]]]), "a word may look at itself: the diagonal was lost."),
    ],
)
attention(three_words, past)
check.equal(
    attention.weights,
    torch.tensor([[[1.0, 0.0, 0.0], [0.9442, 0.0558, 0.0], [0.3239, 0.0191, 0.6569]]]),
    name="attention.weights after that call",
    atol=1e-3,
)
check.that(not attention.weights.requires_grad, "The weights you keep still hang on the gradient: keep weights.detach().")
### BEGIN HIDDEN TESTS
torch.manual_seed(56)


def one_head(x, q, k, v, mask):
    """Self-attention of one sentence, one place at a time."""
    rows = []
    for i in range(len(x)):
        seen = [j for j in range(len(x)) if mask[i, j]]
        scores = torch.stack([(q @ x[i]) @ (k @ x[j]) for j in seen]) / len(q) ** 0.5
        rows.append(sum(w * (v @ x[j]) for w, j in zip(scores.softmax(0), seen)))
    return torch.stack(rows)


for B, T, C, d in [(1, 1, 1, 1), (2, 5, 8, 8), (3, 7, 4, 6), (2, 9, 16, 2)]:
    attention = SelfAttention(C, d)
    matrices = {f"{name}.weight": torch.randn(d, C) for name in ("query", "key", "value")}
    attention.load_state_dict(matrices)
    x = torch.randn(B, T, C)
    lengths = torch.randint(1, T + 1, (B,))
    causal = torch.arange(T)[None, :] <= torch.arange(T)[:, None]
    padding = torch.arange(T) < lengths[:, None, None]
    for kind, mask in [("no", None), ("causal", causal), ("padding", padding), ("causal and padding", causal & padding)]:
        full = torch.ones(B, T, T, dtype=torch.bool) if mask is None else mask.expand(B, T, T)
        want = torch.stack([one_head(x[b], *matrices.values(), full[b]) for b in range(B)])
        check.equal(attention(x, mask), want, name=f"{kind} mask, B = {B}, T = {T}, C = {C}, d = {d}", atol=1e-4)
    # the future
    later = x.clone()
    later[:, T // 2 + 1 :] = 100.0
    check.equal(attention(later, causal)[:, : T // 2 + 1], attention(x, causal)[:, : T // 2 + 1], name="earlier outputs when later words change", atol=1e-5)
    # padding
    other = torch.where(padding.transpose(1, 2), x, torch.tensor(-55.0))
    words_only = padding.transpose(1, 2).expand(B, T, d)
    check.equal(attention(other, padding)[words_only], attention(x, padding)[words_only], name="outputs when the padding changes", atol=1e-5)
    # order: without a mask, words in another order give the same outputs in that order
    order = torch.randperm(T)
    check.equal(attention(x[:, order]), attention(x)[:, order], name="words in another order", atol=1e-4)
    earlier = torch.cat([torch.randperm(T - 1), torch.tensor([T - 1])]) if T > 1 else torch.tensor([0])
    check.equal(attention(x[:, earlier], causal)[:, -1], attention(x, causal)[:, -1], name="the last output when earlier words change places", atol=1e-4)
check.that(bool((SelfAttention(4, 4).state_dict()["key.weight"] != SelfAttention(4, 4).state_dict()["key.weight"]).any()), "new modules start with random numbers")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: who did what to whom?
#
# Five word vectors drawn at random, and one module. What does the last place see when we exchange the words before it?

# %% experiment
torch.manual_seed(2)
vectors = {word: torch.randn(8) for word in ["the", "dog", "bites", "man", "yesterday"]}
bag = SelfAttention(8, 3)
for sentence in ["the dog bites the man yesterday", "the man bites the dog yesterday", "man man man the the yesterday"]:
    x = torch.stack([vectors[word] for word in sentence.split()])[None]
    print(f"{sentence:34}", [round(number, 4) for number in bag(x, causal_mask(6))[0, -1].tolist()])

# %% [markdown]
# The first two are the same. Attention is a sum over places, and a sum has no order: to one layer of attention, what it may look at is a **bag of words**. (Notebook 06 shows what several causal layers can still find out.) A recurrent network knows the order because it reads one word after the other. Here order has to be put
# into the vectors: by adding to each word a vector that stands for its place. Notebook 06 looks at several ways; below we use the simplest, one learned vector per place.

# %% [markdown] question="masks" points=3 minutes=5
# **Question 2.** (a) A student trains a language model with a mask that shows one word of the future by mistake (`j <= i + 1`). What happens to its loss in training, and what to the text it generates? (b) Why does a decoder-only language model need no padding mask
# if padding stands on the *right*, as long as the loss leaves out the padded targets? (c) A student applies the mask after the softmax, by multiplying the weights with 0. Nobody looks at the future *values* then. Show that the future still leaks.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) The loss falls towards 0, far below what is possible, because each place can read the very word it is to predict; generated text is bad, since that word is not there when generating, and the model has learned little but copying.
# (b) With the causal mask a word looks only at places before it, and padding comes after all words; only padded places look at padding, and their predictions are not counted. (c) The softmax has divided by a sum that contains the exponentials of future scores. Change a future key
# and the weights of the past words change (they all shrink or grow together); their sum, which is below 1, tells how well the future fits the query.
# ### END MARK SCHEME

# %% [markdown]
# ## 6 Several heads
#
# One softmax makes one average. A word that needs two things at once, its subject *and* the word just before, gets a mixture of both. So we let several **heads** look, each with its own queries, keys and values, side by side
# and independently. To pay no more for it, each head works in a narrower space: with $H$ heads and states of width $C$, a head has width $d = C / H$.
#
# In practice all heads share three big matrices. One linear map makes $C$ numbers for each word, which are then *cut* into $H$ pieces of $d$:
#
# | step | shape |
# |---|---|
# | `self.query(x)` | (B, T, C) |
# | cut the last dimension into heads: `.view(B, T, H, d)` | (B, T, H, d) |
# | bring the heads to the front, so that attention works on (T, d) for each: `.transpose(1, 2)` | (B, H, T, d) |
# | attention, for all heads at once | (B, H, T, d) |
# | bring the heads back: `.transpose(1, 2)` | (B, T, H, d) |
# | put them side by side: `.flatten(2)` | (B, T, C) |
# | a last linear map mixes what the heads found: `self.output` | (B, T, C) |
#
# The transpose is the step that everybody forgets once. `.view(B, H, T, d)` at once has the right *shape*, and the wrong numbers: it cuts along time, and a head gets pieces of different words. No error is raised, and the future leaks.

# %% [markdown]
# ### Exercise 7: multi-head attention
#
# All of the table above in one module. Its mask has no dimension for the heads: shape (T, T), (B, 1, T) or (B, T, T). Heads are at dimension -3 of the weights, so `mask.unsqueeze(-3)` makes room for them.
#
# <details><summary>Hint 1: what goes into __init__?</summary>
#
# The number of heads, for later, and four maps from `width` to `width` without bias: `query`, `key`, `value`, `output`.
# </details>
#
# <details><summary>Hint 2: how do I split into heads?</summary>
#
# `self.query(x).view(B, T, self.heads, -1).transpose(1, 2)`, where `B, T, C = x.shape`. The same for keys and values.
# </details>
#
# <details><summary>Hint 3: pseudocode</summary>
#
#     q, k, v = each map of x, cut into heads, heads in front
#     if there is a mask: give it a dimension for the heads
#     output, weights = attention(q, k, v, mask)
#     keep the weights
#     heads back behind time, side by side, through the output map
# </details>
#
# <details><summary>My shapes are right and the numbers are wrong. What is it?</summary>
#
# Most likely a missing transpose, before or after attention (`view` and `reshape` never move numbers about, they only count them differently), or the division by the root of C in place of the root of d = C / H.
# </details>

# %% exercise="MultiHeadAttention" minutes=18 difficulty=3
class MultiHeadAttention(nn.Module):
    """Self-attention with several heads. Parameters: query, key, value, output, each nn.Linear(width, width) without bias.

    width  C, numbers per state, a multiple of heads
    heads  H; head h has the numbers h * C / H to (h + 1) * C / H of each query, key and value

    Called with x, shape (B, T, C), and a mask, bool, of shape (T, T), (B, 1, T) or (B, T, T) (None: everyone looks at everyone),
    it returns shape (B, T, C). `weights` then holds the attention weights of this call, (B, H, T, T), detached.

    >>> attention = MultiHeadAttention(8, 2)
    >>> attention(torch.zeros(1, 3, 8), torch.ones(3, 3, dtype=torch.bool).tril()).shape
    torch.Size([1, 3, 8])
    >>> attention.weights[0, 1]  # the second head: all scores are 0
    tensor([[1.0000, 0.0000, 0.0000],
            [0.5000, 0.5000, 0.0000],
            [0.3333, 0.3333, 0.3333]])
    """

    def __init__(self, width: int, heads: int):
        super().__init__()
        ### BEGIN SOLUTION
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)
        ### END SOLUTION

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        ### BEGIN SOLUTION
        B, T, C = x.shape
        q, k, v = (project(x).view(B, T, self.heads, -1).transpose(1, 2) for project in (self.query, self.key, self.value))
        if mask is not None:
            mask = mask.unsqueeze(-3)
        found, weights = scaled_dot_product_attention(q, k, v, mask)  # (B, H, T, d), (B, H, T, T)
        self.weights = weights.detach()
        return self.output(found.transpose(1, 2).reshape(B, T, C))
        ### END SOLUTION


# %% test="MultiHeadAttention" points=6
attention = MultiHeadAttention(4, 2)
check.equal(
    {name: tuple(matrix.shape) for name, matrix in attention.state_dict().items()},
    {f"{name}.weight": (4, 4) for name in ("query", "key", "value", "output")},
    name="the parameters of MultiHeadAttention(4, 2) with their shapes",
    causes=[
        (lambda shapes: "query.bias" in shapes, "the linear maps have a bias; pass bias=False."),
        (lambda shapes: "query.weight" in shapes and "output.weight" not in shapes, "the last map is missing: self.output mixes what the heads found."),
        (lambda shapes: shapes.get("query.weight") == (2, 4), "one map makes the queries of all heads: from width to width."),
        (lambda shapes: not shapes, "there are no parameters: assign nn.Linear modules to self.query, self.key, self.value and self.output."),
    ],
)
attention.load_state_dict(
    {
        "query.weight": torch.eye(4),
        "key.weight": torch.tensor([[1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0], [0.0, 0.0, 1.0, 1.0]]),
        "value.weight": torch.diag(torch.tensor([1.0, 2.0, 3.0, 4.0])),
        "output.weight": torch.tensor([[0.0, 1.0, 0.0, 0.0], [1.0, 0.0, 0.0, 0.0], [0.0, 0.0, 2.0, 0.0], [0.0, 0.0, 0.0, 1.0]]),
    }
)
three_words = torch.tensor([[[1.0, 0.0, 0.0, 1.0], [0.0, 1.0, 2.0, 0.0], [1.0, 1.0, 0.0, 2.0]]])
check.equal(
    attention(three_words),
    torch.tensor([[[1.5035, 0.7517, 4.8133, 4.0], [1.6044, 0.5989, 10.7314, 0.6343], [1.7199, 0.716, 5.3497, 4.0]]]),
    name="two heads, three words, no mask",
    atol=1e-3,
    causes=[
        (lambda o: not o.any(), "everything is 0."),
        (torch.tensor([[[1.5933, 0.4011, 0.3956, 2.4067], [2.4067, 0.1978, 6.7991, 1.2009], [1.6882, 3.7398, 5.5665, 3.7832]]]), "the heads were split without a transpose: view(B, T, heads, d) first, then transpose(1, 2)."),
        (torch.tensor([[[1.5933, 0.4011, 6.7991, 1.2009], [2.4067, 0.1978, 7.4797, 1.6882], [2.4067, 0.1978, 5.5665, 3.7832]]]), "the heads were split without a transpose: view(B, T, heads, d) first, then transpose(1, 2)."),
        (torch.tensor([[[1.5035, 0.7517, 1.1978, 1.6044], [1.7199, 0.716, 4.8133, 4.0], [0.6343, 5.3657, 5.3497, 4.0]]]), "the heads were put together without a transpose: transpose(1, 2) first, then flatten."),
        (torch.tensor([[[0.7517, 1.5035, 2.4067, 4.0], [0.5989, 1.6044, 5.3657, 0.6343], [0.716, 1.7199, 2.6748, 4.0]]]), "the last map is missing: self.output mixes what the heads found."),
        (torch.tensor([[[1.4519, 0.7259, 4.6038, 4.0], [1.5346, 0.6163, 9.4438, 1.2781], [1.6274, 0.6928, 5.0678, 4.0]]]), "the root of the wrong size: a head's queries have width / heads numbers, not width."),
        (torch.tensor([[[1.5761, 0.7881, 5.0678, 4.0], [1.6893, 0.5777, 11.576, 0.212], [1.8199, 0.7553, 5.6197, 4.0]]]), "no scaling: divide the scores by the root of a head's width."),
        (torch.tensor([[[1.6274, 0.6928, 3.6864, 4.7971], [1.8651, 0.1786, 9.8569, 1.159], [1.8446, 0.6518, 4.1785, 4.9036]]]), "this is one wide head; cut queries, keys and values into heads."),
        (torch.tensor([[[1.3333, 0.7881, 4.0, 4.0], [1.6893, 0.6667, 11.576, 4.0], [1.6893, 0.7881, 4.0, 4.0]]]), "the heads have the wrong width: there are to be `heads` of them, each of width / heads numbers."),
        (torch.tensor([[[0.7517, 1.5035, 1.6044, 1.8022], [0.8022, 1.4011, 3.5771, 1.9471], [0.86, 1.576, 1.7832, 1.8916]]]), "K in place of V: average self.value(x)."),
        (torch.tensor([[[1.0645, 0.6851, 1.3006, 2.6295], [0.7766, 0.3378, 5.3497, 0.9232], [2.1589, 0.9771, 5.3497, 8.4472]]]), "softmax over the queries: each word shares out its own 1."),
        (torch.tensor([[[1.6044, 0.7517, 2.9791, 4.0], [1.6044, 0.1057, 10.7314, 4.0], [1.8869, 0.7517, 2.9791, 4.0]]]), "a head gets every second number; head h has a piece of neighbours: view(B, T, heads, d)."),
        (torch.tensor([[[1.4895, 0.7517, 3.2089, 4.0], [5.3657, 0.1057, 3.2089, 4.0], [1.4895, 0.7517, 3.7738, 4.0]]]), "a head gets every second number; head h has a piece of neighbours: view(B, T, heads, d)."),
    ],
)
past = torch.tensor([[True, False, False], [True, True, False], [True, True, True]])
check.equal(
    attention(three_words, past),
    torch.tensor([[[0.0, 1.0, 0.0, 4.0], [1.3395, 0.3302, 11.3303, 0.2232], [1.7199, 0.716, 5.3497, 4.0]]]),
    name="two heads, three words, the causal mask",
    atol=1e-3,
    causes=[
        (torch.tensor([[[1.5035, 0.7517, 4.8133, 4.0], [1.6044, 0.5989, 10.7314, 0.6343], [1.7199, 0.716, 5.3497, 4.0]]]), "the mask is ignored; hand it on."),
        (torch.tensor([[[1.5035, 0.7517, 4.8133, 4.0], [2.0, 0.5, 11.3303, 0.4465], [2.0, 1.0, 0.0, 8.0]]]), "the mask is transposed: each word sees the future and not the past."),
        (torch.tensor([[[2.0, 0.6698, 6.0, 4.0], [2.0, 1.0, 0.0, 8.0], [0.0, 0.0, 0.0, 0.0]]]), "the mask is upside down: True means that one may look."),
        (torch.tensor([[[0.0, 0.2483, 0.0, 0.7911], [0.8022, 0.1978, 10.7314, 0.2114], [1.7199, 0.716, 5.3497, 4.0]]]), "the mask came after the softmax: replace scores by -inf before it."),
        (torch.tensor([[[0.993, 0.7517, 2.9791, 4.0], [1.5035, 0.4965, 10.7314, 0.6343], [1.7199, 0.716, 5.3497, 4.0]]]), "the mask put zeros into the scores, and exp(0) is 1. Put -inf there."),
    ],
)
attention(three_words, past)
check.equal(
    tuple(attention.weights.shape),
    (1, 2, 3, 3),
    name="the shape of attention.weights after that call",
    causes=[((1, 3, 3), "there is one matrix of weights; each head has its own: (B, H, T, T).")],
)
check.equal(attention.weights[0, 1], torch.tensor([[1.0, 0.0, 0.0], [0.0558, 0.9442, 0.0], [0.1084, 0.4458, 0.4458]]), name="the weights of the second head", atol=1e-3)
check.that(not attention.weights.requires_grad, "The weights you keep still hang on the gradient: keep weights.detach().")
two_sentences = torch.cat([three_words, three_words.flip(1), three_words])
try:
    padded = attention(two_sentences, torch.tensor([[[True, True, False]], [[True, True, True]], [[True, False, False]]]))
except (RuntimeError, IndexError) as error:
    padded = error
check.equal(
    padded,
    torch.tensor([[[1.0, 0.5, 8.0371, 1.321], [1.3395, 0.3302, 11.3303, 0.2232], [1.3395, 0.3302, 9.6532, 0.7823]], [[1.7199, 0.716, 5.3497, 4.0], [1.6044, 0.5989, 10.7314, 0.6343], [1.5035, 0.7517, 4.8133, 4.0]], [[0.0, 1.0, 0.0, 4.0], [0.0, 1.0, 0.0, 4.0], [0.0, 1.0, 0.0, 4.0]]]),
    name="two heads, three sentences of 2, 3 and 1 words, with a padding mask of shape (B, 1, T)",
    atol=1e-3,
    causes=[(lambda o: True, "a mask of shape (B, 1, T) needs a dimension for the heads, (B, 1, 1, T): mask.unsqueeze(-3).")],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(57)


def heads_one_by_one(x, matrices, heads, mask):
    """Each sentence, head and place by itself, without a view or a transpose."""
    B, T, C = x.shape
    d = C // heads
    q, k, v, o = (matrices[f"{name}.weight"] for name in ("query", "key", "value", "output"))
    outputs = torch.zeros(B, T, C)
    for b in range(B):
        for i in range(T):
            seen = [j for j in range(T) if mask[b, i, j]]
            found = torch.zeros(C)
            for h in range(heads):
                rows = slice(h * d, (h + 1) * d)
                scores = torch.stack([(q[rows] @ x[b, i]) @ (k[rows] @ x[b, j]) for j in seen]) / d**0.5
                found[rows] = sum(w * (v[rows] @ x[b, j]) for w, j in zip(scores.softmax(0), seen))
            outputs[b, i] = o @ found
    return outputs


for B, T, C, H in [(1, 1, 2, 1), (2, 4, 6, 1), (2, 5, 6, 3), (3, 4, 8, 4), (2, 3, 4, 4), (4, 4, 8, 4)]:
    attention = MultiHeadAttention(C, H)
    matrices = {f"{name}.weight": torch.randn(C, C) / C**0.5 for name in ("query", "key", "value", "output")}
    attention.load_state_dict(matrices)
    x = torch.randn(B, T, C)
    lengths = torch.randint(1, T + 1, (B,))
    causal = torch.arange(T)[None, :] <= torch.arange(T)[:, None]
    padding = torch.arange(T) < lengths[:, None, None]
    for kind, mask in [("no", None), ("causal", causal), ("padding", padding), ("causal and padding", causal & padding)]:
        full = torch.ones(B, T, T, dtype=torch.bool) if mask is None else mask.expand(B, T, T)
        check.equal(attention(x, mask), heads_one_by_one(x, matrices, H, full), name=f"{kind} mask, B = {B}, T = {T}, C = {C}, H = {H}", atol=1e-4)
    attention(x, causal)
    check.equal(tuple(attention.weights.shape), (B, H, T, T), name="shape of the weights")
    check.distribution(attention.weights, name="the weights", axis=-1, atol=1e-4)
    # the future
    later = x.clone()
    later[:, T // 2 + 1 :] = 100.0
    check.equal(attention(later, causal)[:, : T // 2 + 1], attention(x, causal)[:, : T // 2 + 1], name="earlier outputs when later words change", atol=1e-5)
    # padding
    other = torch.where(padding.transpose(1, 2), x, torch.tensor(-55.0))
    words_only = padding.transpose(1, 2).expand(B, T, C)
    check.equal(attention(other, padding)[words_only], attention(x, padding)[words_only], name="outputs when the padding changes", atol=1e-5)
    # order
    order = torch.randperm(T)
    check.equal(attention(x[:, order]), attention(x)[:, order], name="words in another order", atol=1e-4)
    # heads do not see each other: with the output map left out, a head's numbers depend on its own maps alone
    if H > 1:
        d = C // H
        attention.load_state_dict({**matrices, "output.weight": torch.eye(C)})
        before = attention(x, causal)
        changed = {name: matrix.clone() for name, matrix in matrices.items()}
        changed["query.weight"][:d] *= -3
        attention.load_state_dict({**changed, "output.weight": torch.eye(C)})
        check.equal(attention(x, causal)[..., d:], before[..., d:], name="the other heads when the first one's queries change", atol=1e-5)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: a language model of attention alone
#
# Words and places become vectors, two layers of your module add to them what they find, and a linear map makes logits. Nothing else: no recurrence. Because each layer *adds* to what came in, a word keeps its own vector; notebook 06 returns to this.

# %% experiment
class AttentionLM(nn.Module):
    def __init__(self, vocabulary_size, attention, width=64, heads=4, layers=2, longest=64):
        super().__init__()
        self.words = nn.Embedding(vocabulary_size, width)
        self.places = nn.Embedding(longest, width)
        self.layers = nn.ModuleList(attention(width, heads) for _ in range(layers))
        self.logits = nn.Linear(width, vocabulary_size)
        nn.init.normal_(self.words.weight, std=0.1)
        nn.init.normal_(self.places.weight, std=0.1)

    def forward(self, idx, targets=None):  # (B, T), (B, T)
        T = idx.shape[1]
        x = self.words(idx) + self.places(torch.arange(T, device=idx.device))
        mask = causal_mask(T).to(idx.device)
        for layer in self.layers:
            x = x + layer(x, mask)
        logits = self.logits(x)
        loss = None if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-100)
        return logits, loss


village = corpus("village")
tokenizer = WordTokenizer(village.source.vocabulary)
train_set, valid_set, test_set = (sentence_batches(part, tokenizer) for part in (village.train, village.valid, village.test))


@cache
def language_model(attention):
    torch.manual_seed(0)
    model = AttentionLM(len(tokenizer), attention)
    history = train(
        model, train_set, valid=valid_set, steps=800, batch_size=64, learning_rate=1.2e-2, weight_decay=0.05, label="attention alone"
    )
    return model.cpu().eval(), history


attention_alone, history = language_model(MultiHeadAttention)
nats = score(attention_alone, test_set)
ladder.record("Attention alone", nats=nats, characters=test_set.characters, notebook="05", seconds=history.seconds[-1])
print(f"{nats / math.log(2) / test_set.characters:.3f} bits per character on the test sentences")

# %% [markdown]
# Kneser-Ney smoothing, the best table of counts, stood at 0.918 (notebook 01, preset `cpu`). And what stopped it was the window. In the village a verb agrees with its noun over a distance: *the jars behind the brick **were** cold*.
# The table was tossing a coin as soon as the noun left its window. Here every place reaches every other.

# %% experiment
ids = {word: i for i, word in enumerate(tokenizer.vocabulary)}
counts = KneserNey(village.train, 4, tokenizer.vocabulary)


def attention_scores(prefix):
    with torch.no_grad():
        return language_model(MultiHeadAttention)[0](torch.tensor([[tokenizer.end_id, *(ids[word] for word in prefix)]]))[0][0, -1]


def right_choices(scores_after, distance):
    share = 0.0
    places = village.source.agreement_pairs(distance, "number", n=200)
    for place in places:
        scores = scores_after(place.prefix)
        right, wrong = float(scores[ids[place.right]]), float(scores[ids[place.wrong]])
        share += 1.0 if right > wrong else 0.5 if right == wrong else 0.0
    return share / len(places)


distances = [0, 1, 2, 3, 4, 5]
agreement = {
    "attention alone": [right_choices(attention_scores, distance) for distance in distances],
    "Kneser-Ney, n = 4": [right_choices(counts.next_word_distribution, distance) for distance in distances],
}
plots.lines(
    distances,
    agreement,
    title="Attention finds the noun where counting tosses a coin",
    x_label="words between the noun and its verb",
    y_label="share of right choices",
    alt="Share of right choices against distance. Kneser-Ney falls to 0.5 at three words; attention alone stays above 0.9 up to five.",
)

# %% [markdown]
# ### Experiment: attention maps
#
# Each row is a place, and what it predicts is the *next* word. Look at the row just before the verb: which heads look at the noun, and which at the words next to it? Run the cell and choose other sentences and the other layer.

# %% experiment
def pick(distance, number):
    place = village.source.agreement_pairs(distance, "number", n=200)[number]
    return " ".join([*place.prefix, place.right])


def draw_sentence(sentence, layer):
    model, tokens = language_model(MultiHeadAttention)[0], sentence.split()
    with torch.no_grad():
        model(torch.tensor([[tokenizer.end_id, *(ids[word] for word in tokens)]]))
    weights = model.layers[layer - 1].weights[0]
    names = ["</s>", *tokens]
    return plots.attention(
        {f"head {head + 1}": weights[head] for head in range(len(weights))},
        names,
        names,
        title=f"Layer {layer}: every head has a habit of its own",
    )


plots.explore(draw_sentence, sentence=[pick(3, 0), pick(3, 1), pick(4, 0), pick(2, 2), pick(5, 0)], layer=[1, 2])

# %% [markdown]
# Maps like these are tempting, and they tell less than they seem to. A weight says how much of a *value* goes into an average; it does not say what is in that value, what the output map makes of it, or what came along on the path that goes around attention. In recurrent text
# classifiers Jain and Wallace (2019) found very different weights that led to the same predictions. A map is a place to start asking; notebook 06 asks with experiments.

# %% [markdown]
# ## 7 What it costs
#
# Count multiplications (each comes with an addition). A linear map from $C$ to $C$ numbers takes $C^2$ for each of $T$ words, and there are four: queries, keys, values, output. The scores are a product of (T, d) with (d, T), $T^2 d$ for each head; with
# $H$ heads of width $d = C/H$ that makes $T^2 C$, whatever $H$ is. The averages take as many again:
#
# $$\underbrace{4\, T C^2}_{\text{linear maps}} + \underbrace{2\, T^2 C}_{\text{scores and averages}}$$
#
# And each head keeps $T^2$ weights. **An example:** $T = 10$ words, $C = 4$: $4 \cdot 10 \cdot 16 = 640$ and $2 \cdot 100 \cdot 4 = 800$ multiplications, and 100 weights.
#
# ### Exercise 8: the cost of one layer

# %% exercise="attention_cost" minutes=5 difficulty=1
def attention_cost(T: int, C: int) -> dict[str, int]:
    """Return what one layer of multi-head attention costs for a sequence of T words and states of width C, without a mask.

    "maps"       multiplications in the four linear maps: query, key, value, output
    "attention"  multiplications in the scores and in the averages, of all heads together
    "weights"    how many attention weights one head has

    >>> attention_cost(10, 4)
    {'maps': 640, 'attention': 800, 'weights': 100}
    """
    ### BEGIN SOLUTION
    return {"maps": 4 * T * C * C, "attention": 2 * T * T * C, "weights": T * T}
    ### END SOLUTION


# %% test="attention_cost" points=3
cost = attention_cost(10, 4)
check.equal(sorted(cost), ["attention", "maps", "weights"], name="the keys of attention_cost(10, 4)")
check.equal(
    cost["maps"],
    640,
    name='attention_cost(10, 4)["maps"]',
    causes=[
        (480, "there are four maps; you counted three. The output map counts, too."),
        (160, "this is one map; there are four."),
        (1600, "a map costs C * C for each word: T * C * C, not T * T * C."),
        (64, "this is for one word; there are T."),
        (1280, "an addition comes with each multiplication; count the multiplications only."),
    ],
)
check.equal(
    cost["attention"],
    800,
    name='attention_cost(10, 4)["attention"]',
    causes=[
        (400, "these are the scores alone; the averages cost as much again."),
        (320, "every word looks at every word: T * T * C each, not T * C * C."),
        (200, "each score is a dot product of width d, summed over heads C multiplications in all."),
        (80, "every word looks at every word, so T appears twice."),
        (1600, "an addition comes with each multiplication; count the multiplications only."),
    ],
)
check.equal(
    cost["weights"],
    100,
    name='attention_cost(10, 4)["weights"]',
    causes=[
        (400, "a head has one weight for each pair of words, whatever the width."),
        (10, "each of T words has a weight for each of T words."),
        (55, "this counts the causal triangle; without a mask all T * T are there."),
    ],
)
### BEGIN HIDDEN TESTS
import random

random_sizes = random.Random(58)
for _ in range(20):
    T, C = random_sizes.randrange(1, 5000), random_sizes.randrange(1, 5000)
    want = {"maps": sum(T * C * C for _ in range(4)), "attention": sum(T * T * C for _ in "sa"), "weights": T**2}
    check.equal(attention_cost(T, C), want, name=f"attention_cost({T}, {C})")
check.equal(attention_cost(1, 1), {"maps": 4, "attention": 2, "weights": 1}, name="attention_cost(1, 1)")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: does time grow like $T^2$?
#
# Processor time of one call of your attention, on one core, for one head of width 32, and of PyTorch's **fused** kernel, which never keeps the whole matrix of weights: it works through the keys in blocks, and carries the maximum and the sum of the softmax along, so that the blocks can be joined
# (FlashAttention, Dao et al. 2022). If time is $a\,T^p$, the points lie on a line of slope $p$ when both axes are logarithmic; $p$ is fitted by least squares.

# %% experiment
def seconds_per_call(function, *arguments, repeats=7):
    """Return the processor time of the fastest of some calls: other programs then matter least."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        function(*arguments)
        times.append(time.process_time() - start)
    return min(times)


def exponent(x, y):
    """The slope of log y against log x."""
    x, y = torch.tensor(x, dtype=torch.float64).log(), torch.tensor(y, dtype=torch.float64).log()
    return float(((x - x.mean()) * (y - y.mean())).sum() / ((x - x.mean()) ** 2).sum())


cost_lengths = [256, 512, 1024, 2048]
milliseconds = {"yours": [], "fused": []}
threads = torch.get_num_threads()
torch.set_num_threads(1)  # several threads share out long sequences better than short ones
for T in cost_lengths:
    q, k, v = torch.randn(3, 1, 1, T, 32)
    with torch.no_grad():
        milliseconds["yours"].append(1000 * seconds_per_call(scaled_dot_product_attention, q, k, v))
        milliseconds["fused"].append(1000 * seconds_per_call(F.scaled_dot_product_attention, q, k, v))
torch.set_num_threads(threads)
fitted = {name: exponent(cost_lengths, times) for name, times in milliseconds.items()}
for name, p in fitted.items():
    print(f"{name:6} time grows like T to the power of {p:.2f}")
plots.lines(
    cost_lengths,
    milliseconds,
    title="Twice as long takes about four times as much time, fused or not",
    x_label="T, words",
    y_label="milliseconds of processor time",
    log_x=True,
    log_y=True,
    alt="Milliseconds against length, both axes logarithmic: two nearly parallel rising lines, yours above the fused kernel.",
)

# %% [markdown]
# The fused kernel is faster by a factor, not by a power: it multiplies as often. What it changes is memory. To compute gradients, training keeps what the forward pass has made; the next cell counts these bytes.

# %% experiment
def megabytes_kept(function, T):
    """Return the megabytes that a call keeps for computing gradients."""
    kept = {}

    def keep(tensor):
        kept[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    q, k, v = (torch.randn(1, 1, T, 32, requires_grad=True) for _ in range(3))
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        function(q, k, v)
    return sum(kept.values()) / 2**20


kept = {
    "yours": [megabytes_kept(scaled_dot_product_attention, T) for T in cost_lengths],
    "fused": [megabytes_kept(F.scaled_dot_product_attention, T) for T in cost_lengths],
}
for name, sizes in kept.items():
    print(f"{name:6} memory grows like T to the power of {exponent(cost_lengths, sizes):.2f}")
plots.lines(
    cost_lengths,
    kept,
    title="What is kept for the gradient: quadratic in yours, linear in the fused kernel",
    x_label="T, words",
    y_label="megabytes",
    log_x=True,
    log_y=True,
    alt="Megabytes kept against length, both axes logarithmic. Yours rises twice as steeply as the fused kernel.",
)

# %% [markdown] question="cost" points=3 minutes=5
# **Question 3.** (a) Show that the linear maps and attention cost the same when $T = 2C$. GPT-2 small has $C = 768$ and contexts of up to $T = 1024$: which of the two costs more there? (b) In what sense does self-attention have a shorter way between two words than a recurrent network, and
# what is the price? Give both as functions of the distance or length $T$. (c) FlashAttention computes the same numbers with the same multiplications. Why is it faster all the same?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) $4TC^2 = 2T^2C$ gives $T = 2C$. For GPT-2 small 2C = 1536 is more than 1024, so the linear maps cost more (2.4 against 1.6 billion multiplications per layer). (b) In self-attention any two words are one step apart, in a recurrent network as many steps as there
# are words between them, O(T), which gradients have to survive and which can't be done in parallel. The price: arithmetic and memory grow with T squared, where a recurrent network's grow with T. (c) Reading and writing memory takes the time, not multiplying: the T x T matrix is never
# written to the slow memory and read again; it is computed block by block in fast memory (and once more in the backward pass).
# ### END MARK SCHEME

# %% [markdown]
# ## 8 On the ladder
#
# Two layers of attention, and nothing else, trained for less than a minute.

# %% experiment
ladder.chart()

# %% [markdown]
# ## What to remember
#
# - Attention is a weighted average of values. The weights are the softmax of how well a query fits each key, divided by $\sqrt{d}$.
# - Masks go in *before* the softmax, as $-\infty$. True means "may look". A query that may look at nothing gets 0, by convention.
# - A causal mask makes a language model honest. Test it: change a later word, and no earlier output may move.
# - A layer of attention does not know the order of words: put places into the vectors.
# - Heads are cut out of the width, so they need no more parameters and no more multiplications; but each keeps $T^2$ weights of its own. Mind the transpose.
# - Any two words are one step apart. The price is $T^2$, in time always, in memory unless the kernel is fused.
#
# Attention moves information between words. What is done with it at each word, how layers are stacked so that they can be trained, and where order comes from is the subject of the next notebook.
#
# ## Further reading
#
# - I. Sutskever, O. Vinyals, Q. V. Le (2014), *Sequence to Sequence Learning with Neural Networks*, NeurIPS. The bottleneck, and the reversed source.
# - D. Bahdanau, K. Cho, Y. Bengio (2015), *Neural Machine Translation by Jointly Learning to Align and Translate*, ICLR. Attention; its figure 3 has the maps.
# - M.-T. Luong, H. Pham, C. D. Manning (2015), *Effective Approaches to Attention-based Neural Machine Translation*, EMNLP. Dot products as scores.
# - A. Vaswani et al. (2017), *Attention Is All You Need*, NeurIPS. Scaling, heads, and no recurrence.
# - S. Jain, B. C. Wallace (2019), *Attention is not Explanation*, NAACL; and the reply, S. Wiegreffe, Y. Pinter (2019), *Attention is not not Explanation*, EMNLP.
# - T. Dao, D. Y. Fu, S. Ermon, A. Rudra, C. Ré (2022), *FlashAttention: Fast and Memory-Efficient Exact Attention with IO-Awareness*, NeurIPS.

# %% submit
hand_in(
    "05_attention",
    "dot_product_attention",
    "scaled_dot_product_attention",
    "padding_mask",
    "cross_attention",
    "causal_mask",
    "SelfAttention",
    "MultiHeadAttention",
    "attention_cost",
)
