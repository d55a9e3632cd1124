"""What notebook 07 says its experiments show; the release gate runs this after the solved notebook."""


def claim_muon_beats_adamw_and_makes_the_top_rung():
    assert histories["Muon"].best < histories["AdamW"].best - 0.02
    mine = next(rung for rung in ladder.rungs() if rung.model == "GPT, Muon")
    assert all(mine.bits < rung.bits for rung in ladder.before("07"))
    assert village.source.bits_per_character_floor(village.test) < mine.bits < 0.75


def claim_more_tokens_always_help_and_order_matters():
    for width in widths:
        losses = [above[width, n] for n in lengths]
        assert losses == sorted(losses, reverse=True)
    assert ordered_bits["shuffled"] < ordered_bits["sorted by topic"]
    assert bits_so_far == sorted(bits_so_far, reverse=True)


def claim_topics_alone_solve_the_next_sentence_task():
    assert sum(guessed == label for guessed, label in with_topics) >= 0.9 * len(with_topics)
