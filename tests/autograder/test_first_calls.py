"""What is done before forking leaves torch as it was for those who use it."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

START = """
import sys
import numpy as np
import torch
from autograder.inside import first_calls
first_calls.call_numpy()
first_calls.call_torch()
compiler = lambda: type(sys.modules["torch._dynamo"]).__name__
assert compiler() == "_Later" and "sympy" not in sys.modules
"""
STAYS_OUT = """
drawn = torch.randn(3), np.random.rand(3)
torch.manual_seed(0); np.random.seed(0)
assert torch.equal(drawn[0], torch.randn(3)) and (drawn[1] == np.random.rand(3)).all()
import inspect
inspect.getmodule(torch.nn.Linear(1, 1).forward)
model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.GELU(), torch.nn.LSTM(2, 2))
for kind in (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW, torch.optim.RMSprop, torch.optim.Adagrad):
    optimizer = kind(model.parameters(), lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 3)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.ones(1, 2))[0].sum().backward()
        optimizer.step()
        schedule.step()
    optimizer.load_state_dict(optimizer.state_dict())
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(1))]})
assert compiler() == "_Later"
"""
COMES = {
    "torch.compile": """
step = torch.compile(lambda x: (x * 2).sum(), backend="eager")
assert step(torch.ones(3)) == 6
""",
    "an import of a part": """
import torch._dynamo.config as config
assert config is torch._dynamo.config is sys.modules["torch._dynamo.config"]
from torch._dynamo.utils import counters
assert counters is torch._dynamo.utils.counters
""",
    "a name from a part": """
from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
""",
    "torch.func": """
assert torch.equal(torch.func.grad(lambda x: (x**2).sum())(torch.ones(2)), torch.full((2,), 2.0))
""",
    "an attribute": "assert torch._dynamo.is_dynamo_supported",
}


def run(code: str) -> None:
    done = subprocess.run([sys.executable, "-c", START + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_training_in_eager_mode_needs_no_compiler() -> None:
    run(STAYS_OUT)


@pytest.mark.parametrize("how", COMES)
def test_whoever_asks_for_the_compiler_gets_the_real_one(how: str) -> None:
    run(COMES[how] + '\nassert compiler() == "module" and torch._dynamo is sys.modules["torch._dynamo"]')


def test_a_compiler_that_is_there_already_stays() -> None:
    code = "import sys, torch, torch._dynamo as real\nfrom autograder.inside import first_calls\n"
    code += "first_calls.call_torch()\nassert torch._dynamo is real is sys.modules['torch._dynamo']"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


def test_seeds_for_absent_devices_are_forgotten() -> None:
    run("""
before = torch.random.get_rng_state()
assert torch.cuda.manual_seed_all(1) is torch.cuda.manual_seed_all(seed=1) is None
assert torch.equal(before, torch.random.get_rng_state())
torch.manual_seed(7)
assert torch.equal(torch.randn(3), torch.randn(3, generator=torch.Generator().manual_seed(7)))
assert not torch.cuda.is_available() and not torch.cuda._lazy_seed_tracker.get_calls()
try:
    torch.cuda.manual_seed_all("one")
except ValueError:
    pass
else:
    raise AssertionError("a seed that is no number")
""")
