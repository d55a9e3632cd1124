"""What notebook 08 says its experiments show; the release gate runs this after the solved notebook."""


def claim_a_pair_is_judged_by_both_texts():
    assert pair_accuracy["question and sentence"] > 0.65
    assert pair_accuracy["question and sentence"] > pair_accuracy["sentence alone"] + 0.1


def claim_a_frozen_encoder_knows_kinds_of_words():
    assert min(tag_accuracy[name, "words seen"] for name in ("pretrained", "never trained")) > 0.95
    assert tag_accuracy["pretrained", "new words"] > 0.6
    assert tag_accuracy["pretrained", "new words"] > tag_accuracy["never trained", "new words"] + 0.2


def claim_spans_are_found_by_the_pretrained_encoder():
    assert span_accuracy["pretrained"] > 0.5
    assert span_accuracy["pretrained"] > span_accuracy["never trained"] + 0.2


def claim_label_words_are_a_head():
    assert zero_shot > 0.57, "better than a coin, on 204 reviews"
    assert head_difference < 1e-3


def claim_beginnings_count_when_examples_are_few():
    assert DRAWS >= 5
    mean = {name: {n: sum(found) / DRAWS for n, found in by_size.items()} for name, by_size in accuracies.items()}
    assert list(mean["a new head"]) == [4, 16, 64, 256]
    right, swapped, other = (mean[name] for name in ("positive / negative", "negative / positive", "cat / dog"))
    assert right[4] > other[4] > swapped[4]
    assert right[4] - swapped[4] > 0.08
    assert right[4] > mean["a new head"][4] + 0.03
    assert right[256] - swapped[256] < (right[4] - swapped[4]) / 2, "labels replace knowledge"
    assert abs(right[256] - other[256]) < 0.06
    assert swapped[256] > mean["a new head"][256], "as in Gao et al."


def claim_tuning_changes_the_form_of_answers():
    before, after = asked_models["before"], asked_models["tuned"]
    assert before["plain"] + before["careful"] < 0.1
    assert after["plain"] + after["careful"] > 0.85
    assert after["right label"] > 0.35
    plain, careful, rest = beginnings_of_answers[1]
    assert min(plain, careful) > 0.1 and rest < 0.1, "both manners, mixed"


def claim_a_few_per_cent_of_the_weights_do_most_of_the_work():
    losses = list(answer_loss.values())
    assert trained[4] / everything < 0.03
    gained = losses[0] - losses[-1]
    assert losses[0] - losses[2] > 0.85 * gained, "rank 4"
    assert merge_difference < 1e-3


def claim_preferences_choose_the_plain_answer():
    assert margin > 0.3
    assert preferred[-1] > 0.95
    fell, rose = -moved["rejected"][-1], moved["chosen"][-1]
    assert fell > 2 * abs(rose), "mostly because the rejected answer falls"
    assert asked_models["after DPO"]["plain"] > 0.9
    assert asked_models["after DPO"]["careful"] < 0.05
    assert abs(asked_models["after DPO"]["right label"] - asked_models["tuned"]["right label"]) < 0.15
    assert beginnings_of_answers[2][0] > beginnings_of_answers[1][0] + 0.2
