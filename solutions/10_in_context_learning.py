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
# # 10 · In-context learning as gradient descent
#
# Show a large language model a few examples in its prompt, *sea: mer, bread: pain, cat:*, and it goes on with *chat*. None of its weights has changed. So where did it learn, and what is learning if no weight moves?
# Brown et al. (2020) called this **in-context learning** when they found it in GPT-3. This notebook takes it apart with two answers that you will build by hand: a layer of attention can *be* a step of gradient descent, and a model that
# predicts well must do what Bayes' rule says. Each experiment tests a claim of a paper, and says where our small version agrees and where it does not.
#
# **After this notebook you can**
#
# - set four matrices so that one layer of linear attention takes one exact step of gradient descent, and stack layers into several steps;
# - tell what a *trained* layer has learned, and compare a transformer with least squares and ridge regression;
# - compute the exact Bayesian prediction for a mixture of hidden Markov models, and hold a transformer against it;
# - say why wrong labels sometimes matter and sometimes do not, and why a few examples can be worse than none.
#
# **Time:** about an hour and a half to two hours, 93 minutes of it for the exercises and questions. **Points:** 41. **You need:** gradients (notebook 03), attention (notebook 05), a little of transformers (notebook 06).

# %% setup
import math
import time
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nextword import check, hand_in, plots, preset
from nextword.batches import Batches
from nextword.models import GPT, GPTConfig
from nextword.training import train

torch.set_num_threads(1)  # these networks are small: threads would wait for each other longer than they work

print(preset())

# %% [markdown]
# ## 1 Learning, the usual way
#
# The smallest task in which something can be learned from examples is a straight line. There are $N$ examples, each with a vector $x_i$ of $d_x$ numbers and an answer $y_i$ of $d_y$ numbers, and we look for a matrix $W$ with $W x_i \approx y_i$. The usual way starts from
# some $W_0$ and goes downhill on the loss
#
# $$L(W) = \frac{1}{2N}\sum_{i=1}^{N} \lVert W x_i - y_i \rVert^2, \qquad W \leftarrow W - \eta\, \nabla L(W), \qquad \nabla L(W) = \frac1N \sum_{i=1}^{N} (W x_i - y_i)\, x_i^\top$$
#
# The ½ is there to cancel the 2 that comes down from the square. $\eta$ is the learning rate. $W x_i - y_i$ is the **error** of example $i$, and each example pulls $W$ by its error times its input.
#
# **An example.** Two examples, $1 \mapsto 2$ and $2 \mapsto 4$, and $W = 0$. The errors are $-2$ and $-4$, the gradient is $(-2 \cdot 1 - 4 \cdot 2)/2 = -5$, and with $\eta = 0.1$ the step leads to $W = 0.5$. The right answer, 2, is where further steps lead.

# %% [markdown]
# ### Exercise 1: one step of gradient descent
#
# Examples are rows: X has shape (N, d_x), Y has (N, d_y). There may be axes before these two, written `...`: several problems at once, (B, N, d_x), each with its own step.
#
# <details><summary>Hint 1: how do I get the errors of all examples at once?</summary>
#
# Row $i$ of X is $x_i^\top$, and row $i$ of the product of X with the transposed W is $(W x_i)^\top$. Subtract Y.
# </details>
#
# <details><summary>Hint 2: and the sum over examples?</summary>
#
# A sum of outer products is a product of matrices: (d_y, N) times (N, d_x). `A.mT` exchanges the last two axes and leaves those before them alone; `A.T` turns all of them around.
# </details>
#
# <details><summary>I see (-0.6, 0.4) instead of (0.6, 0.85)</summary>
#
# Your step is four times too long, and there are four examples: the mean over the examples was taken as a sum.
# </details>

# %% exercise="gradient_step" minutes=8 difficulty=1
def gradient_step(W: Tensor, X: Tensor, Y: Tensor, eta: float) -> Tensor:
    """Return the weights after one step of gradient descent on the loss above, (..., d_y, d_x).

    W    weights before the step, (d_y, d_x) or (..., d_y, d_x)
    X    inputs of the examples, (..., N, d_x), N at least 1
    Y    their answers, (..., N, d_y)
    eta  the learning rate

    >>> gradient_step(torch.zeros(1, 1), torch.tensor([[1.0], [2.0]]), torch.tensor([[2.0], [4.0]]), eta=0.1)
    tensor([[0.5000]])
    """
    ### BEGIN SOLUTION
    errors = X @ W.mT - Y
    return W - eta * errors.mT @ X / X.shape[-2]
    ### END SOLUTION


# %% test="gradient_step" points=3
four_inputs = torch.tensor([[1.0, 2.0], [3.0, 1.0], [0.0, 1.0], [2.0, 0.0]])
four_answers = torch.tensor([[1.0], [2.0], [1.0], [-2.0]])
check.equal(
    gradient_step(torch.ones(1, 2), four_inputs, four_answers, 0.1),
    torch.tensor([[0.6, 0.85]]),
    name="W after one step, four examples of two inputs",
    atol=1e-5,
    causes=[
        (torch.tensor([[-0.6, 0.4]]), "1/N is lost: the gradient is the mean over the examples."),
        (torch.tensor([[1.4, 1.15]]), "the sign of the step: the gradient points uphill, so subtract it."),
        (torch.tensor([[0.2, 0.7]]), "the step is twice as long as it should be: the 1/2 of the loss takes away the 2 of the square, and the mean is over the examples (divide by 4, not by the number of inputs)."),
        (torch.tensor([[-3.0, -0.5]]), "eta has no effect; multiply the gradient by it."),
        (torch.tensor([[1.075, 1.125]]), "this is the slope at W = 0: the error is W x - y, with the W that came in."),
        (torch.tensor([[-0.4, -0.15]]), "this is the change alone; return the weights after it."),
        (torch.tensor([[4.0, 1.5]]), "this is the gradient; return the weights after the step."),
    ],
)
check.equal(
    gradient_step(torch.tensor([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0]]), torch.tensor([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]]), torch.tensor([[1.0, 2.0], [4.0, -2.0]]), 0.1),
    torch.tensor([[1.0, 0.1, 2.1], [0.0, 0.9, -1.1]]),
    name="W after one step, two outputs",
    atol=1e-5,
    causes=[(torch.tensor([[1.0, 0.05, 2.05], [0.0, 0.95, -1.05]]), "the loss takes the sum over the outputs and the mean over the examples; you divided by both.")],
)


def two_problems():
    """Your step on two problems at once; an error of shapes is returned, to be named below."""
    try:
        return gradient_step(torch.ones(1, 2), torch.stack([four_inputs, -2 * four_inputs]), torch.stack([four_answers, four_answers]), 0.1)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, ValueError) as error:
        return error


check.equal(
    two_problems(),
    torch.tensor([[[0.6, 0.85]], [[-1.05, -0.35]]]),
    name="two problems at once, X of shape (2, 4, 2)",
    atol=1e-5,
    causes=[(lambda W: True, "the axes before the last two are problems of their own: use .mT where you used .T, and count the examples by X.shape[-2].")],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(101)
for leading, N, d_x, d_y, scale in [((), 1, 1, 1, 1.0), ((), 7, 3, 2, 1.0), ((4,), 5, 2, 3, 1.0), ((2, 3), 6, 4, 1, 1.0), ((), 5, 3, 2, 1000.0), ((3,), 50, 8, 5, 0.01)]:
    X, Y = scale * torch.randn(*leading, N, d_x, dtype=torch.float64), scale * torch.randn(*leading, N, d_y, dtype=torch.float64)
    for W in [torch.randn(d_y, d_x, dtype=torch.float64), torch.randn(*leading, d_y, d_x, dtype=torch.float64)]:
        slope = torch.einsum("...ny,...nx->...yx", torch.einsum("...yx,...nx->...ny", W, X) - Y, X) / N
        for eta in [0.3, 0.0, 2.0]:
            check.equal(gradient_step(W, X, Y, eta), (W - eta * slope).expand(*leading, d_y, d_x), name=f"X of shape {tuple(X.shape)}, eta = {eta}", rtol=1e-9)
X = torch.randn(9, 3, dtype=torch.float64)
W = torch.randn(2, 3, dtype=torch.float64)
check.equal(gradient_step(W, X, X @ W.T, 0.7), W, name="weights without an error")
order = torch.randperm(9)
Y = torch.randn(9, 2, dtype=torch.float64)
check.equal(gradient_step(W, X[order], Y[order], 0.7), gradient_step(W, X, Y, 0.7), name="examples in another order")
check.equal(gradient_step(W, torch.cat([X, X]), torch.cat([Y, Y]), 0.7), gradient_step(W, X, Y, 0.7), name="every example twice")
### END HIDDEN TESTS

# %% [markdown]
# The next cell takes steps of yours on four examples of a line, $y = 1.5 x$ with some noise, from $W = -1$.

# %% experiment
torch.manual_seed(3)
line_x = torch.tensor([[-1.6], [-0.5], [0.7], [1.5]])
line_y = 1.5 * line_x + 0.35 * torch.randn(4, 1)
slopes = [torch.tensor([[-1.0]])]
for _ in range(5):
    slopes.append(gradient_step(slopes[-1], line_x, line_y, 0.4))
plots.lines(
    [-2.0, 2.0],
    {("start" if k == 0 else f"step {k}"): [-2 * float(slopes[k]), 2 * float(slopes[k])] for k in (0, 1, 2, 5)},
    points={name: (float(x), float(y)) for name, x, y in zip("abcd", line_x, line_y)},
    title="Each step turns the line towards the examples, by less and less",
    x_label="x",
    y_label="y",
    alt="Four examples a, b, c, d lie close to a rising line through zero. The line at the start falls; after one step it rises a little, and after two and five steps it is closer and closer to the examples.",
)

# %% [markdown]
# ## 2 A data set in a prompt
#
# Now the same task as a *prompt*. A language model reads a row of tokens. So let every token carry one example, input and answer side by side, and let the last token be the **query**: an input whose answer we want (von Oswald et al. 2022).
#
# $$e_i = \begin{pmatrix} x_i \\ y_i \end{pmatrix}, \qquad e_{\text{query}} = \begin{pmatrix} x_{\text{query}} \\ -W_0\, x_{\text{query}} \end{pmatrix}$$
#
# What stands where the query's answer would be? Not nothing, but *minus* what the weights $W_0$ say before they have seen any example. You will see in a moment why the minus makes everything fall into place. Often $W_0 = 0$, and then it is 0 indeed.
#
# **An example.** $x_1 = (1, 2)$ with $y_1 = 5$, $x_2 = (3, 4)$ with $y_2 = 6$, the query $(7, 8)$, and $W_0 = (1\;\; {-1})$. $W_0 x_{\text{query}} = 7 - 8 = -1$, so the tokens are the rows $(1, 2, 5)$, $(3, 4, 6)$ and $(7, 8, 1)$.

# %% [markdown]
# ### Exercise 2: the prompt
#
# <details><summary>Hint: which pieces do I put together?</summary>
#
# First the rows of the examples: X and Y side by side, `torch.cat` along the last axis. Then the row of the query in the same way; give it an axis for the rows, `row[..., None, :]`, and put it below, along the axis `-2`.
# </details>

# %% exercise="regression_prompt" minutes=6 difficulty=1
def regression_prompt(X: Tensor, Y: Tensor, x_query: Tensor, W0: Tensor) -> Tensor:
    """Return the tokens of a prompt, (..., N + 1, d_x + d_y): a row per example, and the query as the last row.

    X        inputs of the examples, (..., N, d_x); N may be 0
    Y        their answers, (..., N, d_y)
    x_query  the input whose answer is wanted, (..., d_x)
    W0       the weights before any example, (d_y, d_x), the same for all problems

    >>> X, Y = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0], [6.0]])
    >>> regression_prompt(X, Y, torch.tensor([7.0, 8.0]), torch.tensor([[1.0, -1.0]]))
    tensor([[1., 2., 5.],
            [3., 4., 6.],
            [7., 8., 1.]])
    """
    ### BEGIN SOLUTION
    examples = torch.cat([X, Y], dim=-1)
    query = torch.cat([x_query, -x_query @ W0.T], dim=-1)
    return torch.cat([examples, query[..., None, :]], dim=-2)
    ### END SOLUTION


# %% test="regression_prompt" points=3
some_inputs, some_answers = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[5.0], [6.0]])
check.equal(
    regression_prompt(some_inputs, some_answers, torch.tensor([7.0, 8.0]), torch.tensor([[2.0, -1.0]])),
    torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0], [7.0, 8.0, -6.0]]),
    name="the prompt of two examples and the query (7, 8), with W0 = (2, -1)",
    causes=[
        (torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0], [7.0, 8.0, 0.0]]), "-W0 x is missing at the query."),
        (torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0], [7.0, 8.0, 6.0]]), "the minus is lost: the query carries minus W0 x."),
        (torch.tensor([[7.0, 8.0, -6.0], [1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]), "the query is the last row."),
        (torch.tensor([[5.0, 1.0, 2.0], [6.0, 3.0, 4.0], [-6.0, 7.0, 8.0]]), "x comes first in each token, then y."),
        (torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 6.0]]), "the query is missing: its token is the last row."),
        (torch.tensor([[1.0, 2.0, 5.0], [3.0, 4.0, 4.0], [7.0, 8.0, -6.0]]), "the answers of the examples stay as they are; only the query carries -W0 x."),
    ],
)


def prompts_of(*arguments):
    """What your function returns; an error of shapes is returned as well, to be named below."""
    try:
        return regression_prompt(*arguments)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, ValueError) as error:
        return error


check.equal(
    prompts_of(some_inputs.expand(2, 2, 2), torch.tensor([[[5.0, 1.0], [6.0, 1.0]], [[0.0, 2.0], [0.0, 3.0]]]), torch.tensor([[1.0, 0.0], [0.0, 1.0]]), torch.tensor([[10.0, 20.0], [30.0, 40.0]])),
    torch.tensor([[[1.0, 2.0, 5.0, 1.0], [3.0, 4.0, 6.0, 1.0], [1.0, 0.0, -10.0, -30.0]], [[1.0, 2.0, 0.0, 2.0], [3.0, 4.0, 0.0, 3.0], [0.0, 1.0, -20.0, -40.0]]]),
    name="two problems at once, each with two examples of two outputs",
    causes=[
        (lambda tokens: isinstance(tokens, Exception) or tuple(tokens.shape) != (2, 3, 4), "there may be leading axes, problems of their own: count axes from the end, with dim=-1 and dim=-2."),
        (lambda tokens: float(tokens[0, 2, 3]) == -20, "W0 is transposed: W0 x has the rows of W0 as weights."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(102)
for leading, N, d_x, d_y, scale in [((), 1, 1, 1, 1.0), ((), 6, 3, 2, 1.0), ((4,), 5, 2, 3, 1000.0), ((2, 3), 2, 4, 1, 1.0), ((), 0, 2, 2, 1.0)]:
    X, Y, x_query = scale * torch.randn(*leading, N, d_x), scale * torch.randn(*leading, N, d_y), scale * torch.randn(*leading, d_x)
    W0 = torch.randn(d_y, d_x)
    got = regression_prompt(X, Y, x_query, W0)
    check.that(tuple(got.shape) == (*leading, N + 1, d_x + d_y), f"the prompt of X of shape {tuple(X.shape)} has the shape {tuple(got.shape)}")
    check.equal(got[..., :N, :d_x], X, name="the inputs of the examples")
    check.equal(got[..., :N, d_x:], Y, name="the answers of the examples")
    check.equal(got[..., N, :d_x], x_query, name="the input of the query")
    check.equal(got[..., N, d_x:], torch.einsum("yx,...x->...y", -W0, x_query), name="minus W0 x", atol=1e-4, rtol=1e-4)
check.equal(regression_prompt(X, Y, x_query, 0 * W0)[..., N, d_x:].abs(), torch.zeros(2), name="W0 = 0")
### END HIDDEN TESTS

# %% [markdown]
# ## 3 Attention without the softmax
#
# The layer that will read this prompt is the attention of notebook 05 without its softmax, **linear self-attention**:
#
# $$e_j \leftarrow e_j + P \sum_{i=1}^{N} v_i\, (k_i \cdot q_j), \qquad q_j = W_Q\, e_j, \quad k_i = W_K\, e_i, \quad v_i = W_V\, e_i$$
#
# Every token, the query included, asks with $q_j$; a score is simply the dot product $k_i \cdot q_j$, with no scaling and no softmax; the values are summed with the scores as weights, multiplied by the output matrix $P$, and *added* to the token: a residual stream.
# The sum runs over the $N$ examples and **not over the query token**: it has no true answer, so nothing can be learned from it.

# %% [markdown]
# ### Exercise 3: a layer of linear attention
#
# <details><summary>Hint 1: tokens are rows here</summary>
#
# The formula has columns. $W e$ for all rows at once is the product of the tokens with the transposed $W$.
# </details>
#
# <details><summary>Hint 2: shapes</summary>
#
# Queries (..., N + 1, D), of all tokens. Keys and values (..., N, D), of `tokens[..., :-1, :]`. Scores (..., N + 1, N).
# </details>
#
# <details><summary>I see a last row of (-7, -62) instead of (-8, -61)</summary>
#
# Your sum runs over all tokens, so the query looked at itself as if it were an example.
# </details>

# %% exercise="linear_self_attention" minutes=12 difficulty=2
def linear_self_attention(tokens: Tensor, W_Q: Tensor, W_K: Tensor, W_V: Tensor, P: Tensor) -> Tensor:
    """Return all tokens after one layer of linear self-attention over the examples, (..., N + 1, D).

    tokens               a row per example, and the query as the last row, (..., N + 1, D)
    W_Q, W_K, W_V, P     the matrices of the layer, (D, D) each

    Keys and values come from the N examples only; N may be 0.
    >>> eye = torch.eye(2)
    >>> linear_self_attention(torch.tensor([[1.0, 2.0], [3.0, 0.0]]), eye, eye, eye, 0.5 * eye)
    tensor([[3.5000, 7.0000],
            [4.5000, 3.0000]])
    """
    ### BEGIN SOLUTION
    examples = tokens[..., :-1, :]
    queries, keys, values = tokens @ W_Q.T, examples @ W_K.T, examples @ W_V.T
    scores = queries @ keys.mT  # (..., N + 1, N)
    return tokens + scores @ values @ P.T
    ### END SOLUTION


# %% test="linear_self_attention" points=4
three_tokens = torch.tensor([[1.0, 2.0], [3.0, 1.0], [2.0, -1.0]])
small_layer = [torch.tensor(matrix) for matrix in ([[1.0, 1.0], [0.0, 1.0]], [[1.0, 0.0], [2.0, 1.0]], [[0.0, 1.0], [1.0, 1.0]], [[1.0, 0.0], [1.0, 2.0]])]
check.equal(
    linear_self_attention(three_tokens, *small_layer),
    torch.tensor([[46.0, 297.0], [38.0, 236.0], [-8.0, -61.0]]),
    name="two examples and a query after the layer",
    atol=1e-3,
    causes=[
        (torch.tensor([[34.0, 309.0], [27.0, 247.0], [-7.0, -62.0]]), "the query token is in the sum; keys and values come from the examples only."),
        (torch.tensor([[2.0, 11.0], [4.0, 10.0], [3.731059, 7.268941]]), "there is no softmax here: the scores are the weights."),
        (torch.tensor([[45.0, 295.0], [35.0, 235.0], [-10.0, -60.0]]), "the layer adds to its tokens; the residual is missing."),
        (torch.tensor([[32.819805, 210.596497], [27.748737, 167.170105], [-5.071068, -43.426407]]), "there is no scaling by the root of D here."),
        (torch.tensor([[23.5, 149.5], [20.5, 118.5], [-3.0, -31.0]]), "nothing is divided by N in the layer; P will do that."),
        (torch.tensor([[96.0, 132.0], [213.0, 291.0], [117.0, 159.0]]), "tokens are rows: W e for all of them is the product with the transposed W."),
        (torch.tensor([[171.0, 252.0], [138.0, 201.0], [-33.0, -51.0]]), "P is the wrong way round: the sums are rows, too, so transpose it."),
        (torch.tensor([[46.0, 127.0], [38.0, 101.0], [-8.0, -26.0]]), "P is missing."),
        (torch.tensor([[31.0, 162.0], [68.0, 356.0], [37.0, 194.0]]), "queries and keys are exchanged: every token asks with W_Q, examples answer with W_K."),
        (torch.tensor([[1.0, 2.0], [3.0, 1.0], [-8.0, -61.0]]), "the examples change, too: every token asks, not the last alone."),
        (torch.tensor([[23.0, 90.0], [38.0, 236.0], [-8.0, -61.0]]), "every token looks at every example, also to later ones: no causal mask."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(103)


def layer_by_loops(tokens, W_Q, W_K, W_V, P):
    rows = []
    for e in tokens:
        pulls = [(P @ (W_V @ other)) * torch.dot(W_K @ other, W_Q @ e) for other in tokens[:-1]]
        rows.append(e + sum(pulls, torch.zeros_like(e)))
    return torch.stack(rows)


for B, N, D, scale in [(1, 1, 1, 1.0), (2, 5, 3, 1.0), (3, 8, 6, 1.0), (2, 4, 3, 1000.0), (2, 0, 4, 1.0)]:
    tokens = scale * torch.randn(B, N + 1, D, dtype=torch.float64)
    layer = [torch.randn(D, D, dtype=torch.float64) for _ in range(4)]
    got = linear_self_attention(tokens, *layer)
    check.equal(got, torch.stack([layer_by_loops(problem, *layer) for problem in tokens]), name=f"{B} problems, N = {N}, D = {D}, scale {scale:g}", rtol=1e-8)
    check.equal(linear_self_attention(tokens[0], *layer), got[0], name="one problem without a leading axis", rtol=1e-8)
    check.equal(linear_self_attention(tokens[:, None], *layer), got[:, None], name="two leading axes", rtol=1e-8)
    order = torch.cat([torch.randperm(N), torch.tensor([N])])
    check.equal(linear_self_attention(tokens[:, order], *layer), got[:, order], name="examples in another order", rtol=1e-8)
    other = tokens.clone()
    other[:, -1] += 100
    check.equal(linear_self_attention(other, *layer)[:, :-1], got[:, :-1], name="examples beside another query", rtol=1e-8)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 Four matrices that learn
#
# Which matrices make this layer take a step of gradient descent? Work backwards from the step. It changes the weights by
#
# $$\Delta W = -\frac{\eta}{N}\sum_i (W_0 x_i - y_i)\, x_i^\top$$
#
# and so the prediction for any input $x_j$ by $\Delta W x_j = -\frac{\eta}{N}\sum_i (W_0 x_i - y_i)\,(x_i \cdot x_j)$. Look at the shape of this sum: a vector that depends on example $i$, times the dot product of something of $i$ with something of $j$. That *is* attention:
#
# | in the layer | must be | so the matrix |
# |---|---|---|
# | key $k_i$, query $q_j$ | $x_i$ and $x_j$, without the answers | keeps the first $d_x$ numbers of a token and makes the rest 0 |
# | value $v_i$ | the error $W_0 x_i - y_i$, in the place of the answer | has $W_0$ and minus the identity in its lower rows, 0 above |
# | $P$ | the length of the step, $\eta / N$ | is a multiple of the identity |
#
# With them the layer adds $\frac{\eta}{N}\sum_i (W_0 x_i - y_i)(x_i \cdot x_j) = -\Delta W x_j$ to the answer of each token:
#
# - an example's answer becomes $y_j - \Delta W x_j$: what is *still to be explained* after the step;
# - the query's becomes $-W_0 x_{\text{query}} - \Delta W x_{\text{query}} = -(W_0 + \Delta W)\, x_{\text{query}}$: **minus the prediction of the weights after the step.** That is what the minus was for.
#
# No weight of the network has moved. The step happened in what flows through it.

# %% [markdown]
# ### Exercise 4: the construction
#
# Return the four matrices, each $(d_x + d_y) \times (d_x + d_y)$, of the same number type as $W_0$. The factors may be shared out otherwise than in the table; the test looks at what the four do together.
#
# <details><summary>Hint 1: blocks</summary>
#
# Begin with `torch.zeros(D, D, dtype=W0.dtype)` and fill blocks: `M[:d_x, :d_x]` is the upper left one, `M[d_x:, :d_x]` the lower left one.
# </details>
#
# <details><summary>Hint 2: try it on one token</summary>
#
# For $d_x = 2$, $d_y = 1$ and $W_0 = (2\;\;{-1})$, $W_V$ times the token $(1, 3, 5)$ should be $(0, 0, 2 \cdot 1 - 3 - 5) = (0, 0, -6)$. What is its last row?
# </details>

# %% exercise="gd_construction" minutes=15 difficulty=3
def gd_construction(W0: Tensor, eta: float, N: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return W_Q, W_K, W_V, P with which linear self-attention is a step of gradient descent (von Oswald et al. 2022).

    W0   the weights before the step, (d_y, d_x)
    eta  the learning rate
    N    how many examples the prompt has, the query not counted

    Each matrix is (d_x + d_y, d_x + d_y), of the number type of W0.
    >>> W_Q, W_K, W_V, P = gd_construction(torch.tensor([[2.0, -1.0]]), eta=0.5, N=4)
    >>> example, query = torch.tensor([1.0, 3.0, 5.0]), torch.tensor([2.0, 1.0, 9.0])
    >>> P @ W_V @ example * torch.dot(W_K @ example, W_Q @ query)  # what the one adds to the other
    tensor([ 0.0000,  0.0000, -3.7500])
    """
    ### BEGIN SOLUTION
    d_y, d_x = W0.shape
    W_K = torch.zeros(d_x + d_y, d_x + d_y, dtype=W0.dtype)
    W_K[:d_x, :d_x] = torch.eye(d_x)
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, :d_x] = W0
    W_V[d_x:, d_x:] = -torch.eye(d_y)
    P = eta / N * torch.eye(d_x + d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, P
    ### END SOLUTION


# %% test="gd_construction" points=5
def added(layer, example, query):
    """What an example adds to another token through your four matrices; an error is returned, to be named below."""
    W_Q, W_K, W_V, P = layer
    try:
        return P @ (W_V @ example) * torch.dot(W_K @ example, W_Q @ query)
    except RuntimeError as error:
        return error


four_matrices = gd_construction(torch.tensor([[2.0, -1.0]]), 0.5, 4)
check.equal([tuple(matrix.shape) for matrix in four_matrices], [(3, 3)] * 4, name="the shapes of W_Q, W_K, W_V, P for d_x = 2, d_y = 1")
check.equal(
    added(four_matrices, torch.tensor([1.0, 3.0, 5.0]), torch.tensor([2.0, 1.0, 9.0])),
    torch.tensor([0.0, 0.0, -3.75]),
    name="what the example x = (1, 3), y = 5 adds to the query x = (2, 1), with W0 = (2, -1), eta = 0.5, N = 4",
    atol=1e-5,
    causes=[
        (torch.tensor([0.0, 0.0, -15.0]), "1/N is lost: P is eta / N times the identity."),
        (torch.tensor([0.0, 0.0, -3.0]), "N counts the examples, without the query; you divided by N + 1."),
        (torch.tensor([0.0, 0.0, 3.75]), "the sign of the update: a value is W0 x - y, and what is added is minus the change of the prediction."),
        (torch.tensor([0.0, 0.0, -3.125]), "W0 is missing from W_V: the value is W0 x - y, not -y alone."),
        (torch.tensor([0.0, 0.0, 2.5]), "the error is a difference, W0 x - y: the lower right block of W_V is minus the identity."),
        (torch.tensor([0.0, 0.0, -37.5]), "keys and queries read y as well; they keep the first d_x numbers only."),
        (torch.tensor([0.0, 0.0, -7.5]), "eta has no effect; it belongs into P, with 1/N."),
        (lambda v: abs(float(v[0])) > 1e-6 or abs(float(v[1])) > 1e-6, "x must stay as it is: the upper d_x rows of W_V are 0, and the error stands in the lower ones."),
    ],
)
wide = gd_construction(torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64), 1.0, 2)
check.equal(
    [str(matrix.dtype) for matrix in wide],
    ["torch.float64"] * 4,
    name="the number types for a W0 of float64",
    causes=[(lambda kinds: True, "make the matrices of the same number type as W0, dtype=W0.dtype, or the 10 digits that we want later are lost.")],
)
check.equal(
    added(wide, torch.tensor([1.0, 1.0, 5.0, 5.0], dtype=torch.float64), torch.tensor([1.0, 3.0, 0.0, 0.0], dtype=torch.float64)),
    torch.tensor([0.0, 0.0, -4.0, 4.0], dtype=torch.float64),
    name="two outputs: the example x = (1, 1), y = (5, 5) and W0 = ((1, 2), (3, 4))",
    causes=[(torch.tensor([0.0, 0.0, -2.0, 2.0], dtype=torch.float64), "W0 is transposed.")],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(104)
for d_x, d_y, N, eta, scale in [(1, 1, 1, 1.0, 1.0), (3, 1, 5, 0.3, 1.0), (2, 4, 7, 2.0, 1.0), (5, 3, 20, 0.01, 1.0), (4, 2, 3, 0.5, 1000.0), (3, 2, 6, 0.0, 1.0)]:
    W0 = torch.randn(d_y, d_x, dtype=torch.float64)
    layer = gd_construction(W0, eta, N)
    check.equal([tuple(matrix.shape) for matrix in layer], [(d_x + d_y, d_x + d_y)] * 4, name="the shapes")
    X, Y = scale * torch.randn(N, d_x, dtype=torch.float64), scale * torch.randn(N, d_y, dtype=torch.float64)
    tokens = torch.cat([torch.cat([X, Y], 1), torch.randn(1, d_x + d_y, dtype=torch.float64)])
    change = eta / N * torch.einsum("ny,nx->yx", Y - X @ W0.T, X)
    for j, token in enumerate(tokens):
        total = sum(added(layer, example, token) for example in tokens[:-1])
        want = torch.cat([torch.zeros(d_x, dtype=torch.float64), -(change @ token[:d_x])])
        check.equal(total, want, name=f"what all examples add to token {j}, d_x = {d_x}, d_y = {d_y}", rtol=1e-8)
check.equal(str(gd_construction(torch.zeros(1, 2), 0.1, 3)[3].dtype), "torch.float32", name="the number type for a W0 of float32")
### END HIDDEN TESTS

# %% [markdown]
# Your matrices for $d_x = 3$, $d_y = 1$, five examples and $\eta = 0.5$:

# %% experiment
W_Q, W_K, W_V, P = gd_construction(torch.tensor([[0.6, -0.2, 0.4]]), eta=0.5, N=5)
plots.heat_map(
    {"W_Q and W_K": W_K.numpy(), "W_V": W_V.numpy(), "P": P.numpy()},
    ["x1", "x2", "x3", "y"],
    ["x1", "x2", "x3", "y"],
    title="Keys copy x, values hold the error, P is the length of the step",
    alt="Three matrices of four rows and columns. W_Q and W_K are the identity in the upper left three by three block and zero elsewhere. "
    "W_V is zero but for its last row: 0.6, -0.2, 0.4 and -1. P is 0.1 on the diagonal.",
)

# %% [markdown]
# ## 5 Layers are steps
#
# After the layer, the examples' answers are what is left to be explained. So what happens when the same layer reads its own output? Its value is now
#
# $$W_0 x_i - (y_i - \Delta W x_i) = (W_0 + \Delta W)\, x_i - y_i,$$
#
# the error of the *new* weights. The second layer takes the second step, and $K$ layers take $K$ steps, from any $W_0$.

# %% [markdown]
# ### Exercise 5: a stack of layers
#
# Send tokens through a list of layers and read off the prediction after each. A layer is given as a function from tokens to tokens, which does its own residual.
#
# <details><summary>Hint: what is a prediction?</summary>
#
# Minus the last `d_y` numbers of the last token. Collect one per layer in a list, then `torch.stack`.
# </details>

# %% exercise="stack_layers" minutes=6 difficulty=1
def stack_layers(tokens: Tensor, layers: list, d_y: int) -> Tensor:
    """Return the prediction for the query after each layer, (K, ..., d_y).

    tokens  the prompt, (..., N + 1, d_x + d_y)
    layers  K functions, each from tokens to tokens; every layer reads what the one before returned
    d_y     how many numbers an answer has

    >>> double = lambda tokens: 2 * tokens
    >>> stack_layers(torch.tensor([[0.0, 1.0], [3.0, -4.0]]), [double, double], d_y=1)
    tensor([[ 8.],
            [16.]])
    """
    ### BEGIN SOLUTION
    predictions = []
    for layer in layers:
        tokens = layer(tokens)
        predictions.append(-tokens[..., -1, -d_y:])
    return torch.stack(predictions)
    ### END SOLUTION


# %% test="stack_layers" points=3
def doubled(tokens):
    return 2 * tokens


def plus_one(tokens):
    return tokens + 1


check.equal(
    stack_layers(torch.tensor([[1.0, 2.0, 3.0], [1.0, 2.0, 5.0]]), [doubled, plus_one, doubled], 1),
    torch.tensor([[-10.0], [-11.0], [-22.0]]),
    name="predictions after the layers 'times 2', 'plus 1', 'times 2', where the query's answer is 5",
    causes=[
        (torch.tensor([[-10.0], [-6.0], [-10.0]]), "every layer reads the prompt; it has to read what the layer before returned."),
        (torch.tensor([[10.0], [11.0], [22.0]]), "the sign: the query carries minus the prediction."),
        (torch.tensor([[-5.0], [-10.0], [-11.0]]), "read the answer off after each layer, not before."),
        (torch.tensor([[-6.0], [-7.0], [-14.0]]), "you read the first token; the query is the last token."),
        (torch.tensor([-22.0]), "there is one prediction per layer, not only the last."),
        (torch.tensor([[-15.0], [-31.0], [-93.0]]), "the tokens are added once more; a layer adds to its tokens itself."),
        (lambda got: tuple(got.shape) == (3, 3), "an answer is the last d_y numbers of the token, not all of it."),
    ],
)
check.equal(
    stack_layers(torch.tensor([[[1.0, 2.0, 3.0]], [[4.0, 5.0, 6.0]]]), [plus_one, doubled], 2),
    torch.tensor([[[-3.0, -4.0], [-6.0, -7.0]], [[-6.0, -8.0], [-12.0, -14.0]]]),
    name="two problems at once, with d_y = 2",
)
### BEGIN HIDDEN TESTS
torch.manual_seed(105)
for leading, N, D, d_y, K in [((), 3, 4, 1, 1), ((2,), 5, 6, 2, 4), ((3, 2), 2, 3, 3, 3)]:
    mixers = [torch.randn(N + 1, N + 1) for _ in range(K)]
    tokens, want = torch.randn(*leading, N + 1, D), []
    state = tokens
    for mixer in mixers:
        state = torch.einsum("st,...td->...sd", mixer, state)
        want.append(state[..., N, D - d_y :])
    got = stack_layers(tokens, [lambda tokens, mixer=mixer: mixer @ tokens for mixer in mixers], d_y)
    check.equal(got, -torch.stack(want), name=f"{K} layers, tokens of shape {tuple(tokens.shape)}", atol=1e-3, rtol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: are they the same?
#
# Not nearly: the same. A hundred random problems, each with its own data and a random $W_0$. On one side five layers of yours; on the other five of your gradient steps, and the prediction $W x_{\text{query}}$ after each. All in float64, which carries 16 digits.

# %% experiment
torch.manual_seed(0)
d_x, d_y, N, eta = 5, 2, 20, 0.2
W0 = torch.randn(d_y, d_x, dtype=torch.float64)
X, x_query = torch.randn(100, N, d_x, dtype=torch.float64), torch.randn(100, d_x, dtype=torch.float64)
true_weights = torch.randn(100, d_y, d_x, dtype=torch.float64)
Y = X @ true_weights.mT + 0.1 * torch.randn(100, N, d_y, dtype=torch.float64)

W_Q, W_K, W_V, P = gd_construction(W0, eta, N)
layer = partial(linear_self_attention, W_Q=W_Q, W_K=W_K, W_V=W_V, P=P)
by_layers = stack_layers(regression_prompt(X, Y, x_query, W0), [layer] * 5, d_y)

W, by_steps = W0, []
for _ in range(5):
    W = gradient_step(W, X, Y, eta)
    by_steps.append((W @ x_query[..., None])[..., 0])
at_first, target = W0 @ x_query[0], true_weights[0] @ x_query[0]  # for the figure
construction_gaps = [float((layers - steps).abs().max()) for layers, steps in zip(by_layers, by_steps)]
for k, gap in enumerate(construction_gaps, start=1):
    print(f"{k} layers and {k} steps: the largest difference of 200 predictions is {gap:.1e}")
assert max(construction_gaps) < 1e-10

# %% experiment
traces = {}
for output in (0, 1):
    traces[f"{output + 1}: layers"] = [float(at_first[output]), *by_layers[:, 0, output].tolist()]
    traces[f"{output + 1}: steps"] = [float(at_first[output]), *[float(step[0, output]) for step in by_steps]]
plots.lines(
    list(range(6)),
    traces,
    points={f"true {output + 1}": (5.0, float(target[output])) for output in (0, 1)},
    title="Layers and gradient steps predict the same, all the way",
    x_label="layers, or steps",
    y_label="two outputs for one query",
    alt="Predictions of two outputs for one query after 0 to 5 layers. For each output, the line of the layers and that of the gradient steps lie on each other, and both move towards the true answer.",
)

# %% [markdown]
# | | |
# |---|---|
# | **Claim** | There are matrices with which one layer of linear self-attention changes every token as a step of gradient descent would change its data; stacking layers gives further steps (von Oswald et al. 2022, Proposition 1). |
# | **Here** | Agrees, for one to five steps, up to the rounding of float64. |
# | **Where they differ** | The claim is about what a layer *can* do. That a network trained on such prompts *does* it is another claim; it comes next. |

# %% [markdown] question="construction" points=3 minutes=5
# **Question 1.** (a) Suppose that the sum ran over the query token as well. With $W_0 = 0$ and *one* layer nothing would change. Why? And why does something change in the second layer?
# (b) Real transformers have a softmax. Which property of linear attention did the construction use that softmax attention does not have?
# (c) "The model has learned $W$ from the prompt." After the prompt is gone, what remains of $W$, and in what sense was it ever there?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) With $W_0 = 0$ the query's answer is 0 in the prompt, so its value, $W_0 x - y$, is 0 and it adds nothing. After the first layer its answer is minus the prediction, so its value is no longer 0: it would be taken for an example with the answer minus the prediction, and
# pull the weights away. (b) Weights that can be negative and do not sum to 1: they are the dot products themselves, so that a sum over examples of error times dot product comes out. A softmax makes positive weights that sum to 1 and depend on all examples. (c) Nothing remains: no parameter has changed. $W$ is
# never written down as a matrix either; only what it does to the tokens at hand is in the stream.
# ### END MARK SCHEME

# %% [markdown]
# ## 6 What does training find?
#
# Now forget the construction. Take a layer with random matrices, show it prompts of random linear problems, each with its own true weights, and train it to answer the query. Will it find gradient descent?
#
# There is a mark to reach. With inputs and true weights drawn from a standard normal distribution, no noise, and $W_0 = 0$, the best that *one* step can do is known exactly. The best rate is $\eta = N / (N + d + 1)$, and the mean squared error is then
#
# $$d\,\frac{d + 1}{N + d + 1}$$
#
# out of $d$, the error of always saying 0. For a single layer of linear attention on such data, Ahn et al. (2023) proved that nothing is better than this step, however the matrices are chosen.

# %% experiment
def linear_problems(B, N, d, generator, noise=0.0):
    """Draw B problems of one output: X (B, N, d), Y (B, N, 1), the query's x (B, d) and y (B,)."""
    weights = torch.randn(B, d, 1, generator=generator)
    X = torch.randn(B, N + 1, d, generator=generator)
    Y = X @ weights + noise * torch.randn(B, N + 1, 1, generator=generator)
    return X[:, :-1], Y[:, :-1], X[:, -1], Y[:, -1, 0]


def fit(parameters, predict, steps, learning_rate, N, d, B=512):
    """Train by Adam on new problems in every step; return processor seconds."""
    generator, began = torch.Generator().manual_seed(0), time.process_time()
    optimizer = torch.optim.Adam(parameters, lr=learning_rate)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate * math.cos(math.pi / 2 * step / steps) ** 2
        X, Y, x_query, y_query = linear_problems(B, N, d, generator)
        loss = (predict(X, Y, x_query) - y_query).square().mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
    return time.process_time() - began


def with_interval(values):
    """The mean of independent values, and half the width of its 95% interval."""
    return float(values.mean()), 1.96 * float(values.std()) / math.sqrt(len(values))


d, n_shown = 5, 10
best_one_step = d * (d + 1) / (n_shown + d + 1)
unseen = linear_problems(100_000, n_shown, d, torch.Generator().manual_seed(1))


def trained_layers(K, steps, begin=None):
    """Train K layers of linear attention that share four matrices; return these, a function that predicts, and the seconds."""
    torch.manual_seed(0)
    begin = begin or [0.1 * torch.randn(d + 1, d + 1) for _ in range(4)]
    shared = [nn.Parameter(matrix.detach().clone()) for matrix in begin]

    def predict(X, Y, x_query):
        tokens = regression_prompt(X, Y, x_query, torch.zeros(1, d))
        return stack_layers(tokens, [lambda tokens: linear_self_attention(tokens, *shared)] * K, 1)[-1, :, 0]

    return shared, predict, fit(shared, predict, steps, 1e-2, n_shown, d)


matrices, predict_by_layer, layer_seconds = trained_layers(1, steps=400)
with torch.no_grad():
    layer_errors = (predict_by_layer(*unseen[:3]) - unseen[3]).square()
    one_step = gradient_step(torch.zeros(1, d), unseen[0], unseen[1], n_shown / (n_shown + d + 1))
    step_predictions = (one_step @ unseen[2][..., None])[:, 0, 0]
    step_errors = (step_predictions - unseen[3]).square()
excess, excess_half = with_interval((layer_errors - step_errors) / best_one_step)
agreement = float((predict_by_layer(*unseen[:3]).detach() - step_predictions).square().mean() / step_predictions.square().mean())
print(f"best one-step loss, by the formula    {best_one_step:.3f}")
print(f"best one-step loss, on 100,000 new problems {with_interval(step_errors)[0]:.3f} ± {with_interval(step_errors)[1]:.3f}")
print(f"trained layer, on the same problems         {with_interval(layer_errors)[0]:.3f} ± {with_interval(layer_errors)[1]:.3f}, after {layer_seconds:.1f} s of one core")
print(f"the layer is above the step by {excess:.2%} ± {excess_half:.2%}; their predictions differ by {agreement:.2%} of their variance")
assert excess < 0.02 and layer_seconds < 30

# %% [markdown]
# As good as the best step. But is it the same *mechanism*? Only products of the matrices matter: $W_K^\top W_Q$ makes the scores, and $P\, W_V$ makes what is added. Beside them the products of your construction with $\eta = N/(N + d + 1)$. A factor can be moved from one product to the other without changing
# anything, so each is scaled to a largest entry of 1.

# %% experiment
def products(W_Q, W_K, W_V, P):
    """Scores and values of a layer, each scaled to a largest entry of 1."""
    pair = [(W_K.T @ W_Q).detach(), (P @ W_V).detach()]
    sign = torch.sign(pair[0].diagonal().sum())  # a sign can be moved, too
    return [sign * product / product.abs().max() for product in pair]


found, wanted = products(*matrices), products(*gd_construction(torch.zeros(1, d), n_shown / (n_shown + d + 1), n_shown))
places = ["x1", "x2", "x3", "x4", "x5", "y"]
plots.heat_map(
    {"trained": found[0].numpy(), "constructed": wanted[0].numpy()},
    places,
    places,
    title="The trained scores are dot products of the inputs, as in the construction",
    alt="Two matrices of six rows and columns, the scores of the trained and of the constructed layer. Both are nearly the identity on the five inputs; the trained one has other values in its last column.",
)

# %% experiment
plots.heat_map(
    torch.stack([found[1][-1], wanted[1][-1]]).numpy(),
    ["trained", "constructed"],
    places,
    title="What reaches the answer is minus y, the error for weights of zero",
    alt="Two rows of six numbers: the last row of the values of the trained and of the constructed layer. Both are zero for the five inputs and minus one for y.",
)

# %% [markdown]
# Both agree. The last column of the scores may be anything: it meets the 0 that stands at the query's answer. And of the values we looked at the last row only, for no other reaches the answer; there training had a reason to agree, and elsewhere it had none.
#
# What about two layers? Two plain steps are one possibility. But a network may find something better. The next cell trains two layers that share their matrices, beginning with those of the trained layer, and finds by the same training the best rates for two plain steps, and for a variant that von Oswald et al. call **GD++**: it also changes the
# inputs between the steps, $x_j \leftarrow x_j - \gamma\,\frac1N \sum_i x_i (x_i \cdot x_j)$, which takes out of the data the directions in which they vary most, and so makes the next step better aimed.

# %% experiment
def plain_and_corrected(rates, corrections):
    """Steps with the given rates, the inputs being changed between them by the given corrections; a function like `predict`."""

    def predict(X, Y, x_query):
        x, y = torch.cat([X, x_query[:, None]], dim=1), F.pad(Y, (0, 0, 0, 1))
        for rate, correction in zip(rates, corrections):
            scores = x @ x[:, :-1].mT / X.shape[1]
            x, y = x - correction * scores @ x[:, :-1], y - rate * scores @ y[:, :-1]
        return -y[:, -1, 0]

    return predict


two_layer_errors = {"one step": step_errors}
rates, none = nn.Parameter(torch.tensor([0.4, 0.4])), torch.zeros(2)
fit([rates], plain_and_corrected(rates, none), 150, 3e-2, n_shown, d)
plus_rates, corrections = nn.Parameter(torch.tensor([0.4, 0.4])), nn.Parameter(torch.zeros(2))
fit([plus_rates, corrections], plain_and_corrected(plus_rates, corrections), 250, 5e-2, n_shown, d)
_, predict_by_two, _ = trained_layers(2, steps=500, begin=matrices)
with torch.no_grad():
    few = [part[:30_000] for part in unseen]
    for name, predict in {
        "two steps, best rates": plain_and_corrected(rates, none),
        "two trained layers": predict_by_two,
        "two steps of GD++": plain_and_corrected(plus_rates, corrections),
    }.items():
        two_layer_errors[name] = (predict(*few[:3]) - few[3]).square()
two_losses = {name: with_interval(errors) for name, errors in two_layer_errors.items()}
for name, (loss, half) in two_losses.items():
    print(f"{name:22} {loss:.3f} ± {half:.3f}")
plots.bars(
    {name: loss for name, (loss, _) in two_losses.items()},
    title="Two trained layers do better than two plain steps",
    x_label="mean squared error of the query",
    highlight="two trained layers",
    alt="Four bars, falling: one step, two plain steps with the best rates, two trained layers, two steps of GD++.",
)

# %% [markdown]
# | | |
# |---|---|
# | **Claim** | A single layer of linear self-attention, trained on regression prompts, becomes the construction with the best learning rate; deeper stacks surpass plain gradient descent, and match GD++ (von Oswald et al. 2022). |
# | **Here** | One layer: agrees, in loss, in predictions and in the matrices that matter. Two layers with shared matrices: clearly better than two plain steps. |
# | **Where they differ** | In the seconds we give it, our two-layer stack lies between plain steps and GD++ and does not reach GD++; the paper trained far longer. It began with the matrices of the trained layer: from random ones, some trial runs stayed on a plateau. Their inputs were uniform on an interval with $d = N = 10$, ours are normal, because the best one-step loss then has a formula. |

# %% [markdown]
# ## 7 A transformer against least squares
#
# Enough of linear attention. Garg et al. (2022) trained a standard transformer, softmax and all, on prompts of random linear functions, and asked which of the known methods its error resembles.
#
# The known methods are two. **Least squares** takes the $W$ with the smallest sum of squared errors; with fewer examples than inputs many fit perfectly, and it takes the smallest of these. **Ridge regression** adds a penalty for large weights:
#
# $$\hat W = \arg\min_W \sum_i \lVert W x_i - y_i \rVert^2 + \lambda \lVert W \rVert^2, \qquad \hat W^\top = (X^\top X + \lambda I)^{-1} X^\top Y$$
#
# If the true weights are standard normal and answers have normal noise of variance $\sigma^2$, then ridge with $\lambda = \sigma^2$ is the posterior mean: *no* method has a smaller mean squared error. So ridge is the floor of this task, as the village's source was on the ladder.
#
# **An example.** One input, examples $1 \mapsto 2$ and $1 \mapsto 4$. Least squares says 3. With $\lambda = 1$: $(2 + 1)^{-1} (2 + 4) = 2$. The penalty draws it towards 0.

# %% [markdown]
# ### Exercise 6: least squares and ridge
#
# Return the prediction for a query. The strength $\lambda$ may be 0: then return that of the smallest least-squares solution, for which $(X^\top X)^{-1}$ need not exist. `torch.linalg.pinv(X)`, the pseudo-inverse, gives it: $\hat W^\top = X^{+} Y$.
#
# <details><summary>Hint: a solution without an inverse</summary>
#
# `torch.linalg.solve(A, B)` gives $A^{-1} B$ without computing the inverse. Both it and `pinv` take leading axes.
# </details>
#
# <details><summary>I see an error about a singular matrix</summary>
#
# With $\lambda = 0$ and fewer examples than inputs, $X^\top X$ has no inverse. Treat strength 0 by itself.
# </details>

# %% exercise="ridge_predict" minutes=8 difficulty=2
def ridge_predict(X: Tensor, Y: Tensor, x_query: Tensor, strength: float) -> Tensor:
    """Return the prediction of ridge regression for the query, (..., d_y); no intercept.

    X         inputs of the examples, (..., N, d_x); N may be 0, and then the prediction is 0
    Y         their answers, (..., N, d_y)
    x_query   (..., d_x)
    strength  lambda, 0 or more; with 0, the least-squares solution of smallest norm

    >>> X, Y = torch.tensor([[1.0], [1.0]]), torch.tensor([[2.0], [4.0]])
    >>> ridge_predict(X, Y, torch.tensor([10.0]), strength=1.0)
    tensor([20.])
    """
    ### BEGIN SOLUTION
    if strength == 0:
        weights = torch.linalg.pinv(X) @ Y
    else:
        penalty = strength * torch.eye(X.shape[-1], dtype=X.dtype)
        weights = torch.linalg.solve(X.mT @ X + penalty, X.mT @ Y)
    return (x_query[..., None, :] @ weights)[..., 0, :]
    ### END SOLUTION


# %% test="ridge_predict" points=3
def ridge(*arguments):
    """What your function returns; an error is returned as well, to be named below."""
    try:
        return ridge_predict(*arguments)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, ValueError) as error:
        return error


ridge_x = torch.tensor([[1.0, 0.0], [1.0, 1.0], [0.0, 2.0]], dtype=torch.float64)
ridge_y, ridge_query = torch.tensor([[1.0], [3.0], [2.0]], dtype=torch.float64), torch.tensor([1.0, 2.0], dtype=torch.float64)
check.equal(
    ridge(ridge_x, ridge_y, ridge_query, 2.0),
    torch.tensor([23 / 9], dtype=torch.float64),
    name="three examples, strength 2",
    atol=1e-4,
    causes=[
        (torch.tensor([11 / 3], dtype=torch.float64), "strength has no effect: this is least squares."),
        (torch.tensor([39 / 19], dtype=torch.float64), "the strength was added to every entry; it belongs to the diagonal only."),
        (torch.tensor([1.620690], dtype=torch.float64), "the strength is not multiplied by N: the errors are summed here, not averaged."),
        (torch.tensor([1.981132], dtype=torch.float64), "take the strength itself, not its square."),
        (lambda y: tuple(y.shape) == (1, 2) or tuple(y.shape) == (2, 1), "these are the weights; return their prediction for the query."),
        (torch.tensor([2.310345], dtype=torch.float64), "means were subtracted: there is no intercept here."),
    ],
)
check.equal(
    ridge(torch.tensor([[3.0, 4.0]], dtype=torch.float64), torch.tensor([[10.0]], dtype=torch.float64), ridge_query, 0.0),
    torch.tensor([4.4], dtype=torch.float64),
    name="one example of two inputs, strength 0",
    atol=1e-4,
    causes=[
        (lambda y: isinstance(y, Exception) or not bool(y.isfinite().all()), "with strength 0 and fewer examples than inputs, X^T X has no inverse: use the pseudo-inverse of X."),
        (torch.tensor([10.0], dtype=torch.float64), "means were subtracted: there is no intercept here."),
    ],
)
check.equal(
    ridge(ridge_x.expand(2, 3, 2), torch.stack([ridge_y, 2 * ridge_y]), ridge_query.expand(2, 2), 2.0),
    torch.tensor([[23 / 9], [46 / 9]], dtype=torch.float64),
    name="two problems at once",
    atol=1e-4,
    causes=[(lambda y: True, "the axes before the last two are problems of their own: use .mT, and give the query an axis, x_query[..., None, :].")],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(106)
import numpy as np

for leading, N, d_x, d_y, scale in [((), 1, 1, 1, 1.0), ((), 9, 3, 2, 1.0), ((3,), 4, 6, 2, 1.0), ((2, 2), 5, 5, 1, 1.0), ((), 8, 3, 1, 1000.0), ((2,), 0, 3, 2, 1.0)]:
    X, Y = scale * torch.randn(*leading, N, d_x, dtype=torch.float64), scale * torch.randn(*leading, N, d_y, dtype=torch.float64)
    x_query = torch.randn(*leading, d_x, dtype=torch.float64)
    for strength in [0.0, 0.01, 1.0, 250.0]:
        got = ridge_predict(X, Y, x_query, strength).reshape(-1, d_y)
        problems = zip(X.reshape(-1, N, d_x) if N else X.new_zeros(2, 0, d_x), Y.reshape(-1, N, d_y) if N else Y.new_zeros(2, 0, d_y), x_query.reshape(-1, d_x))
        for row, (x, y, query) in zip(got, problems):
            above = np.concatenate([x.numpy(), strength**0.5 * np.eye(d_x)])
            weights = np.linalg.lstsq(above, np.concatenate([y.numpy(), np.zeros((d_x, d_y))]), rcond=1e-12)[0]
            check.equal(row, query @ torch.from_numpy(weights), name=f"X of shape {tuple(X.shape)}, strength {strength}", atol=1e-7, rtol=1e-6)
check.equal(str(ridge_predict(torch.ones(2, 1), torch.ones(2, 1), torch.ones(1), 1.0).dtype), "torch.float32", name="the number type for float32")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: how does the error fall with examples?
#
# A transformer of two blocks is trained on prompts of three inputs and noisy answers. Garg et al. give $x$ and $y$ a token each, and let the model predict at every $x$; here an example is one token as before, and each query stands beside the examples that came before it, so that one prompt asks about 0, 1, 2, ... 8 examples at once.

# %% experiment
INPUTS, MOST, NOISE = 3, 8, 0.5


class Regressor(nn.Module):
    """A transformer that reads examples (x, y, 0) and queries (x, 0, 1); query i sees examples 0 to i - 1."""

    def __init__(self, width=64, n_heads=4, n_layers=2):
        super().__init__()
        self.read = nn.Linear(INPUTS + 2, width)
        block = partial(nn.TransformerEncoderLayer, width, n_heads, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True)
        self.blocks = nn.ModuleList(block() for _ in range(n_layers))
        self.norm, self.answer = nn.LayerNorm(width), nn.Linear(width, 1)

    def forward(self, X, Y):
        """Return the prediction for the x of every example, given those before it, (B, T, 1)."""
        T = X.shape[1]
        before = torch.ones(T, T, dtype=torch.bool).tril(-1)
        itself = torch.eye(T, dtype=torch.bool)
        allowed = torch.cat([torch.cat([before | itself, torch.zeros(T, T, dtype=torch.bool)], 1), torch.cat([before, itself], 1)])
        examples = torch.cat([X, Y, torch.zeros_like(Y)], dim=-1)
        queries = torch.cat([X, torch.zeros_like(Y), torch.ones_like(Y)], dim=-1)
        stream = self.read(torch.cat([examples, queries], dim=1))
        for block in self.blocks:
            stream = block(stream, src_mask=torch.zeros(2 * T, 2 * T).masked_fill(~allowed, -1e9))
        return self.answer(self.norm(stream[:, T:]))


def noisy_problems(B, seed_or_generator):
    """Draw X (B, MOST + 1, INPUTS) and noisy Y (B, MOST + 1, 1)."""
    generator = seed_or_generator if isinstance(seed_or_generator, torch.Generator) else torch.Generator().manual_seed(seed_or_generator)
    X, Y, x_query, y_query = linear_problems(B, MOST, INPUTS, generator, NOISE)
    return torch.cat([X, x_query[:, None]], 1), torch.cat([Y, y_query[:, None, None]], 1)


new_x, new_y = noisy_problems(8000, 1)
guesses = {  # the prediction of each method for query n, given the n examples before it
    name: torch.cat([ridge_predict(new_x[:, :n].double(), new_y[:, :n].double(), new_x[:, n].double(), strength) for n in range(MOST + 1)], 1)
    for name, strength in {"least squares": 0.0, "ridge": NOISE**2}.items()
}
torch.manual_seed(0)
regressor = Regressor()
optimizer = torch.optim.AdamW(regressor.parameters(), lr=3e-3, betas=(0.9, 0.98), weight_decay=0.0)
drawn, began, STEPS = torch.Generator().manual_seed(0), time.process_time(), 550
for step in range(STEPS):
    for group in optimizer.param_groups:
        group["lr"] = 3e-3 * min(1.0, step / STEPS / 0.05) * math.cos(math.pi / 2 * step / STEPS) ** 2
    X, Y = noisy_problems(64, drawn)
    loss = (regressor(X, Y) - Y).square().mean()
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(regressor.parameters(), 1.0)
    optimizer.step()
regressor.eval()
with torch.no_grad():
    guesses["transformer"] = regressor(new_x, new_y)[..., 0].double()
print(f"{STEPS} steps, {time.process_time() - began:.0f} s of one core")

# %% [markdown]
# The errors below are mean squared errors over 8,000 new problems, divided by that of always saying 0. One thing cannot be measured: close to 3 examples of 3 inputs, least squares must divide by numbers that can be arbitrarily close to 0, and with noise the *expected* squared error for 2, 3 and 4
# examples is infinite. Some sample mean would come out, and another one tomorrow. The figure marks it at its upper edge.

# %% experiment
power = INPUTS + NOISE**2
curves, bands = {}, {}
for name in ("least squares", "transformer", "ridge"):
    pairs = [with_interval((guesses[name][:, n] - new_y[:, n, 0]).square() / power) for n in range(MOST + 1)]
    if name == "least squares":
        pairs = [(math.inf, 0.0) if abs(n - INPUTS) <= 1 else pair for n, pair in enumerate(pairs)]
    curves[name] = [mean for mean, _ in pairs]
    bands[name] = [(mean - half, mean + half) for mean, half in pairs]
print("examples      " + "".join(f"{n:7}" for n in range(MOST + 1)))
for name, curve in curves.items():
    print(f"{name:14}" + "".join(f"{value:7.2f}" for value in curve))


def distance(name, other):
    """Mean squared difference of two methods' predictions after 5 and more examples, relative."""
    return with_interval((guesses[name][:, 5:] - guesses[other][:, 5:]).square().mean(1) / power)


to_ridge, to_squares = distance("transformer", "ridge"), distance("transformer", "least squares")
print(f"difference from the transformer's predictions: ridge {to_ridge[0]:.3f} ± {to_ridge[1]:.3f}, least squares {to_squares[0]:.3f} ± {to_squares[1]:.3f}")
plots.lines(
    list(range(MOST + 1)),
    curves,
    intervals={name: bands[name] for name in ("transformer", "ridge")},
    title="The transformer follows ridge, and has no trouble where least squares has",
    x_label="examples in the prompt",
    y_label="squared error, always saying 0 = 1",
    alt="Squared error against 0 to 8 examples. Ridge falls steadily and is the lowest. The transformer falls with it, a little above. Least squares is infinite at 2, 3 and 4 examples and comes down to ridge after that.",
)

# %% [markdown]
# | | |
# |---|---|
# | **Claim** | A transformer trained from scratch on random linear functions learns new ones from examples about as well as least squares (Garg et al. 2022). With noise in the answers, trained transformers come close to the Bayes predictor, that is ridge with the right strength, rather than to least squares (Akyürek et al. 2022). |
# | **Here** | Agrees in kind: the error falls with every example, there is no peak at 3 examples, and the predictions are closer to those of ridge than to those of least squares. |
# | **Where they differ** | Ours stays above ridge, by more the more examples there are. It had seconds of training and 3 inputs; Garg et al. trained 12 layers on 20 inputs for 500,000 steps. And our example is one token, theirs is two: then a model must first learn which $y$ belongs to which $x$, which here takes longer than we have. |

# %% [markdown] question="mechanism" points=3 minutes=5
# **Question 2.** (a) Ridge with $\lambda = \sigma^2$ is the floor for this task. What would have to change in the *training* prompts for another $\lambda$ to be best, and would the transformer follow?
# (b) The curve of the transformer resembles that of ridge. Does this show that it computes $(X^\top X + \lambda I)^{-1}$ somewhere? Name an experiment that would tell more than the curve.
# (c) For one linear layer we compared the matrices themselves. Why is this convincing there, and hardly possible for the transformer?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) The noise, or the spread of the true weights: lambda is the ratio of their variances. A transformer trained on such prompts learns the new predictor; one trained before keeps its old one (it has no way to know). (b) No: other computations give almost the same predictions (some steps of gradient descent, GD++). Look
# inside: probe the stream for X^T Y or the weights layer by layer, compare predictions on unusual data (other scales, correlated inputs) where the methods differ, or change activations and see whether predictions follow. (c) There only two products of matrices matter, and the loss has one best value for them up to a factor; a transformer with softmax and feed-forward layers
# has very many settings of parameters with the same behaviour, and no single matrix that stands for the algorithm.
# ### END MARK SCHEME

# %% [markdown]
# ## 8 The other answer: Bayes
#
# Regression prompts are a toy: nobody writes web pages in that form. Why should a model trained on *text* learn from examples? Xie et al. (2022) answer: because a document is *about* something. Who wants to predict the next word of a document must infer, from what was read so far, what kind of document it is, its hidden
# **concept**. Examples in a prompt are evidence for a concept like any other text. In their model world a concept $c$ is a **hidden Markov model** (HMM):
#
# - there are hidden states; the first is drawn from `start`, each later one from the row of `transition` that belongs to the state before;
# - each state emits a token, drawn from its row of `emission`.
#
# A document is written by one concept from beginning to end, and a reader who knows all the concepts, but not which one is at work, should predict
#
# $$P(\text{next} \mid \text{text}) = \sum_c P(c \mid \text{text})\; P(\text{next} \mid \text{text}, c), \qquad P(c \mid \text{text}) \propto P(c)\, P(\text{text} \mid c)$$
#
# This needs three pieces: for each concept the likelihood of the text and a prediction; the posterior; and the mixture.
#
# **The first piece**, for one HMM, is the **forward algorithm** (Baum and Petrie 1966; see Rabiner 1989). It keeps a *belief*: how likely is each state at the next place, given the text so far? Before anything is read, the belief is `start`. Then, for each token:
#
# 1. multiply the belief of each state by how likely that state emits the token; the sum of these products is $P(\text{token} \mid \text{text before})$;
# 2. divide by this sum, and you have the belief about the state that has just spoken;
# 3. take one step with `transition`: the belief about the next state. With `emission` it becomes the prediction of the next token.
#
# **An example.** Two states, two tokens; start $(0.75, 0.25)$; state 0 emits token 0 with probability 0.9, state 1 with 0.2. The first token is 0: products $0.675$ and $0.05$, sum $0.725$. So $\ln P = -0.322$, and the state was 0 with probability $0.931$. If states change as
# $\begin{pmatrix} 0.5 & 0.5 \\ 0.2 & 0.8 \end{pmatrix}$, the belief about the next one is $(0.479, 0.521)$, and the next token is 0 with probability $0.479 \cdot 0.9 + 0.521 \cdot 0.2 = 0.536$.

# %% [markdown]
# ### Exercise 7: the forward algorithm
#
# Return both things for *every* beginning of the text, the empty one included: its log likelihood, and the prediction of the token after it.
#
# <details><summary>Hint 1: why logs, and why divide?</summary>
#
# The probability of a text of 2,000 tokens is far below the smallest float. Dividing in each step keeps the belief near 1; the logs of what you divided by add up to the log likelihood.
# </details>
#
# <details><summary>Hint 2: pseudocode</summary>
#
#     belief = start, total = 0; note down total and the prediction
#     for each token:
#         products of the belief and the column of emission
#         total += log of their sum
#         belief = products / sum, moved on by transition
#         note down total and the prediction
# </details>
#
# <details><summary>I see 0.85 instead of 0.54 in the second row</summary>
#
# You predicted from the state that has just spoken. The next token comes from the next state: take the step with `transition` first.
# </details>

# %% exercise="forward_algorithm" minutes=13 difficulty=3
def forward_algorithm(tokens: Tensor, start: Tensor, transition: Tensor, emission: Tensor) -> tuple[Tensor, Tensor]:
    """Return log likelihoods (T + 1,) and next-token predictions (T + 1, V) of a hidden Markov model.

    tokens      the text, (T,) long; row t of the results is about its first t tokens
    start       probability of each first state, (S,)
    transition  [i, j] is the probability that state j follows state i, (S, S)
    emission    [i, v] is the probability that state i emits token v, (S, V)
                zeros may occur in all three; the text itself is possible

    >>> start, transition = torch.tensor([0.75, 0.25]), torch.tensor([[0.5, 0.5], [0.2, 0.8]])
    >>> logs, predictions = forward_algorithm(torch.tensor([0]), start, transition, torch.tensor([[0.9, 0.1], [0.2, 0.8]]))
    >>> logs
    tensor([ 0.0000, -0.3216])
    >>> predictions
    tensor([[0.7250, 0.2750],
            [0.5355, 0.4645]])
    """
    ### BEGIN SOLUTION
    belief, total = start, torch.zeros((), dtype=start.dtype)
    logs, predictions = [total], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        total = total + torch.log(joint.sum())
        belief = joint / joint.sum() @ transition
        logs.append(total)
        predictions.append(belief @ emission)
    return torch.stack(logs), torch.stack(predictions)
    ### END SOLUTION


# %% test="forward_algorithm" points=5
two_starts = torch.tensor([0.75, 0.25], dtype=torch.float64)
two_transitions = torch.tensor([[0.5, 0.5], [0.2, 0.8]], dtype=torch.float64)
two_emissions = torch.tensor([[0.9, 0.1], [0.2, 0.8]], dtype=torch.float64)
logs, nexts = forward_algorithm(torch.tensor([0, 1]), two_starts, two_transitions, two_emissions)
check.equal(
    nexts,
    torch.tensor([[0.725, 0.275], [0.535517, 0.464483], [0.361670, 0.638330]], dtype=torch.float64),
    name="predictions before, within and after the text (0, 1)",
    atol=1e-5,
    causes=[
        (lambda p: tuple(p.shape) == (2, 2), "T + 1 rows are wanted: the first is about the empty text."),
        (lambda p: abs(float(p[0, 0]) - 0.4975) < 1e-4, "start is the belief about the first state: do not move on before the first token."),
        (lambda p: abs(float(p[1].sum()) - 1) > 1e-3, "the rows of transition are the states before: the belief is a row, and stands on the left of the product."),
        (lambda p: abs(float(p[1, 0]) - 0.851724) < 1e-4, "this is the prediction before the step to the next state."),
        (lambda p: abs(float(p[1, 0]) - 0.4975) < 1e-4, "the belief does not learn from the token: multiply it by the column of emission and divide by the sum."),
        (lambda p: abs(float(p[1, 0]) - 0.55) < 1e-4, "the most likely state alone was followed; keep the whole belief and sum over all states."),
    ],
)
check.equal(
    logs,
    torch.tensor([0.0, -0.321584, -1.088417], dtype=torch.float64),
    name="log likelihoods of the beginnings of (0, 1)",
    atol=1e-4,
    causes=[
        (torch.tensor([0.0, -0.321584, -0.766833], dtype=torch.float64), "this is the log probability of each token alone; add them up."),
        (torch.tensor([1.0, 0.725, 0.336750], dtype=torch.float64), "the log is missing."),
        (torch.tensor([0.0, -0.392963, -1.309254], dtype=torch.float64), "the most likely state alone was followed; sum over all states."),
    ],
)
long_logs, long_nexts = forward_algorithm(torch.zeros(1500, dtype=torch.long), two_starts, two_transitions, two_emissions)
check.that(
    bool(long_logs.isfinite().all()) and bool(long_nexts.isfinite().all()),
    "A text of 1,500 tokens has a probability that is too small for a float.\nLikely cause: the belief is never divided by its sum, so that it becomes 0.",
)
### BEGIN HIDDEN TESTS
import itertools

torch.manual_seed(107)


def chain(S, V):
    return [torch.softmax(2 * torch.randn(*shape, dtype=torch.float64), -1) for shape in [(S,), (S, S), (S, V)]]


def probability_by_paths(text, start, transition, emission):
    total = 0.0
    for path in itertools.product(range(len(start)), repeat=len(text)):
        p = 1.0
        for place, (state, token) in enumerate(zip(path, text)):
            p *= float(start[state] if place == 0 else transition[path[place - 1], state]) * float(emission[state, token])
        total += p
    return total


for S, V, T in [(1, 2, 3), (2, 3, 4), (3, 4, 4), (4, 2, 2), (3, 3, 0)]:
    hmm = chain(S, V)
    text = torch.randint(V, (T,))
    logs, nexts = forward_algorithm(text, *hmm)
    check.equal(tuple(nexts.shape), (T + 1, V), name="the shape of the predictions")
    check.equal(tuple(logs.shape), (T + 1,), name="the shape of the log likelihoods")
    for t in range(T + 1):
        p = probability_by_paths(text[:t].tolist(), *hmm)
        check.equal(float(logs[t]), math.log(p), name=f"the log likelihood of {t} tokens, {S} states", atol=1e-9)
        check.equal(nexts[t], torch.tensor([probability_by_paths([*text[:t].tolist(), v], *hmm) / p for v in range(V)], dtype=torch.float64), name="the prediction", atol=1e-9)
hmm = chain(4, 5)
text = torch.randint(5, (700,))
logs, nexts = forward_algorithm(text, *hmm)
check.distribution(nexts, axis=1, name="predictions of a long text")
check.equal(logs[1:] - logs[:-1], nexts[:-1].gather(1, text[:, None])[:, 0].log(), name="steps of the log likelihood", atol=1e-8)
changed = text.clone()
changed[350:] = torch.randint(5, (350,))
check.equal(forward_algorithm(changed, *hmm)[1][:351], nexts[:351], name="predictions before a change")
check.equal(str(forward_algorithm(text[:3], *[part.float() for part in hmm])[0].dtype), "torch.float32", name="the number type for float32")
one_way = [torch.tensor([1.0, 0.0]), torch.tensor([[0.5, 0.5], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [0.25, 0.75]])]
logs, nexts = forward_algorithm(torch.tensor([0, 1, 0]), *one_way)
check.equal(logs.exp(), torch.tensor([1.0, 1.0, 0.375, 0.09375]), name="likelihoods with zeros in all three tables")
check.equal(nexts[2:], torch.tensor([[0.25, 0.75], [0.25, 0.75]]), name="predictions with zeros in all three tables")
### END HIDDEN TESTS

# %% [markdown]
# **The second piece** is Bayes' rule. $P(c \mid \text{text})$ is proportional to $P(c)\,P(\text{text} \mid c)$. The likelihoods come as logs, and have to stay logs until the moment of normalising: after 2,000 tokens they are numbers like $-3000$, and $e^{-3000}$ is 0 for a computer. The difference of two such
# logs is all that counts, and that is harmless.
#
# **An example.** Log likelihoods $-10$ and $-11$, priors $0.2$ and $0.8$. The first concept explains the text $e = 2.72$ times better but is four times rarer: $2.72 \cdot 0.2 : 1 \cdot 0.8 = 0.405 : 0.595$ after dividing by the sum.

# %% [markdown]
# ### Exercise 8: the posterior over concepts
#
# <details><summary>Hint: which function turns logs into probabilities that sum to 1?</summary>
#
# The log of a product is the sum of the logs. `softmax` exponentiates and normalises, and subtracts the largest first, so that nothing is lost.
# </details>

# %% exercise="concept_posterior" minutes=5 difficulty=1
def concept_posterior(log_likelihoods: Tensor, prior: Tensor) -> Tensor:
    """Return the probability of each concept given the text, (..., M); each row sums to 1.

    log_likelihoods  log P(text | concept), (..., M), a row per text; may be as low as -10,000
    prior            P(concept), (M,), none is 0

    >>> concept_posterior(torch.tensor([-10.0, -11.0]), torch.tensor([0.2, 0.8]))
    tensor([0.4046, 0.5954])
    """
    ### BEGIN SOLUTION
    return torch.softmax(log_likelihoods + torch.log(prior), dim=-1)
    ### END SOLUTION


# %% test="concept_posterior" points=3
check.equal(
    concept_posterior(torch.tensor([-10.0, -11.0]), torch.tensor([0.2, 0.8])),
    torch.tensor([0.404610, 0.595390]),
    name="log likelihoods (-10, -11), prior (0.2, 0.8)",
    atol=1e-4,
    causes=[
        (torch.tensor([0.731059, 0.268941]), "the prior has no effect."),
        (torch.tensor([0.598688, 0.401312]), "the log of the prior is added to logs, not the prior itself."),
        (lambda p: float(p[0]) > 0.99, "the log likelihoods were multiplied by the prior; the log of a product is a sum of logs."),
        (torch.tensor([0.146212, 0.215153]), "these do not sum to 1: weigh by the prior first, then normalise."),
        (torch.tensor([-0.904832, -0.518538]), "these are logs; take the exponential."),
        (torch.tensor([0.0, 1.0]), "one concept gets everything; the posterior keeps the doubt."),
    ],
)
check.equal(
    concept_posterior(torch.tensor([[-3000.0, -3001.0], [-11.0, -10.0]]), torch.tensor([0.5, 0.5])),
    torch.tensor([[0.731059, 0.268941], [0.268941, 0.731059]]),
    name="two texts, one of them long: log likelihoods (-3000, -3001) and (-11, -10)",
    atol=1e-4,
    causes=[
        (lambda p: bool(p.isnan().any()), "exp(-3000) is too small for a float: normalise in log space."),
        (lambda p: not bool(((p.sum(-1) - 1).abs() < 1e-4).all()), "each row is a text and sums to 1."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(108)
for shape, scale in [((1,), 1.0), ((5,), 3.0), ((4, 3), 2.0), ((2, 3, 6), 1.0), ((3, 4), 1000.0)]:
    log_likelihoods = -scale * torch.rand(*shape, dtype=torch.float64)
    prior = torch.softmax(torch.randn(shape[-1], dtype=torch.float64), 0)
    got = concept_posterior(log_likelihoods, prior)
    check.distribution(got, axis=-1, name="the posterior")
    joint = log_likelihoods + prior.log()
    check.equal(got, torch.exp(joint - torch.logsumexp(joint, -1, keepdim=True)), name=f"shape {shape}, scale {scale:g}", atol=1e-9)
    check.equal(concept_posterior(log_likelihoods - 5000, prior), got, name="logs that are lower by 5,000", atol=1e-6)
check.equal(concept_posterior(torch.zeros(4), torch.tensor([0.1, 0.2, 0.3, 0.4])), torch.tensor([0.1, 0.2, 0.3, 0.4]), name="no evidence leaves the prior")
### END HIDDEN TESTS

# %% [markdown]
# **The third piece**, the mixture, weighs each concept's prediction by the concept's posterior. With two concepts at $0.405$ and $0.595$ that predict $(0.5, 0.3, 0.2)$ and $(0.1, 0.1, 0.8)$, the first token gets $0.405 \cdot 0.5 + 0.595 \cdot 0.1 = 0.262$.

# %% [markdown]
# ### Exercise 9: the posterior predictive
#
# <details><summary>Hint: axes</summary>
#
# The posterior has shape (..., M), the predictions (..., M, V): one more axis. `weights[..., None]` fits them together; the sum is over the concepts.
# </details>

# %% exercise="posterior_predictive" minutes=5 difficulty=2
def posterior_predictive(log_likelihoods: Tensor, prior: Tensor, predictions: Tensor) -> Tensor:
    """Return the Bayesian prediction of the next token, (..., V).

    log_likelihoods  log P(text | concept), (..., M), as low as -10,000
    prior            P(concept), (M,)
    predictions      P(next token | text, concept), (..., M, V)

    >>> predictions = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
    >>> posterior_predictive(torch.tensor([-10.0, -11.0]), torch.tensor([0.2, 0.8]), predictions)
    tensor([0.2618, 0.1809, 0.5572])
    """
    ### BEGIN SOLUTION
    weights = torch.softmax(log_likelihoods + torch.log(prior), dim=-1)
    return (weights[..., None] * predictions).sum(dim=-2)
    ### END SOLUTION


# %% test="posterior_predictive" points=3
two_predictions = torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.1, 0.8]])
check.equal(
    posterior_predictive(torch.tensor([-5.0, -6.0]), torch.tensor([0.2, 0.8]), two_predictions),
    torch.tensor([0.261844, 0.180922, 0.557234]),
    name="two concepts with log likelihoods (-5, -6) and priors (0.2, 0.8)",
    atol=1e-4,
    causes=[
        (torch.tensor([0.18, 0.14, 0.68]), "the predictions are weighed by the prior; use the posterior."),
        (torch.tensor([0.392423, 0.246212, 0.361365]), "the prior has no effect."),
        (torch.tensor([0.1, 0.1, 0.8]), "this is the prediction of the most likely concept alone; mix them all."),
        (torch.tensor([0.3, 0.2, 0.5]), "all concepts count the same; weigh them by the posterior."),
        (torch.tensor([0.238443, 0.193924, 0.567633]), "mix the probabilities, not their logs."),
        (lambda p: tuple(p.shape) == (3,) and float(p.sum()) < 0.1, "the weights do not sum to 1: normalise the posterior."),
        (lambda p: tuple(p.shape) == (2,), "the sum is over the concepts, the axis before the last one."),
    ],
)
check.equal(
    posterior_predictive(torch.tensor([-4000.0, -4001.0]), torch.tensor([0.5, 0.5]), two_predictions),
    torch.tensor([0.392423, 0.246212, 0.361365]),
    name="the same after a long text, log likelihoods (-4000, -4001) and equal priors",
    atol=1e-4,
    causes=[(lambda p: True, "exp(-4000) is too small for a float: normalise in log space.")],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(109)
for shape, V, scale in [((1,), 2, 1.0), ((3,), 5, 2.0), ((4, 3), 2, 1.0), ((2, 3, 6), 4, 1.0), ((5, 2), 3, 2000.0)]:
    log_likelihoods = -scale * torch.rand(*shape, dtype=torch.float64)
    prior = torch.softmax(torch.randn(shape[-1], dtype=torch.float64), 0)
    predictions = torch.softmax(torch.randn(*shape, V, dtype=torch.float64), -1)
    got = posterior_predictive(log_likelihoods, prior, predictions)
    joint = log_likelihoods + prior.log()
    posterior = torch.exp(joint - torch.logsumexp(joint, -1, keepdim=True))
    check.distribution(got, axis=-1, name="the prediction")
    check.equal(got, torch.einsum("...m,...mv->...v", posterior, predictions), name=f"shape {shape}, {V} tokens", atol=1e-9)
check.equal(posterior_predictive(torch.zeros(2), torch.tensor([0.25, 0.75]), two_predictions), torch.tensor([0.2, 0.15, 0.65]), name="no evidence: the prior mixes")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: a world of eight concepts
#
# Eight concepts, each an HMM over eight letters with three states of its own. One more state writes a slash and then starts afresh; it comes with probability one sixth. So documents look like lists of short strings, and strings of one document resemble each other.

# %% experiment
CONCEPTS, STATES, LETTERS, SLASH, LENGTH = 8, 3, "abcdefgh", 8, 48


def make_concepts(seed):
    """Draw start (M, S + 1), transition (M, S + 1, S + 1) and emission (M, S + 1, 9); the last state writes the slash."""
    torch.manual_seed(seed)

    def dirichlet(shape, size, spread):
        return torch.distributions.Dirichlet(torch.full((size,), spread, dtype=torch.float64)).sample(shape)

    start = torch.full((CONCEPTS, STATES + 1), 1 / STATES, dtype=torch.float64)
    start[:, -1] = 0
    transition = torch.full((CONCEPTS, STATES + 1, STATES + 1), 1 / 6, dtype=torch.float64)
    transition[:, :-1, :-1] = 5 / 6 * dirichlet((CONCEPTS, STATES), STATES, 0.3)
    transition[:, -1] = start
    emission = torch.zeros(CONCEPTS, STATES + 1, 9, dtype=torch.float64)
    emission[:, :-1, :-1] = 0.99 * dirichlet((CONCEPTS, STATES), 8, 0.1) + 0.01 / 8
    emission[:, -1, SLASH] = 1
    return start, transition, emission


starts, transitions, emissions = make_concepts(seed=4)
prior = torch.full((CONCEPTS,), 1 / CONCEPTS, dtype=torch.float64)


def write(n, generator, examples=None):
    """Let n documents be written: their tokens (n, LENGTH) and concepts (n,).

    With `examples`, each is a prompt of so many examples of five letters and a slash, (n, 6 * examples).
    """
    concept = torch.randint(CONCEPTS, (n,), generator=generator)
    state, tokens = torch.multinomial(starts[concept], 1, generator=generator)[:, 0], []
    for place in range(LENGTH if examples is None else 6 * examples):
        tokens.append(torch.multinomial(emissions[concept, state], 1, generator=generator)[:, 0])
        follow = transitions[concept, state].clone()
        if examples is not None and place % 6 == 4:
            follow = F.one_hot(torch.full((n,), STATES), STATES + 1).double()
        elif examples is not None and place % 6 < 4:
            follow[:, -1] = 0
        state = torch.multinomial(follow, 1, generator=generator)[:, 0]
    return torch.stack(tokens, 1), concept


def by_bayes(texts):
    """The posterior (n, T + 1, M), the Bayesian predictions (n, T + 1, 9), and those of each concept (n, T + 1, M, 9)."""
    logs, nexts = [], []
    for text in texts:
        pairs = [forward_algorithm(text, *hmm) for hmm in zip(starts, transitions, emissions)]
        logs.append(torch.stack([log for log, _ in pairs], dim=-1))
        nexts.append(torch.stack([prediction for _, prediction in pairs], dim=-2))
    logs, nexts = torch.stack(logs), torch.stack(nexts)
    return concept_posterior(logs, prior), posterior_predictive(logs, prior, nexts), nexts


some_texts, some_concepts = write(5, torch.Generator().manual_seed(3))
for text, concept in zip(some_texts, some_concepts):
    print(f"concept {concept + 1}:  " + "".join((LETTERS + "/")[token] for token in text))

# %% [markdown]
# Here is what your posterior makes of the first document, token by token. A square is the probability of a concept (row) after the tokens so far (columns).

# %% experiment
watched = some_texts[0][:18]
belief_over_time = by_bayes(watched[None])[0][0]
plots.attention(
    belief_over_time[1:].T.numpy(),
    [f"concept {m + 1}" for m in range(CONCEPTS)],
    [(LETTERS + "/")[token] for token in watched],
    title="A few letters are enough to tell which concept is writing",
    alt=f"Eight rows, one for each concept, and eighteen columns, one for each token. At first the squares are spread over several rows; later most of the area is in the row of concept {int(some_concepts[0]) + 1}, which wrote the text.",
)

# %% [markdown]
# ### Experiment: does a transformer do Bayes?
#
# A small GPT is trained to predict the next token of such documents, and on nothing else. Then it gets **prompts**: examples of exactly five letters, cut off by slashes. Documents of this regular form hardly ever occur in its training text: that is the mismatch that Xie et al. had in mind. The last letter of each
# string plays the part of the label: it is predicted after $n$ complete examples and four letters of the query. We compare the model's distribution for that letter with yours, the exact Bayesian one, by the Kullback-Leibler divergence: the extra nats that the model pays.

# %% experiment
BEGIN = 9  # the token that stands before a document


def with_begin(texts):
    return F.pad(texts, (1, 0), value=BEGIN)


documents, _ = write(16_000, torch.Generator().manual_seed(0))
training_set = Batches(with_begin(documents)[:, :-1], documents, characters=documents.numel())
torch.manual_seed(0)
reader = GPT(GPTConfig(vocab_size=10, n_positions=LENGTH + 1, n_layers=2, n_heads=4, embedding_dim=64, positions="rotary"))
history = train(reader, training_set, steps=300, batch_size=64, learning_rate=6e-3, device="cpu", dtype="float32", label="documents")


@torch.no_grad()
def by_reader(texts):
    """The GPT's predictions before and after every token, (n, T + 1, 9)."""
    return reader(with_begin(texts))[0][..., :9].double().softmax(-1)


def divergence(p, q):
    """KL(p || q) over the last axis, in nats."""
    return (p * (p.clamp(min=1e-30).log() - q.log())).sum(-1)


EXAMPLES = 8
test_prompts, test_concepts = write(300, torch.Generator().manual_seed(2), examples=EXAMPLES)
_, exact, per_concept = by_bayes(test_prompts)
labels_at = torch.arange(EXAMPLES) * 6 + 4  # the fifth letter of each string, after n complete examples
truth = per_concept[torch.arange(300), :, test_concepts][:, labels_at]  # what the concept itself predicts
exact_labels, model_labels = exact[:, labels_at], by_reader(test_prompts)[:, labels_at]
to_bayes, bayes_to_truth, to_truth = (divergence(p, q) for p, q in [(exact_labels, model_labels), (truth, exact_labels), (truth, model_labels)])
kl = [with_interval(to_bayes[:, n]) for n in range(EXAMPLES)]
print("KL of the model from the Bayesian prediction, in nats, after n examples:")
print("   ".join(f"{n}: {mean:.3f} ± {half:.3f}" for n, (mean, half) in enumerate(kl)))
fewer, more = to_bayes[:, :2].mean(1), to_bayes[:, -3:].mean(1)
kl_fall = with_interval(fewer - more)
print(f"it falls by {kl_fall[0]:.3f} ± {kl_fall[1]:.3f} from 0-1 examples ({float(fewer.mean()):.3f}) to 5-7 examples ({float(more.mean()):.3f})")

# %% experiment
tracks = {"model from the concept": to_truth, "Bayes from the concept": bayes_to_truth, "model from Bayes": to_bayes}
plots.lines(
    list(range(EXAMPLES)),
    {name: track.mean(0).tolist() for name, track in tracks.items()},
    intervals={name: [(mean - half, mean + half) for mean, half in (with_interval(track[:, n]) for n in range(EXAMPLES))] for name, track in tracks.items()},
    title="With more examples, model and Bayes come closer to the concept, and to each other",
    x_label="examples in the prompt",
    y_label="KL divergence (nats)",
    alt="Three falling lines against 0 to 7 examples. The divergence of the model from the true concept's prediction is the highest and falls the most; that of Bayes from the concept falls to nearly zero; that of the model from Bayes falls to less than it was without examples.",
)

# %% [markdown]
# | | |
# |---|---|
# | **Claim** | A language model trained on a mixture of HMMs learns in context: as examples are added, its prediction approaches that of the concept behind the prompt, although prompts are not drawn like documents. In-context learning is implicit Bayesian inference (Xie et al. 2022). |
# | **Here** | Agrees: the exact posterior finds the concept after an example or two, and the GPT, which was never told that there are concepts, follows it. Its divergence from the Bayesian prediction falls with examples. |
# | **Where they differ** | The GPT does not reach Bayes: some divergence remains, and most of what is left after seven examples is its own, not doubt about the concept. Our concepts differ in their letters as well as in their transitions; in the paper they share their emissions. And the fall of the divergence *from Bayes* is no law. It needs a world in which telling the concepts apart is the hard part: when this notebook was made, the same training in worlds of fewer concepts with more states, or with shared emissions, left it level or made it rise. That model and Bayes come closer to the *concept* held in another world, too. |

# %% [markdown]
# ## 9 Do the labels matter?
#
# Min et al. (2022) did something odd to twelve language models: in prompts for classification they replaced the labels of the examples by random ones. Accuracy hardly fell. What use are examples, then?
#
# The two answers of this notebook say different things, and both of your models can be asked.
#
# - For the **regression** transformer, everything about the task is in the pairing of $x$ and $y$. Shuffle the answers, and there is nothing left to learn.
# - For the **documents**, the last letter of a string is one sign of its concept among five. Put a random letter there, and the other four still say which concept it is.
#
# The measure is the same for both: how much of what right examples gain is still gained with random labels? 100% means that labels do not matter; 0% that the examples are as good as none; less, that they do harm.

# %% experiment
def gain_kept(none, right, wrong):
    """Share of the gain from right examples that examples with wrong labels still give, with a bootstrap interval."""

    def share(rows):
        return float((none[rows].mean() - wrong[rows].mean()) / (none[rows].mean() - right[rows].mean()))

    generator = torch.Generator().manual_seed(0)
    draws = sorted(share(torch.randint(len(none), (len(none),), generator=generator)) for _ in range(400))
    return share(torch.arange(len(none))), draws[9], draws[389]


shuffled_generator = torch.Generator().manual_seed(5)
shuffle = torch.stack([torch.randperm(MOST, generator=shuffled_generator) for _ in range(len(new_x))])
shuffled_y = torch.cat([new_y[:, :MOST].gather(1, shuffle[..., None]), new_y[:, MOST:]], dim=1)
random_labels = test_prompts.clone()
random_labels[:, labels_at[:-1]] = torch.randint(8, (300, EXAMPLES - 1), generator=shuffled_generator)
with torch.no_grad():
    shuffled_guess = regressor(new_x, shuffled_y)[:, MOST, 0].double()
shuffled_ridge = ridge_predict(new_x[:, :MOST].double(), shuffled_y[:, :MOST].double(), new_x[:, MOST].double(), NOISE**2)[:, 0]
answers = new_y[:, MOST, 0].double()
exact_random = by_bayes(random_labels)[1][:, labels_at[-1]]
reader_random = by_reader(random_labels)[:, labels_at[-1]]
# Without examples, the query must be the same one: the last string of each prompt, alone.
query_alone = test_prompts[:, -6:]
kept = {
    "regression: ridge": gain_kept(answers.square(), (guesses["ridge"][:, MOST] - answers).square(), (shuffled_ridge - answers).square()),
    "regression: transformer": gain_kept(answers.square(), (guesses["transformer"][:, MOST] - answers).square(), (shuffled_guess - answers).square()),
    "documents: Bayes": gain_kept(divergence(truth[:, -1], by_bayes(query_alone)[1][:, 4]), bayes_to_truth[:, -1], divergence(truth[:, -1], exact_random)),
    "documents: GPT": gain_kept(divergence(truth[:, -1], by_reader(query_alone)[:, 4]), to_truth[:, -1], divergence(truth[:, -1], reader_random)),
}
for name, (share, low, high) in kept.items():
    print(f"{name:24} {share:7.0%} of the gain is kept ({low:.0%} to {high:.0%})")
plots.bars(
    {name: 100 * share for name, (share, _, _) in kept.items()},
    title="Wrong labels take everything from regression, and little from the documents",
    x_label="gain from examples that is kept with random labels (%)",
    highlight=["documents: Bayes", "documents: GPT"],
    alt="Four bars. Of the gain from examples, ridge and the transformer keep nothing with shuffled answers, or less; Bayes and the GPT on documents keep nearly all of it with random labels.",
)

# %% [markdown]
# | | |
# |---|---|
# | **Claim** | Replacing the labels of demonstrations by random ones barely hurts; the label space, the inputs and the format do the work (Min et al. 2022). |
# | **Here** | It depends on what the examples are needed for. Where they *point to* something already known (the documents), agrees. Where they must *teach* something (regression), disagrees completely. |
# | **Where they differ** | Min et al. tested classification with large pretrained models, which know sentiment or topics before they see the prompt: that is the first case. Our "labels" are the last letters of strings. For labels of real text, notebook 11 repeats the test with `course-lm`. |

# %% [markdown]
# ## 10 When a few examples are worse than none
#
# Sometimes the error of a large model *rises* with the first examples, and falls only with many. Lin and Lee (2024) call it **early ascent** and explain it by the two things that examples do, the two halves of this notebook: they *retrieve* a known task, and they *teach* a new one. Retrieval is quick, and can retrieve the wrong task.
#
# The setting is regression with two known groups of tasks. Group A has its inputs around one centre, and weights around $w_A$; group B has another centre, and $w_B$. A is rare. Now comes a *new* task: its inputs look like those of A, but its weights are half of $w_B$, so much nearer to B's. At first the prior says B, which is about right. Then inputs
# speak for A, and answers, being noisy, are slow to object. All of this is a posterior over two concepts, and your `concept_posterior` computes it.

# %% experiment
def early_ascent(n_most, prior_of_A, repeats=4000):
    """Squared errors of the best Bayesian prediction after 0 to n_most examples, and its belief in A, (repeats, n_most + 1) each."""
    one = torch.ones(2, dtype=torch.float64)
    centres, known = torch.stack([0.5 * one, -0.5 * one]), torch.stack([one, -one]) / math.sqrt(2)
    centre_spread, weight_spread, noise = 0.1, 0.5, 2.0  # of a task around its group's centre and weights; of answers
    true_centre, true_weights = centres[0], 0.5 * known[1]
    generator = torch.Generator().manual_seed(0)
    X = true_centre + torch.randn(repeats, n_most + 1, 2, generator=generator, dtype=torch.float64)
    Y = X @ true_weights + noise * torch.randn(repeats, n_most + 1, generator=generator, dtype=torch.float64)
    queries = true_centre + torch.randn(repeats, 2, generator=generator, dtype=torch.float64)
    prior = torch.tensor([prior_of_A, 1 - prior_of_A], dtype=torch.float64)
    # For each group: what is believed of centre and weights, and the log likelihood of the examples so far.
    centre, centre_variance = centres.expand(repeats, 2, 2), centre_spread**2
    weights, spread = known.expand(repeats, 2, 2), weight_spread**2 * torch.eye(2, dtype=torch.float64).expand(repeats, 2, 2)
    evidence, errors, beliefs = torch.zeros(repeats, 2, dtype=torch.float64), [], []
    for n in range(n_most + 1):
        of_query = -(queries[:, None] - centre).square().sum(-1) / 2 / (centre_variance + 1)
        posterior = concept_posterior(evidence + of_query, prior)
        guess = (posterior * (weights * queries[:, None]).sum(-1)).sum(-1)
        errors.append((guess - queries @ true_weights).square())
        beliefs.append(posterior[:, 0])
        x, y = X[:, n], Y[:, n]
        evidence = evidence - (x[:, None] - centre).square().sum(-1) / 2 / (centre_variance + 1)
        centre = centre + centre_variance / (centre_variance + 1) * (x[:, None] - centre)
        centre_variance = centre_variance / (centre_variance + 1)
        along = (spread @ x[..., None])[..., 0]
        variance = (x * along).sum(-1) + noise**2
        surprise = y[:, None] - (weights * x[:, None]).sum(-1)
        evidence = evidence - surprise.square() / 2 / variance[:, None]
        weights = weights + surprise[..., None] * (along / variance[:, None])[:, None]
        spread = spread - along[:, :, None] * along[:, None] / variance[:, None, None]
    return torch.stack(errors, 1), torch.stack(beliefs, 1)


risks, beliefs_in_A = early_ascent(64, prior_of_A=0.03)
risk = [with_interval(risks[:, n]) for n in range(65)]
peak = max(range(65), key=lambda n: risk[n][0])
for n in (0, 1, 2, peak, 16, 32, 64):
    print(f"{n:2} examples: risk {risk[n][0]:.2f} ± {risk[n][1]:.2f}, belief in A {float(beliefs_in_A[:, n].mean()):.2f}")
common_risks, _ = early_ascent(64, prior_of_A=0.5)
plots.lines(
    list(range(65)),
    {"A is rare": [mean for mean, _ in risk], "A is as likely as B": common_risks.mean(0).tolist()},
    intervals={"A is rare": [(mean - half, mean + half) for mean, half in risk]},
    title="The first examples retrieve the wrong task, later ones teach the right one",
    x_label="examples in the prompt",
    y_label="mean squared error",
    alt="Mean squared error against 0 to 64 examples. Where group A is rare, the error rises several-fold over the first handful of examples and then falls below where it began. Where both groups are equally likely it begins high.",
)

# %% [markdown]
# | | |
# |---|---|
# | **Claim** | In-context risk can first rise and then fall with the number of examples, because few examples retrieve a wrong skill and many teach the right one (Lin and Lee 2024). |
# | **Here** | Agrees, for the exact Bayesian predictor: the error multiplies with the first few examples, while the belief in the wrong group grows, and falls far below its start later. |
# | **Where they differ** | Lin and Lee also show it in trained transformers and in large language models; we show the predictor that such a model should approach. And ascent is not the rule: with both groups equally likely, examples hardly hurt. |

# %% [markdown] question="bayes" points=3 minutes=5
# **Question 3.** (a) Section 5 says that in-context learning is gradient descent, section 8 that it is Bayesian inference. Can both be true? Say for which of the two the *algorithm* is claimed, and for which the *result*.
# (b) A colleague finds that random labels do not lower accuracy in her task, and concludes that she can leave out the labels and save work. What else should she try before she decides, and what does the result say about where the model has the task from?
# (c) In the last figure, what would change if answers had less noise, and why?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Yes. Bayes describes which prediction is best for prompts from the training distribution (the result), whatever computes it; gradient descent in the layers is a claim about how it is computed (the algorithm), and shown for linear attention. For noisy regression, many steps with early stopping or ridge come close to the Bayesian answer. (b) Try no examples at all,
# examples without labels, and labels that are systematically swapped, on enough test items for an interval; and tasks whose labels are arbitrary. The task comes from pretraining: the examples retrieve it; they tell input distribution, label words and format. (c) The peak would be lower, or gone: each answer would then be stronger evidence, so the belief in A would not grow as far, and the new weights would be
# learned sooner.
# ### END MARK SCHEME

# %% [markdown]
# ## What to remember
#
# - A prompt can hold a data set, and a layer of linear attention can take a step of gradient descent on it: keys hold inputs, values hold errors, the output matrix holds the step. No weight moves.
# - What can be built and what training finds are two questions. For one linear layer the answers agree; two layers already find something better than two plain steps.
# - Measure a learner against what is known: the best single step, ridge as the floor, the exact posterior.
# - A model trained to predict text must infer what the text is about. Examples are evidence; Bayes' rule says how much.
# - Normalise in log space. Probabilities of texts are too small for anything else.
# - Examples retrieve what is known and teach what is new. Labels matter for the second; the first can go wrong.
#
# ## Further reading
#
# - T. Brown et al. (2020), *Language Models Are Few-Shot Learners*, NeurIPS. GPT-3.
# - S. Garg, D. Tsipras, P. Liang, G. Valiant (2022), *What Can Transformers Learn In-Context? A Case Study of Simple Function Classes*, NeurIPS.
# - E. Akyürek, D. Schuurmans, J. Andreas, T. Ma, D. Zhou (2022), *What Learning Algorithm Is In-Context Learning? Investigations with Linear Models*, arXiv:2211.15661.
# - J. von Oswald et al. (2022), *Transformers Learn In-Context by Gradient Descent*, arXiv:2212.07677; ICML 2023.
# - K. Ahn, X. Cheng, H. Daneshmand, S. Sra (2023), *Transformers Learn to Implement Preconditioned Gradient Descent for In-Context Learning*, NeurIPS.
# - S. M. Xie, A. Raghunathan, P. Liang, T. Ma (2022), *An Explanation of In-Context Learning as Implicit Bayesian Inference*, ICLR.
# - S. Min et al. (2022), *Rethinking the Role of Demonstrations: What Makes In-Context Learning Work?*, EMNLP.
# - Z. Lin, K. Lee (2024), *Dual Operating Modes of In-Context Learning*, ICML.
# - L. E. Baum, T. Petrie (1966), *Statistical Inference for Probabilistic Functions of Finite State Markov Chains*; L. R. Rabiner (1989), *A Tutorial on Hidden Markov Models*.

# %% submit
hand_in(
    "10_in_context_learning",
    "gradient_step",
    "regression_prompt",
    "linear_self_attention",
    "gd_construction",
    "stack_layers",
    "ridge_predict",
    "forward_algorithm",
    "concept_posterior",
    "posterior_predictive",
)
