"""Other right answers to notebook 10, and the wrong ones that students give."""

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong

# --- gradient_step -------------------------------------------------------------------------------------


@right("gradient_step", why="asks autograd")
def by_autograd(W: Tensor, X: Tensor, Y: Tensor, eta: float) -> Tensor:
    weights = W.expand(*X.shape[:-2], *W.shape[-2:]).clone().requires_grad_()
    loss = 0.5 * ((X @ weights.mT - Y) ** 2).sum() / X.shape[-2]
    loss.backward()
    return (weights - eta * weights.grad).detach()


@right("gradient_step", why="sums outer products, example by example")
def example_by_example(W: Tensor, X: Tensor, Y: Tensor, eta: float) -> Tensor:
    N = X.shape[-2]
    slope = 0
    for i in range(N):
        error = torch.einsum("...yx,...x->...y", W, X[..., i, :]) - Y[..., i, :]
        slope = slope + error[..., :, None] * X[..., i, None, :]
    return W - eta / N * slope


@wrong("gradient_step", misconception="Sums over the examples without dividing by N.", hint="1/N is lost")
def step_without_n(W, X, Y, eta):
    return W - eta * (X @ W.mT - Y).mT @ X


@wrong("gradient_step", misconception="Goes up the slope.", hint="the sign of the step")
def uphill(W, X, Y, eta):
    return W + eta * (X @ W.mT - Y).mT @ X / X.shape[-2]


@wrong("gradient_step", misconception="Keeps the 2 of the square.", hint="twice as long")
def twice(W, X, Y, eta):
    return W - 2 * eta * (X @ W.mT - Y).mT @ X / X.shape[-2]


@wrong("gradient_step", misconception="Divides by the number of inputs.", hint="not by the number of inputs")
def divided_by_inputs(W, X, Y, eta):
    return W - eta * (X @ W.mT - Y).mT @ X / X.shape[-1]


@wrong("gradient_step", misconception="Forgets the learning rate.", hint="eta has no effect")
def no_rate(W, X, Y, eta):
    return W - (X @ W.mT - Y).mT @ X / X.shape[-2]


@wrong("gradient_step", misconception="Takes the slope at weights of zero.", hint="slope at W = 0")
def slope_at_zero(W, X, Y, eta):
    return W + eta * Y.mT @ X / X.shape[-2]


@wrong("gradient_step", misconception="Returns the change alone.", hint="this is the change alone")
def only_the_change(W, X, Y, eta):
    return -eta * (X @ W.mT - Y).mT @ X / X.shape[-2]


@wrong("gradient_step", misconception="Returns the gradient.", hint="this is the gradient")
def only_the_gradient(W, X, Y, eta):
    return (X @ W.mT - Y).mT @ X / X.shape[-2]


@wrong("gradient_step", misconception="Averages over the outputs, too.", hint="the sum over the outputs")
def mean_of_everything(W, X, Y, eta):
    return W - eta * (X @ W.mT - Y).mT @ X / Y.shape[-2] / Y.shape[-1]


@wrong("gradient_step", misconception="Transposes all axes.", hint="use .mT")
def transposes_all(W, X, Y, eta):
    return W - eta * (X @ W.T - Y).T @ X / X.shape[-2]


# --- regression_prompt ---------------------------------------------------------------------------------


@right("regression_prompt", why="fills an empty tensor")
def filled(X: Tensor, Y: Tensor, x_query: Tensor, W0: Tensor) -> Tensor:
    *leading, N, d_x = X.shape
    tokens = torch.zeros(*leading, N + 1, d_x + Y.shape[-1], dtype=X.dtype)
    tokens[..., :N, :d_x] = X
    tokens[..., :N, d_x:] = Y
    tokens[..., N, :d_x] = x_query
    tokens[..., N, d_x:] = -torch.einsum("yx,...x->...y", W0, x_query)
    return tokens


@right("regression_prompt", why="puts the query below the inputs first")
def by_columns(X: Tensor, Y: Tensor, x_query: Tensor, W0: Tensor) -> Tensor:
    x = torch.cat([X, x_query.unsqueeze(-2)], dim=-2)
    y = torch.cat([Y, F.linear(x_query, -W0).unsqueeze(-2)], dim=-2)
    return torch.cat([x, y], dim=-1)


@wrong("regression_prompt", misconception="Leaves the answer of the query 0.", hint="-W0 x is missing")
def query_without_guess(X, Y, x_query, W0):
    query = torch.cat([x_query, torch.zeros_like(Y[..., 0, :])], dim=-1)[..., None, :]
    return torch.cat([torch.cat([X, Y], dim=-1), query], dim=-2)


@wrong("regression_prompt", misconception="Loses the minus.", hint="the minus is lost")
def query_with_plus(X, Y, x_query, W0):
    query = torch.cat([x_query, x_query @ W0.T], dim=-1)[..., None, :]
    return torch.cat([torch.cat([X, Y], dim=-1), query], dim=-2)


@wrong("regression_prompt", misconception="Puts the query first.", hint="the query is the last row")
def query_first(X, Y, x_query, W0):
    query = torch.cat([x_query, -x_query @ W0.T], dim=-1)[..., None, :]
    return torch.cat([query, torch.cat([X, Y], dim=-1)], dim=-2)


@wrong("regression_prompt", misconception="Puts y before x.", hint="x comes first")
def y_first(X, Y, x_query, W0):
    query = torch.cat([-x_query @ W0.T, x_query], dim=-1)[..., None, :]
    return torch.cat([torch.cat([Y, X], dim=-1), query], dim=-2)


@wrong("regression_prompt", misconception="Leaves the query out.", hint="the query is missing")
def no_query(X, Y, x_query, W0):
    return torch.cat([X, Y], dim=-1)


@wrong(
    "regression_prompt",
    misconception="Writes what is left of y below W0.",
    hint="the answers of the examples stay",
)
def residuals_in_the_prompt(X, Y, x_query, W0):
    query = torch.cat([x_query, -x_query @ W0.T], dim=-1)[..., None, :]
    return torch.cat([torch.cat([X, Y - X @ W0.T], dim=-1), query], dim=-2)


@wrong("regression_prompt", misconception="Knows one problem at a time.", hint="leading axes")
def one_problem_only(X, Y, x_query, W0):
    query = torch.cat([x_query, -W0 @ x_query])[None]
    return torch.cat([torch.cat([X, Y], dim=1), query], dim=0)


# --- linear_self_attention -----------------------------------------------------------------------------


@right("linear_self_attention", why="sums over the examples, one after the other")
def one_example_after_the_other(tokens: Tensor, W_Q: Tensor, W_K: Tensor, W_V: Tensor, P: Tensor) -> Tensor:
    new = tokens
    queries = torch.einsum("ij,...tj->...ti", W_Q, tokens)
    for n in range(tokens.shape[-2] - 1):
        key = torch.einsum("ij,...j->...i", W_K, tokens[..., n, :])
        value = torch.einsum("ij,...j->...i", P @ W_V, tokens[..., n, :])
        score = torch.einsum("...ti,...i->...t", queries, key)
        new = new + score[..., None] * value[..., None, :]
    return new


@right("linear_self_attention", why="multiplies values and keys first, which costs less for long prompts")
def values_times_keys(tokens: Tensor, W_Q: Tensor, W_K: Tensor, W_V: Tensor, P: Tensor) -> Tensor:
    examples = tokens[..., :-1, :]
    moments = (examples @ W_V.T).mT @ (examples @ W_K.T)
    return tokens + (P @ moments @ W_Q @ tokens.mT).mT


@wrong(
    "linear_self_attention",
    misconception="Lets the query be a key and a value.",
    hint="the query token is in the sum",
)
def query_in_the_sum(tokens, W_Q, W_K, W_V, P):
    queries, keys, values = tokens @ W_Q.T, tokens @ W_K.T, tokens @ W_V.T
    return tokens + queries @ keys.mT @ values @ P.T


@wrong("linear_self_attention", misconception="Takes a softmax of the scores.", hint="no softmax")
def with_softmax(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return tokens + (queries @ keys.mT).softmax(-1) @ values @ P.T


@wrong("linear_self_attention", misconception="Forgets the residual.", hint="the layer adds to its tokens")
def layer_without_residual(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return queries @ keys.mT @ values @ P.T


@wrong("linear_self_attention", misconception="Scales the scores.", hint="no scaling")
def scaled_scores(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return tokens + queries @ keys.mT / math.sqrt(tokens.shape[-1]) @ values @ P.T


@wrong(
    "linear_self_attention",
    misconception="Divides by the number of examples.",
    hint="nothing is divided by N",
)
def divided_in_the_layer(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return tokens + queries @ keys.mT / keys.shape[-2] @ values @ P.T


@wrong(
    "linear_self_attention",
    misconception="Multiplies rows by the matrices as they are.",
    hint="tokens are rows",
)
def matrices_as_they_are(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q
    keys, values = tokens[..., :-1, :] @ W_K, tokens[..., :-1, :] @ W_V
    return tokens + queries @ keys.mT @ values @ P


@wrong(
    "linear_self_attention", misconception="Transposes P only by mistake.", hint="P is the wrong way round"
)
def p_as_it_is(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return tokens + queries @ keys.mT @ values @ P


@wrong("linear_self_attention", misconception="Forgets P.", hint="P is missing")
def no_projection(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return tokens + queries @ keys.mT @ values


@wrong(
    "linear_self_attention",
    misconception="Exchanges queries and keys.",
    hint="queries and keys are exchanged",
)
def exchanged_roles(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_K.T
    keys, values = tokens[..., :-1, :] @ W_Q.T, tokens[..., :-1, :] @ W_V.T
    return tokens + queries @ keys.mT @ values @ P.T


@wrong("linear_self_attention", misconception="Changes the query alone.", hint="the examples change, too")
def only_the_query(tokens, W_Q, W_K, W_V, P):
    queries = tokens[..., -1:, :] @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    last = tokens[..., -1:, :] + queries @ keys.mT @ values @ P.T
    return torch.cat([tokens[..., :-1, :], last], dim=-2)


@wrong("linear_self_attention", misconception="Adds a causal mask.", hint="every example, also to later ones")
def causal_layer(tokens, W_Q, W_K, W_V, P):
    queries = tokens @ W_Q.T
    keys, values = tokens[..., :-1, :] @ W_K.T, tokens[..., :-1, :] @ W_V.T
    return tokens + (queries @ keys.mT).tril() @ values @ P.T


# --- gd_construction -----------------------------------------------------------------------------------


@right("gd_construction", why="block by block, with cat")
def block_by_block(W0: Tensor, eta: float, N: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    d_y, d_x = W0.shape
    kind = {"dtype": W0.dtype}
    above, beside = torch.zeros(d_x, d_y, **kind), torch.zeros(d_y, d_y, **kind)
    reads_x = torch.cat(
        [
            torch.cat([torch.eye(d_x, **kind), above], dim=1),
            torch.cat([torch.zeros(d_y, d_x, **kind), beside], dim=1),
        ]
    )
    top = torch.zeros(d_x, d_x + d_y, **kind)
    error = torch.cat([top, torch.cat([W0, -torch.eye(d_y, **kind)], dim=1)])
    return reads_x, reads_x, error, torch.diag(torch.full((d_x + d_y,), eta / N, **kind))


@right("gd_construction", why="the step stands in the values, and P is the identity")
def step_in_the_values(W0: Tensor, eta: float, N: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    d_y, d_x = W0.shape
    D = d_x + d_y
    W_K = torch.zeros(D, D, dtype=W0.dtype)
    W_K.fill_diagonal_(1)
    W_K[d_x:] = 0
    W_V = torch.zeros(D, D, dtype=W0.dtype)
    W_V[d_x:] = torch.cat([W0, -torch.eye(d_y, dtype=W0.dtype)], dim=1)
    return W_K, W_K, W_V * (eta / N), torch.eye(D, dtype=W0.dtype)


@right("gd_construction", why="two signs cancel: negative keys and a negative P")
def two_signs(W0: Tensor, eta: float, N: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    d_y, d_x = W0.shape
    W_Q = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_Q)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, -torch.eye(d_y, dtype=W0.dtype)
    return W_Q, -W_Q, W_V, -torch.eye(d_x + d_y, dtype=W0.dtype) * eta / N


@wrong("gd_construction", misconception="Loses 1/N.", hint="1/N is lost")
def construction_without_n(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, -torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, eta * torch.eye(d_x + d_y, dtype=W0.dtype)


@wrong("gd_construction", misconception="Counts the query among the examples.", hint="N counts the examples")
def counts_the_query(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, -torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, eta / (N + 1) * torch.eye(d_x + d_y, dtype=W0.dtype)


@wrong("gd_construction", misconception="Lets the layer go uphill.", hint="the sign of the update")
def construction_uphill(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = -W0, torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, eta / N * torch.eye(d_x + d_y, dtype=W0.dtype)


@wrong("gd_construction", misconception="Leaves W0 out of the values.", hint="W0 is missing from W_V")
def construction_without_w0(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, d_x:] = -torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, eta / N * torch.eye(d_x + d_y, dtype=W0.dtype)


@wrong(
    "gd_construction",
    misconception="Adds W0 x and y instead of subtracting.",
    hint="the error is a difference",
)
def construction_adds(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, eta / N * torch.eye(d_x + d_y, dtype=W0.dtype)


@wrong(
    "gd_construction", misconception="Lets keys and queries read y as well.", hint="keys and queries read y"
)
def keys_read_y(W0, eta, N):
    d_y, d_x = W0.shape
    D = d_x + d_y
    W_V = torch.zeros(D, D, dtype=W0.dtype)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, -torch.eye(d_y, dtype=W0.dtype)
    return (
        torch.eye(D, dtype=W0.dtype),
        torch.eye(D, dtype=W0.dtype),
        W_V,
        eta / N * torch.eye(D, dtype=W0.dtype),
    )


@wrong("gd_construction", misconception="Writes the error into the rows of x.", hint="x must stay as it is")
def error_into_x(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[:d_y, :d_x], W_V[:d_y, d_x:] = W0, -torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, eta / N * torch.eye(d_x + d_y, dtype=W0.dtype)


@wrong(
    "gd_construction",
    misconception="Leaves P the identity, so that there is no step size.",
    hint="eta has no effect",
)
def construction_without_rate(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x, dtype=W0.dtype), torch.zeros(d_y, d_y, dtype=W0.dtype))
    W_V = torch.zeros_like(W_K)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, -torch.eye(d_y, dtype=W0.dtype)
    return W_K, W_K, W_V, torch.eye(d_x + d_y, dtype=W0.dtype) / N


@wrong(
    "gd_construction",
    misconception="Makes float32 matrices whatever W0 is.",
    hint="the same number type as W0",
)
def construction_in_float32(W0, eta, N):
    d_y, d_x = W0.shape
    W_K = torch.block_diag(torch.eye(d_x), torch.zeros(d_y, d_y))
    W_V = torch.zeros(d_x + d_y, d_x + d_y)
    W_V[d_x:, :d_x], W_V[d_x:, d_x:] = W0, -torch.eye(d_y)
    return W_K, W_K, W_V, eta / N * torch.eye(d_x + d_y)


# --- stack_layers --------------------------------------------------------------------------------------


@right("stack_layers", why="keeps all states first")
def keeps_states(tokens: Tensor, layers: list, d_y: int) -> Tensor:
    states = [tokens]
    for layer in layers:
        states.append(layer(states[-1]))
    return torch.stack([state[..., -1, state.shape[-1] - d_y :] for state in states[1:]]).neg()


@right("stack_layers", why="a recursion")
def recursively(tokens: Tensor, layers: list, d_y: int) -> Tensor:
    after = layers[0](tokens)
    first = -after[..., -1, -d_y:].unsqueeze(0)
    return first if len(layers) == 1 else torch.cat([first, recursively(after, layers[1:], d_y)])


@wrong("stack_layers", misconception="Gives every layer the prompt.", hint="every layer reads the prompt")
def all_read_the_prompt(tokens, layers, d_y):
    return torch.stack([-layer(tokens)[..., -1, -d_y:] for layer in layers])


@wrong("stack_layers", misconception="Forgets the minus.", hint="the sign")
def predictions_with_the_wrong_sign(tokens, layers, d_y):
    found = []
    for layer in layers:
        tokens = layer(tokens)
        found.append(tokens[..., -1, -d_y:])
    return torch.stack(found)


@wrong("stack_layers", misconception="Returns the last prediction only.", hint="one prediction per layer")
def only_the_last_layer(tokens, layers, d_y):
    for layer in layers:
        tokens = layer(tokens)
    return -tokens[..., -1, -d_y:]


@wrong(
    "stack_layers",
    misconception="Reads the answer off before the layer.",
    hint="after each layer, not before",
)
def before_each_layer(tokens, layers, d_y):
    found = []
    for layer in layers:
        found.append(-tokens[..., -1, -d_y:])
        tokens = layer(tokens)
    return torch.stack(found)


@wrong("stack_layers", misconception="Reads the first token.", hint="the last token")
def reads_the_first_token(tokens, layers, d_y):
    found = []
    for layer in layers:
        tokens = layer(tokens)
        found.append(-tokens[..., 0, -d_y:])
    return torch.stack(found)


@wrong("stack_layers", misconception="Reads the whole token.", hint="the last d_y numbers")
def reads_the_whole_token(tokens, layers, d_y):
    found = []
    for layer in layers:
        tokens = layer(tokens)
        found.append(-tokens[..., -1, :])
    return torch.stack(found)


@wrong(
    "stack_layers",
    misconception="Adds the tokens once more, outside the layer.",
    hint="adds to its tokens itself",
)
def second_residual(tokens, layers, d_y):
    found = []
    for layer in layers:
        tokens = tokens + layer(tokens)
        found.append(-tokens[..., -1, -d_y:])
    return torch.stack(found)


# --- ridge_predict -------------------------------------------------------------------------------------


@right("ridge_predict", why="adds made-up examples for the penalty, and takes least squares")
def made_up_examples(X: Tensor, Y: Tensor, x_query: Tensor, strength: float) -> Tensor:
    *leading, _, d_x = X.shape
    penalty = math.sqrt(strength) * torch.eye(d_x, dtype=X.dtype).expand(*leading, d_x, d_x)
    zeros = torch.zeros(*leading, d_x, Y.shape[-1], dtype=X.dtype)
    W = torch.linalg.pinv(torch.cat([X, penalty], dim=-2)) @ torch.cat([Y, zeros], dim=-2)
    return torch.einsum("...x,...xy->...y", x_query, W)


@right("ridge_predict", why="works with dot products between examples")
def by_dot_products(X: Tensor, Y: Tensor, x_query: Tensor, strength: float) -> Tensor:
    if strength == 0:
        return (x_query[..., None, :] @ torch.linalg.pinv(X) @ Y).squeeze(-2)
    kernel = X @ X.mT + strength * torch.eye(X.shape[-2], dtype=X.dtype)
    return (x_query[..., None, :] @ X.mT @ torch.linalg.solve(kernel, Y)).squeeze(-2)


@wrong(
    "ridge_predict", misconception="Takes least squares whatever the strength.", hint="strength has no effect"
)
def always_least_squares(X, Y, x_query, strength):
    return (x_query[..., None, :] @ torch.linalg.pinv(X) @ Y)[..., 0, :]


@wrong("ridge_predict", misconception="Adds the strength to every entry.", hint="to the diagonal only")
def added_everywhere(X, Y, x_query, strength):
    if strength == 0:
        return (x_query[..., None, :] @ torch.linalg.pinv(X) @ Y)[..., 0, :]
    return (x_query[..., None, :] @ torch.linalg.pinv(X.mT @ X + strength) @ X.mT @ Y)[..., 0, :]


@wrong("ridge_predict", misconception="Multiplies the strength by N.", hint="not multiplied by N")
def strength_times_n(X, Y, x_query, strength):
    if strength == 0:
        return (x_query[..., None, :] @ torch.linalg.pinv(X) @ Y)[..., 0, :]
    inner = X.mT @ X / X.shape[-2] + strength * torch.eye(X.shape[-1], dtype=X.dtype)
    return (x_query[..., None, :] @ torch.linalg.solve(inner, X.mT @ Y / X.shape[-2]))[..., 0, :]


@wrong("ridge_predict", misconception="Squares the strength.", hint="the strength itself")
def squared_strength(X, Y, x_query, strength):
    if strength == 0:
        return (x_query[..., None, :] @ torch.linalg.pinv(X) @ Y)[..., 0, :]
    inner = X.mT @ X + strength**2 * torch.eye(X.shape[-1], dtype=X.dtype)
    return (x_query[..., None, :] @ torch.linalg.solve(inner, X.mT @ Y))[..., 0, :]


@wrong(
    "ridge_predict",
    misconception="Solves the normal equations also where they have many solutions.",
    hint="has no inverse",
)
def always_solves(X, Y, x_query, strength):
    inner = X.mT @ X + strength * torch.eye(X.shape[-1], dtype=X.dtype)
    W = torch.linalg.solve(inner, X.mT @ Y)
    return (x_query[..., None, :] @ W)[..., 0, :]


@wrong("ridge_predict", misconception="Returns the weights.", hint="these are the weights")
def weights_only(X, Y, x_query, strength):
    if strength == 0:
        return (torch.linalg.pinv(X) @ Y).mT
    inner = X.mT @ X + strength * torch.eye(X.shape[-1], dtype=X.dtype)
    return torch.linalg.solve(inner, X.mT @ Y).mT


@wrong(
    "ridge_predict", misconception="Subtracts means, for an intercept that is not there.", hint="no intercept"
)
def with_intercept(X, Y, x_query, strength):
    x_mean, y_mean = X.mean(-2, keepdim=True), Y.mean(-2, keepdim=True)
    inner = (X - x_mean).mT @ (X - x_mean) + strength * torch.eye(X.shape[-1], dtype=X.dtype)
    W = torch.linalg.pinv(inner) @ (X - x_mean).mT @ (Y - y_mean)
    return ((x_query[..., None, :] - x_mean) @ W + y_mean)[..., 0, :]


equivalent(
    "ridge_predict",
    mutant="line 4: torch.eye(X.shape[-1], dtype=X.dtype) -> torch.eye(X.shape[-1])",
    why="Adding it promotes to the type of X; only the strength is rounded to float32, by less than 1e-7 of it.",
)
equivalent(
    "ridge_predict", mutant="line 6: 0 -> -1", why="The axis has length 1, so its first entry is its last."
)


# --- forward_algorithm ---------------------------------------------------------------------------------


@right("forward_algorithm", why="in log space, with logsumexp")
def in_log_space(tokens: Tensor, start: Tensor, transition: Tensor, emission: Tensor):
    alpha = start.log()
    found, predictions = [alpha.logsumexp(0)], [start @ emission]
    for token in tokens.tolist():
        alpha = alpha + emission[:, token].log()
        found.append(alpha.logsumexp(0))
        alpha = (alpha[:, None] + transition.log()).logsumexp(0)
        predictions.append(alpha.softmax(0) @ emission)
    return torch.stack(found), torch.stack(predictions)


@right("forward_algorithm", why="keeps the logs of the predictions and sums them at the end")
def cumulated(tokens: Tensor, start: Tensor, transition: Tensor, emission: Tensor):
    believed, predictions, surprises = start, [], [torch.zeros((), dtype=start.dtype)]
    for token in tokens:
        predictions.append(torch.einsum("s,sv->v", believed, emission))
        surprises.append(predictions[-1][token].log())
        updated = believed * emission[:, token]
        believed = torch.einsum("s,sr->r", updated / updated.sum(), transition)
    predictions.append(torch.einsum("s,sv->v", believed, emission))
    return torch.stack(surprises).cumsum(0), torch.stack(predictions)


@wrong("forward_algorithm", misconception="Transposes the transitions.", hint="rows of transition")
def transposed_transitions(tokens, start, transition, emission):
    belief, total = start, torch.zeros((), dtype=start.dtype)
    logs, nexts = [total], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        total = total + joint.sum().log()
        belief = transition @ (joint / joint.sum())
        logs.append(total)
        nexts.append(belief @ emission)
    return torch.stack(logs), torch.stack(nexts)


@wrong(
    "forward_algorithm",
    misconception="Moves on before the first token.",
    hint="start is the belief about the first state",
)
def moves_before_the_first(tokens, start, transition, emission):
    belief, total = start @ transition, torch.zeros((), dtype=start.dtype)
    logs, nexts = [total], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        total = total + joint.sum().log()
        belief = (joint / joint.sum()) @ transition
        logs.append(total)
        nexts.append(belief @ emission)
    return torch.stack(logs), torch.stack(nexts)


@wrong(
    "forward_algorithm",
    misconception="Does not normalise, so that long texts become 0.",
    hint="too small for a float",
)
def unnormalised(tokens, start, transition, emission):
    alpha = start
    logs, nexts = [alpha.sum().log()], [alpha @ emission]
    for token in tokens:
        alpha = alpha * emission[:, token]
        total = alpha.sum()
        logs.append(total.log())
        alpha = alpha @ transition
        nexts.append(alpha @ emission / total)
    return torch.stack(logs), torch.stack(nexts)


@wrong(
    "forward_algorithm",
    misconception="Predicts from the state that was, not the one that comes.",
    hint="before the step to the next state",
)
def predicts_from_the_old_state(tokens, start, transition, emission):
    belief, total = start, torch.zeros((), dtype=start.dtype)
    logs, nexts = [total], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        total = total + joint.sum().log()
        logs.append(total)
        nexts.append((joint / joint.sum()) @ emission)
        belief = (joint / joint.sum()) @ transition
    return torch.stack(logs), torch.stack(nexts)


@wrong(
    "forward_algorithm",
    misconception="Forgets to learn from the token.",
    hint="does not learn from the token",
)
def learns_nothing(tokens, start, transition, emission):
    belief, total = start, torch.zeros((), dtype=start.dtype)
    logs, nexts = [total], [belief @ emission]
    for token in tokens:
        total = total + (belief @ emission[:, token]).log()
        belief = belief @ transition
        logs.append(total)
        nexts.append(belief @ emission)
    return torch.stack(logs), torch.stack(nexts)


@wrong(
    "forward_algorithm",
    misconception="Keeps the log probability of each token, without adding them up.",
    hint="of each token alone",
)
def not_added_up(tokens, start, transition, emission):
    belief = start
    logs, nexts = [torch.zeros((), dtype=start.dtype)], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        logs.append(joint.sum().log())
        belief = (joint / joint.sum()) @ transition
        nexts.append(belief @ emission)
    return torch.stack(logs), torch.stack(nexts)


@wrong("forward_algorithm", misconception="Leaves out the empty text.", hint="T + 1 rows")
def no_row_for_the_empty_text(tokens, start, transition, emission):
    belief, total = start, torch.zeros((), dtype=start.dtype)
    logs, nexts = [], []
    for token in tokens:
        joint = belief * emission[:, token]
        total = total + joint.sum().log()
        belief = (joint / joint.sum()) @ transition
        logs.append(total)
        nexts.append(belief @ emission)
    return torch.stack(logs), torch.stack(nexts)


@wrong("forward_algorithm", misconception="Follows the most likely state only.", hint="sum over all states")
def most_likely_state(tokens, start, transition, emission):
    belief, total = start, torch.zeros((), dtype=start.dtype)
    logs, nexts = [total], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        total = total + joint.max().log()
        belief = transition[joint.argmax()]
        logs.append(total)
        nexts.append(belief @ emission)
    return torch.stack(logs), torch.stack(nexts)


@wrong("forward_algorithm", misconception="Returns likelihoods, not their logs.", hint="the log is missing")
def likelihoods(tokens, start, transition, emission):
    belief, total = start, torch.ones((), dtype=start.dtype)
    values, nexts = [total], [belief @ emission]
    for token in tokens:
        joint = belief * emission[:, token]
        total = total * joint.sum()
        belief = (joint / joint.sum()) @ transition
        values.append(total)
        nexts.append(belief @ emission)
    return torch.stack(values), torch.stack(nexts)


equivalent(
    "forward_algorithm",
    mutant="line 1: torch.zeros((), dtype=start.dtype) -> torch.zeros(())",
    why="It is 0 in any number type, and adding to it and stacking promote it to the type of the other logs.",
)


# --- concept_posterior ---------------------------------------------------------------------------------


@right("concept_posterior", why="subtracts the largest, then normalises")
def largest_first(log_likelihoods: Tensor, prior: Tensor) -> Tensor:
    scores = log_likelihoods + torch.log(prior)
    weights = torch.exp(scores - scores.amax(dim=-1, keepdim=True))
    return weights / weights.sum(dim=-1, keepdim=True)


@right("concept_posterior", why="with logsumexp")
def with_logsumexp(log_likelihoods: Tensor, prior: Tensor) -> Tensor:
    joint = prior.log() + log_likelihoods
    return (joint - joint.logsumexp(-1, keepdim=True)).exp()


@wrong(
    "concept_posterior", misconception="Leaves log space before normalising.", hint="too small for a float"
)
def leaves_log_space(log_likelihoods, prior):
    joint = log_likelihoods.exp() * prior
    return joint / joint.sum(-1, keepdim=True)


@wrong("concept_posterior", misconception="Ignores the prior.", hint="the prior has no effect")
def no_prior(log_likelihoods, prior):
    return log_likelihoods.softmax(-1)


@wrong(
    "concept_posterior",
    misconception="Adds the prior itself to the log likelihoods.",
    hint="the log of the prior",
)
def prior_without_log(log_likelihoods, prior):
    return (log_likelihoods + prior).softmax(-1)


@wrong(
    "concept_posterior",
    misconception="Multiplies log likelihoods by the prior.",
    hint="multiplied by the prior",
)
def logs_times_prior(log_likelihoods, prior):
    return (log_likelihoods * prior).softmax(-1)


@wrong(
    "concept_posterior",
    misconception="Normalises first and weighs by the prior after that.",
    hint="do not sum to 1",
)
def prior_after_normalising(log_likelihoods, prior):
    return log_likelihoods.softmax(-1) * prior


@wrong("concept_posterior", misconception="Returns logs.", hint="these are logs")
def log_posterior(log_likelihoods, prior):
    return (log_likelihoods + prior.log()).log_softmax(-1)


@wrong("concept_posterior", misconception="Picks the best concept.", hint="one concept gets everything")
def best_concept(log_likelihoods, prior):
    best = (log_likelihoods + prior.log()).argmax(-1)
    return F.one_hot(best, log_likelihoods.shape[-1]).to(prior.dtype)


@wrong("concept_posterior", misconception="Normalises over the texts.", hint="each row")
def over_the_texts(log_likelihoods, prior):
    return (log_likelihoods + prior.log()).softmax(0)


# --- posterior_predictive ------------------------------------------------------------------------------


@right("posterior_predictive", why="a sum over concepts by einsum")
def by_einsum(log_likelihoods: Tensor, prior: Tensor, predictions: Tensor) -> Tensor:
    weights = torch.softmax(torch.log(prior) + log_likelihoods, dim=-1)
    return torch.einsum("...m,...mv->...v", weights, predictions)


@right("posterior_predictive", why="one concept after the other")
def concept_after_concept(log_likelihoods: Tensor, prior: Tensor, predictions: Tensor) -> Tensor:
    joint = log_likelihoods + prior.log()
    total = joint.logsumexp(-1)
    mixed = torch.zeros_like(predictions[..., 0, :])
    for m in range(len(prior)):
        mixed = mixed + (joint[..., m] - total).exp()[..., None] * predictions[..., m, :]
    return mixed


@wrong("posterior_predictive", misconception="Weighs by the prior.", hint="weighed by the prior")
def weighed_by_the_prior(log_likelihoods, prior, predictions):
    return (prior[:, None] * predictions).sum(-2)


@wrong("posterior_predictive", misconception="Ignores the prior.", hint="the prior has no effect")
def weights_without_prior(log_likelihoods, prior, predictions):
    return (log_likelihoods.softmax(-1)[..., None] * predictions).sum(-2)


@wrong(
    "posterior_predictive",
    misconception="Asks the most likely concept only.",
    hint="the most likely concept alone",
)
def asks_the_best(log_likelihoods, prior, predictions):
    best = (log_likelihoods + prior.log()).argmax(-1)
    return predictions.take_along_dim(best[..., None, None], dim=-2).squeeze(-2)


@wrong(
    "posterior_predictive", misconception="Averages all concepts alike.", hint="all concepts count the same"
)
def plain_average(log_likelihoods, prior, predictions):
    return predictions.mean(-2)


@wrong(
    "posterior_predictive",
    misconception="Mixes logs of probabilities.",
    hint="mix the probabilities, not their logs",
)
def mixes_logs(log_likelihoods, prior, predictions):
    weights = (log_likelihoods + prior.log()).softmax(-1)
    return (weights[..., None] * predictions.log()).sum(-2).softmax(-1)


@wrong(
    "posterior_predictive",
    misconception="Does not normalise the weights.",
    hint="the weights do not sum to 1",
)
def weights_not_normalised(log_likelihoods, prior, predictions):
    weights = (log_likelihoods + prior.log()).exp()
    return (weights[..., None] * predictions).sum(-2)


@wrong(
    "posterior_predictive", misconception="Leaves log space before normalising.", hint="too small for a float"
)
def mixes_outside_log_space(log_likelihoods, prior, predictions):
    weights = log_likelihoods.exp() * prior
    return ((weights / weights.sum(-1, keepdim=True))[..., None] * predictions).sum(-2)


@wrong(
    "posterior_predictive", misconception="Sums over tokens in place of concepts.", hint="over the concepts"
)
def sums_over_tokens(log_likelihoods, prior, predictions):
    weights = (log_likelihoods + prior.log()).softmax(-1)
    return weights * predictions.sum(-1)
