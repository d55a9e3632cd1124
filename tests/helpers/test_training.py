"""One loop trains every model, keeps the best, says what went wrong, and survives being killed."""

from __future__ import annotations

import math
import subprocess
import sys
import textwrap

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from nextword import Village, presets
from nextword.batches import IGNORED, Batches, sentence_batches, token_batches
from nextword.tokenizers import WordTokenizer
from nextword.training import History, bits_per_character, score, train, warm_then_cosine


class Bigram(nn.Module):
    """The smallest model of the course's interface, with dropout so that it draws while it trains."""

    def __init__(self, vocab_size: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.table = nn.Embedding(vocab_size, vocab_size)
        self.scale = nn.Parameter(torch.ones(vocab_size))
        self.dropout = nn.Dropout(dropout)
        nn.init.normal_(self.table.weight, generator=torch.Generator().manual_seed(0))

    def forward(self, idx, targets=None):
        logits = self.dropout(self.table(idx)) * self.scale
        if targets is None:
            return logits, None
        return logits, F.cross_entropy(logits.flatten(0, -2), targets.flatten(), ignore_index=IGNORED)


class Recording(nn.Module):
    """Learns nothing; remembers the learning rates and the number types it was run with."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2, 2))
        self.seen: list[torch.dtype] = []

    def forward(self, idx, targets=None):
        out = torch.ones(1, 2) @ self.weight
        self.seen.append(out.dtype)
        return out, out.float().pow(2).sum()


SENTENCES = Village().sample(200, seed=5)
TOKENIZER = WordTokenizer.train(SENTENCES)
DATA = sentence_batches(SENTENCES[:150], TOKENIZER)
VALID = sentence_batches(SENTENCES[150:], TOKENIZER)
QUIET = {"progress": False, "batch_size": 8}
SMALL = token_batches([0, 1] * 20, 4, characters=40)


@pytest.fixture(autouse=True)
def on_a_processor(monkeypatch):
    monkeypatch.setenv(presets.VARIABLE, "cpu")


def weights(model) -> list[list[float]]:
    return [p.flatten().tolist() for p in model.parameters()]


def test_it_learns_and_measures_what_it_says() -> None:
    model = Bigram(len(TOKENIZER))
    before = bits_per_character(model, VALID)
    history = train(model, DATA, valid=VALID, steps=60, learning_rate=0.1, label="Bigram", **QUIET)
    assert history.valid[-1] < before - 0.15
    assert len(history.steps) == len(history.seconds) == len(history.train) == len(history.valid) == 12
    assert history.steps == list(range(5, 61, 5))
    assert history.seconds == sorted(history.seconds)
    assert history.processor_seconds > 0
    assert history.best == min(history.valid) == pytest.approx(bits_per_character(model, VALID))
    assert not model.training
    assert str(history).startswith("Bigram: 60 steps in")
    assert f"{history.best:.3f} bits per character" in str(history)


def test_score_is_the_sum_over_all_predictions() -> None:
    model = Bigram(len(TOKENIZER), dropout=0.5)
    total = 0.0
    for sentence in SENTENCES[150:]:
        previous = TOKENIZER.end_id
        for i in TOKENIZER.encode_sentence(sentence):
            total -= float((model.table.weight[previous] * model.scale).log_softmax(-1)[i].detach())
            previous = i
    assert score(model, VALID) == pytest.approx(total, rel=1e-5)
    assert bits_per_character(model, VALID) == pytest.approx(total / math.log(2) / VALID.characters, rel=1e-5)
    assert model.training
    assert model.eval() and score(model, VALID) and not model.training


def test_train_loss_is_the_mean_since_the_last_entry() -> None:
    model = Bigram(2, dropout=0.0)
    at_start = bits_per_character(model, token_batches([0, 1, 0, 1, 0], 4, characters=5))
    history = train(
        model, SMALL, steps=4, evaluate_every=2, learning_rate=0.0, progress=False, batch_size=500
    )
    assert history.steps == [2, 4]
    assert history.train == pytest.approx([at_start / 4 * 5 * 39 / 40] * 2, rel=0.05)
    assert history.valid == []
    assert history.best == min(history.train)


def test_the_best_weights_stay() -> None:
    model = Bigram(len(TOKENIZER))
    ruin = lambda fraction: 0.01 if fraction <= 0.5 else 300.0  # noqa: E731
    history = train(model, DATA, valid=VALID, steps=12, learning_rate=1.0, schedule=ruin, **QUIET)
    assert history.best_step == 6
    assert history.valid[-1] > history.best + 1
    assert bits_per_character(model, VALID) == pytest.approx(history.best)


def test_a_seed_fixes_everything_and_leaves_the_callers_randomness() -> None:
    runs = []
    for seed in (3, 3, 4):
        model = Bigram(len(TOKENIZER))
        torch.manual_seed(11)
        train(model, DATA, steps=5, seed=seed, **QUIET)
        runs.append((weights(model), torch.rand(1).item()))
    assert runs[0] == runs[1]
    assert runs[0][0] != runs[2][0]
    assert runs[0][1] == runs[2][1]


def test_budgets() -> None:
    history = train(Bigram(2), SMALL, seconds=0.3, **QUIET)
    assert 0.3 <= history.seconds[-1] < 3
    assert len(history.steps) <= 13
    assert train(Bigram(2), SMALL, seconds=60, steps=3, **QUIET).steps[-1] == 3
    assert train(Bigram(2), SMALL, seconds=1e-9, steps=10**9, **QUIET).steps == [1]


def test_the_preset_gives_what_is_left_out(monkeypatch, capsys) -> None:
    monkeypatch.setenv(presets.VARIABLE, "grade")
    model = Bigram(2)
    sizes = []
    model.register_forward_pre_hook(lambda _, args: sizes.append(len(args[0])))
    history = train(model, SMALL)
    assert set(sizes) == {presets.preset().batch_size}
    assert 2 <= history.seconds[-1] < 4
    assert capsys.readouterr() == ("", "")


def test_a_run_says_how_it_ended_on_stdout_only(capsys) -> None:
    train(Bigram(2), SMALL, steps=2, batch_size=2, label="Two")
    out, err = capsys.readouterr()
    assert out.splitlines()[-1].startswith("Two: 2 steps in")
    assert err == ""


def test_schedule_rises_and_falls() -> None:
    assert warm_then_cosine(0.0) == 0.0
    assert warm_then_cosine(1.0) == pytest.approx(0.0, abs=1e-9)
    assert warm_then_cosine(0.5) == pytest.approx(0.5)
    assert 0.98 < max(warm_then_cosine(i / 100) for i in range(101)) < 1
    rates = []
    model = Recording()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    model.register_forward_hook(lambda *_: rates.append(optimizer.param_groups[0]["lr"]))
    train(model, SMALL, steps=4, optimizer=optimizer, schedule=lambda fraction: fraction, **QUIET)
    assert rates == [0.125, 0.25, 0.375, 0.5]


def test_several_optimizers_share_the_work() -> None:
    model = Bigram(2)
    before = weights(model)
    two = [torch.optim.SGD([model.table.weight], lr=0.1), torch.optim.Adam([model.scale], lr=0.1)]
    train(model, SMALL, steps=2, optimizer=two, **QUIET)
    assert all(now != then for now, then in zip(weights(model), before, strict=True))


def test_an_optimizer_that_was_passed_has_its_rate_again() -> None:
    model = Bigram(2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(2):
        before = weights(model)
        train(model, SMALL, steps=3, optimizer=optimizer, **QUIET)
        assert optimizer.param_groups[0]["lr"] == 0.1
        assert weights(model) != before
    model.register_forward_pre_hook(interrupt)
    with pytest.raises(KeyboardInterrupt):
        train(model, SMALL, steps=3, optimizer=optimizer, **QUIET)
    assert optimizer.param_groups[0]["lr"] == 0.1


def interrupt(*_) -> None:
    raise KeyboardInterrupt


def test_parameters_that_nobody_trains_neither_move_nor_shorten_the_steps_of_others() -> None:
    def change(steps: int) -> list[float]:
        model = Bigram(2, dropout=0.0)
        table = model.table.weight.detach().clone()
        options = {"optimizer": torch.optim.SGD([model.scale], lr=1.0), "clip": 1e-2}
        train(model, SMALL, steps=steps, schedule=lambda _: 1.0, **options, **QUIET)
        assert torch.equal(model.table.weight, table)
        return (model.scale - 1).detach().norm().item()

    assert change(1) == pytest.approx(1e-2, rel=1e-3)
    assert change(5) == pytest.approx(5e-2, rel=0.1)


@pytest.mark.parametrize("spoils", [math.inf, math.nan])
def test_where_one_optimizers_gradients_overflow_no_optimizer_takes_the_step(spoils) -> None:
    model = Bigram(2, dropout=0.0)
    hooked = []
    model.scale.register_hook(lambda grad: hooked.append(1) or (grad * spoils if len(hooked) == 2 else grad))
    seen = []
    model.register_forward_pre_hook(lambda m, _: seen.append(weights(m)) if m.training else None)
    momentum = torch.optim.SGD([model.table.weight], lr=0.1, momentum=0.9)
    two = [torch.optim.SGD([model.scale], lr=0.1), momentum]
    train(model, SMALL, steps=4, dtype="float16", optimizer=two, schedule=lambda _: 1.0, **QUIET)
    assert seen[0] != seen[1] == seen[2] != seen[3]
    assert all(math.isfinite(w) for row in weights(model) for w in row)


def test_weight_decay_is_for_matrices() -> None:
    model = Bigram(3)
    model.scale.data.fill_(2.0)
    table = model.table.weight.detach().clone()
    data = Batches(torch.tensor([[0]]), torch.tensor([[0]]), 1)
    train(model, data, steps=1, weight_decay=0.1, learning_rate=0.5, schedule=lambda _: 1.0, **QUIET)
    assert torch.allclose(model.table.weight[1:], table[1:] * 0.95)
    moves = (model.scale - 2).abs().tolist()  # Adam's first step is as long as the learning rate; no decay
    assert moves == pytest.approx([0.5] * 3, abs=1e-3)


def test_embeddings_may_learn_faster() -> None:
    model = Bigram(3, dropout=0.0)
    table = model.table.weight.detach().clone()
    options = {"learning_rate": 0.1, "embedding_rate": 4.0, "schedule": lambda _: 1.0, "clip": None}
    train(model, Batches(torch.tensor([[0]]), torch.tensor([[0]]), 1), steps=1, **options, **QUIET)
    assert (model.table.weight[0] - table[0]).abs().tolist() == pytest.approx([0.4] * 3, rel=1e-3)
    assert (model.scale - 1).abs().tolist() == pytest.approx([0.1] * 3, rel=1e-3)


def test_gradients_are_clipped() -> None:
    def change(clip) -> float:
        model = Recording()
        train(
            model,
            SMALL,
            steps=1,
            clip=clip,
            optimizer=torch.optim.SGD(model.parameters(), lr=1.0),
            schedule=lambda _: 1.0,
            **QUIET,
        )
        return float((model.weight - 1).norm().detach())

    assert change(1e-2) == pytest.approx(1e-2, rel=1e-3)
    assert change(None) == pytest.approx(8.0)
    assert change(100.0) == pytest.approx(8.0)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_number_types_on_a_processor(dtype) -> None:
    model = Recording()
    train(model, SMALL, steps=3, dtype=dtype, **QUIET)
    assert set(model.seen) == {getattr(torch, dtype)}
    assert model.weight.dtype == torch.float32
    learner = Bigram(len(TOKENIZER))
    history = train(learner, DATA, valid=VALID, steps=40, learning_rate=0.1, dtype=dtype, **QUIET)
    assert history.valid[-1] < history.valid[0] - 0.1


def test_float16_leaves_out_steps_that_overflow() -> None:
    class Overflowing(Recording):
        def forward(self, idx, targets=None):
            out, loss = super().forward(idx)
            return out, loss * (1e35 if len(self.seen) == 1 else 1.0)

    model = Overflowing()
    train(model, SMALL, steps=12, dtype="float16", clip=None, **QUIET)
    assert torch.isfinite(model.weight).all()
    assert (model.weight != 1).any()


def test_a_loss_that_is_no_number_is_named_with_its_step() -> None:
    class Breaking(Recording):
        def forward(self, idx, targets=None):
            out, loss = super().forward(idx)
            return out, loss * (math.nan if len(self.seen) == 4 else 1.0)

    with pytest.raises(FloatingPointError, match=r"nan at step 4\. Try a tenth of the learning rate"):
        train(Breaking(), SMALL, steps=9, **QUIET)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"steps": 0}, "trains nothing"),
        ({"steps": 1, "evaluate_every": 0}, "evaluate_every is 0. Pass 1 or more"),
        ({"steps": 1, "batch_size": 0}, "batch_size is 0"),
        ({"seconds": 0.0}, "trains nothing"),
        ({"steps": 1, "dtype": "int8"}, "don't train in 'int8'"),
    ],
)
def test_refusals_name_the_remedy(options, words) -> None:
    with pytest.raises(ValueError, match=words):
        train(Bigram(2), SMALL, **(QUIET | options))


def test_a_model_of_another_interface_is_refused() -> None:
    class Bare(Bigram):
        def forward(self, idx, targets=None):
            return super().forward(idx, targets)[0]

    with pytest.raises(TypeError, match=r"Bare .* must return \(logits, loss\).*tensor of shape \(8, 4, 2\)"):
        train(Bare(2), SMALL, steps=1, **QUIET)


# Killed, and started again

PROGRAM = """
import os, sys, torch
sys.path.insert(0, {folder!r})
from test_training import DATA, QUIET, TOKENIZER, VALID, Bigram
from nextword import training

survive = int(sys.argv[1])  # kills itself within the step after that many
model = Bigram(len(TOKENIZER))
if survive:
    steps = []
    def step(m, _):
        steps.extend([1] * m.training)
        if len(steps) > survive:
            os._exit(9)
    model.register_forward_pre_hook(step)
training.train(model, DATA, valid=VALID, steps=40, evaluate_every=7, checkpoint=sys.argv[2], **QUIET)
"""


def test_a_killed_run_ends_like_one_that_was_not(tmp_path) -> None:
    whole = Bigram(len(TOKENIZER))
    expected = train(whole, DATA, valid=VALID, steps=40, evaluate_every=7, **QUIET)
    path = tmp_path / "deep" / "run.pt"
    program = textwrap.dedent(PROGRAM.format(folder=str(__import__("pathlib").Path(__file__).parent)))
    for survive in (5, 17):  # before the first evaluation, then three steps past the second
        done = subprocess.run([sys.executable, "-c", program, str(survive), str(path)], check=False)
        assert done.returncode == 9
    again = Bigram(len(TOKENIZER))
    history = train(again, DATA, valid=VALID, steps=40, evaluate_every=7, checkpoint=path, **QUIET)
    assert weights(again) == weights(whole)
    assert history.steps == expected.steps == [7, 14, 21, 28, 35, 40]
    assert history.train == expected.train
    assert history.valid == expected.valid
    assert history.seconds == sorted(history.seconds)
    assert [file.name for file in path.parent.iterdir()] == ["run.pt"]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_run_goes_on_within_one_process_and_a_finished_one_is_not_trained_again(tmp_path, dtype) -> None:
    path = tmp_path / "run.pt"
    options = {"valid": VALID, "steps": 9, "evaluate_every": 3, "dtype": dtype, **QUIET}
    whole = Bigram(len(TOKENIZER))
    train(whole, DATA, **options)

    class Stops(Bigram):
        calls = 0

        def forward(self, idx, targets=None):
            self.calls += self.training
            if self.calls == 6:
                raise KeyboardInterrupt
            return super().forward(idx, targets)

    with pytest.raises(KeyboardInterrupt):
        train(Stops(len(TOKENIZER)), DATA, checkpoint=path, **options)
    for _ in range(2):
        again = Bigram(len(TOKENIZER))
        calls = []
        again.register_forward_pre_hook(lambda m, _, calls=calls: calls.append(m.training))
        with pytest.raises(ValueError, match="is of another run: model was"):
            train(again, DATA, checkpoint=path, **options)
        again.__class__.__name__ = "Stops"
        train(again, DATA, checkpoint=path, **options)
        again.__class__.__name__ = "Bigram"
        assert weights(again) == weights(whole)
    assert calls == []


def test_a_time_budget_counts_what_was_used_before(tmp_path) -> None:
    path = tmp_path / "run.pt"
    train(Bigram(2), SMALL, seconds=0.3, checkpoint=path, **QUIET)
    calls = []
    model = Bigram(2)
    model.register_forward_pre_hook(lambda *_: calls.append(1))
    train(model, SMALL, seconds=0.3, checkpoint=path, **QUIET)
    assert calls == []


def test_checkpoints_that_are_not_this_runs_are_refused(tmp_path) -> None:
    path = tmp_path / "run.pt"
    train(Bigram(2), SMALL, steps=2, checkpoint=path, **QUIET)
    with pytest.raises(ValueError, match=r"of another run: seed was 0 there and is 1 here\. Remove the file"):
        train(Bigram(2), SMALL, steps=2, checkpoint=path, seed=1, **QUIET)
    with pytest.raises(ValueError, match=r"of another run: dtype was torch\.float32"):
        train(Bigram(2), SMALL, steps=2, checkpoint=path, dtype="float16", **QUIET)
    model = Bigram(2)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="of another run: optimizers was AdamW"):
        train(model, SMALL, steps=2, checkpoint=path, optimizer=optimizer, **QUIET)
    model.config = "other heads"
    with pytest.raises(ValueError, match="of another run: config was None"):
        train(model, SMALL, steps=2, checkpoint=path, **QUIET)
    del model.config
    half = torch.optim.AdamW([model.scale], lr=0.1)
    with pytest.raises(ValueError, match=r"does not fit this model or its optimizers .* Remove the file"):
        train(model, SMALL, steps=2, checkpoint=path, optimizer=half, **QUIET)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match=r"can't be read .* Remove the file"):
        train(Bigram(2), SMALL, steps=2, checkpoint=path, **QUIET)


def test_a_checkpoint_is_never_executed(tmp_path) -> None:
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    path = tmp_path / "run.pt"
    torch.save({"settings": {}, "model": Evil()}, path)
    with pytest.raises(ValueError, match="can't be read"):
        train(Bigram(2), SMALL, steps=2, checkpoint=path, **QUIET)
    assert not (tmp_path / "ran").exists()


def test_an_empty_history_says_so() -> None:
    assert str(History()) == "This run has not trained yet."
    assert math.isnan(History().best)
