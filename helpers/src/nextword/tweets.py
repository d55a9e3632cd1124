"""Real posts with stances, from the hub: the tweets of SemEval-2016 task 6 (Mohammad et al. 2016)."""

from __future__ import annotations

from nextword.hub import data_set

DATASET = "cardiffnlp/tweet_eval"  # Barbieri et al. 2020; parquet, so that no script runs
TARGETS = {
    "abortion": "the legalisation of abortion",
    "atheism": "atheism",
    "climate": "action on climate change",
    "feminist": "the feminist movement",
    "hillary": "Hillary Clinton",
}
STANCES = ("none", "against", "favour")  # in the order of the dataset's numbers; there, the last is "favor"


def stance_tweets(topic: str, split: str = "test") -> list[tuple[str, str]]:
    """Return pairs (tweet, stance) on one of `TARGETS`; stances are named as in the course's posts.

    Raises ValueError for an unknown topic, OSError where the hub is out of reach, ImportError without
    Hugging Face `datasets`.
    """
    if topic not in TARGETS:
        raise ValueError(f"There are no tweets on {topic!r}. Choose one of: {', '.join(TARGETS)}.")
    rows = data_set("The tweets of tweet_eval are", DATASET, f"stance_{topic}", split=split)
    return [(str(row["text"]), STANCES[row["label"]]) for row in rows]
