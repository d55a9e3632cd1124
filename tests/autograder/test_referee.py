"""What tests see of student code: values, proxies, faults; and what students see of tests."""

from __future__ import annotations

import pytest
from engine import LIMITS, MEAN, grading, hand_in, solved

from autograder.course_folder import Assignment, visible_source
from autograder.grade import Grading, Worker
from autograder.records import TestOutcome
from autograder.settings import Limits

pytestmark = pytest.mark.slow


def cells(answer: str, test: str, points: float = 2) -> list[tuple[str, str, str, float]]:
    return [
        ("locked", "imports", "import numpy as np\nimport torch\nfrom nextword import check", 0),
        ("solution", "answer", answer, 0),
        ("test", "test_answer", test, points),
    ]


@pytest.fixture(scope="module")
def worker():
    """One warm sandbox for all notebooks here; the assignment is swapped, the modules are the same."""
    made = Worker(grading(cells("x = 1", "pass")))
    yield made
    made.close()


def judge(worker: Worker, answer: str, test: str, points: float = 2, given: str | None = None) -> TestOutcome:
    """The outcome of `test` when `given` (else the solution itself) stands in the answer cell."""
    notebook = cells(answer, test, points)
    worker.grading = grading(notebook)
    result = worker.grade(hand_in({"answer": given if given is not None else answer}, notebook))
    assert result.notebooks, result
    return result.outcomes[0]


VALUES = [
    "1", "2.5", "None", "True", "'text'", "b'bytes'", "[1, 'a', None]", "(1, (2, 3))", "{'a': [1], (1, 2): 'b'}", "{1, 2}", "3 + 4j",
    "10**40", "float('inf')", "np.float32(1.5)", "np.arange(6).reshape(2, 3)", "np.array(['a', 'b'])", "torch.ones(2, 3)",
    "torch.tensor([True, False])", "torch.zeros(2, dtype=torch.bfloat16)",
    "torch.arange(8).view(2, 4)[:1, -1]", "torch.tensor([[1.0, 2.0]])[:, 0]",
]  # fmt: skip


def test_values_of_every_kind_come_out_equal(worker: Worker) -> None:
    body = ", ".join(VALUES)
    test = f"""
for got, want in zip(f(), [{body}]):
    assert type(got) is type(want), (got, want)
    if isinstance(want, torch.Tensor): assert torch.equal(got, want) and got.dtype == want.dtype
    elif isinstance(want, np.ndarray): assert np.array_equal(got, want) and got.dtype == want.dtype
    else: assert got == want
assert len(f()) == {len(VALUES)}
"""
    assert judge(worker, f"def f():\n    return [{body}]", test).status == "passed"


def test_arguments_are_copies(worker: Worker) -> None:
    answer = (
        "def f(values, array, tensor):\n    values.append(9); array[0] = 9; tensor[0] = 9\n    return values"
    )
    test = """
values, array, tensor = [1], np.zeros(2), torch.zeros(2)
assert f(values, array, tensor) == [1, 9]
assert values == [1] and array[0] == 0 and tensor[0] == 0
"""
    assert judge(worker, answer, test).status == "passed"


def test_generators_classes_modules_and_callbacks_have_proxies(worker: Worker) -> None:
    answer = """
class Counter:
    def __init__(self, start): self.n = start; self.history = []
    def add(self, k=1): self.n += k; self.history.append(k); return self
    def __call__(self, x): return self.n * x
    def __len__(self): return self.n
    def __getitem__(self, i): return self.history[i]
class Net(torch.nn.Module):
    def __init__(self): super().__init__(); self.layer = torch.nn.Linear(2, 1)
    def forward(self, x): return self.layer(x)
def squares(n):
    for i in range(n): yield i * i
def apply(f, x): return f(x) + 1
def adder(k): return lambda x: x + k
"""
    test = """
c = Counter(2)
c.add().add(3)
assert (c.n, len(c), c(10), c.history, c[1]) == (6, 6, 60, [1, 3], 3)
c.n = 7
assert c(1) == 7
net = Net()
net.load_state_dict({"layer.weight": torch.tensor([[1., 2.]]), "layer.bias": torch.tensor([0.5])})
assert torch.allclose(net(torch.tensor([[1., 1.]])), torch.tensor([[3.5]]))
assert sum(p.numel() for p in net.parameters()) == 3 and sorted(net.state_dict()) == ["layer.bias", "layer.weight"]
net.layer = torch.nn.Softmax(dim=1)
assert torch.allclose(net(torch.zeros(1, 4)), torch.full((1, 4), 0.25))
assert list(squares(4)) == [0, 1, 4, 9]
assert apply(lambda v: v * 2, 5) == 11 and apply(abs, -4) == 5
assert adder(3)(4) == 7
assert apply(adder(1), 1) == 3
"""
    outcome = judge(worker, answer, test)
    assert outcome.status == "passed", outcome


def test_a_training_step_is_seen_through_after(worker: Worker) -> None:
    answer = """
def step(model, optimizer, x):
    optimizer.zero_grad(); loss = model(x).pow(2).mean(); loss.backward(); optimizer.step()
    return loss.item()
"""
    test = """
torch.manual_seed(1)
model = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x = torch.randn(4, 2)
before = model.weight.detach().clone()
done = check.after(step, model, optimizer, x)
loss = model(x).pow(2).mean()
loss.backward()
optimizer.step()
assert abs(done.result - loss.item()) < 1e-6
assert torch.allclose(done.arguments[0]["state"]["weight"], model.weight)
assert torch.allclose(done.arguments[0]["gradients"]["weight"], model.weight.grad)
assert not torch.allclose(model.weight, before)
"""
    outcome = judge(worker, answer, test)
    assert outcome.status == "passed", outcome
    wrong = judge(
        worker,
        answer,
        test,
        given=answer.replace("optimizer.zero_grad(); ", "").replace("optimizer.step()", "pass"),
    )
    assert wrong.status == "failed"


def test_a_module_takes_its_gradients_along(worker: Worker) -> None:
    answer = """
def step(model, optimizer, x):
    optimizer.zero_grad(); model(x).sum().backward(); optimizer.step()
"""
    test = """
model = torch.nn.Linear(2, 1)
model.weight.grad = torch.tensor([[5.0, 7.0]])  # left over from an earlier step
done = check.after(step, model, torch.optim.SGD(model.parameters(), lr=0.1), torch.ones(1, 2))
assert torch.equal(done.arguments[0]["gradients"]["weight"], torch.ones(1, 2)), done.arguments[0]["gradients"]
"""
    outcome = judge(worker, answer, test)
    assert outcome.status == "passed", outcome
    forgotten = judge(worker, answer, test, given=answer.replace("optimizer.zero_grad(); ", ""))
    assert forgotten.status == "failed"


def test_it_shows_whether_a_tensor_carries_a_gradient(worker: Worker) -> None:
    answer = """
def loss(x):
    return x.pow(2).mean()
"""
    test = """
x = torch.tensor([1.0, 2.0], requires_grad=True)
assert loss(x).requires_grad and not loss(x.detach()).requires_grad
"""
    outcome = judge(worker, answer, test)
    assert outcome.status == "passed", outcome
    cut = judge(worker, answer, test, given=answer.replace("x.pow", "x.detach().pow"))
    assert cut.status == "failed"


LIARS = {
    "equal to everything": "class Yes:\n    def __eq__(self, o): return True\n    def __getattr__(self, n): return Yes()\n    def __call__(self, *a, **k): return Yes()\n    def __bool__(self): return True\n    def __float__(self): return 2.0\n    def __array__(self, *a, **k): return np.array(2.0)\ndef f(x): return Yes()",
    "a float that lies": "class F(float):\n    def __eq__(self, o): return True\n    def __sub__(self, o): return 0.0\n    def __hash__(self): return 1\ndef f(x): return F(3.0)",
    "an array that lies": "class A(np.ndarray):\n    def __eq__(self, o): return np.ones(1, bool)\ndef f(x): return np.zeros(1).view(A)",
    "a class": "def f(x): return type('T', (), {'__eq__': lambda s, o: True})",
    "a module": "class M(torch.nn.Module):\n    def __eq__(self, o): return True\n    def __hash__(self): return 1\n    def __getattr__(self, n): return 2\ndef f(x): return M()",
    "a function": "def f(x): return lambda *a: 2",
    "an iterator that lies": "class I:\n    def __iter__(self): return self\n    def __next__(self): return 2\n    def __eq__(self, o): return True\ndef f(x): return I()",
    "patched assert helpers": "np.testing.assert_allclose = lambda *a, **k: None\nnp.allclose = lambda *a, **k: True\nimport builtins\nbuiltins.abs = lambda x: 0\ndef f(x): return 0",
    "patched comparison": "torch.equal = lambda a, b: True\ndef f(x): return torch.zeros(3)",
    "handle forged on the wire": "import sys\nfrom autograder.inside import session\nsession._Session.pack = lambda self, value, objects=False: ({'value': ['handle', 1, 'object', 'x']}, [])\ndef f(x): return 0",
    "equal forged on the wire": "from autograder.inside import session\nsession._Session.do_attribute = lambda self, h, d: ({'value': 2}, [])\nsession._Session.do_call = lambda self, h, d: ({'value': ['handle', 1, 'module', 'x']}, [])\ndef f(x): return 0",
}


@pytest.mark.parametrize("liar", LIARS)
@pytest.mark.parametrize(
    "test",
    [
        "assert f(1) == 2",
        "assert abs(f(1) - 2) < 1e-9",
        "np.testing.assert_allclose(f(1), 2)",
        "assert f(1).item() == 2",
        "assert np.shape(f(1)) == () and np.all(f(1) == 2)",
    ],
)
def test_a_lying_object_gains_nothing(worker: Worker, liar: str, test: str) -> None:
    outcome = judge(worker, "def f(x): return np.int64(2)", test, given=LIARS[liar])
    assert outcome.points == 0 and outcome.status not in ("passed", "internal"), outcome


def test_faults_of_the_student_are_told_with_their_line(worker: Worker) -> None:
    outcome = judge(
        worker, "def f(x): return x", "assert f(1) == 1", given="def f(x):\n    y = 1\n    return [][3]"
    )
    assert outcome.status == "failed" and "IndexError" in outcome.message and "line 3" in outcome.message
    outcome = judge(worker, "def f(x): return x", "assert f(1) == 1", given="def g(x): return 1")
    assert "f is not defined" in outcome.message
    outcome = judge(worker, "def f(x): return x", "assert f(1) == 1", given="def f(x) return 1")
    assert "f is not defined" in outcome.message and "SyntaxError" in outcome.message
    outcome = judge(worker, "def f(x): return x", "assert f(1) == 1", given="def f(x): return object()")
    assert "an object" in outcome.message and "can't be compared" in outcome.message


def test_a_builtin_exception_keeps_its_type(worker: Worker) -> None:
    test = """
try:
    f(-1)
except ValueError as error:
    assert "negative" in str(error)
else:
    raise AssertionError("f(-1) should raise ValueError")
"""
    answer = "def f(x):\n    if x < 0: raise ValueError('negative')\n    return x"
    assert judge(worker, answer, test).status == "passed"
    assert judge(worker, answer, test, given="def f(x): return x").message == "f(-1) should raise ValueError"
    assert judge(worker, answer, test, given="def f(x): raise KeyError('negative')").status == "failed"
    for evil in ("SystemExit", "KeyboardInterrupt", "GeneratorExit"):
        assert judge(worker, answer, test, given=f"def f(x): raise {evil}()").status == "failed"


@pytest.mark.parametrize("mark", ["### ", "# ", "#", "    ## "])
def test_a_hidden_tests_words_and_inputs_do_not_reach_the_student(worker: Worker, mark: str) -> None:
    hidden = f"{mark}BEGIN HIDDEN TESTS\nassert f(31337) == 31337, 'SECRET 31337'\n{mark}END HIDDEN TESTS"
    test = f"assert f(1) == 1\n{hidden}"
    assert visible_source(test) == "assert f(1) == 1"
    for given in (
        "def f(x): return 1",
        "def f(x):\n    if x == 1: return 1\n    raise ValueError(str(x))",
        "def f(x):\n    if x == 1: return 1\n    raise type('Seen' + str(x), (Exception,), {})()",
        "def f(x):\n    print(x)\n    return 1",
    ):
        outcome = judge(worker, "def f(x): return x", test, given=given)
        assert outcome.hidden and outcome.points == 0
        assert "31337" not in outcome.message + outcome.misconception, outcome


def test_a_later_cell_can_not_print_what_a_hidden_test_passed_in(worker: Worker) -> None:
    notebook = [
        *cells(
            "def f(x): return x",
            "assert f(1) == 1\n### BEGIN HIDDEN TESTS\nassert f(31337) == 31337\n### END HIDDEN TESTS",
        ),
        ("solution", "later", "y = 1", 0),
    ]
    worker.grading = grading(notebook)
    result = worker.grade(
        hand_in(
            {
                "answer": "seen = []\ndef f(x):\n    seen.append(x)\n    return x",
                "later": "print('seen', seen)",
            },
            notebook,
        )
    )
    assert result.outcomes[0].status == "passed"
    assert "seen []" in str(result.notebooks[0].rebuilt) and "31337" not in str(result.notebooks[0].rebuilt)


def test_partial_points_and_what_is_not_points(worker: Worker) -> None:
    answer = "def f(x): return x"
    assert judge(worker, answer, "score = 1.5\nscore").points == 1.5
    assert judge(worker, answer, "f(1)").points == 1.0
    assert judge(worker, answer, "'words'").points == 2.0
    for bad in ("-1", "float('nan')", "99"):
        outcome = judge(worker, answer, bad)
        assert outcome.status == "internal" and outcome.points == 0


def test_the_test_authors_fault_is_internal(worker: Worker) -> None:
    outcome = judge(worker, "def f(x): return x", "f(object())")
    assert outcome.status == "internal" and "object" in outcome.note
    assert "instructor" in outcome.message


def test_noise_costs_nobody_a_point(worker: Worker) -> None:
    noisy = "import sys, warnings, logging\ndef f(x):\n    print('hi'); print('err', file=sys.stderr); warnings.warn('w'); logging.error('e')\n    return x"
    test = "import sys, warnings\nwarnings.warn('ours')\nprint('x', file=sys.stderr)\nassert f(1) == 1"
    assert judge(worker, "def f(x): return x", test, given=noisy).status == "passed"


def test_names_of_the_setup_are_ours(worker: Worker) -> None:
    """A student who rebinds np or abs in the notebook changes nothing for the test."""
    given = "class np:\n    @staticmethod\n    def allclose(*a): return True\ndef f(x): return 0\nabs = lambda x: 0\nlen = lambda x: 5"
    assert judge(worker, "def f(x): return x", "assert np.allclose(f(3), 3)", given=given).points == 0
    assert judge(worker, "def f(x): return x", "assert abs(f(3) - 3) < 1", given=given).points == 0


def test_time_limits_of_calls_tests_and_the_whole(worker: Worker) -> None:
    answer = "def f(x): return x"
    outcome = judge(worker, answer, "assert f(1) == 1", given="def f(x):\n    while True: pass")
    assert outcome.status == "timeout" and f"{LIMITS.cell_seconds:g} seconds" in outcome.message
    endless = "def f(x):\n    while True: yield 1"
    outcome = judge(worker, "def f(x): return [1]", "assert sum(f(1)) == 1", given=endless)
    assert outcome.status in ("timeout", "failed") and outcome.points == 0


def test_honest_work_in_plain_python_passes() -> None:
    made = Worker(grading())
    try:
        result = made.grade(hand_in(solved()))
        assert (result.points, result.max_points, result.verdict) == (5, 5, "passed")
        result = made.grade(hand_in({**solved(), "mean": "def mean(values):\n    return 2"}))
        assert [o.status for o in result.outcomes] == ["failed", "passed"]
        assert result.outcomes[0].hidden and "HIDDEN-WORDS" not in result.outcomes[0].message
        assert "HIDDEN-WORDS" in result.outcomes[0].note
    finally:
        made.close()


def test_grading_is_keyed_by_everything_that_decides_a_grade() -> None:
    base = grading()
    assert base.key == grading().key
    changed = [c if c[1] != "test_mean" else (*c[:3], 4) for c in MEAN]
    assert grading(changed).key != base.key
    assert grading(limits=Limits()).key != base.key
    assert Grading(Assignment("ps", base.assignment.notebooks, {"data.txt": b"x"}), LIMITS).key != base.key
