"""What the experiments of notebook 11 show. Bands, not numbers: a better model must meet them as well."""

import math


def claim_the_model_reads_all_three_sets():
    for name, scores in zero_shot.items():
        said, sure = classify(scores, list(LABELS[name]))
        commonest = max(gold[name].count(label) for label in LABELS[name]) / len(gold[name])
        assert accuracy(gold[name], said) > commonest + 0.05, (
            "section 3: above the most frequent label on each set"
        )
        assert 1 / len(LABELS[name]) < float(sure.mean()) <= 1


def claim_batches_change_nothing():
    asked = prompts_of("headlines", few_texts[:12])
    together = label_log_probabilities(model, asked, answers_of("headlines"), 60)
    alone = label_log_probabilities(model, asked, answers_of("headlines"), 1)
    assert float((together - alone).abs().max()) < 1e-3


def claim_calibration_moves_a_threshold_and_nothing_else():
    # Of two labels one gains texts and loses none: `plain` and `better` are of four positive examples.
    before, after = (scores.argmax(dim=1) for scores in (plain, better))
    assert bool((before <= after).all()) or bool((before >= after).all())
    assert abs(right["no example"] - right["no example, calibrated"]) < 0.2


def claim_wording_matters():
    right_shares = [hit for _, hit in ways.values()]
    assert max(right_shares) - min(right_shares) > 0.08, "section 7: the spread is the finding to keep"
    assert len(WAYS) == 10 and all(math.isfinite(surprise) and surprise > 1 for surprise, _ in ways.values())


def claim_the_table_compares_coders_fairly():
    assert {"most frequent label", "fine-tuned head"} < set(table)
    assert abs(table["most frequent label"]["accuracy"][0] - 1 / 3) < 0.01
    assert table["most frequent label"]["kappa"][0] == 0.0
    assert table["fine-tuned head"]["gain"][1] > 0, (
        "a head trained on 432 posts beats the most frequent label"
    )
    if "bag of words" in table:
        assert table["bag of words"]["gain"][1] > 0, "so does a bag of words"
    for row in table.values():
        for name in MEASURES:
            value, low, high = row[name]
            assert low <= value <= high or abs(low - value) < 0.02
        assert len(row["predicted"]) == 216


def claim_each_verdict_is_what_the_interval_says():
    for sentence, (name, row) in zip(
        verdict(table), [pair for pair in table.items() if pair[0] != "most frequent label"], strict=True
    ):
        assert sentence.startswith(name)
        assert (" beats " in sentence) == (row["gain"][1] > 0)


def claim_the_interval_closes_in_with_the_root_of_n():
    widths = {n: high - low for n, (low, high) in ends.items()}
    assert 1.6 < widths[80] / widths[320] < 2.5, (
        "the figure's title: half the interval costs four times the coding"
    )


def claim_two_codings_agree_and_the_page_says_how_well():
    assert human_kappa > 0.95
    assert f"{human_kappa:.2f}" in page and model.revision in page and "by the authors" in page
    met = "The validation met the requirements" in page
    assert met == validation["accepted"], "the page says what the validation said"
    assert validation["n"] == len(human_texts), "no post of the pilot is among the human-coded ones"


def claim_counts_can_be_off_although_the_texts_are_many():
    assert abs(worst) > 0.03, "the title: mistakes do not cancel out"
