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
# # 06 · The transformer
#
# Attention lets every word collect what it needs from the others. It is one half of the network that nearly all language models of today are made of. The other half, and the way
# the two are held together, is the subject of this notebook: you build a **transformer** (Vaswani et al. 2017) from its parts, and at the end you have GPT-2. Not something like it: the same numbers
# come out, and its published weights fit into your code.
#
# **After this notebook you can**
#
# - write every part of a transformer: normalisation, feed-forward layer, three ways to tell places apart, blocks;
# - assemble them into a GPT, an encoder, and a decoder that reads an encoder;
# - say where a model's 124 million parameters are, and load them;
# - take a transformer apart: remove a part and see what breaks, and ask a layer what it knows.
#
# **Time:** about two hours, 106 minutes of it for the exercises and questions. **Points:** 44. **You need:** attention and masks (notebook 05), modules of PyTorch, cross-entropy.

# %% setup
import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from nextword import check, corpus, hand_in, ladder, plots, preset
from nextword.batches import Batches, sentence_batches
from nextword.models.attention import MultiHeadAttention, linear_biases
from nextword.tokenizers import WordTokenizer
from nextword.training import bits_per_character, score, train

torch.set_num_threads(1)  # these networks are small: threads would wait for each other longer than they work


@dataclass
class Config:
    """The sizes of a GPT."""

    vocabulary_size: int  # V, how many tokens there are
    context: int  # the longest sequence that it can read
    n_layers: int  # blocks
    n_heads: int  # heads of attention in each block
    width: int  # C, numbers per place


GPT2_SIZES = {  # Radford et al. 2019
    "small": Config(vocabulary_size=50257, context=1024, n_layers=12, n_heads=12, width=768),
    "medium": Config(vocabulary_size=50257, context=1024, n_layers=24, n_heads=16, width=1024),
    "large": Config(vocabulary_size=50257, context=1024, n_layers=36, n_heads=20, width=1280),
    "XL": Config(vocabulary_size=50257, context=1024, n_layers=48, n_heads=25, width=1600),
}


def initialise(model):
    """Draw first weights as GPT-2 does at its width of 768: small, and smaller still where a part writes into the stream."""
    std = 0.02 * math.sqrt(768 / model.tokens.embedding_dim)
    writers = [weight for name, weight in model.named_parameters() if name.endswith(("output.weight", "down.weight"))]
    for name, weight in model.named_parameters():
        if weight.ndim == 2:
            nn.init.normal_(weight, std=std)
        elif name.endswith("bias"):
            nn.init.zeros_(weight)
    for weight in writers:
        nn.init.normal_(weight, std=std / math.sqrt(len(writers)))


def gpt2_name(name: str) -> str:
    """The name that GPT-2's files give to one of our parameters: "blocks.3.norm_1.bias" -> "h.3.ln_1.bias"."""
    theirs = {
        "tokens": "wte", "positions": "wpe", "blocks": "h", "norm": "ln_f", "head": "wte",
        "norm_1": "ln_1", "norm_2": "ln_2", "attention": "attn", "qkv": "c_attn", "output": "c_proj",
        "feed_forward": "mlp", "up": "c_fc", "down": "c_proj",
    }
    return ".".join(theirs.get(part, part) for part in name.split("."))


print(preset())

# %% [markdown]
# ## 1 The stream
#
# Every place of the text has a vector of $C$ numbers. It begins as the embedding of the token that stands there. Then it is changed, step by step, by parts of two kinds that take turns:
#
# - **attention** carries something from *other places* to this one;
# - a **feed-forward layer** works on what has arrived, at *each place alone*.
#
# The trick that makes dozens of such steps trainable is how a part changes the vector: it does not replace it. It reads the vector, computes something, and **adds** that:
#
# $$x \leftarrow x + \text{part}(x)$$
#
# He et al. (2016) introduced this for images, as **residual connections**: a part needs to learn only what is still missing, the residue, and to do nothing it simply adds zero. So what runs
# through the network from the embeddings to the last layer is one sum, the **residual stream** (the name is from Elhage et al. 2021). Think of it as a notice board, one for each place: all parts read from it and pin
# something to it, and nobody takes anything down.

# %% experiment
plots.residual_stream(
    {"": [(["norm", "attention"], []), (["norm", "feed-forward"], []), (["norm", "attention"], []), (["norm", "feed-forward"], [])]},
    start="token + place",
    end="norm, head",
    title="Every part reads a copy of the stream and adds what it found",
    alt="A thick line runs from 'token + place' on the left to 'norm, head' on the right. Four times a branch leaves it, passes through a "
    "box 'norm' and a box 'attention' or 'feed-forward', and comes back to the line at a plus sign.",
)

# %% [markdown]
# Two blocks are drawn; GPT-2 has 12 to 48. We build the boxes from left to right: `norm`, `feed-forward`, then what is meant by *place*. Attention you have built in notebook 05; here it comes ready-made:
#
# | | |
# |---|---|
# | `MultiHeadAttention(width, n_heads)` | makes the module; its parameters are called `qkv` and `output` |
# | `attention(x)` | every place of x, shape (B, T, C), looks at every place of x; gives (B, T, C) |
# | `attention(x, mask=mask)` | `mask` is boolean, (T, T) or (B, T, T) or anything that broadcasts to it; **True where a place (row) may look (column)** |
# | `attention(x, memory)` | places of x look at places of `memory`, (B, S, C), instead |

# %% [markdown]
# ## 2 Normalisation
#
# A sum of many terms can grow without end, and a part that was trained on vectors of length 3 is lost on vectors of length 300. So each part first brings what it reads to a standard size. **Layer normalisation** (Ba et al. 2016) does it for each
# vector *by itself*, whatever the other places, the other sentences or the other batches hold. For a vector $x$ of $C$ numbers:
#
# $$\mu = \frac{1}{C}\sum_i x_i, \qquad \sigma^2 = \frac{1}{C}\sum_i (x_i - \mu)^2, \qquad y_i = \frac{x_i - \mu}{\sqrt{\sigma^2 + \epsilon}}\, g_i + b_i$$
#
# - $\mu$ is the mean of the $C$ numbers and $\sigma^2$ their variance: the sum is divided by $C$, not by $C - 1$, as we describe this vector and do not estimate anything;
# - $\epsilon$ is a small number, here 0.00001. It stands *inside* the root and keeps us from dividing by zero when all numbers are alike;
# - $g$ (`weight`) and $b$ (`bias`) are learned, $C$ numbers each. They begin as ones and zeros, and let the network choose another size where it needs one.
#
# **An example.** $x = (1, 2, 3, 6)$ has mean 3. The differences from it are $(-2, -1, 0, 3)$, their squares $4, 1, 0, 9$, and so $\sigma^2 = 14/4 = 3.5$. Divided by $\sqrt{3.5} = 1.871$ the differences become
# $(-1.069, -0.535, 0, 1.604)$: mean 0, variance 1.

# %% [markdown]
# ### Exercise 1: layer normalisation
#
# Write `forward`. The constructor is there already, and is the pattern for the modules to come: what is to be learned is made in `__init__`, and what is computed from it in `forward`.
#
# <details><summary>Hint 1: how do I treat each vector by itself?</summary>
#
# The numbers of a vector lie along the last axis. `x.mean(dim=-1)` gives one mean per vector; with `keepdim=True` the axis stays, with length 1, so that `x - mean` fits.
# </details>
#
# <details><summary>Hint 2: and the variance?</summary>
#
# Either the mean of the squared differences, or `x.var(dim=-1, keepdim=True, correction=0)`. Without `correction=0` PyTorch divides by C - 1.
# </details>
#
# <details><summary>I see (-0.926, -0.463, 0, 1.389) instead of (-1.069, -0.535, 0, 1.604)</summary>
#
# Your variance is 14/3 instead of 14/4: it was divided by C - 1.
# </details>

# %% exercise="LayerNorm" minutes=8 difficulty=1
class LayerNorm(nn.Module):
    """Brings every vector to mean 0 and variance 1, then scales and shifts it by what is learned (Ba et al. 2016).

    width  C, numbers per vector
    eps    is added to the variance
    """

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Tensor) -> Tensor:
        """Return x, shape (..., C), with each of its vectors normalised by itself; the shape stays.

        >>> LayerNorm(4)(torch.tensor([1.0, 2.0, 3.0, 6.0])).detach()
        tensor([-1.0690, -0.5345,  0.0000,  1.6036])
        """
        ### BEGIN SOLUTION
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias
        ### END SOLUTION


# %% test="LayerNorm" points=3
def normalised(x, weight=None, bias=None, eps=1e-5):
    """What your LayerNorm makes of x; an error of shapes is returned, to be named below."""
    C = x.shape[-1]
    layer = LayerNorm(C, eps)
    layer.load_state_dict(
        {"weight": torch.ones(C) if weight is None else weight, "bias": torch.zeros(C) if bias is None else bias}
    )
    try:
        return layer(x)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError) as error:
        return error


a, b, c, d = -1.069045, -0.534522, 0.0, 1.603567
check.equal(
    normalised(torch.tensor([[[1.0, 2.0, 3.0, 6.0]]])),
    torch.tensor([[[a, b, c, d]]]),
    name="(1, 2, 3, 6), one place of one sentence, normalised",
    atol=1e-4,
    causes=[
        (torch.tensor([[[-0.925820, -0.462910, 0.0, 1.388730]]]), "the variance was divided by C - 1; divide by C (correction=0)."),
        (torch.tensor([[[0.534522, 1.069045, 1.603567, 3.207135]]]), "the mean is not subtracted."),
        (torch.tensor([[[0.282843, 0.565685, 0.848528, 1.697056]]]), "you divided by the root of the mean square; subtract the mean first."),
        (torch.tensor([[[-0.571429, -0.285714, 0.0, 0.857143]]]), "you divided by the variance; divide by its square root."),
        (torch.tensor([[[-0.534522, -0.267261, 0.0, 0.801784]]]), "you divided by the length of the vector: the variance is the mean of the squares, not their sum."),
        (torch.tensor([[[-1.067241, -0.533621, 0.0, 1.600862]]]), "the root was taken of the variance and of eps apart; take it of their sum."),
        (torch.tensor([[[-2.0, -1.0, 0.0, 3.0]]]), "the mean is subtracted, but nothing is divided."),
        (torch.zeros(1, 1, 4), "the mean was taken over the wrong axis, over the sentences or the places. Each vector goes by itself: dim=-1."),
    ],
)
check.equal(
    normalised(torch.tensor([[[1.0, 2.0, 3.0, 6.0], [60.0, 30.0, 20.0, 10.0]], [[103.0, 106.0, 101.0, 102.0], [2.0, 1.0, 6.0, 3.0]]])),
    torch.tensor([[[a, b, c, d], [d, c, b, a]], [[c, d, a, b], [b, a, d, c]]]),
    name="two sentences of two places",
    atol=1e-4,
    causes=[
        (lambda y: isinstance(y, Exception), "the shapes do not fit: keep the axis (keepdim=True), so that each vector meets its own mean."),
        (lambda y: bool((y.mean((1, 2)).abs() < 1e-4).all()), "all places of a sentence are normalised together, so that a word depends on later ones; each vector goes by itself, dim=-1."),
        (lambda y: abs(float(y.mean())) < 1e-4, "everything is normalised together; each vector goes by itself, dim=-1."),
    ],
)
check.equal(
    normalised(torch.tensor([7.0, 7.0, 7.0])),
    torch.zeros(3),
    name="(7, 7, 7), normalised",
    causes=[(lambda y: bool(y.isnan().any()), "0 divided by 0 gives NaN; add eps to the variance.")],
)
check.equal(
    normalised(torch.tensor([1.0, -1.0]), eps=3.0),
    torch.tensor([0.5, -0.5]),
    name="(1, -1) with eps = 3",
    atol=1e-4,
    causes=[
        (torch.tensor([0.25, -0.25]), "eps stands outside the root; it is added to the variance, inside."),
        (torch.tensor([1.0, -1.0]), "eps has no effect; add self.eps to the variance."),
    ],
)
check.equal(
    normalised(torch.tensor([1.0, -1.0]), weight=torch.tensor([1.0, 2.0]), bias=torch.tensor([10.0, 20.0])),
    torch.tensor([11.0, 18.0]),
    name="(1, -1) with weight (1, 2) and bias (10, 20)",
    atol=1e-3,
    causes=[
        (torch.tensor([1.0, -1.0]), "weight and bias have no effect: multiply by self.weight, then add self.bias."),
        (torch.tensor([1.0, -2.0]), "the bias is missing."),
        (torch.tensor([11.0, 19.0]), "the weight is missing."),
        (torch.tensor([11.0, 38.0]), "the bias is added before the weight; multiply first."),
        (torch.tensor([11.0, 19.5]), "the weight divides; it multiplies."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(61)
for shape in [(1, 1, 2), (3, 5, 8), (2, 7, 64), (4, 3), (6,), (0, 4, 5), (2, 3, 4, 5)]:
    for scale, shift in [(1.0, 0.0), (1000.0, 0.0), (1.0, 100.0), (0.003, 0.0)]:
        x = scale * torch.randn(shape) + shift
        weight, bias = torch.randn(shape[-1]), torch.randn(shape[-1])
        want = F.layer_norm(x, shape[-1:], weight, bias)
        check.equal(normalised(x, weight, bias), want, name=f"shape {shape}, scale {scale:g}, shift {shift:g}", atol=1e-3, rtol=1e-3)
x = torch.randn(2, 6, 8)
before, later, order = normalised(x), x.clone(), torch.randperm(6)
later[:, 3:] += 100
check.equal(normalised(later)[:, :3], before[:, :3], name="places before a change")
check.equal(normalised(x[:, order]), before[:, order], name="places in another order")
check.equal(normalised(F.pad(x, (0, 0, 0, 4), value=9.0))[:, :6], before, name="words beside padding")
shapes = {name: tuple(value.shape) for name, value in LayerNorm(5).state_dict().items()}
check.equal(shapes, {"weight": (5,), "bias": (5,)}, name="the parameters")
check.equal(LayerNorm(3)(torch.tensor([1e-3, 0.0, -1e-3])), torch.tensor([0.306186, 0.0, -0.306186]), name="eps left out is 1e-5", atol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# ## 3 The feed-forward layer
#
# Attention moves vectors about and averages them; what it makes of the values is linear. The thinking, so to say, is done by the second kind of part: a small network with one hidden layer, the same for all places, applied to **each place alone**:
#
# $$\text{FF}(x) = W_2\, \text{GELU}(W_1 x + b_1) + b_2$$
#
# The hidden layer is four times as wide as the stream, $4C$ numbers, so this part holds two thirds of a block's parameters. Between the two matrices stands a function that bends, or else the two would be no more than
# one matrix. GPT-2 takes the **GELU** (Hendrycks and Gimpel 2016): $x$ times the probability that a standard normal number is below $x$,
#
# $$\text{GELU}(x) = x\, \Phi(x) \approx \frac{x}{2}\left(1 + \tanh\left(\sqrt{2/\pi}\,(x + 0.044715\, x^3)\right)\right)$$
#
# GPT-2 was trained with the approximation on the right, and so we use it too: `F.gelu(x, approximate="tanh")`. The difference is below 0.0005, too small to see in the figure, but a network of 12 blocks adds such differences up.

# %% experiment
bends = torch.linspace(-4, 4, 81)
soft, exact = F.gelu(bends, approximate="tanh"), F.gelu(bends)
print(f"largest difference between the GELU and its approximation: {(soft - exact).abs().max():.4f}")
plots.lines(
    bends.tolist(),
    {"GELU": soft.tolist(), "ReLU": F.relu(bends).tolist()},
    title="The GELU is a ReLU with a soft corner, and dips below zero",
    x_label="x",
    y_label="GELU(x), ReLU(x)",
    alt="Two curves that are near zero on the left and near x on the right. ReLU has a corner at 0; GELU goes smoothly, and is slightly "
    "negative between -3 and 0, lowest near -0.75.",
)

# %% [markdown]
# ### Exercise 2: the feed-forward layer
#
# Write both methods. The two linear layers must be called `up` (from C to 4C) and `down` (from 4C to C), both with a bias: names are how weights are found again when they are saved and loaded.
#
# <details><summary>Hint 1: what is a linear layer?</summary>
#
# `self.up = nn.Linear(a, b)` makes one from a to b numbers, bias included. `self.up(x)` applies it to the last axis of x, whatever stands before.
# </details>
#
# <details><summary>Hint 2: does the layer add x?</summary>
#
# No. It returns what is to be added. The block (exercise 5) does the adding.
# </details>

# %% exercise="FeedForward" minutes=6 difficulty=1
class FeedForward(nn.Module):
    """Two linear layers, `up` from C to 4C numbers and `down` back to C, with a GELU between them, for each place alone.

    width  C, numbers per place
    """

    def __init__(self, width: int):
        super().__init__()
        ### BEGIN SOLUTION
        hidden = 4 * width
        self.up = nn.Linear(width, hidden)
        self.down = nn.Linear(hidden, width)
        ### END SOLUTION

    def forward(self, x: Tensor) -> Tensor:
        """Return what this part adds to the stream x, (..., C); same shape. The GELU is GPT-2's: approximate="tanh".

        With one number per place, all weights 1 and no bias, x = 1 goes up to (1, 1, 1, 1) and down to 4 GELU(1):
        >>> layer = FeedForward(1)
        >>> layer.load_state_dict({"up.weight": torch.ones(4, 1), "up.bias": torch.zeros(4), "down.weight": torch.ones(1, 4), "down.bias": torch.zeros(1)})
        <All keys matched successfully>
        >>> layer(torch.tensor([[1.0]])).detach()
        tensor([[3.3648]])
        """
        ### BEGIN SOLUTION
        return self.down(F.gelu(self.up(x), approximate="tanh"))
        ### END SOLUTION


# %% test="FeedForward" points=3
up_down = {name: tuple(value.shape) for name, value in FeedForward(3).state_dict().items()}
check.equal(
    up_down,
    {"up.weight": (12, 3), "up.bias": (12,), "down.weight": (3, 12), "down.bias": (3,)},
    name="names and shapes of the parameters, C = 3",
    causes=[
        (lambda got: not got, "the layer has no parameters: make the two nn.Linear in __init__, as self.up and self.down."),
        (lambda got: "up.weight" not in got or "down.weight" not in got, "call the two linear layers self.up and self.down."),
        (lambda got: "up.bias" not in got or "down.bias" not in got, "both linear layers have a bias."),
        (lambda got: got["up.weight"] == (3, 12), "up and down are exchanged: up goes from C to 4C."),
        (lambda got: got["up.weight"] != (12, 3), "the hidden layer has 4C numbers: up goes from C to 4C, down from 4C to C."),
        (lambda got: len(got) > 4, "there are more parameters than those of up and down."),
    ],
)


def one_path(x, bias):
    """What FeedForward(1) makes of numbers x when one hidden number passes them on unchanged, and down adds a bias."""
    layer = FeedForward(1)
    only_first = torch.tensor([1.0, 0.0, 0.0, 0.0])
    layer.load_state_dict(
        {"up.weight": only_first[:, None], "up.bias": torch.zeros(4), "down.weight": only_first[None], "down.bias": torch.tensor([bias])}
    )
    return layer(torch.tensor(x)[:, None])[:, 0]


check.equal(
    one_path([-2.0, -1.0, 0.0, 1.0, 2.0], 0.0),
    torch.tensor([-0.045402, -0.158808, 0.0, 0.841192, 1.954598]),
    name="GELU of -2, -1, 0, 1, 2",
    atol=2e-5,
    rtol=0.0,
    causes=[
        (torch.tensor([-0.045500, -0.158655, 0.0, 0.841345, 1.954500]), 'this is the exact GELU; GPT-2 uses the approximation: approximate="tanh".'),
        (torch.tensor([-0.064341, -0.154204, 0.0, 0.845796, 1.935659]), "this is x sigmoid(1.702 x), a rougher approximation of the GELU."),
        (torch.tensor([-0.238406, -0.268941, 0.0, 0.731059, 1.761594]), "this is x sigmoid(x), the SiLU; take the GELU."),
        (torch.tensor([0.0, 0.0, 0.0, 1.0, 2.0]), "this is a ReLU; take the GELU."),
        (torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0]), "nothing bends between the two layers: without the GELU they are one linear layer."),
        (torch.tensor([-0.021879, -0.069385, 0.0, 0.672755, 1.905175]), "there is a second GELU after down; what goes into the stream must be free to be anything."),
        (torch.tensor([-0.964028, -0.761594, 0.0, 0.761594, 0.964028]), "this is tanh; take the GELU, F.gelu."),
        (torch.tensor([-2.045402, -1.158808, 0.0, 1.841192, 3.954598]), "x is added here; the block will do that, so that it would be in the stream twice."),
    ],
)
check.equal(
    one_path([-2.0, -1.0, 0.0, 1.0, 2.0], 2.0),
    torch.tensor([1.954598, 1.841192, 2.0, 2.841192, 3.954598]),
    name="the same with 2 as the bias of down",
    atol=2e-5,
    rtol=0.0,
    causes=[
        (torch.tensor([0.0, 0.841192, 1.954598, 2.996363, 3.999930]), "the GELU stands after down; it belongs between up and down."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(62)
for width, shape, scale in [(1, (3,), 1.0), (4, (2, 5), 1.0), (8, (1, 1), 1.0), (16, (3, 7), 1.0), (5, (2, 3), 1000.0), (5, (2, 3), 0.01), (6, (0, 4), 1.0)]:
    theirs = {"up.weight": (4 * width, width), "up.bias": (4 * width,), "down.weight": (width, 4 * width), "down.bias": (width,)}
    theirs = {name: torch.randn(shape) for name, shape in theirs.items()}
    layer, x = FeedForward(width), scale * torch.randn(*shape, width)
    layer.load_state_dict(theirs)
    hidden = x @ theirs["up.weight"].T + theirs["up.bias"]
    hidden = hidden / 2 * (1 + torch.tanh(math.sqrt(2 / math.pi) * (hidden + 0.044715 * hidden**3)))
    want = hidden @ theirs["down.weight"].T + theirs["down.bias"]
    check.equal(layer(x), want, name=f"width {width}, shape {shape}, scale {scale:g}", atol=1e-4 * max(scale, 1.0), rtol=1e-4)
layer, x, order = FeedForward(8), torch.randn(2, 6, 8), torch.randperm(6)
later = x.clone()
later[:, 3:] += 100
check.equal(layer(later)[:, :3], layer(x)[:, :3], name="places before a change", atol=1e-5)
check.equal(layer(x[:, order]), layer(x)[:, order], name="places in another order", atol=1e-5)
check.equal(layer(F.pad(x, (0, 0, 0, 3), value=9.0))[:, :6], layer(x), name="words beside padding", atol=1e-5)
### END HIDDEN TESTS

# %% [markdown]
# ## 4 Where am I?
#
# Attention compares contents and averages. Nothing in it depends on *where* a word stands. So if you shuffle the words, each of them finds exactly what it found before:

# %% experiment
torch.manual_seed(0)
sentence = torch.randn(1, 7, 32)  # seven places, as they come from an embedding
shuffle = torch.tensor([3, 0, 6, 2, 5, 1, 4])
attention = MultiHeadAttention(32, 4)
found, found_shuffled = attention(sentence), attention(sentence[:, shuffle])
difference = (found_shuffled - found[:, shuffle]).abs().max().item()
print(f"largest difference after shuffling the words: {difference:.1e}")
assert difference < 1e-5

# %% [markdown]
# *The dog bites the man* and *the man bites the dog* would be one and the same. There are two families of remedies.
#
# **Say it in the stream.** Add a vector to each embedding that depends on the place. Let the network *learn* one vector for each place, as it learns one for each token: that is what GPT-2 does (`nn.Embedding(context, width)`). It is simple, but there is no
# vector for place 1,025 of a model that was trained with 1,024. Vaswani et al. (2017) therefore proposed vectors that are computed, of sines and cosines. For the place $t = 0, 1, 2, \dots$ and the pair of columns $2i$, $2i+1$:
#
# $$P_{t,\,2i} = \sin(\omega_i t), \qquad P_{t,\,2i+1} = \cos(\omega_i t), \qquad \omega_i = 10000^{-2i/C}$$
#
# Each pair of columns is the hand of a clock: the first turns by one radian per word, the last by about one in ten thousand words. Together they tell places apart as hours, minutes and seconds do.
#
# **An example** with $C = 4$: the frequencies are $\omega_0 = 1$ and $\omega_1 = 10000^{-1/2} = 0.01$. Place 1 is $(\sin 1, \cos 1, \sin 0.01, \cos 0.01) = (0.8415, 0.5403, 0.0100, 1.0000)$.

# %% [markdown]
# ### Exercise 3: sinusoidal positions
#
# <details><summary>Hint 1: how do I get all angles at once?</summary>
#
# Places as a column, shape (T, 1), times frequencies as a row, shape (C/2,), give a table of angles (T, C/2).
# </details>
#
# <details><summary>Hint 2: what are the exponents?</summary>
#
# `torch.arange(0, width, 2)` is 0, 2, 4, ...: this is the $2i$ of the formula.
# </details>
#
# <details><summary>Hint 3: how do sines and cosines come to alternate?</summary>
#
# Make a tensor of zeros, (T, C). Its even columns are `table[:, 0::2]`, its odd ones `table[:, 1::2]`; fill both.
# </details>

# %% exercise="sinusoidal_positions" minutes=8 difficulty=2
def sinusoidal_positions(T: int, width: int) -> Tensor:
    """Return a vector for each of the places 0 .. T - 1, shape (T, width), float (Vaswani et al. 2017).

    Columns 2i and 2i + 1 are the sine and the cosine of place * 10000 ** (-2i / width); width is even.

    >>> sinusoidal_positions(2, 4)
    tensor([[0.0000, 1.0000, 0.0000, 1.0000],
            [0.8415, 0.5403, 0.0100, 0.9999]])
    """
    ### BEGIN SOLUTION
    frequencies = 10000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(T)[:, None] * frequencies
    table = torch.zeros(T, width)
    table[:, 0::2] = torch.sin(angles)
    table[:, 1::2] = torch.cos(angles)
    return table
    ### END SOLUTION


# %% test="sinusoidal_positions" points=3
check.equal(
    sinusoidal_positions(2, 4),
    torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.540302, 0.010000, 0.999950]]),
    name="two places of four numbers",
    atol=1e-5,
    causes=[
        (torch.tensor([[0.0, 0.0, 1.0, 1.0], [0.841471, 0.010000, 0.540302, 0.999950]]), "sines stand on the left and cosines on the right; they alternate."),
        (torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.540302, 0.841471, 0.999950, 0.010000]]), "sine and cosine are exchanged: even columns are sines."),
        (torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.540302, 0.099833, 0.995004]]), "the exponent is too small by half: it is -2i / width, and i counts pairs of columns."),
        (torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.995004, 0.010000, 1.000000]]), "a sine and its cosine have the same frequency: i counts pairs of columns."),
        (torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.540302, -0.506366, 0.862319]]), "later columns turn faster and faster; the exponent of 10000 is negative."),
        (torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.540302, 0.000100, 1.000000]]), "the exponent is too large: for the last pair it is -2/4, so that 10000 becomes 0.01."),
        (torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.540302, 0.031618, 0.999500]]), "the base is 10000, not 1000."),
        (torch.tensor([[0.0, 0.0, 0.0, 0.0], [0.841471, 0.841471, 0.010000, 0.010000]]), "all columns are sines; the odd ones are cosines."),
        (torch.tensor([[0.0, 1.0, 0.0, 1.0], [0.841471, 0.540302, 0.841471, 0.540302]]), "all pairs turn at the same frequency; pair i turns by 10000 ** (-2i / width)."),
        (torch.tensor([[0.841471, 0.540302, 0.010000, 0.999950], [0.909297, -0.416147, 0.019999, 0.999800]]), "the first place is 0, not 1."),
        (lambda got: tuple(got.shape) == (4, 2), "this is transposed: a row for each place, (T, width)."),
        (lambda got: tuple(got.shape) == (2, 2), "half of the columns are missing: each frequency has a sine and a cosine."),
        (lambda got: "int" in str(got.dtype), "these are whole numbers: fill a table of floats."),
    ],
)
check.equal(
    sinusoidal_positions(5, 2)[:, 0],
    torch.tensor([0.0, 0.841471, 0.909297, 0.141120, -0.756802]),
    name="the first column for five places",
    atol=1e-5,
    causes=[(lambda got: True, "the first column is sin 0, sin 1, sin 2, ...: its frequency is 1 for every width.")],
)
### BEGIN HIDDEN TESTS
for T, width in [(1, 2), (3, 6), (7, 4), (50, 10), (2, 64), (0, 4)]:
    slow = [
        [(math.cos if c % 2 else math.sin)(t * 10000 ** (-(c - c % 2) / width)) for c in range(width)] for t in range(T)
    ]
    check.equal(sinusoidal_positions(T, width), torch.tensor(slow).reshape(T, width), name=f"T = {T}, width = {width}", atol=1e-4)
long_table = sinusoidal_positions(3000, 16)
check.equal(long_table[2999, :2], torch.tensor([math.sin(2999), math.cos(2999)]), name="the place 2999", atol=2e-3)
check.equal((long_table**2).sum(1), torch.full((3000,), 8.0), name="the squared lengths", atol=1e-3)
check.equal(long_table[100] @ long_table[107], long_table[20] @ long_table[27], name="dot products over the same distance", atol=1e-2)
check.equal(sinusoidal_positions(9, 6)[:4], sinusoidal_positions(4, 6), name="the first places of a longer table", atol=1e-6)
### END HIDDEN TESTS

# %% experiment
clocks = sinusoidal_positions(40, 32)[:, :12]
plots.heat_map(
    clocks.T,
    [f"column {c}" if c % 2 == 0 else "" for c in range(12)],
    [str(t) if t % 5 == 0 else "" for t in range(40)],
    title="Each pair of columns is a clock, and each runs slower than the last",
    alt="Heat map with 40 places from left to right and the first 12 of 32 columns from top to bottom. The top two rows swing between -1 "
    "and 1 every six places, each pair below more slowly; the lowest does so once in more than a hundred places.",
)

# %% [markdown]
# **Say it in the scores.** What matters in language is rarely the place itself, but how far apart two words are. So tell attention the distance, when it compares a query with a key.
#
# *Rotary positions* (Su et al. 2021) take the same clocks, but turn the queries and keys themselves. Take a query, and let every pair of its numbers be a point in the plane. At the place $t$, rotate pair number $i$ by the angle $\omega_i t$:
#
# $$\begin{pmatrix} y_{2i} \\ y_{2i+1} \end{pmatrix} = \begin{pmatrix} \cos \omega_i t & -\sin \omega_i t \\ \sin \omega_i t & \cos \omega_i t \end{pmatrix} \begin{pmatrix} x_{2i} \\ x_{2i+1} \end{pmatrix}, \qquad \omega_i = 10000^{-2i/d}$$
#
# Keys are rotated in the same way. A dot product does not change when both vectors are turned together, so only the *difference* of the two angles counts: the score of a query at place $m$ and a key at place $n$ depends on $m - n$ alone.
# Llama (Touvron et al. 2023) and most large models after it do this.
#
# **An example** with $d = 4$ at place 1, for $x = (1, 0, 0, 1)$: the first pair $(1, 0)$ turns by 1 radian and becomes $(\cos 1, \sin 1) = (0.5403, 0.8415)$; the second pair $(0, 1)$ turns by 0.01 and becomes $(-0.0100, 1.0000)$.

# %% [markdown]
# ### Exercise 4: rotary positions
#
# The tensor that comes has any number of axes in front, typically (B, heads, T, d): places are always the last but one. The argument `first` is the place of the first row. It is needed when a model writes
# word by word and hands in only what is new.
#
# <details><summary>Hint 1: how do I get at the pairs?</summary>
#
# `x[..., 0::2]` holds the first number of each pair and `x[..., 1::2]` the second; both have the shape (..., T, d/2). Three dots stand for all axes that are not named.
# </details>
#
# <details><summary>Hint 2: which shape do the angles have?</summary>
#
# (T, d/2), places as rows: as in exercise 3. That fits the pairs of every sentence and every head by broadcasting.
# </details>
#
# <details><summary>Hint 3: how do I put the pairs together again?</summary>
#
# Fill `torch.empty_like(x)`: its `[..., 0::2]` and `[..., 1::2]` take the two results. Or `torch.stack((first, second), dim=-1).flatten(-2)`.
# </details>

# %% exercise="apply_rotary" minutes=12 difficulty=3
def apply_rotary(x: Tensor, first: int = 0) -> Tensor:
    """Return queries or keys with each pair of numbers rotated by an angle that grows with the place (Su et al. 2021).

    x      shape (..., T, d), d even; row t stands at place first + t
    first  the place of the first row

    Numbers 2i and 2i + 1 are a pair; it turns by place * 10000 ** (-2i / d), from the first axis towards the second.

    >>> apply_rotary(torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]))
    tensor([[ 1.0000,  0.0000,  0.0000,  1.0000],
            [ 0.5403,  0.8415, -0.0100,  0.9999]])
    """
    ### BEGIN SOLUTION
    T, d = x.shape[-2:]
    frequencies = 10000.0 ** (-torch.arange(0, d, 2, device=x.device) / d)
    angles = (first + torch.arange(T, device=x.device))[:, None] * frequencies
    cos, sin = angles.cos(), angles.sin()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)
    ### END SOLUTION


# %% test="apply_rotary" points=4
def rotated(x, first=0):
    """What apply_rotary returns; an error of shapes is returned, to be named below."""
    try:
        return apply_rotary(x, first)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError, ValueError) as error:
        return error


check.equal(
    rotated(torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]])),
    torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.841471, -0.010000, 0.999950]]),
    name="(1, 0, 0, 1) at the places 0 and 1",
    atol=1e-5,
    causes=[
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, -0.841471, 0.010000, 0.999950]]), "this turns the other way: the minus stands before the sine of the first row."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, -0.010000, 0.841471, 0.999950]]), "pairs are neighbours here, (0, 1) and (2, 3); you paired the first half with the second half."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.010000, -0.841471, 0.999950]]), "both numbers of a pair turn by the same angle: repeat each angle twice, do not repeat the list of angles."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.841471, 0.010000, 0.999950]]), "a sign is lost: a rotation has one minus, in its first row."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.841471, -0.841471, 0.540302]]), "all pairs turn by the same angle; pair i turns by place * 10000 ** (-2i / d)."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.841471, -0.099833, 0.995004]]), "the exponent is too small by half: it is -2i / d, and i counts pairs."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.841471, 0.506366, 0.862319]]), "later pairs turn faster and faster; the exponent of 10000 is negative."),
        (torch.tensor([[0.540302, 0.841471, -0.010000, 0.999950], [-0.416147, 0.909297, -0.019999, 0.999800]]), "the first row stands at place 0 (or at first), not 1."),
        (torch.tensor([[1.0, 1.0, 0.0, 2.0], [1.841471, 0.540302, 0.010000, 1.999950]]), "sines and cosines were added; rotary positions turn the pairs instead."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 0.0, 1.0]]), "nothing has turned at place 1."),
        (torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.0, 0.0, 0.999950]]), "only the cosines are there: each number of a pair gets a part of the other as well."),
        (lambda got: tuple(got.shape) == (2, 2, 2), "the pairs have to be put together again: the shape of x stays."),
    ],
)
check.equal(
    rotated(torch.tensor([1.0, 0.0, 0.0, 1.0]).expand(3, 2, 2, 4)),
    torch.tensor([[1.0, 0.0, 0.0, 1.0], [0.540302, 0.841471, -0.010000, 0.999950]]).expand(3, 2, 2, 4),
    name="the same in three sentences and two heads, (3, 2, 2, 4)",
    atol=1e-5,
    causes=[(lambda got: True, "the places are the last axis but one, x.shape[-2], however many axes stand before it.")],
)
check.equal(
    rotated(torch.ones(2, 5, 3, 2))[1, 4],
    torch.tensor([[1.0, 1.0], [-0.301169, 1.381773], [-1.325444, 0.493151]]),
    name="one head of (2, 5, 3, 2)",
    atol=1e-5,
    causes=[(lambda got: True, "the places are the last axis but one, x.shape[-2], however many axes stand before it.")],
)
check.equal(
    rotated(torch.ones(1, 4), first=6),
    rotated(torch.ones(7, 4))[6:],
    name="one row with first=6, beside row 6 of seven",
    atol=1e-5,
    causes=[
        (torch.ones(1, 4), "first has no effect: row t stands at place first + t."),
        (lambda got: True, "row t stands at place first + t."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(64)
for shape, start in [((1, 2), 0), ((4, 6), 0), ((2, 3, 5, 8), 0), ((3, 1, 10), 2), ((2, 2, 30, 4), 100), ((2, 0, 4), 0), ((1, 1, 1, 1, 2), 1)]:
    for scale in [1.0, 1000.0]:
        x = scale * torch.randn(shape)
        T, d = shape[-2:]
        turns = torch.arange(start, start + T, dtype=torch.float64)[:, None] * 10000.0 ** (-torch.arange(0, d, 2, dtype=torch.float64) / d)
        want = torch.view_as_real(torch.view_as_complex(x.double().unflatten(-1, (-1, 2))) * torch.polar(torch.ones_like(turns), turns)).flatten(-2)
        check.equal(apply_rotary(x, start), want.float(), name=f"shape {shape}, first {start}, scale {scale:g}", atol=1e-4 * scale, rtol=1e-3)
far_place = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
want = torch.tensor([[math.cos(100_000), math.sin(100_000), math.cos(1000), math.sin(1000)]])
check.equal(apply_rotary(far_place, 100_000), want, name="the place 100,000", atol=1e-2)
q, k = torch.randn(8), torch.randn(8)
scores = apply_rotary(q.expand(12, 8)) @ apply_rotary(k.expand(12, 8)).T
for distance in [0, 1, 5]:
    check.equal(scores.diagonal(distance), scores[0, distance].expand(12 - distance), name=f"scores over the distance {distance}", atol=1e-4)
x = torch.randn(2, 3, 6, 4)
check.equal(apply_rotary(x)[:, :, :4], apply_rotary(x[:, :, :4]), name="places before those that are left out", atol=1e-6)
check.equal(apply_rotary(apply_rotary(x[:, :, :1], 3), 4), apply_rotary(x[:, :, :1], 7), name="turned twice", atol=1e-5)
check.equal(apply_rotary(x).norm(dim=-1), x.norm(dim=-1), name="lengths", atol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# *ALiBi* (Press et al. 2022) is simpler still: no clocks, only a straight line. Take from every score the distance times a slope, so that a far word needs a better fit. Each head has a slope of its own, for eight heads $\frac12, \frac14, \dots, \frac1{256}$: some heads look near, some far.
# It learns nothing and knows no longest text; models trained on short texts go on working on longer ones.
#
# The figure shows what distance alone does to a score: for rotary positions, with a query and a key of ones and scaled to a score of 1 at distance 0; for ALiBi, whatever they are.

# %% experiment
far = 33
rotary_scores = (apply_rotary(torch.ones(far, 64))[0] @ apply_rotary(torch.ones(far, 64)).T / 64).tolist()
slopes = linear_biases(8, 1, far)[:, 0].flip(-1)
plots.lines(
    list(range(far)),
    {
        "rotary": [score_ - rotary_scores[0] for score_ in rotary_scores],
        "ALiBi, head 4": slopes[3].tolist(),
        "ALiBi, head 5": slopes[4].tolist(),
        "ALiBi, head 8": slopes[7].tolist(),
    },
    title="ALiBi subtracts a straight line, rotary positions fall in waves",
    x_label="distance between query and key, in words",
    y_label="change of the score",
    alt="Four lines against distance. ALiBi's fall straight, steeply for head 4 and hardly for head 8. The rotary score falls quickly at "
    "first, then in waves.",
)

# %% [markdown]
# The curve of rotary positions is, for this query and key of ones, the same as the dot product of two sinusoidal vectors of exercise 3: both are the sum of $\cos \omega_i (m - n)$. With other queries and keys, each pair of numbers
# weighs its clock differently and may turn it ahead, so that a head can learn to look, say, exactly one word back.

# %% [markdown] question="positions" points=3 minutes=4
# **Question 1.** (a) A colleague trains a GPT with learned positions on texts of up to 512 tokens and wants to run it on 600. What happens, and which of the four ways of this section would not have this trouble?
# (b) Show that rotary scores depend on the distance only: why is $(R_m q) \cdot (R_n k) = q \cdot (R_{n-m} k)$, when $R_t$ rotates by the angle $\omega t$?
# (c) A transformer with a *causal* mask can tell *the dog bites the man* from *the man bites the dog* even without any positions, at least a little (Haviv et al. 2022). How can that be?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) There is no vector for the places 512 to 599 (an index error); untrained ones would be noise. Sinusoidal, rotary and ALiBi are computed for any place, so nothing breaks; that they *work well* there was shown for ALiBi. Full
# mark for naming at least one of the three with the reason that it is computed. (b) A rotation is undone by the rotation the other way, its transpose: $(R_m q) \cdot (R_n k) = q \cdot R_m^T R_n k = q \cdot R_{-m} R_n k = q \cdot R_{n-m} k$. Or: turning both vectors
# together by $-\omega m$ changes no dot product. (c) A word sees what comes before it and not what comes after. So each place knows how many words it can see: the first sees only itself, the second two; averages over more places differ. Place 2 sees *dog*
# without *man*.
# ### END MARK SCHEME

# %% [markdown]
# ## 5 The block
#
# Now the parts meet. A **block** is one round of the two kinds of part: first attention, then the feed-forward layer, each reading a normalised copy of the stream and adding what it found:
#
# $$x \leftarrow x + \text{Attention}(\text{norm}_1(x)), \qquad x \leftarrow x + \text{FF}(\text{norm}_2(x))$$
#
# The stream itself is never normalised on its way. This order is called **pre-norm**; GPT-2 and most later models have it. The first transformer (Vaswani et al. 2017) was **post-norm**: it added first, then normalised the stream itself, $x \leftarrow \text{norm}(x + \text{part}(x))$.

# %% experiment
plots.residual_stream(
    {
        "pre-norm: norm(x) is read, x goes on": [(["norm", "attention"], []), (["norm", "feed-forward"], [])],
        "post-norm: the sum itself is normalised": [(["attention"], ["norm"]), (["feed-forward"], ["norm"])],
    },
    start="x",
    end="x",
    title="In a pre-norm block nothing stands in the way of the stream",
    alt="Two streams. Above, pre-norm: both branches hold a box norm before the part, and the line itself is free. Below, post-norm: the "
    "branches hold the parts alone, and after each plus sign the line passes through a box norm.",
)

# %% [markdown]
# ### Exercise 5: the transformer block
#
# Write `forward` of the block of a GPT: pre-norm, with a **causal** mask, so that each place may look at itself and at what comes before it.
#
# Are you stuck on exercise 1? `nn.LayerNorm(width)` has the same parameters as yours and will do in its place.
#
# <details><summary>Hint 1: how do I make the mask?</summary>
#
# A boolean matrix (T, T), True on and below the diagonal; `tril()` sets what lies above the diagonal of a matrix of True to False. Row t says where place t may look.
# </details>
#
# <details><summary>Hint 2: which x does the feed-forward layer read?</summary>
#
# The stream as attention has left it: the sum. So there are two statements, and the second one uses the result of the first.
# </details>
#
# <details><summary>The test says that the stream is lost, and I can't see where</summary>
#
# Look for a line such as `x = self.attention(...)`. It replaces the stream. `x = x + self.attention(...)` adds to it. And mind `x = self.norm_1(x)`: from there on x *is* the normalised copy, and the stream is gone.
# </details>

# %% exercise="TransformerBlock" minutes=10 difficulty=2
class TransformerBlock(nn.Module):
    """One block of a GPT: causal attention and a feed-forward layer, each added to the stream, pre-norm.

    width    C, numbers per place
    n_heads  heads of attention
    """

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.norm_1 = LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads)
        self.norm_2 = LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor) -> Tensor:
        """Return the stream x, (B, T, C), after this block; same shape. No place learns anything of a later one.

        A block whose weights are all zero adds nothing:
        >>> block = TransformerBlock(2, 1)
        >>> for parameter in block.parameters():
        ...     parameter = nn.init.zeros_(parameter)
        >>> block(torch.tensor([[[3.0, 7.0], [1.0, 5.0]]])).tolist()
        [[[3.0, 7.0], [1.0, 5.0]]]
        """
        ### BEGIN SOLUTION
        T = x.shape[1]
        causal = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        x = x + self.attention(self.norm_1(x), mask=causal)
        return x + self.feed_forward(self.norm_2(x))
        ### END SOLUTION


# %% test="TransformerBlock" points=4
def block_weights(C, seed, **changes):
    """Random weights for a block; a change such as norm_1=0.0 fills all that begins with this name."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"attention.qkv": 3 * C, "attention.output": C, "feed_forward.up": 4 * C, "feed_forward.down": C}
    weights = {}
    for name, out in shapes.items():
        weights[name + ".weight"] = torch.randn(out, 4 * C if name.endswith("down") else C, generator=generator) / C**0.5
        weights[name + ".bias"] = torch.randn(out, generator=generator)
    for name in ["norm_1", "norm_2"]:
        weights[name + ".weight"], weights[name + ".bias"] = 0.5 + torch.rand(2, C, generator=generator)
    for start, value in changes.items():
        for name in weights:
            if name.replace(".", "_").startswith(start):
                weights[name] = torch.full_like(weights[name], value)
    return weights


def block_with(weights, n_heads=2):
    block = TransformerBlock(len(weights["norm_1.bias"]), n_heads)
    block.load_state_dict(weights)
    return block


def torch_block(weights, x, n_heads=2, pre_norm=True):
    """The same from PyTorch's own layer (its masks are True where a place may NOT look)."""
    layer = nn.TransformerEncoderLayer(
        len(weights["norm_1.bias"]), n_heads, len(weights["feed_forward.up.bias"]), dropout=0.0, batch_first=True, norm_first=pre_norm,
        activation=lambda hidden: F.gelu(hidden, approximate="tanh"),
    )
    theirs = {"norm_1": "norm1", "norm_2": "norm2", "attention.qkv.": "self_attn.in_proj_", "attention.output": "self_attn.out_proj", "feed_forward.up": "linear1", "feed_forward.down": "linear2"}
    renamed = {}
    for name, weight in weights.items():
        start = next(start for start in theirs if name.startswith(start))
        renamed[theirs[start] + name[len(start) :]] = weight
    layer.load_state_dict(renamed)
    T = x.shape[1]
    return layer(x, src_mask=torch.ones(T, T).triu(1).bool()).detach()


x = torch.tensor([[[1.0, 2.0, 3.0, 6.0], [-4.0, 0.0, 2.0, 2.0], [0.5, 0.5, -1.0, 3.0]]])
found, thought = torch.tensor([10.0, 0.0, 0.0, 30.0]), torch.tensor([0.0, 20.0, 40.0, 0.0])
silent = block_weights(4, 0, attention=0.0, feed_forward=0.0, norm_1_weight=1.0, norm_2_weight=1.0, norm_1_bias=0.0, norm_2_bias=0.0)
silent |= {"attention.output.bias": found, "feed_forward.down.bias": thought}
check.equal(
    block_with(silent)(x),
    x + found + thought,
    name="a block whose attention always finds (10, 0, 0, 30), and whose feed-forward layer (0, 20, 40, 0)",
    atol=1e-4,
    causes=[
        (x * 0 + thought, "the residual is lost: x = x + part(...), both times."),
        (x * 0 + found + thought, "the residual around attention is lost: add what attention finds to x."),
        (x + found, "what the feed-forward layer returns is missing."),
        (x + thought, "what attention finds is missing."),
        (2 * x + found + thought, "the residual is doubled: x is in the sum twice. Each part is added once, to the stream as it is."),
        (2 * x + 2 * found + thought, "the residual is doubled: x is in the sum twice. Each part is added once, to the stream as it is."),
        (2 * x + 2 * found + 2 * thought, "the residual is doubled: x is in the sum twice. Each part is added once, to the stream as it is."),
        (x + 2 * found + thought, "what attention finds is added twice."),
        (lambda y: bool((y.mean(-1).abs() < 1e-3).all()), "this is post-norm: the stream itself is normalised. Here norm(x) is read, and x goes on."),
        (lambda y: bool(((y - thought).mean(-1).abs() < 1e-3).all()), "the stream itself was normalised: give norm(x) to the part, but add the result to x."),
        (lambda y: bool(((y - thought - found).mean(-1).abs() < 1e-3).all()), "the stream itself was normalised: give norm(x) to the part, but add the result to x."),
    ],
)
weights = block_weights(4, 3)
only_attention, only_thought = block_weights(4, 3, feed_forward_down=0.0), block_weights(4, 3, attention_output=0.0)
alone = block_with(only_attention)(x)[:, 0] - x[:, 0]
check.that(
    bool((alone - weights["attention.output.bias"]).abs().max() > 1e-3),
    "The first place finds nothing at all: a place may look at itself, so the mask is True on the diagonal, too.",
)
later = x.clone()
later[:, 2] = 50.0
check.equal(
    block_with(weights)(later)[:, :2],
    block_with(weights)(x)[:, :2],
    name="what comes out at the first two places, when the third has changed",
    atol=1e-4,
    causes=[(lambda y: True, "the future leaks in. Pass a mask that is True on and below the diagonal: row t says where place t may look, at columns up to t.")],
)
reads_1 = block_with(block_weights(4, 1, norm_1=0.0, feed_forward_down=0.0))(x) - x
check.that(
    bool((reads_1 - reads_1[:, :1]).abs().max() < 1e-4),
    "With norm_1 silenced (weight and bias 0) attention still tells one place from another: attention has to read norm_1(x), and nothing else.",
)
reads_2 = block_with(block_weights(4, 2, norm_2=0.0, attention_output=0.0))(x) - x
check.that(
    bool((reads_2 - reads_2[:, :1]).abs().max() < 1e-4),
    "With norm_2 silenced (weight and bias 0) the feed-forward layer still tells one place from another: it has to read norm_2(x), and nothing else.",
)
check.equal(
    block_with(weights)(x),
    torch_block(weights, x),
    name="the stream, beside PyTorch's own layer with your weights",
    atol=1e-4,
    causes=[
        (torch_block(only_attention, x) + torch_block(only_thought, x) - x, "both parts read the same x: the feed-forward layer reads the stream to which attention has already added."),
        (torch_block(only_attention, torch_block(only_thought, x)), "the feed-forward layer comes first; the order is attention, then feed-forward."),
        (torch_block(weights, x, pre_norm=False), "this is post-norm: the stream itself is normalised."),
        (lambda y: True, "each place may look at itself and at all places before it, and both parts are added to the stream."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(65)
for B, T, C, n_heads, scale in [(1, 1, 2, 1, 1.0), (2, 5, 4, 2, 1.0), (3, 9, 12, 3, 1.0), (1, 40, 8, 8, 1.0), (2, 4, 6, 2, 1000.0), (2, 4, 6, 2, 0.001)]:
    weights = block_weights(C, T)
    block, x = block_with(weights, n_heads), scale * torch.randn(B, T, C)
    got = block(x)
    check.equal(got, torch_block(weights, x, n_heads), name=f"B = {B}, T = {T}, C = {C}, {n_heads} heads, scale {scale:g}", atol=1e-4 * max(scale, 1.0), rtol=1e-3)
    for t in {0, T // 2, T - 1}:
        changed = x.clone()
        changed[:, t + 1 :] = torch.randn(B, T - t - 1, C) * 30
        check.equal(block(changed)[:, : t + 1], got[:, : t + 1], name="places before a change", atol=1e-4 * max(scale, 1.0), rtol=1e-3)
    padded = F.pad(x, (0, 0, 0, 3), value=5.0)
    check.equal(block(padded)[:, :T], got, name="words beside padding", atol=1e-4 * max(scale, 1.0), rtol=1e-3)
    check.equal(block(x.flip(0)), got.flip(0), name="sentences in another order", atol=1e-4 * max(scale, 1.0), rtol=1e-3)
    order = torch.cat([torch.randperm(T - 1), torch.tensor([T - 1])])
    check.equal(block(x[:, order])[:, -1], got[:, -1], name="the last place, earlier ones in another order", atol=1e-4 * max(scale, 1.0), rtol=1e-3)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: why the norms moved
#
# Stacks of your blocks, pre-norm, beside stacks of PyTorch's, post-norm, with first weights of the same size. One batch goes through; then we look at the gradient that arrives at the *last* block, before any training.

# %% experiment
def gradient_at_last_block(blocks, last_matrix):
    torch.manual_seed(2)
    x, targets, head = torch.randn(8, 12, 64), torch.randint(100, (8, 12)), nn.Linear(64, 100)
    for block in blocks:
        x = block(x)
    F.cross_entropy(head(F.layer_norm(x, (64,))).flatten(0, 1), targets.flatten()).backward()
    return last_matrix.grad.norm().item()


torch.manual_seed(1)
yours = nn.ModuleList(TransformerBlock(64, 4) for _ in range(32))
post_norm = nn.ModuleList(nn.TransformerEncoderLayer(64, 4, 256, 0.0, F.gelu, batch_first=True) for _ in range(32))
for matrix in [parameter for parameter in [*yours.parameters(), *post_norm.parameters()] if parameter.ndim == 2]:
    nn.init.xavier_normal_(matrix)
hidden_places = torch.ones(12, 12).triu(1).bool()
depths, gradients = [1, 2, 4, 8, 16, 32], {"post-norm": [], "pre-norm (yours)": []}
for depth in depths:
    masked = [lambda x, block=block: block(x, src_mask=hidden_places) for block in post_norm[:depth]]
    for model, blocks, matrix in [
        ("post-norm", masked, post_norm[depth - 1].linear2.weight), ("pre-norm (yours)", yours[:depth], yours[depth - 1].feed_forward.down.weight),
    ]:
        yours.zero_grad()
        post_norm.zero_grad()
        gradients[model].append(gradient_at_last_block(blocks, matrix))
plots.lines(
    depths,
    gradients,
    title="Post-norm leaves the last block's gradient large, however deep the stack",
    x_label="blocks in the stack",
    y_label="gradient at the last block (norm)",
    log_x=True,
    alt="Gradient at the last block against the number of blocks, from 1 to 32. The post-norm line stays near 0.3; the pre-norm line begins "
    "there and falls steadily, below 0.1 at 32 blocks.",
)

# %% [markdown]
# In a pre-norm stack the stream grows with every block, so that each one is a smaller share of the sum, and its gradient is smaller in proportion: Xiong et al. (2020) show that it falls like $1/\sqrt{L}$ with the number of blocks $L$. In a post-norm stack every sum is brought back to the same
# size, and the last block's gradient stays as large as if it were alone. A full-sized first step is then too large for it, which is why post-norm transformers have to begin training with a tiny learning rate (*warm-up*) and pre-norm ones can do without.

# %% [markdown]
# ## 6 GPT
#
# Stack the blocks, put embeddings in front and a guess at the end, and you have GPT-2 (Radford et al. 2019):
#
# 1. The stream begins as $x_t = \text{tokens}[w_t] + \text{positions}[t]$: the vector of the token, plus the learned vector of its place.
# 2. All blocks, one after the other.
# 3. One last norm, for what comes out of many additions. The result we call the **states**, (B, T, C).
# 4. The **head**: one logit for each of the V tokens, a linear layer without bias.
#
# The head compares a state with one vector per token. And the embedding is one vector per token, too. GPT-2 uses **the same matrix** for both (weight tying, Press and Wolf 2017): $\text{logit}_v = \text{state} \cdot \text{tokens}[v]$. This saves many parameters, and
# whatever is learned about a word when it is read helps when it is guessed. *The same* means one parameter with two names, not two that begin alike: a copy would go its own way from the first training step on.
#
# In training, all T places are asked for their guess at once. When the model *writes*, only the guess at the last place is wanted. The head is the widest matrix of all, with 50,257 rows in GPT-2, and computing T guesses to throw T - 1 of them away would be a waste.

# %% [markdown]
# ### Exercise 6: GPT
#
# Write the constructor and three short methods. Use the names `blocks`, `norm` and `head` for what you make.
#
# <details><summary>Hint 1: why nn.ModuleList?</summary>
#
# PyTorch finds parameters in modules that are attributes of a module. A plain Python list hides them: they would not be trained and not be saved. `nn.ModuleList(...)` is a list that it looks into.
# </details>
#
# <details><summary>Hint 2: how do two layers share a matrix?</summary>
#
# Make the head, `nn.Linear(width, V, bias=False)`, whose weight has the shape (V, C), just like the embedding's. Then let its attribute be the other one's parameter: `self.head.weight = self.tokens.weight`.
# </details>
#
# <details><summary>Hint 3: which positions?</summary>
#
# Places 0 .. T - 1, the same for all sentences: `self.positions.weight[:T]` has the shape (T, C) and adds to (B, T, C) by broadcasting.
# </details>
#
# <details><summary>Hint 4: what does the loss want?</summary>
#
# `F.cross_entropy` wants logits (N, V) and targets (N,): flatten B and T in both. It leaves out targets of -100 by itself.
# </details>
#
# <details><summary>The number of parameters is too small, or too large</summary>
#
# Too small: blocks in a plain list, or one block that is used several times (`[block] * n` is n times the same block). Too large: the head has weights of its own.
# </details>
#
# <details><summary>I see (2, 4) instead of (1.265, 2.530) in the last row of the logits</summary>
#
# The stream reaches the head without the last norm. Was it made, and never used? The first two rows are right all the same, because their stream has variance 1 already.
#
# If all three rows are (1.265, 2.530), every place got the position vector of the last one.
# </details>

# %% exercise="GPT" minutes=18 difficulty=3
class GPT(nn.Module):
    """GPT-2 (Radford et al. 2019), without dropout.

    `tokens` and `positions` are embeddings, `blocks` an nn.ModuleList of config.n_layers TransformerBlocks, `norm` a LayerNorm, and
    `head` an nn.Linear from C to V without bias, whose weight is the very parameter `tokens.weight`.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary_size, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        ### BEGIN SOLUTION
        self.blocks = nn.ModuleList(TransformerBlock(config.width, config.n_heads) for _ in range(config.n_layers))
        self.norm = LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self.head.weight = self.tokens.weight
        ### END SOLUTION
        initialise(self)

    def states(self, idx: Tensor) -> Tensor:
        """Return the normalised stream after the last block, (B, T, C), for token ids idx, (B, T) long, T at most config.context.

        >>> GPT(Config(vocabulary_size=9, context=5, n_layers=2, n_heads=2, width=4)).states(torch.tensor([[0, 8, 3]])).shape
        torch.Size([1, 3, 4])
        """
        ### BEGIN SOLUTION
        x = self.tokens(idx) + self.positions.weight[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.norm(x)
        ### END SOLUTION

    def forward(self, idx: Tensor, targets: Tensor | None = None):
        """Return logits (B, T, V) and the mean loss in nats, a tensor without axes; None without targets.

        targets  the token to be guessed at each place, (B, T) long; -100 asks for no guess

        A new model has no preferences: its loss is near ln V.
        >>> idx = torch.arange(40)[None] % 9
        >>> logits, loss = GPT(Config(vocabulary_size=9, context=40, n_layers=2, n_heads=2, width=64))(idx, idx.roll(1))
        >>> abs(loss.item() - math.log(9)) < 0.5
        True
        """
        ### BEGIN SOLUTION
        logits = self.head(self.states(idx))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten())
        ### END SOLUTION

    def next_logits(self, idx: Tensor) -> Tensor:
        """Return the logits of the token that follows each row of idx, (B, V), asking the head about the last place only."""
        ### BEGIN SOLUTION
        return self.head(self.states(idx)[:, -1])
        ### END SOLUTION


# %% test="GPT" points=5
tiny = Config(vocabulary_size=11, context=6, n_layers=2, n_heads=2, width=4)


def gpt_weights(config, seed, scale=0.5):
    """Random weights for a GPT, by name."""
    C, generator = config.width, torch.Generator().manual_seed(seed)
    shapes = {"tokens.weight": (config.vocabulary_size, C), "positions.weight": (config.context, C)}
    for i in range(config.n_layers):
        for name, shape in {"attention.qkv": (3 * C, C), "attention.output": (C, C), "feed_forward.up": (4 * C, C), "feed_forward.down": (C, 4 * C)}.items():
            shapes |= {f"blocks.{i}.{name}.weight": shape, f"blocks.{i}.{name}.bias": shape[:1]}
        shapes |= {f"blocks.{i}.{norm}.{kind}": (C,) for norm in ("norm_1", "norm_2") for kind in ("weight", "bias")}
    shapes |= {"norm.weight": (C,), "norm.bias": (C,)}
    weights = {name: scale * torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return weights | {"head.weight": weights["tokens.weight"]}


def gpt_with(config, weights):
    model = GPT(config)
    model.load_state_dict(weights)
    return model


def silent(config, tokens, **others):
    """Weights with which no block adds anything, and the last norm only normalises."""
    weights = {name: torch.zeros_like(weight) for name, weight in gpt_weights(config, 0).items()}
    weights |= {name: torch.ones_like(weight) for name, weight in weights.items() if "norm" in name and name.endswith("weight")}
    return weights | {"tokens.weight": tokens, "head.weight": tokens} | {name.replace("_", "."): weight for name, weight in others.items()}


check.equal(
    sum(parameter.numel() for parameter in GPT(tiny).parameters()),
    564,
    name="number of parameters of a tiny GPT (V = 11, context 6, two blocks of width 4)",
    causes=[
        (608, "the head has weights of its own (44 too many). Tie them: one parameter with two names, not a copy that goes its own way."),
        (619, "the head has weights of its own, and a bias. Tie its weight, and make it with bias=False."),
        (575, "the head has a bias; bias=False."),
        (68, "the parameters of the blocks, and those of the norm, are missing."),
        (76, "the blocks are hidden in a plain list; put them into an nn.ModuleList."),
        (320, "there is only one block, used several times: make a new one for each layer."),
        (556, "the last norm is missing."),
        (540, "the positions are missing."),
    ],
)
names = set(GPT(tiny).state_dict())
wanted_names = set(gpt_weights(tiny, 0))
check.that(
    names == wanted_names,
    f"The names of the parameters are not those of the docstring: {', '.join(sorted(names ^ wanted_names)[:4])}. The parts are called blocks, norm and head.",
)
three_words = torch.tensor([[1, 2, 0], [4, 4, 3]])
logits, no_loss = gpt_with(tiny, gpt_weights(tiny, 1))(three_words)
check.equal(tuple(logits.shape), (2, 3, 11), name="shape of the logits, (B, T, V)", causes=[
    ((2, 1, 11), "these are the logits of the last place only; forward returns all of them."),
    ((2, 11), "these are the logits of the last place only; forward returns all of them."),
    ((6, 11), "return the logits as (B, T, V); flatten them for the loss only."),
    ((2, 3, 4), "these are the states; the head makes logits of them."),
])
check.equal(no_loss, None, name="the loss without targets")
# A pair of tokens and positions of which every number can be followed: the logits say how much of each is in the stream.
pair = Config(vocabulary_size=2, context=3, n_layers=2, n_heads=1, width=4)
two_tokens = torch.tensor([[1.0, -1.0, 0.0, 0.0], [0.0, 0.0, 1.0, -1.0]])
three_places = torch.tensor([[0.0, 0.0, 1.0, -1.0], [0.0, 0.0, -1.0, 1.0], [0.0, 0.0, 2.0, -2.0]])
logits, _ = gpt_with(pair, silent(pair, two_tokens, positions_weight=three_places))(torch.tensor([[0, 0, 0]]))
check.equal(
    logits,
    torch.tensor([[[2.0, 2.0], [2.0, -2.0], [1.264911, 2.529822]]]),
    name="logits of a model whose blocks add nothing",
    atol=1e-3,
    causes=[
        (lambda got: bool((got[0, :, 1] * got[0, 0, 1] > 0).all() and (got[0, 0] - got[0, 1]).abs().max() < 1e-3 and got[0, 0, 1] != 0), "every place got the same position vector: place t gets row t of positions, whichever token stands there."),
        (lambda got: bool(got[0, :, 1].abs().max() < 1e-3), "the positions are not in the stream: add positions.weight[:T] to the embeddings."),
        (torch.tensor([[[2.0, 2.0], [2.0, -2.0], [2.0, 4.0]]]), "the last norm is missing: the stream is normalised before the head."),
        (lambda got: bool(((got[0, :2, 1] / got[0, :2, 0]).abs() - 2).abs().max() < 0.01), "the positions are added twice."),
        (lambda got: bool(((got[0, :2, 1] / got[0, :2, 0]).abs() > 2.5).all()), "the positions are added again and again: once, before the first block, is enough."),
        (lambda got: bool(((got[0, :2, 1] / got[0, :2, 0]).abs() < 0.9).all()), "the embeddings are scaled; in a GPT the token's and the place's vector are simply added."),
        (lambda got: bool(((got.sum(-1) - 1).abs() < 1e-4).all()), "these are probabilities; return logits."),
        (lambda got: bool((got.exp().sum(-1) - 1).abs().max() < 1e-4), "these are logarithms of probabilities; return logits."),
    ],
)
spread = silent(tiny, gpt_weights(tiny, 2)["tokens.weight"], positions_weight=gpt_weights(tiny, 2)["positions.weight"])
unmoved = gpt_with(tiny, spread)(three_words)[0]
for i in range(2):
    moved = gpt_with(tiny, spread | {f"blocks.{i}.feed_forward.down.bias": torch.tensor([5.0, 0.0, 0.0, -3.0])})(three_words)[0]
    check.that(
        not torch.allclose(moved, unmoved, atol=1e-3),
        f"Block {i} of 2 does not change the logits: the stream goes through all blocks, each takes what the one before has returned.",
    )
weights = gpt_weights(tiny, 3)
model, idx = gpt_with(tiny, weights), torch.tensor([[1, 2, 3, 4], [5, 6, 7, 8]])
logits = model(idx)[0]
later = idx.clone()
later[:, 3] = 10
check.that(
    torch.allclose(model(later)[0][:, :3], logits[:, :3], atol=1e-5),
    "The future leaks: logits of earlier places have changed with a later token.",
)
flat = Config(vocabulary_size=5, context=3, n_layers=1, n_heads=1, width=2)
log_probabilities = torch.tensor([1 / 2, 1 / 4, 1 / 8, 1 / 16, 1 / 16]).log()
always = silent(flat, torch.stack([log_probabilities, torch.zeros(5)], dim=1)) | {"norm.weight": torch.zeros(2), "norm.bias": torch.tensor([1.0, 0.0])}
check.equal(
    gpt_with(flat, always)(torch.tensor([[0, 1, 4], [4, 2, 3]]), torch.tensor([[1, 0, -100], [2, 3, 0]]))[1],
    torch.tensor(1.524924),
    name="loss of a model that always thinks 1/2, 1/4, 1/8, 1/16, 1/16",
    atol=1e-4,
    causes=[
        (torch.tensor(7.624619), "this is the sum; return the mean over the targets."),
        (torch.tensor(1.270770), "you divided by all places; places with target -100 do not count."),
        (torch.tensor(1.386294), "the targets are shifted already; take them as they come, place by place."),
        (torch.tensor(2.079442), "the loss compares with targets, not with idx."),
        (torch.tensor(2.252728), "the loss compares with targets, not with idx."),
        (torch.tensor(1.536224), "cross_entropy takes logits and does the softmax itself: you applied softmax before."),
        (lambda loss: isinstance(loss, torch.Tensor) and loss.dim() > 0, "the loss is one number, the mean over all targets."),
    ],
)
check.equal(
    model.next_logits(idx),
    logits[:, -1],
    name="next_logits",
    atol=1e-5,
    causes=[
        (lambda got: tuple(got.shape) == (2, 4, 11), "these are the logits of all places; return those of the last one, (B, V)."),
        (lambda got: tuple(got.shape) == (2, 1, 11), "the axis of places is still there; return (B, V)."),
        (logits[:, 0], "these are the logits of the first place; the next token is guessed at the last."),
        (lambda got: "int" in str(got.dtype), "these are tokens; return their logits."),
        (lambda got: bool((got.sum(-1) - 1).abs().max() < 1e-4), "these are probabilities; return logits."),
    ],
)
states = model.states(idx)
model.head = nn.Softmax(dim=1)  # a head that shows what it was asked about
check.that(
    not torch.allclose(model.next_logits(idx), states.softmax(1)[:, -1], atol=1e-5),
    "next_logits asks the head about all places and throws all guesses but one away: take the last state first.",
)
### BEGIN HIDDEN TESTS
torch.manual_seed(66)


def torch_states(weights, idx, n_layers, n_heads):
    """The stream by PyTorch's own layers."""
    C, T = weights["norm.bias"].shape[0], idx.shape[1]
    x = weights["tokens.weight"][idx] + weights["positions.weight"][:T]
    for i in range(n_layers):
        layer = nn.TransformerEncoderLayer(
            C, n_heads, 4 * C, dropout=0.0, activation=lambda hidden: F.gelu(hidden, approximate="tanh"), batch_first=True, norm_first=True
        )
        theirs = {"norm1": "norm_1", "norm2": "norm_2", "self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj": "attention.output", "linear1": "feed_forward.up", "linear2": "feed_forward.down"}
        layer.load_state_dict(
            {name: weights[f"blocks.{i}." + next(ours + name[len(start) :] for start, ours in theirs.items() if name.startswith(start))] for name in layer.state_dict()}
        )
        x = layer(x, src_mask=torch.ones(T, T).triu(1).bool())
    return F.layer_norm(x, (C,), weights["norm.weight"], weights["norm.bias"]).detach()


for config, B, T, scale in [
    (Config(7, 4, 1, 1, 2), 1, 1, 0.5), (Config(13, 9, 3, 2, 8), 3, 9, 0.5), (Config(40, 12, 2, 4, 12), 2, 7, 0.3), (Config(5, 30, 4, 1, 4), 2, 30, 0.5), (Config(9, 5, 2, 2, 4), 2, 5, 5.0),
]:
    weights = gpt_weights(config, config.vocabulary_size, scale)
    model, idx = gpt_with(config, weights), torch.randint(config.vocabulary_size, (B, T))
    want = torch_states(weights, idx, config.n_layers, config.n_heads)
    tolerance = {"atol": 2e-3 * max(1.0, scale), "rtol": 1e-3}
    check.equal(model.states(idx), want, name=f"states, {config}", **tolerance)
    logits, loss = model(idx, idx.flip(1))
    check.equal(logits, want @ weights["tokens.weight"].T, name=f"logits, {config}", **tolerance)
    check.equal(loss, F.cross_entropy(logits.flatten(0, 1), idx.flip(1).flatten()).detach(), name="loss", atol=1e-3, rtol=1e-3)
    check.equal(model.next_logits(idx), logits[:, -1], name="next_logits", **tolerance)
    for t in {0, T // 2, T - 1}:
        changed = idx.clone()
        changed[:, t + 1 :] = torch.randint(config.vocabulary_size, (B, T - t - 1))
        check.equal(model(changed)[0][:, : t + 1], logits[:, : t + 1], name="logits before a change", **tolerance)
        check.equal(model(idx[:, : t + 1])[0], logits[:, : t + 1], name="logits of the beginning alone", **tolerance)
    check.equal(model(idx.flip(0))[0], logits.flip(0), name="sentences in another order", **tolerance)
    padded_targets = idx.flip(1).clone()
    padded_targets[:, T // 2 + 1 :] = -100
    padded = idx.clone()
    padded[:, T // 2 + 1 :] = 0
    short = model(idx[:, : T // 2 + 1], padded_targets[:, : T // 2 + 1])[1]
    check.equal(model(padded, padded_targets)[1], short, name="loss of words beside padding", atol=1e-3, rtol=1e-3)
one_block = Config(vocabulary_size=11, context=6, n_layers=1, n_heads=2, width=4)
placeless = gpt_weights(one_block, 9)
placeless["positions.weight"] = torch.zeros(6, 4)
idx, order = torch.tensor([[1, 2, 3, 4, 5, 6]]), torch.tensor([3, 1, 4, 0, 2, 5])
model = gpt_with(one_block, placeless)
check.equal(model.next_logits(idx[:, order]), model.next_logits(idx), name="one block without positions, earlier tokens in another order", atol=1e-5)
model = gpt_with(one_block, gpt_weights(one_block, 9))
check.that(not torch.allclose(model.next_logits(idx[:, order]), model.next_logits(idx), atol=1e-3), "with positions the order counts")
new = GPT(Config(50, 20, 3, 2, 16))
check.equal(new(torch.arange(20)[None], torch.arange(20, 40)[None])[1], torch.tensor(math.log(50)), name="first loss", atol=0.6)
tied = GPT(tiny)
tied.load_state_dict(gpt_weights(tiny, 1) | {"head.weight": torch.full((11, 4), 0.5)})
after_loading = tied.state_dict()
check.equal(after_loading["head.weight"], after_loading["tokens.weight"], name="one parameter with two names")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: it has no preferences yet
#
# Before training, all words should be about equally likely, and the loss near $\ln V$. A first loss far above it means that something is too large.

# %% experiment
village = corpus("village")
tokenizer = WordTokenizer(village.source.vocabulary)
train_set, valid_set, test_set = (sentence_batches(sentences, tokenizer) for sentences in (village.train, village.valid, village.test))
torch.manual_seed(0)
untrained = GPT(Config(vocabulary_size=len(tokenizer), context=32, n_layers=2, n_heads=4, width=64))
first_loss = untrained(*next(train_set.chunks(64)))[1].item()
print(f"loss of the untrained model: {first_loss:.2f} nats; ln {len(tokenizer):,} is {math.log(len(tokenizer)):.2f}")

# %% [markdown]
# ## 7 GPT-2
#
# Your class is not a model like GPT-2. It is GPT-2: what is missing are its weights. Two exercises prove it. First, do you know where its parameters are? The smallest GPT-2 has 124,439,808; they fit a table of a few lines. For the width $C$, with $V$ tokens and places up to `context`:
#
# | part | parameters | why |
# |---|---|---|
# | a `LayerNorm` | $2C$ | weight and bias |
# | a linear layer from $a$ to $b$ | $ab + b$ | matrix and bias |
# | an embedding of $n$ vectors | $nC$ | no bias |
# | the head | 0 | it is the embedding of the tokens once more |
#
# **An example.** A `FeedForward` of width 2 has a layer from 2 to 8 and one from 8 to 2: $(16 + 8) + (16 + 2) = 42$ parameters.

# %% [markdown]
# ### Exercise 7: count the parameters
#
# Compute the number from the sizes, without making the model: GPT-2 XL would need 6 GB of memory only to be counted.
#
# <details><summary>Hint 1: what is in attention?</summary>
#
# `qkv`, a linear layer from C to 3C, and `output`, from C to C. The number of heads does not matter: heads share the C numbers out among them.
# </details>
#
# <details><summary>Hint 2: pseudocode</summary>
#
#     block = two norms + qkv + output + up + down
#     all = embedding of tokens + embedding of places + n_layers * block + last norm
# </details>

# %% exercise="count_parameters" minutes=8 difficulty=2
def count_parameters(config: Config) -> int:
    """Return how many parameters a GPT of these sizes has; what two parts share counts once.

    >>> count_parameters(GPT2_SIZES["small"])
    124439808
    """
    ### BEGIN SOLUTION
    C = config.width

    def linear(inputs, outputs):
        return inputs * outputs + outputs

    norm = 2 * C
    block = 2 * norm + linear(C, 3 * C) + linear(C, C) + linear(C, 4 * C) + linear(4 * C, C)
    embeddings = (config.vocabulary_size + config.context) * C
    return embeddings + config.n_layers * block + norm
    ### END SOLUTION


# %% test="count_parameters" points=3
check.equal(
    count_parameters(GPT2_SIZES["small"]),
    124_439_808,
    name="parameters of GPT-2 small",
    causes=[
        (163_037_184, "the head is counted as well; it is the same matrix as the embedding of the tokens, and counts once."),
        (163_087_441, "the head is counted as well; it is the same matrix as the embedding of the tokens, and has no bias."),
        (123_653_376, "the embedding of the places is missing."),
        (85_842_432, "the embedding of the tokens is missing."),
        (124_438_272, "the last norm is missing."),
        (124_402_944, "the norms inside the blocks are missing."),
        (124_401_408, "the norms are missing, each has 2C parameters."),
        (124_421_376, "each block has two norms."),
        (124_420_608, "a norm has 2C parameters: a weight and a bias for each of C numbers."),
        (124_356_864, "the linear layers have biases: as many as they have outputs."),
        (124_318_464, "biases are missing; linear layers and norms have them."),
        (117_352_704, "attention has one more linear layer: output, from C to C."),
        (81_944_832, "the hidden layer of FeedForward has 4C numbers."),
        (46_473_216, "there are n_layers blocks."),
        (162_251_520, "this looks like wrong embeddings: V and context vectors of C numbers."),
        (lambda n: n > 300_000_000, "the heads share the C numbers: more heads do not mean more parameters."),
    ],
)
check.equal(
    count_parameters(Config(vocabulary_size=10, context=5, n_layers=1, n_heads=2, width=2)),
    108,
    name="parameters of the smallest one: V = 10, context 5, one block of width 2",
    causes=[(lambda n: True, "count with the sizes of config: here C = 2, and one block has 74 parameters.")],
)
check.equal([count_parameters(GPT2_SIZES[size]) for size in ("medium", "large", "XL")], [354_823_168, 774_030_080, 1_557_611_200], name="the three larger ones")
### BEGIN HIDDEN TESTS
for config in [Config(7, 3, 2, 1, 4), Config(100, 16, 5, 4, 8), Config(11, 64, 1, 8, 16), Config(3, 1, 3, 3, 6)]:
    C = config.width
    shapes = [(config.vocabulary_size, C), (config.context, C), (C,), (C,)]
    shapes += config.n_layers * [(C,), (C,), (C, 3 * C), (3 * C,), (C, C), (C,), (C,), (C,), (C, 4 * C), (4 * C,), (4 * C, C), (C,)]
    check.equal(count_parameters(config), sum(math.prod(shape) for shape in shapes), name=str(config))
more_heads = [count_parameters(Config(9, 9, 2, n_heads, 12)) for n_heads in (1, 3, 12)]
check.equal(more_heads, more_heads[:1] * 3, name="parameters with 1, 3 and 12 heads")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: where are they?

# %% experiment
small_to_xl = {size: (config.width, config.n_layers) for size, config in GPT2_SIZES.items()}
plots.stacked_bars(
    [f"{size}\n{config.n_layers} × {config.width}" for size, config in GPT2_SIZES.items()],
    {
        "feed-forward layers": [8 * C * C * n / 1e6 for C, n in small_to_xl.values()],
        "attention": [4 * C * C * n / 1e6 for C, n in small_to_xl.values()],
        "embeddings": [(50257 + 1024) * C / 1e6 for C, n in small_to_xl.values()],
    },
    title="The larger the model, the larger the share of its feed-forward layers",
    y_label="millions of parameters, in matrices",
    alt="Four stacked bars, GPT-2 small to XL. Embeddings are a third of the small model and a twentieth of the XL; in each model the "
    "feed-forward layers hold twice as many parameters as attention.",
)

# %% [markdown]
# ### Exercise 8: load GPT-2
#
# The weights of GPT-2 come as a dictionary of named tensors. Two things keep them from fitting. Their *names* differ; `gpt2_name` of the setup cell translates ours into theirs:
#
# | ours | GPT-2's | |
# |---|---|---|
# | `tokens.weight`, `head.weight` | `wte.weight` | |
# | `positions.weight`, `norm.weight` | `wpe.weight`, `ln_f.weight` | |
# | `blocks.3.norm_2.bias` | `h.3.ln_2.bias` | |
# | `blocks.3.attention.qkv.weight`, `...output.weight` | `h.3.attn.c_attn.weight`, `...c_proj.weight` | transposed |
# | `blocks.3.feed_forward.up.weight`, `...down.weight` | `h.3.mlp.c_fc.weight`, `...c_proj.weight` | transposed |
#
# And the matrices of all layers called `c_...` are *transposed*: GPT-2's authors wrote them as one-dimensional convolutions, whose weight has the shape (inputs, outputs), while `nn.Linear` has (outputs, inputs). The embeddings are not, nor are vectors.
#
# <details><summary>Hint 1: where do I begin?</summary>
#
# With our names. Walk over `model.state_dict()`, look up each name's tensor among the given weights, and build a new dictionary with our names.
# </details>
#
# <details><summary>Hint 2: which ones do I transpose?</summary>
#
# Matrices (`ndim == 2`) whose GPT-2 name has `.c_` in it. Do not decide by whether the shape fits: the matrix of `attn.c_proj` is square, and fits both ways.
# </details>
#
# <details><summary>Hint 3: how do the weights get into the model?</summary>
#
# `model.load_state_dict(dictionary)` copies them into the parameters, and complains about names that are missing or wrong. Leave its complaints on.
# </details>

# %% exercise="load_gpt2_weights" minutes=10 difficulty=2
def load_gpt2_weights(model: GPT, weights: dict[str, Tensor]) -> None:
    """Copy GPT-2's weights, by their original names, into a model of the same sizes.

    weights  may hold more than the model needs (old files have the causal masks, "h.0.attn.bias", among the weights)

    >>> small = GPT(Config(vocabulary_size=2, context=1, n_layers=0, n_heads=1, width=1))
    >>> load_gpt2_weights(small, {"wte.weight": torch.tensor([[3.0], [4.0]]), "wpe.weight": torch.zeros(1, 1), "ln_f.weight": torch.ones(1), "ln_f.bias": torch.zeros(1)})
    >>> small.head.weight.tolist()
    [[3.0], [4.0]]
    """
    ### BEGIN SOLUTION
    ours = {}
    for name in model.state_dict():
        weight = weights[gpt2_name(name)]
        transposed = weight.ndim == 2 and ".c_" in gpt2_name(name)
        ours[name] = weight.T if transposed else weight
    model.load_state_dict(ours)
    ### END SOLUTION


# %% test="load_gpt2_weights" points=3
def gpt2_file(config, seed):
    """Random weights with the names and shapes of GPT-2's files, causal masks included."""
    C, generator = config.width, torch.Generator().manual_seed(seed)
    shapes = {"wte.weight": (config.vocabulary_size, C), "wpe.weight": (config.context, C), "ln_f.weight": (C,), "ln_f.bias": (C,)}
    for i in range(config.n_layers):
        shapes |= {f"h.{i}.{norm}.{kind}": (C,) for norm in ("ln_1", "ln_2") for kind in ("weight", "bias")}
        for name, inputs, outputs in [("attn.c_attn", C, 3 * C), ("attn.c_proj", C, C), ("mlp.c_fc", C, 4 * C), ("mlp.c_proj", 4 * C, C)]:
            shapes |= {f"h.{i}.{name}.weight": (inputs, outputs), f"h.{i}.{name}.bias": (outputs,)}
    weights = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return weights | {f"h.{i}.attn.bias": torch.ones(1, 1, config.context, config.context).tril() for i in range(config.n_layers)}


def loaded(config, weights):
    """The model's parameters after loading; an error of shapes or names is returned, to be named below."""
    model = GPT(config)
    # matrices so small that they can't be taken for those of the file
    model.load_state_dict({name: weight / 100 if weight.ndim == 2 else weight for name, weight in model.state_dict().items()})
    try:
        load_gpt2_weights(model, weights)
    except NotImplementedError:
        raise
    except (RuntimeError, KeyError, AttributeError, TypeError, ValueError) as error:
        return error
    return dict(model.state_dict()) | {"number of parameters": sum(parameter.numel() for parameter in model.parameters())}


file_sizes = Config(vocabulary_size=6, context=4, n_layers=2, n_heads=2, width=4)
file = gpt2_file(file_sizes, 0)
after_load = loaded(file_sizes, file)
check.that(
    not isinstance(after_load, RuntimeError),
    f"PyTorch refuses the weights: {str(after_load)[:300]}\nLikely cause: matrices of the layers c_... have to be transposed, embeddings must not be; and every name in the dictionary must be one of ours.",
)
check.that(not isinstance(after_load, Exception), f"Loading fails with {type(after_load).__name__}: {after_load}. Walk over our names, model.state_dict(), not over theirs: files hold more than we need.")
check.equal(after_load["tokens.weight"], file["wte.weight"], name="the embedding of the tokens", causes=[
    (lambda got: tuple(got.shape) != (6, 4), "embeddings are not transposed, only the matrices of the layers c_..."),
    (lambda got: float(got.abs().max()) < 0.2, "the model still has its first weights: nothing was loaded. Names that do not fit were passed over, or the weights went into a copy."),
])
check.equal(after_load["positions.weight"], file["wpe.weight"], name="the embedding of the places", causes=[
    (file["wpe.weight"].T, "embeddings are not transposed, only the matrices of the layers c_..., even where both ways fit."),
    (lambda got: True, "the places are wpe in GPT-2's names."),
])
for part, theirs in [("norm_1", "ln_1"), ("norm_2", "ln_2")]:
    check.equal(after_load[f"blocks.0.{part}.weight"], file[f"h.0.{theirs}.weight"], name=f"the weight of {part} in block 0", causes=[
        (torch.ones(4), "it is as before: the blocks were not loaded."),
        (lambda got: True, "the first norm is ln_1, the second ln_2."),
    ])
for part, theirs in [("attention.qkv", "attn.c_attn"), ("attention.output", "attn.c_proj"), ("feed_forward.up", "mlp.c_fc"), ("feed_forward.down", "mlp.c_proj")]:
    for i in range(2):
        check.equal(after_load[f"blocks.{i}.{part}.weight"], file[f"h.{i}.{theirs}.weight"].T, name=f"the matrix of {part} in block {i}", causes=[
            (file[f"h.{i}.{theirs}.weight"], "it is not transposed. All matrices of the layers c_... are, also the square one, which fits both ways."),
            (file[f"h.{1 - i}.{theirs}.weight"].T, "it is that of another block."),
            (lambda got, size=file[f"h.{i}.{theirs}.weight"].numel(): bool((got.flatten() - file[f"h.{i}.{theirs}.weight"].flatten()).abs().max() < 1e-6), "it was reshaped; transposing is something else: .T"),
            (lambda got: float(got.abs().max()) < 0.2, "it is as before: not all blocks were loaded."),
        ])
        check.equal(after_load[f"blocks.{i}.{part}.bias"], file[f"h.{i}.{theirs}.bias"], name=f"the bias of {part} in block {i}", causes=[
            (lambda got: not got.any(), "it is as before: biases have to be loaded, too."),
        ])
check.equal(after_load["norm.bias"], file["ln_f.bias"], name="the bias of the last norm")
check.equal(after_load["head.weight"], file["wte.weight"], name="the weight of the head")
check.equal(after_load["number of parameters"], 536, name="the number of parameters after loading", causes=[
    (560, "the head has got weights of its own: load into the parameters that are there, do not replace them."),
])
### BEGIN HIDDEN TESTS
for config in [Config(5, 5, 1, 1, 5), Config(30, 7, 3, 4, 8), Config(12, 12, 2, 3, 12)]:
    file = gpt2_file(config, config.width)
    after_load = loaded(config, file)
    check.that(isinstance(after_load, dict), "loading fails")
    ours = {"tokens.weight": "wte.weight", "head.weight": "wte.weight", "positions.weight": "wpe.weight", "norm.weight": "ln_f.weight", "norm.bias": "ln_f.bias"}
    for i in range(config.n_layers):
        for part, theirs in [("norm_1", "ln_1"), ("norm_2", "ln_2"), ("attention.qkv", "attn.c_attn"), ("attention.output", "attn.c_proj"), ("feed_forward.up", "mlp.c_fc"), ("feed_forward.down", "mlp.c_proj")]:
            ours |= {f"blocks.{i}.{part}.{kind}": f"h.{i}.{theirs}.{kind}" for kind in ("weight", "bias")}
    want = {name: file[theirs].T if ".c_" in theirs and file[theirs].ndim == 2 else file[theirs] for name, theirs in ours.items()}
    want["number of parameters"] = sum(weight.numel() for name, weight in want.items() if name != "head.weight")
    check.equal(after_load, want, name=f"all parameters, {config}")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: the proof
#
# The library `transformers` has the GPT-2 that everybody uses. We make a small one with random weights, load these into your class, and give both the same tokens. They were written by different people, with other functions, in another order. Do they agree?

# %% experiment
from transformers import GPT2Config, GPT2LMHeadModel

proof_sizes = Config(vocabulary_size=500, context=64, n_layers=3, n_heads=4, width=48)
torch.manual_seed(0)
theirs = GPT2LMHeadModel(
    GPT2Config(vocab_size=500, n_positions=64, n_layer=3, n_head=4, n_embd=48, initializer_range=0.3, bos_token_id=0, eos_token_id=0)
).eval()
proof = GPT(proof_sizes)
load_gpt2_weights(proof, theirs.transformer.state_dict())
some_ids = torch.randint(500, (4, 64))
with torch.no_grad():
    their_logits, our_logits = theirs(some_ids).logits, proof(some_ids)[0]
proof_difference = (their_logits - our_logits).abs().max().item()
print(f"logits from {their_logits.min():.1f} to {their_logits.max():.1f}; largest difference {proof_difference:.1e}")
print(f"parameters: {sum(parameter.numel() for parameter in theirs.parameters()):,} in theirs, {count_parameters(proof_sizes):,} by your count")
assert proof_difference < 1e-4

# %% [markdown]
# The same. So the real weights will do, too. They are a file of 548 MB; the next cell loads them where the machine has a GPU (as Colab has) or where the file has been loaded before, and says so where it doesn't. GPT-2 is published under a modified MIT licence, which asks you to say so where a text was written by it.

# %% experiment
import socket

from transformers import AutoTokenizer


def online():
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError:
        return False
    return True


only_local = preset().device != "cuda" or not online()
try:
    gpt2_tokenizer = AutoTokenizer.from_pretrained("openai-community/gpt2", local_files_only=only_local)
    gpt2 = GPT2LMHeadModel.from_pretrained("openai-community/gpt2", dtype=torch.float32, local_files_only=only_local).eval()
except (OSError, ValueError):
    gpt2 = None
    print("The weights of GPT-2 are not on this machine, and are fetched on a GPU with internet only. Everything below works without them.")

# %% experiment
if gpt2 is not None:
    yours = GPT(GPT2_SIZES["small"])
    load_gpt2_weights(yours, gpt2.transformer.state_dict())
    prompt = gpt2_tokenizer("The animal did not cross the street because it was too", return_tensors="pt").input_ids
    with torch.no_grad():
        guess = yours.next_logits(prompt)[0]
        print(f"largest difference from transformers: {(guess - gpt2(prompt).logits[0, -1]).abs().max():.1e}")
    chances = {gpt2_tokenizer.decode([i]).strip(): p for i, p in zip(guess.topk(12).indices.tolist(), guess.softmax(0).topk(12).values.tolist())}
    plots.show(plots.next_words(chances, top=12, title="What your GPT-2 says after 'because it was too'"))
    del yours, gpt2

# %% [markdown] question="gpt2" points=3 minutes=4
# **Question 2.** (a) The GPT-2 of `transformers` and your GPT agree although `transformers` computes attention in another order of operations. Why is the largest difference not exactly 0, and why was 0.0001 a sensible limit?
# (b) Suppose you had forgotten to transpose the matrix of `attn.c_proj`. No error would be raised. How would you have noticed, and why is it not enough to look at the text that the model writes?
# (c) By your formula of exercise 7, how does the number of parameters in the matrices of the blocks grow when the width doubles and the number of layers stays? And when the number of layers doubles?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Floating-point numbers are rounded at each operation, and another order rounds differently; float32 carries about 7 digits, so logits of size 10 to 100 differ in the fifth or sixth decimal after many operations. A real mistake gives differences of
# the size of the logits. (b) By comparing logits (or the loss) with the reference; the logits would be far off. Text is a weak test: a slightly broken model may still write something that looks plausible, and a sample is random. Half a point for the
# comparison alone. (c) With the width squared, so four times as many; twice as many.
# ### END MARK SCHEME

# %% [markdown]
# ## 8 Your GPT learns the village
#
# Now a GPT of your making, from random weights: two blocks of width 64, trained on the sentences of the village: 900 steps of 64 sentences. (The recurrent networks of notebook 04 had 1,400 steps of 32.)

# %% experiment
torch.manual_seed(0)
village_gpt = GPT(Config(vocabulary_size=len(tokenizer), context=32, n_layers=2, n_heads=4, width=64))
history = train(
    village_gpt, train_set, valid=valid_set, steps=900, batch_size=64, learning_rate=4e-3, embedding_rate=6, weight_decay=0.1, label="GPT"
)
village_gpt = village_gpt.cpu()
plots.training({"GPT": history}, title="Most is learned in the first half of the training", floor=("floor", village.source.bits_per_character_floor(village.valid)), alt="Bits per character against seconds of training. Both lines fall steeply at first and then ever more slowly, towards the floor "
    "but not to it; at the end the training text is a little below the validation text.")

# %% experiment
gpt_bits = bits_per_character(village_gpt, test_set)
ladder.record("GPT", nats=score(village_gpt, test_set), characters=test_set.characters, notebook="06", seconds=history.seconds[-1])
print(f"GPT    {gpt_bits:.3f} bits per character, {sum(p.numel() for p in village_gpt.parameters()):,} parameters")
print(f"Floor  {village.source.bits_per_character_floor(village.test):.3f}")
ladder.chart()

# %% [markdown]
# The GPT gets lower than any model before it. (In training it has read 57,600 sentences, the recurrent networks 44,800.) It sees every earlier word directly, so an agreement over five words costs it no more than one over two. What keeps it from the floor is mostly the size of the text: it has seen 15,000 sentences, and
# the dashed line, the text it was trained on, is falling away from the solid one.
#
# And what does it write? To draw a sentence, ask `next_logits` again and again.

# %% experiment
@torch.no_grad()
def write(model, generator, longest=25):
    ids = [tokenizer.end_id]
    while len(ids) <= longest:
        drawn = torch.multinomial(model.next_logits(torch.tensor([ids]))[0].softmax(0), 1, generator=generator).item()
        if drawn == tokenizer.end_id:
            break
        ids.append(drawn)
    return tokenizer.decode(ids[1:])


writing = torch.Generator().manual_seed(6)
for _ in range(6):
    print(write(village_gpt, writing))

# %% [markdown]
# ## 9 Take it apart
#
# Which part does what? Remove one and train again (this is called an **ablation**). To see a difference soon, we take a task that asks for what attention is good at, and has an answer that is right or wrong: the GPT reads eight random letters and a mark, and has to write the letters backwards.
#
#     it reads       s t r e s s e d | d e s s e r t
#     is asked for                   d e s s e r t s
#
# Six GPTs of six blocks, all with the same 150 steps of training:
#
# - *no positions*: the vectors of the places are zero and stay zero;
# - *no norm*: all norms are replaced by the identity;
# - *no feed-forward* and *no attention*: the part adds nothing;
# - *no stream*: every block hands on only what it has written itself, without what it was given.

# %% experiment
class OnlyWritten(nn.Module):
    """A block without the stream: what it returned, minus what it was given."""

    def __init__(self, block):
        super().__init__()
        self.block = block

    def forward(self, x):
        return self.block(x) - x


class Nothing(nn.Module):
    def forward(self, x, mask=None):
        return 0 * x


def without(part):
    torch.manual_seed(0)
    model = GPT(Config(vocabulary_size=27, context=16, n_layers=6, n_heads=4, width=48))
    for i, block in enumerate(model.blocks):
        if part == "stream":
            model.blocks[i] = OnlyWritten(block)
        elif part == "norm":
            block.norm_1, block.norm_2, model.norm = nn.Identity(), nn.Identity(), nn.Identity()
        elif part == "attention":
            block.attention = Nothing()
        elif part == "feed-forward":
            block.feed_forward = Nothing()
    if part == "positions":
        nn.init.zeros_(model.positions.weight).requires_grad_(False)
    return model


def letter_task(n, seed, backwards=True):
    """Batches of eight letters, the mark 26, and the letters again, in reverse or not; only these are asked for."""
    letters = torch.randint(26, (n, 8), generator=torch.Generator().manual_seed(seed))
    text = torch.cat([letters, torch.full((n, 1), 26), letters.flip(1) if backwards else letters], dim=1)
    targets = text[:, 1:].masked_fill(torch.arange(16) < 8, -100)
    return Batches(text[:, :-1], targets, characters=8 * n)


ablated = {part: without(part) for part in ["nothing", "feed-forward", "norm", "positions", "stream", "attention"]}
lessons = {}
for part in ablated:
    lessons["the whole model" if part == "nothing" else f"no {part}"] = train(
        ablated[part], letter_task(20_000, seed=0), steps=150, evaluate_every=10, batch_size=32, learning_rate=4e-3, device="cpu", dtype="float32", progress=False
    )
plots.lines(
    lessons["the whole model"].steps,
    {name: history.train for name, history in lessons.items()},
    title="Only the feed-forward layers are not missed",
    x_label="steps of training",
    y_label="bits per letter",
    alt="Bits per letter against steps for six models. The whole model and the one without feed-forward layers fall to almost 0 within 80 "
    "steps. Without the stream or without norms the fall comes later and is not over at the end; without positions there is little progress, "
    "without attention none.",
)

# %% [markdown]
# Reversing letters is moving, not thinking: nothing is to be computed from a letter but where it goes. So attention is everything here, and the feed-forward layers hardly matter; on text it would look different. Without positions, attention cannot tell which letter is the eighth.
# Without norms, or without the stream, the same thing is learned later, and how much later depends on the luck of the first weights. Without the stream, what attention has found in one block is lost to the others unless each of them learns to hand it on.
#
# One more look at the model without positions. It is better than chance, so it must know something about order. We read all letters but the last backwards, and see by how much the guess for the next one changes: first for all six blocks, then for the first block alone.

# %% experiment
@torch.no_grad()
def change_when_reversed(model, n_blocks):
    """By how much the next logits change, at most, when all tokens but the last are read backwards."""
    idx = letter_task(50, seed=1).inputs[:, :12]
    backwards = torch.cat([idx[:, :-1].flip(1), idx[:, -1:]], dim=1)
    all_blocks, model.blocks = model.blocks, model.blocks[:n_blocks]
    change = (model.next_logits(idx) - model.next_logits(backwards)).abs().max().item()
    model.blocks = all_blocks
    return change


for part in ["nothing", "positions"]:
    for n_blocks in [6, 1]:
        print(f"without {part:10} {n_blocks} block{'s' if n_blocks > 1 else ' '}  largest change {change_when_reversed(ablated[part], n_blocks):.1e}")
assert change_when_reversed(ablated["positions"], 1) < 1e-5

# %% [markdown]
# One causal block without positions sees a bag of letters: the change is nothing but rounding. Six blocks do know something about the order, although nobody told them. In the first block each place averages over *what came before it*, so what it hands on to the second block already
# depends on where it stands (Haviv et al. 2022).

# %% [markdown]
# ### Experiment: four ways to say where
#
# The same task, with smaller GPTs that differ only in how they are told the places; and a second task, to write the eight letters in the *same* order. Backwards, the letter to look at is first one step away, then three, then five. In the same order, it is always eight steps away.

# %% experiment
def placed(way):
    torch.manual_seed(0)
    model = GPT(Config(vocabulary_size=27, context=16, n_layers=2, n_heads=4, width=48))
    if way != "learned":
        table = nn.init.zeros_(model.positions.weight).requires_grad_(False)
        if way == "sinusoidal":  # as large as the embeddings of the tokens
            table += sinusoidal_positions(16, 48) * math.sqrt(2) * model.tokens.weight.detach().std()
    for block in model.blocks:
        if way == "rotary":
            block.attention.rotate = apply_rotary
        elif way == "ALiBi":
            block.attention.bias = linear_biases
    return model


ways = ["learned", "sinusoidal", "rotary", "ALiBi", "none"]
by_way = torch.zeros(5, 2)
for row, way in enumerate(ways):
    for column, backwards in enumerate([True, False]):
        model = placed(way)
        train(model, letter_task(20_000, seed=0, backwards=backwards), steps=150, batch_size=32, learning_rate=4e-3, device="cpu", dtype="float32", progress=False)
        by_way[row, column] = bits_per_character(model, letter_task(500, seed=1, backwards=backwards))
plots.heat_map(
    by_way,
    ways,
    ["backwards", "in the same order"],
    title="Learned vectors know places, rotary positions know distances",
    alt="Bits per letter after 150 steps, five ways by two tasks. Learned vectors: near 0 on both. Sinusoidal: below 1 on both. Rotary: low in the "
    "same order, high backwards. ALiBi and none: high on both.",
)

# %% [markdown]
# Where the distance is always the same, rotary positions do what they are made for; where it changes from letter to letter, a rule about distances is of little use. Vectors in the stream serve both tasks, on texts of a length seen in training. And ALiBi can only prefer what is near: it can't point at one place, eight steps away.
# On real text, where distances count and lengths vary, the order of the rows may be another.

# %% [markdown] question="ablation" points=3 minutes=4
# **Question 3.** (a) The model without attention ends at 4.70 bits per letter. Where does this number come from, and why can't any training bring it lower? (b) A colleague concludes from the figure: "without norms, a transformer of six blocks can't learn to reverse letters". What does the figure show, and what
# would you do to find out? (c) All models had the same steps, batches and learning rate. Name two other things that were *not* the same or were left to chance, and might have changed the figure.
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) It is log2 26, the uniform guess over 26 letters. Without attention a place sees only its own token (and its position); the letter just written says nothing about the next one, as letters are random and independent. (b) It shows that it had not learned it after 150 steps with this learning rate, and that its curve was still falling.
# Train longer, or with other learning rates and several seeds (it does get there). (c) Two of: the number of parameters (no feed-forward, no attention: fewer); the learning rate and first weights were chosen for the whole model; a single random seed, for weights and for batches; the time per step.
# ### END MARK SCHEME

# %% [markdown]
# ## 10 What a layer knows
#
# The stream holds all that the model has found out about a place so far. Two ways to ask.
#
# **Read it early.** The head is made for the last layer, but since every block only adds to the stream, we may apply the last norm and the head after each block and see what the model would guess if it stopped there.

# %% experiment
@torch.no_grad()
def streams(model, idx):
    """The stream before the first block and after each one, a list of (B, T, C)."""
    kept = []
    hooks = [model.blocks[0].register_forward_pre_hook(lambda _, inputs: kept.append(inputs[0]))]
    hooks += [block.register_forward_hook(lambda _, inputs, output: kept.append(output)) for block in model.blocks]
    model.states(idx)
    for hook in hooks:
        hook.remove()
    return kept


@torch.no_grad()
def early_bits(model, data):
    """Bits per character when the model has to guess from the stream before the first block, and after each one."""
    nats = 0.0
    for inputs, targets in data.chunks(128):
        losses = [F.cross_entropy(model.head(model.norm(x)).flatten(0, 1), targets.flatten(), reduction="sum") for x in streams(model, inputs)]
        nats = nats + torch.stack(losses)
    return (nats / math.log(2) / data.characters).tolist()


early = early_bits(village_gpt, valid_set)
read_so_far = valid_set.inputs[:200]
first_guess = village_gpt.head(village_gpt.norm(streams(village_gpt, read_so_far)[0])).argmax(-1)
print(f"before the first block, {(first_guess == read_so_far).float().mean():.0%} of the likeliest words are the word that was just read")
plots.bars(
    {"no block": early[0]} | {f"{i} block{'s' * (i > 1)}": bits for i, bits in enumerate(early[1:], start=1)},
    title="Each block brings the guess in the stream closer to the next word",
    x_label="bits per character when the guess is read from the stream here",
    alt="Three bars of bits per character, falling: before the first block far above all models of the ladder, after one block less than "
    "half of that, after two blocks the value of the whole model.",
)

# %% [markdown]
# Before the first block the stream holds little but the word that stands there, and since the head is the embedding once more, this is what it finds: the word just read, hardly ever the next one. The blocks turn *what is here* into *what comes next*.
#
# **Probe it.** The head only shows what the stream says about the *next word*. To ask for anything else, train a small classifier on the vectors of a layer, while the model stays as it is: a **probe**. We ask something that the model has to carry along. In
#
#     the tiles near the attic ... were          the tile near the attic ... was
#
# the number of the first noun decides about a verb that comes much later. Can a linear probe read "singular or plural" from the stream *at the last word before the verb*, which is `attic` in both?
#
# A high accuracy alone proves little. A probe that is given enough information may learn any task from its examples. Hewitt and Liang (2019) therefore ask for a **control task**: the same inputs with labels that mean nothing. We give each noun a label by the
# throw of a coin, the same whenever this noun (in the same number) stands there. If the probe does as well on this task, then the layer merely says *which noun* it was and the probe has learned the list by heart. Only the difference, called **selectivity**, shows that
# the layer has *number* laid out for reading.

# %% experiment
def probe_examples(distance, n, seed):
    """Beginnings of sentences up to the word before the verb, and the first noun of each; no beginning comes twice."""
    places = village.source.agreement_pairs(distance, "number", n=n, seed=seed)
    prefixes = list(dict.fromkeys(place.prefix for place in places))
    plural = {place.prefix: place.right == "were" for place in places}
    return prefixes, torch.tensor([plural[prefix] for prefix in prefixes]).float()


def probe_accuracy(vectors, labels, n_train):
    """Train a linear probe on the first vectors, and return its accuracy on the others."""
    vectors = (vectors - vectors[:n_train].mean(0)) / (vectors[:n_train].std(0) + 1e-6)
    torch.manual_seed(0)
    probe = nn.Linear(vectors.shape[1], 1)
    optimizer = torch.optim.AdamW(probe.parameters(), lr=0.02, weight_decay=0.1)
    for _ in range(200):
        loss = F.binary_cross_entropy_with_logits(probe(vectors[:n_train])[:, 0], labels[:n_train])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ((probe(vectors[n_train:])[:, 0] > 0) == (labels[n_train:] > 0.5)).float().mean().item()


prefixes, plural = probe_examples(distance=3, n=3000, seed=0)
mixed = torch.randperm(len(prefixes), generator=torch.Generator().manual_seed(0))
prefixes, plural = [prefixes[i] for i in mixed.tolist()], plural[mixed]
coin = torch.Generator().manual_seed(1)
heads_or_tails = {noun: float(torch.randint(2, (1,), generator=coin)) for noun in sorted({prefix[1] for prefix in prefixes})}
by_chance = torch.tensor([heads_or_tails[prefix[1]] for prefix in prefixes])
vectors = [layer[:, -1] for layer in streams(village_gpt, torch.tensor([[tokenizer.end_id, *tokenizer.encode(" ".join(prefix))] for prefix in prefixes]))]
n_probe = 2 * len(prefixes) // 3
probed = {
    "number": [probe_accuracy(layer, plural, n_probe) for layer in vectors],
    "control task": [probe_accuracy(layer, by_chance, n_probe) for layer in vectors],
}
for name, accuracies in probed.items():
    print(f"{name:14}", " ".join(f"{accuracy:.2f}" for accuracy in accuracies))
print(f"{len(prefixes)} sentences, {len(heads_or_tails)} nouns; the first: {' '.join(prefixes[0])}")
plots.lines(
    list(range(len(vectors))),
    probed,
    title="One block is enough to carry the number of a noun to its verb",
    x_label="blocks that the stream has passed",
    y_label="accuracy of the probe",
    alt="Accuracy of two probes against the blocks passed. Number: below 0.5 before the first block, almost 1 after one and two. Control "
    "task: near 0.5, then about 0.75.",
)

# %% [markdown]
# Before the first block the place knows nothing but its own word, and the probe tosses a coin. After one block the number can be read almost always. The coin labels are harder, though a probe of 64 numbers learns some of them by heart, for there are only 24 nouns: without the control we might have taken such learning by heart for knowledge of the layer. The block has carried over
# *singular or plural* more than *which noun*. That is what predicting the verb takes.
#
# (An accuracy a little below one half is no mistake. Sentences come in pairs that differ in the number of the noun only. With one of a pair among the examples and the other among the questions, a probe that sees no difference guesses wrong more often than right.)

# %% [markdown]
# ## 11 The two other families
#
# The mask is all that makes your block a *decoder* block. Transformers come in three families, by what a place may see:
#
# | family | mask | reads | examples |
# |---|---|---|---|
# | **decoder** only | causal | from left to right, and so can write | GPT-2 (Radford et al. 2019) and most large models of today |
# | **encoder** only | none, but for padding | a whole text at once: every place sees both sides | BERT (Devlin et al. 2019) |
# | **encoder-decoder** | both, and a look from one to the other | one text, while it writes another | the first transformer (Vaswani et al. 2017), T5 (Raffel et al. 2020) |
#
# An encoder can't write, as every place has seen the answer; it is made for understanding what is complete. How such models are trained is a subject of notebook 07.
#
# Since an encoder has no causal mask, it has to be told what is padding. This mask comes as in notebook 05: boolean, shape (B, 1, T), True at words. The axis of length 1 stands for all rows: nobody may look at padding.

# %% [markdown]
# ### Exercise 9: the encoder block
#
# Write `forward` once more, for an encoder.
#
# <details><summary>Hint 1: what is different from exercise 5?</summary>
#
# The mask, and nothing else. It is made elsewhere, so hand it on as it comes: `mask=mask`. None is welcome there, too.
# </details>
#
# <details><summary>Hint 2: why does the mask have an axis of length 1?</summary>
#
# A mask has a row for each place that looks and a column for each place that is looked at. Padding is hidden from everyone, so one row serves for all.
# </details>

# %% exercise="EncoderBlock" minutes=5 difficulty=1
class EncoderBlock(nn.Module):
    """One block of an encoder: attention to all words and a feed-forward layer, each added to the stream, pre-norm."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.norm_1 = LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads)
        self.norm_2 = LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """Return the stream x, (B, T, C), after this block; same shape.

        mask  boolean, (B, 1, T), True at words and False at padding; None: there is no padding

        >>> EncoderBlock(8, 2)(torch.zeros(3, 5, 8), torch.ones(3, 1, 5, dtype=torch.bool)).shape
        torch.Size([3, 5, 8])
        """
        ### BEGIN SOLUTION
        x = x + self.attention(self.norm_1(x), mask=mask)
        return x + self.feed_forward(self.norm_2(x))
        ### END SOLUTION


# %% test="EncoderBlock" points=3
def encoder_weights(C, seed):
    """Random weights for an encoder block."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"attention.qkv": 3 * C, "attention.output": C, "feed_forward.up": 4 * C, "feed_forward.down": C}
    weights = {}
    for name, out in shapes.items():
        weights[name + ".weight"] = torch.randn(out, 4 * C if name.endswith("down") else C, generator=generator) / C**0.5
        weights[name + ".bias"] = torch.randn(out, generator=generator)
    for name in ["norm_1", "norm_2"]:
        weights[name + ".weight"], weights[name + ".bias"] = 0.5 + torch.rand(2, C, generator=generator)
    return weights


def encoder_with(weights, n_heads=2):
    block = EncoderBlock(len(weights["norm_1.bias"]), n_heads)
    block.load_state_dict(weights)
    return block


def torch_encoder(weights, x, padding=None, n_heads=2, pre_norm=True, mask=None):
    """The same from PyTorch's own layer; its masks are True where a place may NOT look."""
    layer = nn.TransformerEncoderLayer(
        len(weights["norm_1.bias"]), n_heads, len(weights["feed_forward.up.bias"]), dropout=0.0, batch_first=True, norm_first=pre_norm,
        activation=lambda hidden: F.gelu(hidden, approximate="tanh"),
    )
    theirs = {"norm1": "norm_1", "norm2": "norm_2", "self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj": "attention.output", "linear1": "feed_forward.up", "linear2": "feed_forward.down"}
    layer.load_state_dict({name: weights[next(ours + name[len(start) :] for start, ours in theirs.items() if name.startswith(start))] for name in layer.state_dict()})
    if padding is not None:  # for every head and row of a sentence the same
        mask = padding[:, None].expand(-1, x.shape[1], -1).repeat_interleave(n_heads, dim=0)
    return layer(x, src_mask=mask).detach()


weights = encoder_weights(4, 1)
x = torch.tensor([[[1.0, 2.0, 3.0, 6.0], [-4.0, 0.0, 2.0, 2.0], [0.5, 0.5, -1.0, 3.0]], [[2.0, 0.0, 0.0, 1.0], [0.0, 1.0, -1.0, 5.0], [1.0, 1.0, 1.0, -1.0]]])
check.equal(
    encoder_with(weights)(x),
    torch_encoder(weights, x),
    name="the stream without padding, beside PyTorch's own layer with your weights",
    atol=1e-4,
    causes=[
        (torch_encoder(weights, x, mask=torch.ones(3, 3).triu(1).bool()), "there is still a causal mask; in an encoder every place sees the whole text."),
        (torch_encoder(weights, x, pre_norm=False), "this is post-norm: the stream itself is normalised. Here norm(x) is read, and x goes on."),
        (torch_encoder(weights, x) + x, "the residual is doubled: x is in the sum twice."),
        (lambda y: True, "an encoder block is a TransformerBlock with another mask: norm_1, attention, add; norm_2, feed-forward, add."),
    ],
)
words_only = torch.tensor([[[True, True, True]], [[True, True, False]]])
masked = encoder_with(weights)(x, words_only)
check.equal(
    masked[1, :2],
    torch_encoder(weights, x, padding=~words_only[:, 0])[1, :2],
    name="the two words of a sentence whose third place is padding",
    atol=1e-4,
    causes=[
        (torch_encoder(weights, x)[1, :2], "the mask has no effect: hand it on to attention, mask=mask."),
        (torch_encoder(weights, x, padding=torch.tensor([[False, False, False], [True, True, False]]))[1, :2], "the mask is the wrong way round: it is True at words, where attention may look."),
        (torch_encoder(weights, x, mask=torch.ones(3, 3).triu(1).bool())[1, :2], "there is a causal mask; in an encoder every place sees the whole text."),
        (lambda y: bool(y.isnan().any()), "there is NaN: multiplying by a mask, or minus infinity everywhere? Hand the mask on to attention, which knows what to do."),
        (lambda y: True, "the words have looked at padding, or not at each other: hand the mask on to attention as it is; its axis of length 1 stands for all rows."),
    ],
)
check.equal(masked[0], torch_encoder(weights, x)[0], name="the other sentence, which has no padding", atol=1e-4)
### BEGIN HIDDEN TESTS
torch.manual_seed(69)
for B, T, C, n_heads, scale in [(1, 1, 2, 1, 1.0), (3, 6, 8, 2, 1.0), (2, 30, 12, 4, 1.0), (2, 5, 4, 2, 1000.0)]:
    weights, x = encoder_weights(C, T), scale * torch.randn(B, T, C)
    block, tolerance = encoder_with(weights, n_heads), {"atol": 1e-4 * max(scale, 1.0), "rtol": 1e-3}
    got = block(x)
    check.equal(got, torch_encoder(weights, x, n_heads=n_heads), name=f"B = {B}, T = {T}, C = {C}, scale {scale:g}", **tolerance)
    order = torch.randperm(T)
    check.equal(block(x[:, order]), got[:, order], name="words in another order", **tolerance)
    lengths = torch.randint(1, T + 1, (B,))
    inside = torch.arange(T) < lengths[:, None]
    got = block(x, inside[:, None])
    check.equal(got[inside], torch_encoder(weights, x, padding=~inside, n_heads=n_heads)[inside], name="with padding", **tolerance)
    other = torch.where(inside[..., None], x, torch.randn(B, T, C) * 50)
    check.equal(block(other, inside[:, None])[inside], got[inside], name="other numbers in the padding", **tolerance)
    for b in range(B):
        check.equal(block(x[b : b + 1, : lengths[b]])[0], got[b, : lengths[b]], name="a sentence by itself", **tolerance)
block, x = encoder_with(encoder_weights(4, 2)), torch.randn(2, 5, 4)
later = x.clone()
later[:, -1] += torch.randn(4)
check.that(not torch.allclose(block(later)[:, 0], block(x)[:, 0], atol=1e-4), "the first place sees the last")
check.that(bool(block(x, torch.zeros(2, 1, 5, dtype=torch.bool)).isfinite().all()), "sentences of nothing but padding")
### END HIDDEN TESTS

# %% [markdown]
# ### Exercise 10: the decoder block that reads an encoder
#
# In an encoder-decoder, the encoder reads the source text once; what comes out of its last block is the **memory**, (B, S, C). Each block of the decoder then has *three* parts: causal attention to what has been written, **cross-attention** to the memory, and the feed-forward layer.
# In cross-attention the queries come from the decoder's stream, keys and values from the memory. The memory is read as it is; only the stream is normalised before.
#
# $$x \leftarrow x + \text{Attention}(\text{norm}_1(x)), \qquad x \leftarrow x + \text{Cross}(\text{norm}_2(x), \text{memory}), \qquad x \leftarrow x + \text{FF}(\text{norm}_3(x))$$
#
# <details><summary>Hint 1: which mask goes where?</summary>
#
# The causal mask belongs to the first attention: (T, T). The memory is complete, so each place may see all of it; only its padding is hidden, by `memory_mask`.
# </details>
#
# <details><summary>The shapes do not fit when source and target differ in length</summary>
#
# Either the causal mask went into cross-attention, where there are S columns, or x and memory are exchanged: the first argument asks, the second one is looked at.
# </details>

# %% exercise="DecoderBlock" minutes=9 difficulty=2
class DecoderBlock(nn.Module):
    """One block of a decoder with an encoder: causal attention, cross-attention, feed-forward layer; each added to the stream, pre-norm."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.norm_1 = LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads)
        self.norm_2 = LayerNorm(width)
        self.cross_attention = MultiHeadAttention(width, n_heads)
        self.norm_3 = LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def forward(self, x: Tensor, memory: Tensor, memory_mask: Tensor | None = None) -> Tensor:
        """Return the decoder's stream x, (B, T, C), after this block; same shape.

        memory       what the encoder has made of the source, (B, S, C)
        memory_mask  boolean, (B, 1, S), True at words of the source; None: it has no padding

        >>> DecoderBlock(8, 2)(torch.zeros(3, 5, 8), torch.zeros(3, 7, 8)).shape
        torch.Size([3, 5, 8])
        """
        ### BEGIN SOLUTION
        T = x.shape[1]
        causal = torch.ones(T, T, dtype=torch.bool, device=x.device).tril()
        x = x + self.attention(self.norm_1(x), mask=causal)
        x = x + self.cross_attention(self.norm_2(x), memory, mask=memory_mask)
        return x + self.feed_forward(self.norm_3(x))
        ### END SOLUTION


# %% test="DecoderBlock" points=4
def decoder_weights(C, seed, **changes):
    """Random weights for a decoder block; a change such as norm_1=0.0 fills all that begins with this name."""
    generator = torch.Generator().manual_seed(seed)
    shapes = {"attention.qkv": 3 * C, "attention.output": C, "cross_attention.qkv": 3 * C, "cross_attention.output": C, "feed_forward.up": 4 * C, "feed_forward.down": C}
    weights = {}
    for name, out in shapes.items():
        weights[name + ".weight"] = torch.randn(out, 4 * C if name.endswith("down") else C, generator=generator) / C**0.5
        weights[name + ".bias"] = torch.randn(out, generator=generator)
    for name in ["norm_1", "norm_2", "norm_3"]:
        weights[name + ".weight"], weights[name + ".bias"] = 0.5 + torch.rand(2, C, generator=generator)
    for start, value in changes.items():
        for name in weights:
            if name.replace(".", "_").startswith(start):
                weights[name] = torch.full_like(weights[name], value)
    return weights


def decoded(weights, x, memory, mask=None, n_heads=2):
    """What your block returns; an error of shapes is returned, to be named below."""
    block = DecoderBlock(len(weights["norm_1.bias"]), n_heads)
    block.load_state_dict(weights)
    try:
        return block(x, memory, mask)
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError) as error:
        return error


def torch_decoder(weights, x, memory, padding=None, n_heads=2, pre_norm=True, mask=None, memory_mask=None):
    """The same from PyTorch's own layer; its masks are True where a place may NOT look."""
    layer = nn.TransformerDecoderLayer(
        len(weights["norm_1.bias"]), n_heads, len(weights["feed_forward.up.bias"]), dropout=0.0, batch_first=True, norm_first=pre_norm,
        activation=lambda hidden: F.gelu(hidden, approximate="tanh"),
    )
    theirs = {
        "norm1": "norm_1", "norm2": "norm_2", "norm3": "norm_3", "linear1": "feed_forward.up", "linear2": "feed_forward.down",
        "self_attn.in_proj_": "attention.qkv.", "self_attn.out_proj": "attention.output",
        "multihead_attn.in_proj_": "cross_attention.qkv.", "multihead_attn.out_proj": "cross_attention.output",
    }
    layer.load_state_dict({name: weights[next(ours + name[len(start) :] for start, ours in theirs.items() if name.startswith(start))] for name in layer.state_dict()})
    T = x.shape[1]
    if padding is not None:  # for every head and row of a sentence the same
        memory_mask = padding[:, None].expand(-1, T, -1).repeat_interleave(n_heads, dim=0)
    return layer(x, memory, tgt_mask=torch.ones(T, T).triu(1).bool() if mask is None else mask, memory_mask=memory_mask).detach()


x = torch.tensor([[[1.0, 2.0, 3.0, 6.0], [-4.0, 0.0, 2.0, 2.0], [0.5, 0.5, -1.0, 3.0]]])
memory = torch.tensor([[[3.0, -2.0, 0.0, 1.0], [5.0, 5.0, 1.0, 0.0], [-3.0, 2.0, 2.0, 0.0], [0.0, 4.0, -6.0, 1.0]]])
found, read, thought = torch.tensor([10.0, 0.0, 0.0, 30.0]), torch.tensor([0.0, 0.0, 70.0, 0.0]), torch.tensor([0.0, 20.0, 40.0, 0.0])
silent_parts = decoder_weights(4, 0, attention=0.0, cross_attention=0.0, feed_forward=0.0, norm_1_weight=1.0, norm_2_weight=1.0, norm_3_weight=1.0, norm_1_bias=0.0, norm_2_bias=0.0, norm_3_bias=0.0)
silent_parts |= {"attention.output.bias": found, "cross_attention.output.bias": read, "feed_forward.down.bias": thought}
check.equal(
    decoded(silent_parts, x, memory),
    x + found + read + thought,
    name="a block whose parts always return (10, 0, 0, 30), (0, 0, 70, 0) and (0, 20, 40, 0)",
    atol=1e-4,
    causes=[
        (lambda y: isinstance(y, Exception), "the shapes do not fit: the causal mask is for the first attention only, and cross_attention(what asks, what is looked at, ...)."),
        (lambda y: tuple(y.shape) == (1, 4, 4), "the result is as long as the source: x asks, and the memory is looked at."),
        (x * 0 + read + thought, "the residual around cross-attention is lost: add what it finds to x."),
        (x * 0 + found + read + thought, "the residual around attention is lost: add what it finds to x."),
        (x * 0 + thought, "the residual is lost: x = x + part(...), three times."),
        (x + found + thought, "what cross-attention finds is missing."),
        (x + read + thought, "what the first attention finds is missing."),
        (x + found + read, "what the feed-forward layer returns is missing."),
        (lambda y: bool((y.mean(-1).abs() < 1e-3).all()), "this is post-norm: the stream itself is normalised. Here norm(x) is read, and x goes on."),
        (lambda y: bool((y - 2 * x - found - read - thought).abs().max() < 1e-3) or bool((y - 2 * x - 2 * found - read - thought).abs().max() < 1e-3), "the residual is doubled: x is in the sum twice."),
    ],
)
weights = decoder_weights(4, 3)
check.equal(
    decoded(weights, x, memory),
    torch_decoder(weights, x, memory),
    name="the stream, beside PyTorch's own layer with your weights",
    atol=1e-4,
    causes=[
        (torch_decoder(weights, x, memory, mask=torch.zeros(3, 3).bool()), "the future leaks in: the first attention needs the causal mask."),
        (torch_decoder(weights, x, F.layer_norm(memory, (4,), weights["norm_2.weight"], weights["norm_2.bias"])), "the memory was normalised; it is read as it is, and only the stream is normalised."),
        (lambda y: bool((decoded(weights, x, memory + 3) - y).abs().max() < 1e-4), "the memory makes no difference: cross-attention looks at x instead; the memory is its second argument."),
        (lambda y: bool((y - torch_decoder(weights, x, F.layer_norm(memory, (4,)))).abs().max() < 1e-4), "the memory was normalised; it is read as it is, and only the stream is normalised."),
        (torch_decoder({**weights, **{f"norm_{i}.{kind}": weights[f"norm_{j}.{kind}"] for i, j in [(1, 2), (2, 1)] for kind in ("weight", "bias")}}, x, memory), "norm_1 and norm_2 are exchanged."),
        (torch_decoder({**weights, "norm_2.weight": weights["norm_1.weight"], "norm_2.bias": weights["norm_1.bias"]}, x, memory), "cross-attention reads norm_1(x); its norm is norm_2."),
        (torch_decoder({**weights, "norm_3.weight": weights["norm_2.weight"], "norm_3.bias": weights["norm_2.bias"]}, x, memory), "the feed-forward layer reads norm_2(x); its norm is norm_3."),
        (lambda y: bool((decoded(weights, x, memory)[:, -1] - torch_decoder(weights, x, memory)[:, -1]).abs().max() < 1e-4), "the causal mask went into cross-attention as well: the memory is complete, each place may see all of it."),
        (lambda y: True, "the order is: attention to what was written, cross-attention to the memory, feed-forward layer; each reads its own norm of the stream as it is then."),
    ],
)
four = torch.cat([x, x[:, :1] + 1], dim=1)
check.equal(
    decoded(weights, four, memory),
    torch_decoder(weights, four, memory),
    name="the same with a target as long as the source",
    atol=1e-4,
    causes=[
        (torch_decoder(weights, four, memory, memory_mask=torch.ones(4, 4).triu(1).bool()), "the causal mask went into cross-attention: the memory is complete, each place may see all of it."),
        (lambda y: True, "something depends on the lengths: the masks are for T places and S places of memory."),
    ],
)
source_words = torch.tensor([[[True, True, False, False]]])
check.equal(
    decoded(weights, four, memory, source_words),
    torch_decoder(weights, four, memory, padding=~source_words[:, 0]),
    name="the same when the last two places of the source are padding",
    atol=1e-4,
    causes=[
        (torch_decoder(weights, four, memory), "memory_mask has no effect: hand it on to cross_attention."),
        (torch_decoder(weights, four, memory, padding=source_words[:, 0]), "the mask is the wrong way round: True at words, where attention may look."),
        (lambda y: True, "memory_mask says what is padding in the memory; it belongs to cross_attention, not to the first attention."),
    ],
)
### BEGIN HIDDEN TESTS
torch.manual_seed(70)
for B, T, S, C, n_heads, scale in [(1, 1, 1, 2, 1, 1.0), (2, 5, 3, 4, 2, 1.0), (3, 4, 9, 12, 3, 1.0), (2, 6, 6, 8, 2, 1000.0), (1, 25, 2, 6, 2, 1.0)]:
    weights, x, memory = decoder_weights(C, T), scale * torch.randn(B, T, C), torch.randn(B, S, C)
    tolerance = {"atol": 1e-4 * max(scale, 1.0), "rtol": 1e-3}
    inside = torch.arange(S) < torch.randint(1, S + 1, (B, 1))
    got = decoded(weights, x, memory, inside[:, None], n_heads)
    check.equal(got, torch_decoder(weights, x, memory, padding=~inside, n_heads=n_heads), name=f"B = {B}, T = {T}, S = {S}, C = {C}, scale {scale:g}", **tolerance)
    other = torch.where(inside[..., None], memory, torch.randn(B, S, C) * 50)
    check.equal(decoded(weights, x, other, inside[:, None], n_heads), got, name="other numbers in the padding of the memory", **tolerance)
    backwards = decoded(weights, x, memory.flip(1), inside.flip(1)[:, None], n_heads)
    check.equal(backwards, got, name="the memory in another order", **tolerance)
    for t in {0, T // 2, T - 1}:
        changed = x.clone()
        changed[:, t + 1 :] = torch.randn(B, T - t - 1, C) * 30
        check.equal(decoded(weights, changed, memory, inside[:, None], n_heads)[:, : t + 1], got[:, : t + 1], name="places before a change", **tolerance)
    check.equal(decoded(weights, F.pad(x, (0, 0, 0, 2), value=4.0), memory, inside[:, None], n_heads)[:, :T], got, name="words beside padding", **tolerance)
    order = torch.cat([torch.randperm(T - 1), torch.tensor([T - 1])])
    check.equal(decoded(weights, x[:, order], memory, inside[:, None], n_heads)[:, -1], got[:, -1], name="the last place, earlier ones in another order", **tolerance)
    check.equal(decoded(weights, x, memory, None, n_heads), torch_decoder(weights, x, memory, n_heads=n_heads), name="without a mask", **tolerance)
weights, x, memory = decoder_weights(4, 5), torch.randn(2, 3, 4), torch.randn(2, 5, 4)
check.that(bool(decoded(weights, x, memory, torch.zeros(2, 1, 5, dtype=torch.bool)).isfinite().all()), "a source of nothing but padding")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: who sees whom
#
# The picture is not drawn by hand. We ask PyTorch how much each output of your blocks would change if an input changed a little, and draw a square where it would change at all.

# %% experiment
def influence(read, *inputs, of=0):
    """How much each place of read(*inputs) depends on each place of one of the inputs, as squares from 0 to 1."""
    inputs = [value.detach().requires_grad_() for value in inputs]
    outputs = read(*inputs)[0]
    direction = torch.randn(outputs.shape[1], generator=torch.Generator().manual_seed(0))
    slopes = [torch.autograd.grad(output @ direction, inputs[of], retain_graph=True)[0][0].norm(dim=1) for output in outputs]
    seen = torch.stack(slopes)
    return (seen / seen.max()).sqrt().tolist()


torch.manual_seed(3)
five, source_five = torch.randn(1, 5, 32), torch.randn(1, 5, 32)
causal_block, encoder_block, decoder_block = TransformerBlock(32, 4), EncoderBlock(32, 4), DecoderBlock(32, 4)
plots.attention(
    {
        "TransformerBlock": influence(causal_block, five),
        "EncoderBlock": influence(encoder_block, five),
        "DecoderBlock: its own text": influence(decoder_block, five, source_five),
        "DecoderBlock: the memory": influence(decoder_block, five, source_five, of=1),
    },
    ["1", "2", "3", "4", "5"],
    ["1", "2", "3", "4", "5"],
    title="What each output (row) has seen of each input (column)",
    alt="Four grids of five by five squares. TransformerBlock and the decoder's own text: squares on and below the diagonal only. "
    "EncoderBlock and the memory: squares everywhere.",
)

# %% [markdown]
# ### Experiment: an encoder-decoder writes backwards
#
# The task of notebook 05, strings of letters to be written in reverse, for the third family: an encoder of two of your blocks reads the string, a decoder of two writes it. As in notebook 05, a string counts only if all of it is right.

# %% experiment
LONGEST, BLANK = 12, 26  # letters are 0 to 25; 26 fills up the source, begins the target and ends it


def reversal_task(n, seed):
    """Return n random strings and their reversals, (n, 13) each; the reversal ends with BLANK, then -100."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, LONGEST + 1, (n, 1), generator=generator)
    place = torch.arange(LONGEST + 1)
    source = torch.randint(26, (n, LONGEST + 1), generator=generator).masked_fill(place >= lengths, BLANK)
    target = source.gather(1, (lengths - 1 - place).clamp(min=0))
    return source, target.masked_fill(place >= lengths, -100).masked_fill(place == lengths, BLANK)


class Reverser(nn.Module):
    def __init__(self, width=64, n_heads=4, n_layers=2):
        super().__init__()
        self.letters, self.places = nn.Embedding(27, width), nn.Embedding(LONGEST + 1, width)
        self.encoder = nn.ModuleList(EncoderBlock(width, n_heads) for _ in range(n_layers))
        self.decoder = nn.ModuleList(DecoderBlock(width, n_heads) for _ in range(n_layers))
        self.norms = nn.ModuleList([LayerNorm(width), LayerNorm(width)])
        self.head = nn.Linear(width, 27)

    def forward(self, source, targets):  # both (B, T)
        words = (source != BLANK)[:, None]
        memory = self.letters(source) + self.places.weight[: source.shape[1]]
        for block in self.encoder:
            memory = block(memory, words)
        memory = self.norms[0](memory)
        written = F.pad(targets.clamp(min=0), (1, -1), value=BLANK)  # what stands before each target
        x = self.letters(written) + self.places.weight[: targets.shape[1]]
        for block in self.decoder:
            x = block(x, memory, words)
        logits = self.head(self.norms[1](x))
        return logits, F.cross_entropy(logits.transpose(1, 2), targets)


sources, reversed_ = reversal_task(60_000, seed=0)
strings = Batches(sources, reversed_, characters=int((sources != BLANK).sum()))
torch.manual_seed(0)
reverser = Reverser()
reversal_history = train(reverser, strings, steps=400, batch_size=64, learning_rate=4e-3, device="cpu", dtype="float32", label="reversal")
unseen, answers = reversal_task(1000, seed=1)
with torch.no_grad():
    right = (reverser(unseen, answers)[0].argmax(-1) == answers) | (answers < 0)
print(f"{right.all(1).float().mean():.1%} of 1,000 new strings are reversed without a mistake")

# %% [markdown]
# Every letter that is written can look at any letter of the source, wherever it stands. So length is no difficulty as such, as it was for the state of a recurrent network. But do not ask for 13 letters: in training, the 13th place of a source was always blank, and the mark after 13 letters would need a 14th place, for which there is no vector.

# %% [markdown]
# ## What to remember
#
# - A transformer is a stream of vectors, one per place. Parts read normalised copies of it and add what they find: attention from other places, the feed-forward layer from the place itself.
# - Attention alone does not know order. Tell it in the stream (learned or sinusoidal vectors) or in the scores (rotary positions, ALiBi).
# - Layer norm treats every vector by itself. Pre-norm keeps the stream free, and the gradient of a deep stack's last block small, so that training needs no warm-up.
# - A GPT is embeddings, causal blocks, one norm, and a head that is the embedding once more. Two thirds of a block are feed-forward layers.
# - Compare logits with a reference, not texts. And test what must *not* matter: the future, padding, the other sentences of the batch.
# - Encoder: no causal mask. Encoder-decoder: one more attention, to the memory.
# - A probe shows what a layer holds only beside its control task.
#
# ## Further reading
#
# - A. Vaswani et al. (2017), *Attention Is All You Need*, NeurIPS. The first transformer, an encoder-decoder with sinusoidal positions and post-norm.
# - K. He, X. Zhang, S. Ren, J. Sun (2016), *Deep Residual Learning for Image Recognition*, CVPR.
# - J. L. Ba, J. R. Kiros, G. E. Hinton (2016), *Layer Normalization*, arXiv:1607.06450.
# - D. Hendrycks, K. Gimpel (2016), *Gaussian Error Linear Units (GELUs)*, arXiv:1606.08415.
# - O. Press, L. Wolf (2017), *Using the Output Embedding to Improve Language Models*, EACL. Weight tying.
# - A. Radford et al. (2018), *Improving Language Understanding by Generative Pre-Training*; A. Radford et al. (2019), *Language Models Are Unsupervised Multitask Learners*. GPT, still post-norm, and GPT-2.
# - J. Devlin, M.-W. Chang, K. Lee, K. Toutanova (2019), *BERT*, NAACL. The encoder.
# - C. Raffel et al. (2020), *Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer*, JMLR 21. T5, an encoder-decoder, and a comparison of the three families.
# - R. Xiong et al. (2020), *On Layer Normalization in the Transformer Architecture*, ICML. Pre-norm and post-norm.
# - H. Touvron et al. (2023), *LLaMA: Open and Efficient Foundation Language Models*, arXiv:2302.13971.
# - J. Su et al. (2021), *RoFormer: Enhanced Transformer with Rotary Position Embedding*, arXiv:2104.09864.
# - N. Elhage et al. (2021), *A Mathematical Framework for Transformer Circuits*. The residual stream.
# - O. Press, N. A. Smith, M. Lewis (2022), *Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation*, ICLR. ALiBi.
# - A. Haviv, O. Ram, O. Press, P. Izsak, O. Levy (2022), *Transformer Language Models without Positional Encodings Still Learn Positional Information*, Findings of EMNLP.
# - J. Hewitt, P. Liang (2019), *Designing and Interpreting Probes with Control Tasks*, EMNLP.

# %% submit
hand_in(
    "06_transformer",
    "LayerNorm",
    "FeedForward",
    "sinusoidal_positions",
    "apply_rotary",
    "TransformerBlock",
    "GPT",
    "count_parameters",
    "load_gpt2_weights",
    "EncoderBlock",
    "DecoderBlock",
)
