"""Other right answers to notebook 03, and the wrong ones that students give."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong

# --- embed_one_hot -----------------------------------------------------------------------------------------------------


@right("embed_one_hot", why="picks the rows; the test asks for the values, not for the product")
def by_index(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return table[ids]


@right("embed_one_hot", why="compares ids with all numbers")
def by_comparison(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    one_hot = (ids[..., None] == torch.arange(table.shape[0])).float()
    return torch.einsum("...v,vd->...d", one_hot, table)


@right("embed_one_hot", why="rows of the identity matrix are one-hot vectors")
def by_identity(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(table))[ids] @ table


@wrong("embed_one_hot", misconception="Multiplies integers with floats.", hint="make them floats")
def integers_by_floats(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids, len(table)) @ table


@wrong("embed_one_hot", misconception="Makes the table integers.", hint="an embedding has real numbers")
def integer_table(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids, len(table)) @ table.long()


@wrong("embed_one_hot", misconception="Returns the one-hot vectors.", hint="these are the one-hot vectors")
def only_one_hot(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids, len(table)).float()


@wrong(
    "embed_one_hot", misconception="Adds up the one-hot vectors of a window.", hint="the words were added up"
)
def bag_of_words(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids, len(table)).float().sum(dim=-2) @ table


@wrong(
    "embed_one_hot",
    misconception="Adds up the words of each window, but not those of a single row.",
    hint="words of a window were added up",
)
def bag_of_windows(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    rows = F.one_hot(ids, len(table)).float() @ table
    return rows.sum(dim=1) if ids.ndim > 1 else rows


@wrong("embed_one_hot", misconception="Counts ids from 1.", hint="ids count from 0")
def one_off(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    return F.one_hot(ids - 1, len(table)).float() @ table if (ids > 0).all() else table[ids - 1]


@wrong(
    "embed_one_hot",
    misconception="Puts the words of a window end to end.",
    hint="the shape of ids stays",
)
def flattened(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    rows = F.one_hot(ids, len(table)).float() @ table
    return rows.flatten(1) if ids.ndim > 1 else rows


@wrong("embed_one_hot", misconception="Works for a single row of ids only.", hint="ids may have any shape")
def one_row_only(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    one_hot = torch.zeros(len(ids), len(table))
    one_hot[torch.arange(len(ids)), ids] = 1.0
    return one_hot @ table


@wrong("embed_one_hot", misconception="Transposes the result.", hint="belong on the last axis")
def transposed_result(ids: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    rows = F.one_hot(ids, len(table)).float() @ table
    return rows.transpose(-1, -2) if ids.ndim > 1 else rows


# --- make_windows ------------------------------------------------------------------------------------------------------


@right("make_windows", why="slides the context along, word by word")
def sliding(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        context = [start] * k
        for word in sentence:
            contexts.append(context)
            targets.append(word)
            context = context[1:] + [word]
    return torch.tensor(contexts), torch.tensor(targets)


@right("make_windows", why="unfolds every padded sentence into windows of k + 1 words at once")
def unfolded(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    rows = [torch.tensor([start] * k + sentence).unfold(0, k + 1, 1) for sentence in ids]
    whole = torch.cat(rows)
    return whole[:, :-1], whole[:, -1]


@wrong(
    "make_windows",
    misconception="Includes the target in the context.",
    hint="contains the word to be predicted",
)
def target_inside(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k + 1 : i + 1])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong(
    "make_windows",
    misconception="Skips a word between context and target.",
    hint="the target is the word right after",
)
def one_too_far(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence
        for i in range(k, len(padded) - 1):
            contexts.append(padded[i - k : i])
            targets.append(padded[i + 1])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong(
    "make_windows",
    misconception="Pads with k - 1 symbols.",
    hint="the first word of each sentence is predicted as well",
)
def pads_one_less(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * (k - 1) + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong(
    "make_windows",
    misconception="Runs windows across sentence borders.",
    hint="windows cross sentence borders",
)
def one_stream(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    stream = [start] * k + [word for sentence in ids for word in sentence]
    contexts = [stream[i - k : i] for i in range(k, len(stream))]
    return torch.tensor(contexts), torch.tensor(stream[k:])


@wrong("make_windows", misconception="Does not pad.", hint="no padding")
def no_padding(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        for i in range(k, len(sentence)):
            contexts.append(sentence[i - k : i])
            targets.append(sentence[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong(
    "make_windows",
    misconception="Shortens the first contexts instead of padding.",
    hint="contexts have different lengths",
)
def ragged(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        for i in range(len(sentence)):
            contexts.append(sentence[max(0, i - k) : i])
            targets.append(sentence[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong("make_windows", misconception="Does not predict the end.", hint="the end is not predicted")
def no_end(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence[:-1]
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong("make_windows", misconception="Puts the nearest word first.", hint="the context is turned round")
def nearest_first(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i][::-1])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong(
    "make_windows",
    misconception="Fills the context behind its words.",
    hint="the padding belongs before the words",
)
def pads_behind(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        for i in range(len(sentence)):
            context = sentence[max(0, i - k) : i]
            contexts.append(context + [start] * (k - len(context)))
            targets.append(sentence[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong(
    "make_windows",
    misconception="Predicts a start symbol.",
    hint="the start symbol is given, never predicted",
)
def predicts_start(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * (k + 1) + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong("make_windows", misconception="Always pads with 0.", hint="use the argument start")
def always_zero(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [0] * k + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return torch.tensor(contexts), torch.tensor(targets)


@wrong("make_windows", misconception="Returns lists.", hint="return tensors")
def as_lists(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return contexts, targets


@wrong("make_windows", misconception="Makes ids floats.", hint="ids are integers")
def float_ids(ids: list[list[int]], k: int, start: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    contexts, targets = [], []
    for sentence in ids:
        padded = [start] * k + sentence
        for i in range(k, len(padded)):
            contexts.append(padded[i - k : i])
            targets.append(padded[i])
    return torch.Tensor(contexts), torch.Tensor(targets)


# --- softmax -----------------------------------------------------------------------------------------------------------


@right("softmax", why="the fused operation")
def fused(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=-1)


@right("softmax", why="subtracts log-sum-exp before one exponential")
def through_logsumexp(logits: torch.Tensor) -> torch.Tensor:
    return torch.exp(logits - torch.logsumexp(logits, dim=-1, keepdim=True))


@right("softmax", why="one row after the other")
def row_by_row(logits: torch.Tensor) -> torch.Tensor:
    rows = []
    for row in logits.reshape(-1, logits.shape[-1]):
        exponentials = torch.exp(row - row.max())
        rows.append(exponentials / exponentials.sum())
    return torch.stack(rows).reshape(logits.shape)


@wrong("softmax", misconception="Normalises over the first axis.", hint="the columns sum to 1")
def over_first_axis(logits: torch.Tensor) -> torch.Tensor:
    exponentials = torch.exp(logits - logits.amax(dim=0, keepdim=True))
    return exponentials / exponentials.sum(dim=0, keepdim=True)


@wrong("softmax", misconception="Normalises over axis 1, which is not always the last.", hint="dim=-1")
def over_axis_one(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=1)


@wrong("softmax", misconception="Normalises over all numbers.", hint="all numbers together sum to 1")
def over_everything(logits: torch.Tensor) -> torch.Tensor:
    exponentials = torch.exp(logits - logits.max())
    return exponentials / exponentials.sum()


@wrong(
    "softmax", misconception="Does not subtract the maximum.", hint="subtract the maximum of each row first"
)
def no_maximum(logits: torch.Tensor) -> torch.Tensor:
    exponentials = torch.exp(logits)
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


@wrong(
    "softmax", misconception="Subtracts the maximum of the whole tensor.", hint="not that of the whole tensor"
)
def one_maximum(logits: torch.Tensor) -> torch.Tensor:
    exponentials = torch.exp(logits - logits.max())
    return exponentials / exponentials.sum(dim=-1, keepdim=True)


@wrong("softmax", misconception="Hides 0 / 0 with a tiny number.", hint="became 0")
def with_epsilon(logits: torch.Tensor) -> torch.Tensor:
    exponentials = torch.exp(logits - logits.max())
    return exponentials / (exponentials.sum(dim=-1, keepdim=True) + 1e-9)


@wrong("softmax", misconception="Divides by the largest exponential.", hint="not by the largest")
def by_largest(logits: torch.Tensor) -> torch.Tensor:
    return torch.exp(logits - logits.amax(dim=-1, keepdim=True))


@wrong("softmax", misconception="Returns exponentials.", hint="not divided by their sum")
def exponentials_only(logits: torch.Tensor) -> torch.Tensor:
    return torch.exp(logits)


@wrong("softmax", misconception="Returns log-probabilities.", hint="logarithms of the probabilities")
def logarithms(logits: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(logits, dim=-1)


@wrong("softmax", misconception="Divides logits by their sum.", hint="the exponential is missing")
def no_exponential(logits: torch.Tensor) -> torch.Tensor:
    return logits / logits.sum(dim=-1, keepdim=True)


@wrong("softmax", misconception="Takes powers of 2.", hint="the base is e")
def base_two(logits: torch.Tensor) -> torch.Tensor:
    powers = 2 ** (logits - logits.amax(dim=-1, keepdim=True))
    return powers / powers.sum(dim=-1, keepdim=True)


@wrong("softmax", misconception="Changes the sign, as for energies.", hint="the sign is wrong")
def negative(logits: torch.Tensor) -> torch.Tensor:
    return torch.softmax(-logits, dim=-1)


# --- cross_entropy -----------------------------------------------------------------------------------------------------


@right("cross_entropy", why="log-sum-exp minus the target's logit")
def logsumexp_minus_logit(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    picked = logits.gather(1, targets[:, None]).squeeze(1)
    return (torch.logsumexp(logits, dim=1) - picked).mean()


@right("cross_entropy", why="one prediction after the other")
def one_by_one(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    losses = []
    for row, target in zip(logits, targets):
        row = row - row.max()
        losses.append(torch.log(torch.exp(row).sum()) - row[target])
    return torch.stack(losses).mean()


@right("cross_entropy", why="the fused operation")
def fused_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets)


@wrong("cross_entropy", misconception="Adds up instead of averaging.", hint="this is the sum")
def total(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets, reduction="sum")


@wrong("cross_entropy", misconception="Returns one loss for each prediction.", hint="return their mean")
def not_reduced(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets, reduction="none")


@wrong(
    "cross_entropy", misconception="Takes the logarithm of a clipped probability.", hint="clipped probability"
)
def clipped(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    p = torch.softmax(logits, dim=1).clamp(min=1e-9)
    return -p[torch.arange(len(targets)), targets].log().mean()


@wrong("cross_entropy", misconception="Adds a tiny number to the probability.", hint="clipped probability")
def with_tiny_number(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    p = torch.softmax(logits, dim=1)
    return -(p[torch.arange(len(targets)), targets] + 1e-8).log().mean()


@wrong("cross_entropy", misconception="Takes the logarithm of softmax.", hint="rounded to 0")
def log_of_softmax(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -torch.softmax(logits, dim=1).log()[torch.arange(len(targets)), targets].mean()


@wrong(
    "cross_entropy",
    misconception="Takes the exponentials without subtracting the maximum.",
    hint="compute with logits",
)
def overflowing(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    log_sums = torch.exp(logits).sum(dim=1).log()
    return (log_sums - logits[torch.arange(len(targets)), targets]).mean()


@wrong(
    "cross_entropy",
    misconception="Divides exponentials that overflow.",
    hint="subtract the maximum of each row",
)
def overflowing_softmax(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    p = torch.exp(logits) / torch.exp(logits).sum(dim=1, keepdim=True)
    return -torch.nan_to_num(p.log(), nan=math.nan, neginf=math.nan)[
        torch.arange(len(targets)), targets
    ].mean()


@wrong("cross_entropy", misconception="Forgets the minus.", hint="a loss is never negative")
def no_minus(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.log_softmax(logits, dim=1)[torch.arange(len(targets)), targets].mean()


@wrong("cross_entropy", misconception="Measures in bits.", hint="in nats")
def in_bits(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets) / math.log(2)


@wrong("cross_entropy", misconception="Averages over words as well.", hint="divided by N times V")
def mean_over_words(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    one_hot = F.one_hot(targets, logits.shape[1])
    return -(one_hot * torch.log_softmax(logits, dim=1)).mean()


@wrong("cross_entropy", misconception="Averages probabilities.", hint="this is the mean probability")
def mean_probability(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=1)[torch.arange(len(targets)), targets].mean()


@wrong("cross_entropy", misconception="Takes the logarithm of the mean.", hint="logarithm of the mean")
def log_of_mean(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -torch.softmax(logits, dim=1)[torch.arange(len(targets)), targets].mean().log()


@wrong(
    "cross_entropy",
    misconception="Takes logits for log-probabilities.",
    hint="logits are not log-probabilities",
)
def not_normalised(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -logits[torch.arange(len(targets)), targets].mean()


@wrong(
    "cross_entropy",
    misconception="Takes softmax first, and again in the loss.",
    hint="softmax was taken twice",
)
def softmax_twice(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(torch.softmax(logits, dim=1), targets)


@wrong("cross_entropy", misconception="Normalises over the batch.", hint="softmax over the wrong axis")
def over_the_batch(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -torch.log_softmax(logits, dim=0)[torch.arange(len(targets)), targets].mean()


@wrong(
    "cross_entropy",
    misconception="Takes the columns of all targets in every row.",
    hint="takes all targets from every row",
)
def all_targets(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -torch.log_softmax(logits, dim=1)[:, targets].mean()


@wrong("cross_entropy", misconception="Charges all words, not the target.", hint="only the target counts")
def all_words(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return -torch.log_softmax(logits, dim=1).mean()


@wrong("cross_entropy", misconception="Returns a float.", hint="training needs its gradient")
def as_float(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits, targets).item()


equivalent(
    "cross_entropy",
    mutant="line 1: logits.amax(dim=-1, keepdim=True) -> logits.amax(dim=1, keepdim=True)",
    why="Logits have two axes here, (N, V), so that axis 1 is the last.",
)
equivalent(
    "cross_entropy",
    mutant="line 2: shifted.exp().sum(dim=-1, keepdim=True) -> shifted.exp().sum(dim=1, keepdim=True)",
    why="Logits have two axes here, (N, V), so that axis 1 is the last.",
)


# --- FeedForwardLM -----------------------------------------------------------------------------------------------------


class Parameters(nn.Module):
    """The right parameters; a variant gives the logits, the loss, or both another shape."""

    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocabulary_size, embedding_dim))
        self.W = nn.Parameter(torch.randn(k * embedding_dim, hidden_dim) / math.sqrt(k * embedding_dim))
        self.b = nn.Parameter(torch.zeros(hidden_dim))
        self.U = nn.Parameter(0.01 * torch.randn(hidden_dim, vocabulary_size))
        self.c = nn.Parameter(torch.zeros(vocabulary_size))

    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.E[idx].flatten(1) @ self.W + self.b) @ self.U + self.c

    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, targets)

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        logits = self.logits(idx)
        return logits, None if targets is None else self.loss(logits, targets)


@right("FeedForwardLM", why="uses F.embedding, F.linear and a reshape")
class Functional(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        x = F.embedding(idx, self.E).reshape(len(idx), -1)
        return F.linear(F.linear(x, self.W.T, self.b).tanh(), self.U.T, self.c)


@right("FeedForwardLM", why="concatenates the words of the window one by one; fills the parameters in place")
class OneByOne(nn.Module):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.E = nn.Parameter(torch.empty(vocabulary_size, embedding_dim))
        self.W = nn.Parameter(torch.empty(k * embedding_dim, hidden_dim))
        self.b = nn.Parameter(torch.zeros(hidden_dim))
        self.U = nn.Parameter(torch.empty(hidden_dim, vocabulary_size))
        self.c = nn.Parameter(torch.zeros(vocabulary_size))
        nn.init.normal_(self.E)
        nn.init.normal_(self.W, std=(k * embedding_dim) ** -0.5)
        nn.init.normal_(self.U, std=0.01)

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        x = torch.cat([self.E[idx[:, i]] for i in range(idx.shape[1])], dim=1)
        logits = torch.addmm(self.c, torch.tanh(torch.addmm(self.b, x, self.W)), self.U)
        if targets is None:
            return logits, None
        log_probabilities = torch.log_softmax(logits, dim=-1)
        return logits, F.nll_loss(log_probabilities, targets)


@wrong(
    "FeedForwardLM",
    misconception="Adds up the embeddings instead of concatenating them.",
    hint="the k embeddings are concatenated, not added up",
)
class Summed(nn.Module):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocabulary_size, embedding_dim))
        self.W = nn.Parameter(torch.randn(embedding_dim, hidden_dim) / math.sqrt(embedding_dim))
        self.b = nn.Parameter(torch.zeros(hidden_dim))
        self.U = nn.Parameter(0.01 * torch.randn(hidden_dim, vocabulary_size))
        self.c = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        logits = torch.tanh(self.E[idx].sum(1) @ self.W + self.b) @ self.U + self.c
        return logits, None if targets is None else F.cross_entropy(logits, targets)


@wrong(
    "FeedForwardLM",
    misconception="Adds up the embeddings, and repeats the sum to fit W.",
    hint="concatenate them",
)
class SummedAndRepeated(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        x = self.E[idx].sum(1).repeat(1, idx.shape[1])
        return torch.tanh(x @ self.W + self.b) @ self.U + self.c


@wrong(
    "FeedForwardLM", misconception="Turns the window round.", hint="the words of the window are turned round"
)
class Reversed(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.E[idx.flip(1)].flatten(1) @ self.W + self.b) @ self.U + self.c


@wrong("FeedForwardLM", misconception="Interleaves the words' numbers.", hint="the numbers are mixed up")
class Interleaved(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.E[idx].transpose(1, 2).flatten(1) @ self.W + self.b) @ self.U + self.c


@wrong("FeedForwardLM", misconception="Leaves tanh out.", hint="tanh is missing")
class Linear(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return (self.E[idx].flatten(1) @ self.W + self.b) @ self.U + self.c


@wrong("FeedForwardLM", misconception="Takes relu for tanh.", hint="this is relu")
class Rectified(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.E[idx].flatten(1) @ self.W + self.b) @ self.U + self.c


@wrong(
    "FeedForwardLM", misconception="Squeezes the logits, too.", hint="tanh belongs to the hidden layer only"
)
class SqueezedLogits(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.tanh(torch.tanh(self.E[idx].flatten(1) @ self.W + self.b) @ self.U + self.c)


@wrong(
    "FeedForwardLM",
    misconception="Forgets the bias of the output layer.",
    hint="the bias c of the output layer",
)
class NoOutputBias(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.E[idx].flatten(1) @ self.W + self.b) @ self.U


@wrong(
    "FeedForwardLM",
    misconception="Forgets the bias of the hidden layer.",
    hint="the bias b of the hidden layer",
)
class NoHiddenBias(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.E[idx].flatten(1) @ self.W) @ self.U + self.c


@wrong("FeedForwardLM", misconception="Returns probabilities.", hint="these are probabilities")
class Probabilities(Parameters):
    def logits(self, idx: torch.Tensor) -> torch.Tensor:
        return torch.softmax(torch.tanh(self.E[idx].flatten(1) @ self.W + self.b) @ self.U + self.c, dim=-1)


@wrong("FeedForwardLM", misconception="Takes softmax before the loss.", hint="F.cross_entropy wants logits")
class SoftmaxTwice(Parameters):
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(torch.softmax(logits, dim=-1), targets)


@wrong("FeedForwardLM", misconception="Adds up the losses.", hint="the mean over the batch")
class SummedLoss(Parameters):
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, targets, reduction="sum")


@wrong("FeedForwardLM", misconception="Returns the loss as a float.", hint="training needs its gradient")
class FloatLoss(Parameters):
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits, targets).item()


@wrong("FeedForwardLM", misconception="Cuts the loss off from the weights.", hint="lost its gradient")
class Detached(Parameters):
    def loss(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return F.cross_entropy(logits.detach(), targets)


@wrong("FeedForwardLM", misconception="Returns the logits alone.", hint="returns two things")
class LogitsOnly(Parameters):
    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        return self.logits(idx)


@wrong(
    "FeedForwardLM",
    misconception="Returns a loss of 0 without targets.",
    hint="Without targets there is no loss",
)
class ZeroLoss(Parameters):
    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        logits = self.logits(idx)
        return logits, torch.zeros(()) if targets is None else F.cross_entropy(logits, targets)


@wrong(
    "FeedForwardLM",
    misconception="Makes plain tensors that nobody trains.",
    hint="wrap each of the five in nn.Parameter",
)
class PlainTensors(nn.Module):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocabulary_size, embedding_dim))
        self.W = nn.Parameter(torch.randn(k * embedding_dim, hidden_dim) / math.sqrt(k * embedding_dim))
        self.b = nn.Parameter(torch.zeros(hidden_dim))
        self.U = 0.01 * nn.Parameter(torch.randn(hidden_dim, vocabulary_size))
        self.c = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        logits = torch.tanh(self.E[idx].flatten(1) @ self.W + self.b) @ self.U + self.c
        return logits, None if targets is None else F.cross_entropy(logits, targets)


@wrong("FeedForwardLM", misconception="Transposes weights, as nn.Linear does.", hint="transposed")
class TransposedWeights(nn.Module):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.E = nn.Parameter(torch.randn(vocabulary_size, embedding_dim))
        self.W = nn.Parameter(torch.randn(hidden_dim, k * embedding_dim) / math.sqrt(k * embedding_dim))
        self.b = nn.Parameter(torch.zeros(hidden_dim))
        self.U = nn.Parameter(0.01 * torch.randn(vocabulary_size, hidden_dim))
        self.c = nn.Parameter(torch.zeros(vocabulary_size))

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        logits = torch.tanh(self.E[idx].flatten(1) @ self.W.T + self.b) @ self.U.T + self.c
        return logits, None if targets is None else F.cross_entropy(logits, targets)


@wrong(
    "FeedForwardLM",
    misconception="Uses ready-made layers with names of their own.",
    hint="plain nn.Parameter",
)
class Layers(nn.Module):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__()
        self.E = nn.Embedding(vocabulary_size, embedding_dim)
        self.W = nn.Linear(k * embedding_dim, hidden_dim)
        self.U = nn.Linear(hidden_dim, vocabulary_size)

    def forward(self, idx: torch.Tensor, targets: torch.Tensor | None = None):
        logits = self.U(torch.tanh(self.W(self.E(idx).flatten(1))))
        return logits, None if targets is None else F.cross_entropy(logits, targets)


@wrong(
    "FeedForwardLM",
    misconception="Starts with large output weights: sure of something random.",
    hint="Make U small",
)
class LargeStart(Parameters):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__(vocabulary_size, k, embedding_dim, hidden_dim)
        self.U = nn.Parameter(torch.randn(hidden_dim, vocabulary_size))


@wrong(
    "FeedForwardLM",
    misconception="Starts with zeros everywhere.",
    hint="Weights that are all equal stay equal",
)
class AllZero(Parameters):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__(vocabulary_size, k, embedding_dim, hidden_dim)
        for parameter in self.parameters():
            nn.init.zeros_(parameter)


@wrong(
    "FeedForwardLM", misconception="Does not scale W by its inputs.", hint="The standard deviations should be"
)
class UnscaledHidden(Parameters):
    def __init__(self, vocabulary_size: int, k: int, embedding_dim: int, hidden_dim: int) -> None:
        super().__init__(vocabulary_size, k, embedding_dim, hidden_dim)
        self.W = nn.Parameter(torch.randn(k * embedding_dim, hidden_dim))


equivalent(
    "FeedForwardLM",
    mutant="line 6: 0.01 -> -0.01",
    why="Normal random numbers with their sign turned are as random as before.",
)


# --- logit_gradients ---------------------------------------------------------------------------------------------------


@right("logit_gradients", why="subtracts 1 at the targets")
def subtract_one(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    p = torch.softmax(logits, dim=-1)
    p[torch.arange(len(targets)), targets] -= 1
    return p / len(targets)


@right("logit_gradients", why="asks autograd, which computes the same")
def autograd(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    leaf = logits.clone().requires_grad_()
    return torch.autograd.grad(F.cross_entropy(leaf, targets), leaf)[0]


@wrong("logit_gradients", misconception="Forgets that the loss is a mean.", hint="not divided by B")
def not_divided(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=-1) - F.one_hot(targets, logits.shape[-1])


@wrong("logit_gradients", misconception="Divides by the number of words.", hint="not by the number of words")
def by_words(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (torch.softmax(logits, dim=-1) - F.one_hot(targets, logits.shape[-1])) / logits.shape[-1]


@wrong("logit_gradients", misconception="Divides by all entries.", hint="not over B times V")
def by_entries(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (torch.softmax(logits, dim=-1) - F.one_hot(targets, logits.shape[-1])) / logits.numel()


@wrong("logit_gradients", misconception="Returns the direction of the step.", hint="the sign is wrong")
def uphill(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (F.one_hot(targets, logits.shape[-1]) - torch.softmax(logits, dim=-1)) / len(targets)


@wrong("logit_gradients", misconception="Forgets the target.", hint="is missing")
def no_target(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.softmax(logits, dim=-1) / len(targets)


@wrong("logit_gradients", misconception="Subtracts the target from the logits.", hint="softmax is missing")
def no_softmax(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (logits - F.one_hot(targets, logits.shape[-1])) / len(targets)


@wrong("logit_gradients", misconception="Normalises over the batch.", hint="softmax over the wrong axis")
def wrong_axis(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return (torch.softmax(logits, dim=0) - F.one_hot(targets, logits.shape[-1])) / len(targets)


@wrong(
    "logit_gradients",
    misconception="Gives a gradient to the target only.",
    hint="the other words have a gradient",
)
def target_only(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    y = F.one_hot(targets, logits.shape[-1])
    return (torch.softmax(logits, dim=-1) - 1) * y / len(targets)


equivalent(
    "logit_gradients",
    mutant="line 1: torch.softmax(logits, dim=-1) -> torch.softmax(logits, dim=1)",
    why="Logits have two axes here, (N, V), so that axis 1 is the last.",
)
equivalent(
    "logit_gradients",
    mutant="line 2: -1 -> 1",
    why="Logits have two axes here, (N, V), so that axis 1 is the last.",
)


# --- output_gradients --------------------------------------------------------------------------------------------------


def forward(idx, parameters):
    """The values of the forward pass: X, A, S."""
    E, W, b, U, c = (parameters[name] for name in ["E", "W", "b", "U", "c"])
    X = E[idx].flatten(1)
    A = torch.tanh(X @ W + b)
    return X, A, A @ U + c


def backward(idx, parameters, X, A, G_S, slope):
    """The gradients below the logits, with a given slope of the hidden layer."""
    E, W, U = parameters["E"], parameters["W"], parameters["U"]
    G_Z = G_S @ U.T * slope
    G_E = torch.zeros_like(E).index_add_(0, idx.flatten(), (G_Z @ W.T).view(-1, E.shape[1]))
    return {"E": G_E, "W": X.T @ G_Z, "b": G_Z.sum(0), "U": A.T @ G_S, "c": G_S.sum(0)}


def slope_of_logits(S, targets):
    return (torch.softmax(S, dim=-1) - F.one_hot(targets, S.shape[-1])) / len(targets)


@right("output_gradients", why="one-hot vectors, transposed, times the gradient of X")
def by_one_hot(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = torch.softmax(S, dim=1)
    G_S[torch.arange(len(targets)), targets] -= 1
    G_S /= len(targets)
    G_Z = torch.einsum("bv,hv->bh", G_S, parameters["U"]) * (1 - A * A)
    G_X = torch.einsum("bh,xh->bx", G_Z, parameters["W"]).reshape(*idx.shape, -1)
    one_hot = F.one_hot(idx, len(parameters["E"])).to(G_X.dtype)
    G_E = torch.einsum("bkv,bkd->vd", one_hot, G_X)
    return {"E": G_E, "W": X.T @ G_Z, "b": G_Z.sum(dim=0), "U": A.T @ G_S, "c": G_S.sum(dim=0)}


@right("output_gradients", why="one prediction and one word after the other")
def with_loops(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    gradients = {name: torch.zeros_like(value) for name, value in parameters.items()}
    d = parameters["E"].shape[1]
    for window, target in zip(idx.tolist(), targets.tolist()):
        x = torch.cat([parameters["E"][word] for word in window])
        a = torch.tanh(x @ parameters["W"] + parameters["b"])
        g_s = torch.softmax(a @ parameters["U"] + parameters["c"], dim=0)
        g_s[target] -= 1
        g_s = g_s / len(targets)
        g_z = parameters["U"] @ g_s * (1 - a**2)
        g_x = parameters["W"] @ g_z
        gradients["c"] += g_s
        gradients["U"] += torch.outer(a, g_s)
        gradients["b"] += g_z
        gradients["W"] += torch.outer(x, g_z)
        for place, word in enumerate(window):
            gradients["E"][word] += g_x[place * d : (place + 1) * d]
    return gradients


@wrong("output_gradients", misconception="Forgets that the loss is a mean.", hint="not divided by B")
def sum_over_batch(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, slope_of_logits(S, targets) * len(targets), 1 - A**2)


@wrong("output_gradients", misconception="Returns the direction of the step.", hint="the sign is wrong")
def all_uphill(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, -slope_of_logits(S, targets), 1 - A**2)


@wrong("output_gradients", misconception="Forgets the target.", hint="y is missing")
def without_target(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, torch.softmax(S, dim=-1) / len(targets), 1 - A**2)


@wrong(
    "output_gradients",
    misconception="Goes through tanh as if it were not there.",
    hint="the slope of tanh is missing",
)
def no_slope(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, slope_of_logits(S, targets), torch.ones_like(A))


@wrong(
    "output_gradients",
    misconception="Puts the input of tanh into its slope.",
    hint="with A after tanh, not before",
)
def slope_before(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    Z = X @ parameters["W"] + parameters["b"]
    return backward(idx, parameters, X, A, slope_of_logits(S, targets), 1 - Z**2)


@wrong("output_gradients", misconception="Takes the slope of the sigmoid.", hint="slope of the sigmoid")
def sigmoid_slope(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, slope_of_logits(S, targets), A * (1 - A))


@wrong("output_gradients", misconception="Forgets the square in the slope.", hint="the square is missing")
def no_square(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, slope_of_logits(S, targets), 1 - A)


@wrong("output_gradients", misconception="Applies tanh again in its slope.", hint="tanh was taken twice")
def tanh_twice(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    return backward(idx, parameters, X, A, slope_of_logits(S, targets), 1 - torch.tanh(A) ** 2)


@wrong(
    "output_gradients",
    misconception="Averages the bias gradients over the batch.",
    hint="the sum over the rows, not the mean",
)
def mean_bias(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    gradients["c"] = G_S.mean(0)
    gradients["b"] = gradients["b"] / len(targets)
    return gradients


@wrong("output_gradients", misconception="Leaves the bias gradients unsummed.", hint="shared by all rows")
def bias_per_row(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    gradients["c"] = G_S
    return gradients


@wrong("output_gradients", misconception="Uses the hidden layer before tanh for U.", hint="after tanh")
def hidden_before_tanh(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    gradients["U"] = (X @ parameters["W"] + parameters["b"]).T @ G_S
    return gradients


@wrong(
    "output_gradients",
    misconception="Returns transposed gradients.",
    hint="a gradient has the shape of its parameter",
)
def transposed_gradients(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    gradients = backward(idx, parameters, X, A, slope_of_logits(S, targets), 1 - A**2)
    gradients["U"], gradients["W"] = gradients["U"].T, gradients["W"].T
    return gradients


@wrong(
    "output_gradients",
    misconception="Overwrites the gradient of a word that occurs twice.",
    hint="gradients add up",
)
def overwritten(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    G_X = (G_S @ parameters["U"].T * (1 - A**2)) @ parameters["W"].T
    gradients["E"] = torch.zeros_like(parameters["E"])
    gradients["E"][idx.flatten()] += G_X.view(-1, parameters["E"].shape[1])
    return gradients


@wrong(
    "output_gradients", misconception="Cuts the gradient of x the wrong way.", hint="was cut the wrong way"
)
def cut_wrong(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    d = parameters["E"].shape[1]
    G_X = (G_S @ parameters["U"].T * (1 - A**2)) @ parameters["W"].T
    pieces = G_X.view(len(idx), d, -1).transpose(1, 2).reshape(-1, d)
    gradients["E"] = torch.zeros_like(parameters["E"]).index_add_(0, idx.flatten(), pieces)
    return gradients


@wrong("output_gradients", misconception="Throws the sum into E away.", hint="nothing arrived in E")
def lost_in_place(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    G_X = (G_S @ parameters["U"].T * (1 - A**2)) @ parameters["W"].T
    G_E = torch.zeros_like(parameters["E"])
    G_E.index_add(0, idx.flatten(), G_X.view(-1, G_E.shape[1]))
    gradients["E"] = G_E
    return gradients


@wrong(
    "output_gradients",
    misconception="Returns the gradient of the embeddings looked up, not of the table.",
    hint="add its pieces to the rows",
)
def of_the_window(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    gradients["E"] = (G_S @ parameters["U"].T * (1 - A**2)) @ parameters["W"].T
    return gradients


@wrong(
    "output_gradients",
    misconception="Forgets the slope on the way to E only.",
    hint="G_X comes from G_Z, not from G_A",
)
def no_slope_for_e(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    G_S = slope_of_logits(S, targets)
    gradients = backward(idx, parameters, X, A, G_S, 1 - A**2)
    G_X = (G_S @ parameters["U"].T) @ parameters["W"].T
    gradients["E"] = torch.zeros_like(parameters["E"]).index_add_(
        0, idx.flatten(), G_X.view(-1, parameters["E"].shape[1])
    )
    return gradients


@wrong("output_gradients", misconception="Returns a tuple.", hint="Return a dict")
def as_tuple(
    idx: torch.Tensor, targets: torch.Tensor, parameters: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor]:
    X, A, S = forward(idx, parameters)
    gradients = backward(idx, parameters, X, A, slope_of_logits(S, targets), 1 - A**2)
    return tuple(gradients.values())


equivalent(
    "output_gradients",
    mutant="line 5: torch.softmax(S, dim=-1) -> torch.softmax(S, dim=1)",
    why="S has two axes, (B, V), so that axis 1 is the last.",
)
equivalent(
    "output_gradients",
    mutant="line 9: 1 -> -1",
    why="E has two axes, so that the length of axis -1 is that of axis 1.",
)


# --- train_step --------------------------------------------------------------------------------------------------------


@right("train_step", why="clears the gradients through the model, at the end of the step as well")
def clear_through_model(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    model.zero_grad()
    loss = model(idx, targets)[1]
    loss.backward()
    optimizer.step()
    model.zero_grad()
    return float(loss.detach())


@right("train_step", why="clears the gradients between forward and backward")
def clear_in_between(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    logits, loss = model(idx, targets)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong("train_step", misconception="Forgets zero_grad.", hint="zero_grad was forgotten")
def no_zero_grad(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    logits, loss = model(idx, targets)
    loss.backward()
    optimizer.step()
    return loss.item()


@wrong(
    "train_step", misconception="Clears the gradients after the step only.", hint="zero_grad was forgotten"
)
def clears_too_late(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    logits, loss = model(idx, targets)
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return loss.item()


@wrong(
    "train_step", misconception="Clears the gradients before using them.", hint="the weights have not changed"
)
def cleared_before_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    logits, loss = model(idx, targets)
    loss.backward()
    optimizer.zero_grad()
    optimizer.step()
    return loss.item()


@wrong("train_step", misconception="Forgets the step.", hint="optimizer.step() is missing")
def no_step(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    optimizer.zero_grad()
    logits, loss = model(idx, targets)
    loss.backward()
    return loss.item()


@wrong("train_step", misconception="Steps before going backwards.", hint="first backward, then step")
def step_first(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    logits, loss = model(idx, targets)
    optimizer.step()
    optimizer.zero_grad()
    loss.backward()
    return loss.item()


@wrong("train_step", misconception="Returns the loss tensor.", hint="loss.item()")
def returns_tensor(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    optimizer.zero_grad()
    logits, loss = model(idx, targets)
    loss.backward()
    optimizer.step()
    return loss


@wrong("train_step", misconception="Returns the loss after the step.", hint="this is the loss after the step")
def loss_afterwards(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    optimizer.zero_grad()
    model(idx, targets)[1].backward()
    optimizer.step()
    return model(idx, targets)[1].item()


@wrong("train_step", misconception="Multiplies the mean by the batch size.", hint="the mean")
def total_loss(
    model: nn.Module, optimizer: torch.optim.Optimizer, idx: torch.Tensor, targets: torch.Tensor
) -> float:
    optimizer.zero_grad()
    logits, loss = model(idx, targets)
    loss.backward()
    optimizer.step()
    return loss.item() * len(idx)
