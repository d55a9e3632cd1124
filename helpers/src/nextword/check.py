"""Comparisons for the visible tests of a notebook, with messages that say what to look at next.

Every function returns None when all is well and raises an AssertionError otherwise. Types and shapes are
compared before values, so that nothing passes by broadcasting or by being empty. Plain values, numpy and
torch are told apart by name, so that torch is never imported here. In a notebook a cell ends by saying how
many checks held, or with the message of the one that failed alone, without the path through this module.
"""

from __future__ import annotations

import copy
import math
import numbers
import sys
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

import numpy as np

Cause: TypeAlias = tuple[Any, str]  # a wrong value (or a predicate on the value), and the sentence it earns
LONGEST = 300  # characters of a value shown in a message


class CheckFailed(AssertionError):
    """What a check raises that does not hold."""

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in place of a traceback: the message, and the line of the check."""
        line = None
        trace = self.__traceback__
        while trace is not None:
            if trace.tb_frame.f_code.co_filename != __file__:
                line = trace.tb_lineno
            trace = trace.tb_next
        first, *rest = f"✗ {self}".splitlines()
        where = [] if line is None else [f"(the check in line {line})"]
        return [f"\x1b[1m{first}\x1b[0m", *rest, *where]


_held = 0  # checks of the cell that runs


def _holds() -> None:
    """Count a check that holds; in a notebook, the end of the cell tells how many did."""
    global _held
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if shell is None:
        return
    if not _held and _tell not in shell.events.callbacks["post_run_cell"]:
        shell.events.register("post_run_cell", _tell)
    _held += 1


def _tell(result: Any) -> None:
    global _held
    if _held and result.success:
        print("✓ The check passed." if _held == 1 else f"✓ All {_held} checks passed.")
    _held = 0


def equal(
    actual: Any,
    expected: Any,
    name: str = "the result",
    causes: Sequence[Cause] = (),
    atol: float = 1e-6,
    rtol: float = 1e-6,
) -> None:
    """Check that a value is the expected one: type, then shape, then NaN and infinity, then values.

    Integers agree when they are equal, other numbers when |actual - expected| <= atol + rtol * |expected|,
    alone or inside arrays, tensors, lists, tuples and dicts. A number may be a Python, numpy or torch
    scalar; an array must be an array of the same library, with the same kind of numbers (an integer array
    is expected as integers; floats may have any precision). bool is not a number. `causes` holds (wrong
    value, sentence) pairs; a wrong value may also be a predicate on `actual`. The sentence of the first
    cause that fits is added to the message.
    """
    difference = _difference(actual, expected, atol, rtol)
    if difference is not None:
        _fail(actual, f"expected: {_show(expected)}", name, difference, causes, atol, rtol)
    _holds()


def that(condition: bool | np.bool_, message: str) -> None:
    """Check that a condition is True. Anything but a bool fails: an array or a string is no verdict."""
    if not isinstance(condition, bool | np.bool_):
        raise CheckFailed(f"{message}\n  (the condition is {_kind(condition)}, not True or False)")
    if not condition:
        raise CheckFailed(message)
    _holds()


def distribution(
    p: Any,
    name: str = "the result",
    causes: Sequence[Cause] = (),
    axis: int | None = None,
    atol: float = 1e-6,
) -> None:
    """Check that probabilities are finite, not negative and sum to 1 within atol.

    `p` is an array, a tensor, a list or tuple of numbers, or a dict of probabilities. With `axis`, every
    slice along that axis must sum to 1 by itself; without it, the whole.
    """
    difference = _not_a_distribution(p, axis, atol)
    if difference is not None:
        _fail(p, "expected: probabilities that sum to 1", name, difference, causes, atol, 0.0)
    _holds()


def raises(
    exception: type[BaseException], function: Callable[..., Any], *arguments: Any, name: str | None = None
) -> None:
    """Check that function(*arguments) raises the exception (or a subclass of it).

    NotImplementedError, what an unwritten exercise raises, is let through unless it is the very exception
    asked for.
    """
    called = name or f"{getattr(function, '__name__', 'the function')}({', '.join(map(_show, arguments))})"
    try:
        value = function(*arguments)
    except NotImplementedError:
        if exception is not NotImplementedError:
            raise
    except exception:
        pass
    except Exception as other:
        raise AssertionError(
            f"{called} should raise {exception.__name__}.\n  It raised {type(other).__name__}: {other}"
        ) from other
    else:
        raise CheckFailed(f"{called} should raise {exception.__name__}.\n  It returned {_show(value)}")
    _holds()


@dataclass(frozen=True)
class After:
    """What a call gave, and each positional argument as the call left it (see `state_of`)."""

    result: Any
    arguments: list[Any]


def after(function: Callable[..., Any], *arguments: Any, **settings: Any) -> After:
    """Call a function on copies of the arguments and look at both, the result and the copies.

    For training steps and the like, which work on what is passed in: a module, an optimizer over its
    parameters, tensors that require gradients. Copies are made together, so that an optimizer still holds its
    module. While grading, the call runs in the student's process and the states come back as values.
    """
    remote = getattr(function, "__nextword_after__", None)
    if remote is not None:
        result, states = remote(arguments, settings)
        return After(result, states)
    copies = _copies(arguments)
    return After(function(*copies, **settings), [state_of(argument) for argument in copies])


def _copies(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """Deep copies, with the gradients that parameters hold: copying a parameter alone drops its gradient."""
    memo: dict[int, Any] = {}
    copies = copy.deepcopy(arguments, memo)
    torch = sys.modules.get("torch")
    for argument in arguments:
        if torch is not None and isinstance(argument, torch.nn.Module):
            for parameter in argument.parameters():
                if parameter.grad is not None:
                    memo[id(parameter)].grad = parameter.grad.clone()
    return copies


def state_of(argument: Any) -> Any:
    """What a test may look at in an argument after a call.

    A torch module: {"state": state_dict, "gradients": {name: tensor or None}, "training": bool}. A tensor:
    {"value": tensor, "gradient": tensor or None}. Functions and optimizers: None. Anything else: itself.
    """
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(argument, torch.nn.Module):
        gradients = {name: parameter.grad for name, parameter in argument.named_parameters()}
        return {"state": dict(argument.state_dict()), "gradients": gradients, "training": argument.training}
    if torch is not None and isinstance(argument, torch.Tensor):
        return {"value": argument.detach(), "gradient": argument.grad}
    if callable(argument) or (torch is not None and isinstance(argument, torch.optim.Optimizer)):
        return None
    return argument


def _fail(
    actual: Any, expected: str, name: str, difference: str, causes: Sequence[Cause], atol: float, rtol: float
) -> None:
    shown = f"  {expected}\n  got:      {_show(actual)}".replace("\n[", "\n    [").replace("\n [", "\n     [")
    message = f"{name} is not right: {difference}.\n{shown}"
    for wrong, sentence in causes:
        if _fits(actual, wrong, atol, rtol):
            message += f"\nLikely cause: {sentence}"
            break
    raise CheckFailed(message)


def _fits(actual: Any, wrong: Any, atol: float, rtol: float) -> bool:
    try:
        if callable(wrong):
            return bool(wrong(actual))
        return _difference(actual, wrong, atol, rtol) is None
    except Exception:
        return False  # a cause that can't be compared with this value is not its cause


# Each comparison returns None, or what is different as the end of a sentence.


def _difference(actual: Any, expected: Any, atol: float, rtol: float) -> str | None:
    if expected is None:
        return None if actual is None else _wrong_kind(actual, "None")
    if actual is None:
        return f"it is None instead of {_kind(expected)}; a path of the function may lack its `return`"
    if actual is NotImplemented or isinstance(actual, type):
        return _wrong_kind(actual, _kind(expected))
    if isinstance(expected, bool | np.bool_):
        truth = _scalar(actual)
        if not isinstance(truth, bool):
            return _wrong_kind(actual, "True or False")
        return None if truth == bool(expected) else f"it is {truth}, not {bool(expected)}"
    if isinstance(expected, str | bytes):
        return _different_text(actual, expected)
    if _is_tensor(expected) or isinstance(expected, np.ndarray):
        return _different_array(actual, expected, atol, rtol)
    if isinstance(expected, numbers.Number):
        return _different_number(actual, expected, atol, rtol)
    if isinstance(expected, Mapping):
        return _different_mapping(actual, expected, atol, rtol)
    if isinstance(expected, Set):
        return _different_set(actual, expected)
    if isinstance(expected, list | tuple):
        return _different_sequence(actual, expected, atol, rtol)
    if type(actual) is not type(expected):
        return _wrong_kind(actual, _kind(expected))
    return None if bool(actual == expected) else "the two are not equal"


def _different_number(actual: Any, expected: Any, atol: float, rtol: float) -> str | None:
    value, wanted = _scalar(actual), _scalar(expected)
    if isinstance(value, bool) or not isinstance(value, complex | float | int | numbers.Real):
        return _wrong_kind(actual, "one number")
    if isinstance(wanted, complex):
        distance: Any = abs(value - wanted)
        return None if distance <= atol + rtol * abs(wanted) else "the value differs"
    if isinstance(value, complex):
        return _wrong_kind(actual, "one number")
    if isinstance(wanted, int) and isinstance(value, int):
        return None if value == wanted else "the value differs"  # counts are exact
    if isinstance(wanted, int):
        rtol = min(rtol, 1e-9)  # a count as a float has rounding errors at most
    return _different_float(_float(value), _float(wanted), atol, rtol)


def _different_float(value: float, wanted: float, atol: float, rtol: float) -> str | None:
    if math.isnan(wanted):
        return None if math.isnan(value) else "it is a number where NaN is expected"
    if math.isnan(value):
        return "it is NaN (not a number)"
    if math.isinf(value):
        return None if value == wanted else f"it is {value:g} (infinite)"
    if math.isinf(wanted):
        return f"it is finite, not {wanted:g}"
    return None if abs(value - wanted) <= atol + rtol * abs(wanted) else "the value differs"


def _float(value: Any) -> float:
    try:
        return float(value)
    except OverflowError:  # an integer beyond the range of floats
        return math.inf if value > 0 else -math.inf


def _different_array(actual: Any, expected: Any, atol: float, rtol: float) -> str | None:
    if _is_tensor(actual) != _is_tensor(expected) or not (
        _is_tensor(actual) or isinstance(actual, np.ndarray)
    ):
        return _wrong_kind(actual, _kind(expected))
    got, wanted = _as_numpy(actual), _as_numpy(expected)
    if got.shape != wanted.shape:
        return f"its shape is {got.shape}, not {wanted.shape}"
    kinds = {"b": "truth values", "i": "integers", "u": "integers", "f": "floats", "c": "complex numbers"}
    got_kind, wanted_kind = kinds.get(got.dtype.kind), kinds.get(wanted.dtype.kind)
    if wanted_kind is None or got_kind is None:
        if got.dtype.kind != wanted.dtype.kind:
            return f"it holds {got.dtype}, not {wanted.dtype}"
        places = np.argwhere(np.asarray(got != wanted))
        return (
            None
            if not len(places)
            else f"{_places(places, got)}: {_at(got, places)!r}, not {_at(wanted, places)!r}"
        )
    promotable = (got_kind, wanted_kind) in {("integers", "floats"), ("floats", "complex numbers")}
    if got_kind != wanted_kind and not promotable:
        return f"it holds {got_kind} ({got.dtype}), not {wanted_kind} ({wanted.dtype})"
    if wanted_kind in ("truth values", "integers"):
        places = np.argwhere(got != wanted)
    else:
        got, wanted = (
            got.astype(np.result_type(wanted, np.float64)),
            wanted.astype(np.result_type(wanted, np.float64)),
        )
        for test, word in ((np.isnan, "NaN (not a number)"), (np.isinf, "infinite")):
            places = np.argwhere(test(got) & ~test(wanted))
            if len(places):
                return f"it is {word} at {_places(places, got)}"
        with np.errstate(invalid="ignore"):
            close = np.abs(got - wanted) <= atol + rtol * np.abs(wanted)
        close = np.where(np.isfinite(wanted), close, (got == wanted) | (np.isnan(got) & np.isnan(wanted)))
        places = np.argwhere(~close)
    if not len(places):
        return None
    return f"it differs at {_places(places, got)}: {_at(got, places)} there, not {_at(wanted, places)}"


def _different_text(actual: Any, expected: str | bytes) -> str | None:
    if not isinstance(actual, type(expected)):
        return _wrong_kind(actual, _kind(expected))
    if actual == expected:
        return None
    same = next((i for i, (a, b) in enumerate(zip(actual, expected, strict=False)) if a != b), None)
    if same is None:
        return f"it has {len(actual)} characters, not {len(expected)}, and agrees as far as both go"
    got, wanted = actual[same : same + 20], expected[same : same + 20]
    return f"it differs from character {same} on: {_show(got)}, not {_show(wanted)}"


def _different_mapping(actual: Any, expected: Mapping, atol: float, rtol: float) -> str | None:
    if not isinstance(actual, Mapping):
        return _wrong_kind(actual, "a dict")
    missing = [key for key in expected if key not in actual]
    extra = [key for key in actual if key not in expected]
    if missing:
        return f"{_some('key', missing)} missing"
    if extra:
        return f"{_some('key', extra)} there that should not be"
    for key, value in expected.items():
        difference = _difference(actual[key], value, atol, rtol)
        if difference is not None:
            return _inside(f"[{_show(key)}]", difference, actual[key], value)
    return None


def _different_set(actual: Any, expected: Set) -> str | None:
    if not isinstance(actual, Set):
        return _wrong_kind(actual, "a set")
    missing, extra = sorted(expected - actual, key=repr), sorted(actual - expected, key=repr)
    if missing:
        return f"{_some('member', missing)} missing"
    return f"{_some('member', extra)} there that should not be" if extra else None


def _different_sequence(actual: Any, expected: list | tuple, atol: float, rtol: float) -> str | None:
    wanted = list if isinstance(expected, list) else tuple
    if not isinstance(actual, wanted):
        return _wrong_kind(actual, f"a {wanted.__name__}")
    if len(actual) != len(expected):
        return f"its length is {len(actual)}, not {len(expected)}"
    for i, (got, value) in enumerate(zip(actual, expected, strict=True)):
        difference = _difference(got, value, atol, rtol)
        if difference is not None:
            return _inside(f"[{i}]", difference, got, value)
    return None


def _not_a_distribution(p: Any, axis: int | None, atol: float) -> str | None:
    if isinstance(p, Mapping):
        values: Any = list(p.values())
    elif isinstance(p, list | tuple) or _is_tensor(p) or isinstance(p, np.ndarray):
        values = p
    else:
        return _wrong_kind(p, "probabilities (an array, a list or a dict)")
    try:
        array = _as_numpy(values)
        if array.dtype.kind not in "fiu":
            raise ValueError
    except (ValueError, TypeError):
        size = len(values) if isinstance(values, list | tuple) else math.prod(values.shape)
        return "not all of its values are real numbers" if size else "it is empty"
    array = array.astype(np.float64)
    if array.size == 0:
        return "it is empty"
    if array.ndim == 0:
        return "it is a single number"
    if axis is not None and not -array.ndim <= axis < array.ndim:
        return f"it has {array.ndim} axes, so there is no axis {axis} to sum over"
    for bad, word in ((np.isnan(array), "NaN"), (np.isinf(array), "infinite"), (array < 0, "negative")):
        if bad.any():
            return f"it is {word} at {_places(np.argwhere(bad), array)}"
    sums = np.atleast_1d(array.sum(axis=axis))
    off = np.abs(sums - 1)
    worst = np.unravel_index(int(off.argmax()), sums.shape)
    if off[worst] <= atol:
        return None
    where = "" if axis is None else f" along axis {axis} (slice {', '.join(map(str, worst))})"
    return f"it sums to {float(sums[worst]):.7g}{where}, not to 1"


def _is_tensor(value: Any) -> bool:
    torch = sys.modules.get("torch")
    return torch is not None and hasattr(torch, "Tensor") and isinstance(value, torch.Tensor)


def _as_numpy(value: Any) -> np.ndarray:
    if _is_tensor(value):
        value = value.detach().cpu()
        return (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    return np.asarray(value)


def _scalar(value: Any) -> Any:
    """The Python value of a numpy or torch scalar (no axes); anything else as it is."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Decimal):
        return float(value)
    if (isinstance(value, np.ndarray) or _is_tensor(value)) and value.ndim == 0:
        return value.item()
    return value


def _kind(value: Any) -> str:
    """What a value is, with its article: "a float", "a torch tensor of shape (2, 3)"."""
    if value is None:
        return "None"
    if _is_tensor(value):
        return f"a torch tensor of shape {tuple(value.shape)}"
    if isinstance(value, np.ndarray):
        return f"a numpy array of shape {value.shape}"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    word = {"int": "an integer", "str": "a string"}.get(type(value).__name__, f"a {type(value).__name__}")
    if isinstance(value, list | tuple | Mapping | Set):
        word += f" of length {len(value)}"
    return word


def _wrong_kind(actual: Any, wanted: str) -> str:
    return f"it is {_kind(actual)}, not {wanted}"


def _inside(place: str, difference: str, got: Any, wanted: Any) -> str:
    if difference == "the value differs":
        return f"at {place} it is {_show(got)}, not {_show(wanted)}"
    return (
        f"at {place} {difference.removeprefix('at ')}"
        if not difference.startswith("at [")
        else (f"at {place}{difference.removeprefix('at ')}")
    )


def _some(word: str, things: Sequence[Any]) -> str:
    shown = ", ".join(_show(thing) for thing in things[:5])
    more = f" and {len(things) - 5} more" if len(things) > 5 else ""
    plural, verb = ("", "is") if len(things) == 1 else ("s", "are")
    return f"the {word}{plural} {shown}{more} {verb}"


def _places(places: np.ndarray, array: np.ndarray) -> str:
    first = ", ".join(map(str, places[0].tolist()))
    if array.size == 1 or len(places) == 1:
        return f"[{first}]"
    return f"{len(places)} of {array.size} places, first [{first}]"


def _at(array: np.ndarray, places: np.ndarray) -> Any:
    value = array[tuple(places[0])]
    value = value.item() if isinstance(value, np.generic) else value
    return f"{value:.7g}" if isinstance(value, float) else value


def _show(value: Any) -> str:
    if _is_tensor(value) or isinstance(value, np.ndarray):
        array = _as_numpy(value)
        head = f"{_kind(value)}, dtype {str(value.dtype).removeprefix('torch.')}"
        with np.printoptions(precision=6, threshold=24, edgeitems=3, linewidth=90, suppress=True):
            text = np.array2string(array)
        return head + (": " if "\n" not in text else ":\n") + text
    scalar = _scalar(value)
    if isinstance(scalar, float):
        return f"{scalar:.7g}"
    try:
        text = repr(scalar)
    except Exception:  # the student's own __repr__, or an integer of many thousand digits
        return f"{_kind(value)} that can't be shown"
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 40]} ... ({len(text)} characters)"
