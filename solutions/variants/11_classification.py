"""Other right answers to notebook 11, and the wrong ones that students give."""

import math
import re
from collections import Counter, defaultdict

import numpy as np
import torch
from torch.nn import functional as F
from torch.nn.utils.rnn import pad_sequence

from autograder.variants import equivalent, right, wrong

# --- render_prompt -------------------------------------------------------------------------------------


@right("render_prompt", why="one regular expression that fills all holes")
def by_pattern(template, fields):
    return re.sub(r"\{(\w+)\}", lambda hole: " ".join(fields[hole[1]].split()), template).rstrip()


@right("render_prompt", why="format_map over cleaned values")
def by_map(template, fields):
    cleaned = {}
    for name in fields:
        cleaned[name] = re.sub(r"\s+", " ", fields[name]).strip()
    return template.format_map(cleaned).rstrip()


@wrong(
    "render_prompt",
    misconception="Fills one hole after the other, so that braces in a text are filled too.",
    hint="a brace inside a value was filled",
)
def one_after_the_other(template, fields):
    for name, value in fields.items():
        template = template.replace("{" + name + "}", " ".join(value.split()))
    if "{target}" in template and "target" not in fields:
        raise KeyError("target")
    return template.rstrip()


@wrong(
    "render_prompt",
    misconception="Leaves line breaks of the text in the prompt.",
    hint="a line break of the text got into the prompt",
)
def line_breaks_kept(template, fields):
    return template.format(**fields).rstrip()


@wrong("render_prompt", misconception="Leaves the space at the end.", hint="the prompt ends with white space")
def space_at_the_end(template, fields):
    return template.format(**{name: " ".join(value.split()) for name, value in fields.items()})


@wrong(
    "render_prompt",
    misconception="Cleans the whole prompt, and loses the lines of the template.",
    hint="the line breaks of the template must stay",
)
def template_flattened(template, fields):
    return " ".join(template.format(**fields).split())


@wrong(
    "render_prompt",
    misconception="Only strips the ends of the values.",
    hint="a line break of the text got into the prompt",
)
def only_stripped(template, fields):
    return template.format(**{name: value.strip() for name, value in fields.items()}).rstrip()


@wrong(
    "render_prompt",
    misconception="Turns each line break into a space, so that runs stay.",
    hint="there are two spaces in a row",
)
def runs_kept(template, fields):
    return template.format(
        **{name: value.replace("\n", " ").strip() for name, value in fields.items()}
    ).rstrip()


@wrong(
    "render_prompt", misconception="Says nothing about a hole without a value.", hint="should raise KeyError"
)
def holes_left_open(template, fields):
    cleaned = defaultdict(str, {name: " ".join(value.split()) for name, value in fields.items()})
    return template.format_map(cleaned).rstrip()


# --- label_log_probabilities ---------------------------------------------------------------------------


@right(
    "label_log_probabilities",
    why="row after row, without batches of different lengths: one call per prompt length",
)
def by_gather(model, prompts, answers, batch_size=16):
    pairs = [(prompt, answer) for prompt in prompts for answer in answers]
    found = []
    while pairs:
        batch, pairs = pairs[:batch_size], pairs[batch_size:]
        wholes = [torch.tensor(model.encode(prompt + answer)) for prompt, answer in batch]
        idx = pad_sequence(wholes, batch_first=True)
        log_p = model.logits(idx)[:, :-1].log_softmax(-1).gather(2, idx[:, 1:, None])[..., 0]
        place = torch.arange(1, idx.shape[1])
        starts = torch.tensor([len(model.encode(prompt)) for prompt, _ in batch])[:, None]
        ends = torch.tensor([len(whole) for whole in wholes])[:, None]
        found.append(torch.where((place >= starts) & (place < ends), log_p, torch.zeros(())).sum(1))
    return torch.cat(found).reshape(len(prompts), -1)


@right("label_log_probabilities", why="cross-entropy with ignored places")
def by_cross_entropy(model, prompts, answers, batch_size=16):
    rows, targets = [], []
    for prompt in prompts:
        known = len(model.encode(prompt))
        for answer in answers:
            ids = torch.tensor(model.encode(prompt + answer))
            rows.append(ids[:-1])
            target = ids[1:].clone()
            target[: known - 1] = -100
            targets.append(target)
    sums = []
    for at in range(0, len(rows), batch_size):
        logits = model.logits(pad_sequence(rows[at : at + batch_size], batch_first=True))
        wanted = pad_sequence(targets[at : at + batch_size], batch_first=True, padding_value=-100)
        sums.append(-F.cross_entropy(logits.transpose(1, 2), wanted, reduction="none").sum(1))
    return torch.cat(sums).view(len(prompts), len(answers))


@right("label_log_probabilities", why="padding by hand, sums by loops")
def by_loops(model, prompts, answers, batch_size=16):
    table = torch.zeros(len(prompts), len(answers))
    cells = [(i, j) for i in range(len(prompts)) for j in range(len(answers))]
    for at in range(0, len(cells), batch_size):
        part = cells[at : at + batch_size]
        ids = [model.encode(prompts[i] + answers[j]) for i, j in part]
        longest = max(len(row) for row in ids)
        logits = model.logits(torch.tensor([row + [0] * (longest - len(row)) for row in ids]))
        for b, (i, j) in enumerate(part):
            for t in range(len(model.encode(prompts[i])), len(ids[b])):
                table[i, j] += torch.log_softmax(logits[b, t - 1], 0)[ids[b][t]]
    return table


def rows_of(model, prompts, answers):
    return [
        (len(model.encode(prompt)), model.encode(prompt + answer)) for prompt in prompts for answer in answers
    ]


def in_batches(model, rows, size, pick, shape):
    """pick(logits of a row, n, ids) for each row."""
    found = []
    for at in range(0, len(rows), size):
        batch = rows[at : at + size]
        logits = model.logits(pad_sequence([torch.tensor(ids) for _, ids in batch], batch_first=True))
        found += [pick(logits[i], n, ids) for i, (n, ids) in enumerate(batch)]
    return torch.stack(found).view(shape)


@wrong(
    "label_log_probabilities", misconception="Averages over the tokens of an answer.", hint="were averaged"
)
def mean_over_tokens(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).mean()

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Counts the first token of an answer only.",
    hint="only the first token",
)
def first_token_only(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return logits[n - 1].log_softmax(-1)[ids[n]]

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Counts the last token of an answer only.",
    hint="only the last token",
)
def last_token_only(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return logits[len(ids) - 2].log_softmax(-1)[ids[-1]]

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Adds probabilities instead of logs.",
    hint="probabilities were added",
)
def probabilities_added(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum().log()

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong("label_log_probabilities", misconception="Adds logits.", hint="these are logits")
def logits_added(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1][ids[t]] for t in range(n, len(ids))]).sum()

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Reads the logits at the token's own place.",
    hint="one place off",
)
def own_place(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Counts the tokens of the prompt as well.",
    hint="the tokens of the prompt are in the sum",
)
def prompt_counted(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(1, len(ids))]).sum()

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong("label_log_probabilities", misconception="Encodes the answer by itself.", hint="encoded by itself")
def encoded_apart(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()

    rows = [
        (len(model.encode(prompt)), model.encode(prompt) + model.encode(answer))
        for prompt in prompts
        for answer in answers
    ]
    return in_batches(model, rows, batch_size, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Counts from the end of the padded batch.",
    hint="not from the end of the batch",
)
def from_the_end(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        m = len(ids) - n
        return torch.stack(
            [logits[len(logits) - m + j - 1].log_softmax(-1)[ids[n + j]] for j in range(m)]
        ).sum()

    return in_batches(model, rows_of(model, prompts, answers), batch_size, pick, (len(prompts), len(answers)))


@wrong("label_log_probabilities", misconception="Pads on the left.", hint="padding on the left")
def padded_left(model, prompts, answers, batch_size=16):
    rows, found = rows_of(model, prompts, answers), []
    for at in range(0, len(rows), batch_size):
        batch = rows[at : at + batch_size]
        longest = max(len(ids) for _, ids in batch)
        logits = model.logits(torch.tensor([[0] * (longest - len(ids)) + ids for _, ids in batch]))
        for row, (n, ids) in zip(logits, batch, strict=True):
            shift = longest - len(ids)
            found.append(
                torch.stack([row[shift + t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()
            )
    return torch.stack(found).view(len(prompts), len(answers))


@wrong(
    "label_log_probabilities",
    misconception="Counts the padding behind an answer as its tokens.",
    hint="a row reads what is not its own",
)
def padding_counted(model, prompts, answers, batch_size=16):
    rows, found = rows_of(model, prompts, answers), []
    for at in range(0, len(rows), batch_size):
        batch = rows[at : at + batch_size]
        idx = pad_sequence([torch.tensor(ids) for _, ids in batch], batch_first=True)
        log_p = model.logits(idx).log_softmax(-1)
        for i, (n, _) in enumerate(batch):
            found.append(torch.stack([log_p[i, t - 1, idx[i, t]] for t in range(n, idx.shape[1])]).sum())
    return torch.stack(found).view(len(prompts), len(answers))


@wrong(
    "label_log_probabilities",
    misconception="Does not pad, so that rows of different lengths fail.",
    hint="rows of one batch must be padded",
)
def not_padded(model, prompts, answers, batch_size=16):
    rows = rows_of(model, prompts, answers)
    logits = model.logits(torch.stack([torch.tensor(ids) for _, ids in rows]))
    found = [
        sum(logits[i, t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids)))
        for i, (n, ids) in enumerate(rows)
    ]
    return torch.stack(found).view(len(prompts), len(answers))


@wrong(
    "label_log_probabilities",
    misconception="Mixes up rows and columns when shaping.",
    hint="rows and columns are mixed up",
)
def transposed(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()

    return in_batches(
        model, rows_of(model, prompts, answers), batch_size, pick, (len(answers), len(prompts))
    ).T


@wrong(
    "label_log_probabilities",
    misconception="Reads one row at a time.",
    hint="Read batch_size rows in one call",
)
def one_at_a_time(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()

    return in_batches(model, rows_of(model, prompts, answers), 1, pick, (len(prompts), len(answers)))


@wrong("label_log_probabilities", misconception="Reads all rows at once.", hint="rows were read in one call")
def all_at_once(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()

    return in_batches(model, rows_of(model, prompts, answers), 10**6, pick, (len(prompts), len(answers)))


@wrong(
    "label_log_probabilities",
    misconception="Loses the last batch if it is not full.",
    hint="the shapes do not fit",
)
def last_batch_lost(model, prompts, answers, batch_size=16):
    def pick(logits, n, ids):
        return torch.stack([logits[t - 1].log_softmax(-1)[ids[t]] for t in range(n, len(ids))]).sum()

    rows = rows_of(model, prompts, answers)
    rows = rows[: len(rows) // batch_size * batch_size]
    return in_batches(model, rows, batch_size, pick, (len(prompts), len(answers)))


# --- classify ------------------------------------------------------------------------------------------


@right("classify", why="logsumexp over the answers of each label")
def by_logsumexp(scores, labels):
    names = sorted(set(labels), key=labels.index)
    sums = torch.stack(
        [scores[:, [i for i, label in enumerate(labels) if label == name]].logsumexp(1) for name in names], 1
    )
    p = (sums - scores.logsumexp(1, keepdim=True)).exp()
    return [names[i] for i in p.argmax(1)], p.max(1).values


@right("classify", why="text by text, with dictionaries")
def text_by_text(scores, labels):
    said, sure = [], []
    for row in scores:
        weights = (row - row.max()).exp().tolist()
        totals = {}
        for label, weight in zip(labels, weights, strict=True):
            totals[label] = totals.get(label, 0.0) + weight
        name = max(totals, key=totals.get)
        said.append(name)
        sure.append(totals[name] / sum(weights))
    return said, torch.tensor(sure)


@wrong(
    "classify",
    misconception="Takes the label of the best single answer.",
    hint="the best single answer decided",
)
def best_answer(scores, labels):
    best = scores.softmax(-1).max(-1)
    return [labels[i] for i in best.indices.tolist()], best.values


@wrong(
    "classify", misconception="Does not divide by the sum over the answers.", hint="not divided by the sum"
)
def not_renormalised(scores, labels):
    p = scores.exp()
    names = list(dict.fromkeys(labels))
    sums = torch.stack([p[:, [label == name for label in labels]].sum(1) for name in names], 1)
    return [names[i] for i in sums.argmax(1).tolist()], sums.max(1).values


@wrong(
    "classify",
    misconception="Leaves the logs before dividing, so that small probabilities vanish.",
    hint="exp(-1000) is 0",
)
def underflow(scores, labels):
    p = scores.exp() / scores.exp().sum(-1, keepdim=True)
    names = list(dict.fromkeys(labels))
    sums = torch.stack([p[:, [label == name for label in labels]].sum(1) for name in names], 1)
    return [names[i] for i in sums.argmax(1).tolist()], sums.max(1).values


@wrong("classify", misconception="Returns numbers of labels.", hint="return the names of the labels")
def numbers_of_labels(scores, labels):
    p = scores.softmax(-1)
    names = list(dict.fromkeys(labels))
    sums = torch.stack([p[:, [label == name for label in labels]].sum(1) for name in names], 1)
    return sums.argmax(1).tolist(), sums.max(1).values


@wrong("classify", misconception="Averages over the answers of a label.", hint="or a mean")
def mean_over_answers(scores, labels):
    p = scores.softmax(-1)
    names = list(dict.fromkeys(labels))
    means = torch.stack([p[:, [label == name for label in labels]].mean(1) for name in names], 1)
    return [names[i] for i in means.argmax(1).tolist()], means.max(1).values


@wrong("classify", misconception="Adds the logs of the answers of a label.", hint="or a sum of logs")
def logs_added(scores, labels):
    names = list(dict.fromkeys(labels))
    sums = torch.stack([scores[:, [label == name for label in labels]].sum(1) for name in names], 1)
    p = sums.softmax(-1)
    return [names[i] for i in p.argmax(1).tolist()], p.max(1).values


@wrong(
    "classify",
    misconception="Takes the softmax over the texts.",
    hint="the sum over its answers, divided by the sum over all answers",
)
def over_texts(scores, labels):
    p = scores.softmax(0)
    names = list(dict.fromkeys(labels))
    right = scores.softmax(-1)
    sums = torch.stack([right[:, [label == name for label in labels]].sum(1) for name in names], 1)
    return [names[i] for i in sums.argmax(1).tolist()], p.max(1).values


@wrong("classify", misconception="Returns the log of the probability.", hint="these are logs")
def log_returned(scores, labels):
    p = scores.softmax(-1)
    names = list(dict.fromkeys(labels))
    sums = torch.stack([p[:, [label == name for label in labels]].sum(1) for name in names], 1)
    return [names[i] for i in sums.argmax(1).tolist()], sums.max(1).values.log()


# --- few_shot_prompt -----------------------------------------------------------------------------------


@right("few_shot_prompt", why="a string that grows")
def growing(demonstrations, question, instruction=""):
    text = instruction + "\n\n" if instruction else ""
    for prompt, label in demonstrations:
        text += prompt + " " + label + "\n\n"
    return text + question


@wrong(
    "few_shot_prompt",
    misconception="Forgets the space before a label.",
    hint="the space between a prompt and its label",
)
def no_space(demonstrations, question, instruction=""):
    return "\n\n".join(
        [instruction] * bool(instruction) + [prompt + label for prompt, label in demonstrations] + [question]
    )


@wrong(
    "few_shot_prompt", misconception="Separates by one line break.", hint="an empty line separates the parts"
)
def one_line_break(demonstrations, question, instruction=""):
    return "\n".join(
        [instruction] * bool(instruction)
        + [f"{prompt} {label}" for prompt, label in demonstrations]
        + [question]
    )


@wrong("few_shot_prompt", misconception="Asks first and shows afterwards.", hint="the question stands last")
def question_first(demonstrations, question, instruction=""):
    return "\n\n".join([question] + [f"{prompt} {label}" for prompt, label in demonstrations])


@wrong(
    "few_shot_prompt",
    misconception="Shows the prompts without their labels.",
    hint="the labels of the demonstrations are missing",
)
def labels_missing(demonstrations, question, instruction=""):
    return "\n\n".join(
        [instruction] * bool(instruction) + [prompt for prompt, _ in demonstrations] + [question]
    )


@wrong(
    "few_shot_prompt",
    misconception="Puts a space after the question.",
    hint="white space at an end of the prompt",
)
def space_after_the_question(demonstrations, question, instruction=""):
    return (
        "\n\n".join(
            [instruction] * bool(instruction)
            + [f"{prompt} {label}" for prompt, label in demonstrations]
            + [question]
        )
        + " "
    )


@wrong(
    "few_shot_prompt",
    misconception="Repeats the instruction before every example.",
    hint="the instruction stands once",
)
def instruction_repeated(demonstrations, question, instruction=""):
    head = f"{instruction}\n\n" if instruction else ""
    return "\n\n".join([f"{head}{prompt} {label}" for prompt, label in demonstrations] + [head + question])


@wrong("few_shot_prompt", misconception="Leaves the instruction out.", hint="the instruction stands first")
def instruction_left_out(demonstrations, question, instruction=""):
    return "\n\n".join([f"{prompt} {label}" for prompt, label in demonstrations] + [question])


@wrong(
    "few_shot_prompt",
    misconception="Writes an empty instruction, and with it empty lines.",
    hint="white space at an end",
)
def empty_instruction(demonstrations, question, instruction=""):
    return "\n\n".join([instruction] + [f"{prompt} {label}" for prompt, label in demonstrations] + [question])


@wrong("few_shot_prompt", misconception="Turns the order round.", hint="another order than given")
def backwards(demonstrations, question, instruction=""):
    return "\n\n".join(
        [instruction] * bool(instruction)
        + [f"{prompt} {label}" for prompt, label in demonstrations[::-1]]
        + [question]
    )


# --- select_demonstrations -----------------------------------------------------------------------------


@right("select_demonstrations", why="decides on numbers per label first, then draws within each")
def numbers_first(pool, text, k, rng):
    allowed = [pair for pair in pool if " ".join(pair[0].lower().split()) != " ".join(text.lower().split())]
    labels = sorted({label for _, label in allowed})
    extra = set(rng.choice(len(labels), k % len(labels), replace=False).tolist())
    chosen = []
    for number, label in enumerate(labels):
        mine = [pair for pair in allowed if pair[1] == label]
        places = rng.choice(len(mine), k // len(labels) + (number in extra), replace=False)
        chosen += [mine[i] for i in places]
    rng.shuffle(places := np.arange(len(chosen)))
    return [chosen[i] for i in places]


def without(pool, text):
    return [pair for pair in pool if pair[0].lower().split() != text.lower().split()]


def in_turns(pool, k, rng, mix=True, start=True):
    piles = {}
    for i in rng.permutation(len(pool)):
        piles.setdefault(pool[i][1], []).append(pool[i])
    waiting = [piles[label] for label in sorted(piles)]
    if start:
        waiting = [waiting[i] for i in rng.permutation(len(waiting))]
    chosen = [pile[turn] for turn in range(k) for pile in waiting if turn < len(pile)][:k]
    return [chosen[i] for i in rng.permutation(k)] if mix else chosen


@wrong("select_demonstrations", misconception="May show the text that is asked about.", hint="it leaks")
def leaks(pool, text, k, rng):
    return in_turns(pool, k, rng)


@wrong(
    "select_demonstrations",
    misconception="Compares texts letter by letter, so that a repost leaks.",
    hint="Capitals and white space make no difference",
)
def exact_comparison(pool, text, k, rng):
    return in_turns([pair for pair in pool if pair[0] != text], k, rng)


@wrong(
    "select_demonstrations",
    misconception="Compares in lower case but with the white space.",
    hint="Capitals and white space make no difference",
)
def lower_comparison(pool, text, k, rng):
    return in_turns([pair for pair in pool if pair[0].lower() != text.lower()], k, rng)


@wrong(
    "select_demonstrations",
    misconception="Draws from the pool as it is, whatever the labels.",
    hint="Take from the labels in turn",
)
def unbalanced(pool, text, k, rng):
    allowed = without(pool, text)
    return [allowed[i] for i in rng.choice(len(allowed), k, replace=False)]


@wrong("select_demonstrations", misconception="Draws with replacement.", hint="draw without putting back")
def with_replacement(pool, text, k, rng):
    allowed = without(pool, text)
    labels = sorted({label for _, label in allowed})
    chosen = []
    for turn in range(k):
        mine = [pair for pair in allowed if pair[1] == labels[turn % len(labels)]]
        chosen.append(mine[rng.integers(len(mine))])
    return [chosen[i] for i in rng.permutation(k)]


@wrong(
    "select_demonstrations",
    misconception="Leaves the labels in the order of the turns.",
    hint="Mix the order at the end",
)
def not_mixed(pool, text, k, rng):
    return in_turns(without(pool, text), k, rng, mix=False)


@wrong(
    "select_demonstrations", misconception="Shows the labels pile by pile.", hint="Mix the order at the end"
)
def pile_by_pile(pool, text, k, rng):
    chosen = in_turns(without(pool, text), k, rng)
    return sorted(chosen, key=lambda pair: pair[1])


@wrong(
    "select_demonstrations",
    misconception="Always begins with the same label, which gets one more.",
    hint="Let chance decide which labels get one more",
)
def same_label_first(pool, text, k, rng):
    return in_turns(without(pool, text), k, rng, start=False)


@wrong(
    "select_demonstrations",
    misconception="Lets the label of the first text drawn begin, which favours frequent labels.",
    hint="Let each label have the same chance",
)
def frequent_label_first(pool, text, k, rng):
    piles = {}
    allowed = without(pool, text)
    for i in rng.permutation(len(allowed)):
        piles.setdefault(allowed[i][1], []).append(allowed[i])
    chosen = [pile[turn] for turn in range(k) for pile in piles.values() if turn < len(pile)][:k]
    return [chosen[i] for i in rng.permutation(k)]


@wrong("select_demonstrations", misconception="Uses a generator of its own.", hint="draw with rng")
def own_generator(pool, text, k, rng):
    # labels in random order by rng, texts always the same
    piles = {}
    for pair in without(pool, text):
        piles.setdefault(pair[1], []).append(pair)
    waiting = [piles[label] for label in sorted(piles)]
    waiting = [waiting[i] for i in rng.permutation(len(waiting))]
    chosen = [pile[turn] for turn in range(k) for pile in waiting if turn < len(pile)][:k]
    return [chosen[i] for i in rng.permutation(k)]


@wrong(
    "select_demonstrations",
    misconception="Adds chance from outside rng.",
    hint="let rng be the only source of chance",
)
def chance_from_outside(pool, text, k, rng):
    return in_turns(without(pool, text), k, np.random.default_rng())


@wrong(
    "select_demonstrations",
    misconception="Returns k texts of each label.",
    hint="the list has another length",
)
def k_of_each(pool, text, k, rng):
    return in_turns(without(pool, text), k * len({label for _, label in pool}), rng)


@wrong(
    "select_demonstrations",
    misconception="Returns the texts without their labels.",
    hint="Return pairs (text, label)",
)
def texts_only(pool, text, k, rng):
    return [(text, "") for text, _ in in_turns(without(pool, text), k, rng)]


# --- contextual_calibration ----------------------------------------------------------------------------


@right("contextual_calibration", why="with probabilities and a division")
def by_division(scores, blank):
    p = torch.softmax(scores.double(), 1)
    q = p / torch.softmax(blank.double(), 1).mean(0)
    return (q / q.sum(1, keepdim=True)).log().float()


@right("contextual_calibration", why="all in logs, with logsumexp")
def by_logs(scores, blank):
    habit = blank.log_softmax(1).logsumexp(0) - math.log(len(blank))
    moved = scores - habit
    return moved - moved.logsumexp(1, keepdim=True)


@wrong("contextual_calibration", misconception="Multiplies by the habit.", hint="you multiplied by the habit")
def multiplied(scores, blank):
    return (scores + blank.softmax(-1).mean(0).log()).log_softmax(-1)


@wrong("contextual_calibration", misconception="Does not divide by the sum.", hint="does not sum to 1")
def no_sum(scores, blank):
    return scores.log_softmax(-1) - blank.softmax(-1).mean(0).log()


@wrong(
    "contextual_calibration",
    misconception="Averages before making each blank text a distribution.",
    hint="averaged before each was made a distribution",
)
def averaged_first(scores, blank):
    mean = blank.exp().mean(0)
    return (scores - (mean / mean.sum()).log()).log_softmax(-1)


@wrong("contextual_calibration", misconception="Averages logs.", hint="the logs were averaged")
def mean_of_logs(scores, blank):
    return (scores - blank.log_softmax(-1).mean(0)).log_softmax(-1)


@wrong(
    "contextual_calibration",
    misconception="Uses the first blank text only.",
    hint="only the first blank text",
)
def first_only(scores, blank):
    return (scores - blank[0].log_softmax(-1)).log_softmax(-1)


@wrong(
    "contextual_calibration", misconception="Uses the last blank text only.", hint="only the last blank text"
)
def last_only(scores, blank):
    return (scores - blank[-1].log_softmax(-1)).log_softmax(-1)


@wrong(
    "contextual_calibration",
    misconception="Takes a softmax of probabilities.",
    hint="a softmax was taken of probabilities",
)
def softmax_twice(scores, blank):
    return (scores.softmax(-1) / blank.softmax(-1).mean(0)).log_softmax(-1)


@wrong(
    "contextual_calibration", misconception="Leaves the scores as they were.", hint="nothing was calibrated"
)
def nothing_done(scores, blank):
    return scores.log_softmax(-1)


@wrong(
    "contextual_calibration", misconception="Works with exp of large negative logs.", hint="exp(-1000) is 0"
)
def calibration_underflow(scores, blank):
    p, habit = scores.exp(), blank.exp() / blank.exp().sum(1, keepdim=True)
    q = p / habit.mean(0)
    return (q / q.sum(1, keepdim=True)).log()


# --- prompt_perplexity ---------------------------------------------------------------------------------


@right("prompt_perplexity", why="cross-entropy with ignored places")
def perplexity_by_cross_entropy(model, prompts, batch_size=16):
    found = []
    for at in range(0, len(prompts), batch_size):
        rows = [torch.tensor(model.encode(prompt)) for prompt in prompts[at : at + batch_size]]
        logits = model.logits(pad_sequence(rows, batch_first=True))[:, :-1]
        targets = pad_sequence([row[1:] for row in rows], batch_first=True, padding_value=-100)
        surprise = F.cross_entropy(logits.transpose(1, 2), targets, reduction="none")
        found.append((surprise.sum(1) / (targets >= 0).sum(1)).exp())
    return torch.cat(found)


@right("prompt_perplexity", why="loops over tokens")
def perplexity_by_loops(model, prompts, batch_size=16):
    found = []
    for at in range(0, len(prompts), batch_size):
        rows = [model.encode(prompt) for prompt in prompts[at : at + batch_size]]
        longest = max(map(len, rows))
        logits = model.logits(torch.tensor([row + [0] * (longest - len(row)) for row in rows]))
        for i, row in enumerate(rows):
            nats = sum(-float(logits[i, t - 1].log_softmax(0)[row[t]]) for t in range(1, len(row)))
            found.append(math.exp(nats / (len(row) - 1)))
    return torch.tensor(found)


def surprises_of(model, prompts, size):
    """The surprise of each predicted token, one tensor per prompt."""
    found = []
    for at in range(0, len(prompts), size):
        rows = [torch.tensor(model.encode(prompt)) for prompt in prompts[at : at + size]]
        logits = model.logits(pad_sequence(rows, batch_first=True))
        for i, row in enumerate(rows):
            found.append(-logits[i, : len(row) - 1].log_softmax(-1).gather(1, row[1:, None])[:, 0])
    return found


@wrong("prompt_perplexity", misconception="Sums the surprise.", hint="the surprise was summed")
def summed(model, prompts, batch_size=16):
    return torch.stack([s.sum().exp() for s in surprises_of(model, prompts, batch_size)])


@wrong(
    "prompt_perplexity",
    misconception="Divides by the number of all tokens.",
    hint="divided by the number of all tokens",
)
def divided_by_all(model, prompts, batch_size=16):
    return torch.stack([(s.sum() / (len(s) + 1)).exp() for s in surprises_of(model, prompts, batch_size)])


@wrong("prompt_perplexity", misconception="Returns the mean surprise.", hint="this is the mean surprise")
def no_exponential(model, prompts, batch_size=16):
    return torch.stack([s.mean() for s in surprises_of(model, prompts, batch_size)])


@wrong("prompt_perplexity", misconception="Forgets the sign.", hint="the sign")
def wrong_sign(model, prompts, batch_size=16):
    return torch.stack([(-s.mean()).exp() for s in surprises_of(model, prompts, batch_size)])


@wrong("prompt_perplexity", misconception="Raises 2 to the power of nats.", hint="2 to the power of nats")
def base_two(model, prompts, batch_size=16):
    return torch.stack([2 ** s.mean() for s in surprises_of(model, prompts, batch_size)])


@wrong("prompt_perplexity", misconception="Averages 1/P instead of logs.", hint="a mean of 1/P was taken")
def mean_of_inverses(model, prompts, batch_size=16):
    return torch.stack([s.exp().mean() for s in surprises_of(model, prompts, batch_size)])


@wrong("prompt_perplexity", misconception="Returns one number for the batch.", hint="one number per prompt")
def one_for_all(model, prompts, batch_size=16):
    return torch.cat(surprises_of(model, prompts, batch_size)).mean().exp().view(1)


@wrong("prompt_perplexity", misconception="Counts the padding.", hint="the padding was counted")
def perplexity_of_padding(model, prompts, batch_size=16):
    found = []
    for at in range(0, len(prompts), batch_size):
        rows = [torch.tensor(model.encode(prompt)) for prompt in prompts[at : at + batch_size]]
        idx = pad_sequence(rows, batch_first=True)
        log_p = model.logits(idx)[:, :-1].log_softmax(-1).gather(2, idx[:, 1:, None])[..., 0]
        found.append((-log_p.mean(1)).exp())
    return torch.cat(found)


@wrong("prompt_perplexity", misconception="Reads the logits at the token's own place.", hint="one place off")
def perplexity_own_place(model, prompts, batch_size=16):
    found = []
    for prompt in prompts:
        row = torch.tensor(model.encode(prompt))
        log_p = model.logits(row[None])[0, 1:].log_softmax(-1).gather(1, row[1:, None])
        found.append((-log_p.mean()).exp())
    return torch.stack(found)


@wrong("prompt_perplexity", misconception="Uses logits as log-probabilities.", hint="never below 1")
def perplexity_of_logits(model, prompts, batch_size=16):
    found = []
    for prompt in prompts:
        row = torch.tensor(model.encode(prompt))
        found.append((-model.logits(row[None])[0, :-1].gather(1, row[1:, None]).mean()).exp())
    return torch.stack(found)


@wrong("prompt_perplexity", misconception="Loses the last batch.", hint="the last batch")
def perplexity_batch_lost(model, prompts, batch_size=16):
    whole = len(prompts) if len(prompts) < batch_size else len(prompts) // batch_size * batch_size
    return torch.stack([s.mean().exp() for s in surprises_of(model, prompts[:whole], batch_size)])


# --- macro_f1 ------------------------------------------------------------------------------------------


@right("macro_f1", why="by precision and recall")
def by_precision_and_recall(gold, predicted, labels):
    scores = []
    for label in labels:
        tp = sum(g == label and p == label for g, p in zip(gold, predicted, strict=True))
        precision = tp / predicted.count(label) if predicted.count(label) else 0.0
        recall = tp / gold.count(label) if gold.count(label) else 0.0
        scores.append(2 * precision * recall / (precision + recall) if tp else 0.0)
    return sum(scores) / len(scores)


@right("macro_f1", why="with numpy, from the confusion matrix's margins")
def by_numpy(gold, predicted, labels):
    g = np.array([[x == label for x in gold] for label in labels], dtype=float).reshape(len(labels), -1)
    p = np.array([[x == label for x in predicted] for label in labels], dtype=float).reshape(len(labels), -1)
    return float(np.mean(2 * (g * p).sum(1) / np.maximum(g.sum(1) + p.sum(1), 1)))


def counts_of(gold, predicted, label):
    tp = sum(g == p == label for g, p in zip(gold, predicted, strict=True))
    return tp, predicted.count(label) - tp, gold.count(label) - tp


@wrong("macro_f1", misconception="Micro for macro.", hint="this is accuracy, or micro-F1")
def micro(gold, predicted, labels):
    counts = [counts_of(gold, predicted, label) for label in labels]
    tp, fp, fn = (sum(column) for column in zip(*counts, strict=True))
    return 2 * tp / (2 * tp + fp + fn)


@wrong("macro_f1", misconception="Weights the labels by frequency.", hint="the labels are weighted")
def weighted(gold, predicted, labels):
    total = 0.0
    for label in labels:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += gold.count(label) * (2 * tp / (2 * tp + fp + fn) if tp else 0.0)
    return total / len(gold)


@wrong("macro_f1", misconception="Averages recall.", hint="this is the mean recall")
def mean_recall(gold, predicted, labels):
    return sum(counts_of(gold, predicted, label)[0] / max(1, gold.count(label)) for label in labels) / len(
        labels
    )


@wrong("macro_f1", misconception="Averages precision.", hint="this is the mean precision")
def mean_precision(gold, predicted, labels):
    return sum(
        counts_of(gold, predicted, label)[0] / max(1, predicted.count(label)) for label in labels
    ) / len(labels)


@wrong(
    "macro_f1",
    misconception="Takes the plain mean of precision and recall.",
    hint="the plain mean of precision and recall",
)
def plain_mean(gold, predicted, labels):
    total = 0.0
    for label in labels:
        tp = counts_of(gold, predicted, label)[0]
        total += (tp / max(1, predicted.count(label)) + tp / max(1, gold.count(label))) / 2
    return total / len(labels)


@wrong(
    "macro_f1",
    misconception="Averages precision and recall over labels first.",
    hint="you averaged precision and recall over the labels first",
)
def means_first(gold, predicted, labels):
    precision = sum(
        counts_of(gold, predicted, label)[0] / max(1, predicted.count(label)) for label in labels
    ) / len(labels)
    recall = sum(counts_of(gold, predicted, label)[0] / max(1, gold.count(label)) for label in labels) / len(
        labels
    )
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


@wrong("macro_f1", misconception="Counts hits once (Jaccard).", hint="TP counts twice")
def jaccard(gold, predicted, labels):
    total = 0.0
    for label in labels:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += tp / max(1, tp + fp + fn)
    return total / len(labels)


@wrong("macro_f1", misconception="Forgets to divide by the number of labels.", hint="this is the sum")
def f1_summed(gold, predicted, labels):
    total = 0.0
    for label in labels:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += 2 * tp / max(1, 2 * tp + fp + fn)
    return total


@wrong("macro_f1", misconception="Divides by zero for a label that nobody used.", hint="0 divided by 0")
def no_guard(gold, predicted, labels):
    total = 0.0
    for label in labels:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += 2 * tp / (2 * tp + fp + fn)
    return total / len(labels)


@wrong(
    "macro_f1",
    misconception="Leaves out labels that nobody used.",
    hint="a label that nobody used was left out",
)
def used_labels_only(gold, predicted, labels):
    used = [label for label in labels if label in gold or label in predicted]
    total = 0.0
    for label in used:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += 2 * tp / max(1, 2 * tp + fp + fn)
    return total / max(1, len(used))


@wrong(
    "macro_f1", misconception="Leaves out texts without an answer.", hint="a text without an answer stays in"
)
def answered_only(gold, predicted, labels):
    pairs = [(g, p) for g, p in zip(gold, predicted, strict=True) if p is not None]
    gold, predicted = [g for g, _ in pairs], [p for _, p in pairs]
    total = 0.0
    for label in labels:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += 2 * tp / max(1, 2 * tp + fp + fn)
    return total / len(labels)


@wrong("macro_f1", misconception="Calls a label that nobody used perfect.", hint="has an F1 of 0, not 1")
def empty_is_one(gold, predicted, labels):
    total = 0.0
    for label in labels:
        tp, fp, fn = counts_of(gold, predicted, label)
        total += 2 * tp / (2 * tp + fp + fn) if tp + fp + fn else 1.0
    return total / len(labels)


# --- cohen_kappa ---------------------------------------------------------------------------------------


@right("cohen_kappa", why="with numpy, from the table of both coders")
def kappa_by_table(first, second):
    names = list(dict.fromkeys([*first, *second]))
    table = np.zeros((len(names), len(names)))
    for a, b in zip(first, second, strict=True):
        table[names.index(a), names.index(b)] += 1
    table /= table.sum()
    expected = float(table.sum(0) @ table.sum(1))
    return (float(np.trace(table)) - expected) / (1 - expected) if expected < 1 - 1e-12 else math.nan


@right("cohen_kappa", why="with counters and shares, as in the formula")
def kappa_by_shares(first, second):
    n = len(first)
    one, two = Counter(first), Counter(second)
    observed = sum(a == b for a, b in zip(first, second, strict=True)) / n
    if len(one) == 1 and one == two:
        return float("nan")
    expected = sum(one[k] / n * two[k] / n for k in one)
    return (observed - expected) / (1 - expected)


def observed_of(first, second):
    return sum(a == b for a, b in zip(first, second, strict=True)) / len(first)


@wrong("cohen_kappa", misconception="Leaves chance out.", hint="this is plain agreement")
def no_chance(first, second):
    return observed_of(first, second)


@wrong("cohen_kappa", misconception="Takes 1 / number of labels for chance.", hint="chance is not 1/2")
def uniform_chance(first, second):
    chance = 1 / len({*first, *second})
    return (observed_of(first, second) - chance) / (1 - chance) if chance < 1 else float("nan")


@wrong("cohen_kappa", misconception="Pools the coders (Scott's pi).", hint="Scott's pi")
def scotts_pi(first, second):
    both = Counter([*first, *second])
    chance = sum((n / (2 * len(first))) ** 2 for n in both.values())
    return (observed_of(first, second) - chance) / (1 - chance) if chance < 1 else float("nan")


@wrong(
    "cohen_kappa", misconception="Computes chance from the first coder.", hint="from the first coder alone"
)
def first_coder_squared(first, second):
    chance = sum((n / len(first)) ** 2 for n in Counter(first).values())
    return (observed_of(first, second) - chance) / (1 - chance) if chance < 1 else float("nan")


@wrong(
    "cohen_kappa", misconception="Computes chance from the second coder.", hint="from the second coder alone"
)
def second_coder_squared(first, second):
    chance = sum((n / len(first)) ** 2 for n in Counter(second).values())
    return (observed_of(first, second) - chance) / (1 - chance) if chance < 1 else float("nan")


def chance_of(first, second):
    return sum(first.count(k) * second.count(k) for k in set(first)) / len(first) ** 2


@wrong("cohen_kappa", misconception="Does not divide.", hint="what there is to get beyond chance")
def not_divided(first, second):
    return observed_of(first, second) - chance_of(first, second)


@wrong("cohen_kappa", misconception="Divides by chance.", hint="not by p_e")
def divided_by_chance(first, second):
    return (observed_of(first, second) - chance_of(first, second)) / chance_of(first, second)


@wrong("cohen_kappa", misconception="Fails where both coders use one label.", hint="return float('nan')")
def kappa_unguarded(first, second):
    chance = chance_of(first, second)
    return (observed_of(first, second) - chance) / (1 - chance)


@wrong(
    "cohen_kappa",
    misconception="Calls it perfect where both coders use one label.",
    hint="nothing can be said here",
)
def perfect_by_default(first, second):
    chance = chance_of(first, second)
    return (observed_of(first, second) - chance) / (1 - chance) if chance < 1 else 1.0


@wrong("cohen_kappa", misconception="Lets kappa end at 0.", hint="kappa may be negative")
def never_negative(first, second):
    chance = chance_of(first, second)
    return max(0.0, (observed_of(first, second) - chance) / (1 - chance)) if chance < 1 else float("nan")


# --- bootstrap_interval --------------------------------------------------------------------------------


@right("bootstrap_interval", why="rng.choice, sorted values")
def by_sorting(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n, values = len(gold), []
    pairs = list(zip(gold, predicted, strict=True))
    for _ in range(draws):
        sample = [pairs[i] for i in rng.choice(n, n)]
        values.append(statistic([g for g, _ in sample], [p for _, p in sample]))
    values.sort()
    outside = (1 - level) / 2
    return values[round(outside * (draws - 1))], values[round((1 - outside) * (draws - 1))]


@right("bootstrap_interval", why="percentiles of all samples drawn at once")
def drawn_at_once(statistic, gold, predicted, rng, draws=1000, level=0.95):
    places = rng.integers(0, len(gold), (draws, len(gold)))
    values = [statistic([gold[i] for i in row], [predicted[i] for i in row]) for row in places]
    ends = np.percentile(values, [50 - 50 * level, 50 + 50 * level])
    return tuple(ends.tolist())


def resampled(statistic, gold, predicted, draws, places):
    samples = [places() for _ in range(draws)]
    return [statistic([gold[i] for i in sample], [predicted[i] for i in sample]) for sample in samples]


def middle_of(values, level):
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


@wrong("bootstrap_interval", misconception="Draws without replacement.", hint="draw with replacement")
def no_replacement(statistic, gold, predicted, rng, draws=1000, level=0.95):
    return middle_of(resampled(statistic, gold, predicted, draws, lambda: rng.permutation(len(gold))), level)


@wrong("bootstrap_interval", misconception="Draws gold and predicted labels apart.", hint="were drawn apart")
def drawn_apart(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    values = [
        statistic([gold[i] for i in rng.integers(n, size=n)], [predicted[i] for i in rng.integers(n, size=n)])
        for _ in range(draws)
    ]
    return middle_of(values, level)


@wrong(
    "bootstrap_interval", misconception="Draws smaller samples.", hint="it must be of the size of the old one"
)
def half_samples(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    return middle_of(
        resampled(statistic, gold, predicted, draws, lambda: rng.integers(n, size=max(1, n // 2))), level
    )


@wrong(
    "bootstrap_interval",
    misconception="Leaves the whole rest out on each side.",
    hint="Leave 2.5 per cent out on each side",
)
def ten_per_cent_out(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    values = resampled(statistic, gold, predicted, draws, lambda: rng.integers(n, size=n))
    low, high = np.quantile(values, [1 - level, level])
    return float(low), float(high)


@wrong(
    "bootstrap_interval",
    misconception="Takes one standard deviation to each side.",
    hint="one standard deviation to each side",
)
def one_deviation(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    values = resampled(statistic, gold, predicted, draws, lambda: rng.integers(n, size=n))
    middle = statistic(gold, predicted)
    return middle - float(np.std(values)), middle + float(np.std(values))


@wrong(
    "bootstrap_interval",
    misconception="Takes the smallest and the largest value.",
    hint="the smallest and the largest value",
)
def extremes(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    values = resampled(statistic, gold, predicted, draws, lambda: rng.integers(n, size=n))
    return float(min(values)), float(max(values))


@wrong("bootstrap_interval", misconception="Ignores the level.", hint="`level` has no effect")
def level_ignored(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    return middle_of(resampled(statistic, gold, predicted, draws, lambda: rng.integers(n, size=n)), 0.95)


@wrong("bootstrap_interval", misconception="Ignores the number of draws.", hint="draws=50, but")
def draws_ignored(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    return middle_of(resampled(statistic, gold, predicted, 1000, lambda: rng.integers(n, size=n)), level)


@wrong(
    "bootstrap_interval",
    misconception="Uses a generator of its own.",
    hint="draw with the rng that you are given",
)
def own_seed(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n, mine = len(gold), np.random.default_rng(0)
    return middle_of(resampled(statistic, gold, predicted, draws, lambda: mine.integers(n, size=n)), level)


@wrong(
    "bootstrap_interval",
    misconception="Adds chance from outside.",
    hint="let rng be the only source of chance",
)
def unseeded(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n, mine = len(gold), np.random.default_rng()
    return middle_of(resampled(statistic, gold, predicted, draws, lambda: mine.integers(n, size=n)), level)


@wrong("bootstrap_interval", misconception="Returns the upper end first.", hint="lower end first")
def upper_first(statistic, gold, predicted, rng, draws=1000, level=0.95):
    n = len(gold)
    low, high = middle_of(
        resampled(statistic, gold, predicted, draws, lambda: rng.integers(n, size=n)), level
    )
    return high, low


# --- parse_label ---------------------------------------------------------------------------------------


@right("parse_label", why="a dictionary of labels in lower case, and a list of mentions")
def by_dictionary(answer, labels):
    known = {label.lower(): label for label in labels}
    words = words_of(answer)
    mentions = []
    for i, word in enumerate(words):
        if word in known:
            before = words[i - 1 : i] + (words[i - 2 : i - 1] if i > 1 else [])
            if not any(b in NEGATIONS or b[-3:] == "n't" for b in before):
                mentions.append(known[word])
    return mentions[0] if len(set(mentions)) == 1 else None


@right("parse_label", why="label by label, with padding in front")
def label_by_label(answer, labels):
    words = ["", ""] + words_of(answer)

    def negates(word):
        return word in NEGATIONS or word.endswith("n't")

    counted = [
        label
        for label in labels
        if any(
            w == label.lower() and not negates(words[i - 1]) and not negates(words[i - 2])
            for i, w in enumerate(words)
            if i >= 2
        )
    ]
    return counted[0] if len(counted) == 1 else None


@wrong("parse_label", misconception="Looks for substrings.", hint="a label inside another word")
def by_substring(answer, labels):
    found = [label for label in labels if label.lower() in answer.lower()]
    return found[0] if len(found) == 1 else None


@wrong("parse_label", misconception="Takes the first label that is named.", hint="two labels are named")
def first_named(answer, labels):
    for word in words_of(answer):
        for label in labels:
            if word == label.lower():
                return label
    return None


@wrong("parse_label", misconception="Does not notice negations.", hint="this is negated")
def no_negation(answer, labels):
    words = words_of(answer)
    found = [label for label in labels if label.lower() in words]
    return found[0] if len(found) == 1 else None


@wrong("parse_label", misconception="Looks at one word before the label.", hint="look at two words")
def one_word_before(answer, labels):
    words = words_of(answer)
    named = {
        label
        for i, word in enumerate(words)
        for label in labels
        if word == label.lower() and not (i and (words[i - 1] in NEGATIONS or words[i - 1].endswith("n't")))
    }
    return named.pop() if len(named) == 1 else None


@wrong("parse_label", misconception="Does not know that isn't negates.", hint="words that end in n't")
def only_the_list(answer, labels):
    words = words_of(answer)
    named = {
        label
        for i, word in enumerate(words)
        for label in labels
        if word == label.lower() and not set(words[max(0, i - 2) : i]) & NEGATIONS
    }
    return named.pop() if len(named) == 1 else None


@wrong(
    "parse_label",
    misconception="Takes any negation in the answer as one of the label.",
    hint="words after a label do not negate it",
)
def negation_anywhere(answer, labels):
    words = words_of(answer)
    if any(word in NEGATIONS or word.endswith("n't") for word in words):
        return None
    found = [label for label in labels if label.lower() in words]
    return found[0] if len(found) == 1 else None


@wrong(
    "parse_label", misconception="Lets every earlier word negate.", hint="only the two words before a label"
)
def all_words_before(answer, labels):
    words = words_of(answer)
    named = {
        label
        for i, word in enumerate(words)
        for label in labels
        if word == label.lower() and not any(b in NEGATIONS or b.endswith("n't") for b in words[:i])
    }
    return named.pop() if len(named) == 1 else None


@wrong(
    "parse_label", misconception="Compares with capitals.", hint="capitals and punctuation make no difference"
)
def with_capitals(answer, labels):
    words = re.findall(r"\w+", answer)
    found = [label for label in labels if label in words]
    return found[0] if len(found) == 1 else None


@wrong("parse_label", misconception="Compares labels with capitals.", hint="labels may have capitals, too")
def labels_with_capitals(answer, labels):
    words = words_of(answer)
    named = set()
    for i, word in enumerate(words):
        negated = any(b in NEGATIONS or b.endswith("n't") for b in words[max(0, i - 2) : i])
        named |= {label for label in labels if label == word and not negated}
    return named.pop() if len(named) == 1 else None


@wrong("parse_label", misconception="Returns the label in lower case.", hint="return the label as it stands")
def lower_case_returned(answer, labels):
    words = words_of(answer)
    named = set()
    for i, word in enumerate(words):
        negated = any(b in NEGATIONS or b.endswith("n't") for b in words[max(0, i - 2) : i])
        named |= {word for label in labels if label.lower() == word and not negated}
    return named.pop() if len(named) == 1 else None


@wrong(
    "parse_label",
    misconception="Counts mentions, not labels.",
    hint="one label named twice is still one label",
)
def mentions_counted(answer, labels):
    words = words_of(answer)
    named = []
    for i, word in enumerate(words):
        negated = any(b in NEGATIONS or b.endswith("n't") for b in words[max(0, i - 2) : i])
        named += [label for label in labels if label.lower() == word and not negated]
    return named[0] if len(named) == 1 else None


@wrong(
    "parse_label",
    misconception="Lets a slice begin below 0, at the end of the answer.",
    hint="mind a slice that begins below 0",
)
def slice_from_the_end(answer, labels):
    words = words_of(answer)
    named = set()
    for i, word in enumerate(words):
        before = [words[i - 1], words[i - 2]] if len(words) > 1 else []
        negated = any(b in NEGATIONS or b.endswith("n't") for b in before)
        named |= {label for label in labels if label.lower() == word and not negated}
    return named.pop() if len(named) == 1 else None


@wrong("parse_label", misconception="Guesses where the answer names nothing.", hint="no label is named")
def guesses(answer, labels):
    words = words_of(answer)
    named = set()
    for i, word in enumerate(words):
        negated = any(b in NEGATIONS or b.endswith("n't") for b in words[max(0, i - 2) : i])
        named |= {label for label in labels if label.lower() == word and not negated}
    if len(named) > 1 or any("favour" in word for word in words):
        return named.pop() if len(named) == 1 else None
    return named.pop() if named else labels[-1]


# --- validate_annotator --------------------------------------------------------------------------------


@right("validate_annotator", why="with a loop and lists")
def validated_by_loop(texts, human, machine, seen, measures, required):
    kept_human, kept_machine = [], []
    for text, h, m in zip(texts, human, machine, strict=True):
        if text not in seen:
            kept_human.append(h)
            kept_machine.append(m)
    n = len(kept_human)
    if n == 0:
        raise ValueError("nothing left to validate on")
    result = {}
    for name, measure in measures.items():
        result[name] = measure(kept_human, kept_machine)
    accepted = True
    for name in required:
        if result[name][1] < required[name]:
            accepted = False
    return {
        "n": n,
        "unanswered": sum(m is None for m in kept_machine) / n,
        "measures": result,
        "accepted": accepted,
    }


def new_pairs(texts, human, machine, seen):
    kept = [(h, m) for text, h, m in zip(texts, human, machine, strict=True) if text not in seen]
    if not kept:
        raise ValueError("nothing left")
    return [h for h, _ in kept], [m for _, m in kept]


def result_of(human, machine, measures, accepted):
    found = {name: measure(human, machine) for name, measure in measures.items()}
    return {
        "n": len(human),
        "unanswered": machine.count(None) / len(machine),
        "measures": found,
        "accepted": accepted(found),
    }


@wrong(
    "validate_annotator",
    misconception="Validates on texts that were used before.",
    hint="texts that were seen before must be left out",
)
def on_seen_texts(texts, human, machine, seen, measures, required):
    return result_of(
        list(human),
        list(machine),
        measures,
        lambda found: all(found[name][1] >= least for name, least in required.items()),
    )


@wrong(
    "validate_annotator",
    misconception="Leaves out texts without an answer.",
    hint="a text without an answer was left out",
)
def unanswered_left_out(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    kept = [(h, m) for h, m in zip(human, machine, strict=True) if m is not None]
    return result_of(
        [h for h, _ in kept],
        [m for _, m in kept],
        measures,
        lambda found: all(found[name][1] >= least for name, least in required.items()),
    )


@wrong(
    "validate_annotator",
    misconception="Leaves texts without an answer out of the measures.",
    hint="a text without an answer was left out; it stays, and counts as a mistake",
)
def unanswered_not_measured(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    kept = [(h, m) for h, m in zip(human, machine, strict=True) if m is not None]
    found = result_of(
        [h for h, _ in kept],
        [m for _, m in kept],
        measures,
        lambda found: all(found[name][1] >= least for name, least in required.items()),
    )
    return {**found, "n": len(human), "unanswered": machine.count(None) / len(machine)}


@wrong("validate_annotator", misconception="Is content with the value.", hint="the lower end decides")
def value_decides(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    return result_of(
        human,
        machine,
        measures,
        lambda found: all(found[name][0] >= least for name, least in required.items()),
    )


@wrong("validate_annotator", misconception="Is content with the upper end.", hint="the lower end decides")
def upper_end_decides(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    return result_of(
        human,
        machine,
        measures,
        lambda found: all(found[name][2] >= least for name, least in required.items()),
    )


@wrong(
    "validate_annotator",
    misconception="Is content with one requirement.",
    hint="all requirements must be met",
)
def any_requirement(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    return result_of(
        human,
        machine,
        measures,
        lambda found: any(found[name][1] >= least for name, least in required.items()),
    )


@wrong("validate_annotator", misconception="Asks for more than the mark.", hint="reaches the mark exactly")
def strictly_above(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    return result_of(
        human,
        machine,
        measures,
        lambda found: all(found[name][1] > least for name, least in required.items()),
    )


@wrong(
    "validate_annotator",
    misconception="Gives the machine's labels first.",
    hint="the measures want the human labels first",
)
def machine_first(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    found = {name: measure(machine, human) for name, measure in measures.items()}
    accepted = all(found[name][1] >= least for name, least in required.items())
    return {
        "n": len(human),
        "unanswered": machine.count(None) / len(machine),
        "measures": found,
        "accepted": accepted,
    }


@wrong("validate_annotator", misconception="Counts texts without an answer.", hint="this is a count")
def unanswered_counted(texts, human, machine, seen, measures, required):
    human, machine = new_pairs(texts, human, machine, seen)
    found = result_of(
        human,
        machine,
        measures,
        lambda found: all(found[name][1] >= least for name, least in required.items()),
    )
    return {**found, "unanswered": machine.count(None)}


@wrong(
    "validate_annotator",
    misconception="Measures on all texts.",
    hint="texts that were seen before must be left out of the measures",
)
def measured_on_all(texts, human, machine, seen, measures, required):
    new_human, new_machine = new_pairs(texts, human, machine, seen)
    found = {name: measure(list(human), list(machine)) for name, measure in measures.items()}
    accepted = all(found[name][1] >= least for name, least in required.items())
    return {
        "n": len(new_human),
        "unanswered": new_machine.count(None) / len(new_machine),
        "measures": found,
        "accepted": accepted,
    }


@wrong("validate_annotator", misconception="Does not notice that nothing is left.", hint="raise ValueError")
def nothing_left(texts, human, machine, seen, measures, required):
    kept = [i for i, text in enumerate(texts) if text not in seen]
    human, machine = [human[i] for i in kept], [machine[i] for i in kept]
    if not kept:
        return {"n": 0, "unanswered": 0.0, "measures": {}, "accepted": True}
    return result_of(
        human,
        machine,
        measures,
        lambda found: all(found[name][1] >= least for name, least in required.items()),
    )


# --- mutants that compute the same ---------------------------------------------------------------------

equivalent(
    "label_log_probabilities",
    mutant="line 9: :-1 -> :",
    why="Reads one id more per row, behind all that is looked at.",
)
equivalent(
    "label_log_probabilities",
    mutant="line 11: logits[i, n - 1:].log_softmax(dim=-1) -> logits[i, n - 1:].log_softmax(dim=1)",
    why="The last of two axes is axis 1.",
)
equivalent(
    "classify",
    mutant="line 1: scores.softmax(dim=-1) -> scores.softmax(dim=1)",
    why="The last of two axes is axis 1.",
)
equivalent("select_demonstrations", mutant="line 4: 1 -> -1", why="The second of two is the last.")
equivalent(
    "select_demonstrations", mutant="line 7: range(k) -> range(k + 1)", why="Only the first k are returned."
)
equivalent(
    "contextual_calibration",
    mutant="line 1: blank.softmax(dim=-1).mean(dim=0) -> blank.softmax(dim=-1).sum(dim=0)",
    why="A factor that all labels share cancels when the result is divided by its sum.",
)
equivalent(
    "contextual_calibration",
    mutant="line 1: blank.softmax(dim=-1) -> blank.softmax(dim=1)",
    why="The last of two axes is axis 1.",
)
equivalent(
    "contextual_calibration",
    mutant="line 2: (scores - habit.log()).log_softmax(dim=-1) -> (scores - habit.log()).log_softmax(dim=1)",
    why="The last of two axes is axis 1.",
)
equivalent(
    "prompt_perplexity",
    mutant="line 7: ahead.log_softmax(dim=-1) -> ahead.log_softmax(dim=1)",
    why="The last of two axes is axis 1.",
)
equivalent(
    "macro_f1",
    mutant="line 3: zip(gold, predicted) -> zip(predicted, gold)",
    why="Equal is equal in either order.",
)
equivalent(
    "cohen_kappa",
    mutant="line 2: zip(first, second) -> zip(second, first)",
    why="Equal is equal in either order.",
)
