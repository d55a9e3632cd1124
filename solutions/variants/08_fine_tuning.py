"""Other right answers to notebook 08, and the wrong ones that students give."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from autograder.variants import equivalent, right, wrong

# --- pool_last_token -----------------------------------------------------------------------------------


@right("pool_last_token", why="a loop over texts")
def text_by_text(hidden, attention_mask):
    return torch.stack([states[mask.nonzero()[-1, 0]] for states, mask in zip(hidden, attention_mask)])


@right("pool_last_token", why="looks from the right for the first 1")
def from_the_right(hidden, attention_mask):
    back = attention_mask.flip(1).argmax(dim=1)
    return hidden[torch.arange(len(hidden)), hidden.shape[1] - 1 - back]


@right("pool_last_token", why="cumulative sums, and gather")
def by_running_sums(hidden, attention_mask):
    last = attention_mask.cumsum(dim=1).argmax(dim=1)
    return hidden.gather(1, last[:, None, None].expand(-1, 1, hidden.shape[2])).squeeze(1)


@wrong("pool_last_token", misconception="Takes the last place of the row, the pad token.", hint="a padding token; the attention mask says where the text ends")
def pools_the_padding(hidden, attention_mask):
    return hidden[:, -1]


@wrong("pool_last_token", misconception="Takes the length as the place.", hint="one place too far")
def one_too_far(hidden, attention_mask):
    last = attention_mask.sum(dim=1).clamp(max=hidden.shape[1] - 1)
    return hidden[torch.arange(len(hidden)), last]


@wrong("pool_last_token", misconception="Counts tokens, which is right for padding on the right only.", hint="with padding on the left the text does not begin at place 0")
def counts_tokens(hidden, attention_mask):
    return hidden[torch.arange(len(hidden)), attention_mask.sum(dim=1) - 1]


@wrong("pool_last_token", misconception="Takes the first token, as for [CLS].", hint="it has seen nothing but itself")
def first_token(hidden, attention_mask):
    return hidden[:, 0]


@wrong("pool_last_token", misconception="Takes the mean over the text.", hint="the mean over the text")
def mean_of_text(hidden, attention_mask):
    mask = attention_mask[..., None]
    return (hidden * mask).sum(1) / mask.sum(1)


@wrong("pool_last_token", misconception="Takes the mean over all places.", hint="a mean over all places, padding included")
def mean_of_all(hidden, attention_mask):
    return hidden.mean(dim=1)


@wrong("pool_last_token", misconception="Keeps the axis of places.", hint="the axis of places is still there")
def keeps_the_axis(hidden, attention_mask):
    last = (attention_mask * torch.arange(hidden.shape[1])).argmax(dim=1)
    return hidden[torch.arange(len(hidden)), last][:, None]


@wrong("pool_last_token", misconception="Reads all texts at all last places.", hint="pair row with place")
def every_row_with_every_place(hidden, attention_mask):
    return hidden[:, (attention_mask * torch.arange(hidden.shape[1])).argmax(dim=1)]


@wrong("pool_last_token", misconception="Looks for the first 0 of the mask.", hint="look for the last 1 of the mask")
def before_the_first_zero(hidden, attention_mask):
    length = torch.where(attention_mask.all(1), hidden.shape[1], attention_mask.argmin(1))
    return hidden[torch.arange(len(hidden)), length - 1]


# --- ClassificationHead --------------------------------------------------------------------------------


class Classifier(nn.Module):
    def __init__(self, width, n_classes, dropout=0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, n_classes)


@right("ClassificationHead", why="dropout as a function that is told the mode, and the loss by hand")
class ByHand(nn.Module):
    def __init__(self, width, n_classes, dropout=0.1):
        super().__init__()
        self.p = dropout
        self.output = nn.Linear(width, n_classes)

    def forward(self, pooled, labels=None):
        logits = self.output(F.dropout(pooled, self.p, training=self.training))
        if labels is None:
            return logits, None
        log_p = logits.log_softmax(dim=-1)
        return logits, -log_p[torch.arange(len(labels)), labels].mean()


@right("ClassificationHead", why="nll_loss")
class ByNll(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        loss = None
        if labels is not None:
            loss = F.nll_loss(F.log_softmax(logits, dim=1), labels)
        return logits, loss


@wrong("ClassificationHead", misconception="Returns probabilities, and gives them to the cross-entropy.", hint="these are probabilities")
class SoftmaxTwice(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled)).softmax(dim=-1)
        return logits, None if labels is None else F.cross_entropy(logits, labels)


@wrong("ClassificationHead", misconception="Gives probabilities to the cross-entropy.", hint="two softmaxes")
class SoftmaxInTheLoss(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        return logits, None if labels is None else F.cross_entropy(logits.softmax(dim=-1), labels)


@wrong("ClassificationHead", misconception="Returns log probabilities.", hint="these are log probabilities")
class LogProbabilities(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled)).log_softmax(dim=-1)
        return logits, None if labels is None else F.nll_loss(logits, labels)


@wrong("ClassificationHead", misconception="Adds the losses up.", hint="the losses are added up")
class SumOfLosses(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        return logits, None if labels is None else F.cross_entropy(logits, labels, reduction="sum")


@wrong("ClassificationHead", misconception="Returns a loss for each text.", hint="there is one loss for each text")
class LossPerText(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        return logits, None if labels is None else F.cross_entropy(logits, labels, reduction="none")


@wrong("ClassificationHead", misconception="Drops in evaluation as well.", hint="in evaluation, too: keep nn.Dropout as self.dropout")
class DropsAlways(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(F.dropout(pooled, self.dropout.p))
        return logits, None if labels is None else F.cross_entropy(logits, labels)


@wrong("ClassificationHead", misconception="Has no dropout.", hint="Nothing is dropped in training")
class NoDropout(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.output(pooled)
        return logits, None if labels is None else F.cross_entropy(logits, labels)


@wrong("ClassificationHead", misconception="Drops logits instead of states.", hint="Dropout is for the state, before the linear layer")
class DropsLogits(Classifier):
    def forward(self, pooled, labels=None):
        logits = self.dropout(self.output(pooled))
        return logits, None if labels is None else F.cross_entropy(logits, labels)


@wrong("ClassificationHead", misconception="Always drops a tenth.", hint="with dropout=0.5 each of its numbers is dropped or doubled")
class FixedDropout(Classifier):
    def __init__(self, width, n_classes, dropout=0.1):
        super().__init__(width, n_classes, 0.1)

    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        return logits, None if labels is None else F.cross_entropy(logits, labels)


@wrong("ClassificationHead", misconception="Exchanges the sizes.", hint="the sizes are exchanged")
class SizesExchanged(nn.Module):
    def __init__(self, width, n_classes, dropout=0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(n_classes, width)

    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        return logits, None if labels is None else F.cross_entropy(logits, labels)


@wrong("ClassificationHead", misconception="Has no bias.", hint="the linear layer has a bias")
class NoBias(nn.Module):
    def __init__(self, width, n_classes, dropout=0.1):
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.output = nn.Linear(width, n_classes, bias=False)

    def forward(self, pooled, labels=None):
        logits = self.output(self.dropout(pooled))
        return logits, None if labels is None else F.cross_entropy(logits, labels)


# --- TaggingHead ---------------------------------------------------------------------------------------


class Tagger(nn.Module):
    def __init__(self, width, n_tags):
        super().__init__()
        self.output = nn.Linear(width, n_tags)


@right("TaggingHead", why="flattens both")
class Flattens(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        loss = None if labels is None else F.cross_entropy(logits.flatten(0, 1), labels.flatten(), ignore_index=-100)
        return logits, loss


@right("TaggingHead", why="picks the places with a label first")
class PicksLabelled(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        if labels is None:
            return logits, None
        there = labels != -100
        log_p = logits[there].log_softmax(-1)
        return logits, -log_p.gather(1, labels[there][:, None]).mean()


@wrong("TaggingHead", misconception="Counts places without a label as label 0.", hint="as if their label were 0")
class ClampsLabels(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        return logits, None if labels is None else F.cross_entropy(logits.transpose(1, 2), labels.clamp(min=0))


@wrong("TaggingHead", misconception="Reshapes instead of transposing.", hint="reshape does not transpose")
class Reshapes(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        if labels is None:
            return logits, None
        B, T, K = logits.shape
        return logits, F.cross_entropy(logits.reshape(B, K, T), labels)


@wrong("TaggingHead", misconception="Divides by all places.", hint="you divide by all places")
class MeanOverAll(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        return logits, None if labels is None else F.cross_entropy(logits.transpose(1, 2), labels, reduction="none").mean()


@wrong("TaggingHead", misconception="Adds the losses up.", hint="the losses are added up")
class SumOverPlaces(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        return logits, None if labels is None else F.cross_entropy(logits.transpose(1, 2), labels, reduction="sum")


@wrong("TaggingHead", misconception="Averages within each text first.", hint="you take the mean of each text first")
class MeanOfMeans(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        if labels is None:
            return logits, None
        return logits, torch.stack([F.cross_entropy(z, y) for z, y in zip(logits, labels)]).mean()


@wrong("TaggingHead", misconception="Reads one state for the whole text.", hint="there is one label for each text")
class OneStatePerText(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden[:, 0])
        return logits, None if labels is None else F.cross_entropy(logits, labels[:, 0])


@wrong("TaggingHead", misconception="Returns a loss for each place.", hint="there is one loss for each place")
class LossPerPlace(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        return logits, None if labels is None else F.cross_entropy(logits.transpose(1, 2), labels, reduction="none")


@wrong("TaggingHead", misconception="Ignores label 0 instead of -100.", hint="could not read what it got")
class IgnoresZero(Tagger):
    def forward(self, hidden, labels=None):
        logits = self.output(hidden)
        return logits, None if labels is None else F.cross_entropy(logits.transpose(1, 2), labels, ignore_index=0)


@wrong("TaggingHead", misconception="Returns probabilities.", hint="these are probabilities")
class TagProbabilities(Tagger):
    def forward(self, hidden, labels=None):
        p = self.output(hidden).softmax(-1)
        return p, None if labels is None else F.nll_loss(p.log().transpose(1, 2), labels)


# --- SpanHead ------------------------------------------------------------------------------------------


class Span(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.output = nn.Linear(width, 2)

    def scores(self, hidden, allowed):
        return self.output(hidden).masked_fill(~allowed[..., None], -math.inf)

    def forward(self, hidden, allowed, spans=None):
        logits = self.scores(hidden, allowed)
        if spans is None:
            return logits, None
        return logits, F.cross_entropy(logits[..., 0], spans[:, 0]) + F.cross_entropy(logits[..., 1], spans[:, 1])

    def best_spans(self, logits, longest):
        T = logits.shape[1]
        sums = logits[:, :, None, 0] + logits[:, None, :, 1]
        possible = torch.ones(T, T).triu().tril(longest - 1).bool()
        best = sums.masked_fill(~possible, -math.inf).flatten(1).argmax(dim=1)
        return torch.stack([best // T, best % T], dim=1)


@right("SpanHead", why="loops over starts and ends, where instead of masked_fill, one cross-entropy")
class LoopsOverSpans(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.output = nn.Linear(width, 2)

    def forward(self, hidden, allowed, spans=None):
        logits = torch.where(allowed[:, :, None], self.output(hidden), torch.tensor(float("-inf")))
        if spans is None:
            return logits, None
        return logits, 2 * F.cross_entropy(logits, spans)

    def best_spans(self, logits, longest):
        found = []
        for row in logits.tolist():
            best, where = -math.inf, [0, 0]
            for i in range(len(row)):
                for j in range(i, min(i + longest, len(row))):
                    if row[i][0] + row[j][1] > best:
                        best, where = row[i][0] + row[j][1], [i, j]
            found.append(where)
        return torch.tensor(found)


@wrong("SpanHead", misconception="Leaves the scores of the question as they are.", hint="places that are not allowed keep their score")
class NotMasked(Span):
    def scores(self, hidden, allowed):
        return self.output(hidden)


@wrong("SpanHead", misconception="Sets forbidden scores to zero.", hint="have the score 0, which is as good as any")
class MaskedByZero(Span):
    def scores(self, hidden, allowed):
        return self.output(hidden) * allowed[..., None]


@wrong("SpanHead", misconception="Takes a large negative number for minus infinity.", hint="is not -inf")
class MaskedByLarge(Span):
    def scores(self, hidden, allowed):
        return self.output(hidden).masked_fill(~allowed[..., None], -1e4)


@wrong("SpanHead", misconception="Forbids what is allowed.", hint="the mask is the wrong way round")
class MaskTurned(Span):
    def scores(self, hidden, allowed):
        return self.output(hidden).masked_fill(allowed[..., None], -math.inf)


@wrong("SpanHead", misconception="Averages the two losses.", hint="the two cross-entropies are averaged")
class MeanOfTwo(Span):
    def forward(self, hidden, allowed, spans=None):
        logits = self.scores(hidden, allowed)
        return logits, None if spans is None else F.cross_entropy(logits, spans)


@wrong("SpanHead", misconception="Adds up the losses of the texts.", hint="the losses of the texts are added up")
class SumOverTexts(Span):
    def forward(self, hidden, allowed, spans=None):
        logits = self.scores(hidden, allowed)
        return logits, None if spans is None else F.cross_entropy(logits, spans, reduction="sum")


@wrong("SpanHead", misconception="Has the start only in its loss.", hint="only the start is in the loss")
class StartOnly(Span):
    def forward(self, hidden, allowed, spans=None):
        logits = self.scores(hidden, allowed)
        return logits, None if spans is None else F.cross_entropy(logits[..., 0], spans[:, 0])


@wrong("SpanHead", misconception="Exchanges starts and ends.", hint="starts and ends are exchanged")
class Exchanged(Span):
    def forward(self, hidden, allowed, spans=None):
        logits = self.scores(hidden, allowed)
        return logits, None if spans is None else 2 * F.cross_entropy(logits, spans.flip(1))


@wrong("SpanHead", misconception="Takes the best start and the best end, each by itself.", hint="each the best by themselves")
class EachByItself(Span):
    def best_spans(self, logits, longest):
        return logits.argmax(dim=1)


@wrong("SpanHead", misconception="Exchanges start and end when they are in the wrong order.", hint="exchanging the two is no remedy")
class SortedEnds(Span):
    def best_spans(self, logits, longest):
        return logits.argmax(dim=1).sort(dim=1).values


@wrong("SpanHead", misconception="Takes the best start, then the best end after it.", hint="the best start is taken first")
class StartFirst(Span):
    def best_spans(self, logits, longest):
        start = logits[..., 0].argmax(1)
        place = torch.arange(logits.shape[1])
        possible = (place >= start[:, None]) & (place < start[:, None] + longest)
        return torch.stack([start, logits[..., 1].masked_fill(~possible, -math.inf).argmax(1)], dim=1)


@wrong("SpanHead", misconception="Takes the best end, then the best start before it.", hint="the best end is taken first")
class EndFirst(Span):
    def best_spans(self, logits, longest):
        end = logits[..., 1].argmax(1)
        place = torch.arange(logits.shape[1])
        possible = (place <= end[:, None]) & (place > end[:, None] - longest)
        return torch.stack([logits[..., 0].masked_fill(~possible, -math.inf).argmax(1), end], dim=1)


@wrong("SpanHead", misconception="Spans of one token are forbidden.", hint="a span of one token is missing")
class NoSingleTokens(Span):
    def best_spans(self, logits, longest):
        T = logits.shape[1]
        sums = logits[:, :, None, 0] + logits[:, None, :, 1]
        possible = torch.ones(T, T).triu(1).tril(longest - 1).bool()
        best = sums.masked_fill(~possible, -math.inf).flatten(1).argmax(dim=1)
        return torch.stack([best // T, best % T], dim=1)


@wrong("SpanHead", misconception="Lets spans be one token too long.", hint="this span has three tokens")
class OneTooLong(Span):
    def best_spans(self, logits, longest):
        return super().best_spans(logits, longest + 1)


@wrong("SpanHead", misconception="Lets spans be one token too short.", hint="spans of two tokens are missing")
class OneTooShort(Span):
    def best_spans(self, logits, longest):
        return super().best_spans(logits, longest - 1 if longest == 2 else longest)


@wrong("SpanHead", misconception="Takes the column for the row.", hint="rows and columns of the table are exchanged")
class RowsAndColumns(Span):
    def best_spans(self, logits, longest):
        return super().best_spans(logits, longest).flip(1)


@wrong("SpanHead", misconception="Gives the place after the answer as its end.", hint="not the one after it")
class EndAfter(Span):
    def best_spans(self, logits, longest):
        return super().best_spans(logits, longest) + torch.tensor([0, 1])


# --- verbalizer_logits ---------------------------------------------------------------------------------


@right("verbalizer_logits", why="a loop, without pool_last_token")
def word_by_word(logits, attention_mask, words, encode):
    rows = torch.stack([row[mask.nonzero()[-1, 0]] for row, mask in zip(logits, attention_mask)])
    columns = []
    for word in words:
        ids = encode(f" {word}")
        if len(ids) > 1:
            raise ValueError(f"' {word}' is more than one token.")
        columns.append(rows[:, ids[0]])
    return torch.stack(columns, dim=1)


@wrong("verbalizer_logits", misconception="Forgets the space before a label word.", hint="without their leading space")
def no_space(logits, attention_mask, words, encode):
    return pool_last_token(logits, attention_mask)[:, [encode(word)[0] for word in words]]


@wrong("verbalizer_logits", misconception="Takes the logits at the last place, which may be padding.", hint="at the last place of the row, which may be padding")
def at_the_padding(logits, attention_mask, words, encode):
    return logits[:, -1][:, [encode(" " + word)[0] for word in words]]


@wrong("verbalizer_logits", misconception="Thinks that the logits at a place are for the token at that place.", hint="one place too early")
def one_place_early(logits, attention_mask, words, encode):
    last = (attention_mask * torch.arange(logits.shape[1])).argmax(1) - 1
    return logits[torch.arange(len(logits)), last][:, [encode(" " + word)[0] for word in words]]


@wrong("verbalizer_logits", misconception="Counts tokens, and so misses padding on the left.", hint="padding may stand on either side")
def right_padding_only(logits, attention_mask, words, encode):
    rows = logits[torch.arange(len(logits)), attention_mask.sum(1) - 1]
    return rows[:, [encode(" " + word)[0] for word in words]]


@wrong("verbalizer_logits", misconception="Returns probabilities of the label words.", hint="these are probabilities")
def label_probabilities(logits, attention_mask, words, encode):
    return pool_last_token(logits, attention_mask)[:, [encode(" " + word)[0] for word in words]].softmax(1)


@wrong("verbalizer_logits", misconception="Returns log probabilities.", hint="these are log probabilities")
def label_log_probabilities(logits, attention_mask, words, encode):
    log_p = pool_last_token(logits, attention_mask).log_softmax(1)
    return log_p[:, [encode(" " + word)[0] for word in words]]


@wrong("verbalizer_logits", misconception="Takes the first token of a longer word.", hint="the logit of the first token alone")
def first_piece(logits, attention_mask, words, encode):
    return pool_last_token(logits, attention_mask)[:, [encode(" " + word)[0] for word in words]]


@wrong("verbalizer_logits", misconception="Sorts the words.", hint="the order is that of the words")
def sorted_words(logits, attention_mask, words, encode):
    return pool_last_token(logits, attention_mask)[:, sorted(encode(" " + word)[0] for word in words)]


# --- render_chat ---------------------------------------------------------------------------------------


def checked(messages):
    for message in messages:
        if any(marker in message["content"] for marker in MARKERS):
            raise ValueError("A message holds a marker.")


@right("render_chat", why="adds strings, and checks first")
def adds_strings(messages, add_generation_prompt=False):
    if any(marker in m["content"] for m in messages for marker in MARKERS):
        raise ValueError("Markers are not for messages.")
    text = ""
    for message in messages:
        text += "<|" + message["role"] + "|> " + message["content"] + "<|end|>"
    return text + "<|assistant|>" * add_generation_prompt


@wrong("render_chat", misconception="Leaves out the space after the marker.", hint="a space stands between the marker and the text")
def without_space(messages, add_generation_prompt=False):
    checked(messages)
    text = "".join(f"<|{m['role']}|>{m['content']}<|end|>" for m in messages)
    return text + ("<|assistant|>" if add_generation_prompt else "")


@wrong("render_chat", misconception="Does not end turns.", hint="every turn ends with <|end|>, or the model will not know when to stop")
def without_ends(messages, add_generation_prompt=False):
    checked(messages)
    text = "".join(f"<|{m['role']}|> {m['content']}" for m in messages)
    return text + ("<|assistant|>" if add_generation_prompt else "")


@wrong("render_chat", misconception="Ends the chat and not the turns.", hint="the user's as well")
def one_end(messages, add_generation_prompt=False):
    checked(messages)
    text = "".join(f"<|{m['role']}|> {m['content']}" for m in messages) + "<|end|>"
    return text + ("<|assistant|>" if add_generation_prompt else "")


@wrong("render_chat", misconception="Puts turns on lines of their own.", hint="no line breaks between turns")
def lines_of_turns(messages, add_generation_prompt=False):
    checked(messages)
    turns = [f"<|{m['role']}|> {m['content']}<|end|>" for m in messages] + ["<|assistant|>"] * add_generation_prompt
    return "\n".join(turns)


@wrong("render_chat", misconception="Adds the marker for the answer always.", hint="only when it is asked for")
def always_prompts(messages, add_generation_prompt=False):
    checked(messages)
    return "".join(f"<|{m['role']}|> {m['content']}<|end|>" for m in messages) + "<|assistant|>"


@wrong("render_chat", misconception="Adds a space after the last marker.", hint="the space belongs to the first word of the answer")
def space_at_the_end(messages, add_generation_prompt=False):
    checked(messages)
    text = "".join(f"<|{m['role']}|> {m['content']}<|end|>" for m in messages)
    return text + ("<|assistant|> " if add_generation_prompt else "")


@wrong("render_chat", misconception="Ignores add_generation_prompt.", hint="add_generation_prompt has no effect")
def never_prompts(messages, add_generation_prompt=False):
    checked(messages)
    return "".join(f"<|{m['role']}|> {m['content']}<|end|>" for m in messages)


@wrong("render_chat", misconception="Lets messages hold markers.", hint="A user has spoken as the assistant")
def trusts_everybody(messages, add_generation_prompt=False):
    text = "".join(f"<|{m['role']}|> {m['content']}<|end|>" for m in messages)
    return text + ("<|assistant|>" if add_generation_prompt else "")


@wrong("render_chat", misconception="Alternates roles instead of reading them.", hint="the role of each message is its own")
def alternating_roles(messages, add_generation_prompt=False):
    checked(messages)
    roles = ["user", "assistant"]
    text = "".join(f"<|{roles[i % 2] if len(messages) == 2 and messages[0]['role'] == 'user' else 'user'}|> {m['content']}<|end|>" for i, m in enumerate(messages))
    return text + ("<|assistant|>" if add_generation_prompt else "")


# --- instruction_labels --------------------------------------------------------------------------------


@right("instruction_labels", why="looks back to the last marker from every place")
def looks_back(ids, assistant_id, end_id):
    labels = []
    for t in range(len(ids)):
        before = [token for token in ids[:t] if token in (assistant_id, end_id)]
        labels.append(ids[t] if before and before[-1] == assistant_id else -100)
    return labels


@right("instruction_labels", why="finds answers by index, and fills them in")
def by_index(ids, assistant_id, end_id):
    labels = [-100] * len(ids)
    place = 0
    while assistant_id in ids[place:]:
        first = ids.index(assistant_id, place) + 1
        last = ids.index(end_id, first) + 1 if end_id in ids[first:] else len(ids)
        labels[first:last] = ids[first:last]
        place = last
    return labels


@wrong("instruction_labels", misconception="Has the loss on the prompt, too.", hint="the loss is on the prompt, too")
def everything_counts(ids, assistant_id, end_id):
    return list(ids)


def spoken(ids, assistant_id, end_id, with_marker=False, with_end=True):
    labels, speaking = [], False
    for token in ids:
        counts = speaking and (with_end or token != end_id) or (with_marker and token == assistant_id)
        labels.append(token if counts else -100)
        speaking = token == assistant_id or (speaking and token != end_id)
    return labels


@wrong("instruction_labels", misconception="Leaves the end of the answer out.", hint="the model will never learn to stop")
def end_left_out(ids, assistant_id, end_id):
    return spoken(ids, assistant_id, end_id, with_end=False)


@wrong("instruction_labels", misconception="Counts the marker of the assistant.", hint="the marker of the assistant is counted")
def marker_counted(ids, assistant_id, end_id):
    return spoken(ids, assistant_id, end_id, with_marker=True)


@wrong("instruction_labels", misconception="Switches before it labels.", hint="the marker is counted and the end is not")
def switches_first(ids, assistant_id, end_id):
    return spoken(ids, assistant_id, end_id, with_marker=True, with_end=False)


@wrong("instruction_labels", misconception="Shifts the labels, which the loss does again.", hint="the labels are shifted")
def shifted(ids, assistant_id, end_id):
    return spoken(ids, assistant_id, end_id)[1:] + [-100]


@wrong("instruction_labels", misconception="Marks what is left out by 0.", hint="0 is a token")
def zeros(ids, assistant_id, end_id):
    return [0 if label == -100 else label for label in spoken(ids, assistant_id, end_id)]


@wrong("instruction_labels", misconception="Counts the last answer only.", hint="the first answer is left out")
def last_answer(ids, assistant_id, end_id):
    if assistant_id not in ids:
        return [-100] * len(ids)
    last = len(ids) - 1 - ids[::-1].index(assistant_id)
    return [-100] * last + spoken(ids[last:], assistant_id, end_id)


@wrong("instruction_labels", misconception="Counts the first answer only.", hint="the second answer is left out")
def first_answer(ids, assistant_id, end_id):
    labels, done, speaking = [], False, False
    for token in ids:
        labels.append(token if speaking and not done else -100)
        done = done or (speaking and token == end_id)
        speaking = speaking or token == assistant_id
    return labels


@wrong("instruction_labels", misconception="Never closes an answer.", hint="everything after the first marker is counted")
def never_closes(ids, assistant_id, end_id):
    labels, speaking = [], False
    for token in ids:
        labels.append(token if speaking else -100)
        speaking = speaking or token == assistant_id
    return labels


@wrong("instruction_labels", misconception="Closes an answer only when the user speaks, so that padding counts.", hint="the padding is counted")
def padding_counts(ids, assistant_id, end_id):
    labels, speaking = [], False
    for i, token in enumerate(ids):
        labels.append(token if speaking else -100)
        if token == assistant_id:
            speaking = True
        elif token == end_id and i + 1 < len(ids) and ids[i + 1] != end_id:
            speaking = False
    return labels


@wrong("instruction_labels", misconception="Counts the marker's turn of the user.", hint="these are the tokens of the user")
def users_tokens(ids, assistant_id, end_id):
    labels, speaking = [], False
    for i, token in enumerate(ids):
        labels.append(token if speaking else -100)
        if i == 0 or ids[i - 1] == end_id:
            speaking = token != assistant_id and token != end_id
            labels[-1] = -100
        if token == end_id:
            speaking = False
    return labels


# --- answer_log_probability ----------------------------------------------------------------------------


@right("answer_log_probability", why="cross-entropy without reduction")
def by_cross_entropy(logits, labels):
    losses = F.cross_entropy(logits[:, :-1].transpose(1, 2), labels[:, 1:], reduction="none")
    return -losses.sum(dim=1)


@right("answer_log_probability", why="loops")
def by_loops(logits, labels):
    log_p = torch.log_softmax(logits, -1)
    rows = []
    for b in range(len(labels)):
        total = log_p.new_zeros(())
        for t in range(1, labels.shape[1]):
            if labels[b, t] != -100:
                total = total + log_p[b, t - 1, labels[b, t]]
        rows.append(total)
    return torch.stack(rows)


def summed(log_p, targets, keep):
    return (log_p.gather(2, targets.clamp(min=0)[..., None])[..., 0] * keep).sum(dim=1)


@wrong("answer_log_probability", misconception="Does not shift.", hint="the logits at a place are those for the token after it")
def not_shifted(logits, labels):
    return summed(logits.log_softmax(-1), labels, labels != -100)


@wrong("answer_log_probability", misconception="Shifts the wrong way.", hint="you shifted the wrong way")
def shifted_back(logits, labels):
    return summed(logits.log_softmax(-1)[:, 1:], labels[:, :-1], labels[:, :-1] != -100)


@wrong("answer_log_probability", misconception="Takes the mean over the answer.", hint="this is the mean over the answer's tokens")
def mean_of_tokens(logits, labels):
    keep = labels[:, 1:] != -100
    return summed(logits.log_softmax(-1)[:, :-1], labels[:, 1:], keep) / keep.sum(dim=1)


@wrong("answer_log_probability", misconception="Takes the mean over all places.", hint="this is the mean over all places")
def mean_of_places(logits, labels):
    keep = labels[:, 1:] != -100
    return summed(logits.log_softmax(-1)[:, :-1], labels[:, 1:], keep) / keep.shape[1]


@wrong("answer_log_probability", misconception="Sums over prompt tokens.", hint="prompt and padding don't belong to the answer")
def prompt_included(logits, labels):
    return summed(logits.log_softmax(-1)[:, :-1], labels[:, 1:], torch.ones(()))


@wrong("answer_log_probability", misconception="Returns the loss.", hint="the sign is turned")
def sign_turned(logits, labels):
    return -summed(logits.log_softmax(-1)[:, :-1], labels[:, 1:], labels[:, 1:] != -100)


@wrong("answer_log_probability", misconception="Takes logits for log probabilities.", hint="the logits are no log probabilities yet")
def raw_logits(logits, labels):
    return summed(logits[:, :-1], labels[:, 1:], labels[:, 1:] != -100)


@wrong("answer_log_probability", misconception="Adds up probabilities.", hint="sums of probabilities")
def sums_probabilities(logits, labels):
    return summed(logits.softmax(-1)[:, :-1], labels[:, 1:], labels[:, 1:] != -100)


@wrong("answer_log_probability", misconception="Returns one number for the batch.", hint="there is one number for each row")
def one_number(logits, labels):
    return summed(logits.log_softmax(-1)[:, :-1], labels[:, 1:], labels[:, 1:] != -100).sum()


@wrong("answer_log_probability", misconception="Looks up column -100.", hint="-100 is no column")
def column_minus_hundred(logits, labels):
    log_p = logits.log_softmax(-1)[:, :-1]
    return log_p.gather(2, labels[:, 1:, None])[..., 0].sum(dim=1)


# --- LoRALinear ----------------------------------------------------------------------------------------


class Adapted(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear.requires_grad_(False)
        self.scale = alpha / rank
        self.A = nn.Parameter(torch.randn(rank, linear.in_features) / math.sqrt(linear.in_features))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.A.T @ self.B.T)

    def merged_weight(self):
        return self.linear.weight + self.scale * (self.B @ self.A)


@right("LoRALinear", why="merges in every forward, freezes parameter by parameter, another first A")
class MergesAlways(nn.Module):
    def __init__(self, linear, rank, alpha):
        super().__init__()
        self.linear = linear
        for parameter in self.linear.parameters():
            parameter.requires_grad = False
        self.rank, self.alpha = rank, alpha
        self.A = nn.Parameter(torch.empty(rank, linear.in_features))
        self.B = nn.Parameter(torch.zeros(linear.out_features, rank))
        nn.init.kaiming_uniform_(self.A, a=math.sqrt(5))

    def merged_weight(self):
        return self.linear.weight + self.alpha * self.B @ self.A / self.rank

    def forward(self, x):
        return F.linear(x, self.merged_weight(), self.linear.bias)


@right("LoRALinear", why="two F.linear beside the frozen layer")
class TwoLinears(Adapted):
    def forward(self, x):
        change = F.linear(F.linear(x, self.A), self.B)
        return self.linear(x) + change * self.scale


@wrong("LoRALinear", misconception="Lets B begin at random.", hint="B is not zero at first")
class RandomB(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.B = nn.Parameter(torch.randn(linear.out_features, rank))


@wrong("LoRALinear", misconception="Lets both matrices begin at zero.", hint="A and B are both zero")
class BothZero(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A = nn.Parameter(torch.zeros(rank, linear.in_features))


@wrong("LoRALinear", misconception="Exchanges the first values of A and B.", hint="A is random, B is zero")
class AZero(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A = nn.Parameter(torch.zeros(rank, linear.in_features))
        self.B = nn.Parameter(torch.randn(linear.out_features, rank))


@wrong("LoRALinear", misconception="Does not freeze the base.", hint="The weight of the given layer is not frozen")
class NotFrozen(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.linear.requires_grad_(True)


@wrong("LoRALinear", misconception="Freezes the weight and not the bias.", hint="The bias of the given layer is not frozen")
class BiasNotFrozen(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        if linear.bias is not None:
            linear.bias.requires_grad_(True)


@wrong("LoRALinear", misconception="Freezes everything, A and B too.", hint="A and B are what is trained")
class AllFrozen(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.requires_grad_(False)


@wrong("LoRALinear", misconception="Loses the scale.", hint="the scale is missing: what A and B add")
class NoScale(Adapted):
    def forward(self, x):
        return self.linear(x) + x @ self.A.T @ self.B.T


@wrong("LoRALinear", misconception="Scales by alpha.", hint="the scale is alpha; it is alpha / rank")
class ScaleAlpha(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = alpha


@wrong("LoRALinear", misconception="Scales by rank / alpha.", hint="the scale is upside down")
class ScaleTurned(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.scale = rank / alpha


@wrong("LoRALinear", misconception="Forgets what A and B add.", hint="what A and B add is missing")
class FrozenOnly(Adapted):
    def forward(self, x):
        return self.linear(x)


@wrong("LoRALinear", misconception="Returns the change alone.", hint="what the frozen layer returns is missing")
class ChangeOnly(Adapted):
    def forward(self, x):
        return self.scale * (x @ self.A.T @ self.B.T)


@wrong("LoRALinear", misconception="Loses the bias.", hint="the bias is lost")
class BiasLost(Adapted):
    def forward(self, x):
        return x @ self.merged_weight().T


@wrong("LoRALinear", misconception="Merges without the scale.", hint="the scale is missing in the merged weight")
class MergesWithoutScale(Adapted):
    def merged_weight(self):
        return self.linear.weight + self.B @ self.A


@wrong("LoRALinear", misconception="Returns the change as the merged weight.", hint="this is the change alone; add the frozen weight")
class MergesChange(Adapted):
    def merged_weight(self):
        return self.scale * (self.B @ self.A)


@wrong("LoRALinear", misconception="Returns the merged weight transposed.", hint="the merged weight is transposed")
class MergesTransposed(Adapted):
    def merged_weight(self):
        return (self.linear.weight + self.scale * (self.B @ self.A)).T


@wrong("LoRALinear", misconception="Transposes A and B.", hint="yours are transposed")
class Transposed(Adapted):
    def __init__(self, linear, rank, alpha):
        super().__init__(linear, rank, alpha)
        self.A = nn.Parameter(torch.randn(linear.in_features, rank) / math.sqrt(linear.in_features))
        self.B = nn.Parameter(torch.zeros(rank, linear.out_features))

    def forward(self, x):
        return self.linear(x) + self.scale * (x @ self.A @ self.B)

    def merged_weight(self):
        return self.linear.weight + self.scale * (self.A @ self.B).T


# --- dpo_loss ------------------------------------------------------------------------------------------


@right("dpo_loss", why="softplus of the negative margin")
def by_softplus(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    reward_chosen = beta * (policy_chosen - reference_chosen)
    reward_rejected = beta * (policy_rejected - reference_rejected)
    return F.softplus(reward_rejected - reward_chosen).mean()


@right("dpo_loss", why="binary cross-entropy, policy against reference")
def by_cross_entropy_of_choices(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    logits = beta * ((policy_chosen - policy_rejected) - (reference_chosen - reference_rejected))
    return F.binary_cross_entropy_with_logits(logits, torch.ones_like(logits))


def margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected):
    return (policy_chosen - reference_chosen) - (policy_rejected - reference_rejected)


@wrong("dpo_loss", misconception="Turns the sign.", hint="this loss falls when the rejected answer wins")
def sign_of_margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(-beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).mean()


@wrong("dpo_loss", misconception="Forgets the minus before the logarithm.", hint="minus the log of a probability")
def no_minus(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return F.logsigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).mean()


@wrong("dpo_loss", misconception="Ignores the reference.", hint="the reference is ignored")
def no_reference(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(beta * (policy_chosen - policy_rejected)).mean()


@wrong("dpo_loss", misconception="Adds the losses up.", hint="the losses are added up")
def sum_of_pairs(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).sum()


@wrong("dpo_loss", misconception="Averages margins before the logarithm.", hint="the rewards are averaged before the logarithm")
def mean_margin(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected).mean())


@wrong("dpo_loss", misconception="Forgets beta.", hint="beta is missing")
def no_beta(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).mean()


@wrong("dpo_loss", misconception="Multiplies the loss by beta.", hint="beta stands outside")
def beta_outside(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -beta * F.logsigmoid(margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).mean()


@wrong("dpo_loss", misconception="Writes 0.1 for beta.", hint="beta has no effect")
def fixed_beta(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(0.1 * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).mean()


@wrong("dpo_loss", misconception="Forgets the logarithm.", hint="take minus its logarithm")
def probability(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return torch.sigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).mean()


@wrong("dpo_loss", misconception="Takes the log of a sigmoid that has become 0.", hint="use F.logsigmoid")
def log_of_sigmoid(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -torch.sigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected)).log().mean()


@wrong("dpo_loss", misconception="Clips the sigmoid.", hint="something is clipped")
def clipped(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    p = torch.sigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected))
    return -p.clamp(min=1e-8).log().mean()


@wrong("dpo_loss", misconception="Returns a loss for each pair.", hint="there is one loss for each pair")
def loss_per_pair(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(beta * margins_of(policy_chosen, policy_rejected, reference_chosen, reference_rejected))


@wrong("dpo_loss", misconception="Looks at the chosen answer only.", hint="the chosen answer's reward alone")
def chosen_only(policy_chosen, policy_rejected, reference_chosen, reference_rejected, beta=0.1):
    return -F.logsigmoid(beta * (policy_chosen - reference_chosen)).mean()


# --- equivalent ----------------------------------------------------------------------------------------

equivalent("TaggingHead", mutant="line 3: logits.transpose(1, 2) -> logits.transpose(2, 1)", why="exchanging two axes has no order")
equivalent("SpanHead", mutant="line 5: 1 -> -1", why="of two columns the second is the last")
equivalent("SpanHead", mutant="line 5: 1 -> -1 (no. 2)", why="of two columns the second is the last")
equivalent("SpanHead", mutant="line 7: 1 -> -1", why="of two columns the second is the last")
equivalent("answer_log_probability", mutant="line 2: :-1 -> :", why="gather reads only as many places as there are targets")
equivalent("answer_log_probability", mutant="line 3: 0 -> -1 (no. 2)", why="the axis has length 1")
equivalent(
    "LoRALinear",
    mutant="line 3: torch.randn(rank, linear.in_features) / math.sqrt(linear.... -> torch.randn(rank, linear.in_features) // math.sqrt(linear...",
    why="the first A is the student's choice, if it is random and neither tiny nor huge",
)
equivalent(
    "LoRALinear",
    mutant="line 3: torch.randn(rank, linear.in_features) / math.sqrt(linear.... -> torch.randn(rank, linear.in_features)",
    why="the first A is the student's choice, if it is random and neither tiny nor huge",
)
