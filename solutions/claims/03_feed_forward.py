"""What notebook 03 says its experiments show; the release gate runs this after the solved notebook."""


def claim_network_beats_kneser_ney_on_unseen_trigrams():
    surprise = surprise_by_kind
    assert surprise["new: network"] < 0.8 * surprise["new: Kneser-Ney"]
    assert abs(surprise["seen: network"] / surprise["seen: Kneser-Ney"] - 1) < 0.08, "equal on what was seen"


def claim_network_understands_synonyms_that_never_share_a_trigram():
    for sentence in swapped:
        with_twin = [t for t in trigrams_of(sentence) if set(t) & twins.keys()]
        assert len(with_twin) == 3
        assert not set(with_twin) & seen_trigrams, "every trigram with the new word is unseen"
    for name, (by_table, by_network) in twin_bits.items():
        assert (by_network < by_table).mean() > 0.95, name
        assert by_network.mean() < 0.6 * by_table.mean(), name
    by_network = [in_bits(trained_network(), sentences).sum() for sentences in (as_spoken, swapped)]
    by_table = [in_bits_by_counting(sentences).sum() for sentences in (as_spoken, swapped)]
    assert by_network[1] < 1.3 * by_network[0], "the network is hardly more surprised"
    assert by_table[1] > 1.8 * by_table[0], "the table is lost"
    predicted, read = (
        ranks_of_twins(m) for m in (trained_network().U.T, trained_network().E)
    )
    assert predicted.count(1) >= 10, "the output vectors found the synonyms"
    assert read.count(1) >= 8, "and so did the rows of E"


def claim_experiments_show_what_the_notebook_says():
    import math

    import numpy as np
    import pytest

    networks, tables = networks_by_size, counting_by_size
    assert abs(networks[0] - tables[0]) < 0.02, "little to choose between bigram models"
    assert all(network < table for network, table in zip(networks[1:], tables[1:], strict=True))
    assert sizes[int(np.argmin(tables))] == 3
    assert sizes[int(np.argmin(networks))] == 3
    history = long_run(FeedForwardLM)[1]
    passed = next(
        step
        for step, bits in zip(history.steps, history.valid, strict=True)
        if bits < by_counting(3)
    )
    assert passed <= 900, "within a few hundred steps"
    assert history.valid[-1] - history.train[-1] > 0.03, "a gap opens"
    assert abs(untrained_loss - math.log(V)) < 0.05
    assert story_losses[0] == pytest.approx(math.log(8), abs=0.02)
    assert story_losses[-1] < best_story_loss + 0.05
    sgd, adam = (np.mean(first_hundred[name][-20:]) for name in ("SGD", "Adam"))
    assert adam < sgd
    bits = swapped_bits
    words = [*swapped_sentence, "</s>"]
    assert bits[words.index("sofa")] == max(bits)
    assert all(bits[words.index(word)] > 8 for word in ("under", "window"))


def claim_feed_forward_stands_below_kneser_ney_on_the_ladder():
    import math

    rung = next(rung for rung in ladder.rungs() if rung.model == "Feed-forward")
    kneser_ney = -counting.log_probabilities(village.test).sum() / math.log(2) / rung.characters
    assert village.source.bits_per_character_floor(village.test) < rung.bits < kneser_ney - 0.1
    assert rung.notebook == "03"
