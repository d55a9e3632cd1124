"""What notebook 06 says its experiments show; the release gate runs this after the solved notebook."""


def claim_proof_and_shuffled_words():
    assert proof_difference < 1e-4
    assert difference < 1e-5
    assert change_when_reversed(ablated["positions"], 1) < 1e-5
    assert change_when_reversed(ablated["positions"], 6) > 0.1
    assert change_when_reversed(ablated["nothing"], 1) > 0.1


def claim_post_norm_keeps_the_last_gradient_large():
    pre, post = gradients["pre-norm (yours)"], gradients["post-norm"]
    assert pre == sorted(pre, reverse=True)
    assert pre[-1] < 0.5 * pre[0]
    assert min(post) > 0.7 * post[0]


def claim_gpt_is_the_lowest_rung():
    from nextword import ladder

    floor = village.source.bits_per_character_floor(village.test)
    assert floor < gpt_bits
    before = {rung.model: rung.bits for rung in ladder.before("06")}
    assert before
    assert all(gpt_bits < bits for bits in before.values()), before


def claim_ablations_tell_the_parts_apart():
    import math

    end = {name: history.train[-1] for name, history in lessons.items()}
    assert end["the whole model"] < 0.2
    assert end["no feed-forward"] < 0.2
    assert 0.5 < end["no norm"] < 4, "later, and not over"
    assert 0.5 < end["no stream"] < 4
    assert 3 < end["no positions"] < 4.5, "better than chance"
    assert abs(end["no attention"] - math.log2(26)) < 0.05


def claim_ways_to_say_where_differ_as_told():
    bits = dict(zip(ways, by_way.tolist(), strict=True))
    assert max(bits["learned"]) < 0.2
    assert max(bits["sinusoidal"]) < 1
    backwards, same_order = bits["rotary"]
    assert same_order < 1 < 2 < backwards
    assert min(bits["ALiBi"] + bits["none"]) > 2


def claim_guesses_improve_with_every_block():
    assert early == sorted(early, reverse=True)


def claim_probe_finds_number_where_its_control_does_not():
    number, control = probed["number"], probed["control task"]
    assert abs(number[0] - 0.5) < 0.15, "the word itself does not say it"
    assert number[-1] > 0.9
    assert number[-1] - control[-1] > 0.15


def claim_blocks_see_what_they_may():
    from typing import Any

    import torch
    from torch import Tensor

    def seen(*arguments: Any, **settings: Any) -> Tensor:
        return torch.tensor(influence(*arguments, **settings)) > 1e-4

    lower = torch.ones(5, 5).tril().bool()
    assert torch.equal(seen(causal_block, five), lower)
    assert seen(encoder_block, five).all()
    assert torch.equal(seen(decoder_block, five, source_five), lower)
    assert seen(decoder_block, five, source_five, of=1).all()


def claim_encoder_decoder_reverses():
    assert right.all(1).float().mean() > 0.9
