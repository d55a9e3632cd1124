"""What notebook 02 says its experiments show; the release gate runs this after the solved notebook."""


def claim_weighing_brings_topics_apart():
    import numpy as np

    topic = np.repeat(np.arange(3), 3)
    same = (topic[:, None] == topic) & ~np.eye(9, dtype=bool)
    other = topic[:, None] != topic
    raw, weighed = raw_cosines, ppmi_cosines
    assert raw.min() > 0.9, "by raw counts, every noun is much like every other"
    assert weighed[same].min() > weighed[other].max(), "by PPMI, the three topics come apart"
    rows = np.array(term_document).reshape(3, 3, 3, 2)
    assert all((rows[i, :, j].sum() > 0) == (i == j) for i in range(3) for j in range(3)), (
        "stories tell topics apart"
    )


def claim_nearest_words_on_the_map_share_a_topic():
    import numpy as np

    points = np.array([places[word] for word in shown])
    distances = np.linalg.norm(points[:, None] - points[None], axis=2) + 99 * np.eye(len(points))
    topic = np.repeat(np.arange(4), 6)
    assert (topic[distances.argmin(axis=1)] == topic).all()


def claim_training_learns_the_shifted_pmi():
    import numpy as np
    import pytest

    assert losses[0] == pytest.approx(6 * np.log(2), abs=0.01), "at first, each of six answers costs ln 2"
    assert losses[-1] < 1.3
    assert len(losses) == 13, "training was not stopped early"
    assert correlation > 0.9
    assert max(differences) < 1e-12, "autograd agrees"


def claim_planted_analogies_are_solved_at_the_stated_rate():
    import numpy as np

    right = {kind: dict(zip(relations, shares, strict=True)) for kind, shares in school.items()}
    skipgram, svd, wide = right["skip-gram, 64"], right["PPMI + SVD, 64"], right["PPMI, 2,175 numbers"]
    assert len(skipgram) == 7
    assert np.mean(list(skipgram.values())) > 0.85, "skip-gram solves most of them"
    assert min(skipgram.values()) > 0.65, "of every relation"
    assert np.mean(list(wide.values())) > 0.9, "the plain matrix solves nearly all"
    assert np.mean(list(svd.values())) < 0.6, "SVD with as many numbers solves far fewer"
    assert 0.1 < in_question < 0.35, "about a fifth of the winners are words of the question"


def claim_arrows_of_a_relation_point_the_same_way():
    import numpy as np

    words = [word for pair in pairs_to_draw for word in pair]
    points = flatten(W[[index[word] for word in words]]).reshape(-1, 2, 2)
    arrows = points[:, 1] - points[:, 0]
    directions = arrows / np.linalg.norm(arrows, axis=1, keepdims=True)
    assert (directions @ directions.T).min() > 0.6  # at most 53 degrees between any two


def claim_planted_changes_of_meaning_come_first():
    import numpy as np

    changed = set(village.changed_words)
    assert len(changed) == 16
    assert {words[i] for i in ranking[:20]} >= changed
    assert len({words[i] for i in ranking[:16]} & changed) >= 15
    unaligned = 1 - np.diag(cosine_similarity(then, now))
    ranked = sorted(ranking, key=lambda i: -unaligned[i])
    assert len({words[i] for i in ranked[:20]} & changed) <= 3, "without alignment nothing is found"


def claim_real_text_cell_reads_raw_text():
    import numpy as np

    text = " = Heading = \n" + "The King met the Queen .\nThe queen met the king , twice .\n" * 400
    vocabulary, rows = real_vectors(
        text + " ".join(f"a{chr(97 + i % 26)}{chr(97 + i // 26)} filler" for i in range(600)), 300
    )
    assert vocabulary[0] == "the"
    assert rows.shape == (300, 100)
    assert np.isfinite(rows).all()
