"""Helpers for the notebooks of Next Word: text with a known floor, presets, figures, the ladder, checks.

    from nextword import check, corpus, hand_in, ladder, plots, preset

Importing this package loads numpy and nothing heavier: torch and matplotlib are imported by the functions
that need them.
"""

from nextword import check, ladder, metrics, plots
from nextword.corpora import Corpus, TextCorpus, corpus
from nextword.presets import Preset, preset
from nextword.submission import hand_in
from nextword.village import Village

__version__ = "0.1.0"

__all__ = [
    "Corpus",
    "Preset",
    "TextCorpus",
    "Village",
    "check",
    "corpus",
    "hand_in",
    "ladder",
    "metrics",
    "plots",
    "preset",
]
