"""What the prose of notebook 09 says its experiments show; the names are those of the solved notebook."""


def claim_greedy_texts_run_in_circles():
    texts = [greedy_decode(large, ids_of(opening), 60) for opening in ["Review: I", "Headline:"]]
    assert max(repetition(tokens, 4) for tokens in texts) > 0.1
    assert mean([repetition(tokens) for tokens in by_temperature[0]]) > 0.1


def claim_beams_find_likelier_texts_than_greedy_decoding():
    assert min(beam_bits[k] for k in (2, 4, 8)) < beam_bits[1]
    assert found[1] == greedy_decode(large, REVIEW, 40)


def claim_larger_alpha_makes_longer_texts():
    lengths = [len(beam_search(toy, [0], 12, 10, end_id=0, alpha=alpha)) for alpha in (0.0, 1.0, 2.0)]
    assert lengths == sorted(lengths) and lengths[0] == 3 < lengths[-1]


def claim_cold_texts_repeat_themselves():
    for texts, settings in ((by_temperature, temperatures), (by_p, nuclei)):
        cold, hot = texts[settings[0]], texts[settings[-1]]
        assert mean([repetition(tokens) for tokens in cold]) > 3 * mean(
            [repetition(tokens) for tokens in hot]
        )
        assert mean([distinct(tokens) for tokens in cold]) < people_distinct - 0.1
        assert mean([distinct(tokens) for tokens in hot]) > mean([distinct(tokens) for tokens in cold]) + 0.15
    assert by_temperature[0] == by_p[0], "a nucleus of one token is greedy decoding"


def claim_people_surprise_the_model_more_than_its_own_texts():
    assert mean(surprises["beam search, k = 4"]) < 0.7 * mean(surprises["a draw"])
    assert mean(surprises["a draw"]) < 0.7 * mean(surprises["the person"])


def claim_the_model_is_calibrated_on_its_own_texts_only():
    own, people_error, mended = errors.values()
    assert own < 0.07
    assert people_error > 2 * own
    assert mended < 0.6 * people_error
    assert best_T > 1


def claim_a_cache_makes_the_cost_of_a_token_level():
    with_cache, without = timings["with a cache"], timings["without a cache"]
    assert same
    assert without[-1] > 3 * without[0], without
    assert without[-1] > 3 * with_cache[-1], (without, with_cache)


def claim_speculative_decoding_draws_from_the_large_model():
    assert all(row[0] > 0.01 and row[1] > 0.01 for row in chances.values()), chances
    assert all(row[2] < 1e-6 for row in chances.values()), chances
    assert own_chance > 0.01


def claim_tokens_per_call_follow_the_overlap():
    formula = {name: sum(a**i for i in range(K + 1)) for name, (a, _) in gains.items()}
    assert all(abs(gains[name][1] - formula[name]) < 0.35 * formula[name] for name in gains), gains
    assert gains["knows nothing"][1] < 1.3
    assert gains["course-lm itself"][1] == 5
    assert all(1.3 < gains[f"T = {T}"][1] < 5 for T in ("0", "0.5", "1"))
