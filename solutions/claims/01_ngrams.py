"""What notebook 01 says its experiments show; the release gate runs this after the solved notebook."""


def claim_experiments_show_what_the_notebook_says():
    import math

    curves = perplexities
    mle_train, kn, add_k = (
        curves[name] for name in ("MLE, known text", "Kneser-Ney, new text", "add-k, new text")
    )
    assert mle_train == sorted(mle_train, reverse=True), "a longer memory looks better on training text"
    assert all(map(math.isinf, on_held_out[1:])), "maximum likelihood finds held-out text impossible"
    assert new_shares == sorted(new_shares), "longer windows are more often new"
    assert new_shares[0] < 0.01, "from almost 0"
    assert new_shares[-1] > 0.5, "to more than a half"
    best = {n: min(try_all_k(n)) for n in (1, 2, 3, 4)}
    assert best[2] < best[3] < best[4] < best[1], "no k makes three or four words better than two"
    assert all(kn[i] < add_k[i] for i in range(1, 5)), "Kneser-Ney beats add-k from bigrams on"
    assert min(kn) == kn[3], "Kneser-Ney gains from a longer memory, up to four words"
    assert kn[1] > kn[2] > kn[3]
    assert abs(kn[4] / kn[3] - 1) < 0.05, "and then stays level"
    assert village_matrix[0, 0] < 0.2, "a vowel seldom follows a vowel"


def claim_counting_cannot_reach_beyond_its_window():
    for n in (2, 3, 4):
        shares = [right_choices(models[n], n, distance) for distance in range(6)]
        assert shares[0] > 0.8
        assert all(share > 0.55 for share in shares[: n - 1])
        assert all(share == 0.5 for share in shares[n - 1 :])


def claim_ladder_starts_in_the_promised_order():
    bits = {rung.model: rung.bits for rung in ladder.rungs() if rung.notebook == "01"}
    kneser_ney = next(value for model, value in bits.items() if model.startswith("Kneser-Ney"))
    floor = village.source.bits_per_character_floor(test)
    assert (bits["Uniform"] - kneser_ney) / (bits["Uniform"] - floor) > 0.75, (
        "counting closes most of the distance"
    )
    assert bits["Uniform"] > bits["Unigram, add-k"] > bits["Bigram, add-k"] > kneser_ney > floor
