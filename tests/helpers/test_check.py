"""The checks of visible tests: what passes, what fails, and what the failing student is told."""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from decimal import Decimal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from shown_checks import SHOWN, shown_by_cells

from nextword import check

T = torch.tensor


def message(function, *args, **kwargs) -> str:
    with pytest.raises(AssertionError) as caught:
        function(*args, **kwargs)
    return str(caught.value)


SAME = [
    (3, 3),
    (3.0, 3),
    (np.int64(3), 3),
    (T(3), 3),
    (np.array(3.0), 3.0),
    (2, 2.0),
    (0.1 + 0.2, 0.3),
    (np.float32(0.5), 0.5),
    (1 + 1e-7, 1.0),
    (10**400, 10**400),
    (math.nan, math.nan),
    (-math.inf, -math.inf),
    (1j, 1j),
    (Decimal("0.5"), 0.5),
    (True, True),
    (np.True_, True),
    (T(True), True),
    (None, None),
    ("word", "word"),
    (b"x", b"x"),
    ([], []),
    ([1, 2.0], [1, 2]),
    ((1, ("a", None)), (1, ("a", None))),
    ({"a": 0.3}, {"a": 0.1 + 0.2}),
    (Counter("aab"), {"a": 2, "b": 1}),
    (defaultdict(int, a=1), Counter("a")),
    ({("the",): 1}, Counter([("the",)])),
    ({1, 2}, frozenset([1, 2])),
    (np.zeros((2, 3)), np.zeros((2, 3))),
    (np.zeros(2, np.float32), np.zeros(2)),
    (np.array([1, 2]), np.array([1.0, 2.0])),
    (np.array([1, 2], np.int32), np.array([1, 2])),
    (np.array([np.nan, np.inf]), np.array([np.nan, np.inf])),
    (np.array(["a", "b"]), np.array(["a", "b"])),
    (np.array([1j]), np.array([1j])),
    (np.zeros((0, 3)), np.zeros((0, 3))),
    (T([1.0, 2.0]), T([1.0, 2.0])),
    (T([1.0], dtype=torch.bfloat16), T([1.0])),
    (T([1.0], requires_grad=True), T([1.0])),
    ([T([1])], [T([1])]),
    (torch.float32, torch.float32),
    (SimpleNamespace(a=1), SimpleNamespace(a=1)),
]


@pytest.mark.parametrize(("actual", "expected"), SAME, ids=repr)
def test_equal_passes(actual, expected) -> None:
    assert check.equal(actual, expected) is None


DIFFERENT = [
    # numbers
    (3, 4, "the value differs"),
    (124_439_809, 124_439_808, "the value differs"),
    (124_439_809.0, 124_439_808, "the value differs"),
    (0.30001, 0.3, "the value differs"),
    (10**400, 1.0, "infinite"),
    (math.nan, 1.0, "NaN (not a number)"),
    (1.0, math.nan, "a number where NaN is expected"),
    (math.inf, 1.0, "inf (infinite)"),
    (1.0, math.inf, "finite, not inf"),
    (math.inf, -math.inf, "inf (infinite)"),
    (True, 1, "a bool, not one number"),
    (np.True_, 1, "bool, not one number"),
    ("3", 3, "a string, not one number"),
    ([3], 3, "a list of length 1, not one number"),
    (np.array([3.0]), 3.0, "a numpy array of shape (1,), not one number"),
    (T([3.0]), 3.0, "a torch tensor of shape (1,), not one number"),
    (np.array([]), 4.0, "a numpy array of shape (0,), not one number"),
    (3 + 1j, 3.0, "a complex, not one number"),
    (1j, 2j, "the value differs"),
    (int, 3, "the class int"),
    # truth and nothing
    (1, True, "an integer, not True or False"),
    (False, True, "it is False, not True"),
    (None, 3.0, "None instead of a float; a path of the function may lack its `return`"),
    (0, None, "an integer, not None"),
    (NotImplemented, 3, "a NotImplementedType"),
    # text
    (3, "three", "an integer, not a string"),
    ("the cat", "the dog", "it differs from character 4 on: 'cat', not 'dog'"),
    ("the", "then", "3 characters, not 4"),
    ("", "a", "0 characters, not 1"),
    # containers
    ([], [1], "its length is 0, not 1"),
    ([1, 2], [1, 3], "at [1] it is 2, not 3"),
    ([[1, 2], [3, 5]], [[1, 2], [3, 4]], "at [1][1] it is 5, not 4"),
    ((1, 2), [1, 2], "a tuple of length 2, not a list"),
    ([1], (1,), "a list of length 1, not a tuple"),
    (np.array([1]), [1], "a numpy array of shape (1,), not a list"),
    ([{"a": 1}], [{"a": 2}], "at [0]['a'] it is 1, not 2"),
    ([math.nan], [1.0], "at [0] it is NaN"),
    ({}, {"a": 1}, "the key 'a' is missing"),
    ({"a": 1, "b": 0}, {"a": 1}, "the key 'b' is there that should not be"),
    ({}, dict.fromkeys("abcdefg", 1), "and 2 more are missing"),
    ({"a": 1}, {"a": 2}, "at ['a'] it is 1, not 2"),
    ([("a", 1)], {"a": 1}, "a list of length 1, not a dict"),
    (set(), {1}, "the member 1 is missing"),
    ({1, 2}, {1}, "the member 2 is there that should not be"),
    ([1], {1}, "a list of length 1, not a set"),
    # arrays
    (np.zeros(3), np.zeros((3, 1)), "its shape is (3,), not (3, 1)"),
    (np.zeros((1, 3)), np.zeros((2, 3)), "its shape is (1, 3), not (2, 3)"),
    (np.array(1.0), np.ones(3), "its shape is (), not (3,)"),
    (1.0, np.ones(3), "a float, not a numpy array of shape (3,)"),
    ([], np.ones(3), "a list of length 0, not a numpy array"),
    (np.array([]), np.ones(1), "its shape is (0,), not (1,)"),
    (np.array([0.0, 1.0]), np.array([0, 1]), "it holds floats (float64), not integers (int64)"),
    (np.array([0, 1]), np.array([False, True]), "it holds integers (int64), not truth values (bool)"),
    (np.array(["1"]), np.array([1.0]), "it holds <U1, not float64"),
    (np.array(["a"]), np.array(["b"]), "'a', not 'b'"),
    (np.array([1, 2]), np.array([1, 3]), "differs at [1]: 2 there, not 3"),
    (np.array([[1.0, 2], [3, 5]]), np.array([[1.0, 2], [3, 4]]), "differs at [1, 1]: 5 there, not 4"),
    (np.array([1.0, np.nan, np.nan]), np.ones(3), "NaN (not a number) at 2 of 3 places, first [1]"),
    (np.array([1.0, np.inf]), np.ones(2), "infinite at [1]"),
    (np.ones(2), np.array([1.0, np.nan]), "differs at [1]: 1 there, not nan"),
    (np.ones(2), np.array([1.0, -np.inf]), "differs at [1]: 1 there, not -inf"),
    (T([1.0]), np.array([1.0]), "a torch tensor of shape (1,), not a numpy array"),
    (np.array([1.0]), T([1.0]), "a numpy array of shape (1,), not a torch tensor"),
    (T([1.0, 2.0]), T([1.0, 2.5]), "differs at [1]: 2 there, not 2.5"),
    (T([1.0]), T([1]), "it holds floats (float32), not integers (int64)"),
    (torch.float64, torch.float32, "the two are not equal"),
    (SimpleNamespace(a=1), SimpleNamespace(a=2), "the two are not equal"),
    (3, SimpleNamespace(a=2), "an integer, not a SimpleNamespace"),
]


@pytest.mark.parametrize(("actual", "expected", "difference"), DIFFERENT, ids=repr)
def test_equal_fails_and_says_why(actual, expected, difference) -> None:
    said = message(check.equal, actual, expected, "f(2)")
    assert said.startswith("f(2) is not right: ")
    assert difference in said.splitlines()[0]
    assert "\n  expected: " in said
    assert "\n  got:      " in said


def test_arrays_are_shown_with_shape_dtype_and_values() -> None:
    said = message(check.equal, np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    assert "expected: a numpy array of shape (2,), dtype float64: [1. 3.]" in said
    said = message(check.equal, T([1.0, 2.0]), T([1.0, 3.0]))
    assert "got:      a torch tensor of shape (2,), dtype float32: [1. 2.]" in said
    assert len(message(check.equal, np.zeros((500, 500)), np.ones((500, 500)))) < 1_000
    assert len(message(check.equal, list(range(10_000)), [0] * 10_000)) < 1_500


def test_what_cannot_be_shown_is_named() -> None:
    assert "got:      an integer that can't be shown" in message(check.equal, 10**5_000, 1)


def test_tolerances_are_the_callers() -> None:
    check.equal(1.05, 1.0, atol=0.1)
    check.equal(np.array([105.0]), np.array([100.0]), rtol=0.1, atol=0)
    message(check.equal, 1.05, 1.0, atol=0.01)
    message(check.equal, 1e-9, 0.0, atol=0)


def test_the_likely_cause_is_named() -> None:
    causes = [(4, "You added."), (lambda value: value < 0, "The sign is wrong."), (6, "You multiplied.")]
    assert message(check.equal, 6, 5, causes=causes).endswith("Likely cause: You multiplied.")
    assert message(check.equal, -5, 5, causes=causes).endswith("Likely cause: The sign is wrong.")
    assert "Likely cause" not in message(check.equal, 9, 5, causes=causes)


def test_only_the_first_fitting_cause_is_named() -> None:
    said = message(check.equal, 6, 5, causes=[(6, "First."), (lambda value: True, "Second.")])
    assert "First." in said
    assert "Second." not in said


def test_causes_that_cannot_be_compared_are_no_causes() -> None:
    causes = [
        (lambda value: value < 0, "The sign is wrong."),
        (np.ones(3), "All ones."),
        (None, "No return."),
    ]
    assert "Likely cause" not in message(check.equal, "text", 5, causes=causes)
    assert message(check.equal, None, 5, causes=causes).endswith("Likely cause: No return.")
    assert message(check.equal, np.ones(3), np.zeros(3), causes=causes).endswith("Likely cause: All ones.")


def test_causes_are_as_strict_as_the_check() -> None:
    assert "Likely cause" not in message(check.equal, np.ones(1), np.zeros(1), causes=[(1.0, "One.")])
    assert message(check.equal, 1.0001, 0.0, atol=0.01, causes=[(1.0, "One.")]).endswith("One.")


numbers = st.floats(allow_nan=False, allow_infinity=False, width=32)


@given(st.lists(numbers, max_size=5), st.lists(numbers, max_size=5))
def test_lists_arrays_and_tensors_agree(a, b) -> None:
    def passes(x, y) -> bool:
        try:
            check.equal(x, y)
        except AssertionError:
            return False
        return True

    as_array, as_tensor = np.array(a), torch.tensor(a, dtype=torch.float64)
    assert passes(a, b) == passes(as_array, np.array(b))
    assert passes(a, b) == passes(as_tensor, torch.tensor(b, dtype=torch.float64))
    assert passes(a, a)
    if len(a) != len(b):
        assert not passes(a, b)


@pytest.mark.parametrize("condition", [True, np.True_])
def test_that_passes_on_true_only(condition) -> None:
    assert check.that(condition, "unused") is None


@pytest.mark.parametrize("condition", [False, np.False_])
def test_that_fails_with_its_message(condition) -> None:
    assert message(check.that, condition, "Use log2.") == "Use log2."


@pytest.mark.parametrize("condition", [1, "True", [True], np.array([True]), T(True), None, NotImplemented])
def test_that_takes_nothing_but_a_verdict(condition) -> None:
    assert message(check.that, condition, "Use log2.").startswith("Use log2.\n  (the condition is ")


GOOD = [
    [0.5, 0.5],
    (1.0,),
    [1, 0],
    np.array([0.25, 0.75]),
    np.full((2, 2), 0.25),
    T([0.5, 0.5]),
    {"a": 0.4, "b": 0.6},
    Counter({"a": 1}),
]


@pytest.mark.parametrize("p", GOOD, ids=repr)
def test_distribution_passes(p) -> None:
    assert check.distribution(p) is None


BAD = [
    ([0.5, 0.6], "it sums to 1.1, not to 1"),
    ([0.5, 0.4], "it sums to 0.9, not to 1"),
    ([1.5, -0.5], "it is negative at [1]"),
    ([math.nan, 1.0], "it is NaN at [0]"),
    ([math.inf, 0.0], "it is infinite at [0]"),
    ([], "it is empty"),
    ({}, "it is empty"),
    (np.zeros((0, 2)), "it is empty"),
    (1.0, "a float, not probabilities"),
    (np.array(1.0), "it is a single number"),
    (torch.tensor(True), "not all of its values are real numbers"),
    (["a"], "not all of its values are real numbers"),
    ([[0.5], [0.25, 0.25]], "not all of its values are real numbers"),
    ([True, False], "not all of its values are real numbers"),
    ("ab", "a string, not probabilities"),
    (None, "it is None, not probabilities"),
    (T([0.2, 0.2]), "it sums to 0.4, not to 1"),
]


@pytest.mark.parametrize(("p", "difference"), BAD, ids=repr)
def test_distribution_fails_and_says_why(p, difference) -> None:
    assert difference in message(check.distribution, p, "p").splitlines()[0]


def test_distribution_along_an_axis() -> None:
    rows = np.array([[0.5, 0.5], [0.1, 0.9]])
    check.distribution(rows, axis=1)
    check.distribution(torch.from_numpy(rows), axis=-1)
    assert "sums to 0.6 along axis 0 (slice 0)" in message(check.distribution, rows, axis=0)
    assert "sums to 2, not to 1" in message(check.distribution, rows)
    assert "there is no axis 2" in message(check.distribution, rows, axis=2)
    assert "NaN" in message(check.distribution, np.full((2, 2), np.nan), axis=1)


def test_distribution_names_causes_and_keeps_to_its_tolerance() -> None:
    causes = [(lambda p: abs(sum(p) - 2) < 1e-9, "Divide by the sum.")]
    assert message(check.distribution, [1.0, 1.0], causes=causes).endswith("Likely cause: Divide by the sum.")
    check.distribution([0.5, 0.51], atol=0.02)


def fail(exception, *args):
    raise exception(*args)


def test_raises() -> None:
    assert check.raises(ValueError, fail, ValueError) is None
    assert check.raises(ArithmeticError, fail, ZeroDivisionError) is None
    said = message(check.raises, ValueError, len, [1])
    assert said == "len([1]) should raise ValueError.\n  It returned 1"
    said = message(check.raises, ValueError, fail, KeyError, "k", name="f('k')")
    assert said == "f('k') should raise ValueError.\n  It raised KeyError: 'k'"


def test_an_unwritten_exercise_never_passes_for_raising() -> None:
    for asked in (Exception, RuntimeError, ValueError):  # NotImplementedError is a RuntimeError
        with pytest.raises(NotImplementedError):
            check.raises(asked, fail, NotImplementedError)
    check.raises(NotImplementedError, fail, NotImplementedError)


def test_after_shows_what_a_call_did_to_its_arguments_and_leaves_ours_alone() -> None:
    import torch

    def step(
        model: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, values: list[int]
    ) -> float:
        loss = model(x).sum()
        loss.backward()
        optimizer.step()
        values.append(1)
        return loss.item()

    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    weight, values = model.weight.detach().clone(), [0]
    done = check.after(step, model, optimizer, torch.ones(3, 2), values)
    assert done.result == pytest.approx(model(torch.ones(3, 2)).sum().item())
    state = done.arguments[0]
    assert torch.allclose(state["gradients"]["weight"], torch.full((1, 2), 3.0))
    assert torch.allclose(state["state"]["weight"], weight - 0.5 * 3.0)
    assert done.arguments[1] is None and done.arguments[3] == [0, 1]
    assert torch.equal(model.weight, weight) and model.weight.grad is None and values == [0]


def test_after_hands_on_the_gradients_that_parameters_hold() -> None:
    model = torch.nn.Linear(2, 1, bias=False)
    model.weight.grad = torch.tensor([[5.0, 7.0]])

    def accumulate(model: torch.nn.Module) -> None:
        model(torch.ones(1, 2)).sum().backward()

    gradients = check.after(accumulate, model).arguments[0]["gradients"]
    assert torch.equal(gradients["weight"], torch.tensor([[6.0, 8.0]]))
    assert torch.equal(model.weight.grad, torch.tensor([[5.0, 7.0]])), "ours is left alone"


def test_a_notebook_tells_what_held_and_shows_the_message_alone() -> None:
    assert shown_by_cells(sys.executable) == SHOWN
