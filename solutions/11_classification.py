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
# # 11 · Classifying text with language models
#
# Is this review favourable? Which desk would run this headline? Is this post for or against the measure? For a century such questions were answered by people with a codebook. A language model answers them too, in
# seconds, and always: also when it is wrong. So this last notebook treats a language model as what it is in a study, **an instrument that measures**, and does with it what one does with instruments: see how it works, find
# out what disturbs it, compare it with cheaper ones, and state its error.
#
# **After this notebook you can**
#
# - turn a text into a prompt, and a model's probabilities into a label, with any model and any tokenizer;
# - show examples in a prompt, choose them, and correct a model that leans to one label;
# - say how good a coder is, human or machine, beyond chance and with an interval;
# - run a whole study, from codebook to report, and decide whether its numbers may be used.
#
# **Time:** about two hours, 110 minutes of it for the exercises and questions. **Points:** 45. **You need:** logits and softmax; what a prompt and a chat template are (notebook 08).

# %% setup
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from nextword import check, hand_in, plots, preset
from nextword.labelled import LABELS, TARGETS, labelled_texts

torch.set_num_threads(1)  # small models: threads would wait for each other longer than they work

TEMPLATES = {
    "reviews": "Review: {text}\nSentiment:",
    "headlines": "Headline: {text}\nTopic:",
    "posts": "Post: {text}\nStance towards {target}:",
}
BLANKS = ["N/A", "[MASK]", ""]  # texts that say nothing (section 6)
NEGATIONS = {"not", "no", "non", "never", "neither", "nor", "hardly", "cannot", "without"}


def part(name, split):
    """The texts of one part (train, validation, test) of a labelled set."""
    return [text for text in labelled_texts(name) if text.split == split]


def fields_of(text):
    """What a template needs to know of a labelled text."""
    return {"text": text.text, "target": text.target or ""}


def answers_of(name):
    """The labels of a set as answers, with the space before them."""
    return [" " + label for label in LABELS[name]]


def words_of(text):
    """The words of a text in lower case, without punctuation: "It ISN'T *good*." -> ["it", "isn't", "good"]."""
    return re.findall(r"[^\W_]+(?:'[^\W_]+)*", text.lower().replace("\u2019", "'"))


def accuracy(gold, predicted):
    """The share of texts on which two lists of labels agree."""
    return sum(a == b for a, b in zip(gold, predicted, strict=True)) / len(gold)


@dataclass
class Model:
    """What this notebook needs of a language model."""

    encode: Callable[[str], list[int]]  # a text -> its token ids
    logits: Callable[[Tensor], Tensor]  # ids (B, T) -> logits of the token after each place (B, T, V)


# A language model small enough to check by hand. Its tokens are words with the space before them; what comes next depends on the last token alone.
TOY_TOKENS = [" good", " bad", " not", "<s>", "Mood:", "Verdict:", "\n", "other"]
TOY_NEXT = {  # the probability of " good", " bad" and " not"; the rest goes to the other five in equal parts
    "Mood:": (0.5, 0.2, 0.2),
    "Verdict:": (0.1, 0.6, 0.2),
    " not": (0.6, 0.3, 0.05),
}


def toy_encode(text):
    pieces = re.findall(r"\n| ?[^\s]+", text)
    return [TOY_TOKENS.index("<s>")] + [TOY_TOKENS.index(piece if piece in TOY_TOKENS else "other") for piece in pieces]


def toy_logits(idx):
    rows = []
    for token in TOY_TOKENS:
        known = TOY_NEXT.get(token, (0.125, 0.125, 0.125))
        rows.append(list(known) + [(1 - sum(known)) / 5] * 5)
    logits = torch.tensor(rows).log()[idx] + 3.0  # logits may have any sum
    begun = (idx[:, :1] == TOY_TOKENS.index("<s>"))[..., None]
    return torch.where(begun, logits, -torch.arange(8.0))  # it is lost where a row does not begin with <s>


toy = Model(encode=toy_encode, logits=toy_logits)

print(preset())

# %% [markdown]
# ## 1 From a text to a prompt
#
# A language model continues text. To make it code, we write a text whose natural continuation is the label: a **prompt**. Here is one for each of the three labelled sets that come with the course (reviews, headlines, and
# posts on a *target*, something one can be for or against):
#
#     Review: Lovely hotel, friendly staff.     Headline: Fish recognise themselves     Post: Where can I park on Sunday?
#     Sentiment:                                Topic:                                  Stance towards car-free city centres:
#
# What stays the same from text to text is a **template**, with holes in braces. Filling it looks too easy to go wrong. Three things do:
#
# 1. **Texts are not polite.** A post may contain a line break, after which it goes on `Stance towards phones: against`. In the prompt that looks like an example that we gave. (On purpose, it is called *prompt injection*.)
# 2. **Texts contain braces.** Whoever replaces `{text}` first and `{target}` afterwards also replaces a `{target}` that came with the text.
# 3. **A space at the end is a token.** Models have read `Sentiment: positive` with the space as part of the *next* token, ` positive`. After a prompt that already ends with a space, what comes next is unlike anything they have read.

# %% [markdown]
# ### Exercise 1: render a prompt
#
# Fill a template so that these three cannot happen.
#
# <details><summary>Hint 1: how do I fill all holes at once?</summary>
#
# `template.format(**values)` fills each hole with the value of that name, and does not look for holes inside the values. It raises a KeyError for a hole without a value, as it should.
# </details>
#
# <details><summary>Hint 2: how do I make one line of a text?</summary>
#
# `text.split()` without an argument cuts at any run of white space, line breaks too, and drops what is at the ends. Put a single space between the parts.
# </details>

# %% exercise="render_prompt" minutes=6 difficulty=1
def render_prompt(template: str, fields: dict[str, str]) -> str:
    """Return the template with its holes filled, ready for a model to continue.

    template  text with holes such as {text}; what stands in braces is a name of `fields`
    fields    the values. Any run of white space in a value becomes one space, and none is left at its ends;
              braces in a value mean nothing

    The prompt itself ends without white space. Raises KeyError for a hole without a value; more values than holes are fine.

    >>> render_prompt("Post: {text}\\nStance towards {target}: ", {"text": "Not  again!\\n", "target": "free {text}"})
    'Post: Not again!\\nStance towards free {text}:'
    """
    ### BEGIN SOLUTION
    values = {name: " ".join(value.split()) for name, value in fields.items()}
    return template.format(**values).rstrip()
    ### END SOLUTION


# %% test="render_prompt" points=2
check.equal(
    render_prompt("Review: {text}\nSentiment:", {"text": "Lovely hotel."}),
    "Review: Lovely hotel.\nSentiment:",
    name="a review in its template",
    causes=[(lambda prompt: "\n" not in prompt, "the line breaks of the template must stay; only those inside values become spaces.")],
)
check.equal(
    render_prompt("Review: {text}\nSentiment: ", {"text": "  Lovely\n hotel.\n\nSentiment: bad "}),
    "Review: Lovely hotel. Sentiment: bad\nSentiment:",
    name="a text with line breaks, in a template that ends with a space",
    causes=[
        (lambda prompt: prompt.count("\n") > 1, "a line break of the text got into the prompt; each run of white space in a value becomes one space."),
        (lambda prompt: prompt[-1].isspace(), "the prompt ends with white space, which is a token of its own: take it off."),
        (lambda prompt: "  " in prompt, "there are two spaces in a row: each run of white space becomes one space, and none at the ends of a value."),
    ],
)
check.equal(
    render_prompt("{target}! {text} ({target})", {"text": "I like {target} and {other}", "target": "Free {text}"}),
    "Free {text}! I like {target} and {other} (Free {text})",
    name="values with braces in them",
    causes=[
        (lambda prompt: "{target}" not in prompt or "{text}" not in prompt, "a brace inside a value was filled as well: fill all holes of the template in one go."),
        (lambda prompt: True, "a hole may occur more than once; fill each."),
    ],
)
check.raises(KeyError, render_prompt, "{text} {target}", {"text": "no target"}, name="a template with a hole that has no value")
### BEGIN HIDDEN TESTS
import random

random_fields = random.Random(11)
for number in range(30):
    words = ["{text}", "{target}", "\n", "  ", "\t", "a", "b", "{", "}", "{}", "$1", "\\1", "%s", "\u2028"]
    values = {name: "".join(random_fields.choices(words, k=random_fields.randrange(8))) for name in ("text", "target")}
    clean = {name: re.sub(r"\s+", " ", value).strip() for name, value in values.items()}
    want = f"T {clean['text']}\n\n{clean['target']}\n{clean['text']}".rstrip()
    check.equal(render_prompt("T {text}\n\n{target}\n{text}\n \n", values), want, name=f"random values {number}")
check.equal(render_prompt("{text}", {"text": ""}), "", name="an empty text")
check.equal(render_prompt("  {text}", {"text": "x", "more": "y"}), "  x", name="space at the start of the template, and a value too many")
### END HIDDEN TESTS

# %% experiment
for name in TEMPLATES:
    example = part(name, "train")[4]
    print(render_prompt(TEMPLATES[name], fields_of(example)), f"   <- {example.label}?\n")

# %% [markdown]
# ## 2 Any model, in two functions
#
# Now a model. The next cell holds the one line to change if you want another one: `course_lm()` is the small GPT that comes with this course and needs no network; a name such as `"HuggingFaceTB/SmolLM2-135M-Instruct"` (135 million
# parameters, Apache 2.0, good for a processor) or `"Qwen/Qwen3-0.6B"` (Apache 2.0, for Colab's T4) fetches that model from the hub. Everything below stays as it is.

# %% experiment
from nextword.causal_lm import load_causal_lm
from nextword.course_lm import course_lm

MODEL = course_lm()  # or "HuggingFaceTB/SmolLM2-135M-Instruct", or "Qwen/Qwen3-0.6B"
model = load_causal_lm(MODEL)
print(model)

# %% [markdown]
# Two of its functions are all we need:
#
# | | |
# |---|---|
# | `model.encode(text)` | the token ids of a text, as a list. Many models want a special token in front; it is there already |
# | `model.logits(idx)` | for ids of shape (B, T) the logits of the *next* token at each place, shape (B, T, V). V is the size of the vocabulary |
#
# A label is not always one token. ` favour` is one for our model and two or three for others, and ` not good` is two for anybody. But a language model gives a probability to any text, by the chain rule (notebook 01). If the prompt is the
# tokens $x_1 \dots x_n$ and the answer the tokens $y_1 \dots y_m$:
#
# $$\log P(y \mid x) = \sum_{j=1}^{m} \log P(y_j \mid x_1 \dots x_n\, y_1 \dots y_{j-1})$$
#
# **An example** with the `toy` model of the setup cell, whose next token depends on the last one alone. After `Mood:` it gives ` good` 0.5, ` bad` 0.2 and ` not` 0.2; after ` not` it gives ` good` 0.6. So the answer ` not good` has the
# probability $0.2 \cdot 0.6 = 0.12$. It is a *sum* of logs, not a mean: dividing by the number of tokens would ask another question, namely which answer is least surprising per token, and ` not good` would become $\sqrt{0.12} = 0.35$.
#
# Three practical matters:
#
# - **Tokenize together.** What ids a label has depends on what stands before it. So encode `prompt + answer` as one text, and take off as many ids as `prompt` has.
# - **Logits look ahead.** The logits at place $t$ (counting from 0) are about the token at place $t + 1$.
# - **Batches are padded on the right.** Rows of different lengths are filled up to one length with any id. In a model that reads from left to right, what stands *behind* a place changes nothing there; what stands in front would. So the padding is
#   harmless, as long as nobody reads logits from it.

# %% [markdown]
# ### Exercise 2: log-probabilities of labels
#
# This is the heart of the notebook: how probable is each answer after each prompt?
#
# <details><summary>Hint 1: what is one row?</summary>
#
# One prompt with one answer. With N prompts and L answers there are N times L rows. Make a list of all of them first, and remember for each how many ids belong to its prompt.
# </details>
#
# <details><summary>Hint 2: how do I pad?</summary>
#
# `pad_sequence(rows, batch_first=True)`, imported in the setup cell, takes a list of one-dimensional tensors and fills up with zeros on the right.
# </details>
#
# <details><summary>Hint 3: what do I add up?</summary>
#
# If the whole row has the ids `whole`, and the first `n` of them are the prompt's: for each place t from n to the end, the log-probability of `whole[t]`, from the logits one place earlier.
# </details>
#
# <details><summary>Hint 4: pseudocode</summary>
#
#     for each prompt, for each answer: keep (number of ids of the prompt, ids of prompt + answer)
#     for each batch of rows:
#         logits of the padded rows
#         for each row i: add up log_softmax(logits[i, t - 1]) at id number t, over the places t of the answer
#     shape the list of sums as (N, L)
# </details>
#
# <details><summary>My results change with batch_size</summary>
#
# Then a row reads what belongs to the padding: count from the length of this row, not from the end of the batch. Or the padding is on the left.
# </details>
#
# <details><summary>I see 0.0015 instead of 0.12</summary>
#
# The answer was encoded by itself and got a start token of its own.
# </details>

# %% exercise="label_log_probabilities" minutes=16 difficulty=3
def label_log_probabilities(model, prompts: list[str], answers: list[str], batch_size: int = 16) -> Tensor:
    """Return the log-probability, in nats, of each answer after each prompt, shape (N, L), float.

    model       has encode(text) -> list of ids, and logits(idx) -> (B, T, V) for ids of shape (B, T)
    prompts     N texts
    answers     L texts that may follow, with the space that stands before them: [" good", " not good"]
    batch_size  how many rows are read in one call; the result must not depend on it

    >>> label_log_probabilities(toy, ["All fine.\\nMood:", "Verdict:"], [" good", " bad", " not good"]).exp()
    tensor([[0.5000, 0.2000, 0.1200],
            [0.1000, 0.6000, 0.1200]])
    """
    ### BEGIN SOLUTION
    rows = []
    for prompt in prompts:
        n = len(model.encode(prompt))
        rows += [(n, model.encode(prompt + answer)) for answer in answers]
    sums = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        # the last id of a row is predicted, not read: answers of one token share their row, and are read once
        logits = model.logits(pad_sequence([torch.tensor(whole[:-1]) for _, whole in batch], batch_first=True))
        for i, (n, whole) in enumerate(batch):
            log_p = logits[i, n - 1 :].log_softmax(dim=-1)
            sums.append(log_p[range(len(whole) - n), whole[n:]].sum())
    return torch.stack(sums).view(len(prompts), len(answers))
    ### END SOLUTION


# %% test="label_log_probabilities" points=5
def scored(model, prompts, answers, **settings):
    """exp of your result; an error of shapes is returned, to be named below."""
    try:
        return label_log_probabilities(model, prompts, answers, **settings).detach().exp()
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError) as error:
        return error


def share(*p):
    return torch.tensor([list(p)])


check.equal(
    scored(toy, ["All fine.\nMood:"], [" good", " bad", " not good"]),
    share(0.5, 0.2, 0.12),
    name="P(answer | prompt) of the toy model for ' good', ' bad' and ' not good'",
    atol=1e-4,
    causes=[
        (lambda p: isinstance(p, Exception), "the shapes do not fit; rows of one batch must be padded to one length, and the result has one row per prompt."),
        (share(0.5, 0.2, 0.346410), "the log-probabilities of ' not good' were averaged; the probability of an answer is the product over its tokens, so add the logs up."),
        (share(0.5, 0.2, 0.2), "only the first token of ' not good' was counted: add up all tokens of the answer."),
        (share(0.5, 0.2, 0.6), "only the last token of ' not good' was counted: add up all tokens of the answer."),
        (share(0.5, 0.2, 0.8), "probabilities were added; their logs are added, which multiplies them."),
        (share(0.0025, 0.0025, 0.0015), "the answer was encoded by itself and got a start token of its own: encode prompt + answer, and take off the ids of the prompt."),
        (share(0.125, 0.125, 0.00625), "one place off: logits at a place are about the token after it, so read the place before the token."),
        (lambda p: bool((p > 1).any()), "these are logits; make them log-probabilities with log_softmax over the vocabulary."),
        (lambda p: bool((p < 0.03).all()) and bool((p[0, 0] / p[0, 1] - 2.5).abs() < 0.01), "the tokens of the prompt are in the sum; only those of the answer count."),
        (lambda p: bool((p[0, :2] - torch.tensor([0.6323, 0.2326])).abs().max() < 1e-3), "padding on the left moves the text: fill up on the right, and read the place of each row's own answer."),
        (lambda p: True, "a row reads what is not its own: count the places from the row's own length, not from the end of the batch; one place before each token of the answer."),
    ],
)
two = ["Oh.\nMood:", "It is not, not, not what it was.\nVerdict:"]
check.equal(
    scored(toy, two, [" not good", " bad"]),
    torch.tensor([[0.12, 0.2], [0.12, 0.6]]),
    name="two prompts of different lengths",
    atol=1e-4,
    causes=[
        (torch.tensor([[0.12, 0.12], [0.2, 0.6]]), "rows and columns are mixed up: one row per prompt, one column per answer."),
        (lambda p: isinstance(p, Exception), "the shapes do not fit; rows of one batch must be padded to one length."),
        (lambda p: bool(((p - torch.tensor([[0.12, 0.2], [0.12, 0.6]])).abs() < 1e-4)[1].all()), "the shorter prompt is wrong: padding on the right is no part of it, count from the row's own length; padding on the left would move the text."),
        (lambda p: True, "count the places from each row's own length."),
    ],
)
calls = []


def watched_logits(idx):
    calls.append(tuple(idx.shape))
    return toy_logits(idx)


watched = Model(encode=toy_encode, logits=watched_logits)
check.equal(
    scored(watched, two * 5, [" good"], batch_size=4).flatten(),
    torch.tensor([0.5, 0.1] * 5),
    name="ten rows, four at a time",
    atol=1e-4,
    causes=[(lambda p: len(p) != 10, "the last batch, which is not full, got lost.")],
)
check.that(all(len(shape) == 2 for shape in calls), "model.logits wants ids of shape (B, T).")
check.that(max(shape[0] for shape in calls) <= 4, f"batch_size is 4, but {max(shape[0] for shape in calls)} rows were read in one call.")
check.that(len(calls) <= 5, f"The model was called {len(calls)} times for ten rows with batch_size=4. Read batch_size rows in one call.")
### BEGIN HIDDEN TESTS
def random_model(seed, size=11, bos=True, swallow=False):
    """Letters as tokens; logits depend on all tokens so far and on the place, never on later ones."""
    table = torch.randn(60, size, generator=torch.Generator().manual_seed(seed))

    def encode(text):
        ids = [ord(letter) % size for letter in text]
        if swallow:  # a letter and a space after it become one token in front of a letter
            text = re.sub(r" (?=[a-z])", "_", text)
            ids = [ord(letter) % size for letter in re.sub("_.", lambda pair: chr(ord(pair[0][1]) + 1), text)]
        return [1] * bos + ids

    def logits(idx):
        hidden = torch.cumsum(table[idx] * (torch.arange(1, idx.shape[1] + 1)[:, None] * 0.37).cos(), dim=1)
        return hidden * 0.5 - 4.0

    return Model(encode=encode, logits=logits)


def brute_force_scores(model, prompts, answers):
    sums = []
    for prompt in prompts:
        for answer in answers:
            n, whole = len(model.encode(prompt)), model.encode(prompt + answer)
            log_p = model.logits(torch.tensor([whole]))[0].log_softmax(-1)
            sums.append(sum(float(log_p[t - 1, whole[t]]) for t in range(n, len(whole))))
    return torch.tensor(sums).reshape(len(prompts), len(answers))


some_prompts = ["Review: x\nMood:", "Hm:", "a much longer text, with commas, and no end in sight:", "b:"]
for seed, swallow in [(0, False), (1, True), (2, True)]:
    for some_answers in [[" yes", " no"], [" a"], [" one", " somewhat longer than the others", " x"]]:
        some_model = random_model(seed, bos=seed != 2, swallow=swallow)
        want = brute_force_scores(some_model, some_prompts, some_answers)
        for size in [1, 3, 100]:
            got = label_log_probabilities(some_model, some_prompts, some_answers, batch_size=size)
            check.equal(got.detach(), want, name=f"random model {seed}, answers {some_answers}, batches of {size}", atol=1e-4, rtol=1e-4)
check.equal(scored(random_model(5), ["q:"], [" "]).shape[0], 1, name="an answer that is a space")
check.equal(
    label_log_probabilities(Model(encode=toy_encode, logits=lambda idx: toy_logits(idx) * 1000), ["Mood:"], [" bad", " good"]).detach(),
    torch.tensor([[1000 * float(np.log(0.4)), 0.0]]),
    name="logits a thousand times as large",
    atol=1e-2,
)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: one review
#
# What does the model expect after a review, and how much of it goes to the answers that we allow?

# %% experiment
one_review = "The room was clean, but we won't come back: the noise from the street was awful."
some_answers = [" positive", " negative", " great", " terrible", " not bad", " not good"]
one_prompt = render_prompt(TEMPLATES["reviews"], {"text": one_review})
one_row = label_log_probabilities(model, [one_prompt], some_answers).exp()[0]
print(f"All six answers together: {one_row.sum():.3f}. The rest goes to other words.")
plots.bars(
    dict(zip(some_answers, one_row.tolist(), strict=True)),
    title="After a review, the model has words in mind, and we allow a few",
    x_label="probability of the whole answer",
    alt="Six bars, one for each answer: positive, negative, great, terrible, not bad, not good.",
)

# %% [markdown]
# ## 3 From probabilities to a label
#
# Only a part of the probability goes to the answers that we allow; the rest is on words such as *Sentiment* or *the*. We do not care how likely the model is to answer in our words, only *which of them* it prefers. So divide by the sum over the
# allowed answers. If several answers stand for one label (` good` and ` great` for *positive*), their probabilities add up: whether the model says it one way or the other, it means the same. (Taking the best one only would punish a meaning that
# has many words; Holtzman et al. 2021 call it *surface form competition*.)
#
# **An example.** The answers ` great`, ` bad` and ` awful` have the probabilities 0.04, 0.03 and 0.02. Divided by their sum, 0.09, these are 0.44, 0.33 and 0.22. The likeliest *answer* is ` great`, but the likeliest *label* is negative: 0.33 + 0.22 = 0.56.
#
# Mind the scale. A label of ten tokens may have a log-probability of -200, and `exp(-200)` is 0 in float32. Work with logs until the end: `torch.logsumexp` adds probabilities that are given as logs; and subtracting one number from all scores of a text
# changes nothing after dividing.

# %% [markdown]
# ### Exercise 3: classify
#
# Turn scores into labels, and say how sure the model is.
#
# <details><summary>Hint 1: how do I add up the answers of one label?</summary>
#
# The softmax over the answers turns logs into probabilities and divides by their sum, and is careful with logs as small as -200. Then, for each label, add the columns whose entry in `labels` it is.
# </details>
#
# <details><summary>Hint 2: which labels are there, in which order?</summary>
#
# `dict.fromkeys(labels)` keeps each once, in the order of `labels`.
# </details>

# %% exercise="classify" minutes=7 difficulty=2
def classify(scores: Tensor, labels: list[str]) -> tuple[list[str], Tensor]:
    """Return the likeliest label of each text, and its probability among the labels, shape (N,).

    scores  log-probabilities of the answers, (N, A); any size, any sum
    labels  the label that each of the A answers stands for; several answers may stand for the same

    >>> classify(torch.tensor([[0.04, 0.03, 0.02]]).log(), ["positive", "negative", "negative"])
    (['negative'], tensor([0.5556]))
    """
    ### BEGIN SOLUTION
    p = scores.softmax(dim=-1)
    names = list(dict.fromkeys(labels))
    columns = [p[:, [label == name for label in labels]].sum(dim=1) for name in names]
    best = torch.stack(columns, dim=1).max(dim=1)
    return [names[i] for i in best.indices], best.values
    ### END SOLUTION


# %% test="classify" points=3
said, sure = classify(torch.tensor([[0.04, 0.03, 0.02], [0.04, 0.01, 0.02]]).log(), ["positive", "negative", "negative"])
check.equal(
    said,
    ["negative", "positive"],
    name="labels of two texts with three answers",
    causes=[
        (lambda labels: not isinstance(labels[0], str), "these are numbers; return the names of the labels."),
        (["positive", "positive"], "the best single answer decided, or a mean, or a sum of logs; add up the probabilities of all answers of a label."),
        (lambda labels: len(labels) != 2, "one label per text: each row by itself."),
        (lambda labels: True, "compare the labels of each row by the sum of the probabilities of their answers."),
    ],
)
check.equal(
    sure,
    torch.tensor([0.05 / 0.09, 0.04 / 0.07]),
    name="how sure it is",
    atol=1e-4,
    causes=[
        (torch.tensor([0.05, 0.04]), "not divided by the sum over all answers."),
        (torch.tensor([0.05 / 0.09, 0.04 / 0.07]).log(), "these are logs; return probabilities."),
        (lambda p: bool((p > 1).any()), "a probability above 1: divide by the sum over all answers of the same text."),
        (lambda p: True, "the probability of the label is the sum over its answers, divided by the sum over all answers."),
    ],
)
said, sure = classify(torch.tensor([[-1001.0, -1000.0], [-400.0, -402.0]]), ["yes", "no"])
check.equal(
    said,
    ["no", "yes"],
    name="labels when all scores are far below zero",
    causes=[(lambda labels: True, "exp(-1000) is 0: take the softmax of the scores, which subtracts the largest first.")],
)
check.equal(
    sure,
    torch.tensor([0.731059, 0.880797]),
    name="how sure it is when all scores are far below zero",
    atol=1e-4,
    causes=[(lambda p: True, "exp(-1000) is 0: take the softmax of the scores, which subtracts the largest first.")],
)
### BEGIN HIDDEN TESTS
import math

random_scores = torch.Generator().manual_seed(3)
for n, meanings in [(1, ["a"]), (5, ["a", "b"]), (7, ["b", "a", "b", "c"]), (4, ["x", "y", "z", "x", "y", "x"]), (3, ["n", "m", "m", "n"])]:
    for scale, shift in [(1.0, 0.0), (30.0, -500.0), (0.01, 90.0)]:
        some_scores = torch.randn(n, len(meanings), generator=random_scores) * scale + shift
        said, sure = classify(some_scores, meanings)
        for row, name, p in zip(some_scores.tolist(), said, sure.tolist(), strict=True):
            top = max(row)
            totals = Counter()
            for value, label in zip(row, meanings, strict=True):
                totals[label] += math.exp(value - top)
            check.equal(name, max(totals, key=totals.get), name=f"label of random scores, answers {meanings}")
            check.equal(p, totals[name] / sum(totals.values()), name="its probability", atol=1e-4)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: zero examples
#
# Three sets, no example shown, nothing trained. The labels themselves are the answers.

# %% experiment
def prompts_of(name, texts, template=None):
    """One prompt for each text, in the usual template of its set or in another one."""
    return [render_prompt(template or TEMPLATES[name], fields_of(text)) for text in texts]


# %% experiment
gold = {name: [text.label for text in part(name, "test")] for name in TEMPLATES}
zero_shot = {name: label_log_probabilities(model, prompts_of(name, part(name, "test")), answers_of(name), 32) for name in TEMPLATES}
for name, scores in zero_shot.items():
    commonest = Counter(gold[name]).most_common(1)[0][1] / len(gold[name])
    said, sure = classify(scores, list(LABELS[name]))
    print(f"{name:10} {len(said)} texts: accuracy {accuracy(gold[name], said):.2f}, most frequent label {commonest:.2f}, mean sureness {sure.mean():.2f}")

# %% experiment
said, sure = classify(zero_shot["posts"], list(LABELS["posts"]))
pairs = Counter(zip(gold["posts"], said, strict=True))
plots.heat_map(
    np.array([[pairs[row, column] for column in LABELS["posts"]] for row in LABELS["posts"]]),
    [f"written as {label}" for label in LABELS["posts"]],
    [f"coded as {label}" for label in LABELS["posts"]],
    title="Which stances the model takes for which",
    alt="A table of three by three counts: rows are the stance that the writer meant, columns the stance that the model gave.",
)

# %% [markdown]
# Compare accuracy with the share of the most frequent label, which is what a coder without eyes would reach, and with how sure the model is of itself. Then look along the rows of the table: mistakes are seldom spread evenly.

# %% [markdown]
# ## 4 Showing examples
#
# A prompt may show how it is done: texts with their labels, in the very form in which the question will come, one after the other with an empty line in between. Such examples are called **demonstrations** or *shots*, and no weight of the model changes (Brown et al. 2020).
#
#     Headline: Rates rise again
#     Topic: economy
#
#     Headline: Keeper saves two penalties
#     Topic: sport
#
#     Headline: Fish recognise themselves in the mirror
#     Topic:

# %% [markdown]
# ### Exercise 4: a prompt with examples
#
# Put one together.
#
# <details><summary>Hint: what are the parts?</summary>
#
# A list of blocks: the instruction if there is one, each demonstration with its label, the question. Then join the blocks with an empty line, which is two line breaks.
# </details>

# %% exercise="few_shot_prompt" minutes=5 difficulty=1
def few_shot_prompt(demonstrations: list[tuple[str, str]], question: str, instruction: str = "") -> str:
    """Return a prompt that shows solved examples, in the order given, and then asks.

    demonstrations  pairs (prompt, label); each is shown as the prompt, one space, the label
    question        the prompt that the model is to continue; it stands last, without a label
    instruction     what is to be done, in words; where there is one, it stands first

    An empty line separates all parts; there is none at the ends.

    >>> few_shot_prompt([("Word: up\\nLabel:", "good"), ("Word: no\\nLabel:", "bad")], "Word: yes\\nLabel:")
    'Word: up\\nLabel: good\\n\\nWord: no\\nLabel: bad\\n\\nWord: yes\\nLabel:'
    """
    ### BEGIN SOLUTION
    shown = [f"{prompt} {label}" for prompt, label in demonstrations]
    return "\n\n".join(([instruction] if instruction else []) + shown + [question])
    ### END SOLUTION


# %% test="few_shot_prompt" points=2
check.equal(
    few_shot_prompt([("Word: up\nLabel:", "good"), ("Word: no\nLabel:", "bad")], "Word: yes\nLabel:"),
    "Word: up\nLabel: good\n\nWord: no\nLabel: bad\n\nWord: yes\nLabel:",
    name="two demonstrations and a question",
    causes=[
        (lambda prompt: "Label:good" in prompt, "the space between a prompt and its label is missing."),
        (lambda prompt: prompt.startswith("Word: yes"), "the question stands last, where the model goes on."),
        (lambda prompt: prompt != prompt.strip(), "there is white space at an end of the prompt."),
        (lambda prompt: "\n\n" not in prompt, "an empty line separates the parts: two line breaks."),
        (lambda prompt: prompt.startswith("Word: no"), "the demonstrations are in another order than given."),
        (lambda prompt: "good" not in prompt, "the labels of the demonstrations are missing."),
    ],
)
check.equal(
    few_shot_prompt([("Word: up\nLabel:", "good")], "Word: yes\nLabel:", "Is the word good or bad?"),
    "Is the word good or bad?\n\nWord: up\nLabel: good\n\nWord: yes\nLabel:",
    name="an instruction, a demonstration and a question",
    causes=[
        (lambda prompt: not prompt.startswith("Is the word"), "the instruction stands first."),
        (lambda prompt: prompt.count("Is the word") > 1, "the instruction stands once, before everything else."),
        (lambda prompt: True, "an empty line separates the instruction from what follows."),
    ],
)
check.equal(
    few_shot_prompt([], "Word: yes\nLabel:"),
    "Word: yes\nLabel:",
    name="no demonstrations, no instruction",
    causes=[(lambda prompt: True, "without demonstrations and instruction the prompt is the question alone.")],
)
### BEGIN HIDDEN TESTS
for n in [0, 1, 2, 7]:
    for head in ["", "Code {it}.\nThink."]:
        shown = [(f"T{number} {{x}}:", f"label {number % 3}") for number in range(n)]
        want = head + "\n\n" * bool(head) + "".join(f"{prompt} {label}\n\n" for prompt, label in shown) + "Q:"
        check.equal(few_shot_prompt(shown, "Q:", head), want, name=f"{n} demonstrations, instruction {head!r}")
### END HIDDEN TESTS

# %% [markdown]
# ## 5 Which examples?
#
# Which ones to show, and in which order, moves results by more than one would like (Zhao et al. 2021; Lu et al. 2022). Four rules keep a study honest and fair:
#
# 1. **Never show the text that is asked about.** If it is in the prompt with its label, the model only has to copy. In real data the same text comes back with other spacing or capitals (a repost), so compare without these.
# 2. **Show all labels equally often**, as far as the number allows. A model that has seen four times *sport* says *sport*.
# 3. **Draw by chance, once each**, from texts that are not used for anything else, with a seed in the report.
# 4. **Mix the order.** Models lean towards the label shown last (Zhao et al. 2021). All of one label in a row makes it worse.

# %% [markdown]
# ### Exercise 5: select demonstrations
#
# <details><summary>Hint 1: when are two texts the same?</summary>
#
# When the parts of `text.lower().split()` are the same.
# </details>
#
# <details><summary>Hint 2: how do I keep labels even and random?</summary>
#
# Shuffle the pool, and sort its texts into one pile per label. Then take from the piles in turn until you have k. So that the first pile is not always favoured, let chance decide on the order of the piles.
# </details>
#
# <details><summary>Hint 3: how do I shuffle?</summary>
#
# `rng.permutation(n)` returns the numbers from 0 to n - 1 in random order. Shuffle once more at the end, since taking turns leaves a pattern.
# </details>

# %% exercise="select_demonstrations" minutes=9 difficulty=2
def select_demonstrations(pool: list[tuple[str, str]], text: str, k: int, rng: np.random.Generator) -> list[tuple[str, str]]:
    """Return k pairs (text, label) of the pool, drawn by chance, each place of the pool at most once, in random order.

    pool  pairs (text, label); each label has enough texts
    text  what will be asked about: a text that is the same but for capitals and white space is never chosen
    k     how many; the counts of any two labels of the pool differ by at most 1, and chance decides which get one more,
          all with the same chance
    rng   the only source of chance: np.random.default_rng(seed)

    >>> select_demonstrations([("Yes!", "good"), ("Fine.", "good"), ("No!", "bad")], "yes! ", 2, np.random.default_rng(0))
    [('Fine.', 'good'), ('No!', 'bad')]
    """
    ### BEGIN SOLUTION
    piles = {}
    for i in rng.permutation(len(pool)):
        if pool[i][0].lower().split() != text.lower().split():
            piles.setdefault(pool[i][1], []).append(pool[i])
    waiting = list(piles.values())
    waiting = [waiting[i] for i in rng.permutation(len(waiting))]
    chosen = [pile[turn] for turn in range(k) for pile in waiting if turn < len(pile)]
    return [chosen[i] for i in rng.permutation(k)]
    ### END SOLUTION


# %% test="select_demonstrations" points=3
pool = [(f"{label} text {number}", label) for label, n in [("sport", 30), ("science", 6), ("culture", 5)] for number in range(n)]


def draws(k, text="something else", n=40):
    return [select_demonstrations(pool, text, k, np.random.default_rng(seed)) for seed in range(n)]


tries = draws(6)
check.that(all(len(chosen) == 6 for chosen in tries), "k = 6 was asked for, but the list has another length.")
check.that(all(set(map(tuple, chosen)) <= set(pool) for chosen in tries), "Return pairs (text, label) as they stand in the pool.")
check.that(all(len(set(chosen)) == 6 for chosen in tries), "A text was shown twice in one prompt: draw without putting back.")
label_counts = [Counter(label for _, label in chosen) for chosen in tries]
check.that(
    all(set(count.values()) == {2} for count in label_counts),
    f"Six of three labels are two of each, but these came: {dict(label_counts[0])}. Take from the labels in turn, not from the pool as it is.",
)
leaks = [text for chosen in draws(12, "culture text 4") for text, _ in chosen]
check.that("culture text 4" not in leaks, "The text that is asked about was shown with its label: it leaks. Leave it out.")
leaks = [text for chosen in draws(12, "  Culture\nTEXT   4 ") for text, _ in chosen]
check.that(
    "culture text 4" not in leaks,
    "The text that is asked about was shown with its label: it leaks. Capitals and white space make no difference.",
)
ones = Counter(label for (pair,) in draws(1, n=80) for label in [pair[1]])
check.that(len(ones) == 3, f"With k = 1, eighty seeds always gave {sorted(ones)}. Let chance decide which labels get one more.")
check.that(max(ones.values()) < 45, f"With k = 1, eighty seeds gave {dict(ones)}. Let each label have the same chance, however many texts it has.")
orders = Counter(tuple(label for _, label in chosen) for chosen in tries)
check.that(
    len(orders) > 10,
    f"Forty seeds gave only {len(orders)} different orders of labels. Mix the order at the end; piles or turns leave a pattern.",
)
check.that(len({text for chosen in tries for text, _ in chosen if text.startswith("sport")}) > 15, "Different seeds give the same texts: draw with rng.")
check.that(tries[5] == draws(6)[5], "The same seed must give the same demonstrations: let rng be the only source of chance.")
check.equal(
    select_demonstrations(pool, "x", 0, np.random.default_rng(0)), [], name="k = 0", causes=[(lambda chosen: True, "none were asked for.")]
)
### BEGIN HIDDEN TESTS
for seed, (n_labels, each, k) in enumerate([(2, 20, 16), (5, 20, 16), (5, 8, 4), (3, 5, 11), (1, 9, 8), (4, 3, 3)]):
    some_pool = [(f"Text {number} of {label}", f"label {label}") for number in range(each) for label in range(n_labels)]
    asked = some_pool[seed][0].upper().replace(" ", "  ")
    more, first, last = Counter(), Counter(), Counter()
    for draw in range(60):
        chosen = select_demonstrations(some_pool, asked, k, np.random.default_rng(100 * seed + draw))
        count = Counter(label for _, label in chosen)
        check.equal((len(chosen), len(set(chosen))), (k, k), name="k different ones")
        check.that(set(chosen) <= set(some_pool), "pairs of the pool")
        check.that(some_pool[seed] not in chosen, "no leak")
        spread = [count.get(f"label {label}", 0) for label in range(n_labels)]
        check.that(max(spread) - min(spread) <= 1, "labels equally often")
        more.update(label for label in count if count[label] == max(spread))
        first[chosen[0][1]] += 1
        last[chosen[-1][1]] += 1
    check.that(len(more) == len(first) == len(last) == n_labels, "each label may get one more, and come first or last")
    used = Counter(select_demonstrations(some_pool, "x", k, np.random.default_rng(draw))[0] for draw in range(80))
    check.that(len(used) > min(10, 0.5 * len(some_pool)), "all of the pool is drawn from")
state = np.random.default_rng(3)
both = [select_demonstrations(pool, "x", 5, state), select_demonstrations(pool, "x", 5, state)]
check.that(len(both[0]) == 5, "one generator, used twice")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: how many examples, and do their labels matter?
#
# Now 0, 1, 4 and 16 headlines are shown, with their own labels, and then the same headlines with labels drawn **at random**. Min et al. (2022) did this with twelve models, up to GPT-3, and found that random labels cost surprisingly little: much of what
# demonstrations do is to show the form, the kind of text and which labels there are. Larger models read the labels as well (Wei et al. 2023). And ours? All test headlines of one run see the same demonstrations, drawn from the training part; three runs with other draws show how much that matters.

# %% experiment
SHOTS, RUNS = [0, 1, 4, 16], 3
few_texts = part("headlines", "test")[::3]
few_gold = [text.label for text in few_texts]
headline_pool = [(text.text, text.label) for text in part("headlines", "train")]


def with_demonstrations(name, texts, shown, instruction=""):
    """Scores of texts after the same demonstrations (text, label)."""
    shown = [(render_prompt(TEMPLATES[name], {"text": text, "target": ""}), label) for text, label in shown]
    prompts = [few_shot_prompt(shown, prompt, instruction) for prompt in prompts_of(name, texts)]
    return label_log_probabilities(model, prompts, answers_of(name), 32)


def shot_accuracy(k, seed, random_labels):
    rng = np.random.default_rng(seed)
    chosen = select_demonstrations(headline_pool, "", k, rng)
    if random_labels:
        chosen = [(text, str(rng.choice(LABELS["headlines"]))) for text, _ in chosen]
    return accuracy(few_gold, classify(with_demonstrations("headlines", few_texts, chosen), list(LABELS["headlines"]))[0])


nothing_shown = shot_accuracy(0, 0, False)
shots = {
    labels: [[shot_accuracy(k, seed, labels == "random") if k else nothing_shown for seed in range(RUNS)] for k in SHOTS]
    for labels in ["gold", "random"]
}
for labels, runs in shots.items():
    print(f"{labels:6} labels:", "  ".join(f"{k:2} shown {np.mean(run):.2f} ({min(run):.2f} to {max(run):.2f})" for k, run in zip(SHOTS, runs, strict=True)))

# %% experiment
gold_mean, random_mean = (np.mean(shots[labels][-1]) for labels in ["gold", "random"])
moved = "more" if gold_mean > nothing_shown + 0.02 else "less" if gold_mean < nothing_shown - 0.02 else "no more and no less"
plots.lines(
    SHOTS,
    {f"{labels} labels": [float(np.mean(run)) for run in runs] for labels, runs in shots.items()},
    title=f"With sixteen examples this model gets {moved} right than with none",
    x_label="demonstrations in the prompt",
    y_label=f"accuracy on {len(few_texts)} headlines, mean of {RUNS} draws",
    floor=("by chance", 0.2),
    alt="Accuracy on headlines against 0, 1, 4 and 16 demonstrations: one line for examples with their own labels, one for examples with random labels, and a dotted line at 0.2 for guessing.",
)

# %% experiment
gap = gold_mean - random_mean
print(f"Sixteen examples with their own labels: {gold_mean:.2f}. With random labels: {random_mean:.2f}.")
if abs(gap) < 0.05:
    print("For this model the labels of the examples hardly matter, as Min et al. found.")
elif gap > 0:
    print("This model reads the labels of the examples: random ones cost it accuracy.")
else:
    print("Random labels did better. With so few texts and draws this is chance; look at the ranges above.")

# %% [markdown]
# Do not read more from the lines than the ranges in the text above allow. The model of the course is small, has read few long prompts, and was trained on the form of the question itself, so it needs no examples to know what is wanted. A large model that has never seen the
# form usually gains most from the first few. That is the point of measuring: what is written about GPT-4 need not hold for the model in your study.

# %% [markdown] question="random-labels" points=3 minutes=4
# **Question 1.** (a) Suppose that for some model, demonstrations with random labels work as well as demonstrations with their own. Name two things that the model can have learned from the demonstrations all the same. (b) In this experiment all test texts of a run share the same
# demonstrations. Name one reason for it, and say why several runs are then needed. (c) A colleague selects, for every test text, the most similar texts *of the test set* with their labels as demonstrations. The accuracy jumps. What has gone wrong, and which rule would have prevented it?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Two of: which labels there are (the label space); the form of the answer (one word, where it stands); what kind of text is coming (the distribution of inputs); that a task of this kind is on. Half a point for one. (b) It is as one would use it (the prompt is fixed before the texts come), it can be
# compared between texts, and it is cheaper since the beginning is read once. But the result then hangs on one draw of examples; several draws show how much. Half a point for each part. (c) Gold labels of test texts are used to code test texts (near-duplicates with their labels are almost the answer): a leak, so accuracy
# on new texts will be lower. Draw demonstrations from texts that are not used for validation (rule 3; also rule 1).
# ### END MARK SCHEME

# %% [markdown]
# ## 6 A coder with a habit: calibration
#
# Ask the model about a text that says nothing, such as `N/A`. A fair coder would give all labels the same probability. A language model does not: some labels are common words, some have just been shown, some were frequent in its training. Zhao et al. (2021) use this
# to correct it. For texts without content (they take `N/A`, `[MASK]` and the empty text), let the mean probability of label $a$ be $\bar p_a$. Then divide each probability by it, and by the sum again:
#
# $$q_a = \frac{p_a / \bar p_a}{\sum_b p_b / \bar p_b}$$
#
# They call it **contextual calibration**, as the habit depends on the whole prompt: other demonstrations, another $\bar p$.
#
# **An example.** On texts without content the model says *positive* with 0.75 and *negative* with 0.25. A review now gets 0.6 and 0.4. That is *less* positive than nothing at all: $0.6/0.75 = 0.8$ and $0.4/0.25 = 1.6$, and so $q = (0.33, 0.67)$.

# %% [markdown]
# ### Exercise 6: contextual calibration
#
# <details><summary>Hint 1: in which order?</summary>
#
# First make each row of `blank` a distribution over the labels. Then average these rows. Not the logs: a mean of logs is another mean.
# </details>
#
# <details><summary>Hint 2: dividing, with logs</summary>
#
# Dividing probabilities is subtracting their logs; `log_softmax` then takes care of the sum.
# </details>

# %% exercise="contextual_calibration" minutes=8 difficulty=2
def contextual_calibration(scores: Tensor, blank: Tensor) -> Tensor:
    """Return the logs of calibrated probabilities, shape (N, L): each row is a distribution over the labels (Zhao et al. 2021).

    scores  log-probabilities of L labels for N texts; any size, any sum
    blank   the same for M texts without content in the same prompt, (M, L); each of them counts the same

    >>> contextual_calibration(torch.tensor([[0.6, 0.4]]).log(), torch.tensor([[0.75, 0.25]]).log()).exp()
    tensor([[0.3333, 0.6667]])
    """
    ### BEGIN SOLUTION
    habit = blank.softmax(dim=-1).mean(dim=0)
    return (scores - habit.log()).log_softmax(dim=-1)
    ### END SOLUTION


# %% test="contextual_calibration" points=3
def calibrated(scores, blank):
    return contextual_calibration(torch.tensor(scores).log(), torch.tensor(blank).log()).exp()


check.equal(
    calibrated([[0.6, 0.4], [0.3, 0.2]], [[0.75, 0.25]]),
    torch.tensor([[1 / 3, 2 / 3], [1 / 3, 2 / 3]]),
    name="calibrated probabilities of two texts",
    atol=1e-4,
    causes=[
        (lambda q: bool((q - torch.tensor([0.818182, 0.181818])).abs().max() < 1e-4), "you multiplied by the habit; divide by it."),
        (lambda q: bool((q - torch.tensor([0.6, 0.4])).abs().max() < 1e-4), "nothing was calibrated: divide by the probabilities of the blank texts."),
        (lambda q: bool((q[0] - torch.tensor([0.8, 1.6])).abs().max() < 1e-4), "the result does not sum to 1: divide by the sum over the labels."),
        (lambda q: bool((q - torch.tensor([0.310026, 0.689974])).abs().max() < 1e-4), "a softmax was taken of probabilities; log_softmax wants logs."),
        (lambda q: bool((q.sum(1) - 1).abs().max() > 1e-3), "the result does not sum to 1 over the labels; return logs of probabilities."),
    ],
)
check.equal(
    calibrated([[0.5, 0.5]], [[0.9, 0.1], [0.02, 0.08]]),
    torch.tensor([[0.45 / (0.45 + 0.55), 0.55]]),
    name="two blank texts, one of which gives little to both labels",
    atol=1e-4,
    causes=[
        (torch.tensor([[0.1, 0.9]]), "only the first blank text was used; average over all."),
        (torch.tensor([[0.8, 0.2]]), "only the last blank text was used; average over all."),
        (torch.tensor([[0.163636, 0.836364]]), "the blank texts were averaged before each was made a distribution: one that gives more to the labels counted more."),
        (torch.tensor([[0.4, 0.6]]), "the logs were averaged; average the probabilities."),
        (lambda q: True, "average the blank texts' distributions over the labels, and divide by that mean."),
    ],
)
check.equal(
    contextual_calibration(torch.tensor([[-1000.0, -1001.0]]), torch.tensor([[-500.0, -500.0]])),
    torch.tensor([[-0.313262, -1.313262]]),
    name="scores far below zero, and a fair habit",
    atol=1e-4,
    causes=[(lambda q: True, "exp(-1000) is 0: stay with logs, log_softmax subtracts the largest first.")],
)
### BEGIN HIDDEN TESTS
random_habits = torch.Generator().manual_seed(21)
for n, m, size in [(1, 1, 2), (6, 3, 2), (4, 1, 5), (9, 4, 3), (2, 7, 1)]:
    for scale, shift in [(1.0, 0.0), (4.0, -300.0), (1.0, 100.0)]:
        some_rows = torch.randn(n, size, generator=random_habits) * scale + shift
        empty = torch.randn(m, size, generator=random_habits) * scale + shift
        p, habit = some_rows.double().softmax(1), empty.double().softmax(1).mean(0)
        want = (p / habit) / (p / habit).sum(1, keepdim=True)
        check.equal(contextual_calibration(some_rows, empty).exp(), want.float(), name=f"random scores {n}, {m}, {size}, scale {scale:g}", atol=1e-4)
some_rows = torch.randn(5, 3, generator=random_habits)
check.equal(contextual_calibration(some_rows[:1], some_rows[:1]).exp(), torch.full((1, 3), 1 / 3), name="a blank text among the texts", atol=1e-5)
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: four good reviews in a row
#
# We show four *positive* reviews and nothing else, and ask about the test reviews, of which half are negative. Then we ask the same prompt about blank texts, and calibrate.

# %% experiment
from types import SimpleNamespace

review_texts = part("reviews", "test")[::2]
review_gold = [text.label for text in review_texts]
blank_texts = [SimpleNamespace(text=text, target="", label="") for text in BLANKS]
praise = [(text.text, text.label) for text in part("reviews", "train") if text.label == "positive" and len(text.text) < 80][:4]
shares, right = {}, {}
for title, shown in [("no example", []), ("four positive ones", praise)]:
    plain = with_demonstrations("reviews", review_texts, shown)
    better = contextual_calibration(plain, with_demonstrations("reviews", blank_texts, shown))
    for name, scores in [(title, plain), (f"{title}, calibrated", better)]:
        said = classify(scores, list(LABELS["reviews"]))[0]
        shares[name] = said.count("positive") / len(said)
        right[name] = accuracy(review_gold, said)
        print(f"{name:32} says positive {shares[name]:.2f}, accuracy {right[name]:.2f}")
shares["by their writers"] = review_gold.count("positive") / len(review_gold)
plots.bars(
    shares,
    title="How often the model says positive depends on what it was shown",
    x_label="share of reviews coded as positive",
    highlight="by their writers",
    alt="Five bars: the share of reviews coded as positive with no example, with four positive examples, each plain and calibrated, and the true share, one half.",
)

# %% [markdown]
# Calibration moves the *threshold* between labels, and nothing else: it can repair a leaning, and it cannot tell apart what the model does not tell apart. It also assumes that blank texts are fair, which for a stance or a topic is a guess. So it is tried out like everything else:
# on texts with labels.

# %% experiment
calibrated_scores = {}
for name in TEMPLATES:
    texts, blank_scores = part(name, "test"), {}
    for target in TARGETS.get(name, [""]):  # the target is a part of the prompt, so each has its own habit
        empty = [render_prompt(TEMPLATES[name], {"text": text, "target": target}) for text in BLANKS]
        blank_scores[target] = label_log_probabilities(model, empty, answers_of(name))
    rows = [contextual_calibration(zero_shot[name][i : i + 1], blank_scores[text.target or ""]) for i, text in enumerate(texts)]
    calibrated_scores[name] = torch.cat(rows)
    before, after = (accuracy(gold[name], classify(s, list(LABELS[name]))[0]) for s in (zero_shot[name], calibrated_scores[name]))
    print(f"{name:10} accuracy without an example {before:.2f}, calibrated {after:.2f}")

# %% [markdown]
# ## 7 Ten ways to ask
#
# *Sentiment*, *Opinion* or *Verdict*? With a question or without? People would not mind. Models do: between reasonable prompts for one task (topics of news), Gonen et al. (2022) found more than 30 points of accuracy. Which prompt should a study take, when it has no labels yet to try them on?
#
# Their finding helps: a model tends to do better with a prompt whose *language it knows*. And that can be measured without a label: by how surprising the prompt is to the model. The perplexity of a text of $T$ tokens (notebook 00) is
#
# $$\text{PP}(x) = \exp\Big(-\frac{1}{T-1}\sum_{t=2}^{T} \log P(x_t \mid x_1 \dots x_{t-1})\Big)$$
#
# The sum begins with the second token, since nothing stands before the first (if the model has a start token, that one is the first). The perplexity of a *template* is the mean over texts that are put into it.
#
# **An example** with the toy model: `Mood: good` is the tokens `<s>`, `Mood:`, ` good`. They have the probabilities (none), 0.125 and 0.5. The perplexity is $(0.125 \cdot 0.5)^{-1/2} = 4$.

# %% [markdown]
# ### Exercise 7: perplexity of prompts
#
# <details><summary>Hint 1: what is different from exercise 2?</summary>
#
# There is no answer: *all* tokens but the first are counted, and the mean over them is taken. Padding and batches work the same way.
# </details>
#
# <details><summary>Hint 2: all tokens of a row at once</summary>
#
# For one row of n ids: take the logits of places 0 to n - 2, log_softmax, and pick from each the id that comes next, with `gather` or a loop.
# </details>

# %% exercise="prompt_perplexity" minutes=8 difficulty=2
def prompt_perplexity(model, prompts: list[str], batch_size: int = 16) -> Tensor:
    """Return the perplexity of each prompt, shape (N,): the exponential of the mean surprise, in nats, per predicted token.

    model       as in exercise 2
    prompts     N texts of two tokens or more, the start token counted
    batch_size  how many prompts are read in one call; the result must not depend on it

    >>> prompt_perplexity(toy, ["Mood: good", "Mood: not good"])
    tensor([4.0000, 4.0548])
    """
    ### BEGIN SOLUTION
    rows = [torch.tensor(model.encode(prompt)) for prompt in prompts]
    found = []
    for start in range(0, len(rows), batch_size):
        batch = rows[start : start + batch_size]
        logits = model.logits(pad_sequence(batch, batch_first=True))
        for row, ahead in zip(batch, logits):
            log_p = ahead.log_softmax(dim=-1)[range(len(row) - 1), row[1:]]
            found.append(torch.exp(-log_p.mean()))
    return torch.stack(found)
    ### END SOLUTION


# %% test="prompt_perplexity" points=3
def perplexities(model, prompts, **settings):
    """Your result; an error of shapes is returned, to be named below."""
    try:
        return prompt_perplexity(model, prompts, **settings).detach()
    except NotImplementedError:
        raise
    except (RuntimeError, IndexError) as error:
        return error


check.equal(
    perplexities(toy, ["Mood: good"]),
    torch.tensor([4.0]),
    name="perplexity of 'Mood: good'",
    atol=1e-3,
    causes=[
        (lambda p: isinstance(p, Exception), "the shapes do not fit: the logits of all places but the last belong to all tokens but the first."),
        (torch.tensor([16.0]), "the surprise was summed; take the mean over the predicted tokens."),
        (torch.tensor([2.519842]), "divided by the number of all tokens; nothing is predicted for the first, so there is one less."),
        (torch.tensor([1.386294]), "this is the mean surprise; the perplexity is its exponential."),
        (torch.tensor([0.25]), "the sign: surprise is minus the log-probability."),
        (torch.tensor([2.614004]), "2 to the power of nats: with natural logs the base is e."),
        (torch.tensor([5.0]), "a mean of 1/P was taken; average the logs."),
        (torch.tensor([20.0]), "one place off: the logits at a place are about the token after it."),
        (lambda p: bool((p < 1).any()), "a perplexity is never below 1: logits must become log-probabilities with log_softmax."),
    ],
)
check.equal(
    perplexities(toy, ["Mood: good", "Mood: not good", "Verdict: bad"]),
    torch.tensor([4.0, 4.054801, 3.651484]),
    name="three prompts in one batch",
    atol=1e-3,
    causes=[
        (lambda p: isinstance(p, Exception), "the shapes do not fit; rows of one batch must be padded to one length."),
        (lambda p: p.ndim == 0 or len(p) != 3, "one number per prompt, not one for the batch."),
        (lambda p: bool((p[1] - 4.054801).abs() < 1e-3), "the padding was counted, or moved the text: fill up on the right, and count each row's own tokens."),
        (lambda p: True, "count each row's own tokens but the first."),
    ],
)
check.equal(
    perplexities(toy, ["Mood: good", "Mood: bad"] * 3, batch_size=4),
    torch.tensor([4.0, 6.324555] * 3),
    name="six prompts, four at a time",
    atol=1e-3,
    causes=[(lambda p: len(p) != 6, "the last batch, which is not full, got lost.")],
)
### BEGIN HIDDEN TESTS
def letter_model(seed, size=13):
    table = torch.randn(80, size, generator=torch.Generator().manual_seed(seed))

    def logits(idx):
        return torch.cumsum(table[idx] * (torch.arange(1, idx.shape[1] + 1)[:, None] * 0.61).sin(), dim=1) * 0.6 - 7.0

    return Model(encode=lambda text: [ord(letter) % size for letter in text], logits=logits)


sizes_seen = []


def watching_logits(idx):
    sizes_seen.append(len(idx))
    return toy_logits(idx)


prompt_perplexity(Model(encode=toy_encode, logits=watching_logits), ["Mood: good", "a b c"] * 5, batch_size=4)
check.that(max(sizes_seen) <= 4 and len(sizes_seen) <= 5, "batch_size prompts in each call")
for seed in range(3):
    some_model = letter_model(seed)
    some_prompts = ["ab", "a longer one: ", "Review: a review\nSentiment:", "x" * 60, "yes", "no"]
    want = []
    for prompt in some_prompts:
        ids = some_model.encode(prompt)
        log_p = some_model.logits(torch.tensor([ids]))[0].log_softmax(-1)
        want.append(float(np.exp(-np.mean([float(log_p[t - 1, ids[t]]) for t in range(1, len(ids))]))))
    for size in [1, 4, 50]:
        check.equal(prompt_perplexity(some_model, some_prompts, size).detach(), torch.tensor(want), name=f"random model {seed}, batches of {size}", atol=1e-3, rtol=1e-3)
check.equal(tuple(prompt_perplexity(toy, ["Mood: good"] * 17).shape), (17,), name="shape for seventeen prompts")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: accuracy against perplexity
#
# Ten templates for the reviews, on one hundred of them.

# %% experiment
WAYS = {
    "Sentiment": "Review: {text}\nSentiment:",
    "bare": "{text}\nSentiment:",
    "Text, Label": "Text: {text}\nLabel:",
    "Input, Output": "Input: {text}\nOutput:",
    "Opinion": "Review: {text}\nOpinion:",
    "question": "Review: {text}\nQuestion: Is this review positive or negative?\nAnswer:",
    "arrow": "{text} =>",
    "sentence": "Comment: {text}\nThis comment is",
    "polite": "Please read what a customer wrote. {text} Would you call it positive or negative? I would call it",
    "capitals": "REVIEW >>> {text} <<< POLARITY OF THE ABOVE ===",
}
hundred = review_texts[:100]
hundred_gold = [text.label for text in hundred]


def tried(template):
    """Mean perplexity of a template, and accuracy with it."""
    filled = prompts_of("reviews", hundred, template)
    said = classify(label_log_probabilities(model, filled, answers_of("reviews"), 32), list(LABELS["reviews"]))[0]
    return prompt_perplexity(model, filled, 32).mean().item(), accuracy(hundred_gold, said)


ways = {name: tried(template) for name, template in WAYS.items()}
for name, (surprise, hit) in ways.items():
    print(f"{name:14} perplexity {surprise:7.1f}   accuracy {hit:.2f}")

# %% experiment
surprises, hits = np.array(list(ways.values())).T
agreement = np.corrcoef(surprises.argsort().argsort(), hits.argsort().argsort())[0, 1]
plots.show(
    plots.scatter(
        ways,
        title=f"One question, ten wordings: from {hits.min():.0%} to {hits.max():.0%} right",
        x_label="mean perplexity of the prompt",
        y_label="accuracy",
        log_x=True,
        alt="Ten named points, one for each template: accuracy on one hundred reviews against the perplexity of the prompt.",
    )
)
print(f"Correlation of the two rankings: {agreement:+.2f}")
if agreement < -0.3:
    print("As Gonen et al. found: the less surprising the prompt, the better the answers.")
else:
    print("With this model and these ten, perplexity does not tell which prompt is good. One hundred texts and ten prompts are few; and see which wordings the model was trained on.")

# %% [markdown]
# Whatever the correlation, the spread from the best to the worst wording is the finding to keep. A study that reports one prompt reports one point of this figure. Report the spread as well.
#
# Models that were tuned to follow instructions expect one more form: a **chat**, with a *system prompt* that says who answers, and turns of user and assistant between special tokens. The form is written down in the model's chat template; `model.chat` applies it. Does it
# help here?

# %% experiment
CHAT = {
    "plain template": lambda text: render_prompt(TEMPLATES["reviews"], {"text": text}),
    "chat": lambda text: model.chat(("user", f"Is this review positive or negative? {text}")),
    "chat with system": lambda text: model.chat(("system", "You answer with one word."), ("user", f"Is this review positive or negative? {text}")),
}
print(repr(CHAT["chat with system"]("Lovely hotel.")), "\n")
for name, form in CHAT.items():
    space = " " if name == "plain template" else model.chat_space  # some templates have the answer begin without a space
    scores = label_log_probabilities(model, [form(text.text) for text in hundred], [space + label for label in LABELS["reviews"]], 32)
    said = classify(scores, list(LABELS["reviews"]))[0]
    print(f"{name:17} accuracy {accuracy(hundred_gold, said):.2f}, says positive {said.count('positive') / len(said):.2f}, probability of the two answers {scores.exp().sum(1).mean():.2f}")

# %% [markdown]
# ## 8 How good is a coder?
#
# So far we counted hits. That is not enough to compare coders, for two reasons.
#
# **Labels are seldom equally frequent.** If 90 of 100 posts are *none*, a coder who always says *none* is right 90 times and has found nothing. So look at each label by itself. For one label, let TP be the texts that both gold and coder give it, FP those that only the coder does, FN
# those that only gold does. Then
#
# $$F_1 = \frac{2\,TP}{2\,TP + FP + FN}$$
#
# is 1 if coder and gold agree on the label entirely, and 0 if they never meet. **Macro-F1** is the plain mean over the labels: a rare label counts as much as a frequent one. (*Micro*-F1 counts all texts alike. With one label per text it is nothing but accuracy.)
#
# **An example.** Gold: `a a a b`. Coder: `a a b c`. For *a*: TP 2, FP 0, FN 1, so $F_1 = 4/5$. For *b*: TP 0, so $F_1 = 0$. For *c*: $F_1 = 0$. Macro-F1 is $0.8/3 = 0.267$; accuracy is 0.5.

# %% [markdown]
# ### Exercise 8: macro-F1
#
# <details><summary>Hint: what if a label occurs nowhere?</summary>
#
# Then all three counts are 0 and 0/0 says nothing. The convention here, as in scikit-learn, is 0.
# </details>

# %% exercise="macro_f1" minutes=7 difficulty=1
def macro_f1(gold: list, predicted: list, labels: list) -> float:
    """Return the mean of the labels' F1.

    gold, predicted  one label per text, of equal length; `predicted` may hold None where a coder gave no usable answer
    labels           the labels to average over; one that occurs in neither list has an F1 of 0

    >>> round(macro_f1(["a", "a", "a", "b"], ["a", "a", "b", "c"], ["a", "b", "c"]), 4)
    0.2667
    """
    ### BEGIN SOLUTION
    total = 0.0
    for label in labels:
        hits = sum(g == p == label for g, p in zip(gold, predicted))
        named = gold.count(label) + predicted.count(label)  # 2 TP + FP + FN
        total += 2 * hits / named if named else 0.0
    return total / len(labels)
    ### END SOLUTION


# %% test="macro_f1" points=3
def f1_of(gold, predicted, labels):
    """Your result; a division by zero is returned, to be named below."""
    try:
        return macro_f1(gold.split(), [None if p == "-" else p for p in predicted.split()], labels.split())
    except ZeroDivisionError as error:
        return error


check.equal(
    f1_of("a a a a b c c", "a a b c b c b", "a b c"),
    (2 / 3 + 1 / 2 + 1 / 2) / 3,
    name="macro-F1 of seven texts with three labels",
    causes=[
        (4 / 7, "this is accuracy, or micro-F1; take the F1 of each label, and their mean."),
        ((2 / 3 * 4 + 1 / 2 + 1 / 2 * 2) / 7, "the labels are weighted by how often they occur; in macro-F1 each counts the same."),
        ((1 / 2 + 1 + 1 / 2) / 3, "this is the mean recall (TP among gold); F1 also counts what the coder named wrongly."),
        ((1 + 1 / 3 + 1 / 2) / 3, "this is the mean precision (TP among the coder's); F1 also counts what the coder missed."),
        ((3 / 4 + 2 / 3 + 1 / 2) / 3, "you took the plain mean of precision and recall; F1 is 2 TP / (2 TP + FP + FN)."),
        (2 * (11 / 18) * (2 / 3) / (11 / 18 + 2 / 3), "you averaged precision and recall over the labels first; take the F1 of each label first."),
        ((1 / 2 + 1 / 3 + 1 / 3) / 3, "TP counts twice in F1: 2 TP / (2 TP + FP + FN)."),
        (2 / 3 + 1 / 2 + 1 / 2, "this is the sum; divide by the number of labels."),
    ],
)
check.equal(
    f1_of("a a a b", "a a - b", "a b c"),
    (4 / 5 + 1 + 0) / 3,
    name="macro-F1 with a text without an answer, and a label c that nobody used",
    causes=[
        (lambda f1: isinstance(f1, Exception), "0 divided by 0: a label that occurs in neither list has an F1 of 0."),
        (lambda f1: f1 != f1, "0 divided by 0: a label that occurs in neither list has an F1 of 0."),
        ((4 / 5 + 1) / 2, "a label that nobody used was left out; average over all of `labels`."),
        ((4 / 5 + 1) / 4, "None is no label: average over `labels` only."),
        ((4 / 5 + 1 + 1) / 3, "a label that occurs in neither list has an F1 of 0, not 1."),
        (2 / 3, "a text without an answer stays in: gold's label was missed there."),
    ],
)
check.equal(
    f1_of("none none none a b", "none none a a b", "a b"),
    (2 / 3 + 1) / 2,
    name="macro-F1 over two of three labels",
    causes=[(lambda f1: True, "average over the labels you are given, and count all texts: a text of another label that the coder calls a is an FP of a.")],
)
### BEGIN HIDDEN TESTS
random_codes = np.random.default_rng(8)
for n, used, asked in [(1, "a", "a"), (7, "ab", "ab"), (40, "abc", "abcd"), (60, "abcde", "eca"), (25, "ab", "cd"), (12, "abc", "b")]:
    for gaps in [0.0, 0.3]:
        gold_codes = [str(code) for code in random_codes.choice(list(used), n)]
        coder = [None if random_codes.random() < gaps else str(code) for code in random_codes.choice(list(used), n)]
        want = []
        for label in asked:
            cross = [[sum((g == label) == row and (p == label) == column for g, p in zip(gold_codes, coder)) for column in (True, False)] for row in (True, False)]
            want.append(2 * cross[0][0] / max(1, 2 * cross[0][0] + cross[0][1] + cross[1][0]))
        check.equal(macro_f1(gold_codes, coder, list(asked)), float(np.mean(want)), name=f"{n} random codes of {used}, asked {asked}")
check.equal(macro_f1([], [], ["a", "b"]), 0.0, name="no texts")
check.equal(macro_f1(["a", "b"], ["b", "a"], ["a", "b"]), 0.0, name="all wrong")
check.equal(macro_f1(["a", "b"], ["a", "b"], ["b", "a"]), 1.0, name="all right")
### END HIDDEN TESTS

# %% [markdown]
# **Chance agrees, too.** Two coders who toss coins agree on half of the texts. Cohen (1960) asks how far two coders get *beyond* chance, of what there is to get:
#
# $$\kappa = \frac{p_o - p_e}{1 - p_e}, \qquad p_e = \sum_k p_1(k)\, p_2(k)$$
#
# $p_o$ is the share of texts on which they agree, and $p_e$ the share on which they would if each kept to their own habits ($p_1(k)$ is how often coder 1 gives label $k$) and drew blindly. 1 is full agreement, 0 is no better than chance; it can be negative.
#
# **An example.** Coder 1: `y y y y n`. Coder 2: `y y y n n`. They agree on 4 of 5, $p_o = 0.8$. By chance: $0.8 \cdot 0.6 + 0.2 \cdot 0.4 = 0.56$. So $\kappa = 0.24/0.44 = 0.545$.

# %% [markdown]
# ### Exercise 9: Cohen's kappa
#
# <details><summary>Hint 1: which labels k?</summary>
#
# All that either coder used. One that only one of them used adds 0, so it doesn't matter whether you go over them all.
# </details>
#
# <details><summary>Hint 2: when is there no kappa?</summary>
#
# If both give all texts the same single label, chance agrees on everything, $1 - p_e$ is 0, and nothing can be said: return `float("nan")`.
# </details>

# %% exercise="cohen_kappa" minutes=6 difficulty=1
def cohen_kappa(first: list, second: list) -> float:
    """Return Cohen's kappa of two coders; NaN where chance agreement is 1 (Cohen 1960).

    first, second  one label per text, of equal length, one text at least; anything that can be compared, None too

    >>> round(cohen_kappa(["y", "y", "y", "y", "n"], ["y", "y", "y", "n", "n"]), 4)
    0.5455
    """
    ### BEGIN SOLUTION
    n = len(first)
    observed = sum(a == b for a, b in zip(first, second))
    expected = sum(first.count(label) * second.count(label) for label in set(first)) / n
    return (observed - expected) / (n - expected) if expected != n else float("nan")
    ### END SOLUTION


# %% test="cohen_kappa" points=3
def kappa_of(first, second):
    """Your result; a division by zero is returned, to be named below."""
    try:
        return cohen_kappa(first.split(), second.split())
    except ZeroDivisionError as error:
        return error


check.equal(
    kappa_of("y y y y n", "y y y n n"),
    0.24 / 0.44,
    name="kappa of two coders",
    causes=[
        (0.8, "this is plain agreement; take off what chance would give."),
        (0.6, "chance is not 1/2: it depends on how often each coder uses each label."),
        (0.22 / 0.42, "you took the coders' habits together (Scott's pi); multiply the share of one by the share of the other."),
        (0.12 / 0.32, "chance was computed from the first coder alone; multiply the two coders' shares."),
        (0.28 / 0.48, "chance was computed from the second coder alone; multiply the two coders' shares."),
        (0.24, "divide by 1 - p_e, what there is to get beyond chance."),
        (0.24 / 0.56, "divide by 1 - p_e, what there is to get beyond chance, not by p_e."),
        (lambda kappa: kappa > 1, "above 1: the shares p_1(k) and p_2(k) are counts divided by the number of texts."),
    ],
)
check.equal(
    kappa_of("a b c a b c", "b c a b c a"),
    (0 - 1 / 3) / (1 - 1 / 3),
    name="kappa of two coders who never agree",
    causes=[(0.0, "kappa may be negative: less agreement than by chance."), (lambda kappa: True, "sum over all labels that occur.")],
)
check.equal(
    kappa_of("a a a", "a a a"),
    float("nan"),
    name="kappa when both coders give every text the same label",
    causes=[
        (lambda kappa: isinstance(kappa, Exception), "0 divided by 0: where chance agreement is 1, return float('nan')."),
        (lambda kappa: kappa in (0.0, 1.0), "nothing can be said here, neither 0 nor 1: return float('nan')."),
    ],
)
### BEGIN HIDDEN TESTS
random_coders = np.random.default_rng(9)
for n, labels in [(2, "ab"), (10, "ab"), (50, "abc"), (200, "abcdefg"), (30, "abcd")]:
    for agree in [0.0, 0.5, 0.95]:
        one = random_coders.choice(list(labels), n, p=np.arange(1, len(labels) + 1) / sum(range(1, len(labels) + 1)))
        two_ = np.where(random_coders.random(n) < agree, one, random_coders.choice(list(labels), n))
        po = float(np.mean(one == two_))
        pe = sum(float(np.mean(one == k)) * float(np.mean(two_ == k)) for k in labels)
        want = (po - pe) / (1 - pe) if abs(1 - pe) > 1e-12 else float("nan")
        check.equal(cohen_kappa(one.tolist(), two_.tolist()), want, name=f"{n} random codes of {labels}", atol=1e-9)
check.equal(cohen_kappa(["a", None, "b", "b"], ["a", "b", None, "b"]), (0.5 - 0.375) / 0.625, name="with None")
check.equal(cohen_kappa(["a", "a"], ["b", "b"]), 0.0, name="two coders with one label each, not the same")
check.equal(cohen_kappa([1, 2, 3], [1, 2, 3]), 1.0, name="numbers as labels")
### END HIDDEN TESTS

# %% [markdown]
# **And another sample would have given another number.** 70 hits in 100 texts do not mean 0.70. How far off might it be? The **bootstrap** (Efron 1979) answers by simulation, for any measure: make a new sample of the same size by drawing texts from the old one *with replacement*, so that some come
# twice and some not at all; compute the measure; repeat a thousand times. The middle 95 per cent of the thousand values is an interval for it.
#
# Two mistakes make it worthless: drawing without replacement (then each new sample is the old one in another order), and drawing gold and predicted labels apart (then they no longer belong to the same text).

# %% [markdown]
# ### Exercise 10: bootstrap interval
#
# <details><summary>Hint 1: how do I draw texts?</summary>
#
# Draw n places with `rng.integers(n, size=n)`, and take gold and predicted labels at the same places.
# </details>
#
# <details><summary>Hint 2: how do I find the middle?</summary>
#
# `np.quantile(values, [0.025, 0.975])` for a level of 0.95: half of what is left out goes to each side.
# </details>

# %% exercise="bootstrap_interval" minutes=8 difficulty=2
def bootstrap_interval(
    statistic: Callable[[list, list], float], gold: list, predicted: list, rng: np.random.Generator, draws: int = 1000, level: float = 0.95
) -> tuple[float, float]:
    """Return the lower and upper end of a percentile bootstrap interval over texts (Efron 1979).

    statistic        function (gold, predicted) -> float, such as accuracy; it is called once for each draw
    gold, predicted  one label per text, of equal length
    rng              the only source of chance
    draws            how many new samples are drawn, each of the size of the old one
    level            the share of values between the ends

    >>> bootstrap_interval(accuracy, ["a"] * 100, ["a"] * 70 + ["b"] * 30, np.random.default_rng(0))
    (0.61, 0.79)
    """
    ### BEGIN SOLUTION
    values = []
    for _ in range(draws):
        places = rng.integers(len(gold), size=len(gold))
        values.append(statistic([gold[i] for i in places], [predicted[i] for i in places]))
    outside = (1 - level) / 2
    low, high = np.quantile(values, [outside, 1 - outside])
    return float(low), float(high)
    ### END SOLUTION


# %% test="bootstrap_interval" points=3
numbers = [((7 * i) % 40 - 19.5) / 11.54 for i in range(40)]  # forty values with mean 0 and standard deviation 1
seen = []


def mean_of_pairs(gold, predicted):
    """The mean of gold; keeps a few samples for a look at them."""
    if len(seen) < 30:
        seen.append((list(gold), list(predicted)))
    return sum(gold) / max(1, len(gold))


low, high = bootstrap_interval(mean_of_pairs, numbers, [value + 100 for value in numbers], np.random.default_rng(1), 1000)
check.that(len(seen) > 1, "The statistic was called once or never: call it on every new sample.")
check.that(all(len(g) == len(p) == 40 for g, p in seen), f"A new sample has {len(seen[0][0])} texts; it must be of the size of the old one, 40.")
check.that(
    all(len(set(g)) < 40 for g, _ in seen) and any(len(set(p)) < 40 for _, p in seen),
    "Every new sample holds all texts once: draw with replacement, so that some come twice and some not at all.",
)
check.that(
    all(abs(p - g - 100) < 1e-9 for sample in seen for g, p in zip(*sample)),
    "Gold and predicted labels were drawn apart, so that they no longer belong to the same text: take both at the same places.",
)
width = (high - low) * 40**0.5
check.that(low < 0 < high, f"The interval ({low:.2f}, {high:.2f}) must hold the value 0 of the whole sample: lower end first.")
check.that(
    3.55 < width < 4.4,
    f"The interval is {width:.1f} standard errors wide; one of 95 per cent is about 3.9. "
    + (
        "Leave 2.5 per cent out on each side, not 5." if 3.0 < width < 3.55
        else "This is one standard deviation to each side; take the quantiles." if 1.5 < width < 2.5
        else "These are the smallest and the largest value; take the quantiles." if 5.0 < width < 9.0
        else "Take the quantiles of the values: for a level of 0.95 at 0.025 and 0.975."
    ),
)
half = bootstrap_interval(mean_of_pairs, numbers, numbers, np.random.default_rng(2), 600, 0.5)
check.that(1.05 < (half[1] - half[0]) * 40**0.5 < 1.7, "With level=0.5 the interval must be about a third as wide; `level` has no effect or is used the wrong way round.")
calls = []
bootstrap_interval(lambda g, p: float(len(calls.append(1) or calls)), numbers, numbers, np.random.default_rng(3), 50)
check.that(len(calls) == 50, f"draws=50, but the statistic was called {len(calls)} times.")
twice = [bootstrap_interval(mean_of_pairs, numbers, numbers, np.random.default_rng(4), 60) for _ in range(2)]
check.that(tuple(twice[0]) == tuple(twice[1]), "The same seed must give the same interval: let rng be the only source of chance.")
check.that(
    tuple(twice[0]) != tuple(bootstrap_interval(mean_of_pairs, numbers, numbers, np.random.default_rng(5), 60)),
    "Different seeds gave the same interval: draw with the rng that you are given.",
)
### BEGIN HIDDEN TESTS
def agreement_of(gold, predicted):
    return sum(g == p for g, p in zip(gold, predicted)) / len(gold)


for n, hits in [(60, 30), (60, 54), (30, 24)]:
    p = hits / n
    error = (p * (1 - p) / n) ** 0.5
    ends = bootstrap_interval(agreement_of, ["a", "b"] * (n // 2), (["a", "b"] * (n // 2))[:hits] + ["c"] * (n - hits), np.random.default_rng(n), 800)
    check.equal(ends[0], p - 1.96 * error, name=f"lower end for {hits} of {n}", atol=0.5 * error)
    check.equal(ends[1], p + 1.96 * error, name=f"upper end for {hits} of {n}", atol=0.5 * error)
ends = bootstrap_interval(agreement_of, ["a"] * 9, ["a"] * 9, np.random.default_rng(0), 30)
check.equal(tuple(ends), (1.0, 1.0), name="all right")
wide = bootstrap_interval(mean_of_pairs, numbers, numbers, np.random.default_rng(6), 800, 0.99)
check.that(4.3 < (wide[1] - wide[0]) * 40**0.5 < 6.2, "level 0.99")
ends = bootstrap_interval(lambda g, p: float(max(g)), list(range(20)), list(range(20)), np.random.default_rng(7), 200)
check.that(ends[1] == 19 and 13 < ends[0] < 19, "a statistic that is not symmetric")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: how many texts to code by hand?
#
# A coder who is right 70 times in 100. What does a validation of 20, 40, ... texts say of them?

# %% experiment
SIZES = [20, 40, 80, 160, 320, 640]
ends = {}
for n in SIZES:
    hits = round(0.7 * n)
    ends[n] = bootstrap_interval(accuracy, ["a"] * n, ["a"] * hits + ["b"] * (n - hits), np.random.default_rng(n))
plots.lines(
    SIZES,
    {"upper end": [high for _, high in ends.values()], "lower end": [low for low, _ in ends.values()]},
    title="Half the interval costs four times the coding",
    x_label="texts coded by hand",
    y_label="95% interval of an accuracy of 0.7",
    log_x=True,
    alt="Upper and lower end of the bootstrap interval against the number of texts, from 20 to 640. They close in on 0.7, ever more slowly.",
)

# %% [markdown] question="agreement" points=3 minutes=4
# **Question 2.** (a) Of 200 posts, 180 are *none*. Coder A always says *none*; coder B is right on 170 posts, among them 15 of the 20 that take a side. Which of accuracy, macro-F1 and kappa prefer B, and which should you report? (b) On 204 reviews, prompt 1 has accuracy 0.68 with the interval 0.61 to 0.74, and prompt 2 has 0.64 (0.57 to 0.70).
# A colleague says that prompt 1 is better, another that nothing can be said since the intervals overlap. What would you compute instead, and why can it be more decisive than the two intervals? (c) Two human coders reach $\kappa = 0.6$ on your codebook, and a model reaches 0.6 with the first coder. What does that say about the model?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) Accuracy prefers A (0.90 against 0.85); macro-F1 and kappa prefer B (kappa of A is 0, its F1 is 0 for every label but none). Report macro-F1 or kappa (with accuracy, and the counts per label). (b) A bootstrap interval of the difference, with both prompts evaluated on the same drawn texts: on
# most texts both are right or both wrong, which cancels in the difference, so its interval is narrower than the two single ones suggest. (c) That it agrees with a person as well as another person does; no more can be expected while the codebook leaves that much open. It does not say that either is right: improve the
# codebook or the training of the coders first. Also right: 0.6 between humans is low for a measurement.
# ### END MARK SCHEME

# %% [markdown]
# ## 9 What the coder must beat
#
# Now all coders on one table, with the posts: three stances, three targets. For each: accuracy with its interval, macro-F1, kappa, and seconds of processor time for all test texts (with training, where there is any). The cheap ones come first:
#
# - **most frequent label**: never reads a text;
# - **bag of words**: logistic regression on weighted word counts (scikit-learn), trained on 432 labelled posts. Two lines of code, half a second;
# - **fine-tuned head**: our model with a linear layer on its last state, all weights trained for three rounds on the same posts (notebook 08).
#
# The others have seen no labelled post, or four on each target.

# %% experiment
import time

from nextword.baselines import bag_of_words, fine_tuned, most_frequent

HUB_MODEL = "HuggingFaceTB/SmolLM2-135M-Instruct"
MEASURES = {
    "accuracy": accuracy,
    "macro-F1": lambda gold, predicted: macro_f1(gold, predicted, sorted(set(gold), key=str)),
    "kappa": cohen_kappa,
}


def demonstration_scores(model, name, texts, k, seed=0):
    """Scores of texts after k demonstrations from the training part, for posts on the same target."""
    found = {}
    for target in TARGETS.get(name, [None]):
        pool = [(text.text, text.label) for text in part(name, "train") if text.target == target]
        chosen = select_demonstrations(pool, "", k, np.random.default_rng(seed))
        shown = [(render_prompt(TEMPLATES[name], {"text": text, "target": target or ""}), label) for text, label in chosen]
        mine = [text for text in texts if text.target == target]
        prompts = [few_shot_prompt(shown, prompt) for prompt in prompts_of(name, mine)]
        blank = [render_prompt(TEMPLATES[name], {"text": text, "target": target or ""}) for text in BLANKS]
        scores = label_log_probabilities(model, prompts, answers_of(name), 32)
        empty = label_log_probabilities(model, [few_shot_prompt(shown, prompt) for prompt in blank], answers_of(name), 32)
        found |= {text.id: rows for text, rows in zip(mine, zip(scores, contextual_calibration(scores, empty), strict=True), strict=True)}
    plain, calibrated = zip(*(found[text.id] for text in texts), strict=True)
    return torch.stack(plain), torch.stack(calibrated)


def coders(name, model, hub=None):
    """The coders of the table: name -> function that returns one label per test text."""
    train, test = part(name, "train"), part(name, "test")
    learn = (prompts_of(name, train), [text.label for text in train], prompts_of(name, test))
    labels = list(LABELS[name])

    def prompted(model, k, calibrate):
        return lambda: classify(demonstration_scores(model, name, test, k)[calibrate], labels)[0]

    found = {
        "most frequent label": lambda: most_frequent(*learn),
        "bag of words": lambda: bag_of_words(*learn),
        "fine-tuned head": lambda: fine_tuned(model, *learn),
    }
    for one in [model, hub] if hub else [model]:
        found |= {
            f"{one.name}, no example": prompted(one, 0, False),
            f"{one.name}, calibrated": prompted(one, 0, True),
            f"{one.name}, 4 examples": prompted(one, 4, False),
            f"{one.name}, 4 examples, calibrated": prompted(one, 4, True),
        }
    return found


def measured(name, coder):
    """One row of the table: measures with their intervals, the gain over the most frequent label, seconds, labels."""
    gold = [text.label for text in part(name, "test")]
    started = time.process_time()
    predicted = coder()
    row = {"seconds": time.process_time() - started, "predicted": predicted}
    common = most_frequent([], [text.label for text in part(name, "train")], [""])[0]

    def gain(g, p):
        return accuracy(g, p) - g.count(common) / len(g)

    for measure, statistic in {**MEASURES, "gain": gain}.items():
        row[measure] = (statistic(gold, predicted), *bootstrap_interval(statistic, gold, predicted, np.random.default_rng(0)))
    return row


def verdict(rows):
    """For each coder that reads, one sentence: does it beat the most frequent label?"""
    said = []
    for name, row in rows.items():
        value, low, high = row["gain"]
        if name != "most frequent label":
            what = "beats" if low > 0 else "does not beat" if high > 0 else "is worse than"
            said.append(f"{name} {what} the most frequent label: {value:+.2f} in accuracy, interval {low:+.2f} to {high:+.2f}.")
    return said


# %% experiment
try:
    hub_model = load_causal_lm(HUB_MODEL)
except (OSError, ImportError) as error:
    hub_model = None
    print(error)
listed = coders("posts", model, hub_model)
table = {}
for name, coder in listed.items():
    try:
        table[name] = measured("posts", coder)
    except ImportError as error:  # scikit-learn
        print(error)

# %% experiment
print(f"{'coder':34} {'accuracy':22} macro-F1   kappa  seconds")
for name, row in table.items():
    value, low, high = row["accuracy"]
    print(f"{name:34} {value:.2f} ({low:.2f} to {high:.2f})    {row['macro-F1'][0]:.2f}      {row['kappa'][0]:5.2f}  {row['seconds']:6.1f}")
print()
print("\n".join(verdict(table)))
plots.intervals(
    {name: row["accuracy"] for name, row in table.items()},
    title="Stance in posts: what each coder gets right, and how sure that is",
    x_label="accuracy on 216 posts, with 95% intervals",
    line=("most frequent label", table["most frequent label"]["accuracy"][0]),
    alt="Dots with intervals for each coder: most frequent label, bag of words, fine-tuned head, and the language model without and with examples, plain and calibrated.",
)

# %% [markdown]
# The sentences above were chosen by the code, from the intervals, as your conclusions should be. Two comparisons matter most. Does the language model beat *a bag of words trained on a few hundred labels*? If not, its charm is that it needs no labels; but you need labels anyway, to validate. And
# do the intervals allow any ranking at all? `docs/results.md` in the course's repository has the same table for all three sets, with the command of every row.
#
# ### Experiment: stance, target by target
#
# Stance detection (Mohammad et al. 2016) is harder than sentiment. *Let them keep their phones* sounds friendly and is *against* the ban; the words are about phones, the question is about the ban. And a coder may be good on one target and useless on another.

# %% experiment
post_texts = part("posts", "test")
best = max((name for name in table if name.startswith(model.name)), key=lambda name: table[name]["macro-F1"][0])
by_target = {}
for target in TARGETS["posts"]:
    here = [i for i, text in enumerate(post_texts) if text.target == target]
    for name in ([best, "bag of words"] if "bag of words" in table else [best]):
        pair = [gold["posts"][i] for i in here], [table[name]["predicted"][i] for i in here]
        by_target[f"{target.removeprefix('a ')}: {name.split(',')[0]}"] = (cohen_kappa(*pair), *bootstrap_interval(cohen_kappa, *pair, np.random.default_rng(0)))
print(f"The prompt of {model.name} with the highest macro-F1 in the table: {best}")
kappas = [triple[0] for triple in by_target.values()]
plots.intervals(
    by_target,
    title=f"Target by target: kappa from {min(kappas):.2f} to {max(kappas):.2f}, and wide intervals",
    x_label="Cohen's kappa, 72 posts each",
    line=("chance", 0.0),
    alt="Dots with intervals: kappa for each of the three targets, for the best prompt of the language model and for the bag of words.",
)

# %% [markdown]
# With a network, the next cell does the same with real posts: tweets on climate change, from the shared task of Mohammad et al. (2016) in the version of `cardiffnlp/tweet_eval`. Its measure is the mean of the F1 of *favour* and *against*. Tweets are by people: look at a few, do not republish them, and mind what
# the course's model was *not* trained on.

# %% experiment
from nextword.tweets import TARGETS as TWEET_TARGETS
from nextword.tweets import stance_tweets

try:
    tweets = stance_tweets("climate")
except (OSError, ImportError) as error:
    tweets = []
    print(error)
if tweets:
    reader, tweet_gold = hub_model or model, [stance for _, stance in tweets]
    asked = [render_prompt(TEMPLATES["posts"], {"text": text, "target": TWEET_TARGETS["climate"]}) for text, _ in tweets]
    tweet_said = classify(label_log_probabilities(reader, asked, answers_of("posts")), list(LABELS["posts"]))[0]
    for name, sides in {"favour and against": ["favour", "against"], "all three": list(LABELS["posts"])}.items():
        print(f"{len(tweets)} tweets, {reader.name}: mean F1 of {name} {macro_f1(tweet_gold, tweet_said, sides):.2f}")

# %% [markdown]
# ## 10 When the model writes its answer
#
# Models behind an interface often give no probabilities. They *write*: `Positive.`, `The sentiment is not positive but negative`, `I can't help with that`. Then the label has to be read out of the text, and the reader must not be cleverer than the text. The classical mistake is
# `"positive" in answer`: it finds *positive* in *not positive*, and *favour* in *unfavourable*.
#
# Our reader follows three rules. A label is **mentioned** where it stands as a whole word, in capitals or not. A mention is **negated**, and does not count, if one of the *two* words before it is in `NEGATIONS` of the setup cell or ends in *n't*. And the answer is usable only if **exactly one** label has a mention that counts. In all other cases it is `None`: no answer. Never guess one in its place.
#
# | answer | labels with a mention that counts | result |
# |---|---|---|
# | `**Positive.**` | positive | `"positive"` |
# | `It isn't very positive.` | none: *isn't* is two words before | `None` |
# | `Negative, not positive` | negative | `"negative"` |
# | `Positive, or is it negative?` | both | `None` |

# %% [markdown]
# ### Exercise 11: parse an answer
#
# <details><summary>Hint 1: where are whole words?</summary>
#
# `words_of(answer)`, from the setup cell, returns the words in lower case without punctuation. Go through them with their places.
# </details>
#
# <details><summary>Hint 2: the two words before</summary>
#
# A slice of the list that ends at the place. Mind places 0 and 1: a slice from -2 or -1 would begin at the *end* of the list.
# </details>

# %% exercise="parse_label" minutes=9 difficulty=2
def parse_label(answer: str, labels: list[str]) -> str | None:
    """Return the one label that a written answer names, or None if it names none or several.

    answer  what a model wrote
    labels  single words, in any capitals; the one that is named is returned as it stands here

    A label is named where it is one of words_of(answer), unless one of the two words before it is in NEGATIONS or ends in n't.

    >>> [parse_label(answer, ["Favour", "Against"]) for answer in ["I am not in favour: AGAINST!", "Unfavourable", "not against"]]
    ['Against', None, None]
    """
    ### BEGIN SOLUTION
    words = words_of(answer)
    named = set()
    for i, word in enumerate(words):
        negated = any(before in NEGATIONS or before.endswith("n't") for before in words[max(0, i - 2) : i])
        named |= {label for label in labels if label.lower() == word and not negated}
    return named.pop() if len(named) == 1 else None
    ### END SOLUTION


# %% test="parse_label" points=3
SIDES = ["favour", "against", "none"]
for answer, want, cause in [
    ("favour", "favour", "a bare label is that label."),
    ("**Against.**", "against", "capitals and punctuation make no difference; work with words_of(answer)."),
    ("The post is unfavourable.", None, "a label inside another word was taken for the label; only whole words count."),
    ("It is in favour, clearly in favour", "favour", "one label named twice is still one label."),
    ("favour, surely not", "favour", "words after a label do not negate it; mind a slice that begins below 0, at the end of the list."),
    ("favour or against", None, "two labels are named; the first, or the last, is a guess. Return None."),
    ("I can't say.", None, "no label is named: return None."),
    ("", None, "an empty answer names no label: return None."),
    ("not against", None, "this is negated: not against names nothing. Look at the words before."),
    ("It isn't really against it", None, "isn't stands two words before: look at two words, and at words that end in n't."),
    ("against, never in favour", "against", "a negated mention does not count, but the other one does."),
    ("favour, not against", "favour", "a negated mention does not count, but the other one does."),
    ("Not a question of money, I am against", "against", "only the two words before a label can negate it."),
    ("against: it does not work", "against", "words after a label do not negate it."),
    ("It isn\u2019t in favour.", None, "isn\u2019t has a typographical apostrophe; words_of(answer) takes care of it."),
]:
    check.equal(parse_label(answer, SIDES), want, name=f"parse_label({answer!r}, {SIDES})", causes=[(lambda label: True, cause)])
check.equal(
    parse_label("SPORT", ["Sport", "Culture"]),
    "Sport",
    name="parse_label('SPORT', ['Sport', 'Culture'])",
    causes=[(None, "labels may have capitals, too; compare in lower case."), ("sport", "return the label as it stands in `labels`.")],
)
check.equal(
    parse_label("No.", ["yes", "no"]),
    "no",
    name="parse_label('No.', ['yes', 'no'])",
    causes=[(None, "no is a label here; a label does not negate itself, only the words before it do.")],
)
### BEGIN HIDDEN TESTS
import random

random_answers = random.Random(111)
fillers = ["the", "post", "is", "not", "isn't", "really", "Favour", "against", "none", "NEVER", "unfavourable", "nonetheless", "hardly", "I'd", "don\u2019t"]
for _ in range(150):
    pieces = random_answers.choices(fillers, k=random_answers.randrange(1, 8))
    clean = [piece.lower().replace("\u2019", "'") for piece in pieces]
    counted = set()
    for place, piece in enumerate(clean):
        earlier = [clean[j] for j in (place - 1, place - 2) if j >= 0]
        if piece in SIDES and not any(e in NEGATIONS or e.endswith("n't") for e in earlier):
            counted.add(piece)
    want = next(iter(counted)) if len(counted) == 1 else None
    joined = random_answers.choice([" ", ", ", "\n", " - "]).join(pieces) + random_answers.choice(["", ".", "!?", " *"])
    check.equal(parse_label(joined, SIDES), want, name="a random answer")
check.equal(parse_label("none", ["favour", "against"]), None, name="a word that is no label here")
check.equal(parse_label("A", ["A", "B"]), "A", name="labels of one letter")
### END HIDDEN TESTS

# %% experiment
some_posts = part("posts", "test")[:40]
asked = [model.chat(("user", f"What is the stance of this post towards {text.target}: favour, against or none? {text.text}")) for text in some_posts]
written = [model.answer(prompt, most=8) for prompt in asked]
parsed = [parse_label(answer, list(LABELS["posts"])) for answer in written]
print("What it wrote most often:", ", ".join(f"{answer!r} {n} times" for answer, n in Counter(written).most_common(5)))
print(f"Without a usable answer: {parsed.count(None)} of {len(parsed)}")
by_scores = classify(label_log_probabilities(model, asked, [model.chat_space + label for label in LABELS["posts"]]), list(LABELS["posts"]))[0]
print(f"Same label as by comparing probabilities after the same prompt: {accuracy(by_scores, parsed):.2f}")

# %% [markdown]
# ## 11 A study, from codebook to report
#
# All parts are there. The order in which they are used decides whether the result is worth anything. It is the order of a content analysis with human coders (Törnberg 2024):
#
# 1. **Codebook.** Define the labels so that a stranger could apply them. It comes before the prompt.
# 2. **Human coding.** Some texts are coded by people, better by two, without looking at the model. Their agreement is the ceiling.
# 3. **Pilot.** Try prompts on texts that are set aside *for this*. Choose, then freeze: model, version, prompt, settings.
# 4. **Requirement.** Write down what the validation has to reach, *before* it is run.
# 5. **Validation.** The frozen coder on human-coded texts that played no part so far. Once.
# 6. **Full run** on everything else, if and only if the requirement is met.
# 7. **Report** all of it, also when the answer is no.
#
# The most common way to fool oneself is to mix 3 and 5: a prompt that was chosen on the very texts it is validated on looks better than it is. The function that you write now makes that impossible, and two more self-deceptions with it: leaving out the texts that the model gave no answer to, and being content with an
# estimate where the interval reaches below the mark.

# %% [markdown]
# ### Exercise 12: validate an annotator
#
# <details><summary>Hint 1: what stays and what goes?</summary>
#
# Texts in `seen` go, with their two labels. Texts without an answer stay, with None: every measure then counts them as mistakes.
# </details>
#
# <details><summary>Hint 2: what decides?</summary>
#
# For each name in `required`: the *lower end* of that measure's interval must reach the number. All of them must.
# </details>

# %% exercise="validate_annotator" minutes=9 difficulty=2
def validate_annotator(
    texts: list[str],
    human: list[str],
    machine: list[str | None],
    seen: list[str],
    measures: dict[str, Callable[[list, list], tuple[float, float, float]]],
    required: dict[str, float],
) -> dict:
    """Return what a validation says: {"n": ..., "unanswered": ..., "measures": {...}, "accepted": ...}.

    texts, human, machine  what was coded, and one label each; None where the machine gave no usable answer
    seen                   texts that were used before (pilot, demonstrations); they are left out of everything
    measures               name -> function (human, machine) -> (value, low, high)
    required               name of a measure -> what the lower end of its interval must reach at least

    "n" is how many texts were validated on, "unanswered" the share of these without an answer, "measures" maps each name to
    its (value, low, high), and "accepted" says whether every requirement is met. Raises ValueError if no text is left.

    >>> validate_annotator(["t1", "t2", "t3"], ["a", "b", "a"], ["a", "b", None], ["t2"], {"accuracy": lambda h, m: (accuracy(h, m), 0.1, 0.9)}, {"accuracy": 0.3})
    {'n': 2, 'unanswered': 0.5, 'measures': {'accuracy': (0.5, 0.1, 0.9)}, 'accepted': False}
    """
    ### BEGIN SOLUTION
    new = [i for i, text in enumerate(texts) if text not in seen]
    if not new:
        raise ValueError("Every text was seen before. Have other texts coded by hand.")
    human, machine = [human[i] for i in new], [machine[i] for i in new]
    found = {name: measure(human, machine) for name, measure in measures.items()}
    return {
        "n": len(new),
        "unanswered": machine.count(None) / len(new),
        "measures": found,
        "accepted": all(found[name][1] >= least for name, least in required.items()),
    }
    ### END SOLUTION


# %% test="validate_annotator" points=3
def around(value):
    """A made-up interval: 0.1 to each side."""
    return (round(value, 6), round(value - 0.1, 6), round(value + 0.1, 6))


def shared(human, machine):
    """Accuracy, which tells when it was asked the wrong way."""
    return around(-1.0 if None in human else sum(h == m for h, m in zip(human, machine)) / max(1, len(human)))


def always_a(human, machine):
    return around(human.count("a") / max(1, len(human)))


def validated(required, seen=("t1", "t2"), machine=("b", "b", "a", None, "a", "b", "a")):
    texts = ["t1", "t2", "t3", "t4", "t5", "t6", "t7"]
    human = ["a", "a", "a", "b", "a", "b", "b"]
    return validate_annotator(texts, human, list(machine), list(seen), {"accuracy": shared, "share of a": always_a}, required)


found = validated({"accuracy": 0.5})
check.equal(sorted(found), ["accepted", "measures", "n", "unanswered"], name="the parts of the result")
check.equal(
    found["n"],
    5,
    name="n, with two of seven texts seen before",
    causes=[
        (7, "texts that were seen before must be left out."),
        (4, "a text without an answer was left out; it stays, and counts as a mistake."),
        (6, "texts that were seen before must be left out, and texts without an answer stay."),
    ],
)
check.equal(
    found["unanswered"],
    1 / 5,
    name="unanswered, with one None among five new texts",
    causes=[(1 / 7, "the share is among the texts that were not seen before."), (1, "this is a count; divide by the number of texts."), (0.0, "None is not in the list any more; texts without an answer stay.")],
)
check.equal(
    found["measures"],
    {"accuracy": (3 / 5, 0.5, 0.7), "share of a": (2 / 5, 0.3, 0.5)},
    name="measures with their intervals",
    atol=1e-4,
    causes=[
        (lambda m: abs(m["accuracy"][0] - 3 / 7) < 1e-4, "texts that were seen before must be left out of the measures."),
        (lambda m: abs(m["accuracy"][0] - 3 / 4) < 1e-4, "a text without an answer was left out; it stays, and counts as a mistake."),
        (lambda m: m["accuracy"][0] == -1.0, "the measures want the human labels first."),
        (lambda m: True, "each measure is called with the human labels and the machine's, and gives (value, low, high)."),
    ],
)
for required, want, cause in [
    ({"accuracy": 0.55}, False, "the value reaches the mark, but the lower end of its interval does not; the lower end decides."),
    ({"accuracy": 0.45}, True, "the lower end, 0.5, reaches 0.45."),
    ({"accuracy": 0.5}, True, "the lower end reaches the mark exactly; that is enough."),
    ({"accuracy": 0.1, "share of a": 0.9}, False, "all requirements must be met, not one of them."),
    ({"accuracy": 0.9, "share of a": 0.1}, False, "all requirements must be met, not one of them."),
    ({"share of a": 0.25}, True, "only what is named in required decides."),
    ({}, True, "nothing was required, so everything is met."),
]:
    check.equal(validated(required)["accepted"], want, name=f"accepted, with required = {required}", causes=[(lambda accepted: True, cause)])
try:
    validated({}, seen=["t1", "t2", "t3", "t4", "t5", "t6", "t7"])
except ValueError:
    complained = True
except ZeroDivisionError:
    complained = False
else:
    complained = False
check.that(complained, "If every text was seen before there is nothing to validate on: raise ValueError.")
### BEGIN HIDDEN TESTS
random_validation = np.random.default_rng(12)
for n, old in [(1, 0), (12, 5), (40, 39), (30, 0)]:
    texts = [f"post {i}" for i in range(n)]
    human = [str(code) for code in random_validation.choice(["x", "y", "z"], n)]
    machine = [None if code == "-" else str(code) for code in random_validation.choice(["x", "y", "z", "-"], n)]
    seen_before = [texts[i] for i in random_validation.permutation(n)[:old]] + ["not among them", "post"]
    kept = [i for i in range(n) if texts[i] not in seen_before]
    gold_kept, machine_kept = [human[i] for i in kept], [machine[i] for i in kept]
    for least in [0.0, 0.3, 0.9]:
        result = validate_annotator(texts, human, machine, seen_before, {"accuracy": shared}, {"accuracy": least})
        value = shared(gold_kept, machine_kept)
        want = {
            "n": len(kept),
            "unanswered": machine_kept.count(None) / len(kept),
            "measures": {"accuracy": value},
            "accepted": value[1] >= least,
        }
        check.equal(result, want, name=f"{n} texts, {old} of them seen before", atol=1e-5)
check.equal(validated({}, seen=[])["n"], 7, name="nothing seen before")
check.raises(ValueError, validate_annotator, [], [], [], [], {}, {}, name="no texts at all")
### END HIDDEN TESTS

# %% [markdown]
# ### Experiment: the study
#
# Our question: *what share of posts is for, against, or neither, on each of the three targets?* The 432 posts of the training part play the many that nobody has coded; we look at their labels only at the very end, which one never can in life. Pilot: the validation part, 72 posts. Human coding: the test part.
#
# First the codebook, and how well two codings by it agree.

# %% experiment
CODEBOOK = {
    "favour": "The text itself takes the side of the target: in so many words, or through a reason, an irony, or a benefit that it puts down to it.",
    "against": "The text itself takes the other side, in the same ways. A position with a condition is the position that holds today.",
    "none": "Facts, questions, announcements; undecided; about something near the target; or two readers could take it for opposite sides.",
}
human_texts, pilot_texts, all_texts = part("posts", "test"), part("posts", "validation"), part("posts", "train")
human_codes = [text.label for text in human_texts]
human_kappa = cohen_kappa(human_codes, [text.second_label for text in human_texts])
print(f"Two codings of {len(human_texts)} posts agree with kappa {human_kappa:.2f}.")
print("Both were made by the authors of the texts, who knew what they had meant: an upper bound (see the datasheet of the labelled sets).")

# %% [markdown]
# The pilot compares three prompts, and calibration, by macro-F1. Then everything is frozen, and the requirement set. Ours: the lower end of kappa at least 0.60, and of accuracy at least 0.70. (There is no law for such numbers. They follow from what the counts are for: how large a mistake would change the conclusion?)

# %% experiment
FORMS = {
    "plain": "Post: {text}\nStance towards {target}:",
    "target first": "Target: {target}\nPost: {text}\nStance:",
    "question": "Post: {text}\nQuestion: Is the author for or against {target}?\nAnswer:",
}
STANCES = list(LABELS["posts"])


def code(form, texts, calibrate):
    """The labels of posts, coded with one of the forms."""
    blank = {
        target: label_log_probabilities(model, [render_prompt(form, {"text": text, "target": target}) for text in BLANKS], answers_of("posts"))
        for target in TARGETS["posts"]
    }
    scores = label_log_probabilities(model, prompts_of("posts", texts, form), answers_of("posts"), 32)
    if calibrate:
        scores = torch.cat([contextual_calibration(row[None], blank[text.target]) for row, text in zip(scores, texts, strict=True)])
    return classify(scores, STANCES)[0]


pilot_codes = [text.label for text in pilot_texts]
pilot = {}
for name, form in FORMS.items():
    for calibrate in [False, True]:
        said = code(form, pilot_texts, calibrate)
        pilot[name, calibrate] = macro_f1(pilot_codes, said, STANCES)
        print(f"{name + (', calibrated' if calibrate else ''):26} macro-F1 on the pilot {pilot[name, calibrate]:.2f}")
(form_name, calibrate), _ = max(pilot.items(), key=lambda item: item[1])
frozen_form = FORMS[form_name]
REQUIRED = {"kappa": 0.60, "accuracy": 0.70}
print(f"\nFrozen: {form_name}{', calibrated' if calibrate else ''}, with {model.name}. Required: {REQUIRED}")

# %% experiment
def with_interval(statistic):
    """The measure as a function that also gives the ends of its interval."""
    return lambda human, machine: (statistic(human, machine), *bootstrap_interval(statistic, human, machine, np.random.default_rng(0)))


validation = validate_annotator(
    [text.text for text in human_texts], human_codes, code(frozen_form, human_texts, calibrate),
    [text.text for text in pilot_texts], {name: with_interval(statistic) for name, statistic in MEASURES.items()}, REQUIRED,
)
for name, (value, low, high) in validation["measures"].items():
    print(f"{name:9} {value:.2f} ({low:.2f} to {high:.2f})" + (f", required {REQUIRED[name]:.2f} at the lower end" if name in REQUIRED else ""))
if validation["accepted"]:
    print("The requirement is met: the full run may be used.")
else:
    print("The requirement is NOT met. An honest study stops here, or changes model, prompt or codebook, and has NEW texts coded by hand for the next validation.")

# %% [markdown]
# We run it all the same, once, to see what would have happened: the shares that the coder reports, beside the shares of the writers' labels.

# %% experiment
started = time.perf_counter()
coded = code(frozen_form, all_texts, calibrate)
run_seconds = time.perf_counter() - started
run_tokens = sum(len(model.encode(prompt)) for prompt in prompts_of("posts", all_texts, frozen_form))
counts = Counter(coded)
off = {}
for target in TARGETS["posts"]:
    here = [i for i, text in enumerate(all_texts) if text.target == target]
    for label in STANCES:

        def share_of(written, said, label=label):
            return said.count(label) / len(said) - written.count(label) / len(written)

        pair = [all_texts[i].label for i in here], [coded[i] for i in here]
        off[f"{label}: {target.removeprefix('a ')}"] = with_interval(share_of)(*pair)
worst = max(off.values(), key=lambda triple: abs(triple[0]))[0]
plots.intervals(
    off,
    title=f"Mistakes do not cancel out: a share is off by up to {abs(worst) * 100:.0f} points",
    x_label="share in the coding minus share by the writers",
    line=("no error", 0.0),
    alt="Nine dots with intervals: for each target and stance, how far the share in the model's coding is from the true share.",
)

# %% [markdown]
# This is why a validation on a hundred or two hundred texts is no formality. Mistakes of a coder are seldom symmetric, so that *counts* made from its labels lean to one side, and a thousand more texts do not make that better: the interval shrinks around the wrong value. (There are ways to use a small
# human-coded random sample to correct the estimate: see Egami et al. 2023.)
#
# The last step writes the report, a page for the appendix of a paper. `annotation_page` refuses to make one from which a reader could not judge the coding.

# %% experiment
import datetime
import html
from pathlib import Path

from IPython.display import HTML

from nextword.annotation_report import Annotation, annotation_page

page = annotation_page(
    Annotation(
        title="Stances in posts, coded by a language model",
        question="What share of posts is for, against, or neither, on each of three targets?",
        codebook=CODEBOOK,
        model=repr(model),
        version=model.revision,
        prompt=frozen_form,
        settings=f"labels compared by probability, no examples, {'contextual calibration' if calibrate else 'no calibration'}; chosen among {len(pilot)} on {len(pilot_texts)} pilot texts",
        date=datetime.date.today().isoformat(),
        human_coding=f"{len(human_texts)} posts; a second coding agrees with kappa {human_kappa:.2f}, but both are by the authors of the texts.",
        n_validated=validation["n"],
        unanswered=validation["unanswered"],
        validation=validation["measures"],
        accepted=validation["accepted"],
        counts={label: counts[label] for label in STANCES},
        cost=f"{run_tokens:,} tokens of prompts, {run_seconds:.1f} seconds on this machine; nothing left the machine",
        limits=[
            "The posts were invented for a course; nothing follows for the opinions of anybody.",
            "All classes are equally frequent here, which they never are elsewhere; accuracy would change with their shares.",
            "The codings that served as human coding are not independent of the writing.",
            "One model, one language, three targets. Other wordings of the prompt give other counts.",
        ],
        baselines={name: table[name]["accuracy"][0] for name in ("most frequent label", "bag of words") if name in table},
    )
)
Path("stance_report.html").write_text(page, encoding="utf-8")
print("Written to stance_report.html. It looks like this:")
HTML(f'<div><iframe title="The report on the coding of stances" srcdoc="{html.escape(page)}" width="100%" height="520"></iframe></div>')

# %% [markdown]
# ### When not to trust it
#
# - **It was never validated on texts like yours.** Accuracy on reviews says nothing about posts, English nothing about Danish, last year's debate nothing about this year's.
# - **The model may have read the answers.** Public benchmarks are in the training text of large models. Validate on texts that are newer than the model, or never were public.
# - **The instrument changes.** A model behind an interface is replaced without notice, and the study can't be repeated (Ollion et al. 2024). Take a version that stays, best one whose weights you have.
# - **The construct is contested.** If trained people do not agree, a model's confident label is not a measurement of anything.
# - **Its mistakes have a direction.** Models can be worse for some dialects, groups and sides. Validate within the groups that you will compare.
# - **The texts are not yours to send.** What goes to a company's interface leaves your control; check consent, law and ethics first. A model on your own machine avoids it.

# %% [markdown] question="the-study" points=3 minutes=4
# **Question 3.** (a) You tried twenty prompts on your 200 human-coded posts, took the best, and report its accuracy on the same 200. Why is the number too high, and what should you have done with the 200 posts? (b) Your validation has accuracy 0.72 with the interval 0.66 to 0.78, and 0.70 was required. A colleague: "0.72
# is above 0.70, so we are fine." What do you answer, and what are two honest ways to go on? (c) In your study the model's mistakes on *against* go to *none* twice as often as the other way round. What happens to the estimated share of *against*, and does coding ten times as many posts by machine help?
#
# ### BEGIN MARK SCHEME
# 3 points, one each. (a) The best of twenty is partly the luckiest on just these texts (selection on the test set). Split: choose on one part (pilot), report on the other, used once. (b) The requirement is on the lower end, 0.66 < 0.70: the data are compatible with less than required. Two of: code more texts by hand
# so that the interval gets narrower; improve prompt, model or codebook on the pilot and validate on new texts; report that the coder failed; use human coding, or a trained classifier. Lowering the mark afterwards is not honest. (c) The share of against is estimated too low, and none too high. More machine-coded texts only narrow the interval around the wrong value;
# a human-coded random sample is needed to estimate the error and correct for it.
# ### END MARK SCHEME

# %% [markdown]
# ## What to remember
#
# - A language model classifies by comparing the probabilities of answers. Add the logs over the tokens of an answer, add the probabilities over the answers of a label.
# - Encode prompt and answer together, pad on the right, and check that batches change nothing.
# - Wording, examples and their order move the result. Try several, on texts set aside for it, and report the spread.
# - Calibration corrects a leaning, not blindness.
# - Report macro-F1 and kappa beside accuracy, each with an interval, and beside what is cheaper: the most frequent label, a bag of words.
# - Parse strictly; no answer is a mistake, not a text to leave out.
# - Codebook, human coding, pilot, requirement, validation, run, report: in this order. The lower end of the interval decides.
#
# **The ladder** ends here, and with reason. Its rungs were bits per character: how well a model predicts *text*. Coding asks whether it is right about *something*, and a better rung is no proof of that. It has to be measured, each time.
#
# ## Further reading
#
# - P. Törnberg (2024), *Best Practices for Text Annotation with Large Language Models*, Sociologica 18(2), 67-85. The order of section 11, in detail.
# - S. Min, X. Lyu, A. Holtzman, M. Artetxe, M. Lewis, H. Hajishirzi, L. Zettlemoyer (2022), *Rethinking the Role of Demonstrations: What Makes In-Context Learning Work?*, EMNLP.
# - J. Wei et al. (2023), *Larger Language Models Do In-Context Learning Differently*, arXiv:2303.03846.
# - Z. Zhao, E. Wallace, S. Feng, D. Klein, S. Singh (2021), *Calibrate Before Use: Improving Few-Shot Performance of Language Models*, ICML.
# - H. Gonen, S. Iyer, T. Blevins, N. A. Smith, L. Zettlemoyer (2022), *Demystifying Prompts in Language Models via Perplexity Estimation*, arXiv:2212.04037; Findings of EMNLP 2023.
# - Y. Lu, M. Bartolo, A. Moore, S. Riedel, P. Stenetorp (2022), *Fantastically Ordered Prompts and Where to Find Them*, ACL.
# - A. Holtzman, P. West, V. Shwartz, Y. Choi, L. Zettlemoyer (2021), *Surface Form Competition: Why the Highest Probability Answer Isn't Always Right*, EMNLP.
# - T. Brown et al. (2020), *Language Models are Few-Shot Learners*, NeurIPS.
# - T. Gao, A. Fisch, D. Chen (2021), *Making Pre-trained Language Models Better Few-shot Learners*, ACL. Label words and templates, with training.
# - S. Mohammad, S. Kiritchenko, P. Sobhani, X. Zhu, C. Cherry (2016), *SemEval-2016 Task 6: Detecting Stance in Tweets*, SemEval.
# - J. Cohen (1960), *A Coefficient of Agreement for Nominal Scales*, Educational and Psychological Measurement 20(1), 37-46.
# - B. Efron (1979), *Bootstrap Methods: Another Look at the Jackknife*, Annals of Statistics 7(1), 1-26.
# - N. Egami, M. Hinck, B. Stewart, H. Wei (2023), *Using Imperfect Surrogates for Downstream Inference: Design-based Supervised Learning for Social Science Applications of Large Language Models*, NeurIPS.
# - E. Ollion, R. Shen, A. Macanovic, A. Chatelain (2024), *The Dangers of Using Proprietary LLMs for Research*, Nature Machine Intelligence 6, 4-5.

# %% submit
hand_in(
    "11_classification",
    "render_prompt",
    "label_log_probabilities",
    "classify",
    "few_shot_prompt",
    "select_demonstrations",
    "contextual_calibration",
    "prompt_perplexity",
    "macro_f1",
    "cohen_kappa",
    "bootstrap_interval",
    "parse_label",
    "validate_annotator",
)
