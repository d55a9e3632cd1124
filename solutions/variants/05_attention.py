"""Other right answers to notebook 05, and the wrong ones that students give."""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong


def attend(q, k, v, mask=None, scale=None, dim=-1):
    """Attention as it should be, with a scale and a softmax dimension that can be spoilt."""
    scores = q @ k.transpose(-2, -1) / (math.sqrt(q.shape[-1]) if scale is None else scale)
    if mask is not None:
        scores = scores.masked_fill(~mask, torch.finfo(scores.dtype).min)
    weights = scores.softmax(dim)
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return weights @ v, weights


def attend_mask_after(q, k, v, mask=None):
    """The mask multiplies the weights."""
    _, weights = attend(q, k, v)
    if mask is not None:
        weights = weights * mask
    return weights @ v, weights


def attend_zeros(q, k, v, mask=None):
    """The mask puts zeros into the scores."""
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores * mask
    weights = scores.softmax(-1)
    return weights @ v, weights


# --- dot_product_attention ---------------------------------------------------------------------------------------------


@right("dot_product_attention", why="a loop over places, with the exponentials written out")
def looped(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    scores = [float(sum(query * key)) for key in keys]
    highest = max(scores)
    exponentials = [math.exp(score - highest) for score in scores]
    weights = [e / sum(exponentials) for e in exponentials]
    average = torch.zeros(values.shape[1])
    for weight, value in zip(weights, values):
        average = average + weight * value
    return average, torch.tensor(weights)


@right("dot_product_attention", why="einsum, and the weights as a column")
def with_einsum(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = F.softmax(torch.einsum("d,td->t", query, keys), dim=-1)
    return (weights[:, None] * values).sum(0), weights


@wrong("dot_product_attention", misconception="Returns zeros.", hint="all weights are 0")
def nothing(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros(values.shape[1]), torch.zeros(len(keys))


@wrong(
    "dot_product_attention",
    misconception="Uses the scores as weights.",
    hint="softmax turns them into weights",
)
def raw_scores(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = keys @ query
    return weights @ values, weights


@wrong(
    "dot_product_attention",
    misconception="Divides scores by their sum.",
    hint="divided the scores by their sum",
)
def shares(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    scores = keys @ query
    weights = scores / scores.sum()
    return weights @ values, weights


@wrong(
    "dot_product_attention",
    misconception="Scales where no scaling was asked for.",
    hint="the scores are scaled",
)
def scaled_too_early(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(keys @ query / math.sqrt(len(query)), dim=0)
    return weights @ values, weights


@wrong("dot_product_attention", misconception="Looks at the best place only.", hint="argmax")
def hard(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = F.one_hot((keys @ query).argmax(), len(keys)).float()
    return weights @ values, weights


@wrong("dot_product_attention", misconception="Averages the keys.", hint="you averaged the keys")
def average_of_keys(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(keys @ query, dim=0)
    return weights @ keys, weights


@wrong(
    "dot_product_attention",
    misconception="Sums the values without weights.",
    hint="this is the sum of the values",
)
def unweighted_sum(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    return values.sum(0), torch.softmax(keys @ query, dim=0)


@wrong("dot_product_attention", misconception="Takes the plain mean.", hint="this is the plain mean")
def unweighted_mean(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    return values.mean(0), torch.softmax(keys @ query, dim=0)


@wrong(
    "dot_product_attention",
    misconception="Divides by T although weights sum to 1.",
    hint="divided by T once more",
)
def mean_of_weighted(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(keys @ query, dim=0)
    return (weights[:, None] * values).mean(0), weights


@wrong("dot_product_attention", misconception="Returns the two in the wrong order.", hint="wrong order")
def swapped_results(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(keys @ query, dim=0)
    return weights, weights @ values


@wrong("dot_product_attention", misconception="Returns the average alone.", hint="return two things")
def average_alone(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    return torch.softmax(keys @ query, dim=0) @ values


@wrong(
    "dot_product_attention",
    misconception="Softmax over a dimension of size 1.",
    hint="over the wrong dimension",
)
def softmax_of_ones(query: Tensor, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
    weights = torch.softmax(keys @ query[:, None], dim=1)[:, 0]
    return weights @ values, weights


# --- scaled_dot_product_attention --------------------------------------------------------------------------------------


@right("scaled_dot_product_attention", why="fills in minus infinity and replaces NaN by 0 afterwards")
def nan_to_zero(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = q @ k.mT * q.shape[-1] ** -0.5
    if mask is not None:
        scores = scores.masked_fill(mask.logical_not(), -math.inf)
    weights = F.softmax(scores, dim=-1).nan_to_num(0.0)
    return weights @ v, weights


@right("scaled_dot_product_attention", why="exponentials by hand, with einsum, and a sum kept from being 0")
def by_hand(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = torch.einsum("...qd,...kd->...qk", q / math.sqrt(q.size(-1)), k)
    if mask is None:
        mask = torch.ones_like(scores, dtype=torch.bool)
    scores = torch.where(mask, scores, torch.full_like(scores, -1e30))
    exponentials = (scores - scores.amax(-1, keepdim=True)).exp() * mask
    weights = exponentials / exponentials.sum(-1, keepdim=True).clamp(min=1e-30)
    return torch.einsum("...qk,...kv->...qv", weights, v), weights


@right(
    "scaled_dot_product_attention",
    why="the fused kernel for the output, and again with unit values for the weights",
)
def with_fused(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    unit = torch.eye(k.shape[-2], dtype=q.dtype).expand(*k.shape[:-2], -1, -1)
    if mask is not None:
        mask = mask.expand(*q.shape[:-1], k.shape[-2])
    output = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
    return output, F.scaled_dot_product_attention(q, k, unit, attn_mask=mask)


@wrong("scaled_dot_product_attention", misconception="Returns zeros.", hint="everything is 0")
def all_zeros(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return torch.zeros(*q.shape[:-1], v.shape[-1]), torch.zeros(*q.shape[:-1], k.shape[-2])


@wrong("scaled_dot_product_attention", misconception="Does not scale.", hint="no scaling")
def no_scale(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, scale=1)


@wrong(
    "scaled_dot_product_attention",
    misconception="Divides by d, not by its root.",
    hint="divide by its square root",
)
def by_d(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, scale=q.shape[-1])


@wrong(
    "scaled_dot_product_attention",
    misconception="Root of the number of keys.",
    hint="you took the number of keys",
)
def root_of_keys(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, scale=math.sqrt(k.shape[-2]))


@wrong(
    "scaled_dot_product_attention",
    misconception="Root of the width of the values.",
    hint="you took the width of the values",
)
def root_of_values(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, scale=math.sqrt(v.shape[-1]))


@wrong(
    "scaled_dot_product_attention",
    misconception="Root of the number of queries.",
    hint="you took the number of queries",
)
def root_of_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, scale=math.sqrt(q.shape[-2]))


@wrong("scaled_dot_product_attention", misconception="Multiplies by the root.", hint="divide by it")
def multiplied(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, scale=1 / math.sqrt(q.shape[-1]))


@wrong("scaled_dot_product_attention", misconception="Scales the weights.", hint="scaled after the softmax")
def scaled_after(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    output, weights = attend(q, k, v, mask, scale=1)
    return output / math.sqrt(q.shape[-1]), weights / math.sqrt(q.shape[-1])


@wrong("scaled_dot_product_attention", misconception="Softmax over queries.", hint="softmax over the queries")
def over_queries(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask, dim=-2)


@wrong("scaled_dot_product_attention", misconception="Forgets the softmax.", hint="softmax is missing")
def no_softmax(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    weights = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        weights = weights.masked_fill(~mask, 0.0)
    return weights @ v, weights


@wrong("scaled_dot_product_attention", misconception="Averages the keys.", hint="K in place of V")
def keys_for_values(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, k, mask)


@wrong("scaled_dot_product_attention", misconception="Ignores the mask.", hint="the mask is ignored")
def unmasked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v)


@wrong(
    "scaled_dot_product_attention",
    misconception="Masks after the softmax.",
    hint="the mask came after the softmax",
)
def mask_after(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend_mask_after(q, k, v, mask)


@wrong(
    "scaled_dot_product_attention",
    misconception="Puts 0 in place of minus infinity.",
    hint="the mask put zeros into the scores",
)
def zeros_for_infinity(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend_zeros(q, k, v, mask)


@wrong(
    "scaled_dot_product_attention",
    misconception="Adds the mask as 0 and 1.",
    hint="the mask was added as 0 and 1",
)
def added(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    weights = (scores if mask is None else scores + mask).softmax(-1)
    return weights @ v, weights


@wrong(
    "scaled_dot_product_attention",
    misconception="Hides where the mask is True.",
    hint="the mask is upside down",
)
def upside_down(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, None if mask is None else ~mask)


@wrong("scaled_dot_product_attention", misconception="Multiplies 0 and infinity.", hint="0 times infinity")
def zero_times_infinity(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores + (~mask) * -math.inf
    weights = scores.softmax(-1)
    return weights @ v, weights


@wrong(
    "scaled_dot_product_attention",
    misconception="Leaves NaN in rows that are masked everywhere.",
    hint="a row that is masked everywhere gives NaN",
)
def nan_rows(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    weights = scores.softmax(-1)
    return weights @ v, weights


@wrong(
    "scaled_dot_product_attention",
    misconception="Fills in a large negative number, so that a row masked everywhere looks at all alike.",
    hint="was shared out all the same",
)
def uniform_rows(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = q @ k.transpose(-2, -1) / math.sqrt(q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e9)
    weights = scores.softmax(-1)
    return weights @ v, weights


@wrong("scaled_dot_product_attention", misconception="Returns the output alone.", hint="return two things")
def output_alone(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v, mask)[0]


@wrong(
    "scaled_dot_product_attention",
    misconception="Masks the weights, not those in the output.",
    hint="made with those before",
)
def output_unmasked(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return attend(q, k, v)[0], attend(q, k, v, mask)[1]


# --- padding_mask ------------------------------------------------------------------------------------------------------


@right("padding_mask", why="one row per sentence, in a list")
def rows_of_truth(lengths: Tensor, T: int) -> Tensor:
    return torch.tensor([[[place < length for place in range(T)]] for length in lengths.tolist()])


@right("padding_mask", why="fills a tensor of False, sentence by sentence")
def filled_in(lengths: Tensor, T: int) -> Tensor:
    mask = torch.zeros(len(lengths), 1, T, dtype=torch.bool)
    for row, length in enumerate(lengths):
        mask[row, 0, :length] = True
    return mask


@wrong(
    "padding_mask",
    misconception="Forgets the dimension for the queries.",
    hint="the dimension for the queries is missing",
)
def flat(lengths: Tensor, T: int) -> Tensor:
    return torch.arange(T) < lengths[:, None]


@wrong("padding_mask", misconception="Hides queries in place of keys.", hint="this hides queries")
def hides_queries(lengths: Tensor, T: int) -> Tensor:
    return (torch.arange(T) < lengths[:, None])[:, :, None]


@wrong("padding_mask", misconception="True for padding.", hint="the mask is upside down")
def true_for_padding(lengths: Tensor, T: int) -> Tensor:
    return torch.arange(T) >= lengths[:, None, None]


@wrong("padding_mask", misconception="Counts places from 1.", hint="one place too many")
def one_too_many(lengths: Tensor, T: int) -> Tensor:
    return torch.arange(T) <= lengths[:, None, None]


@wrong(
    "padding_mask", misconception="Takes length for the first padded place but one.", hint="one place too few"
)
def one_too_few(lengths: Tensor, T: int) -> Tensor:
    return torch.arange(T) < lengths[:, None, None] - 1


@wrong("padding_mask", misconception="Puts padding on the left.", hint="words stand on the left")
def padded_on_the_left(lengths: Tensor, T: int) -> Tensor:
    return (torch.arange(T) < lengths[:, None, None]).flip(-1)


@wrong("padding_mask", misconception="Returns numbers.", hint="these are numbers")
def mask_of_numbers(lengths: Tensor, T: int) -> Tensor:
    return (torch.arange(T) < lengths[:, None, None]).float()


@wrong("padding_mask", misconception="Uses the longest sentence for T.", hint="not the longest sentence")
def longest_sentence(lengths: Tensor, T: int) -> Tensor:
    return torch.arange(int(lengths.max())) < lengths[:, None, None]


@wrong("padding_mask", misconception="Repeats the row for every query.", hint="one row is enough")
def repeated(lengths: Tensor, T: int) -> Tensor:
    return (torch.arange(T) < lengths[:, None, None]).repeat(1, T, 1)


# --- cross_attention ---------------------------------------------------------------------------------------------------


@right("cross_attention", why="the fused kernel for the output, and the weights by einsum")
def cross_with_einsum(x, memory, w_query, w_key, w_value, mask=None):
    queries = torch.einsum("btc,cd->btd", x, w_query)
    keys = torch.einsum("bsc,cd->bsd", memory, w_key)
    scores = torch.einsum("btd,bsd->bts", queries, keys) / math.sqrt(w_query.shape[1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -1e30)
    weights = scores.softmax(-1)
    return weights @ memory @ w_value, weights


@right("cross_attention", why="one sentence at a time")
def sentence_by_sentence(x, memory, w_query, w_key, w_value, mask=None):
    outputs, weights = [], []
    for b in range(len(x)):
        row = None if mask is None else mask[b if len(mask) > 1 else 0]
        output, weight = attend(x[b] @ w_query, memory[b] @ w_key, memory[b] @ w_value, row)
        outputs.append(output)
        weights.append(weight)
    return torch.stack(outputs), torch.stack(weights)


@wrong("cross_attention", misconception="Returns zeros.", hint="everything is 0")
def finds_nothing(x, memory, w_query, w_key, w_value, mask=None):
    B, T = x.shape[:2]
    return torch.zeros(B, T, w_value.shape[1]), torch.zeros(B, T, memory.shape[1])


@wrong("cross_attention", misconception="Makes the queries from the encoder.", hint="the encoder asks itself")
def encoder_asks(x, memory, w_query, w_key, w_value, mask=None):
    return attend(memory @ w_query, memory @ w_key, memory @ w_value, mask)


@wrong(
    "cross_attention", misconception="Makes keys and values from the decoder.", hint="the decoder asks itself"
)
def decoder_answers(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query, x @ w_key, x @ w_value)


@wrong("cross_attention", misconception="Swaps the two sequences.", hint="x and memory are swapped")
def swapped_sequences(x, memory, w_query, w_key, w_value, mask=None):
    return attend(memory @ w_query, x @ w_key, x @ w_value)


@wrong("cross_attention", misconception="Averages the keys.", hint="K in place of V")
def cross_keys_for_values(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query, memory @ w_key, memory @ w_key, mask)


@wrong("cross_attention", misconception="Averages the memory itself.", hint="w_value is not used")
def memory_for_values(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query, memory @ w_key, memory, mask)


@wrong("cross_attention", misconception="Leaves the maps out.", hint="the matrices are not used")
def no_maps(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x, memory, memory, mask)


@wrong("cross_attention", misconception="Forgets the query map.", hint="w_query is not used")
def no_query_map(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x, memory @ w_key, memory @ w_value, mask)


@wrong(
    "cross_attention",
    misconception="Uses the matrices transposed, as nn.Linear stores them.",
    hint="transposed",
)
def transposed_maps(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query.T, memory @ w_key.T, memory @ w_value.T, mask)


@wrong(
    "cross_attention",
    misconception="Exchanges the query and the key map.",
    hint="w_query and w_key are swapped",
)
def swapped_maps(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_key, memory @ w_query, memory @ w_value, mask)


@wrong("cross_attention", misconception="Does not scale.", hint="no scaling")
def cross_no_scale(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query, memory @ w_key, memory @ w_value, mask, scale=1)


@wrong("cross_attention", misconception="Softmax over queries.", hint="softmax over the queries")
def cross_over_queries(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query, memory @ w_key, memory @ w_value, mask, dim=-2)


@wrong("cross_attention", misconception="Ignores the mask.", hint="the mask is ignored")
def cross_unmasked(x, memory, w_query, w_key, w_value, mask=None):
    return attend(x @ w_query, memory @ w_key, memory @ w_value)


# --- causal_mask -------------------------------------------------------------------------------------------------------


@right("causal_mask", why="the lower triangle of a matrix of True")
def lower_triangle(T: int) -> Tensor:
    return torch.tril(torch.ones(T, T)).bool()


@right("causal_mask", why="lists of truth values")
def by_lists(T: int) -> Tensor:
    return torch.tensor([[j <= i for j in range(T)] for i in range(T)])


@right("causal_mask", why="what is not strictly above the diagonal")
def not_above(T: int) -> Tensor:
    return ~torch.triu(torch.ones(T, T), diagonal=1).bool()


@wrong("causal_mask", misconception="Forbids a place to look at itself.", hint="the diagonal is lost")
def strict(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).tril(-1)


@wrong("causal_mask", misconception="Swaps rows and columns.", hint="the mask is transposed")
def upper(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).triu()


@wrong("causal_mask", misconception="True for what is hidden.", hint="upside down")
def true_for_hidden(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).triu(1)


@wrong("causal_mask", misconception="Shows the next word.", hint="one place too many")
def shows_next(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool).tril(1)


@wrong("causal_mask", misconception="Returns numbers.", hint="these are numbers; a mask holds truth values")
def triangle_of_numbers(T: int) -> Tensor:
    return torch.tril(torch.ones(T, T))


@wrong(
    "causal_mask",
    misconception="Returns numbers to add to the scores.",
    hint="these are numbers to add to scores",
)
def to_add(T: int) -> Tensor:
    return torch.full((T, T), -math.inf).triu(1)


@wrong("causal_mask", misconception="Hides nothing.", hint="the future too")
def open_mask(T: int) -> Tensor:
    return torch.ones(T, T, dtype=torch.bool)


# --- SelfAttention -----------------------------------------------------------------------------------------------------


class OneHead(nn.Module):
    """The parameters of SelfAttention; what differs between the variants is `forward`."""

    def __init__(self, width: int, head_width: int):
        super().__init__()
        self.query = nn.Linear(width, head_width, bias=False)
        self.key = nn.Linear(width, head_width, bias=False)
        self.value = nn.Linear(width, head_width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        output, weights = self.look(self.query(x), self.key(x), self.value(x), mask)
        self.weights = weights.detach()
        return output

    def look(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        return attend(q, k, v, mask)


@right(
    "SelfAttention", why="matrices used with F.linear, attention written out, weights as numbers of their own"
)
class WrittenOut(OneHead):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (F.linear(x, module.weight) for module in (self.query, self.key, self.value))
        scores = torch.einsum("bid,bjd->bij", q, k) * q.shape[-1] ** -0.5
        if mask is not None:
            scores = torch.where(mask, scores, -math.inf)
        weights = scores.softmax(dim=2)
        self.weights = weights.clone().detach()
        return torch.einsum("bij,bjd->bid", weights, v)


@right("SelfAttention", why="one sentence and one place at a time")
class PlaceByPlace(OneHead):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B, T, _ = x.shape
        full = torch.ones(B, T, T, dtype=torch.bool) if mask is None else mask.expand(B, T, T)
        weights = torch.zeros(B, T, T)
        outputs = []
        for b in range(B):
            for i in range(T):
                seen = full[b, i].nonzero()[:, 0]
                scores = self.key(x[b, seen]) @ self.query(x[b, i]) / math.sqrt(self.query.out_features)
                shares = scores.softmax(0)
                weights[b, i, seen] = shares.detach()
                outputs.append(shares @ self.value(x[b, seen]))
        self.weights = weights
        return torch.stack(outputs).view(B, T, -1)


@wrong("SelfAttention", misconception="Returns zeros.", hint="everything is 0")
class HeadOfZeros(OneHead):
    def look(self, q, k, v, mask):
        output, weights = attend(q, k, v, mask)
        return output * 0, weights * 0


@wrong("SelfAttention", misconception="Maps with a bias.", hint="the linear maps have a bias")
class WithBias(OneHead):
    def __init__(self, width: int, head_width: int):
        super().__init__(width, head_width)
        self.query = nn.Linear(width, head_width)
        self.key = nn.Linear(width, head_width)
        self.value = nn.Linear(width, head_width)


@wrong(
    "SelfAttention", misconception="One matrix for queries, keys and values.", hint="there is one matrix only"
)
class OneMatrix(nn.Module):
    def __init__(self, width: int, head_width: int):
        super().__init__()
        self.query = nn.Linear(width, head_width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        output, self.weights = attend(self.query(x), self.query(x), self.query(x), mask)
        return output


@wrong(
    "SelfAttention", misconception="Maps from width to width.", hint="goes from width numbers to head_width"
)
class TooWide(OneHead):
    def __init__(self, width: int, head_width: int):
        super().__init__(width, width)


@wrong("SelfAttention", misconception="Does not scale.", hint="no scaling")
class HeadWithoutScale(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, scale=1)


@wrong("SelfAttention", misconception="Divides by d.", hint="divide by its square root")
class HeadByD(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, scale=q.shape[-1])


@wrong("SelfAttention", misconception="Root of the width of the states.", hint="the root of the wrong size")
class HeadByWidth(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, scale=math.sqrt(self.query.in_features))


@wrong("SelfAttention", misconception="Softmax over queries.", hint="softmax over the queries")
class HeadOverQueries(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, dim=-2)


@wrong("SelfAttention", misconception="Averages the keys.", hint="K in place of V")
class HeadKeysForValues(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, k, mask)


@wrong("SelfAttention", misconception="Exchanges query and key.", hint="query and key are swapped")
class HeadSwapped(OneHead):
    def look(self, q, k, v, mask):
        return attend(k, q, v, mask)


@wrong("SelfAttention", misconception="Ignores the mask.", hint="the mask is ignored")
class HeadUnmasked(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v)


@wrong("SelfAttention", misconception="Transposes the mask.", hint="the mask is transposed")
class HeadTransposedMask(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v, None if mask is None else mask.transpose(-2, -1))


@wrong("SelfAttention", misconception="Hides where the mask is True.", hint="the mask is upside down")
class HeadUpsideDown(OneHead):
    def look(self, q, k, v, mask):
        return attend(q, k, v, None if mask is None else ~mask)


@wrong("SelfAttention", misconception="Masks after the softmax.", hint="the mask came after the softmax")
class HeadMaskAfter(OneHead):
    def look(self, q, k, v, mask):
        return attend_mask_after(q, k, v, mask)


@wrong(
    "SelfAttention",
    misconception="Puts 0 in place of minus infinity.",
    hint="the mask put zeros into the scores",
)
class HeadZeros(OneHead):
    def look(self, q, k, v, mask):
        return attend_zeros(q, k, v, mask)


@wrong("SelfAttention", misconception="Forbids a word to look at itself.", hint="the diagonal was lost")
class HeadStrict(OneHead):
    def look(self, q, k, v, mask):
        if mask is not None:
            mask = mask & ~torch.eye(mask.shape[-1], dtype=torch.bool)
        return attend(q, k, v, mask)


@wrong("SelfAttention", misconception="Keeps the weights with their gradient.", hint="weights.detach()")
class HeadAttached(OneHead):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        output, self.weights = attend(self.query(x), self.key(x), self.value(x), mask)
        return output


# --- MultiHeadAttention ------------------------------------------------------------------------------------------------


class ManyHeads(nn.Module):
    """The parameters and the right way; each variant spoils or rewrites one step."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)
        self.output = nn.Linear(width, width, bias=False)

    def split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)

    def merge(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2).flatten(2)

    def look(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        return attend(q, k, v, mask)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            mask = mask.unsqueeze(-3)
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        found, weights = self.look(q, k, v, mask)
        self.weights = weights.detach()
        return self.output(self.merge(found))


@right("MultiHeadAttention", why="a loop over heads, each with its piece of the matrices")
class HeadByHead(ManyHeads):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        d = x.shape[-1] // self.heads
        found, weights = [], []
        for h in range(self.heads):
            rows = slice(h * d, (h + 1) * d)
            q, k, v = (x @ module.weight[rows].T for module in (self.query, self.key, self.value))
            output, weight = attend(q, k, v, mask)
            found.append(output)
            weights.append(weight)
        self.weights = torch.stack(weights, dim=1).detach()
        return self.output(torch.cat(found, dim=-1))


@right("MultiHeadAttention", why="einsum over four-dimensional tensors, no transpose at all")
class WithEinsum(ManyHeads):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = (module(x).unflatten(-1, (self.heads, -1)) for module in (self.query, self.key, self.value))
        scores = torch.einsum("bihd,bjhd->bhij", q, k) / math.sqrt(q.shape[-1])
        if mask is not None:
            if mask.dim() == 3:
                mask = mask[:, None]
            scores = scores.masked_fill(~mask, -1e30)
        self.weights = scores.softmax(-1).detach()
        found = torch.einsum("bhij,bjhd->bihd", scores.softmax(-1), v)
        return self.output(found.reshape(x.shape))


@wrong("MultiHeadAttention", misconception="Returns zeros.", hint="everything is 0")
class HeadsOfZeros(ManyHeads):
    def look(self, q, k, v, mask):
        output, weights = attend(q, k, v, mask)
        return output * 0, weights


@wrong(
    "MultiHeadAttention",
    misconception="Splits and merges without a transpose.",
    hint="split without a transpose",
)
class NoTranspose(ManyHeads):
    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], self.heads, x.shape[1], -1)

    def merge(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[2], -1)


@wrong("MultiHeadAttention", misconception="Splits without a transpose.", hint="split without a transpose")
class SplitWithoutTranspose(ManyHeads):
    def split(self, x: Tensor) -> Tensor:
        return x.view(x.shape[0], self.heads, x.shape[1], -1)


@wrong(
    "MultiHeadAttention", misconception="Merges without a transpose.", hint="put together without a transpose"
)
class MergeWithoutTranspose(ManyHeads):
    def merge(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], x.shape[2], -1)


@wrong("MultiHeadAttention", misconception="Gives a head every H-th number.", hint="every second number")
class Interleaved(ManyHeads):
    def split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], -1, self.heads).permute(0, 3, 1, 2)

    def merge(self, x: Tensor) -> Tensor:
        return x.permute(0, 2, 3, 1).flatten(2)


@wrong("MultiHeadAttention", misconception="Leaves the output map unused.", hint="the last map is missing")
class OutputUnused(ManyHeads):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            mask = mask.unsqueeze(-3)
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        found, weights = self.look(q, k, v, mask)
        self.weights = weights.detach()
        return self.merge(found)


@wrong("MultiHeadAttention", misconception="Has no output map.", hint="the last map is missing")
class NoOutputMap(nn.Module):
    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(width, width, bias=False)
        self.key = nn.Linear(width, width, bias=False)
        self.value = nn.Linear(width, width, bias=False)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        B, T, C = x.shape
        q, k, v = (
            m(x).view(B, T, self.heads, -1).transpose(1, 2) for m in (self.query, self.key, self.value)
        )
        found, self.weights = attend(q, k, v, None if mask is None else mask.unsqueeze(-3))
        return found.transpose(1, 2).flatten(2)


@wrong("MultiHeadAttention", misconception="Maps with a bias.", hint="the linear maps have a bias")
class HeadsWithBias(ManyHeads):
    def __init__(self, width: int, heads: int):
        super().__init__(width, heads)
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.output = nn.Linear(width, width)


@wrong(
    "MultiHeadAttention",
    misconception="Root of C in place of C / H.",
    hint="width / heads numbers, not width",
)
class ScaledByWidth(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, scale=math.sqrt(self.query.in_features))


@wrong("MultiHeadAttention", misconception="Does not scale.", hint="no scaling")
class HeadsWithoutScale(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, scale=1)


@wrong("MultiHeadAttention", misconception="Never cuts into heads.", hint="this is one wide head")
class OneWideHead(ManyHeads):
    def split(self, x: Tensor) -> Tensor:
        return x[:, None]


@wrong(
    "MultiHeadAttention",
    misconception="Takes `heads` for the width of a head.",
    hint="the heads have the wrong width",
)
class HeadsAsWidth(ManyHeads):
    def __init__(self, width: int, heads: int):
        super().__init__(width, width)


@wrong("MultiHeadAttention", misconception="Averages the keys.", hint="K in place of V")
class HeadsKeysForValues(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, k, mask)


@wrong("MultiHeadAttention", misconception="Softmax over queries.", hint="softmax over the queries")
class HeadsOverQueries(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, v, mask, dim=-2)


@wrong("MultiHeadAttention", misconception="Ignores the mask.", hint="the mask is ignored")
class HeadsUnmasked(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, v)


@wrong("MultiHeadAttention", misconception="Transposes the mask.", hint="the mask is transposed")
class HeadsTransposedMask(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, v, None if mask is None else mask.transpose(-2, -1))


@wrong("MultiHeadAttention", misconception="Hides where the mask is True.", hint="the mask is upside down")
class HeadsUpsideDown(ManyHeads):
    def look(self, q, k, v, mask):
        return attend(q, k, v, None if mask is None else ~mask)


@wrong("MultiHeadAttention", misconception="Masks after the softmax.", hint="the mask came after the softmax")
class HeadsMaskAfter(ManyHeads):
    def look(self, q, k, v, mask):
        return attend_mask_after(q, k, v, mask)


@wrong(
    "MultiHeadAttention",
    misconception="Puts 0 in place of minus infinity.",
    hint="the mask put zeros into the scores",
)
class HeadsZeros(ManyHeads):
    def look(self, q, k, v, mask):
        return attend_zeros(q, k, v, mask)


@wrong(
    "MultiHeadAttention",
    misconception="Gives the mask no dimension for heads.",
    hint="needs a dimension for the heads",
)
class MaskWithoutHeads(ManyHeads):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        found, weights = self.look(q, k, v, mask)
        self.weights = weights.detach()
        return self.output(self.merge(found))


@wrong(
    "MultiHeadAttention", misconception="Keeps the mean of the heads' weights.", hint="each head has its own"
)
class MeanOfWeights(ManyHeads):
    def look(self, q, k, v, mask):
        output, weights = attend(q, k, v, mask)
        return output, weights.mean(1)


@wrong("MultiHeadAttention", misconception="Keeps the weights with their gradient.", hint="weights.detach()")
class HeadsAttached(ManyHeads):
    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        if mask is not None:
            mask = mask.unsqueeze(-3)
        q, k, v = self.split(self.query(x)), self.split(self.key(x)), self.split(self.value(x))
        found, self.weights = self.look(q, k, v, mask)
        return self.output(self.merge(found))


# --- attention_cost ----------------------------------------------------------------------------------------------------


@right("attention_cost", why="head by head and map by map")
def added_up(T: int, C: int) -> dict[str, int]:
    maps = sum(T * C**2 for _ in ("query", "key", "value", "output"))
    scores = T**2 * C
    averages = T**2 * C
    return dict(maps=maps, attention=scores + averages, weights=T**2)


@wrong("attention_cost", misconception="Forgets the output map.", hint="you counted three")
def three_maps(T: int, C: int) -> dict[str, int]:
    return {"maps": 3 * T * C * C, "attention": 2 * T * T * C, "weights": T * T}


@wrong("attention_cost", misconception="Counts one map.", hint="this is one map")
def one_map(T: int, C: int) -> dict[str, int]:
    return {"maps": T * C * C, "attention": 2 * T * T * C, "weights": T * T}


@wrong("attention_cost", misconception="Counts one word.", hint="this is for one word")
def one_word(T: int, C: int) -> dict[str, int]:
    return {"maps": 4 * C * C, "attention": 2 * T * T * C, "weights": T * T}


@wrong("attention_cost", misconception="Forgets the averages.", hint="these are the scores alone")
def scores_alone(T: int, C: int) -> dict[str, int]:
    return {"maps": 4 * T * C * C, "attention": T * T * C, "weights": T * T}


@wrong(
    "attention_cost", misconception="Takes attention for linear in T.", hint="every word looks at every word"
)
def linear_in_T(T: int, C: int) -> dict[str, int]:
    return {"maps": 4 * T * C * C, "attention": 2 * T * C * C, "weights": T * T}


@wrong(
    "attention_cost",
    misconception="Forgets the width of the dot products.",
    hint="each score is a dot product",
)
def without_width(T: int, C: int) -> dict[str, int]:
    return {"maps": 4 * T * C * C, "attention": 2 * T * T, "weights": T * T}


@wrong("attention_cost", misconception="Counts additions, too.", hint="count the multiplications only")
def additions_too(T: int, C: int) -> dict[str, int]:
    return {"maps": 8 * T * C * C, "attention": 4 * T * T * C, "weights": T * T}


@wrong("attention_cost", misconception="Gives weights a width.", hint="one weight for each pair")
def wide_weights(T: int, C: int) -> dict[str, int]:
    return {"maps": 4 * T * C * C, "attention": 2 * T * T * C, "weights": T * T * C}


@wrong("attention_cost", misconception="Counts the causal triangle.", hint="the causal triangle")
def triangle_only(T: int, C: int) -> dict[str, int]:
    return {"maps": 4 * T * C * C, "attention": 2 * T * T * C, "weights": T * (T + 1) // 2}


# --- mutants that compute the same -------------------------------------------------------------------------------------

equivalent(
    "scaled_dot_product_attention",
    mutant="line 1: k.transpose(-2, -1) -> k.transpose(-1, -2)",
    why="Which of two dimensions is named first makes no difference to exchanging them.",
)
equivalent(
    "padding_mask",
    mutant="line 1: torch.arange(T, device=lengths.device) -> torch.arange(T)",
    why="Tests run where there is one device only.",
)
equivalent(
    "MultiHeadAttention",
    mutant="line 7: project(x).view(B, T, self.heads, -1).transpose(1, 2)"
    " -> project(x).view(B, T, self.heads, -1).transpose(2, 1)",
    why="Which of two dimensions is named first makes no difference to exchanging them.",
)
equivalent(
    "MultiHeadAttention",
    mutant="line 7: 2 -> -2",
    why="Of four dimensions, number 2 is the last but one.",
)
equivalent(
    "MultiHeadAttention",
    mutant="line 12: found.transpose(1, 2) -> found.transpose(2, 1)",
    why="Which of two dimensions is named first makes no difference to exchanging them.",
)
equivalent(
    "MultiHeadAttention",
    mutant="line 12: 2 -> -2",
    why="Of four dimensions, number 2 is the last but one.",
)
