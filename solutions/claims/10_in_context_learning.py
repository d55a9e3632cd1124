"""What notebook 10 says its experiments show; the release gate runs this after the solved notebook."""


def claim_layers_are_gradient_steps():
    assert len(construction_gaps) == 5
    assert max(construction_gaps) < 1e-10


def claim_trained_layer_is_the_best_step():
    assert layer_seconds < 30
    assert -0.002 < excess < 0.02
    assert agreement < 0.02
    assert (found[0][:5, :5] - wanted[0][:5, :5]).abs().max() < 0.15
    assert (found[1][-1] - wanted[1][-1]).abs().max() < 0.15


def claim_two_layers_surpass_two_plain_steps():
    loss = {name: mean for name, (mean, _) in two_losses.items()}
    assert loss["two trained layers"] < 0.9 * loss["two steps, best rates"]
    assert loss["two steps of GD++"] < loss["two trained layers"]
    assert loss["two steps, best rates"] < loss["one step"]


def claim_transformer_follows_ridge():
    ours, floor = curves["transformer"], curves["ridge"]
    assert all(later < before for before, later in zip(ours, ours[1:], strict=False))
    assert all(0.97 * low < high < 1.8 * low for low, high in zip(floor, ours, strict=True))
    assert ours[-1] < 0.3 * ours[0]
    assert to_ridge[0] + to_ridge[1] < to_squares[0] - to_squares[1]


def claim_reader_comes_closer_to_bayes_and_to_the_concept():
    assert kl_fall[0] > kl_fall[1] > 0, "the divergence from Bayes falls, and not by chance"
    assert float(more.mean()) < 0.8 * float(fewer.mean())
    assert float(to_truth[:, -3:].mean()) < 0.5 * float(to_truth[:, 0].mean())
    assert float(bayes_to_truth[:, -1].mean()) < 0.02


def claim_wrong_labels_spoil_regression_and_not_retrieval():
    assert all(kept[name][2] < 0.2 for name in ("regression: ridge", "regression: transformer"))
    assert all(kept[name][1] > 0.6 for name in ("documents: Bayes", "documents: GPT"))


def claim_risk_rises_before_it_falls():
    assert 2 <= peak <= 10
    assert risk[peak][0] - risk[peak][1] > 2 * (risk[0][0] + risk[0][1])
    assert risk[64][0] < 0.7 * risk[0][0]
    assert float(beliefs_in_A[:, 16].mean()) > 0.8
    assert float(common_risks.mean(0).argmax()) <= 1
