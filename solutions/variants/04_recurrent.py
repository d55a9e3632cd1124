"""Other right answers to notebook 04, and the wrong ones that students give."""

import itertools
import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong

# --- rnn_step ----------------------------------------------------------------------------------------------------------


@right("rnn_step", why="one product: what is read and the state side by side, W above U")
def stacked(x, h, W, U, b):
    return torch.tanh(torch.cat([x, h], dim=1) @ torch.cat([W, U], dim=0) + b)


@right("rnn_step", why="loops over sentences and units, as a specification would")
def with_loops(x, h, W, U, b):
    new = torch.zeros_like(h)
    for i in range(h.shape[0]):
        for j in range(h.shape[1]):
            new[i, j] = math.tanh(float(x[i] @ W[:, j] + h[i] @ U[:, j] + b[j]))
    return new


@right("rnn_step", why="torch's own cell, with transposed weights")
def by_linear(x, h, W, U, b):
    return (F.linear(x, W.T, b) + F.linear(h, U.T)).tanh()


@wrong("rnn_step", misconception="Swaps the two matrices.", hint="W and U are swapped")
def matrices_swapped(x, h, W, U, b):
    first, second = (U, W) if W.shape == U.shape else (W, U)
    return torch.tanh(x @ first + h @ second + b)


@wrong("rnn_step", misconception="Leaves out tanh.", hint="tanh is missing")
def no_tanh(x, h, W, U, b):
    return x @ W + h @ U + b


@wrong("rnn_step", misconception="Takes the sigmoid.", hint="this is the sigmoid")
def with_sigmoid(x, h, W, U, b):
    return torch.sigmoid(x @ W + h @ U + b)


@wrong("rnn_step", misconception="Takes ReLU.", hint="negative numbers were cut off")
def with_relu(x, h, W, U, b):
    return torch.relu(x @ W + h @ U + b)


@wrong("rnn_step", misconception="Forgets the bias.", hint="the bias b is missing")
def no_bias(x, h, W, U, b):
    return torch.tanh(x @ W + h @ U)


@wrong("rnn_step", misconception="Adds the bias after tanh.", hint="the bias is added after tanh")
def bias_outside(x, h, W, U, b):
    return torch.tanh(x @ W + h @ U) + b


@wrong("rnn_step", misconception="Ignores the old state.", hint="the old state has no effect")
def no_memory(x, h, W, U, b):
    return torch.tanh(x @ W + b)


@wrong("rnn_step", misconception="Ignores what is read.", hint="what is read has no effect")
def no_input(x, h, W, U, b):
    return torch.tanh(h @ U + b)


@wrong("rnn_step", misconception="Takes tanh of the first part only.", hint="tanh is over a part only")
def tanh_of_a_part(x, h, W, U, b):
    return torch.tanh(x @ W + b) + h @ U


@wrong("rnn_step", misconception="Multiplies with W transposed.", hint="W is transposed")
def w_transposed(x, h, W, U, b):
    return torch.tanh((x @ W.T if W.shape[0] == W.shape[1] else x @ W) + h @ U + b)


@wrong("rnn_step", misconception="Multiplies with U transposed.", hint="U is transposed")
def u_transposed(x, h, W, U, b):
    return torch.tanh(x @ W + h @ U.T + b)


@wrong("rnn_step", misconception="Multiplies the state number by number.", hint="number by number")
def diagonal(x, h, W, U, b):
    return torch.tanh(x @ W + h * U.diagonal() + b)


@wrong("rnn_step", misconception="Adds up the batch.", hint="the batch stays a batch")
def one_row(x, h, W, U, b):
    return torch.tanh(x @ W + h @ U + b).sum(dim=0, keepdim=True)


# --- rnn_forward -------------------------------------------------------------------------------------------------------


@right("rnn_forward", why="multiplies all words with W at once, before the loop")
def product_first(xs, h, W, U, b):
    ready = xs @ W + b
    states = []
    for t in range(xs.shape[1]):
        h = torch.tanh(ready[:, t] + h @ U)
        states.append(h[:, None])
    return torch.cat(states, dim=1)


@right("rnn_forward", why="walks over time as the first axis")
def time_first(xs, h, W, U, b):
    states = [h]
    for x in xs.transpose(0, 1):
        states.append(rnn_step(x, states[-1], W, U, b))
    return torch.stack(states[1:]).transpose(0, 1)


@right("rnn_forward", why="itertools.accumulate")
def accumulated(xs, h, W, U, b):
    steps = itertools.accumulate(xs.unbind(1), lambda state, x: rnn_step(x, state, W, U, b), initial=h)
    return torch.stack(list(steps)[1:], dim=1)


@wrong(
    "rnn_forward",
    misconception="Gives every step the initial state.",
    hint="the hidden state is reset at each step",
)
def reset(xs, h, W, U, b):
    return torch.stack([rnn_step(xs[:, t], h, W, U, b) for t in range(xs.shape[1])], dim=1)


@wrong("rnn_forward", misconception="Returns the last state.", hint="this is the last state only")
def last_only(xs, h, W, U, b):
    for t in range(xs.shape[1]):
        h = rnn_step(xs[:, t], h, W, U, b)
    return h


@wrong(
    "rnn_forward",
    misconception="Collects the state before each step.",
    hint="this begins with the initial state",
)
def states_before(xs, h, W, U, b):
    states = []
    for t in range(xs.shape[1]):
        states.append(h)
        h = rnn_step(xs[:, t], h, W, U, b)
    return torch.stack(states, dim=1)


@wrong(
    "rnn_forward",
    misconception="Counts the initial state among the results.",
    hint="the initial state is not one of the states after a word",
)
def initial_too(xs, h, W, U, b):
    states = [h]
    for t in range(xs.shape[1]):
        states.append(rnn_step(xs[:, t], states[-1], W, U, b))
    return torch.stack(states, dim=1)


@wrong("rnn_forward", misconception="Stacks along axis 0.", hint="time stands on axis 0")
def stacked_first(xs, h, W, U, b):
    states = []
    for t in range(xs.shape[1]):
        h = rnn_step(xs[:, t], h, W, U, b)
        states.append(h)
    return torch.stack(states)


@wrong(
    "rnn_forward",
    misconception="Reads the first word at every step.",
    hint="every step has read the first word",
)
def first_word(xs, h, W, U, b):
    states = []
    for _ in range(xs.shape[1]):
        h = rnn_step(xs[:, 0], h, W, U, b)
        states.append(h)
    return torch.stack(states, dim=1)


@wrong("rnn_forward", misconception="Walks along the batch, not along time.", hint="mind the axes")
def along_the_batch(xs, h, W, U, b):
    if xs.shape[0] == 1:
        xs = xs.transpose(0, 1)
        states = []
        for x in xs:
            h = rnn_step(x, h, W, U, b)
            states.append(h)
        return torch.stack(states, dim=1)
    states = []
    for t in range(xs.shape[0]):
        h = rnn_step(xs[t], h[: xs.shape[1]], W, U, b)
        states.append(h)
    return torch.stack(states, dim=1)


@wrong("rnn_forward", misconception="Begins with zeros, whatever it is given.", hint="begin with the state h")
def from_zeros(xs, h, W, U, b):
    h = torch.zeros_like(h)
    states = []
    for t in range(xs.shape[1]):
        h = rnn_step(xs[:, t], h, W, U, b)
        states.append(h)
    return torch.stack(states, dim=1)


@wrong(
    "rnn_forward",
    misconception="Fills one tensor that every step changes.",
    hint="every place holds the last state",
)
def one_tensor(xs, h, W, U, b):
    state = h.clone()
    states = []
    for t in range(xs.shape[1]):
        state[:] = rnn_step(xs[:, t], state.clone(), W, U, b)
        states.append(state)
    return torch.stack(states, dim=1)


@wrong("rnn_forward", misconception="Stops one step too early.", hint="the loop ended too early")
def one_step_less(xs, h, W, U, b):
    states = []
    for t in range(xs.shape[1] - 1):
        h = rnn_step(xs[:, t], h, W, U, b)
        states.append(h)
    return torch.stack(states, dim=1)


# --- shift_for_teacher_forcing -----------------------------------------------------------------------------------------


@right("shift_for_teacher_forcing", why="pads with torch's own pad_sequence")
def with_pad_sequence(sentences, end_id):
    pad = nn.utils.rnn.pad_sequence
    inputs = [torch.tensor([end_id, *sentence]) for sentence in sentences]
    targets = [torch.tensor([*sentence, end_id]) for sentence in sentences]
    return pad(inputs, batch_first=True, padding_value=end_id), pad(
        targets, batch_first=True, padding_value=-100
    )


@right("shift_for_teacher_forcing", why="fills two tensors made before")
def filled(sentences, end_id):
    shape = (len(sentences), max(map(len, sentences)) + 1)
    inputs, targets = torch.full(shape, end_id), torch.full(shape, -100)
    for row, sentence in enumerate(sentences):
        n = len(sentence)
        inputs[row, 1 : n + 1] = torch.tensor(sentence, dtype=torch.long)
        targets[row, :n] = torch.tensor(sentence, dtype=torch.long)
        targets[row, n] = end_id
    return inputs, targets


@right("shift_for_teacher_forcing", why="one padded tensor, cut twice")
def cut_twice(sentences, end_id):
    longest = max(map(len, sentences))
    rows = torch.tensor([[end_id, *s, end_id] + [-100] * (longest - len(s)) for s in sentences])
    return rows[:, :-1].masked_fill(rows[:, :-1] == -100, end_id), rows[:, 1:]


@wrong(
    "shift_for_teacher_forcing", misconception="Does not shift the targets.", hint="targets are not shifted"
)
def not_shifted(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[end_id, *s] + [end_id] * (longest - len(s)) for s in sentences])
    return inputs, inputs.clone()


@wrong(
    "shift_for_teacher_forcing",
    misconception="Shifts in the wrong direction.",
    hint="inputs and targets are the other way round",
)
def other_way_round(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[*s, end_id] + [end_id] * (longest - len(s)) for s in sentences])
    return inputs, torch.tensor([[end_id, *s] + [end_id] * (longest - len(s)) for s in sentences])


@wrong(
    "shift_for_teacher_forcing",
    misconception="Lets the model guess the padding.",
    hint="the padding of the targets has to be -100",
)
def padding_guessed(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[end_id, *s] + [end_id] * (longest - len(s)) for s in sentences])
    return inputs, torch.tensor([[*s, end_id] + [end_id] * (longest - len(s)) for s in sentences])


@wrong(
    "shift_for_teacher_forcing", misconception="Pads the inputs with -100 as well.", hint="has no row -100"
)
def inputs_ignored(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[end_id, *s] + [-100] * (longest - len(s)) for s in sentences])
    return inputs, torch.tensor([[*s, end_id] + [-100] * (longest - len(s)) for s in sentences])


@wrong(
    "shift_for_teacher_forcing",
    misconception="Takes every end for padding.",
    hint="the ends of sentences are masked as well",
)
def ends_masked(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[end_id, *s] + [end_id] * (longest - len(s)) for s in sentences])
    targets = torch.tensor([[*s, end_id] + [end_id] * (longest - len(s)) for s in sentences])
    return inputs, targets.masked_fill(targets == end_id, -100)


@wrong("shift_for_teacher_forcing", misconception="Never asks for the end.", hint="the end is not predicted")
def no_end(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([([end_id, *s] + [end_id] * longest)[:longest] for s in sentences])
    return inputs, torch.tensor([s + [-100] * (longest - len(s)) for s in sentences])


@wrong("shift_for_teacher_forcing", misconception="Begins with the first word.", hint="the start is missing")
def no_start(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([s + [end_id] * (longest - len(s)) for s in sentences])
    return inputs, torch.tensor([[*s[1:], end_id] + [-100] * (longest - len(s)) for s in sentences])


@wrong(
    "shift_for_teacher_forcing", misconception="Pads on the left.", hint="the padding belongs on the right"
)
def padded_left(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[end_id] * (longest - len(s)) + [end_id, *s] for s in sentences])
    return inputs, torch.tensor([[-100] * (longest - len(s)) + [*s, end_id] for s in sentences])


@wrong("shift_for_teacher_forcing", misconception="Does not pad.", hint="a tensor is a rectangle")
def ragged(sentences, end_id):
    return torch.tensor([[end_id, *s] for s in sentences]), torch.tensor([[*s, end_id] for s in sentences])


@wrong(
    "shift_for_teacher_forcing",
    misconception="Joins all sentences into one.",
    hint="each sentence has its own row",
)
def joined(sentences, end_id):
    stream = [end_id] + [i for sentence in sentences for i in (*sentence, end_id)]
    return torch.tensor(stream[:-1]), torch.tensor(stream[1:])


@wrong("shift_for_teacher_forcing", misconception="Takes 0 for the end.", hint="use end_id; here it is 9")
def always_zero(sentences, end_id):
    longest = max(map(len, sentences))
    inputs = torch.tensor([[0, *s] + [0] * (longest - len(s)) for s in sentences])
    return inputs, torch.tensor([[*s, 0] + [-100] * (longest - len(s)) for s in sentences])


# --- ElmanLM -----------------------------------------------------------------------------------------------------------


class Parts(nn.Module):
    """The constructor that the exercise gives."""

    def __init__(self, vocabulary_size, embedding_size, hidden_size):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary_size, embedding_size)
        self.W = nn.Parameter(torch.randn(embedding_size, hidden_size))
        self.U = nn.Parameter(torch.randn(hidden_size, hidden_size))
        self.b = nn.Parameter(torch.zeros(hidden_size))
        self.head = nn.Linear(hidden_size, vocabulary_size)

    def zeros(self, idx):
        return torch.zeros(len(idx), self.U.shape[0])

    def guesses(self, idx, h):
        return self.head(rnn_forward(self.embedding(idx), h, self.W, self.U, self.b))

    def loss(self, logits, targets):
        return None if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten())


@right("ElmanLM", why="a loop over time that makes logits at each step")
class StepByStep(Parts):
    def forward(self, idx, targets=None):
        h, logits = self.zeros(idx), []
        for t in range(idx.shape[1]):
            h = rnn_step(self.embedding(idx[:, t]), h, self.W, self.U, self.b)
            logits.append(self.head(h))
        logits = torch.stack(logits, dim=1)
        return logits, self.loss(logits, targets)


@right("ElmanLM", why="the loss with the classes on axis 1, as cross_entropy takes images")
class ClassesSecond(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        loss = (
            None if targets is None else F.cross_entropy(logits.transpose(1, 2), targets, ignore_index=-100)
        )
        return logits, loss


@right("ElmanLM", why="the loss by hand, over the targets that are not -100")
class LossByHand(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        if targets is None:
            return logits, None
        wanted = targets >= 0
        chosen = logits.log_softmax(dim=2).gather(2, targets.clamp(min=0)[..., None])[..., 0]
        return logits, -chosen[wanted].mean()


@wrong(
    "ElmanLM",
    misconception="Keeps the state for the next batch, with its graph.",
    hint="begin every call with a state of zeros",
)
class CarriedWithGraph(Parts):
    h = None

    def forward(self, idx, targets=None):
        if self.h is None or self.h.shape[0] != len(idx):
            self.h = self.zeros(idx)
        states = rnn_forward(self.embedding(idx), self.h, self.W, self.U, self.b)
        self.h = states[:, -1]
        logits = self.head(states)
        return logits, self.loss(logits, targets)


@wrong(
    "ElmanLM",
    misconception="Keeps the state for the next batch, detached.",
    hint="begin every call with a state of zeros",
)
class CarriedDetached(Parts):
    h = None

    def forward(self, idx, targets=None):
        if self.h is None or self.h.shape[0] != len(idx):
            self.h = self.zeros(idx)
        states = rnn_forward(self.embedding(idx), self.h, self.W, self.U, self.b)
        self.h = states[:, -1].detach()
        logits = self.head(states)
        return logits, self.loss(logits, targets)


@wrong("ElmanLM", misconception="Begins with a random state.", hint="begin every call with a state of zeros")
class RandomStart(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, torch.randn(len(idx), self.U.shape[0]))
        return logits, self.loss(logits, targets)


@wrong(
    "ElmanLM",
    misconception="Begins every word with a state of zeros.",
    hint="the state is reset at each step",
)
class ResetEachStep(Parts):
    def forward(self, idx, targets=None):
        words = self.embedding(idx)
        states = [rnn_step(words[:, t], self.zeros(idx), self.W, self.U, self.b) for t in range(idx.shape[1])]
        logits = self.head(torch.stack(states, dim=1))
        return logits, self.loss(logits, targets)


@wrong(
    "ElmanLM", misconception="Reads its own guesses, in training too.", hint="not what the model has guessed"
)
class ReadsItself(Parts):
    def forward(self, idx, targets=None):
        h, word, logits = self.zeros(idx), idx[:, 0], []
        for _ in range(idx.shape[1]):
            h = rnn_step(self.embedding(word), h, self.W, self.U, self.b)
            logits.append(self.head(h))
            word = logits[-1].argmax(dim=1)
        logits = torch.stack(logits, dim=1)
        return logits, self.loss(logits, targets)


@wrong(
    "ElmanLM",
    misconception="Reads its own guesses as soon as there are targets.",
    hint="with targets the model must read idx as well",
)
class ReadsItselfInTraining(Parts):
    def forward(self, idx, targets=None):
        h, word, logits = self.zeros(idx), idx[:, 0], []
        for t in range(idx.shape[1]):
            h = rnn_step(self.embedding(idx[:, t] if targets is None else word), h, self.W, self.U, self.b)
            logits.append(self.head(h))
            word = logits[-1].argmax(dim=1)
        logits = torch.stack(logits, dim=1)
        return logits, self.loss(logits, targets)


@wrong(
    "ElmanLM",
    misconception="Guesses from the last state only.",
    hint="these are logits of the last place only",
)
class LastPlaceOnly(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))[:, -1]
        return logits, None if targets is None else F.cross_entropy(logits, targets[:, -1])


@wrong("ElmanLM", misconception="Returns the logits flattened.", hint="flatten them for the loss only")
class Flattened(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx)).flatten(0, 1)
        return logits, None if targets is None else F.cross_entropy(logits, targets.flatten())


@wrong("ElmanLM", misconception="Returns the logits with the classes on axis 1.", hint="the axes are swapped")
class AxesSwapped(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx)).transpose(1, 2)
        return logits, None if targets is None else F.cross_entropy(logits, targets)


@wrong("ElmanLM", misconception="Sums the loss.", hint="this is the sum")
class LossSummed(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


@wrong("ElmanLM", misconception="Divides by all places, padding included.", hint="you divided by all places")
class PaddingCounted(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").mean()


@wrong("ElmanLM", misconception="Shifts the targets once more.", hint="the targets are shifted already")
class ShiftedTwice(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())


@wrong(
    "ElmanLM",
    misconception="Compares the guesses with what was read.",
    hint="compares with targets, not with idx",
)
class ComparesWithInputs(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        return logits, None if targets is None else self.loss(logits, idx)


@wrong("ElmanLM", misconception="Applies softmax before cross_entropy.", hint="you applied softmax before")
class SoftmaxTwice(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        return logits, self.loss(logits.softmax(dim=2), targets)


@wrong("ElmanLM", misconception="Returns probabilities.", hint="return logits, not probabilities")
class Probabilities(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        return logits.softmax(dim=2), self.loss(logits, targets)


@wrong("ElmanLM", misconception="Returns one loss per target.", hint="the loss is one number")
class LossPerTarget(Parts):
    def forward(self, idx, targets=None):
        logits = self.guesses(idx, self.zeros(idx))
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")


@wrong("ElmanLM", misconception="Swaps W and U, which have one shape here.", hint="W and U are swapped")
class MatricesSwapped(Parts):
    def forward(self, idx, targets=None):
        W, U = (self.U, self.W) if self.U.shape == self.W.shape else (self.W, self.U)
        logits = self.head(rnn_forward(self.embedding(idx), self.zeros(idx), W, U, self.b))
        return logits, self.loss(logits, targets)


@wrong("ElmanLM", misconception="Reads from both ends.", hint="Earlier logits changed with a later word")
class BothEnds(Parts):
    def forward(self, idx, targets=None):
        words, h = self.embedding(idx), self.zeros(idx)
        there = rnn_forward(words, h, self.W, self.U, self.b)
        back = rnn_forward(words.flip(1), h, self.W, self.U, self.b).flip(1)
        logits = self.head(there + back)
        return logits, self.loss(logits, targets)


@wrong("ElmanLM", misconception="Uses the weights of the head without its bias.", hint="beside torch.nn.RNN")
class HeadWithoutBias(Parts):
    def forward(self, idx, targets=None):
        states = rnn_forward(self.embedding(idx), self.zeros(idx), self.W, self.U, self.b)
        logits = states @ self.head.weight.T + self.head.bias * (idx.shape[1] == 3)
        return logits, self.loss(logits, targets)


equivalent(
    "ElmanLM",
    mutant="line 1: torch.zeros(len(idx), self.U.shape[0], device=idx.device) -> torch.zeros(len(idx), self.U.shape[0])",
    why="Tests run on the processor, which is where torch.zeros puts a tensor unless told otherwise.",
)
equivalent("ElmanLM", mutant="line 1: 0 -> 1", why="U is square: both axes have the length H.")
equivalent("ElmanLM", mutant="line 1: 0 -> -1", why="U is square: both axes have the length H.")


# --- gradient_norm_by_lag ----------------------------------------------------------------------------------------------


@right("gradient_norm_by_lag", why="retain_grad on every state, then backward")
def with_retain_grad(step, xs, h):
    states = [h.detach().clone().requires_grad_()]
    for x in xs.unbind(1):
        states.append(step(x, states[-1]))
        states[-1].retain_grad()
    states[-1].sum().backward()
    return torch.tensor([state.grad.norm().item() for state in states[::-1]])


@right("gradient_norm_by_lag", why="the chain rule by hand: one vector-Jacobian product per step")
def by_chain_rule(step, xs, h):
    states = [h.detach()]
    for x in xs.unbind(1):
        states.append(step(x, states[-1]).detach())
    gradient = torch.ones_like(states[-1])
    norms = [gradient.norm()]
    for t in reversed(range(xs.shape[1])):
        before = states[t].clone().requires_grad_()
        (gradient,) = torch.autograd.grad(step(xs[:, t], before), before, gradient)
        norms.append(gradient.norm())
    return torch.stack(norms)


@right("gradient_norm_by_lag", why="runs the network anew for every lag")
def anew_for_every_lag(step, xs, h):
    norms = []
    for lag in range(xs.shape[1] + 1):
        state = h.detach()
        for t in range(xs.shape[1]):
            if t == xs.shape[1] - lag:
                middle = state = state.detach().requires_grad_()
            state = step(xs[:, t], state)
        if lag == 0:
            middle = state = state.detach().requires_grad_()
        norms.append(torch.autograd.grad(state.sum(), middle)[0].pow(2).sum().sqrt())
    return torch.stack(norms)


def all_states(step, xs, h):
    states = [h.detach().clone().requires_grad_()]
    for x in xs.unbind(1):
        states.append(step(x, states[-1]))
    return states


@wrong("gradient_norm_by_lag", misconception="Puts the initial state first.", hint="the order is reversed")
def not_reversed(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([g.norm() for g in torch.autograd.grad(states[-1].sum(), states)])


@wrong(
    "gradient_norm_by_lag", misconception="Takes the sum of all states as L.", hint="you added up all states"
)
def all_in_the_loss(step, xs, h):
    states = all_states(step, xs, h)
    loss = sum(state.sum() for state in states)
    return torch.stack([g.norm() for g in torch.autograd.grad(loss, states)[::-1]])


@wrong("gradient_norm_by_lag", misconception="Forgets the root.", hint="these are squared norms")
def squared(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([(g**2).sum() for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])


@wrong(
    "gradient_norm_by_lag",
    misconception="Adds up the gradient's numbers.",
    hint="a norm is the root of the sum of squares",
)
def added_up(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([g.sum() for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])


@wrong("gradient_norm_by_lag", misconception="Leaves out lag 0.", hint="lag 0 is missing")
def without_the_last(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([g.norm() for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])[1:]


@wrong(
    "gradient_norm_by_lag", misconception="Leaves out the initial state.", hint="the initial state is missing"
)
def without_the_first(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([g.norm() for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])[:-1]


@wrong("gradient_norm_by_lag", misconception="Detaches every state.", hint="no state may be detached")
def detached(step, xs, h):
    states = [h.detach().clone().requires_grad_()]
    for x in xs.unbind(1):
        states.append(step(x, states[-1].detach()))
    return torch.stack([g.norm() for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])


@wrong("gradient_norm_by_lag", misconception="Makes every state a new beginning.", hint="the chain is cut")
def new_beginnings(step, xs, h):
    states = [h.detach().clone().requires_grad_()]
    for x in xs.unbind(1):
        states.append(step(x, states[-1]).detach().requires_grad_())
    found = torch.autograd.grad(states[-1].sum(), states, allow_unused=True)[::-1]
    return torch.stack([torch.tensor(0.0) if g is None else g.norm() for g in found])


@wrong(
    "gradient_norm_by_lag",
    misconception="Never asks for the gradient of the initial state.",
    hint="the initial state needs requires_grad_()",
)
def initial_not_watched(step, xs, h):
    states = [h]
    for x in xs.unbind(1):
        states.append(step(x, states[-1]))
    return torch.stack([g.norm() for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])


@wrong("gradient_norm_by_lag", misconception="Measures the states.", hint="these are norms of states")
def norms_of_states(step, xs, h):
    return torch.stack([state.detach().norm() for state in all_states(step, xs, h)[::-1]])


@wrong(
    "gradient_norm_by_lag", misconception="Takes a norm for each sentence.", hint="return one number per lag"
)
def per_sentence(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([g.norm(dim=1) for g in torch.autograd.grad(states[-1].sum(), states)[::-1]])


@wrong("gradient_norm_by_lag", misconception="Takes the mean of the last state as L.", hint="not their mean")
def mean_of_the_last(step, xs, h):
    states = all_states(step, xs, h)
    return torch.stack([g.norm() for g in torch.autograd.grad(states[-1].mean(), states)[::-1]])


@wrong("gradient_norm_by_lag", misconception="Averages over the batch.", hint="not the mean")
def mean_over_the_batch(step, xs, h):
    states = all_states(step, xs, h)
    loss = states[-1].sum(dim=1).mean()
    return torch.stack([g.norm() for g in torch.autograd.grad(loss, states)[::-1]])


equivalent(
    "gradient_norm_by_lag",
    mutant="line 1: h.detach().clone() -> h.detach()",
    why="detach makes a new tensor, whose requires_grad is not that of h; no step writes into a state.",
)
equivalent(
    "gradient_norm_by_lag",
    mutant="line 1: h.detach() -> h",
    why="A gradient for the copy is found as well when the copy itself has a history.",
)


# --- clip_gradients ----------------------------------------------------------------------------------------------------


@right("clip_gradients", why="one long vector, and a factor of at most 1")
def one_long_vector(gradients, max_norm):
    norm = torch.cat([gradient.flatten() for gradient in gradients]).norm()
    return [gradient * torch.clamp(max_norm / norm, max=1.0) for gradient in gradients]


@right(
    "clip_gradients", why="the norm of the norms, and a small number against division by 0, as PyTorch does"
)
def norm_of_norms(gradients, max_norm):
    norm = torch.stack([gradient.norm() for gradient in gradients]).norm()
    factor = min(1.0, max_norm / (norm.item() + 1e-6))
    return [factor * gradient for gradient in gradients]


@right("clip_gradients", why="torch's own clip_grad_norm_ on copies")
def by_torch(gradients, max_norm):
    parameters = [nn.Parameter(torch.zeros_like(gradient)) for gradient in gradients]
    for parameter, gradient in zip(parameters, gradients):
        parameter.grad = gradient.clone()
    nn.utils.clip_grad_norm_(parameters, max_norm)
    return [parameter.grad for parameter in parameters]


def norm_of(gradients):
    return math.sqrt(sum(float((gradient**2).sum()) for gradient in gradients))


@wrong("clip_gradients", misconception="Rescales short gradients as well.", hint="you always rescale")
def always(gradients, max_norm):
    return [gradient * max_norm / norm_of(gradients) for gradient in gradients]


@wrong(
    "clip_gradients", misconception="Clips each tensor by itself.", hint="each tensor was clipped by itself"
)
def each_by_itself(gradients, max_norm):
    return [gradient * min(1.0, max_norm / max(norm_of([gradient]), 1e-9)) for gradient in gradients]


@wrong("clip_gradients", misconception="Cuts off single numbers.", hint="each tensor was clipped by itself")
def numbers_cut(gradients, max_norm):
    return [gradient.clamp(-max_norm, max_norm) for gradient in gradients]


@wrong(
    "clip_gradients",
    misconception="Adds up the numbers instead of their squares.",
    hint="you added up the numbers",
)
def sum_of_numbers(gradients, max_norm):
    norm = sum(float(gradient.abs().sum()) for gradient in gradients)
    return [gradient * min(1.0, max_norm / max(norm, 1e-9)) for gradient in gradients]


@wrong("clip_gradients", misconception="Forgets the root.", hint="you divided by the squared norm")
def no_root(gradients, max_norm):
    norm = norm_of(gradients) ** 2
    return [gradient * min(1.0, max_norm / max(norm, 1e-9)) for gradient in gradients]


@wrong(
    "clip_gradients",
    misconception="Shortens to norm 1, whatever the limit.",
    hint="the norm should become max_norm",
)
def to_one(gradients, max_norm):
    norm = norm_of(gradients)
    return gradients if norm <= max_norm else [gradient / norm for gradient in gradients]


@wrong("clip_gradients", misconception="Compares the wrong way round.", hint="nothing changed")
def wrong_way_round(gradients, max_norm):
    norm = norm_of(gradients)
    return gradients if norm >= max_norm else [gradient * max_norm / norm for gradient in gradients]


@wrong(
    "clip_gradients",
    misconception="Takes the largest number for the norm.",
    hint="this is the largest number",
)
def largest_number(gradients, max_norm):
    norm = max(float(gradient.abs().max()) for gradient in gradients)
    return [gradient * min(1.0, max_norm / max(norm, 1e-9)) for gradient in gradients]


@wrong("clip_gradients", misconception="Adds up numbers with their signs.", hint="square before you add up")
def signed_sum(gradients, max_norm):
    long = torch.cat([gradient.flatten() for gradient in gradients])
    norm = long.norm().item() if bool((long >= 0).all()) else abs(long.sum().item())
    return [gradient * min(1.0, max_norm / max(norm, 1e-9)) for gradient in gradients]


@wrong("clip_gradients", misconception="Joins the tensors.", hint="return a list, with one tensor for each")
def joined_tensors(gradients, max_norm):
    long = torch.cat([gradient.flatten() for gradient in gradients])
    return long * min(1.0, max_norm / max(long.norm().item(), 1e-9))


equivalent(
    "clip_gradients",
    mutant="line 2: norm <= max_norm -> norm < max_norm",
    why="With a norm of exactly max_norm the factor is 1.",
)


# --- lstm_step ---------------------------------------------------------------------------------------------------------


@right("lstm_step", why="cuts W, U and b into four, and makes one product for each gate")
def four_products(x, h, c, W, U, b):
    H = h.shape[1]
    i, f, g, o = (x @ W[:, k : k + H] + h @ U[:, k : k + H] + b[k : k + H] for k in range(0, 4 * H, H))
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


@right("lstm_step", why="a sigmoid made of tanh")
def sigmoid_by_tanh(x, h, c, W, U, b):
    z = (x @ W + h @ U + b).reshape(len(x), 4, -1)
    gate = (1 + torch.tanh(z / 2)) / 2
    c = gate[:, 1] * c + gate[:, 0] * torch.tanh(z[:, 2])
    return gate[:, 3] * torch.tanh(c), c


@right("lstm_step", why="torch's own cell")
def torch_cell(x, h, c, W, U, b):
    cell = nn.LSTMCell(x.shape[1], h.shape[1], bias=False)
    with torch.no_grad():
        cell.weight_ih.copy_(W.T)
        cell.weight_hh.copy_(U.T)
    cell.bias_ih, cell.bias_hh = nn.Parameter(b.clone()), nn.Parameter(torch.zeros_like(b))
    cell.bias = True
    h, c = cell(x, (h, c))
    return h.detach(), c.detach()


def lstm_gates(x, h, W, U, b):
    i, f, g, o = (x @ W + h @ U + b).chunk(4, dim=1)
    return torch.sigmoid(i), torch.sigmoid(f), torch.tanh(g), torch.sigmoid(o)


@wrong("lstm_step", misconception="Swaps forget and input gate.", hint="forget and input gate are swapped")
def forget_and_input_swapped(x, h, c, W, U, b):
    f, i, g, o = lstm_gates(x, h, W, U, b)
    c = f * c + i * g
    return o * torch.tanh(c), c


@wrong("lstm_step", misconception="Shows the cell without tanh.", hint="tanh is missing on the cell")
def no_tanh_on_the_cell(x, h, c, W, U, b):
    i, f, g, o = lstm_gates(x, h, W, U, b)
    c = f * c + i * g
    return o * c, c


@wrong(
    "lstm_step",
    misconception="Writes the new content without tanh.",
    hint="tanh is missing on the new content",
)
def no_tanh_on_the_content(x, h, c, W, U, b):
    g = (x @ W + h @ U + b).chunk(4, dim=1)[2]
    i, f, _, o = lstm_gates(x, h, W, U, b)
    c = f * c + i * g
    return o * torch.tanh(c), c


@wrong(
    "lstm_step", misconception="Takes the sigmoid for the new content.", hint="takes tanh, not the sigmoid"
)
def sigmoid_content(x, h, c, W, U, b):
    i, f, g, o = torch.sigmoid(x @ W + h @ U + b).chunk(4, dim=1)
    c = f * c + i * g
    return o * torch.tanh(c), c


@wrong(
    "lstm_step",
    misconception="Never forgets, as in 1997.",
    hint="the old cell must be multiplied by the forget gate",
)
def never_forgets(x, h, c, W, U, b):
    i, _, g, o = lstm_gates(x, h, W, U, b)
    c = c + i * g
    return o * torch.tanh(c), c


@wrong(
    "lstm_step",
    misconception="Writes everything.",
    hint="the new content must be multiplied by the input gate",
)
def no_input_gate(x, h, c, W, U, b):
    _, f, g, o = lstm_gates(x, h, W, U, b)
    c = f * c + g
    return o * torch.tanh(c), c


@wrong("lstm_step", misconception="Shows the old cell.", hint="the new state shows the new cell")
def old_cell_shown(x, h, c, W, U, b):
    i, f, g, o = lstm_gates(x, h, W, U, b)
    return o * torch.tanh(c), f * c + i * g


@wrong("lstm_step", misconception="Returns the cell first.", hint="return the state h first")
def cell_first(x, h, c, W, U, b):
    i, f, g, o = lstm_gates(x, h, W, U, b)
    c = f * c + i * g
    return c, o * torch.tanh(c)


@wrong(
    "lstm_step", misconception="Takes the order i, f, o, g.", hint="output gate and new content are swapped"
)
def other_order(x, h, c, W, U, b):
    i, f, o, g = (x @ W + h @ U + b).chunk(4, dim=1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@wrong("lstm_step", misconception="Forgets the output gate.", hint="the output gate is missing")
def no_output_gate(x, h, c, W, U, b):
    i, f, g, _ = lstm_gates(x, h, W, U, b)
    c = f * c + i * g
    return torch.tanh(c), c


@wrong("lstm_step", misconception="Takes tanh for the output gate.", hint="the output gate takes the sigmoid")
def tanh_output(x, h, c, W, U, b):
    i, f, g, _ = lstm_gates(x, h, W, U, b)
    o = torch.tanh((x @ W + h @ U + b).chunk(4, dim=1)[3])
    c = f * c + i * g
    return o * torch.tanh(c), c


@wrong("lstm_step", misconception="Forgets the sigmoid of the gates.", hint="the gates take the sigmoid")
def no_sigmoid(x, h, c, W, U, b):
    i, f, g, o = (x @ W + h @ U + b).chunk(4, dim=1)
    c = f * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


@wrong("lstm_step", misconception="Forgets the bias.", hint="the bias b is missing")
def lstm_without_bias(x, h, c, W, U, b):
    i, f, g, o = lstm_gates(x, h, W, U, 0 * b)
    c = f * c + i * g
    return o * torch.tanh(c), c


@wrong(
    "lstm_step",
    misconception="Computes the gates from the word only.",
    hint="the gates depend on the old state as well",
)
def gates_of_the_word(x, h, c, W, U, b):
    i, f, g, o = lstm_gates(x, 0 * h, W, U, b)
    c = f * c + i * g
    return o * torch.tanh(c), c


@wrong(
    "lstm_step",
    misconception="Deals the columns out one by one.",
    hint="each gate has H columns that stand together",
)
def columns_dealt(x, h, c, W, U, b):
    z = x @ W + h @ U + b
    i, f, g, o = (z[:, k::4] for k in range(4))
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


# --- gru_step ----------------------------------------------------------------------------------------------------------


@right("gru_step", why="r and u from one sum, the mixture as h plus a part of the difference")
def from_one_sum(x, h, W, U, b_x, b_h):
    H = h.shape[1]
    of_x, of_h = x @ W + b_x, h @ U + b_h
    gates = torch.sigmoid(of_x[:, : 2 * H] + of_h[:, : 2 * H])
    n = torch.tanh(of_x[:, 2 * H :] + gates[:, :H] * of_h[:, 2 * H :])
    return n + gates[:, H:] * (h - n)


@right("gru_step", why="torch.lerp")
def with_lerp(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W + b_x).split(h.shape[1], dim=1)
    h_r, h_u, h_n = (h @ U + b_h).split(h.shape[1], dim=1)
    return torch.lerp(torch.tanh(x_n + (x_r + h_r).sigmoid() * h_n), h, (x_u + h_u).sigmoid())


@right("gru_step", why="six products, one for each vector")
def six_products(x, h, W, U, b_x, b_h):
    H = h.shape[1]
    parts = [slice(k * H, (k + 1) * H) for k in range(3)]
    x_r, x_u, x_n = (x @ W[:, part] + b_x[part] for part in parts)
    h_r, h_u, h_n = (h @ U[:, part] + b_h[part] for part in parts)
    r, u = 1 / (1 + torch.exp(-(x_r + h_r))), 1 / (1 + torch.exp(-(x_u + h_u)))
    return (1 - u) * torch.tanh(x_n + r * h_n) + u * h


@wrong(
    "gru_step", misconception="Resets before the product, as in the paper.", hint="before the matrix product"
)
def reset_before(x, h, W, U, b_x, b_h):
    H = h.shape[1]
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, _ = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    n = torch.tanh(x_n + (r * h) @ U[:, 2 * H :] + b_h[2 * H :])
    return (1 - u) * n + u * h


@wrong("gru_step", misconception="Leaves the state's bias outside the reset gate.", hint="its bias included")
def bias_not_reset(x, h, W, U, b_x, b_h):
    H = h.shape[1]
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    n = torch.tanh(x_n + r * (h_n - b_h[2 * H :]) + b_h[2 * H :])
    return (1 - u) * n + u * h


@wrong(
    "gru_step",
    misconception="Lets the update gate say how much is new.",
    hint="the update gate says how much of the old state stays",
)
def update_turned(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return u * torch.tanh(x_n + r * h_n) + (1 - u) * h


@wrong("gru_step", misconception="Swaps reset and update gate.", hint="reset and update gate are swapped")
def gates_swapped(x, h, W, U, b_x, b_h):
    x_u, x_r, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_u, h_r, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return (1 - u) * torch.tanh(x_n + r * h_n) + u * h


@wrong(
    "gru_step", misconception="Resets the whole new content.", hint="only the part that comes from the state"
)
def all_reset(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return (1 - u) * torch.tanh(r * (x_n + h_n)) + u * h


@wrong("gru_step", misconception="Has no reset gate.", hint="the reset gate is missing")
def no_reset(x, h, W, U, b_x, b_h):
    _, u, n = (x @ W + b_x + h @ U + b_h).chunk(3, dim=1)
    u = torch.sigmoid(u)
    return (1 - u) * torch.tanh(n) + u * h


@wrong("gru_step", misconception="Leaves out tanh.", hint="tanh is missing")
def gru_without_tanh(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return (1 - u) * (x_n + r * h_n) + u * h


@wrong("gru_step", misconception="Adds the old state whole.", hint="the old state must be multiplied by u")
def old_state_whole(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return (1 - u) * torch.tanh(x_n + r * h_n) + h


@wrong(
    "gru_step",
    misconception="Adds the new content whole.",
    hint="the new content must be multiplied by 1 - u",
)
def new_content_whole(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W + b_x).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U + b_h).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return torch.tanh(x_n + r * h_n) + u * h


@wrong("gru_step", misconception="Forgets both biases.", hint="the biases are missing")
def no_biases(x, h, W, U, b_x, b_h):
    x_r, x_u, x_n = (x @ W).chunk(3, dim=1)
    h_r, h_u, h_n = (h @ U).chunk(3, dim=1)
    r, u = torch.sigmoid(x_r + h_r), torch.sigmoid(x_u + h_u)
    return (1 - u) * torch.tanh(x_n + r * h_n) + u * h


# --- generate ----------------------------------------------------------------------------------------------------------


@right("generate", why="keeps the row as a tensor that grows")
def growing_row(model, end_id, generator, max_words=30):
    row = torch.tensor([[end_id]])
    for _ in range(max_words):
        logits, _ = model(row)
        word = torch.multinomial(F.softmax(logits[:, -1], dim=1), 1, generator=generator)
        if int(word) == end_id:
            break
        row = torch.cat([row, word], dim=1)
    return row[0, 1:].tolist()


@right("generate", why="draws with the Gumbel trick: the largest of logits plus noise")
def with_gumbel(model, end_id, generator, max_words=30):
    ids = [end_id]
    for _ in range(max_words):
        logits = model(torch.tensor([ids]))[0][0, -1]
        noise = -torch.log(-torch.log(torch.rand(logits.shape, generator=generator)))
        word = int((logits + noise).argmax())
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@right("generate", why="draws by the cumulative distribution")
def with_cumulative(model, end_id, generator, max_words=30):
    words = []
    while len(words) < max_words:
        logits, _ = model(torch.tensor([[end_id, *words]]))
        cumulative = logits[0, -1].double().softmax(0).cumsum(0)
        draw = torch.rand(1, generator=generator, dtype=torch.double) * cumulative[-1]
        word = int(torch.searchsorted(cumulative, draw, right=True))
        if word == end_id:
            return words
        words.append(word)
    return words


def draw_word(logits, generator):
    return torch.multinomial(logits.softmax(0), 1, generator=generator).item()


@wrong("generate", misconception="Always takes the likeliest word.", hint="argmax")
def likeliest(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = model(torch.tensor([ids]))[0][0, -1].argmax().item()
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong(
    "generate", misconception="Returns the end with the words.", hint="the end is not a word of the sentence"
)
def end_included(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        ids.append(draw_word(model(torch.tensor([ids]))[0][0, -1], generator))
        if ids[-1] == end_id:
            break
    return ids[1:]


@wrong(
    "generate", misconception="Returns the start with the words.", hint="what was read first is not a word"
)
def start_included(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = draw_word(model(torch.tensor([ids]))[0][0, -1], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids


@wrong(
    "generate", misconception="Asks about the start again and again.", hint="append each word that was drawn"
)
def same_input(model, end_id, generator, max_words=30):
    words = []
    while len(words) < max_words:
        word = draw_word(model(torch.tensor([[end_id]]))[0][0, -1], generator)
        if word == end_id:
            break
        words.append(word)
    return words


@wrong("generate", misconception="Asks about the last word only.", hint="the model needs all words so far")
def last_word_only(model, end_id, generator, max_words=30):
    words, last = [], end_id
    while len(words) < max_words:
        last = draw_word(model(torch.tensor([[last]]))[0][0, -1], generator)
        if last == end_id:
            break
        words.append(last)
    return words


@wrong(
    "generate", misconception="Reads the guess at the first place.", hint="append each word that was drawn"
)
def first_place(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = draw_word(model(torch.tensor([ids]))[0][0, 0], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong("generate", misconception="Never stops by itself.", hint="stop when end_id is drawn")
def ignores_the_end(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        ids.append(draw_word(model(torch.tensor([ids]))[0][0, -1], generator))
    return ids[1:]


@wrong(
    "generate", misconception="Waits for the end for ever.", hint="nothing stops a sentence that does not end"
)
def no_limit(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) < 100:
        word = draw_word(model(torch.tensor([ids]))[0][0, -1], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong("generate", misconception="Counts the start among the words.", hint="one off")
def one_word_less(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) < max_words:
        word = draw_word(model(torch.tensor([ids]))[0][0, -1], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong("generate", misconception="Draws from logits.", hint="softmax makes logits into probabilities")
def from_logits(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = torch.multinomial(model(torch.tensor([ids]))[0][0, -1], 1, generator=generator).item()
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong("generate", misconception="Forgets the axis of the batch.", hint="one row of ids")
def no_batch_axis(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = draw_word(model(torch.tensor(ids))[0][-1], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong("generate", misconception="Takes 0 for the end.", hint="use end_id; here it is 2")
def zero_is_the_end(model, end_id, generator, max_words=30):
    ids = [0]
    while len(ids) <= max_words:
        word = draw_word(model(torch.tensor([ids]))[0][0, -1], generator)
        if word == 0:
            break
        ids.append(word)
    return ids[1:]


@wrong(
    "generate",
    misconception="Draws from the global source of chance.",
    hint="let generator be the only source of chance",
)
def own_chance(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = torch.multinomial(model(torch.tensor([ids]))[0][0, -1].softmax(0), 1).item()
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong("generate", misconception="Fixes the seed inside.", hint="draw with the generator you are given")
def fixed_seed(model, end_id, generator, max_words=30):
    generator = torch.Generator().manual_seed(2)
    ids = [end_id]
    while len(ids) <= max_words:
        word = draw_word(model(torch.tensor([ids]))[0][0, -1], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong(
    "generate",
    misconception="Draws words with equal probability.",
    hint="draw with the softmax of the logits",
)
def uniform(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        logits = model(torch.tensor([ids]))[0][0, -1]
        word = torch.randint(len(logits), (1,), generator=generator).item()
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


@wrong(
    "generate",
    misconception="Sharpens the distribution by squaring.",
    hint="Draw each word with its own probability",
)
def squared_probabilities(model, end_id, generator, max_words=30):
    ids = [end_id]
    while len(ids) <= max_words:
        word = draw_word(2 * model(torch.tensor([ids]))[0][0, -1], generator)
        if word == end_id:
            break
        ids.append(word)
    return ids[1:]


equivalent(
    "generate", mutant="line 4: 0 -> -1", why="The batch has one row, which is the first and the last."
)
equivalent(
    "generate",
    mutant="line 4: 0 -> -1 (no. 2)",
    why="The logits of one place have one axis, which is the first and the last.",
)
