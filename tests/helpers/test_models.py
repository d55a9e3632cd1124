"""All models keep to the course's interface, look back only, and do what independent ones do."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import transformers
from torch import nn

from nextword import Village, training
from nextword.batches import sentence_batches
from nextword.models import GPT, FeedForward, GPTConfig, Recurrent, generate
from nextword.tokenizers import WordTokenizer

V = 11


def gpt(**changes) -> GPT:
    sizes = {"vocab_size": V, "n_positions": 12, "n_layers": 2, "n_heads": 2, "embedding_dim": 8}
    return GPT(GPTConfig(**(sizes | changes)))


MODELS = {
    "feedforward": lambda **k: FeedForward(V, context=3, embedding_dim=6, hidden_dim=10, **k),
    "rnn": lambda **k: Recurrent(V, "rnn", embedding_dim=6, hidden_dim=10, **k),
    "gru": lambda **k: Recurrent(V, "gru", embedding_dim=6, hidden_dim=10, n_layers=2, **k),
    "lstm": lambda **k: Recurrent(V, "lstm", embedding_dim=6, hidden_dim=10, **k),
    "gpt": gpt,
    "gpt, rotary": lambda **k: gpt(positions="rotary", **k),
}


def made(name: str, **options) -> nn.Module:
    """A model with weights large enough for every path through it to show."""
    torch.manual_seed(0)
    model = MODELS[name](**options)
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.4)
    return model.eval()


def ids(*shape: int) -> torch.Tensor:
    return torch.randint(V, shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("name", MODELS)
def test_the_interface(name) -> None:
    model, idx, targets = made(name), ids(3, 7), ids(3, 7)
    targets[0, 4:] = targets[2, 6] = -100
    logits, loss = model(idx, targets)
    assert logits.shape == (3, 7, V)
    assert model(idx)[1] is None
    assert model(idx)[0].equal(logits)
    rows = zip(logits.detach().view(-1, V), targets.flatten(), strict=True)
    paid = [-math.log(row.softmax(-1)[t]) for row, t in rows if t >= 0]
    assert float(loss) == pytest.approx(np.mean(paid), rel=1e-5)
    loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in model.parameters())


@pytest.mark.parametrize("name", MODELS)
def test_no_logit_depends_on_what_comes_later_or_in_other_rows(name) -> None:
    model, idx = made(name), ids(2, 8)
    logits = model(idx)[0]
    for t in range(8):
        changed = idx.clone()
        changed[0, t] = (idx[0, t] + 1) % V
        moved = (model(changed)[0] - logits).abs().amax(-1) > 1e-6
        assert not moved[0, :t].any()
        assert moved[0, t]
        assert not moved[1].any()
    assert torch.allclose(model(idx[:, :5])[0], logits[:, :5], atol=1e-5)


def test_the_feed_forward_model_sees_its_window_only() -> None:
    model, idx = made("feedforward"), ids(1, 9)
    changed = idx.clone()
    changed[0, 2] = (idx[0, 2] + 1) % V
    moved = (model(changed)[0] - model(idx)[0]).abs().amax(-1)[0] > 1e-6
    assert moved.tolist() == [t in (2, 3, 4) for t in range(9)]


@pytest.mark.parametrize("name", [name for name in MODELS if name != "feedforward"])
def test_the_others_see_all_that_came_before(name) -> None:
    model, idx = made(name), ids(1, 9)
    changed = idx.clone()
    changed[0, 0] = (idx[0, 0] + 1) % V
    assert ((model(changed)[0] - model(idx)[0]).abs().amax(-1) > 1e-7).all()


@pytest.mark.parametrize("name", MODELS)
def test_dropout_works_in_training_only(name) -> None:
    model, idx = made(name, dropout=0.5), ids(2, 6)
    assert model(idx)[0].equal(model(idx)[0])
    model.train()
    assert not model(idx)[0].equal(model(idx)[0])


@pytest.mark.parametrize("name", MODELS)
def test_every_model_learns_with_the_one_trainer(name) -> None:
    sentences = Village().sample(120, seed=1)
    tokenizer = WordTokenizer.train(sentences)
    data = sentence_batches(sentences, tokenizer)
    torch.manual_seed(0)
    model = {
        "feedforward": lambda: FeedForward(len(tokenizer)),
        "gpt": lambda: GPT(GPTConfig(len(tokenizer))),
        "gpt, rotary": lambda: GPT(GPTConfig(len(tokenizer), positions="rotary")),
    }.get(name, lambda: Recurrent(len(tokenizer), name))()
    before = training.bits_per_character(model, data)
    assert before == pytest.approx(math.log2(len(tokenizer)) * data.predictions / data.characters, rel=0.05)
    training.train(model, data, steps=40, batch_size=16, learning_rate=5e-3, progress=False)
    assert training.bits_per_character(model, data) < 0.85 * before


# Generating


@pytest.mark.parametrize("name", MODELS)
def test_generated_tokens_follow_the_models_probabilities(name) -> None:
    model = made(name)
    start = [3, 1]
    with torch.no_grad():
        expected = model(torch.tensor([start]))[0][0, -1].softmax(-1)
    generator = torch.Generator().manual_seed(0)
    drawn = torch.tensor([generate(model, start, 1, generator=generator)[0] for _ in range(600)])
    assert (torch.bincount(drawn, minlength=V) / 600 - expected).abs().max() < 0.08


@pytest.mark.parametrize("name", MODELS)
def test_generating_is_reproducible_stops_and_leaves_the_mode(name) -> None:
    model = made(name, dropout=0.5).train()
    runs = [generate(model, [1], 30, generator=torch.Generator().manual_seed(4)) for _ in range(2)]
    assert runs[0] == runs[1]
    assert len(runs[0]) == 30  # past the positions of a GPT
    assert model.training
    first = generate(model, [1], 30, generator=torch.Generator().manual_seed(4), stop=runs[0][4])
    assert first == runs[0][: runs[0].index(runs[0][4]) + 1]
    with pytest.raises(ValueError, match="nothing to go on from"):
        generate(model, [], 3)


# GPT


@pytest.mark.parametrize("positions", ["learned", "rotary"])
def test_reading_in_pieces_gives_the_logits_of_reading_at_once(positions) -> None:
    model, idx = made("gpt" if positions == "learned" else "gpt, rotary"), ids(3, 11)
    whole = model(idx)[0]
    pieces, cache = [], None
    for begin, end in ((0, 4), (4, 5), (5, 9), (9, 10), (10, 11)):
        logits, cache = model.read(idx[:, begin:end], cache)
        pieces.append(logits)
        assert len(cache) == end
    assert torch.allclose(torch.cat(pieces, 1), whole, atol=1e-5)
    again, _ = model.read(idx[:, 6:], cache.first(6))
    assert torch.allclose(again, whole[:, 6:], atol=1e-5)
    other, _ = model.read(idx[[2, 0], 6:], cache.first(6).rows(torch.tensor([2, 0])))
    assert torch.allclose(other, whole[[2, 0], 6:], atol=1e-5)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode, torch.enable_grad])
def test_texts_that_go_on_from_one_cache_leave_each_other_alone(mode) -> None:
    model, idx = made("gpt"), ids(2, 10)
    with mode():
        _, prompt = model.read(idx[:, :3])
        kept = [k.clone() for k in prompt.keys]
        _, start = model.read(idx[:, 3:5], prompt)
        _, one = model.read(idx[:, 5:8], start)
        other = torch.cat([idx[:, :5], idx[:, 7:10]], dim=1)
        logits, two = model.read(other[:, 5:], start)  # as speculation does after a wrong guess
        assert torch.allclose(logits, model(other)[0][:, 5:], atol=1e-5)
        back, _ = model.read(idx[:, 7:], one.first(7))
        assert torch.allclose(back, model(idx)[0][:, 7:], atol=1e-5)
        for cache, text in ((prompt, idx[:, :3]), (start, idx[:, :5]), (one, idx[:, :8]), (two, other)):
            _, read = model.read(text)
            for k, expected in zip(cache.keys + cache.values, read.keys + read.values, strict=True):
                assert torch.allclose(k, expected, atol=1e-5)
    assert all(k.equal(now) for k, now in zip(kept, prompt.keys, strict=True))


def test_a_text_read_for_inference_can_go_on_outside_of_it() -> None:
    model, idx = made("gpt"), ids(1, 6)
    with torch.inference_mode():
        _, cache = model.read(idx[:, :2])
        _, cache = model.read(idx[:, 2:3], cache)
    with torch.no_grad():
        _, cache = model.read(idx[:, 3:4], cache)
    with torch.inference_mode():
        logits, _ = model.read(idx[:, 4:], cache)
    assert torch.allclose(logits, model(idx)[0][:, 4:], atol=1e-5)


def test_new_tokens_are_written_behind_the_old_ones() -> None:
    model, idx = made("gpt"), ids(1, 12)
    places = []
    with torch.no_grad():
        _, cache = model.read(idx[:, :4])
        for t in range(4, 12):
            _, cache = model.read(idx[:, t : t + 1], cache)
            places.append(cache.keys[0].data_ptr())
    assert len(set(places)) == 2  # room for 10, then for 22


def test_gradients_go_through_a_cache() -> None:
    model, idx = made("gpt"), ids(2, 8)
    gradients = []
    for cut in (0, 5):
        model.zero_grad()
        if cut:
            _, cache = model.read(idx[:, :cut])
            _, cache = model.read(idx[:, cut : cut + 1], cache)
            logits, _ = model.read(idx[:, cut + 1 :], cache)
        else:
            logits = model(idx)[0][:, 6:]
        logits.square().sum().backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for whole, pieces in zip(*gradients, strict=True):
        assert torch.allclose(whole, pieces, atol=1e-4, rtol=1e-4)


def test_tokens_stand_where_the_caller_says() -> None:
    torch.manual_seed(0)
    model = GPT(GPTConfig(vocab_size=7, n_positions=8)).eval()
    idx = torch.tensor([[3, 1, 4, 1]])
    _, cache = model.read(idx[:, :3])
    torch.testing.assert_close(model.read(idx[:, 3:], cache, first=3)[0], model.read(idx[:, 3:], cache)[0])
    elsewhere, _ = model.read(idx[:, 3:], cache, first=0)
    assert not torch.allclose(elsewhere, model.read(idx[:, 3:], cache)[0], atol=1e-4)
    with pytest.raises(ValueError, match="8 positions"):
        model.read(idx, first=5)


def test_generating_with_a_cache_is_generating_without() -> None:
    model = made("gpt")
    row, generator = [2], torch.Generator().manual_seed(3)
    for _ in range(20):
        with torch.no_grad():
            chances = model(torch.tensor([row[-12:]]))[0][0, -1].softmax(-1)
        row.append(int(torch.multinomial(chances, 1, generator=generator)))
    assert generate(model, [2], 20, generator=torch.Generator().manual_seed(3)) == row[1:]


def test_rotary_positions_are_relative() -> None:
    model = made("gpt, rotary")
    repeated = torch.full((1, 8), 3)
    logits = model(repeated)[0][0]
    # All tokens alike: nothing tells places apart, since only distances enter and all values are equal.
    assert torch.allclose(logits, logits[:1].expand_as(logits), atol=1e-5)
    learned = made("gpt")(repeated)[0][0]
    assert not torch.allclose(learned, learned[:1].expand_as(learned), atol=1e-2)


@pytest.mark.parametrize(("positions", "kind"), [("learned", "gpt2"), ("rotary", "gpt_neox")])
def test_transformers_computes_the_same_from_the_saved_model(tmp_path, positions, kind) -> None:
    model = made("gpt" if positions == "learned" else "gpt, rotary")
    model.save_pretrained(tmp_path / "model")
    theirs = transformers.AutoModelForCausalLM.from_pretrained(str(tmp_path / "model")).eval()
    assert theirs.config.model_type == kind
    assert theirs.config.eos_token_id == 0
    assert (tmp_path / "model" / "model.safetensors").exists()
    idx = ids(4, 12)
    with torch.no_grad():
        ours = model(idx)[0]
        assert (theirs(idx).logits - ours).abs().max() < 1e-4
        again = GPT.from_pretrained(tmp_path / "model")
        assert again(idx)[0].equal(ours)
    assert again.config == model.config
    assert not again.training
    mine = torch.Generator().manual_seed(0)
    assert len(generate(again, [1], 5, generator=mine)) == 5


def test_a_model_that_transformers_made_is_read(tmp_path) -> None:
    torch.manual_seed(2)
    sizes = {"vocab_size": 13, "n_positions": 10, "n_embd": 12, "n_layer": 2, "n_head": 3}
    theirs = transformers.GPT2LMHeadModel(transformers.GPT2Config(**sizes, bos_token_id=5, eos_token_id=5))
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.3)
    theirs.eval().save_pretrained(str(tmp_path))
    ours = GPT.from_pretrained(tmp_path, dropout=0.1)
    assert ours.config == GPTConfig(13, 10, 2, 3, 12, dropout=0.1, end_id=5)
    idx = torch.randint(13, (3, 10))
    with torch.no_grad():
        assert (theirs(idx).logits - ours(idx)[0]).abs().max() < 1e-4


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_function": "relu"},
        {"scale_attn_weights": False},
        {"n_inner": 20},
        {"tie_word_embeddings": False},
    ],
)
def test_another_kind_of_model_is_refused(tmp_path, changes) -> None:
    sizes = {"vocab_size": 13, "n_positions": 10, "n_embd": 12, "n_layer": 2, "n_head": 3}
    torch.manual_seed(2)
    config = transformers.GPT2Config(**sizes, bos_token_id=5, eos_token_id=5, **changes)
    theirs = transformers.GPT2LMHeadModel(config)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    theirs.save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match=r"is a gpt2 that a GPT of nextword can't be .*AutoModelForCausalLM"):
        GPT.from_pretrained(tmp_path)


def test_refusals_name_the_remedy(tmp_path) -> None:
    with pytest.raises(ValueError, match=r"no cell 'elman'\. Choose one of rnn, lstm, gru"):
        Recurrent(V, "elman")
    with pytest.raises(ValueError, match="no positions 'sinusoidal'"):
        gpt(positions="sinusoidal")
    with pytest.raises(ValueError, match=r"8 dimensions can't be shared by 3 heads"):
        gpt(n_heads=3)
    with pytest.raises(ValueError, match="in pairs"):
        gpt(positions="rotary", n_heads=8)
    with pytest.raises(ValueError, match="12 positions and can't read 13 tokens"):
        gpt()(ids(1, 13))
    sizes = {"vocab_size": 13, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    other = transformers.LlamaConfig(**sizes, intermediate_size=8, max_position_embeddings=8)
    transformers.LlamaForCausalLM(other).save_pretrained(str(tmp_path))
    with pytest.raises(ValueError, match=r"of the kind 'llama'\. Pass one of the kind gpt2 or gpt_neox"):
        GPT.from_pretrained(tmp_path)
