"""Other right answers to notebook 09, and the wrong ones that students give."""

import math

import torch
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong

# --- greedy_decode -------------------------------------------------------------------------------------


@right("greedy_decode", why="a tensor that grows, and a list of what is new")
def by_tensor(model, prompt, n, end_id=None):
    idx = torch.tensor([prompt])
    new = []
    with torch.no_grad():
        while len(new) < n and (not new or new[-1] != end_id):
            best = model(idx)[0][:, -1].argmax(-1, keepdim=True)
            new.append(best.item())
            idx = torch.cat([idx, best], dim=1)
    return new


@right("greedy_decode", why="softmax first, which changes no order")
def by_probabilities(model, prompt, n, end_id=None):
    new = []
    for _ in range(n):
        p = torch.softmax(model(torch.tensor([prompt + new]))[0][0, -1].double(), dim=-1)
        new.append(torch.max(p, dim=0).indices.item())
        if end_id is not None and new[-1] == end_id:
            return new
    return new


@wrong("greedy_decode", misconception="Reads the logits at the first place.", hint="you read the logits at the first place")
def first_place(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(n):
        text.append(int(model(torch.tensor([text]))[0][0, 0].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Returns the prompt, too.", hint="the prompt is in the result")
def with_prompt(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(n):
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text


@wrong("greedy_decode", misconception="Lets n count the prompt and returns the whole text.", hint="n counts new tokens")
def n_in_all(model, prompt, n, end_id=None):
    text = list(prompt)
    while len(text) < n:
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text


@wrong("greedy_decode", misconception="Shows the model the last token only.", hint="the model sees the last token only")
def last_only(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(n):
        text.append(int(model(torch.tensor([text[-1:]]))[0][0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Asks about the prompt each time.", hint="asked about the prompt alone")
def prompt_only(model, prompt, n, end_id=None):
    new = []
    for _ in range(n):
        new.append(int(model(torch.tensor([prompt]))[0][0, -1].argmax()))
        if new[-1] == end_id:
            break
    return new


@wrong("greedy_decode", misconception="Draws a token instead of taking the likeliest.", hint="greedy means the token with the largest logit")
def draws_instead(model, prompt, n, end_id=None):
    generator = torch.Generator().manual_seed(0)
    text = list(prompt)
    for _ in range(n):
        p = model(torch.tensor([text]))[0][0, -1].softmax(-1)
        text.append(int(torch.multinomial(p, 1, generator=generator)))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Never stops at the end token.", hint="goes on behind the end token")
def no_end(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(n):
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Leaves the end token out.", hint="the end token is missing")
def end_left_out(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(n):
        token = int(model(torch.tensor([text]))[0][0, -1].argmax())
        if token == end_id:
            break
        text.append(token)
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Stops when the end token is anywhere in the text, the prompt included.", hint="only a new token can end the text")
def end_anywhere(model, prompt, n, end_id=None):
    text = list(prompt)
    while len(text) < len(prompt) + n and end_id not in text:
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Returns tensors.", hint="return a list of plain numbers")
def as_tensor(model, prompt, n, end_id=None):
    idx = torch.tensor([prompt])
    for _ in range(n):
        best = model(idx)[0][:, -1].argmax(-1, keepdim=True)
        idx = torch.cat([idx, best], dim=1)
        if int(best) == end_id:
            break
    return idx[0, len(prompt) :]


@wrong("greedy_decode", misconception="Gives the model a text without the axis of texts.", hint="a tensor of shape (1, T)")
def no_batch(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(n):
        text.append(int(model(torch.tensor(text))[0][0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


@wrong("greedy_decode", misconception="Writes one token too few.", hint="one token too few")
def one_too_few(model, prompt, n, end_id=None):
    text = list(prompt)
    for _ in range(1, n):
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


# --- beam_search ---------------------------------------------------------------------------------------


@right("beam_search", why="all beginnings in one batch, candidates in one table")
def in_one_batch(model, prompt, n, k, end_id=None, alpha=1.0):
    texts, totals = torch.tensor([prompt]), torch.zeros(1)
    best, best_score = [], -math.inf
    for step in range(1, n + 1):
        logits, _ = model(texts)
        candidates = totals[:, None] + logits[:, -1].log_softmax(-1)
        V = candidates.shape[1]
        values, at = candidates.flatten().sort(descending=True)
        beams, tokens = at // V, at % V
        ends = tokens == end_id if end_id is not None else torch.zeros_like(tokens, dtype=torch.bool)
        for i in range(min(k, len(values))):
            if ends[i] or step == n:
                score = values[i].item() / step**alpha
                if score > best_score:
                    best, best_score = texts[beams[i], len(prompt) :].tolist() + [tokens[i].item()], score
        alive = (~ends).nonzero()[:k, 0]
        texts = torch.cat([texts[beams[alive]], tokens[alive, None]], dim=1)
        totals = values[alive]
        if len(totals) == 0:
            break
    return best


@right("beam_search", why="all tokens as candidates, ranked in plain Python")
def all_candidates(model, prompt, n, k, end_id=None, alpha=1.0):
    alive, done = {(): 0.0}, {}
    for length in range(1, n + 1):
        grown = {}
        for tokens, total in alive.items():
            row = model(torch.tensor([list(prompt) + list(tokens)]))[0][0, -1].log_softmax(-1).tolist()
            grown.update({(*tokens, token): total + value for token, value in enumerate(row)})
        ranked = sorted(grown.items(), key=lambda item: item[1], reverse=True)
        for tokens, total in ranked[:k]:
            if length == n or tokens[-1] == end_id:
                done[tokens] = total / length**alpha
        alive = dict([item for item in ranked if item[0][-1] != end_id][:k])
    return list(max(done, key=done.get)) if done else []


def _search(model, prompt, n, k, end_id, alpha, *, score, step_value=None, among=None, last=True, keep_ended=False, slots=False, pick=max, grow=True):
    """Beam search whose parts can be exchanged for mistakes."""
    beam, finished = [([], 0.0)], []
    for step in range(1, n + 1):
        candidates = []
        for tokens, total in beam:
            if keep_ended and tokens and tokens[-1] == end_id:
                candidates.append((tokens, total))
                continue
            logits, _ = model(torch.tensor([prompt + tokens]))
            row = logits[0, -1].log_softmax(-1) if step_value is None else step_value(logits[0, -1])
            values, ids = row.topk(min(k + 1, len(row)))
            base = total if grow else 0.0
            candidates += [([*tokens, token], base + value) for value, token in zip(values.tolist(), ids.tolist())]
        candidates.sort(key=lambda candidate: -candidate[1])
        for tokens, total in candidates[: among or k]:
            if (end_id is not None and tokens[-1] == end_id) or (last and step == n):
                finished.append((score(total, len(tokens), len(prompt)), tokens))
        if slots:
            beam = [candidate for candidate in candidates[:k] if candidate[0][-1] != end_id]
        else:
            beam = [candidate for candidate in candidates if keep_ended or candidate[0][-1] != end_id][:k]
    return pick(finished)[1] if finished else []


@wrong("beam_search", misconception="Does not normalise by length.", hint="without regard to their length")
def no_length(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total)


@wrong("beam_search", misconception="Divides by the length whatever alpha is.", hint="with alpha = 0 nothing is divided")
def alpha_ignored(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total / length)


@wrong("beam_search", misconception="Counts the prompt into the length.", hint="the length counts new tokens only")
def length_with_prompt(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total / (length + before) ** alpha)


@wrong("beam_search", misconception="Multiplies the length by alpha instead of taking the power.", hint="alpha is the power of the length")
def alpha_times(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total / max(alpha * length, 1))


@wrong("beam_search", misconception="Multiplies the total by the power of the length.", hint="without regard to their length")
def times_length(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total * length**alpha)


@wrong("beam_search", misconception="Extends finished texts beyond the end token.", hint="goes on behind the end token")
def beyond_the_end(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, None, alpha, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Keeps ended texts in the beam, where they take up places.", hint="takes no place in it")
def ended_in_beam(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, slots=True, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Finishes every text that can end, however bad.", hint="only if it is among the best k")
def any_end(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, among=10**6, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Forgets the texts that ended early.", hint="texts that end are lost")
def ended_are_lost(model, prompt, n, k, end_id=None, alpha=1.0):
    beam = [([], 0.0)]
    for _ in range(n):
        candidates = []
        for tokens, total in beam:
            values, ids = model(torch.tensor([prompt + tokens]))[0][0, -1].log_softmax(-1).topk(min(k + 1, model(torch.tensor([prompt]))[0].shape[-1]))
            candidates += [([*tokens, token], total + value) for value, token in zip(values.tolist(), ids.tolist())]
        candidates.sort(key=lambda candidate: -candidate[1])
        beam = [candidate for candidate in candidates if candidate[0][-1] != end_id][:k]
    return beam[0][0]


@wrong("beam_search", misconception="Compares only texts that end, and not those that reach n tokens.", hint="ended or not")
def only_ended(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, last=False, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Ranks by the last token's probability alone.", hint="the last token alone decides")
def last_step_only(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, grow=False, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Lets each beginning grow by its own best token only.", hint="this is the greedy text")
def greedy_beams(model, prompt, n, k, end_id=None, alpha=1.0):
    text = list(prompt)
    for _ in range(n):
        text.append(int(model(torch.tensor([text]))[0][0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


@wrong("beam_search", misconception="Starts with k copies of the prompt, which stay alike.", hint="this is the greedy text")
def k_copies(model, prompt, n, k, end_id=None, alpha=1.0):
    beam, finished = [([], 0.0)] * k, []
    for step in range(1, n + 1):
        candidates = []
        for tokens, total in beam:
            values, ids = model(torch.tensor([prompt + tokens]))[0][0, -1].log_softmax(-1).topk(1)
            candidates.append(([*tokens, int(ids)], total + float(values)))
        finished += [(total / step**alpha, tokens) for tokens, total in candidates if tokens[-1] == end_id or step == n]
        beam = [candidate for candidate in candidates if candidate[0][-1] != end_id]
    return max(finished)[1]


@wrong("beam_search", misconception="Returns the worst finished text.", hint="you return the worst")
def worst_of_all(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, pick=min, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Returns the prompt, too.", hint="the prompt is in the result")
def beam_with_prompt(model, prompt, n, k, end_id=None, alpha=1.0):
    return list(prompt) + _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Adds up probabilities instead of log-probabilities.", hint="add log-probabilities, not probabilities")
def sums_probabilities(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, step_value=lambda row: row.softmax(-1), score=lambda total, length, before: total / length**alpha)


@wrong("beam_search", misconception="Multiplies probabilities, and divides the product by the length.", hint="a sum of log-probabilities")
def multiplies_probabilities(model, prompt, n, k, end_id=None, alpha=1.0):
    return _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: math.exp(total) / length**alpha)


@wrong("beam_search", misconception="Leaves the end token out.", hint="the end token belongs to the text")
def beam_without_end(model, prompt, n, k, end_id=None, alpha=1.0):
    found = _search(model, prompt, n, k, end_id, alpha, score=lambda total, length, before: total / length**alpha)
    return found[:-1] if end_id is not None and found[-1] == end_id else found


# --- apply_temperature ---------------------------------------------------------------------------------


@right("apply_temperature", why="the formula written out, with the largest logit taken off first")
def by_formula(logits, temperature):
    if temperature == 0:
        p = torch.zeros_like(logits)
        return p.scatter(-1, logits.argmax(-1, keepdim=True), 1.0)
    weights = torch.exp((logits - logits.max(dim=-1, keepdim=True).values) / temperature)
    return weights / weights.sum(dim=-1, keepdim=True)


@right("apply_temperature", why="by log_softmax")
def by_log_softmax(logits, temperature):
    if temperature > 0:
        return F.log_softmax(logits / temperature, dim=-1).exp()
    first = logits.max(dim=-1).indices.unsqueeze(-1)
    return (torch.arange(logits.shape[-1]) == first).type_as(logits)


@wrong("apply_temperature", misconception="Multiplies by the temperature.", hint="you multiply by the temperature")
def multiplies(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    return (logits * temperature).softmax(-1)


@wrong("apply_temperature", misconception="Ignores the temperature.", hint="the temperature has no effect")
def no_temperature(logits, temperature):
    return logits.softmax(-1)


@wrong("apply_temperature", misconception="Divides the probabilities.", hint="the probabilities were divided")
def divides_probabilities(logits, temperature):
    return logits.softmax(-1) / temperature


@wrong("apply_temperature", misconception="Returns logits.", hint="these are logits still")
def logits_still(logits, temperature):
    return logits / temperature


@wrong("apply_temperature", misconception="Forgets the case of 0.", hint="at 0 something is divided by 0")
def no_zero(logits, temperature):
    return (logits / temperature).softmax(-1)


@wrong("apply_temperature", misconception="Treats 0 as 1.", hint="at 0 all goes to the largest logit of the row")
def zero_is_one(logits, temperature):
    return (logits / (temperature or 1.0)).softmax(-1)


@wrong("apply_temperature", misconception="Shares the probability among ties at 0.", hint="greedy decoding picks one token")
def shares_ties(logits, temperature):
    if temperature == 0:
        best = (logits == logits.amax(-1, keepdim=True)).to(logits.dtype)
        return best / best.sum(-1, keepdim=True)
    return (logits / temperature).softmax(-1)


@wrong("apply_temperature", misconception="Normalises over all rows.", hint="each row is a distribution by itself")
def wrong_axis(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1]).to(logits.dtype)
    return (logits / temperature).softmax(0)


@wrong("apply_temperature", misconception="Returns the token at 0.", hint="return probabilities, a row of 1 and zeros")
def token_at_zero(logits, temperature):
    if temperature == 0:
        return logits.argmax(-1)
    return (logits / temperature).softmax(-1)


@wrong("apply_temperature", misconception="Returns whole numbers at 0.", hint="these are whole numbers")
def whole_numbers(logits, temperature):
    if temperature == 0:
        return F.one_hot(logits.argmax(-1), logits.shape[-1])
    return (logits / temperature).softmax(-1)


@wrong("apply_temperature", misconception="Seeks the largest logit of the whole table at 0.", hint="the largest is sought in the whole table")
def one_for_all(logits, temperature):
    if temperature == 0:
        p = torch.zeros_like(logits)
        p.view(-1)[logits.argmax()] = 1.0
        return p
    return (logits / temperature).softmax(-1)


@wrong("apply_temperature", misconception="Takes powers of probabilities and does not divide by their sum.", hint="divide by the sum")
def powers(logits, temperature):
    return logits.softmax(-1) ** (1 / temperature)


@wrong("apply_temperature", misconception="Takes the softmax twice.", hint="softmax twice")
def softmax_twice(logits, temperature):
    return (logits.softmax(-1) / temperature).softmax(-1)


# --- top_k_filter --------------------------------------------------------------------------------------


@right("top_k_filter", why="puts the k values back by scatter")
def k_by_scatter(probabilities, k):
    values, places = torch.topk(probabilities, min(k, probabilities.shape[-1]), dim=-1)
    return torch.zeros_like(probabilities).scatter(-1, places, values / values.sum(-1, keepdim=True))


@right("top_k_filter", why="by rank, and a softmax of logarithms")
def k_by_rank(probabilities, k):
    rank = probabilities.argsort(-1, descending=True).argsort(-1)
    return probabilities.log().masked_fill(rank >= k, float("-inf")).softmax(-1)


@right("top_k_filter", why="row by row")
def k_row_by_row(probabilities, k):
    out = probabilities.clone().reshape(-1, probabilities.shape[-1])
    for row in out:
        row[row.argsort(descending=True)[k:]] = 0
        row /= row.sum()
    return out.reshape(probabilities.shape)


@wrong("top_k_filter", misconception="Does not divide by the sum.", hint="do not sum to 1")
def k_not_renormalised(probabilities, k):
    least = probabilities.topk(min(k, probabilities.shape[-1]))[0][..., -1:]
    return torch.where(probabilities >= least, probabilities, 0.0)


@wrong("top_k_filter", misconception="Returns the values in sorted order.", hint="every token keeps its place")
def k_sorted(probabilities, k):
    values, _ = probabilities.sort(-1, descending=True)
    values = torch.where(torch.arange(values.shape[-1]) < k, values, 0.0)
    return values / values.sum(-1, keepdim=True)


@wrong("top_k_filter", misconception="Returns the k values only.", hint="the shape stays")
def k_values_only(probabilities, k):
    values, _ = probabilities.topk(min(k, probabilities.shape[-1]))
    return values / values.sum(-1, keepdim=True)


@wrong("top_k_filter", misconception="Cuts the likeliest k.", hint="the likeliest are cut")
def k_inverted(probabilities, k):
    least = probabilities.topk(min(k, probabilities.shape[-1]))[0][..., -1:]
    kept = torch.where(probabilities >= least, 0.0, probabilities)
    return kept / kept.sum(-1, keepdim=True)


@wrong("top_k_filter", misconception="Cuts the last of the k as well.", hint="one token too few is kept")
def k_strict(probabilities, k):
    least = probabilities.topk(min(k, probabilities.shape[-1]))[0][..., -1:]
    kept = torch.where(probabilities > least, probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


@wrong("top_k_filter", misconception="Keeps one token too many.", hint="one token too many is kept")
def k_plus_one(probabilities, k):
    least = probabilities.topk(min(k + 1, probabilities.shape[-1]))[0][..., -1:]
    kept = torch.where(probabilities >= least, probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


@wrong("top_k_filter", misconception="Takes a softmax of probabilities that were set to 0.", hint="is no logit of minus infinity")
def k_softmax_of_zeros(probabilities, k):
    least = probabilities.topk(min(k, probabilities.shape[-1]))[0][..., -1:]
    return torch.where(probabilities >= least, probabilities, 0.0).softmax(-1)


@wrong("top_k_filter", misconception="Takes a softmax of the kept probabilities.", hint="these went through a softmax")
def k_softmax_of_kept(probabilities, k):
    least = probabilities.topk(min(k, probabilities.shape[-1]))[0][..., -1:]
    return probabilities.masked_fill(probabilities < least, float("-inf")).softmax(-1)


@wrong("top_k_filter", misconception="Divides by the sum of all rows.", hint="a threshold and a sum of its own")
def k_sum_of_all(probabilities, k):
    least = probabilities.topk(min(k, probabilities.shape[-1]))[0][..., -1:]
    kept = torch.where(probabilities >= least, probabilities, 0.0)
    return kept / kept.sum()


@wrong("top_k_filter", misconception="Breaks when k is larger than the vocabulary.", hint="k may be larger than the vocabulary")
def k_too_large(probabilities, k):
    least = probabilities.topk(k)[0][..., -1:]
    kept = torch.where(probabilities >= least, probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


# --- top_p_filter --------------------------------------------------------------------------------------


@right("top_p_filter", why="cuts from the small end, as transformers does")
def p_from_below(probabilities, p):
    values, places = probabilities.sort(-1)
    cut = values.cumsum(-1) <= 1 - p
    cut[..., -1] = False
    kept = probabilities.masked_fill(torch.zeros_like(cut).scatter(-1, places, cut), 0.0)
    return kept / kept.sum(-1, keepdim=True)


@right("top_p_filter", why="row by row, token by token")
def p_row_by_row(probabilities, p):
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    out = torch.zeros_like(rows)
    for row, new in zip(rows, out):
        held = 0.0
        for i in sorted(range(len(row)), key=lambda i: -float(row[i])):
            new[i] = row[i]
            held += float(row[i])
            if held >= p:
                break
        new /= new.sum()
    return out.reshape(probabilities.shape)


@right("top_p_filter", why="shifts the mask by one and sorts it back by the inverse order")
def p_shifted(probabilities, p):
    values, places = torch.sort(probabilities, dim=-1, descending=True)
    reached = values.cumsum(-1) >= p
    cut = torch.cat([torch.zeros_like(reached[..., :1]), reached[..., :-1]], dim=-1)
    kept = values.masked_fill(cut, 0.0).gather(-1, places.argsort(-1))
    return kept / kept.sum(-1, keepdim=True)


def _nucleus(probabilities, needed_of, *, back=True, divide=True, descending=True):
    """Top-p with a rule of one's own on what is needed."""
    values, places = probabilities.sort(-1, descending=descending)
    kept = values * needed_of(values)
    if back:
        kept = torch.zeros_like(probabilities).scatter(-1, places, kept)
    return kept / kept.sum(-1, keepdim=True) if divide else kept


@wrong("top_p_filter", misconception="Drops the token that crosses p.", hint="the token that crosses p is lost")
def p_drops_crossing(probabilities, p):
    return _nucleus(probabilities, lambda values: values.cumsum(-1) <= p)


@wrong("top_p_filter", misconception="Drops the token that crosses p, but never all.", hint="the token that crosses p is lost")
def p_drops_crossing_keeps_one(probabilities, p):
    def needed(values):
        inside = values.cumsum(-1) <= p
        inside[..., 0] = True
        return inside

    return _nucleus(probabilities, needed)


@wrong("top_p_filter", misconception="Keeps none where p is 0.", hint="the likeliest token always stays, however small p is")
def p_keeps_none(probabilities, p):
    return _nucleus(probabilities, lambda values: values.cumsum(-1) - values < p)


@wrong("top_p_filter", misconception="Does not divide by the sum.", hint="do not sum to 1")
def p_not_renormalised(probabilities, p):
    return _nucleus(probabilities, lambda values: values.cumsum(-1) - values < p, divide=False)


@wrong("top_p_filter", misconception="Leaves the probabilities sorted.", hint="still sorted")
def p_sorted(probabilities, p):
    return _nucleus(probabilities, lambda values: values.cumsum(-1) - values < p, back=False)


@wrong("top_p_filter", misconception="Applies the mask of the sorted tokens to the unsorted ones.", hint="applied to the unsorted tokens")
def p_mask_unsorted(probabilities, p):
    values, _ = probabilities.sort(-1, descending=True)
    kept = probabilities * (values.cumsum(-1) - values < p)
    return kept / kept.sum(-1, keepdim=True)


@wrong("top_p_filter", misconception="Cumulates without sorting.", hint="cumulated without sorting")
def p_unsorted(probabilities, p):
    kept = probabilities * (probabilities.cumsum(-1) - probabilities < p)
    return kept / kept.sum(-1, keepdim=True)


@wrong("top_p_filter", misconception="Sorts the smallest first.", hint="the least likely tokens were taken first")
def p_smallest_first(probabilities, p):
    return _nucleus(probabilities, lambda values: values.cumsum(-1) <= p, descending=False)


@wrong("top_p_filter", misconception="Keeps one token after p is reached.", hint="one token too many is kept")
def p_one_too_many(probabilities, p):
    return _nucleus(probabilities, lambda values: torch.cat([torch.zeros_like(values[..., :2]), values.cumsum(-1)[..., :-2]], -1)[..., : values.shape[-1]] < p)


@wrong("top_p_filter", misconception="Goes on where p is reached exactly.", hint="a third token is not needed")
def p_inclusive(probabilities, p):
    def needed(values):
        inside = values.cumsum(-1) - values <= p
        return inside if p > 0 else inside & (torch.arange(values.shape[-1]) == 0)

    return _nucleus(probabilities, needed)


@wrong("top_p_filter", misconception="Keeps tokens that have p each.", hint="not with each probability")
def p_of_each(probabilities, p):
    kept = torch.where(probabilities >= p, probabilities, 0.0)
    return kept / kept.sum(-1, keepdim=True)


@wrong("top_p_filter", misconception="Takes the cut of the first row for all rows.", hint="each row is sorted, cut and divided by itself")
def p_first_row(probabilities, p):
    rows = probabilities.reshape(-1, probabilities.shape[-1])
    kept = rows * (p_row(rows[0], p) > 0)
    return (kept / kept.sum(-1, keepdim=True)).reshape(probabilities.shape)


def p_row(row, p):
    """One row, cut as it should be."""
    values, places = row.sort(descending=True)
    needed = values.cumsum(-1) - values < p
    needed[0] = True
    return torch.zeros_like(row).scatter(-1, places, values * needed)


# --- sample --------------------------------------------------------------------------------------------


@right("sample", why="by the inverse of the cumulated distribution")
def by_inverse(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    p = p if top_k is None else top_k_filter(p, top_k)
    p = p if top_p is None else top_p_filter(p, top_p)
    sums = p.double().cumsum(-1)
    u = torch.rand(len(p), 1, generator=generator, dtype=torch.float64) * sums[:, -1:]
    return torch.searchsorted(sums, u, right=True)[:, 0].clamp(max=p.shape[-1] - 1)


@right("sample", why="Gumbel noise and the largest")
def by_gumbel(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    p = top_k_filter(p, top_k) if top_k is not None else p
    p = top_p_filter(p, top_p) if top_p is not None else p
    noise = -(-torch.rand(p.shape, generator=generator).clamp(min=1e-20).log()).log()
    return (p.log() + noise).argmax(-1)


@wrong("sample", misconception="Takes the likeliest.", hint="greedy decoding")
def takes_best(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    return logits.argmax(-1)


@wrong("sample", misconception="Draws once for all rows.", hint="draw for each row anew")
def one_draw(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits[:1], temperature)
    p = top_k_filter(p, top_k) if top_k is not None else p
    p = top_p_filter(p, top_p) if top_p is not None else p
    return torch.multinomial(p, 1, generator=generator)[:, 0].expand(len(logits)).contiguous()


@wrong("sample", misconception="Draws all tokens with the same probability.", hint="all tokens are alike likely")
def uniform(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    return torch.randint(logits.shape[-1], (len(logits),), generator=generator)


@wrong("sample", misconception="Keeps the axis of draws.", hint="take the one draw of each row")
def column(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    return torch.multinomial(apply_temperature(logits, temperature), 1, generator=generator)


@wrong("sample", misconception="Ignores the temperature.", hint="the temperature has no effect on the draw")
def sample_no_temperature(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = logits.softmax(-1)
    p = top_k_filter(p, top_k) if top_k is not None else p
    p = top_p_filter(p, top_p) if top_p is not None else p
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample", misconception="Ignores top_k.", hint="top_k has no effect")
def sample_no_k(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    p = top_p_filter(p, top_p) if top_p is not None else p
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample", misconception="Ignores top_p.", hint="top_p has no effect on the draw")
def sample_no_p(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    p = top_k_filter(p, top_k) if top_k is not None else p
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample", misconception="Uses one filter or the other.", hint="top_p has no effect where top_k is given")
def sample_either(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    if top_k is not None:
        p = top_k_filter(p, top_k)
    elif top_p is not None:
        p = top_p_filter(p, top_p)
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample", misconception="Cuts top-p before top-k.", hint="top-p comes after top-k")
def sample_p_first(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    p = top_p_filter(p, top_p) if top_p is not None else p
    p = top_k_filter(p, top_k) if top_k is not None else p
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample", misconception="Filters are not renormalised: top-p sees what top-k left, which sums to less than 1.", hint="top-p comes after top-k, and sees what top-k left, summing to 1")
def sample_not_renormalised(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    whole = p = apply_temperature(logits, temperature)
    p = torch.where(top_k_filter(p, top_k) > 0, p, 0.0) if top_k is not None else p
    p = torch.where(top_p_filter(whole, top_p) > 0, p, 0.0) if top_p is not None else p
    return torch.multinomial(p, 1, generator=generator)[:, 0]


@wrong("sample", misconception="Applies the temperature after the filters.", hint="the temperature comes before top-p")
def sample_temperature_last(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = logits.softmax(-1)
    p = top_k_filter(p, top_k) if top_k is not None else p
    p = top_p_filter(p, top_p) if top_p is not None else p
    return torch.multinomial(apply_temperature(p.log(), temperature), 1, generator=generator)[:, 0]


@wrong("sample", misconception="Does not use the generator.", hint="the generator is not used")
def sample_no_generator(logits, temperature=1.0, top_k=None, top_p=None, generator=None):
    p = apply_temperature(logits, temperature)
    p = top_k_filter(p, top_k) if top_k is not None else p
    p = top_p_filter(p, top_p) if top_p is not None else p
    return torch.multinomial(p, 1)[:, 0]


# --- expected_calibration_error ------------------------------------------------------------------------


@right("expected_calibration_error", why="differences of sums, by bincount")
def by_bincount(confidences, correct, n_bins=10):
    at = torch.clamp((confidences * n_bins).floor().long(), 0, n_bins - 1)
    gaps = torch.bincount(at, weights=correct.double() - confidences.double(), minlength=n_bins)
    return (gaps.abs().sum() / len(confidences)).item()


@right("expected_calibration_error", why="bins with their upper border, in plain Python")
def in_plain_python(confidences, correct, n_bins=10):
    bins = {}
    for sure, came in zip(confidences.tolist(), correct.tolist()):
        bins.setdefault(max(math.ceil(sure * n_bins), 1), []).append((sure, came))
    error = 0.0
    for members in bins.values():
        mean_sure = sum(sure for sure, _ in members) / len(members)
        share = sum(came for _, came in members) / len(members)
        error += len(members) / len(confidences) * abs(share - mean_sure)
    return error


def _bins(confidences, n_bins):
    return (confidences * n_bins).long().clamp(max=n_bins - 1)


def _gaps(confidences, correct, n_bins):
    """(count, share right minus mean confidence) of each bin that is not empty."""
    at, right_ones = _bins(confidences, n_bins), correct.float()
    return [(int((at == b).sum()), float(right_ones[at == b].mean() - confidences[at == b].mean())) for b in range(n_bins) if (at == b).any()]


@wrong("expected_calibration_error", misconception="Lets all bins count alike.", hint="all bins count alike")
def ece_unweighted(confidences, correct, n_bins=10):
    gaps = _gaps(confidences, correct, n_bins)
    return sum(abs(gap) for _, gap in gaps) / len(gaps)


@wrong("expected_calibration_error", misconception="Divides by the number of bins.", hint="the empty ones too")
def ece_over_bins(confidences, correct, n_bins=10):
    return sum(abs(gap) for _, gap in _gaps(confidences, correct, n_bins)) / n_bins


@wrong("expected_calibration_error", misconception="Takes the mean of empty bins.", hint="the mean of an empty bin is NaN")
def ece_nan(confidences, correct, n_bins=10):
    at, total = _bins(confidences, n_bins), 0.0
    for b in range(n_bins):
        gap = correct[at == b].float().mean() - confidences[at == b].mean()
        total += (at == b).float().mean() * gap.abs()
    return float(total)


@wrong("expected_calibration_error", misconception="Lets gaps above and below cancel.", hint="gaps above and below the diagonal cancel")
def ece_signed(confidences, correct, n_bins=10):
    return sum(count * gap for count, gap in _gaps(confidences, correct, n_bins)) / len(confidences)


@wrong("expected_calibration_error", misconception="Takes the absolute value of the sum.", hint="of each bin, not of the sum")
def ece_abs_of_sum(confidences, correct, n_bins=10):
    return abs(sum(count * gap for count, gap in _gaps(confidences, correct, n_bins))) / len(confidences)


@wrong("expected_calibration_error", misconception="Takes the largest gap.", hint="this is the largest distance")
def ece_largest(confidences, correct, n_bins=10):
    return max(abs(gap) for _, gap in _gaps(confidences, correct, n_bins))


@wrong("expected_calibration_error", misconception="Forgets to divide by N.", hint="not divided by N")
def ece_sum(confidences, correct, n_bins=10):
    return sum(count * abs(gap) for count, gap in _gaps(confidences, correct, n_bins))


@wrong("expected_calibration_error", misconception="Squares the gaps.", hint="the gaps are squared")
def ece_squared(confidences, correct, n_bins=10):
    return sum(count * gap**2 for count, gap in _gaps(confidences, correct, n_bins)) / len(confidences)


@wrong("expected_calibration_error", misconception="Compares each prediction with itself.", hint="compared with its own 0 or 1")
def ece_no_bins(confidences, correct, n_bins=10):
    return float((correct.float() - confidences).abs().mean())


@wrong("expected_calibration_error", misconception="Compares with the middle of the bin.", hint="the middle of the bin")
def ece_middle(confidences, correct, n_bins=10):
    at, total = _bins(confidences, n_bins), 0.0
    for b in set(at.tolist()):
        share = correct[at == b].float().mean()
        total += float((at == b).sum() * (share - (b + 0.5) / n_bins).abs())
    return total / len(confidences)


@wrong("expected_calibration_error", misconception="Loses a confidence of 1.", hint="falls out of the last bin")
def ece_loses_one(confidences, correct, n_bins=10):
    at, total = (confidences * n_bins).long(), 0.0
    for b in range(n_bins):
        if (at == b).any():
            total += float((at == b).sum() * (correct[at == b].float().mean() - confidences[at == b].mean()).abs())
    return total / len(confidences)


@wrong("expected_calibration_error", misconception="Always takes ten bins.", hint="n_bins has no effect")
def ece_ten_bins(confidences, correct, n_bins=10):
    return sum(count * abs(gap) for count, gap in _gaps(confidences, correct, 10)) / len(confidences)


@wrong("expected_calibration_error", misconception="Takes the mean of booleans.", hint="make it numbers with .float()")
def ece_of_bools(confidences, correct, n_bins=10):
    at = _bins(confidences, n_bins)
    return sum(float((at == b).float().mean() * (correct[at == b].mean() - confidences[at == b].mean()).abs()) for b in at.unique())


# --- decode_with_cache ---------------------------------------------------------------------------------


@right("decode_with_cache", why="the prompt first, then one token at a time")
def prompt_then_tokens(read, prompt, n, end_id=None):
    if n == 0:
        return []
    logits, cache = read(torch.tensor([prompt]), None, 0)
    new = [logits[0, -1].argmax().item()]
    while len(new) < n and new[-1] != end_id:
        logits, cache = read(torch.tensor([[new[-1]]]), cache, len(prompt) + len(new) - 1)
        new.append(logits[0, -1].argmax().item())
    return new


@right("decode_with_cache", why="the prompt, too, token by token")
def all_by_token(read, prompt, n, end_id=None):
    cache, place, new = None, 0, []
    for token in prompt:
        logits, cache = read(torch.tensor([[token]]), cache, place)
        place += 1
    for _ in range(n):
        new.append(int(logits[0, -1].argmax()))
        if new[-1] == end_id or len(new) == n:
            break
        logits, cache = read(torch.tensor([[new[-1]]]), cache, place)
        place += 1
    return new


def _with_cache(read, prompt, n, end_id, *, first=lambda n_read, step, before: n_read, keep=lambda new, old: new, fed=lambda text, n_read: text[n_read:], whole=False, stops=True):
    """Decoding with a cache whose parts can be exchanged for mistakes."""
    text, n_read, cache = list(prompt), 0, None
    for step in range(n):
        logits, new = read(torch.tensor([fed(text, n_read)]), cache, first(n_read, step, len(prompt)))
        cache, n_read = keep(new, cache), len(text)
        text.append(int(logits[0, -1].argmax()))
        if stops and text[-1] == end_id:
            break
    return text if whole else text[len(prompt) :]


@wrong("decode_with_cache", misconception="Lets the places begin at 0 with every call.", hint="the places begin at 0 again")
def places_restart(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, first=lambda n_read, step, before: 0)


@wrong("decode_with_cache", misconception="Counts new tokens only.", hint="the places count only new tokens")
def places_of_new(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, first=lambda n_read, step, before: step)


@wrong("decode_with_cache", misconception="Places each new token one too far.", hint="one too far")
def places_too_far(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, first=lambda n_read, step, before: n_read + (step > 0))


@wrong("decode_with_cache", misconception="Places each new token one too early.", hint="one too early")
def places_too_early(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, first=lambda n_read, step, before: max(n_read - 1, 0))


@wrong("decode_with_cache", misconception="Tells every new token the same place.", hint="every new token is told the same place")
def places_stay(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, first=lambda n_read, step, before: before * (step > 0))


@wrong("decode_with_cache", misconception="Does not pass the cache on.", hint="the cache is not passed on")
def no_cache(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, keep=lambda new, old: None)


@wrong("decode_with_cache", misconception="Passes the prompt's cache each time.", hint="the first cache is passed each time")
def stale_cache(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, keep=lambda new, old: new if old is None else old)


@wrong("decode_with_cache", misconception="Feeds the whole text although it is in the cache.", hint="feed only what is new")
def feeds_all(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, fed=lambda text, n_read: text, first=lambda n_read, step, before: 0)


@wrong("decode_with_cache", misconception="Feeds the whole text at the places behind what was read.", hint="feed only what is new")
def feeds_all_behind(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, fed=lambda text, n_read: text)


@wrong("decode_with_cache", misconception="Reads everything anew in each step, without a cache.", hint="the text is read again in each step")
def reads_anew(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, fed=lambda text, n_read: text, keep=lambda new, old: None, first=lambda n_read, step, before: 0)


@wrong("decode_with_cache", misconception="Returns the prompt, too.", hint="the prompt is in the result")
def cache_with_prompt(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, whole=True)


@wrong("decode_with_cache", misconception="Never stops at the end token.", hint="goes on behind the end token")
def cache_no_end(read, prompt, n, end_id=None):
    return _with_cache(read, prompt, n, end_id, stops=False)


@wrong("decode_with_cache", misconception="Leaves the end token out.", hint="the end token is missing")
def cache_end_left_out(read, prompt, n, end_id=None):
    found = _with_cache(read, prompt, n, end_id)
    return found[:-1] if found and found[-1] == end_id else found


@wrong("decode_with_cache", misconception="Hands a single token in without its axes.", hint="a tensor of shape (1, T)")
def cache_no_axes(read, prompt, n, end_id=None):
    text, n_read, cache = list(prompt), 0, None
    for _ in range(n):
        logits, cache = read(torch.tensor(text[n_read:]), cache, n_read)
        n_read = len(text)
        text.append(int(logits[0, -1].argmax()))
        if text[-1] == end_id:
            break
    return text[len(prompt) :]


# --- accept_or_resample --------------------------------------------------------------------------------


@right("accept_or_resample", why="the ratio itself, and residuals that sum to 1")
def by_ratio(p, q, drafted, generator=None):
    ratio = p.gather(1, drafted[:, None]) / q.gather(1, drafted[:, None])
    kept = torch.rand(ratio.shape, generator=generator) < ratio.clamp(max=1.0)
    residual = torch.where(p > q, p - q, torch.zeros_like(p))
    total = residual.sum(1, keepdim=True)
    residual = torch.where(total > 0, residual / total.clamp(min=1e-30), p)
    other = torch.multinomial(residual, 1, generator=generator)
    return kept[:, 0], torch.where(kept, drafted[:, None], other)[:, 0]


@right("accept_or_resample", why="row by row, and a replacement only where one is needed")
def decided_row_by_row(p, q, drafted, generator=None):
    kept, tokens = [], []
    for p_row, q_row, token in zip(p, q, drafted.tolist()):
        keep = bool(torch.rand((), generator=generator) * q_row[token] < p_row[token])
        if not keep:
            token = int(torch.multinomial(torch.relu(p_row - q_row), 1, generator=generator))
        kept.append(keep)
        tokens.append(token)
    return torch.tensor(kept, dtype=torch.bool), torch.tensor(tokens, dtype=torch.long)


def _decide(p, q, drafted, generator, *, chance=None, residual=None):
    """The decision, with a rule of one's own."""
    own = [rows.gather(1, drafted[:, None])[:, 0] for rows in (p, q)]
    keep = own[0] / own[1] if chance is None else chance(*own)
    kept = torch.rand(len(drafted), generator=generator) < keep
    left = (p - q).clamp(min=0) if residual is None else residual
    other = torch.multinomial(left + 1e-12, 1, generator=generator)[:, 0]
    return kept, torch.where(kept, drafted, other)


@wrong("accept_or_resample", misconception="Resamples from p instead of max(0, p - q).", hint="a replacement is drawn from p;")
def resampled_from_p(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, residual=p)


@wrong("accept_or_resample", misconception="Resamples from the draft.", hint="drawn from q once more")
def resampled_from_q(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, residual=q)


@wrong("accept_or_resample", misconception="Turns the residual round.", hint="the residual is the wrong way round")
def residual_round(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, residual=(q - p).clamp(min=0))


@wrong("accept_or_resample", misconception="Takes the absolute difference.", hint="not the absolute value")
def residual_absolute(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, residual=(p - q).abs())


@wrong("accept_or_resample", misconception="Takes the likeliest of the residual.", hint="you take the largest")
def residual_largest(p, q, drafted, generator=None):
    kept, _ = _decide(p, q, drafted, generator)
    return kept, torch.where(kept, drafted, (p - q).argmax(-1))


@wrong("accept_or_resample", misconception="Turns the ratio round.", hint="the ratio is upside down")
def ratio_round(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, chance=lambda own_p, own_q: own_q / own_p)


@wrong("accept_or_resample", misconception="Keeps a token with the probability p.", hint="a token is kept with p;")
def kept_with_p(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, chance=lambda own_p, own_q: own_p)


@wrong("accept_or_resample", misconception="Keeps a token exactly where p is larger.", hint="kept where p is larger than q")
def threshold(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator, chance=lambda own_p, own_q: (own_p >= own_q).float())


@wrong("accept_or_resample", misconception="Keeps everything.", hint="everything is kept")
def keeps_all(p, q, drafted, generator=None):
    return torch.ones_like(drafted, dtype=torch.bool), drafted


@wrong("accept_or_resample", misconception="Keeps what is to be turned down.", hint="and the other way round")
def keeps_the_others(p, q, drafted, generator=None):
    kept, tokens = _decide(p, q, drafted, generator)
    return ~kept, tokens


@wrong("accept_or_resample", misconception="Returns the drafted token in any case.", hint="replace it")
def not_replaced(p, q, drafted, generator=None):
    return _decide(p, q, drafted, generator)[0], drafted


@wrong("accept_or_resample", misconception="Replaces every token.", hint="where a token is kept, it is the drafted one")
def all_replaced(p, q, drafted, generator=None):
    kept, _ = _decide(p, q, drafted, generator)
    return kept, torch.multinomial((p - q).clamp(min=0) + 1e-12, 1, generator=generator)[:, 0]


@wrong("accept_or_resample", misconception="Breaks on a residual of zeros.", hint="the residual is a row of zeros")
def zeros_break(p, q, drafted, generator=None):
    row = torch.arange(len(drafted))
    kept = torch.rand(len(drafted), generator=generator) * q[row, drafted] < p[row, drafted]
    other = torch.multinomial((p - q).clamp(min=0), 1, generator=generator)[:, 0]
    return kept, torch.where(kept, drafted, other)


@wrong("accept_or_resample", misconception="Compares whole rows instead of the drafted token.", hint="take the probability of the drafted token in each row")
def whole_rows(p, q, drafted, generator=None):
    kept = torch.rand(len(drafted), generator=generator) < p / q
    other = torch.multinomial((p - q).clamp(min=0) + 1e-12, 1, generator=generator)[:, 0]
    return kept, torch.where(kept, drafted, other)


# --- speculative_decode --------------------------------------------------------------------------------


@right("speculative_decode", why="the draft by sample, and the kept tokens counted by a product")
def by_sample(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    text = torch.tensor([prompt])
    n_before = len(prompt)
    while text.shape[1] < n_before + n:
        longer = text
        for _ in range(ahead):
            token = sample(small(longer)[0][:, -1], temperature, generator=generator)
            longer = torch.cat([longer, token[:, None]], dim=1)
        T = text.shape[1]
        q = apply_temperature(small(longer)[0][0, T - 1 : -1], temperature)
        logits = large(longer)[0][0]
        p = apply_temperature(logits[T - 1 :], temperature)
        kept, tokens = verify(p[:ahead], q, longer[0, T:], generator)
        n_kept = int(kept.int().cumprod(0).sum())
        new = tokens[: n_kept + 1] if n_kept < ahead else torch.cat([tokens, sample(logits[-1:], temperature, generator=generator)])
        text = torch.cat([text, new[None]], dim=1)
    return text[0, n_before : n_before + n].tolist()


@right("speculative_decode", why="token by token, until one is turned down")
def until_turned_down(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    new = []
    while len(new) < n:
        drafted, rows = [], []
        for _ in range(ahead):
            rows.append(apply_temperature(small(torch.tensor([[*prompt, *new, *drafted]]))[0][:, -1], temperature))
            drafted.append(torch.multinomial(rows[-1], 1, generator=generator).item())
        logits = large(torch.tensor([[*prompt, *new, *drafted]]))[0]
        p = apply_temperature(logits[0, len(prompt) + len(new) - 1 :], temperature)
        kept, tokens = verify(p[:-1], torch.cat(rows), torch.tensor(drafted), generator)
        for keep, token in zip(kept.tolist(), tokens.tolist()):
            new.append(token)
            if not keep:
                break
        else:
            new.append(torch.multinomial(p[-1], 1, generator=generator).item())
    return new[:n]


def _ahead(large, small, prompt, n, ahead, temperature, generator, verify, *, change):
    """Speculative decoding, with the mistakes that `change` names."""
    text = list(prompt)
    while len(text) < len(prompt) + n:
        guess, q = list(text), []
        for _ in range(ahead):
            seen = text if "draft from the text" in change else guess
            q.append(apply_temperature(small(torch.tensor([seen]))[0][0, -1], 1.0 if "small at 1" in change else temperature))
            guess.append(int(torch.multinomial(q[-1], 1, generator=generator)))
        drafted, q = torch.tensor(guess[len(text) :]), torch.stack(q)
        if "call by call" in change:
            rows = [large(torch.tensor([guess[: len(text) + i]]))[0][0, -1] for i in range(ahead + 1)]
            logits = torch.stack(rows)
        else:
            logits = large(torch.tensor([guess]))[0][0, -ahead - 1 :]
        p = apply_temperature(logits, 1.0 if "large at 1" in change else temperature)
        if "logits" in change:
            p = logits
        own = p[1:] if "p too late" in change else p if "p whole" in change else p[:-1]
        kept, tokens = verify(own, q[[0] * ahead] if "one q" in change else q, drafted, generator)
        n_kept = [*kept.tolist(), False].index(False)
        if "count" in change:
            n_kept = int(kept.sum())
        if "ignores kept" in change:
            text += tokens.tolist()
        elif "keeps the drafted" in change:
            text += drafted[: n_kept + 1].tolist()
        elif "no replacement" in change:
            text += tokens[:n_kept].tolist() or [int(tokens[0])]
        else:
            text += tokens[: n_kept + 1].tolist()
        if ("always more" in change or n_kept == ahead) and "no more" not in change:
            row = p[0] if "more from the first" in change else p[-2] if "more from the last drafted" in change else p[-1]
            text.append(int(torch.multinomial(row, 1, generator=generator)))
    new = text[len(prompt) :]
    if "with prompt" in change:
        return text[:n]
    return new if "not cut" in change else new[:n]


@wrong("speculative_decode", misconception="Takes what was drafted after a token that is turned down.", hint="what was drafted after a token that is turned down must go")
def takes_later_ones(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["ignores kept"])


@wrong("speculative_decode", misconception="Counts the kept tokens wherever they stand.", hint="what was drafted after a token that is turned down must go")
def counts_kept(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["count"])


@wrong("speculative_decode", misconception="Leaves the drafted token where its replacement belongs.", hint="the replacement is missing")
def no_replacement(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["keeps the drafted"])


@wrong("speculative_decode", misconception="Loses the replacement.", hint="the replacement is missing")
def loses_replacement(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["no replacement"])


@wrong("speculative_decode", misconception="Draws no token after a draft that is kept.", hint="the token after the draft is missing")
def no_extra(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["no more"])


@wrong("speculative_decode", misconception="Draws the token after the draft from the first row.", hint="from the wrong row of p")
def extra_from_first(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["more from the first"])


@wrong("speculative_decode", misconception="Draws the token after the draft from the row before it.", hint="from the wrong row of p")
def extra_from_last_drafted(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["more from the last drafted"])


@wrong("speculative_decode", misconception="Draws one more token in every round.", hint="after a replacement nothing more")
def extra_always(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["always more"])


@wrong("speculative_decode", misconception="Compares with p one place too late.", hint="p is one place too late")
def p_too_late(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["p too late"])


@wrong("speculative_decode", misconception="Hands all rows of p to the decision.", hint="the row after them is kept back")
def p_whole(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["p whole"])


@wrong("speculative_decode", misconception="Drafts every token from the text alone.", hint="the draft goes on from its own tokens")
def drafts_from_text(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["draft from the text"])


@wrong("speculative_decode", misconception="Compares with the first q each time.", hint="one row for each")
def one_q(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["one q"])


@wrong("speculative_decode", misconception="Compares logits.", hint="apply the temperature to the logits")
def compares_logits(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["logits"])


@wrong("speculative_decode", misconception="Calls the large model for each drafted token.", hint="in one call")
def call_by_call(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["call by call"])


@wrong("speculative_decode", misconception="Returns more than n tokens.", hint="cut what goes beyond n")
def not_cut(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["not cut"])


@wrong("speculative_decode", misconception="Returns the prompt, too.", hint="the prompt is in the result")
def speculative_with_prompt(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["with prompt"])


@wrong("speculative_decode", misconception="Applies the temperature to the large model only.", hint="the temperature belongs to both models")
def small_at_one(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["small at 1"])


@wrong("speculative_decode", misconception="Applies the temperature to the draft only.", hint="the temperature belongs to both models")
def large_at_one(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, generator, verify, change=["large at 1"])


@wrong("speculative_decode", misconception="Does not use the generator for its own draws.", hint="the generator belongs to every draw")
def own_draws_without_generator(large, small, prompt, n, ahead=4, temperature=1.0, generator=None, verify=accept_or_resample):
    return _ahead(large, small, prompt, n, ahead, temperature, None, lambda p, q, drafted, _: verify(p, q, drafted, generator), change=[])


equivalent("greedy_decode", mutant="line 4: 0 -> -1", why="There is one text, so the first is the last.")
equivalent("beam_search", mutant="line 7: 0 -> -1", why="There is one text, so the first is the last.")
equivalent("beam_search", mutant="line 7: 1 -> 0 (no. 2)", why="The tensor has a single axis, so 0 is the last.")
equivalent("beam_search", mutant="line 7: 1 -> 2 (no. 3)", why="More candidates than needed change nothing.")
equivalent("beam_search", mutant="line 8: values.tolist() -> values", why="A tensor that holds one number counts as that number.")
equivalent("beam_search", mutant="line 8: ids.tolist() -> ids", why="A tensor that holds one number counts as that number.")
equivalent("beam_search", mutant="line 9: 1 -> -1", why="A pair's second member is its last.")
equivalent("beam_search", mutant="line 14: 1 -> -1", why="A pair's second member is its last.")
equivalent("sample", mutant="line 6: 1 -> 2", why="The first of two draws is distributed as a single one.")
equivalent("sample", mutant="line 6: 0 -> -1", why="There is one draw in each row, so the first is the last.")
equivalent("expected_calibration_error", mutant="line 3: range(n_bins) -> range(n_bins + 1)", why="The bin after the last is empty.")
equivalent("expected_calibration_error", mutant="line 6: correct[inside].double().mean() - confidences[inside].dou... -> confidences[inside].double().mean() - correct[inside].dou...", why="The absolute value is taken.")
equivalent("expected_calibration_error", mutant="line 6: confidences[inside].double() -> confidences[inside]", why="Single precision is enough here; the difference is far below the tolerance.")
equivalent("decode_with_cache", mutant="line 5: 0 -> -1", why="There is one text, so the first is the last.")
equivalent("accept_or_resample", mutant="line 3: chance * q[row, drafted] < p[row, drafted] -> chance * q[row, drafted] <= p[row, drafted]", why="The two are equal next to never.")
equivalent("accept_or_resample", mutant="line 4: 1e-12 -> 1e-09", why="Both are too small to be drawn.")
equivalent("accept_or_resample", mutant="line 5: 1 -> 2", why="The first of two draws is distributed as a single one.")
equivalent("accept_or_resample", mutant="line 5: 0 -> -1", why="There is one draw in each row, so the first is the last.")
equivalent("speculative_decode", mutant="line 5: 0 -> -1 (no. 2)", why="There is one text, so the first is the last.")
equivalent("speculative_decode", mutant="line 8: 0 -> -1 (no. 2)", why="There is one text, so the first is the last.")
equivalent("speculative_decode", mutant="line 10: kept.tolist() -> kept", why="A tensor that holds one boolean equals False as that boolean does.")
equivalent("speculative_decode", mutant="line 11: tokens[:n_kept + 1].tolist() -> tokens[:n_kept + 1]", why="A tensor that holds one number counts as that number.")
