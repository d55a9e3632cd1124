"""One loop that trains every model of the course, within a budget of seconds or of steps."""

from __future__ import annotations

import contextlib
import copy
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from nextword import presets
from nextword.batches import IGNORED, Batches

EVALUATIONS = 12  # per run: enough points for a curve, at a few percent of the time
WARMUP = 0.05  # of the budget: Adam's averages mean little before that
BETAS = (0.9, 0.99)  # a run has a thousand steps, so the averages must be shorter than Adam's default
TOKENS_AT_ONCE = 8192  # when scoring: logits of some thousand words each then stay within 100 MB
FLUSH = 10  # steps between looks at the loss on a GPU, each of which waits for it

Schedule = Callable[[float], float]


@dataclass
class History:
    """What a training run has measured: one entry per evaluation, losses in bits per character.

    `train` is the mean loss of the batches since the entry before; `valid` is empty when there was no text to
    validate on. `seconds` are of the wall clock, evaluations included; `processor_seconds` sums all threads.
    """

    label: str = ""
    steps: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    valid: list[float] = field(default_factory=list)
    processor_seconds: float = 0.0

    @property
    def best(self) -> float:
        """The lowest bits per character on `valid`, or on `train` where there is no `valid`; else nan."""
        return min(self.valid or self.train, default=math.nan)

    @property
    def best_step(self) -> int:
        """The step whose weights the model was left with: the best by `valid`, or else the last."""
        return self.steps[self.valid.index(self.best)] if self.valid else self.steps[-1]

    def __str__(self) -> str:
        if not self.steps:
            return f"{self.label or 'This run'} has not trained yet."
        told = (
            f"{self.label + ': ' if self.label else ''}{self.steps[-1]:,} steps in {self.seconds[-1]:.0f} s"
        )
        if not self.valid:
            return f"{told}, {self.train[-1]:.3f} bits per character on the training text."
        return f"{told}, {self.best:.3f} bits per character on the validation text (step {self.best_step:,})."


def warm_then_cosine(fraction: float) -> float:
    """Return the default schedule's multiple of the learning rate after a fraction (0 to 1) of the budget.

    It rises for the first 5% and then falls to zero along a cosine (Loshchilov and Hutter 2017, SGDR).
    """
    return min(1.0, fraction / WARMUP) * math.cos(math.pi / 2 * fraction) ** 2


def train(
    model: nn.Module,
    data: Batches,
    *,
    valid: Batches | None = None,
    seconds: float | None = None,
    steps: int | None = None,
    batch_size: int | None = None,
    learning_rate: float = 1e-3,
    embedding_rate: float = 1.0,
    schedule: Schedule | None = None,
    weight_decay: float = 0.0,
    clip: float | None = 1.0,
    optimizer: Optimizer | Sequence[Optimizer] | None = None,
    evaluate_every: int | None = None,
    checkpoint: str | Path | None = None,
    seed: int = 0,
    device: str | None = None,
    dtype: str | None = None,
    progress: bool = True,
    label: str = "",
) -> History:
    """Train a model in place, and return what was measured on the way.

    `model(*batch)` must return (logits, loss), the loss in nats per prediction. Training ends after `steps`
    or `seconds`, whichever comes first; with neither, after the seconds of the preset, which also gives the
    batch size, the device and the number type. With `valid`, the model is left with the weights that were
    best on it; it is left in evaluation mode. The optimizer is AdamW (Loshchilov and Hutter 2019), with
    weight decay on matrices only, and embeddings learning at `embedding_rate` times the learning rate, unless
    one is passed, or several; learning rates are multiplied by `schedule(fraction of the budget)`. Gradients
    are clipped to the norm `clip`, unless it is None; the rates of an optimizer that was passed are its own
    again afterwards. Where something computes in float16, the loss is scaled (Micikevicius et al. 2018), and
    a step whose gradients overflow is left out.

    With `checkpoint`, all that matters is written to that file at each evaluation, and a run that finds the
    file goes on from there: killed and started again with the same arguments, a run of so many steps ends
    with the very weights of one that was not killed.

    Raises FloatingPointError when the loss is no number any more, ValueError for a budget or batches of
    nothing, a data set without a batch, and a checkpoint that can't be read or is of another run.
    """
    preset = presets.preset()
    if seconds is None and steps is None:
        seconds = preset.seconds
    if (seconds is not None and seconds <= 0) or (steps is not None and steps < 1):
        raise ValueError(
            f"A budget of {steps} steps and {seconds} seconds trains nothing. Pass steps=1 or more, or "
            "seconds above 0; left out, the preset chooses."
        )
    for name, given in (("batch_size", batch_size), ("evaluate_every", evaluate_every)):
        if given is not None and given < 1:
            raise ValueError(f"{name} is {given}. Pass 1 or more, or leave it out.")
    place = torch.device(device or preset.device)
    model.to(place)
    if optimizer is None:
        optimizer = _adamw(model, learning_rate, embedding_rate, weight_decay)
    optimizers = [optimizer] if isinstance(optimizer, Optimizer) else list(optimizer)
    run = _Run(
        model=model,
        optimizers=optimizers,
        device=place,
        dtype=_number_type(
            dtype or (preset.dtype if place.type == torch.device(preset.device).type else None)
        ),
        generator=torch.Generator().manual_seed(seed),
        history=History(label),
    )
    budget = _Budget(steps, seconds, evaluate_every)
    settings: dict[str, Any] = {
        "steps": steps,
        "seconds": seconds,
        "batch_size": batch_size or preset.batch_size,
        "learning_rate": learning_rate,
        "embedding_rate": embedding_rate,
        "weight_decay": weight_decay,
        "clip": clip,
        "evaluate_every": evaluate_every,
        "seed": seed,
        "text": f"{len(data)} rows, {data.predictions} predictions, {data.characters} characters",
        "model": f"{sum(p.numel() for p in model.parameters())} parameters in {type(model).__name__}",
        "config": repr(getattr(model, "config", None)),
        "optimizers": ", ".join(type(optimizer).__name__ for optimizer in optimizers),
        "dtype": str(run.dtype),
    }
    quiet = not progress or preset.name == "grade"
    with own_randomness(seed), _bar(label, quiet) as show:
        if checkpoint is not None and Path(checkpoint).exists():
            run.load(Path(checkpoint), settings)
        try:
            run.go(data, valid, budget, settings, schedule or warm_then_cosine, clip, checkpoint, show)
        finally:
            run.set_rates(1.0)
    if not quiet:
        print(run.history)
    return run.history


@torch.no_grad()
def score(model: nn.Module, data: Batches) -> float:
    """Return the total negative log-likelihood (nats) of all predictions that the data ask for.

    The model is asked in evaluation mode, in the precision of its weights, and is left in the mode it was in.
    """
    parameter = next(model.parameters(), torch.empty(0))
    width = max(data.inputs[0].numel(), data.targets[0].numel())
    was_training = model.training
    model.eval()
    try:
        total = 0.0
        for inputs, targets in data.chunks(max(1, TOKENS_AT_ONCE // width)):
            n = int((targets != IGNORED).sum())
            if n:  # the mean over no prediction is not a number
                total += float(_loss(model, (inputs, targets), parameter.device)) * n
    finally:
        model.train(was_training)
    return total


def bits_per_character(model: nn.Module, data: Batches) -> float:
    """Return `score` as bits per character of the text."""
    return score(model, data) / math.log(2) / data.characters


@dataclass(frozen=True)
class _Budget:
    steps: int | None
    seconds: float | None
    evaluate_every: int | None

    def spent(self, step: int, elapsed: float) -> float:
        """Return which fraction of the budget is gone after a step and so many seconds."""
        by_steps = step / self.steps if self.steps is not None else 0.0
        by_seconds = elapsed / self.seconds if self.seconds is not None else 0.0
        return min(1.0, max(by_steps, by_seconds))

    def evaluations(self, step: int, elapsed: float) -> int:
        """Return how many evaluations are due by then."""
        if self.evaluate_every is not None:
            return step // self.evaluate_every
        return int(self.spent(step, elapsed) * EVALUATIONS)


@dataclass
class _Run:
    """A training run between two steps: all that a checkpoint has to hold."""

    model: nn.Module
    optimizers: list[Optimizer]
    device: torch.device
    dtype: torch.dtype
    generator: torch.Generator  # draws the batches
    history: History
    step: int = 0
    elapsed: float = 0.0
    best: dict[str, Tensor] | None = None
    # since the last evaluation
    nats: float = 0.0
    predictions: int = 0

    def __post_init__(self) -> None:
        self.scaler = torch.amp.GradScaler(
            self.device.type, enabled=_computes_in_float16(self.model, self.device, self.dtype)
        )
        held = {id(p) for o in self.optimizers for group in o.param_groups for p in group["params"]}
        self.trained = [p for p in self.model.parameters() if id(p) in held]
        self.peaks = [[group["lr"] for group in optimizer.param_groups] for optimizer in self.optimizers]

    def go(
        self,
        data: Batches,
        valid: Batches | None,
        budget: _Budget,
        settings: dict[str, Any],
        schedule: Schedule,
        clip: float | None,
        checkpoint: str | Path | None,
        show: Callable[[float, str], None],
    ) -> None:
        """Take steps until the budget is spent, evaluate on the way, and restore the best weights."""
        to_bits = data.predictions / data.characters / math.log(2)  # from nats per prediction
        began, began_processor = time.perf_counter() - self.elapsed, time.process_time()
        began_processor -= self.history.processor_seconds
        waiting: list[tuple[Tensor, int]] = []
        flush_every = FLUSH if self.device.type == "cuda" else 1
        self.model.train()
        while (fraction := budget.spent(self.step, self.elapsed)) < 1:
            done = budget.evaluations(self.step, self.elapsed)
            ahead = budget.spent(self.step + 1, self.elapsed)  # a step is at its end: the first moves too
            batch = data.sample(settings["batch_size"], self.generator)
            waiting.append((self._take_step(batch, schedule(ahead), clip), int((batch[1] != IGNORED).sum())))
            self.step += 1
            at_end = self.step == budget.steps
            if len(waiting) >= flush_every or at_end:
                self._flush(waiting)
                show(fraction, f"{self.nats / max(self.predictions, 1) * to_bits:.3f} bits per character")
            self.elapsed = time.perf_counter() - began
            over = budget.spent(self.step, self.elapsed) >= 1
            if over or budget.evaluations(self.step, self.elapsed) > done:
                self._flush(waiting)
                self._evaluate(valid, to_bits)
                self.elapsed = time.perf_counter() - began
                self.history.seconds.append(self.elapsed)
                self.history.processor_seconds = time.process_time() - began_processor
                if checkpoint is not None:
                    self.save(Path(checkpoint), settings)
        show(1.0, f"{self.history.best:.3f} bits per character")
        if self.best is not None:
            self.model.load_state_dict(self.best)
        self.model.eval()

    def _take_step(self, batch: tuple[Tensor, ...], multiple: float, clip: float | None) -> Tensor:
        """Change the weights once; return the loss, () on the device, which may still be computing it."""
        self.set_rates(multiple)
        self.model.zero_grad(set_to_none=True)  # what no optimizer holds gets gradients, too
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none=True)  # and an optimizer may hold what the model does not
        with torch.autocast(self.device.type, self.dtype, enabled=self.dtype != torch.float32):
            loss = _loss(self.model, batch, self.device)
        self.scaler.scale(loss).backward()
        for optimizer in self.optimizers:
            self.scaler.unscale_(optimizer)
        norm = None
        if clip is not None or self.scaler.is_enabled():
            norm = nn.utils.clip_grad_norm_(self.trained, math.inf if clip is None else clip)
        # Where gradients of one optimizer overflowed, none takes the step: the norm is of all together.
        if norm is None or not self.scaler.is_enabled() or bool(norm.isfinite()):
            for optimizer in self.optimizers:
                self.scaler.step(optimizer)
        self.scaler.update()
        detached: Tensor = loss.detach()
        return detached

    def set_rates(self, multiple: float) -> None:
        """Set all learning rates to a multiple of those that the optimizers came with."""
        for optimizer, peaks in zip(self.optimizers, self.peaks, strict=True):
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * multiple

    def _flush(self, waiting: list[tuple[Tensor, int]]) -> None:
        """Add the losses that wait to the sum, and look whether they are numbers."""
        first = self.step - len(waiting) + 1
        for step, (loss, n) in enumerate(waiting, start=first):
            value = float(loss)
            if not math.isfinite(value):
                raise FloatingPointError(
                    f"The loss is {value} at step {step}. Try a tenth of the learning rate and clip=1.0, "
                    "and see that the model takes no log of 0 and no softmax over -inf alone; in float16 try "
                    "dtype='float32'. The model's weights are spoilt: make it anew."
                )
            self.nats += value * n
            self.predictions += n
        waiting.clear()

    def _evaluate(self, valid: Batches | None, to_bits: float) -> None:
        history = self.history
        history.steps.append(self.step)
        history.train.append(self.nats / max(self.predictions, 1) * to_bits)
        self.nats, self.predictions = 0.0, 0
        if valid is not None:
            history.valid.append(bits_per_character(self.model, valid))
            if history.valid[-1] <= history.best or self.best is None:
                self.best = copy.deepcopy(self.model.state_dict())

    def save(self, path: Path, settings: dict[str, Any]) -> None:
        """Write the run to a file, which is complete at any moment."""
        state = {
            "settings": settings,
            "model": self.model.state_dict(),
            "best": self.best,
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers],
            "scaler": self.scaler.state_dict(),
            "generator": self.generator.get_state(),
            "random": torch.get_rng_state(),
            "random_cuda": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            "step": self.step,
            "elapsed": self.elapsed,
            "history": vars(self.history),
        }
        half = path.with_name(f"{path.name}.{os.getpid()}.half")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with half.open("wb") as file:
                torch.save(state, file)
                file.flush()
                os.fsync(file.fileno())
            half.replace(path)
        finally:
            half.unlink(missing_ok=True)

    def load(self, path: Path, settings: dict[str, Any]) -> None:
        """Go on from what `save` wrote; nothing that the file holds is executed."""
        remedy = "Remove the file to begin anew, or pass another path."
        try:
            state = torch.load(path, map_location="cpu", weights_only=True)
            before = state["settings"]
        except Exception as error:
            raise ValueError(f"The checkpoint {path} can't be read ({error!r:.200}). {remedy}") from error
        for name, value in settings.items():
            if before.get(name) != value:
                raise ValueError(
                    f"The checkpoint {path} is of another run: {name} was {before.get(name)} there and is "
                    f"{value} here. {remedy}"
                )
        try:
            self.model.load_state_dict(state["model"])
            for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
                optimizer.load_state_dict(saved)
            self.scaler.load_state_dict(state["scaler"])
        except (KeyError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"The checkpoint {path} does not fit this model or its optimizers ({error!s:.200}). {remedy}"
            ) from error
        self.best = state["best"]
        self.generator.set_state(state["generator"])
        torch.set_rng_state(state["random"])
        if self.device.type == "cuda" and state["random_cuda"] is not None:
            torch.cuda.set_rng_state(state["random_cuda"])
        self.step, self.elapsed = state["step"], state["elapsed"]
        self.history = History(**state["history"])


def _loss(model: nn.Module, batch: tuple[Tensor, ...], device: torch.device) -> Tensor:
    returned = model(*(part.to(device, non_blocking=True) for part in batch))
    loss = returned[1] if isinstance(returned, tuple) and len(returned) == 2 else None
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        raise TypeError(
            f"{type(model).__name__} called with inputs and targets must return (logits, loss), the loss one "
            f"number in nats per prediction. It returned {_shape_of(returned)}."
        )
    return loss


def _shape_of(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor of shape {tuple(value.shape)}"
    if isinstance(value, tuple):
        return f"({', '.join(map(_shape_of, value))})"
    return f"{value!r:.80}"


def _adamw(model: nn.Module, learning_rate: float, embedding_rate: float, weight_decay: float) -> Optimizer:
    trained = [p for p in model.parameters() if p.requires_grad]
    tables = {id(part.weight) for part in model.modules() if isinstance(part, nn.Embedding)}
    groups: list[dict[str, Any]] = [
        {
            "params": [p for p in trained if id(p) in tables],
            "weight_decay": weight_decay,
            # A row is moved only by the tokens it stands for, so it can bear longer steps; and unlike that of
            # other matrices its best rate does not fall with width (Yang et al. 2022, Tensor Programs V).
            "lr": embedding_rate * learning_rate,
        },
        {"params": [p for p in trained if id(p) not in tables and p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if id(p) not in tables and p.ndim < 2], "weight_decay": 0.0},
    ]
    fused = all(p.device.type in ("cpu", "cuda") for p in trained)
    return torch.optim.AdamW(
        [group for group in groups if group["params"]], lr=learning_rate, betas=BETAS, fused=fused
    )


def _number_type(name: str | None) -> torch.dtype:
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name is not None and name not in known:
        raise ValueError(f"Models don't train in {name!r}. Choose one of {', '.join(known)}.")
    return known[name or "float32"]


def _computes_in_float16(model: nn.Module, device: torch.device, dtype: torch.dtype) -> bool:
    """Whether gradients may be too small for the number type, so that the loss has to be scaled.

    On a GPU, autocast runs nn.RNN, nn.GRU and nn.LSTM in float16 also where it is set to bfloat16 (PyTorch,
    aten/src/ATen/cudnn/AutocastRNN.cpp).
    """
    if device.type == "cuda" and dtype == torch.bfloat16:
        return any(isinstance(part, nn.RNNBase) for part in model.modules())
    return dtype == torch.float16


@contextlib.contextmanager
def own_randomness(seed: int) -> Iterator[None]:
    """Seed what is drawn inside (dropout, first weights), and leave the caller's randomness as it was."""
    on_gpu = torch.cuda.is_initialized()
    with torch.random.fork_rng(range(torch.cuda.device_count() if on_gpu else 0)):
        if on_gpu:
            torch.manual_seed(seed)
        else:  # torch.manual_seed would seed a GPU that is first used later, too
            torch.default_generator.manual_seed(seed)
        yield


@contextlib.contextmanager
def _bar(label: str, quiet: bool) -> Iterator[Callable[[float, str], None]]:
    """Yield a function that shows a fraction of the budget, and a text, on a progress bar."""
    from tqdm.auto import tqdm

    from nextword.plots import in_notebook

    # Without a terminal or a notebook nobody looks. Never stderr: nbgrader takes that for a failure.
    disable = True if quiet else (False if in_notebook() else None)
    bar = tqdm(
        total=100,
        desc=label or "training",
        file=sys.stdout,
        disable=disable,
        leave=False,
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {elapsed}{postfix}",
    )
    shown = -1.0

    def show(fraction: float, text: str) -> None:
        nonlocal shown
        now = time.perf_counter()
        if not bar.disable and (now - shown > 0.5 or fraction >= 1):
            shown = now
            bar.set_postfix_str(text, refresh=False)
            bar.update(100 * fraction - bar.n)

    try:
        yield show
    finally:
        bar.close()
