"""Other right answers to notebook 06, and the wrong ones that students give."""

import copy
import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong

# --- LayerNorm -----------------------------------------------------------------------------------------


class Scaled(nn.Module):
    """The given constructor of LayerNorm."""

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))


@right("LayerNorm", why="the variance by torch.var")
class ByVar(Scaled):
    def forward(self, x):
        variance, mean = torch.var_mean(x, dim=-1, keepdim=True, correction=0)
        return self.weight * (x - mean) * torch.rsqrt(variance + self.eps) + self.bias


@right("LayerNorm", why="PyTorch's own function")
class ByFunction(Scaled):
    def forward(self, x):
        return F.layer_norm(x, self.weight.shape, self.weight, self.bias, self.eps)


@right("LayerNorm", why="a loop over vectors, with sums")
class VectorByVector(Scaled):
    def forward(self, x):
        C = x.shape[-1]
        rows = []
        for row in x.reshape(-1, C):
            centred = row - row.sum() / C
            rows.append(centred / (centred @ centred / C + self.eps) ** 0.5)
        normal = torch.stack(rows) if rows else x.reshape(-1, C)
        return normal.reshape(x.shape) * self.weight + self.bias


@wrong("LayerNorm", misconception="Puts eps outside the root.", hint="eps stands outside the root")
class EpsOutside(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        std = ((x - mean) ** 2).mean(dim=-1, keepdim=True).sqrt()
        return (x - mean) / (std + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Forgets eps.", hint="add eps to the variance")
class NoEps(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        std = ((x - mean) ** 2).mean(dim=-1, keepdim=True).sqrt()
        return (x - mean) / std * self.weight + self.bias


@wrong("LayerNorm", misconception="Writes 1e-5 instead of self.eps.", hint="eps has no effect")
class EpsFixed(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + 1e-5) * self.weight + self.bias


@wrong("LayerNorm", misconception="Takes the root of variance and eps apart.", hint="take it of their sum")
class TwoRoots(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        std = ((x - mean) ** 2).mean(dim=-1, keepdim=True).sqrt()
        return (x - mean) / (std + math.sqrt(self.eps)) * self.weight + self.bias


@wrong("LayerNorm", misconception="Takes the unbiased variance.", hint="divided by C - 1")
class Unbiased(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(x.var(dim=-1, keepdim=True) + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Divides by the variance.", hint="divide by its square root")
class NoRoot(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return (x - mean) / (variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Sums the squares instead of averaging them.", hint="the mean of the squares, not their sum")
class SumOfSquares(Scaled):
    def forward(self, x):
        centred = x - x.mean(dim=-1, keepdim=True)
        return centred / torch.sqrt((centred**2).sum(dim=-1, keepdim=True) + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Does not subtract the mean in the numerator.", hint="the mean is not subtracted")
class NotCentred(Scaled):
    def forward(self, x):
        variance = x.var(dim=-1, keepdim=True, correction=0)
        return x / torch.sqrt(variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Divides by the root mean square (RMSNorm).", hint="subtract the mean first")
class RootMeanSquare(Scaled):
    def forward(self, x):
        return x / torch.sqrt((x**2).mean(dim=-1, keepdim=True) + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Only subtracts the mean.", hint="nothing is divided")
class OnlyCentred(Scaled):
    def forward(self, x):
        return (x - x.mean(dim=-1, keepdim=True)) * self.weight + self.bias


@wrong("LayerNorm", misconception="Normalises over the batch, as batch norm does.", hint="the wrong axis")
class OverTheBatch(Scaled):
    def forward(self, x):
        mean = x.mean(dim=0, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=0, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Normalises over the places.", hint="the wrong axis")
class OverThePlaces(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-2, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-2, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Normalises each sentence as a whole.", hint="all places of a sentence are normalised together")
class OverTheSentence(Scaled):
    def forward(self, x):
        axes = (-2, -1) if x.ndim > 1 else -1
        mean = x.mean(dim=axes, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=axes, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Normalises all numbers together.", hint="everything is normalised together")
class OverEverything(Scaled):
    def forward(self, x):
        variance = ((x - x.mean()) ** 2).mean()
        return (x - x.mean()) / torch.sqrt(variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Loses the axis, so that means meet the wrong vectors.", hint="keepdim=True")
class NoKeepdim(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1)
        variance = x.var(dim=-1, correction=0)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight + self.bias


@wrong("LayerNorm", misconception="Forgets weight and bias.", hint="weight and bias have no effect")
class NothingLearned(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps)


@wrong("LayerNorm", misconception="Forgets the bias.", hint="the bias is missing")
class NormNoBias(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) * self.weight


@wrong("LayerNorm", misconception="Forgets the weight.", hint="the weight is missing")
class NormNoWeight(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return (x - mean) / torch.sqrt(variance + self.eps) + self.bias


@wrong("LayerNorm", misconception="Adds the bias before the weight.", hint="multiply first")
class BiasFirst(Scaled):
    def forward(self, x):
        mean = x.mean(dim=-1, keepdim=True)
        variance = ((x - mean) ** 2).mean(dim=-1, keepdim=True)
        return ((x - mean) / torch.sqrt(variance + self.eps) + self.bias) * self.weight


equivalent("LayerNorm", mutant="line 2: x - mean -> mean - x", why="The difference is squared.")


# --- FeedForward ---------------------------------------------------------------------------------------


class UpDown(nn.Module):
    """The constructor as asked for."""

    def __init__(self, width: int):
        super().__init__()
        self.up = nn.Linear(width, 4 * width)
        self.down = nn.Linear(4 * width, width)


@right("FeedForward", why="the GELU as a module, which has no parameters")
class GeluModule(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.bend = nn.GELU(approximate="tanh")

    def forward(self, x):
        return self.down(self.bend(self.up(x)))


@right("FeedForward", why="the approximation written out")
class GeluByHand(UpDown):
    def forward(self, x):
        h = self.up(x)
        return self.down(0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3))))


@wrong("FeedForward", misconception="Takes the exact GELU.", hint="this is the exact GELU")
class ExactGelu(UpDown):
    def forward(self, x):
        return self.down(F.gelu(self.up(x)))


@wrong("FeedForward", misconception="Takes the sigmoid approximation of the GELU.", hint="a rougher approximation")
class SigmoidGelu(UpDown):
    def forward(self, x):
        h = self.up(x)
        return self.down(h * torch.sigmoid(1.702 * h))


@wrong("FeedForward", misconception="Takes the SiLU.", hint="the SiLU")
class Silu(UpDown):
    def forward(self, x):
        return self.down(F.silu(self.up(x)))


@wrong("FeedForward", misconception="Takes a ReLU.", hint="this is a ReLU")
class Relu(UpDown):
    def forward(self, x):
        return self.down(F.relu(self.up(x)))


@wrong("FeedForward", misconception="Takes tanh itself.", hint="this is tanh")
class Tanh(UpDown):
    def forward(self, x):
        return self.down(torch.tanh(self.up(x)))


@wrong("FeedForward", misconception="Has no bend between the layers.", hint="nothing bends between the two layers")
class Straight(UpDown):
    def forward(self, x):
        return self.down(self.up(x))


@wrong("FeedForward", misconception="Puts the GELU after the second layer.", hint="the GELU stands after down")
class GeluAtTheEnd(UpDown):
    def forward(self, x):
        return F.gelu(self.down(self.up(x)), approximate="tanh")


@wrong("FeedForward", misconception="Bends after both layers.", hint="a second GELU after down")
class GeluTwice(UpDown):
    def forward(self, x):
        return F.gelu(self.down(F.gelu(self.up(x), approximate="tanh")), approximate="tanh")


@wrong("FeedForward", misconception="Adds x, as the block will do again.", hint="in the stream twice")
class AddsX(UpDown):
    def forward(self, x):
        return x + self.down(F.gelu(self.up(x), approximate="tanh"))


@wrong("FeedForward", misconception="Makes the hidden layer as wide as the stream.", hint="the hidden layer has 4C numbers")
class NotWider(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


@wrong("FeedForward", misconception="Leaves out the biases.", hint="both linear layers have a bias")
class FeedForwardNoBias(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.up, self.down = nn.Linear(width, 4 * width, bias=False), nn.Linear(4 * width, width, bias=False)

    def forward(self, x):
        return self.down(F.gelu(self.up(x), approximate="tanh"))


@wrong("FeedForward", misconception="Exchanges the sizes of the two layers.", hint="up goes from C to 4C")
class Exchanged(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.up, self.down = nn.Linear(4 * width, width), nn.Linear(width, 4 * width)

    def forward(self, x):
        return self.up(F.gelu(self.down(x), approximate="tanh"))


@wrong("FeedForward", misconception="Gives the layers names of its own.", hint="self.up and self.down")
class OtherNames(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.first, self.second = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x):
        return self.second(F.gelu(self.first(x), approximate="tanh"))


@wrong("FeedForward", misconception="Hides the layers in a plain list.", hint="the layer has no parameters")
class LayersInAList(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.layers = [nn.Linear(width, 4 * width), nn.Linear(4 * width, width)]

    def forward(self, x):
        return self.layers[1](F.gelu(self.layers[0](x), approximate="tanh"))


# --- sinusoidal_positions ------------------------------------------------------------------------------


@right("sinusoidal_positions", why="number by number")
def number_by_number(T: int, width: int) -> Tensor:
    table = torch.zeros(T, width)
    for t in range(T):
        for i in range(width // 2):
            angle = t / 10000 ** (2 * i / width)
            table[t, 2 * i], table[t, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


@right("sinusoidal_positions", why="frequencies by the exponential function, columns put together by stack")
def by_exp_and_stack(T: int, width: int) -> Tensor:
    frequencies = torch.exp(torch.arange(width // 2) * (-2 * math.log(10000.0) / width))
    angles = torch.outer(torch.arange(T, dtype=torch.float32), frequencies)
    return torch.stack((angles.sin(), angles.cos()), dim=2).reshape(T, width)


@wrong("sinusoidal_positions", misconception="Puts sines on the left and cosines on the right.", hint="they alternate")
def halves(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    return torch.cat((angles.sin(), angles.cos()), dim=1)


@wrong("sinusoidal_positions", misconception="Exchanges sine and cosine.", hint="even columns are sines")
def cosine_first(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    return torch.stack((angles.cos(), angles.sin()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Forgets the 2 of the exponent.", hint="too small by half")
def half_exponent(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(width // 2) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Doubles the exponent.", hint="the exponent is too large")
def double_exponent(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-2 * torch.arange(0, width, 2) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Gives each column a frequency of its own.", hint="a sine and its cosine have the same frequency")
def column_frequencies(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(width) / width)
    table = angles.sin()
    table[:, 1::2] = angles[:, 1::2].cos()
    return table


@wrong("sinusoidal_positions", misconception="Loses the minus of the exponent.", hint="the exponent of 10000 is negative")
def faster_and_faster(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (torch.arange(0, width, 2) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Takes 1000 for 10000.", hint="the base is 10000")
def base_1000(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 1000.0 ** (-torch.arange(0, width, 2) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Makes every column a sine.", hint="all columns are sines")
def only_sines(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    return angles.sin().repeat_interleave(2, dim=1)


@wrong("sinusoidal_positions", misconception="Uses one frequency for all pairs.", hint="the same frequency")
def one_frequency(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None].expand(T, width // 2).float()
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Counts places from 1.", hint="the first place is 0")
def from_one(T: int, width: int) -> Tensor:
    angles = torch.arange(1, T + 1)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1)


@wrong("sinusoidal_positions", misconception="Puts places into columns.", hint="this is transposed")
def places_in_columns(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    return torch.stack((angles.sin(), angles.cos()), dim=2).flatten(1).T


@wrong("sinusoidal_positions", misconception="Returns the sines only.", hint="half of the columns are missing")
def half_of_the_columns(T: int, width: int) -> Tensor:
    return (torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)).sin()


@wrong("sinusoidal_positions", misconception="Fills a table of whole numbers.", hint="fill a table of floats")
def whole_numbers(T: int, width: int) -> Tensor:
    angles = torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, width, 2) / width)
    table = torch.zeros(T, width, dtype=torch.long)
    table[:, 0::2] = torch.sin(angles).long()
    table[:, 1::2] = torch.cos(angles).long()
    return table


equivalent(
    "sinusoidal_positions",
    mutant="line 3: torch.zeros(T, width) -> torch.ones(T, width)",
    why="Every column is filled afterwards.",
)
equivalent("sinusoidal_positions", mutant="line 4: 0::2 -> ::2", why="A slice begins at 0 when nothing is said.")


# --- apply_rotary --------------------------------------------------------------------------------------


@right("apply_rotary", why="multiplies complex numbers")
def complex_numbers(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    angles = torch.arange(first, first + T).float()[:, None] / 10000 ** (torch.arange(0, d, 2).float() / d)
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], d // 2, 2).contiguous())
    return torch.view_as_real(pairs * torch.polar(torch.ones_like(angles), angles)).reshape(x.shape)


@right("apply_rotary", why="x times cosines plus a copy with its pairs turned by a quarter times sines")
def quarter_turn(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    frequencies = (10000.0 ** (-torch.arange(0, d, 2) / d)).repeat_interleave(2)
    angles = torch.arange(first, first + T)[:, None] * frequencies
    turned = torch.empty_like(x)
    turned[..., 0::2], turned[..., 1::2] = -x[..., 1::2], x[..., 0::2]
    return x * angles.cos() + turned * angles.sin()


@right("apply_rotary", why="place by place and pair by pair, with a matrix of two rows")
def with_matrices(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    out = x.clone()
    for t in range(T):
        for i in range(0, d, 2):
            angle = (first + t) * 10000 ** (-i / d)
            turn = torch.tensor([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
            out[..., t, i : i + 2] = x[..., t, i : i + 2] @ turn.T
    return out


def tables(x, first=0):
    """Cosines and sines of the angles, (T, d / 2)."""
    T, d = x.shape[-2:]
    angles = (first + torch.arange(T))[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
    return angles.cos(), angles.sin()


@wrong("apply_rotary", misconception="Turns the other way.", hint="this turns the other way")
def backwards(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = tables(x, first)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos + odd * sin, odd * cos - even * sin), dim=-1).flatten(-2)


@wrong("apply_rotary", misconception="Pairs the first half of the numbers with the second half.", hint="pairs are neighbours here")
def half_pairs(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = tables(x, first)
    left, right_half = x.chunk(2, dim=-1)
    return torch.cat((left * cos - right_half * sin, left * sin + right_half * cos), dim=-1)


@wrong("apply_rotary", misconception="Leaves first numbers on the left and second ones on the right.", hint="pairs are neighbours here")
def not_interleaved(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = tables(x, first)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.cat((even * cos - odd * sin, even * sin + odd * cos), dim=-1)


@wrong("apply_rotary", misconception="Repeats the list of angles instead of each angle.", hint="repeat each angle twice")
def tiled(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = (table.repeat(1, 2) for table in tables(x, first))
    turned = torch.stack((-x[..., 1::2], x[..., 0::2]), dim=-1).flatten(-2)
    return x * cos + turned * sin


@wrong("apply_rotary", misconception="Loses the minus.", hint="a sign is lost")
def no_minus(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = tables(x, first)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos + odd * sin, even * sin + odd * cos), dim=-1).flatten(-2)


@wrong("apply_rotary", misconception="Turns all pairs by the same angle.", hint="all pairs turn by the same angle")
def same_angle(x: Tensor, first: int = 0) -> Tensor:
    angles = (first + torch.arange(x.shape[-2]))[:, None].float()
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()), dim=-1).flatten(-2)


def turned_with(x, angles):
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * angles.cos() - odd * angles.sin(), even * angles.sin() + odd * angles.cos()), dim=-1).flatten(-2)


@wrong("apply_rotary", misconception="Forgets the 2 of the exponent.", hint="too small by half")
def rotary_half_exponent(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    return turned_with(x, (first + torch.arange(T))[:, None] * 10000.0 ** (-torch.arange(d // 2) / d))


@wrong("apply_rotary", misconception="Loses the minus of the exponent.", hint="the exponent of 10000 is negative")
def rotary_faster(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    return turned_with(x, (first + torch.arange(T))[:, None] * 10000.0 ** (torch.arange(0, d, 2) / d))


@wrong("apply_rotary", misconception="Counts places from 1.", hint="the first row stands at place 0")
def rotary_from_one(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    return turned_with(x, (first + torch.arange(1, T + 1))[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d))


@wrong("apply_rotary", misconception="Adds sines and cosines, as sinusoidal positions do.", hint="sines and cosines were added")
def added(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = tables(x, first)
    return x + torch.stack((sin, cos), dim=-1).flatten(-2)


@wrong("apply_rotary", misconception="Multiplies by the cosines only.", hint="only the cosines are there")
def cosines_only(x: Tensor, first: int = 0) -> Tensor:
    cos, _ = tables(x, first)
    return x * cos.repeat_interleave(2, dim=-1)


@wrong("apply_rotary", misconception="Returns the pairs as an axis of their own.", hint="the pairs have to be put together again")
def pairs_apart(x: Tensor, first: int = 0) -> Tensor:
    cos, sin = tables(x, first)
    even, odd = x[..., 0::2], x[..., 1::2]
    return torch.stack((even * cos - odd * sin, even * sin + odd * cos), dim=-1)


@wrong("apply_rotary", misconception="Takes axis 1, the heads, for the places.", hint="x.shape[-2]")
def heads_for_places(x: Tensor, first: int = 0) -> Tensor:
    d = x.shape[-1]
    if x.ndim < 3:
        return turned_with(x, (first + torch.arange(x.shape[-2]))[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d))
    angles = (first + torch.arange(x.shape[1]))[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d)
    return turned_with(x, angles[:, None])


@wrong("apply_rotary", misconception="Ignores first.", hint="first has no effect")
def restarts(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    return turned_with(x, torch.arange(T)[:, None] * 10000.0 ** (-torch.arange(0, d, 2) / d))


@wrong("apply_rotary", misconception="Turns all rows by the angle of the first place.", hint="nothing has turned at place 1")
def all_at_first(x: Tensor, first: int = 0) -> Tensor:
    T, d = x.shape[-2:]
    return turned_with(x, torch.full((T, 1), float(first)) * 10000.0 ** (-torch.arange(0, d, 2) / d))


equivalent("apply_rotary", mutant="line 5: 0::2 -> ::2", why="A slice begins at 0 when nothing is said.")
equivalent(
    "apply_rotary",
    mutant="line 2: torch.arange(0, d, 2, device=x.device) -> torch.arange(0, d, 2)",
    why="Tests run on the processor, where tensors are made anyway.",
)
equivalent(
    "apply_rotary",
    mutant="line 3: torch.arange(T, device=x.device) -> torch.arange(T)",
    why="Tests run on the processor, where tensors are made anyway.",
)


# --- TransformerBlock ----------------------------------------------------------------------------------


class Pieces(nn.Module):
    """The given constructor of both blocks without a memory, and a causal mask."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.norm_1 = LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads)
        self.norm_2 = LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def causal(self, x):
        return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()


@right("TransformerBlock", why="the mask by comparing places; the stream added to in place of a new name")
class ComparedPlaces(Pieces):
    def forward(self, x):
        place = torch.arange(x.shape[1])
        found = self.attention(self.norm_1(x), mask=place[None, :] <= place[:, None])
        after = x + found
        return after + self.feed_forward(self.norm_2(after))


@right("TransformerBlock", why="place by place: each asks what stands before it, so that no mask is needed")
class PlaceByPlace(Pieces):
    def forward(self, x):
        n = self.norm_1(x)
        found = [self.attention(n[:, t : t + 1], n[:, : t + 1]) for t in range(x.shape[1])]
        x = torch.cat(found, dim=1) + x
        return self.feed_forward(self.norm_2(x)) + x


@wrong("TransformerBlock", misconception="Replaces the stream, both times.", hint="the residual is lost")
class NoResiduals(Pieces):
    def forward(self, x):
        x = self.attention(self.norm_1(x), mask=self.causal(x))
        return self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Replaces the stream by what attention finds.", hint="the residual around attention is lost")
class NoFirstResidual(Pieces):
    def forward(self, x):
        x = self.attention(self.norm_1(x), mask=self.causal(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Replaces the stream by what the feed-forward layer returns.", hint="the residual is lost")
class NoSecondResidual(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x), mask=self.causal(x))
        return self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Adds the input of the block once more at the end.", hint="the residual is doubled")
class DoubledResidual(Pieces):
    def forward(self, x):
        after = x + self.attention(self.norm_1(x), mask=self.causal(x))
        return x + after + self.feed_forward(self.norm_2(after))


@wrong("TransformerBlock", misconception="Adds the stream after attention twice.", hint="the residual is doubled")
class DoubledAfter(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x), mask=self.causal(x))
        x = x + self.feed_forward(self.norm_2(x)) + x
        return x


@wrong("TransformerBlock", misconception="Normalises after adding: post-norm.", hint="this is post-norm")
class PostNorm(Pieces):
    def forward(self, x):
        x = self.norm_1(x + self.attention(x, mask=self.causal(x)))
        return self.norm_2(x + self.feed_forward(x))


@wrong("TransformerBlock", misconception="Overwrites the stream with its normalised copy.", hint="the stream itself was normalised")
class NormalisedStream(Pieces):
    def forward(self, x):
        x = self.norm_1(x)
        x = x + self.attention(x, mask=self.causal(x))
        x = self.norm_2(x)
        return x + self.feed_forward(x)


@wrong("TransformerBlock", misconception="Overwrites the stream with its normalised copy, the first time.", hint="the stream itself was normalised")
class NormalisedFirst(Pieces):
    def forward(self, x):
        x = self.norm_1(x)
        x = x + self.attention(x, mask=self.causal(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Gives attention the stream as it is.", hint="attention has to read norm_1(x)")
class NoNorm1(Pieces):
    def forward(self, x):
        x = x + self.attention(x, mask=self.causal(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Gives the feed-forward layer the stream as it is.", hint="it has to read norm_2(x)")
class NoNorm2(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x), mask=self.causal(x))
        return x + self.feed_forward(x)


@wrong("TransformerBlock", misconception="Uses norm_1 for both parts.", hint="it has to read norm_2(x)")
class Norm1Twice(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x), mask=self.causal(x))
        return x + self.feed_forward(self.norm_1(x))


@wrong("TransformerBlock", misconception="Exchanges the two norms.", hint="attention has to read norm_1(x)")
class NormsExchanged(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_2(x), mask=self.causal(x))
        return x + self.feed_forward(self.norm_1(x))


@wrong("TransformerBlock", misconception="Forgets the mask.", hint="the future leaks in")
class NoMask(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Transposes the mask.", hint="the future leaks in")
class UpperMask(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x), mask=self.causal(x).T)
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Leaves the diagonal out of the mask.", hint="The first place finds nothing at all")
class StrictMask(Pieces):
    def forward(self, x):
        T = x.shape[1]
        strict = torch.ones(T, T, dtype=torch.bool).tril(-1)
        x = x + self.attention(self.norm_1(x), mask=strict)
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Makes the mask True where a place may not look.", hint="the future leaks in")
class InvertedMask(Pieces):
    def forward(self, x):
        x = x + self.attention(self.norm_1(x), mask=~self.causal(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Lets both parts read the same x.", hint="both parts read the same x")
class Parallel(Pieces):
    def forward(self, x):
        return x + self.attention(self.norm_1(x), mask=self.causal(x)) + self.feed_forward(self.norm_2(x))


@wrong("TransformerBlock", misconception="Puts the feed-forward layer first.", hint="the feed-forward layer comes first")
class ThinksFirst(Pieces):
    def forward(self, x):
        x = x + self.feed_forward(self.norm_2(x))
        return x + self.attention(self.norm_1(x), mask=self.causal(x))


@wrong("TransformerBlock", misconception="Forgets the feed-forward layer.", hint="what the feed-forward layer returns is missing")
class NoThought(Pieces):
    def forward(self, x):
        return x + self.attention(self.norm_1(x), mask=self.causal(x))


@wrong("TransformerBlock", misconception="Adds what attention finds twice.", hint="what attention finds is added twice")
class AttentionTwice(Pieces):
    def forward(self, x):
        found = self.attention(self.norm_1(x), mask=self.causal(x))
        return x + found + found + self.feed_forward(self.norm_2(x + found))


equivalent(
    "TransformerBlock",
    mutant="line 2: torch.ones(T, T, dtype=torch.bool, device=x.device) -> torch.ones(T, T, dtype=torch.bool)",
    why="Tests run on the processor, where tensors are made anyway.",
)


# --- GPT -----------------------------------------------------------------------------------------------


class Assembled(nn.Module):
    """GPT as asked for; variants change one method."""

    def __init__(self, config: Config):
        super().__init__()
        self.tokens = nn.Embedding(config.vocabulary_size, config.width)
        self.positions = nn.Embedding(config.context, config.width)
        self.make(config)
        initialise(self)

    def make(self, config):
        self.blocks = nn.ModuleList([TransformerBlock(config.width, config.n_heads) for _ in range(config.n_layers)])
        self.norm = LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self.head.weight = self.tokens.weight

    def begin(self, idx):
        return self.tokens(idx) + self.positions(torch.arange(idx.shape[1]))

    def states(self, idx):
        x = self.begin(idx)
        for block in self.blocks:
            x = block(x)
        return self.norm(x)

    def loss(self, logits, targets):
        return None if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten())

    def forward(self, idx, targets=None):
        logits = self.head(self.states(idx))
        return logits, self.loss(logits, targets)

    def next_logits(self, idx):
        return self.head(self.states(idx)[:, -1])


@right("GPT", why="blocks in an nn.Sequential, positions looked up, the last state sliced before the head")
class InSequence(Assembled):
    def make(self, config):
        self.blocks = nn.Sequential(*[TransformerBlock(config.width, config.n_heads) for _ in range(config.n_layers)])
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self.tokens.weight = self.head.weight

    def states(self, idx):
        return self.norm(self.blocks(self.begin(idx)))

    def next_logits(self, idx):
        return self.head(self.states(idx)[:, -1:])[:, 0]


@right("GPT", why="the loss by hand, over the targets that are not -100; logits by a product with the embedding")
class LossByHand(Assembled):
    def forward(self, idx, targets=None):
        logits = self.states(idx) @ self.tokens.weight.T
        if targets is None:
            return logits, None
        wanted = targets >= 0
        chosen = logits.log_softmax(dim=-1).gather(2, targets.clamp(min=0)[..., None])[..., 0]
        return logits, -chosen[wanted].mean()


@wrong("GPT", misconception="Gives the head weights of its own.", hint="the head has weights of its own")
class Untied(Assembled):
    def make(self, config):
        super().make(config)
        self.head = nn.Linear(config.width, config.vocabulary_size, bias=False)


@wrong("GPT", misconception="Copies the embedding's weights into the head instead of sharing them.", hint="not a copy that goes its own way")
class Copied(Assembled):
    def make(self, config):
        super().make(config)
        self.head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self.head.weight = nn.Parameter(self.tokens.weight.detach().clone())


@wrong("GPT", misconception="Shares the numbers by .data, but keeps two parameters.", hint="not a copy that goes its own way")
class SharedData(Assembled):
    def make(self, config):
        super().make(config)
        self.head = nn.Linear(config.width, config.vocabulary_size, bias=False)
        self.head.weight.data = self.tokens.weight.data


@wrong("GPT", misconception="Gives the head a bias.", hint="the head has a bias")
class BiasedHead(Assembled):
    def make(self, config):
        super().make(config)
        self.head = nn.Linear(config.width, config.vocabulary_size)
        self.head.weight = self.tokens.weight


@wrong("GPT", misconception="Keeps the blocks in a plain list.", hint="put them into an nn.ModuleList")
class PlainList(Assembled):
    def make(self, config):
        super().make(config)
        blocks = list(self.blocks)
        del self.blocks
        self.blocks = blocks


@wrong("GPT", misconception="Uses one block several times.", hint="there is only one block")
class OneBlock(Assembled):
    def make(self, config):
        super().make(config)
        self.blocks = nn.ModuleList([TransformerBlock(config.width, config.n_heads)] * config.n_layers)


@wrong("GPT", misconception="Leaves out the last norm.", hint="the last norm is missing")
class NoLastNorm(Assembled):
    def make(self, config):
        super().make(config)
        self.norm = nn.Identity()


@wrong("GPT", misconception="Makes the last norm and forgets to use it.", hint="the last norm is missing")
class UnusedNorm(Assembled):
    def states(self, idx):
        x = self.begin(idx)
        for block in self.blocks:
            x = block(x)
        return x


@wrong("GPT", misconception="Gives the parts other names.", hint="The parts are called blocks, norm and head")
class OtherPartNames(Assembled):
    def make(self, config):
        super().make(config)
        self.layers = self.blocks
        del self.blocks

    def states(self, idx):
        x = self.begin(idx)
        for block in self.layers:
            x = block(x)
        return self.norm(x)


@wrong("GPT", misconception="Forgets the positions.", hint="the positions are not in the stream")
class NoPositions(Assembled):
    def begin(self, idx):
        return self.tokens(idx)


@wrong("GPT", misconception="Adds the positions twice.", hint="the positions are added twice")
class PositionsTwice(Assembled):
    def begin(self, idx):
        x = self.tokens(idx) + self.positions.weight[: idx.shape[1]]
        return x + self.positions.weight[: idx.shape[1]]


@wrong("GPT", misconception="Adds the positions before every block as well.", hint="the positions are added again and again")
class PositionsAgain(Assembled):
    def states(self, idx):
        x = self.begin(idx)
        for block in self.blocks:
            x = block(x + self.positions.weight[: idx.shape[1]])
        return self.norm(x)


@wrong("GPT", misconception="Looks positions up by token.", hint="every place got the same position vector")
class PositionsByToken(Assembled):
    def begin(self, idx):
        return self.tokens(idx) + self.positions(idx.clamp(max=self.positions.num_embeddings - 1))


@wrong("GPT", misconception="Looks up the position T only.", hint="every place got the same position vector")
class OnePosition(Assembled):
    def begin(self, idx):
        return self.tokens(idx) + self.positions.weight[idx.shape[1] - 1]


@wrong("GPT", misconception="Scales the embeddings by the root of C, as Vaswani et al. (2017) do.", hint="the embeddings are scaled")
class ScaledEmbeddings(Assembled):
    def begin(self, idx):
        return self.tokens(idx) * self.tokens.embedding_dim**0.5 + self.positions.weight[: idx.shape[1]]


@wrong("GPT", misconception="Gives every block the embeddings, so that only the last one counts.", hint="does not change the logits")
class OnlyTheLast(Assembled):
    def states(self, idx):
        x = self.begin(idx)
        for block in self.blocks:
            y = block(x)
        return self.norm(y)


@wrong("GPT", misconception="Uses the first block only.", hint="does not change the logits")
class OnlyTheFirst(Assembled):
    def states(self, idx):
        return self.norm(self.blocks[0](self.begin(idx)))


@wrong("GPT", misconception="Returns probabilities.", hint="these are probabilities; return logits")
class Probabilities(Assembled):
    def forward(self, idx, targets=None):
        probabilities = self.head(self.states(idx)).softmax(-1)
        return probabilities, self.loss(probabilities, targets)


@wrong("GPT", misconception="Returns logarithms of probabilities.", hint="these are logarithms of probabilities")
class LogProbabilities(Assembled):
    def forward(self, idx, targets=None):
        logits = self.head(self.states(idx)).log_softmax(-1)
        return logits, self.loss(logits, targets)


@wrong("GPT", misconception="Returns the logits of the last place only when there are no targets.", hint="forward returns all of them")
class LastPlaceOnly(Assembled):
    def forward(self, idx, targets=None):
        if targets is None:
            return self.head(self.states(idx)[:, [-1]]), None
        return super().forward(idx, targets)


@wrong("GPT", misconception="Returns the logits flattened.", hint="flatten them for the loss only")
class Flattened(Assembled):
    def forward(self, idx, targets=None):
        logits = self.head(self.states(idx)).flatten(0, 1)
        return logits, None if targets is None else F.cross_entropy(logits, targets.flatten())


@wrong("GPT", misconception="Forgets the head.", hint="these are the states; the head makes logits of them")
class Headless(Assembled):
    def forward(self, idx, targets=None):
        states = self.states(idx)
        return states, self.loss(states @ self.tokens.weight.T, targets)


@wrong("GPT", misconception="Sums the loss.", hint="this is the sum")
class LossSummed(Assembled):
    def loss(self, logits, targets):
        return None if targets is None else F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="sum")


@wrong("GPT", misconception="Divides by all places, padding included.", hint="you divided by all places")
class PaddingCounted(Assembled):
    def loss(self, logits, targets):
        if targets is None:
            return None
        return F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").mean()


@wrong("GPT", misconception="Shifts the targets once more.", hint="the targets are shifted already")
class ShiftedTwice(Assembled):
    def loss(self, logits, targets):
        return None if targets is None else F.cross_entropy(logits[:, :-1].flatten(0, 1), targets[:, 1:].flatten())


@wrong("GPT", misconception="Compares the guesses with what was read.", hint="compares with targets, not with idx")
class ComparesWithInputs(Assembled):
    def forward(self, idx, targets=None):
        logits = self.head(self.states(idx))
        return logits, None if targets is None else self.loss(logits, idx)


@wrong("GPT", misconception="Applies softmax before cross_entropy.", hint="you applied softmax before")
class SoftmaxBefore(Assembled):
    def loss(self, logits, targets):
        return None if targets is None else F.cross_entropy(logits.softmax(-1).flatten(0, 1), targets.flatten())


@wrong("GPT", misconception="Takes the guess at the first place for the next token.", hint="the next token is guessed at the last")
class FirstGuess(Assembled):
    def next_logits(self, idx):
        return self.head(self.states(idx)[:, 0])


@wrong("GPT", misconception="Returns the guesses of all places.", hint="these are the logits of all places")
class AllGuesses(Assembled):
    def next_logits(self, idx):
        return self.head(self.states(idx))


@wrong("GPT", misconception="Keeps the axis of places.", hint="the axis of places is still there")
class AxisKept(Assembled):
    def next_logits(self, idx):
        return self.head(self.states(idx)[:, -1:])


@wrong("GPT", misconception="Returns the likeliest token.", hint="these are tokens; return their logits")
class LikeliestToken(Assembled):
    def next_logits(self, idx):
        return self.head(self.states(idx)[:, -1]).argmax(-1)


@wrong("GPT", misconception="Returns probabilities of the next token.", hint="these are probabilities; return logits")
class NextProbabilities(Assembled):
    def next_logits(self, idx):
        return self.head(self.states(idx)[:, -1]).softmax(-1)


@wrong("GPT", misconception="Asks the head about all places when only the last one is wanted.", hint="take the last state first")
class HeadEverywhere(Assembled):
    def next_logits(self, idx):
        return self.head(self.states(idx))[:, -1]


equivalent(
    "GPT",
    mutant="line 3: nn.Linear(config.width, config.vocabulary_size, bias=False) -> "
    "nn.Linear(config.vocabulary_size, config.width, bias=False)",
    why="The next line puts the embedding's matrix in place of this weight, and a linear layer computes with its weight.",
)
equivalent("GPT", mutant="line 5: 1 -> -1", why="idx has two axes, so axis 1 is the last one.")


# --- count_parameters ----------------------------------------------------------------------------------


@right("count_parameters", why="the closed form")
def closed_form(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C


@right("count_parameters", why="makes the parameters without memory for them and counts")
def on_meta(config: Config) -> int:
    C = config.width
    parts = [torch.empty(n, C, device="meta") for n in (config.vocabulary_size, config.context)]
    for _ in range(config.n_layers):
        for inputs, outputs in [(C, 3 * C), (C, C), (C, 4 * C), (4 * C, C)]:
            parts += [torch.empty(inputs, outputs, device="meta"), torch.empty(outputs, device="meta")]
        parts += [torch.empty(C, device="meta") for _ in range(4)]
    parts += [torch.empty(C, device="meta") for _ in range(2)]
    return sum(part.numel() for part in parts)


@wrong("count_parameters", misconception="Counts the tied head a second time.", hint="counts once")
def head_counted(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (2 * V + T) * C + L * (12 * C**2 + 13 * C) + 2 * C


@wrong("count_parameters", misconception="Counts the head, and a bias for it.", hint="has no bias")
def biased_head_counted(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (2 * V + T) * C + V + L * (12 * C**2 + 13 * C) + 2 * C


@wrong("count_parameters", misconception="Forgets the positions.", hint="the embedding of the places is missing")
def places_forgotten(config: Config) -> int:
    V, L, C = config.vocabulary_size, config.n_layers, config.width
    return V * C + L * (12 * C**2 + 13 * C) + 2 * C


@wrong("count_parameters", misconception="Forgets the embedding of the tokens.", hint="the embedding of the tokens is missing")
def tokens_forgotten(config: Config) -> int:
    T, L, C = config.context, config.n_layers, config.width
    return T * C + L * (12 * C**2 + 13 * C) + 2 * C


@wrong("count_parameters", misconception="Forgets the last norm.", hint="the last norm is missing")
def last_norm_forgotten(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 13 * C)


@wrong("count_parameters", misconception="Forgets the norms in the blocks.", hint="the norms inside the blocks are missing")
def block_norms_forgotten(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 9 * C) + 2 * C


@wrong("count_parameters", misconception="Forgets all norms.", hint="the norms are missing")
def norms_forgotten(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 9 * C)


@wrong("count_parameters", misconception="Counts one norm per block.", hint="each block has two norms")
def one_norm(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 11 * C) + 2 * C


@wrong("count_parameters", misconception="Counts C parameters per norm.", hint="a norm has 2C parameters")
def half_norms(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 11 * C) + C


@wrong("count_parameters", misconception="Forgets the biases of the linear layers.", hint="the linear layers have biases")
def biases_forgotten(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (12 * C**2 + 4 * C) + 2 * C


@wrong("count_parameters", misconception="Counts matrices only.", hint="biases are missing; linear layers and norms")
def matrices_only(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * 12 * C**2


@wrong("count_parameters", misconception="Forgets the output layer of attention.", hint="one more linear layer")
def output_forgotten(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (11 * C**2 + 12 * C) + 2 * C


@wrong("count_parameters", misconception="Counts a hidden layer of 2C numbers.", hint="the hidden layer of FeedForward has 4C numbers")
def narrow_hidden(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (6 * C**2 + 10 * C) + 2 * C


@wrong("count_parameters", misconception="Counts one block.", hint="there are n_layers blocks")
def single_block(config: Config) -> int:
    V, T, C = config.vocabulary_size, config.context, config.width
    return (V + T) * C + 12 * C**2 + 13 * C + 2 * C


@wrong("count_parameters", misconception="Multiplies attention by the number of heads.", hint="more heads do not mean more parameters")
def per_head(config: Config) -> int:
    V, T, L, C = config.vocabulary_size, config.context, config.n_layers, config.width
    return (V + T) * C + L * (config.n_heads * (3 * C**2 + 3 * C) + 9 * C**2 + 10 * C) + 2 * C


@wrong("count_parameters", misconception="Returns the number of GPT-2 small, whatever is asked.", hint="count with the sizes of config")
def remembered(config: Config) -> int:
    return 124_439_808


# --- load_gpt2_weights ---------------------------------------------------------------------------------


@right("load_gpt2_weights", why="copies into each parameter, tells the layers by name")
def parameter_by_parameter(model, weights: dict[str, Tensor]) -> None:
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            weight = weights[gpt2_name(name)]
            turned = name.split(".")[-1] == "weight" and name.split(".")[-2] in ("qkv", "output", "up", "down")
            parameter.copy_(weight.t() if turned else weight)


@right("load_gpt2_weights", why="renames with a table of its own, and leaves the head to the tie")
def own_table(model, weights: dict[str, Tensor]) -> None:
    table = {
        "norm_1": "ln_1", "norm_2": "ln_2", "attention.qkv": "attn.c_attn", "attention.output": "attn.c_proj",
        "feed_forward.up": "mlp.c_fc", "feed_forward.down": "mlp.c_proj",
    }
    state = {"tokens.weight": weights["wte.weight"], "positions.weight": weights["wpe.weight"]}
    state |= {"norm.weight": weights["ln_f.weight"], "norm.bias": weights["ln_f.bias"]}
    i = 0
    while f"h.{i}.ln_1.weight" in weights:
        for ours, theirs in table.items():
            matrix = weights[f"h.{i}.{theirs}.weight"]
            state[f"blocks.{i}.{ours}.weight"] = matrix.transpose(0, 1) if matrix.dim() == 2 else matrix
            state[f"blocks.{i}.{ours}.bias"] = weights[f"h.{i}.{theirs}.bias"]
        i += 1
    missing, unexpected = model.load_state_dict(state, strict=False)
    assert missing == ["head.weight"] and not unexpected


@wrong("load_gpt2_weights", misconception="Does not transpose.", hint="have to be transposed")
def not_transposed(model, weights: dict[str, Tensor]) -> None:
    model.load_state_dict({name: weights[gpt2_name(name)] for name in model.state_dict()})


@wrong("load_gpt2_weights", misconception="Transposes only what does not fit, and so misses the square matrix.", hint="also the square one")
def by_shape(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name, parameter in model.state_dict().items():
        weight = weights[gpt2_name(name)]
        ours[name] = weight if weight.shape == parameter.shape else weight.T
    model.load_state_dict(ours)


@wrong("load_gpt2_weights", misconception="Transposes every matrix.", hint="embeddings must not be")
def all_transposed(model, weights: dict[str, Tensor]) -> None:
    ours = {name: weights[gpt2_name(name)] for name in model.state_dict()}
    model.load_state_dict({name: weight.T if weight.ndim == 2 else weight for name, weight in ours.items()})


@wrong("load_gpt2_weights", misconception="Transposes every matrix but that of the tokens.", hint="embeddings are not transposed")
def places_transposed(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name in model.state_dict():
        weight = weights[gpt2_name(name)]
        ours[name] = weight.T if weight.ndim == 2 and "wte" not in gpt2_name(name) else weight
    model.load_state_dict(ours)


@wrong("load_gpt2_weights", misconception="Reshapes instead of transposing.", hint="it was reshaped")
def reshaped(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name, parameter in model.state_dict().items():
        weight = weights[gpt2_name(name)]
        square = weight.ndim == 2 and ".c_" in gpt2_name(name) and weight.shape[0] == weight.shape[1]
        ours[name] = weight.T if square else weight.reshape(parameter.shape)
    model.load_state_dict(ours)


@wrong("load_gpt2_weights", misconception="Loads by their names without strictness: nothing fits, nothing is loaded.", hint="nothing was loaded")
def nothing_loaded(model, weights: dict[str, Tensor]) -> None:
    model.load_state_dict(weights, strict=False)


@wrong("load_gpt2_weights", misconception="Loads by their names.", hint="every name in the dictionary must be one of ours")
def their_names(model, weights: dict[str, Tensor]) -> None:
    model.load_state_dict({name: weight.T if ".c_" in name and weight.ndim == 2 else weight for name, weight in weights.items()})


@wrong("load_gpt2_weights", misconception="Loads into a copy.", hint="the weights went into a copy")
def into_a_copy(model, weights: dict[str, Tensor]) -> None:
    model = copy.deepcopy(model)
    ours = {}
    for name in model.state_dict():
        weight = weights[gpt2_name(name)]
        ours[name] = weight.T if weight.ndim == 2 and ".c_" in gpt2_name(name) else weight
    model.load_state_dict(ours)


@wrong("load_gpt2_weights", misconception="Fills the dictionary and forgets to load it.", hint="nothing was loaded")
def not_loaded(model, weights: dict[str, Tensor]) -> None:
    ours = model.state_dict()
    for name in list(ours):
        weight = weights[gpt2_name(name)]
        ours[name] = weight.T if weight.ndim == 2 and ".c_" in gpt2_name(name) else weight


@wrong("load_gpt2_weights", misconception="Gives every block the weights of the first.", hint="it is that of another block")
def first_block_everywhere(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name in model.state_dict():
        parts = gpt2_name(name).split(".")
        theirs = ".".join(["h", "0", *parts[2:]] if parts[0] == "h" else parts)
        weight = weights[theirs]
        ours[name] = weight.T if weight.ndim == 2 and ".c_" in theirs else weight
    model.load_state_dict(ours)


@wrong("load_gpt2_weights", misconception="Loads the weights and forgets the biases.", hint="biases have to be loaded, too")
def weights_only(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name, parameter in model.state_dict().items():
        weight = weights[gpt2_name(name)]
        if name.endswith("bias"):
            weight = parameter
        ours[name] = weight.T if weight.ndim == 2 and ".c_" in gpt2_name(name) else weight
    model.load_state_dict(ours)


@wrong("load_gpt2_weights", misconception="Replaces the head's parameter, so that it is tied no longer.", hint="do not replace them")
def unties(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name in model.state_dict():
        weight = weights[gpt2_name(name)]
        ours[name] = weight.T if weight.ndim == 2 and ".c_" in gpt2_name(name) else weight
    model.load_state_dict(ours)
    model.head.weight = nn.Parameter(weights["wte.weight"].clone())


@wrong("load_gpt2_weights", misconception="Walks over their names, and stumbles over what the model does not need.", hint="files hold more than we need")
def over_their_names(model, weights: dict[str, Tensor]) -> None:
    ours = {gpt2_name(name): name for name in model.state_dict()}
    state = {}
    for name, weight in weights.items():
        state[ours[name]] = weight.T if weight.ndim == 2 and ".c_" in name else weight
    model.load_state_dict(state, strict=False)


@wrong("load_gpt2_weights", misconception="Exchanges the two norms.", hint="the first norm is ln_1")
def norms_swapped(model, weights: dict[str, Tensor]) -> None:
    ours = {}
    for name in model.state_dict():
        theirs = gpt2_name(name)
        if "ln_1" in theirs:
            theirs = theirs.replace("ln_1", "ln_2")
        elif "ln_2" in theirs:
            theirs = theirs.replace("ln_2", "ln_1")
        weight = weights[theirs]
        ours[name] = weight.T if weight.ndim == 2 and ".c_" in theirs else weight
    model.load_state_dict(ours)


equivalent(
    "load_gpt2_weights",
    mutant="line 4: weight.ndim == 2 and '.c_' in gpt2_name(name) -> '.c_' in gpt2_name(name)",
    why="What is not a matrix is a vector, and that is its own transpose.",
)


# --- EncoderBlock --------------------------------------------------------------------------------------


@right("EncoderBlock", why="without padding, a mask that allows everything")
class EverythingAllowed(Pieces):
    def forward(self, x, mask=None):
        if mask is None:
            mask = torch.ones(x.shape[0], 1, x.shape[1], dtype=torch.bool)
        after = x + self.attention(self.norm_1(x), mask=mask.expand(-1, x.shape[1], -1))
        return after + self.feed_forward(self.norm_2(after))


@right("EncoderBlock", why="attention to a memory that is the text itself; the parts named")
class AsMemory(Pieces):
    def forward(self, x, mask=None):
        text = self.norm_1(x)
        found = self.attention(text, text, mask)
        thought = self.feed_forward(self.norm_2(x + found))
        return x + found + thought


@wrong("EncoderBlock", misconception="Keeps the causal mask.", hint="there is still a causal mask")
class StillCausal(Pieces):
    def forward(self, x, mask=None):
        causal = self.causal(x) if mask is None else self.causal(x) & mask
        x = x + self.attention(self.norm_1(x), mask=causal)
        return x + self.feed_forward(self.norm_2(x))


@wrong("EncoderBlock", misconception="Takes the causal mask as soon as there is padding.", hint="there is a causal mask; in an encoder")
class CausalWithPadding(Pieces):
    def forward(self, x, mask=None):
        x = x + self.attention(self.norm_1(x), mask=None if mask is None else self.causal(x) & mask)
        return x + self.feed_forward(self.norm_2(x))


@wrong("EncoderBlock", misconception="Ignores the mask.", hint="the mask has no effect")
class IgnoresPadding(Pieces):
    def forward(self, x, mask=None):
        x = x + self.attention(self.norm_1(x))
        return x + self.feed_forward(self.norm_2(x))


@wrong("EncoderBlock", misconception="Takes the mask for one that is True at padding.", hint="the mask is the wrong way round")
class PaddingOnly(Pieces):
    def forward(self, x, mask=None):
        x = x + self.attention(self.norm_1(x), mask=None if mask is None else ~mask)
        return x + self.feed_forward(self.norm_2(x))


@wrong("EncoderBlock", misconception="Masks rows instead of columns: padding may not look, but words look at padding.", hint="the mask has no effect")
class MasksRows(Pieces):
    def forward(self, x, mask=None):
        x = x + self.attention(self.norm_1(x), mask=None if mask is None else mask.transpose(1, 2))
        return x + self.feed_forward(self.norm_2(x))


@wrong("EncoderBlock", misconception="Sets padding to zero instead of hiding it.", hint="the words have looked at padding")
class ZeroPadding(Pieces):
    def forward(self, x, mask=None):
        text = self.norm_1(x) if mask is None else self.norm_1(x) * mask.transpose(1, 2)
        x = x + self.attention(text)
        return x + self.feed_forward(self.norm_2(x))


@wrong("EncoderBlock", misconception="Writes a post-norm block.", hint="this is post-norm")
class PostNormEncoder(Pieces):
    def forward(self, x, mask=None):
        x = self.norm_1(x + self.attention(x, mask=mask))
        return self.norm_2(x + self.feed_forward(x))


@wrong("EncoderBlock", misconception="Adds the input of the block twice.", hint="the residual is doubled")
class DoubledEncoder(Pieces):
    def forward(self, x, mask=None):
        after = x + self.attention(self.norm_1(x), mask=mask)
        return x + after + self.feed_forward(self.norm_2(after))


@wrong("EncoderBlock", misconception="Replaces the stream.", hint="norm_1, attention, add; norm_2, feed-forward, add")
class LostEncoder(Pieces):
    def forward(self, x, mask=None):
        x = self.attention(self.norm_1(x), mask=mask)
        return self.feed_forward(self.norm_2(x))


# --- DecoderBlock --------------------------------------------------------------------------------------


class ThreeParts(nn.Module):
    """The given constructor of DecoderBlock, and its parts as functions of the stream."""

    def __init__(self, width: int, n_heads: int):
        super().__init__()
        self.norm_1 = LayerNorm(width)
        self.attention = MultiHeadAttention(width, n_heads)
        self.norm_2 = LayerNorm(width)
        self.cross_attention = MultiHeadAttention(width, n_heads)
        self.norm_3 = LayerNorm(width)
        self.feed_forward = FeedForward(width)

    def causal(self, x):
        return torch.ones(x.shape[1], x.shape[1], dtype=torch.bool).tril()

    def look_back(self, x):
        return x + self.attention(self.norm_1(x), mask=self.causal(x))

    def look_across(self, x, memory, memory_mask):
        return x + self.cross_attention(self.norm_2(x), memory, mask=memory_mask)

    def think(self, x):
        return x + self.feed_forward(self.norm_3(x))


@right("DecoderBlock", why="a list of parts in their order, the mask by comparing places")
class PartByPart(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        place = torch.arange(x.shape[1])
        parts = [
            lambda x: self.attention(self.norm_1(x), mask=place <= place[:, None]),
            lambda x: self.cross_attention(self.norm_2(x), memory, memory_mask),
            lambda x: self.feed_forward(self.norm_3(x)),
        ]
        for part in parts:
            x = x + part(x)
        return x


@right("DecoderBlock", why="cross-attention place by place")
class CrossPlaceByPlace(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        asks = self.norm_2(x)
        read = [self.cross_attention(asks[:, t : t + 1], memory, mask=memory_mask) for t in range(x.shape[1])]
        return self.think(x + torch.cat(read, dim=1))


@wrong("DecoderBlock", misconception="Forgets the causal mask.", hint="the first attention needs the causal mask")
class NotCausal(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = x + self.attention(self.norm_1(x))
        return self.think(self.look_across(x, memory, memory_mask))


@wrong("DecoderBlock", misconception="Lets cross-attention look at the decoder's own stream.", hint="cross-attention looks at x instead")
class LooksAtItself(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        return self.think(self.look_across(x, x, memory_mask if memory_mask is not None and memory_mask.shape[2] == x.shape[1] else None))


@wrong("DecoderBlock", misconception="Lets cross-attention look at the normalised stream.", hint="the memory makes no difference")
class NoMemory(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        x = x + self.cross_attention(self.norm_2(x))
        return self.think(x)


@wrong("DecoderBlock", misconception="Lets the memory ask, and the stream be looked at.", hint="x asks, and the memory is looked at")
class MemoryAsks(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        read = self.cross_attention(memory, self.norm_2(x))
        if read.shape != x.shape:
            return self.think(memory + read)
        return self.think(x + read)


@wrong("DecoderBlock", misconception="Lets the memory ask, and adds what has another length.", hint="the shapes do not fit")
class MemoryAsksAndBreaks(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        return self.think(x + self.cross_attention(memory, self.norm_2(x)))


@wrong("DecoderBlock", misconception="Normalises the memory, too.", hint="the memory was normalised")
class NormalisesMemory(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        x = x + self.cross_attention(self.norm_2(x), self.norm_2(memory), mask=memory_mask)
        return self.think(x)


@wrong("DecoderBlock", misconception="Uses the causal mask for the memory as well.", hint="the causal mask is for the first attention only")
class CausalAcross(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        mask = self.causal(x) if memory_mask is None else self.causal(x) & memory_mask
        return self.think(self.look_across(x, memory, mask))


@wrong("DecoderBlock", misconception="Lets place t see the first t places of the memory only.", hint="the causal mask went into cross-attention")
class TriangleAcross(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        mask = torch.ones(x.shape[1], memory.shape[1], dtype=torch.bool).tril(max(0, memory.shape[1] - x.shape[1]))
        return self.think(self.look_across(x, memory, mask if memory_mask is None else mask & memory_mask))


@wrong("DecoderBlock", misconception="Puts cross-attention first.", hint="the order is: attention to what was written")
class CrossFirst(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        return self.think(self.look_back(self.look_across(x, memory, memory_mask)))


@wrong("DecoderBlock", misconception="Replaces the stream by what cross-attention finds.", hint="the residual around cross-attention is lost")
class CrossReplaces(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        return self.think(self.cross_attention(self.norm_2(x), memory, mask=memory_mask))


@wrong("DecoderBlock", misconception="Forgets cross-attention.", hint="what cross-attention finds is missing")
class NoCross(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        return self.think(self.look_back(x))


@wrong("DecoderBlock", misconception="Writes a post-norm block.", hint="this is post-norm")
class PostNormDecoder(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.norm_1(x + self.attention(x, mask=self.causal(x)))
        x = self.norm_2(x + self.cross_attention(x, memory, mask=memory_mask))
        return self.norm_3(x + self.feed_forward(x))


@wrong("DecoderBlock", misconception="Ignores the mask of the memory.", hint="memory_mask has no effect")
class IgnoresMemoryMask(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        return self.think(self.look_across(self.look_back(x), memory, None))


@wrong("DecoderBlock", misconception="Takes the mask of the memory for one that is True at padding.", hint="the mask is the wrong way round")
class InvertsMemoryMask(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        mask = None if memory_mask is None else ~memory_mask
        return self.think(self.look_across(self.look_back(x), memory, mask))


@wrong("DecoderBlock", misconception="Gives the mask of the memory to the first attention.", hint="it belongs to cross_attention")
class MaskOnTheWrongOne(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        mask = self.causal(x) if memory_mask is None else self.causal(x) & memory_mask
        x = x + self.attention(self.norm_1(x), mask=mask)
        return self.think(self.look_across(x, memory, None))


@wrong("DecoderBlock", misconception="Uses norm_1 for both attentions.", hint="its norm is norm_2")
class SharesNorm1(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_back(x)
        x = x + self.cross_attention(self.norm_1(x), memory, mask=memory_mask)
        return self.think(x)


@wrong("DecoderBlock", misconception="Uses norm_2 for the feed-forward layer as well.", hint="its norm is norm_3")
class SharesNorm2(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        x = self.look_across(self.look_back(x), memory, memory_mask)
        return x + self.feed_forward(self.norm_2(x))


@wrong("DecoderBlock", misconception="Adds the input of the block twice.", hint="the residual is doubled")
class DoubledDecoder(ThreeParts):
    def forward(self, x, memory, memory_mask=None):
        return x + self.think(self.look_across(self.look_back(x), memory, memory_mask))


equivalent(
    "DecoderBlock",
    mutant="line 2: torch.ones(T, T, dtype=torch.bool, device=x.device) -> torch.ones(T, T, dtype=torch.bool)",
    why="Tests run on the processor, where tensors are made anyway.",
)
