"""What notebook 05 says its experiments show; the release gate runs this after the solved notebook."""


def claim_reversal_needs_attention():
    attending, without = exact["with attention"], exact["without attention"]
    assert len(attending) == len(without) == 20
    assert min(attending) >= 0.95, "at least 95% exact at every length up to 20"
    assert min(without[:3]) > 0.95, "short strings fit into one state"
    assert max(without[14:]) < 0.5, "and long ones do not"
    assert without[-1] < 0.1


def claim_the_reversal_map_runs_from_right_to_left():
    import torch

    draw_reversal("qwertyuiopasdfghjkl")
    weights = trained_reverser(cross_attention).weights[0]
    length = weights.shape[1]
    distances = (weights[:length].argmax(-1) - torch.arange(length - 1, -1, -1)).abs()
    assert (distances <= 1).float().mean() > 0.9


def claim_attention_alone_beats_counting_and_reaches_far():
    import math

    bits = nats / math.log(2) / test_set.characters
    assert bits < 0.918 - 0.1, "far below Kneser-Ney"
    assert bits > village.source.bits_per_character_floor(village.test)
    assert min(agreement["attention alone"]) > 0.85, (
        "stays above 0.9 in the alt text; a little slack"
    )
    assert agreement["Kneser-Ney, n = 4"][3:] == [0.5, 0.5, 0.5]


def claim_scaling_keeps_attention_soft():
    plain, scaled = largest["plain"], largest["divided by √d"]
    assert plain[-1] > 0.9
    assert max(scaled[1:]) - min(scaled[1:]) < 0.05


def claim_time_and_memory_grow_as_promised():
    assert 1.4 < fitted["yours"] < 2.8
    assert exponent(cost_lengths, kept["yours"]) > 1.8
    assert exponent(cost_lengths, kept["fused"]) < 1.2
