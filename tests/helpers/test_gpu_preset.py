"""The preset `gpu` where there is no GPU: every model, optimizer and number type on a pretended one.

`pretended_gpu` keeps tensors on the processor, says that they are on a GPU, and refuses what a GPU refuses.
"""

from __future__ import annotations

import pytest
import torch
from pretended_gpu import pretended_gpu
from torch import nn

from nextword import Village, presets
from nextword.batches import sentence_batches
from nextword.models import GPT, FeedForward, GPTConfig, Recurrent, generate
from nextword.models.attention import MultiHeadAttention, linear_biases
from nextword.optimizers import muon_and_adamw
from nextword.tokenizers import WordTokenizer
from nextword.training import bits_per_character, train

SENTENCES = Village().sample(120, seed=5)
TOKENIZER = WordTokenizer.train(SENTENCES)
DATA, VALID = sentence_batches(SENTENCES[:100], TOKENIZER), sentence_batches(SENTENCES[100:], TOKENIZER)
T4, A100 = (7, 5), (8, 0)
HALF = {T4: torch.float16, A100: torch.bfloat16}
SHORT = {"steps": 6, "batch_size": 8, "evaluate_every": 3, "progress": False}
V = len(TOKENIZER)
MODELS = {
    "feedforward": lambda: FeedForward(V, context=3, embedding_dim=8, hidden_dim=8),
    "rnn": lambda: Recurrent(V, "rnn", embedding_dim=8, hidden_dim=8),
    "gru": lambda: Recurrent(V, "gru", embedding_dim=8, hidden_dim=8, n_layers=2),
    "lstm": lambda: Recurrent(V, "lstm", embedding_dim=8, hidden_dim=8),
    "gpt": lambda: GPT(GPTConfig(V, n_heads=2, embedding_dim=16)),
    "gpt, rotary": lambda: GPT(GPTConfig(V, n_heads=2, embedding_dim=16, positions="rotary")),
}


@pytest.fixture(autouse=True)
def asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(presets.VARIABLE, "gpu")


def watched(model: nn.Module) -> list[tuple[torch.dtype, str]]:
    """The number type and the device of every linear layer's output, from now on."""
    seen: list[tuple[torch.dtype, str]] = []
    for part in model.modules():
        if isinstance(part, nn.Linear):
            part.register_forward_hook(lambda *hooked: seen.append((hooked[2].dtype, hooked[2].device.type)))
    return seen


@pytest.mark.parametrize("capability", [T4, A100])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_trains_and_writes_on_a_gpu(name, capability) -> None:
    torch.manual_seed(0)
    model = MODELS[name]()
    with pretended_gpu(capability):
        before = [p.detach().clone() for p in model.parameters()]
        history = train(model, DATA, valid=VALID, **SHORT)
        assert all(p.is_cuda and p.dtype == torch.float32 for p in model.parameters())
        pairs = zip(before, model.cpu().parameters(), strict=True)
        assert any(not torch.equal(old, new) for old, new in pairs)
        model.to("cuda")
        assert bits_per_character(model, VALID) == pytest.approx(history.best, rel=1e-6)
        assert len(generate(model, [TOKENIZER.end_id], 4, generator=torch.Generator().manual_seed(0))) == 4
    assert history.steps == [3, 6] and len(history.valid) == 2


@pytest.mark.parametrize("capability", [T4, A100])
def test_training_computes_in_half_precision_and_scores_in_full(capability) -> None:
    model = MODELS["gpt"]()
    seen = watched(model)
    with pretended_gpu(capability):
        assert presets.preset().dtype == str(HALF[capability]).removeprefix("torch.")
        train(model, DATA, **SHORT)
        assert set(seen) == {(HALF[capability], "cuda")}
        seen.clear()
        bits_per_character(model, VALID)
        assert set(seen) == {(torch.float32, "cuda")}


@pytest.mark.parametrize(("capability", "scales"), [(T4, True), (A100, False)])
def test_only_float16_scales_the_loss(capability, scales, monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    scaler = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", lambda *a, **k: made.append(scaler(*a, **k)) or made[-1])
    with pretended_gpu(capability):
        train(MODELS["gpt"](), DATA, **SHORT)
        assert [one.is_enabled() for one in made] == [scales]
        train(MODELS["gru"](), DATA, **SHORT)  # cuDNN's recurrent networks take part in autocast as float16
    assert [one.is_enabled() for one in made] == [scales, True]


@pytest.mark.parametrize("capability", [T4, A100])
def test_two_optimizers_and_a_checkpoint(capability, tmp_path) -> None:
    weights = []
    for path in (None, tmp_path / "run.pt"):
        torch.manual_seed(0)
        model = MODELS["gpt"]()
        with pretended_gpu(capability):
            model.to("cuda")
            if path is not None:
                train(model, DATA, optimizer=muon_and_adamw(model), checkpoint=path, **(SHORT | {"steps": 6}))
                torch.manual_seed(0)
                model = MODELS["gpt"]().to("cuda")
            train(model, DATA, optimizer=muon_and_adamw(model), checkpoint=path, **SHORT)
        weights.append(model.state_dict())
    for name in weights[0]:
        assert weights[0][name].equal(weights[1][name]), name


def test_a_run_on_a_processor_is_in_full_precision_whatever_the_preset() -> None:
    model = MODELS["gpt"]()
    seen = watched(model)
    with pretended_gpu(A100):
        train(model, DATA, device="cpu", **SHORT)
    assert set(seen) == {(torch.float32, "cpu")}


def test_attention_with_biases_runs_where_its_input_is() -> None:
    attention = MultiHeadAttention(16, 2)
    attention.bias = linear_biases
    x, mask = torch.randn(2, 5, 16), torch.ones(5, 5, dtype=torch.bool).tril()
    expected = attention(x, mask=mask)
    with pretended_gpu():
        found = attention.to("cuda")(x.to("cuda"), mask=mask.to("cuda"))
        assert found.is_cuda
    assert torch.allclose(found, expected, atol=1e-6)


def test_the_pretended_gpu_refuses_what_a_gpu_refuses() -> None:
    with pretended_gpu():
        here, there = torch.ones(3), torch.ones(3, device="cuda")
        assert (here.device.type, there.device.type, (there * 2)[1:].device.type) == ("cpu", "cuda", "cuda")
        assert there.cpu().device.type == "cpu" and (there + here.sum()).is_cuda
        assert there[torch.tensor([0])].is_cuda
        refused = [
            lambda: here + there,
            lambda: torch.stack([here, there]),
            lambda: here[torch.zeros(1, dtype=torch.long, device="cuda")],
            lambda: nn.Linear(3, 2)(there),
            lambda: nn.Embedding(4, 2).to("cuda")(torch.tensor([1])),
            lambda: torch.multinomial(there, 1, generator=torch.Generator()),
        ]
        for refuse in refused:
            with pytest.raises(RuntimeError, match="device"):
                refuse()
        with pytest.raises(TypeError, match="numpy"):
            there.numpy()
    assert not torch.cuda.is_available()
