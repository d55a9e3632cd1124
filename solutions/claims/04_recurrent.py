"""What notebook 04 says its experiments show; the release gate runs this after the solved notebook."""


def claim_the_notebooks_own_comparisons_with_torch_hold():
    assert max(rnn_difference, lstm_difference, gru_difference) < 1e-5


def claim_a_pulse_lasts_fades_or_is_lost():
    import pytest

    assert echoes["U = 2.0"][-1] == pytest.approx(0.957, abs=0.001)
    assert 0.2 < echoes["U = 1.0"][-1] < 0.4
    assert echoes["U = 0.5"][-1] < 1e-3


def claim_gradients_vanish_explode_and_pass_through_open_gates():
    last = {name: norms[-1] / norms[0] for name, norms in by_gain.items()}
    assert last["U times 0.5"] < 1e-18
    assert last["U times 1.0"] < 1e-4
    assert 0.3 < last["U times 1.5"] < 10
    assert last["U times 2.0"] > 1e3
    last = {name: norms[-1] / norms[0] for name, norms in by_cell.items()}
    assert (
        last["Elman"]
        < last["LSTM, forget bias 0"]
        < last["LSTM, forget bias 1"]
        < last["LSTM, forget bias 2"]
    )
    assert last["LSTM, forget bias 2"] > 0.1
    assert last["Elman"] < 1e-12
    way_back = {name: norms[18] for name, norms in before_and_after.items()}
    assert way_back["LSTM, trained"] > 10 * way_back["LSTM, new"]
    assert way_back["LSTM, new"] > 10 * way_back["Elman, new"]
    assert way_back["Elman, new"] < 1e-3


def claim_clipping_prevents_explosions():
    from statistics import mean

    free, clipped = unclipped, clipped_losses
    assert max(free) > 3 * free[0]
    assert max(clipped) < 2 * clipped[0]
    assert mean(free[-20:]) > mean(clipped[-20:]) + 0.5


def claim_the_lstm_remembers_where_the_others_forget():
    from statistics import mean

    log, number = agreement("log"), agreement("number")
    assert min(log["LSTM"] + number["LSTM"]) > 0.9
    over_all = {name: mean(log[name] + number[name]) for name in log}
    assert over_all["LSTM"] > over_all["Elman"] + 0.03
    assert over_all["Elman"] > over_all["feed-forward, 4 words"] + 0.03
    assert over_all["feed-forward, 4 words"] > over_all["Kneser-Ney, n = 3"] + 0.01
    assert all(share == 0.5 for share in log["Kneser-Ney, n = 3"][1:]), "the cue is outside the window"
    assert all(share == 0.5 for share in number["Kneser-Ney, n = 3"][2:])
    assert all(share == 0.5 for share in log["feed-forward, 4 words"][3:])
    assert all(share == 0.5 for share in number["feed-forward, 4 words"][4:])
    assert mean(log["Elman"][:3]) > 0.9, "an Elman network carries the cue over a few words"
    far = {name: mean(log[name][5:] + number[name][5:]) for name in log}
    assert far["LSTM"] > far["Elman"] + 0.03, "over long distances it falls behind"
    assert far["Elman"] > 0.6 > far["feed-forward, 4 words"]
    assert new_share[10] > 0.9, "at long distances the exam is new"


def claim_most_drawn_sentences_are_impossible():
    assert all(0.1 < share < 0.6 for share in possible.values()), possible


def claim_ladder_goes_on_downwards():
    bits = {rung.model: rung.bits for rung in ladder.rungs() if rung.notebook == "04"}
    floor = village.source.bits_per_character_floor(village.test)
    assert 0.90 > bits["Elman RNN"] > bits["LSTM"] > bits["GRU"] > floor, bits
